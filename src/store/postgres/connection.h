// One connection to PostgreSQL: libpq in pipeline mode, everything that is asked sent at once, then everything that is
// answered read. A resource, used by one thread at a time; that thread waits here for the network.
#pragma once

#include <chrono>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "base/secret.h"
#include "store/lineage.h"
#include "store/postgres/values.h"

struct pg_conn;

namespace latchkey::store::postgres {

// Where the database is. `url` is a connection URI without a password (checked by check_postgres_url).
struct Place {
  std::string url;
  Secret password;      // empty: libpq's own ways (passfile, certificate, peer)
  std::string display;  // for sentences: host, port and database
  Lineage* lineage = nullptr;  // told of every connection; nullptr: nobody asks
};

// A reader's transactions lose nothing when they are lost, so they do not wait for the disk.
enum class Access { writer, reader };

// A statement. Its text is prepared once in each session, so there should not be endless many different ones.
struct Query {
  std::string_view sql;
  Values values{};
};

// Why a statement was refused, in the server's own terms.
struct Failure {
  std::string state;       // SQLSTATE, five characters; empty: the connection broke
  std::string message;
  std::string constraint;
  bool fatal = false;      // the connection ended with it

  [[nodiscard]] bool lost() const { return state.empty(); }
};

// What became of one statement.
struct Answer {
  enum class Kind {
    done,     // rows say more
    failed,   // failure says why
    skipped,  // an earlier one of the same sync had failed
    lost,     // sent, perhaps, and no answer came
  } kind = Kind::lost;
  Rows rows;
  Failure failure;
};

// A statement, or the point at which the server takes up again after a failure.
struct Step {
  const Query* query = nullptr;  // nullptr: the sync point
};

class Connection {
 public:
  static constexpr std::chrono::seconds kPatience{30};  // for all the answers of one exchange

  // Errors: those of connect_error().
  [[nodiscard]] static Result<std::unique_ptr<Connection>> open(const Place& place, Access access);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  // Sends the steps (the last is a sync point) and reads an answer for each statement. After a broken line every answer
  // missing is `lost`, and the connection is of no more use.
  [[nodiscard]] std::vector<Answer> exchange(std::span<const Step> steps);

  // False once the line is known to be broken; looks without waiting.
  [[nodiscard]] bool alive();
  // The line of history that its server is on (store/lineage.h).
  [[nodiscard]] const std::string& lineage() const { return lineage_; }

  // One statement; its own transaction outside of a Snapshot.
  [[nodiscard]] Result<Rows> ask(const Query& query);
  // All of them in one snapshot and one round trip.
  [[nodiscard]] Result<std::vector<Rows>> ask_together(const std::vector<Query>& queries);
  // A text of several statements without values (schema, settings), each for itself unless the text says BEGIN.
  [[nodiscard]] Result<void> run_script(const std::string& sql);

 private:
  explicit Connection(pg_conn* handle) : handle_(handle) {}
  [[nodiscard]] Result<void> prepare_session(Access access);
  void send(std::span<const Step> steps);
  void prepare(std::span<const Step> steps);
  bool wait_for_input(std::chrono::steady_clock::time_point until);
  [[nodiscard]] std::string name_of(std::string_view sql) const;

  pg_conn* handle_;
  std::string lineage_;
  std::set<std::string, std::less<>> prepared_;
  std::vector<std::string> preparing_;
  bool broken_ = false;
};

// A read snapshot over several exchanges; ends with the object.
class Snapshot {
 public:
  explicit Snapshot(Connection& connection);
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;
  ~Snapshot();

 private:
  Connection& connection_;
};

// What a failure outside of any expectation means to a caller of the Store: store_unavailable, store_corrupt, or a bug.
[[nodiscard]] Error error_of(const Failure& failure);
// The same for a read or a script, whose broken line means that nothing happened.
[[nodiscard]] Error error_of(const Answer& answer);
// 40001, 40P01: the same again may succeed.
[[nodiscard]] bool is_worth_repeating(const Failure& failure);
// The database cannot be written by this session any more, another connection may reach one that can.
[[nodiscard]] bool is_read_only(const Failure& failure);

}  // namespace latchkey::store::postgres

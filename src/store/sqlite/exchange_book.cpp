#include "store/exchange_book.h"

#include <tuple>

#include "store/sqlite/book_file.h"
#include "store/sqlite/reserved_room.h"

namespace latchkey::store {
namespace {

using sqlite::Connection;
using sqlite::ReservedRoom;
using sqlite::undone;

constexpr std::string_view kTables = R"sql(
CREATE TABLE IF NOT EXISTS exchanges (
  office BLOB NOT NULL, intent BLOB NOT NULL, turn INTEGER NOT NULL, state INTEGER NOT NULL, reply BLOB NOT NULL,
  changed_at INTEGER NOT NULL, PRIMARY KEY (office, intent)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS exchanges_by_age ON exchanges(state, changed_at);
CREATE INDEX IF NOT EXISTS exchanges_unacknowledged ON exchanges(office) WHERE state <> 3;
CREATE TABLE IF NOT EXISTS nonces (
  office BLOB NOT NULL, nonce BLOB NOT NULL, used_at INTEGER NOT NULL, PRIMARY KEY (office, nonce)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS nonces_by_age ON nonces(used_at);
)sql";
constexpr sqlite::BookFile kBook{.id = 0x4c4b4558, .schema = 1, .tables = kTables, .name = "file of exchanges"};  // 'LKEX'

class SqliteExchangeBook final : public ExchangeBook {
 public:
  SqliteExchangeBook(std::unique_ptr<Connection> db, ReservedRoom room) : db_(std::move(db)), room_(std::move(room)) {}

  Result<std::optional<KeptExchange>> claim(const OfficeId& office, const IntentId& intent, std::int64_t turn,
                                            ByteView nonce, WallTime now) override {
    if (auto begun = run("BEGIN IMMEDIATE"); !begun) return std::unexpected(begun.error());
    if (auto used = insert_nonce(office, nonce, now); !used) return undone(*db_, std::move(used.error()));
    auto found = find(office, intent);
    if (!found) return undone(*db_, std::move(found.error()));
    const bool free = !*found || ((*found)->state == ExchangeState::acknowledged && (*found)->turn < turn);
    if (free) {
      if (auto held = room_.hold(); !held) return undone(*db_, std::move(held.error()));
      if (auto claimed = insert(office, intent, turn, now); !claimed) return undone(*db_, std::move(claimed.error()));
      found->reset();
    }
    if (auto committed = run("COMMIT"); !committed) return undone(*db_, std::move(committed.error()));
    return std::move(*found);
  }

  Result<std::optional<KeptExchange>> recall(const OfficeId& office, const IntentId& intent, ByteView nonce,
                                             WallTime now) override {
    if (auto used = insert_nonce(office, nonce, now); !used) return std::unexpected(used.error());
    return find(office, intent);
  }
  Result<void> keep_reply(const OfficeId& office, const IntentId& intent, std::int64_t turn, const Bytes& reply,
                          WallTime now) override {
    return settle(office, intent, turn, ExchangeState::answered, reply, now);
  }
  Result<void> keep_unknown(const OfficeId& office, const IntentId& intent, std::int64_t turn, WallTime now) override {
    return settle(office, intent, turn, ExchangeState::unknown, {}, now);
  }
  Result<void> forget_unsent(const OfficeId& office, const IntentId& intent, std::int64_t turn) override {
    auto statement = db_->prepare("DELETE FROM exchanges WHERE office = ?1 AND intent = ?2 AND turn = ?3 AND state = 0");
    const auto changed = statement.bind(office, intent, turn).run();
    if (statement.failed()) return statement.failure();
    if (changed == 0) return no_such_exchange();
    return {};
  }
  Result<std::optional<KeptExchange>> look(const OfficeId& office, const IntentId& intent) override {
    return find(office, intent);
  }
  Result<void> acknowledge(const OfficeId& office, const IntentId& intent, std::int64_t turn, Heard heard,
                           WallTime now) override {
    auto statement = db_->prepare(
        "UPDATE exchanges SET state = 3, reply = x'', changed_at = ?4 "
        "WHERE office = ?1 AND intent = ?2 AND turn = ?3 AND (state IN (2, 4) OR (state = 1 AND ?5))");
    statement.bind(office, intent, turn, now, std::int64_t{heard == Heard::reply}).run();
    if (statement.failed()) return statement.failure();
    return {};
  }
  Result<void> forget_nonces(WallTime now) override {
    return change("DELETE FROM nonces WHERE used_at < ?1", now - kNonceKeptFor);
  }
  Result<void> forget_old(WallTime now) override {
    if (auto begun = run("BEGIN IMMEDIATE"); !begun) return begun;
    auto done = change("DELETE FROM exchanges WHERE state = 3 AND changed_at < ?1", now - kAcknowledgedKeptFor);
    if (done) done = change("DELETE FROM exchanges WHERE state = 4 AND changed_at < ?1", now - kLapsedKeptFor);
    if (done) {
      done =
          change("UPDATE exchanges SET state = 4, reply = x'', changed_at = ?2 WHERE state IN (0, 1, 2) AND changed_at < ?1",
                 now - kReplyKeptFor, now);
    }
    if (done) done = run("COMMIT");
    if (!done) return undone(*db_, std::move(done.error()));
    return {};
  }
  Result<ExchangeCounts> counts() override {
    auto statement = db_->prepare(
        "SELECT count(*) FILTER (WHERE state <> 0), count(*) FILTER (WHERE state = 0) FROM exchanges "
        "WHERE state <> 3 AND state <> 4");
    ExchangeCounts counts;
    if (statement.row()) statement.read(counts.waiting, counts.asked);
    if (statement.failed()) return statement.failure();
    return counts;
  }

 private:
  Result<void> run(std::string_view sql) { return change(sql); }
  template <class... Values>
  Result<void> change(std::string_view sql, const Values&... values) {
    auto statement = db_->prepare(sql);
    statement.bind(values...).run();
    if (statement.failed()) return statement.failure();
    return {};
  }
  Result<void> insert_nonce(const OfficeId& office, ByteView nonce, WallTime now) {
    auto statement = db_->prepare("INSERT INTO nonces(office, nonce, used_at) VALUES (?1, ?2, ?3)");
    statement.bind(office, nonce, now).run();
    if (statement.code() == SQLITE_CONSTRAINT_PRIMARYKEY) return request_repeated();
    if (statement.failed()) return statement.failure();
    return {};
  }
  Result<std::optional<KeptExchange>> find(const OfficeId& office, const IntentId& intent) {
    auto statement = db_->prepare(
        "SELECT office, intent, turn, state, reply, changed_at FROM exchanges WHERE office = ?1 AND intent = ?2");
    statement.bind(office, intent);
    std::optional<KeptExchange> found;
    if (statement.row()) {
      found.emplace();
      statement.read(found->office, found->intent, found->turn, found->state, found->reply, found->changed_at);
    }
    if (statement.failed()) return statement.failure();
    return found;
  }
  Result<void> insert(const OfficeId& office, const IntentId& intent, std::int64_t turn, WallTime now) {
    {
      auto statement = db_->prepare("SELECT count(*) FROM exchanges WHERE office = ?1 AND state <> 3 AND state <> 4");
      statement.bind(office);
      std::int64_t kept = 0;
      if (statement.row()) statement.read(kept);
      if (statement.failed()) return statement.failure();
      if (kept >= kUnacknowledgedMax) return too_many_unacknowledged();
    }
    auto statement = db_->prepare(
        "INSERT OR REPLACE INTO exchanges(office, intent, turn, state, reply, changed_at) VALUES (?1, ?2, ?3, 0, x'', ?4)");
    statement.bind(office, intent, turn, now).run();
    if (statement.failed()) return statement.failure();
    return {};
  }
  Result<void> settle(const OfficeId& office, const IntentId& intent, std::int64_t turn, ExchangeState state,
                      const Bytes& reply, WallTime now) {
    bool full = false;
    auto settled = try_to_settle(office, intent, turn, state, reply, now, full);
    if (full && room_.let_go()) settled = try_to_settle(office, intent, turn, state, reply, now, full);
    return settled;
  }
  Result<void> try_to_settle(const OfficeId& office, const IntentId& intent, std::int64_t turn, ExchangeState state,
                             const Bytes& reply, WallTime now, bool& full) {
    auto statement = db_->prepare(
        "UPDATE exchanges SET state = ?4, reply = ?5, changed_at = ?6 "
        "WHERE office = ?1 AND intent = ?2 AND turn = ?3 AND state = 0");
    const auto changed = statement.bind(office, intent, turn, state, reply, now).run();
    full = (statement.code() & 0xff) == SQLITE_FULL;
    if (statement.failed()) return statement.failure();
    if (changed == 0) return no_such_exchange();
    return {};
  }

  std::unique_ptr<Connection> db_;
  ReservedRoom room_;
};

}  // namespace

Result<std::unique_ptr<ExchangeBook>> open_sqlite_exchange_book(const std::string& path, const std::string& vfs) {
  auto db = sqlite::open_book_file(path, kBook, vfs);
  if (!db) return std::unexpected(db.error());
  return std::make_unique<SqliteExchangeBook>(std::move(*db), ReservedRoom(path + ".room", kReplyRoom));
}

}  // namespace latchkey::store

#include "store/postgres/connection.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>

namespace latchkey::store::postgres {
namespace {

using std::chrono::steady_clock;

constexpr const char* kWriterSession =
    "SET client_min_messages = warning; SET default_transaction_isolation = 'read committed'; SET statement_timeout = '20s'; "
    "SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '15s';";
constexpr const char* kReaderSession =
    "SET client_min_messages = warning; SET default_transaction_isolation = 'read committed'; SET statement_timeout = '20s'; "
    "SET idle_in_transaction_session_timeout = '15s'; SET synchronous_commit = off;";

// The cluster, and its timeline, which every promotion changes: of the log that is being written, since the last checkpoint may be older
// than the promotion. Where there is no such function, or it may not be called, nothing is known.
constexpr const char* kLineage =
    "SELECT (SELECT system_identifier FROM pg_control_system()) || '/' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)";

constexpr std::string_view kNotPrepared = "26000";
constexpr int kEndsInARowMax = 3;

const Query& begin_snapshot() {
  static const Query kBegin{"BEGIN ISOLATION LEVEL REPEATABLE READ"};
  return kBegin;
}
const Query& commit() {
  static const Query kCommit{"COMMIT"};
  return kCommit;
}

Failure failure_of(const pg_result* result) {
  const auto field = [&](int code) {
    const char* text = PQresultErrorField(result, code);
    return std::string(text == nullptr ? "" : text);
  };
  Failure failure{.state = field(PG_DIAG_SQLSTATE), .message = field(PG_DIAG_MESSAGE_PRIMARY),
                  .constraint = field(PG_DIAG_CONSTRAINT_NAME)};
  const auto severity = field(PG_DIAG_SEVERITY_NONLOCALIZED);
  failure.fatal = severity == "FATAL" || severity == "PANIC";
  if (failure.message.empty()) failure.message = PQresultErrorMessage(result);
  return failure;
}

// libpq breaks and indents its lines.
std::string one_line(std::string_view text) {
  std::string line;
  for (const char c : text) {
    const bool blank = c == '\n' || c == '\t' || c == ' ';
    if (!blank) line += c;
    else if (!line.empty() && line.back() != ' ') line += ' ';
  }
  while (line.ends_with(' ')) line.pop_back();
  return line;
}

std::string sentence(std::string_view text) {
  auto line = one_line(text);
  if (!line.ends_with('.') && !line.ends_with('?') && !line.ends_with('!')) line += '.';
  return line;
}

Error unreachable(const Place& place, std::string detail) {
  return {.kind = ErrorKind::unavailable,
          .reason = "store_unavailable",
          .text = fmt::format("The database {} cannot be reached: {} Check that it runs, that `store` names it, and that its user "
                              "and password are right; nothing was changed.", place.display, sentence(detail)),
          .detail = one_line(detail),
          .retry_after = std::chrono::seconds(5)};
}

Error connect_error(const Place& place, pg_conn* handle) {
  std::string words = handle == nullptr ? "no memory" : PQerrorMessage(handle);
  if (words.find("session is read-only") != std::string::npos || words.find("server is in hot standby") != std::string::npos) {
    return {.kind = ErrorKind::unavailable,
            .reason = "store_unavailable",
            .text = fmt::format("The database {} is read-only (a standby, or switched so): Latchkey needs the one that can be written. Name "
                                "that one in `store` (several hosts may stand there), or make this one writable; nothing was changed.",
                                place.display),
            .detail = one_line(words),
            .retry_after = std::chrono::seconds(5)};
  }
  // As libpq and the server word it (LC_MESSAGES may translate the server's part: then it is said as unreachable, with its words).
  const bool shut_out = words.find("password authentication failed") != std::string::npos || words.find("no password supplied") != std::string::npos ||
                        words.find("authentication failed for user") != std::string::npos || words.find("no pg_hba.conf entry") != std::string::npos;
  if (shut_out) {
    return {.kind = ErrorKind::unavailable,
            .reason = "store_unavailable",
            .text = fmt::format("The database {} does not let Latchkey in: {} Check the user in `store`, the password in the file that "
                                "store_password_file names, and the database's pg_hba.conf; nothing was changed.", place.display, sentence(words)),
            .detail = one_line(words),
            .retry_after = std::chrono::seconds(5)};
  }
  return unreachable(place, words);
}

std::string text_of(const char* sql, pg_conn* handle) {
  pg_result* result = PQexec(handle, sql);
  std::string text;
  if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1) text = PQgetvalue(result, 0, 0);
  PQclear(result);
  return text;
}

// Empty: the engine knows no timelines, or its user may not ask.
Result<std::string> lineage_of(pg_conn* handle) {
  pg_result* result = PQexec(handle, kLineage);
  const auto failure = failure_of(result);
  std::string text;
  const bool answered = PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1;
  if (answered) text = PQgetvalue(result, 0, 0);
  PQclear(result);
  // A refusal of the question itself, in whatever words: no such function, no right, not supported, not possible there.
  const bool unknown_here = !failure.fatal && (failure.state.starts_with("42") || failure.state.starts_with("0A") || failure.state.starts_with("22") || failure.state.starts_with("XX"));
  if (!answered && !unknown_here) return std::unexpected(error_of(failure));
  return text;
}

Error former_primary(const Place& place, const std::string& lineage) {
  return {.kind = ErrorKind::unavailable,
          .reason = "store_unavailable",
          .text = fmt::format("The database {} is a former primary: another server of its cluster has taken over since. Nothing is read from it or written "
                              "to it. Stop it, name the server that has taken over in `store`, and make this one its standby. Where an older state was "
                              "put back on purpose: `latchkey restore --database`.", place.display),
          .detail = "lineage " + lineage,
          .retry_after = std::chrono::seconds(5)};
}

}  // namespace

Result<std::unique_ptr<Connection>> Connection::open(const Place& place, Access access) {
  std::vector<const char*> keys;
  std::vector<const char*> values;
  const auto add = [&](const char* key, const char* value) {
    keys.push_back(key);
    values.push_back(value);
  };
  // Before the address, so that what the operator says there goes over it.
  add("connect_timeout", "5");
  add("target_session_attrs", "read-write");
  add("keepalives_idle", "15");
  add("keepalives_interval", "5");
  add("keepalives_count", "3");
  add("tcp_user_timeout", "20000");
  add("fallback_application_name", "latchkey");
  add("dbname", place.url.c_str());
  add("client_encoding", "UTF8");
  std::string password(place.password.reveal_text());
  if (!password.empty()) add("password", password.c_str());
  keys.push_back(nullptr);
  values.push_back(nullptr);
  pg_conn* handle = PQconnectdbParams(keys.data(), values.data(), 1);
  std::fill(password.begin(), password.end(), '\0');
  if (handle == nullptr || PQstatus(handle) != CONNECTION_OK) {
    auto error = connect_error(place, handle);
    PQfinish(handle);
    return std::unexpected(std::move(error));
  }
  std::unique_ptr<Connection> connection(new Connection(handle));
  PQsetNoticeProcessor(handle, [](void*, const char*) {}, nullptr);
  if (text_of("SHOW server_encoding", handle) != "UTF8") {
    return fail(ErrorKind::misconfigured, "store_unavailable",
                fmt::format("The database {} does not keep texts as UTF-8. Make one that does: CREATE DATABASE ... ENCODING 'UTF8' "
                            "TEMPLATE template0.", place.display));
  }
  if (place.lineage != nullptr) {
    auto lineage = lineage_of(handle);
    if (!lineage) return std::unexpected(unreachable(place, lineage.error().detail));
    connection->lineage_ = *std::move(lineage);
  }
  if (auto ready = connection->prepare_session(access); !ready) return std::unexpected(unreachable(place, ready.error().detail));
  if (place.lineage != nullptr && !place.lineage->note(connection->lineage_)) return std::unexpected(former_primary(place, connection->lineage_));
  return connection;
}

Connection::~Connection() { PQfinish(handle_); }

Result<void> Connection::prepare_session(Access access) {
  if (auto done = run_script(access == Access::writer ? kWriterSession : kReaderSession); !done) return done;
  // RULES F5: intents and replies are durable when the store says so, whatever the database's own setting. remote_apply waits
  // for more than that.
  if (access == Access::writer && text_of("SHOW synchronous_commit", handle_) != "remote_apply") {
    if (auto done = run_script("SET synchronous_commit = on"); !done) return done;
  }
  LATCHKEY_CHECK(PQsetnonblocking(handle_, 1) == 0);
  LATCHKEY_CHECK(PQenterPipelineMode(handle_) == 1);
  return {};
}

Result<void> Connection::run_script(const std::string& sql) {
  const bool pipelined = PQpipelineStatus(handle_) != PQ_PIPELINE_OFF;
  if (pipelined && PQexitPipelineMode(handle_) != 1) broken_ = true;
  pg_result* result = PQexec(handle_, sql.c_str());
  const auto status = PQresultStatus(result);
  Result<void> done;
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
    const auto failure = failure_of(result);
    done = std::unexpected(error_of(failure));
    if (PQtransactionStatus(handle_) != PQTRANS_IDLE) PQclear(PQexec(handle_, "ROLLBACK"));
  }
  PQclear(result);
  if (PQstatus(handle_) != CONNECTION_OK) broken_ = true;
  if (pipelined && !broken_ && PQenterPipelineMode(handle_) != 1) broken_ = true;
  return done;
}

bool Connection::alive() {
  if (broken_ || PQstatus(handle_) != CONNECTION_OK) return false;
  // What comes unasked is a notice, or the last words of a server that is going and then the end.
  pollfd watched{.fd = PQsocket(handle_), .events = POLLIN, .revents = 0};
  for (int i = 0; i < 3 && !broken_ && ::poll(&watched, 1, 0) > 0; ++i) {
    if (PQconsumeInput(handle_) == 0) broken_ = true;
    if (PQisBusy(handle_) == 0) PQclear(PQgetResult(handle_));
  }
  if (PQstatus(handle_) != CONNECTION_OK) broken_ = true;
  return !broken_;
}

// The same text has the same name on every connection.
std::string Connection::name_of(std::string_view sql) const { return fmt::format("s{:x}", std::hash<std::string_view>{}(sql)); }

// Statements that this session has not seen yet, before the first of them is needed and apart from it: one that is skipped
// after a failure would be missing later.
void Connection::prepare(std::span<const Step> steps) {
  preparing_.clear();
  for (const auto& step : steps) {
    if (step.query == nullptr) continue;
    auto name = name_of(step.query->sql);
    if (prepared_.contains(name) || std::ranges::find(preparing_, name) != preparing_.end()) continue;
    std::vector<Oid> types;
    for (const auto& value : step.query->values.all()) types.push_back(value.type);
    if (PQsendPrepare(handle_, name.c_str(), std::string(step.query->sql).c_str(), static_cast<int>(types.size()), types.data()) != 1) {
      broken_ = true;
      return;
    }
    preparing_.push_back(std::move(name));
  }
  if (!preparing_.empty() && PQpipelineSync(handle_) != 1) broken_ = true;
}

void Connection::send(std::span<const Step> steps) {
  std::vector<const char*> data;
  std::vector<int> lengths;
  std::vector<int> formats;
  for (const auto& step : steps) {
    if (broken_) return;
    if (step.query == nullptr) {
      if (PQpipelineSync(handle_) != 1) broken_ = true;
      continue;
    }
    const auto& values = step.query->values.all();
    data.clear();
    lengths.clear();
    for (const auto& value : values) {
      data.push_back(value.null ? nullptr : value.octets.data());
      lengths.push_back(static_cast<int>(value.octets.size()));
    }
    formats.assign(values.size(), 1);
    const auto name = name_of(step.query->sql);
    if (PQsendQueryPrepared(handle_, name.c_str(), static_cast<int>(values.size()), data.data(), lengths.data(), formats.data(), 1) != 1) {
      broken_ = true;
    }
  }
}

bool Connection::wait_for_input(steady_clock::time_point until) {
  while (!broken_ && PQisBusy(handle_) != 0) {
    const int unsent = PQflush(handle_);
    if (unsent < 0) break;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - steady_clock::now()).count();
    if (left <= 0) break;
    pollfd watched{.fd = PQsocket(handle_), .events = static_cast<short>(POLLIN | (unsent == 1 ? POLLOUT : 0)), .revents = 0};
    if (::poll(&watched, 1, static_cast<int>(left)) < 0 && errno != EINTR) break;
    if ((watched.revents & (POLLIN | POLLHUP | POLLERR)) != 0 && PQconsumeInput(handle_) == 0) break;
  }
  if (PQisBusy(handle_) != 0) broken_ = true;
  return !broken_;
}

std::vector<Answer> Connection::exchange(std::span<const Step> steps) {
  std::vector<Answer> answers(static_cast<std::size_t>(std::ranges::count_if(steps, [](const Step& step) { return step.query != nullptr; })));
  prepare(steps);
  if (!broken_) send(steps);
  if (PQflush(handle_) < 0) broken_ = true;
  const auto until = steady_clock::now() + kPatience;
  std::size_t prepared = 0;
  bool preparing = !preparing_.empty();
  Failure unprepared;
  std::size_t next = 0;
  int ends = 0;
  std::size_t syncs = static_cast<std::size_t>(std::ranges::count_if(steps, [](const Step& step) { return step.query == nullptr; })) + (preparing ? 1 : 0);
  while (syncs > 0 && !broken_ && wait_for_input(until)) {
    pg_result* result = PQgetResult(handle_);
    if (result == nullptr) {  // the end of one statement's results; of a broken line it comes for ever
      if (PQstatus(handle_) != CONNECTION_OK || ++ends > kEndsInARowMax) broken_ = true;
      continue;
    }
    ends = 0;
    const auto status = PQresultStatus(result);
    if (status == PGRES_PIPELINE_SYNC) {
      PQclear(result);
      preparing = false;
      --syncs;
      continue;
    }
    if (preparing) {
      if (status == PGRES_COMMAND_OK && prepared < preparing_.size()) prepared_.insert(preparing_[prepared]);
      if (status == PGRES_FATAL_ERROR) {
        unprepared = failure_of(result);
        if (unprepared.lost() || unprepared.fatal) broken_ = true;
      }
      ++prepared;
      PQclear(result);
      continue;
    }
    if (next == answers.size()) {  // cannot be; a result nobody asked for
      PQclear(result);
      broken_ = true;
      break;
    }
    auto& answer = answers[next];
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) {
      answer.kind = Answer::Kind::done;
      answer.rows = Rows(result);
      ++next;
      continue;
    }
    if (status == PGRES_PIPELINE_ABORTED) {
      answer.kind = Answer::Kind::skipped;
    } else {
      answer.failure = failure_of(result);
      if (answer.failure.state == kNotPrepared && !unprepared.lost()) answer.failure = unprepared;  // why it is not
      // A failure without a state is libpq's own: the line is broken, and whether the server got this far is not known.
      answer.kind = answer.failure.lost() ? Answer::Kind::lost : Answer::Kind::failed;
      if (answer.failure.fatal || answer.failure.lost()) broken_ = true;
    }
    ++next;
    PQclear(result);
    if (broken_) break;
  }
  if (PQstatus(handle_) != CONNECTION_OK) broken_ = true;
  return answers;
}

Result<Rows> Connection::ask(const Query& query) {
  const Step steps[] = {{&query}, {}};
  auto answers = exchange(steps);
  if (answers[0].kind != Answer::Kind::done) return std::unexpected(error_of(answers[0]));
  return std::move(answers[0].rows);
}

Result<std::vector<Rows>> Connection::ask_together(const std::vector<Query>& queries) {
  std::vector<Step> steps{{&begin_snapshot()}};
  for (const auto& query : queries) steps.push_back({&query});
  steps.push_back({});
  steps.push_back({&commit()});
  steps.push_back({});
  auto answers = exchange(steps);
  std::vector<Rows> rows;
  for (std::size_t i = 0; i < queries.size() + 1; ++i) {
    if (answers[i].kind != Answer::Kind::done) return std::unexpected(error_of(answers[i]));
    if (i > 0) rows.push_back(std::move(answers[i].rows));
  }
  return rows;
}

Snapshot::Snapshot(Connection& connection) : connection_(connection) {
  [[maybe_unused]] const auto done = connection_.ask(begin_snapshot());  // a broken line shows at the next question
}

Snapshot::~Snapshot() { [[maybe_unused]] const auto done = connection_.ask(commit()); }

// ---- what failures mean --------------------------------------------------------------------------------------------

bool is_worth_repeating(const Failure& failure) { return failure.state == "40001" || failure.state == "40P01"; }

bool is_read_only(const Failure& failure) { return failure.state == "25006"; }

Error error_of(const Failure& failure) {
  auto detail = fmt::format("postgres {}: {}", failure.state.empty() ? "connection" : failure.state, one_line(failure.message));
  const std::string_view state = failure.state;
  const auto unavailable = [&](std::string text, std::chrono::seconds retry) {
    return Error{.kind = ErrorKind::unavailable, .reason = "store_unavailable", .text = std::move(text), .detail = detail, .retry_after = retry};
  };
  if (is_read_only(failure)) {
    return unavailable("The database is read-only (a standby, or switched so): nothing was changed. Latchkey looks for one that can be "
                       "written.", std::chrono::seconds(5));
  }
  if (state == "53100") {
    return unavailable("The database's disk is full: nothing was changed. Make room there; no restart is needed.", std::chrono::seconds(10));
  }
  if (state == "42501") {
    return unavailable("The database refuses this user a right it needs; docs/postgres.md says which. Nothing was changed.",
                       std::chrono::seconds(10));
  }
  if (state.starts_with("XX00") && state != "XX000") {
    return {.kind = ErrorKind::corrupt, .reason = "store_corrupt",
            .text = "The database reports damage. Stop every node and restore the database from its latest backup.", .detail = std::move(detail)};
  }
  // Lost line, resources, an operator's hand, timeouts, conflicts that did not go away.
  if (state.empty() || state.starts_with("08") || state.starts_with("53") || state.starts_with("57") || state.starts_with("58") ||
      state.starts_with("40") || state == "55P03" || state == "25P03") {
    return unavailable("The database cannot be reached at the moment: nothing was changed. The log says why.", std::chrono::seconds(5));
  }
  return {.kind = ErrorKind::bug, .reason = "store_bug",
          .text = "The database refused a statement: nothing was changed. Please report this.", .detail = std::move(detail)};
}

Error error_of(const Answer& answer) {
  if (answer.kind == Answer::Kind::failed) return error_of(answer.failure);
  return error_of(Failure{.state = {}, .message = answer.failure.message.empty() ? "the connection was lost" : answer.failure.message});
}

}  // namespace latchkey::store::postgres

#include "store/move/move.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/entropy.h"
#include "store/audit_chain.h"
#include "store/data_lock.h"
#include "store/move/moved_tables.h"
#include "store/move/row_digest.h"
#include "store/postgres/connection.h"
#include "store/postgres/queries.h"
#include "store/postgres/schema.h"
#include "store/sqlite/changes.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/queries.h"
#include "store/sqlite/schema.h"
#include "store/sqlite/set_aside.h"

namespace latchkey::store {
namespace {

constexpr std::size_t kRowsAtOnce = 500;
constexpr std::int64_t kSourceCacheBytes = 8 << 20;
constexpr std::string_view kMovingFrom = "moving_from";
constexpr std::string_view kMovedFrom = "moved_from";
constexpr std::string_view kMoveId = "move_id";
constexpr std::string_view kMoveEnding = "move_ending";
constexpr std::string_view kCopyDiffers = "copy_differs";

// The source, locked and open.
struct Source {
  std::unique_ptr<DataLock> lock;
  std::unique_ptr<sqlite::Connection> db;
};

Result<Source> open_source(const std::string& path, const std::string& program_version, const WallClock& wall) {
  if (!std::filesystem::exists(path)) {
    return fail(ErrorKind::misconfigured, "data_directory", fmt::format("There is no database {}: name the data directory to move with --data.", path),
                {.field = "data"});
  }
  Source source;
  auto lock = DataLock::take(std::filesystem::path(path).parent_path().string());
  if (!lock) return std::unexpected(lock.error());
  source.lock = *std::move(lock);
  auto db = sqlite::Connection::open(path, sqlite::Access::writer, kSourceCacheBytes, "");
  if (!db) return std::unexpected(db.error());
  source.db = *std::move(db);
  if (auto sound = sqlite::inspect(*source.db, path, program_version); !sound) return std::unexpected(sound.error());
  if (auto done = sqlite::migrate(*source.db, program_version, wall.now()); !done) return std::unexpected(done.error());
  const auto note = sqlite::find_meta(*source.db, std::string(kSetAsideMeta));
  if (!note) return std::unexpected(note.error());
  if (const auto aside = SetAside::from_octets(*note)) {
    return std::unexpected(set_aside_error(*aside, std::filesystem::path(path).parent_path().string()));
  }
  return source;
}

// An empty value: no more.
Result<void> note(sqlite::Connection& db, std::string_view key, const std::string& value) {
  if (value.empty()) {
    auto statement = db.prepare("DELETE FROM meta WHERE key = ?1");
    statement.bind(key).run();
    if (statement.failed()) return statement.failure();
    return {};
  }
  auto statement = db.prepare("INSERT INTO meta(key, value) VALUES (?1, ?2) ON CONFLICT(key) DO UPDATE SET value = excluded.value");
  statement.bind(key, base::as_bytes(value)).run();
  if (statement.failed()) return statement.failure();
  return {};
}

Result<std::string> noted(sqlite::Connection& db, std::string_view key) {
  const auto value = sqlite::find_meta(db, std::string(key));
  if (!value) return std::unexpected(value.error());
  return std::string(base::as_text(*value));
}

Result<std::string> info(postgres::Connection& db, std::string_view key) {
  auto rows = db.ask({"SELECT value FROM store_info WHERE key = $1", postgres::Values(key)});
  if (!rows) return std::unexpected(rows.error());
  std::string value;
  if (rows->row()) rows->read(value);
  return value;
}

// All of them or none.
Result<void> write(postgres::Connection& db, const std::vector<postgres::Query>& queries) {
  static const postgres::Query kBegin{"BEGIN"};
  static const postgres::Query kCommit{"COMMIT"};
  std::vector<postgres::Step> steps{{&kBegin}};
  for (const auto& query : queries) steps.push_back({&query});
  steps.push_back({});
  steps.push_back({&kCommit});
  steps.push_back({});
  for (const auto& answer : db.exchange(steps)) {
    if (answer.kind != postgres::Answer::Kind::done) return std::unexpected(error_of(answer));
  }
  return {};
}

template <class Table>
std::string condition() {
  if constexpr (requires { Table::kCondition; }) return fmt::format(" WHERE {}", Table::kCondition);
  return "";
}

template <class Table>
std::string insert_sql() {
  const std::string_view columns = Table::kTarget;
  const auto count = 1 + std::ranges::count(columns, ',');
  std::string places;
  for (std::ptrdiff_t i = 1; i <= count; ++i) places += fmt::format("{}${}", i == 1 ? "" : ", ", i);
  return fmt::format("INSERT INTO {}({}) VALUES ({}) ON CONFLICT DO NOTHING", Table::kName, columns, places);
}

// Rows arrive in the order of the primary key and in whole portions, so as many as the target has are done.
template <class Table>
Result<MovedTable> copy_table(sqlite::Connection& source, postgres::Connection& target, const MoveOptions& options) {
  const auto total = source.number(fmt::format("SELECT count(*) FROM {}{}", Table::kName, condition<Table>()));
  if (!total) return std::unexpected(total.error());
  const auto there = postgres::number(target, {fmt::format("SELECT count(*) FROM {}", Table::kName)});
  if (!there) return std::unexpected(there.error());
  const auto sql = insert_sql<Table>();
  TableDigest digest;
  std::vector<postgres::Query> portion;
  std::int64_t done = 0;
  typename Table::Record record;
  auto statement =
      source.prepare(fmt::format("SELECT {} FROM {}{} ORDER BY {}", Table::kColumns, Table::kName, condition<Table>(), Table::kOrder));
  const auto send = [&]() -> Result<void> {
    if (auto sent = write(target, portion); !sent) return sent;
    portion.clear();
    if (options.progress) options.progress(Table::kName, done, *total);
    return {};
  };
  while (statement.row()) {
    statement.read(Table::fields(record));
    digest.add(Table::fields(record));
    if (done++ < *there) continue;
    portion.push_back({sql, Table::values(record)});
    if (portion.size() < kRowsAtOnce) continue;
    if (auto sent = send(); !sent) return std::unexpected(sent.error());
  }
  if (statement.failed()) return statement.failure();
  if (auto sent = send(); !sent) return std::unexpected(sent.error());
  return MovedTable{.name = Table::kName, .rows = digest.rows(), .digest = digest.text()};
}

// Reads the copy back, all of it.
template <class Table>
Result<TableDigest> digest_of(postgres::Connection& target) {
  const postgres::Snapshot snapshot(target);
  const auto declare = fmt::format("DECLARE moved NO SCROLL CURSOR FOR SELECT {} FROM {}", Table::kColumns, Table::kName);
  if (auto declared = target.ask({declare}); !declared) return std::unexpected(declared.error());
  TableDigest digest;
  for (bool more = true; more;) {
    auto rows = target.ask({"FETCH 2000 FROM moved"});
    if (!rows) return std::unexpected(rows.error());
    more = false;
    typename Table::Record record;
    while (rows->row()) {
      more = true;
      rows->read(Table::fields(record));
      digest.add(Table::fields(record));
    }
  }
  if (auto closed = target.ask({"CLOSE moved"}); !closed) return std::unexpected(closed.error());
  return digest;
}

template <class Table>
Result<void> move_table(sqlite::Connection& source, postgres::Connection& target, const MoveOptions& options, MoveResult& result) {
  auto moved = copy_table<Table>(source, target, options);
  if (!moved) return std::unexpected(moved.error());
  const auto copy = digest_of<Table>(target);
  if (!copy) return std::unexpected(copy.error());
  if (copy->rows() != moved->rows || copy->text() != moved->digest) {
    return fail(ErrorKind::corrupt, std::string(kCopyDiffers),
                fmt::format("The copy of {} differs from the source ({} rows, {} copied). The source was not retired. Has anybody else written to "
                            "the database? Make it again, empty, and move again, or `latchkey migrate --give-up` to go on here.", Table::kName, moved->rows, copy->rows()));
  }
  result.tables.push_back(*std::move(moved));
  return {};
}

Result<void> move_tables(sqlite::Connection& source, postgres::Connection& target, const MoveOptions& options, MoveResult& result) {
  Result<void> done;
  const auto next = [&]<class Table>() {
    if (done) done = move_table<Table>(source, target, options, result);
  };
  [&]<class... Tables>(std::type_identity<std::tuple<Tables...>>) { (next.template operator()<Tables>(), ...); }(std::type_identity<MovedTables>{});
  return done;
}

// Before the first mark: what is wrong with the trail is as wrong in a copy of it, and nobody shall find that out with an installation that
// does not start any more. What is accepted is written at its end. The entry that does not fit; nullopt: it is sound.
Result<std::optional<std::int64_t>> check_trail(sqlite::Connection& from, BrokenTrail wish, WallTime now) {
  constexpr std::string_view kAccepted = "store.broken_trail_accepted";
  auto broken = sqlite::verify_audit_chain(from);
  if (!broken || !*broken) return broken;
  if (wish == BrokenTrail::refuse) {
    return fail(ErrorKind::corrupt, "audit_chain_broken",
                fmt::format("The audit trail's entry {} does not fit its chain: an entry was altered or removed outside Latchkey. The move was not begun. "
                            "Compare it with an older backup; then `--accept-broken-trail` moves it as it is and says so at its end (if an earlier call began "
                            "the move, `latchkey migrate --give-up` goes on here).", **broken));
  }
  const auto noted = from.number(fmt::format("SELECT count(*) FROM audit WHERE action = '{}'", kAccepted));
  if (!noted) return std::unexpected(noted.error());
  if (*noted > 0) return broken;
  const AppendAudit note{{.at = now, .actor = "cli", .action = std::string(kAccepted), .subject = "store",
                          .detail = fmt::format("Moved to PostgreSQL although entry {} does not fit the chain.", **broken)}};
  if (auto done = sqlite::change(from, now, note); !done) return std::unexpected(done.error());
  return broken;
}

// The trail goes on where it was, and its chain is as sound in the copy as in the source.
Result<void> finish_audit(postgres::Connection& target, std::optional<std::int64_t> accepted) {
  auto set = target.ask({"UPDATE audit_head SET sequence = coalesce((SELECT max(sequence) FROM audit), 0), "
                         "hash = coalesce((SELECT hash FROM audit ORDER BY sequence DESC LIMIT 1), '') WHERE only_one = 1"});
  if (!set) return std::unexpected(set.error());
  const auto broken = postgres::verify_audit_chain(target);
  if (!broken) return std::unexpected(broken.error());
  if (*broken != accepted) {
    return fail(ErrorKind::corrupt, std::string(kCopyDiffers),
                fmt::format("The copy's audit trail does not fit its chain as the source's does, at entry {}. The source was not retired: make the database again, empty, and "
                            "move again, or `latchkey migrate --give-up` to go on here.", broken->value_or(accepted.value_or(0))));
  }
  return {};
}

// What a database says of the moves into it, as this source's own move sees it.
struct Marks {
  std::string moving_from;
  std::string moved_from;
  std::string ours;  // empty: no move of this source has a name

  [[nodiscard]] bool is_under_way() const { return !ours.empty() && moving_from == ours; }
  // The copy that this very move made is whole.
  [[nodiscard]] bool is_finished() const { return !ours.empty() && moved_from == ours; }
};

// Looks, and makes no tables.
Result<Marks> marks_in(postgres::Connection& target, sqlite::Connection& from, const NodeId& source) {
  Marks marks;
  const auto move = noted(from, kMoveId);
  if (!move) return std::unexpected(move.error());
  if (!move->empty()) marks.ours = source.text() + " " + *move;
  const auto tables = postgres::number(target, {"SELECT count(*) FROM pg_catalog.pg_class WHERE oid = to_regclass('store_info')"});
  if (!tables) return std::unexpected(tables.error());
  if (*tables == 0) return marks;
  for (const auto& [key, mark] : {std::pair(kMovingFrom, &Marks::moving_from), std::pair(kMovedFrom, &Marks::moved_from)}) {
    auto found = info(target, key);
    if (!found) return std::unexpected(found.error());
    marks.*mark = *std::move(found);
  }
  return marks;
}

// What an earlier call has begun or ended elsewhere, or in a database that is not there any more, is not begun anew: both copies, or a
// copy of what is out of date, could be served.
Result<void> check_earlier_move(sqlite::Connection& from, const Marks& there, const std::string& moved_to, const std::string& display) {
  if (there.is_finished()) return {};
  if (!moved_to.empty()) {
    return fail(ErrorKind::conflict, "source_moved",
                fmt::format("This installation was moved to {}, and the database there does not hold it any more. What is left here is out of date: a copy of it "
                            "would lose the grants refreshed since. Put a dump of that database back and run `latchkey restore --database` on every node; or "
                            "restore a backup from before the move into an empty directory with `latchkey restore`, and move that; nothing was changed.", moved_to));
  }
  const auto moving_to = noted(from, kMovingToMeta);
  if (!moving_to) return std::unexpected(moving_to.error());
  if (moving_to->empty() || there.is_under_way()) return {};
  const auto ending = noted(from, kMoveEnding);
  if (!ending) return std::unexpected(ending.error());
  if (!ending->empty()) {
    return fail(ErrorKind::conflict, "copy_lost",
                fmt::format("The copy in {} was whole when the move's end was not heard, and is not {}: it may have been served. Run `latchkey migrate --to` with "
                            "that address; if the database is lost, put a dump of it back before. If no server has ever worked on it: "
                            "`latchkey migrate --give-up`, then move anew; nothing was changed.",
                            *moving_to, *moving_to == display ? "there any more" : "in " + display));
  }
  if (*moving_to == display) return {};
  return fail(ErrorKind::conflict, "move_begun",
              fmt::format("The move to {} was begun, and not to {}. Run `latchkey migrate --to` with that address again to finish it, or "
                          "`latchkey migrate --give-up` before you name another; nothing was changed.", *moving_to, display));
}

// Whether the target may be filled by the move, or is being filled by it.
Result<void> check_target(postgres::Connection& target, const Marks& there, const NodeId& source, const std::string& display) {
  if (there.is_under_way()) return {};
  for (const auto& of_source : {there.moving_from, there.moved_from}) {
    if (!of_source.starts_with(source.text())) continue;
    return fail(ErrorKind::conflict, "target_not_empty",
                fmt::format("The database {} holds a copy of this installation that an earlier move made, and which is out of date. Drop it and make it "
                            "again, or name another; nothing was changed.", display));
  }
  const auto rows = postgres::number(target, {"SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM meta) + (SELECT count(*) FROM audit)"});
  if (!rows) return std::unexpected(rows.error());
  if (!there.moving_from.empty() || *rows > 0) {
    return fail(ErrorKind::conflict, "target_not_empty",
                fmt::format("The database {} is not empty: {}. Give the installation a new one; nothing was changed.", display,
                            there.moving_from.empty() ? "an installation works in it" : "another installation's move into it was begun"));
  }
  return {};
}

// The source knows of the move before the target does. The move's mark.
Result<std::string> begin_move(sqlite::Connection& from, postgres::Connection& target, const MoveOptions& options, const NodeId& source, const std::string& display) {
  auto there = marks_in(target, from, source);
  if (!there) return std::unexpected(there.error());
  if (auto free = check_target(target, *there, source, display); !free) return std::unexpected(free.error());
  if (options.keep_node) {
    if (auto kept = options.keep_node(source); !kept) return std::unexpected(kept.error());
  }
  if (there->ours.empty()) {
    base::SystemEntropy entropy;
    const auto move = base::to_hex(entropy.bytes(16));
    if (auto named = note(from, kMoveId, move); !named) return std::unexpected(named.error());
    there->ours = source.text() + " " + move;
  }
  if (auto marked = note(from, kMovingToMeta, display); !marked) return std::unexpected(marked.error());
  return std::move(there->ours);
}

Result<void> copy_and_prove(sqlite::Connection& from, postgres::Connection& target, const std::string& mark, const MoveOptions& options, MoveResult& result) {
  auto marked = target.ask({"INSERT INTO store_info(key, value) VALUES ('moving_from', $1) ON CONFLICT DO NOTHING", postgres::Values(mark)});
  if (!marked) return std::unexpected(marked.error());
  if (auto moved = move_tables(from, target, options, result); !moved) return moved;
  if (auto sound = finish_audit(target, result.broken_entry); !sound) return sound;
  if (auto ending = note(from, kMoveEnding, "1"); !ending) return ending;
  const std::vector<postgres::Query> done{{"INSERT INTO store_info(key, value) VALUES ('moved_from', $1)", postgres::Values(mark)},
                                          {"DELETE FROM store_info WHERE key = 'moving_from'"}};
  return write(target, done);
}

// Once the marks are made, it is not true any more that nothing was changed; and what the line said is all that anybody can go by.
Error interrupted(Error error, const std::string& display) {
  if (error.reason == kCopyDiffers) return error;
  error.text = fmt::format("The move to {} was interrupted ({}). This installation does not start until it is ended: run `latchkey migrate --to` again, which "
                           "goes on where it stopped, or `latchkey migrate --give-up` to go on here.", display, error.detail.empty() ? error.text : error.detail);
  error.detail.clear();
  return error;
}

// Nothing was done by this call; an earlier one may have begun.
Error not_opened(Error error, sqlite::Connection& from) {
  if (error.reason == "future_schema") error.text += " To move into it run that version's `latchkey migrate`, or name another database, a new one.";
  const auto begun = noted(from, kMovingToMeta);
  if (!begun || begun->empty()) return error;
  error.text += fmt::format(" The move to {} that was begun goes on when `latchkey migrate --to` is run again, and `latchkey migrate --give-up` goes on here.", *begun);
  return error;
}

postgres::Place place_of(const PostgresOptions& options, const std::string& display) { return {options.url, options.password.clone(), display}; }

Result<std::unique_ptr<postgres::Connection>> connect(const PostgresOptions& options, const std::string& display) {
  return postgres::Connection::open(place_of(options, display), postgres::Access::writer);
}

}  // namespace

Result<MoveResult> move_to_postgres(const MoveOptions& options, const WallClock& wall, Log& log) {
  auto display = check_postgres_url(options.target.url);
  if (!display) return std::unexpected(display.error());
  auto source = open_source(options.path, options.target.program_version, wall);
  if (!source) return std::unexpected(source.error());
  auto& from = *source->db;
  const auto moved_to = noted(from, kMovedToMeta);
  if (!moved_to) return std::unexpected(moved_to.error());
  const auto node = sqlite::find_meta(from, std::string(kNodeMeta));
  if (!node) return std::unexpected(node.error());
  const auto id = NodeId::from_bytes(*node);
  if (!id) {
    return fail(ErrorKind::misconfigured, "data_directory", "This installation has never been started: there is nothing to move. Start Latchkey "
                "with store = \"postgresql://...\" right away.", {.field = "data"});
  }
  MoveResult result{.tables = {}, .target = *display};
  if (!moved_to->empty() && *moved_to != *display) {
    return fail(ErrorKind::conflict, "source_moved", fmt::format("This installation was moved to {} already.", *moved_to));
  }

  const auto target = connect(options.target, *display);
  if (!target) return std::unexpected(moved_to->empty() ? not_opened(target.error(), from) : target.error());
  const auto there = marks_in(**target, from, *id);
  if (!there) return std::unexpected(there.error());
  if (auto free = check_earlier_move(from, *there, *moved_to, *display); !free) return std::unexpected(free.error());
  if (!moved_to->empty()) return result;
  if (there->is_finished()) {
    if (auto kept = options.keep_node ? options.keep_node(*id) : Result<void>(); !kept) return std::unexpected(kept.error());
  } else {
    const auto ready = postgres::bring_up_to_date(**target, place_of(options.target, *display), options.target.program_version);
    if (!ready) return std::unexpected(not_opened(ready.error(), from));
    const auto broken_entry = check_trail(from, options.broken_trail, wall.now());
    if (!broken_entry) return std::unexpected(broken_entry.error());
    result.broken_entry = *broken_entry;
    const auto mark = begin_move(from, **target, options, *id, *display);
    if (!mark) return std::unexpected(mark.error());
    log.info("store_moving", {{"from", options.path}, {"to", *display}});
    if (auto copied = copy_and_prove(from, **target, *mark, options, result); !copied) return std::unexpected(interrupted(copied.error(), *display));
  }
  if (auto retired = note(from, kMovedToMeta, *display); !retired) return std::unexpected(interrupted(retired.error(), *display));
  log.info("store_moved", {{"from", options.path}, {"to", *display}});
  return result;
}

Task<Result<void>> check_not_moved(Store& store) {
  const auto moved = co_await store.meta(std::string(kMovedToMeta));
  if (!moved) co_return std::unexpected(moved.error());
  if (!moved->empty()) {
    co_return fail(ErrorKind::misconfigured, "store_moved",
                   fmt::format("This installation's data was moved to {}; what is left here is out of date, and refreshing from it would lose "
                               "grants. Set store = \"postgresql://...\" to go on there; nothing was changed.", base::as_text(*moved)),
                   {.field = "store"});
  }
  const auto moving = co_await store.meta(std::string(kMovingToMeta));
  if (!moving) co_return std::unexpected(moving.error());
  if (moving->empty()) co_return Result<void>{};
  co_return fail(ErrorKind::misconfigured, "store_moving",
                 fmt::format("The move of this installation to {} was begun and not finished. Run `latchkey migrate --to` again to finish it, or "
                             "`latchkey migrate --give-up` to go on here; nothing was changed.", base::as_text(*moving)),
                 {.field = "store"});
}

Result<std::string> give_up_move(const GiveUpOptions& options, const WallClock& wall) {
  auto source = open_source(options.path, options.program_version, wall);
  if (!source) return std::unexpected(source.error());
  const auto moved_to = noted(*source->db, kMovedToMeta);
  if (!moved_to) return std::unexpected(moved_to.error());
  if (!moved_to->empty()) {
    return fail(ErrorKind::conflict, "source_moved",
                fmt::format("This installation was moved to {}: its grants live on there, and going back would lose those refreshed since.", *moved_to));
  }
  auto moving_to = noted(*source->db, kMovingToMeta);
  if (!moving_to) return moving_to;
  if (moving_to->empty()) return fail(ErrorKind::conflict, "no_move", "No move of this installation was begun: there is nothing to give up.");
  if (options.target) {
    auto display = check_postgres_url(options.target->url);
    if (!display) return std::unexpected(display.error());
    const auto node = sqlite::find_meta(*source->db, std::string(kNodeMeta));
    if (!node) return std::unexpected(node.error());
    const auto target = connect(*options.target, *display);
    if (!target) return std::unexpected(target.error());
    const auto there = marks_in(**target, *source->db, NodeId::from_bytes(*node).value_or(NodeId{}));
    if (!there) return std::unexpected(there.error());
    if (*display != *moving_to && !there->is_under_way() && !there->is_finished()) {
      return fail(ErrorKind::conflict, "move_begun",
                  fmt::format("The move that was begun went to {}, not to {}: name that address with --to, so that it can be looked at; nothing was changed.",
                              *moving_to, *display));
    }
    if (there->is_finished()) {
      return fail(ErrorKind::conflict, "source_moved",
                  fmt::format("The copy in {} is whole, and only the last word is missing here. Run `latchkey migrate --to` again, which ends the move; or "
                              "drop that database first.", *display));
    }
  }
  // From here on the copy is no move's any more, whatever its state: work goes on here.
  for (const auto key : {kMoveId, kMoveEnding, kMovingToMeta}) {
    if (auto forgotten = note(*source->db, key, ""); !forgotten) return std::unexpected(forgotten.error());
  }
  return moving_to;
}

}  // namespace latchkey::store

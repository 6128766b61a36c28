#include "store/sqlite/set_aside.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "base/json.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/queries.h"

namespace latchkey::store {
namespace {

using namespace sqlite;  // this file's own lower half

constexpr std::int64_t kCacheBytes = 1 << 20;
constexpr std::chrono::milliseconds kWait{5'000};

// Root may do this in a directory of somebody else's: no link leads it elsewhere.
Result<std::unique_ptr<Connection>> open(const std::string& database, Access access) {
  std::error_code ignored;
  if (std::filesystem::is_symlink(database, ignored)) {
    return fail(ErrorKind::misconfigured, "database_is_a_link", fmt::format("{} is a link, which is not followed.", database));
  }
  return Connection::open(database, access, kCacheBytes, "", kWait);
}

}  // namespace

Bytes SetAside::to_octets() const {
  return base::to_bytes(boost::json::serialize(JsonObject{{"at", base::to_unix_ms(at)}, {"data", data}}));
}

std::optional<SetAside> SetAside::from_octets(ByteView octets) {
  const auto parsed = parse_json(base::as_text(octets));
  if (!parsed || !parsed->is_object()) return std::nullopt;
  const auto& object = parsed->get_object();
  const auto* at = object.if_contains("at");
  if (at == nullptr || !at->is_int64()) return std::nullopt;
  return SetAside{.at = base::from_unix_ms(at->get_int64()), .data = base::string_or(object, "data")};
}

Error set_aside_error(const SetAside& note, const std::string& folder) {
  std::error_code ignored;
  const auto lives = std::filesystem::equivalent(folder, note.data, ignored)
                         ? fmt::format("and put back by hand. What was restored instead may have used its tokens since, and a token used twice can end a grant.")
                         : fmt::format("and what was restored lives on in {0} with the same grants. A token used in both places can end a grant: start Latchkey "
                                       "on {0}.", note.data);
  return fail(ErrorKind::misconfigured, "set_aside",
              fmt::format("What lies in {0} was set aside by a restore on {1}, {2} To go back to what was set aside, with no server running: `latchkey restore "
                          "{0} --data {3} --replace`. It takes every grant for perhaps refreshed since (docs/backup.md, Going back). Nothing was changed.",
                          folder, base::to_rfc3339(note.at), lives, note.data),
              {.field = "data"})
      .error();
}

Result<bool> set_sqlite_aside(const std::string& database, const SetAside& note) {
  auto db = open(database, Access::writer);
  if (!db) return std::unexpected(db.error());
  const auto before = find_meta(**db, std::string(kSetAsideMeta));
  if (!before) return std::unexpected(before.error());
  if (!before->empty()) return false;
  auto statement = (*db)->prepare("INSERT INTO meta(key, value) VALUES (?1, ?2)");
  statement.bind(kSetAsideMeta, note.to_octets()).run();
  if (statement.failed()) return statement.failure();
  return true;
}

Result<void> take_sqlite_back(const std::string& database) {
  auto db = open(database, Access::writer);
  if (!db) return std::unexpected(db.error());
  auto statement = (*db)->prepare("DELETE FROM meta WHERE key = ?1");
  statement.bind(kSetAsideMeta).run();
  if (statement.failed()) return statement.failure();
  return {};
}

Result<std::optional<SetAside>> sqlite_set_aside(const std::string& database) {
  std::error_code ignored;
  if (!std::filesystem::exists(database, ignored)) return std::nullopt;
  auto db = open(database, Access::reader);
  if (!db) return std::unexpected(db.error());
  const auto note = find_meta(**db, std::string(kSetAsideMeta));
  if (!note) return std::unexpected(note.error());
  return SetAside::from_octets(*note);
}

Task<Result<void>> check_not_set_aside(Store& store, std::string folder) {
  const auto octets = co_await store.meta(std::string(kSetAsideMeta));
  if (!octets) co_return std::unexpected(octets.error());
  if (const auto note = SetAside::from_octets(*octets)) co_return std::unexpected(set_aside_error(*note, folder));
  co_return Result<void>{};
}

}  // namespace latchkey::store

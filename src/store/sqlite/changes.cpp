#include "store/sqlite/changes.h"

#include <fmt/format.h>

#include "store/folding.h"
#include "store/sqlite/mutations.h"

namespace latchkey::store::sqlite {
namespace {

// SQLite names a broken uniqueness rule by its columns.
struct UniqueRule {
  std::string_view column;
  std::string_view field;
};
constexpr UniqueRule kUniqueRules[] = {
    {"user_groups.name_key", "name"},        {"users.username_key", "username"},
    {"authorizations.username_key", "username"}, {"grants.type", "type"},
    {"intents.", "intent"},                  {"devices.name_key", "name"},
    {"deliveries.idempotency_key", "idempotency_key"},
};

std::string_view field_of(std::string_view message) {
  for (const auto& rule : kUniqueRules) {
    if (message.find(rule.column) != std::string_view::npos) return rule.field;
  }
  return "id";
}

}  // namespace

Result<void> outcome_of(const Statement& statement, std::string_view parent) {
  if (!statement.failed()) return {};
  if (statement.code() == SQLITE_CONSTRAINT_UNIQUE || statement.code() == SQLITE_CONSTRAINT_PRIMARYKEY) {
    return exists(field_of(statement.message()));
  }
  if (statement.code() == SQLITE_CONSTRAINT_FOREIGNKEY) return gone(parent);
  return statement.failure();
}

Result<void> refresh_listing(Connection& db, const UserId& user) {
  std::string search;
  std::string summary;
  GroupId group;
  std::string username_key;
  {
    auto statement = db.prepare("SELECT group_id, username_key, username, name, email FROM users WHERE id = ?1");
    std::string username, name, email;
    if (statement.bind(user).row()) statement.read(group, username_key, username, name, email);
    if (statement.failed()) return statement.failure();
    search = username + '\n' + name + '\n' + email;
  }
  {
    auto statement = db.prepare("SELECT type, state, account_name FROM grants WHERE user_id = ?1 ORDER BY type");
    statement.bind(user);
    while (statement.row()) {
      std::string type, account;
      int state = 0;
      statement.read(type, state, account);
      summary += fmt::format("{}{}/{}|", summary.empty() ? "|" : "", type, state);
      search += '\n' + account;
    }
    if (statement.failed()) return statement.failure();
  }
  auto statement = db.prepare(
      "UPDATE user_listing SET search_text = ?3, grants_summary = ?4 WHERE group_id = ?1 AND username_key = ?2");
  statement.bind(group, username_key, fold(search), summary).run();
  return outcome_of(statement, "user");
}

Result<void> apply(Connection& db, WallTime now, const Mutation& mutation) {
  return std::visit([&db, now](const auto& one) { return change(db, now, one); }, mutation);
}

}  // namespace latchkey::store::sqlite

#include <algorithm>

#include "store/folding.h"
#include "store/paging.h"
#include "store/postgres/queries.h"
#include "store/rows.h"

namespace latchkey::store::postgres {
namespace {

// Conditions on users AS u, with their values.
struct Filter {
  std::string sql = "TRUE";
  Values values;
  int next = 1;

  [[nodiscard]] std::string take() { return "$" + std::to_string(next++); }
  template <class Value>
  std::string bind(const Value& value) {
    values.add(value);
    return take();
  }
};

Filter filter_of(const UserQuery& query) {
  Filter filter;
  if (const auto search = fold(query.search); !search.empty()) {
    const auto at = filter.bind(search);
    filter.sql += " AND (strpos(u.search_fold, " + at + ") > 0 OR u.id IN (SELECT user_id FROM grants WHERE strpos(account_fold, " + at + ") > 0))";
  }
  if (!query.type.empty() || query.state) {
    std::string which = "TRUE";
    if (!query.type.empty()) which += " AND type = " + filter.bind(query.type);
    if (query.state) which += " AND state = " + filter.bind(*query.state);
    filter.sql += " AND u.id IN (SELECT user_id FROM grants WHERE " + which + ")";
  }
  if (query.only_oauth_users) {
    filter.sql += " AND EXISTS (SELECT 1 FROM grants AS h WHERE h.user_id = u.id)";
  } else if (query.only_without_grants) {
    filter.sql += " AND NOT EXISTS (SELECT 1 FROM grants AS h WHERE h.user_id = u.id)";
  } else if (query.only_switched_off) {
    filter.sql += " AND u.enabled = 0";
  }
  return filter;
}

struct Found {
  std::string group_key;
  std::string group_name;
  User user;
};

Result<void> take(Connection& db, const Query& query, std::vector<Found>& found) {
  auto rows = db.ask(query);
  if (!rows) return std::unexpected(rows.error());
  while (rows->row()) {
    auto& one = found.emplace_back();
    rows->read(one.group_key, one.group_name);
    rows->read(user_fields(one.user));
  }
  return {};
}

// One group's users after a username.
Result<void> take_of_group(Connection& db, Filter filter, const GroupId& group, const std::string& after, std::size_t most,
                           std::vector<Found>& found) {
  const auto group_at = filter.bind(group);
  const auto after_at = filter.bind(base::as_bytes(after));
  const auto most_at = filter.bind(most);
  const auto sql = "SELECT g.name_key, g.name, l.* FROM user_groups AS g CROSS JOIN (SELECT " LATCHKEY_USER_COLUMNS " FROM users AS u WHERE " +
             filter.sql + " AND u.group_id = " + group_at + " AND u.username_key > " + after_at + " ORDER BY u.username_key LIMIT " + most_at +
             ") AS l WHERE g.id = " + group_at + " ORDER BY l.username_key";
  return take(db, {sql, filter.values}, found);
}

// Everybody in the groups after a group's name; each group gives as many as the page may need, by its index.
Result<void> take_of_later_groups(Connection& db, Filter filter, const std::string& after, std::size_t most, std::vector<Found>& found) {
  const auto after_at = filter.bind(base::as_bytes(after));
  const auto most_at = filter.bind(most);
  const auto sql = "SELECT g.name_key, g.name, l.* FROM user_groups AS g CROSS JOIN LATERAL (SELECT " LATCHKEY_USER_COLUMNS
             " FROM users AS u WHERE " + filter.sql + " AND u.group_id = g.id ORDER BY u.username_key LIMIT " + most_at +
             ") AS l WHERE g.name_key > " + after_at + " ORDER BY g.name_key, l.username_key LIMIT " + most_at;
  return take(db, {sql, filter.values}, found);
}

Result<std::vector<Found>> page_of(Connection& db, const UserQuery& query, const Filter& filter, const Cursor& cursor, std::size_t most) {
  std::vector<Found> found;
  const std::string group_key = cursor.first_page() ? "" : cursor.keys[0];
  const std::string username_key = cursor.first_page() ? "" : cursor.keys[1];
  Result<void> done;
  if (query.group) {
    done = take_of_group(db, filter, *query.group, username_key, most, found);
  } else {
    if (!cursor.first_page()) {
      const auto group = find_group_by_name_key(db, group_key);
      if (!group) return std::unexpected(group.error());
      if (*group) done = take_of_group(db, filter, (*group)->id, username_key, most, found);
    }
    if (done && found.size() < most) done = take_of_later_groups(db, filter, group_key, most - found.size(), found);
  }
  if (!done) return std::unexpected(done.error());
  return found;
}

Result<std::int64_t> count_all(Connection& db, const UserQuery& query, Filter filter) {
  auto sql = "SELECT count(*) FROM (SELECT 1 FROM users AS u WHERE " + filter.sql;
  if (query.group) sql += " AND u.group_id = " + filter.bind(*query.group);
  sql += " LIMIT " + filter.bind(kCountedAtMost) + ") AS counted";
  return number(db, {sql, filter.values});
}

// All the page's grants in one round trip.
Result<void> add_grants(Connection& db, std::vector<UserRow>& items) {
  constexpr std::string_view kSql = "SELECT " LATCHKEY_GRANT_COLUMNS " FROM grants WHERE user_id = $1";
  std::vector<Query> questions;
  for (const auto& row : items) questions.push_back({kSql, Values(row.user.id)});
  std::vector<Step> steps;
  for (const auto& question : questions) steps.push_back({&question});
  steps.push_back({});
  auto answers = db.exchange(steps);
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (answers[i].kind != Answer::Kind::done) return std::unexpected(error_of(answers[i]));
    items[i].grants = all_of<Grant>(answers[i].rows, grant_fields<Grant>);
    std::ranges::sort(items[i].grants, {}, &Grant::type);
  }
  return {};
}

}  // namespace

Result<Listing<UserRow>> list_users(Connection& db, const UserQuery& query) {
  const auto cursor = Cursor::parse(query.page.cursor, 2);
  if (!cursor) return std::unexpected(cursor.error());
  const auto filter = filter_of(query);
  const auto limit = page_limit(query.page);

  const Snapshot snapshot(db);
  auto found = page_of(db, query, filter, *cursor, limit + 1);
  if (!found) return std::unexpected(found.error());
  Listing<UserRow> listing;
  listing.total = cursor->total;
  if (cursor->first_page()) {
    // A first page that is not full has counted by itself.
    const auto total = found->size() <= limit ? Result<std::int64_t>(std::ssize(*found)) : count_all(db, query, filter);
    if (!total) return std::unexpected(total.error());
    listing.total = *total;
  }
  if (found->size() > limit) {
    found->pop_back();
    listing.next_cursor = Cursor{listing.total, {found->back().group_key, found->back().user.username_key}}.text();
  }
  for (auto& one : *found) listing.items.push_back({std::move(one.user), std::move(one.group_name), {}});
  if (auto done = add_grants(db, listing.items); !done) return std::unexpected(done.error());
  return listing;
}

}  // namespace latchkey::store::postgres

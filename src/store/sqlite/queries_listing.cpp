#include "store/folding.h"
#include "store/paging.h"
#include "store/sqlite/queries.h"
#include "store/rows.h"

namespace latchkey::store::sqlite {
namespace {

enum Whom : int { kEverybody = 0, kOnlyOauthUsers = 1, kOnlyWithoutGrants = 2, kOnlySwitchedOff = 3 };

// A query, ready to bind: ?1 search, ?2 what grants_summary must contain, ?3 whom.
struct Filter {
  std::string search;
  std::string summary;
  int whom = kEverybody;
};

#define LATCHKEY_LISTING_FILTER                                                                        \
  "(?1 = '' OR instr(l.search_text, ?1) > 0) AND (?2 = '' OR instr(l.grants_summary, ?2) > 0) " \
  "AND (?3 = 0 OR (?3 = 1 AND l.grants_summary <> '') OR (?3 = 2 AND l.grants_summary = '') "            \
  "OR (?3 = 3 AND EXISTS (SELECT 1 FROM users AS u WHERE u.id = l.user_id AND u.enabled = 0)))"

Filter filter_of(const UserQuery& query) {
  Filter filter{fold(query.search), {}, kEverybody};
  if (query.only_oauth_users) filter.whom = kOnlyOauthUsers;
  else if (query.only_without_grants) filter.whom = kOnlyWithoutGrants;
  else if (query.only_switched_off) filter.whom = kOnlySwitchedOff;
  const auto state = query.state ? std::to_string(static_cast<int>(*query.state)) : std::string();
  if (!query.type.empty()) filter.summary = "|" + query.type + "/" + (query.state ? state + "|" : "");
  else if (query.state) filter.summary = "/" + state + "|";
  return filter;
}

struct Place {
  UserId user;
  std::string group_key;
  std::string group_name;
  std::string username_key;
};

// Takes rows until `most` are in `places`.
Result<void> take(Statement& statement, std::size_t most, std::vector<Place>& places) {
  while (places.size() < most && statement.row()) {
    auto& place = places.emplace_back();
    statement.read(place.user, place.group_key, place.group_name, place.username_key);
  }
  if (statement.failed()) return statement.failure();
  return {};
}

#define LATCHKEY_PLACE_COLUMNS "l.user_id, g.name_key, g.name, l.username_key"

// One group's users after a username.
Result<void> take_of_group(Connection& db, const Filter& filter, const GroupId& group, const std::string& after,
                           std::size_t most, std::vector<Place>& places) {
  auto statement = db.prepare("SELECT " LATCHKEY_PLACE_COLUMNS
                              " FROM user_groups AS g CROSS JOIN user_listing AS l ON l.group_id = g.id "
                              "WHERE " LATCHKEY_LISTING_FILTER " AND g.id = ?4 AND l.username_key > ?5 "
                              "ORDER BY l.username_key");
  statement.bind(filter.search, filter.summary, filter.whom, group, after);
  return take(statement, most, places);
}

// Everybody in the groups after a group's name.
Result<void> take_of_later_groups(Connection& db, const Filter& filter, const std::string& after, std::size_t most,
                                  std::vector<Place>& places) {
  auto statement = db.prepare("SELECT " LATCHKEY_PLACE_COLUMNS
                              " FROM user_groups AS g CROSS JOIN user_listing AS l ON l.group_id = g.id "
                              "WHERE " LATCHKEY_LISTING_FILTER " AND g.name_key > ?4 "
                              "ORDER BY g.name_key, l.username_key");
  statement.bind(filter.search, filter.summary, filter.whom, after);
  return take(statement, most, places);
}

Result<std::vector<Place>> places_of_page(Connection& db, const UserQuery& query, const Filter& filter,
                                          const Cursor& cursor, std::size_t most) {
  std::vector<Place> places;
  const std::string group_key = cursor.first_page() ? "" : cursor.keys[0];
  const std::string username_key = cursor.first_page() ? "" : cursor.keys[1];
  if (query.group) {
    auto done = take_of_group(db, filter, *query.group, username_key, most, places);
    if (!done) return std::unexpected(done.error());
    return places;
  }
  if (!cursor.first_page()) {
    const auto group = find_group_by_name_key(db, group_key);
    if (!group) return std::unexpected(group.error());
    if (*group) {
      auto done = take_of_group(db, filter, (*group)->id, username_key, most, places);
      if (!done) return std::unexpected(done.error());
    }
  }
  auto done = take_of_later_groups(db, filter, group_key, most, places);
  if (!done) return std::unexpected(done.error());
  return places;
}

Result<std::int64_t> count_all(Connection& db, const UserQuery& query, const Filter& filter) {
  std::int64_t total = 0;
  if (filter.search.empty() && filter.summary.empty() && filter.whom <= kOnlyOauthUsers) {
    // Nothing to filter by: the groups know their counts.
    auto statement = db.prepare(
        "SELECT coalesce(sum(CASE WHEN ?1 THEN oauth_users ELSE users END), 0) FROM user_groups WHERE ?2 = x'' OR id = ?2");
    statement.bind(filter.whom == kOnlyOauthUsers, query.group ? query.group->bytes() : ByteView());
    if (statement.row()) statement.read(total);
    if (statement.failed()) return statement.failure();
    return std::min(total, kCountedAtMost);
  }
  auto statement = query.group ? db.prepare("SELECT count(*) FROM (SELECT 1 FROM user_listing AS l "
                                            "WHERE " LATCHKEY_LISTING_FILTER " AND l.group_id = ?5 LIMIT ?4)")
                               : db.prepare("SELECT count(*) FROM (SELECT 1 FROM user_listing AS l "
                                            "WHERE " LATCHKEY_LISTING_FILTER " LIMIT ?4)");
  statement.bind(filter.search, filter.summary, filter.whom, kCountedAtMost);
  if (query.group) statement.bind(*query.group);
  if (statement.row()) statement.read(total);
  if (statement.failed()) return statement.failure();
  return total;
}

}  // namespace

Result<Listing<UserRow>> list_users(Connection& db, const UserQuery& query) {
  const auto cursor = Cursor::parse(query.page.cursor, 2);
  if (!cursor) return std::unexpected(cursor.error());
  const auto filter = filter_of(query);
  const auto limit = page_limit(query.page);

  const Snapshot snapshot(db);
  auto places = places_of_page(db, query, filter, *cursor, limit + 1);
  if (!places) return std::unexpected(places.error());
  Listing<UserRow> listing;
  listing.total = cursor->total;
  if (cursor->first_page()) {
    // A first page that is not full has counted by itself.
    const auto total =
        places->size() <= limit ? Result<std::int64_t>(std::ssize(*places)) : count_all(db, query, filter);
    if (!total) return std::unexpected(total.error());
    listing.total = *total;
  }
  if (places->size() > limit) {
    places->pop_back();
    listing.next_cursor = Cursor{listing.total, {places->back().group_key, places->back().username_key}}.text();
  }
  for (auto& place : *places) {
    auto user = find_user(db, place.user);
    if (!user) return std::unexpected(user.error());
    auto grants = find_grants_of_user(db, place.user);
    if (!grants) return std::unexpected(grants.error());
    if (!*user) continue;  // cannot be within one snapshot
    listing.items.push_back({**std::move(user), std::move(place.group_name), *std::move(grants)});
  }
  return listing;
}

}  // namespace latchkey::store::sqlite

// What a MemoryStore answers.
#include <algorithm>
#include <charconv>
#include <limits>

#include "memory_store.h"
#include "store/audit_chain.h"
#include "store/folding.h"
#include "store/paging.h"

namespace latchkey::simulation {

using namespace store;

namespace {

template <class Row>
std::optional<Row> copy_of(const Row* row) {
  return row == nullptr ? std::nullopt : std::optional<Row>(*row);
}

template <class Row, class Rows, class Wanted>
std::optional<Row> first_of(const Rows& rows, Wanted wanted) {
  for (const auto& [key, row] : rows) {
    if (wanted(row)) return row;
  }
  return std::nullopt;
}

// The rows behind `after`, in the order of their ids.
template <class Rows, class Id, class Pick>
auto page_after(const Rows& rows, const Id& after, std::size_t limit, Pick pick) {
  std::vector<std::decay_t<decltype(pick(rows.begin()->second))>> page;
  for (auto at = rows.upper_bound(after); at != rows.end() && page.size() < limit; ++at) page.push_back(pick(at->second));
  return page;
}

}  // namespace

Task<Result<WallTime>> MemoryStore::now() { co_return clock_.now(); }

std::vector<Grant> MemoryStore::of_user(const UserId& user) const {
  std::vector<Grant> found;
  for (const auto& [id, row] : grants_.rows()) {
    if (row.grant.user == user) found.push_back(row.grant);
  }
  std::ranges::sort(found, {}, &Grant::type);
  return found;
}

Task<Result<std::vector<GroupRow>>> MemoryStore::groups() {
  std::vector<GroupRow> rows;
  for (const auto& [id, group] : groups_.rows()) {
    auto& row = rows.emplace_back(GroupRow{.group = group});
    for (const auto& [user_id, user] : users_.rows()) {
      if (user.group != id) continue;
      ++row.users;
      row.oauth_users += of_user(user_id).empty() ? 0 : 1;
    }
  }
  std::ranges::sort(rows, {}, [](const GroupRow& row) { return row.group.name_key; });
  co_return rows;
}

Task<Result<std::optional<Group>>> MemoryStore::group(GroupId id) { co_return copy_of(groups_.find(id)); }
Task<Result<std::optional<Group>>> MemoryStore::group_by_name_key(std::string name_key) {
  co_return first_of<Group>(groups_.rows(), [&](const Group& group) { return group.name_key == name_key; });
}
Task<Result<std::optional<User>>> MemoryStore::user(UserId id) { co_return copy_of(users_.find(id)); }
Task<Result<std::optional<User>>> MemoryStore::user_by_key(std::string username_key) {
  co_return first_of<User>(users_.rows(), [&](const User& user) { return user.username_key == username_key; });
}

Task<Result<Listing<UserRow>>> MemoryStore::users(UserQuery query) {
  const auto cursor = Cursor::parse(query.page.cursor, 2);
  if (!cursor) co_return std::unexpected(cursor.error());
  const auto search = fold(query.search);
  std::map<std::pair<std::string, std::string>, UserRow> matching;
  for (const auto& [id, user] : users_.rows()) {
    if (query.group && user.group != *query.group) continue;
    auto grants = of_user(id);
    const bool kind_fits = query.only_oauth_users ? !grants.empty() : query.only_without_grants ? grants.empty() : !query.only_switched_off || !user.enabled;
    if (!kind_fits) continue;
    const bool asks_grant = !query.type.empty() || query.state;
    const bool grant_fits = std::ranges::any_of(grants, [&](const Grant& grant) {
      return (query.type.empty() || grant.type == query.type) && (!query.state || grant.state == *query.state);
    });
    if (asks_grant && !grant_fits) continue;
    auto text = user.username + '\n' + user.name + '\n' + user.email;
    for (const auto& grant : grants) text += '\n' + grant.account_name;
    if (!search.empty() && fold(text).find(search) == std::string::npos) continue;
    const auto& group = *groups_.find(user.group);
    matching.emplace(std::pair(group.name_key, user.username_key), UserRow{user, group.name, std::move(grants)});
  }
  Listing<UserRow> listing;
  listing.total = cursor->first_page() ? std::min<std::int64_t>(std::ssize(matching), kCountedAtMost) : cursor->total;
  auto at = cursor->first_page() ? matching.begin() : matching.upper_bound({cursor->keys[0], cursor->keys[1]});
  const std::pair<std::string, std::string>* last = nullptr;
  for (; at != matching.end() && listing.items.size() < page_limit(query.page); ++at) {
    last = &at->first;
    listing.items.push_back(at->second);
  }
  if (at != matching.end() && last != nullptr) listing.next_cursor = Cursor{listing.total, {last->first, last->second}}.text();
  co_return listing;
}

Task<Result<std::int64_t>> MemoryStore::count_administrators() { co_return administrators(); }

std::int64_t MemoryStore::administrators() const {
  return std::ranges::count_if(users_.rows(), [](const auto& row) {
    return row.second.role == Role::administrator && row.second.enabled && !row.second.password_sealed.empty();
  });
}

Task<Result<std::vector<PinFailureCount>>> MemoryStore::pin_failures(UserId user) {
  std::vector<PinFailureCount> counts;
  for (const auto& [key, at] : failures_.rows()) {
    if (std::get<0>(key) != user) continue;
    if (counts.empty() || counts.back().bucket != std::get<1>(key)) counts.push_back({.bucket = std::get<1>(key)});
    ++counts.back().distinct;
    counts.back().last_at = std::max(counts.back().last_at, at);
  }
  co_return counts;
}

Task<Result<std::int64_t>> MemoryStore::spray_count(std::string bucket, WallTime since) {
  co_return std::ranges::count_if(failures_.rows(), [&](const auto& row) { return std::get<1>(row.first) == bucket && row.second >= since; });
}

Task<Result<std::vector<KnownSource>>> MemoryStore::known_sources(UserId user) {
  std::vector<KnownSource> known;
  for (const auto& [key, at] : sources_.rows()) {
    if (key.first == user) known.push_back({user, key.second, at});
  }
  std::ranges::sort(known, [](const auto& a, const auto& b) { return std::tie(b.last_success_at, a.source) < std::tie(a.last_success_at, b.source); });
  co_return known;
}

Task<Result<std::vector<App>>> MemoryStore::apps() {
  std::vector<App> all;
  for (const auto& [id, app] : apps_.rows()) all.push_back(app);
  co_return all;
}
Task<Result<std::optional<App>>> MemoryStore::app(std::string id) { co_return copy_of(apps_.find(id)); }

Task<Result<std::optional<GrantView>>> MemoryStore::grant(GrantId id) {
  const auto* row = grants_.find(id);
  if (row == nullptr) co_return std::optional<GrantView>();
  co_return std::optional(view_of(row->grant));
}

GrantView MemoryStore::view_of(const Grant& grant) const {
  GrantView view{.grant = grant};
  const auto& generations = generations_.rows();
  for (auto at = generations.lower_bound({grant.id, INT64_MIN}); at != generations.end() && at->first.first == grant.id; ++at) view.generations.push_back(at->second);
  if (const auto* intent = intent_keys_.find({grant.id, grant.generation})) view.intent = *intents_.find(*intent);
  return view;
}

Task<Result<std::optional<Holding>>> MemoryStore::holding(UserId user, std::string type) {
  const auto* holder = users_.find(user);
  if (holder == nullptr) co_return std::optional<Holding>();
  Holding holding{.user = *holder};
  for (const auto& grant : of_user(user)) {
    if (!type.empty() && grant.type != type) continue;
    auto wraps = wraps_of(grant.id);
    std::erase_if(wraps, [](const Wrap& wrap) { return wrap.holder_kind == HolderKind::delivery; });
    holding.grants.push_back({.view = view_of(grant), .wraps = std::move(wraps)});
  }
  co_return std::optional(std::move(holding));
}

Task<Result<std::vector<Grant>>> MemoryStore::grants_of_user(UserId user) { co_return of_user(user); }

Task<Result<std::vector<Grant>>> MemoryStore::grants_of_app(std::string app, std::size_t limit) {
  std::map<std::int64_t, Grant> found;
  for (const auto& [id, row] : grants_.rows()) {
    if (row.grant.app == app) found.emplace(row.order, row.grant);
  }
  std::vector<Grant> grants;
  for (auto& [order, grant] : found) {
    if (grants.size() < limit) grants.push_back(std::move(grant));
  }
  co_return grants;
}

Task<Result<std::optional<Grant>>> MemoryStore::grant_by_account(std::string app, std::string type, std::string account_id) {
  std::map<std::pair<WallTime, std::int64_t>, Grant> found;
  for (const auto& [id, row] : grants_.rows()) {
    const bool fits = row.grant.app == app && row.grant.type == type && row.grant.account_id == account_id && !account_id.empty();
    if (fits) found.emplace(std::pair(row.grant.created_at, row.order), row.grant);
  }
  co_return found.empty() ? std::nullopt : std::optional(found.begin()->second);
}

Task<Result<std::vector<Wrap>>> MemoryStore::wraps(GrantId grant) { co_return wraps_of(grant); }

std::vector<Wrap> MemoryStore::wraps_of(const GrantId& grant) const {
  std::vector<Wrap> found;
  for (const auto& [key, wrap] : wraps_.rows()) {
    if (std::get<0>(key) == grant) found.push_back(wrap);
  }
  return found;
}

Task<Result<std::vector<DueGrant>>> MemoryStore::due_grants(NodeId, WallTime until, std::size_t limit, std::vector<std::string> without_apps) {
  std::vector<DueGrant> due;
  const auto now = clock_.now();
  for (const auto& [key, id] : due_.rows()) {
    if (key.first > until || due.size() >= limit) break;
    const auto& grant = grants_.find(id)->grant;
    if (!grant.lease_owner.none() && grant.lease_until > now) continue;
    if (std::ranges::find(without_apps, grant.app) != without_apps.end()) continue;
    if (const auto* app = apps_.find(grant.app); app != nullptr && app->paused) continue;
    due.push_back({.id = id, .due_at = key.first, .app = grant.app, .type = grant.type});
  }
  co_return due;
}

Task<Result<std::vector<GrantAge>>> MemoryStore::aged_grants(AgeQuery query) {
  std::vector<GrantAge> found;
  for (const auto& [id, row] : grants_.rows()) {
    const auto& grant = row.grant;
    const auto refreshed = std::max(grant.last_refreshed_at, grant.issued_at);
    const bool old = refreshed < query.refreshed_before || grant.created_at < query.consented_before;
    const bool wanted = std::ranges::find(query.types, grant.type) != query.types.end() && grant.state <= GrantState::paused;
    if (id > query.after && old && wanted && found.size() < query.limit) found.push_back({id, grant.type, grant.created_at, refreshed});
  }
  co_return found;
}

Task<Result<std::vector<Intent>>> MemoryStore::open_intents(std::size_t limit) {
  std::vector<Intent> found;
  for (const auto& [id, intent] : intents_.rows()) {
    if (intent.state == IntentState::open) found.push_back(intent);
  }
  std::ranges::sort(found, {}, [](const Intent& intent) { return std::pair(intent.opened_at, intent.id); });
  if (found.size() > limit) found.resize(limit);
  co_return found;
}

Task<Result<std::vector<StateCount>>> MemoryStore::grant_states() {
  std::map<GrantState, std::int64_t> counts;
  for (const auto& [id, row] : grants_.rows()) ++counts[row.grant.state];
  std::vector<StateCount> rows;
  for (const auto& [state, count] : counts) rows.push_back({state, count});
  co_return rows;
}

Task<Result<std::vector<HandoutCount>>> MemoryStore::handouts(GrantId grant, WallTime since) {
  std::vector<HandoutCount> found;
  for (const auto& [key, count] : handouts_.rows()) {
    if (key.first == grant && key.second >= since) found.push_back({grant, key.second, count});
  }
  co_return found;
}

Task<Result<std::optional<Authorization>>> MemoryStore::authorization(AuthorizationId id) { co_return copy_of(authorizations_.find(id)); }
Task<Result<std::optional<Authorization>>> MemoryStore::authorization_by_ticket(Bytes hash) {
  co_return first_of<Authorization>(authorizations_.rows(), [&](const Authorization& row) { return !hash.empty() && row.ticket_hash == hash; });
}
Task<Result<std::optional<Authorization>>> MemoryStore::authorization_by_state(Bytes hash) {
  co_return first_of<Authorization>(authorizations_.rows(), [&](const Authorization& row) { return !hash.empty() && row.state_hash == hash; });
}

Task<Result<std::optional<Authorization>>> MemoryStore::authorization_reserving(std::string key) {
  co_return first_of<Authorization>(authorizations_.rows(), [&](const Authorization& row) {
    return !key.empty() && row.username_key == key && row.state == AuthorizationState::pending;
  });
}

Task<Result<std::vector<Authorization>>> MemoryStore::expired_authorizations(WallTime now, std::size_t limit) {
  std::vector<Authorization> found;
  for (const auto& [id, row] : authorizations_.rows()) {
    if (row.expires_at <= now) found.push_back(row);
  }
  std::ranges::sort(found, {}, &Authorization::expires_at);
  if (found.size() > limit) found.resize(limit);
  co_return found;
}

Task<Result<std::vector<Authorization>>> MemoryStore::pending_authorizations(std::size_t limit) {
  std::vector<Authorization> found;
  for (const auto& [id, row] : authorizations_.rows()) {
    using enum AuthorizationState;
    if (row.state == pending || row.state == held || row.state == needs_confirmation) found.push_back(row);
  }
  std::ranges::sort(found, {}, [](const Authorization& row) { return std::tuple(row.state == AuthorizationState::pending, row.created_at, row.id); });
  if (found.size() > limit) found.resize(limit);
  co_return found;
}

Task<Result<std::optional<Session>>> MemoryStore::session(Bytes token_hash) { co_return copy_of(sessions_.find(token_hash)); }

Task<Result<std::vector<Setting>>> MemoryStore::settings() {
  std::vector<Setting> all;
  for (const auto& [key, value] : settings_.rows()) all.push_back({key, value});
  co_return all;
}

Task<Result<Listing<AuditEntry>>> MemoryStore::audit(AuditQuery query) {
  const auto cursor = Cursor::parse(query.page.cursor, 1);
  if (!cursor) co_return std::unexpected(cursor.error());
  auto before = std::numeric_limits<std::int64_t>::max();
  if (!cursor->first_page()) {
    const auto& text = cursor->keys[0];
    if (std::from_chars(text.data(), text.data() + text.size(), before).ec != std::errc()) co_return bad_cursor();
  }
  const auto search = fold(query.search);
  const auto fits = [&](const AuditEntry& entry) {
    const bool action = query.action.empty() || entry.action == query.action || (query.action.ends_with('.') && entry.action.starts_with(query.action));
    if (!action || entry.at < query.since || (query.user && entry.user != *query.user)) return false;
    if (search.empty()) return true;
    return std::ranges::any_of(std::initializer_list<std::string_view>{entry.actor, entry.action, entry.subject, entry.source, entry.detail},
                               [&](std::string_view text) { return fold(text).find(search) != std::string::npos; });
  };
  Listing<AuditEntry> listing;
  listing.total = cursor->total;
  std::int64_t total = 0;
  for (auto at = audit_.rows().rbegin(); at != audit_.rows().rend(); ++at) {
    if (!fits(at->second)) continue;
    ++total;
    if (at->first >= before) continue;
    if (listing.items.size() < page_limit(query.page)) listing.items.push_back(at->second);
    else if (listing.next_cursor.empty()) listing.next_cursor = "more";
  }
  if (cursor->first_page()) listing.total = std::min(total, kCountedAtMost);
  if (!listing.next_cursor.empty()) listing.next_cursor = Cursor{listing.total, {std::to_string(listing.items.back().sequence)}}.text();
  co_return listing;
}

Task<Result<std::optional<std::int64_t>>> MemoryStore::verify_audit() {
  Bytes before;
  std::int64_t expected = 1;
  for (const auto& [sequence, entry] : audit_.rows()) {
    if (sequence != expected || entry.hash != chain_hash(before, entry)) co_return sequence;
    before = entry.hash;
    ++expected;
  }
  co_return std::optional<std::int64_t>();
}

Task<Result<Bytes>> MemoryStore::meta(std::string key) {
  const auto* found = meta_.find(key);
  co_return found == nullptr ? Bytes() : *found;
}

Task<Result<std::vector<User>>> MemoryStore::users_after(UserId after, std::size_t limit) {
  co_return page_after(users_.rows(), after, limit, [](const User& row) { return row; });
}

Task<Result<std::vector<Grant>>> MemoryStore::grants_after(GrantId after, std::size_t limit) {
  co_return page_after(grants_.rows(), after, limit, [](const GrantRow& row) { return row.grant; });
}

Task<Result<std::vector<Authorization>>> MemoryStore::authorizations_after(AuthorizationId after, std::size_t limit) {
  co_return page_after(authorizations_.rows(), after, limit, [](const Authorization& row) { return row; });
}

}  // namespace latchkey::simulation

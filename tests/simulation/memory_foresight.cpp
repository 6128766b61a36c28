// Of a MemoryStore: nodes, events of grants, revocations on their way, tallies, and what is counted for the Health page.
#include <algorithm>

#include "memory_store.h"
#include "store/paging.h"
#include "store/refusals.h"

namespace latchkey::simulation {

using namespace store;

// ---- nodes ---------------------------------------------------------------------------------------------------------

Result<void> MemoryStore::change(const PutNode& m) {
  auto node = m.node;
  node.seen_at = clock_.now();
  nodes_.put(node.id, std::move(node));
  return {};
}

Result<void> MemoryStore::change(const TouchNode& m) {
  const auto* before = nodes_.find(m.id);
  if (before == nullptr || before->run != m.run) return gone("node");
  auto node = *before;
  node.seen_at = clock_.now();
  nodes_.put(m.id, std::move(node));
  return {};
}

Result<void> MemoryStore::change(const DeleteNode& m) {
  if (!nodes_.erase(m.id)) return gone("node");
  return {};
}

Task<Result<std::vector<Node>>> MemoryStore::nodes() {
  std::vector<Node> all;
  for (const auto& [id, node] : nodes_.rows()) all.push_back(node);
  co_return all;
}

// ---- events --------------------------------------------------------------------------------------------------------

Result<void> MemoryStore::change(const NoteGrantEvent& m) {
  const auto& event = m.event;
  if (grants_.find(event.grant) == nullptr) return {};
  const auto& rows = events_.rows();
  auto behind = rows.upper_bound({event.grant, INT64_MAX});
  std::int64_t newest = 0;
  if (behind != rows.begin() && std::prev(behind)->first.first == event.grant) {
    const auto& [key, last] = *std::prev(behind);
    newest = key.second;
    if (m.join && std::tie(last.kind, last.status, last.error, last.actor) == std::tie(event.kind, event.status, event.error, event.actor)) {
      auto joined = last;
      joined.count += event.count;
      joined.last_at = event.last_at;
      joined.generation = event.generation;
      joined.detail = event.detail;
      events_.put({event.grant, newest}, std::move(joined));
      return {};
    }
  }
  events_.put({event.grant, newest + 1}, event);
  std::vector<std::pair<GrantId, std::int64_t>> old;
  for (auto at = rows.lower_bound({event.grant, INT64_MIN}); at != rows.end() && at->first.first == event.grant; ++at) {
    if (at->first.second <= newest + 1 - kGrantEventsKept || at->second.last_at < event.last_at - kGrantEventsAge) old.push_back(at->first);
  }
  for (const auto& key : old) events_.erase(key);
  return {};
}

void MemoryStore::erase_events_of(const GrantId& id) {
  std::vector<std::pair<GrantId, std::int64_t>> all;
  const auto& rows = events_.rows();
  for (auto at = rows.lower_bound({id, INT64_MIN}); at != rows.end() && at->first.first == id; ++at) all.push_back(at->first);
  for (const auto& key : all) events_.erase(key);
}

Task<Result<std::vector<GrantEvent>>> MemoryStore::grant_events(GrantId grant) {
  std::vector<GrantEvent> found;
  const auto& rows = events_.rows();
  for (auto at = rows.lower_bound({grant, INT64_MIN}); at != rows.end() && at->first.first == grant; ++at) found.push_back(at->second);
  std::ranges::reverse(found);
  co_return found;
}

// ---- revocations ---------------------------------------------------------------------------------------------------

Result<void> MemoryStore::change(const PutRevocation& m) {
  auto revocation = m.revocation;
  const auto* before = revocations_.find(revocation.id);
  if (revocation.version == 0) {
    if (before != nullptr) return exists("revocation");
  } else {
    if (before == nullptr) return gone("revocation");
    if (before->version != revocation.version) return other_version();
  }
  revocation.version += 1;
  const auto id = revocation.id;
  revocations_.put(id, std::move(revocation));
  return {};
}

Result<void> MemoryStore::change(const DeleteRevocation& m) {
  if (!revocations_.erase(m.id)) return gone("revocation");
  return {};
}

Result<void> MemoryStore::change(const DeleteRevocationOfSwitchedOff& m) {
  revocations_.erase(store::entry_of_switched_off(m.grant));
  return {};
}

Task<Result<Listing<Revocation>>> MemoryStore::revocations(WallTime due_until, std::size_t limit) {
  Listing<Revocation> listing;
  for (const auto& [id, revocation] : revocations_.rows()) {
    if (revocation.due_at <= due_until) listing.items.push_back(revocation);
  }
  std::ranges::sort(listing.items, {}, [](const Revocation& one) { return std::pair(one.due_at, one.id); });
  listing.total = std::min<std::int64_t>(std::ssize(listing.items), revocations_counted(due_until));
  if (listing.items.size() > limit) listing.items.resize(limit);
  co_return listing;
}

Task<Result<std::vector<Revocation>>> MemoryStore::revocations_after(RevocationId after, std::size_t limit) {
  std::vector<Revocation> page;
  const auto& rows = revocations_.rows();
  for (auto at = rows.upper_bound(after); at != rows.end() && page.size() < limit; ++at) page.push_back(at->second);
  co_return page;
}

// ---- what is counted -----------------------------------------------------------------------------------------------

Result<void> MemoryStore::change(const AddTally& m) {
  const auto& tally = m.tally;
  std::vector<std::pair<std::string, WallTime>> old;
  const auto& rows = tallies_.rows();
  for (auto at = rows.lower_bound({tally.name, WallTime::min()}); at != rows.end() && at->first.first == tally.name && at->first.second < tally.at - kTalliesAge; ++at) {
    old.push_back(at->first);
  }
  for (const auto& key : old) tallies_.erase(key);
  const auto* before = tallies_.find({tally.name, tally.at});
  tallies_.put({tally.name, tally.at}, tally.count + (before == nullptr ? 0 : *before));
  return {};
}

Task<Result<std::vector<Tally>>> MemoryStore::tallies(std::string prefix, WallTime since) {
  std::vector<Tally> found;
  for (const auto& [key, count] : tallies_.rows()) {
    if (key.first.starts_with(prefix) && key.second >= since) found.push_back({key.first, key.second, count});
  }
  co_return found;
}

Task<Result<std::vector<TypeStateCount>>> MemoryStore::grants_by_type() {
  std::map<std::pair<std::string, GrantState>, std::int64_t> counts;
  for (const auto& [id, row] : grants_.rows()) ++counts[{row.grant.type, row.grant.state}];
  std::vector<TypeStateCount> rows;
  for (const auto& [key, count] : counts) rows.push_back({key.first, key.second, count});
  co_return rows;
}

Task<Result<std::vector<std::int64_t>>> MemoryStore::grant_histogram(GrantMoment moment, std::vector<WallTime> edges) {
  std::vector<std::int64_t> counts(edges.size() + 1);
  for (const auto& [id, row] : grants_.rows()) {
    const bool due = moment == GrantMoment::due;
    const auto& when = due ? row.grant.due_at : row.grant.access_expires_at;
    if (!when || (!due && row.grant.state > GrantState::paused)) continue;
    ++counts[static_cast<std::size_t>(std::ranges::upper_bound(edges, *when) - edges.begin())];
  }
  co_return counts;
}

Task<Result<std::vector<Grant>>> MemoryStore::sharers(store::SharersQuery query) {
  const auto& [app, account_id, now, heard_since, limit] = query;
  const bool may_be_unheard = std::ranges::any_of(nodes_.rows(), [&](const auto& one) { return !one.second.run.empty() && one.second.seen_at < query.heard_since; });
  std::vector<Grant> found;
  for (const auto& [id, row] : grants_.rows()) {
    const bool perhaps = account_id.empty() || row.grant.account_id.empty();
    if (row.grant.app != app || (!perhaps && row.grant.account_id != account_id)) continue;
    const auto* user = users_.find(row.grant.user);
    const auto* entry = revocations_.find(store::entry_of_switched_off(id));
    const bool waits = row.grant.state == GrantState::needs_authorization && may_be_unheard;
    const bool in_use = (may_rest_on_consent(row.grant.state) || waits) && user != nullptr && user->enabled;
    const bool kept = entry != nullptr && entry->created_at > now && (may_rest_on_consent(row.grant.state) || row.grant.state == GrantState::disabled);
    if (in_use || kept) found.push_back(row.grant);
  }
  std::ranges::stable_partition(found, [&](const Grant& grant) { return grant.account_id == account_id; });
  if (found.size() > limit) found.resize(limit);
  co_return found;
}

}  // namespace latchkey::simulation

#include "memory_store.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "store/audit_chain.h"
#include "store/refusals.h"

namespace latchkey::simulation {

using namespace store;

namespace {

bool settled(IntentState state) { return state != IntentState::open && state != IntentState::ambiguous; }

}  // namespace

Result<void> MemoryStore::apply(const Batch& batch) {
  for (const auto& mutation : batch) {
    auto done = std::visit([this](const auto& one) { return change(one); }, mutation);
    if (done) continue;
    for_each_table([](auto& table) { table.undo(); });
    return done;
  }
  for_each_table([](auto& table) { table.keep(); });
  return {};
}

Task<Result<void>> MemoryStore::commit(Batch batch, Urgency) {
  // Others come first who are ready, as they would where a commit takes its time.
  co_await boost::asio::post(boost::asio::use_awaitable_t<Executor>());
  co_return apply(batch);
}

// ---- people --------------------------------------------------------------------------------------------------------

Result<void> MemoryStore::change(const InsertGroup& m) {
  for (const auto& [id, group] : groups_.rows()) {
    if (group.name_key == m.group.name_key) return exists("name");
  }
  auto group = m.group;
  group.version = 1;
  groups_.put(group.id, std::move(group));
  return {};
}

Result<void> MemoryStore::change(const UpdateGroup& m) {
  const auto* before = groups_.find(m.group.id);
  if (before == nullptr) return gone("group");
  if (before->version != m.group.version) return other_version();
  for (const auto& [id, group] : groups_.rows()) {
    if (group.name_key == m.group.name_key && id != m.group.id) return exists("name");
  }
  auto group = m.group;
  group.created_at = before->created_at;
  group.version += 1;
  groups_.put(group.id, std::move(group));
  return {};
}

Result<void> MemoryStore::change(const DeleteGroup& m) {
  if (groups_.find(m.id) == nullptr) return gone("group");
  for (const auto& [id, user] : users_.rows()) {
    if (user.group == m.id) return group_not_empty();
  }
  groups_.erase(m.id);
  return {};
}

Result<void> MemoryStore::change(const KeepAnAdministrator&) {
  if (administrators() > 0) return {};
  return last_administrator();
}

Result<void> MemoryStore::change(const InsertUser& m) {
  if (groups_.find(m.user.group) == nullptr) return gone("group");
  for (const auto& [id, user] : users_.rows()) {
    if (user.username_key == m.user.username_key) return exists("username");
  }
  if (has_device_named(m.user.username_key)) return exists("username");
  auto user = m.user;
  user.version = 1;
  users_.put(user.id, std::move(user));
  return {};
}

Result<void> MemoryStore::change(const UpdateUser& m) {
  const auto* before = users_.find(m.user.id);
  if (before == nullptr) return gone("user");
  if (before->version != m.user.version) return other_version();
  if (groups_.find(m.user.group) == nullptr) return gone("group");
  for (const auto& [id, user] : users_.rows()) {
    if (user.username_key == m.user.username_key && id != m.user.id) return exists("username");
  }
  if (has_device_named(m.user.username_key)) return exists("username");
  auto user = m.user;
  user.last_used_at = std::max(user.last_used_at, before->last_used_at);
  user.created_at = before->created_at;
  user.version += 1;
  users_.put(user.id, std::move(user));
  return {};
}

Result<void> MemoryStore::change(const DeleteUser& m) {
  if (users_.find(m.id) == nullptr) return gone("user");
  for (const auto& grant : of_user(m.id)) erase_grant(grant.id);
  const auto erase_of_user = [&](auto& table, auto of) {
    const auto rows = table.rows();
    for (const auto& [key, row] : rows) {
      if (of(key, row) == m.id) table.erase(key);
    }
  };
  erase_of_user(sessions_, [](const auto&, const auto& row) { return row.user; });
  erase_of_user(failures_, [](const auto& key, const auto&) { return std::get<0>(key); });
  erase_of_user(sources_, [](const auto& key, const auto&) { return key.first; });
  users_.erase(m.id);
  return {};
}

Result<void> MemoryStore::change(const TouchUser& m) {
  const auto* before = users_.find(m.user);
  if (before == nullptr || before->last_used_at >= m.last_used_at) return {};
  auto user = *before;
  user.last_used_at = m.last_used_at;
  users_.put(user.id, std::move(user));
  return {};
}

Result<void> MemoryStore::change(const PutSession& m) {
  if (users_.find(m.session.user) == nullptr) return gone("user");
  sessions_.put(m.session.token_hash, m.session);
  return {};
}

Result<void> MemoryStore::change(const TouchSession& m) {
  const auto* before = sessions_.find(m.token_hash);
  if (before == nullptr) return gone("session");
  auto session = *before;
  session.expires_at = m.expires_at;
  sessions_.put(m.token_hash, std::move(session));
  return {};
}

Result<void> MemoryStore::change(const DeleteSession& m) {
  if (!sessions_.erase(m.token_hash)) return gone("session");
  return {};
}

Result<void> MemoryStore::change(const DeleteSessionsOfUser& m) {
  const auto rows = sessions_.rows();
  for (const auto& [key, row] : rows) {
    if (row.user == m.user) sessions_.erase(key);
  }
  return {};
}

Result<void> MemoryStore::change(const RecordPinFailure& m) {
  const auto& failure = m.failure;
  if (!failure.user.none() && users_.find(failure.user) == nullptr) return {};
  failures_.put({failure.user, failure.bucket, failure.fingerprint}, failure.at);
  return {};
}

Result<void> MemoryStore::change(const ForgetPinFailures& m) {
  const auto rows = failures_.rows();
  for (const auto& [key, at] : rows) {
    if (std::get<0>(key) == m.user) failures_.erase(key);
  }
  return {};
}

Result<void> MemoryStore::change(const PutKnownSource& m) {
  if (users_.find(m.source.user) == nullptr) return {};
  const std::pair key(m.source.user, m.source.source);
  const auto* before = sources_.find(key);
  sources_.put(key, before == nullptr ? m.source.last_success_at : std::max(*before, m.source.last_success_at));
  std::vector<KnownSource> all;
  for (const auto& [which, at] : sources_.rows()) {
    if (which.first == m.source.user) all.push_back({which.first, which.second, at});
  }
  std::ranges::sort(all, [](const auto& a, const auto& b) { return std::tie(b.last_success_at, a.source) < std::tie(a.last_success_at, b.source); });
  for (std::size_t at = static_cast<std::size_t>(std::max<std::int64_t>(m.most, 0)); at < all.size(); ++at) sources_.erase({all[at].user, all[at].source});
  return {};
}

// ---- grants --------------------------------------------------------------------------------------------------------

void MemoryStore::put_grant(GrantRow row) {
  const auto* before = grants_.find(row.grant.id);
  if (before == nullptr || before->grant.due_at != row.grant.due_at) {
    if (before != nullptr && before->grant.due_at) due_.erase({*before->grant.due_at, row.order});
    if (row.grant.due_at) due_.put({*row.grant.due_at, row.order}, row.grant.id);
  }
  const auto id = row.grant.id;
  grants_.put(id, std::move(row));
}

void MemoryStore::erase_grant(const GrantId& id) {
  const auto* row = grants_.find(id);
  if (row == nullptr) return;
  if (row->grant.due_at) due_.erase({*row->grant.due_at, row->order});
  static_cast<void>(change(DeleteIntentsOf{id}));
  std::vector<GenerationKey> generations;
  for (auto at = generations_.rows().lower_bound({id, INT64_MIN}); at != generations_.rows().end() && at->first.first == id; ++at) generations.push_back(at->first);
  for (const auto& key : generations) generations_.erase(key);
  const auto wraps = wraps_.rows();
  for (const auto& [key, wrap] : wraps) {
    if (std::get<0>(key) == id) wraps_.erase(key);
  }
  const auto handouts = handouts_.rows();
  for (const auto& [key, count] : handouts) {
    if (key.first == id) handouts_.erase(key);
  }
  erase_events_of(id);
  grants_.erase(id);
}

Result<void> MemoryStore::change(const InsertGrant& m) {
  if (users_.find(m.grant.user) == nullptr) return gone("user");
  for (const auto& other : of_user(m.grant.user)) {
    if (other.type == m.grant.type) return exists("type");
  }
  GrantRow row{.grant = m.grant, .order = ++grants_inserted_};
  row.grant.version = 1;
  put_grant(std::move(row));
  return {};
}

Result<void> MemoryStore::change(const UpdateGrant& m) {
  const auto* before = grants_.find(m.grant.id);
  if (before == nullptr) return gone("grant");
  if (before->grant.version != m.grant.version) return other_version();
  if (before->grant.user != m.grant.user || before->grant.type != m.grant.type) {
    if (users_.find(m.grant.user) == nullptr) return gone("user");
    for (const auto& other : of_user(m.grant.user)) {
      if (other.type == m.grant.type && other.id != m.grant.id) return exists("type");
    }
  }
  GrantRow row{.grant = m.grant, .order = before->order};
  row.grant.last_used_at = std::max(row.grant.last_used_at, before->grant.last_used_at);
  row.grant.version += 1;
  put_grant(std::move(row));
  return {};
}

Result<void> MemoryStore::change(const DeleteGrant& m) {
  if (grants_.find(m.id) == nullptr) return gone("grant");
  erase_grant(m.id);
  return {};
}

Result<void> MemoryStore::change(const ClaimGrant& m) {
  const auto* before = grants_.find(m.id);
  if (before == nullptr) return gone("grant");
  if (before->grant.version != m.version) return other_version();
  const auto now = clock_.now();
  const bool free = before->grant.lease_owner.none() || before->grant.lease_owner == m.node || before->grant.lease_until <= now;
  if (!free) return leased();
  auto row = *before;
  row.grant.lease_owner = m.node;
  row.grant.lease_until = now + m.lease;
  row.grant.fence += 1;
  row.grant.version += 1;
  put_grant(std::move(row));
  return {};
}

Result<void> MemoryStore::change(const TouchGrant& m) {
  const auto* before = grants_.find(m.grant);
  if (before == nullptr || before->grant.last_used_at >= m.last_used_at) return {};
  auto row = *before;
  row.grant.last_used_at = m.last_used_at;
  put_grant(std::move(row));
  return {};
}

Result<void> MemoryStore::change(const PutGeneration& m) {
  if (grants_.find(m.generation.grant) == nullptr) return gone("grant");
  generations_.put({m.generation.grant, m.generation.number}, m.generation);
  return {};
}

Result<void> MemoryStore::change(const DeleteGeneration& m) {
  if (!generations_.erase({m.grant, m.number})) return gone("generation");
  return {};
}

Result<void> MemoryStore::change(const PutWrap& m) {
  if (grants_.find(m.wrap.grant) == nullptr) return gone("grant");
  wraps_.put({m.wrap.grant, m.wrap.holder_kind, m.wrap.holder}, m.wrap);
  return {};
}

Result<void> MemoryStore::change(const DeleteWrap& m) {
  if (!wraps_.erase({m.grant, m.holder_kind, m.holder})) return gone("wrap");
  return {};
}

Result<void> MemoryStore::change(const InsertIntent& m) {
  const GenerationKey key(m.intent.grant, m.intent.generation);
  if (intent_keys_.find(key) != nullptr || intents_.find(m.intent.id) != nullptr) return exists("intent");
  auto intent = m.intent;
  intent.version = 1;
  intent_keys_.put(key, intent.id);
  intents_.put(intent.id, std::move(intent));
  return {};
}

Result<void> MemoryStore::change(const UpdateIntent& m) {
  const auto* before = intents_.find(m.intent.id);
  if (before == nullptr) return gone("intent");
  if (before->version != m.intent.version) return other_version();
  auto intent = m.intent;
  intent.grant = before->grant;
  intent.generation = before->generation;
  intent.version += 1;
  intents_.put(intent.id, std::move(intent));
  return {};
}

void MemoryStore::erase_intent(const IntentId& id) {
  const auto* intent = intents_.find(id);
  if (intent == nullptr) return;
  intent_keys_.erase({intent->grant, intent->generation});
  intents_.erase(id);
}

Result<void> MemoryStore::change(const DeleteIntentsBelow& m) {
  std::vector<IntentId> old;
  const auto& keys = intent_keys_.rows();
  for (auto at = keys.lower_bound({m.grant, INT64_MIN}); at != keys.end() && at->first.first == m.grant && at->first.second < m.generation; ++at) {
    if (settled(intents_.find(at->second)->state)) old.push_back(at->second);
  }
  for (const auto& id : old) erase_intent(id);
  return {};
}

Result<void> MemoryStore::change(const DeleteIntentsOf& m) {
  std::vector<IntentId> all;
  const auto& keys = intent_keys_.rows();
  for (auto at = keys.lower_bound({m.grant, INT64_MIN}); at != keys.end() && at->first.first == m.grant; ++at) all.push_back(at->second);
  for (const auto& id : all) erase_intent(id);
  return {};
}

Result<void> MemoryStore::change(const CountHandouts& m) {
  if (grants_.find(m.grant) == nullptr) return {};
  const auto* before = handouts_.find({m.grant, m.minute});
  handouts_.put({m.grant, m.minute}, m.count + (before == nullptr ? 0 : *before));
  return {};
}

// ---- the server's own ----------------------------------------------------------------------------------------------

Result<void> MemoryStore::change(const PutApp& m) {
  const auto* before = apps_.find(m.app.id);
  auto app = m.app;
  if (app.version == 0) {
    if (before != nullptr) return exists("id");
  } else {
    if (before == nullptr) return gone("app");
    if (before->version != app.version) return other_version();
    app.created_at = before->created_at;
  }
  app.version += 1;
  const auto id = app.id;
  apps_.put(id, std::move(app));
  return {};
}

Result<void> MemoryStore::change(const DeleteApp& m) {
  for (const auto& [id, row] : grants_.rows()) {
    if (row.grant.app == m.id) return app_in_use();
  }
  if (!apps_.erase(m.id)) return gone("app");
  return {};
}

const Authorization* MemoryStore::pending_for(const std::string& username_key) const {
  for (const auto& [id, row] : authorizations_.rows()) {
    if (row.state == AuthorizationState::pending && !username_key.empty() && row.username_key == username_key) return &row;
  }
  return nullptr;
}

Result<void> MemoryStore::change(const InsertAuthorization& m) {
  if (m.authorization.state == AuthorizationState::pending && pending_for(m.authorization.username_key) != nullptr) return exists("username");
  auto row = m.authorization;
  row.version = 1;
  authorizations_.put(row.id, std::move(row));
  return {};
}

Result<void> MemoryStore::change(const UpdateAuthorization& m) {
  const auto* before = authorizations_.find(m.authorization.id);
  if (before == nullptr) return gone("authorization");
  if (before->version != m.authorization.version) return other_version();
  if (m.authorization.state == AuthorizationState::pending) {
    if (const auto* other = pending_for(m.authorization.username_key); other != nullptr && other->id != m.authorization.id) return exists("username");
  }
  auto row = m.authorization;
  row.created_at = before->created_at;
  row.version += 1;
  authorizations_.put(row.id, std::move(row));
  return {};
}

Result<void> MemoryStore::change(const DeleteAuthorization& m) {
  if (!authorizations_.erase(m.id)) return gone("authorization");
  const GrantId as_grant(*GrantId::from_bytes(m.id.bytes()));
  return change(DeleteIntentsBelow{as_grant, INT64_MAX});
}

Result<void> MemoryStore::change(const PutSetting& m) {
  settings_.put(m.setting.key, m.setting.value);
  return {};
}

Result<void> MemoryStore::change(const DeleteSetting& m) {
  settings_.erase(m.key);
  return {};
}

Result<void> MemoryStore::change(const AppendAudit& m) {
  auto entry = m.entry;
  const auto& rows = audit_.rows();
  entry.sequence = rows.empty() ? 1 : rows.rbegin()->first + 1;
  entry.hash = chain_hash(rows.empty() ? ByteView() : ByteView(rows.rbegin()->second.hash), entry);
  audit_.put(entry.sequence, std::move(entry));
  return {};
}

Result<void> MemoryStore::change(const PutMeta& m) {
  if (m.value.empty()) meta_.erase(m.key);
  else meta_.put(m.key, m.value);
  return {};
}

Result<void> MemoryStore::change(const CompareMeta& m) {
  const auto* found = meta_.find(m.key);
  if ((found == nullptr ? Bytes() : *found) == m.expected) return {};
  return meta_changed(m.key);
}

void MemoryStore::fall_back_to(const MemoryStore& before) {
  const auto tables = [](auto& store) {
    return std::tie(store.groups_, store.users_, store.apps_, store.grants_, store.due_, store.generations_, store.wraps_, store.intents_, store.intent_keys_,
                    store.authorizations_, store.sessions_, store.settings_, store.meta_, store.audit_, store.failures_, store.sources_, store.handouts_,
                    store.events_, store.revocations_, store.tallies_, store.nodes_, store.connectors_, store.deliveries_, store.devices_);
  };
  tables(*this) = tables(before);
  ++falls_;
}

}  // namespace latchkey::simulation

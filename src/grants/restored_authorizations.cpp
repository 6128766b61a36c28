#include "grants/restored_authorizations.h"

#include "base/json.h"
#include "grants/flow_record.h"

namespace latchkey::grants {
namespace {

using store::AuthorizationState;

constexpr std::size_t kPage = 100;
constexpr auto kShownFor = std::chrono::hours(24);  // from the restore on: the server may be started much later

bool is_over(AuthorizationState state) {
  return state != AuthorizationState::pending && state != AuthorizationState::held && state != AuthorizationState::needs_confirmation;
}

// What is shown of it while it waits is in clear: enough where its record cannot be opened.
FlowRecord shown_of(const store::Authorization& row) {
  FlowRecord record;
  const auto shown = parse_json(row.result_json);
  if (!shown || !shown->is_object()) return record;
  record.user.username = base::string_or(shown->get_object(), "username");
  record.grant.type = base::string_or(shown->get_object(), "type");
  return record;
}

FlowRecord record_of(const store::Authorization& row, const vault::Vault& vault) {
  const auto plain = vault.open(flow_context(row.id), row.record_sealed);
  if (!plain) return shown_of(row);
  auto record = FlowRecord::from_plain(*plain);
  return record ? std::move(*record) : shown_of(row);
}

void end(store::Batch& batch, store::Authorization row, const vault::Vault& vault, const std::string& words, WallTime now) {
  const auto record = record_of(row, vault);
  store::AuditEntry entry{.at = now, .actor = "cli", .action = "authorization.outdated", .subject = record.user.username + " " + record.grant.type,
                          .detail = words};
  if (record.kind != FlowKind::new_user) entry.user = record.user.id;
  row.state = AuthorizationState::expired;
  row.ticket_hash.clear();
  row.state_hash.clear();
  row.expires_at = now + kShownFor;
  row.result_json = boost::json::serialize(ended_result(record, "restored", words));
  // Without tokens, and without what an answer found in a journal could be given back by.
  FlowRecord emptied;
  emptied.actor = record.actor;
  row.record_sealed = vault.seal(flow_context(row.id), emptied.to_plain());
  const auto exchange = exchange_id(row.id);
  batch.push_back(store::UpdateAuthorization{std::move(row)});
  batch.push_back(store::DeleteIntentsOf{exchange});
  batch.push_back(store::AppendAudit{std::move(entry)});
}

}  // namespace

Task<Result<std::int64_t>> end_restored_authorizations(store::Store& store, const vault::Vault& vault, WallTime backup_at, WallTime now) {
  const auto words = "This server was restored from a backup of " + base::to_rfc3339(backup_at) +
                     ", in which this consent waited. Whether it was answered since is not known, so nothing is made of it. Authorize again.";
  std::int64_t ended = 0;
  for (AuthorizationId after{};;) {
    auto page = co_await store.authorizations_after(after, kPage);
    if (!page) co_return std::unexpected(page.error());
    if (page->empty()) co_return ended;
    after = page->back().id;
    store::Batch batch;
    for (auto& row : *page) {
      if (is_over(row.state)) continue;
      end(batch, std::move(row), vault, words, now);
      ended += 1;
    }
    if (batch.empty()) continue;
    if (auto done = co_await store.commit(std::move(batch)); !done) co_return std::unexpected(done.error());
  }
}

}  // namespace latchkey::grants

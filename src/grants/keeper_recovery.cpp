// What an earlier process left: replies on the journal, intents that nobody settled.
#include <algorithm>

#include "grants/keeper.h"

namespace latchkey::grants {
namespace {

constexpr std::size_t kUnsettledMax = 10'000;

}  // namespace

Task<Result<void>> Keeper::merge_journal() {
  auto entries = co_await parts_.journal.unconfirmed();
  if (!entries) co_return std::unexpected(entries.error());
  for (auto& entry : *entries) co_await merge_entry(std::move(entry));
  co_return Result<void>{};
}

Task<void> Keeper::merge_entry(store::JournalEntry entry) {
  const auto id = entry.intent;
  if (entry.generation == 0) {
    if (!recover_code_) co_return;
    if (const auto done = co_await recover_code_(std::move(entry)); !done) {
      parts_.log.error("code_not_recovered", done.error());
      co_return;  // stays in the journal for the next start
    }
    parts_.journal.confirm(id, parts_.wall.now());
    co_return;
  }
  const auto view = co_await parts_.store.grant(entry.grant);
  if (!view) co_return;  // stays in the journal for the next start
  if (!*view) {
    parts_.journal.confirm(id, parts_.wall.now());
    co_return;
  }
  const auto& grant = (*view)->grant;
  const auto spent_generation = std::ranges::find((*view)->generations, entry.generation, &store::Generation::number);
  if (spent_generation == (*view)->generations.end()) {
    parts_.journal.confirm(id, parts_.wall.now());
    co_return;
  }
  auto client = co_await parts_.clients.client_for(grant.type, grant.app, grant.params_json, grant.extras_json);
  if (!client) {
    parts_.log.error("journal_entry_not_merged", client.error());
    co_return;  // stays in the journal for the next start
  }
  auto spent = parts_.sealing.open_refresh(grant, *spent_generation);
  auto replied = parts_.exchange.replay(entry, client->type.errors, client->type.reply_shape);
  if (!spent || !replied) {
    parts_.log.error("journal_entry_not_merged", spent ? replied.error() : spent.error());
    co_return;
  }
  store::Intent intent{.id = id, .grant = entry.grant, .generation = entry.generation, .node = parts_.node, .opened_at = entry.recorded_at};
  if ((*view)->intent && (*view)->intent->id == id) intent = *(*view)->intent;
  if (intent.state == store::IntentState::applied || intent.state == store::IntentState::refused) {
    parts_.journal.confirm(id, parts_.wall.now());
    co_return;
  }
  const ExchangeOutcome outcome(std::move(*replied));
  const auto account = grant.account_id;
  const auto rules = rules_for(client->type);
  const auto landed = co_await commit_step(entry.grant, intent, outcome, *spent, *client, rules);
  if (landed.unowned) {
    give_back(std::make_shared<const ProviderClient>(std::move(*client)), account, outcome);
  } else if (landed.grant) {
    parts_.counters.replies_recovered += 1;
    parts_.log.info("reply_recovered", {{"grant", entry.grant.text()}, {"generation", entry.generation}});
  }
}

// Intents this node left open and of which the journal knows no reply: whether they were sent is not known.
Task<void> Keeper::settle_forgotten_intents() {
  const auto intents = co_await parts_.store.unsettled_intents(kUnsettledMax);
  if (!intents) co_return;
  for (const auto& intent : *intents) {
    if (intent.state != store::IntentState::open || intent.node != parts_.node) continue;
    store::Batch batch;
    const auto view = co_await parts_.store.grant(intent.grant);
    if (view && *view && (*view)->intent && (*view)->intent->id == intent.id) {
      const auto& grant = (*view)->grant;
      const auto client = co_await parts_.clients.client_for(grant.type, grant.app, grant.params_json, grant.extras_json);
      const auto rules = client ? rules_for(client->type) : TypeRules{};
      batch = settle_ambiguous(**view, intent, rules, "The server stopped before the answer came.", parts_.wall.now()).batch;
      parts_.counters.ambiguous += 1;
    } else {
      auto settled = intent;
      settled.state = store::IntentState::refused;
      settled.outcome = "The server stopped before the answer came.";
      settled.settled_at = parts_.wall.now();
      batch.push_back(store::UpdateIntent{std::move(settled)});
    }
    if (const auto done = co_await parts_.store.commit(std::move(batch)); !done) parts_.log.error("intent_not_settled", done.error());
  }
}

}  // namespace latchkey::grants

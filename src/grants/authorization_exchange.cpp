// Authorising, last part: the code (or an imported refresh token) is spent once. What becomes of what it brought:
// authorization_outcome.cpp.
#include <fmt/format.h>

#include <algorithm>

#include "grants/authorization_desk.h"
#include "grants/flow_place.h"
#include "grants/grant_events.h"
#include "grants/kept_answers.h"
#include "oauth/device.h"
#include "oauth/redaction.h"
#include "store/exchange_book.h"

namespace latchkey::grants {
namespace {

using store::AuthorizationState;

constexpr int kNotSentTries = 3;
constexpr Seconds kUnheardPause{5};        // between questions to a way that may have posted the code, where it names no time
constexpr Seconds kUnheardPauseMost{600};  // when it has been asked for long
constexpr Seconds kUnheardMost = store::kReplyKeptFor;  // and how long it is asked: as long as a Cloud Service keeps an answer
constexpr Seconds kUnheardLeast{3600};                  // however long this server was off: while a service is off, it lets go of nothing
constexpr std::string_view kStopped = "server_stopping";
constexpr int kRaces = 20;
constexpr Seconds kImportPatience{120};
constexpr Milliseconds kIdentityPause{500};  // doubled with each further question who has consented
constexpr Milliseconds kIdentityPauseMost{4'000};

oauth::FormPost code_post(const ProviderClient& client, const FlowRecord& record, const Secret& code, std::size_t slot) {
  oauth::CodeExchange request{.endpoint = client.endpoints.token, .client = client.registration(slot), .code = &code,
                              .redirect_uri = record.redirect_uri};
  if (client.type.provider->pkce) request.code_verifier = &record.code_verifier;
  request.extra = client.type.extra.token;
  return oauth::code_exchange(request);
}

// Asked by a way that may have passed it on all the same.
bool is_unheard(const ProviderClient& client, const Error& error) { return client.way && client.way->goes_on_unheard() && may_be_kept(error); }

// The longer it has been asked in vain, the longer until the next question.
std::chrono::nanoseconds pause_after(const std::optional<Seconds>& named, std::chrono::nanoseconds asked_for) {
  return std::max<std::chrono::nanoseconds>(named.value_or(kUnheardPause), std::min<std::chrono::nanoseconds>(asked_for / 8, kUnheardPauseMost));
}

// `asked`: what came of the last question; nullptr: no place was free before.
Error code_over(Seconds lifetime, const Error* asked) {
  Error error{.kind = ErrorKind::refused, .reason = "code_over"};
  error.text = fmt::format("The code that the provider gave counts for {} seconds, and could not be exchanged within them: ", lifetime.count());
  error.text += asked == nullptr ? "too many others came before it." : asked->text;
  error.text += " Nothing was made. Press Authorize again.";
  return error;
}

RefreshMaterial material_of(const ProviderClient& client, const FlowRecord& record, const Secret& refresh_token) {
  RefreshMaterial material{.token = refresh_token.clone(), .code_verifier = Secret()};
  if (client.type.has(catalog::Quirk::refresh_repeats_code_verifier)) material.code_verifier = record.code_verifier.clone();
  return material;
}

}  // namespace

Task<Result<Replied>> AuthorizationDesk::spend_code(Flow& flow, const ProviderClient& client, Secret code, IntentId intent) {
  const auto exchange = exchange_id(flow.row.id);
  const std::string provider = client.type.provider->id;
  const auto lifetime = client.type.provider->code_lifetime;
  const auto code_until = lifetime ? parts_.steady.now() + *lifetime : SteadyTime::max();
  std::optional<ExchangeGate::Place> place;
  place.emplace(co_await parts_.keeper.place_in_haste(client.app, provider, true));
  // What it brought would only be given back, and with it, at some providers, what the account has.
  if (const auto unlocked = co_await check_unlocked_now(flow.record); !unlocked) co_return std::unexpected(unlocked.error());
  if (const auto reserved = co_await parts_.journal.reserve(intent); !reserved) co_return std::unexpected(reserved.error());
  const auto before = flow.row;
  // Nothing is overdue while its answer may yet come.
  if (client.way && client.way->goes_on_unheard()) flow.row.expires_at = std::max(flow.row.expires_at, parts_.wall.now() + kUnheardMost);
  for (int race = 0;; ++race) {
    store::Batch batch;
    batch.push_back(store::InsertIntent{{.id = intent, .grant = exchange, .generation = 0, .node = parts_.node, .opened_at = parts_.wall.now()}});
    // With it what the callback taught, so that a reply found in the journal after a crash can be completed.
    seal_into(flow);
    batch.push_back(store::UpdateAuthorization{flow.row});
    const auto opened = co_await write(flow, std::move(batch));
    if (opened) break;
    const bool raced = opened.error().kind == ErrorKind::conflict && race < kRaces && (co_await caught_up(flow, before)).value_or(false);
    if (raced) continue;
    parts_.journal.release(intent);
    co_return std::unexpected(opened.error());
  }
  flow.row.version += 1;
  Error last{.kind = ErrorKind::unavailable, .reason = "provider_unreachable", .text = "The provider could not be reached."};
  bool asked = false;
  std::size_t slot = 0;
  const auto asked_since = parts_.steady.now();
  const auto ask_until = asked_since + kUnheardMost;
  for (int attempt = 0; attempt < kNotSentTries;) {
    // A code that is over is worth nothing; what it has brought before is asked for without it.
    const bool over = parts_.steady.now() >= code_until;
    if (over && !asked) co_return std::unexpected(code_over(*lifetime, nullptr));
    if (over) code = Secret();
    asked = true;
    ExchangeRequest request{.intent = intent, .grant = exchange, .generation = 0, .whose = flow.record.grant.id, .way = client.way,
                            .replay = catalog::ReplayPolicy::revokes_family,  // a code is always one-shot
                            .post = code_post(client, flow.record, code, slot), .errors = client.type.errors,
                            .shape = client.type.reply_shape, .timeouts = parts_.tuning().timeouts};
    auto outcome = co_await parts_.exchange.run(std::move(request));
    if (auto* replied = std::get_if<Replied>(&outcome)) {
      const bool refused = replied->classified.outcome == oauth::RefreshOutcome::misconfigured_app && !replied->reply.refresh_token;
      if (!refused || slot + 1 >= client.secrets.size()) co_return std::move(*replied);
      // The refusal has taken the place reserved; the next reply needs one of its own.
      parts_.journal.confirm(intent, parts_.wall.now());
      if (const auto reserved = co_await parts_.journal.reserve(intent); !reserved) co_return std::move(*replied);
      ++slot;
      continue;
    }
    if (const auto* no_reply = std::get_if<NoReply>(&outcome)) {
      co_return fail(ErrorKind::ambiguous, "answer_lost", "The provider's answer was lost on the way. Press Authorize again.",
                     {.detail = no_reply->error.detail});
    }
    last = std::get<NotSent>(outcome).error;
    if (!is_unheard(client, last)) {
      if (over) co_return std::unexpected(code_over(*lifetime, &last));
      ++attempt;
      continue;
    }
    // The code may have been posted, and what it brought lies there until this very intent asks for it (S4): also for an attempt
    // that was cancelled meanwhile, since what nobody wants is given back (F7).
    const auto next = parts_.steady.now() + pause_after(last.retry_after, parts_.steady.now() - asked_since);
    if (next >= ask_until) break;
    place.reset();
    if (!co_await goes_on_until(next)) co_return fail(ErrorKind::unavailable, std::string(kStopped), "The server is stopping.");
    place.emplace(co_await parts_.keeper.place_in_haste(client.app, provider, true));
  }
  if (is_unheard(client, last)) {
    co_return fail(ErrorKind::ambiguous, "answer_lost",
                   "The Cloud Service could not be asked for the provider's answer for as long as it keeps one. Press Authorize again.", {.detail = last.detail});
  }
  co_return std::unexpected(last);
}

Task<bool> AuthorizationDesk::goes_on_until(SteadyTime then) {
  while (!stopping_ && parts_.steady.now() < then) co_await changes_.any().wait_for(parts_.steady, then - parts_.steady.now());
  co_return !stopping_;
}

Task<Result<bool>> AuthorizationDesk::take_up(store::Intent intent) {
  const auto row = co_await parts_.store.authorization(*AuthorizationId::from_bytes(intent.grant.bytes()));
  if (!row) co_return std::unexpected(row.error());
  // What was cancelled or ended meanwhile is asked about as well: nobody wants what it brings, and it is given back (F7).
  const bool is_answered = !*row || ((*row)->state != AuthorizationState::pending && !has_ended((*row)->state));
  if (is_answered) co_return false;
  auto flow = open(**row);
  // What was spent without a way is lost with its answer; device codes are asked about by themselves.
  if (!flow || flow->record.device || !flow->record.imported.empty()) co_return false;
  const auto app = co_await parts_.store.app(flow->record.grant.app);
  if (!app) co_return std::unexpected(app.error());
  if (!*app || !cloud_route_of(**app)) co_return false;
  exchanges_.spawn("code_taken_up", ask_again(*std::move(flow), std::move(intent)));  // by a server that is stopping: at its next start
  co_return true;
}

Task<void> AuthorizationDesk::ask_again(Flow flow, store::Intent intent) {
  const ConsentsUnderWay::Spending spending(under_way_, flow);
  const auto id = flow.row.id;
  const bool wanted = flow.row.state == AuthorizationState::pending;
  const auto asked_since = parts_.steady.now();
  const auto kept_for = std::chrono::duration_cast<Seconds>(intent.opened_at + kUnheardMost - parts_.wall.now());
  const auto ask_until = asked_since + std::clamp(kept_for, kUnheardLeast, kUnheardMost);
  for (bool again = true; again;) {
    auto client = co_await parts_.clients.client_for(flow.record.grant.type, flow.record.grant.app, flow.record.grant.params_json,
                                                     extras_with_learned({}, flow.record.learned));
    again = !client && client.error().reason != "app_missing";
    std::optional<Seconds> named;
    // Where the registration stands for another place by now, nothing is sent there by this, and what comes is looked at for that.
    if (client && client->way && client->way->goes_on_unheard()) {
      auto heard = co_await recall(flow, *client, intent.id);
      if (heard) {
        parts_.keeper.await_code(*std::move(heard));
        co_return;
      }
      again = heard.error().kind == ErrorKind::unavailable;
      named = heard.error().retry_after;
    }
    const auto next = parts_.steady.now() + pause_after(named, parts_.steady.now() - asked_since);
    again = again && next < ask_until;
    if (again && !co_await goes_on_until(next)) co_return;  // the next start takes it up
  }
  const bool settled = wanted && co_await settle(std::move(flow), AuthorizationState::failed, "answer_lost",
                                                 "The server was stopped before the provider's answer came, and the Cloud Service does not have it. Press "
                                                 "Authorize again.",
                                                 "authorization.failed");
  if (!settled) co_await forget_exchange(id);
}

Task<void> AuthorizationDesk::forget_exchange(AuthorizationId id) {
  store::Batch batch;
  batch.push_back(store::DeleteIntentsOf{exchange_id(id)});
  // Else it is asked about once more at the next start.
  if (const auto done = co_await parts_.store.commit(std::move(batch)); !done) parts_.log.error("exchange_not_settled", done.error());
}

Task<Result<store::JournalEntry>> AuthorizationDesk::recall(const Flow& flow, const ProviderClient& client, IntentId intent) {
  if (const auto reserved = co_await parts_.journal.reserve(intent); !reserved) co_return fail(ErrorKind::unavailable, reserved.error().reason, reserved.error().text);
  // The code was kept nowhere. A request without one is passed on to nobody, and brings what this intent has brought before.
  const Secret none;
  ExchangeRequest request{.intent = intent, .grant = exchange_id(flow.row.id), .generation = 0, .whose = flow.record.grant.id, .way = client.way,
                          .replay = catalog::ReplayPolicy::revokes_family, .post = code_post(client, flow.record, none, 0),
                          .errors = client.type.errors, .shape = client.type.reply_shape, .timeouts = parts_.tuning().timeouts};
  auto outcome = co_await parts_.exchange.run(std::move(request));
  if (auto* replied = std::get_if<Replied>(&outcome)) co_return std::move(replied->entry);
  parts_.journal.release(intent);
  if (auto* not_sent = std::get_if<NotSent>(&outcome); not_sent != nullptr && is_unheard(client, not_sent->error)) {
    not_sent->error.kind = ErrorKind::unavailable;  // also what it refused: the next question may be heard
    co_return std::unexpected(std::move(not_sent->error));
  }
  co_return fail(ErrorKind::not_found, "answer_lost", "Nobody has the answer.");
}

Task<void> AuthorizationDesk::exchange_code(Flow flow, Secret code, Parameters others) {
  const ConsentsUnderWay::Spending spending(under_way_, flow);
  const auto type = parts_.clients.catalog().find_type(flow.record.grant.type);
  const auto provider = type ? parts_.clients.catalog().find_provider(type->provider) : nullptr;
  if (provider) {
    auto values = parts_.clients.catalog().learn(*provider, others);
    if (!values) {
      co_await settle(std::move(flow), AuthorizationState::failed, "host_not_allowed",
                      "The provider's answer named a host that does not belong to it; nothing was sent there.", "authorization.failed");
      co_return;
    }
    flow.record.learned = std::move(*values);
  }
  const auto& learned = flow.record.learned;
  auto client = co_await parts_.clients.client_for(flow.record.grant.type, flow.record.grant.app, flow.record.grant.params_json,
                                                   extras_with_learned({}, learned));
  if (!client) {
    co_await settle(std::move(flow), AuthorizationState::failed, client.error().reason, client.error().text, "authorization.failed");
    co_return;
  }
  if (!is_where_it_began(flow.record, *client)) {
    co_await settle(std::move(flow), AuthorizationState::failed, "endpoints_changed",
                    "The provider's addresses were changed while the consent was under way. Press Authorize again.", "authorization.failed");
    co_return;
  }
  const auto intent = IntentId::make(parts_.wall.now(), parts_.entropy);
  auto replied = co_await spend_code(flow, *client, std::move(code), intent);
  if (!replied) {
    parts_.journal.release(intent);
    if (replied.error().reason == kStopped) co_return;  // the next start takes it up
    const auto id = flow.row.id;
    const bool settled =
        co_await settle(std::move(flow), AuthorizationState::failed, replied.error().reason, replied.error().text, "authorization.failed");
    if (!settled) co_await forget_exchange(id);  // cancelled meanwhile
    co_return;
  }
  co_await take_live_reply(std::move(flow), std::move(*client), std::move(*replied));
}

// What the store will not take now is the keeper's to try again, so that the attempt is not expired while its answer waits.
Task<void> AuthorizationDesk::take_live_reply(Flow flow, ProviderClient client, Replied replied) {
  auto entry = replied.entry;
  const auto intent = entry.intent;
  const auto id = flow.row.id;
  const auto kept = co_await take_reply(std::move(flow), std::move(client), std::move(replied), intent);
  if (kept == Kept::not_yet) parts_.keeper.await_code(std::move(entry));
  if (kept == Kept::unwanted) co_await forget_exchange(id);
}

Task<AuthorizationDesk::Kept> AuthorizationDesk::take_reply(Flow flow, ProviderClient client_in, Replied replied, IntentId intent) {
  const auto client = std::make_shared<const ProviderClient>(std::move(client_in));
  const auto imported = flow.record.imported.clone();
  // A provider that does not rotate sends none back: the imported one stays.
  if (!imported.empty() && !replied.reply.refresh_token && replied.reply.access_token) replied.reply.refresh_token = imported.clone();
  if (flow.record.kind == FlowKind::replaced_grant) co_await foresee_number(flow.record.grant);
  auto brought = co_await harvest(flow, *client, replied, intent);
  if (!brought) {
    parts_.log.info("code_exchange_failed", {{"app", client->app}, {"reason", brought.error().reason}, {"detail", brought.error().detail}});
    FlowRecord asked;
    asked.grant = flow.record.grant;
    asked.learned = flow.record.learned;
    co_await settle(std::move(flow), AuthorizationState::failed, brought.error().reason, brought.error().text, "authorization.failed");
    co_await give_back_unharvested(std::move(asked), client, std::move(replied), imported.clone());
    parts_.journal.confirm(intent, parts_.wall.now());
    co_return Kept::unwanted;
  }
  auto whose = flow.record.grant;
  whose.account_id = brought->account_id;
  whose.account_name = brought->account_name;
  whose.extras_json = extras_with_place(brought->extras_json, brought->place);
  flow.record.harvest = std::move(*brought);
  const auto kept = co_await decide(std::move(flow));
  if (kept == Kept::not_yet) co_return kept;  // the journal keeps the reply
  if (kept == Kept::unwanted) give_back(std::move(whose), replied, imported);
  parts_.journal.confirm(intent, parts_.wall.now());
  co_return kept;
}

// Refreshes go on while the owner is at the consent page. A store that is away leaves the number as it was at the beginning: add_grant()
// looks again.
Task<void> AuthorizationDesk::foresee_number(store::Grant& grant) {
  if (const auto now = co_await parts_.store.grant(grant.id); now && *now) grant.generation = (*now)->grant.generation;
  grant.generation = number_after(grant) - 1;
}

// Beyond what the journal has of it, too: a backup put back may have begun to count again, and what is newer is told by its number.
store::GenerationNumber AuthorizationDesk::number_after(const store::Grant& grant) const {
  return std::max(grant.generation, parts_.journal.newest_answer(grant.id).generation) + 1;
}

// What a provider gave and nobody wants after all is given back (F7), but never the operator's own token.
void AuthorizationDesk::give_back(store::Grant whose, const Replied& replied, const Secret& imported) {
  if (!replied.reply.refresh_token || replied.reply.refresh_token->equals(imported)) return;
  UnownedTokens tokens{.refresh = {replied.reply.refresh_token->clone(), Secret()}, .access = Secret()};
  if (replied.reply.access_token) tokens.access = replied.reply.access_token->clone();
  parts_.giving_back.later(std::move(whose), std::move(tokens));
}

Task<void> AuthorizationDesk::give_back_unharvested(FlowRecord record, std::shared_ptr<const ProviderClient> client, Replied replied, Secret imported) {
  if (!replied.reply.refresh_token || replied.reply.refresh_token->equals(imported)) co_return;
  auto whose = std::move(record.grant);
  // Not the account the grant has so far: another one may have consented.
  const auto account = co_await account_behind(parts_.transport, *client, replied.reply);
  whose.account_id = account && *account ? (*account)->id : "";
  whose.account_name = account && *account ? (*account)->name : "";
  whose.extras_json = extras_with_place(extras_with_learned({}, record.learned), place_of(*client));
  give_back(std::move(whose), replied, imported);
}

Task<Result<bool>> AuthorizationDesk::give_back_journaled(store::Authorization row, store::JournalEntry entry) {
  auto flow = open(std::move(row));
  // An import pins no endpoint; what it brought may be the operator's own token.
  if (!flow || (flow->record.token_endpoint.empty() && flow->record.learned.empty())) co_return false;
  auto client = co_await parts_.clients.client_for(flow->record.grant.type, flow->record.grant.app, flow->record.grant.params_json,
                                                   extras_with_learned({}, flow->record.learned));
  if (!client && client.error().kind == ErrorKind::unavailable) co_return std::unexpected(client.error());
  if (!client) co_return false;
  auto replied = parts_.exchange.replay(entry, client->type.errors, client->type.reply_shape, catalog::ReplayPolicy::revokes_family);
  if (!replied) co_return false;
  if (!replied->reply.refresh_token) co_return true;  // it brought nothing
  if (!is_where_it_began(flow->record, *client)) {  // where nobody is asked whose they are, either
    give_back_elsewhere(flow->record, *replied);
    co_return true;
  }
  co_await give_back_unharvested(std::move(flow->record), std::make_shared<const ProviderClient>(std::move(*client)), std::move(*replied), Secret());
  co_return true;
}

// It is not asked, but told.
void AuthorizationDesk::give_back_elsewhere(const FlowRecord& record, const Replied& replied) {
  auto whose = record.grant;
  whose.account_id.clear();
  whose.account_name.clear();
  whose.extras_json = extras_with_place(extras_with_learned({}, record.learned), place_of(record));
  give_back(std::move(whose), replied, Secret());
}

// The same for tokens that waited, sealed, for a person's answer.
void AuthorizationDesk::give_back_harvest(FlowRecord record) {
  if (auto waiting = waiting_in(record)) parts_.giving_back.later(std::move(waiting->whose), std::move(waiting->tokens));
}

std::optional<AuthorizationDesk::Unwanted> AuthorizationDesk::waiting_in(const FlowRecord& record) const {
  if (!record.harvest) return std::nullopt;
  const auto& harvest = *record.harvest;
  const store::Generation sealed{.grant = record.grant.id, .number = record.grant.generation + 1, .refresh_sealed = harvest.refresh_sealed};
  auto material = parts_.sealing.open_refresh(record.grant, sealed);
  if (!material || material->token.equals(record.imported)) return std::nullopt;
  Unwanted waiting{.whose = record.grant, .tokens = {.refresh = std::move(*material), .access = Secret()}};
  waiting.whose.account_id = harvest.account_id;
  waiting.whose.account_name = harvest.account_name;
  waiting.whose.extras_json = extras_with_place(harvest.extras_json, place_of(record));
  return waiting;
}

Task<Result<Harvest>> AuthorizationDesk::harvest(const Flow& flow, const ProviderClient& client, const Replied& replied, IntentId intent) {
  const auto& provider = *client.type.provider;
  if (replied.classified.outcome != oauth::RefreshOutcome::refreshed || !replied.reply.access_token) {
    const auto code = oauth::redacted(replied.reply.error);
    const auto words = catalog::error_text(provider, code);
    co_return fail(ErrorKind::refused, code.empty() ? "exchange_failed" : code,
                   words.sentence + (words.next_step.empty() ? "" : " " + words.next_step), {.detail = replied.classified.why});
  }
  if (!replied.reply.refresh_token) {
    co_return fail(ErrorKind::refused, "no_refresh_token",
                   "The provider gave an access token but nothing to renew it with. Check that the app may ask for offline access, then "
                   "authorise again.");
  }
  auto account = co_await find_account(parts_.transport, client, replied.reply, flow.record.nonce);
  const auto& lookup = client.type.account;
  const bool asked = lookup.source == catalog::AccountSource::request && !(lookup.url.empty() && client.endpoints.userinfo.empty());
  for (auto pause = kIdentityPause; asked && account && !*account && pause <= kIdentityPauseMost; pause *= 2) {
    co_await parts_.steady.sleep_for(pause);
    account = co_await find_account(parts_.transport, client, replied.reply, flow.record.nonce);
  }
  if (!account) co_return std::unexpected(account.error());
  auto learned = flow.record.learned;
  if (const auto more = parts_.clients.catalog().learn(provider, replied.reply.extras)) {
    for (const auto& [name, value] : *more) learned[name] = value;
  } else {
    co_return std::unexpected(more.error());
  }
  const auto number = flow.record.grant.generation + 1;
  const auto now = replied.received_at;
  Harvest harvest;
  const bool same_hosts = std::ranges::all_of(flow.record.learned, [&](const auto& each) { return learned.at(each.first) == each.second; });
  if (same_hosts) harvest.place = place_of(client);
  harvest.intent = intent;
  harvest.issued_at = now;
  harvest.access_expires_at = now + oauth::sane_lifetime(replied.reply.lifetime_s, client.type.access_lifetime_fallback);
  harvest.refresh_sealed = parts_.sealing.seal_refresh(flow.record.grant, number, material_of(client, flow.record, *replied.reply.refresh_token));
  harvest.access_sealed = parts_.sealing.seal_access(flow.record.grant, number, *replied.reply.access_token);
  for (const auto& scope : client.type.scopes) harvest.scopes += (harvest.scopes.empty() ? "" : " ") + scope;
  if (replied.reply.scope) {
    harvest.scopes = *replied.reply.scope;
    for (const auto& scope : oauth::missing_scopes(client.type.scopes, *replied.reply.scope)) {
      harvest.missing_scopes += (harvest.missing_scopes.empty() ? "" : " ") + scope;
    }
  }
  harvest.extras_json = extras_with_learned(replied.reply.extras, learned);
  if (*account) {
    harvest.account_id = (*account)->id;
    harvest.account_name = (*account)->name;
  }
  // A refresh, such as an import makes, need not repeat the id_token of the consent (OpenID Connect Core 12.2).
  const bool told_in_reply = lookup.source != catalog::AccountSource::request && flow.record.imported.empty();
  harvest.account_unanswered = harvest.account_id.empty() && !lookup.id_paths.empty() && (asked || told_in_reply);
  co_return harvest;
}

Task<Result<void>> AuthorizationDesk::recover(store::JournalEntry entry) {
  const auto id = AuthorizationId::from_bytes(entry.grant.bytes());
  auto row = co_await parts_.store.authorization(*id);
  if (!row) co_return std::unexpected(row.error());
  if (!*row || (*row)->state != AuthorizationState::pending) {
    const bool kept = *row && ((*row)->state == AuthorizationState::completed || (*row)->state == AuthorizationState::held ||
                               (*row)->state == AuthorizationState::needs_confirmation);
    const auto given_back = kept || !*row ? Result<bool>(false) : co_await give_back_journaled(std::move(**row), std::move(entry));
    if (!given_back) co_return std::unexpected(given_back.error());
    if (!kept && !*given_back) parts_.counters.replies_unowned += 1;
    if (!kept) co_await forget_exchange(*id);
    co_return Result<void>{};
  }
  auto flow = open(std::move(**row));
  if (!flow) co_return std::unexpected(flow.error());
  auto client = co_await parts_.clients.client_for(flow->record.grant.type, flow->record.grant.app, flow->record.grant.params_json,
                                                   extras_with_learned({}, flow->record.learned));
  if (!client) co_return std::unexpected(client.error());
  auto replied = parts_.exchange.replay(entry, client->type.errors, client->type.reply_shape,
                                         flow->record.imported.empty() ? catalog::ReplayPolicy::revokes_family : client->type.type->replay);
  if (!replied) co_return std::unexpected(replied.error());
  // What does not grant was no answer yet: the code is asked about again.
  if (flow->record.device && oauth::classify_device_poll(replied->reply) != oauth::DevicePoll::granted) co_return Result<void>{};
  if (!is_where_it_began(flow->record, *client)) {
    FlowRecord brought;
    brought.grant = flow->record.grant;
    brought.learned = flow->record.learned;
    brought.issuer = flow->record.issuer;
    brought.token_endpoint = flow->record.token_endpoint;
    if (!co_await settle(std::move(*flow), AuthorizationState::failed, "endpoints_changed", std::string(kStandsElsewhere), "authorization.failed")) {
      co_return fail(ErrorKind::unavailable, "store_unavailable", "The store does not take how a consent ended; it is tried again.");
    }
    give_back_elsewhere(brought, *replied);  // an import pins no place, and is not among these
    co_return Result<void>{};
  }
  if (co_await take_reply(std::move(*flow), std::move(*client), std::move(*replied), entry.intent) == Kept::not_yet) {
    co_return fail(ErrorKind::unavailable, "store_unavailable", "The store does not take what a consent brought; it is tried again.");
  }
  co_return Result<void>{};
}

// ---- import ----------------------------------------------------------------------------------------------------------

Task<Result<AuthorizationView>> AuthorizationDesk::import_token(AuthorizationWish wish, Secret refresh_token, Requester requester) {
  auto prepared = co_await prepare(std::move(wish), requester);
  if (!prepared) co_return std::unexpected(prepared.error());
  auto& flow = prepared->flow;
  auto& client = prepared->client;
  if (client.cloud && client.cloud->mode == cloud::Mode::exchange) {
    co_return fail(ErrorKind::conflict, "import_not_by_cloud",
                   "A refresh token can be imported for an app of one's own only: with this app of the Cloud Service, tokens are what the service itself has "
                   "exchanged. Register an app of your own, or let the owner consent.",
                   {.field = "app"});
  }
  const auto id = flow.row.id;
  // A refresh token waits, but not the person who imports it.
  auto place = co_await parts_.keeper.place_in_haste(client.app, client.type.provider->id, is_one_shot(client.type.type->replay));
  if (const auto unlocked = co_await check_unlocked_now(flow.record); !unlocked) co_return std::unexpected(unlocked.error());
  flow.record.imported = refresh_token.clone();
  seal_into(flow);
  store::Batch batch;
  batch.push_back(store::InsertAuthorization{flow.row});
  if (const auto done = co_await parts_.store.commit(std::move(batch)); !done) co_return std::unexpected(done.error());
  const auto intent = IntentId::make(parts_.wall.now(), parts_.entropy);
  auto ready = co_await parts_.journal.reserve(intent);
  if (ready) {
    store::Batch opening;
    opening.push_back(store::InsertIntent{{.id = intent, .grant = exchange_id(id), .generation = 0, .node = parts_.node, .opened_at = parts_.wall.now()}});
    ready = co_await parts_.store.commit(std::move(opening));
  }
  if (!ready) {
    parts_.journal.release(intent);
    co_await settle(std::move(flow), AuthorizationState::failed, ready.error().reason, ready.error().text, "authorization.failed");
    co_return std::unexpected(ready.error());
  }
  ExchangeRequest request{.intent = intent, .grant = exchange_id(id), .generation = 0, .whose = flow.record.grant.id, .way = client.way, .replay = client.type.type->replay,
                          .post = refresh_post(client, {refresh_token.clone(), Secret()}, 0), .errors = client.type.errors, .shape = client.type.reply_shape,
                          .timeouts = parts_.tuning().timeouts};
  // In a task of its own: the reply is kept though the caller hangs up or the server stops (F4).
  if (!exchanges_.spawn("import", spend_imported(std::move(flow), std::move(client), std::move(request), std::move(place)))) {
    parts_.journal.release(intent);
    Error stopping{.kind = ErrorKind::unavailable, .reason = "shutting_down", .text = "The server is shutting down; nothing was sent. Try again."};
    // The name is free at once, not when the attempt expires.
    if (auto row = co_await parts_.store.authorization(id); row && *row) {
      if (auto left = open(std::move(**row))) {
        co_await settle(std::move(*left), AuthorizationState::failed, stopping.reason, stopping.text, "authorization.failed");
      }
    }
    co_return std::unexpected(std::move(stopping));
  }
  co_return co_await view_after_change(id, kImportPatience);
}

Task<void> AuthorizationDesk::spend_imported(Flow flow, ProviderClient client, ExchangeRequest request, ExchangeGate::Place place) {
  const ConsentsUnderWay::Spending spending(under_way_, flow);
  const auto intent = request.intent;
  std::optional<ExchangeGate::Place> held(std::move(place));
  auto outcome = co_await parts_.exchange.run(std::move(request));
  held.reset();
  if (auto* replied = std::get_if<Replied>(&outcome)) {
    co_await take_live_reply(std::move(flow), std::move(client), std::move(*replied));
  } else {
    const bool sent = std::holds_alternative<NoReply>(outcome);
    co_await settle(std::move(flow), AuthorizationState::failed, sent ? "answer_lost" : "provider_unreachable",
                    sent ? "The provider's answer was lost. The token may have been spent; try the import once more."
                         : "The provider could not be reached. Nothing was spent; try again.",
                    "authorization.failed");
    parts_.journal.release(intent);
  }
}

}  // namespace latchkey::grants

// Authorising, last part: the code (or an imported refresh token) is spent once, and what it brought becomes a grant.
#include <algorithm>

#include "grants/authorization_desk.h"

namespace latchkey::grants {
namespace {

using namespace std::chrono_literals;
using store::AuthorizationState;

constexpr int kNotSentTries = 3;
constexpr auto kCommitPatience = 60s;
constexpr Seconds kImportPatience{120};
constexpr auto kDecisionTime = std::chrono::hours(24);  // for a question left to a person

oauth::FormPost code_post(const ProviderClient& client, const FlowRecord& record, const Secret& code, std::size_t slot) {
  oauth::CodeExchange request{.endpoint = client.endpoints.token, .client = client.registration(slot), .code = &code,
                              .redirect_uri = record.redirect_uri};
  if (client.type.provider->pkce) request.code_verifier = &record.code_verifier;
  request.extra = client.type.extra.token;
  return oauth::code_exchange(request);
}

RefreshMaterial material_of(const ProviderClient& client, const FlowRecord& record, const Secret& refresh_token) {
  RefreshMaterial material{.token = refresh_token.clone(), .code_verifier = Secret()};
  if (client.type.has(catalog::Quirk::refresh_repeats_code_verifier)) material.code_verifier = record.code_verifier.clone();
  return material;
}

}  // namespace

Task<Result<Replied>> AuthorizationDesk::spend_code(Flow& flow, const ProviderClient& client, Secret code, IntentId intent) {
  const auto exchange = exchange_id(flow.row.id);
  if (const auto reserved = co_await parts_.journal.reserve(intent); !reserved) co_return std::unexpected(reserved.error());
  store::Batch batch;
  batch.push_back(store::InsertIntent{{.id = intent, .grant = exchange, .generation = 0, .node = parts_.node, .opened_at = parts_.wall.now()}});
  // With it what the callback taught, so that a reply found in the journal after a crash can be completed.
  seal_into(flow);
  batch.push_back(store::UpdateAuthorization{flow.row});
  if (const auto opened = co_await parts_.store.commit(std::move(batch)); !opened) {
    parts_.journal.release(intent);
    co_return std::unexpected(opened.error());
  }
  flow.row.version += 1;
  Error last{.kind = ErrorKind::unavailable, .reason = "provider_unreachable", .text = "The provider could not be reached."};
  std::size_t slot = 0;
  for (int attempt = 0; attempt < kNotSentTries;) {
    ExchangeRequest request{.intent = intent, .grant = exchange, .generation = 0,
                            .replay = catalog::ReplayPolicy::revokes_family,  // a code is always one-shot
                            .post = code_post(client, flow.record, code, slot), .errors = client.type.errors,
                            .shape = client.type.reply_shape, .timeouts = parts_.tuning().timeouts};
    auto outcome = co_await parts_.exchange.run(std::move(request));
    if (auto* replied = std::get_if<Replied>(&outcome)) {
      const bool refused = replied->classified.outcome == oauth::RefreshOutcome::misconfigured_app;
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
    ++attempt;
  }
  co_return std::unexpected(last);
}

Task<void> AuthorizationDesk::exchange_code(Flow flow, Secret code, Parameters others) {
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
  if (learned.empty() && client->endpoints.token != flow.record.token_endpoint) {
    co_await settle(std::move(flow), AuthorizationState::failed, "endpoints_changed",
                    "The provider's addresses were changed while the consent was under way. Press Authorize again.", "authorization.failed");
    co_return;
  }
  const auto intent = IntentId::make(parts_.wall.now(), parts_.entropy);
  auto replied = co_await spend_code(flow, *client, std::move(code), intent);
  if (!replied) {
    parts_.journal.release(intent);
    co_await settle(std::move(flow), AuthorizationState::failed, replied.error().reason, replied.error().text, "authorization.failed");
    co_return;
  }
  co_await take_reply(std::move(flow), std::move(*client), std::move(*replied), intent);
}

Task<void> AuthorizationDesk::take_reply(Flow flow, ProviderClient client_in, Replied replied, IntentId intent) {
  const auto client = std::make_shared<const ProviderClient>(std::move(client_in));
  auto brought = co_await harvest(flow, *client, replied, intent);
  if (!brought) {
    parts_.log.info("code_exchange_failed", {{"app", client->app}, {"reason", brought.error().reason}, {"detail", brought.error().detail}});
    co_await settle(std::move(flow), AuthorizationState::failed, brought.error().reason, brought.error().text, "authorization.failed");
    give_back(client, {}, replied);
    parts_.journal.confirm(intent, parts_.wall.now());
    co_return;
  }
  const auto account = brought->account_id;
  flow.record.harvest = std::move(*brought);
  switch (co_await decide(std::move(flow))) {
    case Kept::yes: break;
    case Kept::not_yet: co_return;  // the journal keeps the reply; the next start completes it
    case Kept::unwanted: give_back(client, account, replied); break;
  }
  parts_.journal.confirm(intent, parts_.wall.now());
}

// What a provider gave and nobody wants after all is given back (F7).
void AuthorizationDesk::give_back(std::shared_ptr<const ProviderClient> client, std::string account_id, const Replied& replied) {
  if (!replied.reply.refresh_token) return;
  UnownedTokens tokens{.refresh = {replied.reply.refresh_token->clone(), Secret()}, .access = Secret()};
  if (replied.reply.access_token) tokens.access = replied.reply.access_token->clone();
  parts_.giving_back.later(std::move(client), std::move(account_id), std::move(tokens));
}

// The same for tokens that waited, sealed, for a person's answer.
Task<void> AuthorizationDesk::give_back_harvest(FlowRecord record) {
  if (!record.harvest) co_return;
  const auto& harvest = *record.harvest;
  auto client = co_await parts_.clients.client_for(record.grant.type, record.grant.app, record.grant.params_json, harvest.extras_json);
  const store::Generation sealed{.grant = record.grant.id, .number = record.grant.generation + 1, .refresh_sealed = harvest.refresh_sealed};
  auto material = parts_.sealing.open_refresh(record.grant, sealed);
  if (!client || !material) co_return;
  parts_.giving_back.later(std::make_shared<const ProviderClient>(std::move(*client)), harvest.account_id,
                           {.refresh = std::move(*material), .access = Secret()});
}

Task<Result<Harvest>> AuthorizationDesk::harvest(const Flow& flow, const ProviderClient& client, const Replied& replied, IntentId intent) {
  const auto& provider = *client.type.provider;
  if (replied.classified.outcome != oauth::RefreshOutcome::refreshed || !replied.reply.access_token) {
    const auto words = catalog::error_text(provider, replied.reply.error);
    co_return fail(ErrorKind::refused, replied.reply.error.empty() ? "exchange_failed" : replied.reply.error,
                   words.sentence + (words.next_step.empty() ? "" : " " + words.next_step), {.detail = replied.classified.why});
  }
  if (!replied.reply.refresh_token) {
    co_return fail(ErrorKind::refused, "no_refresh_token",
                   "The provider gave an access token but nothing to renew it with. Check that the app may ask for offline access, then "
                   "authorise again.");
  }
  const auto account = co_await find_account(parts_.transport, client, replied.reply, flow.record.nonce);
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
  co_return harvest;
}

// ---- what a person must decide, and what follows by itself -----------------------------------------------------------

Task<AuthorizationDesk::Kept> AuthorizationDesk::decide(Flow flow) {
  const auto& harvest = *flow.record.harvest;
  const auto& expected = flow.record.expected_account;
  std::string question;
  std::string code;
  JsonObject result;
  AuthorizationState state = AuthorizationState::needs_confirmation;
  std::optional<store::Grant> replaced;
  if (flow.record.kind == FlowKind::replaced_grant) {
    const auto stored = co_await parts_.store.grant(flow.record.grant.id);
    if (stored && *stored) replaced = (*stored)->grant;
  }
  // The account of a grant that is authorised anew is known by its id; names are chosen by people, and one may be chosen to
  // equal it. What an administrator typed beforehand may be either.
  const bool by_id = replaced && expected == replaced->account_id;
  if (!expected.empty() && expected != harvest.account_id && (by_id || expected != harvest.account_name)) {
    code = "account_differs";
    question = "Another account has consented than expected: " + harvest.account_name + ". Use this account from now on?";
    result["before_id"] = replaced ? replaced->account_id : "";
    result["before_name"] = replaced ? replaced->account_name : expected;
  } else if (flow.record.kind != FlowKind::replaced_grant && !harvest.account_id.empty()) {
    const auto other = co_await parts_.store.grant_by_account(flow.record.grant.app, flow.record.grant.type, harvest.account_id);
    if (other && *other) {
      const auto owner = co_await parts_.store.user((*other)->user);
      const auto name = owner && *owner ? (*owner)->username : std::string("another user");
      code = "account_held";
      result["holder"] = name;
      question = harvest.account_name + " is authorised already for " + name +
                 ". With some providers a second consent ends the first. Keep this one as well?";
    }
  }
  if (question.empty() && flow.record.opened_by_other && expected.empty()) {
    state = AuthorizationState::held;
    code = "held";
    question = harvest.account_name + " has consented in another browser. Approve this account?";
  }
  if (question.empty()) {
    co_return co_await complete(std::move(flow));
  }
  result["problem_code"] = code;
  result["problem_text"] = question;
  result["username"] = flow.record.user.username;
  result["type"] = flow.record.grant.type;
  result["account_id"] = harvest.account_id;
  result["account_name"] = harvest.account_name;
  flow.row.state = state;
  flow.row.expires_at = parts_.wall.now() + kDecisionTime;
  flow.row.result_json = boost::json::serialize(result);
  const auto done = co_await save(std::move(flow));
  if (done) co_return Kept::yes;
  if (done.error().kind == ErrorKind::conflict) co_return Kept::unwanted;  // cancelled meanwhile
  parts_.log.error("authorization_not_kept", done.error());
  co_return Kept::not_yet;
}

Task<Result<AuthorizationView>> AuthorizationDesk::confirm(AuthorizationId id, Answer answer, Requester requester) {
  auto row = co_await parts_.store.authorization(id);
  if (!row) co_return std::unexpected(row.error());
  if (!*row) co_return fail(ErrorKind::not_found, "no_such_authorization", "This authorisation is unknown or long over.");
  if ((*row)->state != AuthorizationState::needs_confirmation && (*row)->state != AuthorizationState::held) {
    co_return fail(ErrorKind::conflict, "nothing_to_confirm", "This authorisation asks nothing.");
  }
  auto flow = open(std::move(**row));
  if (!flow) co_return std::unexpected(flow.error());
  flow->record.actor = requester.actor;
  flow->record.source = requester.source;
  if (answer == Answer::reject) {
    co_await end_unwanted(std::move(*flow), AuthorizationState::cancelled, "rejected", "Rejected; nothing was changed.",
                          "authorization.rejected");
  } else {
    auto waiting = flow->record.copy_of_harvest();
    if (co_await complete(std::move(*flow)) == Kept::unwanted) co_await give_back_harvest(std::move(waiting));
  }
  co_return co_await view(id);
}

// ---- the user and the grant come to be -------------------------------------------------------------------------------

Task<Result<void>> AuthorizationDesk::add_user(store::Batch& batch, Flow& flow) {
  auto& record = flow.record;
  const auto now = parts_.wall.now();
  if (record.kind == FlowKind::new_user) {
    if (record.user.group.none()) {
      const auto name = parts_.enrolment.group_name(record.new_group);
      if (!name) co_return std::unexpected(name.error());
      const auto existing = co_await parts_.store.group_by_name_key(name->key);
      if (!existing) co_return std::unexpected(existing.error());
      if (*existing) {
        record.user.group = (*existing)->id;
      } else {
        store::Group group{.id = GroupId::make(now, parts_.entropy), .name = name->text, .name_key = name->key, .created_at = now};
        record.user.group = group.id;
        batch.push_back(store::InsertGroup{std::move(group)});
      }
    }
    record.user.version = 1;
    record.user.auth_epoch = 1;
    record.user.created_at = now;
    record.user.pin_set_at = now;
    if (record.allow_token) record.user.uses |= store::kUseToken;
    parts_.enrolment.vouch(record.user);
    batch.push_back(store::InsertUser{record.user});
    co_return Result<void>{};
  }
  const auto found = co_await parts_.store.user(record.user.id);
  if (!found) co_return std::unexpected(found.error());
  if (!*found) co_return fail(ErrorKind::not_found, "no_such_user", "The user was deleted meanwhile.");
  auto user = **found;
  const auto uses = user.uses | (record.allow_token ? static_cast<std::uint32_t>(store::kUseToken) : 0u);
  if (record.new_keys) {
    if (!user.public_key.empty()) co_return fail(ErrorKind::conflict, "pin_set_meanwhile", "The user was given a PIN meanwhile. Press Authorize again.");
    user.public_key = record.user.public_key;
    user.private_key_wrapped = record.user.private_key_wrapped;
    user.pin_set_at = now;
  } else if (record.kind == FlowKind::linked_user && user.public_key != record.user.public_key) {
    co_return fail(ErrorKind::conflict, "pin_set_meanwhile", "The user's PIN was reset meanwhile. Press Authorize again.");
  }
  if (!record.new_keys && uses == user.uses) co_return Result<void>{};
  user.uses = uses;
  parts_.enrolment.vouch(user);
  record.user = user;
  batch.push_back(store::UpdateUser{std::move(user)});
  co_return Result<void>{};
}

Task<Result<void>> AuthorizationDesk::add_grant(store::Batch& batch, Flow& flow) {
  auto& record = flow.record;
  const auto& harvest = *record.harvest;
  const auto now = parts_.wall.now();
  store::Grant grant = record.grant;
  std::vector<store::Generation> replaced;
  if (record.kind == FlowKind::replaced_grant) {
    const auto found = co_await parts_.store.grant(grant.id);
    if (!found) co_return std::unexpected(found.error());
    if (!*found) co_return fail(ErrorKind::not_found, "no_such_grant", "The grant was deleted meanwhile.");
    grant = (*found)->grant;
    replaced = (*found)->generations;
  }
  // The tokens were sealed for the number the record foresaw; a refresh may have moved the grant on since (it goes on
  // being kept while its owner is at the consent page), so they are sealed again under the number they get.
  const auto sealed_as = record.grant.generation + 1;
  const auto number = grant.generation + 1;
  store::Generation brought{.grant = grant.id, .number = sealed_as, .intent = harvest.intent, .refresh_sealed = harvest.refresh_sealed,
                            .access_sealed = harvest.access_sealed, .access_expires_at = harvest.access_expires_at,
                            .issued_at = harvest.issued_at};
  grant.state = store::GrantState::active;
  grant.due_at.reset();
  // The same when its key pair is another since (a PIN reset while the owner was at the consent page).
  if (number != sealed_as || grant.public_key != record.grant.public_key) {
    auto material = parts_.sealing.open_refresh(record.grant, brought);
    if (!material) co_return std::unexpected(material.error());
    brought.refresh_sealed = parts_.sealing.seal_refresh(grant, number, *material);
    brought.access_sealed.clear();  // only its holder could seal it again: a refresh brings a new one at once
    grant.due_at = now;
  }
  brought.number = number;
  grant.generation = number;
  grant.why = harvest.missing_scopes.empty() ? "" : "The provider granted less than was asked for: " + harvest.missing_scopes + " is missing.";
  grant.account_id = harvest.account_id;
  grant.account_name = harvest.account_name;
  grant.scopes = harvest.scopes;
  grant.missing_scopes = harvest.missing_scopes;
  grant.extras_json = harvest.extras_json;
  grant.issued_at = harvest.issued_at;
  grant.access_expires_at = harvest.access_expires_at;
  grant.last_refreshed_at = harvest.issued_at;
  grant.failures = 0;
  grant.dead_seen = false;
  const auto resolved = co_await parts_.clients.client_for(grant.type, grant.app, grant.params_json, grant.extras_json);
  if (!grant.due_at) {
    const auto rules = resolved ? parts_.keeper.rules_for(resolved->type) : TypeRules{};
    grant.due_at = due_time(issue_of(grant), rules.pace, grant.id);
  }
  parts_.sealing.vouch(grant);
  if (record.kind == FlowKind::replaced_grant) {
    // A refresh on its way finds its intent gone: what it brings belongs to the consent that this one replaces.
    grant.lease_owner = {};
    grant.lease_until = {};
    grant.fence += 1;
    batch.push_back(store::UpdateGrant{grant});  // first: another version must read as a race, not as something gone
    batch.push_back(store::DeleteIntentsOf{grant.id});
    for (const auto& generation : replaced) batch.push_back(store::DeleteGeneration{grant.id, generation.number});
  } else {
    grant.created_at = now;
    batch.push_back(store::InsertGrant{grant});
    const auto holder = grant.user.bytes();
    batch.push_back(store::PutWrap{{.grant = grant.id, .holder_kind = store::HolderKind::user, .holder = Bytes(holder.begin(), holder.end()),
                                    .private_key_sealed = record.wrap_sealed, .created_at = now}});
  }
  batch.push_back(store::PutGeneration{std::move(brought)});
  co_return Result<void>{};
}

Task<Result<store::Batch>> AuthorizationDesk::completion_batch(Flow& flow) {
  store::Batch batch;
  if (const auto done = co_await add_user(batch, flow); !done) co_return std::unexpected(done.error());
  if (const auto done = co_await add_grant(batch, flow); !done) co_return std::unexpected(done.error());
  const auto& record = flow.record;
  const auto& harvest = *record.harvest;
  const auto now = parts_.wall.now();
  JsonObject result;
  result["user"] = record.user.id.text();
  result["grant"] = record.grant.id.text();
  result["username"] = record.user.username;
  result["type"] = record.grant.type;
  result["account_id"] = harvest.account_id;
  result["account_name"] = harvest.account_name;
  result["scopes"] = harvest.scopes;
  result["missing_scopes"] = harvest.missing_scopes;
  result["new_user"] = record.kind == FlowKind::new_user;
  result["replaced"] = record.kind == FlowKind::replaced_grant;
  auto row = flow.row;
  row.state = AuthorizationState::completed;
  row.ticket_hash.clear();
  row.state_hash.clear();
  row.expires_at = now + std::chrono::hours(1);
  row.result_json = boost::json::serialize(result);
  // What is not needed any more is not kept: neither verifier nor tokens.
  FlowRecord emptied;
  emptied.actor = record.actor;
  row.record_sealed = parts_.vault.seal(flow_context(row.id), emptied.to_plain());
  batch.push_back(store::UpdateAuthorization{std::move(row)});
  batch.push_back(store::DeleteIntentsOf{exchange_id(flow.row.id)});
  batch.push_back(store::AppendAudit{{.at = now, .actor = record.actor, .action = record.kind == FlowKind::replaced_grant ? "grant.reauthorized" : "grant.authorized",
                                      .subject = record.user.username + " " + record.grant.type, .user = record.user.id, .source = record.source,
                                      .detail = harvest.account_name.empty() ? "" : "as " + harvest.account_name}});
  co_return batch;
}

Task<AuthorizationDesk::Kept> AuthorizationDesk::complete(Flow flow) {
  const auto began = parts_.wall.now();
  for (;;) {
    auto batch = co_await completion_batch(flow);
    if (!batch) {
      if (batch.error().kind == ErrorKind::unavailable) co_return Kept::not_yet;
      co_await settle(std::move(flow), AuthorizationState::failed, batch.error().reason, batch.error().text, "authorization.failed");
      co_return Kept::unwanted;
    }
    const auto done = co_await parts_.store.commit(std::move(*batch), store::Urgency::token_reply);
    if (done) break;
    const auto& error = done.error();
    const bool race = error.kind == ErrorKind::conflict && error.reason == "version";
    if (error.kind == ErrorKind::conflict && !race) {
      const bool held = error.field == "type";
      co_await settle(std::move(flow), AuthorizationState::failed, held ? "type_held" : "username_taken",
                      held ? "The user was given a grant of this type meanwhile. Look at it, and delete it first if this one shall take its place."
                           : "Somebody made a user or group of that name meanwhile. Press Authorize again.",
                      "authorization.failed");
      co_return Kept::unwanted;
    }
    if (error.kind == ErrorKind::not_found && flow.record.kind == FlowKind::new_user) {
      co_await settle(std::move(flow), AuthorizationState::failed, "no_such_group",
                      "The group was deleted meanwhile. Press Authorize again and choose another one.", "authorization.failed");
      co_return Kept::unwanted;
    }
    if (error.kind != ErrorKind::unavailable && !race) {
      co_await settle(std::move(flow), AuthorizationState::failed, error.reason, error.text, "authorization.failed");
      co_return Kept::unwanted;
    }
    // The journal holds the reply, so giving up after a while loses nothing: the next start completes it.
    if (parts_.wall.now() > began + kCommitPatience) co_return Kept::not_yet;
    if (race) {
      const auto row = co_await parts_.store.authorization(flow.row.id);
      if (row && *row && (*row)->version != flow.row.version) co_return Kept::unwanted;  // cancelled meanwhile
    }
    co_await any_change_.wait_for(parts_.steady, race ? 1ms : 500ms);
  }
  parts_.enrolment.changed(flow.record.user);
  parts_.watcher.grant_changed(flow.record.user.id, flow.record.grant.id);
  parts_.keeper.nudge();
  changed(flow.row.id);
  co_return Kept::yes;
}

Task<Result<void>> AuthorizationDesk::recover(store::JournalEntry entry) {
  const auto id = AuthorizationId::from_bytes(entry.grant.bytes());
  auto row = co_await parts_.store.authorization(*id);
  if (!row) co_return std::unexpected(row.error());
  if (!*row || (*row)->state != AuthorizationState::pending) {
    parts_.counters.replies_unowned += 1;  // settled before the crash; whom to give the tokens back to is not known any more
    co_return Result<void>{};
  }
  auto flow = open(std::move(**row));
  if (!flow) co_return std::unexpected(flow.error());
  auto client = co_await parts_.clients.client_for(flow->record.grant.type, flow->record.grant.app, flow->record.grant.params_json,
                                                   extras_with_learned({}, flow->record.learned));
  if (!client) co_return std::unexpected(client.error());
  auto replied = parts_.exchange.replay(entry, client->type.errors, client->type.reply_shape);
  if (!replied) co_return std::unexpected(replied.error());
  co_await take_reply(std::move(*flow), std::move(*client), std::move(*replied), entry.intent);
  co_return Result<void>{};
}

Task<void> AuthorizationDesk::give_back_grant(store::GrantView view) {
  const auto* current = current_of(view);
  auto client = co_await parts_.clients.client_for(view.grant.type, view.grant.app, view.grant.params_json, view.grant.extras_json);
  if (!client || current == nullptr) co_return;
  if (auto material = parts_.sealing.open_refresh(view.grant, *current)) {
    parts_.giving_back.later(std::make_shared<const ProviderClient>(std::move(*client)), view.grant.account_id,
                             {.refresh = std::move(*material), .access = Secret()});
  }
}

// ---- undo and import ---------------------------------------------------------------------------------------------------

Task<Result<void>> AuthorizationDesk::undo(AuthorizationId id, Requester requester) {
  const auto row = co_await parts_.store.authorization(id);
  if (!row) co_return std::unexpected(row.error());
  if (!*row || (*row)->state != AuthorizationState::completed) {
    co_return fail(ErrorKind::conflict, "nothing_to_undo", "There is nothing left to take back.");
  }
  const auto seen = view_of(**row);
  const auto parsed = parse_json((*row)->result_json);
  const bool replaced = parsed && parsed->is_object() && parsed->get_object().contains("replaced") && parsed->at("replaced").as_bool();
  const bool new_user = parsed && parsed->is_object() && parsed->get_object().contains("new_user") && parsed->at("new_user").as_bool();
  if (replaced) co_return fail(ErrorKind::conflict, "nothing_to_undo", "A renewed consent replaces the old one and cannot be taken back; delete the grant instead.");
  const auto user = co_await parts_.store.user(seen.user);
  if (!user) co_return std::unexpected(user.error());
  const auto last = co_await parts_.store.grant(seen.grant);
  if (!last) co_return std::unexpected(last.error());
  const auto held = co_await parts_.store.grants_of_user(seen.user);
  if (!held) co_return std::unexpected(held.error());
  const bool alone = std::ranges::all_of(*held, [&](const store::Grant& grant) { return grant.id == seen.grant; });
  store::Batch batch;
  if (new_user && alone) {  // what the user was given since stays
    batch.push_back(store::DeleteUser{seen.user});
  } else {
    batch.push_back(store::DeleteGrant{seen.grant});
  }
  auto ended = **row;
  ended.state = AuthorizationState::cancelled;
  batch.push_back(store::UpdateAuthorization{std::move(ended)});
  batch.push_back(store::AppendAudit{{.at = parts_.wall.now(), .actor = requester.actor, .action = "authorization.undone",
                                      .subject = seen.username + " " + seen.type, .source = requester.source}});
  auto done = co_await parts_.store.commit(std::move(batch));
  if (!done) co_return done;
  if (*last) co_await give_back_grant(**last);
  if (*user) parts_.enrolment.changed(**user);
  parts_.watcher.grant_changed(seen.user, seen.grant);
  changed(id);
  co_return done;
}

Task<Result<AuthorizationView>> AuthorizationDesk::import_token(AuthorizationWish wish, Secret refresh_token, Requester requester) {
  auto prepared = co_await prepare(std::move(wish), requester);
  if (!prepared) co_return std::unexpected(prepared.error());
  auto& flow = prepared->flow;
  auto& client = prepared->client;
  const auto id = flow.row.id;
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
  ExchangeRequest request{.intent = intent, .grant = exchange_id(id), .generation = 0, .replay = client.type.type->replay,
                          .post = refresh_post(client, {refresh_token.clone(), Secret()}, 0), .errors = client.type.errors, .shape = client.type.reply_shape,
                          .timeouts = parts_.tuning().timeouts};
  // In a task of its own: the reply is kept though the caller hangs up or the server stops (F4).
  if (!exchanges_.spawn("import", spend_imported(std::move(flow), std::move(client), std::move(request), std::move(refresh_token)))) {
    parts_.journal.release(intent);
    co_return fail(ErrorKind::unavailable, "shutting_down", "The server is shutting down; nothing was sent. Try again.");
  }
  co_return co_await view_after_change(id, kImportPatience);
}

Task<void> AuthorizationDesk::spend_imported(Flow flow, ProviderClient client, ExchangeRequest request, Secret refresh_token) {
  const auto intent = request.intent;
  auto outcome = co_await parts_.exchange.run(std::move(request));
  if (auto* replied = std::get_if<Replied>(&outcome)) {
    // A provider that does not rotate sends none back: the imported one stays.
    if (!replied->reply.refresh_token && replied->reply.access_token) replied->reply.refresh_token = refresh_token.clone();
    co_await take_reply(std::move(flow), std::move(client), std::move(*replied), intent);
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

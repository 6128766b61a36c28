// Authorising: what becomes of what the exchange brought. A person is asked, the user and the grant come to be, or all of it is
// taken back.
#include <algorithm>

#include "base/shown_name.h"
#include "grants/attempt_locks.h"
#include "grants/authorization_desk.h"
#include "grants/flow_place.h"
#include "grants/grant_events.h"
#include "grants/leaving.h"

namespace latchkey::grants {
namespace {

using namespace std::chrono_literals;
using store::AuthorizationState;

constexpr auto kCommitPatience = 10s;  // then the keeper tries it again, and says so
constexpr int kRaces = 20;
constexpr std::string_view kIntentOfResult = "intent";  // of the exchange whose tokens the grant has got
constexpr std::string_view kAnotherMeanwhile = "another_meanwhile";
constexpr std::string_view kGrantedAtOfResult = "granted_at";  // the grant's created_at, which every consent moves on

// Why an attempt cannot be completed, for people. `prepared`: the store refused what was made of it.
std::pair<std::string, std::string> failure_of(const Error& error, bool prepared, FlowKind kind) {
  if (prepared && error.kind == ErrorKind::conflict && error.field == "type") {
    return {"type_held", "The user was given a grant of this type meanwhile. Look at it, and delete it first if this one shall take its place."};
  }
  if (prepared && error.kind == ErrorKind::conflict) {
    return {"username_taken", "Somebody made a user or group of that name meanwhile. Press Authorize again."};
  }
  if (prepared && error.kind == ErrorKind::not_found && kind == FlowKind::new_user) {
    return {"no_such_group", "The group was deleted meanwhile. Press Authorize again and choose another one."};
  }
  return {error.reason, error.text};
}

// An account as questions name it: what the provider knows it by comes first, and what people call themselves ends where the quotation
// marks do (A4).
std::string account_in_words(const std::string& id, const std::string& name) {
  std::string words = " account";
  const auto shown = base::as_escaped(id);
  if (!id.empty()) words += " " + base::in_quotes(shown, std::string_view::npos);
  if (!name.empty() && name != shown) words += " named " + base::in_quotes(name);
  return words;
}

std::string_view how_it_came(const FlowRecord& record) {
  if (record.device) return " has consented with the device code. ";
  if (record.opened_by_other || !record.in_clear) return " has consented in another browser. ";
  return " has consented, and its browser came back to this server unencrypted: whoever listens in the network could have consented in its place. ";
}

// Names may be the same: what tells the two apart is the id (C5).
std::string until_now(const std::string& id, const std::string& name) {
  return id.empty() ? "" : "Until now it was the" + account_in_words(id, name) + ". ";
}

}  // namespace

// ---- what a person must decide, and what follows by itself -----------------------------------------------------------

Task<Result<AuthorizationDesk::Findings>> AuthorizationDesk::look_at_account(const FlowRecord& record) {
  const auto& harvest = *record.harvest;
  const auto& expected = record.expected_account;
  Findings found;
  std::optional<store::Grant> replaced;
  if (record.kind == FlowKind::replaced_grant) {
    const auto stored = co_await parts_.store.grant(record.grant.id);
    if (!stored) co_return std::unexpected(stored.error());
    if (*stored) replaced = (*stored)->grant;
  }
  if (replaced) found.grant_account = replaced->account_id;
  // An account is known by its id alone: names are chosen by people, and one may be chosen to equal what is expected. What an
  // administrator typed beforehand may be either, but stands beside the id of a grant that is authorised anew, not for it.
  const bool of_grant = replaced && !replaced->account_id.empty();
  const bool same_as_grant = of_grant && replaced->account_id == harvest.account_id;
  const bool as_typed = expected == harvest.account_id || (expected == harvest.account_name && !(replaced && expected == replaced->account_id));
  const bool differs = (of_grant && !same_as_grant) || (!expected.empty() && !as_typed);
  found.same_as_grant = same_as_grant;
  found.known_by_id = !harvest.account_id.empty() && (same_as_grant || expected == harvest.account_id);
  found.known_by_name = !found.known_by_id && !expected.empty() && expected == harvest.account_name;
  // Whoever shares an account has been asked when it was first shared (F8).
  if (!harvest.account_id.empty() && !same_as_grant) {
    const auto other = co_await parts_.store.grant_by_account(record.grant.app, record.grant.type, harvest.account_id);
    if (!other) co_return std::unexpected(other.error());
    if (*other) {
      const auto owner = co_await parts_.store.user((*other)->user);
      found.holder = owner && *owner ? (*owner)->username : std::string("another user");
    }
  }
  if (harvest.account_unanswered) {
    found.code = "account_unknown";
    found.before_id = replaced ? replaced->account_id : "";
    found.before_name = replaced ? replaced->account_name : expected;
    found.question = "The provider did not say which account has consented, so nobody can tell whether it is the right one. " + until_now(found.before_id, found.before_name) +
                     "Use it all the same?";
  } else if (differs) {
    found.code = "account_differs";
    found.before_id = replaced ? replaced->account_id : "";
    found.before_name = replaced ? replaced->account_name : expected;
    found.question = "Another account has consented than expected: the" + account_in_words(harvest.account_id, harvest.account_name) + ". ";
    if (found.known_by_name) found.question += "Only its name is the expected one. ";
    found.question += until_now(found.before_id, found.before_name);
    if (!found.holder.empty()) found.question += "It is authorised already for " + found.holder + ", and with some providers a second consent ends the first. ";
    found.question += "Use this account from now on?";
  } else if (!found.holder.empty()) {
    found.code = "account_held";
    found.question = "The" + account_in_words(harvest.account_id, harvest.account_name) + " is authorised already for " + found.holder +
                     ". With some providers a second consent ends the first. Keep this one as well?";
  }
  co_return found;
}

void AuthorizationDesk::put_question(Flow& flow, const Findings& found, AuthorizationState state) const {
  const auto& harvest = *flow.record.harvest;
  JsonObject result;
  result["way"] = name_of(flow.record.way);
  result["problem_code"] = found.code;
  result["problem_text"] = found.question;
  result["before_id"] = found.before_id;
  result["before_name"] = found.before_name;
  result["holder"] = found.holder;
  result["username"] = flow.record.user.username;
  result["type"] = flow.record.grant.type;
  result["grant"] = flow.record.grant.id.text();
  result["account_id"] = harvest.account_id;
  result["account_name"] = harvest.account_name;
  flow.row.state = state;
  flow.row.expires_at = parts_.wall.now() + kQuestionLifetime;
  flow.row.result_json = boost::json::serialize(result);
}

Task<Result<AuthorizationDesk::Asker>> AuthorizationDesk::asked_for_by(const Flow& flow) {
  if (flow.row.created_by.none()) co_return Asker{.name = flow.record.actor, .may_approve = true};  // the server's own command line
  const auto user = co_await parts_.store.user(flow.row.created_by);
  if (!user) co_return std::unexpected(user.error());
  const bool may = *user && (*user)->enabled && (*user)->role == store::Role::administrator;
  co_return Asker{.name = flow.record.actor, .may_approve = may};
}

Task<AuthorizationDesk::Kept> AuthorizationDesk::decide(Flow flow) {
  auto found = co_await look_at_account(flow.record);
  if (!found) {
    parts_.log.error("authorization_not_kept", found.error());
    co_return Kept::not_yet;
  }
  const auto& harvest = *flow.record.harvest;
  auto state = AuthorizationState::needs_confirmation;
  const auto asker = co_await asked_for_by(flow);
  if (!asker) {
    parts_.log.error("authorization_not_kept", asker.error());
    co_return Kept::not_yet;
  }
  // What was typed beforehand is worth what its author's word is worth now.
  const bool is_expected = found->known_by_id && (found->same_as_grant || asker->may_approve);
  if (found->code.empty() && (flow.record.opened_by_other || flow.record.in_clear || !asker->may_approve) && !is_expected) {
    state = AuthorizationState::held;
    found->code = "held";
    found->question = "The" + account_in_words(harvest.account_id, harvest.account_name) + std::string(how_it_came(flow.record));
    if (!asker->name.empty()) found->question += "It was asked for by " + asker->name + (asker->may_approve ? ". " : ", who is no administrator now. ");
    if (found->known_by_name) found->question += "The name is the expected one, but with many providers people choose their names themselves. ";
    found->question += "Approve this account?";
  }
  if (found->code.empty()) co_return co_await complete(std::move(flow), std::move(found->grant_account));
  co_return co_await ask(std::move(flow), *std::move(found), state);
}

Task<AuthorizationDesk::Kept> AuthorizationDesk::ask(Flow flow, Findings found, AuthorizationState state) {
  const auto before = flow.row;
  put_question(flow, found, state);
  for (int race = 0; race < kRaces; ++race) {
    const auto done = co_await save(flow);
    if (done) co_return Kept::yes;
    if (done.error().kind != ErrorKind::conflict) {
      parts_.log.error("authorization_not_kept", done.error());
      co_return Kept::not_yet;
    }
    const auto standing = co_await look_again(flow, before);
    if (standing == Standing::unknown) break;
    if (standing == Standing::ours) co_return Kept::yes;
    if (standing == Standing::moved_on) co_return Kept::unwanted;  // cancelled meanwhile
  }
  co_return Kept::not_yet;
}

Task<Result<bool>> AuthorizationDesk::stays_where_it_began(const FlowRecord& record) {
  const auto client = co_await parts_.clients.client_for(record.grant.type, record.grant.app, record.grant.params_json,
                                                         extras_with_learned({}, record.learned));
  if (client) co_return is_where_it_began(record, *client);
  if (client.error().kind == ErrorKind::unavailable) {
    co_return fail(ErrorKind::unavailable, client.error().reason,
                   client.error().text + " Nothing is lost: the consent still waits. Approve it again in a moment.", {.retry_after = Seconds(30)});
  }
  // Whatever else is wrong with the registration, nothing is sent before it is mended.
  co_return client.error().reason != "app_missing";
}

Task<Result<AuthorizationView>> AuthorizationDesk::confirm(AuthorizationId id, Answer answer, std::string question, Requester requester) {
  auto row = co_await parts_.store.authorization(id);
  if (!row) co_return std::unexpected(row.error());
  if (!*row) co_return fail(ErrorKind::not_found, "no_such_authorization", "This authorisation is unknown or long over.");
  if ((*row)->state != AuthorizationState::needs_confirmation && (*row)->state != AuthorizationState::held) {
    co_return fail(ErrorKind::conflict, "nothing_to_confirm", "This authorisation asks nothing.");
  }
  const auto shown = view_of(**row);
  // Somebody else's answer may have turned up a question that this person has never seen.
  if (shown.question != question) {
    co_return fail(ErrorKind::conflict, "question_changed", "Something else is asked now, so nothing was done. " + shown.problem_text);
  }
  auto flow = open(std::move(**row));
  if (!flow) co_return std::unexpected(flow.error());
  flow->record.actor = requester.actor;
  flow->record.source = requester.source;
  std::string found_account;
  if (answer == Answer::accept) {
    const auto stays = co_await stays_where_it_began(flow->record);
    if (!stays) co_return std::unexpected(stays.error());
    if (!*stays) {
      co_await end_unwanted(std::move(*flow), AuthorizationState::failed, "endpoints_changed", std::string(kStandsElsewhere), "authorization.failed");
      co_return co_await view(id);
    }
    // Days may lie between the question and its answer: what was agreed to is what was shown (F8).
    auto found = co_await look_at_account(flow->record);
    if (!found) co_return std::unexpected(found.error());
    const bool another = found->code != shown.problem_code || found->holder != shown.holder || found->before_id != shown.before_id;
    if (!found->code.empty() && another) {
      put_question(*flow, *found, AuthorizationState::needs_confirmation);
      if (const auto asked = co_await save(*flow); !asked) co_return std::unexpected(asked.error());
      co_return co_await view(id);
    }
    found_account = std::move(found->grant_account);
  }
  if (answer == Answer::reject) {
    co_await end_unwanted(std::move(*flow), AuthorizationState::cancelled, "rejected", "Rejected; nothing was changed.",
                          "authorization.rejected");
  } else {
    auto waiting = flow->record.copy_of_harvest();
    const auto kept = co_await complete(std::move(*flow), std::move(found_account));
    if (kept == Kept::unwanted) give_back_harvest(std::move(waiting));
    if (kept == Kept::not_yet) {
      co_return fail(ErrorKind::unavailable, "store_unavailable",
                     "The store does not say that it has taken the approval. Nothing is lost: look at this account again in a moment, and approve it "
                     "once more if it still waits.",
                     {.retry_after = Seconds(10)});
    }
  }
  co_return co_await view(id);
}

// ---- the user and the grant come to be -------------------------------------------------------------------------------

Task<Result<void>> AuthorizationDesk::add_user(store::Batch& batch, Flow& flow) {
  auto& record = flow.record;
  const auto now = parts_.wall.now();
  if (record.kind == FlowKind::new_user) {
    if (!record.new_group.empty()) {
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
  if (const auto unlocked = check_unlocked(**found); !unlocked) co_return unlocked;
  if (record.kind == FlowKind::replaced_grant) {  // a renewed consent changes nothing of its user
    record.user = **found;
    co_return Result<void>{};
  }
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
  if (record.new_keys || uses != user.uses) {
    if (const auto checked = parts_.enrolment.check(**found); !checked) co_return std::unexpected(checked.error());
    user.uses = uses;
    parts_.enrolment.vouch(user);
  }
  record.user = user;
  // Also as it was: whoever deletes the user, or switches the user off, at this moment must see that a grant has come (leaving.h).
  batch.push_back(store::UpdateUser{std::move(user)});
  co_return Result<void>{};
}

Task<Result<store::GenerationNumber>> AuthorizationDesk::add_grant(store::Batch& batch, Flow& flow, const std::string& found_account) {
  auto& record = flow.record;
  const auto& harvest = *record.harvest;
  const auto now = parts_.wall.now();
  record.grant.created_at = now;  // whatever becomes of this one, its grant's is that
  store::Grant grant = record.grant;
  std::vector<store::Generation> replaced;
  std::vector<store::Wrap> ended;
  if (record.kind == FlowKind::replaced_grant) {
    const auto found = co_await parts_.store.grant(grant.id);
    if (!found) co_return std::unexpected(found.error());
    if (!*found) co_return fail(ErrorKind::not_found, "no_such_grant", "The grant was deleted meanwhile.");
    if (const auto unlocked = check_unlocked(record, (*found)->grant); !unlocked) co_return std::unexpected(unlocked.error());
    grant = (*found)->grant;
    if (grant.account_id != found_account) co_return fail(ErrorKind::conflict, std::string(kAnotherMeanwhile), "Another consent for this grant came first.");
    replaced = (*found)->generations;
    if (grant.account_id.empty() || grant.account_id != harvest.account_id) {
      const auto wraps = co_await parts_.store.wraps(grant.id);
      if (!wraps) co_return std::unexpected(wraps.error());
      std::ranges::copy_if(*wraps, std::back_inserter(ended), [](const store::Wrap& wrap) { return wrap.holder_kind != store::HolderKind::user; });
    }
  }
  // The tokens were sealed for the number the record foresaw; a refresh may have moved the grant on since (it goes on
  // being kept while a person is asked about the account), so they are sealed again under the number they get.
  const auto sealed_as = record.grant.generation + 1;
  const auto number = number_after(grant);
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
    grant.due_at = due_time(issue_of(grant), pace_of(grant, rules), grant.id);
  }
  parts_.sealing.vouch(grant);
  if (record.kind == FlowKind::replaced_grant) {
    // A refresh on its way finds its intent gone: what it brings belongs to the consent that this one replaces.
    grant.lease_owner = {};
    grant.lease_until = {};
    grant.fence += 1;
    grant.created_at = now;  // what was claimed before belongs to the consent before
    batch.push_back(store::UpdateGrant{grant});  // first: another version must read as a race, not as something gone
    batch.push_back(store::UpdateUser{record.user});  // as it was: whoever switches the user off at this moment must see that the grant lives
    batch.push_back(store::DeleteIntentsOf{grant.id});
    for (const auto& generation : replaced) batch.push_back(store::DeleteGeneration{grant.id, generation.number});
    // Documents that wait were meant for the account before: they wait for a person now, and go to nobody else's. Connectors'
    // standing delegations were given for that account, too.
    for (auto& wrap : ended) batch.push_back(store::DeleteWrap{grant.id, wrap.holder_kind, std::move(wrap.holder)});
  } else {
    grant.created_at = now;
    batch.push_back(store::InsertGrant{grant});
    const auto holder = grant.user.bytes();
    batch.push_back(store::PutWrap{{.grant = grant.id, .holder_kind = store::HolderKind::user, .holder = Bytes(holder.begin(), holder.end()),
                                    .private_key_sealed = record.wrap_sealed, .created_at = now}});
  }
  batch.push_back(store::PutGeneration{std::move(brought)});
  co_return number;
}

Task<Result<store::Batch>> AuthorizationDesk::completion_batch(Flow& flow, const std::string& found_account) {
  store::Batch batch;
  if (const auto done = co_await add_user(batch, flow); !done) co_return std::unexpected(done.error());
  const auto number = co_await add_grant(batch, flow, found_account);
  if (!number) co_return std::unexpected(number.error());
  const auto& record = flow.record;
  const auto& harvest = *record.harvest;
  const auto now = parts_.wall.now();
  JsonObject result;
  result["way"] = name_of(record.way);
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
  result[kIntentOfResult] = harvest.intent.text();
  result[kGrantedAtOfResult] = base::to_unix_ms(record.grant.created_at);
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
  const bool again = record.kind == FlowKind::replaced_grant;
  auto event = deed(record.grant, again ? store::GrantEventKind::reauthorized : store::GrantEventKind::authorized, now, record.actor,
                    harvest.account_name.empty() ? "" : "as " + harvest.account_name);
  event.event.generation = *number;
  batch.push_back(std::move(event));
  batch.push_back(store::AppendAudit{{.at = now, .actor = record.actor, .action = again ? "grant.reauthorized" : "grant.authorized",
                                      .subject = record.user.username + " " + record.grant.type, .user = record.user.id, .source = record.source,
                                      .detail = harvest.account_name.empty() ? "" : "as " + harvest.account_name}});
  co_return batch;
}

bool AuthorizationDesk::bears(const store::Authorization& row, IntentId intent) const {
  const bool waits = row.state == AuthorizationState::needs_confirmation || row.state == AuthorizationState::held;
  if (waits) {
    const auto flow = open(row);
    return flow && flow->record.harvest && flow->record.harvest->intent == intent;
  }
  // Of a grant that was taken back since, too: its tokens went with it.
  const auto result = parse_json(row.result_json);
  return result && result->is_object() && base::string_or(result->get_object(), kIntentOfResult) == intent.text();
}

Task<AuthorizationDesk::Standing> AuthorizationDesk::look_again(Flow& flow, store::Authorization before) {
  const auto still = co_await caught_up(flow, std::move(before));
  if (!still) co_return Standing::unknown;
  if (*still) co_return Standing::as_it_was;
  const auto stored = co_await parts_.store.authorization(flow.row.id);
  if (!stored) co_return Standing::unknown;
  co_return *stored && bears(**stored, flow.record.harvest->intent) ? Standing::ours : Standing::moved_on;
}

Task<AuthorizationDesk::Kept> AuthorizationDesk::completed(Flow flow) {
  parts_.enrolment.changed(flow.record.user);
  parts_.watcher.grant_changed(flow.record.user.id, flow.record.grant.id);
  parts_.keeper.nudge();
  changes_.changed(flow.row.id);
  co_return Kept::yes;
}

Task<AuthorizationDesk::Kept> AuthorizationDesk::end_failed(Flow flow, AuthorizationState before, std::string code, std::string text) {
  const auto id = flow.row.id;
  const auto intent = flow.record.harvest->intent;
  if (co_await settle(std::move(flow), AuthorizationState::failed, std::move(code), std::move(text), "authorization.failed")) co_return Kept::unwanted;
  const auto stored = co_await parts_.store.authorization(id);
  if (!stored || (*stored && (*stored)->state == before)) co_return Kept::not_yet;
  co_return *stored && bears(**stored, intent) ? Kept::yes : Kept::unwanted;
}

Task<AuthorizationDesk::Kept> AuthorizationDesk::complete(Flow flow, std::string found_account) {
  const auto began = parts_.steady.now();
  const auto before = flow.row;
  for (;;) {
    auto batch = co_await completion_batch(flow, found_account);
    const bool prepared = batch.has_value();
    const auto done = prepared ? co_await parts_.store.commit(std::move(*batch), store::Urgency::token_reply)
                               : Result<void>(std::unexpected(std::move(batch.error())));
    if (done) co_return co_await completed(std::move(flow));
    const auto& error = done.error();
    const bool delivered_meanwhile = prepared && error.kind == ErrorKind::not_found && error.field == "wrap";
    const bool race = delivered_meanwhile || (prepared && error.kind == ErrorKind::conflict && error.reason == "version");
    // Whether an earlier commit of this loop, or of a process before, has happened after all is not known from its error: nothing is
    // ended, and no token is given back, before the store has said what it has (F5, F7).
    if (error.kind != ErrorKind::unavailable) {
      const auto standing = co_await look_again(flow, before);
      if (standing == Standing::ours) co_return co_await completed(std::move(flow));
      if (standing == Standing::moved_on) co_return Kept::unwanted;  // cancelled meanwhile
      if (standing == Standing::as_it_was && error.reason == kAnotherMeanwhile) {
        // What was agreed to, or needed no asking, was so for the account that the grant had then (C5).
        auto found = co_await look_at_account(flow.record);
        if (found && !found->code.empty()) co_return co_await ask(std::move(flow), *std::move(found), AuthorizationState::needs_confirmation);
        if (found) found_account = std::move(found->grant_account);
      }
      const bool may_have_happened = error.kind == ErrorKind::ambiguous || error.reason == "store_corrupt" || standing == Standing::unknown;
      if (!may_have_happened && !race && error.reason != kAnotherMeanwhile) {
        auto [code, text] = failure_of(error, prepared, flow.record.kind);
        co_return co_await end_failed(std::move(flow), before.state, std::move(code), std::move(text));
      }
    }
    // The journal holds the reply, so giving up after a while loses nothing: it is tried again, and at the next start.
    if (parts_.steady.now() > began + kCommitPatience) co_return Kept::not_yet;
    co_await changes_.any().wait_for(parts_.steady, race ? 1ms : 500ms);
  }
}

// ---- undo ------------------------------------------------------------------------------------------------------------

Task<Result<void>> AuthorizationDesk::undo(AuthorizationId id, Requester requester) {
  std::optional<Error> in_doubt;
  for (int attempt = 0;; ++attempt) {
    auto done = co_await try_undo(id, requester);
    if (done) co_return done;
    const auto& error = done.error();
    if (in_doubt && error.reason == "nothing_to_undo") co_return Result<void>{};  // it had happened
    if (error.kind == ErrorKind::ambiguous) in_doubt = error;
    const bool unsaid = in_doubt && (error.kind == ErrorKind::ambiguous || error.kind == ErrorKind::unavailable);
    // Something it decided on has changed since: what is there now may be more than may be taken back.
    const bool came_late = in_doubt && error.reason == "gone";
    const bool raced = (error.kind == ErrorKind::conflict && error.reason == "version") || came_late;
    if ((!unsaid && !raced) || attempt >= kRaces) {
      if (unsaid) co_return std::unexpected(*std::move(in_doubt));
      co_return done;
    }
    if (unsaid) co_await parts_.steady.sleep_for(500ms);
  }
}

Task<Result<void>> AuthorizationDesk::try_undo(AuthorizationId id, Requester requester) {
  const auto row = co_await parts_.store.authorization(id);
  if (!row) co_return std::unexpected(row.error());
  if (!*row || (*row)->state != AuthorizationState::completed) {
    co_return fail(ErrorKind::conflict, "nothing_to_undo", "There is nothing left to take back.");
  }
  const auto seen = view_of(**row);
  const auto parsed = parse_json((*row)->result_json);
  const bool new_user = parsed && parsed->is_object() && parsed->get_object().contains("new_user") && parsed->at("new_user").as_bool();
  if (seen.replaced) co_return fail(ErrorKind::conflict, "nothing_to_undo", "A renewed consent replaces the old one and cannot be taken back; delete the grant instead.");
  const auto user = co_await parts_.store.user(seen.user);
  if (!user) co_return std::unexpected(user.error());
  const auto held = co_await parts_.store.grants_of_user(seen.user);
  if (!held) co_return std::unexpected(held.error());
  const auto its = std::ranges::find(*held, seen.grant, &store::Grant::id);
  const auto granted_at = parsed && parsed->is_object() ? parsed->get_object().if_contains(kGrantedAtOfResult) : nullptr;
  if (its != held->end() && granted_at != nullptr && granted_at->is_int64() && granted_at->as_int64() != base::to_unix_ms(its->created_at)) {
    co_return fail(ErrorKind::conflict, "nothing_to_undo", "The account has been authorised again since, and that consent stays. Delete the grant instead.");
  }
  // What the user was given since stays, and with it the user.
  const bool more = *user && ((*user)->role == store::Role::administrator || !(*user)->password_sealed.empty() ||
                              std::ranges::any_of(*held, [&](const store::Grant& grant) { return grant.id != seen.grant; }));
  store::Batch batch;
  std::vector<Belongings::Held> taken;
  if (new_user && *user && !more) {
    auto belongings = co_await belongings_of(parts_.store, parts_.sealing, **user);
    if (!belongings) co_return std::unexpected(belongings.error());
    batch = std::move(belongings->first);
    taken = std::move(belongings->grants);
    batch.push_back(store::DeleteUser{seen.user});
  } else {
    auto view = co_await parts_.store.grant(seen.grant);
    if (!view) co_return std::unexpected(view.error());
    if (!*view) co_return fail(ErrorKind::conflict, "nothing_to_undo", "There is nothing left to take back.");
    batch.push_back(if_unchanged((*view)->grant));
    batch.push_back(store::DeleteGrant{seen.grant});
    auto refresh = refresh_of(parts_.sealing, **view);
    taken.push_back({.grant = std::move((*view)->grant), .refresh = std::move(refresh)});
  }
  auto ended = **row;
  ended.state = AuthorizationState::cancelled;
  batch.push_back(store::UpdateAuthorization{std::move(ended)});
  batch.push_back(store::AppendAudit{{.at = parts_.wall.now(), .actor = requester.actor, .action = "authorization.undone",
                                      .subject = seen.username + " " + seen.type, .source = requester.source}});
  for (const auto& each : taken) {
    for (const auto& refresh : each.refresh) {
      if (auto put = parts_.giving_back.entry(each.grant, {.refresh = refresh.clone(), .access = Secret()})) batch.push_back(std::move(*put));
    }
  }
  auto done = co_await parts_.store.commit(std::move(batch));
  // Where its answer was lost it may have happened: what is remembered of the grant is forgotten all the same.
  if (!done && done.error().kind != ErrorKind::ambiguous) co_return done;
  parts_.giving_back.nudge();
  if (*user) parts_.enrolment.changed(**user);
  parts_.watcher.grant_changed(seen.user, seen.grant);
  changes_.changed(id);
  co_return done;
}

}  // namespace latchkey::grants

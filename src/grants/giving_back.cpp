#include "grants/giving_back.h"

#include <algorithm>
#include <map>

#include "base/json.h"
#include "grants/altered_records.h"
#include "grants/canary.h"
#include "grants/flow_place.h"
#include "grants/grant_events.h"
#include "grants/leaving.h"
#include "grants/lifecycle.h"
#include "grants/nodes.h"
#include "grants/revocation_prospect.h"
#include "oauth/revocation.h"
#include "oauth/token_reply.h"

namespace latchkey::grants {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kLookedAt = 512;  // more than RevocationPlaces::kInAll, so that what is in hand never hides the rest
constexpr auto kLookStands = std::chrono::seconds(1);
constexpr std::size_t kKeptReady = 32;  // of an app, beside those that have a place
constexpr Seconds kClaimedFor{300};  // no other node takes an entry that one is working on
constexpr Seconds kBackOffMax = std::chrono::hours(6);
constexpr Seconds kOftenAtLeast = std::chrono::hours(1);  // where something here may change: another grant, the app
constexpr auto kLookAtLeastEvery = 30s;
constexpr auto kStoreRetry = 1s;
constexpr auto kPlacesRetry = 1s;
constexpr std::string_view kUnreachableWords = "The provider cannot be reached.";
constexpr std::string_view kElsewhereWords = "The app registration stands for another place now, so nothing was sent there.";
constexpr std::string_view kRestsWords = "A grant here rests on the same consent; it waits until that has gone.";
constexpr std::string_view kMayRestWords =
    "Another account of this app is in use here, and the provider never told whether it is the same one.";

net::HttpCall call_for(oauth::FormPost post) {
  net::HttpCall call{.method = "POST", .url = std::move(post.url)};
  for (const auto& [name, value] : post.headers) call.headers.set(name, value);
  if (!post.authorization.empty()) call.headers.set("Authorization", post.authorization.reveal_text());
  call.body = std::move(post.body);
  call.connect_timeout = Seconds(5);
  call.total_timeout = Seconds(15);  // a shutdown waits for it
  return call;
}

// What has yet to be taken from its grant asks nobody, so it waits for no provider.
std::string lane_of(const store::Revocation& revocation) { return (revocation.record_sealed.empty() ? "\n" : "") + revocation.app; }

// The provider is overloaded, or something before it answers in its place.
bool says_come_back(int status) { return status == 429 || (status >= 502 && status <= 504); }

std::string subject_of(const store::Grant& grant) { return grant.type + (grant.account_name.empty() ? "" : " " + grant.account_name); }

}  // namespace

// What is sealed: the tokens, and all that decides where they go (RULES K3).
struct GivingBack::Record {
  std::string type;
  std::string app;
  std::string params_json;
  std::string extras_json;
  std::string account_id;
  UnownedTokens tokens;
  std::int64_t rested_until_ms = 0;  // when another grant was last seen to rest on the consent

  [[nodiscard]] Secret to_plain() const {
    JsonObject json{{"type", type}, {"app", app}, {"params", params_json}, {"extras", extras_json}, {"account", account_id},
                    {"refresh", tokens.refresh.token.reveal_text()}, {"verifier", tokens.refresh.code_verifier.reveal_text()},
                    {"access", tokens.access.reveal_text()}, {"rested_until_ms", rested_until_ms}};
    auto text = boost::json::serialize(json);
    Secret plain(std::string_view{text});
    std::ranges::fill(text, '\0');
    return plain;
  }
  static std::shared_ptr<Record> from_plain(const Secret& plain) {
    const auto json = parse_json(plain.reveal_text());
    if (!json || !json->is_object()) return nullptr;
    const auto& object = json->get_object();
    const auto text = [&](std::string_view key) { return base::string_or(object, key); };
    auto record = std::make_shared<Record>();
    record->type = text("type");
    record->app = text("app");
    record->params_json = text("params");
    record->extras_json = text("extras");
    record->account_id = text("account");
    record->tokens = {.refresh = {Secret(std::string_view(text("refresh"))), Secret(std::string_view(text("verifier")))},
                      .access = Secret(std::string_view(text("access")))};
    if (const auto* rested = object.if_contains("rested_until_ms"); rested != nullptr && rested->is_int64()) record->rested_until_ms = rested->get_int64();
    return record;
  }
};

std::optional<store::PutRevocation> GivingBack::entry(const store::Grant& whose, const UnownedTokens& tokens) const {
  if (tokens.refresh.token.empty() || revocable(parts_.clients.catalog(), whose.type) == Revocable::no) return std::nullopt;
  const auto now = parts_.wall.now();
  store::Revocation revocation{.id = RevocationId::make(now, parts_.entropy), .grant = whose.id, .app = whose.app, .subject = subject_of(whose),
                               .record_sealed = {}, .attempts = 0, .due_at = now, .created_at = now, .why = "Not asked yet."};
  const Record record{.type = whose.type, .app = whose.app, .params_json = whose.params_json, .extras_json = whose.extras_json,
                      .account_id = whose.account_id, .tokens = {.refresh = tokens.refresh.clone(), .access = tokens.access.clone()}};
  revocation.record_sealed = parts_.sealing.seal_revocation(revocation, record.to_plain());
  return store::PutRevocation{std::move(revocation)};
}

void GivingBack::add_switched_off(store::Batch& batch, const store::Grant& grant) const {
  batch.push_back(store::DeleteRevocationOfSwitchedOff{grant.id});
  if (revocable(parts_.clients.catalog(), grant.type) == Revocable::no) return;
  const auto may_go_at = parts_.wall.now() + parts_.tuning().disabled_after;
  batch.push_back(store::PutRevocation{{.id = store::entry_of_switched_off(grant.id), .grant = grant.id, .app = grant.app, .subject = subject_of(grant),
                                        .record_sealed = {}, .attempts = 0, .due_at = may_go_at, .created_at = may_go_at,
                                        .why = "Switched off a moment ago; switching it on again takes this back."}});
}

void GivingBack::add_revoked(store::Batch& batch, const store::GrantView& view, std::string why, const std::string& actor,
                             std::string source) const {
  auto grant = view.grant;
  const auto now = parts_.wall.now();
  // A record that was altered from outside is revoked here, but stays as untrusted as it was: nothing of it decides where a token goes.
  const bool sound = parts_.sealing.check(grant).has_value();
  if (sound) {
    for (auto& refresh : refresh_of(parts_.sealing, view)) {
      if (auto put = entry(grant, {.refresh = std::move(refresh), .access = Secret()})) batch.push_back(std::move(*put));
    }
  }
  grant.state = store::GrantState::revoked;
  grant.why = why;
  grant.due_at.reset();
  // A refresh on its way finds its intent gone: what it brings is given back, too.
  grant.lease_owner = {};
  grant.lease_until = {};
  grant.fence += 1;
  if (sound) parts_.sealing.vouch(grant);
  batch.push_back(store::UpdateGrant{grant});
  batch.push_back(store::DeleteIntentsOf{grant.id});
  for (const auto& generation : view.generations) batch.push_back(store::DeleteGeneration{grant.id, generation.number});
  batch.push_back(deed(grant, store::GrantEventKind::revoked, now, actor, why));
  batch.push_back(store::AppendAudit{{.at = now, .actor = actor, .action = "grant.revoked", .subject = subject_of(grant), .user = grant.user,
                                      .source = std::move(source), .detail = std::move(why)}});
}

void GivingBack::later(store::Grant whose, UnownedTokens tokens) {
  auto put = entry(whose, tokens);
  if (!put) {
    parts_.log.info("not_given_back", {{"app", whose.app}, {"why", "the provider offers no way"}});
    return;
  }
  under_way_.spawn("give_back", keep(std::move(*put)));
}

Task<Result<void>> GivingBack::queue(store::PutRevocation entry) {
  store::Batch batch;
  batch.push_back(std::move(entry));
  auto done = co_await parts_.store.commit(std::move(batch));
  // Already there: the answer to an earlier try was lost.
  if (!done && done.error().kind == ErrorKind::conflict) done = {};
  if (done) nudge();
  co_return done;
}

Task<void> GivingBack::keep(store::PutRevocation put) {
  for (;;) {
    const auto done = co_await queue(put);
    if (done) co_return;
    if (stopping_) {
      parts_.log.error("not_given_back", done.error());
      co_return;
    }
    co_await wake_.wait_for(parts_.steady, kStoreRetry);
  }
}

// ---- the work ------------------------------------------------------------------------------------------------------------

void GivingBack::start() { loop_.spawn("revocations", run()); }

Task<void> GivingBack::stop() {
  stopping_ = true;
  wake_.notify_all();
  co_await loop_.drain();  // not cancelled: an attempt on its way ends as it ends
  co_await under_way_.drain();
}

Task<void> GivingBack::run() {
  while (!stopping_) {
    nudged_ = false;
    const auto seen = co_await look();
    if (seen == Look::again_at_once) continue;
    std::chrono::nanoseconds wait = seen == Look::store_rests ? kStoreRetry : kPlacesRetry;
    if (seen == Look::nothing_due) {
      wait = kLookAtLeastEvery;
      // Soonest first, so that a short wait is no idle turn.
      if (const auto next = co_await parts_.store.revocations(WallTime::max(), 1); next && !next->items.empty()) {
        const auto& first = next->items.front();
        // Whoever has it in hand says when it is done; what falls due behind it meanwhile comes a moment later.
        wait = in_hand_.contains(first.id) ? kPlacesRetry
                                           : std::clamp<std::chrono::nanoseconds>(first.due_at - parts_.wall.now(), 100ms, kLookAtLeastEvery);
      }
    }
    if (stopping_) break;  // said while the store was asked
    if (!nudged_) co_await wake_.wait_for(parts_.steady, wait);
  }
}

Task<GivingBack::Look> GivingBack::look() {
  const auto now = parts_.wall.now();
  // Not as they end: a page that is being read may still hold them as they were.
  for (const auto& id : std::exchange(ended_, {})) in_hand_.erase(id);
  if (canary(Canary::never_given_back)) co_return Look::nothing_due;
  auto page = co_await parts_.store.revocations(canary(Canary::taken_back_too_soon) ? WallTime::max() : now, kLookedAt);
  if (!page || stopping_) co_return Look::store_rests;
  parts_.counters.revocations_due = page->total;
  const bool crowded = page->items.size() == kLookedAt;  // what is behind these must come to its turn, too
  due_.clear();
  std::map<std::string, std::size_t> ready;
  std::vector<store::Revocation> postponed;
  for (auto& revocation : page->items) {
    if (in_hand_.contains(revocation.id)) continue;
    auto lane = lane_of(revocation);
    if (places_.take(lane, now)) {
      in_hand_.insert(revocation.id);
      if (!under_way_.spawn("revocation", work(lane, std::move(revocation)))) co_return Look::store_rests;
    } else if (places_.held(lane, now) || (crowded && ready[lane] >= kKeptReady)) {
      postponed.push_back(std::move(revocation));
    } else {
      ++ready[lane];
      due_.push_back(std::move(revocation));
    }
  }
  const bool waiting = !due_.empty();
  if (!postponed.empty()) co_return co_await postpone(std::move(postponed)) ? Look::again_at_once : Look::store_rests;
  co_return waiting ? Look::places_full : Look::nothing_due;
}

Task<bool> GivingBack::postpone(std::vector<store::Revocation> rows) {
  const auto now = parts_.wall.now();
  store::Batch batch;
  std::vector<store::Revocation> given_up;
  for (auto& row : rows) {
    const auto lane = lane_of(row);
    if (places_.held(lane, now)) row.why = places_.why(lane);
    if (places_.held(lane, now) && now > row.created_at + parts_.tuning().give_up_after) {
      const auto record = open(row);
      if (!record || now > deadline_of(row, *record)) {
        batch.push_back(store::DeleteRevocation{row.id});
        batch.push_back(settled(row, "grant.not_revoked", row.why));
        given_up.push_back(std::move(row));
        continue;
      }
    }
    row.due_at = places_.later(lane, now);
    batch.push_back(store::PutRevocation{std::move(row)});
  }
  const auto done = co_await parts_.store.commit(std::move(batch), store::Urgency::bookkeeping);
  if (!done) co_return false;
  for (const auto& row : given_up) tell_not_given_back(row, row.why);
  co_return true;
}

std::shared_ptr<GivingBack::Record> GivingBack::open(const store::Revocation& revocation) const {
  const auto plain = parts_.sealing.open_revocation(revocation);
  return plain ? Record::from_plain(*plain) : nullptr;
}

WallTime GivingBack::deadline_of(const store::Revocation& revocation, const Record& record) const {
  return std::max(revocation.created_at, base::from_unix_ms(record.rested_until_ms)) + parts_.tuning().give_up_after;
}

store::AppendAudit GivingBack::settled(const store::Revocation& revocation, std::string action, std::string why) const {
  return {{.at = parts_.wall.now(), .actor = "server", .action = std::move(action), .subject = revocation.subject, .detail = std::move(why)}};
}

std::optional<store::Revocation> GivingBack::next_of(const std::string& lane) {
  const auto found = std::ranges::find_if(due_, [&](const store::Revocation& each) { return lane_of(each) == lane; });
  if (found == due_.end() || stopping_) return std::nullopt;
  auto next = std::move(*found);
  due_.erase(found);
  return next;
}

Task<void> GivingBack::work(std::string lane, store::Revocation first) {
  for (std::optional<store::Revocation> each = std::move(first); each;) {
    const auto id = each->id;
    co_await attempt(*std::move(each));
    ended_.push_back(id);
    places_.leave(lane);
    each = next_of(lane);
    if (each && !places_.take(lane, parts_.wall.now())) each.reset();
    if (each) in_hand_.insert(each->id);
  }
  nudge();
}

Task<void> GivingBack::attempt(store::Revocation revocation) {
  if (revocation.record_sealed.empty()) {
    co_await take_from_grant(std::move(revocation));
    co_return;
  }
  revocation.attempts += 1;
  if (revocation.attempts == 1) revocation.why = "Being asked for the first time.";
  revocation.due_at = parts_.wall.now() + kClaimedFor;
  {
    store::Batch claim;
    claim.push_back(store::PutRevocation{revocation});
    if (const auto done = co_await parts_.store.commit(std::move(claim)); !done) {
      // Another node was faster, or the store rests.
      co_await rest_after(done.error());
      co_return;
    }
  }
  revocation.version += 1;
  auto record = open(revocation);
  if (!record) {
    tell_altered(parts_.alerts, revocation);
    co_await drop(std::move(revocation), "grant.not_revoked", "The stored record was altered and is not used.");
    co_return;
  }
  const auto began = parts_.steady.now();
  auto verdict = co_await try_to_revoke(record, revocation.grant);
  if (verdict.unreachable) {
    places_.unreachable(revocation.app, parts_.wall.now(), verdict.why);
  } else if (!verdict.rests) {
    places_.answered(revocation.app, parts_.steady.now() - began);
  }
  co_await settle(std::move(revocation), std::move(record), std::move(verdict));
}

Task<void> GivingBack::settle(store::Revocation revocation, std::shared_ptr<Record> record, Verdict verdict) {
  parts_.log.info(verdict.revoked ? "given_back" : "not_given_back", {{"app", record->app}, {"why", verdict.why}});
  if (verdict.revoked) {
    parts_.counters.given_back += 1;
    co_await drop(std::move(revocation), "grant.revoked_at_provider", verdict.why);
    co_return;
  }
  const auto now = parts_.wall.now();
  const bool without_end = verdict.rests && !verdict.for_a_while;
  if (without_end) record->rested_until_ms = base::to_unix_ms(now);
  if (verdict.again && !canary(Canary::entry_dropped) && (without_end || now + revocation_back_off(revocation.attempts, *verdict.again) <= deadline_of(revocation, *record))) {
    // An access token had for this attempt may have cost the refresh token it came from; by the next attempt it may have ended.
    record->tokens.access = Secret();
    revocation.record_sealed = parts_.sealing.seal_revocation(revocation, record->to_plain());
    co_await put_off(std::move(revocation), *verdict.again, verdict.why);
    co_return;
  }
  // Whoever took the app out of an account whose grant was authorised anew would end the new consent.
  const bool replaced = verdict.for_a_while && co_await lives_on(revocation.grant, record->account_id);
  if (!replaced) tell_not_given_back(revocation, verdict.why);
  co_await drop(std::move(revocation), "grant.not_revoked", verdict.why);
}

void GivingBack::tell_not_given_back(const store::Revocation& revocation, const std::string& why) {
  parts_.counters.not_given_back += 1;
  parts_.alerts.tell("not_revoked:" + revocation.app,
                     "Tokens of " + revocation.subject + " could not be revoked at the provider: " + why +
                         " Remove the app in that account's own settings at the provider.", std::chrono::days(7));
}

// A token that is its own authorization needs nobody who vouches for the client.
Task<net::HttpOutcome> GivingBack::send(std::shared_ptr<const ProviderClient> client, GrantId whose, net::HttpCall call) {
  if (client->way && client->type.provider->revocation_shape == oauth::RevocationShape::form)
    co_return co_await client->way->revoke(whose, std::move(call));
  co_return co_await parts_.transport.send(std::move(call));
}

std::optional<GivingBack::Verdict> GivingBack::verdict_of(Rests rests) {
  switch (rests) {
    case Rests::yes: return Verdict{.again = kBackOffMax, .why = std::string(kRestsWords), .rests = true};
    case Rests::perhaps: return Verdict{.again = kBackOffMax, .why = std::string(kMayRestWords), .rests = true, .for_a_while = true};
    case Rests::no: break;
  }
  return std::nullopt;
}

GivingBack::Verdict GivingBack::unanswered(const net::HttpOutcome& outcome) {
  const auto* nothing = std::get_if<net::NothingSent>(&outcome);
  // What the Cloud Service refuses is somebody's to mend; that it is away or busy says nothing of the provider (C7).
  if (nothing != nullptr && nothing->error.kind == ErrorKind::misconfigured) return {.again = kOftenAtLeast, .why = nothing->error.text};
  const bool of_way = nothing != nullptr && is_of_the_way(nothing->error);
  return {.again = kBackOffMax, .why = of_way ? nothing->error.text : std::string(kUnreachableWords), .unreachable = true};
}

Task<GivingBack::Verdict> GivingBack::try_to_revoke(std::shared_ptr<Record> record, GrantId whose) {
  auto looked_at = parts_.steady.now();
  if (auto rests = verdict_of(co_await rested_on(record->app, record->account_id))) co_return *std::move(rests);
  auto found = co_await parts_.clients.client_for(record->type, record->app, record->params_json, record->extras_json);
  if (!found) {
    if (found.error().reason == "app_missing") co_return Verdict{.again = std::nullopt, .why = "The app registration is gone, so the provider cannot be asked."};
    co_return Verdict{.again = kOftenAtLeast, .why = found.error().text, .unreachable = found.error().kind == ErrorKind::unavailable};
  }
  const auto client = std::make_shared<const ProviderClient>(std::move(*found));
  const auto came_from = place_in(record->extras_json);
  if (!came_from.empty() && came_from != place_of(*client)) co_return Verdict{.again = std::nullopt, .why = std::string(kElsewhereWords)};
  record->extras_json = extras_with_place(record->extras_json, place_of(*client));  // where it was not known: from the next attempt on
  if (client->endpoints.revocation.empty()) co_return Verdict{.again = std::nullopt, .why = "The provider offers no way to revoke from outside."};
  Secret token = record->tokens.refresh.token.clone();
  auto hint = oauth::TokenHint::refresh_token;
  if (client->type.provider->revocation_token != catalog::RevocationToken::refresh_token) {
    // A last one would have to be had by way of the service, under an intent that the grant has no more.
    if (client->way && record->tokens.access.empty())
      co_return Verdict{.again = std::nullopt, .why = "This provider revokes by an access token, which cannot be had by way of the Cloud Service any more."};
    auto last = co_await last_access_token(client, record);
    if (!last) co_return Verdict{.again = kBackOffMax, .why = std::string(kUnreachableWords), .unreachable = true};
    token = *std::move(last);
    hint = oauth::TokenHint::access_token;
    if (token.empty()) co_return Verdict{.again = kBackOffMax, .why = "No access token could be had to revoke with."};
  }
  std::string why;
  for (std::size_t slot = 0;; ++slot) {
    // This process may have stood still since, or the provider may have taken its time: somebody may rest on the consent by now.
    while (parts_.steady.now() - looked_at > kLookStands) {
      looked_at = parts_.steady.now();
      if (auto rests = verdict_of(co_await rested_on(record->app, record->account_id))) co_return *std::move(rests);
    }
    auto call = call_for(oauth::revocation(
        {.endpoint = client->endpoints.revocation, .client = client->registration(slot), .shape = client->type.provider->revocation_shape,
         .token = &token, .hint = hint, .extra = client->type.extra.revocation}));
    const auto outcome = co_await send(client, whose, std::move(call));
    const auto* reply = std::get_if<net::Reply>(&outcome);
    if (reply == nullptr) co_return unanswered(outcome);
    why = "The provider answered " + std::to_string(reply->status) + ".";
    switch (oauth::classify_revocation(reply->status, base::as_text(reply->body))) {
      case oauth::RevocationOutcome::revoked: co_return Verdict{.again = std::nullopt, .why = std::move(why), .revoked = true};
      case oauth::RevocationOutcome::unsupported: co_return Verdict{.again = std::nullopt, .why = why + " It does not revoke such tokens."};
      case oauth::RevocationOutcome::transient:
        co_return Verdict{.again = kBackOffMax, .why = std::move(why), .unreachable = says_come_back(reply->status)};
      case oauth::RevocationOutcome::misconfigured_app: break;  // the other secret may still be good
    }
    if (slot + 1 >= client->secrets.size()) break;
  }
  co_return Verdict{.again = kOftenAtLeast, .why = why + " It refuses the app registration; mend that under OAuth settings."};
}

Task<GivingBack::Rests> GivingBack::rested_on(std::string app, std::string account_id) {
  // Those that wait first: what they wait for becomes a grant.
  if (waiting_ && co_await waiting_(app, account_id)) co_return Rests::yes;
  const auto now = canary(Canary::kept_not_counted) ? WallTime::max() : parts_.wall.now();
  const auto sharers = co_await parts_.store.sharers(
      {.app = app, .account_id = account_id, .now = now, .heard_since = parts_.wall.now() - Nodes::kAliveFor});
  if (!sharers) co_return Rests::yes;
  if (sharers->empty()) co_return Rests::no;
  co_return !account_id.empty() && sharers->front().account_id == account_id ? Rests::yes : Rests::perhaps;
}

Task<bool> GivingBack::lives_on(GrantId grant, std::string account_id) {
  const auto view = co_await parts_.store.grant(grant);
  if (!view) co_return true;
  if (!*view || !store::may_rest_on_consent((*view)->grant.state)) co_return false;
  const auto& its = (*view)->grant.account_id;
  co_return account_id.empty() || its.empty() || its == account_id;
}

Task<std::optional<Secret>> GivingBack::last_access_token(std::shared_ptr<const ProviderClient> client, std::shared_ptr<Record> record) {
  if (!record->tokens.access.empty()) co_return record->tokens.access.clone();
  const auto outcome = co_await parts_.transport.send(call_for(refresh_post(*client, record->tokens.refresh, 0)));
  const auto* reply = std::get_if<net::Reply>(&outcome);
  if (reply == nullptr) co_return std::nullopt;
  const auto type = reply->headers.find("Content-Type");
  auto parsed = oauth::parse_token_reply(reply->status, type ? std::string_view(*type) : std::string_view(), base::as_text(reply->body),
                                         client->type.reply_shape);
  if (parsed.refresh_token) record->tokens.refresh.token = std::move(*parsed.refresh_token);
  co_return parsed.access_token ? std::move(*parsed.access_token) : Secret();
}

// A switched-off grant (or one of a switched-off user) whose time has come.
Task<void> GivingBack::take_from_grant(store::Revocation revocation) {
  const auto view = co_await parts_.store.grant(revocation.grant);
  if (!view) {
    co_await rest_after(view.error());
    co_return;
  }
  if (!*view || (*view)->grant.state == store::GrantState::revoked) {
    co_await forget(std::move(revocation), {});
    co_return;
  }
  const auto grant = (*view)->grant;
  const auto user = co_await parts_.store.user(grant.user);
  if (!user) {
    co_await rest_after(user.error());
    co_return;
  }
  // Whoever switches it on and off again makes a new entry under the same id: what is decided here is of this one alone.
  store::Batch of_this;
  of_this.push_back(if_unchanged(grant));
  const bool by_itself = grant.state == store::GrantState::disabled;
  if (!by_itself && *user) of_this.push_back(store::UpdateUser{**user});
  if (!by_itself && (!*user || (*user)->enabled)) {  // taken back in time
    co_await forget(std::move(revocation), std::move(of_this));
    co_return;
  }
  if (const auto sound = parts_.sealing.check(grant); !sound) {
    parts_.log.error("grant_not_revoked", sound.error());
    revocation.attempts += 1;
    co_await put_off(std::move(revocation), kBackOffMax, "The stored grant was altered from outside and is not used.", std::move(of_this));
    co_return;
  }
  // A provider that turns out to offer no way leaves the grant as it is: switched off, and fit to be switched on again.
  const auto client = co_await parts_.clients.client_for(grant.type, grant.app, grant.params_json, grant.extras_json);
  // So is one that revokes by an access token, which a service may have to be asked for: try_to_revoke() says when that is too late.
  const auto offers_no_way = [](const ProviderClient& at) {
    return at.endpoints.revocation.empty() || (at.way && at.type.provider->revocation_shape != oauth::RevocationShape::form);
  };
  const bool pointless = client ? offers_no_way(*client) : client.error().reason == "app_missing";
  if (pointless) {
    co_await forget(std::move(revocation), std::move(of_this));
    co_return;
  }
  const bool too_long = parts_.wall.now() > revocation.created_at + parts_.tuning().give_up_after;
  const auto rests = client ? co_await rested_on(grant.app, grant.account_id) : Rests::no;
  if (too_long && (!client || rests == Rests::perhaps)) {
    const std::string why(client ? kMayRestWords : std::string_view(client.error().text));  // the grant stays as it is, fit to be switched on again
    tell_not_given_back(revocation, why);
    co_await drop(std::move(revocation), "grant.not_revoked", why, std::move(of_this));
    co_return;
  }
  if (!client || rests != Rests::no) {
    revocation.attempts += 1;
    if (rests == Rests::yes) revocation.created_at = parts_.wall.now();  // it may not go yet
    const auto words = !client ? std::string_view(client.error().text) : rests == Rests::yes ? kRestsWords : kMayRestWords;
    co_await put_off(std::move(revocation), client ? kBackOffMax : kOftenAtLeast, std::string(words), std::move(of_this));
    co_return;
  }
  const auto type = parts_.clients.catalog().find_type(grant.type);
  const auto provider = type ? parts_.clients.catalog().find_provider(type->provider) : nullptr;
  store::Batch batch;
  if (!by_itself && *user) batch.push_back(store::UpdateUser{**user});
  batch.push_back(store::DeleteRevocation{revocation.id});
  add_revoked(batch, **view, "It was switched off, and revoked at " + (provider ? provider->name : "the provider") + ". Authorise it again to use it.",
              "server", "");
  if (const auto done = co_await parts_.store.commit(std::move(batch)); !done) {  // after a race the next look sees what it left
    co_await rest_after(done.error());
    co_return;
  }
  parts_.grant_changed(grant.user, grant.id);
  nudge();
}

Task<void> GivingBack::forget(store::Revocation revocation, store::Batch with) {
  with.push_back(store::DeleteRevocation{revocation.id});
  if (const auto done = co_await parts_.store.commit(std::move(with), store::Urgency::bookkeeping); !done) co_await rest_after(done.error());
}

Task<void> GivingBack::put_off(store::Revocation revocation, Seconds most, std::string why, store::Batch with) {
  revocation.due_at = parts_.wall.now() + revocation_back_off(revocation.attempts, most);
  revocation.why = std::move(why);
  with.push_back(store::PutRevocation{std::move(revocation)});
  if (const auto done = co_await parts_.store.commit(std::move(with), store::Urgency::bookkeeping); !done) co_await rest_after(done.error());
}

Task<void> GivingBack::drop(store::Revocation revocation, std::string action, std::string why, store::Batch with) {
  with.push_back(store::DeleteRevocation{revocation.id});
  with.push_back(settled(revocation, std::move(action), std::move(why)));
  const auto done = co_await parts_.store.commit(std::move(with));
  if (done) co_return;
  parts_.log.error("revocation_not_settled", done.error());
  co_await rest_after(done.error());
}

Task<void> GivingBack::rest_after(Error why) {
  if (why.kind != ErrorKind::conflict && !stopping_) co_await wake_.wait_for(parts_.steady, kStoreRetry);
}

}  // namespace latchkey::grants

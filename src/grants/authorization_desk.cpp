#include "grants/authorization_desk.h"

#include <algorithm>

#include "base/json.h"
#include "crypto/hash.h"

namespace latchkey::grants {
namespace {

using namespace std::chrono_literals;
using store::AuthorizationState;

constexpr auto kSweepEvery = 5s;
constexpr auto kLookEvery = 2s;
constexpr auto kResultKeptFor = std::chrono::hours(1);
constexpr int kLooksAtExchanges = 300;
constexpr int kRaces = 20;
constexpr auto kDoubtPatience = 10s;  // to learn whether a commit has happened
constexpr auto kDoubtLook = 500ms;

std::unexpected<Error> unknown_authorization() {
  return fail(ErrorKind::not_found, "no_such_authorization", "This authorisation is unknown or long over.");
}

AuthorizationWay way_of(std::string_view name) {
  for (const auto way : {AuthorizationWay::device_code, AuthorizationWay::owner_link}) {
    if (name == name_of(way)) return way;
  }
  return AuthorizationWay::browser;
}

constexpr std::size_t kQuestionOctets = 16;

// Not the row's version: a rotation of the master key seals rows anew and asks nothing else.
std::string question_of(const store::Authorization& row) {
  if (row.state != AuthorizationState::held && row.state != AuthorizationState::needs_confirmation) return {};
  const auto digest = crypto::sha256(base::as_bytes(std::string(store::name_of(row.state)) + '\n' + row.result_json));
  return base::to_base64url(ByteView(digest).first(kQuestionOctets));
}

}  // namespace

AuthorizationDesk::AuthorizationDesk(Parts parts)
    : parts_(std::move(parts)), exchanges_(parts_.executor, parts_.log), sweeping_(parts_.executor, parts_.log),
      cloud_enrolment_(parts_.store, parts_.sealing),
      cookies_(parts_.vault, parts_.clients.address().url), refused_(parts_.log, parts_.steady), changes_(parts_.executor), under_way_(changes_.any()),
      device_codes_({.attempts = *this,
                     .store = parts_.store,
                     .journal = parts_.journal,
                     .exchange = parts_.exchange,
                     .clients = parts_.clients,
                     .keeper = parts_.keeper,
                     .counters = parts_.counters,
                     .transport = parts_.transport,
                     .under_way = under_way_,
                     .changes = changes_.any(),
                     .wall = parts_.wall,
                     .steady = parts_.steady,
                     .entropy = parts_.entropy,
                     .log = parts_.log,
                     .executor = parts_.executor,
                     .node = parts_.node,
                     .tuning = parts_.tuning,
                     .allowed = parts_.device_code_allowed}) {}

AuthorizationDesk::~AuthorizationDesk() = default;

void AuthorizationDesk::start_sweeping() {
  sweeping_.spawn("device codes", device_codes_.resume());
  sweeping_.spawn("authorizations", sweep());
}

Task<void> AuthorizationDesk::stop() {
  stopping_ = true;
  changes_.wake_all();
  co_await sweeping_.cancel_and_wait();
  co_await device_codes_.stop();
  co_await exchanges_.drain();
  stopped_ = true;
  changes_.wake_all();
}

Task<void> AuthorizationDesk::sweep() {
  for (;;) {
    const auto now = parts_.wall.now();
    if (auto overdue = co_await parts_.store.expired_authorizations(now, 100); overdue && !overdue->empty()) {
      const auto elsewhere = co_await exchanges_elsewhere();
      if (!elsewhere) overdue->clear();  // at the next look
      for (auto& row : *overdue) {
        // Its answer is on its way, or lies in a journal, and comes first.
        const auto exchange = exchange_id(row.id);
        if (under_way_.contains(row.id) || parts_.keeper.awaits_code(exchange) || elsewhere->contains(exchange)) continue;
        if (has_ended(row.state) || row.state == AuthorizationState::completed) {
          store::Batch batch;
          batch.push_back(store::DeleteAuthorization{row.id});
          batch.push_back(store::DeleteIntentsOf{exchange});
          [[maybe_unused]] const auto done = co_await parts_.store.commit(std::move(batch), store::Urgency::bookkeeping);
          continue;
        }
        auto flow = open(row);
        if (!flow) {
          co_await bury(std::move(row), flow.error());
          continue;
        }
        co_await expire(std::move(*flow));
      }
    }
    co_await parts_.steady.sleep_for(kSweepEvery);
  }
}

Task<bool> AuthorizationDesk::expire(Flow flow) {
  flow.record.actor = "server";  // nobody did this
  flow.record.source.clear();
  if (flow.row.state != AuthorizationState::pending) {
    co_return co_await end_unwanted(std::move(flow), AuthorizationState::expired, "unapproved", std::string(kNotApproved), "authorization.unapproved");
  }
  // Its answer has come, and whoever took it was cut off before there was an intent of it.
  if (!flow.record.device && flow.row.state_hash.empty() && flow.row.ticket_hash.empty())
    co_return co_await end_unwanted(std::move(flow), AuthorizationState::failed, "answer_lost", std::string(kCutOff), "authorization.failed");
  if (flow.record.device) parts_.counters.device_expired += 1;
  co_return co_await end_unwanted(std::move(flow), AuthorizationState::expired, "expired", std::string(kNotInTime), "authorization.expired");
}

Task<Result<std::set<GrantId>>> AuthorizationDesk::exchanges_elsewhere() {
  const auto intents = co_await parts_.store.open_intents(kOpenIntentsMax);
  if (!intents) co_return std::unexpected(intents.error());
  if (intents->size() == kOpenIntentsMax) co_return fail(ErrorKind::unavailable, "too_many_intents", "There are more open exchanges than are read at once.");
  std::set<GrantId> exchanges;
  for (const auto& intent : *intents) {
    const bool elsewhere = intent.node != parts_.node || !parts_.keeper.has_settled_lost();
    if (intent.generation == 0 && intent.state == store::IntentState::open && elsewhere) exchanges.insert(intent.grant);
  }
  co_return exchanges;
}

Task<void> AuthorizationDesk::bury(store::Authorization row, Error why) {
  parts_.log.error("authorization_unreadable", why);
  JsonObject result;
  result["problem_code"] = why.reason;
  result["problem_text"] = "What was kept of this authorisation cannot be read, so nothing was made of it. Press Authorize to begin again.";
  const auto seen = view_of(row);
  result["username"] = seen.username;
  result["type"] = seen.type;
  row.state = AuthorizationState::expired;
  row.ticket_hash.clear();
  row.state_hash.clear();
  row.expires_at = parts_.wall.now() + kResultKeptFor;
  row.result_json = boost::json::serialize(result);
  const auto id = row.id;
  store::Batch batch;
  batch.push_back(store::UpdateAuthorization{std::move(row)});
  batch.push_back(store::DeleteIntentsOf{exchange_id(id)});
  batch.push_back(store::AppendAudit{{.at = parts_.wall.now(), .actor = "server", .action = "authorization.failed",
                                      .subject = seen.username + " " + seen.type, .detail = std::move(why.text)}});
  if (const auto done = co_await parts_.store.commit(std::move(batch)); !done) parts_.log.error("authorization_not_settled", done.error());
  changes_.changed(id);
}

// ---- records -------------------------------------------------------------------------------------------------------

Secret AuthorizationDesk::random_text() const {
  const auto octets = parts_.entropy.bytes(32);
  return Secret(std::string_view(base::to_base64url(octets)));
}

Bytes AuthorizationDesk::hash(std::string_view use, std::string_view text) const {
  return parts_.vault.keyed_hash(use, base::as_bytes(text));
}

Result<PendingFlow> AuthorizationDesk::open(store::Authorization row) const {
  const auto plain = parts_.vault.open(flow_context(row.id), row.record_sealed);
  if (!plain) return std::unexpected(plain.error());
  auto record = FlowRecord::from_plain(*plain);
  if (!record) return std::unexpected(record.error());
  return Flow{.row = std::move(row), .record = std::move(*record)};
}

void AuthorizationDesk::seal_into(Flow& flow) const {
  flow.row.record_sealed = parts_.vault.seal(flow_context(flow.row.id), flow.record.to_plain());
}

Task<Result<void>> AuthorizationDesk::save(Flow& flow) {
  seal_into(flow);
  const auto id = flow.row.id;
  store::Batch batch;
  batch.push_back(store::UpdateAuthorization{flow.row});
  auto done = co_await write(flow, std::move(batch));
  changes_.changed(id);
  co_return done;
}

Task<Result<void>> AuthorizationDesk::write(const Flow& flow, store::Batch batch) {
  const auto until = parts_.steady.now() + kDoubtPatience;
  bool in_doubt = false;
  for (;;) {
    auto done = co_await parts_.store.commit(batch);
    if (done) co_return done;
    in_doubt |= done.error().kind == ErrorKind::ambiguous;
    if (!in_doubt) co_return done;
    const auto stored = co_await parts_.store.authorization(flow.row.id);
    const auto* row = stored && *stored ? &**stored : nullptr;
    const bool happened = row != nullptr && row->version == flow.row.version + 1 && row->record_sealed == flow.row.record_sealed;
    if (happened) co_return Result<void>{};
    if (stored && (row == nullptr || row->version != flow.row.version)) {
      co_return fail(ErrorKind::conflict, "version", "Somebody else has changed this authorisation meanwhile.");
    }
    // Unchanged, it is tried again: a first commit that comes late after all leaves the second nothing to change.
    const bool refused = stored && done.error().kind != ErrorKind::ambiguous && done.error().kind != ErrorKind::unavailable;
    if (refused) co_return done;
    if (parts_.steady.now() >= until) {
      co_return fail(ErrorKind::ambiguous, "commit_ambiguous",
                     "The answer of the store was lost, and it does not say now whether the change was made. Look at this authorisation again.",
                     {.detail = done.error().detail});
    }
    co_await parts_.steady.sleep_for(kDoubtLook);
  }
}

Task<Result<bool>> AuthorizationDesk::caught_up(Flow& flow, store::Authorization before) {
  auto stored = co_await parts_.store.authorization(before.id);
  if (!stored) co_return std::unexpected(stored.error());
  if (!*stored) co_return false;
  if ((*stored)->version == flow.row.version) co_return true;
  before.version = (*stored)->version;
  before.record_sealed = (*stored)->record_sealed;
  if (before != **stored) co_return false;
  const auto sealed_anew = open(std::move(**stored));
  if (!sealed_anew) co_return std::unexpected(sealed_anew.error());
  auto& record = flow.record;
  flow.row.version = sealed_anew->row.version;
  record.wrap_sealed = sealed_anew->record.wrap_sealed;
  record.user.private_key_wrapped = sealed_anew->record.user.private_key_wrapped;
  if (record.harvest) {
    // Sealed while the key changed, perhaps, and not stored yet: no rotation has seen it.
    const auto number = record.grant.generation + 1;
    auto refresh = parts_.sealing.renew_refresh(record.grant, number, record.harvest->refresh_sealed);
    if (!refresh) co_return std::unexpected(refresh.error());
    auto access = parts_.sealing.renew_access(record.grant, number, record.harvest->access_sealed);
    if (!access) co_return std::unexpected(access.error());
    record.harvest->refresh_sealed = std::move(*refresh);
    record.harvest->access_sealed = std::move(*access);
  }
  co_return true;
}

// Ends a flow with words and leaves nothing behind but them (C8).
Task<bool> AuthorizationDesk::settle(Flow flow, AuthorizationState state, std::string code, std::string text, std::string audit) {
  co_return co_await end(std::move(flow), state, std::move(code), std::move(text), std::move(audit), {}, Asking::over);
}

Task<bool> AuthorizationDesk::end(Flow flow, AuthorizationState state, std::string code, std::string text, std::string audit, store::Batch besides,
                                  Asking exchange) {
  const auto now = parts_.wall.now();
  const auto before = flow.row;
  flow.row.state = state;
  flow.row.ticket_hash.clear();
  flow.row.state_hash.clear();
  flow.row.expires_at = exchange == Asking::goes_on ? std::max(flow.row.expires_at, now + kResultKeptFor) : now + kResultKeptFor;
  flow.row.result_json = boost::json::serialize(ended_result(flow.record, code, text));
  const auto id = flow.row.id;
  store::AuditEntry entry{.at = now, .actor = flow.record.actor, .action = std::move(audit),
                          .subject = flow.record.user.username + " " + flow.record.grant.type,
                          .source = flow.record.source, .detail = std::move(text)};
  if (flow.record.kind != FlowKind::new_user) entry.user = flow.record.user.id;
  flow.record.code_verifier.clear();
  flow.record.imported.clear();
  flow.record.harvest.reset();
  Result<void> done;
  for (int race = 0; race < kRaces; ++race) {
    seal_into(flow);
    auto batch = besides;
    batch.push_back(store::UpdateAuthorization{flow.row});
    if (exchange == Asking::over) batch.push_back(store::DeleteIntentsOf{exchange_id(id)});
    batch.push_back(store::AppendAudit{entry});
    done = co_await write(flow, std::move(batch));
    if (done || done.error().kind != ErrorKind::conflict) break;
    const auto ours = co_await caught_up(flow, before);
    if (!ours || !*ours) break;
  }
  if (!done) parts_.log.error("authorization_not_settled", done.error());
  changes_.changed(id);
  co_return done.has_value();
}

Task<bool> AuthorizationDesk::end_unwanted(Flow flow, AuthorizationState state, std::string code, std::string text, std::string audit) {
  auto waiting = waiting_in(flow.record);
  auto entry = waiting ? parts_.giving_back.entry(waiting->whose, waiting->tokens) : std::nullopt;
  const bool given_back = entry.has_value();
  store::Batch besides;
  if (entry) besides.push_back(*std::move(entry));
  const bool is_spent = flow.answer_is_here();
  // Somebody may have said yes in the same moment: then it is wanted.
  const bool ended = co_await end(std::move(flow), state, std::move(code), std::move(text), std::move(audit), std::move(besides),
                                  is_spent ? Asking::goes_on : Asking::over);
  if (!ended) co_return false;
  if (given_back) parts_.giving_back.nudge();
  else if (waiting) parts_.giving_back.later(std::move(waiting->whose), std::move(waiting->tokens));  // which says that there is no way
  co_return true;
}

AuthorizationView AuthorizationDesk::view_of(const store::Authorization& row) const {
  AuthorizationView view{.id = row.id, .state = row.state, .question = question_of(row), .expires_at = row.expires_at, .created_by = row.created_by};
  const auto parsed = parse_json(row.result_json);
  if (!parsed || !parsed->is_object()) return view;
  const auto& result = parsed->get_object();
  view.problem_code = base::string_or(result, "problem_code");
  view.problem_text = base::string_or(result, "problem_text");
  view.user = UserId::parse(base::string_or(result, "user")).value_or(UserId{});
  view.grant = GrantId::parse(base::string_or(result, "grant")).value_or(GrantId{});
  view.username = base::string_or(result, "username");
  view.type = base::string_or(result, "type");
  view.account_id = base::string_or(result, "account_id");
  view.account_name = base::string_or(result, "account_name");
  view.before_id = base::string_or(result, "before_id");
  view.before_name = base::string_or(result, "before_name");
  view.holder = base::string_or(result, "holder");
  view.scopes = oauth::scope_words(base::string_or(result, "scopes"));
  view.missing_scopes = oauth::scope_words(base::string_or(result, "missing_scopes"));
  view.way = way_of(base::string_or(result, "way"));
  if (const auto* replaced = result.if_contains("replaced")) view.replaced = replaced->is_bool() && replaced->get_bool();
  if (row.state == AuthorizationState::completed) return view;  // of which nothing is left
  // What belongs to a flow lies sealed.
  const auto flow = open(row);
  if (!flow) return view;
  view.redirect_uri = flow->record.redirect_uri;
  if (row.state != AuthorizationState::pending) return view;
  if (flow->record.device) view.device = flow->record.device->prompt;
  view.opened = !flow->record.cookie_hash.empty();
  if (!flow->record.link_ticket.empty() && !row.ticket_hash.empty()) view.link = start_address(flow->record.link_ticket);
  return view;
}

Task<Result<AuthorizationView>> AuthorizationDesk::view(AuthorizationId id) {
  const auto row = co_await parts_.store.authorization(id);
  if (!row) co_return std::unexpected(row.error());
  if (!*row) co_return unknown_authorization();
  co_return view_of(**row);
}

Task<Result<AuthorizationView>> AuthorizationDesk::view_after_change(AuthorizationId id, Seconds wait) {
  AttemptChanges::Watch watch(changes_, id);
  const auto first = co_await parts_.store.authorization(id);
  if (!first) co_return std::unexpected(first.error());
  if (!*first) co_return unknown_authorization();
  const auto deadline = parts_.wall.now() + wait;
  auto row = **first;
  // That a browser has gone on with it is a change, too: whoever waits for an owner sees it.
  const bool begun = !row.state_hash.empty();
  while (row.state == AuthorizationState::pending && row.state_hash.empty() != begun && parts_.wall.now() < deadline && !stopped_) {
    // What another node has done is told by nobody.
    co_await watch.wait_for(parts_.steady, std::min<Milliseconds>(deadline - parts_.wall.now(), kLookEvery));
    const auto next = co_await parts_.store.authorization(id);
    if (!next) co_return std::unexpected(next.error());
    if (!*next) co_return unknown_authorization();
    row = **next;
  }
  co_return view_of(row);
}

Task<Result<std::vector<AuthorizationView>>> AuthorizationDesk::pending(std::size_t limit) {
  const auto rows = co_await parts_.store.pending_authorizations(limit);
  if (!rows) co_return std::unexpected(rows.error());
  std::vector<AuthorizationView> views;
  for (const auto& row : *rows) views.push_back(view_of(row));
  co_return views;
}

Task<bool> AuthorizationDesk::holds_consent(std::string app, std::string account_id) {
  // Whose consent is being spent is known when the answer has come, which takes a minute at most.
  for (int look = 0; look < kLooksAtExchanges && under_way_.any_at(app); ++look) co_await changes_.any().wait_for(parts_.steady, 1s);
  if (under_way_.any_at(app)) co_return true;
  const auto rows = co_await parts_.store.pending_authorizations(kWaitingMost);
  const auto elsewhere = co_await exchanges_elsewhere();
  if (!rows || !elsewhere) co_return true;
  for (const auto& row : *rows) {
    if (row.state == AuthorizationState::pending) {
      const auto exchange = exchange_id(row.id);
      if (!parts_.keeper.awaits_code(exchange) && !elsewhere->contains(exchange)) continue;
      const auto flow = open(row);
      if (!flow || flow->record.grant.app == app) co_return true;
      continue;
    }
    const auto account = view_of(row).account_id;
    const bool is_another = !account.empty() && !account_id.empty() && account != account_id;
    if (is_another) continue;
    const auto flow = open(row);
    if (!flow || flow->record.grant.app == app) co_return true;
  }
  co_return rows->size() == kWaitingMost;
}

Task<Result<bool>> AuthorizationDesk::has_unfinished(std::string app) {
  if (under_way_.any_at(app)) co_return true;
  AuthorizationId after;
  for (;;) {
    const auto page = co_await parts_.store.authorizations_after(after, kWaitingMost);
    if (!page) co_return std::unexpected(page.error());
    for (const auto& row : *page) {
      const bool waits = row.state == AuthorizationState::needs_confirmation || row.state == AuthorizationState::held;
      if (!waits && row.state != AuthorizationState::pending) continue;
      const auto flow = open(row);
      if (!flow || flow->record.grant.app != app) continue;  // of one that cannot be read nothing is ever sent
      const auto& record = flow->record;
      if (waits || !record.cookie_hash.empty() || record.device || !record.imported.empty()) co_return true;
    }
    if (page->size() < kWaitingMost) co_return false;
    after = page->back().id;
  }
}

Task<Result<void>> AuthorizationDesk::cancel(AuthorizationId id, Requester requester) {
  auto row = co_await parts_.store.authorization(id);
  if (!row) co_return std::unexpected(row.error());
  if (!*row) co_return unknown_authorization();
  if ((*row)->state != AuthorizationState::pending && (*row)->state != AuthorizationState::needs_confirmation &&
      (*row)->state != AuthorizationState::held) {
    co_return fail(ErrorKind::conflict, "already_over", "This authorisation is over already.");
  }
  auto flow = open(std::move(**row));
  if (!flow) co_return std::unexpected(flow.error());
  flow->record.actor = requester.actor;
  flow->record.source = requester.source;
  if (!co_await end_unwanted(std::move(*flow), AuthorizationState::cancelled, "cancelled", std::string(kCancelled), "authorization.cancelled")) {
    co_return fail(ErrorKind::conflict, "already_over", "This authorisation has moved on meanwhile; look at it again.");
  }
  co_return Result<void>{};
}

}  // namespace latchkey::grants

// The engine's desks with behaviour simple enough to see through, for tests of the console.
#pragma once

#include <atomic>
#include <map>
#include <string>
#include <utility>

#include "console/certificate_desk.h"
#include "delivery/delivery_desk.h"
#include "doctor/doctor.h"
#include "grants/apps.h"
#include "grants/authorize.h"
#include "grants/cloud_desk.h"
#include "grants/grant_desk.h"
#include "grants/key_rotation.h"
#include "grants/node_desk.h"
#include "people/directory.h"
#include "grants/health_desk.h"
#include "grants/notice_desk.h"
#include "store/store.h"

namespace latchkey::console {

// A key that rotates when it is told to, and not twice at once.
class PlainKeys final : public grants::Keys {
 public:
  grants::KeyStatus state{.id = Bytes(16, 1), .path = "/var/lib/latchkey/master.key", .place = "/var/lib/latchkey/master.key"};

  grants::KeyStatus status() const override { return state; }
  Task<Result<void>> rotate(grants::Requester requester) override {
    if (state.rotation) co_return fail(ErrorKind::conflict, "rotation_in_progress", "It is being rotated already.");
    last_actor = requester.actor;
    state.rotation = grants::RotationState{.from = state.id, .to = Bytes(16, 2), .started_at = base::from_unix_ms(0), .done = 3, .total = 7};
    state.id = Bytes(16, 2);
    co_return Result<void>{};
  }
  Task<Result<void>> cancel(grants::Requester requester) override {
    if (!state.prepared) co_return fail(ErrorKind::conflict, "not_prepared", "No new master key is prepared.");
    last_actor = requester.actor;
    state.prepared.reset();
    state.awaited.clear();
    co_return Result<void>{};
  }
  std::string last_actor;
};

// Ticket `t-N` starts attempt N. The session that began it is redirected, others see the confirmation.
class PlainAuthorizer final : public grants::Authorizer {
 public:
  explicit PlainAuthorizer(Entropy& entropy) : entropy_(entropy) {}

  Task<Result<grants::Begun>> begin(grants::AuthorizationWish wish, grants::Requester requester) override {
    if (auto refused = refusal) co_return std::unexpected(*refused);
    last_pin = wish.pin ? std::string(wish.pin->reveal_text()) : "";
    last_requester = requester;
    const auto id = AuthorizationId::make(base::SystemWallClock().now(), entropy_);
    auto& view = views[id];
    view.id = id;
    view.username = wish.username;
    view.type = wish.type;
    view.expires_at = base::SystemWallClock().now() + std::chrono::minutes(10);
    view.redirect_uri = "https://latchkey.example/oauth/callback/" + wish.app;
    const auto ticket = "t-" + std::to_string(++count);
    tickets[ticket] = {id, requester.session_hash};
    seats[id] = {.presentation = wish.presentation};
    co_return grants::Begun{.id = id, .start_url = "https://latchkey.example/oauth/start/" + ticket,
                            .redirect_uri = view.redirect_uri, .presentation = wish.presentation, .expires_at = view.expires_at};
  }
  Task<Result<grants::StartPage>> start(std::string ticket, Bytes session_hash, Confirmed confirmed, grants::Parameters) override {
    const auto found = tickets.find(ticket);
    if (found == tickets.end()) co_return fail(ErrorKind::not_found, "ticket_unknown", "Unknown.");
    if (confirmed == Confirmed::no && found->second.second != session_hash) {
      co_return grants::StartPage{.kind = grants::StartPage::Kind::confirm, .location = {}, .cookie = {}, .server = "https://latchkey.example",
                                  .username = "anna<b>", .type_name = "Box", .asked_by = {}, .account = {}};
    }
    views[found->second.first].opened = true;
    const bool same = !session_hash.empty() && found->second.second == session_hash;
    seats[found->second.first].viewer = same ? grants::Viewer::console : grants::Viewer::nobody;
    tickets.erase(found);
    co_return grants::StartPage{.kind = grants::StartPage::Kind::redirect, .location = "https://provider.example/authorize?state=s&x=\"y\"",
                                .cookie = "__Host-latchkey-flow-1=v; Path=/; Secure", .server = {}, .username = {}, .type_name = {}, .asked_by = {}, .account = {}};
  }
  Task<grants::CallbackPage> callback(std::string app, std::string query, grants::Parameters flow_cookies) override {
    last_app = std::move(app);
    last_query = std::move(query);
    last_cookies = std::move(flow_cookies);
    auto page = next_page;
    if (const auto seat = seats.find(page.id); seat != seats.end()) {
      page.viewer = seat->second.viewer;
      page.presentation = seat->second.presentation;
    }
    co_return page;
  }
  Task<grants::CallbackPage> relayed(std::string attempt, std::string handle, grants::Parameters flow_cookies) override {
    last_app = std::move(attempt);
    last_query = std::move(handle);
    last_cookies = std::move(flow_cookies);
    co_return next_page;
  }
  Task<Result<grants::AuthorizationView>> view(AuthorizationId id) override {
    const auto found = views.find(id);
    if (found == views.end()) co_return fail(ErrorKind::not_found, "no_such_authorization", "Unknown.");
    co_return found->second;
  }
  Task<Result<grants::AuthorizationView>> view_after_change(AuthorizationId id, Seconds wait) override {
    last_wait = wait;
    co_return co_await view(id);
  }
  Task<Result<void>> cancel(AuthorizationId id, grants::Requester) override {
    const auto found = views.find(id);
    if (found == views.end()) co_return fail(ErrorKind::not_found, "no_such_authorization", "Unknown.");
    if (found->second.state != store::AuthorizationState::pending) co_return fail(ErrorKind::conflict, "already_over", "Over.");
    found->second.state = store::AuthorizationState::cancelled;
    found->second.problem_code = "cancelled";
    found->second.problem_text = "Cancelled; nothing was made.";
    co_return Result<void>{};
  }
  Task<Result<std::vector<grants::AuthorizationView>>> pending(std::size_t limit) override {
    std::vector<grants::AuthorizationView> open;
    for (const auto& [id, view] : views) {
      const bool asks = view.state == store::AuthorizationState::held || view.state == store::AuthorizationState::needs_confirmation;
      if ((asks || view.state == store::AuthorizationState::pending) && open.size() < limit) open.push_back(view);
    }
    co_return open;
  }
  Task<Result<grants::AuthorizationView>> confirm(AuthorizationId id, Answer answer, std::string question, grants::Requester) override {
    auto& found = views[id];
    if (found.state != store::AuthorizationState::needs_confirmation) co_return fail(ErrorKind::conflict, "nothing_to_confirm", "Asks nothing.");
    if (question != found.question) co_return fail(ErrorKind::conflict, "question_changed", "Something else is asked now. " + found.problem_text);
    found.state = answer == Answer::accept ? store::AuthorizationState::completed : store::AuthorizationState::cancelled;
    co_return found;
  }
  Task<Result<void>> undo(AuthorizationId id, grants::Requester) override {
    auto& found = views[id];
    if (found.state != store::AuthorizationState::completed) co_return fail(ErrorKind::conflict, "nothing_to_undo", "Nothing left.");
    found.state = store::AuthorizationState::cancelled;
    co_return Result<void>{};
  }
  Task<Result<grants::AuthorizationView>> import_token(grants::AuthorizationWish wish, Secret refresh_token, grants::Requester requester) override {
    last_pin = std::string(refresh_token.reveal_text());
    auto begun = co_await begin(std::move(wish), std::move(requester));
    if (!begun) co_return std::unexpected(begun.error());
    views[begun->id].state = store::AuthorizationState::completed;
    co_return views[begun->id];
  }

  std::map<AuthorizationId, grants::AuthorizationView> views;
  struct Seat {
    grants::Presentation presentation = grants::Presentation::popup;
    grants::Viewer viewer = grants::Viewer::unknown;
  };
  std::map<AuthorizationId, Seat> seats;
  std::map<std::string, std::pair<AuthorizationId, Bytes>> tickets;
  std::optional<Error> refusal;
  grants::CallbackPage next_page;
  grants::Requester last_requester;
  std::string last_pin, last_app, last_query;
  grants::Parameters last_cookies;
  Seconds last_wait{-1};
  int count = 0;

 private:
  Entropy& entropy_;
};

// A Cloud Service that takes one code.
class PlainCloud final : public grants::CloudDesk {
 public:
  grants::CloudStatus state;
  std::optional<Error> refusal;

  std::atomic<int> proofs_asked{0};
  std::atomic<int> statuses_asked{0};

  Task<Result<grants::CloudStatus>> status() override {
    statuses_asked += 1;
    co_return state;
  }
  Task<Result<std::string>> name_proof() override {
    proofs_asked += 1;
    co_return state.enrolled ? "proof of " + state.office : std::string();
  }
  Task<Result<grants::CloudStatus>> enrol(std::string address, Secret code, grants::Requester) override {
    if (state.enrolled) co_return fail(ErrorKind::conflict, "cloud_enrolled", "Enrolled already.");
    if (code.reveal_text() != "LK1-good") {
      co_return fail(ErrorKind::refused, "cloud_code_unknown", "Not known here.", {.field = "enrolment_code"});
    }
    state = {.enrolled = true, .address = std::move(address), .office = "office-1", .label = "North Ltd", .service_key = "0123456789abcdef",
             .enrolled_at = base::from_unix_ms(0), .return_origin = "https://latchkey.example",
             .apps = {{.id = "cloud-dropbox-0a1b2c3d4e5f60718293a4b5c6d7e8f9", .provider = "dropbox", .types = {"dropbox"}}}};
    co_return state;
  }
  Task<Result<grants::CloudStatus>> check(grants::Requester) override {
    if (refusal) co_return std::unexpected(*refusal);
    co_return state;
  }
  Task<Result<grants::CloudStatus>> agree(grants::CloudAgreement agreement, grants::Requester) override {
    for (auto& each : state.apps) {
      if (each.id != agreement.app) continue;
      if (each.mode != agreement.mode || each.types != agreement.types || each.params != agreement.params) co_return fail(ErrorKind::conflict, "cloud_values_differ", "Others by now.");
      each.agreed = true;
      each.agreed_types = each.types;
      each.changes.clear();
      co_return state;
    }
    co_return fail(ErrorKind::not_found, "cloud_app_unknown", "Not offered.");
  }
  Task<Result<grants::CloudStatus>> look() override {
    if (refusal) co_return std::unexpected(*refusal);
    co_return state;
  }
  Task<Result<void>> leave(grants::Requester) override {
    if (!state.enrolled) co_return fail(ErrorKind::conflict, "cloud_not_enrolled", "Not enrolled.");
    state = {};
    co_return Result<void>{};
  }
};

class PlainApps final : public grants::Apps {
 public:
  Task<Result<std::vector<grants::AppView>>> list() override {
    std::vector<grants::AppView> all;
    for (const auto& [id, view] : views) all.push_back(view);
    co_return all;
  }
  Task<Result<grants::AppView>> put(grants::AppWish wish, grants::Requester) override {
    auto& view = views[wish.id];
    view.app.id = wish.id;
    view.app.provider = wish.provider;
    view.app.client_id = wish.client_id;
    view.redirect_uri = redirect_uri(wish.id);
    for (std::size_t slot = 0; slot < 2; ++slot) {
      view.secret_set[slot] = wish.secrets[slot].kind != grants::SecretWish::Kind::clear;
      view.app.secrets[slot].expires_at = wish.secrets[slot].expires_at;
    }
    last = std::move(wish);
    co_return view;
  }
  Task<Result<void>> remove(std::string id, grants::Requester) override {
    if (views[id].grants > 0) co_return fail(ErrorKind::conflict, "app_in_use", "Grants depend on this app.");
    views.erase(id);
    co_return Result<void>{};
  }
  std::string redirect_uri(std::string_view app) const override { return "https://latchkey.example/oauth/callback/" + std::string(app); }

  std::map<std::string, grants::AppView> views;
  grants::AppWish last;
};

class PlainGrantDesk final : public grants::GrantDesk {
 public:
  explicit PlainGrantDesk(store::Store& store) : store_(store) {}
  Task<Result<store::Grant>> refresh(GrantId grant, grants::Requester) override {
    if (auto refused = refusal) co_return std::unexpected(*refused);
    co_return (*co_await store_.grant(grant))->grant;
  }
  Task<Result<grants::CheckResult>> check(GrantId, grants::Requester) override {
    if (auto refused = refusal) co_return std::unexpected(*refused);
    co_return grants::CheckResult{.account_id = "a1", .account_name = "anna@example.com", .words = "Answered."};
  }
  Task<Result<store::Grant>> set_enabled(GrantId grant, bool enabled, grants::Requester) override {
    auto record = (*co_await store_.grant(grant))->grant;
    record.state = enabled ? store::GrantState::active : store::GrantState::disabled;
    store::Batch batch;
    batch.push_back(store::UpdateGrant{record});
    if (auto done = co_await store_.commit(std::move(batch)); !done) co_return std::unexpected(done.error());
    co_return record;
  }
  Task<Result<void>> remove(GrantId grant, grants::Requester) override {
    store::Batch batch;
    batch.push_back(store::DeleteGrant{grant});
    co_return co_await store_.commit(std::move(batch));
  }
  Task<Result<grants::RevokedPage>> revoke_page(grants::RevokeScope scope, GrantId after, std::size_t limit, grants::OnRevoke how, grants::Requester) override {
    const auto found = co_await store_.grants_after(after, limit);
    grants::RevokedPage page{.grants = 0, .by_type = {}, .by_hand = {}, .perhaps = {}, .last = after, .more = found->size() == limit};
    for (auto grant : *found) {
      page.last = grant.id;
      if (grant.state == store::GrantState::revoked || (!scope.app.empty() && grant.app != scope.app) ||
          (!scope.type.empty() && grant.type != scope.type)) continue;
      page.grants += 1;
      page.by_type[grant.type] += 1;
      if (how == grants::OnRevoke::only_count) continue;
      grant.state = store::GrantState::revoked;
      store::Batch batch;
      batch.push_back(store::UpdateGrant{std::move(grant)});
      if (auto done = co_await store_.commit(std::move(batch)); !done) co_return std::unexpected(done.error());
    }
    co_return page;
  }

  std::optional<Error> refusal;

 private:
  store::Store& store_;
};

// Whose grants would be given back, once they are gone.
class PlainLeaving final : public people::LeavingListener {
 public:
  Task<Result<Departure>> leaving(store::User user, people::Actor) override {
    co_return Departure{.first = {}, .gone = [this, id = user.id] { gone.push_back(id); }};
  }

  std::vector<UserId> gone;
};

// One node that runs, one that does not.
class PlainNodeDesk final : public grants::NodeDesk {
 public:
  explicit PlainNodeDesk(Entropy& entropy) {
    const auto now = base::SystemWallClock().now();
    views.push_back({.node = {.id = NodeId::make(now, entropy), .name = "attic", .version = "1", .started_at = now, .seen_at = now},
                     .here = true, .alive = true});
    views.push_back({.node = {.id = NodeId::make(now, entropy), .name = "cellar", .version = "1", .started_at = now, .seen_at = now},
                     .open_exchanges = 2});
  }
  Task<Result<std::vector<grants::NodeView>>> list() override { co_return views; }
  Task<Result<void>> forget(NodeId node, grants::Requester) override {
    for (auto view = views.begin(); view != views.end(); ++view) {
      if (view->node.id != node) continue;
      if (view->alive) co_return fail(ErrorKind::conflict, "node_alive", "This node is running.");
      views.erase(view);
      co_return Result<void>{};
    }
    co_return fail(ErrorKind::not_found, "no_such_node", "There is no such node.");
  }
  std::vector<grants::NodeView> views;
};

class PlainHealthDesk final : public grants::HealthDesk {
 public:
  Task<Result<std::shared_ptr<const grants::HealthPicture>>> look() override { co_return std::make_shared<const grants::HealthPicture>(picture); }
  grants::HealthPicture picture;
};

// Finds one thing of each severity.
class PlainExaminer final : public doctor::Examiner {
 public:
  Task<Result<std::shared_ptr<const doctor::Report>>> examine() override {
    if (refusal) co_return std::unexpected(*refusal);
    ++examinations;
    auto report = std::make_shared<doctor::Report>();
    report->examined_at = base::from_unix_ms(1'800'000'000'000);
    report->took = Milliseconds(12);
    report->findings.push_back({.check = "redirect_uris", .subject = "box", .severity = doctor::Severity::error, .seen = "Refused.", .remedy = "Register it.",
                                .handovers = {{.kind = doctor::Handover::Kind::copy, .label = "Redirect URI", .text = "https://a.example/oauth/callback/box"}}});
    report->findings.push_back({.check = "disk", .subject = "/var/lib/latchkey", .seen = "9 GiB are free.", .remedy = {}, .handovers = {}});
    known = report;
    co_return known;
  }
  std::shared_ptr<const doctor::Report> last() const override { return known; }

  std::optional<Error> refusal;
  int examinations = 0;
  std::shared_ptr<const doctor::Report> known;
};

// Says what it was asked, and nothing of what it serves.
class PlainCertificateDesk final : public CertificateDesk {
 public:
  CertificateStatus status() const override { return now; }
  Task<Result<CertificateStatus>> use(std::string, Secret) override { return change("use"); }
  Task<Result<CertificateStatus>> own_authority(std::vector<std::string> names) override { return change("own " + (names.empty() ? std::string() : names.front())); }
  Task<Result<CertificateStatus>> self_signed(std::vector<std::string> names) override { return change("self " + (names.empty() ? std::string() : names.front())); }
  std::string root() const override { return root_pem; }

  CertificateStatus now;
  std::string root_pem;
  std::vector<std::string> changes;

 private:
  Task<Result<CertificateStatus>> change(std::string what) {
    changes.push_back(std::move(what));
    co_return now;
  }
};

class PlainNoticeDesk final : public grants::NoticeDesk {
 public:
  Task<Result<void>> test(grants::Channel channel) override {
    tested.push_back(channel);
    if (auto refused = refusal) co_return std::unexpected(*refused);
    co_return Result<void>{};
  }
  Task<Result<std::vector<grants::ChannelStatus>>> status() override {
    co_return std::vector<grants::ChannelStatus>{{.channel = grants::Channel::mail, .on = true, .target = "ops@example.org"}};
  }
  Task<Result<void>> set_secret(grants::Channel channel, Secret secret, std::string, std::string) override {
    secrets[channel] = std::string(secret.reveal_text());
    co_return Result<void>{};
  }
  Task<Result<void>> mail_person(grants::PersonMail mail) override {
    if (auto refused = refusal) co_return std::unexpected(*refused);
    mailed.push_back(std::move(mail));
    co_return Result<void>{};
  }
  std::optional<Error> refusal;
  std::vector<grants::PersonMail> mailed;
  std::vector<grants::Channel> tested;
  std::map<grants::Channel, std::string> secrets;
};

// Takes back what was accepted, and nothing else.
class PlainDeliveryDesk final : public delivery::DeliveryDesk {
 public:
  Task<Result<store::Delivery>> retry(DeliveryId id, people::Actor actor) override {
    retried_by = actor.name;
    co_return store::Delivery{.id = id, .state = store::DeliveryState::queued};
  }
  Task<Result<store::Delivery>> reroute(DeliveryId, std::string, people::Actor) override {
    co_return fail(ErrorKind::conflict, "pin_needed", "Only the submitter's PIN opens that account.");
  }
  Task<Result<void>> remove(DeliveryId, people::Actor) override {
    co_return fail(ErrorKind::conflict, "being_sent", "The document is being sent at this moment.");
  }
  Task<Result<Document>> document(DeliveryId, people::Actor) override {
    co_return fail(ErrorKind::not_found, "document_gone", "The document is no longer here.");
  }
  std::string retried_by;
};

// Gives whatever the PIN `k7mq2xw9pd` asks for.
class PlainAccountAccess final : public delivery::AccountAccess {
 public:
  explicit PlainAccountAccess(Entropy& entropy) : entropy_(entropy) {}
  Task<Result<grants::MadeStanding>> give(store::Connector connector, delivery::OwnersPin pin, people::Actor actor) override {
    if (auto tried = co_await try_by_pin(std::move(connector), std::move(pin), std::move(actor)); !tried) co_return std::unexpected(tried.error());
    grants::MadeStanding made;
    made.standing = {.id = DelegationId::make(WallTime{}, entropy_), .grant = GrantId::make(WallTime{}, entropy_), .public_key = Bytes(32, 1),
                     .private_key_sealed = Bytes(32, 2), .created_at = WallTime{} + Seconds(1'700'000'000)};
    living.push_back(made.standing.id);
    co_return made;
  }
  Task<Result<void>> try_by_pin(store::Connector, delivery::OwnersPin pin, people::Actor) override {
    if (pin.pin.reveal_text() == "k7mq2xw9pd") co_return Result<void>{};
    co_return fail(ErrorKind::invalid, "invalid_fields", "That is not the PIN of the account's owner.", {.field = "owner_pin"});
  }
  Task<Result<void>> try_standing(store::Connector) override {
    if (auto refused = refusal) co_return std::unexpected(*refused);
    co_return Result<void>{};
  }
  Task<Result<bool>> lives(store::StandingDelegation standing) override {
    co_return std::ranges::find(living, standing.id) != living.end();
  }
  std::vector<DelegationId> living;
  std::optional<Error> refusal;

 private:
  Entropy& entropy_;
};

class NoTransport final : public net::HttpTransport {
 public:
  Task<net::HttpOutcome> send(net::HttpCall) override { co_return net::NothingSent{}; }
};

}  // namespace latchkey::console

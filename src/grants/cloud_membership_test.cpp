// What a Cloud Service says anew about its apps, and records that somebody has altered meanwhile.
#include "grants/cloud_membership.h"

#include <gmock/gmock.h>

#include "cloud/office_name.h"
#include "grants/cloud_enrolment_reader.h"
#include "grants/keeper_testing.h"
#include "grants/revocation_prospect.h"

namespace latchkey::grants {
namespace {

// Says the same view of itself, however often it is asked.
class ViewService final : public net::HttpTransport {
 public:
  cloud::ServiceView view;
  store::Store* store = nullptr;
  store::Batch meanwhile;  // what somebody else writes while it is asked, once
  int asked = 0;
  Task<net::HttpOutcome> send(net::HttpCall) override {
    asked += 1;
    auto written = std::exchange(meanwhile, {});
    if (!written.empty()) EXPECT_TRUE(co_await store->commit(std::move(written)));
    net::Reply reply;
    reply.status = 200;
    reply.body = base::to_bytes(cloud::to_json(view));
    co_return reply;
  }
};

// A provider that takes clients without a secret.
constexpr std::string_view kOpen = R"({
  "schema": 1, "id": "open", "name": "Open", "seen_on": "2026-11-27",
  "endpoints": {"issuer": "https://open.example", "authorization": "https://open.example/authorize", "token": "https://open.example/token"},
  "client_authentication": ["none"], "pkce": true, "code_lifetime_s": 60,
  "redirect": {"https_required": true, "http_localhost": true, "note": "none"},
  "account": {"source": "reply", "id": ["account"], "name": ["account"]},
  "steps": [{"text": "one"}, {"text": "two"}, {"text": "three"}],
  "types": [
    {"id": "open", "name": "Open", "kind": "storage", "scopes": {"request": [{"scope": "files", "why": "x"}]},
     "resource": "https://open.example", "rotation": "single_use", "replay": "revokes_family"}
  ]})";

class OpenHouse : public KeeperHouse {
 protected:
  OpenHouse() {
    const auto with_open = catalogue->with_file("open.json", kOpen);
    EXPECT_TRUE(with_open) << (with_open ? "" : with_open.error().text);
    catalogue = *with_open;
    run(stop_keeper());
    start();
  }
};

class Membership : public OpenHouse {
 protected:
  Membership() {
    service.view = {.office = "0199-office",
                    .label = "North Ltd",
                    .keys = relay.public_half(),
                    .return_origins = {"https://latchkey.example"},
                    .apps = {}};
    service.view.apps.push_back({.id = "op",
                                 .provider = "open",
                                 .client_id = "client-of-service",
                                 .redirect_uri = "https://relay.example/oauth/callback/op",
                                 .params = {},
                                 .types = {"open"}});
    service.store = store.get();
    commit(replace_cloud_enrolment(sealing, enrolment_at("https://relay.example")));
    EXPECT_TRUE(run(membership.check({.actor = "anna"})));
  }
  // As whoever has enrolled there has it: all that is offered is agreed to.
  CloudEnrolment enrolment_at(std::string address) {
    CloudEnrolment enrolment{.address = std::move(address),
                             .enrolled_at = wall.now(),
                             .keys = cloud::PartyKeys::make(entropy),
                             .service = service.view};
    for (const auto& app : service.view.apps) enrolment.agree_to(app);
    return enrolment;
  }
  std::string address() { return run(membership.status())->address; }
  store::App app() {
    const auto found = run(store->app(cloud_app_id("https://relay.example", service.view.apps.front())));
    return found && *found ? **found : throw std::runtime_error("the service's app is not in the store");
  }
  void service_moves() { service.view.apps.front().redirect_uri = "https://relay.example/elsewhere/op"; }
  CloudEnrolment enrolment() { return (*run(read_cloud_enrolment(*store, sealing)))->clone(); }
  CloudStatus::App seen(const cloud::ServiceApp& app) {
    for (const auto& each : run(membership.status())->apps) {
      if (each.id == cloud_app_id("https://relay.example", app)) return each;
    }
    throw std::runtime_error("not offered");
  }
  std::optional<store::App> stored(const cloud::ServiceApp& app) { return *run(store->app(cloud_app_id("https://relay.example", app))); }
  // To just what it is.
  Result<CloudStatus> agree_to(const cloud::ServiceApp& app) {
    return run(membership.agree({.app = cloud_app_id("https://relay.example", app), .mode = std::string(cloud::name_of(app.mode)), .types = app.types,
                                 .params = {app.params.begin(), app.params.end()}}, {.actor = "anna"}));
  }
  bool audited(std::string_view action, std::string_view words) {
    const auto trail = run(store->audit({}));
    return trail && std::ranges::any_of(trail->items, [&](const auto& entry) { return entry.action == action && entry.detail.contains(words); });
  }
  bool has_moved() { return cloud_route_of(app())->redirect_uri == "https://relay.example/elsewhere/op"; }

  ViewService service;
  cloud::PartyKeys relay = cloud::PartyKeys::make(entropy);
  CloudLine line{service, wall, steady, entropy, log};
  AppUses uses{*store};
  CloudMembership membership{*store, sealing, *clients, line, uses, wall};
};

TEST_F(Membership, F8_OnlyWhereBrowsersComeBackToIsTakenOver) {
  auto pinned = app();
  pinned.token_origin += std::string(kPinMark) + "https://token.acme.example";
  sealing.vouch(pinned);
  commit({store::PutApp{pinned}});
  service_moves();
  ASSERT_TRUE(run(membership.check({.actor = "anna"})));
  EXPECT_TRUE(has_moved());
  EXPECT_EQ(app().token_origin, pinned.token_origin);
  EXPECT_TRUE(sealing.check(app()));
}

TEST_F(Membership, WhoLooksTakesNothingOver) {
  service_moves();
  const auto seen = run(membership.look());
  ASSERT_TRUE(seen) << seen.error().text;
  EXPECT_EQ(seen->label, "North Ltd");
  EXPECT_FALSE(has_moved());
  service.view.return_origins = {"https://former.example"};
  const auto refused = run(membership.look());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "cloud_return_origin");
  EXPECT_EQ(run(membership.status())->return_origin, "https://latchkey.example") << "nothing of it was kept";
}

TEST_F(Membership, K3_AnAlteredRecordIsNotVouchedForAnew) {
  auto altered = app();
  altered.client_id = "client-of-mallory";
  commit({store::PutApp{altered}});
  ASSERT_FALSE(sealing.check(app()));
  service_moves();
  const auto checked = run(membership.check({.actor = "anna"}));
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().reason, "record_altered");
  EXPECT_FALSE(sealing.check(app())) << "it would be good again";
}

// The ids of such records end in a digest of what the service chooses: should two ever agree, the one that is there stays.
TEST_F(Membership, Attack_AServiceThatChangesTheModeOfAClientItHasGiven) {
  auto collides = service.view.apps.front();
  collides.mode = cloud::Mode::exchange;
  auto present = app();
  present.id = cloud_app_id("https://relay.example", collides);
  present.version = 0;
  sealing.vouch(present);
  commit({store::PutApp{present}});
  service.view.apps.front() = collides;
  ASSERT_TRUE(run(membership.check({.actor = "anna"})));
  const auto agreed = agree_to(collides);
  ASSERT_FALSE(agreed);
  EXPECT_EQ(agreed.error().reason, "cloud_app_changed") << agreed.error().text;
  EXPECT_EQ(cloud_route_of(app())->mode, cloud::Mode::forward) << "refresh tokens of this client would go to the service";
  EXPECT_FALSE(seen(collides).agreed);
}

TEST_F(Membership, Attack_TextsThatTheServiceChoosesNeverRunTogetherInAnId) {
  const auto forwarded = service.view.apps.front();
  auto other = forwarded;
  other.mode = cloud::Mode::exchange;
  const auto id = [](const cloud::ServiceApp& app) { return cloud_app_id("https://relay.example", app); };
  EXPECT_NE(id(forwarded), id(other));
  auto glued = forwarded;
  glued.client_id += "\nexchange";
  EXPECT_NE(id(glued), id(other));
  EXPECT_GE(id(forwarded).size() - id(forwarded).rfind('-') - 1, 32U) << "whoever chooses the texts can find two that agree";
}

// --- where codes and tokens go is not the service's to change ---

class Agreeing : public Membership {
 protected:
  static cloud::ServiceApp named(std::string id, std::string issuer) {
    return {.id = std::move(id),
            .provider = "oidc",
            .client_id = "client-of-service",
            .redirect_uri = "https://relay.example/oauth/callback/op2",
            .params = {{"issuer", std::move(issuer)}, {"scopes", "openid offline_access"}},
            .types = {"oidc"}};
  }
  bool used_for_oidc() { return enrolment().app_for("oidc") != nullptr; }
  Result<CloudStatus> agree(cloud::ServiceApp app, std::string issuer) {
    app.params.front().second = std::move(issuer);
    return agree_to(app);
  }
};

TEST_F(Agreeing, Attack_AnIssuerThatTheServiceNamesAfterwardsIsNotUsedBeforeSomebodyAgrees) {
  const auto app = named("op2", "https://login.example");
  service.view.apps.push_back(app);
  ASSERT_TRUE(run(membership.check({.actor = "anna"})));
  EXPECT_FALSE(seen(app).agreed);
  EXPECT_EQ(seen(app).params.at("issuer"), "https://login.example");
  EXPECT_FALSE(stored(app)) << "no consent finds it";
  EXPECT_FALSE(used_for_oidc());

  EXPECT_EQ(agree(app, "https://other.example").error().reason, "cloud_values_differ");
  EXPECT_FALSE(used_for_oidc());
  ASSERT_TRUE(agree(app, "https://login.example"));
  EXPECT_TRUE(seen(app).agreed);
  EXPECT_TRUE(used_for_oidc());
  ASSERT_TRUE(stored(app));
  EXPECT_EQ(values_of_json(stored(app)->params_json).at("issuer"), "https://login.example");
  ASSERT_TRUE(run(membership.check({.actor = "anna"})));
  EXPECT_TRUE(used_for_oidc()) << "for good";
  EXPECT_EQ(agree(named("other", "https://login.example"), "https://login.example").error().reason, "cloud_app_unknown");
  EXPECT_TRUE(audited("cloud.app_agreed", "mode: forward, types: oidc, issuer: https://login.example"));
}

TEST_F(Agreeing, Attack_AnIssuerThatTheServiceChangesIsNotFollowedAndGrantsStayWithTheirs) {
  const auto app = named("op2", "https://login.example");
  service.view.apps.push_back(app);
  ASSERT_TRUE(run(membership.check({.actor = "anna"})));
  ASSERT_TRUE(agree(app, "https://login.example"));
  const auto before = *stored(app);

  auto evil = app;
  evil.params.front().second = "https://evil.example";
  service.view.apps.back() = evil;
  ASSERT_TRUE(run(membership.check({.actor = "anna"})));
  EXPECT_FALSE(seen(evil).agreed);
  EXPECT_FALSE(used_for_oidc());
  EXPECT_EQ(stored(app)->params_json, before.params_json) << "what is there goes on with it";
  EXPECT_TRUE(sealing.check(*stored(app)));

  // While no account rests on it, an administrator may follow.
  ASSERT_TRUE(agree(evil, "https://evil.example"));
  EXPECT_EQ(values_of_json(stored(evil)->params_json).at("issuer"), "https://evil.example");
  EXPECT_TRUE(sealing.check(*stored(evil)));
}

// A consent that waits, an account, and tokens on their way back: their tokens would go where the other issuer says.
class InUse : public Agreeing {
 protected:
  InUse() {
    uses.set_attempts([this](std::string app) -> Task<Result<bool>> { co_return attempts.contains(app); });
    service.view.apps.push_back(op);
    EXPECT_TRUE(run(membership.check({.actor = "anna"})));
    EXPECT_TRUE(agree(op, "https://login.example"));
    other.params.front().second = "https://evil.example";
    service.view.apps.back() = other;
    EXPECT_TRUE(run(membership.check({.actor = "anna"})));
  }
  void expect_refused(std::string_view words) {
    const auto agreed = agree(other, "https://evil.example");
    ASSERT_FALSE(agreed) << words;
    EXPECT_EQ(agreed.error().reason, "cloud_app_in_use");
    EXPECT_NE(agreed.error().text.find(words), std::string::npos) << agreed.error().text;
    EXPECT_EQ(values_of_json(stored(op)->params_json).at("issuer"), "https://login.example");
    EXPECT_FALSE(seen(other).agreed);
  }
  store::Revocation put_revocation() {
    store::Revocation row{.id = RevocationId::make(wall.now(), entropy), .grant = {}, .app = id, .subject = "drive", .record_sealed = Bytes(9, 1), .attempts = 0,
                          .due_at = wall.now() + 24h, .created_at = wall.now(), .why = "no answer"};
    commit({store::PutRevocation{row}});
    return row;
  }
  store::Grant put_grant_here() {
    store::Batch batch;
    auto grant = add_grant(batch, "oidc");
    for (auto& each : batch) {
      auto* insert = std::get_if<store::InsertGrant>(&each);
      if (insert == nullptr) continue;
      insert->grant.app = id;
      sealing.vouch(insert->grant);
      grant = insert->grant;
    }
    commit(std::move(batch));
    return grant;
  }
  std::set<std::string> attempts;
  cloud::ServiceApp op = named("op2", "https://login.example");
  cloud::ServiceApp other = op;
  std::string id = cloud_app_id("https://relay.example", op);
};

TEST_F(InUse, F8_AnotherIssuerIsNotAgreedToWhileTokensOfTheFormerAreHere) {
  attempts = {id};
  expect_refused("is under way or waits for an answer");
  attempts.clear();
  const auto grant = put_grant_here();
  expect_refused("Accounts here were authorised with other values");
  commit({store::DeleteGrant{grant.id}});
  const auto revocation = put_revocation();
  expect_refused("wait to be given back");
  commit({store::DeleteRevocation{revocation.id}});
  ASSERT_TRUE(agree(other, "https://evil.example"));
  EXPECT_EQ(values_of_json(stored(op)->params_json).at("issuer"), "https://evil.example");
}

TEST_F(InUse, S1_LeavingKeepsARegistrationWhoseTokensAreHere) {
  attempts = {id};
  ASSERT_TRUE(run(membership.leave({.actor = "anna"})));
  EXPECT_TRUE(stored(op)) << "a consent waits";
  EXPECT_FALSE(*run(store->app(cloud_app_id("https://relay.example", service.view.apps.front())))) << "of the other there is nothing";
}

TEST_F(InUse, S1_LeavingKeepsARegistrationWhoseTokensAreOnTheirWayBack) {
  put_revocation();
  ASSERT_TRUE(run(membership.leave({.actor = "anna"})));
  EXPECT_TRUE(stored(op));
}

// --- a record of an earlier version, which asked about values alone, or about nothing ---

class Earlier : public Agreeing {
 protected:
  // `agreed`: what it has kept there; absent: nothing.
  void had(const std::optional<JsonObject>& agreed) {
    const auto keys = relay.clone();
    JsonObject record{{"v", 1}, {"address", "https://relay.example"}, {"enrolled_at", 1}, {"keys", base::to_base64url(keys.to_plain().reveal())}, {"service", cloud::to_json(service.view)}};
    if (agreed) record["agreed"] = *agreed;
    const std::string key(kCloudEnrolmentMeta);
    commit({store::PutMeta{key, sealing.seal_channel_secret(key, Secret{std::string_view(boost::json::serialize(record))})}});
  }
  void add(cloud::ServiceApp app) { service.view.apps.push_back(std::move(app)); }
};

TEST_F(Earlier, S1_WhatItHasTakenOverIsAgreedTo) {
  const auto app = named("op2", "https://login.example");
  add(app);
  had(std::nullopt);
  EXPECT_TRUE(used_for_oidc());
  EXPECT_TRUE(enrolment().app_for("open"));
  ASSERT_TRUE(run(membership.check({.actor = "anna"})));
  EXPECT_TRUE(seen(app).agreed);
  const auto later = named("op3", "https://third.example");
  add(later);
  ASSERT_TRUE(run(membership.check({.actor = "anna"})));
  EXPECT_FALSE(seen(later).agreed);
}

TEST_F(Earlier, S1_WhatItAskedAboutAndNobodyHasAgreedToStaysSo) {
  const auto agreed = named("op2", "https://login.example");
  const auto other = named("op3", "https://third.example");
  const auto changed = named("op4", "https://fourth.example");
  for (const auto& each : {agreed, other, changed}) add(each);
  const auto values = [](const char* issuer) { return JsonObject{{"issuer", issuer}, {"scopes", "openid offline_access"}}; };
  had(JsonObject{{cloud_app_id("https://relay.example", agreed), values("https://login.example")}, {cloud_app_id("https://relay.example", changed), values("https://before.example")}});
  EXPECT_TRUE(seen(agreed).agreed);
  EXPECT_TRUE(seen(service.view.apps.front()).agreed) << "it brings no values: nobody was asked";
  EXPECT_FALSE(seen(other).agreed);
  EXPECT_FALSE(seen(changed).agreed);
  service.view.apps.front().mode = cloud::Mode::exchange;
  ASSERT_TRUE(run(membership.check({.actor = "anna"})));
  EXPECT_FALSE(seen(service.view.apps.front()).agreed) << "from now on it is asked about";
}

// --- nor is who sees tokens, as whose client, and for what ---

TEST_F(Agreeing, Attack_AServiceThatTurnsARegistrationToExchangeModeSeesNoNewConsentsTokensBeforeSomebodyAgrees) {
  const auto forwarded = service.view.apps.front();
  auto& offered = service.view.apps.front();
  offered.mode = cloud::Mode::exchange;
  ASSERT_TRUE(run(membership.check({.actor = "anna"})));
  EXPECT_FALSE(seen(offered).agreed);
  EXPECT_THAT(seen(offered).changes, testing::ElementsAre("mode: exchange instead of forward"));
  EXPECT_THAT(seen(offered).agreed_types, testing::IsEmpty());
  EXPECT_FALSE(enrolment().app_for("open"));
  EXPECT_TRUE(enrolment().app_to_agree_to("open")) << "the refusal says that an agreement is wanting";
  EXPECT_FALSE(enrolment().app_for("open", cloud_app_id("https://relay.example", offered))) << "named, it is no other";
  EXPECT_FALSE(stored(offered));
  EXPECT_TRUE(audited("cloud.checked", "op: mode: exchange instead of forward"));
  EXPECT_EQ(cloud_route_of(*stored(forwarded))->mode, cloud::Mode::forward) << "accounts are renewed as before";

  // What was shown is what is agreed to.
  EXPECT_EQ(agree_to(forwarded).error().reason, "cloud_app_unknown");
  auto unseen = offered;
  unseen.types = {"open", "oidc"};
  EXPECT_EQ(agree_to(unseen).error().reason, "cloud_values_differ");
  EXPECT_FALSE(enrolment().app_for("open"));
  ASSERT_TRUE(agree_to(offered));
  EXPECT_TRUE(seen(offered).agreed);
  EXPECT_TRUE(enrolment().app_for("open"));
  EXPECT_TRUE(stored(offered));
  EXPECT_EQ(cloud_route_of(*stored(forwarded))->mode, cloud::Mode::forward) << "which accounts were authorised with";
  EXPECT_FALSE(enrolment().app_for("open", cloud_app_id("https://relay.example", forwarded))) << "not offered any more";
  EXPECT_TRUE(audited("cloud.app_agreed", "mode: exchange"));
}

TEST_F(Agreeing, Attack_ATypeThatTheServiceAddsIsNotUsedBeforeSomebodyAgreesAndTheOthersGoOn) {
  auto& offered = service.view.apps.front();
  offered.types = {"sharepoint", "open"};
  ASSERT_TRUE(run(membership.check({.actor = "anna"})));
  EXPECT_FALSE(seen(offered).agreed);
  EXPECT_THAT(seen(offered).changes, testing::ElementsAre("new type: sharepoint"));
  EXPECT_THAT(seen(offered).agreed_types, testing::ElementsAre("open"));
  EXPECT_TRUE(enrolment().app_for("open"));
  EXPECT_FALSE(enrolment().app_for("sharepoint"));
  EXPECT_FALSE(enrolment().app_for("sharepoint", cloud_app_id("https://relay.example", offered)));
  EXPECT_TRUE(enrolment().app_to_agree_to("sharepoint"));
  ASSERT_TRUE(agree_to(offered));
  EXPECT_TRUE(enrolment().app_for("sharepoint"));
  EXPECT_TRUE(seen(offered).agreed);
  offered.types = {"open"};
  ASSERT_TRUE(run(membership.check({.actor = "anna"})));
  EXPECT_TRUE(seen(offered).agreed) << "less than was agreed to";
  EXPECT_FALSE(enrolment().app_for("sharepoint"));
}

TEST_F(Agreeing, Attack_AServiceThatSwapsItsClientOrProviderIsNotFollowed) {
  const auto first = service.view.apps.front();
  auto& offered = service.view.apps.front();
  offered.client_id = "client-of-mallory";
  ASSERT_TRUE(run(membership.check({.actor = "anna"})));
  EXPECT_THAT(seen(offered).changes, testing::ElementsAre("client: client-of-mallory instead of client-of-service"));
  EXPECT_FALSE(enrolment().app_for("open"));
  EXPECT_FALSE(stored(offered));
  EXPECT_EQ(stored(first)->client_id, "client-of-service");
  auto moved = named("op", "https://login.example");
  moved.types = {"open"};
  service.view.apps.front() = moved;
  ASSERT_TRUE(run(membership.check({.actor = "anna"})));
  EXPECT_FALSE(enrolment().app_for("open"));
  EXPECT_THAT(seen(moved).changes, testing::Contains("provider: oidc instead of open"));
  service.view.apps.front() = first;
  ASSERT_TRUE(run(membership.check({.actor = "anna"})));
  EXPECT_TRUE(enrolment().app_for("open")) << "as it was agreed to";
}

TEST_F(Agreeing, Attack_ARegistrationWithoutValuesThatTheServiceAddsIsNotUsedBeforeSomebodyAgrees) {
  auto added = service.view.apps.front();
  added.id = "op2";
  added.client_id = "another";
  added.types = {"open-too"};
  service.view.apps.push_back(added);
  ASSERT_TRUE(run(membership.check({.actor = "anna"})));
  EXPECT_FALSE(seen(added).agreed);
  EXPECT_FALSE(stored(added));
  EXPECT_FALSE(enrolment().app_for("open-too"));
  EXPECT_TRUE(audited("cloud.checked", "op2 is new: provider: open, client: another, mode: forward, types: open-too"));
}

TEST_F(Agreeing, Attack_WhatIsOfferedAfterAnEnrolmentWithNothingIsNotAgreedTo) {
  auto nothing = enrolment_at("https://relay.example");
  nothing.read_as = run(store->meta(std::string(kCloudEnrolmentMeta))).value();
  nothing.service.apps.clear();
  nothing.agreed.clear();
  commit(replace_cloud_enrolment(sealing, nothing));
  ASSERT_TRUE(run(membership.check({.actor = "anna"})));
  EXPECT_FALSE(enrolment().app_for("open"));
}

TEST_F(Agreeing, S1_ACheckThatBringsNothingNewIsNotInTheAuditTrail) {
  ASSERT_TRUE(run(membership.check({.actor = "anna"})));
  EXPECT_FALSE(audited("cloud.checked", ""));
  service.view.label = "South Ltd";
  ASSERT_TRUE(run(membership.check({.actor = "anna"})));
  EXPECT_TRUE(audited("cloud.checked", "label: South Ltd instead of North Ltd"));
}

// To the provider all offices are one client, and some end an account's whole consent to it.
TEST_F(Membership, F7_WhoeverRevokesIsToldThatOtherOfficesShareTheRegistration) {
  const auto words = [&](std::string app, std::string account) {
    return revocation_prospect(*catalogue, {.type = "dropbox", .app = std::move(app), .account_id = std::move(account)}).words;
  };
  for (const char* account : {"a-1", ""}) {
    EXPECT_TRUE(words(app().id, account).contains("Other offices of the same Cloud Service")) << words(app().id, account);
    EXPECT_FALSE(words("dropbox", account).contains("Other offices")) << account;
  }
}

TEST_F(Membership, S1_WhoeverLeavesWhileTheServiceIsAskedHasLeft) {
  service.meanwhile = {forget_cloud_enrolment()};
  const auto checked = run(membership.check({.actor = "anna"}));
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().reason, "cloud_not_enrolled");
  EXPECT_FALSE(run(membership.status())->enrolled);
}

TEST_F(Membership, S1_WhoeverEnrolsElsewhereWhileTheServiceIsAskedIsEnrolledThere) {
  auto elsewhere = enrolment_at("https://other.example");
  elsewhere.read_as = run(store->meta(std::string(kCloudEnrolmentMeta))).value();
  service.view.apps.clear();
  service.meanwhile = replace_cloud_enrolment(sealing, elsewhere);
  service.asked = 0;
  EXPECT_TRUE(run(membership.check({.actor = "anna"})));
  EXPECT_EQ(service.asked, 2) << "the other service is asked what it has";
  EXPECT_EQ(address(), "https://other.example");
}

TEST_F(Membership, S1_AnEnrolmentThatCannotBeReadIsNoneToEnrolOver) {
  commit({store::PutMeta{std::string(kCloudEnrolmentMeta), Bytes(80, 7)}});
  const auto before = run(store->meta(std::string(kCloudEnrolmentMeta))).value();
  service.asked = 0;
  const auto code = cloud::EnrolmentCode::make(Bytes(16, 7), relay.public_half(), entropy);
  const auto enrolled = run(membership.enrol("https://relay.example", Secret(code.text()), {.actor = "anna"}));
  ASSERT_FALSE(enrolled);
  EXPECT_EQ(enrolled.error().reason, "ciphertext_rejected");
  EXPECT_EQ(service.asked, 0) << "the code would be used up";
  EXPECT_EQ(run(store->meta(std::string(kCloudEnrolmentMeta))).value(), before);
}

TEST_F(Membership, S1_TheProofOfANameFollowsTheEnrolment) {
  const auto first = run(membership.name_proof());
  const auto enrolment = run(read_cloud_enrolment(*store, sealing));
  ASSERT_TRUE(first && enrolment && *enrolment);
  EXPECT_EQ(*first, cloud::office_name_proof("0199-office", (*enrolment)->keys.public_half()));
  EXPECT_EQ(run(membership.name_proof()).value(), *first);
  ASSERT_TRUE(run(membership.leave({.actor = "anna"})));
  EXPECT_EQ(run(membership.name_proof()).value(), "");
  commit(replace_cloud_enrolment(sealing, enrolment_at("https://relay.example")));
  const auto anew = run(membership.name_proof());
  ASSERT_TRUE(anew);
  EXPECT_FALSE(anew->empty());
  EXPECT_NE(*anew, *first) << "other keys, another proof";
}

TEST_F(Membership, S1_WhatIsReadAgainAndAgainFollowsTheRecord) {
  CloudEnrolmentReader reader(*store, sealing);
  const auto first = run(reader.read());
  ASSERT_TRUE(first && *first);
  EXPECT_EQ((*first)->address, "https://relay.example");
  EXPECT_EQ(run(reader.read()).value(), *first) << "opened once";
  auto elsewhere = enrolment_at("https://other.example");
  elsewhere.read_as = (*first)->read_as;
  commit(replace_cloud_enrolment(sealing, elsewhere));
  EXPECT_EQ(run(reader.read()).value()->address, "https://other.example");
  commit({store::PutMeta{std::string(kCloudEnrolmentMeta), Bytes(80, 7)}});
  EXPECT_EQ(run(reader.read()).error().reason, "ciphertext_rejected");
  commit({forget_cloud_enrolment()});
  EXPECT_EQ(run(reader.read()).value(), nullptr);
}

TEST_F(Membership, K6_AnotherPlaceThatBeginsLikeTheSameIsAnotherPlace) {
  auto elsewhere = app();
  elsewhere.token_origin += ".evil.example";
  sealing.vouch(elsewhere);
  commit({store::PutApp{elsewhere}});
  service_moves();
  ASSERT_TRUE(run(membership.check({.actor = "anna"})));
  EXPECT_FALSE(has_moved());
}

}  // namespace
}  // namespace latchkey::grants

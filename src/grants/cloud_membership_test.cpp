// What a Cloud Service says anew about its apps, and records that somebody has altered meanwhile.
#include "grants/cloud_membership.h"

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
  CloudEnrolment enrolment_at(std::string address) {
    return {.address = std::move(address),
            .enrolled_at = wall.now(),
            .keys = cloud::PartyKeys::make(entropy),
            .service = service.view};
  }
  std::string address() { return run(membership.status())->address; }
  store::App app() {
    const auto found = run(store->app(cloud_app_id("https://relay.example", service.view.apps.front())));
    return found && *found ? **found : throw std::runtime_error("the service's app is not in the store");
  }
  void service_moves() { service.view.apps.front().redirect_uri = "https://relay.example/elsewhere/op"; }
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
  const auto checked = run(membership.check({.actor = "anna"}));
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().reason, "cloud_app_changed") << checked.error().text;
  EXPECT_EQ(cloud_route_of(app())->mode, cloud::Mode::forward) << "refresh tokens of this client would go to the service";
  EXPECT_TRUE(run(membership.status())->apps.front().mode == "forward") << "what the service said was kept all the same";
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
  CloudStatus::App seen(const cloud::ServiceApp& app) {
    for (const auto& each : run(membership.status())->apps) {
      if (each.id == cloud_app_id("https://relay.example", app)) return each;
    }
    throw std::runtime_error("not offered");
  }
  std::optional<store::App> stored(const cloud::ServiceApp& app) { return *run(store->app(cloud_app_id("https://relay.example", app))); }
  bool used_for_oidc() { return (*run(read_cloud_enrolment(*store, sealing)))->app_for("oidc") != nullptr; }
  Result<CloudStatus> agree(const cloud::ServiceApp& app, std::string issuer) {
    return run(membership.agree(cloud_app_id("https://relay.example", app), {{"issuer", std::move(issuer)}, {"scopes", "openid offline_access"}}, {.actor = "anna"}));
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
  const auto trail = run(store->audit({}));
  ASSERT_TRUE(trail);
  EXPECT_TRUE(std::ranges::any_of(trail->items, [](const auto& entry) {
    return entry.action == "cloud.app_agreed" && entry.actor == "anna" && entry.detail.contains("issuer: https://login.example");
  }));
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

TEST_F(Agreeing, S1_WhatAnEarlierVersionHasTakenOverIsAgreedTo) {
  const auto app = named("op2", "https://login.example");
  service.view.apps.push_back(app);
  auto earlier = enrolment_at("https://relay.example");
  earlier.read_as = run(store->meta(std::string(kCloudEnrolmentMeta))).value();
  commit(replace_cloud_enrolment(sealing, earlier));  // of those it says nothing
  EXPECT_TRUE(used_for_oidc());
  ASSERT_TRUE(run(membership.check({.actor = "anna"})));
  EXPECT_TRUE(seen(app).agreed);
  auto later = named("op3", "https://third.example");
  service.view.apps.push_back(later);
  ASSERT_TRUE(run(membership.check({.actor = "anna"})));
  EXPECT_FALSE(seen(later).agreed);
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

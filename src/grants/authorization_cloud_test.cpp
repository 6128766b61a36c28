// What an authorization may use of the Cloud Service's registrations, named or found.
#include "grants/authorization_testing.h"

namespace latchkey::grants {
namespace {

// Nothing of one's own is registered for another type than acme's; the service's registration for that is there, and agreed to.
class CloudDeskHouse : public DeskHouse {
 protected:
  CloudDeskHouse() {
    service.agree_to(service.service.apps.front());
    commit(replace_cloud_enrolment(sealing, service));
    put_app(service.service.apps.front());
  }
  std::string put_app(const cloud::ServiceApp& offered) {
    store::App app{.id = cloud_app_id(service.address, offered), .provider = offered.provider, .client_id = offered.client_id, .token_origin = "https://acme.example", .created_at = wall.now(), .version = 0};
    app.params_json = params_with_route({}, {.address = service.address, .app = offered.id, .redirect_uri = offered.redirect_uri, .mode = offered.mode});
    app.secrets[0].sealed = sealing.seal_app_secret(app, 0, Secret("app-secret"));
    sealing.vouch(app);
    commit({store::PutApp{app}});
    return app.id;
  }
  // As after a check.
  void offers(cloud::ServiceApp offered) {
    service.service.apps = {std::move(offered)};
    service.read_as = run(store->meta(std::string(kCloudEnrolmentMeta))).value();
    commit(replace_cloud_enrolment(sealing, service));
  }
  std::string refusal(std::string app, std::string type = "acme-family", std::string username = "scan") {
    auto parts = parts_of_desk(reached);
    parts.cloud = &line;
    AuthorizationDesk there(std::move(parts));
    auto what = wish(std::move(username), std::move(type));
    what.app = std::move(app);
    what.way = AuthorizationWay::owner_link;
    const auto begun = run(there.begin(std::move(what), {.actor = "anna", .session_hash = Bytes(32, 1)}));
    return begun ? "" : begun.error().reason;
  }
  cloud::ServiceApp offered{.id = "op", .provider = "acme", .client_id = "client", .redirect_uri = "https://relay.example/cb", .params = {}, .types = {"acme-family"}};
  cloud::PartyKeys relay = cloud::PartyKeys::make(entropy);
  CloudEnrolment service{.address = "https://relay.example",
                         .enrolled_at = wall.now(),
                         .keys = cloud::PartyKeys::make(entropy),
                         .service = {.office = "0199-office", .label = "North Ltd", .keys = relay.public_half(), .return_origins = {"http://latchkey.example"}, .apps = {offered}}};
  // What is let through is refused later, for this address.
  ProviderClients reached{*store, sealing, catalogue, transport, steady, PublicAddress{.url = "http://latchkey.example"}, loop.get_executor(), log};
  CloudLine line{transport, wall, steady, entropy, log};
};

TEST_F(CloudDeskHouse, A5_NoLinkForAnOwnerIsMadeWhereItWouldTravelUnencrypted) {
  EXPECT_EQ(refusal(cloud_app_id(service.address, offered)), "plain_http") << "though consent itself would come back by https";
}

TEST_F(CloudDeskHouse, S2_AUserWhomTheRelaysPageWouldNotShowIsNotSentThere) {
  const auto id = cloud_app_id(service.address, offered);
  EXPECT_EQ(refusal(id, "acme-family", "anna\u3164"), "username_not_shown");
  EXPECT_EQ(refusal(id, "acme-family", "anna\ufe0f"), "username_not_shown");
  EXPECT_EQ(refusal(id, "acme-family", "Büro \u2764\ufe0f"), "plain_http") << "let through";
}

TEST_F(CloudDeskHouse, Attack_ARegistrationThatTheServiceHasTurnedIsNotUsedByWhoeverNamesIt) {
  auto turned = offered;
  turned.mode = cloud::Mode::exchange;
  const auto id = put_app(turned);
  offers(turned);
  EXPECT_EQ(refusal(id), "cloud_app_not_agreed");
  EXPECT_EQ(refusal(cloud_app_id(service.address, offered)), "cloud_app_not_agreed") << "which is offered no more";
  service.agree_to(turned);
  offers(turned);
  EXPECT_EQ(refusal(id), "plain_http");
}

TEST_F(CloudDeskHouse, Attack_ATypeThatTheServiceAddsIsNotUsedByWhoeverNamesItsRegistration) {
  auto with_more = offered;
  const auto id = cloud_app_id(service.address, offered);
  EXPECT_EQ(refusal(id, "acme-grace"), "app_missing");
  with_more.types.push_back("acme-grace");
  offers(with_more);
  EXPECT_EQ(refusal(id, "acme-grace"), "cloud_app_not_agreed");
  EXPECT_EQ(refusal(id), "plain_http") << "the types that were agreed to go on";
  service.agree_to(with_more);
  offers(with_more);
  EXPECT_EQ(refusal(id, "acme-grace"), "plain_http");
}

// ---- there and back ---------------------------------------------------------------------------------------------------

// A service that knows the office, and brings what it is told that the provider has answered.
class Carrier final : public net::HttpTransport {
 public:
  explicit Carrier(const CloudEnrolment& office, Entropy& entropy) : office_(office), entropy_(entropy) {}
  cloud::FlowResult brings;
  std::optional<net::HttpOutcome> refuses{};  // with that, whatever is asked

  Task<net::HttpOutcome> send(net::HttpCall call) override {
    if (refuses) co_return *refuses;
    if (call.url.ends_with(cloud::kOfficePath)) co_return ScriptedTransport::json(200, cloud::to_json(office_.service));
    const cloud::FlowResult result{.attempt = brings.attempt, .app = brings.app, .query = brings.query.clone()};
    const auto sealed = cloud::seal_result(result, office_.service.office, office_.keys.public_half().sealing, entropy_);
    co_return ScriptedTransport::json(200, boost::json::serialize(JsonObject{{"result", base::to_base64url(sealed)}}));
  }

 private:
  const CloudEnrolment& office_;
  Entropy& entropy_;
};

class RelayedHouse : public CloudDeskHouse {
 protected:
  struct Reached {
    std::string url;
    std::string account;
    std::string expected{};
  };
  // A consent by way of the service, in one browser from its beginning to its end, at a server that is reached there.
  AuthorizationView consent(Reached at) {
    service.service.return_origins = {at.url};
    offers(offered);
    ProviderClients there{*store, sealing, catalogue, transport, steady, PublicAddress{.url = at.url}, loop.get_executor(), log};
    auto parts = parts_of_desk(there);
    parts.cloud = &carried;
    AuthorizationDesk desk_there(std::move(parts));
    auto what = wish(at.account);
    what.app = cloud_app_id(service.address, offered);
    what.expected_account = at.expected;
    const auto begun = run(desk_there.begin(std::move(what), {.actor = "anna", .session_hash = Bytes(32, 1)}));
    EXPECT_TRUE(begun) << (begun ? "" : begun.error().text);
    if (!begun) return {};
    const auto page = run(desk_there.start(ticket_of(*begun), Bytes(32, 1), Confirmed::yes, {}));
    EXPECT_TRUE(page) << (page ? "" : page.error().text);
    if (!page) return {};
    const auto opened = cloud::OpenedFlow::open(relay, page->location.substr(page->location.find("?flow=") + 6));
    const auto flow = opened->believed(service.keys.public_half().signing, wall.now());
    EXPECT_TRUE(flow);
    const auto at_state = flow->authorization_url.find("state=") + 6;
    carrier.brings = {.attempt = begun->id.text(), .app = offered.id,
                      .query = Secret("code=c1&state=" + flow->authorization_url.substr(at_state, flow->authorization_url.find('&', at_state) - at_state))};
    answer_as(at.account);
    const auto end = run(desk_there.relayed(begun->id.text(), "handle", cookies_after(*page)));
    EXPECT_EQ(end.viewer, Viewer::console) << end.text;
    EXPECT_EQ(end.presentation, Presentation::page) << "though a popup was asked for";
    const auto view = run(desk_there.view(begun->id));
    run(stopped(desk_there));
    return view.value_or(AuthorizationView{});
  }
  static Parameters cookies_after(const StartPage& page) {
    const auto equals = page.cookie.find('=');
    return {{page.cookie.substr(0, equals), page.cookie.substr(equals + 1, page.cookie.find(';') - equals - 1)}};
  }
  Task<bool> stopped(AuthorizationDesk& one) {
    co_await one.stop();
    co_return true;
  }
  Carrier carrier{service, entropy};
  CloudLine carried{carrier, wall, steady, entropy, log};
};

// Whoever listens has ticket, cookie and handle, and may have finished with an account of their own: it counts as nobody's browser.
TEST_F(RelayedHouse, A4_Attack_AConsentThatComesBackUnencryptedIsHeldThoughItIsTheSameBrowser) {
  const auto held = consent({.url = "http://latchkey.example", .account = "mallory"});
  EXPECT_EQ(held.state, store::AuthorizationState::held);
  EXPECT_NE(held.problem_text.find("came back to this server unencrypted"), std::string::npos) << held.problem_text;
  EXPECT_EQ(held.problem_text.find("another browser"), std::string::npos) << held.problem_text;
  EXPECT_FALSE(exists("mallory"));
  EXPECT_EQ(consent({.url = "http://latchkey.example", .account = "carol", .expected = "carol"}).state, store::AuthorizationState::completed) << "pinned by its id";
  for (const std::string url : {"https://latchkey.example", "http://localhost:8480"}) {
    EXPECT_EQ(consent({.url = url, .account = "bob" + std::to_string(url.size())}).state, store::AuthorizationState::completed) << url;
  }
}

// An owner has no console; the link stays good until an answer has come by it.
TEST_F(RelayedHouse, S5_AnOwnerWhoseAnswerIsNotToBeHadIsToldThatTheLinkIsStillGood) {
  const std::string url = "https://latchkey.example";
  service.service.return_origins = {url};
  offers(offered);
  ProviderClients there{*store, sealing, catalogue, transport, steady, PublicAddress{.url = url}, loop.get_executor(), log};
  auto parts = parts_of_desk(there);
  parts.cloud = &carried;
  AuthorizationDesk desk_there(std::move(parts));
  auto what = wish("scan");
  what.app = cloud_app_id(service.address, offered);
  what.way = AuthorizationWay::owner_link;
  const auto begun = run(desk_there.begin(std::move(what), {.actor = "anna", .session_hash = Bytes(32, 1)}));
  ASSERT_TRUE(begun) << begun.error().text;
  const auto page = run(desk_there.start(ticket_of(*begun), {}, Confirmed::yes, {}));
  ASSERT_TRUE(page) << page.error().text;
  const auto relayed = [&](Parameters cookies) { return run(desk_there.relayed(begun->id.text(), "handle", std::move(cookies))); };

  const net::HttpOutcome away = net::NothingSent{{.kind = ErrorKind::unavailable, .reason = "connect_failed", .text = "Nobody there."}};
  const auto late = ScriptedTransport::json(403, R"({"type":"urn:latchkey:problem:handle_expired","detail":"Go back to Latchkey and press Authorize again."})");
  for (const auto& each : {away, late}) {
    carrier.refuses = each;
    const auto refused = relayed(cookies_after(*page));
    EXPECT_EQ(refused.viewer, Viewer::nobody);
    EXPECT_NE(refused.text.find("Open the link that you were sent once more"), std::string::npos) << refused.text;
    EXPECT_EQ(refused.text.find("press Authorize"), std::string::npos) << refused.text;
    EXPECT_EQ(relayed({}).text.find("Open the link that you were sent"), std::string::npos) << "whoever has brought a handle is not therefore the owner";
  }
  carrier.refuses.reset();
  carrier.brings = {.attempt = "another", .app = offered.id, .query = Secret("code=c1&state=s")};
  EXPECT_EQ(relayed(cookies_after(*page)).viewer, Viewer::nobody);

  service.service.return_origins = {"https://elsewhere.example"};
  offers(offered);
  const auto left = relayed(cookies_after(*page));
  EXPECT_EQ(left.viewer, Viewer::nobody);
  EXPECT_EQ(left.title, "This cannot go on");
  EXPECT_EQ(logged("cloud_return_origin"), 1) << log.text();
  run(stopped(desk_there));
}

}  // namespace
}  // namespace latchkey::grants

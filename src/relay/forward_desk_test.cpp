#include <gtest/gtest.h>

#include <map>

#include "base/fakes_testing.h"
#include "relay/forward_desk.h"

namespace latchkey::relay {
namespace {

struct FixedEnrolments final : Enrolments {
  std::map<std::string, Enrolment, std::less<>> all;
  std::optional<Enrolment> find(std::string_view office) const override {
    const auto found = all.find(office);
    return found == all.end() ? std::nullopt : std::optional(found->second);
  }
};

struct FixedRegistrations final : Registrations {
  Result<Registration> find(std::string_view app, std::string_view type, const oauth::Parameters& params) const override {
    if (app != "acme" && app != "evil") return fail(ErrorKind::not_found, "app_unknown", "No such app.");
    if (type != "acme-files") return fail(ErrorKind::invalid, "type_unknown", "No such type.");
    const auto* tenant = oauth::find_parameter(params, "tenant");
    return Registration{
        .expected = {.endpoint = "https://" + std::string(app) + ".example/" + (tenant ? *tenant : "common") + "/authorize",
                     .client_id = "relay-at-" + std::string(app),
                     .redirect_uri = "https://relay.example/callback/" + std::string(app),
                     .scopes = {"files"}},
        .type_name = "Acme files"};
  }
};

// One browser: what it was told to keep.
struct Browser {
  Cookies cookies;
  void keep(std::string_view set_cookie) {
    if (set_cookie.empty()) return;
    const auto equals = set_cookie.find('=');
    const std::string name(set_cookie.substr(0, equals));
    std::erase_if(cookies, [&](const auto& cookie) { return cookie.first == name; });
    if (set_cookie.find("Max-Age=0") != std::string_view::npos) return;
    cookies.emplace_back(name, std::string(set_cookie.substr(equals + 1, set_cookie.find(';') - equals - 1)));
  }
};

class Forwarding : public testing::Test {
 protected:
  struct Office {
    std::string id;
    cloud::PartyKeys keys;
  };

  Office enrol(std::string id) {
    Office office{.id = id, .keys = cloud::PartyKeys::make(entropy)};
    enrolments.all[id] = {.office = id,
                          .name = id + " Ltd",
                          .keys = office.keys.public_half(),
                          .types = {"acme-files"},
                          .return_origins = {"https://" + id + ".example"}};
    return office;
  }
  cloud::FlowRequest request_of(const Office& office, std::string app = "acme") {
    const auto state = base::to_base64url(entropy.bytes(32));
    return {.office = office.id,
            .attempt = "attempt-" + state.substr(0, 8),
            .type = "acme-files",
            .params = {{"tenant", "contoso"}},
            .app = app,
            .username = "scanner",
            .authorization_url = "https://" + app + ".example/contoso/authorize?response_type=code&client_id=relay-at-" +
                                 app + "&redirect_uri=https%3A%2F%2Frelay.example%2Fcallback%2F" + app +
                                 "&scope=files&state=" + state + "&code_challenge=" + std::string(43, 'c') +
                                 "&code_challenge_method=S256",
            .return_origin = "https://" + office.id + ".example",
            .expires_at = wall.now() + Seconds(600)};
  }
  std::string sealed(const Office& office, const cloud::FlowRequest& request) {
    return *cloud::seal_flow(request, office.keys.signing_seed, keys.public_half().sealing, entropy);
  }
  // Looks, presses the button, and is on the way to the provider.
  Result<Departure> depart(Browser& browser, const std::string& flow) {
    const auto page = desk.look(flow, browser.cookies);
    if (!page) return std::unexpected(page.error());
    browser.keep(page->set_cookie);
    for (const auto& each : page->let_go) browser.keep(each);
    auto departure = desk.go_on(flow, page->form_token, browser.cookies);
    if (!departure) return departure;
    for (const auto& each : departure->let_go) browser.keep(each);
    browser.keep(departure->set_cookie);
    return departure;
  }
  static std::string answer(const cloud::FlowRequest& request, std::string code = "code-1") {
    return "code=" + code + "&state=" + state_of(request.authorization_url);
  }
  static std::string handle_of(const Arrival& arrival) {
    return arrival.location.substr(arrival.location.find("&handle=") + 8);
  }
  template <class T>
  static std::string reason(const Result<T>& result) {
    return result ? "" : result.error().reason;
  }

  base::SeededEntropy entropy{5};
  base::SimulatedWallClock wall;
  cloud::PartyKeys keys = cloud::PartyKeys::make(entropy);
  Secret instance_key = Secret(entropy.bytes(32));
  FixedEnrolments enrolments;
  FixedRegistrations registrations;
  ForwardDesk desk{{.keys = keys,
                    .instance_key = instance_key,
                    .enrolments = enrolments,
                    .registrations = registrations,
                    .wall = wall,
                    .entropy = entropy}};
  Office north = enrol("north");
  Office south = enrol("south");
};

TEST_F(Forwarding, S2_S5_ACodeComesToTheOfficeThatAskedAndToNobodyElse) {
  const auto request = request_of(north);
  const auto flow = sealed(north, request);
  Browser browser;
  const auto page = desk.look(flow, {});
  ASSERT_TRUE(page) << page.error().reason;
  EXPECT_EQ(page->office, "north Ltd");
  EXPECT_EQ(page->username, "scanner");
  const auto departure = depart(browser, flow);
  ASSERT_TRUE(departure) << departure.error().reason;
  EXPECT_EQ(departure->location, request.authorization_url);
  const auto arrival = desk.come_back("acme", answer(request), browser.cookies);
  ASSERT_TRUE(arrival) << arrival.error().reason;
  EXPECT_TRUE(arrival->location.starts_with("https://north.example/oauth/relayed?attempt=")) << arrival->location;
  EXPECT_EQ(arrival->location.find("code-1"), std::string::npos);
  const auto sealed_result = desk.result("north", handle_of(*arrival));
  ASSERT_TRUE(sealed_result) << sealed_result.error().reason;
  const auto result = cloud::open_result(north.keys, "north", *sealed_result);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->attempt, request.attempt);
  EXPECT_EQ(result->query.reveal_text(), answer(request));
}

TEST_F(Forwarding, Attack_AStolenHandleOpensForNoOtherOffice) {
  const auto request = request_of(north);
  Browser browser;
  ASSERT_TRUE(depart(browser, sealed(north, request)));
  const auto arrival = desk.come_back("acme", answer(request), browser.cookies);
  const auto handle = handle_of(*arrival);
  EXPECT_EQ(reason(desk.result("south", handle)), "handle_unknown");
  // Even a relay that gave it away would give nothing: what is inside is sealed to the office.
  const auto inside = desk.result("north", handle);
  EXPECT_EQ(reason(cloud::open_result(south.keys, "south", *inside)), "envelope_rejected");
  EXPECT_EQ(reason(cloud::open_result(south.keys, "north", *inside)), "envelope_rejected");
}

TEST_F(Forwarding, Attack_AHandleThatComesLateIsWorthNothing) {
  const auto request = request_of(north);
  Browser browser;
  ASSERT_TRUE(depart(browser, sealed(north, request)));
  const auto handle = handle_of(*desk.come_back("acme", answer(request), browser.cookies));
  wall.advance(std::chrono::seconds(60));
  EXPECT_EQ(reason(desk.result("north", handle)), "handle_expired");
}

TEST_F(Forwarding, Attack_AVictimSentBackWithAnAttackersCodeIsStopped) {
  const auto request = request_of(north);
  Browser attacker;
  ASSERT_TRUE(depart(attacker, sealed(north, request)));
  const Browser victim;
  EXPECT_EQ(reason(desk.come_back("acme", answer(request), victim.cookies)), "flow_not_of_this_browser");
  // A victim with a flow of its own under way, too: cookies go by the state.
  Browser busy;
  const auto own = request_of(south);
  ASSERT_TRUE(depart(busy, sealed(south, own)));
  EXPECT_EQ(reason(desk.come_back("acme", answer(request), busy.cookies)), "flow_not_of_this_browser");
  const auto arrival = desk.come_back("acme", answer(own), busy.cookies);
  ASSERT_TRUE(arrival);
  EXPECT_TRUE(arrival->location.starts_with("https://south.example/"));
}

TEST_F(Forwarding, Attack_TheButtonCannotBePressedFromElsewhere) {
  const auto flow = sealed(north, request_of(north));
  Browser attacker;
  Browser victim;
  const auto seen = desk.look(flow, attacker.cookies);
  attacker.keep(seen->set_cookie);
  const auto own = desk.look(flow, victim.cookies);
  victim.keep(own->set_cookie);
  EXPECT_EQ(reason(desk.go_on(flow, seen->form_token, victim.cookies)), "form_not_ours");
  EXPECT_EQ(reason(desk.go_on(flow, seen->form_token, {})), "form_not_ours");
  EXPECT_EQ(reason(desk.go_on(flow, "", victim.cookies)), "form_not_ours");
  const auto other = sealed(north, request_of(north));
  EXPECT_EQ(reason(desk.go_on(other, own->form_token, victim.cookies)), "form_not_ours") << "a token is of one flow";
  auto planted = victim.cookies;
  planted.insert(planted.end(), attacker.cookies.begin(), attacker.cookies.end());
  EXPECT_EQ(reason(desk.go_on(flow, seen->form_token, planted)), "form_not_ours") << "two cookies of one name";
  EXPECT_EQ(reason(desk.go_on(flow, own->form_token, victim.cookies)), "");
}

TEST_F(Forwarding, Attack_AMaliciousAppsAnswerDoesNotPassForAnothers) {
  const auto request = request_of(north, "acme");
  Browser browser;
  ASSERT_TRUE(depart(browser, sealed(north, request)));
  EXPECT_EQ(reason(desk.come_back("evil", answer(request), browser.cookies)), "wrong_app");
}

TEST_F(Forwarding, Attack_NoOfficeSendsABrowserWhereItIsNotEnrolled) {
  auto elsewhere = request_of(north);
  elsewhere.return_origin = "https://evil.example";
  EXPECT_EQ(reason(desk.look(sealed(north, elsewhere), {})), "return_not_enrolled");
  auto others = request_of(north);
  others.return_origin = "https://south.example";
  EXPECT_EQ(reason(desk.look(sealed(north, others), {})), "return_not_enrolled");
  auto redirect = request_of(north);
  redirect.authorization_url =
      "https://evil.example/?" + redirect.authorization_url.substr(redirect.authorization_url.find('?') + 1);
  EXPECT_EQ(reason(desk.look(sealed(north, redirect), {})), "address_refused");
  auto tenant = request_of(north);
  tenant.params = {{"tenant", "fabrikam"}};
  EXPECT_EQ(reason(desk.look(sealed(north, tenant), {})), "address_refused");
}

TEST_F(Forwarding, Attack_NoOfficeSpeaksForAnother) {
  const auto request = request_of(north);
  EXPECT_EQ(reason(desk.look(sealed(south, request), {})), "signature_wrong");
}

TEST_F(Forwarding, S1_WhatAnEnrolmentDoesNotHoldIsRefusedInWords) {
  enrolments.all["north"].types = {"other"};
  EXPECT_EQ(reason(desk.look(sealed(north, request_of(north)), {})), "type_not_enrolled");
  enrolments.all.erase("north");
  EXPECT_EQ(reason(desk.look(sealed(north, request_of(north)), {})), "office_unknown");
}

TEST_F(Forwarding, S1_AnEnrolmentRevokedInMidFlowEndsIt) {
  const auto request = request_of(north);
  const auto flow = sealed(north, request);
  Browser browser;
  const auto page = desk.look(flow, {});
  browser.keep(page->set_cookie);
  const auto kept = enrolments.all["north"];
  enrolments.all.erase("north");
  EXPECT_EQ(reason(desk.go_on(flow, page->form_token, browser.cookies)), "office_unknown");
  enrolments.all["north"] = kept;
  ASSERT_TRUE(depart(browser, flow));
  enrolments.all.erase("north");
  EXPECT_EQ(reason(desk.come_back("acme", answer(request), browser.cookies)), "office_unknown");
}

TEST_F(Forwarding, C3_AnAnswerAfterTheEndOrASecondTimeIsToldPrecisely) {
  const auto request = request_of(north);
  Browser browser;
  ASSERT_TRUE(depart(browser, sealed(north, request)));
  Browser late = browser;
  const auto arrival = desk.come_back("acme", answer(request), browser.cookies);
  ASSERT_TRUE(arrival);
  browser.keep(arrival->set_cookie);
  EXPECT_EQ(reason(desk.come_back("acme", answer(request), browser.cookies)), "flow_not_of_this_browser")
      << "the flow's cookie is gone";
  wall.advance(std::chrono::seconds(600));
  EXPECT_EQ(reason(desk.come_back("acme", answer(request), late.cookies)), "flow_expired");
  EXPECT_EQ(reason(desk.look(sealed(north, request), {})), "flow_expired");
}

TEST_F(Forwarding, C3_AButtonPressedAfterAQuarterOfAnHourWasPressedTooLateWhateverBecameOfItsCookie) {
  const auto flow = sealed(north, request_of(north));
  Browser browser;
  const auto page = desk.look(flow, {});
  ASSERT_TRUE(page);
  EXPECT_NE(page->set_cookie.find("; Max-Age=900"), std::string::npos) << page->set_cookie;
  browser.keep(page->set_cookie);
  EXPECT_EQ(reason(desk.go_on(flow, page->form_token, {})), "form_not_ours") << "in time, and not of this browser";
  wall.advance(std::chrono::minutes(15));
  EXPECT_EQ(reason(desk.go_on(flow, page->form_token, {})), "flow_expired") << "its cookie has gone";
  EXPECT_EQ(reason(desk.go_on(flow, page->form_token, browser.cookies)), "flow_expired") << "or was kept";
}

std::size_t octets_of(const Cookies& cookies) {
  std::size_t octets = 0;
  for (const auto& [name, value] : cookies) octets += name.size() + 1 + value.size() + 2;
  return octets;
}

TEST_F(Forwarding, S2_ConsentsThatWereNeverFinishedLeaveRoomForTheNext) {
  Browser browser;
  std::vector<cloud::FlowRequest> begun;
  for (int i = 0; i < 60; ++i) {
    begun.push_back(request_of(north));
    ASSERT_TRUE(depart(browser, sealed(north, begun.back()))) << i;
    EXPECT_LE(browser.cookies.size(), kFlowCookiesMax + 1) << i;  // and the browser's own
    EXPECT_LE(octets_of(browser.cookies), 7U * 1024) << i;
  }
  EXPECT_EQ(browser.cookies.size(), kFlowCookiesMax + 1);
  for (std::size_t i = begun.size() - kFlowCookiesMax; i < begun.size(); ++i) EXPECT_TRUE(desk.come_back("acme", answer(begun[i]), browser.cookies)) << i;
  EXPECT_EQ(reason(desk.come_back("acme", answer(begun.front()), browser.cookies)), "flow_not_of_this_browser");
}

TEST_F(Forwarding, S2_LargeCookiesOfAnOfficesMakingLeaveRoomToo) {
  Browser browser;
  cloud::FlowRequest last;
  for (int i = 0; i < 30; ++i) {
    last = request_of(north);
    last.attempt = std::string(1500, 'a') + std::to_string(i);
    ASSERT_TRUE(depart(browser, sealed(north, last))) << i;
    EXPECT_LE(octets_of(browser.cookies), 7U * 1024) << i;
  }
  EXPECT_TRUE(desk.come_back("acme", answer(last), browser.cookies));
  // One page that is only looked at lets go of what an earlier version has left, too.
  Browser full;
  for (int i = 0; i < 60; ++i) full.cookies.emplace_back(std::string(kFlowCookiePrefix) + std::to_string(i), std::string(200, 'x'));
  const auto page = desk.look(sealed(north, last), full.cookies);
  ASSERT_TRUE(page);
  for (const auto& each : page->let_go) full.keep(each);
  EXPECT_EQ(full.cookies.size(), kFlowCookiesMax);
  EXPECT_EQ(full.cookies.front().first, std::string(kFlowCookiePrefix) + "40") << "the oldest have gone";
}

TEST_F(Forwarding, Attack_AnOfficeThatWritesItsOwnTextOnThePageInTheUsersPlaceIsRefused) {
  for (const std::string& username : {std::string(129, 'x'), std::string("scanner\u202e.example"), std::string("a\u2028Office: Contoso"), std::string("a\u200bb")}) {
    auto request = request_of(north);
    request.username = username;
    const auto flow = sealed(north, request);
    EXPECT_EQ(reason(desk.look(flow, {})), "username_not_shown") << username;
  }
  for (const std::string& username : {std::string(128, 'x'), std::string("Büro \u2764\ufe0f")}) {
    auto request = request_of(north);
    request.username = username;
    const auto page = desk.look(sealed(north, request), {});
    ASSERT_TRUE(page) << page.error().text;
    EXPECT_EQ(page->username, username);
  }
}

TEST_F(Forwarding, C8_ARefusalOfConsentComesBackToTheOfficeToo) {
  const auto request = request_of(north);
  Browser browser;
  ASSERT_TRUE(depart(browser, sealed(north, request)));
  const auto query = "error=access_denied&state=" + state_of(request.authorization_url);
  const auto arrival = desk.come_back("acme", query, browser.cookies);
  ASSERT_TRUE(arrival) << arrival.error().reason;
  EXPECT_EQ(cloud::open_result(north.keys, "north", *desk.result("north", handle_of(*arrival)))->query.reveal_text(), query);
}

TEST_F(Forwarding, BadInput_AnswersThatAreNoneAreRefused) {
  const auto request = request_of(north);
  Browser browser;
  ASSERT_TRUE(depart(browser, sealed(north, request)));
  EXPECT_EQ(reason(desk.come_back("acme", "", browser.cookies)), "bad_callback");
  EXPECT_EQ(reason(desk.come_back("acme", "code=x", browser.cookies)), "flow_not_of_this_browser");
  EXPECT_EQ(reason(desk.come_back("acme", "code=x&state=" + std::string(43, 'z'), browser.cookies)),
            "flow_not_of_this_browser");
  auto forged = browser;
  for (auto& [name, value] : forged.cookies) {
    if (name.starts_with(kFlowCookiePrefix)) value[value.size() / 2] = value[value.size() / 2] == 'A' ? 'B' : 'A';
  }
  EXPECT_EQ(reason(desk.come_back("acme", answer(request), forged.cookies)), "flow_not_of_this_browser");
}

TEST_F(Forwarding, S2_AnyInstanceGoesOnWithWhatAnotherBegan) {
  const auto request = request_of(north);
  Browser browser;
  ASSERT_TRUE(depart(browser, sealed(north, request)));
  const ForwardDesk another{{.keys = keys,
                             .instance_key = instance_key,
                             .enrolments = enrolments,
                             .registrations = registrations,
                             .wall = wall,
                             .entropy = entropy}};
  const auto arrival = another.come_back("acme", answer(request), browser.cookies);
  ASSERT_TRUE(arrival) << arrival.error().reason;
  EXPECT_EQ(reason(desk.result("north", handle_of(*arrival))), "");
}

}  // namespace
}  // namespace latchkey::relay

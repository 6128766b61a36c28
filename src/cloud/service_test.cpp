#include "cloud/service.h"

#include <gtest/gtest.h>

namespace latchkey::cloud {
namespace {

base::SeededEntropy& entropy() {
  static base::SeededEntropy source{7};
  return source;
}

ServiceView sample() {
  return {.office = "0199-office",
          .label = "North Ltd",
          .keys = PartyKeys::make(entropy()).public_half(),
          .return_origins = {"https://north.example", "http://192.168.1.5:8480"},
          .apps = {{.id = "dropbox",
                    .provider = "dropbox",
                    .client_id = "client-1",
                    .redirect_uri = "https://relay.example/callback/dropbox",
                    .params = {{"issuer", "https://op.example"}},
                    .types = {"dropbox"}}}};
}

TEST(ServiceViews, ComeBackWhole) {
  const auto view = sample();
  const auto back = parse_service_view(to_json(view));
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, view);
  auto rotated = sample();
  const auto former = PartyKeys::make(entropy());
  rotated.successions = {make_succession(former, rotated.keys)};
  const auto followed = parse_service_view(to_json(rotated));
  ASSERT_TRUE(followed);
  EXPECT_EQ(*followed, rotated);
}

TEST(ServiceViews, SayTheModeOfEachAppAndOneWithoutIsForwarded) {
  auto view = sample();
  view.apps.front().mode = Mode::exchange;
  auto json = to_json(view);
  EXPECT_EQ(parse_service_view(json)->apps.front().mode, Mode::exchange);
  const std::string_view member = R"("mode":"exchange")";
  const auto at = json.find(member);
  ASSERT_NE(at, std::string::npos);
  EXPECT_FALSE(parse_service_view(std::string(json).replace(at, member.size(), R"("mode":"x")")));
  json.replace(at, member.size(), R"("note":"an earlier version")");
  EXPECT_EQ(parse_service_view(json)->apps.front().mode, Mode::forward);
}

TEST(ServiceViews, WhatIsNotOneIsRefused) {
  auto unnamed = sample();
  unnamed.label.clear();
  auto astray = sample();
  astray.return_origins = {"https://north.example/path"};
  auto half = sample();
  half.apps[0].redirect_uri.clear();
  for (const auto& view : {unnamed, astray, half}) EXPECT_FALSE(parse_service_view(to_json(view)));
  for (const auto* text : {"", "[]", "{}", "{\"office\":1}", "<html>"}) EXPECT_FALSE(parse_service_view(text)) << text;
}

TEST(ServiceViews, Attack_WhatWouldRepaintATerminalOrTurnTextRoundIsNotThere) {
  const auto parsed = [](const ServiceView& view) {
    auto back = parse_service_view(to_json(view));
    EXPECT_TRUE(back);
    return back ? *back : view;
  };
  const std::string odd[] = {"\x1b[2J\x1b[H", "a\nAGREED yes", "a\rb", "\xe2\x80\xaegnirts", "\xe2\x80\x8bunseen", "\xc2\x9b" "2J", std::string(5000, 'x')};
  for (const auto& word : odd) {
    auto labelled = sample();
    labelled.label = word;
    EXPECT_EQ(parsed(labelled).label, kLabelNotShown) << word;
    EXPECT_EQ(parsed(labelled).apps.size(), 1U);
    std::vector<ServiceView> views(7, sample());
    views[0].apps[0].id += word;
    views[1].apps[0].provider += word;
    views[2].apps[0].client_id += word;
    views[3].apps[0].redirect_uri += word;
    views[4].apps[0].types.push_back(word);
    views[5].apps[0].params[0].first += word;
    views[6].apps[0].params[0].second += word;
    for (const auto& view : views) EXPECT_TRUE(parsed(view).apps.empty()) << &view - views.data() << ": " << word;
    auto office = sample();
    office.office += word;
    EXPECT_FALSE(parse_service_view(to_json(office))) << word;
  }
  auto option = sample();
  option.apps[0].types = {"--mode"};
  EXPECT_TRUE(parsed(option).apps.empty()) << "where a command is pasted";
  auto plain = sample();
  plain.label = "Grüße & Söhne, 北";
  EXPECT_EQ(parsed(plain), plain);
}

TEST(ServiceViews, Attack_TwoAppsOfOneNameAreOne) {
  auto view = sample();
  view.apps.push_back(view.apps.front());
  view.apps.back().mode = Mode::exchange;
  const auto back = parse_service_view(to_json(view));
  ASSERT_TRUE(back);
  ASSERT_EQ(back->apps.size(), 1U) << "whoever agrees to one has not agreed to the other";
  EXPECT_EQ(back->apps.front().mode, Mode::forward);
}

TEST(EnrolmentOffers, ComeBackWholeAndTheirProofStillHolds) {
  const auto relay = PartyKeys::make(entropy());
  const auto code = EnrolmentCode::make(entropy().bytes(16), relay.public_half(), entropy());
  const EnrolmentOffer offer{.office = "0199-office",
                             .secret = code.secret.clone(),
                             .request = make_enrolment_request(code, PartyKeys::make(entropy())),
                             .return_origins = {"https://north.example"}};
  const auto back = parse_enrolment_offer(to_json(offer).reveal_text());
  ASSERT_TRUE(back);
  EXPECT_TRUE(back->secret.equals(offer.secret));
  EXPECT_TRUE(check_enrolment_request(code, back->request));
  EXPECT_FALSE(parse_enrolment_offer("{\"office\":\"x\"}"));
}

TEST(Origins, HaveASchemeAHostAndNothingElse) {
  for (const auto* good : {"https://office.example", "http://192.168.1.5:8480", "https://[2001:db8::1]:8443"})
    EXPECT_TRUE(is_origin(good)) << good;
  for (const auto* bad : {"", "https://", "ftp://x", "https://a@b", "https://a/b", "https://A.example", "https://a?b",
                          "https://a#b", "javascript:alert(1)", "https://a b"})
    EXPECT_FALSE(is_origin(bad)) << bad;
}

}  // namespace
}  // namespace latchkey::cloud

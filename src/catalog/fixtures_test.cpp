// Runs every token reply under providers/fixtures/TYPE/ through the same reading and classification the engine uses, with
// that type's rules. A fixture's `expect` names what must come out; a member that is not there is not compared.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "catalog/account.h"
#include "catalog/catalog.h"
#include "oauth/outcome.h"

namespace latchkey::catalog {
namespace {

struct Fixture {
  std::string type;
  std::string name;
  JsonObject content;
};

void PrintTo(const Fixture& fixture, std::ostream* out) { *out << fixture.type << '/' << fixture.name; }

std::vector<Fixture> load_fixtures() {
  std::vector<Fixture> out;
  const std::filesystem::path root(LATCHKEY_SOURCE_DIR "/providers/fixtures");
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (entry.path().extension() != ".json") continue;
    std::ifstream stream(entry.path(), std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(stream), {}};
    auto json = parse_json(text);
    Fixture fixture{entry.path().parent_path().filename().string(), entry.path().stem().string(), {}};
    if (json && json->is_object()) fixture.content = json->as_object();
    out.push_back(std::move(fixture));
  }
  std::sort(out.begin(), out.end(), [](const Fixture& a, const Fixture& b) { return std::tie(a.type, a.name) < std::tie(b.type, b.name); });
  return out;
}

const std::vector<Fixture>& fixtures() {
  static const auto all = load_fixtures();
  return all;
}

const Catalog& builtin() {
  static const auto catalog = Catalog::load_builtin();
  EXPECT_TRUE(catalog) << catalog.error().text;
  return **catalog;
}

// What a type needs before anything can be resolved.
Filling filling_of(std::string_view type) {
  static const std::map<std::string, Filling, std::less<>> kFillings{
      {"dynamics365", {.grant = {{"environment_url", "https://contoso.crm4.dynamics.com"}}}},
      {"nextcloud", {.app = {{"server", "https://cloud.example.org"}}}},
      {"xplan", {.app = {{"site_url", "https://example.xplan.iress.com.au"}}}},
      {"oidc", {.app = {{"issuer", "https://login.example.com/realms/x"}}}}};
  const auto found = kFillings.find(type);
  return found == kFillings.end() ? Filling{} : found->second;
}

std::string token_text(const std::optional<Secret>& token) { return token ? std::string(token->reveal_text()) : "(none)"; }

void expect_token(const JsonObject& expect, std::string_view name, const std::optional<Secret>& token) {
  const auto* wanted = expect.if_contains(name);
  if (wanted == nullptr) return;
  EXPECT_EQ(token_text(token), wanted->is_null() ? "(none)" : std::string(std::string_view(wanted->as_string()))) << name;
}

void expect_number(const JsonObject& expect, std::string_view name, std::optional<std::int64_t> number) {
  const auto* wanted = expect.if_contains(name);
  if (wanted == nullptr) return;
  EXPECT_EQ(number, wanted->is_null() ? std::nullopt : std::optional<std::int64_t>(wanted->as_int64())) << name;
}

void expect_members(const JsonObject& wanted, const JsonObject& given) {
  for (const auto& member : wanted) {
    const auto* value = given.if_contains(member.key());
    ASSERT_NE(value, nullptr) << member.key();
    EXPECT_EQ(*value, member.value()) << member.key();
  }
}

void expect_scopes(const JsonObject& expect, const ResolvedType& type, const oauth::TokenReply& reply) {
  const auto* wanted = base::find_array(expect, "missing_scopes");
  if (wanted == nullptr) return;
  std::vector<std::string> words;
  for (const auto& word : *wanted) words.emplace_back(std::string_view(word.as_string()));
  const auto missing = reply.scope ? oauth::missing_scopes(type.scopes, *reply.scope) : std::vector<std::string>();
  EXPECT_EQ(missing, words);
}

void expect_learned(const JsonObject& expect, const ResolvedType& type, const oauth::TokenReply& reply) {
  const auto learned = builtin().learn(*type.provider, reply.extras);
  if (const auto refused = base::string_or(expect, "learn_refused"); !refused.empty()) {
    ASSERT_FALSE(learned);
    EXPECT_EQ(learned.error().reason, refused);
    return;
  }
  ASSERT_TRUE(learned) << learned.error().text;
  const auto* wanted = base::find_object(expect, "learned");
  if (wanted == nullptr) return;
  ParameterValues values;
  for (const auto& member : *wanted) values[std::string(member.key())] = std::string(std::string_view(member.value().as_string()));
  EXPECT_EQ(*learned, values);
}

void expect_people(const JsonObject& expect, const ResolvedType& type, const oauth::TokenReply& reply) {
  if (const auto* claims = base::find_object(expect, "claims")) {
    ASSERT_TRUE(reply.id_claims);
    expect_members(*claims, *reply.id_claims);
  }
  if (const auto* claims = base::find_object(expect, "access_claims")) {
    const auto read = oauth::unverified_claims(reply.access_token->reveal_text());
    ASSERT_TRUE(read);
    expect_members(*claims, *read);
    EXPECT_TRUE(read_account(type.account, *read)) << "the account stands in the access token";
  }
  if (const auto* account = base::find_object(expect, "account")) {
    ASSERT_TRUE(reply.id_claims);
    const auto read = read_account(type.account, *reply.id_claims);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->id, base::string_or(*account, "id"));
    EXPECT_EQ(read->name, base::string_or(*account, "name"));
  }
}

class TokenReplies : public testing::TestWithParam<Fixture> {};

TEST_P(TokenReplies, MeanWhatTheFixtureSays) {
  const auto& fixture = GetParam();
  const auto* sent = base::find_object(fixture.content, "reply");
  const auto* expect = base::find_object(fixture.content, "expect");
  ASSERT_TRUE(sent != nullptr && expect != nullptr) << "needs `reply` and `expect`";
  ASSERT_FALSE(base::string_or(fixture.content, "about").empty());
  static const std::set<std::string> kKnown{"outcome", "access_token", "refresh_token", "lifetime_s", "refresh_lifetime_s", "missing_scopes",
                                            "extras", "claims", "access_claims", "account", "learned", "learn_refused", "error", "retry_after_s",
                                            "found_refresh_token"};
  for (const auto& member : *expect) EXPECT_TRUE(kKnown.contains(std::string(member.key()))) << member.key();

  const auto type = builtin().resolve(fixture.type, filling_of(fixture.type));
  ASSERT_TRUE(type) << type.error().text;
  const auto* json = sent->if_contains("json");
  const std::string body = json != nullptr ? boost::json::serialize(*json) : base::string_or(*sent, "body");
  const auto* headers = base::find_object(*sent, "headers");
  ASSERT_NE(headers, nullptr);
  const auto reply = oauth::parse_token_reply(static_cast<int>(sent->at("status").as_int64()), base::string_or(*headers, "Content-Type"), body,
                                              type->reply_shape);
  const auto classified = oauth::classify(reply, type->errors, base::string_or(*headers, "Retry-After"));

  EXPECT_EQ(name_of(classified.outcome), base::string_or(*expect, "outcome")) << classified.why;
  EXPECT_FALSE(classified.why.empty());
  expect_token(*expect, "access_token", reply.access_token);
  expect_token(*expect, "refresh_token", reply.refresh_token);
  expect_number(*expect, "lifetime_s", reply.lifetime_s);
  expect_number(*expect, "refresh_lifetime_s", reply.refresh_lifetime_s);
  if (const auto* wanted = expect->if_contains("error")) EXPECT_EQ(reply.error, std::string_view(wanted->as_string()));
  if (const auto* wanted = expect->if_contains("retry_after_s")) EXPECT_EQ(classified.retry_after, seconds(wanted->as_int64()));
  if (const auto* names = base::find_array(*expect, "extras")) {
    for (const auto& name : *names) EXPECT_TRUE(reply.extras.contains(std::string_view(name.as_string()))) << name;
  }
  if (expect->contains("found_refresh_token")) expect_token(*expect, "found_refresh_token", oauth::find_refresh_token(body));
  expect_scopes(*expect, *type, reply);
  expect_learned(*expect, *type, reply);
  expect_people(*expect, *type, reply);

  // Whatever happened, the next refresh has a sane time and no token leaks into words or extras.
  const auto lifetime = oauth::sane_lifetime(reply.lifetime_s, type->access_lifetime_fallback);
  EXPECT_GE(lifetime, seconds(1));
  EXPECT_LE(lifetime, std::chrono::hours(24 * 366));
  const auto shown = classified.why + boost::json::serialize(reply.extras) + reply.error_description;
  for (const auto* token : {&reply.access_token, &reply.refresh_token}) {
    if (*token) EXPECT_EQ(shown.find((*token)->reveal_text()), std::string::npos);
  }
}

std::string fixture_name(const testing::TestParamInfo<Fixture>& info) {
  auto name = info.param.type + "_" + info.param.name;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(Fixtures, TokenReplies, testing::ValuesIn(fixtures()), fixture_name);

// Each type shows a first exchange, a refresh, a dead grant, a misconfigured app and trouble that passes.
TEST(TokenReplyFixtures, CoverEveryType) {
  std::map<std::string, std::set<std::string>> outcomes;
  std::map<std::string, std::set<std::string>> names;
  for (const auto& fixture : fixtures()) {
    const auto* expect = base::find_object(fixture.content, "expect");
    ASSERT_NE(expect, nullptr) << fixture.type << '/' << fixture.name;
    outcomes[fixture.type].insert(base::string_or(*expect, "outcome"));
    names[fixture.type].insert(fixture.name.substr(0, fixture.name.find('_')));
  }
  for (const auto& type : builtin().types()) {
    for (const char* outcome : {"refreshed", "dead_grant", "misconfigured_app", "transient"}) {
      EXPECT_TRUE(outcomes[type->id].contains(outcome)) << type->id << " lacks " << outcome;
    }
    EXPECT_TRUE(names[type->id].contains("first") && names[type->id].contains("refresh")) << type->id;
  }
  EXPECT_EQ(names.size(), builtin().types().size()) << "a fixture directory belongs to no type";
}

}  // namespace
}  // namespace latchkey::catalog

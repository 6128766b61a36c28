#include "catalog/provider_file.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/json.h"
#include "catalog/account.h"
#include "catalog/builtin.h"

namespace latchkey::catalog {
namespace {

constexpr std::string_view kGood = R"({"schema":1,"id":"own","name":"Own","seen_on":"2026-01-02",
  "parameters":[{"name":"host","label":"Host","kind":"host","owner":"app","required":true,"hint":"h"},
                {"name":"area","label":"Area","kind":"text","owner":"grant","default":"x","hint":"h"}],
  "endpoints":{"authorization":"https://{host}/a","token":"https://{host}/t/{area}"},
  "client_authentication":["client_secret_post"],"redirect":{"https_required":true},
  "account":{"source":"request","url":"https://{host}/me","id":["id"]},
  "errors":[{"where":"token","status":"4xx","error":"gone","meaning":"dead_grant"}],
  "steps":[{"text":"a"},{"text":"b"},{"text":"c"}],"quirks":[],
  "types":[{"id":"own-drive","name":"Own","kind":"storage","scopes":{"request":[{"scope":"files","why":"w"}]},
            "rotation":"single_use","replay":"unknown"}]})";

// The good file with one member set by JSON pointer (or removed, without a value).
std::string changed(std::string_view pointer, std::optional<std::string_view> value) {
  auto json = *parse_json(kGood);
  const auto slash = pointer.rfind('/');
  const std::string name(pointer.substr(slash + 1));
  boost::system::error_code missing;
  auto* parent = json.find_pointer(pointer.substr(0, slash), missing);
  if (parent == nullptr) return {};
  if (!value) {
    parent->as_object().erase(name);
  } else if (const Json given = parse_json("[" + std::string(*value) + "]")->as_array().front(); parent->is_array()) {
    parent->as_array()[std::stoul(name)] = given;
  } else {
    parent->as_object()[name] = given;
  }
  return boost::json::serialize(json);
}

struct Fault {
  std::string_view pointer;                 // what is changed
  std::optional<std::string_view> value;    // to what; nullopt: removed
  std::string_view field;                   // where the fault is reported
};

TEST(ProviderFile, GoodOnesAreRead) {
  const auto file = read_provider_file("own.json", kGood);
  ASSERT_TRUE(file) << file.error().text;
  EXPECT_EQ(file->provider.parameters.size(), 2U);
  EXPECT_EQ(file->provider.errors.front().status_min, 400);
  EXPECT_EQ(file->provider.errors.front().status_max, 499);
  EXPECT_EQ(file->types.front().replay, ReplayPolicy::revokes_family) << "unknown counts as the worst (F1)";
  EXPECT_EQ(file->types.front().provider, "own");
}

TEST(ProviderFile, EveryFaultIsNamedByPointer) {
  const Fault faults[] = {
      {"/schema", "2", "/schema"},
      {"/schema", std::nullopt, "/schema"},
      {"/id", R"("Own")", "/id"},
      {"/id", "7", "/id"},
      {"/name", std::nullopt, "/name"},
      {"/colour", R"("red")", "/colour"},
      {"/seen_on", R"("2026-02-30")", "/seen_on"},
      {"/seen_on", R"("yesterday")", "/seen_on"},
      {"/endpoints/token", std::nullopt, "/endpoints/token"},
      {"/endpoints/token", R"("http://a.example/t")", "/endpoints/token"},
      {"/endpoints/token", R"("https://{nobody}/t")", "/endpoints/token"},
      {"/endpoints/token", R"("https://{host")", "/endpoints/token"},
      {"/endpoints/introspection", R"("https://a.example")", "/endpoints/introspection"},
      {"/client_authentication", "[]", "/client_authentication"},
      {"/client_authentication/0", R"("basic")", "/client_authentication"},
      {"/pkce", R"("yes")", "/pkce"},
      {"/redirect/https_required", "1", "/redirect/https_required"},
      {"/account/id", "[]", "/account/id"},
      {"/account/source", R"("guess")", "/account/source"},
      {"/errors/0/meaning", R"("stale_access_token")", "/errors/0/meaning"},
      {"/errors/0/meaning", R"("ok")", "/errors/0/meaning"},
      {"/errors/0/status", "99", "/errors/0/status"},
      {"/errors/0/status", R"("6xx")", "/errors/0/status"},
      {"/steps", R"([{"text":"a"}])", "/steps"},
      {"/steps/1/colour", "1", "/steps/1/colour"},
      {"/quirks", R"([{"quirk":"is_strange"}])", "/quirks/0/quirk"},
      {"/quirks", R"([{"quirk":"early_refresh_refused"}])", "/quirks/0/value"},
      {"/quirks", R"([{"quirk":"expires_in_absent","value":3}])", "/quirks/0/value"},
      {"/quirks", R"([{"quirk":"host_in_callback"}])", "/quirks"},
      {"/learned", R"([{"name":"base","from":"reply_url","kind":"url"}])", "/quirks"},
      {"/learned", R"([{"name":"base","from":"reply_url","kind":"host"}])", "/learned/0/kind"},
      {"/code_lifetime_s", "0", "/code_lifetime_s"},
      {"/code_lifetime_s", R"("30")", "/code_lifetime_s"},
      {"/parameters/0/kind", R"("number")", "/parameters/0/kind"},
      {"/parameters/0/owner", std::nullopt, "/parameters/0/owner"},
      {"/parameters/0/default", R"("https://a.example")", "/parameters/0/default"},
      {"/parameters/0/personal_values", R"(["https://a.example"])", "/parameters/0/personal_values"},
      {"/parameters/0/pattern", R"("(")", "/parameters/0/pattern"},
      {"/parameters/0/options", R"([{"value":"a","label":"A"}])", "/parameters/0/options"},
      {"/parameters/0/name", R"("Host")", "/parameters/0/name"},
      {"/parameters/1/name", R"("host")", "/parameters"},
      {"/types", "[]", "/types"},
      {"/types/0/id", R"("own drive")", "/types/0/id"},
      {"/types/0/kind", R"("cloud")", "/types/0/kind"},
      {"/types/0/rotation", R"("sometimes")", "/types/0/rotation"},
      {"/types/0/replay", R"("grace")", "/types/0/grace_s"},
      {"/types/0/grace_s", "5", "/types/0/grace_s"},
      {"/types/0/values", R"({"nobody":"x"})", "/types/0/values/nobody"},
      {"/types/0/values", R"({"host":"a/b"})", "/types/0/values/host"},
      {"/types/0/scopes/request/0/scope", R"("{nobody}")", "/types/0/scopes/request/0/scope"},
      {"/types/0/scopes/wanted", "[]", "/types/0/scopes/wanted"},
      {"/unverified", R"([{"field":"/nowhere","says":"x"}])", "/unverified/0/field"},
      {"/extra", R"({"authorize":{"a":"{nobody}"}})", "/extra/authorize/a"},
      {"/extra", R"({"authorize":{"a":1}})", "/extra/authorize/a"},
      {"/rate_cap", R"({"requests":0})", "/rate_cap/requests"},
  };
  for (const auto& [pointer, value, field] : faults) {
    const auto text = changed(pointer, value);
    ASSERT_NE(text, boost::json::serialize(*parse_json(kGood))) << pointer;
    const auto file = read_provider_file("own.json", text);
    ASSERT_FALSE(file) << pointer << " = " << value.value_or("(removed)");
    EXPECT_EQ(file.error().field, field) << file.error().text;
    EXPECT_EQ(file.error().reason, "bad_provider_file");
    EXPECT_EQ(file.error().text.rfind("own.json: ", 0), 0U) << file.error().text;
  }
}

// RULES K6: a grant's parameter never decides where the app's secret is sent.
TEST(ProviderFile, GrantsCannotMoveTheSecret) {
  const auto moved = read_provider_file("own.json", changed("/parameters/0/owner", R"("grant")"));
  ASSERT_FALSE(moved);
  EXPECT_EQ(moved.error().field, "/endpoints/authorization");
  EXPECT_NE(moved.error().text.find("where the app's secret goes"), std::string::npos);
  const auto text_host = read_provider_file("own.json", changed("/parameters/0/kind", R"("text")"));
  ASSERT_FALSE(text_host);
}

TEST(ProviderFile, LearnedHostsNeedAList) {
  auto json = *parse_json(kGood);
  json.as_object()["learned"] = *parse_json(R"([{"name":"cp","from":"callback","kind":"host"}])");
  json.as_object()["quirks"] = *parse_json(R"([{"quirk":"host_in_callback"}])");
  json.at("endpoints").as_object()["token"] = "https://x.{cp}/t";
  const auto without = read_provider_file("own.json", boost::json::serialize(json));
  ASSERT_FALSE(without);
  EXPECT_EQ(without.error().field, "/host_suffixes");
  json.as_object()["host_suffixes"] = *parse_json(R"(["example.com"])");
  const auto with = read_provider_file("own.json", boost::json::serialize(json));
  EXPECT_TRUE(with) << with.error().text;
}

TEST(ProviderFile, AMemberGivenTwiceIsNamed) {
  std::string text(kGood);
  text.replace(text.find("\"rotation\""), 0, "\"rotation\":\"none\",");
  const auto refused = read_provider_file("own.json", text);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().field, "rotation");
}

TEST(ProviderFile, NotJsonAndTooLarge) {
  EXPECT_FALSE(read_provider_file("x.json", ""));
  EXPECT_FALSE(read_provider_file("x.json", "[]"));
  EXPECT_FALSE(read_provider_file("x.json", std::string(kProviderFileBytesMax + 1, ' ')));
}

// Facts nobody has confirmed are words for people, not codes.
TEST(ProviderFile, UnverifiedFactsAreSentences) {
  for (const auto& builtin : builtin_files()) {
    const auto file = read_provider_file(builtin.name, builtin.text);
    ASSERT_TRUE(file) << file.error().text;
    for (const auto& fact : file->provider.unverified) EXPECT_NE(fact.find(' '), std::string::npos) << builtin.name << ": " << fact;
  }
}

// docs/providers.md is what operators copy from.
TEST(Documentation, ExampleAndListsAreTrue) {
  std::ifstream stream(LATCHKEY_SOURCE_DIR "/docs/providers.md", std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  const auto begin = text.find("```json\n");
  ASSERT_NE(begin, std::string::npos);
  const auto example = text.substr(begin + 8, text.find("```", begin + 8) - begin - 8);
  const auto file = read_provider_file("example.json", example);
  EXPECT_TRUE(file) << file.error().text;
  for (int i = 0; i <= static_cast<int>(Quirk::scope_ticked_by_owner); ++i) {
    const auto quirk = static_cast<Quirk>(i);
    EXPECT_NE(text.find("| `" + std::string(name_of(quirk)) + "` | " + std::string(meaning_of(quirk)) + " |"), std::string::npos) << name_of(quirk);
  }
  for (const auto& builtin : builtin_files()) {
    const auto provider = read_provider_file(builtin.name, builtin.text);
    ASSERT_TRUE(provider);
    for (const auto& type : provider->types) {
      EXPECT_NE(text.find("| `" + type.id + "` | " + provider->provider.name + " |"), std::string::npos) << type.id;
    }
  }
}

TEST(Quirks, NamesAreOneToOne) {
  for (int i = 0; i <= static_cast<int>(Quirk::scope_ticked_by_owner); ++i) {
    const auto quirk = static_cast<Quirk>(i);
    EXPECT_EQ(parse_quirk(name_of(quirk)), quirk);
    EXPECT_TRUE(meaning_of(quirk).ends_with("."));
  }
  EXPECT_EQ(parse_quirk("nothing"), std::nullopt);
}

TEST(Account, PathsReachIntoAnswers) {
  const auto json = *parse_json(R"({"d":{"results":[{"UserID":"u1","Division":7}]},"list":[[1,2]],"bad":"a\nb","empty":"","n":null})");
  EXPECT_EQ(value_at(json, "d.results[0].UserID"), "u1");
  EXPECT_EQ(value_at(json, "d.results[0].Division"), "7");
  EXPECT_EQ(value_at(json, "list[0][1]"), "2");
  for (const char* path : {"d.results[1].UserID", "d.results[x]", "d.results[0", "d.nobody", "bad", "empty", "n", "d", "list[0]", "d..x"}) {
    EXPECT_EQ(value_at(json, path), std::nullopt) << path;
  }
  EXPECT_EQ(value_at(*parse_json(R"([{"tenantId":"t"}])"), "[0].tenantId"), "t");
}

TEST(Account, HalfAnIdentityIsNone) {
  AccountLookup lookup;
  lookup.id_paths = {"tid", "oid"};
  lookup.name_paths = {"preferred_username", "email"};
  EXPECT_EQ(read_account(lookup, *parse_json(R"({"tid":"t","oid":"o","email":"a@b.example"})")), (Account{"t/o", "a@b.example"}));
  EXPECT_EQ(read_account(lookup, *parse_json(R"({"tid":"t"})")), std::nullopt);
  EXPECT_EQ(read_account(lookup, *parse_json(R"({"tid":"t","oid":"o"})")), (Account{"t/o", "t/o"}));
  const JsonObject claims{{"preferred_username", "ann@c.example"}};
  EXPECT_EQ(read_account(lookup, *parse_json(R"({"tid":"t","oid":"o"})"), &claims)->name, "ann@c.example");
}

// People approve an account by what they read.
TEST(Account, A4_ANameThatMayNotBeShownIsPassedOver) {
  AccountLookup lookup;
  lookup.id_paths = {"id"};
  lookup.name_paths = {"email", "display"};
  const auto named = [&](std::string_view email, const JsonObject* claims = nullptr) {
    return read_account(lookup, Json(JsonObject{{"id", "u1"}, {"email", email}}), claims)->name;
  };
  for (const char* unseen : {"anna@b.example\u200b", "anna@b.example\u202e", "\u009b31manna@b.example", "anna\u2066@b.example", "anna@b.example\u3164"}) {
    EXPECT_EQ(named(unseen), "u1") << unseen;
    EXPECT_EQ(read_account(lookup, Json(JsonObject{{"id", "u1"}, {"email", unseen}, {"display", "Anna"}}))->name, "Anna");
    const JsonObject claims{{"email", unseen}, {"name", "Änne"}};
    EXPECT_EQ(named("", &claims), "Änne");
    EXPECT_EQ(read_account(lookup, Json(JsonObject{{"id", unseen}, {"email", "anna@b.example"}})), (Account{unseen, "anna@b.example"})) << "the same account next time";
  }
  EXPECT_EQ(named("anna@b.example"), "anna@b.example");
  EXPECT_EQ(read_account(lookup, Json(JsonObject{{"id", "ann\u200ca"}})), (Account{"ann\u200ca", "ann\\u{200c}a"}));
  EXPECT_EQ(read_account(lookup, Json(JsonObject{{"id", std::string_view("a\0b", 3)}})), std::nullopt);
}

}  // namespace
}  // namespace latchkey::catalog

#include "console/fields.h"

#include <gmock/gmock.h>

namespace latchkey::console {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

JsonObject object_of(std::string_view text) { return parse_json(text)->get_object(); }

std::vector<std::string> names(const std::optional<Problem>& problem) {
  std::vector<std::string> out;
  if (!problem) return out;
  for (const auto& error : problem->errors) out.push_back(error.field);
  return out;
}

TEST(Fields, ReadsWhatIsThereAndTakesTheDefaultForTheRest) {
  const auto object = object_of(R"({"name":"Zoë","on":true,"n":7,"tags":["a","b"],"params":{"tenant":"x"},"until":"2026-11-23T19:05:00.000Z"})");
  Fields fields(object);
  EXPECT_EQ(fields.text("name", {.min = 1, .max = 3}), "Zoë");
  EXPECT_TRUE(fields.boolean("on", false));
  EXPECT_EQ(fields.integer("n", 1, 9, 0), 7);
  EXPECT_THAT(fields.texts("tags", 2, {.max = 1}), ElementsAre("a", "b"));
  EXPECT_EQ(fields.parameters("params").front().second, "x");
  EXPECT_TRUE(fields.time_if("until"));
  EXPECT_EQ(fields.text("absent", {}, Presence::optional), "");
  EXPECT_FALSE(fields.text_if("absent_too", {}));
  EXPECT_FALSE(fields.check());
}

TEST(Fields, NamesAnUnknownMemberAndRefusesTheWholeRequest) {
  const auto object = object_of(R"({"name":"a","nmae":"b"})");
  Fields fields(object);
  EXPECT_EQ(fields.text("name", {}), "a");
  const auto problem = fields.check();
  ASSERT_TRUE(problem);
  EXPECT_EQ(problem->status, 400);
  EXPECT_EQ(problem->code, "invalid_request");
  EXPECT_THAT(names(problem), ElementsAre("nmae"));
}

TEST(Fields, NamesEveryFaultAtOnce) {
  const auto object = object_of(R"({"name":"","long":"abcdef","on":"yes","n":10,"word":"blue","id":"xx","line":"a\nb"})");
  Fields fields(object);
  EXPECT_EQ(fields.text("name", {.min = 1}), "");
  EXPECT_EQ(fields.text("long", {.max = 5}), "");
  EXPECT_FALSE(fields.boolean("on", false));
  EXPECT_EQ(fields.integer("n", 1, 9, 3), 3);
  EXPECT_EQ(fields.choice("word", {"red", "green"}), "");
  EXPECT_TRUE(fields.id<base::UserTag>("id").none());
  EXPECT_EQ(fields.text("line", {}), "");
  EXPECT_TRUE(fields.secret("needed", 10).empty());
  const auto problem = fields.check();
  ASSERT_TRUE(problem);
  EXPECT_EQ(problem->status, 422);
  EXPECT_THAT(names(problem), UnorderedElementsAre("name", "long", "on", "n", "word", "id", "line", "needed"));
}

TEST(Fields, FaultsOfNestedObjectsCarryTheirPath) {
  const auto inner = object_of(R"({"value":5,"other":1})");
  const auto outer = object_of(R"({"secrets":[{}]})");
  Fields fields(outer);
  EXPECT_NE(fields.array("secrets", 2), nullptr);
  Fields nested(inner, "secrets.0.");
  EXPECT_EQ(nested.text("value", {}), "");
  fields.absorb(nested);
  EXPECT_THAT(names(fields.check()), ElementsAre("secrets.0.other"));
}

TEST(Fields, CountsCharactersAndRefusesBrokenUtf8) {
  EXPECT_EQ(count_characters("Zoë€😀"), 5U);
  EXPECT_EQ(count_characters("\xc0\xaf"), std::nullopt);
  EXPECT_EQ(count_characters("\xed\xa0\x80"), std::nullopt);
  EXPECT_EQ(count_characters("\xe2\x82"), std::nullopt);
  EXPECT_EQ(count_characters("\xf4\x90\x80\x80"), std::nullopt);
}

TEST(ReadObject, TakesJsonObjectsOnly) {
  net::HttpRequest request;
  request.body = "{}";
  EXPECT_EQ(read_object(request).error().status, 415);
  request.headers.set("Content-Type", "text/plain");
  EXPECT_EQ(read_object(request).error().status, 415);
  request.headers.set("Content-Type", "application/json; charset=utf-8");
  EXPECT_TRUE(read_object(request));
  for (const auto* body : {"", "[]", "{", "{\"a\":}", "null", "{}{}"}) {
    request.body = body;
    EXPECT_EQ(read_object(request).error().code, "invalid_request") << body;
  }
  request.body = R"({"name":"a","enabled":true,"name":"b"})";
  const auto twice = read_object(request);
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().status, 400);
  EXPECT_EQ(names(twice.error()), std::vector<std::string>{"name"});
}

TEST(Query, RefusesUnknownDoubleAndMalformedParameters) {
  net::HttpRequest request;
  request.query = "limit=20&search=a+b&since=2026-11-23T19:05:00.000Z";
  Query good(request);
  EXPECT_EQ(good.integer("limit", 1, 200, 50), 20);
  EXPECT_EQ(good.text("search"), "a b");
  EXPECT_TRUE(good.time_if("since"));
  EXPECT_FALSE(good.check());
  for (const auto* bad : {"limit=0", "limit=x", "limit=1&limit=2", "foo=1", "%zz=1", "search=%00"}) {
    request.query = bad;
    Query query(request);
    [[maybe_unused]] const auto limit = query.integer("limit", 1, 200, 50);
    [[maybe_unused]] const auto search = query.text("search");
    const auto problem = query.check();
    ASSERT_TRUE(problem) << bad;
    EXPECT_EQ(problem->status, 400) << bad;
  }
}

}  // namespace
}  // namespace latchkey::console

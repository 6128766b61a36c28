#include "wire/webdav/headers.h"

#include <gtest/gtest.h>

namespace latchkey::wire::webdav {
namespace {

template <class T>
std::string reason_of(const Result<T>& result) {
  return result ? "" : result.error().reason;
}

TEST(DavDepth, IsReadAsWritten) {
  EXPECT_EQ(parse_depth("0", Depth::infinity), Depth::zero);
  EXPECT_EQ(parse_depth(" 1 ", Depth::infinity), Depth::one);
  EXPECT_EQ(parse_depth("Infinity", Depth::zero), Depth::infinity);
  EXPECT_EQ(parse_depth(std::nullopt, Depth::infinity), Depth::infinity);
  for (const auto* field : {"", "2", "1,noroot", "-1", "00"})
    EXPECT_EQ(reason_of(parse_depth(field, Depth::zero)), "bad_depth") << field;
}

TEST(DavOverwrite, IsYesUnlessItSaysNo) {
  EXPECT_EQ(parse_overwrite(std::nullopt), Overwrite::yes);
  EXPECT_EQ(parse_overwrite("t"), Overwrite::yes);
  EXPECT_EQ(parse_overwrite("F"), Overwrite::no);
  EXPECT_EQ(reason_of(parse_overwrite("maybe")), "bad_overwrite");
}

TEST(DavDestination, IsAnAddressOrAPath) {
  EXPECT_EQ(parse_destination("https://Latchkey.Example:8443/dav/scans/a%20b.pdf"),
            (Destination{"latchkey.example:8443", "/dav/scans/a b.pdf"}));
  EXPECT_EQ(parse_destination("/dav/scans/b.pdf"), (Destination{"", "/dav/scans/b.pdf"}));
  EXPECT_EQ(reason_of(parse_destination(std::nullopt)), "bad_destination");
  for (const auto* field :
       {"", "b.pdf", "ftp://host/b.pdf", "http://host", "http:///b.pdf", "/b.pdf?x", "/b.pdf#x", "http://me@host/b"})
    EXPECT_EQ(reason_of(parse_destination(field)), "bad_destination") << field;
}

TEST(DavDestination, D7_IsNoWayOut) {
  for (const auto* field :
       {"/dav/scans/%2e%2e%2fx", "/dav/scans/a%5cb", "/dav/scans/a%00", "http://host/dav/scans/a%0d%0aX:%20y", "/dav/%ff"})
    EXPECT_EQ(reason_of(parse_destination(field)), "bad_path") << field;
}

TEST(DavIf, IsListsOfConditions) {
  const auto lists = parse_if("(<urn:uuid:1> [\"a\"]) (Not <DAV:no-lock> [W/\"b\"])");
  ASSERT_TRUE(lists);
  using enum Condition::Kind;
  EXPECT_EQ(*lists,
            (std::vector<ConditionList>{{"", {{state_token, false, "urn:uuid:1"}, {entity_tag, false, "\"a\""}}},
                                        {"", {{state_token, true, "DAV:no-lock"}, {entity_tag, false, "W/\"b\""}}}}));
  const auto tagged = parse_if("<http://host/a> ([\"a\"]) ([\"b\"]) <http://host/c> (Not [\"c\"])");
  ASSERT_TRUE(tagged);
  EXPECT_EQ(tagged->size(), 3U);
  EXPECT_EQ(tagged->at(1).tag, "http://host/a");
  EXPECT_EQ(tagged->at(2).tag, "http://host/c");
  for (const auto* field : {"", "()", "(", "(<a>", "<a>", "([a])", "(a)", "(<a>) b", "(Not)", "[\"a\"]"})
    EXPECT_EQ(reason_of(parse_if(field)), "bad_if") << field;
  std::string many;
  for (int i = 0; i < 21; ++i) many += "(<a>)";
  EXPECT_EQ(reason_of(parse_if(many)), "bad_if");
}

TEST(DavIf, HoldsByEntityTagAloneSinceNothingIsEverLocked) {
  const auto holds_for = [](std::string_view field, std::string_view tag) {
    const auto lists = parse_if(field);
    EXPECT_TRUE(lists) << field;
    return lists && holds(*lists, tag);
  };
  EXPECT_TRUE(holds_for("([\"a\"])", "\"a\""));
  EXPECT_FALSE(holds_for("([\"a\"])", "\"b\""));
  EXPECT_FALSE(holds_for("([\"a\"])", "")) << "there is no such resource";
  EXPECT_TRUE(holds_for("(Not [\"a\"])", "\"b\""));
  EXPECT_FALSE(holds_for("(<urn:uuid:1> [\"a\"])", "\"a\"")) << "nobody has that lock";
  EXPECT_TRUE(holds_for("(<urn:uuid:1>) (Not <DAV:no-lock>)", "\"a\""));
  EXPECT_FALSE(holds_for("<http://host/b> ([\"a\"])", "\"a\"")) << "of another resource nothing is said";
}

}  // namespace
}  // namespace latchkey::wire::webdav

#include "doors/webdav/dav_view.h"

#include <gmock/gmock.h>

#include "doors/webdav/collections.h"

namespace latchkey::doors {
namespace {

using testing::ElementsAre;
using wire::webdav::PropfindQuestion;

struct StillClock final : WallClock {
  WallTime now() const override { return at; }
  WallTime at{Milliseconds(1'000'000)};
};

delivery::ShelfItem item(std::string path, std::int64_t size = 5) {
  delivery::ShelfItem made{.path = std::move(path), .delivery = {}};
  made.delivery.size_bytes = size;
  return made;
}

std::vector<std::string> paths(const std::vector<const delivery::ShelfItem*>& items) {
  std::vector<std::string> found;
  for (const auto* one : items) found.push_back(one->path);
  return found;
}

TEST(DavView, G4_ShowsDocumentsAndTheFoldersAroundThem) {
  const DavView view({item("a.pdf"), item("x/b.pdf"), item("x/y/c.pdf"), item("xy/d.pdf")}, {"made/in"});
  EXPECT_TRUE(view.is_collection(""));
  for (const auto* path : {"x", "x/y", "xy", "made", "made/in"}) EXPECT_TRUE(view.is_collection(path)) << path;
  for (const auto* path : {"a.pdf", "x/b.pdf", "y", "x/"}) EXPECT_FALSE(view.is_collection(path)) << path;
  EXPECT_THAT(view.collections_in(""), ElementsAre("made", "x", "xy"));
  EXPECT_THAT(view.collections_in("x"), ElementsAre("x/y"));
  EXPECT_THAT(paths(view.documents_in("")), ElementsAre("a.pdf"));
  EXPECT_THAT(paths(view.documents_below("x")), ElementsAre("x/b.pdf", "x/y/c.pdf")) << "not what only begins alike";
  EXPECT_EQ(view.document("x/b.pdf")->path, "x/b.pdf");
  EXPECT_EQ(view.document("b.pdf"), nullptr);
}

TEST(DavView, OfTwoDocumentsAtAPathTheNewestIsShown) {
  const DavView view({item("a.pdf", 2), item("a.pdf", 1)}, {});
  EXPECT_EQ(view.document("a.pdf")->delivery.size_bytes, 2) << "they come newest first";
}

TEST(DavView, AnswersWhatWasAskedForAndNamesWhatIsNotThere) {
  const auto asked = [](PropfindQuestion question) {
    return wire::webdav::write_multistatus({describe("/dav/scans/a%20%26.pdf", item("a &.pdf"), question)});
  };
  const auto all = asked({});
  EXPECT_THAT(all, testing::HasSubstr("<D:displayname>a &amp;.pdf</D:displayname>"));
  EXPECT_THAT(all, testing::HasSubstr("<D:getcontentlength>5</D:getcontentlength>"));
  EXPECT_THAT(all, testing::HasSubstr("<D:resourcetype/>"));
  const auto names = asked({.kind = PropfindQuestion::Kind::names, .properties = {}});
  EXPECT_THAT(names, testing::HasSubstr("<D:getcontentlength/>"));
  const auto some =
      asked({.kind = PropfindQuestion::Kind::some, .properties = {{"DAV:", "getcontentlength"}, {"urn:z", "none"}}});
  EXPECT_THAT(some,
              testing::HasSubstr("<D:prop><D:getcontentlength>5</D:getcontentlength></D:prop><D:status>HTTP/1.1 200 OK"));
  EXPECT_THAT(some, testing::HasSubstr("<D:prop><x:none xmlns:x=\"urn:z\"/></D:prop><D:status>HTTP/1.1 404 Not Found"));
}

TEST(DavCollections, AreEachCallersOwnAndBounded) {
  StillClock wall;
  DavCollections made(wall);
  EXPECT_TRUE(made.make("ann scans", "a"));
  EXPECT_TRUE(made.make("ann scans", "a/b"));
  EXPECT_TRUE(made.make("ann scans", "ab"));
  EXPECT_THAT(made.of("ann scans"), ElementsAre("a", "a/b", "ab"));
  EXPECT_TRUE(made.of("ben scans").empty());
  made.remove("ann scans", "a");
  EXPECT_THAT(made.of("ann scans"), ElementsAre("ab")) << "and what is below it, not what only begins alike";
  for (std::size_t i = 1; i < DavCollections::kOfOneMax; ++i) ASSERT_TRUE(made.make("ann scans", std::to_string(i)));
  EXPECT_FALSE(made.make("ann scans", "one too many"));
  EXPECT_TRUE(made.make("ann scans", "ab")) << "it is there already";
}

TEST(DavCollections, AreForgottenADayAfterTheirLastUse) {
  StillClock wall;
  DavCollections made(wall);
  ASSERT_TRUE(made.make("ann scans", "old"));
  ASSERT_TRUE(made.make("ann scans", "used"));
  wall.at += std::chrono::hours(20);
  made.use("ann scans", "used");
  wall.at += std::chrono::hours(5);
  EXPECT_THAT(made.of("ann scans"), ElementsAre("used"));
}

}  // namespace
}  // namespace latchkey::doors

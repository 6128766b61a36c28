// The exercise suite against a WebDAV server that stands already, named by the environment;
// tests/process/webdav_connector.test.mjs starts Apache and a simulated Nextcloud for it:
//   LATCHKEY_TEST_WEBDAV_URL      address under which every test gets a folder of its own
//   LATCHKEY_TEST_WEBDAV_FILES    the folder of this machine where the server keeps what is under that address
//   LATCHKEY_TEST_WEBDAV_TOKEN    a bearer token that is good
//   LATCHKEY_TEST_WEBDAV_SERVERS  "nextcloud", or anything else
#include "connectors/webdav/webdav.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "connectors/exercise_testing.h"
#include "connectors/webdav/dav_delivery.h"
#include "crypto/hash.h"
#include "net/curl_transport.h"
#include "net/net_testing.h"

namespace latchkey::connectors {
namespace {

std::string given(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

class GivenServer final : public DestinationUnderTest {
 public:
  GivenServer() {
    static std::atomic<int> number = 0;
    const auto name = "exercise-" + std::to_string(::getpid()) + "-" + std::to_string(++number);
    url_ = given("LATCHKEY_TEST_WEBDAV_URL") + "/" + name;
    files_ = std::filesystem::path(given("LATCHKEY_TEST_WEBDAV_FILES")) / name;
    transport_.emplace(
        loop_.loop.main(),
        net::CurlSettings{.policy = net::AddressPolicy::parse({"127.0.0.1"}).value(), .ca_file = {}, .proxy = {}});
    const auto servers =
        given("LATCHKEY_TEST_WEBDAV_SERVERS") == "nextcloud" ? WebDav::Servers::nextcloud : WebDav::Servers::any;
    webdav_.emplace(*transport_, servers);
    net::HttpCall call{.method = "MKCOL", .url = url_, .headers = {{"Authorization", "Bearer " + token_}}, .body = {}};
    const auto outcome = loop_.run(transport_->send(std::move(call)));
    EXPECT_TRUE(std::holds_alternative<net::Reply>(outcome));
  }
  ~GivenServer() override { loop_.stop(); }

  // Temporary documents that lie there.
  int on_their_way() {
    int count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(files_))
      count += entry.is_regular_file() && entry.path().filename().string().starts_with(kOnItsWay) ? 1 : 0;
    return count;
  }

  Connector& connector() override { return *webdav_; }
  std::string base_url() override { return url_; }
  Secret token() override { return Secret(std::string_view(token_)); }
  std::map<std::string, std::string> hashes() override {
    std::map<std::string, std::string> found;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(files_)) {
      const auto path = std::filesystem::relative(entry.path(), files_).string();
      // mod_dav keeps what it knows of documents in folders beside them.
      if (!entry.is_regular_file() || path.contains(".DAV/") || entry.path().filename().string().starts_with(kOnItsWay))
        continue;
      std::ifstream in(entry.path(), std::ios::binary);
      const std::string octets((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
      found[path] = base::to_hex(crypto::sha256(base::as_bytes(octets)));
    }
    return found;
  }
  Result<Receipt> run(Task<Result<Receipt>> task) override { return loop_.run(std::move(task)); }
  Result<std::vector<ListItem>> run(Task<Result<std::vector<ListItem>>> task) override { return loop_.run(std::move(task)); }

 private:
  net::LoopThread loop_;
  std::string token_ = given("LATCHKEY_TEST_WEBDAV_TOKEN");
  std::string url_;
  std::filesystem::path files_;
  std::optional<net::CurlTransport> transport_;
  std::optional<WebDav> webdav_;
};

std::vector<DestinationFactory> given_servers() {
  if (given("LATCHKEY_TEST_WEBDAV_URL").empty()) return {};
  return {DestinationFactory([] { return std::make_unique<GivenServer>(); })};
}

INSTANTIATE_TEST_SUITE_P(GivenWebDav, ConnectorExercise, ::testing::ValuesIn(given_servers()));

// What is WebDAV's own.
class WebDavExercise : public ConnectorExercise {
 protected:
  // An order whose document was about to get that name when its process ended; nothing of it is there any more.
  StoreOrder about_to_be_placed(MemoryDocument& document, const std::string& path, OnConflict rule) {
    auto wish = order(document, path, "key-ours");
    wish.on_conflict = rule;
    wish.resume_point = DavResumePoint{.step = DavResumePoint::Step::placing, .path = path, .marked = true}.text();
    progress_.resume_point = wish.resume_point;
    return wish;
  }
};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(WebDavExercise);
INSTANTIATE_TEST_SUITE_P(GivenWebDav, WebDavExercise, ::testing::ValuesIn(given_servers()));

TEST_P(WebDavExercise, AnothersDocumentOfTheSameSizeIsNotTakenForOurs) {
  MemoryDocument theirs(base::to_bytes("theirs"));
  MemoryDocument ours(base::to_bytes("ours!!"));
  ASSERT_TRUE(store(order(theirs, "In/a.pdf", "key-theirs")));
  const auto receipt = store(about_to_be_placed(ours, "In/a.pdf", OnConflict::rename));
  ASSERT_TRUE(receipt) << receipt.error().reason;
  EXPECT_EQ(receipt->path, "In/a (2).pdf");
  EXPECT_EQ(destination_->hashes()["In/a.pdf"], theirs.hash());
  EXPECT_EQ(destination_->hashes()["In/a (2).pdf"], ours.hash());
}

TEST_P(WebDavExercise, WhatFailsForGoodBeginsAnewWhenItIsTriedAgain) {
  MemoryDocument theirs(base::to_bytes("theirs"));
  MemoryDocument ours(base::to_bytes("ours!!"));
  ASSERT_TRUE(store(order(theirs, "In/a.pdf", "key-theirs")));
  EXPECT_EQ(store(about_to_be_placed(ours, "In/a.pdf", OnConflict::refuse)).error().reason, "exists");
  EXPECT_TRUE(progress_.resume_point.empty()) << progress_.resume_point;
}

// As the queue answers for a delivery that was deleted.
class DeletedMeanwhile final : public Progress {
 public:
  Task<Result<void>> note(std::string, std::uint64_t) override {
    co_return fail(ErrorKind::not_found, "no_such_delivery", "The delivery was deleted while it was being sent.");
  }
};

TEST_P(WebDavExercise, WhatIsDeletedWhileItIsSentLeavesNothing) {
  MemoryDocument document(base::to_bytes("a document"));
  DeletedMeanwhile progress;
  auto wish = order(document, "In/a.pdf", "key-deleted");
  wish.progress = &progress;
  EXPECT_EQ(store(std::move(wish)).error().reason, "no_such_delivery");
  EXPECT_TRUE(destination_->hashes().empty());
  EXPECT_EQ(dynamic_cast<GivenServer&>(*destination_).on_their_way(), 0);
}

// What the live bar goes by.
TEST_P(WebDavExercise, HowMuchHasLeftIsToldOnTheWay) {
  MemoryDocument document(Bytes(20 << 20, 'x'));
  ASSERT_TRUE(store(order(document, "In/large.pdf", "key-large")));
  const auto& told = progress_.all_sent_bytes;
  EXPECT_TRUE(std::ranges::is_sorted(told));
  const auto on_the_way = std::ranges::count_if(told, [](std::uint64_t sent) { return sent > 0 && sent < 20 << 20; });
  EXPECT_GE(on_the_way, 1) << "by pieces of 8 MiB, or chunk by chunk";
}

class Told final : public Leaving {
 public:
  Task<Result<void>> left(std::uint64_t octets) override {
    all.push_back(octets);
    if (fails) co_return fail(ErrorKind::not_found, "no_such_delivery", "The delivery was deleted while it was being sent.");
    co_return Result<void>{};
  }
  std::vector<std::uint64_t> all;
  bool fails = false;
};

TEST(DocumentParts, TellNowAndThenHowMuchHasLeft) {
  constexpr std::uint64_t kMiB = 1 << 20;
  MemoryDocument document(Bytes(20 * kMiB, 'x'));
  Told told;
  DocumentParts parts(document, 0, document.size_bytes(), &told);
  net::LoopThread loop;
  for (std::uint64_t at = 0; at < 20 * kMiB; at += kMiB) EXPECT_TRUE(loop.run(parts.read(at, kMiB)));
  EXPECT_EQ(told.all, (std::vector{8 * kMiB, 16 * kMiB}));
  EXPECT_TRUE(loop.run(parts.read(0, kMiB)));
  EXPECT_EQ(told.all.back(), 0U) << "the request is repeated on another connection";
  told.fails = true;
  EXPECT_EQ(loop.run(parts.read(10 * kMiB, kMiB)).error().reason, "no_such_delivery");
  loop.stop();
}

TEST(WebDavNames, AreNumberedBeforeTheExtension) {
  EXPECT_EQ(numbered("Scans/a.pdf", 1), "Scans/a.pdf");
  EXPECT_EQ(numbered("Scans/a.pdf", 2), "Scans/a (2).pdf");
  EXPECT_EQ(numbered("Scans.2026/letter", 3), "Scans.2026/letter (3)");
  EXPECT_EQ(numbered(".profile", 2), ".profile (2)");
  EXPECT_EQ(numbered("a.tar.gz", 2), "a.tar (2).gz");
}

TEST(WebDavNames, AreEncodedSegmentBySegment) {
  EXPECT_EQ(encode_dav_path("In/März 100 %.pdf"), "In/M%C3%A4rz%20100%20%25.pdf");
  EXPECT_EQ(encode_dav_path("a+b&c=d#e?.pdf"), "a%2Bb%26c%3Dd%23e%3F.pdf");
}

TEST(DavResumePoint, ComesBackAsItWasNoted) {
  using Step = DavResumePoint::Step;
  for (const DavResumePoint& point :
       {DavResumePoint{.step = Step::chunks, .chunks = 7},
        DavResumePoint{.step = Step::chunks, .chunks = 7, .before = "\"x\""}, DavResumePoint{.step = Step::uploaded},
        DavResumePoint{.step = Step::uploaded, .marked = true},
        DavResumePoint{.step = Step::placing, .path = "Scans/ä (2).pdf", .marked = true}, DavResumePoint{}}) {
    EXPECT_EQ(DavResumePoint::parse(point.text()), point);
  }
  for (const std::string text : {"", "nonsense", "[]", "{}", R"({"step":"chunks"})", R"({"step":"chunks","chunks":-1})",
                                 "https://elsewhere.example/upload"}) {
    EXPECT_EQ(DavResumePoint::parse(text), DavResumePoint{}) << text;
  }
}

TEST(NextcloudAccount, IsTheAddressesOwn) {
  const auto account = NextcloudAccount::of("https://cloud.example/nc/remote.php/dav/files/anna%20b");
  ASSERT_TRUE(account);
  EXPECT_EQ(account->upload_url("k-1"), "https://cloud.example/nc/remote.php/dav/uploads/anna%20b/latchkey-k-1");
  for (const std::string_view other : {"https://files.example/dav", "https://cloud.example/remote.php/dav/files/",
                                       "https://cloud.example/remote.php/dav/files/anna/Scans"}) {
    EXPECT_FALSE(NextcloudAccount::of(other)) << other;
  }
}

TEST(NextcloudChunks, KeepToItsLimits) {
  EXPECT_EQ(chunk_bytes_of(30'000'000), 10U * 1024 * 1024);
  const std::uint64_t huge = std::uint64_t{2} << 40;
  EXPECT_LE((huge + chunk_bytes_of(huge) - 1) / chunk_bytes_of(huge), 10'000U);
  EXPECT_LE(chunk_bytes_of(huge), std::uint64_t{5'000'000'000});
}

TEST(DavErrors, SayWhatToDo) {
  const auto error_at = [](int status) { return dav_error_of({.status = status, .headers = {}, .body = {}}); };
  EXPECT_EQ(error_at(301).reason, "target_moved");
  EXPECT_EQ(error_at(301).kind, ErrorKind::misconfigured);
  EXPECT_EQ(error_at(403).reason, "access_refused");
  EXPECT_EQ(error_at(404).kind, ErrorKind::misconfigured) << "an address that is mended lets the document go on";
  EXPECT_EQ(error_at(405).reason, "no_webdav");
  EXPECT_EQ(error_at(409).kind, ErrorKind::unavailable);
  EXPECT_EQ(error_at(412).reason, "exists");
  EXPECT_EQ(error_at(413).reason, "too_large_for_target");
  EXPECT_EQ(error_at(423).reason, "target_locked");
  EXPECT_EQ(error_at(429).kind, ErrorKind::unavailable);
  EXPECT_EQ(error_at(503).kind, ErrorKind::unavailable);
  EXPECT_EQ(error_at(507).reason, "target_full");
  for (const int status : {301, 403, 404, 405, 409, 412, 413, 423, 429, 500, 507})
    EXPECT_FALSE(error_at(status).text.empty());
}

Task<std::unique_ptr<Turns::Turn>> taken(Turns& turns, std::string place) {
  co_return std::make_unique<Turns::Turn>(co_await turns.take(std::move(place)));
}

TEST(Turns, OnePlaceIsOnesAtATime) {
  net::LoopThread loop;
  Turns turns;
  auto first = loop.run(taken(turns, "a"));
  const auto other = loop.run(taken(turns, "b"));
  auto waiting = boost::asio::co_spawn(loop.loop.main(), taken(turns, "a"), boost::asio::use_future);
  EXPECT_EQ(waiting.wait_for(std::chrono::milliseconds(20)), std::future_status::timeout);
  first.reset();
  ASSERT_EQ(waiting.wait_for(std::chrono::seconds(10)), std::future_status::ready);
  loop.stop();
}

}  // namespace
}  // namespace latchkey::connectors

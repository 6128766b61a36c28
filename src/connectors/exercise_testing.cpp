#include "connectors/exercise_testing.h"

#include <algorithm>

#include "base/entropy.h"
#include "crypto/hash.h"

namespace latchkey::connectors {
namespace {

Bytes octets_of(std::size_t size) {
  base::SeededEntropy entropy(size + 1);
  return entropy.bytes(size);
}

}  // namespace

MemoryDocument::MemoryDocument(Bytes octets) : octets_(std::move(octets)) {
  const auto digest = crypto::sha256(octets_);
  sha256_.assign(digest.begin(), digest.end());
}

Task<Result<Secret>> MemoryDocument::read(std::uint64_t offset, std::size_t size_bytes) {
  if (unreadable_from && offset + size_bytes > *unreadable_from)
    co_return fail(ErrorKind::corrupt, "document_damaged", "The spooled document was altered.");
  const auto begin = std::min<std::uint64_t>(offset, octets_.size());
  const auto count = std::min<std::uint64_t>(size_bytes, octets_.size() - begin);
  read_bytes += count;
  co_return Secret(ByteView(octets_).subspan(begin, count));
}

Task<Result<Secret>> CountedTokens::token() {
  if (first_is_stale || all_are_stale) co_return Secret("a-token-that-has-expired");
  co_return destination_.token();
}

Task<Result<Secret>> CountedTokens::another_token() {
  others += 1;
  if (all_are_stale) co_return Secret("another-that-has-expired");
  co_return destination_.token();
}

Task<Result<void>> RememberedProgress::note(std::string point, std::uint64_t sent) {
  notes += 1;
  if (dies_at > 0 && notes >= dies_at) co_return fail(ErrorKind::unavailable, "store_unavailable", "The process died here.");
  resume_point = std::move(point);
  sent_bytes = sent;
  all_sent_bytes.push_back(sent);
  co_return Result<void>{};
}

StoreOrder ConnectorExercise::order(MemoryDocument& document, std::string path, std::string key) {
  if (!tokens_) tokens_ = std::make_unique<CountedTokens>(*destination_);
  return {.base_url = destination_->base_url(),
          .path = std::move(path),
          .content_type = "application/pdf",
          .key = std::move(key),
          .on_conflict = OnConflict::rename,
          .resume_point = {},
          .document = &document,
          .tokens = tokens_.get(),
          .progress = &progress_};
}

// Suites are instantiated where the services are.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ConnectorExercise);

TEST_P(ConnectorExercise, StoresDocumentsOfEverySizeWhole) {
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{50'000}, std::size_t{2 * 1024 * 1024}, std::size_t{5'000'001}}) {
    MemoryDocument document(octets_of(size));
    const auto name = "Scans/" + std::to_string(size) + ".pdf";
    const auto receipt = store(order(document, name, "size-" + std::to_string(size)));
    ASSERT_TRUE(receipt) << receipt.error().reason << " " << receipt.error().detail;
    EXPECT_EQ(receipt->path, name);
    EXPECT_EQ(receipt->size_bytes, size);
    EXPECT_NE(receipt->proof, Proof::none);
    EXPECT_FALSE(receipt->id.empty());
    EXPECT_EQ(destination_->hashes()[name], document.hash()) << size;
  }
}

TEST_P(ConnectorExercise, NamesArriveAsTheyAre) {
  for (const std::string name :
       {"Übersicht – März.pdf", "two  spaces (1).pdf", "100 %.pdf", "a+b&c=d#e.pdf", "日本語.pdf"}) {
    MemoryDocument document(octets_of(10));
    const auto receipt =
        store(order(document, "Names/" + name, "n" + base::to_hex(crypto::sha256(base::as_bytes(name))).substr(0, 20)));
    ASSERT_TRUE(receipt) << name;
    EXPECT_EQ(destination_->hashes()["Names/" + name], document.hash()) << name;
  }
}

// D1: the same order again, as after an answer that was lost or a process that died, makes no second document.
TEST_P(ConnectorExercise, D1_TheSameKeyTwiceIsOneDocument) {
  if (!destination_->connector().abilities().idempotent) GTEST_SKIP() << "this service cannot tell";
  MemoryDocument document(octets_of(3'000'000));
  const auto first = store(order(document, "once.pdf", "key-once"));
  ASSERT_TRUE(first);
  EXPECT_EQ(store(order(document, "once.pdf", "key-once")), first);
  auto resumed = order(document, "once.pdf", "key-once");
  resumed.resume_point = progress_.resume_point;
  EXPECT_EQ(store(std::move(resumed)), first);
  EXPECT_EQ(destination_->hashes().size(), 1U);
}

TEST_P(ConnectorExercise, D1_GoesOnWhereItStopped) {
  if (!destination_->connector().abilities().resumable) GTEST_SKIP() << "this service takes documents whole";
  MemoryDocument document(octets_of(30'000'000));
  progress_.dies_at = 3;
  EXPECT_EQ(store(order(document, "long.pdf", "key-long")).error().reason, "store_unavailable");
  ASSERT_FALSE(progress_.resume_point.empty());
  const auto before = document.read_bytes;
  EXPECT_LT(before, document.size_bytes());
  progress_.dies_at = 0;
  auto again = order(document, "long.pdf", "key-long");
  again.resume_point = progress_.resume_point;
  const auto receipt = store(std::move(again));
  ASSERT_TRUE(receipt) << receipt.error().reason;
  EXPECT_EQ(destination_->hashes()["long.pdf"], document.hash());
  EXPECT_LE(document.read_bytes, document.size_bytes() + 1024 * 1024) << "hardly anything is sent twice";
}

TEST_P(ConnectorExercise, AResumePointOfNoUseBeginsAnew) {
  MemoryDocument document(octets_of(1000));
  auto stale = order(document, "anew.pdf", "key-anew");
  stale.resume_point = destination_->base_url() + "/drive/uploads/forgotten";
  EXPECT_TRUE(store(std::move(stale)));
  auto foreign = order(document, "anew-2.pdf", "key-anew-2");
  foreign.resume_point = "https://elsewhere.example/upload";  // the token goes nowhere else
  EXPECT_TRUE(store(std::move(foreign)));
}

TEST_P(ConnectorExercise, ATokenThatHasExpiredIsExchangedOnce) {
  MemoryDocument document(octets_of(5'000'000));
  auto wish = order(document, "renewed.pdf", "key-renewed");
  tokens_->first_is_stale = true;
  ASSERT_TRUE(store(std::move(wish)));
  EXPECT_EQ(tokens_->others, 1) << "the new one serves the parts behind it";
  tokens_->all_are_stale = true;
  const auto refused = store(order(document, "never.pdf", "key-never"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::needs_person) << refused.error().reason;
  EXPECT_EQ(tokens_->others, 2) << "and no storm of refreshes";
}

TEST_P(ConnectorExercise, D10_ANameThatIsTaken) {
  int key = 0;
  const auto put = [&](OnConflict rule, std::size_t size) {
    MemoryDocument document(octets_of(size));
    auto wish = order(document, "In/taken.pdf", "conflict-" + std::to_string(++key));
    wish.on_conflict = rule;
    return store(std::move(wish));
  };
  ASSERT_TRUE(put(OnConflict::refuse, 10));
  const auto refused = put(OnConflict::refuse, 11);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::conflict);
  EXPECT_EQ(refused.error().reason, "exists");
  const auto renamed = put(OnConflict::rename, 12);
  ASSERT_TRUE(renamed);
  EXPECT_NE(renamed->path, "In/taken.pdf");
  EXPECT_EQ(destination_->hashes().size(), 2U);
  EXPECT_EQ(put(OnConflict::replace, 13)->path, "In/taken.pdf");
  EXPECT_EQ(put(OnConflict::new_version, 14)->path, "In/taken.pdf");
  EXPECT_EQ(destination_->hashes().size(), 2U);
  EXPECT_EQ(destination_->hashes()["In/taken.pdf"], MemoryDocument(octets_of(14)).hash());
}

TEST_P(ConnectorExercise, WhatCannotBeReadIsNotSentHalf) {
  MemoryDocument document(octets_of(6'000'000));
  document.unreadable_from = 5'000'000;
  const auto refused = store(order(document, "damaged.pdf", "key-damaged"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "document_damaged");
  EXPECT_FALSE(destination_->hashes().contains("damaged.pdf"));
}

TEST_P(ConnectorExercise, ListsWhatIsThere) {
  MemoryDocument document(octets_of(10));
  ASSERT_TRUE(store(order(document, "Lists/Alpha.pdf", "key-alpha")));
  ASSERT_TRUE(store(order(document, "Lists/Beta.pdf", "key-beta")));
  const auto list = [&](std::string kind, std::string filter, std::size_t limit) {
    return destination_->run(destination_->connector().list({.base_url = destination_->base_url(),
                                                             .kind = std::move(kind),
                                                             .filter = std::move(filter),
                                                             .limit = limit,
                                                             .tokens = tokens_.get()}));
  };
  EXPECT_EQ(list("file", "", 200)->size(), 2U);
  EXPECT_EQ(list("file", "ALPHA", 200)->size(), 1U);
  EXPECT_EQ(list("file", "", 1)->size(), 1U);
  EXPECT_EQ(list("nonsense", "", 1).error().reason, "unknown_kind");
}

}  // namespace latchkey::connectors

#include "delivery/spool.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <thread>

#include "base/fakes_testing.h"
#include "store/store_testing.h"

namespace latchkey::delivery {
namespace {

using store::wait_for;

class SpoolOnDisk : public ::testing::Test {
 protected:
  SpoolOnDisk() { EXPECT_TRUE(spool_.prepare()); }

  [[nodiscard]] DeliveryId id() { return DeliveryId::make(WallTime(Milliseconds(1)), entropy_); }
  struct Taken {
    std::uint64_t size_bytes = 0;
    crypto::Digest sha256{};
    Bytes key_sealed;
  };
  [[nodiscard]] Taken take_in(DeliveryId which, const Bytes& octets) {
    auto incoming = wait_for(spool_.receive(which));
    EXPECT_TRUE(incoming);
    EXPECT_TRUE(wait_for((*incoming)->append(octets)));
    auto spooled = wait_for((*incoming)->finish());
    EXPECT_TRUE(spooled);
    (*incoming)->keep();
    return {.size_bytes = spooled->size_bytes, .sha256 = spooled->sha256, .key_sealed = (*incoming)->sealed_key()};
  }

  store::TemporaryDirectory directory_;
  store::SystemFiles files_;
  base::SeededEntropy entropy_{9};
  vault::Vault vault_{Secret(Bytes(32, 1)), entropy_};
  base::MemoryLog log_;
  grants::Sealing sealing_{vault_};
  Spool spool_{
      {.files = files_, .sealing = sealing_, .entropy = entropy_, .log = log_, .directory = directory_.path() + "/spool"}};
};

TEST_F(SpoolOnDisk, TakesInAndGivesOut) {
  const auto octets = base::to_bytes(std::string(200'000, 'x') + "end");
  const auto which = id();
  const auto spooled = take_in(which, octets);
  EXPECT_EQ(spooled.size_bytes, octets.size());
  EXPECT_EQ(spooled.sha256, crypto::sha256(octets));
  EXPECT_EQ(wait_for(spool_.documents()).value(), std::vector{which});
  auto outgoing = wait_for(spool_.open(which, spooled.key_sealed, spooled.size_bytes));
  ASSERT_TRUE(outgoing);
  EXPECT_EQ(wait_for((*outgoing)->read(200'000, 100))->reveal_text(), "end");
  ASSERT_TRUE(wait_for(spool_.remove(which)));
  EXPECT_TRUE(wait_for(spool_.remove(which))) << "what is gone is removed already";
  EXPECT_EQ(wait_for(spool_.open(which, spooled.key_sealed, spooled.size_bytes)).error().reason, "document_missing");
}

// D7: whoever begins to fetch and takes nothing holds memory and a descriptor.
TEST_F(SpoolOnDisk, D7_OneReaderFetchesABoundedNumberAtOnce) {
  const auto which = id();
  const auto spooled = take_in(which, base::to_bytes("text"));
  const auto fetch = [&](const std::string& reader) {
    return wait_for(spool_.open_for(reader, which, spooled.key_sealed, spooled.size_bytes));
  };
  std::vector<std::unique_ptr<OutgoingDocument>> fetched;
  for (int n = 0; n < 8; ++n) {
    auto one = fetch("ann");
    ASSERT_TRUE(one);
    fetched.push_back(std::move(*one));
  }
  EXPECT_EQ(fetch("ann").error().reason, "too_many_downloads_of_one");
  EXPECT_TRUE(fetch("ben"));
  EXPECT_TRUE(wait_for(spool_.open(which, spooled.key_sealed, spooled.size_bytes))) << "its delivery is no download";
  fetched.pop_back();
  EXPECT_TRUE(fetch("ann"));
}

TEST_F(SpoolOnDisk, ALongDocumentIsSyncedOnItsWay) {
  store::FaultyFiles files(files_);
  Spool spool(
      {.files = files, .sealing = sealing_, .entropy = entropy_, .log = log_, .directory = directory_.path() + "/spool"});
  auto incoming = wait_for(spool.receive(id()));
  ASSERT_TRUE(incoming);
  for (std::uint64_t taken = 0; taken <= SpoolWriter::kSyncEveryBytes; taken += 1 << 20)
    ASSERT_TRUE(wait_for((*incoming)->append(Bytes(1 << 20))));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (files.calls("fdatasync") == 0) ASSERT_LT(std::chrono::steady_clock::now(), deadline);
  EXPECT_TRUE(wait_for((*incoming)->finish()));
  EXPECT_EQ(files.calls("fdatasync"), 2);
}

TEST_F(SpoolOnDisk, WhatIsDroppedLeavesNothing) {
  {
    auto incoming = wait_for(spool_.receive(id()));
    ASSERT_TRUE(incoming);
    ASSERT_TRUE(wait_for((*incoming)->append(Bytes(100'000))));
    EXPECT_EQ(wait_for(spool_.documents())->size(), 1U);
  }
  {
    auto incoming = wait_for(spool_.receive(id()));
    ASSERT_TRUE(incoming);
    ASSERT_TRUE(wait_for((*incoming)->append(Bytes(100'000))));
    ASSERT_TRUE(wait_for((*incoming)->finish())) << "whole, but nobody wrote a record of it";
  }
  // The removal stands before these questions in the disk thread's queue, or is at work beside them.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!wait_for(spool_.documents())->empty()) ASSERT_LT(std::chrono::steady_clock::now(), deadline);
}

TEST_F(SpoolOnDisk, ASmallDocumentIsWrittenInOneGoAndALongerOneOnItsWay) {
  const auto small = id();
  auto incoming = wait_for(spool_.receive(small));
  ASSERT_TRUE(incoming);
  ASSERT_TRUE(wait_for((*incoming)->append(Bytes(30'000, 1))));
  ASSERT_TRUE(wait_for((*incoming)->append(Bytes(IncomingDocument::kSmallBytes - 30'000, 2))));
  EXPECT_TRUE(wait_for(spool_.documents())->empty()) << "nothing before its end";
  const auto key = (*incoming)->sealed_key();
  ASSERT_EQ(wait_for((*incoming)->finish()).value().size_bytes, IncomingDocument::kSmallBytes);
  (*incoming)->keep();
  const auto read = wait_for(wait_for(spool_.open(small, key, IncomingDocument::kSmallBytes)).value()->read(29'999, 2)).value();
  EXPECT_EQ(read.reveal_text(), "\x01\x02");

  auto longer = wait_for(spool_.receive(id()));
  ASSERT_TRUE(longer);
  ASSERT_TRUE(wait_for((*longer)->append(Bytes(IncomingDocument::kSmallBytes, 1))));
  ASSERT_TRUE(wait_for((*longer)->append(Bytes(1, 2))));
  EXPECT_EQ(wait_for(spool_.documents())->size(), 2U);
  ASSERT_EQ(wait_for((*longer)->finish()).value().size_bytes, IncomingDocument::kSmallBytes + 1);
}

TEST_F(SpoolOnDisk, D2_WhatNobodyKnowsLiesAsideAndWhatWasNeverWholeGoes) {
  const auto whole = id();
  const auto spooled = take_in(whole, Bytes(2 * kChunkBytes, 7));
  const auto beginning = id();
  auto incoming = wait_for(spool_.receive(beginning));
  ASSERT_TRUE(incoming);
  ASSERT_TRUE(wait_for((*incoming)->append(Bytes(3 * kChunkBytes))));
  const WallTime found(Milliseconds(1'800'000'000'000));
  EXPECT_EQ(wait_for(spool_.settle_strays({whole, beginning}, found)).value(), 1U);
  EXPECT_TRUE(wait_for(spool_.documents())->empty());
  auto strays = wait_for(spool_.strays());
  ASSERT_TRUE(strays);
  ASSERT_EQ(strays->size(), 1U);
  EXPECT_EQ(strays->front().id, whole);
  EXPECT_EQ(wait_for(spool_.open(whole, spooled.key_sealed, spooled.size_bytes)).error().reason, "document_missing");
  // Found before that moment: none.
  EXPECT_EQ(wait_for(spool_.remove_strays_found_before(found)).value(), 0U);
  ASSERT_TRUE(wait_for(spool_.take_back(*strays)));
  EXPECT_TRUE(wait_for(spool_.take_back(*strays))) << "what is back is not missed";
  EXPECT_TRUE(wait_for(spool_.strays())->empty());
  auto outgoing = wait_for(spool_.open(whole, spooled.key_sealed, spooled.size_bytes));
  ASSERT_TRUE(outgoing);
  EXPECT_EQ(wait_for((*outgoing)->read(0, 10))->size(), 10U);
  ASSERT_EQ(wait_for(spool_.settle_strays({whole}, found)).value(), 1U);
  EXPECT_EQ(wait_for(spool_.remove_strays_found_before(found + Milliseconds(1))).value(), 1U);
  EXPECT_TRUE(wait_for(spool_.strays())->empty());
}

// What lies in a directory whose own name a power cut takes away is lost with it.
TEST_F(SpoolOnDisk, TheDirectorysNameIsOnTheMediumBeforeADocumentIs) {
  store::FaultyFiles files(files_);
  Spool spool(
      {.files = files, .sealing = sealing_, .entropy = entropy_, .log = log_, .directory = directory_.path() + "/another"});
  ASSERT_TRUE(spool.prepare());
  EXPECT_EQ(files.calls("fsync"), 1);
  files.set_fault([](std::string_view call) { return call == "fsync" ? EIO : 0; });
  EXPECT_EQ(spool.prepare().error().reason, "spool_directory");
}

TEST_F(SpoolOnDisk, AKeyOpensItsOwnDocumentAlone) {
  const auto mine = id();
  const auto other = id();
  const auto spooled = take_in(mine, base::to_bytes("mine"));
  const auto foreign = take_in(other, base::to_bytes("also"));
  EXPECT_EQ(wait_for(spool_.open(mine, foreign.key_sealed, 4)).error().reason, "ciphertext_rejected")
      << "a key moved to another record";
  EXPECT_NE(spooled.key_sealed, foreign.key_sealed);
}

TEST_F(SpoolOnDisk, P5_ADocumentThatComesInDuringARotationIsSealedUnderTheNewKey) {
  const auto which = id();
  auto incoming = wait_for(spool_.receive(which));
  ASSERT_TRUE(incoming);
  ASSERT_TRUE(wait_for((*incoming)->append(base::to_bytes("text"))));
  ASSERT_TRUE(wait_for((*incoming)->finish()));
  (*incoming)->keep();
  // The next file of the same form is still coming in.
  vault_.begin_rotation(Secret(Bytes(32, 2)));
  vault_.end_rotation();
  auto outgoing = wait_for(spool_.open(which, (*incoming)->sealed_key(), 4));
  ASSERT_TRUE(outgoing) << outgoing.error().reason;
  EXPECT_EQ(wait_for((*outgoing)->read(0, 4))->reveal_text(), "text");
}

TEST_F(SpoolOnDisk, P5_KeysAreRenewedWithTheMasterKey) {
  const auto which = id();
  const auto spooled = take_in(which, base::to_bytes("text"));
  vault_.begin_rotation(Secret(Bytes(32, 2)));
  const auto renewed = sealing_.renew_document_key({.id = which, .document_key_sealed = spooled.key_sealed});
  ASSERT_TRUE(renewed);
  EXPECT_NE(*renewed, spooled.key_sealed);
  vault_.end_rotation();
  EXPECT_FALSE(wait_for(spool_.open(which, spooled.key_sealed, 4)));
  EXPECT_EQ(wait_for(wait_for(spool_.open(which, *renewed, 4)).value()->read(0, 4))->reveal_text(), "text");
}

TEST_F(SpoolOnDisk, RefusesBeforeTheDiskIsFull) {
  constexpr std::uint64_t kMega = 1'000'000;
  store::DiskRoom room;
  Spool spool({.files = files_,
               .sealing = sealing_,
               .entropy = entropy_,
               .log = log_,
               .directory = directory_.path() + "/spool",
               .hire = base::hire_threads,
               .reserve = [] { return DiskReserve{.bytes = 100 * kMega, .percent = 5}; },
               .room = [&room](const std::string&) -> Result<store::DiskRoom> { return room; }});
  const auto receive = [&](std::uint64_t size_bytes) {
    const auto incoming = wait_for(spool.receive(id(), size_bytes));
    if (!incoming) return incoming.error().reason;
    const auto whole = size_bytes == 0 ? wait_for((*incoming)->finish()) : Result<Spooled>{};
    return whole ? std::string("taken") : whole.error().reason;
  };
  room = {.free_bytes = 150 * kMega, .size_bytes = 1000 * kMega};
  EXPECT_EQ(receive(0), "taken");
  EXPECT_EQ(receive(50 * kMega), "taken");
  EXPECT_EQ(receive(51 * kMega), "spool_full") << "what is known to be too much is refused before its first octet";
  room.free_bytes = 99 * kMega;
  EXPECT_EQ(receive(0), "spool_full");
  room = {.free_bytes = 150 * kMega, .size_bytes = 4000 * kMega};
  EXPECT_EQ(receive(0), "spool_full") << "a twentieth of a large disk is more than the hundred";

  // One whose size shows at its end is refused on its way, and leaves nothing.
  room = {.free_bytes = 110 * kMega, .size_bytes = 1000 * kMega};
  {
    auto incoming = wait_for(spool.receive(id()));
    ASSERT_TRUE(incoming);
    EXPECT_TRUE(wait_for((*incoming)->append(Bytes(500'000))));
    room.free_bytes = 100 * kMega;
    Result<void> done;
    for (int i = 0; i < 4 && done; ++i) done = wait_for((*incoming)->append(Bytes(500'000)));
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().reason, "spool_full");
  }
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!wait_for(spool.documents())->empty() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  EXPECT_TRUE(wait_for(spool.documents())->empty());
}

}  // namespace
}  // namespace latchkey::delivery

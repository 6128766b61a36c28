// A journal that is not whole says what it may have lost: the tail that a crash leaves is told from damage.
#include "store/journal_reading.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "store/store_testing.h"

namespace latchkey::store {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::size_t kReplyBytes = 900;
constexpr auto kRecord = record_bytes(kReplyBytes);
constexpr auto kFirst = kRecordAlignment;

class JournalReadingTest : public testing::Test {
 protected:
  JournalReadingTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "latchkey-reading-XXXXXX").string();
    folder = mkdtemp(pattern.data());
  }
  ~JournalReadingTest() override { std::filesystem::remove_all(folder); }

  static JournalEntry entry(std::uint8_t number) {
    base::IdOctets octets{};
    octets.fill(number);
    return {.intent = IntentId(octets), .grant = GrantId(octets), .generation = number, .recorded_at = base::from_unix_ms(number), .reply_sealed = Bytes(kReplyBytes, number)};
  }
  // A segment with that sequence and those records, one after the other.
  static Bytes segment(std::uint64_t sequence, const std::vector<std::uint8_t>& numbers) {
    auto octets = encode_segment_head(sequence);
    for (const auto number : numbers) {
      const auto record = encode_record(entry(number), sequence);
      octets.insert(octets.end(), record.begin(), record.end());
    }
    octets.resize(kSegmentBytes);
    return octets;
  }
  // Full, as one is before the next is begun.
  static std::vector<std::uint8_t> many(std::uint8_t number) { return std::vector<std::uint8_t>((kSegmentBytes - kRecordAlignment) / kRecord, number); }
  static void wipe(Bytes& octets, std::size_t offset, std::size_t size) { std::fill_n(octets.begin() + static_cast<std::ptrdiff_t>(offset), size, 0); }

  void keep(const std::string& name, const Bytes& octets) {
    std::ofstream(folder / name, std::ios::binary).write(reinterpret_cast<const char*>(octets.data()), static_cast<std::streamsize>(octets.size()));
  }
  JournalLoss read() { return read(files); }
  JournalLoss read(Files& from) {
    seen.clear();
    const auto loss = each_journal_record(folder.string(), from, [&](const FoundRecord& record) -> Result<void> {
      if (seen.empty() || seen.back() != record.entry.generation) seen.push_back(record.entry.generation);
      return {};
    });
    EXPECT_TRUE(loss);
    return *loss;
  }
  std::string path(const std::string& name) const { return (folder / name).string(); }

  std::filesystem::path folder;
  SystemFiles files;
  std::vector<GenerationNumber> seen;
};

TEST_F(JournalReadingTest, AWholeJournalHasLostNothing) {
  keep("replies-00000001", segment(7, {5, 6}));  // used again: later than the next one
  keep("replies-00000002", segment(2, many(1)));
  keep("replies-00000003", segment(8, {}));
  const auto loss = read();
  EXPECT_THAT(seen, ElementsAre(5, 6, 1));
  EXPECT_THAT(loss.unreadable, IsEmpty());
  EXPECT_THAT(loss.torn, IsEmpty());
  EXPECT_FALSE(loss.gap);
}

TEST_F(JournalReadingTest, ATornTailIsNoGapButSaysWhoseAnswerItWas) {
  auto octets = segment(1, {1, 2});
  wipe(octets, kFirst + kRecord + kRecordAlignment, kRecordAlignment);
  keep("replies-00000001", octets);
  const auto loss = read();
  EXPECT_THAT(seen, ElementsAre(1));
  ASSERT_EQ(loss.torn.size(), 1U);
  EXPECT_EQ(loss.torn[0].entry.grant, entry(2).grant);
  EXPECT_EQ(loss.torn[0].entry.generation, 2);
  EXPECT_EQ(loss.torn[0].place, (JournalPlace{1, kFirst + kRecord}));
  EXPECT_FALSE(loss.gap);
}

TEST_F(JournalReadingTest, WhatIsMissingBetweenWholeRecordsIsAGap) {
  auto octets = segment(3, {1, 2, 3, 4});
  wipe(octets, kFirst + 2 * kRecord, kRecordAlignment);  // the head of the third: nothing says that it was there
  keep("replies-00000001", octets);
  const auto loss = read();
  EXPECT_THAT(seen, ElementsAre(1, 2, 4));
  EXPECT_THAT(loss.torn, IsEmpty());
  EXPECT_EQ(loss.gap, (JournalPlace{3, kFirst + 2 * kRecord}));
}

TEST_F(JournalReadingTest, TheEndOfASegmentThatIsNotTheLastIsNoTail) {
  const auto numbers = many(1);
  auto emptied = segment(1, numbers);
  wipe(emptied, kFirst + (numbers.size() - 50) * kRecord, 50 * kRecord);
  keep("replies-00000001", emptied);
  keep("replies-00000002", segment(2, {9}));
  const auto loss = read();
  EXPECT_THAT(seen, ElementsAre(1, 9));
  EXPECT_EQ(loss.gap, (JournalPlace{1, kFirst + (numbers.size() - 50) * kRecord}));
  EXPECT_THAT(loss.unreadable, IsEmpty());
}

TEST_F(JournalReadingTest, AFileWithoutHeadAndOneThatIsCutAreNamed) {
  auto headless = segment(2, {2});
  wipe(headless, 0, kRecordAlignment);
  keep("replies-00000002", headless);
  auto cut = segment(1, {1});
  cut.resize(kSegmentBytes / 2);
  keep("replies-00000001", cut);
  keep("replies-00000003.new", {});  // never was one
  const auto loss = read();
  EXPECT_THAT(seen, ElementsAre(1));
  EXPECT_THAT(loss.unreadable, ElementsAre(path("replies-00000001"), path("replies-00000002")));
}

TEST_F(JournalReadingTest, AFileThatTheDiskRefusesIsNamedAndTheOthersAreRead) {
  keep("replies-00000001", segment(1, {1}));
  keep("replies-00000002", segment(2, {2}));
  FaultyFiles sick(files);
  int opened = 0;
  sick.set_fault([&](std::string_view call) { return call == "open" && ++opened == 1 ? EIO : 0; });
  const auto loss = read(sick);
  EXPECT_THAT(seen, ElementsAre(2));
  EXPECT_THAT(loss.unreadable, ElementsAre(path("replies-00000001")));
}

}  // namespace
}  // namespace latchkey::store

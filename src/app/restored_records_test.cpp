// What a restore takes from a journal that is not whole: never a token whose successor may be what is lost (RULES F10, R28).
#include "app/restored_records.h"

#include <gmock/gmock.h>
#include <stdlib.h>

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>

#include "base/fakes_testing.h"
#include "store/journal_reading.h"

namespace latchkey::app {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class SurvivingRepliesTest : public testing::Test {
 protected:
  SurvivingRepliesTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "latchkey-surviving-XXXXXX").string();
    folder = mkdtemp(pattern.data());
    journal = *store::open_reply_journal(directory(), log);
  }
  ~SurvivingRepliesTest() override {
    journal.reset();
    std::filesystem::remove_all(folder);
  }
  std::string directory() const { return (folder / "journal").string(); }
  std::string segment() const { return directory() + "/replies-00000001"; }

  void record(GrantId grant, store::GenerationNumber generation, const vault::Vault& under) {
    store::JournalEntry entry{.intent = IntentId::make(wall.now(), entropy), .grant = grant, .generation = generation, .recorded_at = wall.now(), .reply_sealed = {}};
    entry.reply_sealed = grants::Sealing(under).seal_reply(entry.intent, grant, generation, Secret(std::string_view("a reply")));
    ASSERT_TRUE(base::run_on_loop(loop, steady, journal->reserve(entry.intent)));
    ASSERT_TRUE(base::run_on_loop(loop, steady, journal->record(entry)));
    journal->confirm(entry.intent, wall.now());
    ASSERT_TRUE(base::run_on_loop(loop, steady, journal->pending()));  // the confirmation is written
    places[{grant, generation}] = places.empty() ? store::kRecordAlignment : next;
    next = places[{grant, generation}] + store::record_bytes(entry.reply_sealed.size());
  }
  // Octets of the record; at its front its head goes with it.
  void spoil(GrantId grant, store::GenerationNumber generation, std::size_t from) {
    std::fstream file(segment(), std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(places.at({grant, generation}) + from));
    file.write("sick disk", 9);
  }
  SurvivingReplies survived() {
    auto found = surviving_replies(directory(), files, vault, {}, entropy);
    EXPECT_TRUE(found);
    return std::move(*found);
  }
  static std::vector<store::GenerationNumber> of(const SurvivingReplies& replies, GrantId grant) {
    std::vector<store::GenerationNumber> numbers;
    for (const auto& entry : replies.entries) {
      if (entry.grant == grant) numbers.push_back(entry.generation);
    }
    return numbers;
  }

  std::filesystem::path folder;
  boost::asio::io_context loop;
  base::SystemWallClock wall;
  base::SimulatedSteadyClock steady;
  base::SystemEntropy entropy;
  base::MemoryLog log;
  store::SystemFiles files;
  vault::Vault vault{Secret(Bytes(32, 1)), entropy};
  vault::Vault lost{Secret(Bytes(32, 2)), entropy};
  std::unique_ptr<store::ReplyJournal> journal;
  std::map<std::pair<GrantId, store::GenerationNumber>, std::size_t> places;
  std::size_t next = 0;
  const WallTime began = wall.now();
  GrantId one = GrantId::make(wall.now(), entropy);
  GrantId other = GrantId::make(wall.now(), entropy);
};

TEST_F(SurvivingRepliesTest, R28_AWholeJournalIsUsedAsItIs) {
  record(one, 1, vault);
  record(one, 2, vault);
  auto replies = survived();
  EXPECT_EQ(replies.leave_out_doubtful(began), 0U);
  EXPECT_THAT(of(replies, one), ElementsAre(1, 2));
}

TEST_F(SurvivingRepliesTest, R28_WhereTheNewestOpensUnderNoKeyTheOneBeforeIsNotUsed) {
  record(one, 1, vault);
  record(other, 4, vault);
  record(one, 2, lost);
  auto replies = survived();
  EXPECT_EQ(replies.leave_out_doubtful(began), 1U);
  EXPECT_THAT(of(replies, one), IsEmpty());
  EXPECT_THAT(of(replies, other), ElementsAre(4));
}

TEST_F(SurvivingRepliesTest, R28_WhereTheOneBeforeIsLostTheNewestIsUsed) {
  record(one, 1, lost);
  record(one, 2, vault);
  auto replies = survived();
  EXPECT_EQ(replies.leave_out_doubtful(began), 0U);
  EXPECT_THAT(of(replies, one), ElementsAre(2));
}

TEST_F(SurvivingRepliesTest, R28_ATornTailConcernsItsOwnGrantAlone) {
  record(one, 1, vault);
  record(other, 4, vault);
  record(one, 2, vault);
  spoil(one, 2, store::kRecordHeadBytes);
  auto replies = survived();
  EXPECT_EQ(replies.leave_out_doubtful(began), 1U);
  EXPECT_THAT(of(replies, one), IsEmpty());
  EXPECT_THAT(of(replies, other), ElementsAre(4));
}

TEST_F(SurvivingRepliesTest, R28_AGapConcernsWhoHasNoAnswerAfterIt) {
  record(one, 1, vault);
  record(other, 4, vault);
  record(one, 2, vault);
  record(other, 5, vault);
  spoil(one, 2, 0);
  auto replies = survived();
  EXPECT_EQ(replies.leave_out_doubtful(began), 1U);
  EXPECT_THAT(of(replies, one), IsEmpty());
  EXPECT_THAT(of(replies, other), ElementsAre(4, 5));
}

TEST_F(SurvivingRepliesTest, R28_AFileThatCannotBeReadConcernsAll) {
  record(one, 1, vault);
  record(other, 4, vault);
  std::ofstream(directory() + "/replies-00000002", std::ios::binary) << "what the disk made of it";
  auto replies = survived();
  EXPECT_THAT(replies.unreadable, ElementsAre(directory() + "/replies-00000002"));
  EXPECT_EQ(replies.leave_out_doubtful(wall.now() + std::chrono::hours(1)), 0U) << "none of it is newer";
  EXPECT_EQ(replies.doubtful.size(), 2U);
  EXPECT_THAT(replies.entries, IsEmpty());
}

}  // namespace
}  // namespace latchkey::app

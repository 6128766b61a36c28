#include "store/reply_journal.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <semaphore>

#include "base/entropy.h"
#include "store/reply_segments.h"
#include "store/store_testing.h"

namespace latchkey::store {
namespace {

class ReplyJournalTest : public ::testing::Test {
 protected:
  [[nodiscard]] std::string path() const { return directory_.path() + "/journal"; }
  [[nodiscard]] std::unique_ptr<ReplyJournal> open() {
    auto journal = open_reply_journal(path(), files_, log_);
    EXPECT_TRUE(journal) << journal.error().detail;
    return journal ? *std::move(journal) : nullptr;
  }
  [[nodiscard]] JournalEntry entry(std::size_t reply_bytes) {
    JournalEntry made;
    made.intent = IntentId::make(clock_.now(), entropy_);
    made.grant = GrantId::make(clock_.now(), entropy_);
    made.generation = 41;
    made.recorded_at = clock_.now();
    made.reply_sealed = entropy_.bytes(reply_bytes);
    return made;
  }
  static void keep(ReplyJournal& journal, const JournalEntry& entry) {
    ASSERT_TRUE(wait_for(journal.reserve(entry.intent)));
    const auto done = wait_for(journal.record(entry));
    ASSERT_TRUE(done) << done.error().detail;
  }
  [[nodiscard]] static std::vector<JournalEntry> unconfirmed(ReplyJournal& journal) {
    auto found = wait_for(journal.unconfirmed());
    EXPECT_TRUE(found);
    return found ? *found : std::vector<JournalEntry>();
  }

  TemporaryDirectory directory_;
  SystemFiles real_;
  FaultyFiles files_{real_};
  base::MemoryLog log_;
  base::SeededEntropy entropy_{7};
  base::SimulatedWallClock clock_;
};

TEST_F(ReplyJournalTest, GivesBackAfterARestartWhatWasRecordedAndNotConfirmed) {
  const auto small = entry(3'000);
  const auto greatest = entry(kReplyBytesMax);
  const auto empty = entry(0);
  const auto settled = entry(100);
  {
    auto journal = open();
    for (const auto& one : {small, greatest, empty, settled}) keep(*journal, one);
    journal->confirm(settled.intent, clock_.now());
    EXPECT_TRUE(unconfirmed(*journal).empty()) << "only what was found when it was opened";
  }
  auto journal = open();
  const auto found = unconfirmed(*journal);
  ASSERT_EQ(found.size(), 3u);
  EXPECT_NE(std::ranges::find(found, small), found.end());
  EXPECT_NE(std::ranges::find(found, greatest), found.end());
  EXPECT_NE(std::ranges::find(found, empty), found.end());
  journal->confirm(greatest.intent, clock_.now());
  EXPECT_EQ(unconfirmed(*journal).size(), 2u);
  journal = nullptr;
  journal = open();
  EXPECT_EQ(unconfirmed(*journal).size(), 2u) << "a confirmation outlives the process";
}

TEST_F(ReplyJournalTest, KeepsBothRepliesOfAnIntentThatWasSentTwice) {
  auto first = entry(50);
  auto second = entry(60);
  second.intent = first.intent;
  {
    auto journal = open();
    keep(*journal, first);
    keep(*journal, second);
  }
  auto journal = open();
  EXPECT_EQ(unconfirmed(*journal).size(), 2u);
  journal->confirm(first.intent, clock_.now());
  EXPECT_TRUE(unconfirmed(*journal).empty());
}

TEST_F(ReplyJournalTest, TakesNoReplyWithoutAReservationNorOneTooLong) {
  auto journal = open();
  EXPECT_EQ(wait_for(journal->record(entry(10))).error().reason, "not_reserved");
  const auto released = entry(10);
  ASSERT_TRUE(wait_for(journal->reserve(released.intent)));
  journal->release(released.intent);
  EXPECT_EQ(wait_for(journal->record(released)).error().reason, "not_reserved");
  const auto long_one = entry(kReplyBytesMax + 1);
  ASSERT_TRUE(wait_for(journal->reserve(long_one.intent)));
  EXPECT_EQ(wait_for(journal->record(long_one)).error().reason, "reply_too_long");
}

// A rotation of the master key records an answer anew while the next attempt of its intent is on its way.
TEST_F(ReplyJournalTest, TwoWhoReserveForOneIntentHaveAPlaceEach) {
  auto journal = open();
  const auto anew = entry(100);
  auto answer = entry(200);
  answer.intent = anew.intent;
  ASSERT_TRUE(wait_for(journal->reserve(answer.intent)));
  ASSERT_TRUE(wait_for(journal->reserve(anew.intent)));
  ASSERT_TRUE(wait_for(journal->record(anew)));
  EXPECT_TRUE(wait_for(journal->record(answer)));
  EXPECT_EQ(wait_for(journal->record(answer)).error().reason, "not_reserved") << "and no more than that";
}

TEST_F(ReplyJournalTest, HoweverManyBeginAtOnceEachHasAPlace) {
  auto journal = open();
  boost::asio::io_context loop(1);
  int reserved = 0;
  for (int i = 0; i < 300; ++i) {
    boost::asio::co_spawn(loop, [](ReplyJournal* from, IntentId intent, int* count) -> Task<void> {
      const auto done = co_await from->reserve(intent);
      EXPECT_TRUE(done) << done.error().text;
      *count += done ? 1 : 0;
    }(journal.get(), IntentId::make(clock_.now(), entropy_), &reserved), boost::asio::detached);
  }
  loop.run();
  EXPECT_EQ(reserved, 300);
}

TEST_F(ReplyJournalTest, ExchangesWithoutReplyLeaveNoPlaceTaken) {
  auto journal = open();
  for (int i = 0; i < 5'000; ++i) {
    const auto intent = IntentId::make(clock_.now(), entropy_);
    ASSERT_TRUE(wait_for(journal->reserve(intent))) << i;
    journal->confirm(intent, clock_.now());
  }
}

TEST_F(ReplyJournalTest, AReservationUsuallyCostsNoDiskAccess) {
  auto journal = open();
  const auto first = entry(10);
  keep(*journal, first);  // makes room ahead
  EXPECT_TRUE(unconfirmed(*journal).empty());  // the thread has come round
  const int before = files_.calls("pwrite") + files_.calls("fdatasync") + files_.calls("fallocate");
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(wait_for(journal->reserve(entry(0).intent)));
  EXPECT_EQ(files_.calls("pwrite") + files_.calls("fdatasync") + files_.calls("fallocate"), before);
}

TEST_F(ReplyJournalTest, AFullDiskRefusesTheReservationAndLetsPromisedRepliesIn) {
  auto journal = open();
  const auto early = entry(kReplyBytesMax);
  ASSERT_TRUE(wait_for(journal->reserve(early.intent)));
  EXPECT_TRUE(unconfirmed(*journal).empty());
  files_.set_fault([](std::string_view call) { return call == "fallocate" ? ENOSPC : 0; });
  Result<void> reserved;
  int promised = 1;
  while ((reserved = wait_for(journal->reserve(entry(0).intent)))) {
    ASSERT_LT(++promised, 1'000);
  }
  EXPECT_EQ(reserved.error().reason, "journal_full");
  EXPECT_EQ(reserved.error().kind, ErrorKind::unavailable);
  EXPECT_GE(promised, 62);
  EXPECT_FALSE(journal->failed());
  EXPECT_TRUE(wait_for(journal->record(early))) << "its room was there before";
  files_.set_fault({});
  EXPECT_TRUE(wait_for(journal->reserve(entry(0).intent))) << "works again when space returns";
}

TEST_F(ReplyJournalTest, R4_AFileThatCouldNotBeUsedAgainIsTriedOnceMore) {
  auto segments = ReplySegments::open(path(), files_, log_, {.segment_bytes = 512 * 1024, .segments_max = 3});
  ASSERT_TRUE(segments);
  auto& journal = **segments;
  const auto keep_confirmed = [&] {
    const auto one = entry(kReplyBytesMax);
    ASSERT_TRUE(journal.append(one));
    ASSERT_TRUE(journal.sync());
    ASSERT_TRUE(journal.confirm(one.intent, clock_.now()));
  };
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(journal.prepare());
  while (journal.room() > 0) keep_confirmed();
  const auto answers = journal.answered().size();
  clock_.advance(std::chrono::hours(25));
  files_.set_fault([](std::string_view call) { return call == "pwrite" ? EIO : 0; });
  for (int i = 0; i < 10; ++i) EXPECT_EQ(journal.prepare().error().reason, "disk_failed");
  EXPECT_EQ(journal.answered().size(), answers) << "what is there is still found";
  files_.set_fault({});
  ASSERT_TRUE(journal.prepare());
  keep_confirmed();
}

TEST_F(ReplyJournalTest, R28_HoweverManyRepliesARestoreKeepsThereIsRoomForWhatComes) {
  const JournalSize usual{.segment_bytes = 512 * 1024, .segments_max = 4};
  auto wide = usual;
  wide.segments_max = 1'000;
  std::vector<IntentId> kept;
  {
    auto restoring = ReplySegments::open(path(), files_, log_, wide);
    ASSERT_TRUE(restoring);
    for (int i = 0; i < 30; ++i) {
      while ((*restoring)->room() == 0) ASSERT_TRUE((*restoring)->prepare());
      const auto one = entry(kReplyBytesMax);
      ASSERT_TRUE((*restoring)->append(one));
      kept.push_back(one.intent);
    }
    ASSERT_TRUE((*restoring)->sync());
  }
  auto serving = ReplySegments::open(path(), files_, log_, usual);
  ASSERT_TRUE(serving);
  EXPECT_EQ((*serving)->unconfirmed()->size(), kept.size());
  ASSERT_TRUE((*serving)->prepare()) << "though many more wait than it holds usually";
  const auto next = entry(kReplyBytesMax);
  ASSERT_TRUE((*serving)->append(next));
  ASSERT_TRUE((*serving)->sync());
  const auto bounded = [&] {
    for (int i = 0; i < 10; ++i) {
      if (const auto more = (*serving)->prepare(); !more) return more.error().reason;
    }
    return std::string();
  };
  EXPECT_EQ(bounded(), "journal_full") << "it does not grow for ever";
}

TEST_F(ReplyJournalTest, EveryPromiseHoldsForTheGreatestReply) {
  auto journal = open();
  std::vector<JournalEntry> entries;
  for (int i = 0; i < 150; ++i) entries.push_back(entry(kReplyBytesMax));
  for (const auto& one : entries) ASSERT_TRUE(wait_for(journal->reserve(one.intent)));
  files_.set_fault([](std::string_view call) { return call == "fallocate" ? ENOSPC : 0; });
  for (const auto& one : entries) ASSERT_TRUE(wait_for(journal->record(one)));
  files_.set_fault({});
  journal = nullptr;
  EXPECT_EQ(unconfirmed(*open()).size(), entries.size());
}

TEST_F(ReplyJournalTest, AFailedSyncIsNeverRetriedAndStopsTheJournal) {
  auto journal = open();
  const auto first = entry(10);
  const auto second = entry(10);
  keep(*journal, first);
  EXPECT_TRUE(unconfirmed(*journal).empty());
  ASSERT_TRUE(wait_for(journal->reserve(second.intent)));
  const int syncs = files_.calls("fdatasync");
  files_.set_fault([](std::string_view call) { return call == "fdatasync" ? EIO : 0; });
  const auto recorded = wait_for(journal->record(second));
  ASSERT_FALSE(recorded);
  EXPECT_EQ(recorded.error().reason, "journal_failed");
  EXPECT_TRUE(journal->failed());
  files_.set_fault({});
  EXPECT_EQ(wait_for(journal->reserve(entry(0).intent)).error().reason, "journal_failed");
  EXPECT_EQ(wait_for(journal->record(first)).error().kind, ErrorKind::bug);
  EXPECT_EQ(files_.calls("fdatasync"), syncs + 1);
  EXPECT_NE(log_.text().find("reply_journal_stopped"), std::string::npos);
  EXPECT_NE(log_.text().find("found_on_disk=1"), std::string::npos) << log_.text();
}

TEST_F(ReplyJournalTest, ATornRecordIsDroppedAndHidesNoneAfterIt) {
  const auto before = entry(1'000);
  const auto torn = entry(2'000);
  const auto after = entry(1'000);
  {
    auto journal = open();
    for (const auto& one : {before, torn, after}) keep(*journal, one);
  }
  const auto names = real_.list(path());
  ASSERT_TRUE(names);
  auto file = real_.open(path() + "/" + names->front(), OpenFile::existing);
  ASSERT_TRUE(file);
  const auto where = kRecordAlignment + record_bytes(1'000) + kRecordHeadBytes + 1'500;
  ASSERT_TRUE((*file)->pwrite(Bytes(100, 0), where));
  auto journal = open();
  const auto found = unconfirmed(*journal);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_NE(std::ranges::find(found, before), found.end());
  EXPECT_NE(std::ranges::find(found, after), found.end());
  EXPECT_NE(log_.text().find("reply_journal_torn"), std::string::npos);
}

// Left out in silence, it would look as if nothing had been answered.
TEST_F(ReplyJournalTest, AnAnswerDamagedSinceItWasFoundIsSaidToBeDamaged) {
  auto journal = open();
  const auto sound = entry(500);
  const auto damaged = entry(500);
  for (const auto& one : {sound, damaged}) keep(*journal, one);
  ASSERT_EQ(wait_for(journal->answers(damaged.grant)).value(), std::vector{damaged});
  const auto names = real_.list(path());
  ASSERT_TRUE(names);
  auto file = real_.open(path() + "/" + names->front(), OpenFile::existing);
  ASSERT_TRUE(file);
  ASSERT_TRUE((*file)->pwrite(Bytes(50, 0), kRecordAlignment + record_bytes(500) + kRecordHeadBytes + 100));
  const auto answered = wait_for(journal->answers(damaged.grant));
  ASSERT_FALSE(answered);
  EXPECT_EQ(answered.error().kind, ErrorKind::corrupt);
  EXPECT_EQ(answered.error().reason, "journal_damaged");
  EXPECT_EQ(wait_for(journal->answers(sound.grant)).value(), std::vector{sound});
}

TEST_F(ReplyJournalTest, AFileOfGarbageIsCountedLeftAndInNobodysWay) {
  {
    auto journal = open();
    keep(*journal, entry(1'000));
    EXPECT_EQ(journal->unreadable_files(), 0u);
  }
  const auto names = real_.list(path());
  ASSERT_TRUE(names);
  {
    auto file = real_.open(path() + "/" + names->front(), OpenFile::existing);
    ASSERT_TRUE(file);
    ASSERT_TRUE((*file)->pwrite(Bytes(kRecordAlignment, 0x5a), 0));
  }
  auto journal = open();
  EXPECT_EQ(journal->unreadable_files(), 1u);
  EXPECT_TRUE(unconfirmed(*journal).empty());
  keep(*journal, entry(1'000));
  const auto now = real_.list(path());
  EXPECT_NE(std::ranges::find(*now, names->front()), now->end()) << "somebody may still make something of it";
}

TEST_F(ReplyJournalTest, SegmentsAreUsedAgainOneDayAfterTheirLastConfirmation) {
  auto journal = open();
  const auto fill_segment = [&] {
    for (int i = 0; i < 70; ++i) {
      const auto one = entry(kReplyBytesMax - 100);
      keep(*journal, one);
      journal->confirm(one.intent, clock_.now());
    }
  };
  fill_segment();
  fill_segment();
  const auto files_of_a_day = real_.list(path())->size();
  for (int day = 0; day < 4; ++day) {
    clock_.advance(std::chrono::hours(25));
    fill_segment();
  }
  EXPECT_LE(real_.list(path())->size(), files_of_a_day + 1);
  const auto late = entry(500);
  keep(*journal, late);
  journal = nullptr;
  const auto found = unconfirmed(*open());
  ASSERT_EQ(found.size(), 1u) << "what an earlier use left behind is not found again";
  EXPECT_EQ(found.front(), late);
}

TEST_F(ReplyJournalTest, ManyRepliesShareOneSync) {
  auto journal = open();
  std::vector<JournalEntry> entries;
  for (int i = 0; i < 60; ++i) {
    entries.push_back(entry(1'000));
    ASSERT_TRUE(wait_for(journal->reserve(entries.back().intent)));
  }
  EXPECT_TRUE(unconfirmed(*journal).empty());
  const int before = files_.calls("fdatasync");
  std::binary_semaphore held{0};
  // The first sync takes as long as the others need to arrive.
  files_.set_fault([&held](std::string_view call) {
    if (call != "fdatasync") return 0;
    held.acquire();
    held.release();
    return 0;
  });
  std::vector<Task<void>> tasks;
  const auto keep_one = [](ReplyJournal* to, JournalEntry one) -> Task<void> {
    const auto done = co_await to->record(std::move(one));
    EXPECT_TRUE(done);
  };
  for (const auto& one : entries) tasks.push_back(keep_one(journal.get(), one));
  boost::asio::io_context loop(1);
  for (auto& task : tasks) boost::asio::co_spawn(loop, std::move(task), boost::asio::detached);
  loop.poll();  // every reply waits now: some in the first sync, the rest for the second
  held.release();
  loop.run();
  files_.set_fault({});
  EXPECT_LE(files_.calls("fdatasync") - before, 3);
}

TEST_F(ReplyJournalTest, AConfirmationTouchesNoLaterReplyOfItsIntent) {
  auto journal = open();
  const auto refused = entry(100);  // by the provider, for the first of two client secrets
  keep(*journal, refused);
  auto answered = entry(200);
  answered.intent = refused.intent;
  const auto busy = entry(300);
  ASSERT_TRUE(wait_for(journal->reserve(busy.intent)));
  std::binary_semaphore held{0};
  std::atomic<bool> syncing = false;
  files_.set_fault([&](std::string_view call) {
    if (call != "fdatasync") return 0;
    syncing = true;
    held.acquire();
    held.release();
    return 0;
  });
  boost::asio::io_context loop(1);
  const auto keep_one = [](ReplyJournal* to, JournalEntry one) -> Task<void> {
    const auto done = co_await to->record(std::move(one));
    EXPECT_TRUE(done);
  };
  boost::asio::co_spawn(loop, keep_one(journal.get(), busy), boost::asio::detached);
  while (!syncing) loop.poll();
  // While the disk is busy: the first reply is done with, and the answer to the second POST comes.
  journal->confirm(refused.intent, clock_.now());
  boost::asio::co_spawn(loop, [](ReplyJournal* to, IntentId intent) -> Task<void> {
    const auto reserved = co_await to->reserve(intent);
    EXPECT_TRUE(reserved);
  }(journal.get(), answered.intent), boost::asio::detached);
  boost::asio::co_spawn(loop, keep_one(journal.get(), answered), boost::asio::detached);
  loop.poll();
  held.release();
  loop.run();
  files_.set_fault({});
  journal->confirm(busy.intent, clock_.now());
  journal = nullptr;
  const auto found = unconfirmed(*open());
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found.front(), answered) << "which nobody has confirmed";
}

// The child tells each recorded intent through a pipe, then is killed in the middle of its work.
[[noreturn]] void record_until_killed(const std::string& path, int told) {
  base::MemoryLog log;
  base::SeededEntropy entropy(static_cast<std::uint64_t>(::getpid()));
  auto journal = open_reply_journal(path, log);
  if (!journal) ::_exit(1);
  for (;;) {
    JournalEntry entry;
    entry.intent = IntentId::make(base::from_unix_ms(1'800'000'000'000), entropy);
    entry.reply_sealed = entropy.bytes(2'000);
    if (!wait_for((*journal)->reserve(entry.intent)) || !wait_for((*journal)->record(entry))) ::_exit(1);
    const auto octets = entry.intent.bytes();
    if (::write(told, octets.data(), octets.size()) != 16) ::_exit(1);
  }
}

TEST_F(ReplyJournalTest, WhatRecordReturnedForIsThereAfterAKill) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) record_until_killed(path(), ends[1]);
  ::close(ends[1]);
  std::vector<IntentId> recorded;
  base::IdOctets octets;
  while (::read(ends[0], octets.data(), octets.size()) == 16) {
    recorded.emplace_back(octets);
    if (recorded.size() == 25) ::kill(child, SIGKILL);
  }
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  ASSERT_GE(recorded.size(), 25u);
  auto journal = open();
  const auto found = unconfirmed(*journal);
  for (const auto& intent : recorded) {
    EXPECT_TRUE(std::ranges::any_of(found, [&](const auto& one) { return one.intent == intent && one.reply_sealed.size() == 2'000; }));
  }
}

// A real limit instead of an injected one: the kernel refuses to make the file longer.
TEST_F(ReplyJournalTest, AFileThatMayNotGrowStopsTheStart) {
#if __has_feature(thread_sanitizer)
  GTEST_SKIP() << "ThreadSanitizer lets a forked child start no threads";
#endif
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const ::rlimit limit{.rlim_cur = 1 << 20, .rlim_max = 1 << 20};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    base::MemoryLog log;
    const auto journal = open_reply_journal(path(), log);
    ::_exit(!journal && journal.error().reason == "disk_full" ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_TRUE(real_.list(path())->empty()) << "nothing half-made is left";
}

}  // namespace
}  // namespace latchkey::store

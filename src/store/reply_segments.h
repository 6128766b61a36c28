// The reply journal's files: segments that are filled one after the other, and used again once everything in them has
// been confirmed for a day. Layout: store/reply_record.h.
//
// Bounds: 64 segments of 4 MiB; room is kept for 64 replies of the greatest length beyond those promised. Confirmed
// entries stay 24 h, or less when all 64 segments are in use: then the segment confirmed longest ago goes first (at 4 KiB
// a reply, some 50,000 replies).
//
// Not thread-safe, but for newest_answer() and answered(): the journal's thread owns it.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/log.h"
#include "store/files.h"
#include "store/reply_journal.h"
#include "store/reply_record.h"

namespace latchkey::store {

// How much room there is. The defaults are the format's; a simulation takes less, so as to see the end of it.
struct JournalSize {
  std::size_t segment_bytes = kSegmentBytes;  // a multiple of kRecordAlignment; room for a record of the greatest length
  std::size_t segments_max = 64;
  std::size_t room_ahead = 64;  // replies beyond those promised, so that a reservation usually costs nothing
};
inline constexpr auto kConfirmedKept = std::chrono::hours(24);

class ReplySegments {
 public:
  // Reads what is there; makes the directory and the first segment if there is none. Errors as Files.
  [[nodiscard]] static Result<std::unique_ptr<ReplySegments>> open(std::string directory, Files& files, Log& log, JournalSize size = {});
  ReplySegments(const ReplySegments&) = delete;
  ReplySegments& operator=(const ReplySegments&) = delete;

  // Replies of the greatest length that fit for certain. One append() takes at most one of them.
  [[nodiscard]] std::size_t room() const;
  // One more empty segment. Errors: unavailable/`disk_full`, `disk_failed` (also a failed sync: see sync_failed()),
  // unavailable/`journal_full` when all are in use.
  [[nodiscard]] Result<void> prepare();
  // Not durable before sync(). Fails `disk_failed`, or `journal_full` when room() is 0.
  [[nodiscard]] Result<void> append(const JournalEntry& entry);
  [[nodiscard]] Result<void> sync();
  // Files that open() could make nothing of, and left where they are.
  [[nodiscard]] std::size_t unreadable() const { return unreadable_; }
  [[nodiscard]] bool sync_failed() const { return sync_failed_; }

  // Marks every entry of the intent; not synced.
  [[nodiscard]] Result<void> confirm(IntentId intent, WallTime now);
  // Entries found by open() and not confirmed since.
  [[nodiscard]] Result<std::vector<JournalEntry>> unconfirmed();
  // These, and those recorded since.
  [[nodiscard]] Result<std::vector<JournalEntry>> pending();
  // Every entry of the grant that is still there, confirmed or not, in the order they came.
  [[nodiscard]] Result<std::vector<JournalEntry>> answers(GrantId grant);
  [[nodiscard]] NewestAnswer newest_answer(GrantId grant) const;  // from any thread
  [[nodiscard]] std::vector<GrantId> answered() const;            // from any thread
  // Whether the medium, not the cache, holds the intent's newest entry whole.
  [[nodiscard]] bool on_medium(IntentId intent);

 private:
  struct Segment {
    std::string name;
    std::unique_ptr<File> file;
    std::uint64_t sequence = 0;
    std::size_t tail = kRecordAlignment;
    std::size_t unconfirmed = 0;
    WallTime confirmed_at{};  // the newest confirmation in it
    bool unsynced = false;
    [[nodiscard]] bool empty() const { return tail == kRecordAlignment; }
  };
  struct Location {
    Segment* segment;
    std::size_t offset;
    enum class Origin { found, recorded } origin;
  };

  ReplySegments(std::string directory, Files& files, Log& log, JournalSize size)
      : directory_(std::move(directory)), files_(files), log_(log), size_(size) {}
  [[nodiscard]] Result<void> load(const std::string& name);
  [[nodiscard]] Result<void> scan(Segment& segment);
  [[nodiscard]] Result<void> read_into(std::vector<JournalEntry>& entries, const Location& location);
  void index(Segment& segment, std::size_t offset, const JournalEntry& entry);
  void forget_answers_in(const Segment& segment);
  void choose_active();
  [[nodiscard]] Segment* reusable() const;
  [[nodiscard]] Result<void> make_segment();
  [[nodiscard]] Result<void> fill(File& file);
  [[nodiscard]] Result<void> note_sync(Result<void> result);

  const std::string directory_;
  Files& files_;
  Log& log_;
  const JournalSize size_;
  std::size_t segments_max_ = 0;
  std::vector<std::unique_ptr<Segment>> segments_;
  Segment* active_ = nullptr;
  std::vector<Segment*> spare_;  // empty, in the order of use
  std::multimap<IntentId, Location> open_;  // not confirmed
  // Whatever is there, by its grant: a store that is older than the journal is recognised by it (F5, F10).
  struct Answer {
    Segment* segment;
    std::size_t offset;
    NewestAnswer what;
  };
  mutable std::mutex answers_mutex_;
  std::unordered_multimap<GrantId, Answer, base::IdHash> answers_;
  std::uint64_t newest_sequence_ = 0;
  WallTime latest_{};
  std::size_t unreadable_ = 0;
  bool sync_failed_ = false;
};

}  // namespace latchkey::store

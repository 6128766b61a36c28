// The node's journal of raw token replies (RULES F5): a reply is durable here before anybody parses it.
//
// A slot is reserved, on disk, before the POST (64 KiB plus header, preallocated: a full disk refuses the reservation
// while the refresh token is still unspent, R4). Recording writes into that room and syncs; several records share one
// sync, with no grouping timer: the next sync takes whatever has arrived. A failed sync is never retried: the journal
// turns itself off, reads back what the disk holds, and says so; nothing is refreshed from then on.
//
// Any thread may call; the awaiting task resumes on its own executor.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/pool.h"
#include "base/result.h"
#include "base/task.h"
#include "store/records.h"

namespace latchkey::store {

inline constexpr std::size_t kReplyBytesMax = 64 * 1024;  // sealed octets a slot takes

struct JournalEntry {
  IntentId intent;
  GrantId grant;
  GenerationNumber generation = 0;
  WallTime recorded_at;
  Bytes reply_sealed;
  friend bool operator==(const JournalEntry&, const JournalEntry&) = default;
};

// The newest generation of a grant that an entry answers, and when that came; 0: there is none.
struct NewestAnswer {
  GenerationNumber generation = 0;
  WallTime recorded_at{};
};

class ReplyJournal {
 public:
  virtual ~ReplyJournal() = default;

  // Errors: unavailable/`journal_full` (disk full, too many slots), unavailable/`journal_failed` (a sync has failed).
  [[nodiscard]] virtual Task<Result<void>> reserve(IntentId intent) = 0;
  // Durable when it returns. The slot must have been reserved by this process.
  [[nodiscard]] virtual Task<Result<void>> record(JournalEntry entry) = 0;
  // The store holds what the entry brought, or nothing came: the entry may be dropped 24 h from now, and a place reserved
  // and not used is free again. Not durable by itself.
  virtual void confirm(IntentId intent, WallTime now) = 0;
  // No POST was made: the slot is free again.
  virtual void release(IntentId intent) = 0;
  // Entries recorded and not confirmed, found when the journal was opened (torn ones are dropped: their checksum fails).
  [[nodiscard]] virtual Task<Result<std::vector<JournalEntry>>> unconfirmed() = 0;
  // Those and what this process has recorded and not confirmed: everything that must stay readable. A reply recorded again
  // comes twice; the later one counts.
  [[nodiscard]] virtual Task<Result<std::vector<JournalEntry>>> pending() { return unconfirmed(); }
  // What is still there of a grant, confirmed or not: by it a store is recognised that is older than the journal (F5). Quick.
  [[nodiscard]] virtual NewestAnswer newest_answer(GrantId grant) const = 0;
  // The grants of which something is still there, code exchanges aside. Quick.
  [[nodiscard]] virtual std::vector<GrantId> answered() const = 0;
  // All of one grant, in the order it came. Errors: unavailable/`disk_failed`; corrupt/`journal_damaged` where one has been damaged since.
  [[nodiscard]] virtual Task<Result<std::vector<JournalEntry>>> answers(GrantId grant) = 0;
  // For tests and metrics.
  [[nodiscard]] virtual bool failed() const = 0;
  // Files that the opening could make nothing of (`reply_journal_unreadable` in the log names them); they stay where they are.
  [[nodiscard]] virtual std::size_t unreadable_files() const { return 0; }
  // Replies of the greatest length there is room for now, the places promised among them; nullopt: not known.
  [[nodiscard]] virtual std::optional<std::size_t> room() const { return std::nullopt; }
};

class Files;
struct JournalSize;

// The journal in files under `directory` (0700, made if absent). Formats and bounds: store/reply_record.h,
// store/reply_segments.h. Errors: unavailable/`disk_full`, `disk_failed`. The caller lets every task that awaits the
// journal end before destroying it.
[[nodiscard]] Result<std::unique_ptr<ReplyJournal>> open_reply_journal(std::string directory, Log& log);
// Of a restore, which keeps whatever replies it finds, however many they are. With the usual bound afterwards, what waits there is
// merged first come first served, beside room for what comes meanwhile.
[[nodiscard]] Result<std::unique_ptr<ReplyJournal>> open_restoring_journal(std::string directory, Log& log);
// The same on a file system passed in, which outlives the journal, by a worker of one thread.
[[nodiscard]] Result<std::unique_ptr<ReplyJournal>> open_reply_journal(std::string directory, Files& files, Log& log);
[[nodiscard]] Result<std::unique_ptr<ReplyJournal>> open_reply_journal(std::string directory, Files& files, Log& log, JournalSize size,
                                                                       const base::Hire& hire);

}  // namespace latchkey::store

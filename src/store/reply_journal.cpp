#include "store/reply_journal.h"

#include <atomic>
#include <functional>
#include <limits>
#include <mutex>
#include <set>

#include "base/pool.h"
#include "store/reply_segments.h"

namespace latchkey::store {
namespace {

template <class T>
using Done = std::move_only_function<void(T)>;

std::unexpected<Error> stopped() {
  return fail(ErrorKind::unavailable, "journal_failed",
              "The disk failed to keep a token reply, so nothing is refreshed any more. Check the disk, then restart the server.");
}

std::unexpected<Error> full(const Error& cause) {
  return fail(ErrorKind::unavailable, "journal_full",
              "There is no room on the disk for the provider's reply, so the refresh was not begun.",
              {.detail = cause.detail.empty() ? cause.reason : cause.detail, .retry_after = std::chrono::seconds(30)});
}

// Invariant: promised replies never outnumber the room for replies of the greatest length (`room_`, published by the
// journal's worker). Concurrency: `mutex_` guards everything above the line; what is below belongs to the worker.
class FileReplyJournal final : public ReplyJournal {
 public:
  FileReplyJournal(std::unique_ptr<SystemFiles> owned_files, std::unique_ptr<ReplySegments> segments, Log& log, JournalSize size,
                   const base::Hire& hire)
      : room_ahead_(size.room_ahead), owned_files_(std::move(owned_files)), segments_(std::move(segments)), log_(log),
        worker_(hire("reply-journal", 1)) {
    room_ = segments_->room();
  }

  ~FileReplyJournal() override { worker_.reset(); }

  Task<Result<void>> reserve(IntentId intent) override {
    if (failed()) co_return stopped();
    if (promise(intent)) co_return Result<void>();
    auto start = [this, intent](auto resume) {
      std::vector<Preparation> preparations;
      preparations.push_back({intent, std::move(resume)});
      enqueue({.preparations = std::move(preparations)});
    };
    co_return co_await base::suspend_until<Result<void>>(std::move(start));
  }

  Task<Result<void>> record(JournalEntry entry) override {
    if (entry.reply_sealed.size() > kReplyBytesMax) {
      co_return fail(ErrorKind::invalid, "reply_too_long", "The provider's reply is longer than its place in the journal.");
    }
    if (!promised(entry.intent)) {
      co_return fail(ErrorKind::bug, "not_reserved", "No place was reserved for this reply. Please report this.");
    }
    auto start = [this, entry = std::move(entry)](auto resume) mutable {
      std::vector<Recording> recordings;
      recordings.push_back({std::move(entry), std::move(resume)});
      enqueue({.recordings = std::move(recordings)});
    };
    co_return co_await base::suspend_until<Result<void>>(std::move(start));
  }

  void confirm(IntentId intent, WallTime now) override {
    release(intent);  // an exchange without reply has left its place unused
    enqueue({.confirmations = {{intent, now}}});
  }

  void release(IntentId intent) override {
    const std::lock_guard lock(mutex_);
    take_back(intent);
  }

  Task<Result<std::vector<JournalEntry>>> unconfirmed() override { return list(std::mem_fn(&ReplySegments::unconfirmed)); }
  Task<Result<std::vector<JournalEntry>>> pending() override { return list(std::mem_fn(&ReplySegments::pending)); }

  NewestAnswer newest_answer(GrantId grant) const override { return segments_->newest_answer(grant); }
  std::vector<GrantId> answered() const override { return segments_->answered(); }
  Task<Result<std::vector<JournalEntry>>> answers(GrantId grant) override {
    return list([grant](ReplySegments& segments) { return segments.answers(grant); });
  }

  bool failed() const override { return failed_.load(std::memory_order_relaxed); }
  std::size_t unreadable_files() const override { return segments_->unreadable(); }
  std::optional<std::size_t> room() const override {
    const std::lock_guard lock(mutex_);
    return room_;
  }

 private:
  struct Recording {
    JournalEntry entry;
    Done<Result<void>> done;
  };
  // Who waits for a place; it is promised when `done` says so.
  struct Preparation {
    IntentId intent;
    Done<Result<void>> done;
  };
  struct Confirmation {
    IntentId intent;
    WallTime now;
  };
  using Entries = Result<std::vector<JournalEntry>>;
  using Which = std::function<Entries(ReplySegments&)>;
  struct Listing {
    Which which;
    Done<Entries> done;
  };
  struct Work {
    std::vector<Recording> recordings{};
    std::vector<Confirmation> confirmations{};
    std::vector<Preparation> preparations{};
    std::vector<Listing> listings{};
    bool prepare_ahead = false;
    [[nodiscard]] bool empty() const {
      return recordings.empty() && confirmations.empty() && preparations.empty() && listings.empty() && !prepare_ahead;
    }
  };

  Task<Entries> list(Which which) {
    auto start = [this, which = std::move(which)](auto resume) mutable {
      std::vector<Listing> listings;
      listings.push_back({std::move(which), std::move(resume)});
      enqueue({.listings = std::move(listings)});
    };
    co_return co_await base::suspend_until<Entries>(std::move(start));
  }

  template <class Item>
  static void move_to(std::vector<Item>& to, std::vector<Item>& from) {
    for (auto& item : from) to.push_back(std::move(item));
  }

  void enqueue(Work work) {
    {
      const std::lock_guard lock(mutex_);
      move_to(work_.recordings, work.recordings);
      move_to(work_.confirmations, work.confirmations);
      move_to(work_.preparations, work.preparations);
      move_to(work_.listings, work.listings);
      if (std::exchange(serving_, true)) return;
    }
    worker_->post([this] { serve(); });
  }

  bool promise(IntentId intent) {
    {
      const std::lock_guard lock(mutex_);
      if (promised_.size() >= room_) return false;
      promised_.insert(intent);
      if (room_ - promised_.size() >= room_ahead_ || work_.prepare_ahead || no_room_ahead_) return true;
      work_.prepare_ahead = true;
      if (std::exchange(serving_, true)) return true;
    }
    worker_->post([this] { serve(); });
    return true;
  }

  // One of the places promised to the intent, which may have two: a rotation of the master key records an answer anew while the next
  // attempt is on its way.
  void take_back(IntentId intent) {
    if (const auto one = promised_.find(intent); one != promised_.end()) promised_.erase(one);
  }

  bool promised(IntentId intent) {
    const std::lock_guard lock(mutex_);
    return promised_.contains(intent);
  }

  void serve() {
    for (;;) {
      Work work;
      {
        const std::lock_guard lock(mutex_);
        serving_ = !work_.empty();
        if (!serving_) return;
        std::swap(work, work_);
      }
      // Confirmations first: what they confirm was on disk before they were asked for, while a recording of the same intent
      // that came in with them is a later reply, which nobody has confirmed.
      for (const auto& [intent, now] : work.confirmations) confirm_one(intent, now);
      record_all(std::move(work.recordings));
      for (auto& listing : work.listings) listing.done(listing.which(*segments_));
      prepare_for(std::move(work.preparations), work.prepare_ahead);
    }
  }

  void record_all(std::vector<Recording> recordings) {
    if (recordings.empty()) return;
    Result<void> result = failed() ? Result<void>(stopped()) : Result<void>();
    for (const auto& recording : recordings) {
      if (result) result = segments_->append(recording.entry);
    }
    if (result) result = segments_->sync();
    if (!result && !failed()) stop_for_good(result.error(), recordings);
    {
      const std::lock_guard lock(mutex_);
      for (const auto& recording : recordings) take_back(recording.entry.intent);
      room_ = segments_->room();
    }
    for (auto& recording : recordings) recording.done(failed() ? Result<void>(stopped()) : Result<void>());
  }

  void stop_for_good(const Error& error, const std::vector<Recording>& recordings) {
    failed_ = true;
    std::size_t whole = 0;
    for (const auto& recording : recordings) whole += segments_->on_medium(recording.entry.intent) ? 1 : 0;
    log_.error("reply_journal_stopped",
               {{"detail", error.detail}, {"replies", recordings.size()}, {"found_on_disk", whole}});
  }

  void confirm_one(IntentId intent, WallTime now) {
    if (failed()) return;
    const auto done = segments_->confirm(intent, now);
    // It will be found unconfirmed after a restart, and merged once more.
    if (!done) log_.warning("reply_journal_confirm_failed", {{"detail", done.error().detail}});
  }

  // As many segments as those who wait need, however many they are: too many at once is not the same as no room.
  void prepare_for(std::vector<Preparation> waiting, bool ahead) {
    if (waiting.empty() && !ahead) return;
    std::size_t served = 0;
    Result<void> made;
    do {
      made = prepare_one();
      const std::lock_guard lock(mutex_);
      room_ = segments_->room();
      no_room_ahead_ = !made;  // not tried again for every reservation, only when one needs it
      for (; served < waiting.size() && promised_.size() < room_ && !failed(); ++served) promised_.insert(waiting[served].intent);
    } while (made && served < waiting.size());
    for (std::size_t i = 0; i < waiting.size(); ++i) waiting[i].done(i < served ? Result<void>() : made);
  }

  Result<void> prepare_one() {
    if (failed()) return stopped();
    auto made = segments_->prepare();
    if (made) return made;
    if (segments_->sync_failed()) {
      stop_for_good(made.error(), {});
      return stopped();
    }
    log_.warning("reply_journal_full", {{"detail", made.error().detail}});
    return full(made.error());
  }

  mutable std::mutex mutex_;
  Work work_;
  bool serving_ = false;  // work is posted, or under way
  std::multiset<IntentId> promised_;
  std::size_t room_ = 0;
  bool no_room_ahead_ = false;
  std::atomic<bool> failed_ = false;
  const std::size_t room_ahead_;
  // ------------------------------------------------------------------
  std::unique_ptr<SystemFiles> owned_files_;
  std::unique_ptr<ReplySegments> segments_;
  Log& log_;
  std::unique_ptr<Worker> worker_;
};

Result<std::unique_ptr<ReplyJournal>> open_on(std::string directory, std::unique_ptr<SystemFiles> owned, Files& files,
                                              Log& log, JournalSize size, const base::Hire& hire) {
  auto segments = ReplySegments::open(std::move(directory), files, log, size);
  if (!segments) return std::unexpected(segments.error());
  return std::make_unique<FileReplyJournal>(std::move(owned), *std::move(segments), log, size, hire);
}

}  // namespace

Result<std::unique_ptr<ReplyJournal>> open_reply_journal(std::string directory, Log& log) {
  auto owned = std::make_unique<SystemFiles>();
  auto& files = *owned;
  return open_on(std::move(directory), std::move(owned), files, log, {}, base::hire_threads);
}

Result<std::unique_ptr<ReplyJournal>> open_restoring_journal(std::string directory, Log& log) {
  auto owned = std::make_unique<SystemFiles>();
  auto& files = *owned;
  constexpr JournalSize size{.segments_max = std::numeric_limits<std::size_t>::max() / 2};
  return open_on(std::move(directory), std::move(owned), files, log, size, base::hire_threads);
}

Result<std::unique_ptr<ReplyJournal>> open_reply_journal(std::string directory, Files& files, Log& log) {
  return open_on(std::move(directory), nullptr, files, log, {}, base::hire_threads);
}

Result<std::unique_ptr<ReplyJournal>> open_reply_journal(std::string directory, Files& files, Log& log, JournalSize size,
                                                         const base::Hire& hire) {
  return open_on(std::move(directory), nullptr, files, log, size, hire);
}

}  // namespace latchkey::store

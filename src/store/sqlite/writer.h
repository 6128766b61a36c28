// The one worker that writes. Whatever batches wait when it comes round share one transaction and one fsync; each stands
// in a savepoint of its own, so that a batch in conflict is undone alone.
//
// Invariants: a batch is answered after its transaction has been committed or undone, never before. Token replies go
// ahead of ordinary batches, those ahead of bookkeeping. After a failed fsync nobody knows what the disk holds, and the
// kernel may forget that it failed: the writer then refuses everything until a restart, and never syncs again.
#pragma once

#include <array>
#include <atomic>
#include <deque>
#include <functional>
#include <mutex>

#include "base/log.h"
#include "base/pool.h"
#include "store/sqlite/connection.h"
#include "store/figures.h"
#include "store/store.h"

namespace latchkey::store::sqlite {

inline constexpr std::size_t kQueuedBatchesMax = 16'384;

struct WriterOptions {
  std::size_t group_batches_max = 512;
  // The write-ahead log is moved into the file when it has so many pages (16 MiB): rarely, so that a page changed often is
  // moved once.
  int checkpoint_pages = 4'000;
  // Four times as many, because somebody was always reading: then the writer waits so long for those who read from it.
  Milliseconds checkpoint_patience{200};
  StoreFigures* figures = nullptr;
};

class Writer {
 public:
  using Done = std::move_only_function<void(Result<void>)>;

  // `connection` is the writer's alone from now on; `worker` is one thread.
  Writer(Connection& connection, std::unique_ptr<base::Worker> worker, WallClock& clock, Log& log, WriterOptions options);
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  // Writes what is queued, then stops.
  ~Writer();

  // Any thread. `done` is called once, by the writer's worker (or at once, when the queue is full).
  void enqueue(Batch batch, Urgency urgency, Done done);

  // A sync has failed, or damage was found: nothing is written any more.
  [[nodiscard]] bool failed() const { return stop_.load(std::memory_order_relaxed) != Stop::none; }
  // Why it does not write any more, and what to do: unavailable/`store_stopped`. From any thread.
  [[nodiscard]] Result<void> health() const;

 private:
  enum class Stop : std::uint8_t { none, disk_failed, damaged };
  struct Waiting {
    Batch batch;
    Done done;
  };
  struct Written {
    Done done;
    Result<void> result;
  };

  void serve();
  [[nodiscard]] std::deque<Waiting> take_group();
  void write(std::deque<Waiting> group);
  [[nodiscard]] Result<void> write_one(const Batch& batch, WallTime now);
  [[nodiscard]] Result<void> finish(bool any_written);
  // Whether a sync has failed, in whichever statement; nothing is written from then on.
  [[nodiscard]] bool lost_a_sync();
  void undo();
  void checkpoint();
  void stop_for_good(const Error& error);
  [[nodiscard]] std::string why_stopped() const;
  [[nodiscard]] Error refusal() const;

  Connection& db_;
  WallClock& clock_;
  Log& log_;
  const WriterOptions options_;
  int log_pages_ = 0;           // as of the last commit
  int checkpointed_pages_ = 0;  // of them, those the last checkpoint saw
  std::atomic<Stop> stop_ = Stop::none;

  std::mutex mutex_;
  std::array<std::deque<Waiting>, 3> queues_;
  std::size_t queued_ = 0;
  bool serving_ = false;  // work is posted, or under way
  std::unique_ptr<base::Worker> worker_;
};

}  // namespace latchkey::store::sqlite

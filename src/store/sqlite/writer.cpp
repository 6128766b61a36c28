#include "store/sqlite/writer.h"

#include "store/sqlite/mutations.h"

namespace latchkey::store::sqlite {
namespace {

int note_log_pages(void* pages, sqlite3*, const char*, int count) {
  *static_cast<int*>(pages) = count;
  return SQLITE_OK;
}

}  // namespace

Writer::Writer(Connection& connection, std::unique_ptr<base::Worker> worker, WallClock& clock, Log& log, WriterOptions options)
    : db_(connection), clock_(clock), log_(log), options_(options), worker_(std::move(worker)) {
  sqlite3_wal_hook(db_.handle(), &note_log_pages, &log_pages_);
}

Writer::~Writer() {
  worker_.reset();
  sqlite3_wal_hook(db_.handle(), nullptr, nullptr);
}

void Writer::enqueue(Batch batch, Urgency urgency, Done done) {
  bool idle = false;
  {
    const std::lock_guard lock(mutex_);
    if (queued_ < kQueuedBatchesMax) {
      queues_[static_cast<std::size_t>(urgency)].push_back({std::move(batch), std::move(done)});
      ++queued_;
      idle = !std::exchange(serving_, true);
    }
  }
  if (done) {  // not moved from: no room
    done(fail(ErrorKind::unavailable, "store_unavailable", "Too many changes are waiting to be written: try again soon.",
              {.detail = "write queue full", .retry_after = std::chrono::seconds(1)}));
    return;
  }
  if (idle) worker_->post([this] { serve(); });
}

void Writer::serve() {
  for (;;) {
    auto group = take_group();
    if (group.empty()) return;
    write(std::move(group));
    if (log_pages_ < checkpointed_pages_) checkpointed_pages_ = 0;  // the log began anew
    if (log_pages_ - checkpointed_pages_ >= options_.checkpoint_pages && !failed()) checkpoint();
  }
}

std::deque<Writer::Waiting> Writer::take_group() {
  const std::lock_guard lock(mutex_);
  std::deque<Waiting> group;
  for (auto& queue : queues_) {
    while (!queue.empty() && group.size() < options_.group_batches_max) {
      group.push_back(std::move(queue.front()));
      queue.pop_front();
    }
  }
  queued_ -= group.size();
  if (options_.figures != nullptr) options_.figures->waiting = static_cast<std::int64_t>(queued_);
  serving_ = !group.empty();
  return group;
}

void Writer::write(std::deque<Waiting> group) {
  const auto begun = std::chrono::steady_clock::now();
  std::vector<Written> written;
  written.reserve(group.size());
  Result<void> state = failed() ? Result<void>(std::unexpected(refusal())) : Result<void>();
  if (state) {
    auto begin = db_.prepare("BEGIN IMMEDIATE");
    begin.run();
    if (begin.failed()) state = begin.failure();
  }
  const auto now = clock_.now();
  bool any_written = false;
  for (auto& waiting : group) {
    auto result = state ? write_one(waiting.batch, now) : state;
    if (lost_a_sync()) {
      undo();
      result = state = std::unexpected(refusal());
    } else if (state && !db_.in_transaction()) {
      // SQLite has undone the whole transaction (full disk, I/O error): nothing of this group has happened.
      state = result;
    }
    any_written |= result.has_value();
    written.push_back({std::move(waiting.done), std::move(result)});
  }
  if (state) state = finish(any_written);
  if (options_.figures != nullptr) {
    options_.figures->commits += 1;
    options_.figures->batches += static_cast<std::int64_t>(group.size());
    options_.figures->commit_nanoseconds += (std::chrono::steady_clock::now() - begun).count();
  }
  for (auto& one : written) {
    if (!state && one.result) one.result = state;
    one.done(std::move(one.result));
  }
}

Result<void> Writer::write_one(const Batch& batch, WallTime now) {
  {
    auto savepoint = db_.prepare("SAVEPOINT batch");
    savepoint.run();
    if (savepoint.failed()) return savepoint.failure();
  }
  Result<void> result;
  for (const auto& mutation : batch) {
    result = apply(db_, now, mutation);
    if (!result) break;
  }
  if (!db_.in_transaction()) return result;
  if (!result) {
    auto back = db_.prepare("ROLLBACK TO batch");
    back.run();
    if (back.failed()) undo();  // in doubt, the whole group goes
    if (result.error().kind == ErrorKind::corrupt) stop_for_good(result.error());
  }
  if (db_.in_transaction()) {
    auto release = db_.prepare("RELEASE batch");
    release.run();
    if (release.failed()) {
      auto failure = release.failure();
      undo();
      return failure;
    }
  }
  return result;
}

Result<void> Writer::finish(bool any_written) {
  if (!any_written || failed()) {
    undo();
    return failed() ? Result<void>(std::unexpected(refusal())) : Result<void>();
  }
  auto commit = db_.prepare("COMMIT");
  commit.run();
  if (!commit.failed()) return {};
  Error error = commit.failure().error();
  undo();
  if (lost_a_sync()) {
    return fail(ErrorKind::ambiguous, "commit_ambiguous",
                "The disk did not confirm the change: it may or may not be kept. The server must be restarted.",
                {.detail = error.detail});
  }
  if (error.kind == ErrorKind::corrupt) stop_for_good(error);
  log_.error("store_commit_failed", error);
  return std::unexpected(std::move(error));
}

bool Writer::lost_a_sync() {
  if (db_.failed_syncs() == 0) return false;
  stop_for_good(error_of(SQLITE_IOERR_FSYNC, "a sync has failed"));
  return true;
}

void Writer::undo() {
  if (!db_.in_transaction()) return;
  auto rollback = db_.prepare("ROLLBACK");
  rollback.run();
  if (rollback.failed() && db_.in_transaction()) stop_for_good(rollback.failure().error());
}

void Writer::checkpoint() {
  checkpointed_pages_ = log_pages_;
  // The log can begin anew only when nobody reads from it. Passing by often finds such a moment; if none has come for
  // long, it is waited for: those who begin to read now need the log no more.
  const bool overdue = log_pages_ >= 4 * options_.checkpoint_pages;
  if (overdue) sqlite3_busy_timeout(db_.handle(), static_cast<int>(options_.checkpoint_patience.count()));
  const int code = sqlite3_wal_checkpoint_v2(db_.handle(), nullptr,
                                             overdue ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  if (overdue) sqlite3_busy_timeout(db_.handle(), 0);
  if (code == SQLITE_OK || code == SQLITE_BUSY || code == SQLITE_LOCKED) return;
  const auto error = error_of(code, sqlite3_errmsg(db_.handle()));
  if (lost_a_sync()) return;
  if (error.kind == ErrorKind::corrupt) return stop_for_good(error);
  log_.warning("store_checkpoint_failed", {{"detail", error.detail}});  // a full disk: the log grows until there is room
}

void Writer::stop_for_good(const Error& error) {
  auto none = Stop::none;
  if (!stop_.compare_exchange_strong(none, error.kind == ErrorKind::corrupt ? Stop::damaged : Stop::disk_failed)) return;
  db_.leave_log_alone();
  log_.error("store_stopped", error);
}

Result<void> Writer::health() const {
  if (!failed()) return {};
  return fail(ErrorKind::unavailable, "store_stopped", why_stopped());
}

std::string Writer::why_stopped() const {
  if (stop_.load(std::memory_order_relaxed) == Stop::damaged) return error_of(SQLITE_CORRUPT, "").text;
  return "The disk failed to keep a change, so nothing is written any more. Check the disk, then restart the server.";
}

Error Writer::refusal() const {
  return {.kind = ErrorKind::unavailable, .reason = "store_unavailable", .text = why_stopped(), .detail = "refused after a failed sync or found damage"};
}

}  // namespace latchkey::store::sqlite

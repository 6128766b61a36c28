#include "store/postgres/writer.h"

#include <pthread.h>

#include <algorithm>
#include <random>

#include "store/audit_chain.h"
#include "store/postgres/record_values.h"

namespace latchkey::store::postgres {
namespace {

constexpr int kAttempts = 6;  // of a batch that met a deadlock or a serialization failure
constexpr std::chrono::milliseconds kRepeatPause{5};

const Query kBegin{"BEGIN"};
const Query kCommit{"COMMIT"};
const Query kRollback{"ROLLBACK"};
const Query kLockHead{"SELECT sequence, hash FROM audit_head WHERE only_one = 1 FOR UPDATE"};

Error ambiguous(const Failure& failure) {
  return {.kind = ErrorKind::ambiguous,
          .reason = "commit_ambiguous",
          .text = "The database did not confirm the change: it may or may not have happened. Look again, then decide.",
          .detail = failure.message.empty() ? "the connection was lost during COMMIT" : failure.message};
}

// The entries as they continue the trail, and the head after them.
std::vector<Query> entries_after(const std::vector<AuditEntry>& entries, std::int64_t sequence, Bytes hash) {
  constexpr std::string_view kInsert =
      "INSERT INTO audit(" LATCHKEY_AUDIT_ROW ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
  std::vector<Query> queries;
  for (auto entry : entries) {
    entry.sequence = ++sequence;
    entry.hash = chain_hash(hash, entry);
    hash = entry.hash;
    queries.push_back({kInsert, audit_values(entry)});
  }
  queries.push_back({"UPDATE audit_head SET sequence = $1, hash = $2 WHERE only_one = 1", Values(sequence, hash)});
  return queries;
}

void pause_before(int attempt) {
  thread_local std::minstd_rand jitter{std::random_device{}()};
  std::this_thread::sleep_for(kRepeatPause * attempt + std::chrono::milliseconds(jitter() % 10));
}

}  // namespace

Writers::Writers(std::vector<std::unique_ptr<StandingLine>> lines, const WallClock* clock, StoreFigures* figures, Log& log)
    : clock_(clock), figures_(figures), log_(log), lines_(std::move(lines)) {
  for (auto& line : lines_) {
    threads_.emplace_back([this, own = line.get()] { serve(*own); });
    pthread_setname_np(threads_.back().native_handle(), "store-writer");
  }
}

Writers::~Writers() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  wake_.notify_all();
  for (auto& thread : threads_) thread.join();
}

void Writers::enqueue(Batch batch, Urgency urgency, Done done) {
  const auto now = clock_ == nullptr ? std::nullopt : std::optional(clock_->now());
  auto plan = plan_of(batch, now);
  if (plan.writes.empty() && plan.audit.empty()) return done({});
  {
    const std::lock_guard lock(mutex_);
    if (queued_ < kQueuedBatchesMax) {
      queues_[static_cast<std::size_t>(urgency)].push_back({std::move(plan), std::move(done)});
      ++queued_;
      if (figures_ != nullptr) figures_->waiting = static_cast<std::int64_t>(queued_);
    }
  }
  if (done) {  // not moved from: no room
    done(fail(ErrorKind::unavailable, "store_unavailable", "Too many changes are waiting to be written: try again soon.",
              {.detail = "write queue full", .retry_after = std::chrono::seconds(1)}));
    return;
  }
  wake_.notify_one();
}

void Writers::serve(StandingLine& line) {
  for (;;) {
    auto group = take();
    if (group.empty()) return;
    write(line, std::move(group));
  }
}

// A share of what waits: what one connection would do alone, the others idle.
std::vector<Writers::Waiting> Writers::take() {
  std::unique_lock lock(mutex_);
  ++idle_;
  wake_.wait(lock, [this] { return closing_ || queued_ > 0; });
  const auto share = std::clamp<std::size_t>((queued_ + idle_ - 1) / idle_, 1, kPipelinedBatchesMax);
  --idle_;
  std::vector<Waiting> group;
  for (auto& queue : queues_) {
    while (!queue.empty() && group.size() < share) {
      group.push_back(std::move(queue.front()));
      queue.pop_front();
    }
  }
  queued_ -= group.size();
  if (figures_ != nullptr) figures_->waiting = static_cast<std::int64_t>(queued_);
  if (queued_ > 0) wake_.notify_one();
  return group;
}

void Writers::write(StandingLine& line, std::vector<Waiting> group) {
  std::vector<Waiting*> left;
  for (auto& waiting : group) left.push_back(&waiting);
  bool line_broke = false;
  for (int attempt = 1; !left.empty(); ++attempt) {
    const auto db = line.get();
    if (!db) {
      for (auto* waiting : left) waiting->done(std::unexpected(db.error()));
      return;
    }
    std::vector<Waiting*> pipelined;
    std::vector<Waiting*> audited;
    for (auto* waiting : left) (waiting->plan.audit.empty() ? pipelined : audited).push_back(waiting);
    std::vector<Outcome> outcomes;
    if (!pipelined.empty()) write_pipelined(**db, pipelined, outcomes);
    for (const auto* waiting : audited) {
      const auto begun = std::chrono::steady_clock::now();
      outcomes.push_back(write_with_audit(**db, waiting->plan));
      count({&outcomes.back(), 1}, begun);
    }
    left = std::move(pipelined);
    left.insert(left.end(), audited.begin(), audited.end());

    std::vector<Waiting*> again;
    const bool broke_before = line_broke;
    for (std::size_t i = 0; i < left.size(); ++i) {
      auto& outcome = outcomes[i];
      line_broke |= outcome.line_broke;
      const bool repeat = !outcome.settled && attempt < kAttempts && !(outcome.line_broke && broke_before);
      if (repeat) {
        again.push_back(left[i]);
        continue;
      }
      auto result = outcome.settled ? *std::move(outcome.settled) : Result<void>(std::unexpected(outcome.reason));
      if (!result && result.error().kind == ErrorKind::bug) log_.error("store_statement_refused", result.error());
      if (!result && result.error().kind == ErrorKind::ambiguous) log_.warning("store_commit_ambiguous", {{"detail", result.error().detail}});
      left[i]->done(std::move(result));
    }
    left = std::move(again);
    if (!left.empty()) {
      if (line_broke) line.drop();
      pause_before(attempt);
    }
  }
}

// BEGIN, statements, sync, COMMIT, sync, for each batch, all at once.
void Writers::write_pipelined(Connection& db, std::vector<Waiting*>& batches, std::vector<Outcome>& outcomes) {
  std::vector<Step> steps;
  for (const auto* waiting : batches) {
    steps.push_back({&kBegin});
    for (const auto& write : waiting->plan.writes) steps.push_back({&write.query});
    steps.push_back({});
    steps.push_back({&kCommit});
    steps.push_back({});
  }
  const auto begun = std::chrono::steady_clock::now();
  const auto answers = db.exchange(steps);
  std::span<const Answer> rest(answers);
  for (const auto* waiting : batches) {
    const auto own = rest.first(waiting->plan.writes.size() + 2);
    rest = rest.subspan(own.size());
    outcomes.push_back(outcome_of(own, waiting->plan));
  }
  count(outcomes, begun);
}

// Each is a transaction and a sync of its own; those that went together took, each of them, as long as all.
void Writers::count(std::span<const Outcome> outcomes, std::chrono::steady_clock::time_point begun) {
  if (figures_ == nullptr) return;
  const auto took = (std::chrono::steady_clock::now() - begun).count();
  for (const auto& outcome : outcomes) {
    if (!outcome.settled || !*outcome.settled) continue;
    figures_->commits += 1;
    figures_->batches += 1;
    figures_->commit_nanoseconds += took;
  }
}

// `answers`: to BEGIN, to each statement, to COMMIT.
Writers::Outcome Writers::outcome_of(std::span<const Answer> answers, const Plan& plan) const {
  for (std::size_t i = 0; i + 1 < answers.size(); ++i) {
    if (answers[i].kind != Answer::Kind::failed) continue;
    const auto& failure = answers[i].failure;
    // COMMIT was not reached.
    if (is_worth_repeating(failure)) return {.reason = error_of(failure)};
    if (failure.fatal || is_read_only(failure)) return {.reason = error_of(failure), .line_broke = true};
    const auto reference = i == 0 || i > plan.writes.size() ? Reference::none : plan.writes[i - 1].reference;
    return {.settled = std::unexpected(refusal_of(failure, reference))};
  }
  const auto& committed = answers.back();
  if (committed.kind == Answer::Kind::done && committed.rows.tag() == "COMMIT") return {.settled = Result<void>()};
  if (committed.kind == Answer::Kind::failed && !committed.failure.fatal) {
    if (is_worth_repeating(committed.failure)) return {.reason = error_of(committed.failure)};
    return {.settled = std::unexpected(error_of(committed.failure))};
  }
  return {.settled = std::unexpected(ambiguous(committed.failure))};
}

// The trail's head is read under its lock, so these take a second round trip.
Writers::Outcome Writers::write_with_audit(Connection& db, const Plan& plan) {
  std::vector<Step> steps{{&kBegin}};
  for (const auto& write : plan.writes) steps.push_back({&write.query});
  steps.push_back({&kLockHead});
  steps.push_back({});
  auto answers = db.exchange(steps);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (answers[i].kind == Answer::Kind::done) continue;
    const auto& failure = answers[i].failure;
    // Nothing has been committed: a broken line is no doubt here.
    if (answers[i].kind == Answer::Kind::lost || failure.fatal || is_read_only(failure)) return {.reason = error_of(answers[i]), .line_broke = true};
    const Step back[] = {{&kRollback}, {}};
    [[maybe_unused]] const auto undone = db.exchange(back);
    if (is_worth_repeating(failure)) return {.reason = error_of(failure)};
    const auto reference = i == 0 || i > plan.writes.size() ? Reference::none : plan.writes[i - 1].reference;
    return {.settled = std::unexpected(refusal_of(failure, reference))};
  }
  std::int64_t sequence = 0;
  Bytes hash;
  auto& head = answers.back().rows;
  if (head.row()) head.read(sequence, hash);
  const auto entries = entries_after(plan.audit, sequence, std::move(hash));
  steps.clear();
  for (const auto& entry : entries) steps.push_back({&entry});
  steps.push_back({});
  steps.push_back({&kCommit});
  steps.push_back({});
  auto closing = db.exchange(steps);
  // As if it had been one exchange: BEGIN was answered before.
  closing.insert(closing.begin(), std::move(answers.front()));
  return outcome_of(closing, Plan());
}

}  // namespace latchkey::store::postgres

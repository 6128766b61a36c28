// The threads that write: each has a connection of its own and takes what waits, token replies first.
//
// Invariants: a batch is one transaction, answered once, after the database has answered or the line has broken. It is sent a
// second time only when it has certainly not happened. A batch whose COMMIT may have arrived is ambiguous, never repeated.
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/log.h"
#include "store/figures.h"
#include "store/postgres/standing_line.h"
#include "store/postgres/plan.h"
#include "store/store.h"

namespace latchkey::store::postgres {

inline constexpr std::size_t kQueuedBatchesMax = 16'384;
inline constexpr std::size_t kPipelinedBatchesMax = 16;

class Writers {
 public:
  using Done = std::move_only_function<void(Result<void>)>;

  // `clock`: whose time is written, nullptr for the database's own. `figures`: where it counts, or nullptr.
  Writers(std::vector<std::unique_ptr<StandingLine>> lines, const WallClock* clock, StoreFigures* figures, Log& log);
  Writers(const Writers&) = delete;
  Writers& operator=(const Writers&) = delete;
  // Writes what is queued, then stops.
  ~Writers();

  // Any thread. `done` is called once, on a writer's thread (or at once, when the queue is full).
  void enqueue(Batch batch, Urgency urgency, Done done);

 private:
  struct Waiting {
    Plan plan;
    Done done;
  };
  // What became of one batch: settled, or worth sending again.
  struct Outcome {
    std::optional<Result<void>> settled;  // nullopt: repeat
    Error reason{};                       // of the repetition, should it be the last
    bool line_broke = false;              // before anything happened
  };

  void serve(StandingLine& line);
  [[nodiscard]] std::vector<Waiting> take();
  void write(StandingLine& line, std::vector<Waiting> group);
  void write_pipelined(Connection& db, std::vector<Waiting*>& batches, std::vector<Outcome>& outcomes);
  [[nodiscard]] Outcome write_with_audit(Connection& db, const Plan& plan);
  void count(std::span<const Outcome> outcomes, std::chrono::steady_clock::time_point begun);
  [[nodiscard]] Outcome outcome_of(std::span<const Answer> answers, const Plan& plan) const;

  const WallClock* clock_;
  StoreFigures* figures_;
  Log& log_;
  std::vector<std::unique_ptr<StandingLine>> lines_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::array<std::deque<Waiting>, 3> queues_;
  std::size_t queued_ = 0;
  std::size_t idle_ = 0;
  bool closing_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace latchkey::store::postgres

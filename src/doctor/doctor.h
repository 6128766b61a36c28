// Examines the set-up before the first popup does (docs/doctor.md): every check's errands at once, whatever has not ended by
// the deadline said to be so.
//
// Invariants: one examination at a time; who asks meanwhile waits for that one, and who asks right after it is given it. It
// changes nothing, but for a file of its own that it writes and removes again; it sends no secret and spends no refresh
// token. Concurrency: its tasks live on the executor given; every method may be called from any thread.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "base/broadcast.h"
#include "base/clock.h"
#include "base/task_group.h"
#include "doctor/check.h"

namespace latchkey::doctor {

// What console and command line ask of it.
class Examiner {
 public:
  virtual ~Examiner() = default;
  // Errors: the store's; unavailable/`stopping`.
  [[nodiscard]] virtual Task<Result<std::shared_ptr<const Report>>> examine() = 0;
  // nullptr: none since the start.
  [[nodiscard]] virtual std::shared_ptr<const Report> last() const = 0;
};

// A resource. The checks' own parts, store, clocks and log outlive it; stop() has returned before it goes.
class Doctor final : public Examiner {
 public:
  static constexpr Seconds kPatience{15};  // for all errands together: they run side by side
  static constexpr Seconds kFreshFor{2};   // so long a report is given to whoever asks next

  struct Parts {
    std::vector<std::unique_ptr<Check>> checks;
    SurveyGround ground;
    const WallClock& wall;
    SteadyClock& steady;
    Log& log;
    Executor executor;
  };
  explicit Doctor(Parts parts);
  ~Doctor() override;

  [[nodiscard]] Task<Result<std::shared_ptr<const Report>>> examine() override;
  [[nodiscard]] std::shared_ptr<const Report> last() const override;
  // Cancels what is under way; nothing is examined afterwards.
  [[nodiscard]] Task<void> stop();

 private:
  struct Round;
  [[nodiscard]] Task<Result<std::shared_ptr<const Report>>> join();
  [[nodiscard]] Task<void> run(std::shared_ptr<Round> round);
  [[nodiscard]] static Task<void> ring(std::shared_ptr<Round> round, SteadyClock* steady);
  [[nodiscard]] static Task<void> do_errand(std::shared_ptr<Round> round, std::size_t index,
                                            Task<std::vector<Finding>> task);
  [[nodiscard]] Task<void> stop_here();

  Parts parts_;
  TaskGroup group_;
  bool stopping_ = false;
  std::shared_ptr<Round> round_;
  SteadyTime ended_at_{};
  mutable std::mutex mutex_;
  std::shared_ptr<const Report> last_;  // under mutex_
};

}  // namespace latchkey::doctor

// Simulated time: one queue of events for the whole world, and the clocks of its machines.
//
// A world runs in one thread. What is ready runs first; when nothing is, time moves to the next event. Everything that
// reaches a machine from outside (a timer, an answer, the disk) is an event of that machine's process, so a process that is
// stopped (SIGSTOP) simply does not get its events until it goes on, and a process that has died gets all of them at once,
// to end by.
#pragma once

#include <boost/asio/io_context.hpp>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/pool.h"
#include "chance.h"

namespace latchkey::simulation {

using Nanoseconds = std::chrono::nanoseconds;
using Event = std::move_only_function<void()>;

class Timeline;

// One run of a server, from its start to its death. Whatever it does after its death has no effect outside.
class Process {
 public:
  Process(Timeline& timeline, std::string name) : timeline_(timeline), name_(std::move(name)) {}
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  [[nodiscard]] bool dead() const { return dead_; }
  // Cuts it off. The zombie still unwinds: see `drain` of whoever owns it.
  void die();
  void on_death(std::function<void()> what) { on_death_.push_back(std::move(what)); }
  void stop_until(Nanoseconds when);
  [[nodiscard]] bool stopped() const;
  [[nodiscard]] const std::string& name() const { return name_; }
  // A zombie's own time goes on by itself, so that it comes to its end.
  Nanoseconds beyond{0};

 private:
  friend class Timeline;
  Timeline& timeline_;
  std::string name_;
  bool dead_ = false;
  Nanoseconds stopped_until_{0};
  std::vector<std::function<void()>> on_death_;
};

class Timeline {
 public:
  Timeline();
  [[nodiscard]] boost::asio::io_context& loop() { return loop_; }
  [[nodiscard]] Nanoseconds now() const { return now_; }

  // `owner` may be nullptr: the world's own. A dead owner's event is ready at once.
  void at(Nanoseconds when, Process* owner, Event event);
  void after(Nanoseconds span, Process* owner, Event event) { at(now_ + span, owner, std::move(event)); }

  void run_ready();
  // The next event, if it lies before `end`; false: time is `end` now.
  bool step(Nanoseconds end);
  template <class Done>
  void run_until(Nanoseconds end, Done done) {
    run_ready();
    while (!done() && step(end)) {
    }
  }
  [[nodiscard]] std::uint64_t steps() const { return steps_; }

 private:
  friend class Process;
  using Key = std::pair<Nanoseconds, std::uint64_t>;
  struct Planned {
    Process* owner;
    Event event;
  };
  void hasten(Process& owner);
  void forget(Process& owner);

  boost::asio::io_context loop_;
  Nanoseconds now_{0};
  std::uint64_t sequence_ = 0;
  std::uint64_t steps_ = 0;
  std::map<Key, Planned> events_;
};

// The steady clock of a process.
class ProcessClock final : public SteadyClock {
 public:
  ProcessClock(Timeline& timeline, Process& process) : timeline_(timeline), process_(process) {}
  [[nodiscard]] SteadyTime now() const override;
  [[nodiscard]] Task<void> sleep_until(SteadyTime when) override;
  [[nodiscard]] std::unique_ptr<base::Alarm> ring_at(SteadyTime when, Executor executor, std::move_only_function<void()> ring) override;

 private:
  class Ring;
  Timeline& timeline_;
  Process& process_;
};

// The wall clock of a machine: the true time and how far it is off.
class MachineWall final : public WallClock {
 public:
  explicit MachineWall(Timeline& timeline) : timeline_(timeline) {}
  [[nodiscard]] WallTime now() const override;
  void step_to(Milliseconds off) { off_ = off; }
  [[nodiscard]] Milliseconds off() const { return off_; }

 private:
  Timeline& timeline_;
  Milliseconds off_{0};
};
[[nodiscard]] WallTime true_time(const Timeline& timeline);

// Work in the world's one thread, after a moment, in the order given.
class SimulatedWorker final : public Worker {
 public:
  // How long a piece of work takes to begin.
  using Delay = std::function<Nanoseconds()>;
  SimulatedWorker(Timeline& timeline, Process& process, Delay delay) : timeline_(timeline), process_(process), delay_(std::move(delay)) {}
  ~SimulatedWorker() override;
  void post(std::move_only_function<void()> work) override;

 private:
  void work_off();
  Timeline& timeline_;
  Process& process_;
  Delay delay_;
  std::deque<std::move_only_function<void()>> queue_;
  bool planned_ = false;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace latchkey::simulation

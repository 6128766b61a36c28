#include "runner.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <new>
#include <utility>
#include <vector>

#include "world.h"

namespace latchkey::simulation {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kProgressEveryMs = 60'000;

std::string repeat_line(std::uint64_t seed, const std::string& canary) {
  return fmt::format("sim --seed {}{}", seed, canary.empty() ? "" : " --canary " + canary);
}

// What differs between two runs of one seed; empty: nothing.
std::string difference(const Outcome& a, const Outcome& b) {
  if (a.trace != b.trace) return "their traces differ";
  if (a.violations != b.violations || a.taken != b.taken || a.figures != b.figures) return "their figures differ";
  return {};
}

// What the jobs of one run share, in memory mapped before they are forked.
struct Shared {
  std::atomic<std::uint64_t> worlds{0};
  std::atomic<std::uint64_t> refreshed{0};
  std::atomic<bool> enough{false};
};

// What an interrupt ends; the worlds under way are finished, and the sums printed.
Shared* interruptible = nullptr;

void end_soon(int) { interruptible->enough = true; }

struct Sum {
  std::map<std::string, std::uint64_t> figures;
  std::map<std::string, std::uint64_t> taken;
  std::size_t failures = 0;
};

// ---- a job: every `jobs`th seed from its own first one --------------------------------------------------------------

class Teller {
 public:
  explicit Teller(int out) : out_(out) {}
  // A line to the parent: "begin SEED", "fail TEXT", "figure NAME COUNT", "taken NAME COUNT".
  void say(std::string line) const {
    line += '\n';
    for (std::size_t at = 0; at < line.size();) {
      const auto written = ::write(out_, line.data() + at, line.size() - at);
      if (written <= 0) std::_Exit(3);
      at += static_cast<std::size_t>(written);
    }
  }

 private:
  int out_;
};

void add(std::map<std::string, std::uint64_t>& sum, const Figures& one) {
  const std::pair<const char*, std::uint64_t> named[] = {
      {"refreshed", one.refreshed}, {"posts", one.posts}, {"handed_out", one.handed_out}, {"stale_by_travel", one.stale_by_travel},
      {"lost_on_the_way", one.lost_on_the_way}, {"lost_in_a_crash", one.lost_in_a_crash}, {"lost_unreadable", one.lost_unreadable},
      {"lost_behind_a_restore", one.lost_behind_a_restore}, {"lost_at_the_end", one.lost_at_the_end}, {"lost_by_repetition", one.lost_by_repetition}, {"lost_given_back", one.lost_given_back}, {"steps", one.steps}};
  for (const auto& [name, count] : named) sum[name] += count;
}

[[noreturn]] void work(const Wish& wish, unsigned job, const Teller& teller, Shared& shared, Clock::time_point end) {
  std::map<std::string, std::uint64_t> figures;
  std::map<std::string, std::uint64_t> taken;
  for (std::uint64_t seed = wish.from + job; seed <= wish.to && Clock::now() < end && !shared.enough; seed += wish.jobs) {
    teller.say(fmt::format("begin {}", seed));
    const auto outcome = run_world({.seed = seed});
    if (wish.twice != 0 && seed % wish.twice == 0) {
      figures["repeated"] += 1;
      if (const auto differs = difference(outcome, run_world({.seed = seed})); !differs.empty()) {
        teller.say(fmt::format("fail seed {}: not repeatable: {}; repeat with: {}", seed, differs, repeat_line(seed, wish.canary)));
      }
    }
    if (!outcome.violations.empty()) {
      teller.say(fmt::format("fail seed {} ({}): {}; repeat with: {}", seed, outcome.shape, outcome.violations.front(), repeat_line(seed, wish.canary)));
      if (wish.stop_at_first) shared.enough = true;
    }
    add(figures, outcome.figures);
    for (const auto& [name, count] : outcome.taken) taken[name] += count;
    shared.worlds += 1;
    shared.refreshed += outcome.figures.refreshed;
    if (wish.refreshes && shared.refreshed >= *wish.refreshes) shared.enough = true;
  }
  for (const auto& [name, count] : figures) teller.say(fmt::format("figure {} {}", name, count));
  for (const auto& [name, count] : taken) teller.say(fmt::format("taken {} {}", name, count));
  std::_Exit(0);
}

// ---- the parent ----------------------------------------------------------------------------------------------------

struct Job {
  pid_t pid = 0;
  int in = -1;
  std::string rest;
  std::uint64_t seed = 0;  // the one it is at
};

void fail(Sum& sum, const std::string& line) {
  ++sum.failures;
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

void hear(Job& job, Sum& sum, const std::string& line) {
  const auto word = line.find(' ');
  const auto kind = line.substr(0, word);
  const auto rest = line.substr(word + 1);
  if (kind == "begin") job.seed = std::strtoull(rest.c_str(), nullptr, 10);
  if (kind == "fail") fail(sum, rest);
  if (kind == "figure" || kind == "taken") {
    const auto space = rest.find(' ');
    (kind == "figure" ? sum.figures : sum.taken)[rest.substr(0, space)] += std::strtoull(rest.c_str() + space, nullptr, 10);
  }
}

// False: the job has ended.
bool listen(Job& job, Sum& sum, const Wish& wish) {
  char buffer[65536];
  const auto got = ::read(job.in, buffer, sizeof buffer);
  if (got > 0) {
    job.rest.append(buffer, static_cast<std::size_t>(got));
    for (auto at = job.rest.find('\n'); at != std::string::npos; at = job.rest.find('\n')) {
      hear(job, sum, job.rest.substr(0, at));
      job.rest.erase(0, at + 1);
    }
    return true;
  }
  ::close(std::exchange(job.in, -1));
  int status = 0;
  ::waitpid(job.pid, &status, 0);
  if (status != 0) {
    fail(sum, fmt::format("seed {}: the program ended ({}), and this job's sums are missing; repeat with: {}", job.seed,
                          WIFSIGNALED(status) ? ::strsignal(WTERMSIG(status)) : "exit", repeat_line(job.seed, wish.canary)));
  }
  return false;
}

std::vector<Job> begin_jobs(const Wish& wish, Shared& shared, Clock::time_point end) {
  std::vector<Job> jobs;
  for (unsigned index = 0; index < wish.jobs; ++index) {
    int ends[2];
    if (::pipe(ends) != 0) break;
    std::fflush(stdout);
    const auto pid = ::fork();
    if (pid == 0) {
      ::signal(SIGINT, SIG_IGN);  // a terminal tells the whole group
      ::close(ends[0]);
      work(wish, index, Teller(ends[1]), shared, end);
    }
    ::close(ends[1]);
    jobs.push_back({.pid = pid, .in = ends[0]});
  }
  return jobs;
}

void print_sums(const Shared& shared, Sum& sum, double seconds) {
  auto& f = sum.figures;
  fmt::print("{} worlds in {:.1f} s ({:.1f} seeds a second); {} refreshes ({:.0f} a second), {} token requests, {} hand-outs, {} steps; {} worlds run twice\n",
             shared.worlds.load(), seconds, static_cast<double>(shared.worlds) / seconds, f["refreshed"], static_cast<double>(f["refreshed"]) / seconds, f["posts"],
             f["handed_out"], f["steps"], f["repeated"]);
  fmt::print("rules broken: {}; grants lost that the provider's rules allow to keep: {}\n", sum.failures, sum.failures == 0 ? "0" : "see above");
  fmt::print("lost as nobody could prevent (F11): {} replies never came, {} machines died between arrival and fsync, {} replies unreadable; behind a restored "
             "backup (F10): {}; ended by a last try before expiry, while another node held the answer or the first request was still on its way (F1, F6): {}; ended by "
             "somebody on the way who sent a request twice: {}; given back in the moment in which it was wanted again, or before the store forgot: {}\n",
             f["lost_on_the_way"], f["lost_in_a_crash"], f["lost_unreadable"], f["lost_behind_a_restore"], f["lost_at_the_end"], f["lost_by_repetition"], f["lost_given_back"]);
  std::string never;
  for (const auto& branch : branches_wanted()) {
    if (sum.taken[branch] == 0) never += (never.empty() ? "" : ", ") + branch;
  }
  std::printf("reached:");
  for (const auto& [name, count] : sum.taken) {
    if (count > 0) fmt::print("  {} {}", name, count);
  }
  std::printf("\nnever reached: %s\n", never.empty() ? "none" : never.c_str());
}

}  // namespace

int run_one(std::uint64_t seed, bool print_log, const std::string& canary) {
  const auto outcome = run_world({.seed = seed, .print_log = print_log, .tell_story = true});
  fmt::print("seed {}: {}; {} refreshes, {} hand-outs, {} steps, trace {:016x}\n", outcome.seed, outcome.shape, outcome.figures.refreshed,
             outcome.figures.handed_out, outcome.figures.steps, outcome.trace);
  for (const auto& line : outcome.story) std::printf("  %s\n", line.c_str());
  for (const auto& violation : outcome.violations) std::printf("broken: %s\n", violation.c_str());
  if (!outcome.violations.empty()) std::printf("repeat with: %s (--log prints what the server says, too)\n", repeat_line(seed, canary).c_str());
  std::fflush(stdout);
  const auto again = run_world({.seed = seed});
  if (const auto differs = difference(outcome, again); !differs.empty()) {
    fmt::print("broken: not repeatable: {} (trace {:016x})\n", differs, again.trace);
    return 1;
  }
  return outcome.violations.empty() ? 0 : 1;
}

int run_many(const Wish& wish) {
  const auto begun = Clock::now();
  const auto end = wish.seconds ? begun + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(*wish.seconds)) : Clock::time_point::max();
  void* memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 2;
  auto& shared = *new (memory) Shared;
  auto jobs = begin_jobs(wish, shared, end);
  interruptible = &shared;
  ::signal(SIGINT, end_soon);
  ::signal(SIGTERM, end_soon);
  const auto seconds = [&] { return std::chrono::duration<double>(Clock::now() - begun).count(); };
  Sum sum;
  for (std::size_t open = jobs.size(); open > 0;) {
    std::vector<pollfd> waiting;
    for (const auto& job : jobs) waiting.push_back({.fd = job.in, .events = POLLIN, .revents = 0});
    if (::poll(waiting.data(), waiting.size(), kProgressEveryMs) == 0) fmt::print("{} worlds\n", shared.worlds.load());
    for (std::size_t index = 0; index < jobs.size(); ++index) {
      if (jobs[index].in >= 0 && waiting[index].revents != 0 && !listen(jobs[index], sum, wish)) --open;
    }
  }
  print_sums(shared, sum, seconds());
  return sum.failures == 0 && !jobs.empty() ? 0 : 1;
}

}  // namespace latchkey::simulation

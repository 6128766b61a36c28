// sim: runs simulated worlds by their seeds.
//
//   sim --seed N [--log]              one world; repeats a failure exactly; --log prints everything
//   sim --seeds A-B [--jobs J]        many, on J processes (default: all cores)
//   sim --seconds S [--from A]        as many as fit
//   sim --refreshes R [--from A]      until so many refreshes have been made
//   --canary NAME                     with that bug switched on (names: --canaries)
//   --twice N                         every Nth seed is run twice and must agree (default 50; 0: never)
//
// Exit status 0: everything held. Each world that broke a rule gives one line, and the command that repeats it.
#include <fmt/format.h>
#include <poll.h>
#include <sodium.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "canary.h"
#include "world.h"

namespace {

using namespace latchkey::simulation;
using Clock = std::chrono::steady_clock;

struct Wish {
  std::optional<std::uint64_t> seed;
  std::uint64_t from = 1;
  std::uint64_t to = UINT64_MAX;
  std::optional<double> seconds;
  std::optional<std::uint64_t> refreshes;
  unsigned jobs = std::max(1u, std::thread::hardware_concurrency());
  std::uint64_t twice = 50;
  bool log = false;
  bool stop_at_first = false;
  std::string canary;
};

struct Sum {
  std::uint64_t worlds = 0, refreshed = 0, handed_out = 0, stale_by_travel = 0, on_the_way = 0, in_a_crash = 0, unreadable = 0, steps = 0, repeated = 0;
  std::map<std::string, std::uint64_t> taken;
  std::vector<std::string> failures;
  void add(const Outcome& one) {
    ++worlds;
    refreshed += one.refreshed;
    handed_out += one.handed_out;
    stale_by_travel += one.stale_by_travel;
    on_the_way += one.lost_on_the_way;
    in_a_crash += one.lost_in_a_crash;
    unreadable += one.lost_unreadable;
    steps += one.steps;
    for (const auto& [name, count] : one.taken) taken[name] += count;
  }
};

std::string repeat_line(const Wish& wish, std::uint64_t seed) {
  return fmt::format("sim --seed {}{}", seed, wish.canary.empty() ? "" : " --canary " + wish.canary);
}

// What differs between two runs of one seed; empty: nothing.
std::string difference(const Outcome& a, const Outcome& b) {
  if (a.trace != b.trace) return "their traces differ";
  if (a.violations != b.violations || a.taken != b.taken || a.steps != b.steps || a.refreshed != b.refreshed) return "their figures differ";
  return {};
}

int run_one(const Wish& wish) {
  const auto outcome = run_world({.seed = *wish.seed, .print_log = wish.log});
  std::printf("seed %lu: %s; %lu refreshes, %lu hand-outs, %lu steps, trace %016lx\n", static_cast<unsigned long>(outcome.seed), outcome.shape.c_str(),
              static_cast<unsigned long>(outcome.refreshed), static_cast<unsigned long>(outcome.handed_out), static_cast<unsigned long>(outcome.steps),
              static_cast<unsigned long>(outcome.trace));
  for (const auto& violation : outcome.violations) std::printf("  broken: %s\n", violation.c_str());
  const auto again = run_world({.seed = *wish.seed});
  if (const auto differs = difference(outcome, again); !differs.empty()) {
    std::printf("  broken: not repeatable: %s (trace %016lx)\n", differs.c_str(), static_cast<unsigned long>(again.trace));
    return 1;
  }
  return outcome.violations.empty() ? 0 : 1;
}

// One job: every `jobs`th seed from its own first one. Lines go to the parent: "begin SEED", "end ...", "taken NAME COUNT", "fail TEXT".
[[noreturn]] void work(const Wish& wish, unsigned job, int out, Clock::time_point end) {
  const auto say = [&](const std::string& line) {
    const auto text = line + "\n";
    for (std::size_t at = 0; at < text.size();) {
      const auto written = ::write(out, text.data() + at, text.size() - at);
      if (written <= 0) std::_Exit(3);
      at += static_cast<std::size_t>(written);
    }
  };
  std::map<std::string, std::uint64_t> taken;
  for (std::uint64_t seed = wish.from + job; seed <= wish.to && Clock::now() < end; seed += wish.jobs) {
    say(fmt::format("begin {}", seed));
    const auto outcome = run_world({.seed = seed});
    bool repeated = false;
    if (wish.twice != 0 && seed % wish.twice == 0) {
      repeated = true;
      if (const auto differs = difference(outcome, run_world({.seed = seed})); !differs.empty()) say(fmt::format("fail seed {}: not repeatable: {}; repeat with: {}", seed, differs, repeat_line(wish, seed)));
    }
    if (!outcome.violations.empty()) {
      say(fmt::format("fail seed {} ({}): {}; repeat with: {}", seed, outcome.shape, outcome.violations.front(), repeat_line(wish, seed)));
    }
    for (const auto& [name, count] : outcome.taken) taken[name] += count;
    say(fmt::format("end {} {} {} {} {} {} {} {}", outcome.refreshed, outcome.handed_out, outcome.stale_by_travel, outcome.lost_on_the_way, outcome.lost_in_a_crash,
                    outcome.lost_unreadable, outcome.steps, repeated ? 1 : 0));
  }
  for (const auto& [name, count] : taken) say(fmt::format("taken {} {}", name, count));
  std::_Exit(0);
}

struct Job {
  pid_t pid = 0;
  int in = -1;
  std::string rest;
  std::uint64_t seed = 0;
  bool busy = false;
};

void hear(const Wish& wish, Job& job, Sum& sum, const std::string& line) {
  if (line.starts_with("begin ")) {
    job.seed = std::strtoull(line.c_str() + 6, nullptr, 10);
    job.busy = true;
  } else if (line.starts_with("end ")) {
    job.busy = false;
    Outcome one;
    unsigned long repeated = 0;
    unsigned long v[7] = {};
    std::sscanf(line.c_str() + 4, "%lu %lu %lu %lu %lu %lu %lu %lu", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &repeated);
    one.refreshed = v[0], one.handed_out = v[1], one.stale_by_travel = v[2], one.lost_on_the_way = v[3], one.lost_in_a_crash = v[4], one.lost_unreadable = v[5], one.steps = v[6];
    sum.add(one);
    sum.repeated += repeated;
  } else if (line.starts_with("taken ")) {
    const auto space = line.find(' ', 6);
    sum.taken[line.substr(6, space - 6)] += std::strtoull(line.c_str() + space, nullptr, 10);
  } else if (line.starts_with("fail ")) {
    sum.failures.push_back(line.substr(5));
    std::printf("%s\n", line.c_str() + 5);
    std::fflush(stdout);
  }
  static_cast<void>(wish);
}

int run_many(const Wish& wish) {
  const auto begun = Clock::now();
  const auto end = wish.seconds ? begun + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(*wish.seconds)) : Clock::time_point::max();
  std::vector<Job> jobs(wish.jobs);
  for (unsigned index = 0; index < wish.jobs; ++index) {
    int ends[2];
    if (::pipe(ends) != 0) return 2;
    std::fflush(stdout);
    const auto pid = ::fork();
    if (pid == 0) {
      ::close(ends[0]);
      work(wish, index, ends[1], end);
    }
    ::close(ends[1]);
    jobs[index].pid = pid;
    jobs[index].in = ends[0];
  }
  Sum sum;
  bool enough = false;
  for (std::size_t open = jobs.size(); open > 0;) {
    std::vector<pollfd> waiting;
    for (const auto& job : jobs) waiting.push_back({.fd = job.in, .events = POLLIN, .revents = 0});
    ::poll(waiting.data(), waiting.size(), -1);
    for (std::size_t index = 0; index < jobs.size(); ++index) {
      auto& job = jobs[index];
      if (job.in < 0 || waiting[index].revents == 0) continue;
      char buffer[65536];
      const auto got = ::read(job.in, buffer, sizeof buffer);
      if (got > 0) {
        job.rest.append(buffer, static_cast<std::size_t>(got));
        for (auto at = job.rest.find('\n'); at != std::string::npos; at = job.rest.find('\n')) {
          hear(wish, job, sum, job.rest.substr(0, at));
          job.rest.erase(0, at + 1);
        }
      } else {
        ::close(std::exchange(job.in, -1));
        --open;
        int status = 0;
        ::waitpid(job.pid, &status, 0);
        if (!enough && status != 0) {
          sum.failures.push_back(fmt::format("seed {}: the program ended ({}); repeat with: {}", job.seed, WIFSIGNALED(status) ? ::strsignal(WTERMSIG(status)) : "exit", repeat_line(wish, job.seed)));
          std::printf("%s\n", sum.failures.back().c_str());
        }
      }
    }
    enough = enough || (wish.refreshes && sum.refreshed >= *wish.refreshes) || (wish.stop_at_first && !sum.failures.empty());
    if (enough) {
      for (const auto& job : jobs) {
        if (job.in >= 0) ::kill(job.pid, SIGKILL);  // a child of this program, by its id
      }
    }
  }
  const auto seconds = std::chrono::duration<double>(Clock::now() - begun).count();
  std::printf("%lu worlds in %.1f s (%.0f a second), %lu refreshes (%.0f a second), %lu hand-outs, %lu steps; %lu worlds run twice\n", sum.worlds, seconds,
              static_cast<double>(sum.worlds) / seconds, sum.refreshed, static_cast<double>(sum.refreshed) / seconds, sum.handed_out, sum.steps, sum.repeated);
  std::printf("grants lost that could be kept: %zu; unavoidable (F11): %lu replies never came, %lu died between arrival and fsync, %lu unreadable\n",
              sum.failures.size(), sum.on_the_way, sum.in_a_crash, sum.unreadable);
  if (!sum.taken.empty()) {
    std::string never;
    for (const auto& branch : branches_wanted()) {
      if (sum.taken[branch] == 0) never += (never.empty() ? "" : ", ") + branch;
    }
    std::printf("branches: ");
    for (const auto& [name, count] : sum.taken) std::printf("%s %lu  ", name.c_str(), count);
    std::printf("\nnever reached: %s\n", never.empty() ? "none" : never.c_str());
  }
  return sum.failures.empty() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (sodium_init() < 0) return 2;
  Wish wish;
  const auto value = [&](int& at) -> const char* {
    if (at + 1 >= argc) {
      std::fprintf(stderr, "sim: %s needs a value\n", argv[at]);
      std::exit(2);
    }
    return argv[++at];
  };
  for (int at = 1; at < argc; ++at) {
    const std::string_view word = argv[at];
    if (word == "--seed") wish.seed = std::strtoull(value(at), nullptr, 10);
    else if (word == "--seeds") {
      const std::string range = value(at);
      wish.from = std::strtoull(range.c_str(), nullptr, 10);
      const auto dash = range.find('-');
      wish.to = dash == std::string::npos ? wish.from : std::strtoull(range.c_str() + dash + 1, nullptr, 10);
    } else if (word == "--from") wish.from = std::strtoull(value(at), nullptr, 10);
    else if (word == "--seconds") wish.seconds = std::strtod(value(at), nullptr);
    else if (word == "--refreshes") wish.refreshes = std::strtoull(value(at), nullptr, 10);
    else if (word == "--jobs") wish.jobs = static_cast<unsigned>(std::max(1, std::atoi(value(at))));
    else if (word == "--twice") wish.twice = std::strtoull(value(at), nullptr, 10);
    else if (word == "--log") wish.log = true;
    else if (word == "--first") wish.stop_at_first = true;
    else if (word == "--canary") wish.canary = value(at);
    else if (word == "--canaries") {
      for (const auto& name : canary_names()) std::printf("%s\n", std::string(name).c_str());
      return 0;
    } else {
      std::fprintf(stderr, "sim: what is %s? See the head of tests/simulation/main.cpp.\n", argv[at]);
      return 2;
    }
  }
  if (!wish.canary.empty() && !switch_canary(wish.canary)) {
    std::fprintf(stderr, "sim: there is no canary named %s; see sim --canaries\n", wish.canary.c_str());
    return 2;
  }
  return wish.seed ? run_one(wish) : run_many(wish);
}

// sim: runs simulated worlds by their seeds.
//
//   sim --seed N [--log]              one world, and the story of what went wrong in it; --log prints what the server says
//   sim --seeds A-B [--jobs J]        many, on J processes (default: all cores)
//   sim --seconds S [--from A]        as many as fit; an interrupt (Ctrl-C, SIGTERM) ends it sooner, with its figures
//   sim --refreshes R [--from A]      until so many refreshes have been made
//   --canary NAME                     with that bug switched on (names: --canaries)
//   --twice N                         every Nth seed is run twice and must agree (default 50; 0: never)
//   --first                           stop at the first world that breaks a rule
//
// Exit status 0: everything held. Each world that broke a rule gives one line, which says how to repeat it.
#include <sodium.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>

#include "canary.h"
#include "runner.h"

using namespace latchkey::simulation;

int main(int argc, char** argv) {
  if (sodium_init() < 0) return 2;
  Wish wish;
  wish.jobs = std::max(1u, std::thread::hardware_concurrency());
  std::optional<std::uint64_t> seed;
  bool log = false;
  const auto value = [&](int& at) -> const char* {
    if (at + 1 >= argc) {
      std::fprintf(stderr, "sim: %s needs a value\n", argv[at]);
      std::exit(2);
    }
    return argv[++at];
  };
  for (int at = 1; at < argc; ++at) {
    const std::string_view word = argv[at];
    if (word == "--seed") seed = std::strtoull(value(at), nullptr, 10);
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
    else if (word == "--log") log = true;
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
  return seed ? run_one(*seed, log, wish.canary) : run_many(wish);
}

// One simulated world: everything about it follows from its seed.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace latchkey::simulation {

struct WorldOptions {
  std::uint64_t seed = 0;
  bool print_log = false;
  bool tell_story = false;  // into Outcome::story, where something is broken
};

// Counted of a world, and summed over many.
struct Figures {
  std::uint64_t refreshed = 0;
  std::uint64_t posts = 0;
  std::uint64_t handed_out = 0;
  std::uint64_t stale_by_travel = 0;      // hand-outs within the reply's travel time after the token's end
  std::uint64_t lost_on_the_way = 0;      // F11: the provider committed, its reply never came
  std::uint64_t lost_in_a_crash = 0;      // F11: the machine died between arrival and fsync
  std::uint64_t lost_unreadable = 0;      // the reply came, and held no token anybody could read
  std::uint64_t lost_behind_a_restore = 0;  // F10: given after the backup that was put back
  std::uint64_t lost_at_the_end = 0;      // Losses::tried_at_the_end
  std::uint64_t lost_by_repetition = 0;   // Losses::repeated
  std::uint64_t lost_given_back = 0;      // Losses::given_back
  std::uint64_t steps = 0;
  friend bool operator==(const Figures&, const Figures&) = default;
};

// What a world came to. Equal seeds give equal outcomes, to the last member.
struct Outcome {
  std::uint64_t seed = 0;
  std::vector<std::string> violations;  // empty: everything held
  std::vector<std::string> story;       // of the grant that was wronged, up to then
  std::string shape;                    // "2 nodes, 40 grants, ...", for people
  Figures figures;
  std::uint64_t trace = 0;              // hash over what happened
  std::map<std::string, std::uint64_t> taken;  // branches, and how often
};

[[nodiscard]] Outcome run_world(const WorldOptions& options);

// Rare branches that a long run must have come through; what `taken` lacks of them is reported.
[[nodiscard]] const std::vector<std::string>& branches_wanted();

}  // namespace latchkey::simulation

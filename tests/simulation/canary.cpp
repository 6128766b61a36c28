#include "canary.h"

#include <array>

#include "grants/canary.h"

namespace latchkey {

namespace {

grants::Canary singing = grants::Canary::none;

constexpr std::array<std::pair<std::string_view, grants::Canary>, 12> kNames{{
    {"old-token-wins", grants::Canary::old_token_wins},
    {"intent-skipped", grants::Canary::intent_skipped},
    {"lease-not-fenced", grants::Canary::lease_not_fenced},
    {"parsed-before-stored", grants::Canary::parsed_before_stored},
    {"missing-token-wipes", grants::Canary::missing_token_wipes},
    {"others-intent-ignored", grants::Canary::others_intent_ignored},
    {"fail-over-ignored", grants::Canary::fail_over_ignored},
    {"doubt-ignored", grants::Canary::doubt_ignored},
    {"taken-back-too-soon", grants::Canary::taken_back_too_soon},
    {"kept-not-counted", grants::Canary::kept_not_counted},
    {"entry-dropped", grants::Canary::entry_dropped},
    {"never-given-back", grants::Canary::never_given_back},
}};

}  // namespace

bool grants::canary(Canary which) { return which == singing; }

std::vector<std::string_view> simulation::canary_names() {
  std::vector<std::string_view> names;
  for (const auto& [name, which] : kNames) names.push_back(name);
  return names;
}

bool simulation::switch_canary(std::string_view name) {
  if (name == "none") return singing = grants::Canary::none, true;
  for (const auto& [known, which] : kNames) {
    if (known == name) return singing = which, true;
  }
  return false;
}

}  // namespace latchkey

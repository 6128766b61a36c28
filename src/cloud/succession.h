// How a Cloud Service's keys follow one another (RULES S1): those that were sign those that come, so that an office which
// has pinned the former follows by itself, and nobody else's keys are followed. Pure; any thread.
//
// It does not help where the former keys were stolen: whoever has them can name successors too. Then offices enrol anew.
#pragma once

#include <vector>

#include "base/bytes.h"
#include "cloud/party.h"

namespace latchkey::cloud {

inline constexpr std::size_t kSuccessionsMax = 16;

// `proof`: an Ed25519 signature by the former signing key over both, 64 octets.
struct Succession {
  PartyPublic former;
  PartyPublic next;
  Bytes proof;
  friend bool operator==(const Succession&, const Succession&) = default;
};

[[nodiscard]] Succession make_succession(const PartyKeys& former, const PartyPublic& next);

// Whether `pinned` are the `current` keys, or an unbroken chain of good proofs leads from these to those.
[[nodiscard]] bool leads_to(const std::vector<Succession>& successions, const PartyPublic& pinned,
                            const PartyPublic& current);

}  // namespace latchkey::cloud

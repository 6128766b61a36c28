// The Cloud Service's own keys: what offices pin, and what its instances seal with for themselves. A file (mode 0600):
// signing seed (32) | sealing private half (32) | instance key (32), then for each pair of keys that was in use before,
// oldest first: signing public half (32) | sealing private half (32) | when it was retired, ms since 1970, big-endian (8) |
// its proof for the keys that followed (64, cloud/succession.h). All instances of one service share a copy.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/entropy.h"
#include "base/result.h"
#include "base/secret.h"
#include "cloud/succession.h"

namespace latchkey::relay {

// How long after a rotation what was sealed to the former keys is still opened: flows that were begun before, and those of
// offices that have not heard of it yet (they ask before each authorisation).
inline constexpr Seconds kFormerKeysOpen{24 * 60 * 60};

struct FormerRelayKeys {
  Secret sealing_private;  // 32 octets; nothing is signed with them any more
  WallTime retired_at{};
  cloud::Succession succession;  // to the keys that followed
};

struct RelayKeys {
  cloud::PartyKeys party;
  Secret instance;                      // 32 octets
  std::vector<FormerRelayKeys> former;  // oldest first, at most cloud::kSuccessionsMax

  [[nodiscard]] std::vector<cloud::Succession> successions() const;
};

// Made once where the file is absent; never overwritten, since every office has pinned them: of several that start at once
// on one directory one makes the keys, and the others read them. A start that is killed while it makes them leaves at most
// a file `path`.*.new, which nobody reads. Errors:
// misconfigured/`relay_keys_unreadable`, corrupt/`relay_keys_malformed`, misconfigured/`relay_keys_not_written`.
[[nodiscard]] Result<RelayKeys> load_or_make_relay_keys(const std::string& path, Entropy& entropy);

// New keys in the place of those there, which vouch for them and stay as former ones; the instance key stays. The file is
// the old one or the new one, whole. Errors: as above; conflict/`too_many_rotations`.
[[nodiscard]] Result<RelayKeys> rotate_relay_keys(const std::string& path, Entropy& entropy, WallTime now);

}  // namespace latchkey::relay

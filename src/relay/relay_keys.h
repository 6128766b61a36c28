// The Cloud Service's own keys: what offices pin, and what its instances seal with for themselves. A file of 96 octets
// (mode 0600): signing seed | sealing private half | instance key. All instances of one service share a copy.
#pragma once

#include <string>

#include "base/entropy.h"
#include "base/result.h"
#include "base/secret.h"
#include "cloud/party.h"

namespace latchkey::relay {

struct RelayKeys {
  cloud::PartyKeys party;
  Secret instance;  // 32 octets
};

// Made once where the file is absent; never overwritten, since every office has pinned them. Errors:
// misconfigured/`relay_keys_unreadable`, corrupt/`relay_keys_malformed`, misconfigured/`relay_keys_not_written`.
[[nodiscard]] Result<RelayKeys> load_or_make_relay_keys(const std::string& path, Entropy& entropy);

}  // namespace latchkey::relay

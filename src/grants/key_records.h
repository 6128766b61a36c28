// One record after the other under the newest master key: pure functions from what the store holds to what to write (RULES K1,
// K5). A record whose MAC does not fit, or a ciphertext that opens under no key held, is left as it is and counted: renewing must never
// make an altered record good.
#pragma once

#include <cstdint>
#include <vector>

#include "grants/sealing.h"
#include "people/device_seal.h"
#include "people/user_seal.h"
#include "store/store.h"

namespace latchkey::grants {

struct Renewal {
  store::Batch batch;            // empty: nothing to do. Compare-and-set on the record's version
  std::int64_t unreadable = 0;
};

[[nodiscard]] Renewal renew(const people::UserSeal& seal, const store::User& user);
// `wraps`: all of the grant's.
[[nodiscard]] Renewal renew(const Sealing& sealing, const store::GrantView& view, const std::vector<store::Wrap>& wraps);
[[nodiscard]] Renewal renew(const Sealing& sealing, const store::App& app);
// With what is sealed inside the record, too.
[[nodiscard]] Renewal renew(const vault::Vault& vault, const Sealing& sealing, const store::Authorization& row);

[[nodiscard]] Renewal renew(const Sealing& sealing, const store::Revocation& revocation);
[[nodiscard]] Renewal renew(const Sealing& sealing, const store::Connector& connector);
[[nodiscard]] Renewal renew(const Sealing& sealing, const store::Delivery& delivery);
[[nodiscard]] Renewal renew(const people::DeviceSeal& seal, const store::Device& device);
// `sealed`: what the entry holds. One that does not open at its place was set for another relay, and is of no use to anybody: left
// as it is, and not counted.
[[nodiscard]] Renewal renew(const Sealing& sealing, const ChannelSecretPlace& place, ByteView sealed);

}  // namespace latchkey::grants

// The two parties of the Cloud Service, an office and a relay, by their keys (RULES S1). Values; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/entropy.h"
#include "base/result.h"
#include "base/secret.h"
#include "crypto/ed25519.h"
#include "crypto/x25519.h"

namespace latchkey::cloud {

// What the other side pins. As text: base64url of both halves, signing first (86 characters).
struct PartyPublic {
  crypto::Ed25519Public signing{};
  crypto::X25519Public sealing{};

  // Names the pair of keys, for rotation: the first 16 hex digits of SHA-256 over both halves.
  [[nodiscard]] std::string key_id() const;
  [[nodiscard]] std::string text() const;
  // nullopt: not such a text, or a sealing half of low order.
  [[nodiscard]] static std::optional<PartyPublic> parse(std::string_view text);
  friend bool operator==(const PartyPublic&, const PartyPublic&) = default;
};

// Both private halves. Moves.
struct PartyKeys {
  Secret signing_seed;
  Secret sealing_private;

  [[nodiscard]] static PartyKeys make(Entropy& entropy);
  [[nodiscard]] PartyPublic public_half() const;
  [[nodiscard]] PartyKeys clone() const { return {signing_seed.clone(), sealing_private.clone()}; }
  // 64 octets, for whoever seals them at rest.
  [[nodiscard]] Secret to_plain() const;
  // Errors: corrupt/`party_keys_malformed`.
  [[nodiscard]] static Result<PartyKeys> from_plain(const Secret& plain);
};

}  // namespace latchkey::cloud

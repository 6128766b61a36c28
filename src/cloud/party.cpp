#include "cloud/party.h"

#include <algorithm>
#include <span>

#include "crypto/hash.h"

namespace latchkey::cloud {
namespace {

constexpr std::size_t kHalf = 32;
constexpr std::size_t kKeyIdOctets = 8;

Bytes both_halves(const PartyPublic& party) {
  Bytes octets(party.signing.begin(), party.signing.end());
  octets.insert(octets.end(), party.sealing.begin(), party.sealing.end());
  return octets;
}

}  // namespace

std::string PartyPublic::key_id() const {
  const auto digest = crypto::sha256(both_halves(*this));
  return base::to_hex(ByteView(digest).first(kKeyIdOctets));
}

std::string PartyPublic::text() const { return base::to_base64url(both_halves(*this)); }

std::optional<PartyPublic> PartyPublic::parse(std::string_view text) {
  const auto octets = base::from_base64url(text);
  if (!octets || octets->size() != 2 * kHalf) return std::nullopt;
  PartyPublic party;
  std::copy_n(octets->begin(), kHalf, party.signing.begin());
  std::copy_n(octets->begin() + kHalf, kHalf, party.sealing.begin());
  // Any private half tells a point of low order: the shared secret would be zero.
  auto probe = Secret::of_size(kHalf);
  probe.writable()[0] = 8;
  if (!crypto::x25519(probe, party.sealing)) return std::nullopt;
  return party;
}

PartyKeys PartyKeys::make(Entropy& entropy) {
  return {.signing_seed = crypto::make_ed25519_seed(entropy), .sealing_private = crypto::make_x25519_private(entropy)};
}

PartyPublic PartyKeys::public_half() const {
  return {.signing = crypto::ed25519_public(signing_seed), .sealing = crypto::x25519_public(sealing_private)};
}

Secret PartyKeys::to_plain() const {
  auto plain = Secret::of_size(2 * kHalf);
  std::ranges::copy(signing_seed.reveal(), plain.writable().begin());
  std::ranges::copy(sealing_private.reveal(), plain.writable().begin() + kHalf);
  return plain;
}

Result<PartyKeys> PartyKeys::from_plain(const Secret& plain) {
  if (plain.size() != 2 * kHalf)
    return fail(ErrorKind::corrupt, "party_keys_malformed", "The Cloud Service's keys cannot be read.");
  return PartyKeys{.signing_seed = Secret(plain.reveal().first(kHalf)),
                   .sealing_private = Secret(plain.reveal().subspan(kHalf))};
}

}  // namespace latchkey::cloud

#include "cloud/sealed_until.h"

#include <cstdint>
#include <span>

#include "crypto/aead.h"

namespace latchkey::cloud {
namespace {

constexpr std::size_t kEndOctets = 8;
constexpr std::size_t kHead = kEndOctets + crypto::kAeadNonceBytes;
constexpr std::string_view kDomain = "latchkey cloud until 1\n";

Bytes end_octets(WallTime end) {
  const auto ms = static_cast<std::uint64_t>(base::to_unix_ms(end));
  Bytes octets;
  for (int shift = 56; shift >= 0; shift -= 8) octets.push_back(static_cast<std::uint8_t>(ms >> shift));
  return octets;
}

WallTime end_from(ByteView octets) {
  std::uint64_t ms = 0;
  for (const auto octet : octets) ms = ms << 8 | octet;
  return base::from_unix_ms(static_cast<std::int64_t>(ms));
}

Bytes associated(std::string_view place, ByteView end) {
  auto octets = base::to_bytes(kDomain);
  octets.insert(octets.end(), end.begin(), end.end());
  octets.insert(octets.end(), place.begin(), place.end());  // last, so that its length needs no mark
  return octets;
}

}  // namespace

std::string seal_until(const Secret& key, std::string_view place, WallTime end, ByteView plain, Entropy& entropy) {
  auto octets = end_octets(end);
  const auto bound = associated(place, octets);
  octets.resize(kHead + plain.size() + crypto::kAeadTagBytes);
  const std::span<std::uint8_t> all(octets);
  const auto nonce = all.subspan(kEndOctets, crypto::kAeadNonceBytes);
  entropy.fill(nonce);
  crypto::aead_seal(key.reveal(), nonce, bound, plain, all.subspan(kHead));
  return base::to_base64url(octets);
}

std::expected<Bytes, NotOpened> open_until(const Secret& key, std::string_view place, WallTime now, std::string_view text) {
  const auto octets = base::from_base64url(text);
  if (!octets || octets->size() < kHead + crypto::kAeadTagBytes) return std::unexpected(NotOpened::unknown);
  const ByteView all(*octets);
  const auto end = all.first(kEndOctets);
  Bytes plain(all.size() - kHead - crypto::kAeadTagBytes);
  if (!crypto::aead_open(key.reveal(), all.subspan(kEndOctets, crypto::kAeadNonceBytes), associated(place, end),
                         all.subspan(kHead), plain)) {
    return std::unexpected(NotOpened::unknown);
  }
  if (end_from(end) <= now) return std::unexpected(NotOpened::expired);
  return plain;
}

}  // namespace latchkey::cloud

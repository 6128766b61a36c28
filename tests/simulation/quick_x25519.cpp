// Stands in for src/crypto/x25519.cpp in the simulation alone: the same promises (both sides come to one secret, another
// private half comes to another), none of the strength, a hundredth of the time. Everything built on it is the product's.
#include <cstring>

#include "base/result.h"
#include "crypto/x25519.h"

namespace latchkey::crypto {
namespace {

constexpr std::uint64_t kPrime = 0x7fffffffffffffe7u;  // 2^63 - 25
constexpr std::uint64_t kGenerator = 5;

std::uint64_t times(std::uint64_t a, std::uint64_t b) { return static_cast<std::uint64_t>(static_cast<unsigned __int128>(a) * b % kPrime); }

std::uint64_t power(std::uint64_t base, std::uint64_t exponent) {
  std::uint64_t result = 1;
  for (; exponent != 0; exponent >>= 1) {
    if ((exponent & 1) != 0) result = times(result, base);
    base = times(base, base);
  }
  return result;
}

std::uint64_t exponent_of(const Secret& key) {
  std::uint64_t value = 0;
  std::memcpy(&value, key.reveal().data(), sizeof value);
  return value >> 32 | 1;  // short, so quick
}

}  // namespace

Secret make_x25519_private(Entropy& entropy) {
  auto key = Secret::of_size(32);
  entropy.fill(key.writable());
  return key;
}

X25519Public x25519_public(const Secret& private_key) {
  LATCHKEY_CHECK(private_key.size() == 32);
  X25519Public out{};
  const auto value = power(kGenerator, exponent_of(private_key));
  std::memcpy(out.data(), &value, sizeof value);
  return out;
}

std::optional<Secret> x25519(const Secret& private_key, const X25519Public& other) {
  if (private_key.size() != 32) return std::nullopt;
  std::uint64_t value = 0;
  std::memcpy(&value, other.data(), sizeof value);
  if (value % kPrime == 0) return std::nullopt;
  value = power(value, exponent_of(private_key));
  auto shared = Secret::of_size(32);
  std::memcpy(shared.writable().data(), &value, sizeof value);
  return shared;
}

}  // namespace latchkey::crypto

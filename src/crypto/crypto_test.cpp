#include <gtest/gtest.h>
#include <sodium.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory_resource>
#include <numeric>

#include "crypto/aead.h"
#include "crypto/argon2id.h"
#include "crypto/bulk_aead.h"
#include "crypto/ed25519.h"
#include "crypto/hardening.h"
#include "crypto/locked_memory.h"
#include "crypto/x25519.h"

namespace latchkey::crypto {
namespace {

using base::as_bytes;
using base::from_hex;
using base::to_hex;

TEST(Aead, DraftXchachaVectorA3) {
  const auto key = *from_hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
  const auto nonce = *from_hex("404142434445464748494a4b4c4d4e4f5051525354555657");
  const auto associated = *from_hex("50515253c0c1c2c3c4c5c6c7");
  const std::string plain =
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
  Bytes sealed(plain.size() + kAeadTagBytes);
  aead_seal(key, nonce, associated, as_bytes(plain), sealed);
  EXPECT_EQ(to_hex(ByteView(sealed).first(16)), "bd6d179d3e83d43b9576579493c0e939");
  EXPECT_EQ(to_hex(ByteView(sealed).last(16)), "c0875924c1c7987947deafd8780acf49");
}

// Long texts take another way (bulk_aead.h): it must make what libsodium makes, and refuse what it refuses.
TEST(Aead, LongTextsAreSealedAsLibsodiumSealsThem) {
  Bytes key(kAeadKeyBytes), nonce(kAeadNonceBytes);
  std::iota(key.begin(), key.end(), std::uint8_t{1});
  std::iota(nonce.begin(), nonce.end(), std::uint8_t{100});
  for (const std::size_t size : {kBulkBytesMin - 1, kBulkBytesMin, kBulkBytesMin + 1, std::size_t{65536}, std::size_t{1'000'003}}) {
    Bytes plain(size);
    for (std::size_t i = 0; i < size; ++i) plain[i] = static_cast<std::uint8_t>(i * i >> 3);
    for (const auto associated : {std::string_view(), std::string_view("place")}) {
      Bytes expected(size + kAeadTagBytes), sealed(size + kAeadTagBytes), opened(size);
      crypto_aead_xchacha20poly1305_ietf_encrypt(expected.data(), nullptr, plain.data(), size, as_bytes(associated).data(),
                                                 associated.size(), nullptr, nonce.data(), key.data());
      aead_seal(key, nonce, as_bytes(associated), plain, sealed);
      EXPECT_TRUE(sealed == expected) << size;
      EXPECT_TRUE(aead_open(key, nonce, as_bytes(associated), expected, opened) && opened == plain) << size;
      for (const std::size_t at : {std::size_t{0}, size / 2, size - 1, size, size + kAeadTagBytes - 1}) {
        auto altered = expected;
        altered[at] ^= 1;
        EXPECT_FALSE(aead_open(key, nonce, as_bytes(associated), altered, opened)) << size << " at " << at;
        EXPECT_TRUE(opened == Bytes(size)) << "zeros";
      }
      EXPECT_FALSE(aead_open(key, nonce, as_bytes("elsewhere"), expected, opened)) << size;
    }
  }
}

TEST(Aead, CommittedSaysWhetherTheKeyOrTheTextIsWrong) {
  const Bytes key(32, 1), other_key(32, 2), nonce(24, 3);
  Bytes sealed(5 + kCommittedOverhead);
  committed_seal(key, nonce, as_bytes("place"), as_bytes("token"), sealed);
  EXPECT_EQ(committed_open(key, nonce, as_bytes("place"), sealed).plain.reveal_text(), "token");
  EXPECT_EQ(committed_open(other_key, nonce, as_bytes("place"), sealed).failure, OpenFailure::other_key);
  EXPECT_EQ(committed_open(key, nonce, as_bytes("elsewhere"), sealed).failure, OpenFailure::altered);
  EXPECT_EQ(committed_open(key, nonce, as_bytes("place"), ByteView(sealed).first(40)).failure, OpenFailure::altered);
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    auto altered = sealed;
    altered[i] ^= 1;
    EXPECT_TRUE(committed_open(key, nonce, as_bytes("place"), altered).failure) << "octet " << i;
  }
}

// RFC 8032 7.1, test 2.
TEST(Ed25519, Rfc8032Vector) {
  const Secret seed(*from_hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"));
  const auto message = *from_hex("72");
  const auto key = ed25519_public(seed);
  EXPECT_EQ(to_hex(key), "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
  const auto signature = ed25519_sign(seed, message);
  EXPECT_EQ(to_hex(signature), "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
  EXPECT_TRUE(ed25519_verify(key, message, signature));
  EXPECT_FALSE(ed25519_verify(key, *from_hex("73"), signature));
  EXPECT_FALSE(ed25519_verify(key, message, ByteView(signature).first(63)));
  for (std::size_t i = 0; i < signature.size(); ++i) {
    auto altered = signature;
    altered[i] ^= 1;
    EXPECT_FALSE(ed25519_verify(key, message, altered)) << "octet " << i;
  }
}

TEST(X25519, Rfc7748Vector) {
  const Secret bob(*from_hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"));
  EXPECT_EQ(to_hex(x25519_public(bob)), "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
  X25519Public alice;
  const auto octets = *from_hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
  std::copy(octets.begin(), octets.end(), alice.begin());
  EXPECT_EQ(to_hex(x25519(bob, alice)->reveal()), "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
}

TEST(X25519, PointsOfLowOrderAreRefused) {
  const Secret bob(*from_hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"));
  EXPECT_FALSE(x25519(bob, X25519Public{}));
  EXPECT_FALSE(x25519(bob, X25519Public{1}));
}

TEST(Argon2id, DependsOnEveryInputAndRefusesNonsense) {
  const Bytes salt(16, 1), other_salt(16, 2);
  const auto made = argon2id(as_bytes("pin"), salt, {.memory_kib = 8, .passes = 1});
  ASSERT_TRUE(made);
  EXPECT_TRUE(made->equals(*argon2id(as_bytes("pin"), salt, {.memory_kib = 8, .passes = 1})));
  EXPECT_FALSE(made->equals(*argon2id(as_bytes("pim"), salt, {.memory_kib = 8, .passes = 1})));
  EXPECT_FALSE(made->equals(*argon2id(as_bytes("pin"), other_salt, {.memory_kib = 8, .passes = 1})));
  EXPECT_FALSE(made->equals(*argon2id(as_bytes("pin"), salt, {.memory_kib = 16, .passes = 1})));
  EXPECT_FALSE(made->equals(*argon2id(as_bytes("pin"), salt, {.memory_kib = 8, .passes = 2})));
  EXPECT_EQ(argon2id(as_bytes("pin"), salt, {.memory_kib = 4, .passes = 1}).error().reason, "argon2_cost");
  EXPECT_EQ(argon2id(as_bytes("pin"), salt, {.memory_kib = 64, .passes = 0}).error().reason, "argon2_cost");
}

TEST(LockedPages, ServeAPoolAndWipeWhatIsGivenBack) {
  LockedPages pages;
  auto* small = static_cast<std::uint8_t*>(pages.allocate(64, 8));
  std::fill_n(small, 64, std::uint8_t{0xaa});
  pages.deallocate(small, 64, 8);
  for (int i = 0; i < 64; ++i) EXPECT_EQ(small[i], 0);
  std::pmr::unsynchronized_pool_resource pool(&pages);
  std::pmr::vector<std::uint8_t> large(100'000, std::uint8_t{7}, &pool);
  std::pmr::vector<std::uint8_t> modest(1'000, std::uint8_t{7}, &pool);
  EXPECT_EQ(large.back() + modest.back(), 14);
}

TEST(Hardening, NoCoreDumpAndNotDumpable) {
  const auto child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const bool made = harden_process().has_value();
    rlimit core{.rlim_cur = 1, .rlim_max = 1};
    getrlimit(RLIMIT_CORE, &core);
    _exit(made && core.rlim_cur == 0 && core.rlim_max == 0 && prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace latchkey::crypto

#include "crypto/hash.h"

#include <gtest/gtest.h>

namespace latchkey::crypto {
namespace {

using base::as_bytes;
using base::from_hex;
using base::to_hex;

TEST(Hash, Sha256Fips180Vectors) {
  EXPECT_EQ(to_hex(sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(to_hex(sha256(as_bytes("abc"))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Hash, Sha256InPiecesEqualsTheWholeAndStartsAnew) {
  Sha256 hash;
  for (int round = 0; round < 2; ++round) {
    hash.update(as_bytes("a")).update({}).update(as_bytes("bc"));
    EXPECT_EQ(hash.finish(), sha256(as_bytes("abc")));
  }
}

// The long vector of FIPS 180, in pieces that end within blocks, at their edges and beyond them; a copy goes on by itself.
TEST(Hash, Sha256KeepsAnUnfinishedBlock) {
  const std::string_view million = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
  const Bytes text(1'000'000, 'a');
  for (const std::size_t piece : {1u, 55u, 56u, 63u, 64u, 65u, 127u, 65'536u}) {
    Sha256 hash;
    ByteView left = text;
    for (; left.size() > piece; left = left.subspan(piece)) hash.update(left.first(piece));
    auto copy = hash;
    EXPECT_EQ(to_hex(hash.update(left).finish()), million) << piece;
    EXPECT_EQ(to_hex(copy.update(left).finish()), million) << piece;
  }
}

TEST(Hash, HmacRfc4231Vectors) {
  EXPECT_EQ(to_hex(hmac_sha256(*from_hex("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"), as_bytes("Hi There"))),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(to_hex(hmac_sha256(as_bytes("Jefe"), as_bytes("what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Hash, HkdfRfc5869Vectors) {
  const auto first = hkdf_sha256(*from_hex("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"),
                                 *from_hex("000102030405060708090a0b0c"), *from_hex("f0f1f2f3f4f5f6f7f8f9"), 42);
  EXPECT_EQ(to_hex(first.reveal()),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
  const auto third = hkdf_sha256(*from_hex("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"), {}, {}, 42);
  EXPECT_EQ(to_hex(third.reveal()),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

TEST(Hash, KeyedBlake2bVector) {
  Bytes key(32);
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::uint8_t>(i);
  EXPECT_EQ(to_hex(keyed_blake2b(key, as_bytes("abc"))),
            "d63a32d3e44738d7907f964316c241adaba0abfeabc32349677578a15a203f7f");
}

TEST(Hash, KeyedBlake2bDependsOnKeyAndData) {
  const Bytes key(32, 7), other_key(32, 8);
  EXPECT_EQ(keyed_blake2b(key, as_bytes("abc")), keyed_blake2b(key, {as_bytes("a"), as_bytes("bc")}));
  EXPECT_NE(keyed_blake2b(key, as_bytes("abc")), keyed_blake2b(other_key, as_bytes("abc")));
  EXPECT_NE(keyed_blake2b(key, as_bytes("abc")), keyed_blake2b(key, as_bytes("abd")));
}

}  // namespace
}  // namespace latchkey::crypto

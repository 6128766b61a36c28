#include "vault/vault.h"

#include <gtest/gtest.h>

#include <functional>

namespace latchkey::vault {
namespace {

using base::as_bytes;
using base::SeededEntropy;

constexpr PinCost kCheap{.memory_kib = 64, .passes = 1};

UserId user_of(std::uint8_t octet) {
  base::IdOctets octets{};
  octets.fill(octet);
  return UserId(octets);
}
GrantId grant_of(std::uint8_t octet) {
  base::IdOctets octets{};
  octets.fill(octet);
  return GrantId(octets);
}

class VaultTest : public ::testing::Test {
 protected:
  SeededEntropy entropy{1};
  Vault vault{Secret(Bytes(32, 1)), entropy};
  Vault other{Secret(Bytes(32, 2)), entropy};
  Bytes row = Bytes(16, 9);

  SealContext context() {
    return {.purpose = Purpose::access_token,
            .table = "generations",
            .row = row,
            .field = "access_sealed",
            .user = user_of(1),
            .grant = grant_of(1),
            .generation = 7};
  }

  // Every way to be elsewhere: each part of the context changed by itself.
  void in_every_other_place(const std::function<void(const SealContext&, std::string_view)>& check) {
    static const Bytes other_row(16, 8);
    auto elsewhere = context();
    elsewhere.purpose = Purpose::refresh_token;
    check(elsewhere, "purpose");
    elsewhere = context();
    elsewhere.table = "grants";
    check(elsewhere, "table");
    elsewhere = context();
    elsewhere.row = other_row;
    check(elsewhere, "row");
    elsewhere = context();
    elsewhere.field = "refresh_sealed";
    check(elsewhere, "field");
    elsewhere = context();
    elsewhere.user = user_of(2);
    check(elsewhere, "user");
    elsewhere = context();
    elsewhere.grant = grant_of(2);
    check(elsewhere, "grant");
    elsewhere = context();
    elsewhere.generation = 8;
    check(elsewhere, "generation");
  }
};

std::string reason(const Result<Secret>& result) { return result ? "opened" : result.error().reason; }

TEST_F(VaultTest, K3_SealedUnderTheMasterKeyOpensOnlyThereAndOnlyInItsPlace) {
  const auto sealed = vault.seal(context(), Secret("refresh-1"));
  EXPECT_EQ(vault.open(context(), sealed)->reveal_text(), "refresh-1");
  EXPECT_EQ(reason(other.open(context(), sealed)), "ciphertext_rejected");
  in_every_other_place([&](const SealContext& elsewhere, std::string_view what) {
    EXPECT_EQ(reason(vault.open(elsewhere, sealed)), "ciphertext_rejected") << what;
  });
}

TEST_F(VaultTest, K3_SealedToAPublicKeyOpensOnlyWithItsPrivateHalfAndOnlyInItsPlace) {
  const auto pair = vault.make_key_pair();
  const auto stranger = vault.make_key_pair();
  const auto sealed = vault.seal_to(pair.public_key, context(), Secret("access-1"));
  EXPECT_EQ(vault.open_with(pair.public_key, pair.private_key, context(), sealed)->reveal_text(), "access-1");
  EXPECT_EQ(reason(vault.open_with(stranger.public_key, stranger.private_key, context(), sealed)), "ciphertext_rejected");
  EXPECT_EQ(reason(vault.open_with(stranger.public_key, pair.private_key, context(), sealed)), "ciphertext_rejected");
  EXPECT_EQ(reason(vault.open_with(pair.public_key, Secret("short"), context(), sealed)), "ciphertext_rejected");
  EXPECT_EQ(reason(vault.open(context(), sealed)), "ciphertext_rejected") << "a box is no master ciphertext";
  in_every_other_place([&](const SealContext& elsewhere, std::string_view what) {
    EXPECT_EQ(reason(vault.open_with(pair.public_key, pair.private_key, elsewhere, sealed)), "ciphertext_rejected") << what;
  });
}

TEST_F(VaultTest, K3_WhoWritesTheStoreWithoutTheMasterKeyCanNeitherReadNorPlant) {
  const auto pair = vault.make_key_pair();
  // The thief has even the private half, but another master key.
  const auto sealed = vault.seal_to(pair.public_key, context(), Secret("access-1"));
  EXPECT_EQ(reason(other.open_with(pair.public_key, pair.private_key, context(), sealed)), "ciphertext_rejected");
  // And plants a token of their own, sealed to the right public key.
  const auto planted = other.seal_to(pair.public_key, context(), Secret("evil"));
  EXPECT_EQ(reason(vault.open_with(pair.public_key, pair.private_key, context(), planted)), "ciphertext_rejected");
}

TEST_F(VaultTest, EveryAlteredOctetIsRejected) {
  const auto pair = vault.make_key_pair();
  const auto sealed = vault.seal(context(), Secret("t"));
  const auto boxed = vault.seal_to(pair.public_key, context(), Secret("t"));
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    auto altered = sealed;
    altered[i] ^= 0x80;
    EXPECT_EQ(reason(vault.open(context(), altered)), "ciphertext_rejected") << i;
  }
  for (std::size_t i = 0; i < boxed.size(); ++i) {
    auto altered = boxed;
    altered[i] ^= 0x80;
    EXPECT_EQ(reason(vault.open_with(pair.public_key, pair.private_key, context(), altered)), "ciphertext_rejected") << i;
  }
  for (std::size_t size = 0; size < sealed.size(); ++size) {
    EXPECT_EQ(reason(vault.open(context(), ByteView(sealed).first(size))), "ciphertext_rejected") << size;
  }
}

TEST_F(VaultTest, K10_UnknownVersionsAreRefusedByName) {
  auto sealed = vault.seal(context(), Secret("t"));
  sealed[0] = 2;
  const auto opened = vault.open(context(), sealed);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, ErrorKind::corrupt);
  EXPECT_EQ(opened.error().detail, "unknown format version 2");
}

TEST_F(VaultTest, TheSameSecretSealedTwiceLooksDifferent) {
  EXPECT_NE(vault.seal(context(), Secret("t")), vault.seal(context(), Secret("t")));
}

TEST_F(VaultTest, P6_CiphertextsOfTwoUsersSwapped) {
  auto of_one = context(), of_two = context();
  of_two.user = user_of(2);
  of_two.grant = grant_of(2);
  const auto one = vault.seal(of_one, Secret("one"));
  const auto two = vault.seal(of_two, Secret("two"));
  EXPECT_EQ(reason(vault.open(of_one, two)), "ciphertext_rejected");
  EXPECT_EQ(reason(vault.open(of_two, one)), "ciphertext_rejected");
}

TEST_F(VaultTest, P6_OlderCiphertextInANewerGeneration) {
  auto newer = context();
  newer.generation = 8;
  const auto older = vault.seal(context(), Secret("old"));
  EXPECT_EQ(reason(vault.open(newer, older)), "ciphertext_rejected");
}

TEST_F(VaultTest, P6_PublicKeyReplaced) {
  const auto pair = vault.make_key_pair(), evil = vault.make_key_pair();
  const auto wrapped = vault.wrap_user_key(user_of(1), pair.public_key, pair.private_key, Secret("473829"), kCheap);
  EXPECT_EQ(reason(vault.unwrap_user_key(user_of(1), evil.public_key, Secret("473829"), wrapped)), "ciphertext_rejected");
  const auto fields = MacFields().add(pair.public_key).add("regular");
  const auto code = vault.mac("users", user_of(1).bytes(), fields.bytes());
  EXPECT_TRUE(vault.mac_matches("users", user_of(1).bytes(), fields.bytes(), code));
  EXPECT_FALSE(vault.mac_matches("users", user_of(1).bytes(), MacFields().add(evil.public_key).add("regular").bytes(), code));
  EXPECT_FALSE(vault.mac_matches("users", user_of(1).bytes(), MacFields().add(pair.public_key).add("administrator").bytes(), code));
  EXPECT_FALSE(vault.mac_matches("users", user_of(2).bytes(), fields.bytes(), code));
  EXPECT_FALSE(vault.mac_matches("grants", user_of(1).bytes(), fields.bytes(), code));
  EXPECT_FALSE(other.mac_matches("users", user_of(1).bytes(), fields.bytes(), code));
  EXPECT_FALSE(vault.mac_matches("users", user_of(1).bytes(), fields.bytes(), {}));
}

TEST_F(VaultTest, MacFieldsAreUnambiguous) {
  EXPECT_FALSE(std::ranges::equal(MacFields().add("ab").add("c").bytes(), MacFields().add("a").add("bc").bytes()));
  EXPECT_FALSE(std::ranges::equal(MacFields().add("").bytes(), MacFields().bytes()));
  const Bytes eight(8, 0);
  EXPECT_FALSE(std::ranges::equal(MacFields().add(std::int64_t{0}).bytes(), MacFields().add(ByteView(eight)).bytes()));
}

TEST_F(VaultTest, K1_PrivateKeyOpensWithPinAndMasterKeyOnly) {
  const auto pair = vault.make_key_pair();
  const auto wrapped = vault.wrap_user_key(user_of(1), pair.public_key, pair.private_key, Secret("473829"), kCheap);
  EXPECT_TRUE(vault.unwrap_user_key(user_of(1), pair.public_key, Secret("473829"), wrapped)->equals(pair.private_key));
  EXPECT_EQ(reason(vault.unwrap_user_key(user_of(1), pair.public_key, Secret("473828"), wrapped)), "wrong_pin");
  EXPECT_EQ(reason(vault.unwrap_user_key(user_of(1), pair.public_key, Secret(""), wrapped)), "wrong_pin");
  EXPECT_EQ(reason(vault.unwrap_user_key(user_of(2), pair.public_key, Secret("473829"), wrapped)), "ciphertext_rejected");
  // A stolen store allows no guess: without the master key even the right PIN is not told from a wrong one.
  EXPECT_EQ(other.unwrap_user_key(user_of(1), pair.public_key, Secret("473829"), wrapped).error(),
            other.unwrap_user_key(user_of(1), pair.public_key, Secret("473828"), wrapped).error());
}

TEST_F(VaultTest, K1_CostIsStoredPerUser) {
  const auto pair = vault.make_key_pair();
  const PinCost dear{.memory_kib = 128, .passes = 2};
  const auto wrapped = vault.wrap_user_key(user_of(1), pair.public_key, pair.private_key, Secret("473829"), dear);
  EXPECT_EQ(*vault.cost_of(user_of(1), pair.public_key, wrapped), dear);
  EXPECT_FALSE(other.cost_of(user_of(1), pair.public_key, wrapped));
  EXPECT_EQ(PinCost{}.memory_kib, 64u * 1024);
  EXPECT_EQ(PinCost{}.passes, 3u);
}

TEST_F(VaultTest, K1_ANewMasterKeyResealsEverythingWithoutAnyPin) {
  const auto pair = vault.make_key_pair();
  const auto token = vault.seal_to(pair.public_key, context(), Secret("access-1"));
  const auto refresh = vault.seal(context(), Secret("refresh-1"));
  const auto wrapped = vault.wrap_user_key(user_of(1), pair.public_key, pair.private_key, Secret("473829"), kCheap);
  const auto verifier = vault.make_password_verifier(user_of(1), Secret("correct horse"), kCheap);
  vault.begin_rotation(Secret(Bytes(32, 2)));
  const auto new_token = vault.renew(context(), token);
  const auto new_refresh = vault.renew(context(), refresh);
  const auto new_wrapped = vault.renew_user_key(user_of(1), pair.public_key, wrapped);
  const auto new_verifier = vault.renew_password(user_of(1), verifier);
  ASSERT_TRUE(new_token && new_refresh && new_wrapped && new_verifier);
  EXPECT_EQ(other.open_with(pair.public_key, pair.private_key, context(), *new_token)->reveal_text(), "access-1");
  EXPECT_EQ(other.open(context(), *new_refresh)->reveal_text(), "refresh-1");
  EXPECT_TRUE(other.unwrap_user_key(user_of(1), pair.public_key, Secret("473829"), *new_wrapped)->equals(pair.private_key));
  EXPECT_TRUE(*other.check_password(user_of(1), Secret("correct horse"), *new_verifier));
  EXPECT_EQ(*vault.renew(context(), *new_token), *new_token) << "resealed twice";
  auto elsewhere = context();
  elsewhere.generation = 8;
  EXPECT_EQ(vault.renew(elsewhere, token).error().reason, "ciphertext_rejected") << "renewing must not move a secret";
}

TEST_F(VaultTest, K1_WhileRotatingBothKeysReadAndTheNewOneWrites) {
  const auto before = vault.seal(context(), Secret("before"));
  const auto code = vault.mac("users", row, as_bytes("fields"));
  const auto old_id = vault.master_key_id();
  EXPECT_FALSE(vault.rotating());
  vault.begin_rotation(Secret(Bytes(32, 2)));
  EXPECT_TRUE(vault.rotating());
  EXPECT_EQ(vault.master_key_id(), other.master_key_id());
  EXPECT_EQ(vault.open(context(), before)->reveal_text(), "before");
  EXPECT_TRUE(vault.mac_matches("users", row, as_bytes("fields"), code));
  EXPECT_FALSE(vault.mac_matches("users", row, as_bytes("other"), code));
  EXPECT_FALSE(vault.is_current(before));
  EXPECT_FALSE(vault.mac_is_current("users", row, as_bytes("fields"), code));
  const auto after = vault.seal(context(), Secret("after"));
  EXPECT_TRUE(vault.is_current(after));
  EXPECT_EQ(other.open(context(), after)->reveal_text(), "after");
  EXPECT_EQ(vault.mac("users", row, as_bytes("fields")), other.mac("users", row, as_bytes("fields")));
  vault.end_rotation();
  EXPECT_EQ(reason(vault.open(context(), before)), "ciphertext_rejected") << "the old key is retired";
  EXPECT_FALSE(vault.mac_matches("users", row, as_bytes("fields"), code));
  EXPECT_EQ(vault.open(context(), after)->reveal_text(), "after");

  // A start in the middle: the new key from its file, the old one besides.
  other.hold_former(Secret(Bytes(32, 1)));
  EXPECT_EQ(other.open(context(), before)->reveal_text(), "before");
  EXPECT_NE(other.master_key_id(), old_id);
}

TEST_F(VaultTest, T8_LookupsOutliveTheMasterKeyAndFingerprintsDoNot) {
  const auto hash = vault.keyed_hash("session", as_bytes("abc"));
  const auto print = vault.fingerprint("wrong secret", as_bytes("abc"));
  const auto carried = vault.export_lookup_key(Secret(Bytes(32, 2)));
  vault.begin_rotation(Secret(Bytes(32, 2)));
  EXPECT_EQ(vault.keyed_hash("session", as_bytes("abc")), hash);
  EXPECT_NE(vault.fingerprint("wrong secret", as_bytes("abc")), print);
  EXPECT_NE(other.keyed_hash("session", as_bytes("abc")), hash);
  ASSERT_TRUE(other.import_lookup_key(carried));
  EXPECT_EQ(other.keyed_hash("session", as_bytes("abc")), hash) << "a later start has it from the store";
  EXPECT_EQ(other.master_key_id(), vault.master_key_id());
  Vault third(Secret(Bytes(32, 3)), entropy);
  EXPECT_EQ(third.import_lookup_key(carried).error().reason, "ciphertext_rejected");
}

TEST_F(VaultTest, PasswordsAreVerifiedNotKept) {
  const auto sealed = vault.make_password_verifier(user_of(1), Secret("correct horse"), kCheap);
  EXPECT_TRUE(*vault.check_password(user_of(1), Secret("correct horse"), sealed));
  EXPECT_FALSE(*vault.check_password(user_of(1), Secret("correct hors"), sealed));
  EXPECT_EQ(vault.check_password(user_of(2), Secret("correct horse"), sealed).error().reason, "ciphertext_rejected");
  EXPECT_EQ(other.check_password(user_of(1), Secret("correct horse"), sealed).error().reason, "ciphertext_rejected");
}

TEST_F(VaultTest, T8_KeyedHashDependsOnUseDataAndMasterKey) {
  const auto hash = vault.keyed_hash("session", as_bytes("abc"));
  EXPECT_EQ(hash.size(), 32u);
  EXPECT_EQ(hash, vault.keyed_hash("session", as_bytes("abc")));
  EXPECT_NE(hash, vault.keyed_hash("ticket", as_bytes("abc")));
  EXPECT_NE(hash, vault.keyed_hash("session", as_bytes("abd")));
  EXPECT_NE(hash, other.keyed_hash("session", as_bytes("abc")));
}

TEST_F(VaultTest, MasterKeyIdNamesTheKey) {
  EXPECT_EQ(vault.master_key_id().size(), 16u);
  EXPECT_EQ(vault.master_key_id(), Vault(Secret(Bytes(32, 1)), entropy).master_key_id());
  EXPECT_NE(vault.master_key_id(), other.master_key_id());
}

}  // namespace
}  // namespace latchkey::vault

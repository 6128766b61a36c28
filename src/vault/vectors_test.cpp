// The published vectors: what FORMAT.md says, this build does, octet for octet, in both directions.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "base/json.h"
#include "vault/sub_keys.h"
#include "vault/vault.h"

namespace latchkey::vault {
namespace {

using base::as_bytes;
using base::from_hex;
using base::to_hex;

class VectorsTest : public ::testing::Test {
 protected:
  VectorsTest() {
    std::ifstream file(LATCHKEY_VAULT_VECTORS);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    auto parsed = parse_json(text);
    EXPECT_TRUE(parsed) << "vectors.json is missing or malformed";
    if (parsed) vectors = parsed->as_object();
  }

  Bytes octets(std::string_view name) {
    const auto bytes = from_hex(base::string_or(vectors, name));
    EXPECT_TRUE(bytes && !bytes->empty()) << name;
    return bytes.value_or(Bytes());
  }
  std::string hex(std::string_view name) { return base::string_or(vectors, name); }
  std::string text(std::string_view name) { return base::string_or(vectors, name); }

  // One seed for each vector, so that they stand alone.
  std::unique_ptr<Vault> vault(std::uint64_t seed) {
    entropy = std::make_unique<base::SeededEntropy>(seed);
    return std::make_unique<Vault>(Secret(octets("master_key")), *entropy);
  }
  UserId user() { return *UserId::from_bytes(octets("user")); }
  SealContext context(Purpose purpose) {
    row = octets("row");
    return {.purpose = purpose,
            .table = "generations",
            .row = row,
            .field = "access_sealed",
            .user = user(),
            .grant = *GrantId::from_bytes(octets("grant")),
            .generation = 258};
  }
  KeyPair pair() {
    KeyPair out{.public_key = {}, .private_key = Secret(octets("private_key"))};
    const auto bytes = octets("public_key");
    std::copy(bytes.begin(), bytes.end(), out.public_key.begin());
    return out;
  }

  JsonObject vectors;
  Bytes row;
  std::unique_ptr<base::SeededEntropy> entropy;
};

TEST_F(VectorsTest, MasterKeyId) { EXPECT_EQ(to_hex(vault(0)->master_key_id()), hex("master_key_id")); }

TEST_F(VectorsTest, SealedUnderTheMasterKey) {
  const auto sealed = vault(1)->seal(context(Purpose::refresh_token), Secret(text("plain")));
  EXPECT_EQ(to_hex(sealed), hex("sealed"));
  EXPECT_EQ(vault(0)->open(context(Purpose::refresh_token), octets("sealed"))->reveal_text(), text("plain"));
}

TEST_F(VectorsTest, KeyPair) {
  const auto made = vault(2)->make_key_pair();
  EXPECT_EQ(to_hex(made.private_key.reveal()), hex("private_key"));
  EXPECT_EQ(to_hex(made.public_key), hex("public_key"));
}

TEST_F(VectorsTest, SealedToAPublicKey) {
  const auto sealed = vault(3)->seal_to(pair().public_key, context(Purpose::access_token), Secret(text("plain")));
  EXPECT_EQ(to_hex(sealed), hex("boxed"));
  const auto opened = vault(0)->open_with(pair().public_key, pair().private_key, context(Purpose::access_token), octets("boxed"));
  ASSERT_TRUE(opened) << opened.error().detail;
  EXPECT_EQ(opened->reveal_text(), text("plain"));
}

TEST_F(VectorsTest, WrappedUnderAPin) {
  const auto keys = pair();
  const auto wrapped = vault(4)->wrap_user_key(user(), keys.public_key, keys.private_key, Secret(text("pin")),
                                               {.memory_kib = 256, .passes = 2});
  EXPECT_EQ(to_hex(wrapped), hex("wrapped"));
  const auto opened = vault(0)->unwrap_user_key(user(), keys.public_key, Secret(text("pin")), octets("wrapped"));
  ASSERT_TRUE(opened) << opened.error().detail;
  EXPECT_TRUE(opened->equals(keys.private_key));
}

TEST_F(VectorsTest, PasswordVerifier) {
  const auto sealed = vault(5)->make_password_verifier(user(), Secret(text("password")), {.memory_kib = 256, .passes = 2});
  EXPECT_EQ(to_hex(sealed), hex("password_verifier"));
  EXPECT_TRUE(*vault(0)->check_password(user(), Secret(text("password")), octets("password_verifier")));
}

TEST_F(VectorsTest, MacAndKeyedHash) {
  const auto fields = MacFields().add("abc").add(std::int64_t{258});
  EXPECT_EQ(to_hex(fields.bytes()), hex("mac_fields"));
  EXPECT_EQ(to_hex(vault(0)->mac("users", octets("user"), fields.bytes())), hex("mac"));
  EXPECT_EQ(to_hex(vault(0)->keyed_hash("session", as_bytes("abc"))), hex("keyed_hash"));
}

}  // namespace
}  // namespace latchkey::vault

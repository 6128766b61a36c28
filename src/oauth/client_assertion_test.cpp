// RFC 7523 assertions, checked with the public halves of two keys made for this test.
#include "oauth/client_assertion.h"

#include <gtest/gtest.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <memory>

#include "base/json.h"
#include "oauth/uri.h"

namespace latchkey::oauth {
namespace {

constexpr WallTime kNow = base::from_unix_ms(1'800'000'000'900);

struct KeyPair {
  EVP_PKEY* key;
  explicit KeyPair(EVP_PKEY* made) : key(made) {}
  KeyPair(const KeyPair&) = delete;
  KeyPair& operator=(const KeyPair&) = delete;
  ~KeyPair() { EVP_PKEY_free(key); }
  [[nodiscard]] Secret pem() const {
    BIO* out = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
    char* data = nullptr;
    const auto size = BIO_get_mem_data(out, &data);
    Secret text(std::string_view(data, static_cast<std::size_t>(size)));
    BIO_free(out);
    return text;
  }
  [[nodiscard]] bool verifies(std::string_view message, ByteView signature) const {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    EVP_DigestVerifyInit(context, nullptr, EVP_sha256(), nullptr, key);
    const int good = EVP_DigestVerify(context, signature.data(), signature.size(),
                                      reinterpret_cast<const unsigned char*>(message.data()), message.size());
    EVP_MD_CTX_free(context);
    return good == 1;
  }
};

// R and S back to the form that OpenSSL verifies.
Bytes der_of(ByteView raw) {
  ECDSA_SIG* signature = ECDSA_SIG_new();
  ECDSA_SIG_set0(signature, BN_bin2bn(raw.data(), 32, nullptr), BN_bin2bn(raw.data() + 32, 32, nullptr));
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(signature, &der);
  Bytes out(der, der + size);
  OPENSSL_free(der);
  ECDSA_SIG_free(signature);
  return out;
}

struct Parts {
  JsonObject head;
  JsonObject claims;
  std::string signing_input;
  Bytes signature;
};
Parts parts_of(const Secret& jwt) {
  const std::string text(jwt.reveal_text());
  const auto first = text.find('.');
  const auto second = text.find('.', first + 1);
  const auto object = [&](std::size_t from, std::size_t to) {
    return parse_json(base::as_text(*base::from_base64url(text.substr(from, to - from))))->get_object();
  };
  return {object(0, first), object(first + 1, second), text.substr(0, second),
          *base::from_base64url(text.substr(second + 1))};
}

TEST(ClientAssertion, S3_AnEllipticKeySignsForTheTokenEndpointForOneMinute) {
  base::SeededEntropy entropy{3};
  const KeyPair pair(EVP_EC_gen("P-256"));
  const auto key = crypto::SigningKey::from_pem(pair.pem());
  ASSERT_TRUE(key) << key.error().text;
  const ClientAssertion wish{.client_id = "relay", .audience = "https://op.example/token", .key_id = "k1"};
  const auto parts = parts_of(make_client_assertion(wish, *key, kNow, entropy));
  EXPECT_EQ(parts.head.at("alg"), "ES256");
  EXPECT_EQ(parts.head.at("kid"), "k1");
  EXPECT_EQ(parts.claims.at("iss"), "relay");
  EXPECT_EQ(parts.claims.at("sub"), "relay");
  EXPECT_EQ(parts.claims.at("aud"), "https://op.example/token");
  EXPECT_EQ(parts.claims.at("iat"), 1'800'000'000);
  EXPECT_EQ(parts.claims.at("exp"), 1'800'000'060);
  ASSERT_EQ(parts.signature.size(), 64U);
  EXPECT_TRUE(pair.verifies(parts.signing_input, der_of(parts.signature)));
  EXPECT_FALSE(pair.verifies(parts.signing_input + "x", der_of(parts.signature)));
  const auto another = parts_of(make_client_assertion(wish, *key, kNow, entropy));
  EXPECT_NE(another.claims.at("jti"), parts.claims.at("jti"));
}

TEST(ClientAssertion, S3_AnRsaKeySignsAsRs256) {
  base::SeededEntropy entropy{3};
  const KeyPair pair(EVP_RSA_gen(2048));
  const auto key = crypto::SigningKey::from_pem(pair.pem());
  ASSERT_TRUE(key) << key.error().text;
  const auto parts = parts_of(make_client_assertion(
      {.client_id = "relay", .audience = "https://op.example/token", .key_id = {}}, *key, kNow, entropy));
  EXPECT_EQ(parts.head.at("alg"), "RS256");
  EXPECT_FALSE(parts.head.contains("kid"));
  EXPECT_TRUE(pair.verifies(parts.signing_input, parts.signature));
}

TEST(ClientAssertion, KeysThatNoProviderShouldTakeAreRefused) {
  const KeyPair short_rsa(EVP_RSA_gen(1024));
  const KeyPair curve(EVP_EC_gen("P-384"));
  const KeyPair edwards(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  for (const auto* pair : {&short_rsa, &curve, &edwards}) {
    const auto key = crypto::SigningKey::from_pem(pair->pem());
    ASSERT_FALSE(key);
    EXPECT_EQ(key.error().reason, "bad_signing_key");
  }
  EXPECT_FALSE(crypto::SigningKey::from_pem(Secret(std::string_view("no key"))));
}

TEST(ClientAssertion, GoesBehindTheForm) {
  const auto form = with_assertion(Secret(std::string_view("grant_type=refresh_token&client_id=relay")),
                                   Secret(std::string_view("a.b.c")));
  const auto parameters = parse_form(form.reveal_text());
  ASSERT_TRUE(parameters);
  ASSERT_EQ(parameters->size(), 4U);
  EXPECT_EQ(*find_parameter(*parameters, "client_assertion_type"), kAssertionType);
  EXPECT_EQ(*find_parameter(*parameters, "client_assertion"), "a.b.c");
}

}  // namespace
}  // namespace latchkey::oauth

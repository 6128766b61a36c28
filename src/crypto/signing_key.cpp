#include "crypto/signing_key.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

namespace latchkey::crypto {
namespace {

constexpr int kRsaBitsMin = 2048;
constexpr std::size_t kCoordinate = 32;  // of P-256

template <auto release>
struct Release {
  template <class T>
  void operator()(T* object) const {
    release(object);
  }
};
using KeyHandle = std::unique_ptr<EVP_PKEY, Release<EVP_PKEY_free>>;

std::unexpected<Error> bad_key(std::string text) {
  ERR_clear_error();
  return fail(ErrorKind::misconfigured, "bad_signing_key", std::move(text));
}

// Never asks at a terminal.
int no_pass_phrase(char*, int, int, void*) { return -1; }

// DER to the two halves.
Bytes raw_of(const Bytes& der) {
  const auto* at = der.data();
  const std::unique_ptr<ECDSA_SIG, Release<ECDSA_SIG_free>> signature(
      d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  LATCHKEY_CHECK(signature != nullptr);
  Bytes raw(2 * kCoordinate);
  LATCHKEY_CHECK(BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), raw.data(), kCoordinate) == kCoordinate);
  LATCHKEY_CHECK(BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), raw.data() + kCoordinate, kCoordinate) == kCoordinate);
  return raw;
}

}  // namespace

struct SigningKey::State {
  KeyHandle key;
  bool elliptic = false;
};

SigningKey::SigningKey(std::unique_ptr<State> state) : state_(std::move(state)) {}
SigningKey::SigningKey(SigningKey&&) noexcept = default;
SigningKey& SigningKey::operator=(SigningKey&&) noexcept = default;
SigningKey::~SigningKey() = default;

Result<SigningKey> SigningKey::from_pem(const Secret& pem) {
  const std::unique_ptr<BIO, Release<BIO_free>> text(BIO_new_mem_buf(pem.reveal().data(), static_cast<int>(pem.size())));
  LATCHKEY_CHECK(text != nullptr);
  KeyHandle key(PEM_read_bio_PrivateKey(text.get(), nullptr, no_pass_phrase, nullptr));
  if (!key) return bad_key("holds no private key in PEM form without a pass phrase");
  const int kind = EVP_PKEY_get_base_id(key.get());
  if (kind == EVP_PKEY_RSA && EVP_PKEY_get_bits(key.get()) < kRsaBitsMin)
    return bad_key("holds an RSA key of fewer than 2048 bits; make a longer one");
  if (kind == EVP_PKEY_EC) {
    char curve[32] = {};
    std::size_t length = 0;
    const bool named = EVP_PKEY_get_group_name(key.get(), curve, sizeof curve, &length) == 1;
    if (!named || std::string_view(curve, length) != "prime256v1")
      return bad_key("holds an elliptic key on another curve than P-256");
  } else if (kind != EVP_PKEY_RSA) {
    return bad_key("holds a key that is neither RSA nor elliptic on P-256");
  }
  auto state = std::make_unique<State>();
  state->key = std::move(key);
  state->elliptic = kind == EVP_PKEY_EC;
  return SigningKey(std::move(state));
}

std::string_view SigningKey::algorithm() const { return state_->elliptic ? "ES256" : "RS256"; }

Bytes SigningKey::sign(ByteView message) const {
  const std::unique_ptr<EVP_MD_CTX, Release<EVP_MD_CTX_free>> context(EVP_MD_CTX_new());
  LATCHKEY_CHECK(context != nullptr);
  LATCHKEY_CHECK(EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, state_->key.get()) == 1);
  std::size_t size = 0;
  LATCHKEY_CHECK(EVP_DigestSign(context.get(), nullptr, &size, message.data(), message.size()) == 1);
  Bytes signature(size);
  LATCHKEY_CHECK(EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) == 1);
  signature.resize(size);
  return state_->elliptic ? raw_of(signature) : signature;
}

}  // namespace latchkey::crypto

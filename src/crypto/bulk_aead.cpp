#include "crypto/bulk_aead.h"

#include <openssl/evp.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <limits>
#include <memory>

#include "base/result.h"
#include "base/secret.h"
#include "crypto/aead.h"

namespace latchkey::crypto {
namespace {

using base::ByteView;

constexpr std::size_t kInnerNonceBytes = 12;
constexpr std::size_t kOuterNoncePart = 16;  // of the 24 octets; the other 8 end the inner nonce

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

int length_of(ByteView octets) {
  LATCHKEY_CHECK(octets.size() <= static_cast<std::size_t>(std::numeric_limits<int>::max()));
  return static_cast<int>(octets.size());
}

// Ready for the text: key, nonce and associated data are in it. `encrypts`: 1 or 0, as OpenSSL has it.
Context begin(ByteView key, ByteView nonce, ByteView associated, int encrypts) {
  std::array<std::uint8_t, crypto_core_hchacha20_OUTPUTBYTES> derived;
  LATCHKEY_CHECK(crypto_core_hchacha20(derived.data(), nonce.data(), key.data(), nullptr) == 0);
  std::array<std::uint8_t, kInnerNonceBytes> inner{};
  std::ranges::copy(nonce.subspan(kOuterNoncePart),
                    inner.end() - static_cast<std::ptrdiff_t>(nonce.size() - kOuterNoncePart));
  Context context(EVP_CIPHER_CTX_new());
  LATCHKEY_CHECK(context != nullptr);
  LATCHKEY_CHECK(
      EVP_CipherInit_ex(context.get(), EVP_chacha20_poly1305(), nullptr, derived.data(), inner.data(), encrypts) == 1);
  base::wipe(derived.data(), derived.size());
  int count = 0;
  LATCHKEY_CHECK(associated.empty() ||
                 EVP_CipherUpdate(context.get(), nullptr, &count, associated.data(), length_of(associated)) == 1);
  return context;
}

}  // namespace

void bulk_aead_seal(ByteView key, ByteView nonce, ByteView associated, ByteView plain, std::span<std::uint8_t> out) {
  const auto context = begin(key, nonce, associated, 1);
  int count = 0, rest = 0;
  LATCHKEY_CHECK(EVP_EncryptUpdate(context.get(), out.data(), &count, plain.data(), length_of(plain)) == 1);
  LATCHKEY_CHECK(count == length_of(plain) && EVP_EncryptFinal_ex(context.get(), out.data() + count, &rest) == 1);
  LATCHKEY_CHECK(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kAeadTagBytes, out.last(kAeadTagBytes).data()) ==
                 1);
}

bool bulk_aead_open(ByteView key, ByteView nonce, ByteView associated, ByteView sealed, std::span<std::uint8_t> out) {
  const auto text = sealed.first(sealed.size() - kAeadTagBytes);
  std::array<std::uint8_t, kAeadTagBytes> tag;
  std::ranges::copy(sealed.last(kAeadTagBytes), tag.begin());
  const auto context = begin(key, nonce, associated, 0);
  LATCHKEY_CHECK(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, kAeadTagBytes, tag.data()) == 1);
  int count = 0, rest = 0;
  LATCHKEY_CHECK(EVP_DecryptUpdate(context.get(), out.data(), &count, text.data(), length_of(text)) == 1);
  if (EVP_DecryptFinal_ex(context.get(), out.data() + count, &rest) == 1) return true;
  base::wipe(out.data(), out.size());
  return false;
}

}  // namespace latchkey::crypto

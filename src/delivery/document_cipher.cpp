#include "delivery/document_cipher.h"

#include <array>
#include <cstring>

#include "base/result.h"
#include "crypto/aead.h"

namespace latchkey::delivery {
namespace {

constexpr std::string_view kMagic = "LKSPOOL\x01";

using Nonce = std::array<std::uint8_t, crypto::kAeadNonceBytes>;

Nonce nonce_of(std::uint64_t number, Chunk which) {
  Nonce nonce{};
  for (std::size_t octet = 0; octet < 8; ++octet) nonce[octet] = static_cast<std::uint8_t>(number >> (56 - 8 * octet));
  nonce.back() = which == Chunk::last ? 1 : 0;
  return nonce;
}

static_assert(kChunkTagBytes == crypto::kAeadTagBytes && kDocumentKeyBytes == crypto::kAeadKeyBytes);

}  // namespace

Bytes document_header(DeliveryId id) {
  Bytes header = base::to_bytes(kMagic);
  const auto octets = id.bytes();
  header.insert(header.end(), octets.begin(), octets.end());
  for (const int shift : {24, 16, 8, 0}) header.push_back(static_cast<std::uint8_t>(kChunkBytes >> shift));
  return header;
}

DocumentCipher::DocumentCipher(DeliveryId id, Secret key) : header_(document_header(id)), key_(std::move(key)) {
  LATCHKEY_CHECK(key_.size() == kDocumentKeyBytes && header_.size() == kDocumentHeaderBytes);
}

Bytes DocumentCipher::seal(std::uint64_t number, Chunk which, ByteView plain) const {
  LATCHKEY_CHECK(plain.size() <= kChunkBytes && (which == Chunk::last || plain.size() == kChunkBytes));
  Bytes sealed(plain.size() + kChunkTagBytes);
  crypto::aead_seal(key_.reveal(), nonce_of(number, which), header_, plain, sealed);
  return sealed;
}

std::optional<Secret> DocumentCipher::open(std::uint64_t number, Chunk which, ByteView sealed) const {
  if (sealed.size() < kChunkTagBytes || sealed.size() > kSealedChunkBytes) return std::nullopt;
  auto plain = Secret::of_size(sealed.size() - kChunkTagBytes);
  if (!crypto::aead_open(key_.reveal(), nonce_of(number, which), header_, sealed, plain.writable())) return std::nullopt;
  return plain;
}

}  // namespace latchkey::delivery

// A document on the spool's disk: its header and its chunks as octets. Pure; any thread.
//
//   magic "LKSPOOL" (7) | version 1 (1) | delivery id (16) | octets of a chunk, big-endian (4)      the header
//   chunk 0 | chunk 1 | ... | last chunk                       each: ciphertext | Poly1305 tag (16)
//
// Version rule: another version is refused. Chunks are XChaCha20-Poly1305 under a key of the document's own, so that the
// nonce may be the chunk's number and a flag for the last one (the STREAM construction: Hoang, Reyhanitabar, Rogaway, Vizár,
// "Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance", 2015); the header is every chunk's associated
// data. Altered, moved, repeated and foreign chunks do not open, and a file cut at a chunk's edge lacks the last one.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/id.h"
#include "base/secret.h"

namespace latchkey::delivery {

inline constexpr std::size_t kDocumentHeaderBytes = 28;
inline constexpr std::size_t kChunkBytes = 64 * 1024;  // of plaintext
inline constexpr std::size_t kChunkTagBytes = 16;
inline constexpr std::size_t kSealedChunkBytes = kChunkBytes + kChunkTagBytes;
inline constexpr std::size_t kDocumentKeyBytes = 32;

// How many chunks a document has; an empty one has one, which is empty.
[[nodiscard]] constexpr std::uint64_t chunks_of(std::uint64_t size_bytes) {
  return size_bytes == 0 ? 1 : (size_bytes + kChunkBytes - 1) / kChunkBytes;
}
// How long its file is.
[[nodiscard]] constexpr std::uint64_t file_bytes_of(std::uint64_t size_bytes) {
  return kDocumentHeaderBytes + size_bytes + chunks_of(size_bytes) * kChunkTagBytes;
}
// Where a chunk begins in the file.
[[nodiscard]] constexpr std::uint64_t chunk_offset(std::uint64_t number) {
  return kDocumentHeaderBytes + number * kSealedChunkBytes;
}

enum class Chunk { middle, last };

// kDocumentHeaderBytes.
[[nodiscard]] Bytes document_header(DeliveryId id);

class DocumentCipher {
 public:
  // `key` has kDocumentKeyBytes, drawn for this document alone: nonces are counted, so a key used twice would be broken.
  DocumentCipher(DeliveryId id, Secret key);

  [[nodiscard]] const Bytes& header() const { return header_; }
  [[nodiscard]] Bytes seal(std::uint64_t number, Chunk which, ByteView plain) const;
  // nullopt: altered, another document's, or not the chunk of that number and kind.
  [[nodiscard]] std::optional<Secret> open(std::uint64_t number, Chunk which, ByteView sealed) const;

 private:
  Bytes header_;
  Secret key_;
};

}  // namespace latchkey::delivery

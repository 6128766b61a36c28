#include "vault/envelope.h"

#include <algorithm>
#include <cstring>

#include "crypto/aead.h"

namespace latchkey::vault {

void append(Bytes& out, ByteView bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

void append_number(Bytes& out, std::uint32_t number) {
  for (const int shift : {24, 16, 8, 0}) out.push_back(static_cast<std::uint8_t>(number >> shift));
}

std::uint32_t read_number(ByteView four_octets) {
  std::uint32_t number = 0;
  for (const auto octet : four_octets.first(4)) number = (number << 8) | octet;
  return number;
}

std::unexpected<Error> rejected(std::string detail) {
  return fail(ErrorKind::corrupt, "ciphertext_rejected",
              "A stored secret does not fit its key or its place. Nothing was changed; check the master key file and the "
              "backup it belongs to.",
              {.detail = std::move(detail)});
}

std::array<std::uint8_t, kHeaderBytes> header_of(SealKind kind, Purpose purpose, ByteView key_id) {
  std::array<std::uint8_t, kHeaderBytes> header{kFormatVersion, static_cast<std::uint8_t>(kind),
                                                static_cast<std::uint8_t>(purpose)};
  std::memcpy(header.data() + 3, key_id.data(), kHeaderBytes - 3);
  return header;
}

Bytes associated_data(ByteView header, const SealContext& context, ByteView extra) {
  Bytes out;
  out.reserve(header.size() + context.table.size() + context.row.size() + context.field.size() + extra.size() + 64);
  append(out, header);
  for (const auto field : {base::as_bytes(context.table), context.row, base::as_bytes(context.field), extra}) {
    append_number(out, static_cast<std::uint32_t>(field.size()));
    append(out, field);
  }
  append(out, context.user.bytes());
  append(out, context.grant.bytes());
  const auto generation = static_cast<std::uint64_t>(context.generation);
  append_number(out, static_cast<std::uint32_t>(generation >> 32));
  append_number(out, static_cast<std::uint32_t>(generation));
  return out;
}

Bytes seal_envelope(ByteView outer_key, ByteView header, ByteView associated, ByteView plain, Entropy& entropy) {
  Bytes out(header.size() + crypto::kAeadNonceBytes + crypto::kCommittedOverhead + plain.size());
  const std::span<std::uint8_t> all(out);
  std::copy(header.begin(), header.end(), all.begin());
  const auto nonce = all.subspan(header.size(), crypto::kAeadNonceBytes);
  entropy.fill(nonce);
  crypto::committed_seal(outer_key, nonce, associated, plain, all.subspan(header.size() + nonce.size()));
  return out;
}

Result<Secret> open_envelope(ByteView outer_key, ByteView header, ByteView associated, ByteView sealed) {
  if (sealed.size() < header.size() + crypto::kAeadNonceBytes + crypto::kCommittedOverhead) return rejected("too short");
  if (sealed[0] != kFormatVersion) return rejected("unknown format version " + std::to_string(sealed[0]));
  if (!std::ranges::equal(sealed.first(3), header.first(3))) return rejected("another kind or purpose");
  if (!std::ranges::equal(sealed.first(header.size()), header)) return rejected("sealed under another master key");
  auto opened = crypto::committed_open(outer_key, sealed.subspan(header.size(), crypto::kAeadNonceBytes), associated,
                                       sealed.subspan(header.size() + crypto::kAeadNonceBytes));
  if (!opened.failure) return std::move(opened.plain);
  return rejected(*opened.failure == crypto::OpenFailure::other_key ? "outer layer: another key"
                                                                    : "outer layer: altered or moved");
}

}  // namespace latchkey::vault

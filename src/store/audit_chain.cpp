#include "store/audit_chain.h"

#include "crypto/hash.h"

namespace latchkey::store {
namespace {

void put(Bytes& out, std::uint64_t value, int octets) {
  for (int shift = (octets - 1) * 8; shift >= 0; shift -= 8) out.push_back(static_cast<std::uint8_t>(value >> shift));
}

void put(Bytes& out, std::string_view text) {
  put(out, text.size(), 4);
  out.insert(out.end(), text.begin(), text.end());
}

}  // namespace

Bytes chain_hash(ByteView before, const AuditEntry& entry) {
  Bytes octets = base::to_bytes("latchkey.audit.1");
  octets.insert(octets.end(), before.begin(), before.end());
  octets.resize(16 + 32);
  put(octets, static_cast<std::uint64_t>(entry.sequence), 8);
  put(octets, static_cast<std::uint64_t>(base::to_unix_ms(entry.at)), 8);
  const auto user = entry.user.bytes();
  octets.insert(octets.end(), user.begin(), user.end());
  for (const auto* text : {&entry.actor, &entry.action, &entry.subject, &entry.source, &entry.detail}) put(octets, *text);
  const auto digest = crypto::sha256(octets);
  return {digest.begin(), digest.end()};
}

}  // namespace latchkey::store

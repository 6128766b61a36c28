// The audit trail's hash chain: an entry that is changed, removed or put in between later breaks every hash after it.
// (Cutting off the newest entries leaves a shorter, sound chain: compare the head with one noted elsewhere.)
//
// hash = SHA-256 of
//   "latchkey.audit.1"                                    16 octets
//   hash of the entry before (the first: 32 zero octets)  32 octets
//   sequence                                              8 octets, big endian
//   at, milliseconds since 1970                           8 octets, big endian, two's complement
//   user id                                               16 octets (none: zero)
//   actor, action, subject, source, detail                each 4 octets of length, big endian, and the UTF-8 octets
// Version rule: another layout takes another first line.
#pragma once

#include "store/records.h"

namespace latchkey::store {

// The hash of `entry` (whose own `hash` is not read) after an entry with hash `before`; empty: there is none before.
[[nodiscard]] Bytes chain_hash(ByteView before, const AuditEntry& entry);

}  // namespace latchkey::store

// The octets of the reply journal.
//
// A segment is a file `replies-NNNNNNNN` of 4 MiB, written full of zeros when it is made, so that recording changes no
// metadata. Its first 512 octets are its head; records follow, each at a multiple of 512.
//
//   head     0  8   "LKRJSEG1"
//            8  8   sequence, little endian: higher is newer; a segment used again takes a new one
//           16  32  SHA-256 of octets 0..15
//   record   0  4   "LKRJ"
//            4  2   version, little endian: 1
//            6  2   zero
//            8  4   length of the reply, little endian
//           12  4   zero
//           16  8   sequence of the segment: an older one is what an earlier use left behind
//           24  16  intent
//           40  16  grant
//           56  8   generation, little endian
//           64  8   recorded at, milliseconds since 1970, little endian
//           72  32  SHA-256 of octets 0..71 and the reply
//          104  8   confirmed at, milliseconds since 1970, little endian; zero: not confirmed
//          112  32  SHA-256 of octets 72..111; zero: not confirmed
//          144  ..  the reply, sealed
// Version rule: a head or record of another version is not read; a new version takes a new file name.
#pragma once

#include <optional>

#include "store/reply_journal.h"

namespace latchkey::store {

inline constexpr std::size_t kSegmentBytes = 4 << 20;
inline constexpr std::size_t kRecordAlignment = 512;
inline constexpr std::size_t kRecordHeadBytes = 144;
inline constexpr std::size_t kConfirmationOffset = 104;

// What a record with a reply of this length takes of a segment.
[[nodiscard]] constexpr std::size_t record_bytes(std::size_t reply_bytes) {
  return (kRecordHeadBytes + reply_bytes + kRecordAlignment - 1) / kRecordAlignment * kRecordAlignment;
}
inline constexpr std::size_t kRecordBytesMax = record_bytes(kReplyBytesMax);

[[nodiscard]] Bytes encode_segment_head(std::uint64_t sequence);
[[nodiscard]] std::optional<std::uint64_t> decode_segment_head(ByteView octets);

// Padded to record_bytes().
[[nodiscard]] Bytes encode_record(const JournalEntry& entry, std::uint64_t sequence);
// What goes to kConfirmationOffset of a record that begins with `head`.
[[nodiscard]] Bytes encode_confirmation(ByteView head, WallTime confirmed_at);

struct DecodedRecord {
  JournalEntry entry;
  std::optional<WallTime> confirmed_at;
};
// The record at the front of `octets`; nullopt: none, torn, or of another sequence.
[[nodiscard]] std::optional<DecodedRecord> decode_record(ByteView octets, std::uint64_t sequence);
// Whether a record of this sequence begins here, whole or not.
[[nodiscard]] bool claims_to_be_record(ByteView octets, std::uint64_t sequence);
// What the head of such a record says, unchecked and without the reply.
[[nodiscard]] JournalEntry claimed_entry(ByteView octets);

}  // namespace latchkey::store

#include "store/reply_record.h"

#include <algorithm>

#include "crypto/hash.h"

namespace latchkey::store {
namespace {

constexpr std::string_view kSegmentMagic = "LKRJSEG1";
constexpr std::string_view kRecordMagic = "LKRJ";
constexpr std::uint64_t kRecordVersion = 1;
constexpr std::size_t kCheckOffset = 72;

void put(Bytes& out, std::size_t offset, std::uint64_t value, std::size_t octets) {
  for (std::size_t i = 0; i < octets; ++i) out[offset + i] = static_cast<std::uint8_t>(value >> (8 * i));
}

std::uint64_t get(ByteView octets, std::size_t offset, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value |= static_cast<std::uint64_t>(octets[offset + i]) << (8 * i);
  return value;
}

void put(Bytes& out, std::size_t offset, ByteView octets) { std::ranges::copy(octets, out.begin() + static_cast<std::ptrdiff_t>(offset)); }

bool equal(ByteView octets, ByteView expected) { return std::ranges::equal(octets, expected); }

}  // namespace

Bytes encode_segment_head(std::uint64_t sequence) {
  Bytes head(kRecordAlignment);
  put(head, 0, base::as_bytes(kSegmentMagic));
  put(head, 8, sequence, 8);
  put(head, 16, crypto::sha256(ByteView(head).first(16)));
  return head;
}

std::optional<std::uint64_t> decode_segment_head(ByteView octets) {
  if (octets.size() < kRecordAlignment || !equal(octets.first(8), base::as_bytes(kSegmentMagic))) return std::nullopt;
  if (!equal(octets.subspan(16, 32), crypto::sha256(octets.first(16)))) return std::nullopt;
  return get(octets, 8, 8);
}

Bytes encode_record(const JournalEntry& entry, std::uint64_t sequence) {
  Bytes record(record_bytes(entry.reply_sealed.size()));
  put(record, 0, base::as_bytes(kRecordMagic));
  put(record, 4, kRecordVersion, 2);
  put(record, 8, entry.reply_sealed.size(), 4);
  put(record, 16, sequence, 8);
  put(record, 24, entry.intent.bytes());
  put(record, 40, entry.grant.bytes());
  put(record, 56, static_cast<std::uint64_t>(entry.generation), 8);
  put(record, 64, static_cast<std::uint64_t>(base::to_unix_ms(entry.recorded_at)), 8);
  put(record, kRecordHeadBytes, entry.reply_sealed);
  put(record, kCheckOffset, crypto::Sha256().update(ByteView(record).first(kCheckOffset)).update(entry.reply_sealed).finish());
  return record;
}

Bytes encode_confirmation(ByteView head, WallTime confirmed_at) {
  Bytes checked(head.begin() + kCheckOffset, head.begin() + kConfirmationOffset);
  checked.resize(40);
  put(checked, 32, static_cast<std::uint64_t>(base::to_unix_ms(confirmed_at)), 8);
  const auto digest = crypto::sha256(checked);
  Bytes octets(checked.begin() + 32, checked.end());
  octets.insert(octets.end(), digest.begin(), digest.end());
  return octets;
}

bool claims_to_be_record(ByteView octets, std::uint64_t sequence) {
  return octets.size() >= kRecordHeadBytes && equal(octets.first(4), base::as_bytes(kRecordMagic)) &&
         get(octets, 4, 2) == kRecordVersion && get(octets, 16, 8) == sequence;
}

JournalEntry claimed_entry(ByteView octets) {
  return {.intent = *IntentId::from_bytes(octets.subspan(24, 16)),
          .grant = *GrantId::from_bytes(octets.subspan(40, 16)),
          .generation = static_cast<GenerationNumber>(get(octets, 56, 8)),
          .recorded_at = base::from_unix_ms(static_cast<std::int64_t>(get(octets, 64, 8))),
          .reply_sealed = {}};
}

std::optional<DecodedRecord> decode_record(ByteView octets, std::uint64_t sequence) {
  if (!claims_to_be_record(octets, sequence)) return std::nullopt;
  const auto length = get(octets, 8, 4);
  if (length > kReplyBytesMax || octets.size() < kRecordHeadBytes + length) return std::nullopt;
  const auto reply = octets.subspan(kRecordHeadBytes, length);
  const auto digest = crypto::Sha256().update(octets.first(kCheckOffset)).update(reply).finish();
  if (!equal(octets.subspan(kCheckOffset, 32), digest)) return std::nullopt;
  DecodedRecord record;
  record.entry = claimed_entry(octets);
  record.entry.reply_sealed.assign(reply.begin(), reply.end());
  const auto confirmed_at = base::from_unix_ms(static_cast<std::int64_t>(get(octets, kConfirmationOffset, 8)));
  if (equal(octets.subspan(kConfirmationOffset, 40), encode_confirmation(octets, confirmed_at))) {
    record.confirmed_at = confirmed_at;
  }
  return record;
}

}  // namespace latchkey::store

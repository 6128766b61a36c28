#include "store/journal_reading.h"

#include <algorithm>

namespace latchkey::store {
namespace {

constexpr std::string_view kPrefix = "replies-";
constexpr std::string_view kUnfinished = ".new";

using Each = std::function<Result<void>(const FoundRecord&)>;

// What one segment is known to hold.
struct Extent {
  std::uint64_t sequence = 0;
  std::size_t end = kRecordAlignment;  // of the last whole record
  bool full = false;                   // as far as one is filled before the next is begun
  bool torn_end = false;
};

class Reading {
 public:
  Reading(const Each& each, std::size_t segment_bytes) : each_(each), segment_bytes_(segment_bytes) {}

  Result<void> read(const std::string& path, Files& files) {
    const auto file = files.open(path, OpenFile::read_only);
    const auto octets = file ? (*file)->pread(segment_bytes_, 0) : Result<Bytes>(std::unexpected(file.error()));
    const auto sequence = octets ? decode_segment_head(ByteView(*octets).first(std::min(octets->size(), kRecordAlignment))) : std::nullopt;
    if (!sequence || octets->size() < segment_bytes_) loss_.unreadable.push_back(path);
    return sequence ? scan(*octets, *sequence) : Result<void>();
  }

  // The segment that was being filled last may end anywhere; those before it were full.
  JournalLoss end() {
    const auto holds = [](const Extent& extent) { return extent.end > kRecordAlignment; };
    std::erase_if(extents_, [&](const Extent& extent) { return !holds(extent); });
    std::ranges::sort(extents_, {}, &Extent::sequence);
    if (!extents_.empty()) extents_.pop_back();
    for (const auto& extent : extents_) {
      if (!extent.full || extent.torn_end) note_gap({extent.sequence, extent.end});
    }
    return std::move(loss_);
  }

  void note_unreadable(const std::string& path) { loss_.unreadable.push_back(path); }

 private:
  Result<void> scan(const Bytes& octets, std::uint64_t sequence) {
    Extent extent{.sequence = sequence};
    for (std::size_t offset = kRecordAlignment; offset + kRecordAlignment <= octets.size();) {
      const auto rest = ByteView(octets).subspan(offset);
      const auto record = decode_record(rest, sequence);
      if (!record) {
        if (claims_to_be_record(rest, sequence)) {
          loss_.torn.push_back({{.entry = claimed_entry(rest), .confirmed_at = {}}, {sequence, offset}});
          extent.torn_end = true;
        }
        offset += kRecordAlignment;
        continue;
      }
      if (offset > extent.end) note_gap({sequence, extent.end});
      if (auto done = each_({*record, {sequence, offset}}); !done) return done;
      offset += record_bytes(record->entry.reply_sealed.size());
      extent.end = offset;
      extent.torn_end = false;
    }
    extent.full = octets.size() < extent.end + kRecordBytesMax;
    extents_.push_back(extent);
    return {};
  }

  void note_gap(JournalPlace place) { loss_.gap = std::max(loss_.gap.value_or(place), place); }

  const Each& each_;
  const std::size_t segment_bytes_;
  JournalLoss loss_;
  std::vector<Extent> extents_;
};

}  // namespace

Result<JournalLoss> each_journal_record(const std::string& directory, Files& files, const Each& each, std::size_t segment_bytes) {
  Reading reading(each, segment_bytes);
  const auto names = files.list(directory);
  if (!names && names.error().kind != ErrorKind::not_found) reading.note_unreadable(directory);
  if (!names) return reading.end();
  for (const auto& name : *names) {
    if (!name.starts_with(kPrefix) || name.ends_with(kUnfinished)) continue;
    if (auto done = reading.read(directory + "/" + name, files); !done) return std::unexpected(done.error());
  }
  return reading.end();
}

}  // namespace latchkey::store

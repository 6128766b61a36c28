#include "doors/folder/tiff_extent.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace latchkey::doors {
namespace {

constexpr std::size_t kDirectoriesMax = 10'000;
constexpr std::size_t kEntryBytes = 12;
constexpr unsigned kShort = 3;
constexpr unsigned kLong = 4;

struct Entry {
  unsigned tag = 0;
  unsigned type = 0;
  std::uint64_t count = 0;
  std::uint64_t value_at = 0;  // where its values stand
};

// Where something begins, and how long it is: StripOffsets and StripByteCounts, TileOffsets and TileByteCounts,
// JPEGInterchangeFormat and its length (TIFF 6.0, sections 8, 15 and 22).
constexpr std::array<std::pair<unsigned, unsigned>, 3> kExtents{{{273, 279}, {324, 325}, {513, 514}}};

// Reads within the document and within what one document may cost.
class Reader {
 public:
  Reader(const ReadAt& read, std::uint64_t size_bytes, bool little_endian) : read_(read), size_(size_bytes), little_endian_(little_endian) {}

  [[nodiscard]] bool is_inside(std::uint64_t offset, std::uint64_t length) const { return offset <= size_ && length <= size_ - offset; }
  [[nodiscard]] bool is_spent() const { return spent_ > kTiffReadMax; }
  // Empty where it is spent.
  Bytes take(std::uint64_t offset, std::size_t length) {
    spent_ += length;
    return is_spent() ? Bytes() : read_(offset, length);
  }
  [[nodiscard]] std::uint64_t number(ByteView octets, std::size_t at, std::size_t width) const {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < width; ++i) value = value << 8 | octets[at + (little_endian_ ? width - 1 - i : i)];
    return value;
  }

 private:
  const ReadAt& read_;
  std::uint64_t size_;
  bool little_endian_;
  std::size_t spent_ = 0;
};

std::size_t width_of(unsigned type) { return type == kShort ? 2 : type == kLong ? 4 : 0; }

// nullopt: they are not inside the document. Empty: none, of a type that nobody knows here, or more than may be read.
std::optional<std::vector<std::uint64_t>> values_of(Reader& reader, const Entry& entry) {
  const auto width = width_of(entry.type);
  if (width == 0) return std::vector<std::uint64_t>();
  if (!reader.is_inside(entry.value_at, entry.count * width)) return std::nullopt;
  if (entry.count * width > kTiffReadMax) return std::vector<std::uint64_t>();
  const auto octets = reader.take(entry.value_at, static_cast<std::size_t>(entry.count * width));
  std::vector<std::uint64_t> values;
  for (std::size_t at = 0; at + width <= octets.size(); at += width) values.push_back(reader.number(octets, at, width));
  return values;
}

const Entry* find(const std::vector<Entry>& entries, unsigned tag) {
  const auto found = std::ranges::find(entries, tag, &Entry::tag);
  return found == entries.end() ? nullptr : &*found;
}

bool has_image(Reader& reader, const std::vector<Entry>& entries) {
  for (const auto& [offsets_tag, lengths_tag] : kExtents) {
    const auto* offsets_entry = find(entries, offsets_tag);
    const auto* lengths_entry = find(entries, lengths_tag);
    if (offsets_entry == nullptr) continue;
    const auto offsets = values_of(reader, *offsets_entry);
    const auto lengths = lengths_entry == nullptr ? std::vector<std::uint64_t>() : values_of(reader, *lengths_entry);
    if (!offsets || !lengths) return false;
    for (std::size_t i = 0; i < offsets->size(); ++i) {
      if (!reader.is_inside((*offsets)[i], i < lengths->size() ? (*lengths)[i] : 0)) return false;
    }
  }
  return true;
}

std::vector<Entry> entries_in(const Reader& reader, const Bytes& octets, std::uint64_t directory) {
  std::vector<Entry> entries;
  for (std::size_t at = 0; at + kEntryBytes <= octets.size(); at += kEntryBytes) {
    Entry entry{.tag = static_cast<unsigned>(reader.number(octets, at, 2)),
                .type = static_cast<unsigned>(reader.number(octets, at + 2, 2)),
                .count = reader.number(octets, at + 4, 4)};
    const bool is_here = entry.count * width_of(entry.type) <= 4;
    entry.value_at = is_here ? directory + 2 + at + 8 : reader.number(octets, at + 8, 4);
    entries.push_back(entry);
  }
  return entries;
}

}  // namespace

TiffExtent extent_of_tiff(const ReadAt& read, std::uint64_t size_bytes) {
  const auto head = read(0, 8);
  if (head.size() < 8) return TiffExtent::directory_missing;
  Reader reader(read, size_bytes, head[0] == 'I');
  std::set<std::uint64_t> seen;
  auto directory = reader.number(head, 4, 4);
  // Some writers put the first one's place there last of all.
  if (directory == 0) return TiffExtent::directory_missing;
  while (directory != 0 && seen.size() < kDirectoriesMax && seen.insert(directory).second) {
    if (!reader.is_inside(directory, 2)) return TiffExtent::directory_missing;
    const auto counted = reader.take(directory, 2);
    if (counted.size() < 2) break;
    const auto size = static_cast<std::size_t>(reader.number(counted, 0, 2)) * kEntryBytes;
    if (!reader.is_inside(directory + 2, size + 4)) return TiffExtent::directory_missing;
    auto octets = reader.take(directory + 2, size + 4);
    if (octets.size() < size + 4) break;
    const auto next = reader.number(octets, size, 4);
    octets.resize(size);
    if (!has_image(reader, entries_in(reader, octets, directory))) return TiffExtent::image_missing;
    directory = next;
  }
  return TiffExtent::whole;
}

}  // namespace latchkey::doors

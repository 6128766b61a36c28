#include "store/journal_reading.h"

namespace latchkey::store {
namespace {

constexpr std::string_view kPrefix = "replies-";
constexpr std::string_view kUnfinished = ".new";

Result<void> read_segment(File& file, const std::function<Result<void>(const DecodedRecord&)>& each) {
  const auto octets = file.pread(kSegmentBytes, 0);
  if (!octets) return std::unexpected(octets.error());
  const auto sequence = decode_segment_head(ByteView(*octets).first(std::min(octets->size(), kRecordAlignment)));
  if (!sequence) return {};
  for (std::size_t offset = kRecordAlignment; offset + kRecordAlignment <= octets->size();) {
    const auto record = decode_record(ByteView(*octets).subspan(offset), *sequence);
    if (!record) {
      offset += kRecordAlignment;
      continue;
    }
    if (auto done = each(*record); !done) return done;
    offset += record_bytes(record->entry.reply_sealed.size());
  }
  return {};
}

}  // namespace

Result<void> each_journal_record(const std::string& directory, Files& files,
                                 const std::function<Result<void>(const DecodedRecord&)>& each) {
  const auto names = files.list(directory);
  if (!names) return names.error().kind == ErrorKind::not_found ? Result<void>() : Result<void>(std::unexpected(names.error()));
  for (const auto& name : *names) {
    if (!name.starts_with(kPrefix) || name.ends_with(kUnfinished)) continue;
    const auto file = files.open(directory + "/" + name, OpenFile::read_only);
    if (!file) return std::unexpected(file.error());
    if (auto done = read_segment(**file, each); !done) return done;
  }
  return {};
}

}  // namespace latchkey::store

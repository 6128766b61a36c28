#include "store/reply_segments.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <tuple>

namespace latchkey::store {
namespace {

constexpr std::string_view kPrefix = "replies-";
constexpr std::string_view kUnfinished = ".new";
constexpr std::size_t kFillChunkBytes = 256 * 1024;

std::size_t fitting(std::size_t bytes) { return bytes / kRecordBytesMax; }

}  // namespace

Result<std::unique_ptr<ReplySegments>> ReplySegments::open(std::string directory, Files& files, Log& log, JournalSize size) {
  std::unique_ptr<ReplySegments> journal(new ReplySegments(std::move(directory), files, log, size));
  if (auto made = files.make_directory(journal->directory_); !made) return std::unexpected(made.error());
  auto names = files.list(journal->directory_);
  if (!names) return std::unexpected(names.error());
  for (const auto& name : *names) {
    if (!name.starts_with(kPrefix)) continue;
    const auto path = journal->directory_ + "/" + name;
    auto done = name.ends_with(kUnfinished) ? files.unlink(path) : journal->load(name);
    if (!done) return std::unexpected(done.error());
  }
  if (journal->segments_.empty()) {
    if (auto made = journal->make_segment(); !made) return std::unexpected(made.error());
  }
  // What a restore has put there takes nothing of the room for what comes.
  const auto waiting = static_cast<std::size_t>(std::ranges::count_if(journal->segments_, [](const auto& segment) { return segment->unconfirmed > 0; }));
  journal->segments_max_ = std::max(size.segments_max, waiting + std::max<std::size_t>(size.segments_max / 4, 1));
  journal->choose_active();
  return journal;
}

Result<void> ReplySegments::load(const std::string& name) {
  auto segment = std::make_unique<Segment>();
  segment->name = name;
  auto file = files_.open(directory_ + "/" + name, OpenFile::existing);
  if (!file) return std::unexpected(file.error());
  segment->file = *std::move(file);
  const auto head = segment->file->pread(kRecordAlignment, 0);
  if (!head) return std::unexpected(head.error());
  const auto sequence = decode_segment_head(*head);
  std::uint64_t number = 0;
  std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), number);
  newest_sequence_ = std::max(newest_sequence_, number);
  if (!sequence) {
    // Left where it is, for somebody to look at; its number, and so its name, is not used again.
    ++unreadable_;
    log_.error("reply_journal_unreadable", {{"file", name}});
    return {};
  }
  segment->sequence = *sequence;
  newest_sequence_ = std::max(newest_sequence_, *sequence);
  if (auto scanned = scan(*segment); !scanned) return scanned;
  segments_.push_back(std::move(segment));
  return {};
}

// Every aligned place is looked at, so that a torn record hides none after it.
Result<void> ReplySegments::scan(Segment& segment) {
  const auto octets = segment.file->pread(size_.segment_bytes, 0);
  if (!octets) return std::unexpected(octets.error());
  std::size_t torn = 0;
  for (std::size_t offset = kRecordAlignment; offset + kRecordAlignment <= octets->size();) {
    const auto rest = ByteView(*octets).subspan(offset);
    const auto record = decode_record(rest, segment.sequence);
    if (!record) {
      torn += claims_to_be_record(rest, segment.sequence) ? 1 : 0;
      offset += kRecordAlignment;
      continue;
    }
    latest_ = std::max(latest_, record->entry.recorded_at);
    index(segment, offset, record->entry);
    if (record->confirmed_at) {
      segment.confirmed_at = std::max(segment.confirmed_at, *record->confirmed_at);
      latest_ = std::max(latest_, *record->confirmed_at);
    } else {
      ++segment.unconfirmed;
      open_.emplace(record->entry.intent, Location{&segment, offset, Location::Origin::found});
    }
    offset += record_bytes(record->entry.reply_sealed.size());
    segment.tail = offset;
  }
  if (torn > 0) log_.warning("reply_journal_torn", {{"file", segment.name}, {"records", torn}});
  return {};
}

// The newest segment with records goes on being filled; empty ones wait their turn.
void ReplySegments::choose_active() {
  std::ranges::sort(segments_, {}, [](const auto& segment) { return segment->sequence; });
  spare_.clear();
  for (const auto& segment : segments_) {
    if (segment->empty()) {
      spare_.push_back(segment.get());
    } else {
      active_ = segment.get();
    }
  }
  if (active_ == nullptr) {
    active_ = spare_.front();
    spare_.erase(spare_.begin());
  }
}

std::size_t ReplySegments::room() const {
  return fitting(size_.segment_bytes - active_->tail) + spare_.size() * fitting(size_.segment_bytes - kRecordAlignment);
}

ReplySegments::Segment* ReplySegments::reusable() const {
  Segment* best = nullptr;
  for (const auto& segment : segments_) {
    if (segment.get() == active_ || segment->empty() || segment->unconfirmed > 0) continue;
    if (best == nullptr || segment->confirmed_at < best->confirmed_at) best = segment.get();
  }
  const bool kept_long_enough = best != nullptr && best->confirmed_at + kConfirmedKept <= latest_;
  return kept_long_enough || segments_.size() >= segments_max_ ? best : nullptr;
}

Result<void> ReplySegments::prepare() {
  if (auto* segment = reusable()) {
    // Synced together with the first record: until then, what the old head leads to has been confirmed. One that could not be written
    // leaves the segment what it was, for the next attempt.
    const auto sequence = ++newest_sequence_;
    if (auto written = segment->file->pwrite(encode_segment_head(sequence), 0); !written) return written;
    forget_answers_in(*segment);
    segment->sequence = sequence;
    segment->tail = kRecordAlignment;
    segment->confirmed_at = {};
    spare_.push_back(segment);
    return {};
  }
  if (segments_.size() >= segments_max_) {
    return fail(ErrorKind::unavailable, "journal_full", "Too many token replies wait to be stored.");
  }
  if (auto made = make_segment(); !made) return made;
  spare_.push_back(segments_.back().get());
  return {};
}

Result<void> ReplySegments::make_segment() {
  auto segment = std::make_unique<Segment>();
  segment->sequence = ++newest_sequence_;
  // Sequences of new segments never repeat, so neither do names.
  segment->name = fmt::format("replies-{:08}", segment->sequence);
  const auto path = directory_ + "/" + segment->name;
  auto file = files_.open(path + std::string(kUnfinished), OpenFile::create);
  if (!file) return std::unexpected(file.error());
  segment->file = *std::move(file);
  auto written = segment->file->fallocate(0, size_.segment_bytes);
  if (written) written = fill(*segment->file);
  if (written) written = segment->file->pwrite(encode_segment_head(segment->sequence), 0);
  if (written) written = note_sync(segment->file->fdatasync());
  if (written) written = files_.rename(path + std::string(kUnfinished), path);
  if (written) written = note_sync(files_.sync_directory(directory_));
  if (!written) {
    // It may bear either name by now, and the next attempt takes another.
    static_cast<void>(files_.unlink(path + std::string(kUnfinished)));
    static_cast<void>(files_.unlink(path));
    return written;
  }
  segments_.push_back(std::move(segment));
  return {};
}

Result<void> ReplySegments::fill(File& file) {
  const Bytes zeros(std::min(kFillChunkBytes, size_.segment_bytes));
  for (std::size_t offset = 0; offset < size_.segment_bytes; offset += zeros.size()) {
    if (auto written = file.pwrite(zeros, offset); !written) return written;
  }
  return {};
}

Result<void> ReplySegments::append(const JournalEntry& entry) {
  const auto record_size = record_bytes(entry.reply_sealed.size());
  if (size_.segment_bytes - active_->tail < record_size) {
    if (spare_.empty()) return fail(ErrorKind::unavailable, "journal_full", "There is no room left for token replies.");
    active_ = spare_.front();
    spare_.erase(spare_.begin());
  }
  const auto offset = active_->tail;
  if (auto written = active_->file->pwrite(encode_record(entry, active_->sequence), offset); !written) return written;
  active_->tail += record_size;
  active_->unsynced = true;
  ++active_->unconfirmed;
  latest_ = std::max(latest_, entry.recorded_at);
  index(*active_, offset, entry);
  open_.emplace(entry.intent, Location{active_, offset, Location::Origin::recorded});
  return {};
}

Result<void> ReplySegments::sync() {
  for (const auto& segment : segments_) {
    if (!segment->unsynced) continue;
    if (auto synced = note_sync(segment->file->fdatasync()); !synced) return synced;
    segment->unsynced = false;
  }
  return {};
}

Result<void> ReplySegments::note_sync(Result<void> result) {
  sync_failed_ |= !result.has_value();
  return result;
}

Result<void> ReplySegments::confirm(IntentId intent, WallTime now) {
  latest_ = std::max(latest_, now);
  const auto [first, last] = open_.equal_range(intent);
  Result<void> result;
  for (auto found = first; found != last; ++found) {
    auto& [segment, offset, origin] = found->second;
    --segment->unconfirmed;
    segment->confirmed_at = std::max(segment->confirmed_at, now);
    const auto head = segment->file->pread(kRecordHeadBytes, offset);
    if (head && head->size() == kRecordHeadBytes) {
      result = segment->file->pwrite(encode_confirmation(*head, now), offset + kConfirmationOffset);
    }
  }
  open_.erase(first, last);
  return result;
}

Result<void> ReplySegments::read_into(std::vector<JournalEntry>& entries, const Location& location) {
  const auto octets = location.segment->file->pread(kRecordBytesMax, location.offset);
  if (!octets) return std::unexpected(octets.error());
  if (auto record = decode_record(*octets, location.segment->sequence)) entries.push_back(std::move(record->entry));
  return {};
}

// Code exchanges have no grant yet, and no generation.
void ReplySegments::index(Segment& segment, std::size_t offset, const JournalEntry& entry) {
  if (entry.generation == 0) return;
  const std::lock_guard lock(answers_mutex_);
  answers_.emplace(entry.grant, Answer{&segment, offset, {entry.generation, entry.recorded_at}});
}

void ReplySegments::forget_answers_in(const Segment& segment) {
  const std::lock_guard lock(answers_mutex_);
  std::erase_if(answers_, [&](const auto& entry) { return entry.second.segment == &segment; });
}

Result<std::vector<JournalEntry>> ReplySegments::answers(GrantId grant) {
  std::vector<JournalEntry> entries;
  const auto [first, last] = answers_.equal_range(grant);  // only this thread changes it
  for (auto found = first; found != last; ++found) {
    const auto& [segment, offset, what] = found->second;
    const auto before = entries.size();
    if (auto read = read_into(entries, Location{segment, offset, Location::Origin::found}); !read) return std::unexpected(read.error());
    if (entries.size() == before) {
      return fail(ErrorKind::corrupt, "journal_damaged", "An answer in the reply journal has been damaged since it was found there.");
    }
  }
  std::ranges::stable_sort(entries, {}, &JournalEntry::recorded_at);
  return entries;
}

NewestAnswer ReplySegments::newest_answer(GrantId grant) const {
  const std::lock_guard lock(answers_mutex_);
  NewestAnswer newest;
  const auto [first, last] = answers_.equal_range(grant);
  for (auto found = first; found != last; ++found) {
    const auto& what = found->second.what;
    if (std::tie(what.generation, what.recorded_at) > std::tie(newest.generation, newest.recorded_at)) newest = what;
  }
  return newest;
}

std::vector<GrantId> ReplySegments::answered() const {
  const std::lock_guard lock(answers_mutex_);
  std::vector<GrantId> grants;
  for (const auto& [grant, answer] : answers_) grants.push_back(grant);
  std::ranges::sort(grants);
  const auto [first, last] = std::ranges::unique(grants);
  grants.erase(first, last);
  return grants;
}

Result<std::vector<JournalEntry>> ReplySegments::unconfirmed() {
  std::vector<JournalEntry> entries;
  for (const auto& [intent, location] : open_) {
    if (location.origin != Location::Origin::found) continue;
    if (auto read = read_into(entries, location); !read) return std::unexpected(read.error());
  }
  std::ranges::stable_sort(entries, {}, &JournalEntry::recorded_at);
  return entries;
}

Result<std::vector<JournalEntry>> ReplySegments::pending() {
  std::vector<JournalEntry> entries;
  for (const auto& [intent, location] : open_) {
    if (auto read = read_into(entries, location); !read) return std::unexpected(read.error());
  }
  std::ranges::stable_sort(entries, {}, &JournalEntry::recorded_at);
  return entries;
}

bool ReplySegments::on_medium(IntentId intent) {
  const auto [first, last] = open_.equal_range(intent);
  if (first == last) return false;
  const auto& location = std::prev(last)->second;
  const auto octets = location.segment->file->pread_from_medium(kRecordBytesMax, location.offset);
  return octets && decode_record(*octets, location.segment->sequence).has_value();
}

}  // namespace latchkey::store

#include "store/backup_file.h"

#include <fmt/format.h>

#include <algorithm>

#include "crypto/argon2id.h"

namespace latchkey::store {
namespace {

constexpr std::string_view kMagic = "LKBACKUP";
constexpr std::size_t kCheckAt = 58;
constexpr std::size_t kCheckBytes = 16;
constexpr std::size_t kHeadBytes = kCheckAt + kCheckBytes;
constexpr std::uint32_t kMemoryKibMin = 8;
constexpr std::uint32_t kMemoryKibMax = 2 * 1024 * 1024;
constexpr std::uint32_t kPassesMax = 32;

enum Kind : std::uint8_t { manifest = 1, section_begins = 2, octets = 3, section_ends = 4, the_end = 5 };

void append_number(Bytes& out, std::uint64_t number, std::size_t size_bytes) {
  for (std::size_t at = size_bytes; at-- > 0;) out.push_back(static_cast<std::uint8_t>(number >> (8 * at)));
}

std::uint64_t read_number(ByteView bytes) {
  std::uint64_t number = 0;
  for (const auto octet : bytes) number = number << 8 | octet;
  return number;
}

void append(Bytes& out, ByteView bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

Secret stream_key(const Secret& root) {
  return crypto::hkdf_sha256(root.reveal(), {}, base::as_bytes("latchkey backup stream"), crypto::kStreamKeyBytes);
}

Secret check_value(const Secret& root) {
  return crypto::hkdf_sha256(root.reveal(), {}, base::as_bytes("latchkey backup check"), kCheckBytes);
}

std::string text_of(const JsonObject& object) { return boost::json::serialize(object); }

}  // namespace

// ---- writing -------------------------------------------------------------------------------------------------------

Result<std::unique_ptr<BackupWriter>> BackupWriter::create(const std::string& path, Files& files, const Secret& passphrase, BackupCost cost,
                                                           const JsonObject& manifest, Entropy& entropy) {
  const auto salt = entropy.bytes(crypto::kArgon2SaltBytes);
  const auto root = crypto::argon2id(passphrase.reveal(), salt, {.memory_kib = cost.memory_kib, .passes = cost.passes});
  if (!root) return std::unexpected(root.error());
  auto file = files.open(path, OpenFile::create);
  if (!file) return std::unexpected(file.error());
  std::unique_ptr<BackupWriter> writer(new BackupWriter(std::move(*file), stream_key(*root)));
  auto& head = writer->head_;
  head = base::to_bytes(kMagic);
  append_number(head, kBackupFormat, 2);
  append_number(head, cost.memory_kib, 4);
  append_number(head, cost.passes, 4);
  append(head, salt);
  append(head, writer->sealer_.header());
  append(head, check_value(*root).reveal());
  if (auto written = writer->file_->pwrite(head, 0); !written) return std::unexpected(written.error());
  writer->offset_ = head.size();
  if (auto put = writer->put(Kind::manifest, base::as_bytes(text_of(manifest)), crypto::Piece::middle); !put) return std::unexpected(put.error());
  return writer;
}

Result<void> BackupWriter::put(std::uint8_t kind, ByteView body, crypto::Piece piece) {
  auto plain = Secret::of_size(body.size() + 1);
  plain.writable()[0] = kind;
  std::ranges::copy(body, plain.writable().begin() + 1);
  const auto sealed = sealer_.seal(plain.reveal(), head_, piece);
  Bytes framed;
  framed.reserve(sealed.size() + 4);
  append_number(framed, sealed.size(), 4);
  append(framed, sealed);
  if (auto written = file_->pwrite(framed, offset_); !written) return written;
  offset_ += framed.size();
  return {};
}

Result<void> BackupWriter::begin(const BackupSection& section) {
  digest_ = crypto::Sha256();
  section_bytes_ = 0;
  return put(Kind::section_begins, base::as_bytes(text_of({{"name", section.name}, {"kind", section.kind}})), crypto::Piece::middle);
}

Result<void> BackupWriter::write(ByteView bytes) {
  LATCHKEY_CHECK(bytes.size() <= kBackupPieceMax);
  digest_.update(bytes);
  section_bytes_ += bytes.size();
  return put(Kind::octets, bytes, crypto::Piece::middle);
}

Result<void> BackupWriter::end() {
  sections_ += 1;
  Bytes body;
  append_number(body, section_bytes_, 8);
  append(body, digest_.finish());
  return put(Kind::section_ends, body, crypto::Piece::middle);
}

Result<void> BackupWriter::finish() {
  Bytes body;
  append_number(body, sections_, 4);
  if (auto written = put(Kind::the_end, body, crypto::Piece::last); !written) return written;
  return file_->fdatasync();
}

// ---- reading -------------------------------------------------------------------------------------------------------

Result<std::unique_ptr<BackupReader>> BackupReader::open(const std::string& path, Files& files, const Secret& passphrase) {
  auto file = files.open(path, OpenFile::read_only);
  if (!file) {
    auto error = file.error();
    error.text = fmt::format("The backup {} cannot be opened ({}).", path, error.detail);
    return std::unexpected(std::move(error));
  }
  auto head = (*file)->pread(kHeadBytes, 0);
  if (!head) return std::unexpected(head.error());
  const ByteView all(*head);
  if (all.size() < kMagic.size() || base::as_text(all.first(kMagic.size())) != kMagic) {
    return fail(ErrorKind::invalid, "not_a_backup", fmt::format("{} is no backup of Latchkey.", path));
  }
  if (all.size() < kHeadBytes) {
    return fail(ErrorKind::corrupt, "backup_truncated", fmt::format("The backup {} is cut off at its very beginning. Use another copy.", path));
  }
  const auto version = read_number(all.subspan(8, 2));
  if (version != kBackupFormat) {
    return fail(ErrorKind::invalid, "future_backup",
                fmt::format("The backup {} is of format {}, and this version reads format {}. Restore it with the version that made it, or a newer one.",
                            path, version, kBackupFormat));
  }
  const auto memory = static_cast<std::uint32_t>(read_number(all.subspan(10, 4)));
  const auto passes = static_cast<std::uint32_t>(read_number(all.subspan(14, 4)));
  if (memory < kMemoryKibMin || memory > kMemoryKibMax || passes == 0 || passes > kPassesMax) {
    return fail(ErrorKind::corrupt, "backup_damaged", fmt::format("The head of the backup {} is damaged. Use another copy.", path));
  }
  const auto root = crypto::argon2id(passphrase.reveal(), all.subspan(18, crypto::kArgon2SaltBytes), {.memory_kib = memory, .passes = passes});
  if (!root) return std::unexpected(root.error());
  if (!base::equal_in_constant_time(check_value(*root).reveal(), all.subspan(kCheckAt, kCheckBytes))) {
    return fail(ErrorKind::refused, "wrong_passphrase",
                fmt::format("The passphrase does not open the backup {} (or the file's first octets are damaged).", path));
  }
  const auto size = head->size();
  std::unique_ptr<BackupReader> reader(new BackupReader(path, std::move(*file), std::move(*head), stream_key(*root)));
  reader->offset_ = size;
  auto piece = reader->take();
  if (!piece) return std::unexpected(piece.error());
  const auto parsed = parse_json(piece->body.reveal_text());
  if (piece->kind != Kind::manifest || !parsed || !parsed->is_object()) return reader->damaged("no manifest");
  reader->manifest_ = parsed->get_object();
  return reader;
}

std::unexpected<Error> BackupReader::damaged(std::string detail) const {
  return fail(ErrorKind::corrupt, "backup_damaged", fmt::format("The backup {} is damaged: it was changed since it was written. Use another copy.", path_),
              {.detail = std::move(detail)});
}

Result<BackupReader::Piece> BackupReader::take() {
  const auto cut = [this] {
    return fail(ErrorKind::corrupt, "backup_truncated", fmt::format("The backup {} is cut off: its end is missing. Use another copy.", path_));
  };
  const auto length = file_->pread(4, offset_);
  if (!length) return std::unexpected(length.error());
  if (length->size() < 4) return cut();
  const auto size = read_number(*length);
  if (size > kBackupPieceMax + 1 + crypto::kStreamOverheadBytes) return damaged("length of a piece");
  const auto sealed = file_->pread(size, offset_ + 4);
  if (!sealed) return std::unexpected(sealed.error());
  if (sealed->size() < size) return cut();
  auto opened = opener_.open(*sealed, head_);
  if (!opened || opened->plain.empty()) return damaged(fmt::format("piece at {}", offset_));
  offset_ += 4 + size;
  const auto plain = opened->plain.reveal();
  return Piece{.kind = plain[0], .body = Secret(plain.subspan(1)), .last = opened->piece == crypto::Piece::last};
}

Result<std::optional<BackupSection>> BackupReader::next() {
  auto piece = take();
  if (!piece) return std::unexpected(piece.error());
  if (piece->kind == Kind::the_end && piece->last) {
    if (piece->body.size() != 4 || read_number(piece->body.reveal()) != sections_) return damaged("number of sections");
    return std::nullopt;
  }
  const auto parsed = parse_json(piece->body.reveal_text());
  if (piece->kind != Kind::section_begins || !parsed || !parsed->is_object()) return damaged("no section begins");
  digest_ = crypto::Sha256();
  section_bytes_ = 0;
  sections_ += 1;
  return BackupSection{.name = base::string_or(parsed->get_object(), "name"), .kind = base::string_or(parsed->get_object(), "kind")};
}

Result<std::optional<Secret>> BackupReader::read() {
  auto piece = take();
  if (!piece) return std::unexpected(piece.error());
  if (piece->kind == Kind::octets) {
    digest_.update(piece->body.reveal());
    section_bytes_ += piece->body.size();
    return std::move(piece->body);
  }
  if (piece->kind != Kind::section_ends || piece->body.size() != 40) return damaged("a section has no end");
  const auto end = piece->body.reveal();
  const auto digest = digest_.finish();
  if (read_number(end.first(8)) != section_bytes_ || !std::ranges::equal(end.subspan(8), digest)) return damaged("digest of a section");
  return std::nullopt;
}

}  // namespace latchkey::store

#include "delivery/spool_file.h"

#include <algorithm>
#include <cstring>

namespace latchkey::delivery {
namespace {

// The disk's words in the spool's terms: what to do about it is the same for every call.
std::unexpected<Error> disk_refused(const Error& error) {
  if (error.reason == "disk_full") {
    return fail(ErrorKind::unavailable, "spool_full",
                "The server's disk is full: the document was not accepted. Make room on the disk of the data directory.",
                {.detail = error.detail, .retry_after = Seconds(60)});
  }
  return fail(ErrorKind::unavailable, "spool_failed", "The server's disk does not do as it should; its log says more.",
              {.detail = error.detail});
}

std::unexpected<Error> damaged(std::string detail) {
  return fail(ErrorKind::corrupt, "document_damaged",
              "The spooled document was altered or is not whole; nothing of it was sent.", {.detail = std::move(detail)});
}

}  // namespace

std::string spool_path(const std::string& directory, DeliveryId id) { return directory + "/" + id.text(); }

std::optional<DeliveryId> spooled_id(std::string_view name) { return DeliveryId::parse(name); }

SpoolWriter::SpoolWriter(store::Files& files, std::string directory, DeliveryId id, Secret key)
    : files_(files), directory_(std::move(directory)), id_(id), cipher_(id, std::move(key)) {
  pending_.reserve(kChunkBytes);
}

SpoolWriter::~SpoolWriter() {
  forget_pending();
  if (kept_ || !created_) return;
  file_.reset();
  // What cannot be removed now is set aside at the next start: no record knows it.
  (void)files_.unlink(path());
}

std::string SpoolWriter::path() const { return spool_path(directory_, id_); }

Result<std::unique_ptr<SpoolWriter>> SpoolWriter::create(store::Files& files, const std::string& directory, DeliveryId id,
                                                         Secret key) {
  std::unique_ptr<SpoolWriter> writer(new SpoolWriter(files, directory, id, std::move(key)));
  auto file = files.open(writer->path(), store::OpenFile::create);
  if (!file) return disk_refused(file.error());
  writer->file_ = std::move(*file);
  writer->created_ = true;
  return writer;
}

Result<void> SpoolWriter::write_chunk(Chunk which) {
  const auto sealed = cipher_.seal(chunks_, which, pending_);
  if (auto written = file_->pwrite(sealed, chunk_offset(chunks_)); !written) return disk_refused(written.error());
  ++chunks_;
  held_ = std::max(held_, pending_.size());
  pending_.clear();
  return {};
}

void SpoolWriter::forget_pending() {
  pending_.resize(std::max(held_, pending_.size()));
  base::wipe(pending_.data(), pending_.size());
  pending_ = Bytes();
  held_ = 0;
}

Result<void> SpoolWriter::append(ByteView octets) {
  hash_.update(octets);
  size_bytes_ += octets.size();
  while (!octets.empty()) {
    if (pending_.size() == kChunkBytes) {
      if (auto written = write_chunk(Chunk::middle); !written) return written;
    }
    const auto count = std::min(octets.size(), kChunkBytes - pending_.size());
    pending_.insert(pending_.end(), octets.begin(), octets.begin() + static_cast<std::ptrdiff_t>(count));
    octets = octets.subspan(count);
  }
  return {};
}

bool SpoolWriter::wants_sync() {
  if (size_bytes_ < sync_at_) return false;
  sync_at_ = size_bytes_ + kSyncEveryBytes;
  return !sync_wanted_.exchange(true);
}

void SpoolWriter::sync_so_far() {
  (void)sync();
  sync_wanted_ = false;
}

Result<void> SpoolWriter::sync() {
  const std::lock_guard lock(syncing_);
  if (!file_) return {};  // one that was asked for on the way comes after the end
  if (!sync_failed_) {
    if (auto synced = file_->fdatasync(); !synced) sync_failed_ = std::move(synced.error());
  }
  if (sync_failed_) return disk_refused(*sync_failed_);
  return {};
}

Result<void> SpoolWriter::finish() {
  if (auto written = write_chunk(Chunk::last); !written) return written;
  // Last of all, so that its absence tells a beginning from a document without any key.
  if (auto written = file_->pwrite(cipher_.header(), 0); !written) return disk_refused(written.error());
  if (auto synced = sync(); !synced) return synced;
  if (auto synced = files_.sync_directory(directory_); !synced) return disk_refused(synced.error());
  {
    const std::lock_guard lock(syncing_);
    file_.reset();
  }
  forget_pending();
  return {};
}

Result<bool> is_finished(store::Files& files, const std::string& directory, DeliveryId id) {
  const auto file = files.open(spool_path(directory, id), store::OpenFile::existing);
  if (!file) return disk_refused(file.error());
  const auto begin = (*file)->pread(kDocumentHeaderBytes, 0);
  if (!begin) return disk_refused(begin.error());
  return *begin == document_header(id);
}

SpoolReader::SpoolReader(DocumentCipher cipher, std::unique_ptr<store::File> file, std::uint64_t size_bytes)
    : cipher_(std::move(cipher)), file_(std::move(file)), size_bytes_(size_bytes) {}

Result<std::unique_ptr<SpoolReader>> SpoolReader::open(store::Files& files, const std::string& directory, DeliveryId id,
                                                       Secret key, std::uint64_t size_bytes) {
  auto file = files.open(spool_path(directory, id), store::OpenFile::existing);
  if (!file && file.error().reason == "no_file") {
    return fail(ErrorKind::not_found, "document_missing", "The document is not in this server's spool any more.",
                {.detail = id.text()});
  }
  if (!file) return disk_refused(file.error());
  const auto length = (*file)->size();
  if (!length) return disk_refused(length.error());
  if (*length != file_bytes_of(size_bytes)) return damaged(id.text() + " has another length");
  const auto header = (*file)->pread(kDocumentHeaderBytes, 0);
  if (!header) return disk_refused(header.error());
  DocumentCipher cipher(id, std::move(key));
  if (*header != cipher.header()) return damaged(id.text() + " begins otherwise");
  return std::unique_ptr<SpoolReader>(new SpoolReader(std::move(cipher), std::move(*file), size_bytes));
}

Result<Secret> SpoolReader::open_chunk(std::uint64_t number) const {
  const bool last = number + 1 == chunks_of(size_bytes_);
  const auto begin = number * kChunkBytes;
  const std::size_t size = last ? static_cast<std::size_t>(size_bytes_ - begin) : kChunkBytes;
  const auto sealed = file_->pread(size + kChunkTagBytes, chunk_offset(number));
  if (!sealed) return disk_refused(sealed.error());
  auto plain = cipher_.open(number, last ? Chunk::last : Chunk::middle, *sealed);
  if (!plain || plain->size() != size) return damaged("chunk " + std::to_string(number));
  return std::move(*plain);
}

Result<Secret> SpoolReader::read(std::uint64_t offset, std::size_t size_bytes) const {
  // An empty document's only chunk is opened, too: it says that the document is whole.
  if (offset >= size_bytes_ && size_bytes_ > 0) return Secret();
  size_bytes = static_cast<std::size_t>(std::min<std::uint64_t>(size_bytes, size_bytes_ - offset));
  auto out = Secret::of_size(size_bytes);
  std::size_t filled = 0;
  do {
    const auto at = offset + filled;
    const auto chunk = open_chunk(at / kChunkBytes);
    if (!chunk) return std::unexpected(chunk.error());
    const auto skip = static_cast<std::size_t>(at % kChunkBytes);
    const auto count = std::min(size_bytes - filled, chunk->size() - skip);
    if (count > 0) std::memcpy(out.writable().data() + filled, chunk->reveal().data() + skip, count);
    filled += count;
  } while (filled < size_bytes);
  return out;
}

}  // namespace latchkey::delivery

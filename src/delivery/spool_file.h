// One document of the spool, written once and read in any order. Blocking: for the disk's thread (spool.h).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "crypto/hash.h"
#include "delivery/document_cipher.h"
#include "store/files.h"

namespace latchkey::delivery {

// A resource; one thread at a time, beside which another may be in sync_so_far(). Until finish() has returned, what is on
// the disk lacks its header and its last chunk, and opens for nobody.
class SpoolWriter {
 public:
  // Errors: unavailable/`spool_full`, `spool_failed`.
  [[nodiscard]] static Result<std::unique_ptr<SpoolWriter>> create(store::Files& files, const std::string& directory,
                                                                   DeliveryId id, Secret key);
  static constexpr std::uint64_t kSyncEveryBytes = 16 << 20;
  SpoolWriter(const SpoolWriter&) = delete;
  SpoolWriter& operator=(const SpoolWriter&) = delete;
  // Removes the file unless it is to be kept.
  ~SpoolWriter();

  // Errors as of create(); after one the document is lost, and only the destructor is left to call.
  [[nodiscard]] Result<void> append(ByteView octets);
  // Whether so much has been written since that the disk had better begin with it now: then finish() has little left to wait
  // for. Once for each sync_so_far().
  [[nodiscard]] bool wants_sync();
  // What has been written is on the medium. One that fails is heard of in finish(): the kernel reports it once only.
  void sync_so_far();
  // Writes the last chunk, then the header; when it returns, file and directory are on the medium, and the file is closed.
  [[nodiscard]] Result<void> finish();
  void keep() { kept_ = true; }
  [[nodiscard]] bool is_kept() const { return kept_; }

  [[nodiscard]] std::uint64_t size_bytes() const { return size_bytes_; }
  // Of the plaintext; once, after finish().
  [[nodiscard]] crypto::Digest sha256() { return hash_.finish(); }

 private:
  SpoolWriter(store::Files& files, std::string directory, DeliveryId id, Secret key);
  [[nodiscard]] std::string path() const;
  [[nodiscard]] Result<void> write_chunk(Chunk which);
  [[nodiscard]] Result<void> sync();
  void forget_pending();

  store::Files& files_;
  std::string directory_;
  DeliveryId id_;
  DocumentCipher cipher_;
  std::unique_ptr<store::File> file_;
  Bytes pending_;  // at most a chunk: whether it is the last one shows with what follows
  std::size_t held_ = 0;  // octets of its place that a chunk has lain in
  std::uint64_t chunks_ = 0;
  std::uint64_t size_bytes_ = 0;
  crypto::Sha256 hash_;
  bool created_ = false;
  std::atomic<bool> kept_ = false;  // said by the record's thread, read by the disk's
  std::uint64_t sync_at_ = kSyncEveryBytes;
  std::atomic<bool> sync_wanted_ = false;
  std::mutex syncing_;  // guards the file's sync, its end, and what came of it
  std::optional<Error> sync_failed_;
};

// A resource; any number of threads.
class SpoolReader {
 public:
  // `size_bytes` as the record says. Errors: not_found/`document_missing`; corrupt/`document_damaged` when the file is of
  // another length or begins otherwise; unavailable/`spool_failed`.
  [[nodiscard]] static Result<std::unique_ptr<SpoolReader>> open(store::Files& files, const std::string& directory,
                                                                 DeliveryId id, Secret key, std::uint64_t size_bytes);
  SpoolReader(const SpoolReader&) = delete;
  SpoolReader& operator=(const SpoolReader&) = delete;
  ~SpoolReader() = default;

  [[nodiscard]] std::uint64_t size_bytes() const { return size_bytes_; }
  // From there on, fewer only at the document's end. Errors: corrupt/`document_damaged`, unavailable/`spool_failed`.
  [[nodiscard]] Result<Secret> read(std::uint64_t offset, std::size_t size_bytes) const;

 private:
  SpoolReader(DocumentCipher cipher, std::unique_ptr<store::File> file, std::uint64_t size_bytes);
  [[nodiscard]] Result<Secret> open_chunk(std::uint64_t number) const;

  DocumentCipher cipher_;
  std::unique_ptr<store::File> file_;
  std::uint64_t size_bytes_;
};

// Whether a document's file was written to its end: a writer that died leaves none with a header. Errors:
// unavailable/`spool_failed`.
[[nodiscard]] Result<bool> is_finished(store::Files& files, const std::string& directory, DeliveryId id);

// The file of a document, and the document of a file's name (nullopt: the file is none of the spool's).
[[nodiscard]] std::string spool_path(const std::string& directory, DeliveryId id);
[[nodiscard]] std::optional<DeliveryId> spooled_id(std::string_view name);

}  // namespace latchkey::delivery

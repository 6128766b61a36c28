// The spool: documents on this node's disk, encrypted, written and read by threads of its own so that the network never
// waits, synced by others: many syncs that wait for the disk at once share its journal's commits, and hold up no writing.
//
// Invariants: what receive() → finish() has answered survives the loss of power; a document abandoned before leaves no file;
// nothing is held in memory but the octets on their way: of a small document all of them, which is then written in one go. Concurrency: thread-safe; whoever awaits resumes on its own
// executor. The sealing, the files and the log outlive the spool, and the spool outlives what it gave out.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/pool.h"
#include "delivery/spool_file.h"
#include "delivery/spool_room.h"
#include "delivery/stray_documents.h"
#include "delivery/upload_places.h"
#include "grants/sealing.h"

namespace latchkey::delivery {

// What is known of a document once it is on the disk.
struct Spooled {
  std::uint64_t size_bytes = 0;
  crypto::Digest sha256{};
};

// A document being taken in; used by one task. Dropped before keep(): its file is removed.
class IncomingDocument {
 public:
  struct Threads {
    std::shared_ptr<base::Worker> disk;   // writes and reads
    std::shared_ptr<base::Worker> syncs;  // waits for the medium
  };
  // Blocking, for a thread of the disk: looks for room for so many octets, and makes the file.
  using Begin = std::function<Result<std::unique_ptr<SpoolWriter>>(std::uint64_t size_bytes)>;
  // What is no longer than this, or not yet, is on no disk before finish().
  static constexpr std::size_t kSmallBytes = 64 << 10;
  IncomingDocument(Threads threads, Begin begin, std::shared_ptr<const SpoolRoom> room, const grants::Sealing& sealing, DeliveryId id,
                   Secret key);
  IncomingDocument(const IncomingDocument&) = delete;
  IncomingDocument& operator=(const IncomingDocument&) = delete;
  ~IncomingDocument();

  // Makes the file at once: of a document of which it is known that it is not small. Errors as of append().
  [[nodiscard]] Task<Result<void>> begin(std::uint64_t size_bytes);
  // Errors: unavailable/`spool_full`, `spool_failed`; the document is lost then.
  [[nodiscard]] Task<Result<void>> append(Bytes octets);
  // File and directory are on the medium when it answers, and nothing is held open any more. Once. Errors as of append().
  [[nodiscard]] Task<Result<Spooled>> finish();
  // The document's key under the master key of this moment, bound to the delivery (FORMAT.md): for the record that is about
  // to be written, since a document may take longer to come in than a rotation takes.
  [[nodiscard]] Bytes sealed_key() const { return sealing_.seal_document_key(id_, key_); }
  // After finish(): from now on the file is for whoever writes the record to remove.
  void keep() { writer_->keep(); }

 private:
  Threads threads_;
  Begin begin_;
  std::shared_ptr<SpoolWriter> writer_;  // absent: what there is lies in small_
  Bytes small_;
  bool lost_ = false;
  std::shared_ptr<const SpoolRoom> room_;
  std::uint64_t room_checked_ = 0;  // for so many octets
  const grants::Sealing& sealing_;
  DeliveryId id_;
  Secret key_;
};

// A document on its way out.
class OutgoingDocument {
 public:
  OutgoingDocument(std::shared_ptr<base::Worker> disk, std::unique_ptr<SpoolReader> reader)
      : disk_(std::move(disk)), reader_(std::move(reader)) {}

  [[nodiscard]] std::uint64_t size_bytes() const { return reader_->size_bytes(); }
  // From `offset` on, fewer only at the end. Errors: corrupt/`document_damaged`, unavailable/`spool_failed`.
  [[nodiscard]] Task<Result<Secret>> read(std::uint64_t offset, std::size_t size_bytes);
  // Held for as long as it is being read.
  void hold(std::shared_ptr<UploadPlaces::Place> place) { place_ = std::move(place); }

 private:
  std::shared_ptr<UploadPlaces::Place> place_;
  std::shared_ptr<base::Worker> disk_;
  std::shared_ptr<SpoolReader> reader_;
};

class Spool {
 public:
  struct Parts {
    store::Files& files;
    const grants::Sealing& sealing;
    Entropy& entropy;
    Log& log;
    std::string directory;  // DATA/spool
    base::Hire hire = base::hire_threads;
    std::function<DiskReserve()> reserve = [] { return DiskReserve{}; };  // from any thread
    std::function<Result<store::DiskRoom>(const std::string& directory)> room = store::disk_room;
  };
  explicit Spool(Parts parts);
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  // Makes the directory, durably. Blocking; at start. Errors: misconfigured/`spool_directory`.
  [[nodiscard]] Result<void> prepare();

  // Begins a document; `id` is drawn for it and never used again. `size_bytes`: as far as it is known. Errors, of what is known not to
  // be small: unavailable/`spool_full` (also where the reserve would be touched), `spool_failed`.
  [[nodiscard]] Task<Result<std::unique_ptr<IncomingDocument>>> receive(DeliveryId id, std::uint64_t size_bytes = 0);
  // Errors: not_found/`document_missing`, corrupt/`document_damaged`, corrupt/`ciphertext_rejected`,
  // unavailable/`spool_failed`.
  [[nodiscard]] Task<Result<std::unique_ptr<OutgoingDocument>>> open(DeliveryId id, Bytes key_sealed,
                                                                     std::uint64_t size_bytes);
  // For whoever fetches it over a line of theirs: a bounded number at once, altogether and of one (`reader`: whatever tells
  // one from another). Errors besides those of open(): unavailable/`too_many_downloads`, `too_many_downloads_of_one`.
  [[nodiscard]] Task<Result<std::unique_ptr<OutgoingDocument>>> open_for(std::string reader, DeliveryId id, Bytes key_sealed,
                                                                         std::uint64_t size_bytes);
  // A document that is not there is removed already.
  [[nodiscard]] Task<Result<void>> remove(DeliveryId id);
  // Whose documents lie there, whole or not.
  [[nodiscard]] Task<Result<std::vector<DeliveryId>>> documents();

  // Documents that the store does not know: as StrayDocuments says.
  [[nodiscard]] Task<Result<std::size_t>> settle_strays(std::vector<DeliveryId> unknown, WallTime now);
  [[nodiscard]] Task<Result<std::vector<StrayDocument>>> strays();
  [[nodiscard]] Task<Result<void>> take_back(std::vector<StrayDocument> known);
  [[nodiscard]] Task<Result<std::size_t>> remove_strays_found_before(WallTime moment);
  [[nodiscard]] std::string strays_directory() const { return strays_.directory(); }

 private:
  Parts parts_;
  IncomingDocument::Threads threads_;
  std::shared_ptr<const SpoolRoom> room_;
  StrayDocuments strays_;
  UploadPlaces downloads_{UploadPlaces::Direction::out};
};

}  // namespace latchkey::delivery

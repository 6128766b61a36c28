#include "delivery/spool.h"

#include <filesystem>

namespace latchkey::delivery {
namespace {

constexpr std::size_t kDiskThreads = 2;
constexpr std::size_t kSyncThreads = 8;
constexpr UploadLimits kDownloads{.at_once = 64, .at_once_of_one = 8};

// A document's file with what there is of the document.
Result<std::shared_ptr<SpoolWriter>> begun(const IncomingDocument::Begin& begin, std::uint64_t size_bytes, Bytes small) {
  auto writer = begin(size_bytes);
  const auto done = writer ? (*writer)->append(small) : Result<void>(std::unexpected(writer.error()));
  base::wipe(small.data(), small.size());
  if (!done) return std::unexpected(done.error());
  return std::shared_ptr<SpoolWriter>(std::move(*writer));
}

// Of a document that could not be written a moment ago.
std::unexpected<Error> lost() {
  return fail(ErrorKind::unavailable, "spool_failed", "The server's disk does not do as it should; its log says more.");
}

}  // namespace

IncomingDocument::IncomingDocument(Threads threads, Begin begin, std::shared_ptr<const SpoolRoom> room,
                                   const grants::Sealing& sealing, DeliveryId id, Secret key)
    : threads_(std::move(threads)),
      begin_(std::move(begin)),
      room_(std::move(room)),
      sealing_(sealing),
      id_(id),
      key_(std::move(key)) {}

IncomingDocument::~IncomingDocument() {
  base::wipe(small_.data(), small_.size());
  // Removing the file is the disk thread's work; of one that is kept nothing is open any more.
  if (writer_ && !writer_->is_kept()) threads_.disk->post([writer = std::move(writer_)]() mutable { writer.reset(); });
}

Task<Result<void>> IncomingDocument::begin(std::uint64_t size_bytes) {
  auto work = [begin = begin_, size_bytes, small = std::exchange(small_, {})]() mutable { return begun(begin, size_bytes, std::move(small)); };
  auto writer = co_await threads_.disk->run(std::move(work));
  lost_ = !writer;
  if (!writer) co_return std::unexpected(writer.error());
  writer_ = std::move(*writer);
  co_return Result<void>{};
}

Task<Result<void>> IncomingDocument::append(Bytes octets) {
  if (!writer_ && !lost_ && small_.size() + octets.size() <= kSmallBytes) {
    if (small_.empty()) small_.reserve(kSmallBytes);  // none of it is left behind by growing
    small_.insert(small_.end(), octets.begin(), octets.end());
    base::wipe(octets.data(), octets.size());
    co_return Result<void>{};
  }
  Result<void> goes_on = lost_ ? Result<void>(lost()) : Result<void>{};
  if (!writer_ && goes_on) goes_on = co_await begin(kSmallBytes);
  if (!goes_on) {
    base::wipe(octets.data(), octets.size());
    co_return goes_on;
  }
  const bool look = writer_->size_bytes() + octets.size() >= room_checked_;
  if (look) room_checked_ = writer_->size_bytes() + octets.size() + SpoolRoom::kLookEveryBytes;
  auto work = [writer = writer_, room = look ? room_ : nullptr, octets = std::move(octets)]() mutable -> Result<void> {
    auto done = room ? room->check(SpoolRoom::kLookEveryBytes) : Result<void>{};
    if (done) done = writer->append(octets);
    base::wipe(octets.data(), octets.size());
    return done;
  };
  const auto done = co_await threads_.disk->run(std::move(work));
  if (done && writer_->wants_sync()) threads_.syncs->post([writer = writer_] { writer->sync_so_far(); });
  co_return done;
}

Task<Result<Spooled>> IncomingDocument::finish() {
  if (lost_) co_return lost();
  struct Written {
    std::shared_ptr<SpoolWriter> writer;
    Spooled spooled;
  };
  auto work = [begin = begin_, writer = writer_, small = std::exchange(small_, {})]() mutable -> Result<Written> {
    if (!writer) {
      const auto size_bytes = small.size();
      auto made = begun(begin, size_bytes, std::move(small));
      if (!made) return std::unexpected(made.error());
      writer = std::move(*made);
    }
    if (auto done = writer->finish(); !done) return std::unexpected(done.error());
    const auto size_bytes = writer->size_bytes();
    const auto sha256 = writer->sha256();
    return Written{.writer = std::move(writer), .spooled = {.size_bytes = size_bytes, .sha256 = sha256}};
  };
  auto written = co_await threads_.syncs->run(std::move(work));
  lost_ = !written;
  if (!written) co_return std::unexpected(written.error());
  writer_ = std::move(written->writer);
  co_return written->spooled;
}

Task<Result<Secret>> OutgoingDocument::read(std::uint64_t offset, std::size_t size_bytes) {
  auto work = [reader = reader_, offset, size_bytes] { return reader->read(offset, size_bytes); };
  co_return co_await disk_->run(std::move(work));
}

Spool::Spool(Parts parts)
    : parts_(std::move(parts)),
      threads_{.disk = parts_.hire("spool", kDiskThreads), .syncs = parts_.hire("spool syncs", kSyncThreads)},
      room_(std::make_shared<SpoolRoom>([this] { return parts_.room(parts_.directory); },
                                        [this] { return parts_.reserve(); })),
      strays_(parts_.files, parts_.directory) {}

Result<void> Spool::prepare() {
  auto made = parts_.files.make_directory(parts_.directory);
  // A document is as durable as the names above it.
  if (made) made = parts_.files.sync_directory(std::filesystem::path(parts_.directory).parent_path().string());
  if (!made) {
    return fail(ErrorKind::misconfigured, "spool_directory",
                "The spool's directory " + parts_.directory +
                    " cannot be made. Check who owns the data directory, and that its disk has room.",
                {.detail = made.error().detail});
  }
  return {};
}

Task<Result<std::unique_ptr<IncomingDocument>>> Spool::receive(DeliveryId id, std::uint64_t size_bytes) {
  Secret key(parts_.entropy.bytes(kDocumentKeyBytes));
  auto begin = [files = &parts_.files, log = &parts_.log, room = room_, directory = parts_.directory, id,
                key = std::make_shared<const Secret>(key.clone())](std::uint64_t bytes) -> Result<std::unique_ptr<SpoolWriter>> {
    auto enough = room->check(bytes);
    auto writer = enough ? SpoolWriter::create(*files, directory, id, key->clone()) : std::unexpected(enough.error());
    if (!writer) log->error("spool_not_written", writer.error());
    return writer;
  };
  auto document = std::make_unique<IncomingDocument>(threads_, std::move(begin), room_, parts_.sealing, id, std::move(key));
  if (size_bytes > IncomingDocument::kSmallBytes) {
    if (const auto begun = co_await document->begin(size_bytes); !begun) co_return std::unexpected(begun.error());
  }
  co_return document;
}

Task<Result<std::unique_ptr<OutgoingDocument>>> Spool::open(DeliveryId id, Bytes key_sealed, std::uint64_t size_bytes) {
  auto key = parts_.sealing.open_document_key(id, key_sealed);
  if (!key) co_return std::unexpected(key.error());
  auto* files = &parts_.files;
  auto work = [files, directory = parts_.directory, id, key = std::move(*key), size_bytes]() mutable {
    return SpoolReader::open(*files, directory, id, std::move(key), size_bytes);
  };
  auto reader = co_await threads_.disk->run(std::move(work));
  if (!reader) co_return std::unexpected(reader.error());
  co_return std::make_unique<OutgoingDocument>(threads_.disk, std::move(*reader));
}

Task<Result<std::unique_ptr<OutgoingDocument>>> Spool::open_for(std::string reader, DeliveryId id, Bytes key_sealed,
                                                                std::uint64_t size_bytes) {
  auto place = downloads_.take(std::move(reader), kDownloads);
  if (!place) co_return std::unexpected(place.error());
  auto document = co_await open(id, std::move(key_sealed), size_bytes);
  if (document) (*document)->hold(std::move(*place));
  co_return document;
}

Task<Result<void>> Spool::remove(DeliveryId id) {
  auto* files = &parts_.files;
  auto work = [files, path = spool_path(parts_.directory, id)]() -> Result<void> {
    auto gone = files->unlink(path);
    if (!gone && gone.error().reason == "no_file") return {};
    return gone;
  };
  co_return co_await threads_.disk->run(std::move(work));
}

Task<Result<std::vector<DeliveryId>>> Spool::documents() {
  auto* files = &parts_.files;
  auto work = [files, directory = parts_.directory]() -> Result<std::vector<DeliveryId>> {
    const auto names = files->list(directory);
    if (!names) return std::unexpected(names.error());
    std::vector<DeliveryId> found;
    for (const auto& name : *names) {
      if (const auto id = spooled_id(name)) found.push_back(*id);
    }
    return found;
  };
  co_return co_await threads_.disk->run(std::move(work));
}

Task<Result<std::size_t>> Spool::settle_strays(std::vector<DeliveryId> unknown, WallTime now) {
  auto work = [strays = strays_, unknown = std::move(unknown), now] { return strays.settle(unknown, now); };
  co_return co_await threads_.disk->run(std::move(work));
}

Task<Result<std::vector<StrayDocument>>> Spool::strays() {
  co_return co_await threads_.disk->run([strays = strays_] { return strays.list(); });
}

Task<Result<void>> Spool::take_back(std::vector<StrayDocument> known) {
  auto work = [strays = strays_, known = std::move(known)] { return strays.take_back(known); };
  co_return co_await threads_.disk->run(std::move(work));
}

Task<Result<std::size_t>> Spool::remove_strays_found_before(WallTime moment) {
  co_return co_await threads_.disk->run([strays = strays_, moment] { return strays.remove_found_before(moment); });
}

}  // namespace latchkey::delivery

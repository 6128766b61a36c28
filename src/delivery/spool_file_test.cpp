#include "delivery/spool_file.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "store/store_testing.h"

namespace latchkey::delivery {
namespace {

constexpr std::uint64_t kSizes[] = {
    0, 1, 50'000, kChunkBytes - 1, kChunkBytes, kChunkBytes + 1, 2 * kChunkBytes, 5 * kChunkBytes + 77};

class SpoolFile : public ::testing::Test {
 protected:
  [[nodiscard]] Bytes document(std::uint64_t size) {
    Bytes octets(size);
    entropy_.fill(octets);
    return octets;
  }
  [[nodiscard]] DeliveryId id() { return DeliveryId::make(WallTime(Milliseconds(1)), entropy_); }
  [[nodiscard]] static Secret key(std::uint8_t octet = 7) { return Secret(Bytes(kDocumentKeyBytes, octet)); }

  DeliveryId write(const Bytes& octets, std::size_t piece = 10'007) {
    const auto made = id();
    auto writer = SpoolWriter::create(files_, directory_.path(), made, key());
    EXPECT_TRUE(writer);
    for (std::size_t at = 0; at < octets.size(); at += piece) {
      EXPECT_TRUE((*writer)->append(ByteView(octets).subspan(at, std::min(piece, octets.size() - at))));
    }
    EXPECT_TRUE((*writer)->finish());
    (*writer)->keep();
    EXPECT_EQ((*writer)->size_bytes(), octets.size());
    EXPECT_EQ((*writer)->sha256(), crypto::sha256(octets));
    return made;
  }
  [[nodiscard]] Result<std::unique_ptr<SpoolReader>> open(DeliveryId which, std::uint64_t size) {
    return SpoolReader::open(files_, directory_.path(), which, key(), size);
  }
  // Everything, in reads of `piece`; the first error.
  [[nodiscard]] Result<Bytes> read_all(DeliveryId which, std::uint64_t size, std::size_t piece = 100'000) {
    auto reader = open(which, size);
    if (!reader) return std::unexpected(reader.error());
    Bytes out;
    do {
      auto part = (*reader)->read(out.size(), piece);
      if (!part) return std::unexpected(part.error());
      out.insert(out.end(), part->reveal().begin(), part->reveal().end());
      if (part->size() == 0) break;
    } while (out.size() < size);
    return out;
  }
  [[nodiscard]] std::string path(DeliveryId which) const { return spool_path(directory_.path(), which); }
  [[nodiscard]] Bytes on_disk(DeliveryId which) const {
    std::ifstream file(path(which), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void put_on_disk(DeliveryId which, const Bytes& octets) const {
    std::ofstream(path(which), std::ios::binary | std::ios::trunc)
        .write(reinterpret_cast<const char*>(octets.data()), static_cast<std::streamsize>(octets.size()));
  }
  [[nodiscard]] std::size_t files_there() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(directory_.path()), {}));
  }

  store::TemporaryDirectory directory_;
  store::SystemFiles system_;
  store::FaultyFiles files_{system_};
  base::SeededEntropy entropy_{5};
};

TEST_F(SpoolFile, GivesBackWhatWasWrittenAtEverySize) {
  for (const auto size : kSizes) {
    const auto octets = document(size);
    const auto made = write(octets);
    EXPECT_EQ(on_disk(made).size(), file_bytes_of(size)) << size;
    EXPECT_EQ(read_all(made, size).value(), octets) << size;
    EXPECT_EQ(read_all(made, size, 1 + size / 3).value(), octets) << size;
  }
}

TEST_F(SpoolFile, IsReadFromAnywhereWithoutWhatStandsBefore) {
  const auto octets = document(5 * kChunkBytes + 77);
  const auto made = write(octets);
  const auto reader = open(made, octets.size());
  ASSERT_TRUE(reader);
  for (const std::uint64_t from : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{kChunkBytes - 1},
                                   std::uint64_t{4 * kChunkBytes}, octets.size() - 1}) {
    const auto part = (*reader)->read(from, kChunkBytes + 2);
    ASSERT_TRUE(part) << from;
    const auto end = std::min<std::uint64_t>(octets.size(), from + kChunkBytes + 2);
    EXPECT_TRUE(std::ranges::equal(part->reveal(), ByteView(octets).subspan(from, end - from))) << from;
  }
  EXPECT_EQ((*reader)->read(octets.size(), 10)->size(), 0U);
}

TEST_F(SpoolFile, HoldsNothingInClear) {
  Bytes octets = base::to_bytes(std::string(100'000, 'A'));
  const auto made = write(octets);
  const auto disk = on_disk(made);
  EXPECT_EQ(base::as_text(disk).find("AAAAAAAA"), std::string_view::npos);
}

TEST_F(SpoolFile, ACutAnywhereIsNoticed) {
  const auto octets = document(3 * kChunkBytes);
  const auto made = write(octets);
  const auto whole = on_disk(made);
  // At every edge of a chunk, and one octet to either side.
  for (std::uint64_t chunk = 0; chunk <= 3; ++chunk) {
    for (const int beside : {-1, 0, 1}) {
      const auto cut = chunk_offset(chunk) + static_cast<std::uint64_t>(beside);
      if (cut >= whole.size()) continue;
      put_on_disk(made, Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(cut)));
      EXPECT_EQ(open(made, octets.size()).error().reason, "document_damaged") << cut;
      // Nor does it pass for the shorter document that ends there: its last chunk is not marked as last.
      const auto shorter = chunk * kChunkBytes;
      if (beside == 0 && chunk > 0) EXPECT_EQ(read_all(made, shorter).error().reason, "document_damaged") << chunk;
    }
  }
}

TEST_F(SpoolFile, AlteredMovedAndForeignChunksAreNoticed) {
  const auto octets = document(4 * kChunkBytes);
  const auto made = write(octets);
  const auto whole = on_disk(made);
  const auto chunk_at = [](Bytes& file, std::uint64_t number) {
    return file.begin() + static_cast<std::ptrdiff_t>(chunk_offset(number));
  };

  auto altered = whole;
  altered[chunk_offset(2) + 5] ^= 1;
  put_on_disk(made, altered);
  EXPECT_EQ(read_all(made, octets.size()).error().reason, "document_damaged");
  EXPECT_TRUE(open(made, octets.size()).value()->read(0, 2 * kChunkBytes)) << "the chunks before it are whole";

  auto swapped = whole;
  std::swap_ranges(chunk_at(swapped, 0), chunk_at(swapped, 1), chunk_at(swapped, 1));
  put_on_disk(made, swapped);
  EXPECT_EQ(read_all(made, octets.size()).error().reason, "document_damaged");

  auto repeated = whole;
  std::copy(chunk_at(repeated, 0), chunk_at(repeated, 1), chunk_at(repeated, 1));
  put_on_disk(made, repeated);
  EXPECT_EQ(read_all(made, octets.size()).error().reason, "document_damaged");

  // Another document's file under this one's name, both under one key: the header is bound to every chunk.
  const auto other = write(document(4 * kChunkBytes));
  put_on_disk(made, on_disk(other));
  EXPECT_EQ(open(made, octets.size()).error().reason, "document_damaged");
  auto renamed = on_disk(other);
  std::copy(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(kDocumentHeaderBytes), renamed.begin());
  put_on_disk(made, renamed);
  EXPECT_EQ(read_all(made, octets.size()).error().reason, "document_damaged");

  auto longer = whole;
  longer.push_back(0);
  put_on_disk(made, longer);
  EXPECT_EQ(open(made, octets.size()).error().reason, "document_damaged");

  put_on_disk(made, whole);
  EXPECT_EQ(SpoolReader::open(files_, directory_.path(), made, key(8), octets.size()).value()->read(0, 1).error().reason,
            "document_damaged");
  EXPECT_EQ(read_all(made, octets.size()).value(), octets) << "the test's own files are right";
}

TEST_F(SpoolFile, AnEmptyDocumentIsProvenToo) {
  const auto made = write({});
  auto disk = on_disk(made);
  disk.back() ^= 1;
  put_on_disk(made, disk);
  EXPECT_EQ(read_all(made, 0).error().reason, "document_damaged");
}

// D2: a process that dies in mid-document leaves what no size makes whole.
TEST_F(SpoolFile, D2_WhatWasNotFinishedOpensForNobody) {
  const auto made = id();
  const auto octets = document(3 * kChunkBytes);
  auto writer = SpoolWriter::create(files_, directory_.path(), made, key());
  ASSERT_TRUE(writer);
  ASSERT_TRUE((*writer)->append(octets));
  const auto disk = on_disk(made);
  ASSERT_EQ(disk.size(), chunk_offset(2)) << "the chunk that may be the last one waits";
  for (std::uint64_t chunks = 1; chunks <= 3; ++chunks) {
    EXPECT_FALSE(read_all(made, chunks * kChunkBytes)) << chunks;
    EXPECT_FALSE(read_all(made, chunks * kChunkBytes - 1)) << chunks;
  }
  writer->reset();
  EXPECT_EQ(files_there(), 0U) << "abandoned: nothing stays";
}

// Without a key, as who finds it at a start.
TEST_F(SpoolFile, D2_ABeginningIsToldFromADocument) {
  for (const auto size : kSizes) {
    const auto made = id();
    auto writer = SpoolWriter::create(files_, directory_.path(), made, key());
    ASSERT_TRUE(writer);
    EXPECT_FALSE(is_finished(files_, directory_.path(), made).value()) << size;
    ASSERT_TRUE((*writer)->append(document(size)));
    EXPECT_FALSE(is_finished(files_, directory_.path(), made).value()) << size;
    ASSERT_TRUE((*writer)->finish());
    EXPECT_TRUE(is_finished(files_, directory_.path(), made).value()) << size;
  }
}

TEST_F(SpoolFile, AFullDiskIsNamedAndLeavesNothing) {
  for (const int failing : {1, 2, 3}) {
    int writes = 0;
    files_.set_fault([&](std::string_view call) { return call == "pwrite" && ++writes == failing ? ENOSPC : 0; });
    auto writer = SpoolWriter::create(files_, directory_.path(), id(), key());
    Result<void> done;
    if (!writer) {
      done = std::unexpected(writer.error());
    } else {
      done = (*writer)->append(document(kChunkBytes + 1));
      if (done) done = (*writer)->finish();
    }
    ASSERT_FALSE(done) << failing;
    EXPECT_EQ(done.error().reason, "spool_full");
    EXPECT_EQ(done.error().kind, ErrorKind::unavailable);
    if (writer) writer->reset();
    EXPECT_EQ(files_there(), 0U) << failing;
  }
}

TEST_F(SpoolFile, NothingIsAcknowledgedThatWasNotSynced) {
  for (const char* call : {"fdatasync", "fsync"}) {
    files_.set_fault([&](std::string_view asked) { return asked == call ? EIO : 0; });
    auto writer = SpoolWriter::create(files_, directory_.path(), id(), key());
    ASSERT_TRUE(writer);
    ASSERT_TRUE((*writer)->append(document(10)));
    EXPECT_EQ((*writer)->finish().error().reason, "spool_failed") << call;
    writer->reset();
    EXPECT_EQ(files_there(), 0U) << call;
  }
}

// The kernel reports a failed sync to whoever asks first, and may say that all is well the next time.
TEST_F(SpoolFile, ASyncThatFailedOnTheWayIsNotForgotten) {
  auto writer = SpoolWriter::create(files_, directory_.path(), id(), key());
  ASSERT_TRUE(writer);
  EXPECT_FALSE((*writer)->wants_sync());
  ASSERT_TRUE((*writer)->append(document(SpoolWriter::kSyncEveryBytes)));
  ASSERT_TRUE((*writer)->wants_sync());
  ASSERT_TRUE((*writer)->append(document(SpoolWriter::kSyncEveryBytes)));
  EXPECT_FALSE((*writer)->wants_sync()) << "the one before has not been made yet";
  files_.set_fault([](std::string_view call) { return call == "fdatasync" ? EIO : 0; });
  (*writer)->sync_so_far();
  files_.set_fault({});
  ASSERT_TRUE((*writer)->append(document(SpoolWriter::kSyncEveryBytes)));
  EXPECT_TRUE((*writer)->wants_sync());
  EXPECT_EQ((*writer)->finish().error().reason, "spool_failed");
  EXPECT_EQ(files_.calls("fdatasync"), 1) << "a sync that failed is never asked for again";
  writer->reset();
  EXPECT_EQ(files_there(), 0U);
}

TEST_F(SpoolFile, AnAbsentDocumentIsSaidToBeMissing) {
  const auto missing = open(id(), 10);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().reason, "document_missing");
  EXPECT_EQ(missing.error().kind, ErrorKind::not_found);
}

}  // namespace
}  // namespace latchkey::delivery

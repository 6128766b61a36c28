// A disk that forgets: what was not synced when its machine died may be there, in part, or not at all.
//
// Contents live in pages; a sync copies what has changed to the medium. At a crash every 512-octet sector that was
// written and not synced is kept or not by chance (torn writes), the file's new size is kept or not, and of the changes of names
// not synced a prefix is kept. A full disk refuses room (ENOSPC); a failing one refuses writes, which may have been made in
// part, and syncs (EIO). After a failed sync the kernel may have dropped what it could not write: later syncs succeed without it.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "chance.h"
#include "store/files.h"
#include "timeline.h"

namespace latchkey::simulation {

inline constexpr std::size_t kPageBytes = 4096;
inline constexpr std::size_t kSectorBytes = 512;

class FileOnDisk {
 public:
  void write(ByteView octets, std::uint64_t offset);
  void write_in_part(ByteView octets, std::uint64_t offset, Chance& chance);  // as one that fails midway
  [[nodiscard]] std::size_t read(std::span<std::uint8_t> out, std::uint64_t offset) const;  // octets read; the rest is zeroed
  [[nodiscard]] std::size_t read_medium(std::span<std::uint8_t> out, std::uint64_t offset) const;
  void truncate(std::uint64_t size);
  void grow(std::uint64_t size) { size_ = std::max(size_, size); }
  [[nodiscard]] std::uint64_t size() const { return size_; }
  // Whether writing there needs no new room.
  [[nodiscard]] bool has_room(std::uint64_t offset, std::size_t size_bytes) const { return offset + size_bytes <= reserved_; }
  void reserve(std::uint64_t size) { reserved_ = std::max(reserved_, size); }

  void sync();
  void drop_unsynced(Chance& chance);  // as a kernel after a failed sync: the cache keeps what the medium never got
  void crash(Chance& chance);

 private:
  using Page = std::array<std::uint8_t, kPageBytes>;
  using Pages = std::vector<std::shared_ptr<Page>>;  // nullptr: zeros
  static std::size_t read_from(const Pages& pages, std::uint64_t size, std::span<std::uint8_t> out, std::uint64_t offset);
  Page& writable(std::size_t index);

  Pages cache_;
  Pages medium_;
  std::map<std::size_t, bool> dirty_;
  std::uint64_t size_ = 0;
  std::uint64_t medium_size_ = 0;
  std::uint64_t reserved_ = 0;
};

enum class DiskCall { write, sync, make_room, name };

class Disk {
 public:
  explicit Disk(Chance chance) : chance_(chance) {}

  // What the world wants of the next calls.
  bool full = false;
  double failing_syncs = 0;
  double failing_writes = 0;  // and of renames, and of unlinking
  double failing_reads = 0;
  // Asked before every call that changes something; may kill the process whose call it is.
  std::function<void(DiskCall)> before;

  // 0 or an errno, for a call of a process that is alive.
  [[nodiscard]] int ask(DiskCall call);
  [[nodiscard]] int ask_to_read();
  void crash();
  // A copy of what is on the medium, as a new disk would have it.
  void take_image_of(const Disk& other);
  // One file of another disk, in place of what stands here; absent there: absent here. Durable at once.
  void take_file_of(const Disk& other, const std::string& path);

  [[nodiscard]] std::shared_ptr<FileOnDisk> find(const std::string& path) const;
  [[nodiscard]] std::shared_ptr<FileOnDisk> create(const std::string& path);
  void rename(const std::string& from, const std::string& to);
  void unlink(const std::string& path);
  [[nodiscard]] std::vector<std::string> list(const std::string& directory) const;
  void sync_names() { synced_names_ = names_; changes_.clear(); }
  // Every name and every octet, as a process would read them.
  void visit(const std::function<void(const std::string& path, ByteView octets)>& see) const;
  [[nodiscard]] Chance& chance() { return chance_; }

 private:
  using Names = std::map<std::string, std::shared_ptr<FileOnDisk>>;
  struct NameChange {
    std::string from;  // empty: created
    std::string to;    // empty: unlinked
    std::shared_ptr<FileOnDisk> file;
  };
  static void apply(Names& names, const NameChange& change);
  void change(NameChange change);

  Chance chance_;
  Names names_;
  Names synced_names_;
  std::vector<NameChange> changes_;
};

// The store room's file system on it, as one process sees it.
class SimulatedFiles final : public store::Files {
 public:
  SimulatedFiles(Disk& disk, Process& process) : disk_(disk), process_(process) {}
  [[nodiscard]] Result<std::unique_ptr<store::File>> open(const std::string& path, store::OpenFile how) override;
  [[nodiscard]] Result<void> rename(const std::string& from, const std::string& to) override;
  [[nodiscard]] Result<void> unlink(const std::string& path) override;
  [[nodiscard]] Result<std::vector<std::string>> list(const std::string& directory) override;
  [[nodiscard]] Result<void> make_directory(const std::string&) override { return {}; }
  [[nodiscard]] Result<void> sync_directory(const std::string& directory) override;

 private:
  class Open;
  // The errno of a call by this process; a zombie's always fail.
  [[nodiscard]] int ask(DiskCall call);
  [[nodiscard]] int ask_to_read();
  Disk& disk_;
  Process& process_;
};

}  // namespace latchkey::simulation

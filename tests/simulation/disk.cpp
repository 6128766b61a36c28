#include "disk.h"

#include <cerrno>
#include <cstring>

namespace latchkey::simulation {

// ---- one file ------------------------------------------------------------------------------------------------------

FileOnDisk::Page& FileOnDisk::writable(std::size_t index) {
  if (cache_.size() <= index) cache_.resize(index + 1);
  auto& page = cache_[index];
  const bool shared = page && index < medium_.size() && medium_[index] == page;
  if (!page) {
    page = std::make_shared<Page>();
    page->fill(0);
  } else if (shared || page.use_count() > 1) {
    page = std::make_shared<Page>(*page);
  }
  dirty_[index] = true;
  return *page;
}

void FileOnDisk::write(ByteView octets, std::uint64_t offset) {
  const auto end = offset + octets.size();
  std::size_t done = 0;
  while (done < octets.size()) {
    const auto index = static_cast<std::size_t>((offset + done) / kPageBytes);
    const auto within = static_cast<std::size_t>((offset + done) % kPageBytes);
    const auto count = std::min(kPageBytes - within, octets.size() - done);
    const auto part = octets.subspan(done, count);
    // Zeros where nothing was written yet change nothing.
    const bool nothing = (index >= cache_.size() || !cache_[index]) && part[0] == 0 && std::memcmp(part.data(), part.data() + 1, count - 1) == 0;
    if (!nothing) std::memcpy(writable(index).data() + within, part.data(), count);
    done += count;
  }
  size_ = std::max(size_, end);
  reserved_ = std::max(reserved_, end);
}

std::size_t FileOnDisk::read_from(const Pages& pages, std::uint64_t size, std::span<std::uint8_t> out, std::uint64_t offset) {
  const auto available = offset >= size ? 0 : static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), size - offset));
  std::size_t done = 0;
  while (done < available) {
    const auto index = static_cast<std::size_t>((offset + done) / kPageBytes);
    const auto within = static_cast<std::size_t>((offset + done) % kPageBytes);
    const auto count = std::min(kPageBytes - within, available - done);
    if (index < pages.size() && pages[index]) {
      std::memcpy(out.data() + done, pages[index]->data() + within, count);
    } else {
      std::memset(out.data() + done, 0, count);
    }
    done += count;
  }
  if (done < out.size()) std::memset(out.data() + done, 0, out.size() - done);
  return available;
}

std::size_t FileOnDisk::read(std::span<std::uint8_t> out, std::uint64_t offset) const { return read_from(cache_, size_, out, offset); }
std::size_t FileOnDisk::read_medium(std::span<std::uint8_t> out, std::uint64_t offset) const {
  return read_from(medium_, medium_size_, out, offset);
}

void FileOnDisk::truncate(std::uint64_t size) {
  const auto pages = static_cast<std::size_t>((size + kPageBytes - 1) / kPageBytes);
  for (std::size_t index = pages; index < cache_.size(); ++index) dirty_[index] = true;
  if (cache_.size() > pages) cache_.resize(pages);
  size_ = size;
  reserved_ = size;
}

void FileOnDisk::sync() {
  if (medium_.size() < cache_.size()) medium_.resize(cache_.size());
  for (const auto& [index, is] : dirty_) {
    if (index < cache_.size()) {
      medium_[index] = cache_[index];
    } else if (index < medium_.size()) {
      medium_[index] = nullptr;
    }
  }
  dirty_.clear();
  medium_size_ = size_;
}

void FileOnDisk::write_in_part(ByteView octets, std::uint64_t offset, Chance& chance) {
  octets = octets.first(chance.below(octets.size() + 1));
  if (!octets.empty() && has_room(offset, octets.size())) write(octets, offset);
}

void FileOnDisk::drop_unsynced(Chance& chance) {
  std::erase_if(dirty_, [&](const auto&) { return chance.happens(0.7); });
}

void FileOnDisk::crash(Chance& chance) {
  if (size_ != medium_size_ && chance.happens(0.5)) medium_size_ = size_;
  for (const auto& [index, is] : dirty_) {
    if (medium_.size() <= index) medium_.resize(index + 1);
    auto page = std::make_shared<Page>();
    if (medium_[index]) *page = *medium_[index];
    else page->fill(0);
    for (std::size_t at = 0; at < kPageBytes; at += kSectorBytes) {
      if (!chance.happens(0.5)) continue;
      if (index < cache_.size() && cache_[index]) std::memcpy(page->data() + at, cache_[index]->data() + at, kSectorBytes);
      else std::memset(page->data() + at, 0, kSectorBytes);
    }
    medium_[index] = page;
  }
  dirty_.clear();
  cache_ = medium_;
  size_ = medium_size_;
  reserved_ = size_;
  const auto pages = static_cast<std::size_t>((size_ + kPageBytes - 1) / kPageBytes);
  if (cache_.size() > pages) {
    cache_.resize(pages);
    medium_.resize(pages);
  }
}

// ---- the disk ------------------------------------------------------------------------------------------------------

int Disk::ask(DiskCall call) {
  if (before) before(call);
  if (call == DiskCall::make_room && full) return ENOSPC;
  if (call == DiskCall::sync && chance_.happens(failing_syncs)) return EIO;
  if ((call == DiskCall::write || call == DiskCall::name) && chance_.happens(failing_writes)) return EIO;
  return 0;
}

int Disk::ask_to_read() { return chance_.happens(failing_reads) ? EIO : 0; }

void Disk::apply(Names& names, const NameChange& change) {
  if (!change.from.empty()) names.erase(change.from);
  if (!change.to.empty()) names[change.to] = change.file;
}

void Disk::change(NameChange change) {
  apply(names_, change);
  changes_.push_back(std::move(change));
}

void Disk::crash() {
  const auto kept = chance_.below(changes_.size() + 1);
  for (std::size_t at = 0; at < kept; ++at) apply(synced_names_, changes_[at]);
  changes_.clear();
  names_ = synced_names_;
  for (const auto& [name, file] : names_) file->crash(chance_);
}

void Disk::take_image_of(const Disk& other) {
  names_.clear();
  for (const auto& [name, file] : other.synced_names_) names_[name] = std::make_shared<FileOnDisk>(*file);
  synced_names_ = names_;
  changes_.clear();
}

void Disk::take_file_of(const Disk& other, const std::string& path) {
  if (const auto file = other.find(path)) names_[path] = std::make_shared<FileOnDisk>(*file);
  else names_.erase(path);
  sync_names();
}

std::shared_ptr<FileOnDisk> Disk::find(const std::string& path) const {
  const auto found = names_.find(path);
  return found == names_.end() ? nullptr : found->second;
}

std::shared_ptr<FileOnDisk> Disk::create(const std::string& path) {
  auto file = std::make_shared<FileOnDisk>();
  change({.from = {}, .to = path, .file = file});
  return file;
}

void Disk::visit(const std::function<void(const std::string& path, ByteView octets)>& see) const {
  for (const auto& [path, file] : names_) {
    Bytes octets(file->size());
    static_cast<void>(file->read(octets, 0));
    see(path, octets);
  }
}

void Disk::rename(const std::string& from, const std::string& to) {
  if (auto file = find(from)) change({.from = from, .to = to, .file = std::move(file)});
}

void Disk::unlink(const std::string& path) { change({.from = path, .to = {}, .file = nullptr}); }

std::vector<std::string> Disk::list(const std::string& directory) const {
  std::vector<std::string> found;
  const auto prefix = directory + "/";
  for (const auto& [name, file] : names_) {
    if (name.starts_with(prefix) && name.find('/', prefix.size()) == std::string::npos) found.push_back(name.substr(prefix.size()));
  }
  return found;
}

// ---- as a process sees it ------------------------------------------------------------------------------------------

int SimulatedFiles::ask(DiskCall call) {
  if (process_.dead()) return EIO;
  const int code = disk_.ask(call);
  return process_.dead() ? EIO : code;  // it may have died of this very call
}

int SimulatedFiles::ask_to_read() { return process_.dead() ? EIO : disk_.ask_to_read(); }

class SimulatedFiles::Open final : public store::File {
 public:
  Open(SimulatedFiles& files, std::shared_ptr<FileOnDisk> file) : files_(files), file_(std::move(file)) {}

  Result<void> pwrite(ByteView octets, std::uint64_t offset) override {
    if (const int code = files_.ask(DiskCall::write)) {
      if (!files_.process_.dead()) file_->write_in_part(octets, offset, files_.disk_.chance());
      return std::unexpected(store::disk_error("pwrite", code));
    }
    if (!file_->has_room(offset, octets.size())) {
      if (const int code = files_.ask(DiskCall::make_room)) return std::unexpected(store::disk_error("pwrite", code));
    }
    file_->write(octets, offset);
    return {};
  }
  Result<Bytes> pread(std::size_t size_bytes, std::uint64_t offset) override {
    if (const int code = files_.ask_to_read()) return std::unexpected(store::disk_error("pread", code));
    const auto available = offset >= file_->size() ? 0 : std::min<std::uint64_t>(size_bytes, file_->size() - offset);
    Bytes octets(static_cast<std::size_t>(available));
    static_cast<void>(file_->read(octets, offset));
    return octets;
  }
  Result<Bytes> pread_from_medium(std::size_t size_bytes, std::uint64_t offset) override {
    if (const int code = files_.ask_to_read()) return std::unexpected(store::disk_error("pread", code));
    Bytes octets(size_bytes);
    octets.resize(file_->read_medium(octets, offset));
    return octets;
  }
  Result<void> fdatasync() override {
    if (const int code = files_.ask(DiskCall::sync)) {
      if (!files_.process_.dead()) file_->drop_unsynced(files_.disk_.chance());
      return std::unexpected(store::disk_error("fdatasync", code));
    }
    file_->sync();
    return {};
  }
  Result<void> fallocate(std::uint64_t offset, std::uint64_t size_bytes) override {
    if (const int code = files_.ask(DiskCall::make_room)) return std::unexpected(store::disk_error("fallocate", code));
    file_->grow(offset + size_bytes);
    file_->reserve(offset + size_bytes);
    return {};
  }
  Result<std::uint64_t> size() override { return file_->size(); }

 private:
  SimulatedFiles& files_;
  std::shared_ptr<FileOnDisk> file_;
};

Result<std::unique_ptr<store::File>> SimulatedFiles::open(const std::string& path, store::OpenFile how) {
  auto file = disk_.find(path);
  if (how == store::OpenFile::create) {
    if (const int code = ask(DiskCall::make_room)) return std::unexpected(store::disk_error("open", code));
    if (file) return std::unexpected(store::disk_error("open", EEXIST));
    file = disk_.create(path);
  } else {
    if (process_.dead()) return std::unexpected(store::disk_error("open", EIO));
    if (!file) return fail(ErrorKind::not_found, "no_file", "There is no such file.", {.detail = path});
  }
  return std::make_unique<Open>(*this, std::move(file));
}

Result<void> SimulatedFiles::rename(const std::string& from, const std::string& to) {
  if (const int code = ask(DiskCall::name)) return std::unexpected(store::disk_error("rename", code));
  disk_.rename(from, to);
  return {};
}

Result<void> SimulatedFiles::unlink(const std::string& path) {
  if (const int code = ask(DiskCall::name)) return std::unexpected(store::disk_error("unlink", code));
  if (disk_.find(path)) disk_.unlink(path);
  return {};
}

Result<std::vector<std::string>> SimulatedFiles::list(const std::string& directory) {
  if (const int code = ask_to_read()) return std::unexpected(store::disk_error("readdir", code));
  return disk_.list(directory);
}

Result<void> SimulatedFiles::sync_directory(const std::string&) {
  if (const int code = ask(DiskCall::sync)) return std::unexpected(store::disk_error("fsync", code));
  disk_.sync_names();
  return {};
}

}  // namespace latchkey::simulation

#include "vfs.h"

#include <cerrno>
#include <cstring>
#include <new>

namespace latchkey::simulation {
namespace {

struct OpenFile {
  sqlite3_file base;  // first: what SQLite sees
  SimulatedVfs* vfs;
  std::shared_ptr<FileOnDisk> file;
  std::string path;
  bool name_unsynced = false;
  int level = SQLITE_LOCK_NONE;
  std::array<bool, SQLITE_SHM_NLOCK> shm_shared{};
};

OpenFile& of(sqlite3_file* file) { return *reinterpret_cast<OpenFile*>(file); }

int ask(SimulatedVfs& vfs, DiskCall call) {
  if (vfs.process.dead()) return EIO;
  const int code = vfs.disk.ask(call);
  return vfs.process.dead() ? EIO : code;
}

int x_unlock(sqlite3_file* f, int level);

int x_close(sqlite3_file* f) {
  x_unlock(f, SQLITE_LOCK_NONE);
  of(f).~OpenFile();
  return SQLITE_OK;
}

int x_read(sqlite3_file* f, void* to, int size, sqlite3_int64 at) {
  if (of(f).vfs->process.dead() || of(f).vfs->disk.ask_to_read() != 0) return SQLITE_IOERR_READ;
  const auto got = of(f).file->read({static_cast<std::uint8_t*>(to), static_cast<std::size_t>(size)}, static_cast<std::uint64_t>(at));
  return got == static_cast<std::size_t>(size) ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

int x_write(sqlite3_file* f, const void* from, int size, sqlite3_int64 at) {
  auto& open = of(f);
  const auto offset = static_cast<std::uint64_t>(at);
  const auto count = static_cast<std::size_t>(size);
  const ByteView octets(static_cast<const std::uint8_t*>(from), count);
  if (ask(*open.vfs, DiskCall::write) != 0) {
    if (!open.vfs->process.dead()) open.file->write_in_part(octets, offset, open.vfs->disk.chance());
    return SQLITE_IOERR_WRITE;
  }
  if (!open.file->has_room(offset, count)) {
    if (const int code = ask(*open.vfs, DiskCall::make_room)) return code == ENOSPC ? SQLITE_FULL : SQLITE_IOERR_WRITE;
  }
  open.file->write(octets, offset);
  return SQLITE_OK;
}

int x_truncate(sqlite3_file* f, sqlite3_int64 size) {
  if (ask(*of(f).vfs, DiskCall::write) != 0) return SQLITE_IOERR_TRUNCATE;
  of(f).file->truncate(static_cast<std::uint64_t>(size));
  return SQLITE_OK;
}

int x_sync(sqlite3_file* f, int) {
  auto& open = of(f);
  if (ask(*open.vfs, DiskCall::sync) != 0) {
    if (!open.vfs->process.dead()) open.file->drop_unsynced(open.vfs->disk.chance());
    return SQLITE_IOERR_FSYNC;
  }
  open.file->sync();
  if (std::exchange(open.name_unsynced, false)) open.vfs->disk.sync_names();
  return SQLITE_OK;
}

int x_size(sqlite3_file* f, sqlite3_int64* size) {
  *size = static_cast<sqlite3_int64>(of(f).file->size());
  return SQLITE_OK;
}

int x_lock(sqlite3_file* f, int level) {
  auto& open = of(f);
  auto& locks = open.vfs->locks[open.path];
  if (open.level >= level) return SQLITE_OK;
  const auto others = [&](const void* holder) { return holder != nullptr && holder != f; };
  if (level == SQLITE_LOCK_SHARED) {
    if (others(locks.pending) || others(locks.exclusive)) return SQLITE_BUSY;
    ++locks.shared;
  } else if (level == SQLITE_LOCK_RESERVED) {
    if (others(locks.reserved)) return SQLITE_BUSY;
    locks.reserved = f;
  } else {
    if (others(locks.reserved) || others(locks.pending) || others(locks.exclusive)) return SQLITE_BUSY;
    if (locks.shared > 1) {
      locks.pending = f;
      open.level = SQLITE_LOCK_PENDING;
      return SQLITE_BUSY;
    }
    locks.exclusive = f;
  }
  open.level = level;
  return SQLITE_OK;
}

int x_unlock(sqlite3_file* f, int level) {
  auto& open = of(f);
  auto& locks = open.vfs->locks[open.path];
  for (const void** holder : {&locks.reserved, &locks.pending, &locks.exclusive}) {
    if (*holder == f) *holder = nullptr;
  }
  if (level == SQLITE_LOCK_NONE && open.level >= SQLITE_LOCK_SHARED) --locks.shared;
  open.level = std::min(open.level, level);
  return SQLITE_OK;
}

int x_reserved(sqlite3_file* f, int* out) {
  *out = of(f).vfs->locks[of(f).path].reserved != nullptr;
  return SQLITE_OK;
}

int x_control(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int x_sector(sqlite3_file*) { return static_cast<int>(kPageBytes); }
// As SQLite assumes of an ordinary Linux file system.
int x_device(sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }

int x_shm_map(sqlite3_file* f, int region, int size, int extend, void volatile** out) {
  auto& regions = of(f).vfs->shared_memory[of(f).path].regions;
  *out = nullptr;
  if (static_cast<std::size_t>(region) >= regions.size()) {
    if (extend == 0) return SQLITE_OK;
    while (regions.size() <= static_cast<std::size_t>(region)) {
      regions.push_back(std::make_unique<std::uint8_t[]>(static_cast<std::size_t>(size)));
    }
  }
  *out = regions[static_cast<std::size_t>(region)].get();
  return SQLITE_OK;
}

int x_shm_lock(sqlite3_file* f, int offset, int count, int flags) {
  auto& open = of(f);
  auto& memory = open.vfs->shared_memory[open.path];
  const auto slots = [&](auto what) {
    for (int slot = offset; slot < offset + count; ++slot) {
      if (!what(static_cast<std::size_t>(slot))) return false;
    }
    return true;
  };
  if ((flags & SQLITE_SHM_UNLOCK) != 0) {
    static_cast<void>(slots([&](std::size_t slot) {
      if (memory.exclusive[slot] == f) memory.exclusive[slot] = nullptr;
      if (std::exchange(open.shm_shared[slot], false)) --memory.shared[slot];
      return true;
    }));
    return SQLITE_OK;
  }
  const bool shared = (flags & SQLITE_SHM_SHARED) != 0;
  const bool free = slots([&](std::size_t slot) {
    if (memory.exclusive[slot] != nullptr && memory.exclusive[slot] != f) return false;
    return shared || memory.shared[slot] - (open.shm_shared[slot] ? 1 : 0) == 0;
  });
  if (!free) return SQLITE_BUSY;
  static_cast<void>(slots([&](std::size_t slot) {
    if (!shared) memory.exclusive[slot] = f;
    else if (!std::exchange(open.shm_shared[slot], true)) ++memory.shared[slot];
    return true;
  }));
  return SQLITE_OK;
}

void x_shm_barrier(sqlite3_file*) {}

int x_shm_unmap(sqlite3_file* f, int remove) {
  x_shm_lock(f, 0, SQLITE_SHM_NLOCK, SQLITE_SHM_UNLOCK);
  if (remove != 0) of(f).vfs->shared_memory.erase(of(f).path);
  return SQLITE_OK;
}

constexpr sqlite3_io_methods kMethods = {
    .iVersion = 2,  // no memory mapping
    .xClose = x_close, .xRead = x_read, .xWrite = x_write, .xTruncate = x_truncate, .xSync = x_sync, .xFileSize = x_size,
    .xLock = x_lock, .xUnlock = x_unlock, .xCheckReservedLock = x_reserved, .xFileControl = x_control,
    .xSectorSize = x_sector, .xDeviceCharacteristics = x_device, .xShmMap = x_shm_map, .xShmLock = x_shm_lock,
    .xShmBarrier = x_shm_barrier, .xShmUnmap = x_shm_unmap, .xFetch = nullptr, .xUnfetch = nullptr,
};

SimulatedVfs& owner(sqlite3_vfs* vfs) { return *static_cast<SimulatedVfs*>(vfs->pAppData); }

int x_open(sqlite3_vfs* vfs, const char* name, sqlite3_file* f, int flags, int* out_flags) {
  auto& own = owner(vfs);
  f->pMethods = nullptr;
  if (name == nullptr || own.process.dead()) return SQLITE_CANTOPEN;
  auto file = own.disk.find(name);
  bool created = false;
  if (!file) {
    if ((flags & SQLITE_OPEN_CREATE) == 0) return SQLITE_CANTOPEN;
    if (const int code = ask(own, DiskCall::make_room)) return code == ENOSPC ? SQLITE_FULL : SQLITE_CANTOPEN;
    file = own.disk.create(name);
    created = true;
  }
  auto& open = *new (f) OpenFile{};
  open.vfs = &own;
  open.file = std::move(file);
  open.path = name;
  open.name_unsynced = created;
  open.base.pMethods = &kMethods;
  if (out_flags != nullptr) *out_flags = flags;
  return SQLITE_OK;
}

int x_delete(sqlite3_vfs* vfs, const char* name, int sync_directory) {
  auto& own = owner(vfs);
  if (ask(own, DiskCall::name) != 0) return SQLITE_IOERR_DELETE;
  if (!own.disk.find(name)) return SQLITE_IOERR_DELETE_NOENT;
  own.disk.unlink(name);
  if (sync_directory != 0) {
    if (ask(own, DiskCall::sync) != 0) return SQLITE_IOERR_DIR_FSYNC;
    own.disk.sync_names();
  }
  return SQLITE_OK;
}

int x_access(sqlite3_vfs* vfs, const char* name, int, int* out) {
  *out = owner(vfs).disk.find(name) != nullptr;
  return SQLITE_OK;
}

int x_full_path(sqlite3_vfs*, const char* name, int size, char* out) {
  sqlite3_snprintf(size, out, "%s", name);
  return SQLITE_OK;
}

int x_randomness(sqlite3_vfs* vfs, int size, char* out) {
  for (int at = 0; at < size; ++at) out[at] = static_cast<char>(owner(vfs).disk.chance().next());
  return size;
}
int x_sleep(sqlite3_vfs*, int microseconds) { return microseconds; }
int x_time(sqlite3_vfs*, double* out) {
  *out = 2'460'000.5;
  return SQLITE_OK;
}
int x_last_error(sqlite3_vfs*, int, char*) { return 0; }

}  // namespace

SimulatedVfs::SimulatedVfs(Disk& disk_in, Process& process_in, const std::string& name)
    : disk(disk_in), process(process_in), name_(name) {
  vfs_.iVersion = 1;
  vfs_.szOsFile = static_cast<int>(sizeof(OpenFile));
  vfs_.mxPathname = 512;
  vfs_.zName = name_.c_str();
  vfs_.pAppData = this;
  vfs_.xOpen = &x_open;
  vfs_.xDelete = &x_delete;
  vfs_.xAccess = &x_access;
  vfs_.xFullPathname = &x_full_path;
  vfs_.xRandomness = &x_randomness;
  vfs_.xSleep = &x_sleep;
  vfs_.xCurrentTime = &x_time;
  vfs_.xGetLastError = &x_last_error;
  sqlite3_vfs_register(&vfs_, 1);
  sqlite3_randomness(0, nullptr);  // SQLite's own numbers begin anew, from this disk's
}

SimulatedVfs::~SimulatedVfs() { sqlite3_vfs_unregister(&vfs_); }

}  // namespace latchkey::simulation

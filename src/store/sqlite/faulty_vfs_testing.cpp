#include "store/sqlite/faulty_vfs_testing.h"

#include <cstring>
#include <new>

namespace latchkey::store::sqlite {
namespace {

struct FaultyFile {
  sqlite3_file base;  // first: what SQLite sees
  FaultyVfs* owner;
  char suffix[8];
  sqlite3_file* real;  // in the room behind this object
};

FaultyFile& of(sqlite3_file* file) { return *reinterpret_cast<FaultyFile*>(file); }
sqlite3_file* real(sqlite3_file* file) { return of(file).real; }

int x_close(sqlite3_file* f) { return real(f)->pMethods->xClose(real(f)); }
int x_read(sqlite3_file* f, void* to, int size, sqlite3_int64 at) {
  const int code = of(f).owner->ask(FileCall::read, of(f).suffix);
  return code != SQLITE_OK ? code : real(f)->pMethods->xRead(real(f), to, size, at);
}
int x_write(sqlite3_file* f, const void* from, int size, sqlite3_int64 at) {
  const int code = of(f).owner->ask(FileCall::write, of(f).suffix);
  return code != SQLITE_OK ? code : real(f)->pMethods->xWrite(real(f), from, size, at);
}
int x_truncate(sqlite3_file* f, sqlite3_int64 size) { return real(f)->pMethods->xTruncate(real(f), size); }
int x_sync(sqlite3_file* f, int flags) {
  const int code = of(f).owner->ask(FileCall::sync, of(f).suffix);
  return code != SQLITE_OK ? code : real(f)->pMethods->xSync(real(f), flags);
}
int x_size(sqlite3_file* f, sqlite3_int64* size) { return real(f)->pMethods->xFileSize(real(f), size); }
int x_lock(sqlite3_file* f, int level) { return real(f)->pMethods->xLock(real(f), level); }
int x_unlock(sqlite3_file* f, int level) { return real(f)->pMethods->xUnlock(real(f), level); }
int x_reserved(sqlite3_file* f, int* out) { return real(f)->pMethods->xCheckReservedLock(real(f), out); }
int x_control(sqlite3_file* f, int op, void* argument) { return real(f)->pMethods->xFileControl(real(f), op, argument); }
int x_sector(sqlite3_file* f) { return real(f)->pMethods->xSectorSize(real(f)); }
int x_device(sqlite3_file* f) { return real(f)->pMethods->xDeviceCharacteristics(real(f)); }
int x_shm_map(sqlite3_file* f, int page, int size, int extend, void volatile** out) {
  return real(f)->pMethods->xShmMap(real(f), page, size, extend, out);
}
int x_shm_lock(sqlite3_file* f, int offset, int count, int flags) {
  return real(f)->pMethods->xShmLock(real(f), offset, count, flags);
}
void x_shm_barrier(sqlite3_file* f) { real(f)->pMethods->xShmBarrier(real(f)); }
int x_shm_unmap(sqlite3_file* f, int remove) { return real(f)->pMethods->xShmUnmap(real(f), remove); }

constexpr sqlite3_io_methods kMethods = {
    .iVersion = 2,  // no memory mapping
    .xClose = x_close, .xRead = x_read, .xWrite = x_write, .xTruncate = x_truncate, .xSync = x_sync, .xFileSize = x_size,
    .xLock = x_lock, .xUnlock = x_unlock, .xCheckReservedLock = x_reserved, .xFileControl = x_control,
    .xSectorSize = x_sector, .xDeviceCharacteristics = x_device, .xShmMap = x_shm_map, .xShmLock = x_shm_lock,
    .xShmBarrier = x_shm_barrier, .xShmUnmap = x_shm_unmap, .xFetch = nullptr, .xUnfetch = nullptr,
};

constexpr sqlite3_io_methods without_shared_memory() {
  auto methods = kMethods;
  methods.iVersion = 1;
  return methods;
}
constexpr sqlite3_io_methods kPlainMethods = without_shared_memory();

sqlite3_vfs* system_vfs() { return sqlite3_vfs_find("unix"); }

int x_open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  auto& made = *new (file) FaultyFile{};
  made.owner = static_cast<FaultyVfs*>(vfs->pAppData);
  made.real = reinterpret_cast<sqlite3_file*>(reinterpret_cast<char*>(file) + sizeof(FaultyFile));
  const char* dash = name == nullptr ? nullptr : std::strrchr(name, '-');
  if (dash != nullptr && std::strchr(dash, '/') == nullptr) std::strncpy(made.suffix, dash, sizeof made.suffix - 1);
  const int code = system_vfs()->xOpen(system_vfs(), name, made.real, flags, out_flags);
  made.base.pMethods = code != SQLITE_OK ? nullptr : made.owner->shared_memory() ? &kMethods : &kPlainMethods;
  return code;
}

}  // namespace

FaultyVfs::FaultyVfs() : name_("faulty-" + std::to_string(reinterpret_cast<std::uintptr_t>(this))) {
  vfs_ = *system_vfs();
  vfs_.szOsFile += static_cast<int>(sizeof(FaultyFile));
  vfs_.pNext = nullptr;
  vfs_.zName = name_.c_str();
  vfs_.pAppData = this;
  vfs_.xOpen = &x_open;
  sqlite3_vfs_register(&vfs_, 0);
}

FaultyVfs::~FaultyVfs() { sqlite3_vfs_unregister(&vfs_); }

void FaultyVfs::set_fault(Fault fault) {
  const std::lock_guard lock(mutex_);
  fault_ = std::move(fault);
}

int FaultyVfs::ask(FileCall call, std::string_view suffix) {
  const std::lock_guard lock(mutex_);
  if (call == FileCall::sync) ++syncs_;
  return fault_ ? fault_(call, suffix) : SQLITE_OK;
}

int FaultyVfs::syncs() const {
  const std::lock_guard lock(mutex_);
  return syncs_;
}

}  // namespace latchkey::store::sqlite

#include "store/sqlite/io_error_vfs.h"

#include <new>

namespace latchkey::store::sqlite {

// Behind the object of the layer beneath, which stays what SQLite sees: only its table of methods is replaced by this copy.
struct IoErrorVfs::OpenFile {
  sqlite3_io_methods methods;  // first: what the file points to
  const sqlite3_io_methods* beneath;
  Layer* layer;
};

IoErrorVfs::IoErrorVfs(const std::string& beneath) : name_(beneath) {
  auto* found = sqlite3_vfs_find(beneath.empty() ? nullptr : beneath.c_str());
  if (found == nullptr) return;
  static_cast<sqlite3_vfs&>(layer_) = *found;  // its other functions, which may look at its pAppData
  layer_.beneath = found;
  constexpr int kAlignment = alignof(OpenFile);
  layer_.file_bytes = (found->szOsFile + kAlignment - 1) / kAlignment * kAlignment;
  layer_.szOsFile = layer_.file_bytes + static_cast<int>(sizeof(OpenFile));
  name_ = "io-error-" + std::to_string(reinterpret_cast<std::uintptr_t>(this));
  layer_.zName = name_.c_str();
  layer_.pNext = nullptr;
  layer_.xOpen = &IoErrorVfs::open;
  sqlite3_vfs_register(&layer_, 0);
}

IoErrorVfs::~IoErrorVfs() {
  if (layer_.beneath != nullptr) sqlite3_vfs_unregister(&layer_);
}

int IoErrorVfs::open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  auto& layer = *static_cast<Layer*>(vfs);
  const int code = layer.beneath->xOpen(layer.beneath, name, file, flags, out_flags);
  if (file->pMethods == nullptr) return code;
  auto& opened = *new (reinterpret_cast<char*>(file) + layer.file_bytes) OpenFile{*file->pMethods, file->pMethods, &layer};
  opened.methods.xRead = &IoErrorVfs::read;
  opened.methods.xSync = &IoErrorVfs::sync;
  file->pMethods = &opened.methods;
  return code;
}

int IoErrorVfs::read(sqlite3_file* file, void* to, int size, sqlite3_int64 at) {
  const auto& opened = *reinterpret_cast<const OpenFile*>(file->pMethods);
  const int code = opened.beneath->xRead(file, to, size, at);
  if ((code & 0xff) != SQLITE_IOERR || code == SQLITE_IOERR_SHORT_READ) return code;
  opened.layer->failed_reads += 1;
  return code == SQLITE_IOERR_CORRUPTFS ? SQLITE_IOERR_READ : code;
}

int IoErrorVfs::sync(sqlite3_file* file, int flags) {
  const auto& opened = *reinterpret_cast<const OpenFile*>(file->pMethods);
  const int code = opened.beneath->xSync(file, flags);
  if (code != SQLITE_OK) opened.layer->failed_syncs += 1;
  return code;
}

}  // namespace latchkey::store::sqlite

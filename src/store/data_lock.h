// One server per data directory: an exclusive flock on DATA/lock, held as long as this object lives. The kernel lets it
// go when the process ends, however it ends.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"

namespace latchkey::store {

class DataLock {
 public:
  // Makes the directory (0700) if it is absent. Errors: unavailable/`data_in_use` naming the holder's process id,
  // misconfigured/`data_directory` when it cannot be made or written.
  [[nodiscard]] static Result<std::unique_ptr<DataLock>> take(const std::string& directory);
  DataLock(const DataLock&) = delete;
  DataLock& operator=(const DataLock&) = delete;
  ~DataLock();

 private:
  explicit DataLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace latchkey::store

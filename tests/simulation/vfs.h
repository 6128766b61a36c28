// SQLite's file layer on a simulated disk, for one process.
#pragma once

#include <sqlite3.h>

#include <string>

#include "disk.h"

namespace latchkey::simulation {

// Registered with SQLite as long as it lives, under `name()`. One thread.
class SimulatedVfs {
 public:
  SimulatedVfs(Disk& disk, Process& process, const std::string& name);
  SimulatedVfs(const SimulatedVfs&) = delete;
  SimulatedVfs& operator=(const SimulatedVfs&) = delete;
  ~SimulatedVfs();

  [[nodiscard]] const std::string& name() const { return name_; }

  // What SQLite's callbacks need.
  struct Locks {
    int shared = 0;
    const void* reserved = nullptr;
    const void* pending = nullptr;
    const void* exclusive = nullptr;
  };
  struct SharedMemory {
    std::vector<std::unique_ptr<std::uint8_t[]>> regions;
    std::array<int, SQLITE_SHM_NLOCK> shared{};
    std::array<const void*, SQLITE_SHM_NLOCK> exclusive{};
  };
  Disk& disk;
  Process& process;
  std::map<std::string, Locks> locks;
  std::map<std::string, SharedMemory> shared_memory;  // gone with the process

 private:
  std::string name_;
  sqlite3_vfs vfs_{};
};

}  // namespace latchkey::simulation

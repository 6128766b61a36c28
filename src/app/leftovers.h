// What a killed backup or restore has left in the data directory: copies of the database, and of the master key in clear.
#pragma once

#include <string>

namespace latchkey::app {

// Removes a killed backup's copies of the database, unless a backup is being made. Best effort.
void remove_backup_leftovers(const std::string& data);
// The same, and what killed restores have unpacked. The caller holds the data directory's lock.
void remove_leftovers(const std::string& data);

// While one lives, a backup is being made: nobody removes what it makes. Where the lock cannot be had, nothing is kept from anybody.
class BackupLock {
 public:
  explicit BackupLock(const std::string& data);
  BackupLock(const BackupLock&) = delete;
  BackupLock& operator=(const BackupLock&) = delete;
  ~BackupLock();

 private:
  int descriptor_;
};

}  // namespace latchkey::app

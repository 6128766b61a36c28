// What a restore makes of the sections of a backup, and what it refuses: one answer for the restore, and for the reading back of a
// backup, which must not call whole what cannot be restored.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/backup_file.h"

namespace latchkey::app {

// Kinds of sections.
inline constexpr std::string_view kSqliteKind = "sqlite";      // a database file; the manifest names its schema
inline constexpr std::string_view kJournalKind = "journal";    // records of the reply journal, one a piece
inline constexpr std::string_view kKeyKind = "key";            // a master key file
inline constexpr std::string_view kProviderKind = "provider";  // a file of DATA/providers
inline constexpr std::string_view kTlsKind = "tls";            // a file of DATA/tls
inline constexpr std::string_view kNodeKind = "node";          // DATA/node, of a server beside a PostgreSQL database: its backup holds no store
inline constexpr std::string_view kDocumentKind = "document";  // a file of DATA/spool, by its delivery's id

// Names of key files.
inline constexpr std::string_view kMasterKeyName = "master.key";
inline constexpr std::string_view kFormerKeyName = "master.key.former";   // the one before it
inline constexpr std::string_view kOtherKeyPrefix = "master.key.other-";  // then its id: prepared, or left, beside a server of a PostgreSQL database

enum class SectionUse { database, node, key, journal, provider, tls, document, left_out };

// To be shown the sections in their order.
class BackupSections {
 public:
  // A provider file whose name no file may have here is left out, and the rest restored. Errors: invalid/`future_backup`,
  // corrupt/`backup_damaged`.
  [[nodiscard]] Result<SectionUse> take(const store::BackupSection& section);
  // After the last one. Errors: corrupt/`backup_damaged`.
  [[nodiscard]] Result<void> check_complete() const;
  // Names of what was left out.
  [[nodiscard]] const std::vector<std::string>& left_out() const { return left_out_; }

 private:
  std::set<std::string> seen_;
  std::vector<std::string> left_out_;
};

}  // namespace latchkey::app

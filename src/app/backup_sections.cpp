#include "app/backup_sections.h"

#include <fmt/format.h>

#include <algorithm>

#include "app/node_name.h"
#include "app/tls_folder.h"
#include "delivery/spool_file.h"

namespace latchkey::app {
namespace {

constexpr std::size_t kMasterKeyIdBytes = 16;

// Nothing is written outside the staging directory, and nothing hidden into it.
bool is_plain(std::string_view name) { return !name.empty() && !name.starts_with('.') && name.find('/') == std::string_view::npos; }

bool is_key(std::string_view name) {
  if (name == kMasterKeyName || name == kFormerKeyName) return true;
  return name.starts_with(kOtherKeyPrefix) && base::from_hex(name.substr(kOtherKeyPrefix.size())).value_or(Bytes()).size() == kMasterKeyIdBytes;
}

}  // namespace

Result<SectionUse> BackupSections::take(const store::BackupSection& section) {
  const auto& [name, kind] = section;
  const bool again = !seen_.insert(kind + "/" + name).second;
  if (kind == kProviderKind && (again || !is_plain(name))) {
    left_out_.push_back(name);
    return SectionUse::left_out;
  }
  if (again || !is_plain(name)) {
    return fail(ErrorKind::corrupt, "backup_damaged", "The backup names a file that it may not hold. Use another copy.", {.detail = name});
  }
  if (kind == kProviderKind) return SectionUse::provider;
  if (kind == kTlsKind && std::ranges::find(kTlsFiles, name) != std::end(kTlsFiles)) return SectionUse::tls;
  if (kind == kDocumentKind && delivery::spooled_id(name)) return SectionUse::document;
  if (kind == kJournalKind) return SectionUse::journal;
  if (kind == kSqliteKind && name == "latchkey.db") return SectionUse::database;
  if (kind == kNodeKind && name == kNodeFile) return SectionUse::node;
  if (kind == kKeyKind && is_key(name)) return SectionUse::key;
  return fail(ErrorKind::invalid, "future_backup",
              fmt::format("The backup holds something this version does not know ({}, {}). Restore it with the version that made it, or a newer one.",
                          kind, name));
}

Result<void> BackupSections::check_complete() const {
  const bool database = seen_.contains(std::string(kSqliteKind) + "/latchkey.db");
  const bool node = seen_.contains(fmt::format("{}/{}", kNodeKind, kNodeFile));
  if (database != node && seen_.contains(std::string(kKeyKind) + "/master.key")) return {};
  return fail(ErrorKind::corrupt, "backup_damaged", "The backup lacks the database or the master key. Use another copy.");
}

}  // namespace latchkey::app

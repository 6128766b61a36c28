// The directory whose sub-directories are drop folders, one for each connector (RULES G5; docs/design/folder.md):
//
//   ROOT/                       the administrator's; nobody else may make or move names in it
//   ROOT/{connector}/           writable for those who deliver; making it is what switches the door on for the connector
//   ROOT/{connector}/.refused/  what was not taken, with the reason beside it
//   ROOT/.taken/{connector}/    ours alone: what is being taken in
//
// Blocking: for the door's own threads.
#pragma once

#include <sys/types.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "doors/folder/descriptor.h"
#include "doors/folder/drop_box.h"

namespace latchkey::doors {

struct DropSettings {
  std::string root;                 // absolute
  std::vector<std::string> owners;  // user names or numbers: whose files are taken
  std::string data;                 // the data directory
};

// A resource; thread-safe.
class DropRoot {
 public:
  // Refuses what would let somebody else decide what is delivered: a root inside the data directory or around it, one that
  // is reached through a link, a root or a parent that others than root and this process may change. Errors:
  // misconfigured/`drop_root`, `drop_owners`, with the field `folder.root` or `folder.uids` and words that name the
  // directory and the remedy.
  [[nodiscard]] static Result<std::unique_ptr<DropRoot>> open(const DropSettings& settings);

  // A connector's directory as it is now. Errors: not_found/`no_drop_box` (it has none: nothing is taken for it);
  // misconfigured/ `drop_box` with words that name the remedy.
  [[nodiscard]] Result<std::shared_ptr<DropBox>> box(const std::string& connector) const;

  // The names under which something lies, in a directory here or in `.taken`, whatever has become of their connectors. Errors:
  // unavailable/`folder_unreadable`.
  [[nodiscard]] Result<std::set<std::string>> lying() const;

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  DropRoot(std::string path, std::vector<uid_t> owners, Descriptor root, Descriptor taken);

  std::string path_;
  std::vector<uid_t> owners_;
  Descriptor root_;
  Descriptor taken_;
};

}  // namespace latchkey::doors

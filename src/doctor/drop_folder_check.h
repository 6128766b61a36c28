// The drop folders as they are on the disk now: whoever changes an owner or a mode changes who delivers (RULES G5).
#pragma once

#include <functional>
#include <optional>

#include "base/pool.h"
#include "doctor/check.h"
#include "doctor/premises.h"
#include "store/store.h"

namespace latchkey::doctor {

// What is wrong with it, in words with the remedy; empty: it is as it must be. `there`: false: it has not been made.
struct DropFolderLook {
  bool there = true;
  std::string problem;
};
// Of the root (no connector) or of a connector's directory. Blocks; called on a worker's thread.
using DropFolderLooker = std::function<DropFolderLook(const std::optional<std::string>& connector)>;

class DropFolderCheck final : public Check {
 public:
  DropFolderCheck(const Premises& premises, DropFolderLooker looker, store::Store& store, Worker& worker)
      : premises_(premises), looker_(std::move(looker)), store_(store), worker_(worker) {}
  [[nodiscard]] std::string_view name() const override { return "drop_folders"; }
  [[nodiscard]] std::vector<Errand> errands(const Survey& survey) override;

 private:
  const Premises& premises_;
  DropFolderLooker looker_;
  store::Store& store_;
  Worker& worker_;
};

}  // namespace latchkey::doctor

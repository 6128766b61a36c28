// Room and health where everything is kept: free space, whether a file can be written and synced, and the reply journal.
#pragma once

#include "base/pool.h"
#include "doctor/check.h"
#include "doctor/premises.h"
#include "store/reply_journal.h"

namespace latchkey::doctor {

class DiskCheck final : public Check {
 public:
  DiskCheck(const Premises& premises, const store::ReplyJournal& journal, Worker& worker)
      : premises_(premises), journal_(journal), worker_(worker) {}
  [[nodiscard]] std::string_view name() const override { return "disk"; }
  [[nodiscard]] std::vector<Errand> errands(const Survey& survey) override;

 private:
  const Premises& premises_;
  const store::ReplyJournal& journal_;
  Worker& worker_;
};

struct Room {
  std::uint64_t free_bytes = 0;
  std::optional<std::uint64_t> files_left{};  // nullopt: the file system does not count them
};
[[nodiscard]] Finding judge_room(const std::string& folder, const Room& room);
// Quick; any thread.
[[nodiscard]] Finding judge_journal(const store::ReplyJournal& journal, const std::string& folder);

}  // namespace latchkey::doctor

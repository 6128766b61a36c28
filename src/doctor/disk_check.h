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

}  // namespace latchkey::doctor

// The one file without which nothing opens: who may read it, whether there is a copy, and how old the last backup is.
#pragma once

#include "base/pool.h"
#include "doctor/check.h"
#include "doctor/premises.h"
#include "grants/key_rotation.h"

namespace latchkey::doctor {

class MasterKeyCheck final : public Check {
 public:
  MasterKeyCheck(const Premises& premises, const grants::Keys& keys, store::Store& store, const WallClock& wall,
                 Worker& worker)
      : premises_(premises), keys_(keys), store_(store), wall_(wall), worker_(worker) {}
  [[nodiscard]] std::string_view name() const override { return "master_key"; }
  [[nodiscard]] std::vector<Errand> errands(const Survey& survey) override;

 private:
  const Premises& premises_;
  const grants::Keys& keys_;
  store::Store& store_;
  const WallClock& wall_;
  Worker& worker_;
};

// `last`: what the store keeps of the last backup (store/last_backup.h); empty: there was none.
[[nodiscard]] Finding judge_backup(ByteView last, WallTime now);

}  // namespace latchkey::doctor

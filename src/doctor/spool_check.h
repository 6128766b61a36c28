// The disk that documents wait on: whether one more is taken in, and how many wait.
#pragma once

#include <functional>

#include "base/pool.h"
#include "doctor/check.h"
#include "doctor/premises.h"
#include "store/disk_room.h"
#include "store/store.h"

namespace latchkey::doctor {

// How much of a disk so large is kept free of documents, in octets.
using SpoolReserve = std::function<std::uint64_t(const store::DiskRoom& room)>;

class SpoolCheck final : public Check {
 public:
  SpoolCheck(const Premises& premises, SpoolReserve reserve, store::Store& store, Worker& worker)
      : premises_(premises), reserve_(std::move(reserve)), store_(store), worker_(worker) {}
  [[nodiscard]] std::string_view name() const override { return "spool"; }
  [[nodiscard]] std::vector<Errand> errands(const Survey& survey) override;

 private:
  const Premises& premises_;
  SpoolReserve reserve_;
  store::Store& store_;
  Worker& worker_;
};

}  // namespace latchkey::doctor

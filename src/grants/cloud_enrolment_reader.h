// This server's enrolment at a Cloud Service for those who need it again and again: the record is read each time, but opened
// and its keys checked only when it is another than the last time.
#pragma once

#include <memory>

#include "grants/cloud_enrolment.h"

namespace latchkey::grants {

// The engine's executor. What it has opened it keeps until it reads that the record is gone or another; what it is given
// outlives it.
class CloudEnrolmentReader {
 public:
  CloudEnrolmentReader(store::Store& store, const Sealing& sealing) : store_(store), sealing_(sealing) {}

  // As read_cloud_enrolment(), with its errors. nullptr: absent, or made unreadable by a leaving.
  [[nodiscard]] Task<Result<std::shared_ptr<const CloudEnrolment>>> read();

 private:
  store::Store& store_;
  const Sealing& sealing_;
  std::shared_ptr<const CloudEnrolment> last_;
};

}  // namespace latchkey::grants

// The numbers that {counter} stands for: each connector has a line of its own, which begins at 1.
//
// Invariants: a number is handed out only after the commit that moved the line's end beyond it, and that commit succeeds only
// where nobody else has moved the end since it was read. So no two documents get one number, whatever is killed, however many
// servers share the store, and also if a connector is removed and made again. What was reserved and not used is left out.
// Concurrency: thread-safe; those who ask at the same time share one commit.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "store/store.h"

namespace latchkey::delivery {

class DocumentNumbers {
 public:
  explicit DocumentNumbers(store::Store& store) : store_(store) {}
  DocumentNumbers(const DocumentNumbers&) = delete;
  DocumentNumbers& operator=(const DocumentNumbers&) = delete;
  ~DocumentNumbers();

  // Errors: those of the store; corrupt/`record_altered` where what the store has is no number.
  [[nodiscard]] Task<Result<std::int64_t>> take(std::string connector);

 private:
  struct Line;
  class Turn;
  [[nodiscard]] std::shared_ptr<Line> line_of(const std::string& connector);
  // The first of so many.
  [[nodiscard]] Task<Result<std::int64_t>> reserve(std::string connector, std::int64_t count);

  store::Store& store_;
  std::mutex mutex_;  // guards lines_
  std::map<std::string, std::shared_ptr<Line>> lines_;
};

}  // namespace latchkey::delivery

// Statements that may be sent twice: each is a transaction of its own, and the same once more changes nothing, so a line
// that breaks under one costs a moment and leaves no doubt. A resource, used by one thread at a time.
#pragma once

#include "store/postgres/standing_line.h"

namespace latchkey::store::postgres {

class SureLine {
 public:
  SureLine(std::shared_ptr<const Place> place, Log& log) : place_(std::move(place)), line_(*place_, Access::writer, log) {}

  void adopt(std::unique_ptr<Connection> connection) { line_.adopt(std::move(connection)); }
  // What has been answered is durable. Errors: those of error_of(); after a line that broke every time it may have happened.
  [[nodiscard]] Result<Rows> ask(const Query& query);
  // Whether a statement with RETURNING has found its row.
  [[nodiscard]] Result<bool> changes(const Query& query);

 private:
  std::shared_ptr<const Place> place_;
  StandingLine line_;
};

}  // namespace latchkey::store::postgres

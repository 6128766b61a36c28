// One connection that comes back: opened when needed, opened again when it has broken, with pauses that grow from 0.1 to 5 s
// while the database is away. A resource, used by one thread at a time.
#pragma once

#include <chrono>
#include <memory>

#include "store/postgres/connection.h"

namespace latchkey::store::postgres {

class StandingLine {
 public:
  StandingLine(const Place& place, Access access, Log& log) : place_(place), access_(access), log_(log) {}
  StandingLine(const StandingLine&) = delete;
  StandingLine& operator=(const StandingLine&) = delete;

  // A live connection; during a pause the error of the last attempt, at once. Errors: unavailable/`store_unavailable`.
  [[nodiscard]] Result<Connection*> get();
  // Puts a connection opened already in the place.
  void adopt(std::unique_ptr<Connection> connection) { connection_ = std::move(connection); }
  // The connection in use is no good any more (read-only since a fail-over).
  void drop();

 private:
  const Place& place_;
  Access access_;
  Log& log_;
  std::unique_ptr<Connection> connection_;
  Error last_error_{};
  std::chrono::milliseconds pause_{0};
  std::chrono::steady_clock::time_point not_before_{};
};

}  // namespace latchkey::store::postgres

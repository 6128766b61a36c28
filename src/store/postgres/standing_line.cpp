#include "store/postgres/standing_line.h"

#include <algorithm>

namespace latchkey::store::postgres {
namespace {

constexpr std::chrono::milliseconds kPauseMin{100};
constexpr std::chrono::milliseconds kPauseMax{5'000};

}  // namespace

Result<Connection*> StandingLine::get() {
  // Another connection has found a server that has taken over since: this one's is not the one to write to any more.
  const bool is_of_today = place_.lineage == nullptr || connection_ == nullptr || connection_->lineage() == place_.lineage->sight().name;
  if (connection_ != nullptr && connection_->alive() && is_of_today) return connection_.get();
  if (connection_ != nullptr) {
    log_.warning("store_connection_lost", {{"database", place_.display}});
    drop();
  }
  const auto now = std::chrono::steady_clock::now();
  if (now < not_before_) return std::unexpected(last_error_);
  auto opened = Connection::open(place_, access_);
  if (opened) {
    if (pause_.count() != 0) log_.info("store_connected_again", {{"database", place_.display}});
    pause_ = std::chrono::milliseconds(0);
    connection_ = *std::move(opened);
    return connection_.get();
  }
  pause_ = std::clamp(pause_ * 2, kPauseMin, kPauseMax);
  not_before_ = std::chrono::steady_clock::now() + pause_;
  last_error_ = opened.error();
  log_.warning("store_unreachable", {{"database", place_.display}, {"detail", last_error_.detail}});
  return std::unexpected(last_error_);
}

void StandingLine::drop() {
  connection_ = nullptr;
  if (place_.lineage != nullptr) place_.lineage->lose();
}

}  // namespace latchkey::store::postgres

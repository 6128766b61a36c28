#include "doors/http/paced_body.h"

namespace latchkey::doors {

Task<Result<Bytes>> PacedBody::pull() {
  const auto asked = steady_.now();
  auto piece = co_await body_->pull();
  if (!piece || piece->empty()) co_return piece;
  waited_ += steady_.now() - asked;
  came_bytes_ += piece->size();
  if (waited_ < least_.window) co_return piece;
  const auto least_bytes = least_.bytes_per_second * static_cast<std::uint64_t>(least_.window.count());
  if (came_bytes_ < least_bytes) {
    co_return fail(ErrorKind::unavailable, "upload_too_slow",
                   "The document came in too slowly and was not accepted. Look at the connection, then send it again.");
  }
  waited_ = {};
  came_bytes_ = 0;
  co_return piece;
}

}  // namespace latchkey::doors

#include "delivery/spool_room.h"

#include <algorithm>

#include "base/clock.h"

namespace latchkey::delivery {

Result<void> SpoolRoom::check(std::uint64_t more_bytes) const {
  const auto room = room_();
  if (!room) {
    return fail(ErrorKind::unavailable, "spool_failed", "The server's disk does not do as it should; its log says more.",
                {.detail = room.error().detail});
  }
  const auto reserve = reserve_();
  const auto kept_free = std::max(reserve.bytes, room->size_bytes / 100 * reserve.percent);
  if (room->free_bytes >= kept_free && room->free_bytes - kept_free >= more_bytes) return {};
  return fail(
      ErrorKind::unavailable, "spool_full",
      "The server's disk is nearly full: the document was not accepted. Make room on the disk of the data directory.",
      {.detail = std::to_string(room->free_bytes) + " bytes are free, " + std::to_string(kept_free) + " stay free",
       .retry_after = Seconds(60)});
}

}  // namespace latchkey::delivery

// Whose turn it is at the providers when tokens are given back: places per app, so that one that hangs holds up nobody else's,
// and an app that cannot be reached is put off as a whole instead of once for each of its tokens.
//
// A value of GivingBack's; no clock of its own, no I/O. Not thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <string>

#include "base/clock.h"

namespace latchkey::grants {

// Grows with the number of tries, from half a minute to `most`.
[[nodiscard]] Seconds revocation_back_off(int attempts, Seconds most);

class RevocationPlaces {
 public:
  static constexpr std::size_t kPerApp = 16;
  static constexpr std::size_t kInAll = 256;
  static constexpr Seconds kHeldMax = std::chrono::hours(1);  // how late it is noticed that a provider is back

  // Of an app that cannot be reached none is asked but, when the pause is over, one.
  [[nodiscard]] bool take(const std::string& app, WallTime now);
  // The place of an attempt that asked the provider and took that long, or asked nobody.
  void leave(const std::string& app);
  void answered(const std::string& app, std::chrono::nanoseconds took);
  void unreachable(const std::string& app, WallTime now, std::string why);

  // Whether its tokens are to be put off without being tried.
  [[nodiscard]] bool held(const std::string& app, WallTime now) const;
  [[nodiscard]] std::string why(const std::string& app) const;  // what stands in the way of a held app
  // When one that found no place is to be looked at again: they are laid out at about the pace in which the app takes them, rather too
  // early than too late.
  [[nodiscard]] WallTime later(const std::string& app, WallTime now);

 private:
  struct Lane {
    std::size_t busy = 0;
    int failures = 0;  // in a row
    WallTime held_until;
    WallTime laid_until;
    std::chrono::nanoseconds takes = std::chrono::milliseconds(20);  // one attempt; moving average
    std::string why;
  };
  std::map<std::string, Lane> lanes_;  // as many as there are app registrations
  std::size_t busy_ = 0;
};

}  // namespace latchkey::grants

// What a Cloud Service counts, for /metrics: how far flows came, and why others did not. No office's name.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace latchkey::relay {

// Thread-safe.
struct RelayCounters {
  std::atomic<std::int64_t> shown{0};      // confirmation pages
  std::atomic<std::int64_t> continued{0};  // on to the provider
  std::atomic<std::int64_t> returned{0};   // and back to the office
  std::atomic<std::int64_t> collected{0};  // by the office
  std::atomic<std::int64_t> enrolled{0};
  std::atomic<std::int64_t> asserted{0};   // client assertions signed
  // Revocations passed on, by what the provider made of them.
  std::atomic<std::int64_t> revoked{0};
  std::atomic<std::int64_t> not_revoked{0};
  std::atomic<std::int64_t> revocations_unreachable{0};

  // Strangers cause refusals: of each reason the log has at most kLinesMax lines within kLinesSpan, and the first line after that
  // says how many there were besides.
  static constexpr std::int64_t kLinesMax = 20;
  static constexpr Milliseconds kLinesSpan{10'000};
  struct Line {
    bool due = false;
    std::int64_t unsaid = 0;  // since the last line
  };
  // `reason`: a word of the program's own, so that there are few.
  [[nodiscard]] Line refused(std::string_view reason, SteadyTime now);
  [[nodiscard]] std::map<std::string, std::int64_t, std::less<>> refusals() const;

 private:
  mutable std::mutex mutex_;
  struct Refused {
    std::int64_t count = 0;
    std::int64_t unsaid = 0;
    std::int64_t lines = 0;  // since `since`
    SteadyTime since{};
  };
  std::map<std::string, Refused, std::less<>> refusals_;
};

}  // namespace latchkey::relay

// What browsers bring that is not used (a ticket or an answer that is replayed, forged, late, or another browser's): each has its line in the log, and a
// flood of them no more than a few.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/log.h"

namespace latchkey::grants {

// The engine's executor.
class RefusedAnswers {
 public:
  // Strangers cause them: of each reason the log has at most kLinesMax lines within kLinesSpan, and the first line after that says how many
  // there were besides.
  static constexpr int kLinesMax = 20;
  static constexpr Seconds kLinesSpan{10};
  // Beyond that many all others count as one.
  static constexpr std::size_t kReasonsMax = 64;

  RefusedAnswers(Log& log, SteadyClock& steady) : log_(log), steady_(steady) {}

  // `reason`: a word of this program's, or of a Cloud Service, never what was brought; `attempt`: empty where none is known.
  void note(std::string_view reason, const std::string& attempt = {});

 private:
  struct Said {
    SteadyTime since{};
    int lines = 0;
    std::int64_t unsaid = 0;
  };
  Log& log_;
  SteadyClock& steady_;
  std::map<std::string, Said, std::less<>> said_;
};

}  // namespace latchkey::grants

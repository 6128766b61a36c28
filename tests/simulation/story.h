// What happened in a world, in words: what concerns one grant, and what befell the machines. Kept where somebody will read
// it (one world, run by its seed); elsewhere no word is formed.
#pragma once

#include <fmt/format.h>

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "timeline.h"

namespace latchkey::simulation {

class Story {
 public:
  Story(const Timeline& timeline, bool wanted) : timeline_(timeline), wanted_(wanted) {}

  // Of the world.
  template <class... Parts>
  void tell(fmt::format_string<Parts...> words, Parts&&... parts) {
    if (wanted_) add(std::nullopt, fmt::format(words, std::forward<Parts>(parts)...));
  }
  // Of one grant.
  template <class... Parts>
  void tell_of(std::size_t subject, fmt::format_string<Parts...> words, Parts&&... parts) {
    if (wanted_) add(subject, fmt::format(words, std::forward<Parts>(parts)...));
  }

  // The last lines of the world and of this grant.
  [[nodiscard]] std::vector<std::string> of(std::size_t subject, std::size_t lines_max) const {
    std::deque<std::string> lines;
    for (auto at = lines_.rbegin(); at != lines_.rend() && lines.size() < lines_max; ++at) {
      if (!at->subject || *at->subject == subject) lines.push_front(at->text);
    }
    return {lines.begin(), lines.end()};
  }

 private:
  struct Line {
    std::optional<std::size_t> subject;
    std::string text;
  };
  void add(std::optional<std::size_t> subject, std::string text) {
    lines_.push_back({subject, fmt::format("{:10.3f} s  {}", std::chrono::duration<double>(timeline_.now()).count(), text)});
  }

  const Timeline& timeline_;
  const bool wanted_;
  std::vector<Line> lines_;
};

}  // namespace latchkey::simulation

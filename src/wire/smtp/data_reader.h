// What follows DATA (RFC 5321 section 4.5.2), as a stream: dots unstuffed, the end found. Pure.
//
// Only CRLF "." CRLF ends it. A bare LF is made CRLF, since devices send such lines, and neither it nor a bare CR is ever part
// of an end: who smuggles a second mail behind LF "." LF has it arrive as text of the first (SCENARIOS D7).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace latchkey::wire::smtp {

// A value.
class DataReader {
 public:
  // Appends to `out` what the octets mean, and returns how many of them it has taken: all, but for what follows the end.
  [[nodiscard]] std::size_t feed(std::string_view octets, std::string& out);
  [[nodiscard]] bool is_done() const { return state_ == State::done; }
  [[nodiscard]] std::size_t bare_line_feeds() const { return bare_line_feeds_; }

 private:
  enum class State {
    line_start,  // behind CRLF, or at the beginning
    text,
    cr,      // a CR that may begin CRLF
    dot,     // a dot at a line's start
    dot_cr,  // and a CR behind it
    done,
  };
  void take(char c, std::string& out);
  void take_text(char c, std::string& out);

  State state_ = State::line_start;
  std::size_t bare_line_feeds_ = 0;
};

}  // namespace latchkey::wire::smtp

#include "wire/smtp/data_reader.h"

#include <algorithm>

namespace latchkey::wire::smtp {

void DataReader::take_text(char c, std::string& out) {
  if (c == '\r') {
    state_ = State::cr;
    return;
  }
  state_ = State::text;
  if (c == '\n') {
    ++bare_line_feeds_;
    out += "\r\n";
  } else {
    out += c;
  }
}

void DataReader::take(char c, std::string& out) {
  switch (state_) {
    case State::line_start:
      if (c == '.') state_ = State::dot;
      else take_text(c, out);
      return;
    case State::text:
      take_text(c, out);
      return;
    case State::cr:
      if (c == '\n') {
        out += "\r\n";
        state_ = State::line_start;
        return;
      }
      out += '\r';
      take_text(c, out);
      return;
    case State::dot:
      if (c == '\r') {
        state_ = State::dot_cr;
        return;
      }
      // A dot and a bare LF is a line that was never stuffed.
      if (c == '\n') out += '.';
      take_text(c, out);
      return;
    case State::dot_cr:
      if (c == '\n') {
        state_ = State::done;
        return;
      }
      out += ".\r";
      take_text(c, out);
      return;
    case State::done:
      return;
  }
}

std::size_t DataReader::feed(std::string_view octets, std::string& out) {
  std::size_t at = 0;
  while (at < octets.size() && state_ != State::done) {
    if (state_ == State::text) {
      const auto end = std::min(octets.find_first_of("\r\n", at), octets.size());
      out.append(octets, at, end - at);
      at = end;
      if (at == octets.size()) break;
    }
    take(octets[at++], out);
  }
  return at;
}

}  // namespace latchkey::wire::smtp

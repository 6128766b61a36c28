// What was said in a conversation, for a person who looks for what a device does wrong. Never what may be a secret: the
// responses of AUTH, a word that is no command, an argument where none belongs; and nothing of a message but its size. Pure.
//
// Bounds: 120 lines of 200 characters: the first 40, and the last 80 of those behind them. Lines are printable ASCII; what
// is not is "?".
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "wire/smtp/command.h"

namespace latchkey::wire::smtp {

// A value.
struct TranscriptLine {
  enum class Speaker { client, server, note };
  Speaker speaker = Speaker::note;
  std::string text;
  friend bool operator==(const TranscriptLine&, const TranscriptLine&) = default;
};

// A value.
class Transcript {
 public:
  void client(const Command& command, std::size_t line_bytes);
  // A line in answer to a challenge.
  void client_response();
  // One line or several, as they leave.
  void server(std::string_view octets);
  // What happened otherwise, in words.
  void note(std::string text);
  // With a note in the place of those that were dropped.
  [[nodiscard]] std::vector<TranscriptLine> lines() const;

 private:
  void add(TranscriptLine::Speaker speaker, std::string_view text);

  std::vector<TranscriptLine> first_;
  std::deque<TranscriptLine> last_;
  std::uint64_t dropped_ = 0;
};

}  // namespace latchkey::wire::smtp

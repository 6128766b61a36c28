#include "grants/refused_answers.h"

#include <utility>

namespace latchkey::grants {

void RefusedAnswers::note(std::string_view reason, const std::string& attempt) {
  if (said_.size() >= kReasonsMax && !said_.contains(reason)) reason = "other";
  const auto now = steady_.now();
  auto found = said_.find(reason);
  if (found == said_.end()) found = said_.emplace(std::string(reason), Said{.since = now}).first;
  auto& said = found->second;
  if (now >= said.since + kLinesSpan) {
    said.since = now;
    said.lines = 0;
  }
  if (said.lines >= kLinesMax) {
    said.unsaid += 1;
    return;
  }
  said.lines += 1;
  log_.warning("answer_not_used", {{"reason", reason}, {"authorization", attempt}, {"unsaid_before", std::exchange(said.unsaid, 0)}});
}

}  // namespace latchkey::grants

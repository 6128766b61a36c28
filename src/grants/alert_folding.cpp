#include "grants/alert_folding.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace latchkey::grants {
namespace {

struct Foldable {
  std::string_view kind;
  std::string_view words;  // before and after the number
};
constexpr Foldable kFoldable[] = {
    {"pin_guessing", "PINs or passwords of {} users are being guessed."},
    {"pin_spray", "{} addresses try PINs for many users; each is refused for a while."},
    {"pin_in_clear", "PINs of {} users came over connections anybody may read."},
    {"record_altered", "{} stored records were altered from outside and are not used."},
    {"pin_reset", "New PINs were set for {} users without the old ones."},
};

Alert one_of(std::vector<Alert> all, const Foldable& kind, FoldedSince since) {
  const auto latest = std::ranges::max_element(all, {}, &Alert::since);
  const auto first = std::ranges::min_element(all, {}, &Alert::since);
  // Where one of them lasts, so do all: its end is news.
  const auto until = std::ranges::all_of(all, [](const Alert& each) { return each.until.has_value(); })
                         ? std::ranges::max_element(all, {}, &Alert::until)->until : std::nullopt;
  auto words = latest->words;
  if (all.size() > 1) {
    const auto number = fmt::format("{}{}", all.size(), all.size() >= kEventsOfAKindMax ? " or more" : "");
    words = fmt::format(fmt::runtime(kind.words), number) + " The latest: " + words + " Each stands in the log (`alert`).";
  }
  return {.cause = std::string(kind.kind), .words = std::move(words), .since = since == FoldedSince::first ? first->since : latest->since,
          .times = static_cast<std::int64_t>(all.size()), .until = until,
          .number = static_cast<std::int64_t>(all.size())};
}

}  // namespace

std::vector<Alert> folded(std::vector<Alert> alerts, std::size_t apart, FoldedSince since) {
  for (const auto& kind : kFoldable) {
    const auto others = std::ranges::partition(alerts, [prefix = std::string(kind.kind) + ":"](const Alert& alert) { return !alert.cause.starts_with(prefix); });
    if (static_cast<std::size_t>(others.size()) <= apart || others.empty()) continue;
    std::vector<Alert> all(others.begin(), others.end());
    alerts.erase(others.begin(), others.end());
    alerts.push_back(one_of(std::move(all), kind, since));
  }
  std::ranges::sort(alerts, {}, &Alert::cause);
  return alerts;
}

}  // namespace latchkey::grants

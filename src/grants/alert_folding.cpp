#include "grants/alert_folding.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

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

// `beyond`: what is only counted, if anything is.
Alert one_of(std::vector<Alert> all, const std::optional<Alert>& beyond, const Foldable& kind, FoldedSince since) {
  const auto latest = std::ranges::max_element(all, {}, &Alert::since);
  const auto first = std::ranges::min_element(all, {}, &Alert::since);
  // Where one of them lasts, so do all: its end is news.
  const auto until = std::ranges::all_of(all, [](const Alert& each) { return each.until.has_value(); })
                         ? std::ranges::max_element(all, {}, &Alert::until)->until : std::nullopt;
  auto words = latest->words;
  const auto events = std::ranges::count_if(all, [](const Alert& each) { return each.until.has_value(); });
  const auto counted = beyond ? beyond->number : 0;
  const auto count = std::ssize(all) + counted;
  if (count > 1) {
    const bool or_more = std::cmp_greater_equal(events, kEventsOfAKindMax) || std::cmp_greater_equal(counted, kCountedOfAKindMax);
    const auto number = fmt::format("{}{}", count, or_more ? " or more" : "");
    words = fmt::format(fmt::runtime(kind.words), number) + " The latest: " + words + " Each stands in the log (`alert`).";
  }
  return {.cause = std::string(kind.kind), .words = std::move(words), .since = since == FoldedSince::first ? first->since : latest->since,
          .times = count, .until = until, .number = count};
}

}  // namespace

std::vector<Alert> folded(std::vector<Alert> alerts, std::size_t apart, FoldedSince since) {
  for (const auto& kind : kFoldable) {
    const auto others = std::ranges::partition(alerts, [prefix = std::string(kind.kind) + ":"](const Alert& alert) { return !alert.cause.starts_with(prefix); });
    if (static_cast<std::size_t>(others.size()) <= apart || others.empty()) continue;
    std::vector<Alert> all(others.begin(), others.end());
    alerts.erase(others.begin(), others.end());
    std::optional<Alert> beyond;
    if (const auto counted = std::ranges::find(alerts, kind.kind, &Alert::cause); counted != alerts.end()) {
      beyond = std::move(*counted);
      alerts.erase(counted);
    }
    alerts.push_back(one_of(std::move(all), beyond, kind, since));
  }
  std::ranges::sort(alerts, {}, &Alert::cause);
  return alerts;
}

}  // namespace latchkey::grants

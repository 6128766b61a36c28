#include "grants/notice_book.h"

#include <algorithm>

namespace latchkey::grants {
namespace {

WallTime time_of(const JsonObject& object, std::string_view key) {
  return base::from_rfc3339(base::string_or(object, key)).value_or(WallTime{});
}

}  // namespace

std::string_view name_of(NoticeKind kind) {
  switch (kind) {
    case NoticeKind::begun: return "begun";
    case NoticeKind::reminder: return "reminder";
    case NoticeKind::resolved: return "resolved";
    case NoticeKind::test: return "test";
  }
  return "begun";
}

std::string_view name_of_kind(std::string_view cause) { return cause.substr(0, cause.find(':')); }

bool has_room_for(std::string_view cause, std::size_t same) {
  return kind_of_alert(cause).severity == Severity::critical || same < kCausesOfAKindMax;
}

std::optional<Notice> NoticeBook::next(const std::vector<Alert>& alerts, const NoticeRhythm& rhythm, WallTime started_at, WallTime now) {
  passing_.clear();
  std::optional<Notice> due;
  const auto offer = [&due](Notice notice) {
    if (!due) due = std::move(notice);
  };
  for (const auto& alert : alerts) {
    passing_[alert.cause] = alert.until.has_value();
    const auto known = told_.find(alert.cause);
    if (known == told_.end()) {
      if (now - alert.since >= rhythm.wait && has_room(alert.cause)) {
        offer({.kind = NoticeKind::begun, .cause = alert.cause, .words = alert.words, .since = alert.since, .number = alert.number});
      }
      continue;
    }
    known->second.gone_since = WallTime{};
    known->second.words = alert.words;
    if (known->second.number == 0) known->second.number = alert.number;  // told by a version that kept none
    // One dead account must not keep five hundred from being told; what wavers is no news.
    const bool doubled = alert.number > 0 && alert.number >= 2 * known->second.number && now - known->second.told_at >= rhythm.wait;
    if (doubled || now - known->second.told_at >= rhythm.remind_every) {
      offer({.kind = NoticeKind::reminder, .cause = alert.cause, .words = alert.words, .since = known->second.since, .number = alert.number});
    }
  }
  for (auto at = told_.begin(); at != told_.end();) {
    auto& [cause, told] = *at;
    if (passing_.contains(cause)) {
      ++at;
      continue;
    }
    if (told.gone_since == WallTime{}) told.gone_since = now;
    const bool of_an_earlier_process = told.told_at < started_at;
    const bool over = now - told.gone_since >= rhythm.wait && (!of_an_earlier_process || now - started_at >= kAlertsComeBackIn);
    if (over && told.passes) {
      at = told_.erase(at);
      continue;
    }
    if (over) offer({.kind = NoticeKind::resolved, .cause = cause, .words = told.words, .since = told.since});
    ++at;
  }
  return due;
}

bool NoticeBook::has_room(std::string_view cause) const {
  const auto same = std::ranges::count_if(told_, [&](const auto& told) { return name_of_kind(told.first) == name_of_kind(cause); });
  return has_room_for(cause, static_cast<std::size_t>(same));
}

std::size_t NoticeBook::leave_out(AlertScope scope) {
  return std::erase_if(told_, [&](const auto& told) { return kind_of_alert(told.first).scope == scope; });
}

void NoticeBook::told(const Notice& notice, WallTime now) {
  if (notice.kind == NoticeKind::resolved) {
    told_.erase(notice.cause);
    return;
  }
  auto& entry = told_[notice.cause];
  entry.words = notice.words;
  entry.since = notice.since;
  entry.told_at = now;
  entry.number = notice.number;
  if (const auto passes = passing_.find(notice.cause); passes != passing_.end()) entry.passes = passes->second;
}

std::string NoticeBook::to_json() const {
  JsonObject causes;
  for (const auto& [cause, told] : told_) {
    causes[cause] = JsonObject{{"words", told.words}, {"since", base::to_rfc3339(told.since)}, {"told_at", base::to_rfc3339(told.told_at)},
                               {"number", told.number}, {"passes", told.passes}};
  }
  return boost::json::serialize(JsonObject{{"causes", std::move(causes)}});
}

NoticeBook NoticeBook::from_json(std::string_view text) {
  NoticeBook book;
  const auto json = parse_json(text);
  if (!json || !json->is_object()) return book;
  const auto* causes = base::find_object(json->get_object(), "causes");
  if (causes == nullptr) return book;
  for (const auto& [cause, value] : *causes) {
    if (!value.is_object() || !book.has_room(std::string_view(cause))) continue;
    const auto& entry = value.get_object();
    const auto* passes = entry.if_contains("passes");
    const auto* number = entry.if_contains("number");
    book.told_[std::string(cause)] = {.words = base::string_or(entry, "words"), .since = time_of(entry, "since"), .told_at = time_of(entry, "told_at"),
                                      .number = number != nullptr && number->is_int64() ? number->get_int64() : 0,
                                      .passes = passes != nullptr && passes->is_bool() && passes->get_bool()};
  }
  return book;
}

}  // namespace latchkey::grants

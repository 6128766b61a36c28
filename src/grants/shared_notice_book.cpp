#include "grants/shared_notice_book.h"

#include <algorithm>

namespace latchkey::grants {
namespace {

WallTime time_of(const JsonObject& object, std::string_view key) {
  return base::from_rfc3339(base::string_or(object, key)).value_or(WallTime{});
}

bool is_free(const auto& entry, const SharedNoticeBook::Reader& reader, WallTime now) {
  // After an outage whoever has delivered something comes first, to say so.
  if (!entry.claim) return true;
  const bool of_a_clock_ahead = entry.claim->at - now >= kNoticeClaimLasts;
  return (of_a_clock_ahead || now - entry.claim->at >= kNoticeClaimLasts) && reader.watched >= kNoticeClaimLasts;
}

}  // namespace

void SharedNoticeBook::adopt(const SharedNoticeBook& before, const Reader& reader, WallTime now) {
  for (const auto& [cause, entry] : before.entries_) {
    if (!entries_.contains(cause) && !has_room(cause)) continue;
    auto& here = entries_.emplace(cause, entry).first->second;
    here.seen.emplace(reader.node, now);
    here.is_of_one_server = false;
  }
}

void SharedNoticeBook::settle(const std::vector<Notice>& told, const Reader& reader, WallTime now) {
  for (const auto& notice : told) mark_told(notice, now);
  for (auto& [cause, entry] : entries_) {
    if (entry.claim && entry.claim->node == reader.node) entry.claim.reset();
  }
}

void SharedNoticeBook::mark_told(const Notice& notice, WallTime now) {
  delivered_at_ = now;
  if (notice.kind == NoticeKind::resolved) {
    entries_.erase(notice.cause);
    return;
  }
  auto& entry = entries_[notice.cause];
  entry.words = notice.words;
  entry.since = notice.since;
  entry.told_at = now;
  entry.number = notice.number;
}

void SharedNoticeBook::note(const std::vector<Alert>& alerts, Reader& reader, WallTime now) {
  std::set<std::string_view> standing;
  for (const auto& alert : alerts) {
    standing.insert(alert.cause);
    reader.seen_before.insert(alert.cause);
    note_seen(alert, reader, now);
  }
  for (auto at = entries_.begin(); at != entries_.end();) {
    auto& [cause, entry] = *at;
    if (entry.is_of_one_server) entry.seen.emplace(reader.node, now);
    entry.is_of_one_server = false;
    drop_sightings(entry, cause, standing, reader, now);
    if (!entry.seen.empty()) {
      ++at;
      continue;
    }
    if (entry.told_at == WallTime{} && is_free(entry, reader, now)) {  // it has ended before anybody heard of it
      at = entries_.erase(at);
      continue;
    }
    if (entry.gone_since == WallTime{}) entry.gone_since = now;
    ++at;
  }
  // An end that has been seen is in the book; the next time is another.
  std::erase_if(reader.seen_before, [&](const std::string& cause) { return !standing.contains(cause) && !entries_.contains(cause); });
}

void SharedNoticeBook::note_seen(const Alert& alert, const Reader& reader, WallTime now) {
  const auto known = entries_.find(alert.cause);
  if (known == entries_.end()) return;
  auto& entry = known->second;
  entry.gone_since = WallTime{};
  if (!alert.until) entry.passes = false;
  if (entry.number == 0) entry.number = alert.number;  // told by a version that kept none
  auto& seen = entry.seen[reader.node];
  if (seen != WallTime{} && now - seen < kSightingRenewed) return;
  seen = now;
  entry.words = alert.words;
}

void SharedNoticeBook::drop_sightings(Entry& entry, std::string_view cause, const std::set<std::string_view>& standing, const Reader& reader,
                                      WallTime now) const {
  const bool knows_all = reader.watched >= kAlertsComeBackIn;
  const bool is_over_here = !standing.contains(cause) && (knows_all || reader.seen_before.contains(std::string(cause)));
  std::erase_if(entry.seen, [&](const auto& seen) {
    if (seen.first == reader.node && is_over_here) return true;
    return knows_all && now - seen.second >= kSightingLasts;
  });
}

std::optional<Notice> SharedNoticeBook::claim(const std::vector<Alert>& alerts, const NoticeRhythm& rhythm, const Reader& reader, WallTime now) {
  std::map<std::string_view, const Alert*> standing;
  for (const auto& alert : alerts) {
    standing[alert.cause] = &alert;
    if (entries_.contains(alert.cause) || now - alert.since < rhythm.wait || !has_room(alert.cause)) continue;
    entries_[alert.cause] = {.words = alert.words, .since = alert.since, .number = alert.number, .passes = alert.until.has_value(),
                             .seen = {{reader.node, now}}, .claim = Claim{.node = reader.node, .at = now}};
    return Notice{.kind = NoticeKind::begun, .cause = alert.cause, .words = alert.words, .since = alert.since, .number = alert.number};
  }
  for (auto at = entries_.begin(); at != entries_.end();) {
    auto& [cause, entry] = *at;
    const bool gone = entry.gone_since != WallTime{};
    const bool over = gone && now - entry.gone_since >= rhythm.wait;
    if (!is_free(entry, reader, now) || (gone && !over)) {
      ++at;
      continue;
    }
    if (over && entry.passes) {
      at = entries_.erase(at);
      continue;
    }
    // Whoever does not see it tells it for those who do: their line to the relay may be what is broken.
    const auto here = standing.find(cause);
    const auto number = here == standing.end() ? entry.number : here->second->number;
    const bool doubled = number > 0 && number >= 2 * entry.number && now - entry.told_at >= rhythm.wait;
    const bool never_told = entry.told_at == WallTime{};
    if (!over && !never_told && !doubled && now - entry.told_at < rhythm.remind_every) {
      ++at;
      continue;
    }
    const auto kind = over ? NoticeKind::resolved : never_told ? NoticeKind::begun : NoticeKind::reminder;
    entry.claim = Claim{.node = reader.node, .at = now};
    return Notice{.kind = kind, .cause = cause, .words = here == standing.end() ? entry.words : here->second->words, .since = entry.since, .number = number};
  }
  return std::nullopt;
}

bool SharedNoticeBook::has_room(std::string_view cause) const {
  const auto same = std::ranges::count_if(entries_, [&](const auto& entry) { return name_of_kind(entry.first) == name_of_kind(cause); });
  return has_room_for(cause, static_cast<std::size_t>(same));
}

std::string SharedNoticeBook::to_json() const {
  JsonObject causes;
  for (const auto& [cause, entry] : entries_) {
    JsonObject json{{"words", entry.words}, {"since", base::to_rfc3339(entry.since)}, {"number", entry.number}, {"passes", entry.passes}};
    if (entry.told_at != WallTime{}) json["told_at"] = base::to_rfc3339(entry.told_at);
    if (entry.gone_since != WallTime{}) json["gone_since"] = base::to_rfc3339(entry.gone_since);
    if (entry.claim) json["claim"] = JsonObject{{"node", entry.claim->node}, {"at", base::to_rfc3339(entry.claim->at)}};
    JsonObject seen;
    for (const auto& [node, at] : entry.seen) seen[node] = base::to_rfc3339(at);
    if (!entry.is_of_one_server) json["seen"] = std::move(seen);
    causes[cause] = std::move(json);
  }
  JsonObject book{{"causes", std::move(causes)}};
  if (delivered_at_ != WallTime{}) book["delivered_at"] = base::to_rfc3339(delivered_at_);
  return boost::json::serialize(book);
}

SharedNoticeBook SharedNoticeBook::from_json(std::string_view text) {
  SharedNoticeBook book;
  const auto json = parse_json(text);
  if (!json || !json->is_object()) return book;
  book.delivered_at_ = time_of(json->get_object(), "delivered_at");
  const auto* causes = base::find_object(json->get_object(), "causes");
  if (causes == nullptr) return book;
  for (const auto& [cause, value] : *causes) {
    // What belongs to one server was told by the book of an installation that had but one.
    if (!value.is_object() || kind_of_alert(cause).scope != AlertScope::installation || !book.has_room(std::string_view(cause))) continue;
    const auto& json_entry = value.get_object();
    const auto* passes = json_entry.if_contains("passes");
    const auto* number = json_entry.if_contains("number");
    Entry entry{.words = base::string_or(json_entry, "words"), .since = time_of(json_entry, "since"), .told_at = time_of(json_entry, "told_at"),
                .number = number != nullptr && number->is_int64() ? number->get_int64() : 0, .passes = passes != nullptr && passes->is_bool() && passes->get_bool(),
                .gone_since = time_of(json_entry, "gone_since")};
    const auto* seen = base::find_object(json_entry, "seen");
    entry.is_of_one_server = seen == nullptr;
    if (seen != nullptr) {
      for (const auto& [node, at] : *seen) entry.seen[std::string(node)] = time_of(*seen, node);
    }
    if (const auto* claim = base::find_object(json_entry, "claim")) entry.claim = Claim{.node = base::string_or(*claim, "node"), .at = time_of(*claim, "at")};
    book.entries_[std::string(cause)] = std::move(entry);
  }
  return book;
}

}  // namespace latchkey::grants

// What one channel has told about each cause, and what it must tell next: one notice when a cause begins, reminders, also
// when it has doubled, one when it is over. Pure; kept in the store as JSON, so that a restart tells nothing twice.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "grants/alert_kinds.h"
#include "grants/alerts.h"

namespace latchkey::grants {

enum class NoticeKind { begun, reminder, resolved, test };
[[nodiscard]] std::string_view name_of(NoticeKind kind);

struct Notice {
  NoticeKind kind = NoticeKind::begun;
  std::string cause;
  std::string words;
  WallTime since;
  std::int64_t number = 0;  // Alert::number
};

struct NoticeRhythm {
  Milliseconds wait{60'000};                     // a cause must stand, or be gone, for so long
  Milliseconds remind_every = std::chrono::hours(24);
};

// Of one kind in a book; what comes beyond them is told when there is room. Critical causes always have room: they are as many as
// there are apps and servers.
inline constexpr std::size_t kCausesOfAKindMax = 50;
// `same`: how many of the cause's kind a book holds.
[[nodiscard]] bool has_room_for(std::string_view cause, std::size_t same);
// Of `pin_spray:192.0.2.1`: `pin_spray`.
[[nodiscard]] std::string_view name_of_kind(std::string_view cause);

// Alerts live in memory: the slowest look that raises one comes ten minutes after the start.
inline constexpr std::chrono::minutes kAlertsComeBackIn{15};

class NoticeBook {
 public:
  // The next thing to tell; nullopt: nothing now. `alerts` is all that stands. `started_at`: when this process began; what was
  // told before it is not over until alerts had time to come back.
  [[nodiscard]] std::optional<Notice> next(const std::vector<Alert>& alerts, const NoticeRhythm& rhythm, WallTime started_at, WallTime now);
  void told(const Notice& notice, WallTime now);
  // Without a word. How many there were.
  std::size_t leave_out(AlertScope scope);

  [[nodiscard]] std::string to_json() const;
  // An empty or unreadable text is an empty book.
  [[nodiscard]] static NoticeBook from_json(std::string_view text);
  [[nodiscard]] std::size_t size() const { return told_.size(); }

 private:
  [[nodiscard]] bool has_room(std::string_view cause) const;

  struct Told {
    std::string words;
    WallTime since;
    WallTime told_at;
    std::int64_t number = 0;  // as told
    bool passes = false;  // ends by itself: its end is no news
    WallTime gone_since{};  // zero: it stands
  };
  std::map<std::string, Told> told_;
  std::map<std::string, bool> passing_;  // of the alerts last seen
};

}  // namespace latchkey::grants

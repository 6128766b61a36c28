// What one channel has told of the causes that concern the whole installation, where several servers share a store: one book for all of
// them, in the store, as JSON. Each server notes there which causes it sees, and claims what it is about to tell, by compare-and-set:
// of two that see the same cause at once one tells it. Pure.
//
// A cause is over when no server sees it any more. A server that has died takes no note back, so that notes which nobody renews are
// dropped after a while; and what it had claimed is told by another (at least once: the dead one may have told it).
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "grants/alerts.h"
#include "grants/notice_book.h"

namespace latchkey::grants {

// Longer than any notice is under way.
inline constexpr std::chrono::minutes kNoticeClaimLasts{2};
inline constexpr std::chrono::minutes kSightingRenewed{5};
// A server that starts anew within a few minutes sees again what it saw before: see kAlertsComeBackIn.
inline constexpr std::chrono::minutes kSightingLasts{20};

class SharedNoticeBook {
 public:
  // A server's process, as it reads the book.
  struct Reader {
    std::string node;
    Milliseconds watched{0};             // for how long it has read the book without a break
    std::set<std::string> seen_before;   // causes this process has seen: that it sees one no more is news
  };

  // An empty or unreadable text is an empty book. A book of one server alone is read, too (NoticeBook::to_json).
  [[nodiscard]] static SharedNoticeBook from_json(std::string_view text);
  [[nodiscard]] std::string to_json() const;

  // What the reader has told by a book of its own, before there was a shared one; what this one knows stays.
  void adopt(const SharedNoticeBook& before, const Reader& reader, WallTime now);
  // `told`: what the reader has delivered since it read the book last. Nothing else is under way there: its other claims are void.
  void settle(const std::vector<Notice>& told, const Reader& reader, WallTime now);
  // Which causes the reader sees. `alerts`: all that stand there, of the kinds that concern the installation.
  void note(const std::vector<Alert>& alerts, Reader& reader, WallTime now);
  // The next thing to tell, claimed for the reader; nullopt: nothing now. It may be told once the book is kept.
  [[nodiscard]] std::optional<Notice> claim(const std::vector<Alert>& alerts, const NoticeRhythm& rhythm, const Reader& reader, WallTime now);

  // When a notice was delivered last, by whichever server; zero: never.
  [[nodiscard]] WallTime delivered_at() const { return delivered_at_; }
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  struct Claim {
    std::string node;
    WallTime at;
  };
  struct Entry {
    std::string words;
    WallTime since;
    WallTime told_at;  // zero: claimed, and not told yet
    std::int64_t number = 0;
    bool passes = false;  // ends by itself: its end is no news
    std::map<std::string, WallTime> seen;  // by which servers, as last noted
    WallTime gone_since{};                 // zero: it stands
    std::optional<Claim> claim;
    bool is_of_one_server = false;  // of a book without sightings
  };
  using Entries = std::map<std::string, Entry, std::less<>>;

  [[nodiscard]] bool has_room(std::string_view cause) const;
  void note_seen(const Alert& alert, const Reader& reader, WallTime now);
  void drop_sightings(Entry& entry, std::string_view cause, const std::set<std::string_view>& standing, const Reader& reader, WallTime now) const;
  void mark_told(const Notice& notice, WallTime now);

  Entries entries_;
  WallTime delivered_at_{};
};

}  // namespace latchkey::grants

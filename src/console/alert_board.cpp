#include "console/alert_board.h"

#include <fmt/format.h>

#include <algorithm>

namespace latchkey::console {

namespace {

struct Kind {
  std::string_view cause;  // before the colon
  Severity severity;
  std::string_view title;
  std::string_view link;   // what follows the colon is appended when it ends in a slash
  bool dismissible;
};
constexpr Kind kKinds[] = {
    {"app_misconfigured", Severity::critical, "A provider refuses an app registration", "/settings/apps/", false},
    {"app_secret_expires", Severity::warning, "A client secret runs out", "/settings/apps/", true},
    {"journal_failed", Severity::critical, "The disk refused to keep token replies", "", false},
    {"journal_full", Severity::critical, "No room to keep token replies", "", false},
    {"store_refuses", Severity::critical, "The store cannot be written", "", false},
    {"clock_behind", Severity::critical, "The clock is behind the truth", "", false},
    {"reply_unreadable", Severity::critical, "A kept answer of a provider cannot be used", "/users", false},
    {"record_altered", Severity::critical, "A stored record was altered from outside", "/activity", true},
    {"master_key_rotation", Severity::warning, "The rotation of the master key waits", "/settings/keys", false},
    {"master_key_rotated", Severity::warning, "The master key was rotated", "/settings/keys", true},
    {"master_key_not_in_place", Severity::critical, "The master key lies in the wrong place", "/settings/keys", false},
    {"needs_authorization", Severity::critical, "Accounts must be authorised again", "/users?state=needs_authorization", false},
    {"dying_soon", Severity::warning, "Accounts will soon be forgotten by their providers", "/users", true},
    {"uncertain", Severity::warning, "The answer to a refresh was lost", "/users?state=uncertain", false},
    {"pin_guessing", Severity::warning, "Somebody is guessing a PIN or password", "/users/", true},
    {"pin_reset", Severity::warning, "A PIN was reset", "/users/", false},
    {"pin_spray", Severity::warning, "An address is locked out after many wrong PINs", "/activity", true},
    {"pin_in_clear", Severity::warning, "A PIN was sent over a line anybody may read", "/users", true},
};

// A cause may hold a username or an address, which fit no path; its 64-bit FNV-1a hash does.
std::string id_of(std::string_view cause) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : cause) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return fmt::format("{}-{:016x}", cause.substr(0, cause.find(':')), hash);
}

Alert alert_of(const Cause& cause) {
  const auto colon = cause.cause.find(':');
  const auto name = std::string_view(cause.cause).substr(0, colon);
  const auto* kind = std::ranges::find(kKinds, name, &Kind::cause);
  Alert alert{.id = id_of(cause.cause), .title = "Something needs attention", .detail = cause.words, .since = cause.since, .dismissible = true};
  if (kind == std::end(kKinds)) return alert;
  alert.severity = kind->severity;
  alert.title = kind->title;
  alert.link = kind->link;
  if (alert.link.ends_with('/') && colon != std::string::npos) alert.link += cause.cause.substr(colon + 1);
  alert.dismissible = kind->dismissible;
  return alert;
}

}  // namespace

std::vector<Alert> AlertBoard::current() {
  const auto causes = causes_();
  const std::lock_guard lock(mutex_);
  // A cause that is over, or that has begun anew, is forgotten, so that it shows again.
  std::erase_if(dismissed_, [&](const auto& put_away) {
    const auto cause = std::ranges::find(causes, put_away.first, &Cause::cause);
    return cause == causes.end() || cause->since != put_away.second;
  });
  std::vector<Alert> alerts;
  for (const auto& cause : causes) {
    if (!dismissed_.contains(cause.cause)) alerts.push_back(alert_of(cause));
  }
  std::ranges::stable_sort(alerts, [](const Alert& a, const Alert& b) { return a.severity > b.severity; });
  return alerts;
}

Result<void> AlertBoard::dismiss(std::string_view id) {
  for (const auto& cause : causes_()) {
    if (id_of(cause.cause) != id) continue;
    if (!alert_of(cause).dismissible) {
      return fail(ErrorKind::conflict, "not_dismissible", "The cause is still there; the banner goes when it is mended.");
    }
    const std::lock_guard lock(mutex_);
    dismissed_.insert_or_assign(cause.cause, cause.since);
    return {};
  }
  return fail(ErrorKind::not_found, "not_found", "There is no such alert (any more).");
}

}  // namespace latchkey::console

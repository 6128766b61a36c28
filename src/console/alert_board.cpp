#include "console/alert_board.h"

#include <fmt/format.h>

#include <algorithm>

namespace latchkey::console {

namespace {

// A cause may hold a username or an address, which fit no path; its 64-bit FNV-1a hash does.
std::string id_of(std::string_view cause) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : cause) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return fmt::format("{}-{:016x}", cause.substr(0, cause.find(':')), hash);
}

Alert alert_of(const Cause& cause) {
  const auto& kind = grants::kind_of_alert(cause.cause);
  return {.id = id_of(cause.cause), .severity = kind.severity, .title = std::string(kind.title), .detail = cause.words, .since = cause.since,
          .link = grants::link_of_alert(cause.cause), .dismissible = kind.dismissible};
}

}  // namespace

std::vector<Alert> AlertBoard::current() { return alerts(Which::shown); }
std::vector<Alert> AlertBoard::put_away() { return alerts(Which::put_away); }

std::vector<Alert> AlertBoard::alerts(Which which) {
  const auto causes = causes_();
  const std::lock_guard lock(mutex_);
  // A cause that is over, or that has begun anew, is forgotten, so that it shows again.
  std::erase_if(dismissed_, [&](const auto& put_away) {
    const auto cause = std::ranges::find(causes, put_away.first, &Cause::cause);
    return cause == causes.end() || cause->since != put_away.second;
  });
  std::vector<Alert> alerts;
  for (const auto& cause : causes) {
    if (dismissed_.contains(cause.cause) == (which == Which::put_away)) alerts.push_back(alert_of(cause));
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

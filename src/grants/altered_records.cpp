#include "grants/altered_records.h"

#include <type_traits>

namespace latchkey::grants {
namespace {

constexpr std::string_view kGrantCause = "record_altered:grant:";
constexpr std::string_view kAppCause = "record_altered:app:";
constexpr std::string_view kRevocationCause = "record_altered:revocation:";
constexpr std::size_t kLooksMax = 1000;  // at a time
constexpr std::chrono::hours kRevocationStands{7 * 24};
constexpr std::string_view kSomebody = " Somebody wrote to the database past Latchkey: find out who. ";

// Whether it is no longer as it was found.
template <class Row>
bool is_over(const Result<std::optional<Row>>& read, const Sealing& sealing) {
  if (!read) return false;
  if (!*read) return true;
  if constexpr (std::is_same_v<Row, store::GrantView>) return sealing.check((*read)->grant).has_value();
  else return sealing.check(**read).has_value();
}

}  // namespace

void tell_altered(Alerts& alerts, const store::Grant& grant) {
  alerts.raise(std::string(kGrantCause) + grant.id.text(),
               "The stored grant " + grant.id.text() + " was altered from outside and is not used." + std::string(kSomebody) +
                   "Then delete it on its user's page (/users/" + grant.user.text() + ") and authorise the account anew there.");
}

void tell_altered_app(Alerts& alerts, const std::string& app) {
  alerts.raise(std::string(kAppCause) + app, "The stored app registration " + app + " was altered from outside and is not used; its grants wait." +
                                                 std::string(kSomebody) + "Then hold each of its fields under OAuth settings against the provider's page, enter the secret again and save it.");
}

void tell_altered(Alerts& alerts, const store::Revocation& revocation) {
  alerts.tell(std::string(kRevocationCause) + revocation.id.text(),
              "A stored revocation, of " + revocation.subject + ", was altered from outside and was not used." + std::string(kSomebody) +
                  "Then remove the app in that account's own settings at the provider.",
              kRevocationStands);
}

Task<void> look_again_at_altered(store::Store& store, const Sealing& sealing, Alerts& alerts) {
  std::size_t looks = 0;
  for (const auto& alert : alerts.current()) {
    const std::string_view cause = alert.cause;
    const bool of_grant = cause.starts_with(kGrantCause);
    if (!of_grant && !cause.starts_with(kAppCause)) continue;
    if (++looks > kLooksMax) co_return;
    bool over = false;
    if (!of_grant) over = is_over(co_await store.app(alert.cause.substr(kAppCause.size())), sealing);
    else if (const auto id = GrantId::parse(cause.substr(kGrantCause.size()))) over = is_over(co_await store.grant(*id), sealing);
    if (over) alerts.clear(alert.cause);
  }
}

}  // namespace latchkey::grants

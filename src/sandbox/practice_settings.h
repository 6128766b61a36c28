// What a person may set on the practice service's page, to rehearse what real providers do on bad days. A value.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "net/url.h"

namespace latchkey::sandbox {

// What a refresh does to the refresh token it spent.
enum class Rotation {
  none,               // the reply brings no new one
  rolling,            // a new one each time, older ones stay good
  single_use,         // a new one each time, an older one is refused
  single_use_family,  // as single_use, and an older one ends the whole grant (RFC 9700 section 4.14.2)
};
enum class RefreshRefusal { none, next, always };  // answered invalid_grant; `next` falls back to `none` once used
enum class AppSecretState { valid, expired };      // expired: every client authentication is answered invalid_client
enum class Availability { up, outage };            // outage: everything but this page is answered 503
enum class MailAnswer { kept, lost_next };         // lost_next: the next message is taken and its answer lost; then `kept` again
enum class OpenerTie { kept, severed };            // severed: Cross-Origin-Opener-Policy cuts the popup from its opener

struct PracticeSettings {
  Seconds token_lifetime{600};
  Rotation rotation = Rotation::single_use_family;
  RefreshRefusal refresh_refusal = RefreshRefusal::none;
  AppSecretState app_secret = AppSecretState::valid;
  Availability availability = Availability::up;
  Seconds slowness{0};  // waited before every answer of the token endpoint and the APIs
  OpenerTie opener = OpenerTie::kept;
  MailAnswer mail_answer = MailAnswer::kept;

  friend bool operator==(const PracticeSettings&, const PracticeSettings&) = default;
};

inline constexpr Seconds kTokenLifetimeMin{5};
inline constexpr Seconds kTokenLifetimeMax{86'400};
inline constexpr Seconds kSlownessMax{60};

// One way to fill a field of the form: its value there, and what the page calls it.
struct Choice {
  std::string_view value;
  std::string_view words;
};
inline constexpr std::array<Choice, 5> kLifetimeChoices{{{"15", "15 seconds"},
                                                         {"60", "60 seconds"},
                                                         {"600", "10 minutes"},
                                                         {"3600", "1 hour"},
                                                         {"28800", "8 hours"}}};
inline constexpr std::array<Choice, 4> kRotationChoices{
    {{"none", "one for ever"},
     {"rolling", "rolling, old ones stay good"},
     {"single_use", "single-use, old ones are refused"},
     {"single_use_family", "single-use, an old one ends the grant"}}};
inline constexpr std::array<Choice, 3> kRefusalChoices{{{"none", "answered"},
                                                        {"next", "refuse the next (invalid_grant)"},
                                                        {"always", "refuse all (invalid_grant)"}}};
inline constexpr std::array<Choice, 2> kSecretChoices{
    {{"valid", "valid"}, {"expired", "expired (invalid_client)"}}};
inline constexpr std::array<Choice, 2> kAvailabilityChoices{
    {{"up", "up"}, {"outage", "down (503)"}}};
inline constexpr std::array<Choice, 5> kSlownessChoices{{{"0", "at once"},
                                                         {"2", "after 2 seconds"},
                                                         {"10", "after 10 seconds"},
                                                         {"45", "after 45 seconds"},
                                                         {"60", "after 60 seconds"}}};
inline constexpr std::array<Choice, 2> kOpenerChoices{
    {{"kept", "kept"}, {"severed", "severed (COOP)"}}};
inline constexpr std::array<Choice, 2> kMailAnswerChoices{{{"kept", "given"}, {"lost_next", "lost, the next one"}}};

// The form's fields laid over `before`; fields not sent stay. Whole seconds within the bounds above are taken too, not
// only the choices. Errors: invalid/`bad_setting` with `field` and the remedy.
[[nodiscard]] Result<PracticeSettings> read_settings(const net::FormFields& fields, PracticeSettings before);

// The form's value of a setting.
[[nodiscard]] std::string_view name_of(Rotation rotation);
[[nodiscard]] std::string_view name_of(RefreshRefusal refusal);
[[nodiscard]] std::string_view name_of(AppSecretState state);
[[nodiscard]] std::string_view name_of(Availability availability);
[[nodiscard]] std::string_view name_of(OpenerTie tie);
[[nodiscard]] std::string_view name_of(MailAnswer answer);

}  // namespace latchkey::sandbox

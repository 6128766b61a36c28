#include "sandbox/practice_settings.h"

#include <fmt/format.h>

#include <charconv>
#include <span>
#include <string>

namespace latchkey::sandbox {
namespace {

std::string joined(std::span<const Choice> choices) {
  std::string text;
  for (const Choice& choice : choices) {
    if (!text.empty()) text += ", ";
    text += choice.value;
  }
  return text;
}

// The position of the field's value among the choices; `otherwise` when the field was not sent.
Result<std::size_t> choose(const net::FormFields& fields, std::string_view name, std::span<const Choice> choices,
                           std::size_t otherwise) {
  const std::string* value = net::find_field(fields, name);
  if (value == nullptr) return otherwise;
  for (std::size_t index = 0; index < choices.size(); ++index) {
    if (choices[index].value == *value) return index;
  }
  return fail(ErrorKind::invalid, "bad_setting", fmt::format("{} must be one of: {}.", name, joined(choices)),
              {.field = std::string(name)});
}

Result<Seconds> read_seconds(const net::FormFields& fields, std::string_view name, Seconds least, Seconds most,
                             Seconds otherwise) {
  const std::string* value = net::find_field(fields, name);
  if (value == nullptr) return otherwise;
  std::int64_t number = 0;
  const char* end = value->data() + value->size();
  const auto [rest, error] = std::from_chars(value->data(), end, number);
  if (error != std::errc() || rest != end || number < least.count() || number > most.count()) {
    return fail(ErrorKind::invalid, "bad_setting",
                fmt::format("{} must be whole seconds between {} and {}.", name, least.count(), most.count()),
                {.field = std::string(name)});
  }
  return Seconds(number);
}

// Takes a choice into `out`; false when the field was malformed (then `error` says why).
template <class Value>
bool take(const net::FormFields& fields, std::string_view name, std::span<const Choice> choices, Value& out,
          Error& error) {
  const auto index = choose(fields, name, choices, static_cast<std::size_t>(out));
  if (!index) {
    error = index.error();
    return false;
  }
  out = static_cast<Value>(*index);
  return true;
}

template <class Value, std::size_t Count>
std::string_view value_at(const std::array<Choice, Count>& choices, Value value) {
  return choices.at(static_cast<std::size_t>(value)).value;
}

}  // namespace

Result<PracticeSettings> read_settings(const net::FormFields& fields, PracticeSettings before) {
  const auto lifetime =
      read_seconds(fields, "token_lifetime", kTokenLifetimeMin, kTokenLifetimeMax, before.token_lifetime);
  if (!lifetime) return std::unexpected(lifetime.error());
  const auto slowness = read_seconds(fields, "slowness", Seconds(0), kSlownessMax, before.slowness);
  if (!slowness) return std::unexpected(slowness.error());
  before.token_lifetime = *lifetime;
  before.slowness = *slowness;
  Error error;
  // The choices stand in the order of their enumerators.
  if (!take(fields, "rotation", kRotationChoices, before.rotation, error) ||
      !take(fields, "refresh_refusal", kRefusalChoices, before.refresh_refusal, error) ||
      !take(fields, "app_secret", kSecretChoices, before.app_secret, error) ||
      !take(fields, "availability", kAvailabilityChoices, before.availability, error) ||
      !take(fields, "opener", kOpenerChoices, before.opener, error) ||
      !take(fields, "mail_answer", kMailAnswerChoices, before.mail_answer, error)) {
    return std::unexpected(error);
  }
  return before;
}

std::string_view name_of(Rotation rotation) { return value_at(kRotationChoices, rotation); }
std::string_view name_of(RefreshRefusal refusal) { return value_at(kRefusalChoices, refusal); }
std::string_view name_of(AppSecretState state) { return value_at(kSecretChoices, state); }
std::string_view name_of(Availability availability) { return value_at(kAvailabilityChoices, availability); }
std::string_view name_of(OpenerTie tie) { return value_at(kOpenerChoices, tie); }
std::string_view name_of(MailAnswer answer) { return value_at(kMailAnswerChoices, answer); }

}  // namespace latchkey::sandbox

// Secrets that Latchkey makes for devices, in a form that people can type at a copier's panel (RULES T8). Pure.
//
// The alphabet is Crockford's Base32 in small letters: digits and letters without i, l, o and u. Reading is forgiving: capitals
// are small letters, o is 0, i and l are 1, and spaces and hyphens between groups do not count. So what a person takes from a
// printed card, and what a device makes of it, is one secret.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/entropy.h"
#include "base/secret.h"

namespace latchkey::people {

// whole: 256 bits, 52 characters, for fields of 64 (with a hyphen between groups of four it is just 64).
// compact: 160 bits, 32 characters, for devices whose field takes no more. Guessing either is out of reach.
enum class SecretForm { whole, compact };
[[nodiscard]] std::string_view name_of(SecretForm form);
[[nodiscard]] std::optional<SecretForm> parse_secret_form(std::string_view name);
[[nodiscard]] std::size_t characters_of(SecretForm form);

[[nodiscard]] Secret make_device_secret(SecretForm form, Entropy& entropy);

// What was typed or sent, as it was made; nullopt where it can be no device's secret (another length, a foreign character).
[[nodiscard]] std::optional<Secret> read_device_secret(const Secret& typed);

}  // namespace latchkey::people

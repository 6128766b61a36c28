// How an office proves that a DNS name is its own (RULES S1): at an address of that name it shows which enrolment it has,
// with which keys. Public: whoever copies it lacks the keys. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "cloud/party.h"

namespace latchkey::cloud {

inline constexpr std::string_view kOfficeNamePath = "/.well-known/latchkey-office";

// Two lines: the enrolment's id, and the office's public keys as text. What is shown, and compared as a whole.
[[nodiscard]] std::string office_name_proof(std::string_view office, const PartyPublic& keys);

}  // namespace latchkey::cloud

// Names and PINs as people type them, and the one form in which they are compared. Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/entropy.h"
#include "base/result.h"
#include "base/secret.h"

namespace latchkey::people {

inline constexpr std::size_t kNameCharactersMax = 128;
inline constexpr std::size_t kPinBytesMax = 256;
inline constexpr std::size_t kPasswordBytesMax = 1024;

struct CleanName {
  std::string text;  // as typed, NFC, without spaces at the ends
  std::string key;   // NFC and case-folded: what is unique
  friend bool operator==(const CleanName&, const CleanName&) = default;
};

// 1 to 128 characters, no `:` (HTTP Basic cuts there, RFC 7617 section 2), no control, format or unassigned characters.
// `@` is welcome. Errors: invalid/`username_malformed`, field `username`.
[[nodiscard]] Result<CleanName> clean_username(std::string_view typed);
// The same for a name to be given: not one by which the server signs its own entries in the audit trail, and nothing in it that is
// not seen (base/shown_name.h).
[[nodiscard]] Result<CleanName> new_username(std::string_view typed);
// The same with `:` allowed. Errors: invalid/`group_name_malformed`, field `group`.
[[nodiscard]] Result<CleanName> clean_group_name(std::string_view typed);
// NFC and case-folded, for searching; empty for malformed UTF-8.
[[nodiscard]] std::string fold(std::string_view text);

// A PIN in the form that is hashed: PRECIS OpaqueString (RFC 8265 section 4.2; docs/design/people.md says where we
// depart): spaces of every kind become U+0020, NFC, nothing else changes. For checking: no minimum.
// Errors: invalid/`pin_malformed`, field `pin` (empty, control characters, not UTF-8, more than 256 octets).
[[nodiscard]] Result<Secret> prepare_pin(const Secret& typed);
// Whether the octets are a prepared PIN already (printable ASCII), so that the hot path need not copy.
[[nodiscard]] bool is_prepared_pin(ByteView octets);
// A PIN about to be set: prepared, at least `min_characters`, not trivial. Errors besides: invalid/`pin_too_weak`, field
// `pin`.
[[nodiscard]] Result<Secret> prepare_new_pin(const Secret& typed, std::string_view username, std::size_t min_characters);
// A console password: OpaqueString as well, up to 1024 octets. `..._new_...` also checks length and triviality; errors:
// invalid/`password_malformed`, `password_too_weak`, field `password`.
[[nodiscard]] Result<Secret> prepare_password(const Secret& typed);
[[nodiscard]] Result<Secret> prepare_new_password(const Secret& typed, std::string_view username,
                                                  std::size_t min_characters);

// 10 characters (49 bits) without look-alikes: no 0, 1, i, l, o.
[[nodiscard]] Secret generate_pin(Entropy& entropy);

enum class PinStrength { trivial, weak, fair, good, strong };
[[nodiscard]] std::string_view name_of(PinStrength strength);
// A rough estimate for the dialog: length, kinds of characters, runs and repetitions.
[[nodiscard]] PinStrength strength_of(const Secret& prepared, std::string_view username);

}  // namespace latchkey::people

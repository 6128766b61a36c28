// What a document is called at its destination: the name it came with, checked, put into the connector's template. Pure.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/id.h"
#include "base/result.h"

namespace latchkey::delivery {

inline constexpr std::size_t kNameBytesMax = 200;
inline constexpr std::size_t kPathBytesMax = 1024;

// A name as a device or program gave it. Refused rather than mended (a device that sends such names is misconfigured):
// empty, more than 200 octets, control characters (wire/controls.h), slashes and backslashes, dots alone, malformed UTF-8. Errors:
// invalid/`bad_name`, field `filename`.
[[nodiscard]] Result<std::string> check_name(std::string_view name);

// RFC 3629: shortest forms only, no surrogates, nothing beyond U+10FFFF.
[[nodiscard]] bool is_utf8(std::string_view text);

// What a template may use.
struct NameFacts {
  std::string original;      // as check_name() let it pass; empty: the document came without
  std::string content_type;  // gives an extension where the name has none
  std::string user;
  std::string connector;
  DeliveryId delivery;
  WallTime now;
  std::string device{};      // that handed it in, or was stood at; the user where nobody knows
  std::int64_t counter = 0;  // of the connector's own line (document_numbers.h)
};

// Templates are text with {date} 2026-11-27, {time} 14-05-09 (UTC), {user}, {device}, {name} (without extension; "document"
// where there is none), {connector}, {counter} 17, {counter:4} 0017 (1 to 12 digits at least) and {id} (8 characters that no
// other delivery has). The extension is appended by itself.
// Errors: invalid/`bad_template`, field `naming`, with the word that is wrong; or a template whose names would be refused.
[[nodiscard]] Result<void> check_template(std::string_view text);
[[nodiscard]] std::string render_name(std::string_view text, const NameFacts& facts);
// What of the facts must be fetched for a template or a folder.
[[nodiscard]] bool asks_for_counter(std::string_view text);
[[nodiscard]] bool asks_for_device(std::string_view text);
// The longest a counter gets: what is short enough with it is always short enough.
inline constexpr std::int64_t kCounterMax = std::numeric_limits<std::int64_t>::max();

// A folder as an administrator types it: names between slashes, templates allowed, empty for the root; without slashes at
// the ends. Errors: invalid/`bad_folder`, field `folder`.
[[nodiscard]] Result<std::string> check_folder(std::string_view text);
[[nodiscard]] std::string render_folder(std::string_view text, const NameFacts& facts);

// What folder and name have come to, before anything is sent there: names between slashes, each as check_name() wants it,
// at most kPathBytesMax octets. Errors: invalid/`bad_name`, field `filename`.
[[nodiscard]] Result<void> check_path(std::string_view path);

}  // namespace latchkey::delivery

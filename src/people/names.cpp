#include "people/names.h"

#include <fmt/core.h>
#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <vector>

#include "base/shown_name.h"

namespace latchkey::people {
namespace {

using CodePoints = std::vector<std::int32_t>;

// Wiped when it goes: PINs pass through here.
struct WipedCodePoints {
  CodePoints points;
  ~WipedCodePoints() { base::wipe(points.data(), points.size() * sizeof(std::int32_t)); }
};

// nullopt: not UTF-8.
std::optional<CodePoints> decode(std::string_view text) {
  CodePoints points;
  points.reserve(text.size());
  const auto* octets = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  auto left = static_cast<utf8proc_ssize_t>(text.size());
  while (left > 0) {
    utf8proc_int32_t point = 0;
    const auto used = utf8proc_iterate(octets, left, &point);
    if (used <= 0 || point < 0) return std::nullopt;
    points.push_back(point);
    octets += used;
    left -= used;
  }
  return points;
}

std::string encode(const CodePoints& points) {
  std::string text;
  text.reserve(points.size() * 4);
  for (const auto point : points) {
    std::array<utf8proc_uint8_t, 4> octets{};
    const auto size = utf8proc_encode_char(point, octets.data());
    text.append(reinterpret_cast<const char*>(octets.data()), static_cast<std::size_t>(size));
  }
  return text;
}

std::optional<std::string> normalized(std::string_view text, int options) {
  utf8proc_uint8_t* out = nullptr;
  const auto size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                 static_cast<utf8proc_ssize_t>(text.size()), &out,
                                 static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE | options));
  if (size < 0) return std::nullopt;
  std::string made(reinterpret_cast<const char*>(out), static_cast<std::size_t>(size));
  base::wipe(out, static_cast<std::size_t>(size));
  std::free(out);  // NOLINT: utf8proc allocates with malloc
  return made;
}

bool is_noncharacter(std::int32_t point) { return (point >= 0xfdd0 && point <= 0xfdef) || (point & 0xfffe) == 0xfffe; }

bool is_space(std::int32_t point) { return utf8proc_category(point) == UTF8PROC_CATEGORY_ZS; }

// What neither a name nor a PIN may hold.
bool is_forbidden(std::int32_t point) {
  const auto category = utf8proc_category(point);
  return category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CN || category == UTF8PROC_CATEGORY_CS ||
         is_noncharacter(point);
}

// What shows nothing, or turns the line round: two names must not look the same by it.
bool is_invisible(std::int32_t point) {
  const auto category = utf8proc_category(point);
  return category == UTF8PROC_CATEGORY_CF || category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP ||
         category == UTF8PROC_CATEGORY_CO;
}

constexpr std::string_view kNamesOfTheServer[] = {"cli", "gate", "keeper", "server", "setup"};

enum class Colon { allowed, refused };

Result<CleanName> clean_name(std::string_view typed, Colon colon, std::string_view what, std::string_view field) {
  const auto refuse = [&](std::string text) {
    return fail(ErrorKind::invalid, fmt::format("{}_malformed", field == "group" ? "group_name" : field), std::move(text),
                {.field = std::string(field)});
  };
  if (typed.size() > 4 * kNameCharactersMax + 64) return refuse(fmt::format("The {} has more than 128 characters.", what));
  const auto text = normalized(typed, 0);
  auto points = text ? decode(*text) : std::nullopt;
  if (!points) return refuse(fmt::format("The {} is not valid UTF-8.", what));
  while (!points->empty() && is_space(points->back())) points->pop_back();
  points->erase(points->begin(), std::ranges::find_if_not(*points, is_space));
  if (points->empty()) return refuse(fmt::format("The {} is empty.", what));
  if (points->size() > kNameCharactersMax) return refuse(fmt::format("The {} has more than 128 characters.", what));
  for (const auto point : *points) {
    if (point == ':' && colon == Colon::refused) return refuse(fmt::format("The {} may not contain a colon.", what));
    if (is_forbidden(point) || is_invisible(point)) {
      return refuse(fmt::format("The {} holds a control or invisible character (U+{:04X}).", what, point));
    }
  }
  auto clean = encode(*points);
  auto key = fold(clean);
  return CleanName{.text = std::move(clean), .key = std::move(key)};
}

Result<Secret> prepare(const Secret& typed, std::size_t bytes_max, std::string_view what, std::string_view field) {
  const auto refuse = [&](std::string text) {
    return fail(ErrorKind::invalid, fmt::format("{}_malformed", field), std::move(text), {.field = std::string(field)});
  };
  if (typed.empty()) return refuse(fmt::format("The {} is empty.", what));
  if (typed.size() > bytes_max) return refuse(fmt::format("The {} has more than {} bytes.", what, bytes_max));
  if (is_prepared_pin(typed.reveal())) return typed.clone();
  auto decoded = decode(typed.reveal_text());
  if (!decoded) return refuse(fmt::format("The {} is not valid UTF-8.", what));
  WipedCodePoints points{std::move(*decoded)};
  for (auto& point : points.points) {
    if (is_space(point)) point = ' ';
    if (is_forbidden(point)) return refuse(fmt::format("The {} holds a control or unassigned character.", what));
  }
  auto spaced = encode(points.points);
  auto composed = normalized(spaced, 0);
  base::wipe(spaced.data(), spaced.size());
  if (!composed) return refuse(fmt::format("The {} is not valid UTF-8.", what));
  Secret prepared{std::string_view(*composed)};
  base::wipe(composed->data(), composed->size());
  if (prepared.size() > bytes_max) return refuse(fmt::format("The {} has more than {} bytes.", what, bytes_max));
  return prepared;
}

// Case-folded words and rows that people choose first.
constexpr std::string_view kCommon[] = {
    "password", "passwort", "passw0rd", "kennwort", "letmein", "welcome", "willkommen", "geheim",   "secret",  "admin",
    "administrator", "latchkey", "default", "changeme", "scanner", "printer", "drucker",  "iloveyou", "monkey",  "dragon",
    "master",   "login",    "abc123",   "football", "sunshine", "princess", "qwertz",   "qwerty",   "azerty",  "asdfgh",
    "yxcvbn",   "zxcvbn",   "qwertyuiop", "1q2w3e4r", "1qaz2wsx", "123321", "147258", "159753", "147852", "258456",
    "112233",   "121212",   "696969",   "102030",   "314159",   "456852",   "789456",   "159357",   "741852",  "963852"};

std::size_t shortest_period(const CodePoints& points) {
  for (std::size_t period = 1; period <= points.size() / 2; ++period) {
    bool fits = true;
    for (std::size_t i = period; i < points.size() && fits; ++i) fits = points[i] == points[i - period];
    if (fits) return period;
  }
  return points.size();
}

bool is_run(const CodePoints& points) {
  if (points.size() < 3) return false;
  const auto step = points[1] - points[0];
  if (std::abs(step) > 1) return false;
  for (std::size_t i = 2; i < points.size(); ++i) {
    const bool wraps = (points[i - 1] == '9' && points[i] == '0') || (points[i - 1] == '0' && points[i] == '9');
    if (points[i] - points[i - 1] != step && !wraps) return false;
  }
  return true;
}

// nullptr: not trivial; else why, to stand after "The PIN ".
const char* why_trivial(std::string_view prepared, std::string_view username) {
  auto folded = fold(prepared);
  const WipedCodePoints points{decode(folded).value_or(CodePoints())};
  const auto name = fold(username);
  const char* why = nullptr;
  if (shortest_period(points.points) <= 3 && points.points.size() >= 2 * shortest_period(points.points)) {
    why = "repeats the same few characters";
  } else if (is_run(points.points)) {
    why = "is a simple sequence";
  } else if (!name.empty() && (folded == name || (name.size() >= 4 && folded.find(name) != std::string::npos))) {
    why = "contains the username";
  } else {
    auto stem = std::string_view(folded);
    while (!stem.empty() && (stem.back() == '!' || (stem.back() >= '0' && stem.back() <= '9'))) stem.remove_suffix(1);
    const bool digits_only = stem.empty();
    for (const auto word : kCommon) {
      if (folded == word || (!digits_only && stem == word)) why = "is one of the first that a guesser tries";
    }
  }
  base::wipe(folded.data(), folded.size());
  return why;
}

Result<Secret> check_new(Result<Secret> prepared, std::string_view username, std::size_t min_characters,
                         std::string_view what, std::string_view field) {
  if (!prepared) return prepared;
  const WipedCodePoints points{decode(prepared->reveal_text()).value_or(CodePoints())};
  if (points.points.size() < min_characters) {
    return fail(ErrorKind::invalid, fmt::format("{}_too_weak", field),
                fmt::format("The {} needs {} characters or more.", what, min_characters), {.field = std::string(field)});
  }
  if (const auto* why = why_trivial(prepared->reveal_text(), username)) {
    return fail(ErrorKind::invalid, fmt::format("{}_too_weak", field),
                fmt::format("The {} {}. Choose another, or let one be generated.", what, why), {.field = std::string(field)});
  }
  return prepared;
}

}  // namespace

std::string fold(std::string_view text) {
  // Folding may denormalize (U+0345 and friends), so that it is done until it changes nothing more, as RFC 8265 advises.
  auto folded = normalized(text, UTF8PROC_CASEFOLD);
  for (int i = 0; folded && i < 3; ++i) {
    auto again = normalized(*folded, UTF8PROC_CASEFOLD);
    if (!again || *again == *folded) break;
    folded = std::move(again);
  }
  return folded.value_or(std::string());
}

Result<CleanName> clean_username(std::string_view typed) { return clean_name(typed, Colon::refused, "username", "username"); }

Result<CleanName> new_username(std::string_view typed) {
  auto name = clean_username(typed);
  if (name && !base::may_be_shown(name->text)) {
    return fail(ErrorKind::invalid, "username_malformed", "The username holds a character that shows nothing where it stands, or more than one blank in a row, so that two names would look the same.",
                {.field = "username"});
  }
  if (!name || std::ranges::find(kNamesOfTheServer, name->key) == std::end(kNamesOfTheServer)) return name;
  return fail(ErrorKind::invalid, "username_malformed",
              fmt::format("\"{}\" is a name the server itself bears in the audit trail. Choose another one.", name->text), {.field = "username"});
}
Result<CleanName> clean_group_name(std::string_view typed) { return clean_name(typed, Colon::allowed, "group's name", "group"); }

bool is_prepared_pin(ByteView octets) {
  return !octets.empty() && octets.size() <= kPinBytesMax &&
         std::ranges::all_of(octets, [](std::uint8_t octet) { return octet >= 0x20 && octet < 0x7f; });
}

Result<Secret> prepare_pin(const Secret& typed) { return prepare(typed, kPinBytesMax, "PIN", "pin"); }

Result<Secret> prepare_new_pin(const Secret& typed, std::string_view username, std::size_t min_characters) {
  return check_new(prepare_pin(typed), username, min_characters, "PIN", "pin");
}

Result<Secret> prepare_password(const Secret& typed) { return prepare(typed, kPasswordBytesMax, "password", "password"); }

Result<Secret> prepare_new_password(const Secret& typed, std::string_view username, std::size_t min_characters) {
  return check_new(prepare_password(typed), username, min_characters, "password", "password");
}

Secret generate_pin(Entropy& entropy) {
  constexpr std::string_view kAlphabet = "23456789abcdefghjkmnpqrstuvwxyz";
  auto pin = Secret::of_size(10);
  do {
    for (auto& octet : pin.writable()) octet = static_cast<std::uint8_t>(kAlphabet[entropy.below(kAlphabet.size())]);
  } while (why_trivial(pin.reveal_text(), {}) != nullptr);
  return pin;
}

std::string_view name_of(PinStrength strength) {
  constexpr std::string_view kNames[] = {"trivial", "weak", "fair", "good", "strong"};
  return kNames[static_cast<std::size_t>(strength)];
}

PinStrength strength_of(const Secret& prepared, std::string_view username) {
  if (prepared.empty() || why_trivial(prepared.reveal_text(), username) != nullptr) return PinStrength::trivial;
  const WipedCodePoints points{decode(prepared.reveal_text()).value_or(CodePoints())};
  bool digits = false, lower = false, upper = false, signs = false, foreign = false;
  std::size_t worth = 0;  // characters that are no mere repetition or next step of the one before
  for (std::size_t i = 0; i < points.points.size(); ++i) {
    const auto point = points.points[i];
    if (point >= '0' && point <= '9') digits = true;
    else if (point >= 'a' && point <= 'z') lower = true;
    else if (point >= 'A' && point <= 'Z') upper = true;
    else if (point < 0x80) signs = true;
    else foreign = true;
    if (i == 0 || std::abs(point - points.points[i - 1]) > 1) ++worth;
  }
  const double alphabet = 10.0 * digits + 26.0 * lower + 26.0 * upper + 33.0 * signs + 100.0 * foreign;
  const double bits = static_cast<double>(worth) * std::log2(std::max(alphabet, 2.0));
  if (bits < 18) return PinStrength::weak;
  if (bits < 30) return PinStrength::fair;
  if (bits < 45) return PinStrength::good;
  return PinStrength::strong;
}

}  // namespace latchkey::people

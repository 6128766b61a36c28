#include "wire/mime/transfer_decoder.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <optional>

#include "wire/mime/header_fields.h"

namespace latchkey::wire {
namespace {

constexpr std::uint8_t kBlank = 64;
constexpr std::uint8_t kPadding = 65;
constexpr std::uint8_t kForeign = 66;
// Blanks before a line's end are no content (RFC 2045 section 6.7, rule 3); more than this before it is seen are told after
// all.
constexpr std::size_t kWaitingMax = 1000;

constexpr std::array<std::uint8_t, 256> make_base64_values() {
  std::array<std::uint8_t, 256> values{};
  values.fill(kForeign);
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (std::size_t index = 0; index < kLetters.size(); ++index) {
    values[static_cast<unsigned char>(kLetters[index])] = static_cast<std::uint8_t>(index);
  }
  for (const char c : {' ', '\t', '\r', '\n'}) values[static_cast<unsigned char>(c)] = kBlank;
  values['='] = kPadding;
  return values;
}
constexpr auto kBase64Values = make_base64_values();

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

bool is_blank(char c) { return c == ' ' || c == '\t'; }

// The first word of a field's value, comments (RFC 5322 section 3.2.2) left out; empty: there is nothing else. nullopt: a comment has no
// end, or something stands before the word.
std::optional<std::string_view> first_word(std::string_view value) {
  std::size_t begin = 0;
  int comments = 0;
  for (; begin < value.size(); ++begin) {
    const char c = value[begin];
    if (c == '\\' && comments > 0) ++begin;
    else if (c == '(') ++comments;
    else if (c == ')' && comments > 0) --comments;
    else if (comments == 0 && !is_blank(c) && c != '"') break;
  }
  if (comments > 0) return std::nullopt;
  value.remove_prefix(std::min(begin, value.size()));
  const auto word = value.substr(0, value.find_first_of(" \t;(\""));
  if (word.empty() && !value.empty()) return std::nullopt;
  return word;
}

}  // namespace

TransferEncoding transfer_encoding_of(std::string_view value) {
  const auto first = first_word(value);
  if (!first) return TransferEncoding::unknown;
  const auto word = *first;
  const auto is_one_of = [word](std::initializer_list<std::string_view> names) {
    return std::ranges::any_of(names, [word](std::string_view name) { return equal_ignoring_case(word, name); });
  };
  if (is_one_of({"base64", "base-64"})) return TransferEncoding::base64;
  if (is_one_of({"quoted-printable"})) return TransferEncoding::quoted_printable;
  // "8 bit" ends at its blank.
  if (word.empty() || is_one_of({"7bit", "8bit", "binary", "7-bit", "8-bit", "7", "8", "none"})) return TransferEncoding::identity;
  return TransferEncoding::unknown;
}

void TransferDecoder::feed(std::string_view octets, Bytes& out) {
  switch (encoding_) {
    case TransferEncoding::identity:
    case TransferEncoding::unknown:
      out.insert(out.end(), octets.begin(), octets.end());
      break;
    case TransferEncoding::base64:
      feed_base64(octets, out);
      break;
    case TransferEncoding::quoted_printable:
      feed_quoted_printable(octets, out);
      break;
  }
}

void TransferDecoder::feed_base64(std::string_view octets, Bytes& out) {
  for (const char c : octets) {
    const auto value = kBase64Values[static_cast<unsigned char>(c)];
    if (value < kBlank) {
      bits_ = (bits_ << 6) | value;
      if (++held_ < 4) continue;
      out.push_back(static_cast<std::uint8_t>(bits_ >> 16));
      out.push_back(static_cast<std::uint8_t>(bits_ >> 8));
      out.push_back(static_cast<std::uint8_t>(bits_));
      held_ = 0;
      bits_ = 0;
    } else if (value == kPadding) {
      // The end of a group; some senders put several encoded pieces one behind the other.
      if (held_ == 1) broken_ = true;
      if (held_ >= 2) out.push_back(static_cast<std::uint8_t>(held_ == 2 ? bits_ >> 4 : bits_ >> 10));
      if (held_ == 3) out.push_back(static_cast<std::uint8_t>(bits_ >> 2));
      held_ = 0;
      bits_ = 0;
    } else if (value == kForeign) {
      broken_ = true;
    }
  }
}

void TransferDecoder::feed_quoted_printable(std::string_view octets, Bytes& out) {
  const auto tell_waiting = [&] {
    out.insert(out.end(), waiting_.begin(), waiting_.end());
    waiting_.clear();
  };
  for (std::size_t at = 0; at < octets.size();) {
    const char c = octets[at];
    if (waiting_.empty()) {
      if (c == '=' || is_blank(c)) {
        waiting_ = c;
      } else {
        out.push_back(static_cast<std::uint8_t>(c));
      }
      ++at;
      continue;
    }
    if (waiting_.size() >= kWaitingMax) {
      tell_waiting();
      continue;
    }
    if (is_blank(waiting_.front())) {
      if (is_blank(c)) {
        waiting_ += c;
        ++at;
      } else if (c == '\r' || c == '\n') {
        waiting_.clear();
      } else {
        tell_waiting();
      }
      continue;
    }
    // An escape: "=" and what came behind it so far.
    const bool has_digit = waiting_.size() == 2 && hex_value(waiting_[1]) >= 0;
    if (has_digit && hex_value(c) >= 0) {
      out.push_back(static_cast<std::uint8_t>(hex_value(waiting_[1]) * 16 + hex_value(c)));
      waiting_.clear();
      ++at;
    } else if (!has_digit && c == '\n') {
      waiting_.clear();  // a soft line break
      ++at;
    } else if (!has_digit && (is_blank(c) || c == '\r' || (waiting_.size() == 1 && hex_value(c) >= 0))) {
      waiting_ += c;
      ++at;
    } else {
      tell_waiting();
    }
  }
}

bool TransferDecoder::finish(Bytes& out) {
  switch (encoding_) {
    case TransferEncoding::identity:
    case TransferEncoding::unknown:
      break;
    case TransferEncoding::base64:
      if (held_ == 1) broken_ = true;
      if (held_ >= 2) out.push_back(static_cast<std::uint8_t>(held_ == 2 ? bits_ >> 4 : bits_ >> 10));
      if (held_ == 3) out.push_back(static_cast<std::uint8_t>(bits_ >> 2));
      break;
    case TransferEncoding::quoted_printable:
      if (waiting_.size() == 2 && hex_value(waiting_[1]) >= 0) out.insert(out.end(), waiting_.begin(), waiting_.end());
      break;
  }
  held_ = 0;
  waiting_.clear();
  return !broken_;
}

}  // namespace latchkey::wire

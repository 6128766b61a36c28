#include "net/http_headers.h"

#include <algorithm>
#include <array>

#include "base/result.h"

namespace latchkey::net {

namespace {

constexpr std::array<bool, 256> make_token_table() {
  std::array<bool, 256> table{};
  for (const char c : std::string_view("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")) {
    table[static_cast<unsigned char>(c)] = true;
  }
  return table;
}
constexpr auto kTokenCharacters = make_token_table();

bool is_token(std::string_view name) {
  return !name.empty() &&
         std::ranges::all_of(name, [](char c) { return kTokenCharacters[static_cast<unsigned char>(c)]; });
}

// Without an early way out, so that the compiler looks at many octets at once.
bool is_field_value(std::string_view value) {
  std::uint8_t bad = 0;
  for (const char c : value) {
    const auto octet = static_cast<std::uint8_t>(c);
    bad |= static_cast<std::uint8_t>((octet < 0x20) & (octet != '\t')) | static_cast<std::uint8_t>(octet == 0x7f);
  }
  return bad == 0;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

}  // namespace

bool equal_ignoring_case(std::string_view left, std::string_view right) {
  if (left.size() != right.size()) return false;
  for (std::size_t at = 0; at < left.size(); ++at) {
    if (lower(left[at]) != lower(right[at])) return false;
  }
  return true;
}

HttpHeaders::HttpHeaders(std::initializer_list<HttpHeader> headers) {
  for (const auto& header : headers) LATCHKEY_CHECK(add(header.name, header.value));
}

bool HttpHeaders::add(std::string_view name, std::string_view value) {
  if (spans_.size() >= kHeadersMax || text_.size() + name.size() + value.size() > kTextBytesMax) return false;
  if (!is_token(name) || !is_field_value(value)) return false;
  const auto at = static_cast<std::uint32_t>(text_.size());
  const auto name_size = static_cast<std::uint32_t>(name.size());
  text_.append(name).append(value);
  spans_.push_back({at, at + name_size, static_cast<std::uint32_t>(value.size()), name_size});
  return true;
}

bool HttpHeaders::set(std::string_view name, std::string_view value) {
  if (!is_token(name) || !is_field_value(value)) return false;
  erase(name);
  return add(name, value);
}

void HttpHeaders::erase(std::string_view name) {
  std::erase_if(spans_, [this, name](const Span& span) {
    return equal_ignoring_case(name, std::string_view(text_).substr(span.name_at, span.name_size));
  });
}

void HttpHeaders::clear() {
  text_.clear();
  spans_.clear();
}

HttpHeader HttpHeaders::operator[](std::size_t index) const {
  const Span& span = spans_[index];
  return {{text_.data() + span.name_at, span.name_size}, {text_.data() + span.value_at, span.value_size}};
}

std::optional<std::string_view> HttpHeaders::find(std::string_view name) const {
  for (const auto& header : *this) {
    if (equal_ignoring_case(header.name, name)) return header.value;
  }
  return std::nullopt;
}

std::string_view HttpHeaders::value_or(std::string_view name, std::string_view otherwise) const {
  return find(name).value_or(otherwise);
}

std::string HttpHeaders::joined(std::string_view name) const {
  std::string all;
  for (const auto& header : *this) {
    if (!equal_ignoring_case(header.name, name)) continue;
    if (!all.empty()) all += ", ";
    all += header.value;
  }
  return all;
}

}  // namespace latchkey::net

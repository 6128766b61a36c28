#include "wire/mime/media_type.h"

#include <algorithm>

namespace latchkey::wire {
namespace {

constexpr std::size_t kNameBytesMax = 127;

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

bool is_restricted_name(std::string_view text) {
  return !text.empty() && text.size() <= kNameBytesMax && is_letter_or_digit(text.front()) && std::ranges::all_of(text, [](char c) {
    return is_letter_or_digit(c) || std::string_view("!#$&-^_.+").contains(c);
  });
}

}  // namespace

bool is_media_type(std::string_view text) {
  const auto slash = text.find('/');
  return slash != std::string_view::npos && is_restricted_name(text.substr(0, slash)) && is_restricted_name(text.substr(slash + 1));
}

std::string media_type_of(std::string_view field_value) {
  auto type = field_value.substr(0, field_value.find(';'));
  while (type.starts_with(' ') || type.starts_with('\t')) type.remove_prefix(1);
  while (type.ends_with(' ') || type.ends_with('\t')) type.remove_suffix(1);
  if (type.empty()) return {};
  if (!is_media_type(type)) return std::string(kUnknownMediaType);
  std::string small(type);
  std::ranges::transform(small, small.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return small;
}

}  // namespace latchkey::wire

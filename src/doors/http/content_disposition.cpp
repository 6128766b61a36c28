#include "doors/http/content_disposition.h"

#include <algorithm>

#include "net/http_headers.h"
#include "net/url.h"

namespace latchkey::doors {
namespace {

std::unexpected<Error> unreadable() {
  return fail(ErrorKind::invalid, "bad_name", "The name of the document (Content-Disposition) cannot be read.",
              {.field = "filename"});
}

void skip_spaces(std::string_view& text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
}

std::string_view take_until(std::string_view& text, std::string_view marks) {
  const auto end = std::min(text.find_first_of(marks), text.size());
  const auto taken = text.substr(0, end);
  text.remove_prefix(end);
  return taken;
}

// A token or a quoted string (RFC 9110 section 5.6.4); nullopt: a quote is not closed.
std::optional<std::string> take_value(std::string_view& text) {
  if (!text.starts_with('"')) return std::string(take_until(text, "; \t"));
  std::string value;
  for (std::size_t at = 1; at < text.size(); ++at) {
    if (text[at] == '"') {
      text.remove_prefix(at + 1);
      return value;
    }
    if (text[at] == '\\' && at + 1 < text.size()) ++at;
    value.push_back(text[at]);
  }
  return std::nullopt;
}

}  // namespace

Result<std::optional<std::string>> file_name_of(std::string_view field) {
  std::optional<std::string> plain, extended;
  (void)take_until(field, ";");  // attachment, inline, form-data: all the same here
  while (field.starts_with(';')) {
    field.remove_prefix(1);
    skip_spaces(field);
    const auto name = take_until(field, "=; \t");
    skip_spaces(field);
    if (!field.starts_with('=')) {
      if (field.empty() || field.starts_with(';')) continue;
      return unreadable();
    }
    field.remove_prefix(1);
    skip_spaces(field);
    auto value = take_value(field);
    if (!value) return unreadable();
    skip_spaces(field);
    if (net::equal_ignoring_case(name, "filename")) plain = std::move(*value);
    if (!net::equal_ignoring_case(name, "filename*")) continue;
    constexpr std::string_view kCharset = "UTF-8'";
    const auto language_end = value->find('\'', kCharset.size());
    if (value->size() < kCharset.size() || !net::equal_ignoring_case(value->substr(0, kCharset.size()), kCharset) ||
        language_end == std::string::npos)
      return unreadable();
    extended = net::percent_decode(value->substr(language_end + 1));
    if (!extended) return unreadable();
  }
  if (!field.empty()) return unreadable();
  return extended ? extended : plain;
}

}  // namespace latchkey::doors

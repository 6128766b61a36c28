#include "doors/http/content_disposition.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "net/http_headers.h"
#include "net/url.h"

namespace latchkey::doors {
namespace {

// The parameters in their order, names as they stand.
using Parameters = std::vector<std::pair<std::string, std::string>>;

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

// nullopt: it cannot be read.
std::optional<Parameters> parameters_of(std::string_view field) {
  Parameters found;
  while (field.starts_with(';')) {
    field.remove_prefix(1);
    skip_spaces(field);
    const auto name = take_until(field, "=; \t");
    skip_spaces(field);
    if (!field.starts_with('=')) {
      if (field.empty() || field.starts_with(';')) continue;
      return std::nullopt;
    }
    field.remove_prefix(1);
    skip_spaces(field);
    auto value = take_value(field);
    if (!value) return std::nullopt;
    skip_spaces(field);
    found.emplace_back(name, std::move(*value));
  }
  if (!field.empty()) return std::nullopt;
  return found;
}

// RFC 8187, of UTF-8 alone.
std::optional<std::string> extended_value(const std::string& value) {
  constexpr std::string_view kCharset = "UTF-8'";
  const auto language_end = value.find('\'', kCharset.size());
  if (value.size() < kCharset.size() || !net::equal_ignoring_case(value.substr(0, kCharset.size()), kCharset) ||
      language_end == std::string::npos)
    return std::nullopt;
  return net::percent_decode(value.substr(language_end + 1));
}

// `filename*` wins over `filename`; unexpected: one of them cannot be read.
Result<std::optional<std::string>> name_among(const Parameters& parameters) {
  std::optional<std::string> plain, extended;
  for (const auto& [name, value] : parameters) {
    if (net::equal_ignoring_case(name, "filename")) plain = value;
    if (!net::equal_ignoring_case(name, "filename*")) continue;
    extended = extended_value(value);
    if (!extended) return unreadable();
  }
  return extended ? extended : plain;
}

}  // namespace

Result<std::optional<std::string>> file_name_of(std::string_view field) {
  (void)take_until(field, ";");  // attachment, inline: all the same here
  const auto parameters = parameters_of(field);
  if (!parameters) return unreadable();
  return name_among(*parameters);
}

Result<FormPart> form_part_of(std::string_view field) {
  const auto refused = [] {
    return fail(ErrorKind::invalid, "malformed_multipart",
                "A part of the form does not say what it is (Content-Disposition).");
  };
  const auto kind = take_until(field, "; \t");
  skip_spaces(field);
  const auto parameters = parameters_of(field);
  if (!net::equal_ignoring_case(kind, "form-data") || !parameters) return refused();
  FormPart part;
  bool named = false;
  for (const auto& [name, value] : *parameters) {
    if (!net::equal_ignoring_case(name, "name")) continue;
    if (std::exchange(named, true)) return refused();
    part.name = value;
  }
  if (!named) return refused();
  auto file_name = name_among(*parameters);
  if (!file_name) return std::unexpected(file_name.error());
  part.file_name = std::move(*file_name);
  // Browsers write a quote so (HTML, multipart/form-data encoding algorithm); a percent sign they leave as it is.
  for (std::size_t at = 0; part.file_name && (at = part.file_name->find("%22", at)) != std::string::npos;)
    part.file_name->replace(at, 3, "\"");
  return part;
}

}  // namespace latchkey::doors

#include "wire/mime/header_fields.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "wire/mime/encoded_text.h"

namespace latchkey::wire {
namespace {

// RFC 2231 section 3: a name in so many pieces is no name.
constexpr std::size_t kSectionsMax = 100;
// RFC 5322 section 2.1.1.
constexpr std::size_t kLineWanted = 78;
constexpr std::size_t kLineMax = 998;

char small(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

std::string small(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return small(c); });
  return out;
}

bool is_blank(char c) { return c == ' ' || c == '\t'; }

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string clean(std::string_view text) {
  std::string out(trim(text));
  std::ranges::replace_if(out, [](char c) { return c == '\r' || c == '\n' || c == '\0'; }, ' ');
  return std::string(trim(out));
}

bool is_field_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) { return c > 0x20 && c < 0x7f && c != ':'; });
}

// Takes a quoted string or what stands up to the next semicolon.
std::string take_value(std::string_view& text) {
  text = trim(text);
  std::string value;
  if (!text.starts_with('"')) {
    const auto end = std::min(text.find(';'), text.size());
    value = trim(text.substr(0, end));
    text.remove_prefix(end);
    return value;
  }
  std::size_t at = 1;
  for (; at < text.size() && text[at] != '"'; ++at) {
    // Only where it escapes something: devices send "C:\SCANS\a.pdf" as it is.
    if (text[at] == '\\' && at + 1 < text.size() && (text[at + 1] == '"' || text[at + 1] == '\\')) ++at;
    value += text[at];
  }
  const auto end = std::min(text.find(';', std::min(at, text.size())), text.size());
  text.remove_prefix(end);
  return value;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (small(c) >= 'a' && small(c) <= 'f') return small(c) - 'a' + 10;
  return -1;
}

// A damaged escape stays as it is.
std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const bool is_escape =
        text[at] == '%' && at + 2 < text.size() && hex_value(text[at + 1]) >= 0 && hex_value(text[at + 2]) >= 0;
    if (!is_escape) {
      out += text[at];
      continue;
    }
    out += static_cast<char>(hex_value(text[at + 1]) * 16 + hex_value(text[at + 2]));
    at += 2;
  }
  return out;
}

// One parameter in all the spellings that were sent of it.
struct Spellings {
  std::optional<std::string> plain;
  std::optional<std::string> extended;                        // name*=
  std::map<unsigned, std::pair<std::string, bool>> sections;  // name*0=, name*1*=; whether it is percent-encoded
};

// "UTF-8'en'text" apart; without quotes it is text alone.
std::string extended_text(std::string_view value, std::string& charset) {
  const auto first = value.find('\'');
  const auto second = first == std::string_view::npos ? first : value.find('\'', first + 1);
  if (second == std::string_view::npos) return percent_decoded(value);
  charset = value.substr(0, first);
  return percent_decoded(value.substr(second + 1));
}

std::string joined_sections(const Spellings& spellings, Charsets& charsets) {
  std::string octets, charset;
  unsigned expected = 0;
  for (const auto& [number, section] : spellings.sections) {
    if (number != expected++) break;
    const auto& [text, is_encoded] = section;
    octets += !is_encoded ? text : number == 0 ? extended_text(text, charset) : percent_decoded(text);
  }
  if (!charset.empty()) return charsets.to_utf8(octets, charset);
  return octets.find("=?") == std::string::npos ? guess_utf8(octets) : decode_words(octets, charsets);
}

std::string value_of(const Spellings& spellings, Charsets& charsets) {
  if (spellings.extended) {
    std::string charset;
    const auto octets = extended_text(*spellings.extended, charset);
    return charset.empty() ? guess_utf8(octets) : charsets.to_utf8(octets, charset);
  }
  if (spellings.sections.contains(0)) return joined_sections(spellings, charsets);
  return decode_words(spellings.plain.value_or(""), charsets);
}

void note_spelling(std::string_view name, std::string value, std::map<std::string, Spellings, std::less<>>& all) {
  const auto star = name.find('*');
  auto& spellings = all[small(name.substr(0, star))];
  if (star == std::string_view::npos) {
    if (!spellings.plain) spellings.plain = std::move(value);
    return;
  }
  auto number_text = name.substr(star + 1);
  const bool is_encoded = number_text.empty() || number_text.ends_with('*');
  if (number_text.ends_with('*')) number_text.remove_suffix(1);
  if (number_text.empty()) {
    if (!spellings.extended) spellings.extended = std::move(value);
    return;
  }
  unsigned number = 0;
  const auto [end, error] = std::from_chars(number_text.data(), number_text.data() + number_text.size(), number);
  if (error != std::errc() || end != number_text.data() + number_text.size() || number >= kSectionsMax) return;
  spellings.sections.try_emplace(number, std::move(value), is_encoded);
}

}  // namespace

bool equal_ignoring_case(std::string_view left, std::string_view right) {
  return std::ranges::equal(left, right, [](char a, char b) { return small(a) == small(b); });
}

HeaderGatherer::Verdict HeaderGatherer::add(std::string_view line) {
  if (line.empty()) return Verdict::blank;
  if (is_blank(line.front()) && !fields_.empty()) {
    const auto more = clean(line);
    auto& value = fields_.back().value;
    if (!more.empty()) value += (value.empty() ? "" : " ") + more;
    return Verdict::taken;
  }
  const auto colon = line.find(':');
  const auto name = trim(line.substr(0, colon));
  if (colon != std::string_view::npos && !is_blank(line.front()) && is_field_name(name)) {
    fields_.push_back({.name = std::string(name), .value = clean(line.substr(colon + 1))});
    return Verdict::taken;
  }
  if (fields_.empty())
    return line.starts_with("From ") ? Verdict::taken : Verdict::no_field;  // an mbox's separator says nothing
  auto& open = fields_.back().value;
  if (open.empty() || open.ends_with(',')) {
    open += (open.empty() ? "" : " ") + clean(line);
    return Verdict::taken;
  }
  return Verdict::no_field;
}

const HeaderField* find_field(const std::vector<HeaderField>& fields, std::string_view name) {
  const auto found =
      std::ranges::find_if(fields, [&](const HeaderField& field) { return equal_ignoring_case(field.name, name); });
  return found == fields.end() ? nullptr : &*found;
}

std::string_view ParameterisedValue::parameter(std::string_view name) const {
  for (const auto& one : parameters) {
    if (one.name == name) return one.value;
  }
  return {};
}

ParameterisedValue parse_parameterised(std::string_view text) {
  Charsets charsets;
  return parse_parameterised(text, charsets);
}

ParameterisedValue parse_parameterised(std::string_view text, Charsets& charsets) {
  ParameterisedValue parsed;
  const auto end = std::min(text.find(';'), text.size());
  parsed.value = small(trim(text.substr(0, end)));
  text.remove_prefix(end);
  std::map<std::string, Spellings, std::less<>> all;
  while (!text.empty()) {
    if (text.front() == ';' || is_blank(text.front())) {
      text.remove_prefix(1);
      continue;
    }
    const auto name_end = std::min(text.find_first_of("=;"), text.size());
    const auto name = trim(text.substr(0, name_end));
    text.remove_prefix(name_end);
    if (!text.starts_with('=')) continue;
    text.remove_prefix(1);
    auto value = take_value(text);
    if (!name.empty()) note_spelling(name, std::move(value), all);
  }
  for (const auto& [name, spellings] : all) parsed.parameters.push_back({.name = name, .value = value_of(spellings, charsets)});
  return parsed;
}

std::string write_field(std::string_view name, std::string_view value) {
  std::string out(name);
  out += ':';
  std::size_t column = out.size();
  // Word by word; the blank before a word may become the fold.
  while (!value.empty()) {
    const auto word_end = std::min(value.find_first_of(" \t", 1), value.size());
    auto word = value.substr(0, word_end);
    value.remove_prefix(word_end);
    const bool has_blank = is_blank(word.front());
    if (has_blank) word.remove_prefix(1);
    if (column + 1 + word.size() > kLineWanted && column > name.size() + 1 && !word.empty()) {
      out += "\r\n";
      column = 0;
    }
    out += ' ';
    ++column;
    while (column + word.size() > kLineMax) {
      const auto fits = kLineMax - column;
      out += word.substr(0, fits);
      out += "\r\n ";
      column = 1;
      word.remove_prefix(fits);
    }
    out += word;
    column += word.size();
  }
  return out + "\r\n";
}

}  // namespace latchkey::wire

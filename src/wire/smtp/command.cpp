#include "wire/smtp/command.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace latchkey::wire::smtp {
namespace {

constexpr std::size_t kPathBytesMax = 256;  // RFC 5321 section 4.5.3.1.3

constexpr std::pair<std::string_view, Verb> kVerbs[] = {
    {"HELO", Verb::helo}, {"EHLO", Verb::ehlo}, {"STARTTLS", Verb::starttls}, {"AUTH", Verb::auth}, {"MAIL", Verb::mail},
    {"RCPT", Verb::rcpt}, {"DATA", Verb::data}, {"BDAT", Verb::bdat},         {"RSET", Verb::rset}, {"NOOP", Verb::noop},
    {"VRFY", Verb::vrfy}, {"EXPN", Verb::expn}, {"HELP", Verb::help},         {"QUIT", Verb::quit}};

char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }

bool same(std::string_view left, std::string_view right) {
  return std::ranges::equal(left, right, [](char a, char b) { return upper(a) == upper(b); });
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// The next word; `text` loses it.
std::string_view next_word(std::string_view& text) {
  text = trimmed(text);
  const auto end = std::min(text.find_first_of(" \t"), text.size());
  const auto word = text.substr(0, end);
  text.remove_prefix(end);
  text = trimmed(text);
  return word;
}

std::unexpected<Reply> unreadable(std::string_view example) {
  return std::unexpected(Reply{501, "5.5.4", "Cannot read that. Write " + std::string(example)});
}

std::unexpected<Reply> unknown_parameter(std::string_view parameter) {
  return std::unexpected(Reply{555, "5.5.4", "Unknown parameter " + std::string(parameter.substr(0, 40))});
}

bool is_plain(char c) { return static_cast<unsigned char>(c) > ' ' && c != 127 && c != '<' && c != '>'; }

// Keyword and path; `rest` keeps the parameters. nullopt: there is none.
std::optional<std::string> take_path(std::string_view& rest, std::string_view keyword) {
  if (rest.size() < keyword.size() || !same(rest.substr(0, keyword.size()), keyword)) return std::nullopt;
  rest = trimmed(rest.substr(keyword.size()));
  if (!rest.starts_with(':')) return std::nullopt;
  rest = trimmed(rest.substr(1));
  std::string_view path;
  if (rest.starts_with('<')) {
    bool quoted = false;
    std::size_t end = 1;
    for (; end < rest.size() && (quoted || rest[end] != '>'); ++end) {
      if (rest[end] == '\\' && quoted) ++end;
      else if (rest[end] == '"') quoted = !quoted;
    }
    if (end >= rest.size()) return std::nullopt;
    path = trimmed(rest.substr(1, end - 1));
    rest = rest.substr(end + 1);
    if (!rest.empty() && rest.front() != ' ' && rest.front() != '\t') return std::nullopt;
    rest = trimmed(rest);
  } else {
    path = next_word(rest);
    if (path.empty()) return std::nullopt;
  }
  // A source route says by which way to send: it is ignored (RFC 5321 appendix C).
  if (path.starts_with('@')) {
    const auto colon = path.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    path.remove_prefix(colon + 1);
  }
  if (path.size() > kPathBytesMax || !std::ranges::all_of(path, is_plain)) return std::nullopt;
  return std::string(path);
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

Command parse_command(std::string_view line) {
  line = trimmed(line);
  const auto word = next_word(line);
  for (const auto& [name, verb] : kVerbs) {
    if (same(word, name)) return {verb, std::string(line)};
  }
  return {Verb::unknown, {}};
}

std::expected<MailArgument, Reply> parse_mail(std::string_view argument) {
  MailArgument mail;
  auto path = take_path(argument, "FROM");
  if (!path) return unreadable("MAIL FROM:<you@example.com>");
  mail.address = std::move(*path);
  while (!argument.empty()) {
    const auto parameter = next_word(argument);
    const auto equals = std::min(parameter.find('='), parameter.size());
    const auto name = parameter.substr(0, equals);
    const auto value = parameter.substr(std::min(equals + 1, parameter.size()));
    if (same(name, "SIZE")) {
      mail.size_bytes = number(value);
      if (!mail.size_bytes) return unreadable("SIZE=OCTETS");
    } else if (same(name, "BODY")) {
      if (!same(value, "7BIT") && !same(value, "8BITMIME")) return unknown_parameter(parameter);
      mail.body = same(value, "7BIT") ? BodyType::seven_bit : BodyType::eight_bit;
    } else if (same(name, "SMTPUTF8") && value.empty()) {
      mail.utf8 = true;
    } else if (!same(name, "AUTH")) {  // RFC 4954 section 5: whom others authenticated is not believed, so it says nothing
      return unknown_parameter(parameter);
    }
  }
  return mail;
}

std::expected<std::string, Reply> parse_rcpt(std::string_view argument) {
  auto path = take_path(argument, "TO");
  if (!path || path->empty()) return unreadable("RCPT TO:<somebody@example.com>");
  if (!argument.empty()) return unknown_parameter(argument);
  return std::move(*path);
}

std::optional<ChunkArgument> parse_bdat(std::string_view argument) {
  const auto size = number(next_word(argument));
  if (!size || !(argument.empty() || same(argument, "LAST"))) return std::nullopt;
  return ChunkArgument{*size, !argument.empty()};
}

}  // namespace latchkey::wire::smtp

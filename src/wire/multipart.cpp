#include "wire/multipart.h"

#include <algorithm>

namespace latchkey::wire {
namespace {

constexpr std::size_t kBoundaryBytesMax = 70;
constexpr std::size_t kPaddingBytesMax = 100;  // spaces behind a delimiter

std::unexpected<Error> malformed(const char* what) {
  return fail(ErrorKind::invalid, "malformed_multipart", std::string("The form cannot be read: ") + what);
}

bool is_space(char c) { return c == ' ' || c == '\t'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::string lower(std::string_view text) {
  std::string made(text);
  for (char& c : made) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return made;
}

// RFC 2046 section 5.1.1, bchars.
bool is_boundary(std::string_view text) {
  constexpr std::string_view kMarks = "'()+_,-./:=? ";
  const auto is_good = [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || kMarks.contains(c);
  };
  return !text.empty() && text.size() <= kBoundaryBytesMax && text.back() != ' ' && std::ranges::all_of(text, is_good);
}

bool is_field_name(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::ranges::all_of(text, [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || kMarks.contains(c);
  });
}

}  // namespace

Result<std::string> multipart_boundary(std::string_view content_type) {
  constexpr std::string_view kName = "boundary=";
  std::optional<std::string> found;
  auto rest = content_type.substr(std::min(content_type.find(';'), content_type.size()));
  while (rest.starts_with(';')) {
    rest = trimmed(rest.substr(1));
    const bool wanted = lower(rest.substr(0, kName.size())) == kName;
    if (wanted) rest.remove_prefix(kName.size());
    std::string value;
    bool quoted = false;
    while (!rest.empty() && (quoted || rest.front() != ';')) {
      const char c = rest.front();
      rest.remove_prefix(1);
      if (c == '"') {
        quoted = !quoted;
      } else if (c == '\\' && quoted && !rest.empty()) {
        value.push_back(rest.front());
        rest.remove_prefix(1);
      } else {
        value.push_back(c);
      }
    }
    if (quoted) return malformed("a quote in its Content-Type is not closed.");
    if (!wanted) continue;
    if (found) return malformed("its Content-Type names two boundaries.");
    found = std::string(trimmed(value));
  }
  if (!found || !is_boundary(*found)) return malformed("its Content-Type names no boundary.");
  return *found;
}

std::string_view MultipartReader::PartBegins::header(std::string_view name) const {
  const auto found = std::ranges::find(headers, name, [](const auto& each) -> std::string_view { return each.first; });
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

MultipartReader::MultipartReader(std::string_view boundary, MultipartLimits limits)
    : delimiter_("\r\n--" + std::string(boundary)), limits_(limits) {}

void MultipartReader::feed(std::string_view octets) {
  buffer_.erase(0, at_);
  at_ = 0;
  buffer_.append(octets);
}

Result<MultipartReader::Event> MultipartReader::next() {
  for (;;) {
    switch (state_) {
      case State::preamble: {
        auto event = find_first_delimiter();
        if (!event || state_ == State::preamble) return event;
        break;
      }
      case State::behind_delimiter: {
        auto event = read_behind_delimiter();
        if (!event || state_ == State::behind_delimiter) return event;
        break;
      }
      case State::header:
        return read_header();
      case State::body:
        return read_body();
      case State::part_end:
        state_ = State::behind_delimiter;
        return PartEnds{};
      case State::end:
        at_ = buffer_.size();
        return End{};
    }
  }
}

// The first delimiter stands at the start, or behind lines that nobody reads.
Result<MultipartReader::Event> MultipartReader::find_first_delimiter() {
  const auto dashes = std::string_view(delimiter_).substr(2);
  if (at_start_) {
    if (rest().size() < dashes.size() && dashes.starts_with(rest())) return NeedsMore{};
    at_start_ = false;
    if (rest().starts_with(dashes)) {
      at_ += dashes.size();
      state_ = State::behind_delimiter;
      return NeedsMore{};
    }
  }
  const auto found = rest().find(delimiter_);
  if (found == std::string_view::npos) {
    if (rest().size() > limits_.header_bytes_max) return malformed("no part begins.");
    return NeedsMore{};
  }
  at_ += found + delimiter_.size();
  state_ = State::behind_delimiter;
  return NeedsMore{};
}

// "--" ends the body; a line's end begins a part. Anything else would be read one way here and another way elsewhere.
Result<MultipartReader::Event> MultipartReader::read_behind_delimiter() {
  auto ahead = rest();
  if (ahead.starts_with("--")) {
    state_ = State::end;
    return End{};
  }
  std::size_t padding = 0;
  while (padding < ahead.size() && is_space(ahead[padding])) ++padding;
  if (padding > kPaddingBytesMax) return malformed("a delimiter's line does not end.");
  ahead.remove_prefix(padding);
  if (ahead.size() < 2) {
    const bool may_come = ahead.empty() || ahead == "\r" || (ahead == "-" && padding == 0);
    if (!may_come) return malformed("something stands behind a delimiter.");
    return NeedsMore{};
  }
  if (!ahead.starts_with("\r\n")) return malformed("something stands behind a delimiter.");
  if (++parts_ > limits_.parts_max) return malformed("it has too many parts.");
  // The line's end stays: with no field at all, it is the first half of the empty line behind the header.
  at_ += padding;
  state_ = State::header;
  return NeedsMore{};
}

Result<MultipartReader::Event> MultipartReader::read_header() {
  constexpr std::string_view kEnd = "\r\n\r\n";
  const auto size = rest().find(kEnd);
  if (std::min(size, rest().size()) > limits_.header_bytes_max) return malformed("the header of a part is too long.");
  if (size == std::string_view::npos) return NeedsMore{};
  PartBegins part;
  auto lines = rest().substr(0, size + 2);
  lines.remove_prefix(2);
  while (!lines.empty()) {
    const auto end = lines.find("\r\n");
    const auto line = lines.substr(0, end);
    lines.remove_prefix(end + 2);
    const auto colon = line.find(':');
    const auto name = line.substr(0, std::min(colon, line.size()));
    if (colon == std::string_view::npos || !is_field_name(name)) return malformed("a line in the header of a part is none.");
    const auto value = trimmed(line.substr(colon + 1));
    const bool clean =
        std::ranges::none_of(value, [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; });
    if (!clean) return malformed("a control character stands in the header of a part.");
    part.headers.emplace_back(lower(name), std::string(value));
  }
  at_ += size + kEnd.size();
  state_ = State::body;
  body_begins_ = true;
  return part;
}

MultipartReader::Event MultipartReader::read_body() {
  const auto ahead = rest();
  // A part without a body: the empty line behind its header is the delimiter's own.
  const auto dashes = std::string_view(delimiter_).substr(2);
  if (body_begins_) {
    if (ahead.size() < dashes.size() && dashes.starts_with(ahead)) return NeedsMore{};
    body_begins_ = false;
    if (ahead.starts_with(dashes)) {
      at_ += dashes.size();
      state_ = State::behind_delimiter;
      return PartEnds{};
    }
  }
  const auto found = ahead.find(delimiter_);
  if (found != std::string_view::npos) {
    at_ += found + delimiter_.size();
    state_ = found == 0 ? State::behind_delimiter : State::part_end;
    if (found == 0) return PartEnds{};
    return PartOctets{ahead.substr(0, found)};
  }
  // What might be the beginning of a delimiter waits for the rest of it.
  const auto kept = std::min(ahead.size(), delimiter_.size() - 1);
  if (ahead.size() == kept) return NeedsMore{};
  at_ += ahead.size() - kept;
  return PartOctets{ahead.substr(0, ahead.size() - kept)};
}

}  // namespace latchkey::wire

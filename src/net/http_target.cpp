// Request targets and hosts (RFC 9112 section 3.2).
#include <algorithm>

#include "net/http_request_parser.h"
#include "net/ip_address.h"
#include "net/url.h"

namespace latchkey::net {

namespace {

bool is_valid_utf8(std::string_view text) {
  const auto octet = [&text](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  for (std::size_t at = 0; at < text.size();) {
    const unsigned char first = octet(at);
    if (first < 0x80) {
      ++at;
      continue;
    }
    const std::size_t count = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || at + count > text.size()) return false;
    const unsigned char second = octet(at + 1);
    if (first == 0xe0 && second < 0xa0) return false;
    if (first == 0xed && second > 0x9f) return false;  // surrogates
    if (first == 0xf0 && second < 0x90) return false;
    if (first == 0xf4 && second > 0x8f) return false;
    for (std::size_t i = 1; i < count; ++i) {
      if ((octet(at + i) & 0xc0) != 0x80) return false;
    }
    at += count;
  }
  return true;
}

bool has_control_character(std::string_view text) {
  return std::ranges::any_of(text, [](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet < 0x20 || octet == 0x7f;
  });
}

bool has_dot_segment(std::string_view path) {
  while (!path.empty()) {
    const auto end = path.find('/');
    const auto segment = path.substr(0, end);
    if (segment == "." || segment == "..") return true;
    if (end == std::string_view::npos) break;
    path.remove_prefix(end + 1);
  }
  return false;
}

// Encoded slashes and backslashes would mean one path here and another to whoever decodes once more.
bool has_encoded_slash(std::string_view path) {
  for (std::size_t at = path.find('%'); at != std::string_view::npos; at = path.find('%', at + 1)) {
    const auto escape = path.substr(at, 3);
    if (equal_ignoring_case(escape, "%2f") || equal_ignoring_case(escape, "%5c")) return true;
  }
  return false;
}

}  // namespace

bool is_valid_authority(std::string_view host) {
  if (host.empty() || host.size() > 300) return false;
  std::string_view name = host;
  std::string_view port;
  if (host.starts_with('[')) {
    const auto end = host.find(']');
    if (end == std::string_view::npos || !IpAddress::parse(host.substr(1, end - 1))) return false;
    name = host.substr(0, end + 1);
    port = host.substr(end + 1);
  } else {
    const auto colon = host.find(':');
    name = host.substr(0, colon);
    port = colon == std::string_view::npos ? std::string_view() : host.substr(colon);
    const bool good = !name.empty() && std::ranges::all_of(name, [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
             c == '_';
    });
    if (!good) return false;
  }
  if (port.empty()) return true;
  port.remove_prefix(1);
  return host[name.size()] == ':' && !port.empty() && port.size() <= 5 &&
         std::ranges::all_of(port, [](char c) { return c >= '0' && c <= '9'; });
}

bool parse_target(std::string_view method, std::string_view target, TargetParts& parts) {
  if (target == "*") {
    parts.path = "/";
    return method == "OPTIONS";
  }
  if (!target.starts_with('/')) {
    for (const std::string_view scheme : {"http://", "https://"}) {
      if (!equal_ignoring_case(target.substr(0, scheme.size()), scheme)) continue;
      const auto rest = target.substr(scheme.size());
      const auto end = std::min(rest.find_first_of("/?"), rest.size());
      parts.authority = rest.substr(0, end);
      if (!is_valid_authority(parts.authority)) return false;
      target = rest.substr(end);
      break;
    }
    if (parts.authority.empty()) return false;
  }
  if (target.contains('#')) return false;
  const auto question = target.find('?');
  const auto raw_path = target.substr(0, question);
  if (question != std::string_view::npos) parts.query = target.substr(question + 1);
  if (raw_path.empty()) {
    parts.path = "/";
    return true;
  }
  if (!raw_path.contains('%')) {
    parts.path = raw_path;
  } else {
    if (has_encoded_slash(raw_path)) return false;
    auto decoded = percent_decode(raw_path);
    if (!decoded) return false;
    parts.path = std::move(*decoded);
  }
  return !has_control_character(parts.path) && !parts.path.contains('\\') && is_valid_utf8(parts.path) &&
         !has_dot_segment(parts.path);
}

}  // namespace latchkey::net

#include "wire/webdav/resource.h"

#include <algorithm>
#include <optional>

#include "wire/controls.h"

namespace latchkey::wire::webdav {
namespace {

std::unexpected<Error> bad_path() {
  return fail(
      ErrorKind::invalid, "bad_path",
      "This address is no place for a document: names are UTF-8 without control characters (of direction, too), backslashes, `.` and `..`. "
      "Mend the folder or name on the device.");
}

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
         c == '~';
}

std::optional<unsigned> digit_of(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  return std::nullopt;
}

// RFC 3629: shortest forms only, no surrogates, nothing beyond U+10FFFF.
bool is_utf8(std::string_view text) {
  const auto octet = [text](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  for (std::size_t at = 0; at < text.size();) {
    const auto first = octet(at);
    const std::size_t size = first < 0x80   ? 1
                             : first < 0xc2 ? 0
                             : first < 0xe0 ? 2
                             : first < 0xf0 ? 3
                             : first < 0xf5 ? 4
                                            : 0;
    if (size == 0 || at + size > text.size()) return false;
    for (std::size_t next = 1; next < size; ++next) {
      if ((octet(at + next) & 0xc0) != 0x80) return false;
    }
    const unsigned second = size > 1 ? octet(at + 1) : 0;
    if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) || (first == 0xf0 && second < 0x90) ||
        (first == 0xf4 && second > 0x8f))
      return false;
    at += size;
  }
  return true;
}

bool is_sound(std::string_view text) { return !text.contains('\\') && is_utf8(text) && !has_controls(text); }

}  // namespace

Result<std::string> decode_path(std::string_view raw) {
  std::string decoded;
  decoded.reserve(raw.size());
  for (std::size_t at = 0; at < raw.size(); ++at) {
    if (raw[at] != '%') {
      decoded.push_back(raw[at]);
      continue;
    }
    const auto high = at + 2 < raw.size() ? digit_of(raw[at + 1]) : std::nullopt;
    const auto low = at + 2 < raw.size() ? digit_of(raw[at + 2]) : std::nullopt;
    if (!high || !low) return bad_path();
    const char c = static_cast<char>(*high * 16 + *low);
    // It would be one path here and another to whoever decodes once more.
    if (c == '/' || c == '\\') return bad_path();
    decoded.push_back(c);
    at += 2;
  }
  if (!is_sound(decoded)) return bad_path();
  return decoded;
}

std::string encode_path(std::string_view path) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  out.reserve(path.size() + path.size() / 4);
  for (const char c : path) {
    if (is_unreserved(c) || c == '/') {
      out.push_back(c);
      continue;
    }
    const auto octet = static_cast<unsigned char>(c);
    out.append({'%', kDigits[octet >> 4], kDigits[octet & 15]});
  }
  return out;
}

Result<Resource> resource_at(std::string_view mount, std::string_view path) {
  if (!path.starts_with(mount)) return fail(ErrorKind::not_found, "no_such_resource", "There is nothing at this address.");
  path.remove_prefix(mount.size());
  if (path.size() > kPathBytesMax || !is_sound(path)) return bad_path();
  Resource resource{.connector = {}, .path = {}, .ends_in_slash = path.ends_with('/')};
  std::size_t depth = 0;
  while (!path.empty()) {
    const auto slash = std::min(path.find('/'), path.size());
    const auto name = path.substr(0, slash);
    path.remove_prefix(std::min(slash + 1, path.size()));
    if (name.empty()) continue;
    if (name == "." || name == ".." || depth > kPathDepthMax) return bad_path();
    if (depth++ == 0) {
      resource.connector = name;
      continue;
    }
    if (!resource.path.empty()) resource.path += '/';
    resource.path += name;
  }
  if (resource.connector.empty()) return fail(ErrorKind::not_found, "no_such_resource", "There is nothing at this address.");
  return resource;
}

std::string href_of(std::string_view mount, const Resource& resource) {
  auto path = std::string(mount) + resource.connector + "/" + resource.path;
  if (resource.ends_in_slash && !path.ends_with('/')) path += '/';
  return encode_path(path);
}

std::string_view parent_of(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

std::string_view name_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

}  // namespace latchkey::wire::webdav

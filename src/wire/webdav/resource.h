// Which resource an address names: /dav/{connector}/folder/name. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace latchkey::wire::webdav {

inline constexpr std::size_t kPathBytesMax = 1024;
inline constexpr std::size_t kPathDepthMax = 16;

// A value. Names are UTF-8 without control characters (controls.h), slashes and backslashes, and none is "." or "..".
struct Resource {
  std::string connector;
  std::string path;            // "Scans/März.pdf"; empty: the connector's own collection
  bool ends_in_slash = false;  // the address does: a collection is meant
  friend bool operator==(const Resource&, const Resource&) = default;
};

// A raw path of a URL (RFC 3986 section 3.3), percent-decoded once. Errors: invalid/`bad_path` for malformed escapes,
// escaped slashes and backslashes, control characters (escaped or not), and what is no UTF-8.
[[nodiscard]] Result<std::string> decode_path(std::string_view raw);
// The other way round, slashes kept: as an href is written.
[[nodiscard]] std::string encode_path(std::string_view path);

// `path` is decoded and begins with `mount` ("/dav/"). Several slashes count as one: devices put folder and name together
// that way. Errors: not_found/`no_such_resource` where no connector is named; invalid/`bad_path` for "." and "..",
// backslashes, control characters, what is no UTF-8, too long or too deep.
[[nodiscard]] Result<Resource> resource_at(std::string_view mount, std::string_view path);
// The address of a resource, encoded; a collection's ends in a slash.
[[nodiscard]] std::string href_of(std::string_view mount, const Resource& resource);

// "Scans" of "Scans/März.pdf"; empty for what lies directly in the connector's collection.
[[nodiscard]] std::string_view parent_of(std::string_view path);
// "März.pdf".
[[nodiscard]] std::string_view name_of(std::string_view path);

}  // namespace latchkey::wire::webdav

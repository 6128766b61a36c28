// A multistatus as a client reads it (RFC 4918 section 13). Pure.
//
// Read by expat as a stream of events, with namespaces: no tree is built, document types (and so entities of their own) end
// the reading, and sizes are bounded.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace latchkey::wire::webdav {

inline constexpr std::size_t kSeenResourcesMax = 20'000;

struct SeenProperty {
  std::string space;  // "DAV:"
  std::string name;
  std::string text;                   // all character data in it, at most 4 KiB
  std::vector<std::string> elements;  // names of the elements in it, as resourcetype has them
  friend bool operator==(const SeenProperty&, const SeenProperty&) = default;
};

// One response element: what the server has of the resource. Properties it has not (404) or keeps to itself are left out.
struct SeenResource {
  std::string href;  // as the server writes it: encoded, absolute or a path
  int status = 0;    // of the response as a whole (404 ...); 0: each property has its own
  std::vector<SeenProperty> properties;

  // The text of a property; empty where there is none.
  [[nodiscard]] std::string_view text_of(std::string_view space, std::string_view name) const;
  [[nodiscard]] bool is_collection() const;
  friend bool operator==(const SeenResource&, const SeenResource&) = default;
};

// Errors: invalid/`bad_xml`.
[[nodiscard]] Result<std::vector<SeenResource>> parse_multistatus(ByteView body);

}  // namespace latchkey::wire::webdav

// The XML bodies WebDAV answers with: 207 Multi-Status (RFC 4918 section 13) and errors that name a condition (section 16).
// Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "wire/webdav/request_body.h"

namespace latchkey::wire::webdav {

struct Property {
  PropertyName name;
  std::string value;  // XML content, escaped already; may be empty
};
struct PropertiesOfOneStatus {
  int status = 200;
  std::vector<Property> properties;
};
struct ResourceStatus {
  std::string href;                           // encoded
  std::vector<PropertiesOfOneStatus> groups;  // empty ones are left out
};

// Text as element content or attribute value; what XML 1.0 cannot hold becomes '?'.
[[nodiscard]] std::string escape(std::string_view text);

// A 207 answer, resource by resource: what is held is its text alone.
class MultistatusWriter {
 public:
  MultistatusWriter();
  void add(const ResourceStatus& resource);
  [[nodiscard]] std::size_t size_bytes() const { return out_.size(); }  // so far
  [[nodiscard]] std::string finish() &&;

 private:
  std::string out_;
};
[[nodiscard]] std::string write_multistatus(const std::vector<ResourceStatus>& resources);
// <D:error><D:CONDITION/></D:error>; `condition` is a name of RFC 4918 section 16.
[[nodiscard]] std::string write_error(std::string_view condition);

// "Sat, 28 Nov 2026 03:00:00 GMT" (RFC 9110 section 5.6.7).
[[nodiscard]] std::string http_date(WallTime at);

}  // namespace latchkey::wire::webdav

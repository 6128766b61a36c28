// What WebDAV clients send: XML bodies, header fields and paths. The first octet chooses the reader.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "wire/webdav/headers.h"
#include "wire/webdav/multistatus.h"
#include "wire/webdav/request_body.h"
#include "wire/webdav/resource.h"

using namespace latchkey::wire::webdav;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void read_path(std::string_view text) {
  const auto decoded = decode_path(text);
  if (!decoded) return;
  const auto resource = resource_at("/dav/", *decoded);
  if (!resource) return;
  require(!resource->path.contains('\\') && !resource->path.starts_with('/') &&
          !("/" + resource->path + "/").contains("/../"));
  auto meant = *resource;
  if (meant.path.empty()) meant.ends_in_slash = true;  // the connector's own collection
  const auto again = decode_path(href_of("/dav/", *resource));
  require(again && resource_at("/dav/", *again) == meant);
}

void read_body(std::string_view text) {
  if (const auto asked = parse_propfind(text)) {
    require(asked->properties.size() <= kPropertiesMax);
    std::vector<Property> properties;
    for (const auto& name : asked->properties) properties.push_back({.name = name, .value = {}});
    const auto written = write_multistatus({{.href = "/dav/x", .groups = {{.status = 404, .properties = properties}}}});
    require(written.ends_with("</D:multistatus>\n"));
  }
  (void)parse_proppatch(text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      read_body(text);
      break;
    case 1:
      read_path(text);
      break;
    case 2:
      if (const auto lists = parse_if(text)) (void)holds(*lists, "\"a\"");
      break;
    case 3:
      (void)parse_destination(text);
      (void)parse_depth(text, Depth::zero);
      break;
  }
  return 0;
}

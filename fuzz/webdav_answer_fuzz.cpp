// What foreign WebDAV servers answer to PROPFIND and PROPPATCH.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "wire/webdav/seen_resources.h"

using namespace latchkey::wire::webdav;

namespace {

constexpr std::size_t kTextBytesMax = 4096;

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto seen = parse_multistatus({data, size});
  if (!seen) return 0;
  require(seen->size() <= kSeenResourcesMax);
  for (const auto& resource : *seen) {
    (void)resource.is_collection();
    for (const auto& property : resource.properties) {
      require(property.text.size() <= kTextBytesMax);
      require(resource.text_of(property.space, property.name).size() <= kTextBytesMax);
    }
  }
  return 0;
}

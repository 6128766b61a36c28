// Provider files of operators: refused with a pointer, or read; never half.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "catalog/catalog.h"
#include "catalog/provider_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace latchkey;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto file = catalog::read_provider_file("fuzz.json", text);
  if (!file) {
    LATCHKEY_CHECK(file.error().reason == "bad_provider_file");
    LATCHKEY_CHECK(file.error().text.starts_with("fuzz.json: "));
    return 0;
  }
  LATCHKEY_CHECK(!file->types.empty() && file->provider.steps.size() >= 3);
  static const catalog::Catalog empty;
  const auto with = empty.with_file("fuzz.json", text);
  LATCHKEY_CHECK(with.has_value());
  for (const auto& type : (*with)->types()) {
    // Whatever the file says, an address that comes out is allowed.
    const auto resolved = (*with)->resolve(type->id, {});
    if (!resolved) continue;
    for (const auto& address : {resolved->endpoints.authorization, resolved->endpoints.token, resolved->discovery, resolved->account.url}) {
      LATCHKEY_CHECK(address.empty() || oauth::check_endpoint(address, oauth::PlainHttp::refused).has_value());
    }
  }
  return 0;
}

// The number that a delivery has from its connector's line (document_numbers.h), kept among what goes with it (`fields_json`), so
// that it keeps it under another name. Pure.
#pragma once

#include <cstdint>
#include <optional>

#include "store/records.h"

namespace latchkey::delivery {

[[nodiscard]] std::optional<std::int64_t> counter_of(const store::Delivery& delivery);
void set_counter(store::Delivery& delivery, std::int64_t number);
void forget_counter(store::Delivery& delivery);

}  // namespace latchkey::delivery

// What a delivery keeps for this server's own use among what goes with it (`fields_json`), so that it survives another name. Pure.
#pragma once

#include <cstdint>
#include <optional>

#include "store/records.h"

namespace latchkey::delivery {

// The number that it has from its connector's line (document_numbers.h).
[[nodiscard]] std::optional<std::int64_t> counter_of(const store::Delivery& delivery);
void set_counter(store::Delivery& delivery, std::int64_t number);
void forget_counter(store::Delivery& delivery);

// Its name was a temporary one that did not tell its type, and its connector does not take every type: it is not sent before
// another name tells it.
[[nodiscard]] bool awaits_type(const store::Delivery& delivery);
void set_awaits_type(store::Delivery& delivery);
void forget_awaits_type(store::Delivery& delivery);

}  // namespace latchkey::delivery

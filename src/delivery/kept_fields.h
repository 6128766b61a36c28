// What a delivery keeps for this server's own use among what goes with it (`fields_json`), so that it survives another name.
// Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

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

// Under which its destination knows it (connectors::StoreOrder::key): its id, and another one each time it has begun anew.
[[nodiscard]] std::string upload_key_of(const store::Delivery& delivery);
// What has been sent of it so far belongs to another place, or to another rule, or was refused for good.
void begin_anew(store::Delivery& delivery);
// The rule under which the destination has begun to take it; nullopt: it has not.
[[nodiscard]] std::optional<store::ConflictRule> begun_under(const store::Delivery& delivery);
void set_begun_under(store::Delivery& delivery, store::ConflictRule rule);

// What whoever handed it in called it, before its connector's template; empty: nothing.
[[nodiscard]] std::string name_it_came_with(const store::Delivery& delivery);
void set_name_it_came_with(store::Delivery& delivery, std::string_view name);
// The connector that it was handed in for.
[[nodiscard]] std::string handed_in_for(const store::Delivery& delivery);
void set_handed_in_for(store::Delivery& delivery, std::string_view connector);

// Others go with the document from now on; what is kept here stays.
void replace_fields(store::Delivery& delivery, std::string_view fields_json);

}  // namespace latchkey::delivery

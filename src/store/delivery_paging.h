// Pages of deliveries, newest first: by id, since ids are ordered by the time they were made.
#pragma once

#include <optional>

#include "store/paging.h"

namespace latchkey::store {

struct DeliveryPlace {
  DeliveryId before;  // the page holds what is older
  std::size_t limit = 0;
  std::optional<std::int64_t> total;  // as the first page counted; nullopt: this is the first

  // Errors: invalid/`cursor`.
  [[nodiscard]] static Result<DeliveryPlace> of(const Page& page);
};

// `rows` holds one more than the page where there are more.
[[nodiscard]] Listing<Delivery> page_of(std::vector<Delivery> rows, const DeliveryPlace& place, std::int64_t total);

}  // namespace latchkey::store

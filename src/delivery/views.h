// Deliveries as doors and console show them (api/openapi.json).
#pragma once

#include "base/json.h"
#include "store/records.h"

namespace latchkey::delivery {

// {"id","connector","state","name","size","sha256","sent","tries","why","created_at","finished_at","receipt"}; no secret, no
// ids of people.
[[nodiscard]] JsonObject view_of(const store::Delivery& delivery);
// The same with its whole road: "timeline".
[[nodiscard]] JsonObject full_view_of(const store::Delivery& delivery);

}  // namespace latchkey::delivery

#include "store/delivery_paging.h"

namespace latchkey::store {
namespace {

// Younger than any.
DeliveryId no_delivery_yet() {
  base::IdOctets octets;
  octets.fill(0xff);
  return DeliveryId(octets);
}

}  // namespace

Result<DeliveryPlace> DeliveryPlace::of(const Page& page) {
  const auto cursor = Cursor::parse(page.cursor, 1);
  if (!cursor) return std::unexpected(cursor.error());
  const auto limit = page_limit(page);
  if (cursor->first_page()) return DeliveryPlace{.before = no_delivery_yet(), .limit = limit, .total = std::nullopt};
  const auto before = DeliveryId::parse(cursor->keys.front());
  if (!before) return bad_cursor();
  return DeliveryPlace{.before = *before, .limit = limit, .total = cursor->total};
}

Listing<Delivery> page_of(std::vector<Delivery> rows, const DeliveryPlace& place, std::int64_t total) {
  Listing<Delivery> listing{.items = std::move(rows), .next_cursor = {}, .total = total};
  if (listing.items.size() > place.limit) {
    listing.items.resize(place.limit);
    listing.next_cursor = Cursor{total, {listing.items.back().id.text()}}.text();
  }
  return listing;
}

}  // namespace latchkey::store

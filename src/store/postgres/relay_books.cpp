#include "store/postgres/relay_books.h"

#include "store/postgres/enrolment_book.h"
#include "store/postgres/exchange_book.h"
#include "store/postgres/postgres_store.h"
#include "store/postgres/relay_schema.h"

namespace latchkey::store {

Result<PostgresBooks> open_postgres_books(PostgresBooksOptions options, Entropy& entropy, Log& log) {
  using namespace postgres;  // this file's own lower half
  auto display = check_postgres_url(options.url);
  if (!display) return std::unexpected(display.error());
  const auto place = std::make_shared<const Place>(
      Place{.url = std::move(options.url), .password = std::move(options.password), .display = *std::move(display)});
  auto first = Connection::open(*place, Access::writer);
  if (!first) return std::unexpected(first.error());
  if (auto ready = bring_relay_up_to_date(**first, *place, options.program_version); !ready)
    return std::unexpected(ready.error());
  if (auto claimed = claim_books_for(**first, *place, options.service); !claimed) return std::unexpected(claimed.error());
  const auto owner = *ClaimOwner::from_bytes(entropy.bytes(16));
  return PostgresBooks{.enrolments = std::make_unique<PostgresEnrolmentBook>(place, *std::move(first), log),
                       .exchanges = std::make_unique<PostgresExchangeBook>(place, owner, options.clock, log)};
}

}  // namespace latchkey::store

#include "store/exchange_book.h"

namespace latchkey::store {

std::unexpected<Error> request_repeated() {
  return fail(ErrorKind::refused, "request_repeated",
              "This request has been made before, to the letter. Whoever sends it again must sign it again.");
}

std::unexpected<Error> no_such_exchange() {
  return fail(ErrorKind::not_found, "no_such_exchange", "There is no such exchange under way.");
}

std::unexpected<Error> too_many_unacknowledged() {
  return fail(ErrorKind::unavailable, "too_many_unacknowledged",
              "The Cloud Service keeps more replies for this office than it may without the office's having fetched them.",
              {.retry_after = Seconds(60)});
}

}  // namespace latchkey::store

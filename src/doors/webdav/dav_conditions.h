// The conditions a request may carry (RFC 9110 section 13, RFC 4918 section 10.4), and the refusals that several methods
// share.
#pragma once

#include "delivery/shelf.h"
#include "net/http_types.h"

namespace latchkey::doors {

// `document` is what is at the request's address; nullptr: none. Errors: conflict/`precondition_failed`; invalid/`bad_if`.
[[nodiscard]] Result<void> check_conditions(const net::HttpRequest& request, const delivery::ShelfItem* document);

// conflict/`no_parent`
[[nodiscard]] std::unexpected<Error> no_parent();

}  // namespace latchkey::doors

// The tables of a Cloud Service's books (relay_books.h), and how older ones become current ones.
#pragma once

#include <string>

#include "store/postgres/connection.h"

namespace latchkey::store::postgres {

// Errors: as migrate().
[[nodiscard]] Result<void> bring_relay_up_to_date(Connection& connection, const Place& place,
                                                  const std::string& program_version);

// `service` has the books from now on, where nobody had them. Errors: misconfigured/`other_service`.
[[nodiscard]] Result<void> claim_books_for(Connection& connection, const Place& place, const Bytes& service);

}  // namespace latchkey::store::postgres

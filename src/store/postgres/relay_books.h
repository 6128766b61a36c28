// A Cloud Service's books in a PostgreSQL database that several of its instances share. The tables' names begin with
// `relay_`, so the database may be an office server's as well.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/entropy.h"
#include "base/log.h"
#include "base/secret.h"
#include "store/enrolment_book.h"
#include "store/exchange_book.h"

namespace latchkey::store {

struct PostgresBooksOptions {
  std::string url;  // as PostgresOptions::url
  Secret password;  // empty: libpq's own ways
  // What all instances of one service have in common and no other service has. The first one that opens the books makes them
  // its own.
  Bytes service;
  std::string program_version = "0.1.0";
  const WallClock* clock = nullptr;  // what claims are measured by; nullptr: the database's clock (tests give their own)
};

// Each is used by one thread at a time, and has a connection of its own, opened again when it breaks.
struct PostgresBooks {
  std::unique_ptr<EnrolmentBook> enrolments;
  // Whoever opens it is an owner of claims of its own. A claim of another owner's that lasts is told as `elsewhere`; one
  // that has ended may be settled as unknown by anybody, and its owner's reply, should it come after all, counts as long as
  // the office has not acknowledged that nobody knows (RULES F2).
  std::unique_ptr<ExchangeBook> exchanges;
};

// Makes or migrates the tables as needed. The log outlives the books. Errors: misconfigured/`bad_store_url`,
// `other_service` (the books are another's), unavailable or misconfigured/`store_unavailable`, corrupt/`future_schema`.
[[nodiscard]] Result<PostgresBooks> open_postgres_books(PostgresBooksOptions options, Entropy& entropy, Log& log);

}  // namespace latchkey::store

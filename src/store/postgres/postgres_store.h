// The Store in a PostgreSQL database that any number of nodes share.
//
// Durability: synchronous_commit=on (or remote_apply) in every session that writes; commit() answers after COMMIT was
// answered. Threads: as many as connections; the caller's thread never waits for the network.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "store/figures.h"
#include "store/lineage.h"
#include "store/store.h"

namespace latchkey::store {

struct PostgresOptions {
  std::string url;       // postgresql://USER@HOST[:PORT][,HOST...]/DATABASE[?...], without a password
  Secret password;       // empty: libpq's own ways (passfile, certificate, peer)
  std::size_t writer_connections = 6;
  std::size_t reader_connections = 4;
  std::string program_version = "0.1.0";
  StoreFigures* figures = nullptr;   // where it counts; outlives the store
  Lineage* lineage = nullptr;        // where it says on which line of history the database is; outlives the store
  const WallClock* clock = nullptr;  // what leases are measured by; nullptr: the database's clock (tests give their own)
};

struct OpenedPostgres {
  std::unique_ptr<Store> store;
  bool fresh = false;  // nothing was ever kept in it
};

// Opens the store, making or migrating its tables as needed. The log outlives the store. Errors: misconfigured/
// `bad_store_url`, unavailable/`store_unavailable` (unreachable, read-only), misconfigured/`store_unavailable` (somebody else's
// database), misconfigured/`half_moved`, corrupt/`future_schema`; each a sentence. The caller lets every task that awaits the store end before destroying it.
[[nodiscard]] Result<OpenedPostgres> open_postgres_store(PostgresOptions options, Log& log);

// Whether such an address can be used, without connecting: host, port and database for sentences. Errors: misconfigured/
// `bad_store_url` with the remedy, also where a password stands in it. The sentence speaks of the setting `store`, or of `migrate --to`.
enum class UrlGivenIn { configuration, migrate };
[[nodiscard]] Result<std::string> check_postgres_url(const std::string& url, UrlGivenIn given_in = UrlGivenIn::configuration);

// The master key by which a database is worked on at this moment; empty: never opened by a server. Nothing is made there. Blocking.
// Errors: those of connecting; unavailable/`store_unavailable`.
[[nodiscard]] Result<Bytes> postgres_master_key_id(const PostgresOptions& options);

}  // namespace latchkey::store

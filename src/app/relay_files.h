// What a Cloud Service's process finds when it comes: its keys, and the books that it or its other instances have kept. The
// operator's verbs use them beside a running service.
#pragma once

#include "app/relay_config.h"
#include "base/log.h"
#include "relay/relay_keys.h"
#include "store/enrolment_book.h"
#include "store/exchange_book.h"

namespace latchkey::app {

struct RelayFiles {
  relay::RelayKeys keys;
  std::unique_ptr<store::EnrolmentBook> book;
  // In a database that instances share; nullptr: exchanges are kept in a file, which one process has.
  std::unique_ptr<store::ExchangeBook> shared_exchanges;
};

// Keys and books are made where they are absent; never keys for a database that belongs to a service with others. The log
// outlives what it gives. Errors: misconfigured/`data_directory`, those of load_or_make_relay_keys() and of the books; each
// says in one sentence what is wrong and what to do.
[[nodiscard]] Result<RelayFiles> open_relay_files(const RelayConfig& config, Entropy& entropy, Log& log);

}  // namespace latchkey::app

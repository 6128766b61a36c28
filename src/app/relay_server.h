// The Cloud Service as a process: the visible list of its parts, built, run until a signal says stop, and taken down in the
// reverse order.
#pragma once

#include "app/relay_config.h"
#include "relay/relay_keys.h"
#include "store/enrolment_book.h"

namespace latchkey::app {

// A resource: everything `latchkey relay` is made of.
class RelayServer {
 public:
  // Keys and book are made where they are absent. Errors say in one sentence what is wrong and what to do.
  [[nodiscard]] static Result<std::unique_ptr<RelayServer>> build(RelayConfig config,
                                                                  relay::CatalogRegistrations registrations);
  RelayServer(const RelayServer&) = delete;
  RelayServer& operator=(const RelayServer&) = delete;
  ~RelayServer();

  // Serves until SIGTERM or SIGINT; SIGHUP reads the certificate again. Returns the exit status.
  [[nodiscard]] int run();

 private:
  struct Parts;
  explicit RelayServer(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

// The book of enrolments and the keys, as the operator's verbs use them beside a running service. Errors as build().
struct RelayFiles {
  relay::RelayKeys keys;
  std::unique_ptr<store::EnrolmentBook> book;
};
[[nodiscard]] Result<RelayFiles> open_relay_files(const RelayConfig& config, Entropy& entropy);
// The built-in providers and those of the operator's own below the data directory.
[[nodiscard]] Result<std::shared_ptr<const catalog::Catalog>> relay_catalog(const RelayConfig& config);

}  // namespace latchkey::app

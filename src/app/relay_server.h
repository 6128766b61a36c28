// The Cloud Service as a process: the visible list of its parts, built, run until a signal says stop, and taken down in the
// reverse order.
#pragma once

#include "app/relay_config.h"
#include "app/relay_files.h"

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
  struct Diary;
  struct Parts;
  explicit RelayServer(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

// The built-in providers and those of the operator's own below the data directory.
[[nodiscard]] Result<std::shared_ptr<const catalog::Catalog>> relay_catalog(const RelayConfig& config);

}  // namespace latchkey::app

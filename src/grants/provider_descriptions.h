// What providers say of themselves (authorization server metadata), kept in memory. Looks at it are few: one at a time for a document
// serves whoever asks meanwhile, and after one that failed the next waits, longer each time.
//
// A copy is good for an hour; an older one serves for as long as its server is down, and while a look is under way: a grant does not
// die, and nobody waits, because a discovery document cannot be read.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/broadcast.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "base/task.h"
#include "base/task_group.h"
#include "net/http_client.h"
#include "oauth/metadata.h"

namespace latchkey::grants {

// Lives on the executor.
class ProviderDescriptions {
 public:
  ProviderDescriptions(net::HttpTransport& transport, const SteadyClock& clock, Executor executor, Log& log, oauth::PlainHttp plain_http);

  // The document at that address, of that issuer. Errors, where none could be read yet: those of parse_metadata;
  // misconfigured where outgoing connections there are not allowed; unavailable/`provider_unreachable`.
  [[nodiscard]] Task<Result<oauth::Metadata>> read(std::string discovery, std::string issuer);
  // Ends the looks under way; whoever waits for one is told provider_unreachable.
  [[nodiscard]] Task<void> stop();

  static constexpr std::chrono::hours kFreshFor{1};
  // After a look that failed: doubled each time.
  static constexpr std::chrono::minutes kRest{1};
  static constexpr std::chrono::hours kRestMax{1};
  // The same where there is no copy: whoever mends something tries again soon.
  static constexpr std::chrono::seconds kRestWithout{5};
  static constexpr std::chrono::seconds kRestWithoutMax{30};
  static constexpr std::size_t kKnownMax = 1000;

 private:
  struct Known;
  class Looking;
  [[nodiscard]] std::shared_ptr<Known> known_of(const std::string& discovery, const std::string& issuer);
  void make_room();
  [[nodiscard]] Task<void> look(std::shared_ptr<Known> known);
  [[nodiscard]] Task<Result<oauth::Metadata>> ask(std::string discovery, std::string issuer);

  net::HttpTransport& transport_;
  const SteadyClock& clock_;
  const Executor executor_;
  const oauth::PlainHttp plain_http_;
  std::map<std::string, std::shared_ptr<Known>> known_;  // by address and issuer
  TaskGroup looks_;
};

}  // namespace latchkey::grants

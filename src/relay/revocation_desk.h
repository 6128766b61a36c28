// Exchange mode: an office's revocations (RFC 7009), with the client's secret, which the service alone has (RULES F7, S4).
//
// Nothing of one is kept: the same once more does what it has done, and the office asks until it has heard
// (grants/giving_back.h). Concurrency: lives on its executor.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/broadcast.h"
#include "cloud/token_exchange.h"
#include "net/http_client.h"
#include "relay/enrolments.h"
#include "relay/refresh_blobs.h"
#include "relay/registrations.h"
#include "relay/relay_counters.h"

namespace latchkey::relay {

class RevocationDesk {
 public:
  // Under way at once.
  static constexpr std::size_t kFlightsMax = 64;
  static constexpr std::size_t kFlightsOfOfficeMax = 8;

  struct Parts {
    net::HttpTransport& transport;
    const TokenSides& sides;
    const Secret& instance_key;  // 32 octets, the same for all instances of one relay
    RelayCounters& counters;
    Executor executor;
  };
  explicit RevocationDesk(Parts parts) : parts_(parts), blobs_(parts.instance_key), landed_(parts.executor) {}
  RevocationDesk(const RevocationDesk&) = delete;
  RevocationDesk& operator=(const RevocationDesk&) = delete;

  // For an office whose signature was good. Errors: those of may_use(), TokenSides and revocation_post();
  // invalid/`token_request_malformed`; refused/`not_exchanged` (the registration is in another mode),
  // `revocation_endpoint_unknown`; unavailable/`provider_unreachable`, `too_many_exchanges`.
  [[nodiscard]] Task<Result<cloud::RevocationAnswer>> revoke(Enrolment office, cloud::RevocationRequest request);
  // Begins nothing more; returns when what is under way has been answered.
  [[nodiscard]] Task<void> stop();

 private:
  class Flight;
  struct Errand {
    std::vector<oauth::FormPost> posts;  // the same with each of the client's secrets; the first is used first
    std::vector<Secret> unsaid;          // what is in them and is nothing for the office
  };
  [[nodiscard]] Result<Errand> errand_of(const Enrolment& office, const cloud::RevocationRequest& request) const;

  Parts parts_;
  RefreshBlobs blobs_;
  std::map<std::string, std::size_t> flights_;  // by office
  std::size_t under_way_ = 0;
  base::Broadcast landed_;
  bool stopping_ = false;
};

}  // namespace latchkey::relay

// The line to the Cloud Service: the office's requests to it (RULES S1, S5). What fails here is the service's, never a
// provider's, and is said so (C7).
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/entropy.h"
#include "base/log.h"
#include "base/places.h"
#include "base/task.h"
#include "cloud/enrolment.h"
#include "cloud/flow.h"
#include "cloud/token_exchange.h"
#include "grants/cloud_enrolment.h"
#include "grants/stamps.h"
#include "net/http_client.h"

namespace latchkey::grants {

// For /metrics.
struct CloudCounters {
  std::atomic<std::int64_t> answered{0};
  std::atomic<std::int64_t> refused{0};      // by the service, in words
  std::atomic<std::int64_t> unreachable{0};  // no usable answer
};

// Lives on the engine's executor.
//
// Errors of every request: unavailable/`cloud_service_unreachable`; refused/`cloud_enrolment_revoked`,
// refused/`cloud_clock_differs`; refused or invalid with the service's own word and text behind `cloud_`;
// unavailable/`cloud_too_many_exchanges`, `cloud_too_many_unacknowledged`, `cloud_exchange_elsewhere` with the service's
// Retry-After (it answers, and has sent nothing on); misconfigured/`cloud_address_not_allowed` where outgoing connections
// there are not allowed: nothing was asked.
class CloudLine {
 public:
  CloudLine(net::HttpTransport& transport, Stamps stamps, SteadyClock& steady, Entropy& entropy, Log& log)
      : transport_(transport), stamps_(stamps), steady_(steady), entropy_(entropy), log_(log) {}

  // Redeems the code. Where the answer was lost, the same code may be tried again: it is with the same keys, which the service knows by then.
  // Besides: refused/`cloud_keys_differ` when whoever answers has not the keys that the code names.
  [[nodiscard]] Task<Result<CloudEnrolment>> enrol(std::string address, cloud::EnrolmentCode code, std::string return_origin);
  // What the service has for this office now; its keys are the pinned ones, or those that these vouch for (to be kept).
  [[nodiscard]] Task<Result<cloud::ServiceView>> ask(CloudEnrolment enrolment);
  // What a browser's handle stands for. Tried again while nobody answers, for less than the handle lives. A few at once: when a hundred
  // browsers come back together, a TLS handshake for each would cost as much as all the rest.
  [[nodiscard]] Task<Result<cloud::FlowResult>> collect(CloudEnrolment enrolment, std::string handle);
  // What a token endpoint answers by way of the service (exchange mode); `request`: a cloud::TokenRequest as JSON. Besides:
  // unavailable/`provider_unreachable`, the one thing that is said of the provider.
  [[nodiscard]] Task<Result<cloud::TokenAnswer>> exchange(CloudEnrolment enrolment, Secret request, Milliseconds total);
  [[nodiscard]] Task<Result<void>> acknowledge(CloudEnrolment enrolment, cloud::Acknowledgement acknowledgement);
  // What a revocation endpoint answers by way of the service (exchange mode); `request`: a cloud::RevocationRequest as JSON.
  // Besides: unavailable/`provider_unreachable`, as above.
  [[nodiscard]] Task<Result<cloud::RevocationAnswer>> revoke(CloudEnrolment enrolment, Secret request, Milliseconds total);
  // A client assertion for the provider's own token endpoint (assertion mode).
  [[nodiscard]] Task<Result<Secret>> assertion(CloudEnrolment enrolment, cloud::ServiceTarget target, Milliseconds total);
  // The address a browser is sent to instead of the provider's, good for so long from now (FlowRequest::expires_at is set here).
  [[nodiscard]] Result<std::string> begin_address(const CloudEnrolment& enrolment, cloud::FlowRequest request, Milliseconds lifetime) const;

  [[nodiscard]] const CloudCounters& counters() const { return counters_; }
  // When it last had an answer, whatever it had asked; absent: never.
  [[nodiscard]] std::optional<SteadyTime> answered_at() const { return answered_at_; }

  static constexpr std::size_t kCollectedTogether = 16;

 private:
  struct Asked {
    std::string method;
    std::string url;
    std::string authorization;  // empty: none
    Secret body;
    std::optional<Milliseconds> total{};  // absent: what is usual
  };
  [[nodiscard]] Task<Result<std::string>> send(Asked asked);
  [[nodiscard]] Asked signed_request(const CloudEnrolment& enrolment, std::string method, std::string_view path, Secret body);

  [[nodiscard]] const std::string& key_id_of(const cloud::PartyKeys& keys);
  // Of this code, as long as no other is tried.
  [[nodiscard]] cloud::PartyKeys keys_for(const cloud::EnrolmentCode& code);

  net::HttpTransport& transport_;
  const Stamps stamps_;
  SteadyClock& steady_;
  Entropy& entropy_;
  Log& log_;
  base::Places collecting_{kCollectedTogether};
  CloudCounters counters_;
  std::optional<SteadyTime> answered_at_;
  // Kept, since making it from the private halves takes two multiplications on their curves.
  struct KeyId {
    Bytes of;  // a digest of these halves
    std::string text;
  } key_id_;
  struct Offered {
    Bytes code;  // a digest of its secret
    cloud::PartyKeys keys;
  };
  std::optional<Offered> offered_;
};

}  // namespace latchkey::grants

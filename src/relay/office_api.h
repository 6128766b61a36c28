// What office servers ask the Cloud Service: to be enrolled, what it has for them, the results that browsers have brought
// back, assertions, what a token endpoint says, and revocations (RULES S1, S3 to S5, F7). cloud/service.h says what goes
// over the line.
#pragma once

#include <optional>

#include "base/log.h"
#include "base/pool.h"
#include "base/task.h"
#include "cloud/signed_request.h"
#include "net/http_types.h"
#include "relay/book_look.h"
#include "relay/catalog_registrations.h"
#include "relay/enrolled_offices.h"
#include "relay/enrolment_gate.h"
#include "relay/exchange_desk.h"
#include "relay/forward_desk.h"
#include "relay/office_quotas.h"
#include "relay/relay_counters.h"
#include "relay/revocation_desk.h"

namespace latchkey::relay {

// Thread-safe.
class OfficeApi {
 public:
  // Of one office. Each is good for a minute and for whatever the client may do at the provider.
  static constexpr std::int64_t kAssertionsPerMinute = 600;

  struct Parts {
    const ForwardDesk& desk;
    const CatalogRegistrations& registrations;
    EnrolledOffices& offices;
    const cloud::PartyPublic& keys;
    const std::vector<cloud::Succession>& successions;  // from the keys before
    EnrolmentGate& gate;
    const BookLook& look;
    OfficeQuotas& assertions;
    RelayCounters& counters;
    ExchangeDesk* exchanges;      // nullptr: nothing is exchanged here
    RevocationDesk* revocations;  // likewise
    Executor engine;              // the desk's
    Worker& disk;                 // one thread: the book of enrolments
    const WallClock& wall;
    const SteadyClock& steady;
    Entropy& entropy;
    Log& log;
  };
  explicit OfficeApi(Parts parts) : parts_(parts) {}

  // Of one of the paths in cloud/service.h below /relay/v1/.
  [[nodiscard]] Task<net::HttpResponse> answer(net::HttpRequest request) const;
  // The answer to what is refused, counted and logged once.
  // `status`: where it is not the one that the error's kind implies.
  [[nodiscard]] net::HttpResponse refusal(const Error& error, const net::HttpRequest& request, std::optional<int> status = {}) const;

  // The enrolled office that the request says it is of, from its header alone. Errors: invalid/`signature_malformed`,
  // refused/`office_unknown`.
  [[nodiscard]] Result<Enrolment> named_signer(const net::HttpRequest& request) const;

 private:
  [[nodiscard]] Task<Result<net::HttpResponse>> route(const net::HttpRequest& request) const;
  [[nodiscard]] Task<Result<net::HttpResponse>> enrol(std::string body, net::SourceAddress from) const;
  [[nodiscard]] Result<Enrolment> named_by(const cloud::RequestSignature& given) const;
  struct Signed {
    Enrolment office;
    Bytes nonce;
  };
  // Whose signature the request bears. Errors: refused/`office_unknown`, those of check_signature().
  [[nodiscard]] Result<Signed> signer_of(const net::HttpRequest& request) const;
  [[nodiscard]] Result<net::HttpResponse> collect(const Enrolment& office, std::string_view body) const;
  // Whether the offer fits a code that names these keys, or those before them. Errors: those of check_enrolment_request().
  [[nodiscard]] Result<void> check_offer(const store::OfficeId& id, const cloud::EnrolmentOffer& offer) const;
  [[nodiscard]] Task<Result<net::HttpResponse>> exchange(Signed signer, std::string body) const;
  [[nodiscard]] Task<Result<net::HttpResponse>> revoke(Enrolment office, std::string body) const;
  [[nodiscard]] Task<Result<net::HttpResponse>> acknowledge(Enrolment office, std::string body) const;
  [[nodiscard]] Result<net::HttpResponse> assertion(const Enrolment& office, std::string_view body) const;
  [[nodiscard]] net::HttpResponse view_for(const Enrolment& office) const;

  Parts parts_;
};

}  // namespace latchkey::relay

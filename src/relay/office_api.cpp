#include "relay/office_api.h"

#include <algorithm>

#include "base/json.h"
#include "base/run_on.h"
#include "cloud/token_exchange.h"
#include "oauth/client_assertion.h"
#include "pages/security_headers.h"

namespace latchkey::relay {
namespace {

constexpr std::size_t kBodyMax = 16 * 1024;
constexpr Seconds kRetryAfter{60};

int status_of(const Error& error) {
  if (error.reason == "method_not_allowed") return 405;
  // The asker's own doing, not the service's state.
  constexpr std::string_view kTooMuch[] = {"too_many_offers", "too_many_exchanges", "too_many_unacknowledged",
                                           "too_many_assertions", "exchange_elsewhere", "enrolment_busy"};
  if (std::ranges::find(kTooMuch, error.reason) != std::end(kTooMuch)) return 429;
  switch (error.kind) {
    case ErrorKind::invalid:
      return 400;
    case ErrorKind::refused:
      return 403;
    case ErrorKind::not_found:
      return 404;
    case ErrorKind::conflict:
      return 409;
    case ErrorKind::unavailable:
    case ErrorKind::ambiguous:
      return 503;
    case ErrorKind::needs_person:
    case ErrorKind::misconfigured:
    case ErrorKind::corrupt:
    case ErrorKind::bug:
      return 500;
  }
  return 500;
}

std::unexpected<Error> office_unknown() {
  return fail(
      ErrorKind::refused, "office_unknown",
      "The Cloud Service does not know this office (any more): its enrolment was revoked, or was never made. Ask its "
      "operator for a new enrolment code.");
}

std::unexpected<Error> exchanges_nothing() {
  // Not `not_exchanged`: nobody has looked for what may be kept.
  return fail(ErrorKind::refused, "exchanges_nothing",
              "This Cloud Service exchanges nothing (any more). Press Check in the office's OAuth settings.");
}

Json json_of(const std::string& text) { return *parse_json(text); }

// Bodies that hold what opens something.
struct Wiped {
  std::string text;
  ~Wiped() { base::wipe(text.data(), text.size()); }
};

}  // namespace

Task<net::HttpResponse> OfficeApi::answer(net::HttpRequest request) const {
  auto routed = co_await route(request);
  if (!routed) co_return refusal(routed.error(), request);
  pages::secure_api(*routed);
  co_return std::move(*routed);
}

net::HttpResponse OfficeApi::refusal(const Error& error, const net::HttpRequest& request, std::optional<int> status) const {
  if (const auto line = parts_.counters.refused(error.reason, parts_.steady.now()); line.due) {
    parts_.log.info("office_refused", {{"reason", error.reason}, {"path", request.path}, {"from", request.client.text()}, {"unsaid_before", line.unsaid}});
  }
  auto response = net::HttpResponse::problem(status.value_or(status_of(error)), error.reason, error.text);
  if (error.kind == ErrorKind::unavailable)
    response.with("Retry-After", std::to_string(error.retry_after.value_or(kRetryAfter).count()));
  pages::secure_api(response);
  return response;
}

Task<Result<net::HttpResponse>> OfficeApi::route(const net::HttpRequest& request) const {
  const bool get = request.method == "GET";
  const bool post = request.method == "POST";
  constexpr std::string_view kKnown[] = {cloud::kEnrolPath,     cloud::kOfficePath,      cloud::kCollectPath,
                                         cloud::kTokenPath,     cloud::kAcknowledgePath, cloud::kAssertionPath,
                                         cloud::kRevocationPath};
  if (std::ranges::find(kKnown, request.path) == std::end(kKnown))
    co_return fail(ErrorKind::not_found, "not_found", "There is nothing at this address.");
  if (request.path == cloud::kOfficePath ? !get : !post)
    co_return fail(ErrorKind::invalid, "method_not_allowed", "This address is asked in another way.");
  if (request.path == cloud::kEnrolPath) co_return co_await enrol(request.body, request.source());
  auto signer = signer_of(request);
  if (!signer && signer.error().reason == "office_unknown" && co_await parts_.look.read_for(request.source()))
    signer = signer_of(request);
  if (!signer) co_return std::unexpected(signer.error());
  if (request.path == cloud::kOfficePath) co_return view_for(signer->office);
  if (request.path == cloud::kTokenPath) co_return co_await exchange(std::move(*signer), request.body);
  if (request.path == cloud::kAcknowledgePath) co_return co_await acknowledge(std::move(signer->office), request.body);
  if (request.path == cloud::kRevocationPath) co_return co_await revoke(std::move(signer->office), request.body);
  if (request.path == cloud::kAssertionPath) co_return assertion(signer->office, request.body);
  co_return collect(signer->office, request.body);
}

Result<Enrolment> OfficeApi::named_signer(const net::HttpRequest& request) const {
  const auto given = cloud::RequestSignature::parse(request.headers.value_or("Authorization"));
  if (!given) return std::unexpected(given.error());
  return named_by(*given);
}

Result<Enrolment> OfficeApi::named_by(const cloud::RequestSignature& given) const {
  auto office = parts_.offices.find(given.office);
  if (!office || office->keys.key_id() != given.key_id) return office_unknown();
  return std::move(*office);
}

Result<OfficeApi::Signed> OfficeApi::signer_of(const net::HttpRequest& request) const {
  auto given = cloud::RequestSignature::parse(request.headers.value_or("Authorization"));
  if (!given) return std::unexpected(given.error());
  auto office = named_by(*given);
  if (!office) return std::unexpected(office.error());
  const cloud::Asked asked{.method = request.method, .target = request.target, .body = request.body};
  if (const auto good = cloud::check_signature(asked, *given, office->keys.signing, parts_.wall.now()); !good)
    return std::unexpected(good.error());
  return Signed{.office = std::move(*office), .nonce = std::move(given->nonce)};
}

Task<Result<net::HttpResponse>> OfficeApi::exchange(Signed signer, std::string body) const {
  const Wiped wiped{std::move(body)};
  auto request = cloud::parse_token_request(wiped.text);
  if (!request) co_return std::unexpected(request.error());
  if (parts_.exchanges == nullptr) co_return exchanges_nothing();
  const auto answer = co_await base::run_on(
      parts_.engine, parts_.exchanges->exchange(std::move(signer.office), std::move(*request), std::move(signer.nonce)));
  if (!answer) co_return std::unexpected(answer.error());
  co_return net::HttpResponse::json(200, json_of(cloud::to_json(*answer)));
}

Task<Result<net::HttpResponse>> OfficeApi::revoke(Enrolment office, std::string body) const {
  const Wiped wiped{std::move(body)};
  auto request = cloud::parse_revocation_request(wiped.text);
  if (!request) co_return std::unexpected(request.error());
  if (parts_.revocations == nullptr) co_return exchanges_nothing();
  const auto answer =
      co_await base::run_on(parts_.engine, parts_.revocations->revoke(std::move(office), std::move(*request)));
  if (!answer) co_return std::unexpected(answer.error());
  co_return net::HttpResponse::json(200, json_of(cloud::to_json(*answer)));
}

Task<Result<net::HttpResponse>> OfficeApi::acknowledge(Enrolment office, std::string body) const {
  auto acknowledgement = cloud::parse_acknowledgement(body);
  if (!acknowledgement) co_return std::unexpected(acknowledgement.error());
  if (parts_.exchanges != nullptr) {
    const auto done =
        co_await base::run_on(parts_.engine, parts_.exchanges->acknowledge(std::move(office), std::move(*acknowledgement)));
    if (!done) co_return std::unexpected(done.error());
  }
  co_return net::HttpResponse::json(200, JsonObject());
}

Result<net::HttpResponse> OfficeApi::assertion(const Enrolment& office, std::string_view body) const {
  const auto target = cloud::parse_service_target(body);
  if (!target) return std::unexpected(target.error());
  if (const auto may = may_use(office, target->type); !may) return std::unexpected(may.error());
  const auto side = parts_.registrations.token_side(*target);
  if (!side) return std::unexpected(side.error());
  if (side->mode != Mode::assertion)
    return fail(
        ErrorKind::refused, "not_asserted",
        "This Cloud Service signs nothing for that registration (any more). Press Check in the office's OAuth settings.");
  if (!parts_.assertions.take(office.office, kAssertionsPerMinute, parts_.steady.now())) {
    return fail(
        ErrorKind::unavailable, "too_many_assertions",
        "This office has had as many assertions signed within a minute as the Cloud Service signs for one. Ask again "
        "in a moment.",
        {.retry_after = Seconds(5)});
  }
  const oauth::ClientAssertion wish{.client_id = side->client_id, .audience = side->endpoint, .key_id = side->key_id};
  const auto signed_one = oauth::make_client_assertion(wish, *side->key, parts_.wall.now(), parts_.entropy);
  parts_.counters.asserted += 1;
  return net::HttpResponse::json(
      200, json_of(cloud::assertion_answer(signed_one, office.office, office.keys.sealing, parts_.entropy)));
}

Task<Result<net::HttpResponse>> OfficeApi::enrol(std::string body, net::SourceAddress from) const {
  const auto place = parts_.gate.enter(from, parts_.steady.now());
  if (!place) co_return std::unexpected(place.error());
  const auto offer = cloud::parse_enrolment_offer(body);
  base::wipe(body.data(), body.size());
  if (!offer) co_return std::unexpected(offer.error());
  const auto id = store::OfficeId::parse(offer->office);
  if (!id)
    co_return fail(ErrorKind::refused, "code_unknown", "This enrolment code is not known here.",
                   {.field = "enrolment_code"});
  if (const auto proven = check_offer(*id, *offer); !proven) co_return std::unexpected(proven.error());
  const auto digest = cloud::digest_of_secret(offer->secret);
  auto* offices = &parts_.offices;
  const auto now = parts_.wall.now();
  auto work = [offices, id = *id, digest, keys = offer->request.keys, origins = offer->return_origins, now] {
    return offices->enrol(id, digest, keys, origins, now);
  };
  const auto office = co_await parts_.disk.run(std::move(work));
  if (!office) co_return std::unexpected(office.error());
  parts_.counters.enrolled += 1;
  parts_.log.info("office_enrolled", {{"office", office->office}, {"label", office->name}});
  co_return view_for(*office);
}

Result<void> OfficeApi::check_offer(const store::OfficeId& id, const cloud::EnrolmentOffer& offer) const {
  const auto check_with = [&](const cloud::PartyPublic& keys) {
    auto code = cloud::EnrolmentCode::make(id.bytes(), keys, parts_.entropy);
    code.secret = offer.secret.clone();
    return cloud::check_enrolment_request(code, offer.request);
  };
  auto proven = check_with(parts_.keys);
  for (const auto& each : parts_.successions) {
    if (!proven) proven = check_with(each.former);
  }
  return proven;
}

net::HttpResponse OfficeApi::view_for(const Enrolment& office) const {
  return net::HttpResponse::json(200, json_of(cloud::to_json(cloud::ServiceView{
                                          .office = office.office,
                                          .label = office.name,
                                          .keys = parts_.keys,
                                          .successions = parts_.successions,
                                          .return_origins = office.return_origins,
                                          .apps = parts_.registrations.for_types(office.types),
                                      })));
}

Result<net::HttpResponse> OfficeApi::collect(const Enrolment& office, std::string_view body) const {
  const auto parsed = parse_json(body, {.size_bytes_max = kBodyMax, .depth_max = 2, .doubles = base::Doubles::refused});
  const auto* handle = parsed && parsed->is_object() ? base::find_string(parsed->get_object(), "handle") : nullptr;
  if (handle == nullptr) return fail(ErrorKind::invalid, "handle_missing", "The request names no handle.");
  const auto result = parts_.desk.result(office.office, {handle->data(), handle->size()});
  if (!result) return std::unexpected(result.error());
  parts_.counters.collected += 1;
  return net::HttpResponse::json(200, JsonObject{{"result", base::to_base64url(*result)}});
}

}  // namespace latchkey::relay

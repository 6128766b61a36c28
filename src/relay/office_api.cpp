#include "relay/office_api.h"

#include "base/json.h"
#include "pages/security_headers.h"

namespace latchkey::relay {
namespace {

constexpr std::size_t kBodyMax = 16 * 1024;
constexpr std::string_view kRetryAfter = "60";  // seconds

int status_of(const Error& error) {
  if (error.reason == "method_not_allowed") return 405;
  if (error.reason == "too_many_offers") return 429;
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

Json json_of(const std::string& text) { return *parse_json(text); }

}  // namespace

Task<net::HttpResponse> OfficeApi::answer(net::HttpRequest request) const {
  auto routed = co_await route(request);
  if (!routed) co_return refusal(routed.error(), request);
  pages::secure_api(*routed);
  co_return std::move(*routed);
}

net::HttpResponse OfficeApi::refusal(const Error& error, const net::HttpRequest& request) const {
  parts_.counters.refused(error.reason);
  parts_.log.info("office_refused", {{"reason", error.reason}, {"path", request.path}, {"from", request.client.text()}});
  auto response = net::HttpResponse::problem(status_of(error), error.reason, error.text);
  if (error.kind == ErrorKind::unavailable) response.with("Retry-After", kRetryAfter);
  pages::secure_api(response);
  return response;
}

Task<Result<net::HttpResponse>> OfficeApi::route(const net::HttpRequest& request) const {
  const bool get = request.method == "GET";
  const bool post = request.method == "POST";
  const bool known =
      request.path == cloud::kEnrolPath || request.path == cloud::kOfficePath || request.path == cloud::kCollectPath;
  if (!known) co_return fail(ErrorKind::not_found, "not_found", "There is nothing at this address.");
  if (request.path == cloud::kOfficePath ? !get : !post)
    co_return fail(ErrorKind::invalid, "method_not_allowed", "This address is asked in another way.");
  if (request.path == cloud::kEnrolPath) co_return co_await enrol(request.body, request.source());
  const auto office = signer_of(request);
  if (!office) co_return std::unexpected(office.error());
  if (request.path == cloud::kOfficePath) co_return view_for(*office);
  co_return collect(*office, request.body);
}

Result<Enrolment> OfficeApi::signer_of(const net::HttpRequest& request) const {
  const auto given = cloud::RequestSignature::parse(request.headers.value_or("Authorization"));
  if (!given) return std::unexpected(given.error());
  auto office = parts_.offices.find(given->office);
  if (!office || office->keys.key_id() != given->key_id) return office_unknown();
  const cloud::Asked asked{.method = request.method, .target = request.target, .body = request.body};
  if (const auto good = cloud::check_signature(asked, *given, office->keys.signing, parts_.wall.now()); !good)
    return std::unexpected(good.error());
  return std::move(*office);
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

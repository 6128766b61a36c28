#include "console/api_certificate.h"

#include "console/fields.h"
#include "console/views.h"
#include "net/certificate_maker.h"
#include "pages/security_headers.h"

namespace latchkey::console {

namespace {

constexpr std::size_t kPemBytesMax = 64 * 1024;

// Whoever changes the certificate can pose as the server to people and devices: not by a stolen cookie.
std::unexpected<Problem> command_line_only() {
  return refuse(403, "not_allowed", "This is done on the server itself: `latchkey certificate`.");
}

Json certificate_json(const net::Certificate& certificate, WallTime now) {
  return JsonObject{{"subject", certificate.subject},
                    {"issuer", certificate.issuer},
                    {"names", texts_json(certificate.names)},
                    {"not_before", base::to_rfc3339(certificate.not_before)},
                    {"not_after", base::to_rfc3339(certificate.not_after)},
                    {"days_left", std::chrono::floor<std::chrono::days>(certificate.not_after - now).count()},
                    {"fingerprint", certificate.fingerprint},
                    {"self_signed", certificate.self_signed}};
}

}  // namespace

std::string_view name_of(CertificateSource source) {
  switch (source) {
    case CertificateSource::none:
      return "none";
    case CertificateSource::configured:
      return "configured";
    case CertificateSource::given:
      return "given";
    case CertificateSource::own_authority:
      return "own_authority";
    case CertificateSource::self_signed:
      return "self_signed";
  }
  return "none";
}

std::vector<Route> CertificateApi::routes() {
  constexpr auto kPlain = Carries::nothing_secret;
  return {
      {"GET", "/api/v1/certificate", Who::administrator, kPlain, 1024, [this](Call call) { return show(std::move(call)); }},
      {"PUT", "/api/v1/certificate", Who::administrator, Carries::secret, 2 * kPemBytesMax,
       [this](Call call) { return use(std::move(call)); }},
      {"POST", "/api/v1/certificate/own-authority", Who::administrator, kPlain, 16 * 1024,
       [this](Call call) { return own_authority(std::move(call)); }},
      {"POST", "/api/v1/certificate/self-signed", Who::administrator, kPlain, 16 * 1024,
       [this](Call call) { return self_signed(std::move(call)); }},
  };
}

Answer CertificateApi::answer(Result<CertificateStatus> status) const {
  if (!status) return refuse(status.error());
  const auto now = wall_.now();
  JsonArray chain;
  for (const auto& each : status->chain) chain.push_back(certificate_json(each, now));
  return net::HttpResponse::json(200,
                                 JsonObject{{"source", name_of(status->source)},
                                            {"served", status->served},
                                            {"chain", std::move(chain)},
                                            {"certificate_file", status->certificate_file},
                                            {"key_file", status->key_file},
                                            {"root", status->root ? certificate_json(*status->root, now) : Json(nullptr)},
                                            {"root_pem", desk_.root()},
                                            {"problem", status->problem}});
}

Task<Answer> CertificateApi::show(Call call) {
  Query query(call.request);
  if (auto problem = query.check()) co_return std::unexpected(std::move(*problem));
  co_return answer(desk_.status());
}

Task<Answer> CertificateApi::use(Call call) {
  if (call.principal.kind != Principal::Kind::command_line) co_return command_line_only();
  auto body = read_object(call.request);
  if (!body) co_return std::unexpected(body.error());
  Fields fields(*body);
  auto certificate = fields.secret("certificate", kPemBytesMax);  // no secret, but text of many lines
  auto key = fields.secret("key", kPemBytesMax);
  if (auto problem = fields.check()) co_return std::unexpected(std::move(*problem));
  co_return answer(co_await desk_.use(std::string(certificate.reveal_text()), std::move(key)));
}

Task<Answer> CertificateApi::own_authority(Call call) {
  if (call.principal.kind != Principal::Kind::command_line) co_return command_line_only();
  auto body = read_object(call.request);
  if (!body) co_return std::unexpected(body.error());
  Fields fields(*body);
  auto names = fields.texts("names", net::kNamesMax, {.min = 1, .max = 253});
  if (auto problem = fields.check()) co_return std::unexpected(std::move(*problem));
  co_return answer(co_await desk_.own_authority(std::move(names)));
}

Task<Answer> CertificateApi::self_signed(Call call) {
  if (call.principal.kind != Principal::Kind::command_line) co_return command_line_only();
  auto body = read_object(call.request);
  if (!body) co_return std::unexpected(body.error());
  Fields fields(*body);
  auto names = fields.texts("names", net::kNamesMax, {.min = 1, .max = 253});
  if (auto problem = fields.check()) co_return std::unexpected(std::move(*problem));
  co_return answer(co_await desk_.self_signed(std::move(names)));
}

Task<net::HttpResponse> RootDownload::handle(net::HttpRequest request) {
  if (request.method != "GET" && request.method != "HEAD") {
    auto refused = net::HttpResponse::problem(405, "method_not_allowed", "This address is read with GET.");
    refused.with("Allow", "GET, HEAD");
    pages::secure_api(refused);
    co_return refused;
  }
  const auto der = net::der_of(desk_.root());
  if (der.empty()) {
    auto missing =
        net::HttpResponse::problem(404, "not_found", "This server is no authority of its own: there is no root to import.");
    pages::secure_api(missing);
    co_return missing;
  }
  net::HttpResponse response;
  response.body = der;
  response.with("Content-Type", "application/x-x509-ca-cert");
  response.with("Content-Disposition", "attachment; filename=\"latchkey-root.crt\"");
  pages::secure_api(response);
  co_return response;
}

}  // namespace latchkey::console

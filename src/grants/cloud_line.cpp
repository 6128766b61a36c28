#include "grants/cloud_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/json.h"
#include "base/shown_name.h"
#include "cloud/signed_request.h"
#include "crypto/hash.h"
#include "grants/token_way.h"

namespace latchkey::grants {
namespace {

using namespace std::chrono_literals;

constexpr auto kConnectTime = 4s;
constexpr auto kTotalTime = 10s;
constexpr auto kBetweenTries = 500ms;
constexpr auto kCollectFor = 40s;  // a handle lives for a minute, and the browser waits
constexpr std::size_t kAnswerMax = 256 * 1024;
constexpr std::string_view kUnreachable = "cloud_service_unreachable";
constexpr std::string_view kProviderUnreachable = "provider_unreachable";
constexpr std::string_view kProblemPrefix = "urn:latchkey:problem:";
constexpr std::size_t kRefusalMax = 1000;  // characters of its words
// It has what it can carry of this office's, or of the provider's, under way, or this very request; it is there all the
// same.
constexpr std::string_view kBusy[] = {"too_many_exchanges", "too_many_unacknowledged", "too_many_assertions",
                                      "exchange_elsewhere"};
constexpr Seconds kBusyFor{5};  // where it names no time
constexpr Seconds kBusyMost{3600};

std::unexpected<Error> unreachable(std::string detail) {
  return fail(
      ErrorKind::unavailable, std::string(kUnreachable),
      "The Cloud Service does not answer, so nobody can be authorised by way of it now. This says nothing of the provider: "
      "accounts that are authorised already go on by themselves. Try again in a moment.",
      {.detail = std::move(detail), .retry_after = Seconds(30)});
}

// Something at its address has answered, without a word that is the service's: nothing of that is shown to anybody.
Error wordless(int status) {
  auto error = unreachable(fmt::format("status {} without a reason: is this a Cloud Service?", status)).error();
  error.text = fmt::format(
      "The Cloud Service does not answer: what stands at its address says {} and no reason, as a proxy before it does that cannot reach "
      "it. Nobody can be authorised by way of it now. This says nothing of the provider: accounts that are authorised already go on by "
      "themselves. Try again in a moment.",
      status);
  return error;
}

// Retry-After in seconds (RFC 9110 section 10.2.3), as the service writes it.
Seconds wait_named(const net::HttpHeaders& headers) {
  const std::string text(headers.value_or("Retry-After"));
  Seconds::rep seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size() || seconds < 1) return kBusyFor;
  return std::min(Seconds(seconds), kBusyMost);
}

// The service's own words for what it refuses.
Error refusal_of(int status, std::string_view body, const net::HttpHeaders& headers) {
  const auto parsed = parse_json(body);
  std::string code;
  std::string text;
  if (parsed && parsed->is_object()) {
    code = base::string_or(parsed->get_object(), "type");
    text = base::string_or(parsed->get_object(), "detail");
  }
  if (!code.starts_with(kProblemPrefix) || !base::may_be_shown(code) || !base::may_be_shown(text, kRefusalMax)) return wordless(status);
  code.erase(0, kProblemPrefix.size());
  if (code == kProviderUnreachable)
    return {.kind = ErrorKind::unavailable, .reason = code, .text = std::move(text), .retry_after = Seconds(10)};
  if (std::ranges::find(kBusy, code) != std::end(kBusy)) {
    return {.kind = ErrorKind::unavailable,
            .reason = "cloud_" + code,
            .text = std::move(text),
            .detail = fmt::format("status {}", status),
            .retry_after = wait_named(headers)};
  }
  if (status >= 500) {
    auto error = unreachable(fmt::format("status {}: {}", status, code)).error();
    error.text = "The Cloud Service cannot serve at present: " + text + " Accounts that are authorised already go on by themselves.";
    return error;
  }
  if (code == "office_unknown") code = "enrolment_revoked";
  return {.kind = ErrorKind::refused,
          .reason = "cloud_" + code,
          .text = std::move(text),
          .detail = fmt::format("status {}", status),
          .field = code.starts_with("code_") ? "enrolment_code" : ""};
}

}  // namespace

Task<Result<std::string>> CloudLine::send(Asked asked) {
  net::HttpCall call{.method = std::move(asked.method), .url = std::move(asked.url)};
  call.headers.set("Accept", "application/json");
  if (!asked.authorization.empty()) call.headers.set("Authorization", asked.authorization);
  if (!asked.body.empty()) {
    call.headers.set("Content-Type", "application/json");
    call.body = std::move(asked.body);
  }
  call.total_timeout = asked.total.value_or(kTotalTime);
  call.connect_timeout = std::min<Milliseconds>(kConnectTime, call.total_timeout);
  call.response_bytes_max = kAnswerMax;
  const auto outcome = co_await transport_.send(std::move(call));
  const auto* reply = std::get_if<net::Reply>(&outcome);
  if (reply == nullptr || reply->truncated) {
    counters_.unreachable += 1;
    const auto* nothing = std::get_if<net::NothingSent>(&outcome);
    const auto* ambiguous = std::get_if<net::Ambiguous>(&outcome);
    // What an operator has forbidden, or mistyped, does not mend itself, and says nothing of the service.
    if (nothing != nullptr && nothing->error.kind != ErrorKind::unavailable) {
      auto error = of_the_way(nothing->error);
      error.kind = ErrorKind::misconfigured;
      co_return std::unexpected(std::move(error));
    }
    const auto& error = nothing != nullptr ? nothing->error : ambiguous != nullptr ? ambiguous->error : Error{};
    log_.warning("cloud_service_unreachable", {{"reason", error.reason}, {"detail", error.detail}});
    co_return unreachable(error.text.empty() ? "the answer is too long" : error.text);
  }
  if (reply->status == 200) {
    counters_.answered += 1;
    answered_at_ = steady_.now();
    co_return std::string(base::as_text(reply->body));
  }
  auto error = refusal_of(reply->status, base::as_text(reply->body), reply->headers);
  const bool answered = error.reason != kUnreachable;
  (answered ? counters_.refused : counters_.unreachable) += 1;
  if (answered) answered_at_ = steady_.now();
  log_.warning("cloud_service_refused", {{"reason", error.reason}, {"detail", error.detail}});
  co_return std::unexpected(std::move(error));
}

const std::string& CloudLine::key_id_of(const cloud::PartyKeys& keys) {
  const auto digest = crypto::sha256(keys.to_plain().reveal());
  if (!std::ranges::equal(key_id_.of, digest)) key_id_ = {.of = Bytes(digest.begin(), digest.end()), .text = keys.public_half().key_id()};
  return key_id_.text;
}

CloudLine::Asked CloudLine::signed_request(const CloudEnrolment& enrolment, std::string method, std::string_view path,
                                           Secret body) {
  const auto signature =
      cloud::sign_request({.method = method, .target = path, .body = body.reveal_text()}, enrolment.service.office,
                          key_id_of(enrolment.keys), enrolment.keys.signing_seed, stamps_.now(), entropy_);
  return {.method = std::move(method),
          .url = enrolment.address + std::string(path),
          .authorization = signature.header(),
          .body = std::move(body)};
}

cloud::PartyKeys CloudLine::keys_for(const cloud::EnrolmentCode& code) {
  const auto digest = crypto::sha256(code.secret.reveal());
  if (!offered_ || !std::ranges::equal(offered_->code, digest))
    offered_ = Offered{.code = Bytes(digest.begin(), digest.end()), .keys = cloud::PartyKeys::make(entropy_)};
  return offered_->keys.clone();
}

Task<Result<CloudEnrolment>> CloudLine::enrol(std::string address, cloud::EnrolmentCode code, std::string return_origin) {
  auto keys = keys_for(code);
  base::IdOctets office{};
  LATCHKEY_CHECK(code.office.size() == office.size());
  std::ranges::copy(code.office, office.begin());
  const cloud::EnrolmentOffer offer{.office = base::id_text(office),
                                    .secret = code.secret.clone(),
                                    .request = cloud::make_enrolment_request(code, keys),
                                    .return_origins = {std::move(return_origin)}};
  Asked asked{
      .method = "POST", .url = address + std::string(cloud::kEnrolPath), .authorization = {}, .body = cloud::to_json(offer)};
  const auto answer = co_await send(std::move(asked));
  if (!answer) co_return std::unexpected(answer.error());
  auto service = cloud::parse_service_view(*answer);
  if (!service) co_return std::unexpected(service.error());
  // The code may be from before a rotation: then the keys it names vouch for those of now.
  const auto& steps = service->successions;
  const auto named = std::ranges::find_if(steps, [&](const cloud::Succession& each) { return code.is_of(each.former); });
  const bool ours =
      code.is_of(service->keys) || (named != steps.end() && cloud::leads_to(steps, named->former, service->keys));
  if (!ours || service->office != offer.office) {
    co_return fail(
        ErrorKind::refused, "cloud_keys_differ",
        "Whoever answers at this address is not the Cloud Service that issued the code: its keys are others. Nothing was "
        "kept. Check the address, and ask the operator.",
        {.field = "address"});
  }
  offered_.reset();
  co_return CloudEnrolment{
      .address = std::move(address), .enrolled_at = stamps_.now(), .keys = std::move(keys), .service = std::move(*service)};
}

Task<Result<cloud::ServiceView>> CloudLine::ask(CloudEnrolment enrolment) {
  const auto answer = co_await send(signed_request(enrolment, "GET", cloud::kOfficePath, {}));
  if (!answer) co_return std::unexpected(answer.error());
  auto service = cloud::parse_service_view(*answer);
  if (!service) co_return std::unexpected(service.error());
  if (!cloud::leads_to(service->successions, enrolment.service.keys, service->keys) ||
      service->office != enrolment.service.office) {
    co_return fail(
        ErrorKind::refused, "cloud_keys_differ",
        "The Cloud Service answers with other keys than those this server was enrolled with. Nothing is sent there; ask its "
        "operator what has happened.");
  }
  co_return std::move(*service);
}

Task<Result<cloud::FlowResult>> CloudLine::collect(CloudEnrolment enrolment, std::string handle) {
  const Secret body{std::string_view(boost::json::serialize(JsonObject{{"handle", handle}}))};
  const auto until = steady_.now() + kCollectFor;
  Result<std::string> answer = unreachable("no turn came in time");
  for (;;) {
    if (const auto place = co_await collecting_.take(steady_, until - steady_.now())) {
      answer = co_await send(signed_request(enrolment, "POST", cloud::kCollectPath, body.clone()));
    }
    // Asking again is harmless: nothing is kept there, and one use is ours to enforce.
    if (answer || answer.error().kind != ErrorKind::unavailable || steady_.now() >= until) break;
    co_await steady_.sleep_for(kBetweenTries);
  }
  if (!answer) co_return std::unexpected(answer.error());
  const auto parsed = parse_json(*answer);
  const auto sealed =
      parsed && parsed->is_object() ? base::from_base64url(base::string_or(parsed->get_object(), "result")) : std::nullopt;
  if (!sealed) co_return unreachable("an answer without a result");
  co_return cloud::open_result(enrolment.keys, enrolment.service.office, *sealed);
}

Task<Result<cloud::TokenAnswer>> CloudLine::exchange(CloudEnrolment enrolment, Secret request, Milliseconds total) {
  auto asked = signed_request(enrolment, "POST", cloud::kTokenPath, std::move(request));
  asked.total = total;
  const auto answer = co_await send(std::move(asked));
  if (!answer) co_return std::unexpected(answer.error());
  auto parsed = cloud::parse_token_answer(*answer);
  if (!parsed) co_return unreachable("an answer that is none");
  co_return parsed;
}

Task<Result<void>> CloudLine::acknowledge(CloudEnrolment enrolment, cloud::Acknowledgement acknowledgement) {
  const auto answer = co_await send(
      signed_request(enrolment, "POST", cloud::kAcknowledgePath, Secret(std::string_view(cloud::to_json(acknowledgement)))));
  if (!answer) co_return std::unexpected(answer.error());
  co_return Result<void>{};
}

Task<Result<cloud::RevocationAnswer>> CloudLine::revoke(CloudEnrolment enrolment, Secret request, Milliseconds total) {
  auto asked = signed_request(enrolment, "POST", cloud::kRevocationPath, std::move(request));
  asked.total = total;
  const auto answer = co_await send(std::move(asked));
  if (!answer) co_return std::unexpected(answer.error());
  auto parsed = cloud::parse_revocation_answer(*answer);
  if (!parsed) co_return unreachable("an answer that is none");
  co_return parsed;
}

Task<Result<Secret>> CloudLine::assertion(CloudEnrolment enrolment, cloud::ServiceTarget target, Milliseconds total) {
  auto asked = signed_request(enrolment, "POST", cloud::kAssertionPath, Secret(std::string_view(cloud::to_json(target))));
  asked.total = std::min<Milliseconds>(total, kTotalTime);
  const auto answer = co_await send(std::move(asked));
  if (!answer) co_return std::unexpected(answer.error());
  auto assertion = cloud::parse_assertion_answer(*answer, enrolment.keys, enrolment.service.office);
  if (!assertion) co_return unreachable("an answer that is none");
  co_return assertion;
}

Result<std::string> CloudLine::begin_address(const CloudEnrolment& enrolment, cloud::FlowRequest request, Milliseconds lifetime) const {
  request.office = enrolment.service.office;
  request.expires_at = stamps_.now() + lifetime;
  const auto flow = cloud::seal_flow(request, enrolment.keys.signing_seed, enrolment.service.keys.sealing, entropy_);
  if (!flow) return std::unexpected(flow.error());
  return enrolment.address + std::string(cloud::kBeginPath) + "?flow=" + *flow;
}

}  // namespace latchkey::grants

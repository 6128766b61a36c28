#include "relay/revocation_desk.h"

#include <chrono>
#include <utility>

#include "base/id.h"
#include "base/json.h"
#include "oauth/redaction.h"
#include "oauth/revocation.h"
#include "relay/provider_call.h"
#include "relay/token_form.h"

namespace latchkey::relay {
namespace {

using namespace std::chrono_literals;

// Shorter than an office waits, so that it hears of a provider that does not answer.
constexpr auto kConnectTime = 5s;
constexpr auto kTotalTime = 10s;
constexpr std::size_t kReplyBytesMax = 16 * 1024;

std::unexpected<Error> no_room() {
  return fail(ErrorKind::unavailable, "too_many_exchanges",
              "Too many revocations of this office, or of all, are under way at once. Ask again in a moment.",
              {.retry_after = Seconds(5)});
}

std::unexpected<Error> unreachable(const net::HttpOutcome& outcome) {
  const auto* nothing = std::get_if<net::NothingSent>(&outcome);
  return fail(ErrorKind::unavailable, "provider_unreachable",
              nothing != nullptr ? nothing->error.text : "The provider broke off in the middle of its answer.",
              {.detail = nothing != nullptr ? nothing->error.detail : std::string(), .retry_after = Seconds(10)});
}

// RFC 6749 5.2, as RFC 7009 2.2.1 has it; empty as well where it repeats what was sent.
std::string error_of(const net::Reply& reply, std::span<const Secret> sent) {
  const auto json = parse_json(base::as_text(reply.body));
  auto error = json && json->is_object() ? base::string_or(json->get_object(), "error") : std::string();
  oauth::strike_out(error, sent);  // what it leaves is no error code
  return error;
}

}  // namespace

// Counted as long as it lives.
class RevocationDesk::Flight {
 public:
  Flight(RevocationDesk& desk, std::string office) : desk_(desk), office_(std::move(office)) {
    desk_.flights_[office_] += 1;
    desk_.under_way_ += 1;
  }
  Flight(const Flight&) = delete;
  Flight& operator=(const Flight&) = delete;
  ~Flight() {
    if (--desk_.flights_[office_] == 0) desk_.flights_.erase(office_);
    desk_.under_way_ -= 1;
    desk_.landed_.notify_all();
  }

 private:
  RevocationDesk& desk_;
  const std::string office_;
};

Result<RevocationDesk::Errand> RevocationDesk::errand_of(const Enrolment& office, const cloud::RevocationRequest& request) const {
  if (!GrantId::parse(request.grant))
    return fail(ErrorKind::invalid, "token_request_malformed", "The office's request cannot be read.");
  if (const auto may = may_use(office, request.target.type); !may) return std::unexpected(may.error());
  const auto side = parts_.sides.token_side(request.target);
  if (!side) return std::unexpected(side.error());
  if (side->mode != Mode::exchange) {
    return fail(
        ErrorKind::refused, "not_exchanged",
        "This Cloud Service passes nothing on for that registration (any more): its operator has changed how it works.");
  }
  if (side->revocation_endpoint.empty()) {
    return fail(ErrorKind::refused, "revocation_endpoint_unknown",
                "This Cloud Service does not know where the provider takes revocations. Its operator can name it "
                "(revocation_endpoint).");
  }
  const BlobPlace place{
      .office = office.office, .provider = side->provider, .client_id = side->client_id, .grant = request.grant};
  Errand errand;
  for (auto each = *side; each.secret != nullptr; each.secret = std::exchange(each.second_secret, nullptr)) {
    auto post = revocation_post(request.form, each, blobs_, place);
    if (!post) return std::unexpected(post.error());
    errand.posts.push_back(std::move(*post));
  }
  if (!errand.posts.empty()) errand.unsaid = unsaid_of(errand.posts.front(), *side);
  return errand;
}

Task<Result<cloud::RevocationAnswer>> RevocationDesk::revoke(Enrolment office, cloud::RevocationRequest request) {
  auto errand = errand_of(office, request);
  if (!errand) co_return std::unexpected(errand.error());
  auto* posts = &errand->posts;
  const auto theirs = flights_.find(office.office);
  const bool full = under_way_ >= kFlightsMax || (theirs != flights_.end() && theirs->second >= kFlightsOfOfficeMax);
  if (stopping_ || full) co_return no_room();
  const Flight flight(*this, office.office);
  cloud::RevocationAnswer answer;
  for (auto& post : *posts) {
    auto call = provider_call(std::move(post));
    call.connect_timeout = kConnectTime;
    call.total_timeout = kTotalTime / static_cast<int>(posts->size());
    call.response_bytes_max = kReplyBytesMax;
    const auto outcome = co_await parts_.transport.send(std::move(call));
    const auto* reply = std::get_if<net::Reply>(&outcome);
    if (reply == nullptr) {
      parts_.counters.revocations_unreachable += 1;
      co_return unreachable(outcome);
    }
    answer = {.status = reply->status, .error = error_of(*reply, errand->unsaid)};
    const auto came = oauth::classify_revocation(reply->status, base::as_text(reply->body));
    if (came == oauth::RevocationOutcome::misconfigured_app) continue;  // the other secret may still be good
    (came == oauth::RevocationOutcome::revoked ? parts_.counters.revoked : parts_.counters.not_revoked) += 1;
    co_return answer;
  }
  parts_.counters.not_revoked += 1;
  co_return answer;
}

Task<void> RevocationDesk::stop() {
  stopping_ = true;
  while (under_way_ > 0) co_await landed_.wait();
}

}  // namespace latchkey::relay

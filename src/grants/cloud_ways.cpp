#include "grants/cloud_ways.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "base/json.h"
#include "oauth/client_assertion.h"

namespace latchkey::grants {
namespace {

using namespace std::chrono_literals;

constexpr auto kAskFor = 12s;  // a code may live for 30 s, and whoever waits for a refresh waits for this
constexpr auto kBetweenTries = 500ms;
constexpr auto kMargin = 1s;     // of a call's total time
constexpr auto kPostLeast = 3s;  // of a call's total time, for the provider; half of a short one
constexpr int kAcknowledgeTries = 3;

// Nobody there; one that is busy is there.
bool is_outage(const Error& error) { return error.reason == "cloud_service_unreachable"; }

// Nothing was asked: somebody's to mend here.
bool is_ours(const Error& error) { return error.kind == ErrorKind::misconfigured; }

TokenAnswered nothing_sent(Error error, std::int64_t turn) {
  return {.outcome = net::NothingSent{std::move(error)}, .turn = turn};
}

Error too_late() {
  return {
      .kind = ErrorKind::unavailable,
      .reason = "cloud_assertion_late",
      .text =
          "The Cloud Service took too long to sign for this server; nothing was sent to the provider. It is tried again."};
}

// What the service refuses is somebody's to mend, there or here; the grant waits, and nobody is asked to consent anew for
// it.
Error as_cause(Error error) {
  if (error.kind == ErrorKind::unavailable || is_ours(error)) return error;
  error.kind = ErrorKind::misconfigured;
  error.text = "The Cloud Service refuses to pass this on: " + error.text;
  return error;
}

net::HttpOutcome outcome_of(cloud::ProviderReply reply) {
  net::Reply outcome;
  outcome.status = reply.status;
  if (!reply.content_type.empty()) outcome.headers.set("Content-Type", reply.content_type);
  if (!reply.retry_after.empty()) outcome.headers.set("Retry-After", reply.retry_after);
  const auto body = reply.body.reveal();
  outcome.body.assign(body.begin(), body.end());
  outcome.truncated = reply.cut;
  return outcome;
}

Task<Result<cloud::TokenAnswer>> exchange_by(CloudLine* line, CloudEnrolment enrolment,
                                             std::shared_ptr<const Secret> request, Milliseconds total) {
  co_return co_await line->exchange(std::move(enrolment), request->clone(), total);
}

Task<Result<cloud::RevocationAnswer>> revocation_by(CloudLine* line, CloudEnrolment enrolment,
                                                    std::shared_ptr<const Secret> request, Milliseconds total) {
  co_return co_await line->revoke(std::move(enrolment), request->clone(), total);
}

Task<Result<Secret>> assertion_by(CloudLine* line, CloudEnrolment enrolment, cloud::ServiceTarget target,
                                  Milliseconds total) {
  co_return co_await line->assertion(std::move(enrolment), std::move(target), total);
}

}  // namespace

// --- the service signs, this server posts ---

class CloudWays::AssertionWay final : public TokenWay {
 public:
  AssertionWay(CloudWays& ways, CloudTarget target) : ways_(ways), target_(std::move(target)) {}

  Task<TokenAnswered> send(TokenErrand errand) override {
    auto* line = &ways_.parts_.line;
    const auto question = [line, target = target_.target](CloudEnrolment enrolment, Milliseconds total) {
      return assertion_by(line, std::move(enrolment), target, total);
    };
    const auto steady_begun = ways_.parts_.steady.now();
    const auto wall_begun = ways_.parts_.wall.now();
    const auto until = steady_begun + std::min<std::chrono::nanoseconds>(kAskFor, errand.call.total_timeout);
    const auto assertion = co_await ways_.ask<Secret>(target_.address, until, question);
    if (!assertion) co_return nothing_sent(assertion.error(), errand.turn);
    // Whoever sends has reckoned with the total time: when it is over, another server may hold the grant (R6). By both
    // clocks, since one of them stands while a machine sleeps.
    const auto spent =
        std::max<std::chrono::nanoseconds>(ways_.parts_.steady.now() - steady_begun, ways_.parts_.wall.now() - wall_begun);
    const auto left = std::chrono::duration_cast<Milliseconds>(errand.call.total_timeout - spent);
    if (left < std::min<Milliseconds>(kPostLeast, errand.call.total_timeout / 2))
      co_return nothing_sent(too_late(), errand.turn);
    errand.call.total_timeout = left;
    errand.call.connect_timeout = std::min(errand.call.connect_timeout, left);
    if (errand.call.body) errand.call.body = oauth::with_assertion(*errand.call.body, *assertion);
    co_return TokenAnswered{.outcome = co_await ways_.parts_.transport.send(std::move(errand.call)), .turn = errand.turn};
  }
  [[nodiscard]] bool goes_on_unheard() const override { return false; }
  // Who this client is, is said to the revocation endpoint as to the token endpoint (RFC 7009 2.1).
  Task<net::HttpOutcome> revoke(GrantId whose, net::HttpCall call) override {
    auto answered = co_await send({.intent = {}, .turn = 0, .whose = whose, .call = std::move(call)});
    co_return std::move(answered.outcome);
  }
  void kept(IntentId, std::int64_t) override {}

 private:
  CloudWays& ways_;
  const CloudTarget target_;
};

// --- the service posts, and keeps the answer ---

class CloudWays::ExchangeWay final : public TokenWay {
 public:
  ExchangeWay(CloudWays& ways, CloudTarget target) : ways_(ways), target_(std::move(target)) {}

  Task<TokenAnswered> send(TokenErrand errand) override {
    auto enrolment = co_await ways_.enrolment_at(target_.address);
    if (!enrolment) co_return nothing_sent(enrolment.error(), errand.turn);
    const auto intent = errand.intent.text();
    const cloud::TokenRequest request{.intent = intent,
                                      .turn = errand.turn,
                                      .grant = errand.whose.text(),
                                      .target = target_.target,
                                      .form = errand.call.body ? std::move(*errand.call.body) : Secret()};
    auto* line = &ways_.parts_.line;
    const auto question = [line, json = std::make_shared<const Secret>(cloud::to_json(request))](CloudEnrolment at,
                                                                                                 Milliseconds total) {
      return exchange_by(line, std::move(at), json, total);
    };
    const auto until = ways_.parts_.steady.now() + std::chrono::nanoseconds(errand.call.total_timeout) - kMargin;
    const auto answer = co_await ways_.ask<cloud::TokenAnswer>(target_.address, until, question);
    if (!answer) co_return nothing_sent(answer.error(), errand.turn);
    if (answer->reply.empty()) {
      unknown_.emplace(errand.intent, answer->turn);
      co_return TokenAnswered{
          .outcome =
              net::Ambiguous{
                  .error = {.kind = ErrorKind::ambiguous,
                            .reason = "answer_lost",
                            .text = "The Cloud Service may have passed the request on, and does not know what came of it."}},
          .turn = answer->turn};
    }
    auto reply = cloud::open_reply(enrolment->keys, enrolment->service.office, intent, answer->turn, answer->reply);
    if (!reply)
      co_return nothing_sent(
          {.kind = ErrorKind::unavailable, .reason = "cloud_answer_malformed", .text = reply.error().text}, errand.turn);
    co_return TokenAnswered{.outcome = outcome_of(std::move(*reply)), .turn = answer->turn};
  }
  [[nodiscard]] bool goes_on_unheard() const override { return true; }
  Task<net::HttpOutcome> revoke(GrantId whose, net::HttpCall call) override {
    const cloud::RevocationRequest request{
        .grant = whose.text(), .target = target_.target, .form = call.body ? std::move(*call.body) : Secret()};
    auto* line = &ways_.parts_.line;
    const auto question = [line, json = std::make_shared<const Secret>(cloud::to_json(request))](CloudEnrolment at,
                                                                                                 Milliseconds total) {
      return revocation_by(line, std::move(at), json, total);
    };
    const auto until = ways_.parts_.steady.now() + std::chrono::nanoseconds(call.total_timeout);
    const auto answer = co_await ways_.ask<cloud::RevocationAnswer>(target_.address, until, question);
    if (!answer) co_return net::NothingSent{answer.error()};
    net::Reply reply;
    reply.status = answer->status;
    reply.headers.set("Content-Type", "application/json");
    if (!answer->error.empty()) reply.body = base::to_bytes(boost::json::serialize(JsonObject{{"error", answer->error}}));
    co_return reply;
  }
  void kept(IntentId intent, std::int64_t turn) override {
    const bool had_reply = unknown_.erase({intent, turn}) == 0;
    ways_.acknowledging_.spawn(
        "acknowledge",
        ways_.acknowledge(target_.address, {.intent = intent.text(), .turn = turn, .had_reply = had_reply}));
  }

 private:
  // Turns of which nobody knew, until that is acknowledged.
  std::set<std::pair<IntentId, std::int64_t>> unknown_;
  CloudWays& ways_;
  const CloudTarget target_;
};

std::shared_ptr<TokenWay> CloudWays::way(cloud::Mode mode, CloudTarget target) {
  switch (mode) {
    case cloud::Mode::forward:
      return nullptr;
    case cloud::Mode::assertion:
      return std::make_shared<AssertionWay>(*this, std::move(target));
    case cloud::Mode::exchange:
      return std::make_shared<ExchangeWay>(*this, std::move(target));
  }
  LATCHKEY_CHECK(false);
}

Task<Result<CloudEnrolment>> CloudWays::enrolment_at(std::string address) {
  const auto enrolment = co_await enrolment_.read();
  // A store that cannot be read is not the provider's fault.
  if (!enrolment) co_return std::unexpected(of_the_way(enrolment.error()));
  if (!*enrolment || (*enrolment)->address != address) {
    co_return fail(ErrorKind::misconfigured, "cloud_not_enrolled",
                   "This account was authorised by way of the Cloud Service at " + address +
                       ", which alone can renew its tokens, and this server is not enrolled there any more. Enrol it again "
                       "under OAuth settings.");
  }
  co_return (*enrolment)->clone();
}

template <class Value>
Task<Result<Value>> CloudWays::ask(std::string address, SteadyTime until,
                                   std::function<Task<Result<Value>>(CloudEnrolment, Milliseconds)> question) {
  const auto give_up = std::min(until, parts_.steady.now() + kAskFor);
  // A browser's result, fetched a moment ago, says that it is back.
  if (circuit_.open() && parts_.line.answered_at() > failed_at_) note(address, true);
  const bool probe = circuit_.open();
  if (!circuit_.admits(parts_.steady.now())) co_return std::unexpected(outage(address));
  for (;;) {
    auto enrolment = co_await enrolment_at(address);
    if (!enrolment) {
      circuit_.asked_nobody();
      co_return std::unexpected(enrolment.error());
    }
    const auto left = std::chrono::duration_cast<Milliseconds>(until - parts_.steady.now());
    auto answer = co_await question(std::move(*enrolment), std::max(left, Milliseconds(1)));
    if (!answer && is_ours(answer.error())) {
      circuit_.asked_nobody();
      co_return std::unexpected(answer.error());
    }
    if (answer || !is_outage(answer.error())) {
      note(address, true);
      if (!answer) co_return std::unexpected(as_cause(answer.error()));
      co_return answer;
    }
    if (probe || parts_.steady.now() + kBetweenTries >= give_up) {
      note(address, false);
      co_return std::unexpected(outage(address));
    }
    co_await parts_.steady.sleep_for(kBetweenTries);
  }
}

Error CloudWays::outage(const std::string& address) const {
  const auto next = circuit_.next_try();
  const auto wait = next ? std::chrono::ceil<Seconds>(*next - parts_.steady.now()) : Seconds(5);
  return {.kind = ErrorKind::unavailable,
          .reason = "cloud_service_unreachable",
          .text = "The Cloud Service at " + address +
                  " does not answer, and this account's tokens come by way of it. This says nothing of the "
                  "provider. A token that is there is served while it lasts, and renewed when the service answers again.",
          .retry_after = std::max(wait, Seconds(1))};
}

void CloudWays::note(const std::string& address, bool answered) {
  if (answered) {
    circuit_.succeeded();
    parts_.alerts.clear("cloud_service_unreachable");
    return;
  }
  failed_at_ = parts_.steady.now();
  circuit_.failed(failed_at_);
  if (!circuit_.open()) return;
  parts_.alerts.raise(
      "cloud_service_unreachable",
      "The Cloud Service at " + address +
          " does not answer. Accounts whose tokens are renewed by way of it keep the "
          "tokens they have and go on by themselves when it answers again. Its operator can say what is the matter.");
}

Task<void> CloudWays::acknowledge(std::string address, cloud::Acknowledgement acknowledgement) {
  for (int attempt = 0; attempt < kAcknowledgeTries; ++attempt) {
    auto enrolment = co_await enrolment_at(address);
    if (!enrolment) co_return;
    const auto done = co_await parts_.line.acknowledge(std::move(*enrolment), acknowledgement);
    if (done || !is_outage(done.error())) co_return;
    co_await parts_.steady.sleep_for(kBetweenTries);
  }
  parts_.log.info("not_acknowledged", {{"intent", acknowledgement.intent}});
}

}  // namespace latchkey::grants

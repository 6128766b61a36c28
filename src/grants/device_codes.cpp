#include "grants/device_codes.h"

#include <algorithm>
#include <optional>

#include "grants/device_pace.h"
#include "oauth/device.h"

namespace latchkey::grants {
namespace {

using store::AuthorizationState;

// Each costs a question every few seconds and a place in the journal for a day.
constexpr std::size_t kDeviceCodesMost = 20;
constexpr std::size_t kDeviceReplyBytesMax = 64 * 1024;
constexpr Seconds kDeviceRequestTime{20};
constexpr Seconds kRecoveryPause{1};
constexpr std::string_view kExpired = "Nobody entered the code in time, so nothing was made. Begin again for a new code.";

}  // namespace

DeviceCodes::DeviceCodes(Parts parts) : parts_(std::move(parts)), following_(parts_.executor, parts_.log) {}
DeviceCodes::~DeviceCodes() = default;

void DeviceCodes::follow(AuthorizationId id) { following_.spawn("device code", await_answer(id)); }

Task<void> DeviceCodes::stop() {
  stopping_ = true;
  parts_.changes.notify_all();
  co_await following_.drain();
}

// ---- the code --------------------------------------------------------------------------------------------------------

Result<void> DeviceCodes::check(const std::string& type) const {
  if (!parts_.allowed(type)) {
    return fail(ErrorKind::conflict, "device_code_off",
                "Device codes are switched off for this type. An administrator can add " + type +
                    " to the setting authorize.device_code_types, or use the browser or a link instead.");
  }
  if (waiting_ < kDeviceCodesMost) return {};
  return fail(ErrorKind::conflict, "device_codes_waiting",
              "Too many device codes wait for their owners already. Cancel one, or wait until one has ended.");
}

Task<Result<oauth::DeviceCode>> DeviceCodes::ask(const ProviderClient& client) {
  Result<oauth::DeviceCode> code =
      fail(ErrorKind::misconfigured, "device_code_unsupported",
           "This provider offers no device codes, as far as its description says. Use the browser or a link instead.");
  if (client.endpoints.device_authorization.empty()) co_return code;
  for (std::size_t slot = 0; slot < std::max<std::size_t>(client.secrets.size(), 1); ++slot) {
    auto post = oauth::device_authorization({.endpoint = client.endpoints.device_authorization,
                                             .client = client.registration(slot),
                                             .scopes = client.type.scopes,
                                             .scope_separator = client.type.provider->scope_separator,
                                             .extra = client.type.extra.device});
    net::HttpCall call{.method = "POST", .url = post.url};
    for (const auto& [name, value] : post.headers) call.headers.set(name, value);
    if (!post.authorization.empty()) call.headers.set("Authorization", post.authorization.reveal_text());
    call.body = std::move(post.body);
    call.response_bytes_max = kDeviceReplyBytesMax;
    call.total_timeout = kDeviceRequestTime;
    const auto outcome = co_await parts_.transport.send(std::move(call));
    const auto* reply = std::get_if<net::Reply>(&outcome);
    if (reply == nullptr || reply->status >= 500 || reply->status == 429) {
      co_return fail(ErrorKind::unavailable, "provider_unreachable",
                     "The provider gave no device code: it does not answer, or is in trouble. Try again in a while.",
                     {.retry_after = Seconds(30)});
    }
    const Secret body{base::as_text(reply->body)};
    code = oauth::parse_device_reply(reply->status, body.reveal_text(), parts_.clients.address().plain_http);
    const bool other_secret_may_help = !code && code.error().kind == ErrorKind::misconfigured;
    if (!other_secret_may_help) break;
  }
  co_return code;
}

Task<Result<store::Batch>> DeviceCodes::begin(PendingFlow& flow, const ProviderClient& client) {
  if (client.way) {
    co_return fail(ErrorKind::misconfigured, "device_code_unsupported",
                   "The Cloud Service asks for no device codes with this app. Use the browser or a link instead, or register an app of your own.");
  }
  auto code = co_await ask(client);
  if (!code) co_return std::unexpected(code.error());
  const auto now = parts_.wall.now();
  flow.record.opened_by_other = true;  // whoever types the code is not seen here (RULES A4)
  flow.record.issuer = client.endpoints.issuer;
  flow.record.token_endpoint = client.endpoints.token;
  flow.record.device = DeviceFlow{.prompt = {.user_code = code->user_code,
                                             .verification_uri = code->verification_uri,
                                             .verification_uri_complete = code->verification_uri_complete},
                                  .code = std::move(code->device_code),
                                  .interval = code->interval,
                                  .intent = IntentId::make(now, parts_.entropy),
                                  .node = parts_.node};
  flow.row.expires_at = now + code->expires_in;
  store::Batch batch;
  batch.push_back(store::InsertIntent{{.id = flow.record.device->intent,
                                       .grant = exchange_id(flow.row.id),
                                       .generation = 0,
                                       .node = parts_.node,
                                       .opened_at = now}});
  co_return batch;
}

// ---- its answer ------------------------------------------------------------------------------------------------------

// Every one that this node has begun and that is not over: the server was restarted meanwhile.
Task<void> DeviceCodes::resume() {
  for (;;) {
    const auto rows = co_await parts_.store.pending_authorizations(kWaitingMost);
    if (rows) {
      for (const auto& row : *rows) {
        if (row.state != AuthorizationState::pending) continue;
        const auto flow = parts_.attempts.open(row);
        if (flow && flow->record.device && flow->record.device->node == parts_.node) follow(row.id);
      }
      co_return;
    }
    co_await parts_.steady.sleep_for(kRecoveryPause);
  }
}

Task<bool> DeviceCodes::rest(Seconds span) {
  const auto until = parts_.steady.now() + span;
  for (auto now = parts_.steady.now(); !stopping_ && now < until; now = parts_.steady.now())
    co_await parts_.changes.wait_for(parts_.steady, until - now);
  co_return !stopping_;
}

class DeviceCodes::Following {
 public:
  explicit Following(std::size_t& waiting) : waiting_(waiting) { ++waiting_; }
  Following(const Following&) = delete;
  Following& operator=(const Following&) = delete;
  ~Following() { --waiting_; }

 private:
  std::size_t& waiting_;
};

// Ends with the attempt, or when the server stops; then the next start goes on.
Task<void> DeviceCodes::await_answer(AuthorizationId id) {
  const Following counted(waiting_);
  std::optional<DevicePace> pace;
  bool answer_lost = false;
  do {
    // What the journal has brought from before a crash comes first: it may be the answer.
    if (parts_.keeper.awaits_code(exchange_id(id))) continue;
    auto row = co_await parts_.store.authorization(id);
    if (!row) continue;
    if (!*row || (*row)->state != AuthorizationState::pending) co_return;
    auto flow = parts_.attempts.open(std::move(**row));
    if (!flow || !flow->record.device) co_return;  // the sweep buries it
    if (!pace) {
      pace.emplace(flow->record.device->interval);
      continue;  // after a restart, too: when it was asked last is not known
    }
    if (co_await ask_about(std::move(*flow), *pace, answer_lost) == Followed::over) co_return;
  } while (co_await rest(pace ? pace->wait() : kRecoveryPause));
}

Task<DeviceCodes::Followed> DeviceCodes::ask_about(PendingFlow flow, DevicePace& pace, bool& answer_lost) {
  const auto end = [&](AuthorizationState state, std::string code, std::string text, std::string audit) {
    return parts_.attempts.settle(std::move(flow), state, std::move(code), std::move(text), std::move(audit));
  };
  if (parts_.wall.now() > flow.row.expires_at) {
    parts_.counters.device_expired += 1;
    co_await end(AuthorizationState::expired, "expired", std::string(kExpired), "authorization.expired");
    co_return Followed::over;
  }
  auto client =
      co_await parts_.clients.client_for(flow.record.grant.type, flow.record.grant.app, flow.record.grant.params_json, "{}");
  if (!client && client.error().kind == ErrorKind::unavailable) {
    pace.unanswered();
    co_return Followed::on;
  }
  if (!client || client->endpoints.token != flow.record.token_endpoint) {
    parts_.counters.device_failed += 1;
    co_await end(
        AuthorizationState::failed, client ? "endpoints_changed" : client.error().reason,
        client ? "The provider's addresses were changed while the code was waiting. Begin again." : client.error().text,
        "authorization.failed");
    co_return Followed::over;
  }
  const ConsentsUnderWay::Spending spending(parts_.under_way, flow);
  DeviceQuestion question(parts_.journal, parts_.exchange, parts_.wall, parts_.counters);
  std::optional<ExchangeGate::Place> place;
  place.emplace(co_await parts_.keeper.place_in_haste(client->app, client->type.provider->id, true));
  auto answer = co_await question.ask(*client, flow.record.device->code, flow.record.device->intent,
                                      exchange_id(flow.row.id), parts_.tuning().timeouts);
  place.reset();
  switch (answer.kind) {
    case DeviceAnswer::Kind::pending:
      pace.pending();
      co_return Followed::on;
    case DeviceAnswer::Kind::slow_down:
      pace.slow_down();
      flow.record.device->interval = pace.interval();
      // Refused: cancelled in this moment, which the next look sees, or the store is away; then the interval grows here
      // alone.
      if (const auto kept = co_await parts_.attempts.save(flow); !kept)
        parts_.log.info("device_interval_not_kept", {{"detail", kept.error().text}});
      co_return Followed::on;
    case DeviceAnswer::Kind::unanswered:
      answer_lost = answer_lost || answer.answer_lost;
      pace.unanswered(answer.retry_after);
      co_return Followed::on;
    case DeviceAnswer::Kind::denied: {
      parts_.counters.device_denied += 1;
      const auto words = catalog::error_text(*client->type.provider, "access_denied");
      co_await end(AuthorizationState::failed, "access_denied",
                   words.sentence + (words.next_step.empty() ? "" : " " + words.next_step), "authorization.refused");
      co_return Followed::over;
    }
    case DeviceAnswer::Kind::expired:
      parts_.counters.device_expired += 1;
      co_await end(AuthorizationState::expired, "expired", std::string(kExpired), "authorization.expired");
      co_return Followed::over;
    case DeviceAnswer::Kind::refused:
      parts_.counters.device_failed += 1;
      // The answer that granted may have been the one that was lost: a code is good for one.
      co_await end(AuthorizationState::failed, answer_lost ? "answer_lost" : answer.why.reason,
                   answer_lost
                       ? std::string("The provider's answer was lost on the way, and it gives no second one. Begin again.")
                       : answer.why.text,
                   "authorization.failed");
      co_return Followed::over;
    case DeviceAnswer::Kind::granted:
      break;
  }
  parts_.counters.device_granted += 1;
  co_await parts_.attempts.take_live_reply(std::move(flow), std::move(*client), std::move(*answer.replied));
  co_return Followed::over;
}

}  // namespace latchkey::grants

#include "oauth/device.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"

namespace latchkey::oauth {

FormPost device_authorization(const DeviceAuthorizationRequest& request) {
  FormWriter form;
  if (!request.scopes.empty()) {
    form.add("scope", fmt::format("{}", fmt::join(request.scopes, request.scope_separator)));
  }
  auto authorization = form.authenticate(request.client);
  // RFC 8628 3.1: client_id stands in the form even when the client authenticates by header.
  if (!authorization.empty()) form.add("client_id", request.client.client_id);
  form.add(request.extra);
  return form_post(request.endpoint, std::move(authorization), form.take());
}

Result<DeviceCode> parse_device_reply(int status, std::string_view body, PlainHttp plain_http) {
  const auto bad = [](std::string_view why) {
    return fail(ErrorKind::invalid, "bad_device_reply",
                "The provider's answer to the device authorization could not be read.", {.detail = std::string(why)});
  };
  auto json = parse_json(body, {.size_bytes_max = 64 * 1024, .depth_max = 8});
  if (!json || !json->is_object()) return bad(fmt::format("HTTP {}, not a JSON object", status));
  auto& object = json->get_object();
  if (status < 200 || status >= 300) {
    auto error = base::string_or(object, "error", "unknown_error");
    return fail(ErrorKind::misconfigured, error.substr(0, 100),
                "The provider refuses device authorization for this app. Check its registration.");
  }
  DeviceCode out;
  out.device_code = Secret(std::string_view(base::string_or(object, "device_code")));
  out.user_code = base::string_or(object, "user_code");
  out.verification_uri = base::string_or(object, "verification_uri", base::string_or(object, "verification_url"));
  out.verification_uri_complete = base::string_or(object, "verification_uri_complete");
  if (out.device_code.empty() || out.device_code.size() > 8192) return bad("no device_code");
  const bool printable = std::all_of(out.user_code.begin(), out.user_code.end(), [](char c) { return c >= ' ' && c <= '~'; });
  if (out.user_code.empty() || out.user_code.size() > 64 || !printable) return bad("no usable user_code");
  if (!check_endpoint(out.verification_uri, plain_http)) return bad("verification_uri is not an https address");
  if (!out.verification_uri_complete.empty() && !check_endpoint(out.verification_uri_complete, plain_http)) {
    out.verification_uri_complete.clear();
  }
  const auto number = [&](std::string_view name, std::int64_t otherwise) {
    const auto* value = object.if_contains(name);
    return value != nullptr && value->is_int64() ? value->get_int64() : otherwise;
  };
  out.expires_in = std::chrono::seconds(std::clamp<std::int64_t>(number("expires_in", 600), 30, 3600));
  out.interval = std::chrono::seconds(std::clamp<std::int64_t>(number("interval", 5), 1, 60));
  return out;
}

FormPost device_token(const DeviceToken& request) {
  FormWriter form;
  form.add("grant_type", "urn:ietf:params:oauth:grant-type:device_code");
  if (request.device_code != nullptr) form.add("device_code", *request.device_code);
  auto authorization = form.authenticate(request.client);
  form.add(request.extra);
  return form_post(request.endpoint, std::move(authorization), form.take());
}

DevicePoll classify_device_poll(const TokenReply& reply) {
  if (reply.error == "authorization_pending") return DevicePoll::pending;
  if (reply.error == "slow_down") return DevicePoll::slow_down;
  if (reply.error == "access_denied" || reply.error == "authorization_declined") return DevicePoll::denied;
  if (reply.error == "expired_token" || reply.error == "bad_verification_code") return DevicePoll::expired;
  if (reply.error.empty() && reply.access_token && reply.status >= 200 && reply.status < 300) return DevicePoll::granted;
  return DevicePoll::failed;
}

}  // namespace latchkey::oauth

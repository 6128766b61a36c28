#include "relay/forward_desk.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "base/json.h"
#include "cloud/sealed_until.h"
#include "cloud/service.h"
#include "crypto/hash.h"
#include "oauth/callback.h"

namespace latchkey::relay {
namespace {

constexpr std::size_t kBrowserOctets = 32;
constexpr std::size_t kCookieNameOctets = 16;
constexpr std::size_t kFlowCookieMax = 3 * 1024;

std::unexpected<Error> office_unknown() {
  return fail(
      ErrorKind::refused, "office_unknown",
      "This Cloud Service does not serve the office that sent you here (any more). Its administrator must enrol it anew.");
}

// The only cookie of that name: with two, somebody has planted one.
std::optional<std::string> cookie_of(const Cookies& cookies, std::string_view name) {
  std::optional<std::string> found;
  for (const auto& [known, value] : cookies) {
    if (known != name) continue;
    if (found) return std::nullopt;
    found = value;
  }
  return found;
}

std::string flow_cookie_name(std::string_view state) {
  const auto digest = crypto::sha256(base::as_bytes(state));
  return std::string(kFlowCookiePrefix) + base::to_hex(ByteView(digest).first(kCookieNameOctets));
}

std::string set_cookie(std::string_view name, std::string_view value, Seconds lifetime) {
  return fmt::format("{}={}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={}", name, value, lifetime.count());
}

// Set-Cookie values that leave room for `coming` more octets (0: none is to come). Browsers send the oldest first (RFC 6265
// section 5.4).
std::vector<std::string> let_go_of(const Cookies& cookies, std::size_t coming) {
  std::vector<std::pair<std::string_view, std::size_t>> flows;
  std::size_t octets = coming;
  for (const auto& [name, value] : cookies) {
    if (!name.starts_with(kFlowCookiePrefix)) continue;
    flows.emplace_back(name, name.size() + value.size());
    octets += flows.back().second;
  }
  std::vector<std::string> gone;
  const std::size_t kept_max = kFlowCookiesMax - (coming > 0 ? 1 : 0);
  while (gone.size() < flows.size() && (flows.size() - gone.size() > kept_max || octets > kFlowCookieBytesMax)) {
    const auto& [name, size] = flows[gone.size()];
    octets -= size;
    gone.push_back(set_cookie(name, "", Seconds(0)));
  }
  return gone;
}

// What the browser carries through the provider's pages.
struct Carried {
  std::string office;
  std::string attempt;
  std::string app;
  std::string return_origin;
};

std::string carried_json(const cloud::FlowRequest& request) {
  return boost::json::serialize(JsonObject{
      {"office", request.office}, {"attempt", request.attempt}, {"app", request.app}, {"return", request.return_origin}});
}

std::optional<Carried> parse_carried(ByteView octets) {
  const auto parsed = parse_json(base::as_text(octets));
  if (!parsed || !parsed->is_object()) return std::nullopt;
  const auto& object = parsed->get_object();
  return Carried{.office = base::string_or(object, "office"),
                 .attempt = base::string_or(object, "attempt"),
                 .app = base::string_or(object, "app"),
                 .return_origin = base::string_or(object, "return")};
}

}  // namespace

Result<cloud::OpenedFlow> ForwardDesk::open(std::string_view flow) const {
  auto opened = cloud::OpenedFlow::open(parts_.keys, flow);
  if (opened || opened.error().reason != "envelope_rejected" || parts_.former == nullptr) return opened;
  for (const auto& former : *parts_.former) {
    if (parts_.wall.now() >= former.retired_at + kFormerKeysOpen) continue;
    auto earlier = cloud::OpenedFlow::open({.signing_seed = {}, .sealing_private = former.sealing_private.clone()}, flow);
    if (earlier) return earlier;
  }
  return opened;
}

Result<ForwardDesk::Checked> ForwardDesk::check(std::string_view flow) const {
  const auto opened = open(flow);
  if (!opened) return std::unexpected(opened.error());
  auto enrolment = parts_.enrolments.find(opened->office());
  if (!enrolment) return office_unknown();
  auto request = opened->believed(enrolment->keys.signing, parts_.wall.now());
  if (!request) return std::unexpected(request.error());
  if (const auto shown = cloud::check_username(request->username); !shown) return std::unexpected(shown.error());
  if (std::ranges::find(enrolment->types, request->type) == enrolment->types.end()) {
    return fail(ErrorKind::refused, "type_not_enrolled",
                "This office is not enrolled for this type of account at this Cloud Service. Its operator can allow it.");
  }
  if (std::ranges::find(enrolment->return_origins, request->return_origin) == enrolment->return_origins.end()) {
    return fail(ErrorKind::refused, "return_not_enrolled",
                "The office wants you to be sent to an address it is not enrolled with. Its public_url may have changed "
                "since; it must be enrolled anew.");
  }
  auto registration = parts_.registrations.find(request->app, request->type, request->params);
  if (!registration) return std::unexpected(registration.error());
  if (const auto checked = check_authorization_address(request->authorization_url, registration->expected); !checked) {
    return std::unexpected(checked.error());
  }
  return Checked{
      .request = std::move(*request), .enrolment = std::move(*enrolment), .registration = std::move(*registration)};
}

// Bound to the browser and to the flow it has seen.
std::string ForwardDesk::form_token(std::string_view flow, std::string_view browser) const {
  const auto seen = crypto::sha256(base::as_bytes(flow));
  return base::to_base64url(crypto::keyed_blake2b(parts_.instance_key.reveal(),
                                                  {base::as_bytes("latchkey relay form 1"), seen, base::as_bytes(browser)}));
}

Result<Confirmation> ForwardDesk::look(std::string_view flow, const Cookies& cookies) const {
  const auto checked = check(flow);
  if (!checked) return std::unexpected(checked.error());
  Confirmation page{.office = checked->enrolment.name,
                    .verified_name = checked->enrolment.verified_name,
                    .username = checked->request.username,
                    .type_name = checked->registration.type_name,
                    .mode = checked->registration.mode,
                    .form_token = {},
                    .set_cookie = {}};
  auto browser = cookie_of(cookies, kBrowserCookie);
  if (!browser || browser->empty()) browser = base::to_base64url(parts_.entropy.bytes(kBrowserOctets));
  // Every page's button needs it for as long as that page's flow may live.
  page.set_cookie = set_cookie(kBrowserCookie, *browser, cloud::kFlowLifetimeMax);
  page.form_token = form_token(flow, *browser);
  page.let_go = let_go_of(cookies, 0);
  return page;
}

Result<Departure> ForwardDesk::go_on(std::string_view flow, std::string_view given_token, const Cookies& cookies) const {
  const auto checked = check(flow);
  // A page left open for longer than its cookie lives: what was wrong is the time.
  if (!checked && checked.error().reason == "flow_expired") return std::unexpected(checked.error());
  const auto browser = cookie_of(cookies, kBrowserCookie);
  if (!browser || browser->empty() ||
      !base::equal_in_constant_time(base::as_bytes(form_token(flow, *browser)), base::as_bytes(given_token))) {
    return fail(ErrorKind::refused, "form_not_ours",
                "This button was not pressed on this Cloud Service's own page, or your browser keeps no cookies. Nothing "
                "was sent to the provider.");
  }
  if (!checked) return std::unexpected(checked.error());
  const auto& request = checked->request;
  const auto name = flow_cookie_name(state_of(request.authorization_url));
  auto value = cloud::seal_until(parts_.instance_key, name, request.expires_at, base::as_bytes(carried_json(request)),
                                 parts_.entropy);
  if (value.size() > kFlowCookieMax)
    return fail(ErrorKind::invalid, "flow_too_long", "The office's names are too long to pass through a browser.");
  const auto left = std::chrono::ceil<Seconds>(request.expires_at - parts_.wall.now());
  return Departure{.office = checked->enrolment.office,
                   .location = request.authorization_url,
                   .set_cookie = set_cookie(name, value, left),
                   .let_go = let_go_of(cookies, name.size() + value.size())};
}

Result<Arrival> ForwardDesk::come_back(std::string_view app, std::string_view query, const Cookies& cookies) const {
  const auto callback = oauth::parse_callback(query);
  if (!callback) return std::unexpected(callback.error());
  const auto name = flow_cookie_name(callback->state.reveal_text());
  const auto value = cookie_of(cookies, name);
  const auto now = parts_.wall.now();
  const auto opened =
      value ? cloud::open_until(parts_.instance_key, name, now, *value) : std::unexpected(cloud::NotOpened::unknown);
  if (!opened && opened.error() == cloud::NotOpened::expired) {
    return fail(ErrorKind::refused, "flow_expired",
                "The consent took too long. Go back to Latchkey and press Authorize again, or open the link you were sent once more.");
  }
  const auto carried = opened ? parse_carried(*opened) : std::nullopt;
  if (!carried) {
    return fail(ErrorKind::refused, "flow_not_of_this_browser",
                "This consent was not begun in this browser, was finished before, or took too long. If you began it here, go back to "
                "Latchkey and press Authorize again, or open the link you were sent once more. If somebody sent you here, close this "
                "window.");
  }
  if (carried->app != app) {
    return fail(ErrorKind::refused, "wrong_app",
                "The provider's answer came to another address than the one it was asked for, so it is not passed on.");
  }
  const auto enrolment = parts_.enrolments.find(carried->office);
  const bool still_returns =
      enrolment && std::ranges::find(enrolment->return_origins, carried->return_origin) != enrolment->return_origins.end();
  if (!still_returns) return office_unknown();
  const auto result = cloud::seal_result({.attempt = carried->attempt, .app = carried->app, .query = Secret(query)},
                                         carried->office, enrolment->keys.sealing, parts_.entropy);
  const auto handle =
      cloud::seal_handle(parts_.instance_key, carried->office, now + cloud::kHandleLifetime, result, parts_.entropy);
  if (!handle) return std::unexpected(handle.error());
  return Arrival{.location = carried->return_origin + std::string(cloud::kReturnPath) +
                             "?attempt=" + oauth::percent_encode(carried->attempt) + "&handle=" + *handle,
                 .set_cookie = set_cookie(name, "", Seconds(0))};
}

Result<Bytes> ForwardDesk::result(std::string_view office, std::string_view handle) const {
  return cloud::open_handle(parts_.instance_key, office, parts_.wall.now(), handle);
}

}  // namespace latchkey::relay

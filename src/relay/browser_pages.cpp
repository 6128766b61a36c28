#include "relay/browser_pages.h"

#include <fmt/format.h>

#include "cloud/service.h"
#include "oauth/uri.h"
#include "pages/cookies.h"
#include "pages/flow_assets.h"
#include "pages/flow_page.h"

namespace latchkey::relay {
namespace {

using pages::FlowSign;

int status_of(const Error& error) {
  switch (error.kind) {
    case ErrorKind::invalid:
      return 400;
    case ErrorKind::refused:
    case ErrorKind::needs_person:
      return 403;
    case ErrorKind::not_found:
      return 404;
    case ErrorKind::conflict:
      return 409;
    case ErrorKind::unavailable:
      return error.reason == "too_many_flows" ? 429 : 503;
    case ErrorKind::ambiguous:
      return 502;
    case ErrorKind::misconfigured:
    case ErrorKind::corrupt:
    case ErrorKind::bug:
      return 500;
  }
  return 500;
}

std::string title_of(std::string_view reason) {
  if (reason == "flow_expired") return "This took too long";
  if (reason == "flow_not_of_this_browser") return "Not begun in this browser";
  if (reason == "office_unknown") return "This office is not served here";
  if (reason == "too_many_flows") return "Too many at once";
  if (reason == "not_https") return "Only over https";
  if (reason == "target_too_long" || reason == "header_too_large" || reason == "body_too_large") return "Too much at once";
  if (reason == "no_such_page") return "No such page";
  if (reason == "method_not_allowed") return "Not this way";
  if (reason == "wrong_app") return "The answer came from the wrong place";
  if (reason == "clock_differs") return "A clock is wrong";
  if (reason == "username_not_shown") return "This name cannot be shown";
  return "This cannot go on";
}

// What whoever sees the page can do, where its words do not say so already, and the word for whoever is asked about it.
std::string next_step_of(const Error& error) {
  const auto says = [&](std::string_view words) { return error.text.find(words) != std::string::npos; };
  std::string step;
  if (says("Authorize again")) {
    step = "Nothing was linked. You can close this window. ";
  } else if (!says("close this window")) {
    step =
        "Nothing was linked. Go back to Latchkey and press Authorize again, or open the link you were sent once more; if it "
        "happens again, tell its administrator this word. ";
  }
  return step + "(" + error.reason + ")";
}

// The same in a word, above the button.
std::string seen_in_short(Mode mode) {
  return mode == Mode::exchange ? "What gives access to your account, in passing"
                                : "Nothing that by itself gives access to your account";
}

// What this service will see of the account (RULES S3): said before anybody consents.
std::string what_is_seen(Mode mode) {
  switch (mode) {
    case Mode::forward:
      return "This service only passes the provider's answer on, sealed for the office: what it sees of it gives no access to "
             "your account without a key that the office keeps.";
    case Mode::assertion:
      return "This service passes the provider's answer on, sealed for the office, and vouches for itself to the provider: "
             "what it sees gives no access to your account without a key that the office keeps.";
    case Mode::exchange:
      return "This service sees what gives access to your account in passing, now and whenever it is renewed, since the "
             "provider wants its "
             "secret each time: it passes it on, sealed for the office, and keeps nothing that opens your account.";
  }
  LATCHKEY_CHECK(false);
}

net::HttpResponse clean_redirect(std::string_view location) {
  auto response = net::HttpResponse::redirect(303, location);
  pages::secure_page(response, pages::PageKind::flow, {});
  return response;
}

net::HttpResponse welcome() {
  return pages::flow_page(
      {.sign = FlowSign::info,
       .title = "A Latchkey Cloud Service",
       .text =
           "Offices that run Latchkey without a public name of their own send their people's browsers here on the way to a "
           "provider's consent page, and back.\n\nThere is nothing to sign in to. If somebody sent you here, close this "
           "window."});
}

}  // namespace

Cookies relay_cookies_of(const net::HttpRequest& request) { return pages::cookies_of(request, {kBrowserCookie}); }

net::HttpResponse BrowserPages::refusal(const Error& error, const net::HttpRequest& request, std::optional<int> status) const {
  if (const auto line = parts_.counters.refused(error.reason, parts_.steady.now()); line.due) {
    parts_.log.info("refused", {{"reason", error.reason}, {"detail", error.detail}, {"from", request.client.text()}, {"unsaid_before", line.unsaid}});
  }
  return pages::flow_page({.status = status.value_or(status_of(error)),
                           .sign = FlowSign::bad,
                           .title = title_of(error.reason),
                           .text = error.text,
                           .note = next_step_of(error)});
}

BrowserPages::Answer BrowserPages::refusal(const Error& error, const net::HttpRequest& request, Known offices) const {
  if (error.reason == "office_unknown" && offices == Known::perhaps_not_yet) return std::nullopt;
  return refusal(error, request);
}

std::optional<net::HttpResponse> BrowserPages::try_answer(const net::HttpRequest& request) const {
  return answer(request, Known::perhaps_not_yet);
}

net::HttpResponse BrowserPages::answer(const net::HttpRequest& request) const { return *answer(request, Known::all); }

BrowserPages::Answer BrowserPages::answer(const net::HttpRequest& request, Known offices) const {
  const auto other_method = [&](std::string_view allowed) {
    auto response = refusal({.kind = ErrorKind::invalid,
                             .reason = "method_not_allowed",
                             .text = "This address is opened by a browser on its way to or from a provider."},
                            request);
    response.status = 405;
    response.with("Allow", allowed);
    return response;
  };
  const bool get = request.method == "GET";
  if (request.path == cloud::kContinuePath) return request.method == "POST" ? go_on(request, offices) : other_method("POST");
  if (request.path == cloud::kBeginPath) return get ? begin(request, offices) : other_method("GET");
  if (const auto* app = parts_.registrations.at_path(request.path))
    return get ? come_back(*app, request, offices) : other_method("GET");
  if (request.path == "/") return get ? welcome() : other_method("GET");
  if (auto asset = pages::flow_asset(request.path)) return get ? std::move(*asset) : other_method("GET");
  return refusal({.kind = ErrorKind::not_found, .reason = "no_such_page", .text = "There is nothing at this address."},
                 request);
}

BrowserPages::Answer BrowserPages::begin(const net::HttpRequest& request, Known offices) const {
  const auto flow = request.query_parameter("flow").value_or("");
  const auto page = parts_.desk.look(flow, relay_cookies_of(request));
  if (!page) return refusal(page.error(), request, offices);
  parts_.counters.shown += 1;
  std::vector<std::pair<std::string, std::string>> facts{{"Office", page->office}};
  if (!page->verified_name.empty()) facts.emplace_back("Its address, verified", page->verified_name);
  facts.emplace_back("User name there", page->username);
  facts.emplace_back("Service", page->type_name);
  facts.emplace_back("Seen on the way", seen_in_short(page->mode));
  auto response = pages::flow_page(
      {.sign = FlowSign::info,
       .title = "Connect your account to " + page->office + "?",
       .text =
           "The Latchkey server of `" + page->office +
           "` asks for the use of your account. Go on only if you know this office and expected this: from then on whoever "
           "has the user name below and its PIN can use the account through that server.",
       .facts = std::move(facts),
       .post_to = std::string(cloud::kContinuePath),
       .post_text = "Continue to " + page->type_name,
       .post_fields = {{"flow", flow}, {"token", page->form_token}},
       .note = "You sign in on the provider's own page; nobody here sees your password. " + what_is_seen(page->mode) +
               " If you did not expect this, close this window: nothing will happen."});
  response.headers.add("Set-Cookie", page->set_cookie);
  for (const auto& each : page->let_go) response.headers.add("Set-Cookie", each);
  return response;
}

BrowserPages::Answer BrowserPages::go_on(const net::HttpRequest& request, Known offices) const {
  const auto form = oauth::parse_form(request.body);
  const auto* flow = form ? oauth::find_parameter(*form, "flow") : nullptr;
  const auto* token = form ? oauth::find_parameter(*form, "token") : nullptr;
  if (flow == nullptr || token == nullptr) {
    return refusal({.kind = ErrorKind::invalid,
                    .reason = "form_malformed",
                    .text = "The confirmation came incomplete. Nothing was sent to the provider."},
                   request);
  }
  const auto departure = parts_.desk.go_on(*flow, *token, relay_cookies_of(request));
  if (!departure) return refusal(departure.error(), request, offices);
  if (!parts_.quotas.take_for(departure->office, *flow, parts_.offices.flows_per_minute(departure->office), parts_.steady.now())) {
    return refusal(
        {.kind = ErrorKind::unavailable,
         .reason = "too_many_flows",
         .text = "This office has begun more authorisations in this minute than its enrolment allows. Wait a minute, "
                 "then press Authorize again.",
         .detail = departure->office},
        request);
  }
  parts_.counters.continued += 1;
  // Not a redirect: browsers hold the form's target against form-action through redirects, and the provider's address is
  // not ours to list.
  auto response = pages::flow_page({.sign = FlowSign::info,
                                    .title = "On to the provider",
                                    .text = "The provider's page opens now. If it does not, use the button.",
                                    .link = departure->location,
                                    .link_text = "Open the provider's page",
                                    .go_on_to = departure->location});
  // First what goes: pressed twice, a button's own flow must stay.
  for (const auto& each : departure->let_go) response.headers.add("Set-Cookie", each);
  response.headers.add("Set-Cookie", departure->set_cookie);
  return response;
}

BrowserPages::Answer BrowserPages::come_back(const AppEntry& app, const net::HttpRequest& request, Known offices) const {
  const auto arrival = parts_.desk.come_back(app.id, request.query, relay_cookies_of(request));
  if (!arrival) return refusal(arrival.error(), request, offices);
  parts_.counters.returned += 1;
  auto response = clean_redirect(arrival->location);
  response.headers.add("Set-Cookie", arrival->set_cookie);
  return response;
}

}  // namespace latchkey::relay

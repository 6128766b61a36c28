#include "console/flow_routes.h"

#include <algorithm>
#include <utility>

#include "base/run_on.h"
#include "console/pages.h"
#include "console/router.h"
#include "net/url.h"
#include "pages/cookies.h"
#include "pages/flow_assets.h"
#include "pages/flow_page.h"

namespace latchkey::console {

namespace {

constexpr std::string_view kStart = "/oauth/start/";
constexpr std::string_view kCallback = "/oauth/callback/";
constexpr std::string_view kOwnPage = "/my";
constexpr std::string_view kOwnPageText = "My authorisations";
constexpr std::string_view kRelayed = "/oauth/relayed";
constexpr int kCloseAfterSuccessMs = 700;
// Long enough to read why; the dialog says it too.
constexpr int kCloseAfterFailureMs = 10'000;

net::HttpResponse not_found_page() {
  return pages::flow_page({.status = 404, .sign = pages::FlowSign::bad, .title = "No such page",
                    .text = "There is nothing at this address.", .link = "/", .link_text = "To the console"});
}

net::HttpResponse method_page(std::string_view allowed) {
  auto response = pages::flow_page({.status = 405, .sign = pages::FlowSign::bad, .title = "Not this way",
                             .text = "This address is opened by a browser on its way to or from the provider."});
  response.with("Allow", allowed);
  return response;
}

// `known`: the browser's owner has a page of their own here.
enum class Owner { known, unknown };

constexpr std::string_view kNothingChanged = "Nothing has been changed. You can close this window.";
// For whoever has no console, and was sent an address that has not been used up.
constexpr std::string_view kAddressStaysGood =
    "Nothing has been changed, and this address has not been used up: open it again in a while. If it still cannot start then, tell "
    "whoever sent it to you what stands here. You can close this window.";

net::HttpResponse error_page(const Error& error, Owner owner = Owner::unknown, std::string_view note = kNothingChanged) {
  const auto problem = problem_of(error);
  const bool used = error.reason == "ticket_unknown" || error.reason == "ticket_used";
  const bool own_page = used && owner == Owner::known;
  return pages::flow_page({.status = problem.status, .sign = pages::FlowSign::bad,
                    .title = used ? "This address has been used or has expired" : "It cannot start",
                    .text = used ? "Each address to authorise works once and for a short time. Go back to Latchkey and press "
                                   "Authorize again, or ask whoever sent it for a new one."
                                 : problem.detail,
                    .link = own_page ? std::string(kOwnPage) : std::string(),
                    .link_text = own_page ? std::string(kOwnPageText) : std::string(),
                    .note = std::string(used ? kNothingChanged : note)});
}

// Whether the segment behind the prefix is a plausible name; the rest is the authorizer's matter.
bool plausible(std::string_view segment) {
  return !segment.empty() && segment.size() <= 128 && std::ranges::all_of(segment, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
}

// A redirect that tells no address to where it leads.
net::HttpResponse clean_redirect(std::string_view location) {
  auto response = net::HttpResponse::redirect(303, location);
  pages::secure_page(response, pages::PageKind::flow, {});
  return response;
}

}  // namespace

grants::Parameters flow_cookies_of(const net::HttpRequest& request) {
  return pages::cookies_of(request, {grants::kFlowCookieSecurePrefix, grants::kFlowCookieLoopbackPrefix});
}

FlowRoutes::FlowRoutes(grants::Authorizer& authorizer, Executor engine, Gate& gate, LastPages last_pages,
                       OwnerPasses& passes, std::string public_origin, Log& log)
    : authorizer_(authorizer), engine_(std::move(engine)), gate_(gate), last_pages_(last_pages), passes_(passes),
      public_origin_(std::move(public_origin)), log_(log) {}

std::size_t FlowRoutes::body_limit(std::string_view, std::string_view) const { return 4 * 1024; }

Task<net::HttpResponse> FlowRoutes::handle(net::HttpRequest request) {
  const std::string path = request.path;
  const bool get = request.method == "GET";
  if (path.starts_with(kStart)) {
    auto ticket = path.substr(kStart.size());
    if (!plausible(ticket)) co_return not_found_page();
    if (get) co_return co_await start(std::move(request), std::move(ticket));
    if (request.method == "POST") co_return co_await confirmed(std::move(request), std::move(ticket));
    co_return method_page("GET, POST");
  }
  if (!get) co_return method_page("GET");
  if (path.starts_with(kCallback)) {
    auto app = path.substr(kCallback.size());
    if (!plausible(app)) co_return not_found_page();
    co_return co_await callback(std::move(request), std::move(app));
  }
  if (path == kRelayed) co_return co_await relayed(std::move(request));
  if (path == "/oauth/done") co_return done(request);
  auto asset = pages::flow_asset(path);
  co_return asset ? std::move(*asset) : not_found_page();
}

Task<net::HttpResponse> FlowRoutes::start(net::HttpRequest request, std::string ticket) {
  const auto cookies = flow_cookies_of(request);
  const auto owner = passes_.of(request) ? Owner::known : Owner::unknown;
  auto principal = co_await gate_.identify(std::move(request));
  if (!principal) co_return error_page(principal.error());
  auto page = co_await base::run_on(
      engine_, authorizer_.start(ticket, principal->session_hash, grants::Authorizer::Confirmed::no, cookies));
  if (!page) co_return error_page(page.error(), owner);
  switch (page->kind) {
    case grants::StartPage::Kind::redirect: {
      auto response = clean_redirect(page->location);
      if (!page->cookie.empty()) response.headers.add("Set-Cookie", page->cookie);
      co_return response;
    }
    case grants::StartPage::Kind::confirm: break;
  }
  pages::FlowPage confirmation{
       .sign = pages::FlowSign::info, .title = "Connect your account to Latchkey?",
       .text = "Somebody asks you to let the Latchkey server `" + page->server +
               "` use your account. Go on only if you know this server and expected this: from then on whoever has the user "
               "name below and its PIN can use the account through it.",
       .facts = {{"Server", page->server}, {"User name there", page->username}, {"Service", page->type_name}},
       .post_to = std::string(kStart) + ticket, .post_text = "Continue to " + page->type_name,
       .note = "You sign in on the provider's own page; Latchkey never sees your password. If you did not expect this, "
               "close this window: nothing will happen."};
  if (!page->asked_by.empty()) confirmation.facts.emplace_back("Asked by", page->asked_by);
  if (!page->account.empty()) confirmation.facts.emplace_back("Account wanted", page->account);
  co_return pages::flow_page(confirmation);
}

Task<net::HttpResponse> FlowRoutes::confirmed(net::HttpRequest request, std::string ticket) {
  // A page elsewhere must not press the button for somebody.
  if (!comes_from_own_pages(request, public_origin_)) {
    co_return pages::flow_page({.status = 403, .sign = pages::FlowSign::bad, .title = "Not from here",
                         .text = "This confirmation was sent by another site's page, so nothing was done."});
  }
  auto page = co_await base::run_on(engine_, authorizer_.start(ticket, {}, grants::Authorizer::Confirmed::yes, flow_cookies_of(request)));
  if (!page) co_return error_page(page.error(), Owner::unknown, kAddressStaysGood);
  // Not a redirect: browsers hold the form's target against form-action through redirects, and the provider's address is
  // not ours to list.
  auto response = pages::flow_page({.sign = pages::FlowSign::info, .title = "On to the provider",
                             .text = "The provider's page opens now. If it does not, use the button.",
                             .link = page->location, .link_text = "Open the provider's page", .go_on_to = page->location});
  if (!page->cookie.empty()) response.headers.add("Set-Cookie", page->cookie);
  co_return response;
}

Task<net::HttpResponse> FlowRoutes::callback(net::HttpRequest request, std::string app) {
  auto query = request.query;
  auto page = co_await base::run_on(engine_, authorizer_.callback(std::move(app), std::move(query), flow_cookies_of(request)));
  co_return co_await ended(std::move(request), std::move(page));
}

Task<net::HttpResponse> FlowRoutes::relayed(net::HttpRequest request) {
  auto attempt = request.query_parameter("attempt").value_or("");
  auto handle = request.query_parameter("handle").value_or("");
  auto page = co_await base::run_on(
      engine_, authorizer_.relayed(std::move(attempt), std::move(handle), flow_cookies_of(request)));
  co_return co_await ended(std::move(request), std::move(page));
}

Task<net::HttpResponse> FlowRoutes::ended(net::HttpRequest request, grants::CallbackPage page) {
  const bool to_list = page.viewer == grants::Viewer::console && page.presentation == grants::Presentation::page;
  LastPages::Kept last;
  if (!to_list) {
    last = last_pages_.keep(request, {.succeeded = page.succeeded, .title = std::move(page.title), .text = std::move(page.text), .id = page.id,
                                      .has_console = page.viewer != grants::Viewer::nobody});
  }
  auto response = clean_redirect(to_list ? "/users?authorization=" + page.id.text() : "/oauth/done?r=" + last.key);
  for (const auto& cookie : {page.cookie, last.cookie}) {
    if (!cookie.empty()) response.headers.add("Set-Cookie", cookie);
  }
  if (page.owner_known) {
    if (auto pass = co_await pass_of(std::move(request), page.id); !pass.empty()) response.headers.add("Set-Cookie", pass);
  }
  co_return response;
}

// Whoever has consented through a link may look after that grant in the same browser; with another account than the grant's
// the pass opens nothing.
Task<std::string> FlowRoutes::pass_of(net::HttpRequest request, AuthorizationId id) {
  if (!request.is_confidential()) co_return std::string();
  const auto view = co_await base::run_on(engine_, authorizer_.view(id));
  if (!view || view->grant.none() || view->account_id.empty()) co_return std::string();
  co_return passes_.cookie(request, {.grant = view->grant, .account_id = view->account_id, .ends = passes_.ends_after(kPassOfLink)});
}

net::HttpResponse FlowRoutes::done(const net::HttpRequest& request) const {
  const auto result = last_pages_.find(request, request.query_parameter("r").value_or(""));
  if (!result) {
    // Its words have ended, or the browser keeps no cookies: whoever sits there need have no console.
    return pages::flow_page({.sign = pages::FlowSign::info, .title = "This page has done its work",
                      .text = "What happened is no longer shown here. If nothing has come of it, allow cookies for this site and begin again.",
                      .note = "You can close this window."});
  }
  pages::FlowPage page{.sign = result->succeeded ? pages::FlowSign::ok : pages::FlowSign::bad, .title = result->title, .text = result->text,
                .note = result->text.find("close this window") == std::string::npos ? "You can close this window." : "",
                .close_after_ms = result->succeeded ? kCloseAfterSuccessMs : kCloseAfterFailureMs};
  if (!result->has_console) {
    // No popup of ours: it stays, to be read.
    page.close_after_ms.reset();
    page.link = kOwnPage;
    page.link_text = kOwnPageText;
  } else {
    page.link = result->id.none() ? "/users" : "/users?authorization=" + result->id.text();
    page.link_text = "Back to the console";
  }
  return pages::flow_page(page);
}

}  // namespace latchkey::console

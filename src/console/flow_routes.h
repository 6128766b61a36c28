// The browser's way through an authorise flow (RULES A1, A2): start, the owner's confirmation, callback, and the last
// page. These are pages for people; nothing here is JSON.
//
//   GET  /oauth/start/{ticket}     with the session that issued it: on to the provider; else the confirmation page
//   POST /oauth/start/{ticket}     the confirmation: on to the provider
//   GET  /oauth/callback/{app}     back from the provider; answered by a redirect to a clean address
//   GET  /oauth/relayed            back by way of the Cloud Service; likewise
//   GET  /oauth/done?r=KEY         what happened, in words; closes itself
//   GET  /oauth/flow.css, /oauth/done.js
#pragma once

#include <string>
#include <string_view>

#include "base/log.h"
#include "console/last_page.h"
#include "console/owner_pass.h"
#include "console/principal.h"
#include "grants/authorize.h"
#include "net/http_server.h"

namespace latchkey::console {

// A resource; everything given outlives it. Thread-safe: the authorizer is called on `engine`.
class FlowRoutes final : public net::HttpHandler {
 public:
  FlowRoutes(grants::Authorizer& authorizer, Executor engine, Gate& gate, LastPages last_pages, OwnerPasses& passes, std::string public_origin,
             Log& log);

  [[nodiscard]] Task<net::HttpResponse> handle(net::HttpRequest request) override;
  [[nodiscard]] std::size_t body_limit(std::string_view method, std::string_view path) const override;

 private:
  [[nodiscard]] Task<net::HttpResponse> start(net::HttpRequest request, std::string ticket);
  [[nodiscard]] Task<net::HttpResponse> confirmed(net::HttpRequest request, std::string ticket);
  [[nodiscard]] Task<net::HttpResponse> callback(net::HttpRequest request, std::string app);
  [[nodiscard]] Task<net::HttpResponse> relayed(net::HttpRequest request);
  // To a clean address, whatever came.
  [[nodiscard]] Task<net::HttpResponse> ended(net::HttpRequest request, grants::CallbackPage page);
  // Empty: nothing came back by which the owner could be known again.
  [[nodiscard]] Task<std::string> pass_of(net::HttpRequest request, AuthorizationId id);
  [[nodiscard]] net::HttpResponse done(const net::HttpRequest& request) const;

  grants::Authorizer& authorizer_;
  Executor engine_;
  Gate& gate_;
  LastPages last_pages_;
  OwnerPasses& passes_;
  std::string public_origin_;
  Log& log_;
};

// Every cookie whose name starts with one of the flow cookie's prefixes, as name and value; at most 50.
[[nodiscard]] grants::Parameters flow_cookies_of(const net::HttpRequest& request);

}  // namespace latchkey::console

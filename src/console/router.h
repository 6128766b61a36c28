// The admin API as a visible table: which method and path, who may, what it takes, which function answers.
//
// Everything a route must not forget is done here, once: the browser's defences (Origin, CSRF, transport), who may, the
// mapping of refusals to problem details, and the headers of every answer.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/log.h"
#include "console/principal.h"
#include "console/problem.h"
#include "net/http_server.h"

namespace latchkey::console {

// A checked request on its way to its handler. A value.
struct Call {
  net::HttpRequest request;
  Principal principal;
  std::vector<std::string> values;  // of {id} and its like, in the order of the pattern

  // Address text, for the audit trail; empty for the command line.
  [[nodiscard]] std::string source() const;
};

enum class Who { anyone, signed_in, administrator };

// Requests that carry passwords, PINs or set-up codes are refused in clear, but for loopback (RULES T7).
enum class Carries { nothing_secret, secret };

struct Route {
  std::string_view method;   // every method but GET needs the CSRF token
  std::string_view pattern;  // "/api/v1/users/{id}/pin", as in api/openapi.json
  Who who = Who::administrator;
  Carries carries = Carries::nothing_secret;
  std::size_t body_bytes_max = 16 * 1024;
  std::function<Task<Answer>(Call)> handler;
};

// Anything that adds rows to the table.
class ApiSection {
 public:
  virtual ~ApiSection() = default;
  // The handlers borrow the section.
  [[nodiscard]] virtual std::vector<Route> routes() = 0;
};

// A resource. Gate, sections and log outlive it. Thread-safe once made.
class Router final : public net::HttpHandler {
 public:
  // `public_origin` ("https://latchkey.example") counts as own beside the address asked for.
  Router(std::vector<ApiSection*> sections, Gate& gate, std::string public_origin, Log& log);

  [[nodiscard]] Task<net::HttpResponse> handle(net::HttpRequest request) override;
  [[nodiscard]] std::size_t body_limit(std::string_view method, std::string_view path) const override;

  // Who has not signed in, and may not do it without, sends no body that is more than small.
  [[nodiscard]] std::optional<net::HttpResponse> refuse_body(const net::HttpRequest& request) override;

  [[nodiscard]] const std::vector<Route>& table() const { return routes_; }

 private:
  struct Match {
    const Route* route = nullptr;
    std::vector<std::string> values;
    std::string allowed;  // methods, when only the method does not fit
  };
  [[nodiscard]] Match find(std::string_view method, std::string_view path) const;
  [[nodiscard]] std::optional<Problem> check_browser(const net::HttpRequest& request, const Route& route) const;
  [[nodiscard]] static std::optional<Problem> check_principal(const Principal& principal, const Route& route);
  [[nodiscard]] std::optional<Problem> check_csrf(const net::HttpRequest& request, const Principal& principal,
                                                  const Route& route) const;
  [[nodiscard]] Task<Answer> answer(net::HttpRequest request, const Route* route, std::vector<std::string> values);

  std::vector<Route> routes_;
  Gate& gate_;
  std::string public_origin_;
  Log& log_;
};

// Whether a request was made by this server's own pages, or by no page at all (typed address, program): Sec-Fetch-Site
// and Origin, where the browser sends them (RULES G3).
[[nodiscard]] bool comes_from_own_pages(const net::HttpRequest& request, std::string_view public_origin);

// The sentence that says how to switch TLS on.
[[nodiscard]] std::string_view insecure_transport_text();

}  // namespace latchkey::console

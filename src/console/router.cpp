#include "console/router.h"

#include <exception>
#include <utility>

#include <fmt/core.h>

#include "base/secret.h"
#include "pages/security_headers.h"

namespace latchkey::console {

Task<Result<Principal>> CommandLineGate::identify(net::HttpRequest) {
  Principal principal;
  principal.kind = Principal::Kind::command_line;
  principal.username = "cli";
  principal.role = store::Role::administrator;
  co_return principal;
}

std::string Call::source() const {
  return principal.kind == Principal::Kind::command_line ? std::string() : request.client.text();
}

std::string_view insecure_transport_text() {
  return "This connection is not encrypted, so passwords and PINs are refused. Set tls.certificate and tls.key in "
         "latchkey.toml, or put a TLS reverse proxy in front and name it in trusted_proxies; until then use "
         "http://localhost on the server itself, or an SSH tunnel.";
}

bool comes_from_own_pages(const net::HttpRequest& request, std::string_view public_origin) {
  const auto site = request.headers.find("Sec-Fetch-Site");
  if (site && *site != "same-origin" && *site != "none") return false;
  const auto origin = request.headers.find("Origin");
  if (!origin) return true;
  // A form of a page with `no-referrer` sends Origin: null; then the browser's own word, if there is one, decides.
  if (*origin == "null") return site == "same-origin";
  if (net::equal_ignoring_case(*origin, public_origin)) return true;
  return net::equal_ignoring_case(*origin, fmt::format("{}://{}", request.scheme, request.host));
}

namespace {

// Next segment of a path without its leading '/'; advances.
std::string_view next_segment(std::string_view& rest) {
  rest.remove_prefix(1);
  const auto end = rest.find('/');
  const auto segment = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end);
  return segment;
}

std::optional<std::vector<std::string>> match_pattern(std::string_view pattern, std::string_view path) {
  std::vector<std::string> values;
  while (!pattern.empty() && !path.empty()) {
    const auto wanted = next_segment(pattern);
    const auto given = next_segment(path);
    if (wanted.starts_with('{')) {
      if (given.empty() || given.size() > 128) return std::nullopt;
      values.emplace_back(given);
    } else if (wanted != given) {
      return std::nullopt;
    }
  }
  if (!pattern.empty() || !path.empty()) return std::nullopt;
  return values;
}

Problem make(int status, std::string_view code, std::string_view detail) {
  return refuse(status, code, detail).error();
}

Problem not_signed_in() { return make(401, "not_signed_in", "Sign in first; a session that was open has ended."); }

}  // namespace

Router::Router(std::vector<ApiSection*> sections, Gate& gate, std::string public_origin, Log& log)
    : gate_(gate), public_origin_(std::move(public_origin)), log_(log) {
  for (auto* section : sections) {
    for (auto& route : section->routes()) routes_.push_back(std::move(route));
  }
}

Router::Match Router::find(std::string_view method, std::string_view path) const {
  Match match;
  if (!path.starts_with('/')) return match;
  for (const auto& route : routes_) {
    auto values = match_pattern(route.pattern, path);
    if (!values) continue;
    if (route.method == method) {
      // A literal path wins over a pattern: /users/bulk over /users/{id}.
      if (match.route == nullptr || values->empty()) {
        match.route = &route;
        match.values = std::move(*values);
      }
    } else {
      if (!match.allowed.empty()) match.allowed += ", ";
      match.allowed += route.method;
    }
  }
  return match;
}

std::size_t Router::body_limit(std::string_view method, std::string_view path) const {
  const auto match = find(method, path);
  return match.route == nullptr ? 1024 : match.route->body_bytes_max;
}

std::optional<net::HttpResponse> Router::refuse_body(const net::HttpRequest& request) {
  const auto match = find(request.method, request.path);
  if (match.route == nullptr || match.route->who == Who::anyone || gate_.may_name(request)) return std::nullopt;
  if (net::states_small_body(request)) return std::nullopt;
  auto response = response_of(not_signed_in());
  pages::secure_api(response);
  return response;
}

std::optional<Problem> Router::check_browser(const net::HttpRequest& request, const Route& route) const {
  if (gate_.caller() == Gate::Caller::local_program) return std::nullopt;
  if (!comes_from_own_pages(request, public_origin_)) {
    return make(403, "csrf_failed", "This request was made by another site's page. Use the console itself.");
  }
  if (route.carries == Carries::secret && !request.is_confidential()) {
    return make(403, "insecure_transport", insecure_transport_text());
  }
  return std::nullopt;
}

std::optional<Problem> Router::check_principal(const Principal& principal, const Route& route) {
  switch (route.who) {
    case Who::anyone: return std::nullopt;
    case Who::signed_in:
    case Who::administrator: break;
  }
  if (!principal.signed_in()) return not_signed_in();
  if (route.who == Who::administrator && !principal.administrator()) {
    return make(403, "not_allowed", "This is for administrators.");
  }
  return std::nullopt;
}

std::optional<Problem> Router::check_csrf(const net::HttpRequest& request, const Principal& principal,
                                          const Route& route) const {
  if (route.method == "GET" || gate_.caller() == Gate::Caller::local_program) return std::nullopt;
  const auto given = request.headers.value_or("X-CSRF-Token");
  if (!principal.csrf_token.empty() && base::equal_in_constant_time(base::as_bytes(given), base::as_bytes(principal.csrf_token))) {
    return std::nullopt;
  }
  return make(403, "csrf_failed", "X-CSRF-Token is missing or old: take it from GET /api/v1/session and try again.");
}

Task<Answer> Router::answer(net::HttpRequest request, const Route* route, std::vector<std::string> values) {
  if (auto problem = check_browser(request, *route)) co_return std::unexpected(std::move(*problem));
  auto principal = co_await gate_.identify(request);
  if (!principal) co_return refuse(principal.error());
  if (auto problem = check_principal(*principal, *route)) co_return std::unexpected(std::move(*problem));
  if (auto problem = check_csrf(request, *principal, *route)) co_return std::unexpected(std::move(*problem));
  const bool administrator = principal->administrator();
  Call call{.request = std::move(request), .principal = std::move(*principal), .values = std::move(values)};
  auto answered = co_await route->handler(std::move(call));
  if (!answered && administrator && !answered.error().inside.empty()) answered.error().detail = answered.error().inside;
  co_return answered;
}

Task<net::HttpResponse> Router::handle(net::HttpRequest request) {
  auto match = find(request.method, request.path);
  net::HttpResponse response;
  if (match.route == nullptr) {
    if (match.allowed.empty()) {
      response = response_of(make(404, "not_found", "There is no such address in this API: /api/openapi.json lists them."));
    } else {
      response = response_of(make(405, "method_not_allowed", "This address takes other methods: " + match.allowed + "."));
      response.with("Allow", match.allowed);
    }
  } else {
    const auto method = request.method;
    const auto pattern = match.route->pattern;
    Answer answered = refuse(500, "internal", "A fault of Latchkey. The server's log says what happened.");
    try {
      answered = co_await answer(std::move(request), match.route, std::move(match.values));
    } catch (const std::exception& exception) {
      answered.error().for_log = exception.what();
    }
    if (answered) {
      response = std::move(*answered);
    } else {
      const auto& problem = answered.error();
      if (problem.status >= 500) {
        log_.error("api.failed", {{"method", method}, {"route", pattern}, {"code", problem.code}, {"why", problem.for_log}});
      }
      response = response_of(problem);
    }
  }
  pages::secure_api(response);
  co_return response;
}

}  // namespace latchkey::console

#include "console/session_gate.h"

namespace latchkey::console {

namespace {

constexpr std::string_view kSecureName = "__Host-latchkey";
constexpr std::string_view kLoopbackName = "latchkey";

}  // namespace

std::string_view session_cookie_name(const net::HttpRequest& request) {
  return request.scheme == "https" ? kSecureName : kLoopbackName;
}

std::string session_cookie(const net::HttpRequest& request, std::string_view token) {
  std::string cookie(session_cookie_name(request));
  cookie.append("=").append(token).append("; Path=/; HttpOnly; SameSite=Strict");
  if (request.scheme == "https") cookie += "; Secure";
  return cookie;
}

std::string expired_session_cookie(const net::HttpRequest& request) { return session_cookie(request, "") + "; Max-Age=0"; }

people::Transport transport_of(const net::HttpRequest& request) {
  if (request.scheme == "https") return people::Transport::tls;
  return request.is_confidential() ? people::Transport::loopback : people::Transport::clear;
}

namespace {

// What could not be a token of ours is none; a bound keeps the hashing cheap.
std::optional<std::string> session_token(const net::HttpRequest& request) {
  auto token = request.cookie(session_cookie_name(request));
  if (token && (token->empty() || token->size() > 128)) return std::nullopt;
  return token;
}

}  // namespace

bool SessionGate::may_name(const net::HttpRequest& request) const { return session_token(request).has_value(); }

Task<Result<Principal>> SessionGate::identify(net::HttpRequest request) {
  Principal principal;
  const auto token = session_token(request);
  if (!token) co_return principal;
  principal.session_token = *token;
  principal.csrf_token = sessions_.csrf_token(*token);
  const auto user = co_await sessions_.check(*token);
  if (!user) {
    if (user.error().kind == ErrorKind::refused) co_return principal;
    co_return std::unexpected(user.error());
  }
  principal.kind = Principal::Kind::person;
  principal.user = user->id;
  principal.username = user->username;
  principal.name = user->name;
  principal.role = user->role;
  principal.session_hash = vault_.keyed_hash("authorise-session", base::as_bytes(*token));
  principal.expires_at = user->expires_at;
  co_return principal;
}

}  // namespace latchkey::console

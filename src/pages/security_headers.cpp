#include "pages/security_headers.h"

namespace latchkey::pages {

namespace {

constexpr std::string_view kPermissions =
    "accelerometer=(), camera=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), usb=()";

void secure_all(net::HttpResponse& response) {
  response.with("X-Content-Type-Options", "nosniff");
  response.with("Referrer-Policy", "no-referrer");
  response.with("Cross-Origin-Resource-Policy", "same-origin");
  response.with("Permissions-Policy", kPermissions);
}

}  // namespace

std::string content_security_policy(std::string_view nonce) {
  std::string policy = "default-src 'none'; script-src 'self'; style-src 'self'";
  if (!nonce.empty()) policy.append(" 'nonce-").append(nonce).append("'");
  policy +=
      "; img-src 'self' data:; connect-src 'self'; font-src 'self'; form-action 'self'; frame-ancestors 'none'; "
      "base-uri 'none'";
  return policy;
}

void secure_api(net::HttpResponse& response) {
  secure_all(response);
  response.with("Cache-Control", "no-store");
  response.with("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox");
}

void secure_page(net::HttpResponse& response, PageKind kind, std::string_view nonce) {
  secure_all(response);
  response.with("Cache-Control", "no-store");
  response.with("X-Frame-Options", "DENY");
  response.with("Content-Security-Policy", content_security_policy(nonce));
  switch (kind) {
    case PageKind::console:
      response.with("Cross-Origin-Opener-Policy", "same-origin-allow-popups");
      break;
    case PageKind::flow:
      break;
  }
}

void secure_asset(net::HttpResponse& response) { secure_all(response); }

}  // namespace latchkey::pages

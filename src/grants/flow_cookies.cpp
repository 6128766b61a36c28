#include "grants/flow_cookies.h"

namespace latchkey::grants {
namespace {

constexpr std::string_view kAttributes = "; Path=/; HttpOnly; SameSite=Lax; Max-Age=";
constexpr std::string_view kSecure = "; Secure";

}  // namespace

FlowCookies::FlowCookies(const vault::Vault& vault, std::string public_url)
    : vault_(vault), secure_(public_url.starts_with("https://")) {}

std::string FlowCookies::name(const AuthorizationId& id) const {
  return std::string(secure_ ? kFlowCookieSecurePrefix : kFlowCookieLoopbackPrefix) + base::to_hex(id.bytes()).substr(16);
}

Bytes FlowCookies::hash(std::string_view value) const { return vault_.keyed_hash("flow-cookie", base::as_bytes(value)); }

Bytes FlowCookies::mac(const AuthorizationId& id, std::string_view value) const {
  return vault_.keyed_hash("flow-cookie-mac", base::as_bytes(id.text() + ":" + std::string(value)));
}

std::string FlowCookies::set(const AuthorizationId& id, const Secret& value, Seconds lifetime) const {
  auto cookie = name(id) + "=" + std::string(value.reveal_text());
  if (!secure_) cookie += "." + base::to_base64url(mac(id, value.reveal_text()));
  cookie += std::string(kAttributes) + std::to_string(lifetime.count());
  if (secure_) cookie += kSecure;
  return cookie;
}

std::string FlowCookies::forget(const AuthorizationId& id) const {
  return name(id) + "=" + std::string(kAttributes) + "0" + (secure_ ? std::string(kSecure) : std::string());
}

bool FlowCookies::match(const AuthorizationId& id, ByteView hash_kept, const Parameters& cookies) const {
  const auto own = name(id);
  for (const auto& [cookie, text] : cookies) {
    if (cookie != own) continue;
    std::string_view value = text;
    if (!secure_) {
      const auto dot = value.find('.');
      if (dot == std::string_view::npos) return false;
      const auto given = base::from_base64url(value.substr(dot + 1));
      value = value.substr(0, dot);
      if (!given || !base::equal_in_constant_time(*given, mac(id, value))) return false;
    }
    return base::equal_in_constant_time(hash(value), hash_kept);
  }
  return false;
}

}  // namespace latchkey::grants

#include "store/notice_values.h"

#include <fmt/core.h>

#include <algorithm>

namespace latchkey::store {
namespace {

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

// By name, or an IPv4 address. Other alphabets are left to the resolver.
bool is_host(std::string_view text) {
  if (text.empty() || text.starts_with('.') || text.starts_with('-') || text.find("..") != std::string_view::npos) return false;
  return std::ranges::all_of(text, [](char c) { return is_letter_or_digit(c) || c == '.' || c == '-' || c == '_' || static_cast<unsigned char>(c) >= 0x80; });
}

bool is_ipv6(std::string_view text) {
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  return std::ranges::count(text, ':') >= 2 && text.find_first_not_of("0123456789abcdefABCDEF:.") == std::string_view::npos;
}

// The bare form: no name before it, no brackets.
bool is_address(std::string_view text) {
  const auto at = text.rfind('@');
  if (at == std::string_view::npos || at == 0) return false;
  const auto local = text.substr(0, at);
  return local.find_first_of(" <>()\",;:@\\") == std::string_view::npos && is_host(text.substr(at + 1));
}

std::optional<std::string> fault_of_addresses(std::string_view value) {
  while (!value.empty()) {
    const auto end = std::min(value.find_first_of(",; "), value.size());
    const auto address = value.substr(0, end);
    value.remove_prefix(std::min(end + 1, value.size()));
    if (!address.empty() && !is_address(address)) {
      return fmt::format("notices.mail_to holds mail addresses between commas, such as ops@example.com; `{}` is none.", address);
    }
  }
  return std::nullopt;
}

std::optional<std::string> fault_of_host(std::string_view value) {
  if (is_host(value) || is_ipv6(value)) return std::nullopt;
  const auto colon = value.find(':');
  if (colon != std::string_view::npos && is_host(value.substr(0, colon))) {
    return fmt::format("notices.smtp_host is the relay's name alone; `{}` belongs into notices.smtp_port.", value.substr(colon + 1));
  }
  return fmt::format("notices.smtp_host is a host name such as mail.example.com; `{}` is none.", value);
}

std::optional<std::string> fault_of_webhook(std::string_view value) {
  const auto scheme = value.find("://");
  const auto named = scheme == std::string_view::npos ? std::string_view() : value.substr(0, scheme);
  auto host = scheme == std::string_view::npos ? std::string_view() : value.substr(scheme + 3);
  host = host.substr(0, host.find_first_of("/?#"));
  const bool plain = value.find_first_of(" #\"<>\\") == std::string_view::npos && host.find('@') == std::string_view::npos;
  const auto colon = host.starts_with('[') ? host.find("]:") : host.rfind(':');
  const auto name = host.starts_with('[') ? host.substr(0, std::min(host.find(']'), host.size() - 1) + 1) : host.substr(0, colon);
  if (!plain || (named != "https" && named != "http") || !(is_host(name) || is_ipv6(name))) {
    return fmt::format("notices.webhook_url is an address such as https://hooks.example.com/latchkey; `{}` is none.", value);
  }
  if (named == "http" && name != "localhost" && name != "[::1]" && !name.starts_with("127.")) {
    return "notices.webhook_url must begin with https://: what is told there is nobody else's business. Plain http is for this machine alone.";
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> fault_of_notice_value(std::string_view key, std::string_view value) {
  if (value.empty()) return std::nullopt;
  if (key == "notices.mail_to") return fault_of_addresses(value);
  if (key == "notices.mail_from" && !is_address(value)) {
    return fmt::format("notices.mail_from is one bare mail address such as latchkey@example.com; `{}` is none.", value);
  }
  if (key == "notices.smtp_host") return fault_of_host(value);
  if (key == "notices.webhook_url") return fault_of_webhook(value);
  return std::nullopt;
}

std::string trail_form(std::string_view key, std::string value) {
  if (key != "notices.webhook_url") return value;
  const auto scheme = value.find("://");
  const auto path = scheme == std::string::npos ? 0 : value.find_first_of("/?#", scheme + 3);
  if (path >= value.size()) return value;
  value.resize(path);
  return value + "/\u2026";
}

}  // namespace latchkey::store

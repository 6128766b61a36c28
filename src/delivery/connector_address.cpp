#include "delivery/connector_address.h"

#include "net/address_policy.h"
#include "net/url.h"

namespace latchkey::delivery {
namespace {

std::unexpected<Error> wrong(std::string text) {
  return fail(ErrorKind::invalid, "invalid_fields", std::move(text), {.field = "url"});
}

bool is_loopback(const net::Url& url) {
  if (url.host() == "localhost") return true;
  auto host = url.host();
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const auto address = net::IpAddress::parse(host);
  return address && net::kind_of(*address) == net::AddressKind::loopback;
}

}  // namespace

bool asks_for_address(const catalog::Type& type) { return type.resource.empty(); }

Result<std::string> check_address(std::string_view text) {
  if (text.empty()) return wrong("Give the address of the WebDAV folder, for example https://files.example.com/dav.");
  const auto url = net::Url::parse(text);
  if (!url) return wrong(url.error().text);
  if (!url->query().empty()) return wrong("The address of a folder has no question mark.");
  if (!url->is_https() && !is_loopback(*url))
    return wrong("The account's token goes to that address: it must begin with https://.");
  auto clean = url->text();
  while (clean.ends_with('/')) clean.pop_back();
  return clean;
}

std::optional<ConnectorAddress> address_of(const store::Connector& connector) {
  const auto target = parse_json(connector.target_json);
  if (!target || !target->is_object()) return std::nullopt;
  ConnectorAddress address{.url = base::string_or(target->get_object(), "url"),
                           .app = base::string_or(target->get_object(), "app")};
  if (address.url.empty() || address.app.empty()) return std::nullopt;
  return address;
}

void add_address(JsonObject& target, const ConnectorAddress& address) {
  target["url"] = address.url;
  target["app"] = address.app;
}

}  // namespace latchkey::delivery

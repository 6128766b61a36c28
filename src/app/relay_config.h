// The one file a Cloud Service is configured with (packaging/relay.toml explains every key). Every mistake in it is told at
// once, each with its line.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "app/config.h"
#include "relay/catalog_registrations.h"

namespace latchkey::app {

struct RelayConfig {
  ListenAddress listen{"127.0.0.1", 8490};
  std::string public_url;  // https origin; the redirect addresses registered at providers begin with it
  std::vector<std::string> trusted_proxies;
  std::vector<net::Cidr> metrics_from;  // who may read /metrics besides this machine
  net::ProxyHeader proxy_header = net::ProxyHeader::x_forwarded_for;
  std::string tls_certificate;
  std::string tls_key;
  std::string data = "/var/lib/latchkey-relay";
  std::string store = "sqlite";  // files in `data`, or a postgresql:// address without a password
  std::string store_password_file;
  base::LogLevel log_level = base::LogLevel::info;
  bool loopback_providers = false;  // providers over plain http on this machine: for trials and tests
  std::string outbound_ca_file;     // in exchange mode: who vouches for providers; empty: the system's
  std::string outbound_proxy;       // http://host:port; empty: none
  struct App {
    relay::AppEntry entry;
    std::string client_secret_file;
    std::string second_client_secret_file;
    std::string assertion_key_file;
    std::string place;  // FILE:LINE, for what only the catalogue can find wrong
  };
  std::vector<App> apps;

  [[nodiscard]] bool shares_store() const { return store != "sqlite"; }
  [[nodiscard]] std::string keys_path() const { return data + "/relay.keys"; }
  [[nodiscard]] std::string book_path() const { return data + "/relay.db"; }
  [[nodiscard]] std::string exchanges_path() const { return data + "/exchanges.db"; }
  [[nodiscard]] std::string providers_path() const { return data + "/providers"; }
};

// FILE:LINE: KEY: what is wrong and what to write instead. Never empty where there is no configuration.
using Mistakes = std::vector<std::string>;
struct RelayConfigReading {
  RelayConfig config;
  Mistakes mistakes;  // empty: the configuration can be used
};

[[nodiscard]] RelayConfigReading load_relay_config(const std::string& file);
// The same from text; `name` stands for the file.
[[nodiscard]] RelayConfigReading read_relay_config(std::string_view text, std::string_view name);

// The apps with what the catalogue knows of them, and with their secrets and keys, read from their files; what does not fit
// goes to `mistakes`.
[[nodiscard]] relay::CatalogRegistrations registrations_of(const RelayConfig& config,
                                                           std::shared_ptr<const catalog::Catalog> catalog,
                                                           Mistakes& mistakes);

}  // namespace latchkey::app

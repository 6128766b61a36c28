// latchkey.toml and the environment, read once at start into typed values. Pure but for reading the file.
//
// Order: built-in default, then the file, then the environment, then the command line. What may change while the server
// runs is in the registry, not here.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "net/address_policy.h"
#include "net/ip_address.h"
#include "net/proxy_headers.h"

namespace latchkey::app {

// "127.0.0.1:8480" or "[::1]:8480".
struct ListenAddress {
  std::string address;  // without brackets
  std::uint16_t port = 0;

  [[nodiscard]] bool is_loopback() const;
  [[nodiscard]] std::string text() const;
  friend bool operator==(const ListenAddress&, const ListenAddress&) = default;
};
// An IP address (or localhost) and a port. Errors: invalid/`bad_address` with the reason and an example.
[[nodiscard]] Result<ListenAddress> parse_listen(std::string_view text);

// The SMTP door: off until an address is set. Values.
struct SmtpConfig {
  std::optional<ListenAddress> submission;   // 587, STARTTLS
  std::optional<ListenAddress> submissions;  // 465, TLS at once
  std::optional<ListenAddress> plain;        // in clear, devices at `plain_sources` alone
  std::vector<std::string> plain_sources;
  std::optional<ListenAddress> legacy;  // STARTTLS from TLS 1.0 on, devices at `legacy_sources` alone
  std::vector<std::string> legacy_sources;
  std::string drop_domain = "drop.internal";

  [[nodiscard]] bool is_on() const { return submission || submissions || plain || legacy; }
};

// The folder door: off until a root is set. Values.
struct FolderConfig {
  std::string root;
  std::vector<std::string> uids;  // names or numbers of users
};

// A value. Every key of packaging/latchkey.toml.
struct Config {
  ListenAddress listen{"127.0.0.1", 8480};
  std::string public_url;  // without trailing slash; never empty once loaded
  bool public_url_given = false;  // false: made from `listen`
  std::vector<std::string> trusted_proxies;
  net::ProxyHeader proxy_header = net::ProxyHeader::x_forwarded_for;
  std::string tls_certificate;
  std::string tls_key;
  std::string tls_source;  // of a first start without them: "self-signed" or "own-authority"; empty: in clear
  std::string data = "/var/lib/latchkey";
  std::string store = "sqlite";   // or a postgresql:// address without a password
  std::string store_password_file;
  std::string master_key_file;  // never empty once loaded
  base::LogLevel log_level = base::LogLevel::info;
  std::vector<std::string> outbound_allow;
  std::string outbound_proxy;
  std::string outbound_ca_file;
  SmtpConfig smtp;
  FolderConfig folder;

  // Other nodes may work on the same store.
  [[nodiscard]] bool shares_store() const { return store != "sqlite"; }
};

// What the command line says, over everything else.
struct Overrides {
  std::string file;  // --config; empty: none
  std::optional<std::string> data;
};

// A variable's value, or nullopt. Empty values count as unset.
using Environment = std::function<std::optional<std::string>(std::string_view)>;
// Every variable's name, so that unknown ones that begin with LATCHKEY_ are noticed.
using EnvironmentNames = std::vector<std::string>;

// Errors: misconfigured/`bad_config`; `text` is one sentence with FILE:LINE (or the variable), the key and the remedy;
// `field` is the key.
[[nodiscard]] Result<Config> load_config(const Overrides& overrides, const Environment& environment,
                                         const EnvironmentNames& names);
// The same from text; `name` stands for the file in errors.
[[nodiscard]] Result<Config> read_config(std::string_view text, std::string_view name, const Overrides& overrides,
                                         const Environment& environment, const EnvironmentNames& names);

// What public_url is where it is not given: that of the listener, https where it speaks TLS.
[[nodiscard]] std::string public_url_of_listener(const ListenAddress& listen, bool tls);

// LATCHKEY_TLS_CERTIFICATE for tls.certificate.
[[nodiscard]] std::string variable_of(std::string_view key);
// The keys, in the order of packaging/latchkey.toml.
[[nodiscard]] std::vector<std::string> config_keys();

// This process's own environment.
[[nodiscard]] Environment process_environment();
[[nodiscard]] EnvironmentNames process_environment_names();

}  // namespace latchkey::app

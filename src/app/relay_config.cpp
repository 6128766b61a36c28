#include "app/relay_config.h"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>

#include "net/url.h"
#include "store/postgres/postgres_store.h"

namespace latchkey::app {
namespace {

constexpr std::size_t kFileBytesMax = 1 << 20;

constexpr std::size_t kSecretBytesMax = 16 * 1024;

// The whole of a small file, without the line end that editors leave. Errors: misconfigured, with words for its line.
Result<Secret> read_secret(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::string text;
  if (stream) text.assign(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
  auto view = std::string_view(text);
  while (view.ends_with('\n') || view.ends_with('\r')) view.remove_suffix(1);
  Secret secret(view);
  base::wipe(text.data(), text.size());
  if (!stream || secret.empty() || secret.size() > kSecretBytesMax) {
    return fail(
        ErrorKind::misconfigured, "secret_unreadable",
        fmt::format("{} cannot be read, or is empty or longer than 16 KiB; the service's user must be able to read it",
                    path));
  }
  return secret;
}

// What makes an app's mode, read from its files.
Result<void> add_credentials(RelayConfig::App& app) {
  const auto misread = [](std::string_view field, Error error) {
    error.field = field;
    return std::unexpected(std::move(error));
  };
  if (!app.client_secret_file.empty()) {
    auto secret = read_secret(app.client_secret_file);
    if (!secret) return misread("client_secret_file", std::move(secret.error()));
    app.entry.secret = std::make_shared<const Secret>(std::move(*secret));
  }
  if (!app.second_client_secret_file.empty()) {
    auto secret = read_secret(app.second_client_secret_file);
    if (!secret) return misread("second_client_secret_file", std::move(secret.error()));
    app.entry.second_secret = std::make_shared<const Secret>(std::move(*secret));
  }
  if (app.assertion_key_file.empty()) return {};
  const auto pem = read_secret(app.assertion_key_file);
  if (!pem) return misread("assertion_key_file", pem.error());
  auto key = crypto::SigningKey::from_pem(*pem);
  if (!key) return misread("assertion_key_file", std::move(key.error()));
  app.entry.key = std::make_shared<const crypto::SigningKey>(std::move(*key));
  return {};
}

// Reads one file, noting what is wrong and going on.
class Reader {
 public:
  Reader(std::string_view file, RelayConfigReading& reading) : file_(file), reading_(reading) {}

  void read(const toml::table& table) {
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      if (name == "apps") {
        read_apps(node);
      } else if (name == "tls" || name == "log" || name == "outbound") {
        read_section(name, node);
      } else {
        read_key(name, node);
      }
    }
    check_whole();
  }

 private:
  [[nodiscard]] std::string place(const toml::node& node) const {
    return fmt::format("{}:{}", file_, node.source().begin.line);
  }
  void wrong(const toml::node& node, std::string_view key, std::string_view what) {
    reading_.mistakes.push_back(fmt::format("{}: {}: {}", place(node), key, what));
  }
  // Of the file as a whole, where no line is to blame.
  void missing(std::string_view key, std::string_view what) {
    if (!named_.contains(std::string(key))) reading_.mistakes.push_back(fmt::format("{}: {}: {}", file_, key, what));
  }

  std::optional<std::string> text(const toml::node& node, std::string_view key) {
    const auto value = node.value_exact<std::string>();
    if (value && !value->empty() && value->find('\0') == std::string::npos && value->find('\n') == std::string::npos)
      return value;
    wrong(node, key, "must be a text in quotes, of one line and not empty");
    return std::nullopt;
  }
  std::optional<std::vector<std::string>> texts(const toml::node& node, std::string_view key) {
    const auto* array = node.as_array();
    std::vector<std::string> values;
    for (std::size_t i = 0; array != nullptr && i < array->size(); ++i) {
      const auto value = (*array)[i].value_exact<std::string>();
      if (!value) break;
      values.push_back(*value);
    }
    if (array != nullptr && values.size() == array->size()) return values;
    wrong(node, key, "must be a list of texts in quotes, such as [\"10.1.0.0/16\"]");
    return std::nullopt;
  }
  std::optional<std::string> absolute_path(const toml::node& node, std::string_view key) {
    auto value = text(node, key);
    if (value && !value->starts_with('/')) {
      wrong(node, key, "must be an absolute path: one that begins with /");
      return std::nullopt;
    }
    return value;
  }

  void read_section(const std::string& section, const toml::node& node) {
    const auto* table = node.as_table();
    if (table == nullptr) return wrong(node, section, "is a section, no key");
    for (const auto& [key, below] : *table) read_key(section + "." + std::string(key.str()), below);
  }

  void read_key(const std::string& key, const toml::node& node) {
    named_.insert(key);
    auto& config = reading_.config;
    if (key == "listen") {
      const auto value = text(node, key);
      const auto parsed = value ? parse_listen(*value) : Result<ListenAddress>(config.listen);
      if (!parsed) return wrong(node, key, parsed.error().text);
      config.listen = *parsed;
    } else if (key == "public_url") {
      take_public_url(node, key);
    } else if (key == "trusted_proxies") {
      const auto values = texts(node, key);
      const auto parsed = values ? net::TrustedProxies::parse(*values) : Result<net::TrustedProxies>();
      if (!parsed) return wrong(node, key, parsed.error().text);
      if (values) config.trusted_proxies = *values;
    } else if (key == "metrics_from") {
      for (const auto& each : texts(node, key).value_or(std::vector<std::string>{})) {
        const auto network = net::Cidr::parse(each);
        if (!network) return wrong(node, key, each + " is neither an address nor a network");
        config.metrics_from.push_back(*network);
      }
    } else if (key == "proxy_header") {
      const auto value = text(node, key);
      const auto header = value ? net::parse_proxy_header(*value) : config.proxy_header;
      if (!header)
        return wrong(node, key,
                     "must be \"x-forwarded-for\", \"forwarded\" or \"proxy-protocol\", whichever the proxy writes");
      config.proxy_header = *header;
    } else if (key == "tls.certificate") {
      config.tls_certificate = absolute_path(node, key).value_or("");
    } else if (key == "tls.key") {
      config.tls_key = absolute_path(node, key).value_or("");
    } else if (key == "data") {
      config.data = absolute_path(node, key).value_or(config.data);
      while (config.data.size() > 1 && config.data.ends_with('/')) config.data.pop_back();
    } else if (key == "store") {
      take_store(node, key);
    } else if (key == "store_password_file") {
      config.store_password_file = absolute_path(node, key).value_or("");
    } else if (key == "log.level") {
      const auto value = text(node, key);
      const auto level = value ? base::parse_log_level(*value) : config.log_level;
      if (!level) return wrong(node, key, "must be error, warning, info or debug");
      config.log_level = *level;
    } else if (key == "outbound.ca_file") {
      config.outbound_ca_file = absolute_path(node, key).value_or("");
    } else if (key == "outbound.proxy") {
      take_proxy(node, key);
    } else if (key == "loopback_providers") {
      const auto value = node.value_exact<bool>();
      if (!value) return wrong(node, key, "must be true or false, without quotes");
      config.loopback_providers = *value;
    } else {
      wrong(node, key, "there is no such key; packaging/relay.toml lists them all");
    }
  }

  void take_store(const toml::node& node, const std::string& key) {
    const auto value = text(node, key);
    if (!value) return;
    if (*value != "sqlite") {
      if (const auto usable = store::check_postgres_url(*value); !usable) return wrong(node, key, usable.error().text);
    }
    reading_.config.store = *value;
  }

  void take_proxy(const toml::node& node, const std::string& key) {
    const auto value = text(node, key);
    if (!value) return;
    const auto url = net::Url::parse(*value);
    if (!url || url->is_https() || url->path() != "/" || !url->query().empty())
      return wrong(node, key, "must be http://HOST:PORT, such as http://proxy.example:3128");
    reading_.config.outbound_proxy = *value;
  }

  void take_public_url(const toml::node& node, const std::string& key) {
    const auto value = text(node, key);
    if (!value) return;
    const auto url = net::Url::parse(*value);
    if (!url || !url->is_https() || url->path() != "/" || !url->query().empty()) {
      return wrong(
          node, key,
          "must be an https address without a path, such as https://relay.example: providers and browsers come there");
    }
    reading_.config.public_url = url->origin();
  }

  void read_apps(const toml::node& node) {
    const auto* table = node.as_table();
    if (table == nullptr) return wrong(node, "apps", "is a section for each app: [apps.NAME]");
    for (const auto& [key, below] : *table) {
      const std::string id(key.str());
      if (const auto* app = below.as_table()) {
        read_app(id, *app);
      } else {
        wrong(below, "apps." + id, "is a section: [apps." + id + "]");
      }
    }
  }

  void read_app(const std::string& id, const toml::table& table) {
    RelayConfig::App app;
    app.place = place(table);
    app.entry.id = id;
    app.entry.provider = id;
    app.entry.redirect_path = "/callback/" + id;
    for (const auto& [name, node] : table) {
      const std::string key = "apps." + id + "." + std::string(name.str());
      if (name == "provider") {
        app.entry.provider = text(node, key).value_or(id);
      } else if (name == "client_id") {
        app.entry.client_id = text(node, key).value_or("-");
      } else if (name == "redirect_path") {
        app.entry.redirect_path = text(node, key).value_or(app.entry.redirect_path);
      } else if (name == "authorization_endpoint") {
        app.entry.authorization_endpoint = text(node, key).value_or("");
      } else if (name == "token_endpoint") {
        app.entry.token_endpoint = text(node, key).value_or("");
      } else if (name == "revocation_endpoint") {
        app.entry.revocation_endpoint = text(node, key).value_or("");
      } else if (name == "client_secret_file") {
        app.client_secret_file = absolute_path(node, key).value_or("");
      } else if (name == "second_client_secret_file") {
        app.second_client_secret_file = absolute_path(node, key).value_or("");
      } else if (name == "client_authentication") {
        const auto value = text(node, key);
        app.entry.authentication = value ? oauth::parse_client_authentication(*value) : std::nullopt;
        const bool with_secret = app.entry.authentication == oauth::ClientAuthentication::client_secret_basic ||
                                 app.entry.authentication == oauth::ClientAuthentication::client_secret_post;
        if (value && !with_secret) wrong(node, key, "must be \"client_secret_basic\" or \"client_secret_post\"");
      } else if (name == "assertion_key_file") {
        app.assertion_key_file = absolute_path(node, key).value_or("");
      } else if (name == "assertion_key_id") {
        app.entry.key_id = text(node, key).value_or("");
      } else if (name == "types") {
        app.entry.types = texts(node, key).value_or(std::vector<std::string>());
      } else if (name == "params") {
        read_params(node, key, app.entry.params);
      } else {
        wrong(node, key, "there is no such key; packaging/relay.toml lists them all");
      }
    }
    reading_.config.apps.push_back(std::move(app));
  }

  void read_params(const toml::node& node, const std::string& key, catalog::ParameterValues& params) {
    const auto* table = node.as_table();
    if (table == nullptr) return wrong(node, key, "is a table, such as { issuer = \"https://op.example\" }");
    for (const auto& [name, value] : *table) {
      if (auto given = text(value, key + "." + std::string(name.str()))) params[std::string(name.str())] = std::move(*given);
    }
  }

  void check_whole() {
    const auto& config = reading_.config;
    if (config.public_url.empty())
      missing("public_url", "is missing; it is where providers and browsers come, such as https://relay.example");
    if (config.tls_certificate.empty() != config.tls_key.empty()) {
      missing(config.tls_certificate.empty() ? "tls.certificate" : "tls.key", "is missing; certificate and key go together");
    }
    const bool in_clear = config.tls_certificate.empty() && config.tls_key.empty();
    if (in_clear && config.trusted_proxies.empty() && !config.listen.is_loopback()) {
      missing("tls.certificate",
              "is missing: serve https here (tls.certificate, tls.key), or name the proxy that does (trusted_proxies)");
    }
    if (config.apps.empty()) missing("apps", "there is none: register at least one app, as [apps.NAME] with its client_id");
  }

  std::string file_;
  RelayConfigReading& reading_;
  std::set<std::string> named_;
};

}  // namespace

RelayConfigReading read_relay_config(std::string_view text, std::string_view name) {
  RelayConfigReading reading;
  try {
    Reader(name, reading).read(toml::parse(text, name));
  } catch (const toml::parse_error& error) {
    reading.mistakes.push_back(fmt::format("{}:{}: is not TOML ({}); texts stand in quotes, each key once", name,
                                           error.source().begin.line, error.description()));
  }
  return reading;
}

RelayConfigReading load_relay_config(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  std::string text;
  if (stream) text.assign(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
  if (!stream || text.size() > kFileBytesMax) {
    RelayConfigReading reading;
    reading.mistakes.push_back(
        fmt::format("{}: cannot be read, or is longer than 1 MiB; name the file with --config", file));
    return reading;
  }
  return read_relay_config(text, file);
}

relay::CatalogRegistrations registrations_of(const RelayConfig& config, std::shared_ptr<const catalog::Catalog> catalog,
                                             Mistakes& mistakes) {
  relay::CatalogRegistrations registrations(
      std::move(catalog), config.public_url,
      config.loopback_providers ? oauth::PlainHttp::loopback_only : oauth::PlainHttp::refused);
  for (auto app : config.apps) {
    auto added = add_credentials(app);
    if (added) added = registrations.add(app.entry);
    if (added) continue;
    mistakes.push_back(fmt::format("{}: apps.{}.{}: {}", app.place, app.entry.id, added.error().field, added.error().text));
  }
  return registrations;
}

}  // namespace latchkey::app

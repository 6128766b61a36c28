#include "app/config.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <toml++/toml.h>

#include "net/url.h"
#include "store/postgres/postgres_store.h"

namespace latchkey::app {
namespace {

constexpr std::size_t kFileBytesMax = 1 << 20;

// Where a value came from, for errors: "latchkey.toml:12" or "LATCHKEY_LISTEN".
std::unexpected<Error> bad(std::string_view where, std::string_view key, std::string_view what) {
  return fail(ErrorKind::misconfigured, "bad_config",
              where.empty() ? fmt::format("{}: {}", key, what) : fmt::format("{}: {}: {}", where, key, what),
              {.field = std::string(key)});
}

using TakeText = Result<void> (*)(Config&, std::string_view value);
using TakeList = Result<void> (*)(Config&, std::vector<std::string> values);

std::unexpected<Error> wrong(std::string what) { return fail(ErrorKind::invalid, "bad_value", std::move(what)); }

template <std::string Config::* Member>
Result<void> keep(Config& config, std::string_view value) {
  config.*Member = value;
  return {};
}

template <std::string Config::* Member>
Result<void> keep_listen(Config& config, std::string_view value) {
  if (const auto parsed = parse_listen(value); !parsed) return std::unexpected(parsed.error());
  config.*Member = value;
  return {};
}

template <std::string Config::* Member>
Result<void> keep_absolute(Config& config, std::string_view value) {
  if (!value.starts_with('/')) return wrong("must be an absolute path: one that begins with /");
  config.*Member = value;
  return {};
}

Result<void> take_listen(Config& config, std::string_view value) {
  auto parsed = parse_listen(value);
  if (!parsed) return std::unexpected(parsed.error());
  config.listen = std::move(*parsed);
  return {};
}

Result<void> take_public_url(Config& config, std::string_view value) {
  const auto url = net::Url::parse(value);
  if (!url || !url->query().empty()) {
    return wrong("must be the address people's browsers use, such as https://latchkey.example");
  }
  if (url->path() != "/") return wrong("must be an address without a path, such as https://latchkey.example");
  config.public_url = url->origin();
  config.public_url_given = true;
  return {};
}

Result<void> take_store(Config& config, std::string_view value) {
  if (value != "sqlite") {
    if (const auto known = store::check_postgres_url(std::string(value)); !known) return wrong(known.error().text);
  }
  config.store = value;
  return {};
}

Result<void> take_log_level(Config& config, std::string_view value) {
  const auto level = base::parse_log_level(value);
  if (!level) return wrong("must be error, warning, info or debug");
  config.log_level = *level;
  return {};
}

Result<void> take_proxy(Config& config, std::string_view value) {
  const auto url = net::Url::parse(value);
  if (!url || url->is_https() || url->path() != "/" || !url->query().empty()) {
    return wrong("must be http://HOST:PORT, such as http://proxy.office.example:3128");
  }
  config.outbound_proxy = value;
  return {};
}

Result<void> take_tls_source(Config& config, std::string_view value) {
  if (value != "self-signed" && value != "own-authority") return wrong("must be self-signed or own-authority; a certificate of your own goes into tls.certificate and tls.key");
  config.tls_source = value;
  return {};
}

Result<void> take_trusted_proxies(Config& config, std::vector<std::string> values) {
  if (const auto parsed = net::TrustedProxies::parse(values); !parsed) return std::unexpected(parsed.error());
  config.trusted_proxies = std::move(values);
  return {};
}

Result<void> take_proxy_header(Config& config, std::string_view value) {
  const auto header = net::parse_proxy_header(value);
  if (!header) return wrong("must be \"x-forwarded-for\", \"forwarded\" or \"proxy-protocol\", whichever the proxy writes");
  config.proxy_header = *header;
  return {};
}

Result<void> take_outbound_allow(Config& config, std::vector<std::string> values) {
  if (const auto parsed = net::AddressPolicy::parse(values); !parsed) return std::unexpected(parsed.error());
  config.outbound_allow = std::move(values);
  return {};
}

template <std::optional<ListenAddress> SmtpConfig::* Member>
Result<void> keep_smtp_listen(Config& config, std::string_view value) {
  auto parsed = parse_listen(value);
  if (!parsed) return std::unexpected(parsed.error());
  config.smtp.*Member = std::move(*parsed);
  return {};
}

// Addresses, not networks: what may speak in clear is named one by one (RULES T7).
template <std::vector<std::string> SmtpConfig::* Member>
Result<void> keep_smtp_sources(Config& config, std::vector<std::string> values) {
  for (const auto& value : values) {
    if (!net::IpAddress::parse(value)) return wrong("must be a list of single IP addresses, such as [\"192.0.2.7\"]");
  }
  config.smtp.*Member = std::move(values);
  return {};
}

Result<void> take_drop_domain(Config& config, std::string_view value) {
  const bool good = value.size() <= 253 && std::ranges::all_of(value, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
  });
  if (!good || value.starts_with('.') || value.ends_with('.')) return wrong("must be a domain, such as drop.internal");
  config.smtp.drop_domain = value;
  return {};
}

Result<void> take_folder_root(Config& config, std::string_view value) {
  if (!value.starts_with('/')) return wrong("must be an absolute path: one that begins with /");
  config.folder.root = value;
  return {};
}

Result<void> take_folder_uids(Config& config, std::vector<std::string> values) {
  config.folder.uids = std::move(values);
  return {};
}

struct Key {
  std::string_view name;
  TakeText text = nullptr;
  TakeList list = nullptr;
};

constexpr Key kKeys[] = {
    {"listen", take_listen},
    {"public_url", take_public_url},
    {"trusted_proxies", nullptr, take_trusted_proxies},
    {"proxy_header", take_proxy_header},
    {"data", keep<&Config::data>},
    {"store", take_store},
    {"store_password_file", keep_absolute<&Config::store_password_file>},
    {"master_key_file", keep_absolute<&Config::master_key_file>},
    {"tls.certificate", keep_absolute<&Config::tls_certificate>},
    {"tls.key", keep_absolute<&Config::tls_key>},
    {"tls.source", take_tls_source},
    {"log.level", take_log_level},
    {"outbound.allow", nullptr, take_outbound_allow},
    {"outbound.proxy", take_proxy},
    {"outbound.ca_file", keep_absolute<&Config::outbound_ca_file>},
    {"smtp.submission", keep_smtp_listen<&SmtpConfig::submission>},
    {"smtp.submissions", keep_smtp_listen<&SmtpConfig::submissions>},
    {"smtp.plain", keep_smtp_listen<&SmtpConfig::plain>},
    {"smtp.plain_sources", nullptr, keep_smtp_sources<&SmtpConfig::plain_sources>},
    {"smtp.legacy", keep_smtp_listen<&SmtpConfig::legacy>},
    {"smtp.legacy_sources", nullptr, keep_smtp_sources<&SmtpConfig::legacy_sources>},
    {"smtp.drop_domain", take_drop_domain},
    {"folder.root", take_folder_root},
    {"folder.uids", nullptr, take_folder_uids},
};

// Variables that are read elsewhere (by the client verbs and by the tests) and are no configuration keys.
constexpr std::string_view kOtherVariables[] = {"LATCHKEY_SERVER", "LATCHKEY_PIN", "LATCHKEY_BIN", "LATCHKEY_SANITIZED",
                                                "LATCHKEY_TEST_POSTGRES"};

const Key* find_key(std::string_view name) {
  const auto found = std::ranges::find(kKeys, name, &Key::name);
  return found == std::end(kKeys) ? nullptr : found;
}

// The key most like a misspelt one; empty when none is near.
std::string_view nearest_key(std::string_view name) {
  std::string_view best;
  std::size_t best_distance = name.size() / 3 + 1;
  for (const Key& key : kKeys) {
    std::vector<std::size_t> row(key.name.size() + 1);
    for (std::size_t i = 0; i < row.size(); ++i) row[i] = i;
    for (std::size_t i = 0; i < name.size(); ++i) {
      std::size_t diagonal = row[0];
      row[0] = i + 1;
      for (std::size_t j = 0; j < key.name.size(); ++j) {
        const std::size_t above = row[j + 1];
        row[j + 1] = std::min({above + 1, row[j] + 1, diagonal + (name[i] == key.name[j] ? 0U : 1U)});
        diagonal = above;
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = key.name;
    }
  }
  return best;
}

std::string unknown_words(std::string_view name) {
  std::string below;
  for (const Key& key : kKeys) {
    if (key.name.size() > name.size() && key.name.starts_with(name) && key.name[name.size()] == '.') below += (below.empty() ? "" : ", ") + std::string(key.name);
  }
  if (!below.empty()) return "is a section, no key; its keys are " + below;
  const auto near = nearest_key(name);
  return near.empty() ? "there is no such key; packaging/latchkey.toml lists them all"
                      : fmt::format("there is no such key; did you mean {}?", near);
}

Result<void> set(Config& config, const Key& key, std::string_view where, std::vector<std::string> values) {
  for (const auto& value : values) {
    if (value.find('\0') != std::string::npos || value.find('\n') != std::string::npos) {
      return bad(where, key.name, "must be one line");
    }
  }
  const auto done = key.list != nullptr ? key.list(config, std::move(values)) : key.text(config, values.front());
  if (!done) return bad(where, key.name, done.error().text);
  return {};
}

std::string place(std::string_view name, const toml::node& node) {
  return fmt::format("{}:{}", name, node.source().begin.line);
}

Result<void> take_node(Config& config, std::string_view file, const std::string& name, const toml::node& node) {
  const std::string where = place(file, node);
  const Key* key = find_key(name);
  if (key == nullptr) return bad(where, name, unknown_words(name));
  std::vector<std::string> values;
  if (key->list != nullptr) {
    const toml::array* array = node.as_array();
    if (array == nullptr) return bad(where, name, "must be a list, such as [\"10.1.0.0/16\"]");
    for (const toml::node& item : *array) {
      const auto text = item.value_exact<std::string>();
      if (!text) return bad(where, name, "must be a list of texts in quotes");
      values.push_back(*text);
    }
    return set(config, *key, where, std::move(values));
  }
  const auto text = node.value_exact<std::string>();
  if (!text) return bad(where, name, "must be a text in quotes");
  if (text->empty()) return bad(where, name, "must not be empty; leave the key out for the default");
  values.push_back(*text);
  return set(config, *key, where, std::move(values));
}

Result<void> take_table(Config& config, std::string_view file, const std::string& prefix, const toml::table& table) {
  for (const auto& [key, node] : table) {
    const std::string name = prefix + std::string(key.str());
    const bool is_section = std::ranges::any_of(kKeys, [&](const Key& each) { return each.name.starts_with(name + "."); });
    if (const toml::table* section = node.as_table(); section != nullptr && is_section) {
      if (const auto done = take_table(config, file, name + ".", *section); !done) return done;
      continue;
    }
    if (const auto done = take_node(config, file, name, node); !done) return done;
  }
  return {};
}

std::vector<std::string> split_commas(std::string_view text) {
  std::vector<std::string> parts;
  while (true) {
    const auto comma = text.find(',');
    auto part = text.substr(0, comma);
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    if (!part.empty()) parts.emplace_back(part);
    if (comma == std::string_view::npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

Result<void> take_environment(Config& config, const Environment& environment, const EnvironmentNames& names) {
  for (const Key& key : kKeys) {
    const std::string variable = variable_of(key.name);
    const auto value = environment(variable);
    if (!value || value->empty()) continue;
    auto values = key.list != nullptr ? split_commas(*value) : std::vector<std::string>{*value};
    if (const auto done = set(config, key, variable, std::move(values)); !done) return done;
  }
  for (const std::string& name : names) {
    if (!name.starts_with("LATCHKEY_") || std::ranges::find(kOtherVariables, name) != std::end(kOtherVariables)) continue;
    if (std::ranges::any_of(kKeys, [&](const Key& key) { return variable_of(key.name) == name; })) continue;
    return fail(ErrorKind::misconfigured, "bad_config",
                fmt::format("{}: no key answers to this variable; unset it, or see packaging/latchkey.toml for the keys "
                            "(secrets are given as files only)",
                            name),
                {.field = name});
  }
  return {};
}

Result<std::string> read_file(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    return fail(ErrorKind::misconfigured, "bad_config",
                fmt::format("{}: cannot be read ({}); name an existing file with --config", path, std::strerror(errno)),
                {.field = "--config"});
  }
  std::string text;
  char piece[16 * 1024];
  ssize_t got = 0;
  while (text.size() <= kFileBytesMax && (got = ::read(descriptor, piece, sizeof piece)) > 0) {
    text.append(piece, static_cast<std::size_t>(got));
  }
  const int error = errno;
  ::close(descriptor);
  if (got < 0) {
    return fail(ErrorKind::misconfigured, "bad_config", fmt::format("{}: cannot be read ({}); name a readable file with --config", path, std::strerror(error)),
                {.field = "--config"});
  }
  if (text.size() > kFileBytesMax) {
    return fail(ErrorKind::misconfigured, "bad_config", fmt::format("{}: is longer than 1 MiB; is it the right file?", path),
                {.field = "--config"});
  }
  return text;
}

// What follows from other keys, and what only fits together.
Result<Config> complete(Config config) {
  if (config.tls_certificate.empty() != config.tls_key.empty()) {
    const auto missing = config.tls_certificate.empty() ? "tls.certificate" : "tls.key";
    return bad({}, missing, config.tls_certificate.empty() ? "is missing; set it beside tls.key, or leave both out" : "is missing; set it beside tls.certificate, or leave both out");
  }
  if (config.smtp.plain && config.smtp.plain_sources.empty()) {
    return bad({}, "smtp.plain_sources", "is missing; name the addresses of the devices that may use smtp.plain");
  }
  if (config.smtp.legacy && config.smtp.legacy_sources.empty()) {
    return bad({}, "smtp.legacy_sources", "is missing; name the addresses of the devices that may use smtp.legacy");
  }
  if (!config.folder.root.empty() && config.folder.uids.empty()) {
    return bad({}, "folder.uids", "is missing; name the users whose files are taken from folder.root, such as [\"scanner\"]");
  }
  while (config.data.size() > 1 && config.data.ends_with('/')) config.data.pop_back();
  if (config.public_url.empty()) {
    config.public_url = public_url_of_listener(config.listen, !config.tls_certificate.empty() || !config.tls_source.empty());
  }
  if (config.master_key_file.empty()) config.master_key_file = config.data + "/master.key";
  return config;
}

}  // namespace

std::string public_url_of_listener(const ListenAddress& listen, bool tls) {
  const bool anywhere = listen.address == "0.0.0.0" || listen.address == "::";
  const std::string host = anywhere || listen.is_loopback()                  ? "localhost"
                           : listen.address.find(':') != std::string::npos ? "[" + listen.address + "]"
                                                                           : listen.address;
  const bool usual = listen.port == (tls ? 443 : 80);
  return fmt::format("{}://{}{}", tls ? "https" : "http", host, usual ? std::string() : fmt::format(":{}", listen.port));
}

bool ListenAddress::is_loopback() const {
  const auto parsed = net::IpAddress::parse(address);
  return parsed && parsed->is_loopback();
}

std::string ListenAddress::text() const {
  return address.find(':') != std::string::npos ? fmt::format("[{}]:{}", address, port) : fmt::format("{}:{}", address, port);
}

Result<ListenAddress> parse_listen(std::string_view text) {
  const auto refuse = [] {
    return fail(ErrorKind::invalid, "bad_address", "must be ADDRESS:PORT, such as 127.0.0.1:8480, 0.0.0.0:443 or [::1]:8480");
  };
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return refuse();
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc() || end != digits.data() + digits.size()) return refuse();
  const bool brackets = host.starts_with('[') && host.ends_with(']');
  if (brackets) host = host.substr(1, host.size() - 2);
  if (host == "localhost") host = "127.0.0.1";
  const auto address = net::IpAddress::parse(host);
  if (!address || address->is_v4() == brackets) return refuse();
  return ListenAddress{std::string(host), port};
}

std::string variable_of(std::string_view key) {
  std::string name = "LATCHKEY_";
  for (const char c : key) {
    name += c == '.' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  }
  return name;
}

std::vector<std::string> config_keys() {
  std::vector<std::string> names;
  for (const Key& key : kKeys) names.emplace_back(key.name);
  return names;
}

Result<Config> read_config(std::string_view text, std::string_view name, const Overrides& overrides,
                           const Environment& environment, const EnvironmentNames& names) {
  Config config;
  try {
    const toml::table table = toml::parse(text, name);
    if (const auto done = take_table(config, name, {}, table); !done) return std::unexpected(done.error());
  } catch (const toml::parse_error& error) {
    return fail(ErrorKind::misconfigured, "bad_config",
                fmt::format("{}:{}: is not TOML ({}); texts stand in quotes, each key once", name, error.source().begin.line,
                            error.description()),
                {.field = "--config"});
  }
  if (const auto done = take_environment(config, environment, names); !done) return std::unexpected(done.error());
  if (overrides.data) config.data = *overrides.data;
  if (config.data.empty()) return bad({}, "data", "must not be empty");
  return complete(std::move(config));
}

Result<Config> load_config(const Overrides& overrides, const Environment& environment, const EnvironmentNames& names) {
  std::string text;
  if (!overrides.file.empty()) {
    auto read = read_file(overrides.file);
    if (!read) return std::unexpected(read.error());
    text = std::move(*read);
  }
  return read_config(text, overrides.file, overrides, environment, names);
}

Environment process_environment() {
  return [](std::string_view name) -> std::optional<std::string> {
    const char* value = std::getenv(std::string(name).c_str());
    if (value == nullptr || *value == '\0') return std::nullopt;
    return std::string(value);
  };
}

EnvironmentNames process_environment_names() {
  EnvironmentNames names;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view pair = *entry;
    names.emplace_back(pair.substr(0, pair.find('=')));
  }
  return names;
}

}  // namespace latchkey::app

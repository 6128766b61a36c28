#include "oauth/uri.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace latchkey::oauth {
namespace {

constexpr std::string_view kHexDigits = "0123456789ABCDEF";

bool is_letter_or_digit(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}
bool is_unreserved(char c) { return is_letter_or_digit(c) || c == '-' || c == '.' || c == '_' || c == '~'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

enum class Plus { literal, space };

std::string encode(std::string_view text, Plus plus) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (plus == Plus::space && c == ' ') {
      out += '+';
    } else if (is_unreserved(c)) {
      out += c;
    } else {
      out += '%';
      out += kHexDigits[octet >> 4U];
      out += kHexDigits[octet & 15U];
    }
  }
  return out;
}

std::optional<std::string> decode(std::string_view text, Plus plus) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_value(text[i + 1]);
      const int low = hex_value(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else if (plus == Plus::space && text[i] == '+') {
      out += ' ';
    } else {
      out += text[i];
    }
  }
  return out;
}

std::unexpected<Error> bad_url(std::string reason) {
  return fail(ErrorKind::invalid, "malformed_url",
              "This is not a web address. Write it in full, for example https://login.example.com/path.",
              {.detail = std::move(reason)});
}

bool is_ipv4(std::string_view host) {
  int parts = 0;
  while (true) {
    int value = -1;
    const auto end = std::from_chars(host.data(), host.data() + host.size(), value);
    const auto used = static_cast<std::size_t>(end.ptr - host.data());
    if (end.ec != std::errc() || used == 0 || used > 3 || value < 0 || value > 255) return false;
    ++parts;
    host.remove_prefix(used);
    if (host.empty()) return parts == 4;
    if (host.front() != '.' || parts == 4) return false;
    host.remove_prefix(1);
    if (host.empty() || !is_digit(host.front())) return false;
  }
}

bool is_label(std::string_view label) {
  if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') return false;
  return std::all_of(label.begin(), label.end(), [](char c) { return is_letter_or_digit(c) || c == '-' || c == '_'; });
}

bool is_host_name(std::string_view host) {
  if (host.empty() || host.size() > 253) return false;
  while (true) {
    const auto dot = host.find('.');
    if (!is_label(host.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    host.remove_prefix(dot + 1);
  }
}

// A host whose last label is a number is an IPv4 address or nothing (WHATWG URL): no `0x7f.1` tricks.
bool is_allowed_host(std::string_view host) {
  const auto last = host.substr(host.rfind('.') + 1);  // npos + 1 is 0
  const bool numeric = !last.empty() && (std::all_of(last.begin(), last.end(), is_digit) ||
                                         (last.size() > 1 && last[0] == '0' && (last[1] == 'x' || last[1] == 'X')));
  return numeric ? is_ipv4(host) : is_host_name(host);
}

bool is_ipv6_text(std::string_view host) {
  return !host.empty() && host.size() <= 45 && host.find(':') != std::string_view::npos &&
         std::all_of(host.begin(), host.end(), [](char c) { return hex_value(c) >= 0 || c == ':' || c == '.'; });
}

}  // namespace

std::string percent_encode(std::string_view text) { return encode(text, Plus::literal); }
std::optional<std::string> percent_decode(std::string_view text) { return decode(text, Plus::literal); }
std::string form_encode(std::string_view text) { return encode(text, Plus::space); }
std::optional<std::string> form_decode(std::string_view text) { return decode(text, Plus::space); }

std::string form_body(const Parameters& parameters) {
  std::string out;
  for (const auto& [name, value] : parameters) {
    if (!out.empty()) out += '&';
    out += form_encode(name);
    out += '=';
    out += form_encode(value);
  }
  return out;
}

Result<Parameters> parse_form(std::string_view text, FormLimits limits) {
  if (text.size() > limits.size_bytes_max) {
    return fail(ErrorKind::invalid, "form_too_large", "The form or query is too long.");
  }
  Parameters out;
  while (!text.empty()) {
    const auto end = text.find('&');
    const auto pair = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (pair.empty()) continue;
    if (out.size() == limits.parameters_max) {
      return fail(ErrorKind::invalid, "form_too_large", "The form or query has too many parameters.");
    }
    const auto equals = pair.find('=');
    auto name = form_decode(pair.substr(0, equals));
    auto value = equals == std::string_view::npos ? std::optional<std::string>("") : form_decode(pair.substr(equals + 1));
    if (!name || !value) {
      return fail(ErrorKind::invalid, "malformed_form", "The form or query is not correctly encoded.");
    }
    out.emplace_back(std::move(*name), std::move(*value));
  }
  return out;
}

const std::string* find_parameter(const Parameters& parameters, std::string_view name) {
  for (const auto& [key, value] : parameters) {
    if (key == name) return &value;
  }
  return nullptr;
}

bool Url::usual_port() const { return port == (scheme == "https" ? 443 : 80); }

std::string Url::origin() const {
  const bool v6 = host.find(':') != std::string::npos;
  std::string out = fmt::format("{}://{}{}{}", scheme, v6 ? "[" : "", host, v6 ? "]" : "");
  if (!usual_port()) out += fmt::format(":{}", port);
  return out;
}

bool Url::loopback() const {
  return host == "localhost" || host == "::1" || (is_ipv4(host) && host.starts_with("127."));
}

Result<Url> parse_url(std::string_view text) {
  if (text.size() > 2048) return bad_url("longer than 2,048 octets");
  for (const char c : text) {
    if (c <= ' ' || c > '~' || c == '"' || c == '<' || c == '>' || c == '\\' || c == '^' || c == '`' || c == '{' ||
        c == '|' || c == '}') {
      return bad_url("a character that must be percent-encoded");
    }
  }
  const auto colon = text.find("://");
  if (colon == std::string_view::npos) return bad_url("no scheme");
  Url url;
  url.scheme = lower(text.substr(0, colon));
  if (url.scheme != "https" && url.scheme != "http") return bad_url("a scheme other than https and http");
  text.remove_prefix(colon + 3);

  const auto authority_end = text.find_first_of("/?#");
  auto authority = text.substr(0, authority_end);
  text.remove_prefix(authority_end == std::string_view::npos ? text.size() : authority_end);
  if (const auto at = authority.rfind('@'); at != std::string_view::npos) {
    url.userinfo = std::string(authority.substr(0, at + 1));  // with its mark: `https://@host` has a userinfo too
    authority.remove_prefix(at + 1);
  }
  std::string_view port;
  if (authority.starts_with('[')) {
    const auto close = authority.find(']');
    if (close == std::string_view::npos) return bad_url("an unclosed bracket");
    url.host = lower(authority.substr(1, close - 1));
    if (!is_ipv6_text(url.host)) return bad_url("not an IPv6 address");
    port = authority.substr(close + 1);
    if (!port.empty() && port.front() != ':') return bad_url("text after the bracket");
  } else {
    const auto mark = authority.find(':');
    url.host = lower(authority.substr(0, mark));
    if (!is_allowed_host(url.host)) return bad_url("not a host name");
    if (mark != std::string_view::npos) port = authority.substr(mark);
  }
  url.port = url.scheme == "https" ? 443 : 80;
  if (!port.empty()) {
    port.remove_prefix(1);
    unsigned value = 0;
    const auto end = std::from_chars(port.data(), port.data() + port.size(), value);
    if (end.ec != std::errc() || end.ptr != port.data() + port.size() || value == 0 || value > 65535) {
      return bad_url("not a port");
    }
    url.port = static_cast<std::uint16_t>(value);
  }
  if (const auto hash = text.find('#'); hash != std::string_view::npos) {
    url.fragment = std::string(text.substr(hash));  // with its mark, so that an empty fragment shows
    text = text.substr(0, hash);
  }
  if (const auto mark = text.find('?'); mark != std::string_view::npos) {
    url.query = std::string(text.substr(mark + 1));
    text = text.substr(0, mark);
  }
  url.path = std::string(text);
  return url;
}

bool travels_in_clear(std::string_view url) {
  const auto parsed = parse_url(url);
  return !parsed || (parsed->scheme != "https" && !parsed->loopback());
}

bool host_has_suffix(std::string_view host, std::string_view suffix) {
  const auto name = lower(host);
  const auto end = lower(suffix);
  if (end.empty()) return false;
  if (name == end) return true;
  return name.size() > end.size() + 1 && name.ends_with(end) && name[name.size() - end.size() - 1] == '.';
}

Result<Url> check_endpoint(std::string_view text, PlainHttp plain_http) {
  auto url = parse_url(text);
  const auto refuse = [](std::string_view sentence, std::string_view given) {
    return fail(ErrorKind::misconfigured, "endpoint_not_allowed", std::string(sentence),
                {.detail = std::string(given.substr(0, 200))});
  };
  if (!url) return refuse("An endpoint of the provider is not a web address.", text);
  if (!url->userinfo.empty()) return refuse("An endpoint of the provider may not hold a user name.", url->host);
  if (!url->fragment.empty()) return refuse("An endpoint of the provider may not hold a fragment (#...).", text);
  const bool loopback_http = url->loopback() && plain_http == PlainHttp::loopback_only;
  if (url->scheme != "https" && !loopback_http) {
    return refuse(url->loopback()
                      ? "Plain http on this machine is used only when outbound.allow names the address."
                      : "An endpoint of the provider must begin with https://.",
                  text);
  }
  return url;
}

Result<Url> check_learned_url(std::string_view text, std::span<const std::string> suffixes) {
  auto url = parse_url(text);
  const auto refuse = [&](std::string_view why) {
    return fail(ErrorKind::refused, "host_not_allowed",
                "The provider named a server that its provider file does not allow. Nothing was sent there.",
                {.detail = fmt::format("{}: {}", why, url ? url->host : std::string("unreadable"))});
  };
  if (!url) return refuse("not an address");
  if (url->scheme != "https") return refuse("not https");
  if (url->port != 443) return refuse("a port other than 443");
  if (!url->userinfo.empty()) return refuse("a user name in the address");
  if (!url->fragment.empty()) return refuse("a fragment in the address");
  const bool listed = std::any_of(suffixes.begin(), suffixes.end(),
                                  [&](const std::string& suffix) { return host_has_suffix(url->host, suffix); });
  if (!listed) return refuse("not under an allowed suffix");
  return url;
}

std::string with_query(std::string_view url, const Parameters& parameters) {
  std::string out(url);
  char mark = out.find('?') == std::string::npos ? '?' : '&';
  for (const auto& [name, value] : parameters) {
    out += mark;
    out += percent_encode(name);
    out += '=';
    out += percent_encode(value);
    mark = '&';
  }
  return out;
}

// --- Templates ---

namespace {

std::unexpected<Error> bad_template(std::string_view why) {
  return fail(ErrorKind::invalid, "malformed_template", fmt::format("A template is malformed: {}.", why));
}

std::unexpected<Error> bad_value(std::string_view name, std::string sentence) {
  return fail(ErrorKind::invalid, "bad_value", std::move(sentence), {.field = std::string(name)});
}

bool is_variable_name(std::string_view name) {
  return !name.empty() && name.size() <= 40 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || is_digit(c) || c == '_';
  });
}

// Calls `literal` and `variable` piece by piece.
template <class Literal, class VariablePiece>
Result<void> walk(std::string_view pattern, Literal literal, VariablePiece variable) {
  while (!pattern.empty()) {
    const auto open = pattern.find_first_of("{}");
    if (open == std::string_view::npos) {
      literal(pattern);
      return {};
    }
    if (pattern[open] == '}') return bad_template("a } without its {");
    literal(pattern.substr(0, open));
    const auto close = pattern.find('}', open);
    if (close == std::string_view::npos) return bad_template("a { without its }");
    const auto name = pattern.substr(open + 1, close - open - 1);
    if (!is_variable_name(name)) return bad_template("a variable's name has small letters, digits and _ only");
    if (auto done = variable(name); !done) return done;
    pattern.remove_prefix(close + 1);
  }
  return {};
}

enum class Encoding { address, plain };

Result<std::string> expand(std::string_view pattern, const Variables& variables, PlainHttp plain_http, Encoding encoding) {
  std::string out;
  const auto literal = [&](std::string_view text) { out += text; };
  const auto variable = [&](std::string_view name) -> Result<void> {
    const auto found = variables.find(name);
    if (found == variables.end()) {
      return fail(ErrorKind::invalid, "missing_value", fmt::format("A value for {} is missing.", name),
                  {.field = std::string(name)});
    }
    const auto& [kind, value] = found->second;
    if (auto fits = check_variable(name, kind, value, plain_http); !fits) return fits;
    std::string_view text = value;
    if (kind == VariableKind::url) {
      while (text.ends_with('/')) text.remove_suffix(1);
    }
    const bool encoded = encoding == Encoding::address && kind == VariableKind::text;
    out += encoded ? percent_encode(text) : std::string(text);
    return {};
  };
  if (auto walked = walk(pattern, literal, variable); !walked) return std::unexpected(walked.error());
  return out;
}

}  // namespace

Result<std::vector<std::string>> template_variables(std::string_view pattern) {
  std::vector<std::string> names;
  const auto note = [&](std::string_view name) -> Result<void> {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.emplace_back(name);
    return {};
  };
  if (auto walked = walk(pattern, [](std::string_view) {}, note); !walked) return std::unexpected(walked.error());
  return names;
}

Result<void> check_variable(std::string_view name, VariableKind kind, std::string_view value, PlainHttp plain_http) {
  switch (kind) {
    case VariableKind::text: {
      const bool printable = std::all_of(value.begin(), value.end(), [](char c) {
        return static_cast<unsigned char>(c) >= ' ' && c != 0x7f;
      });
      if (value.size() > 512 || !printable) {
        return bad_value(name, fmt::format("{} has at most 512 characters and no control characters.", name));
      }
      return {};
    }
    case VariableKind::segment: {
      const bool plain = !value.empty() && value.size() <= 256 && value != "." && value != ".." &&
                         std::all_of(value.begin(), value.end(), is_unreserved);
      if (!plain) return bad_value(name, fmt::format("{} has letters, digits and - . _ ~ only.", name));
      return {};
    }
    case VariableKind::host_label:
      if (!is_label(value) || value.find('_') != std::string_view::npos) {
        return bad_value(name, fmt::format("{} is one part of a host name: letters, digits and hyphens.", name));
      }
      return {};
    case VariableKind::host:
      // `co.uk` is a fine part; an address such as 10.0.0.1 is no name.
      if (!is_host_name(value) || is_ipv4(value)) {
        return bad_value(name, fmt::format("{} is a host name such as login.example.com, without https:// and path.", name));
      }
      return {};
    case VariableKind::url: {
      auto url = check_endpoint(value, plain_http);
      if (value.starts_with("http://") && !url) {
        return bad_value(name, fmt::format("{} must begin with https://. Plain http is for a provider on this machine (127.0.0.1, localhost) alone, "
                                           "and only when outbound.allow in latchkey.toml names it.", name));
      }
      if (!url || !url->query.empty() || value.find('?') != std::string_view::npos) {
        return bad_value(name, fmt::format("{} is an address such as https://cloud.example.com, without ? and #.", name));
      }
      return {};
    }
  }
  LATCHKEY_CHECK(false);
}

Result<std::string> expand_template(std::string_view pattern, const Variables& variables, PlainHttp plain_http) {
  return expand(pattern, variables, plain_http, Encoding::address);
}

Result<std::string> expand_text(std::string_view pattern, const Variables& variables, PlainHttp plain_http) {
  return expand(pattern, variables, plain_http, Encoding::plain);
}

}  // namespace latchkey::oauth

#include "net/url.h"

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include "net/http_headers.h"
#include "net/http_request_parser.h"
#include "net/ip_address.h"

namespace latchkey::net {

namespace {

std::unexpected<Error> bad_url(std::string_view why) {
  return fail(ErrorKind::invalid, "bad_url", "This is not a usable address: " + std::string(why) + ".");
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return lower;
}

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

void append_escape(std::string& out, char c) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  const auto octet = static_cast<unsigned char>(c);
  out += '%';
  out += kDigits[octet >> 4];
  out += kDigits[octet & 15];
}

enum class Plus { stays_plus, means_space };

std::optional<std::string> decode(std::string_view text, Plus plus) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '+' && plus == Plus::means_space) {
      out += ' ';
    } else if (text[at] != '%') {
      out += text[at];
    } else {
      if (at + 2 >= text.size()) return std::nullopt;
      const int high = hex_value(text[at + 1]), low = hex_value(text[at + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      out += static_cast<char>(high * 16 + low);
      at += 2;
    }
  }
  return out;
}

std::string encode_form_text(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 8);
  for (const char c : text) {
    if (c == ' ') {
      out += '+';
    } else if (is_unreserved(c) && c != '~') {  // the WHATWG set: * - . _ and alphanumerics
      out += c;
    } else {
      append_escape(out, c);
    }
  }
  return out;
}

std::uint16_t default_port(std::string_view scheme) { return scheme == "https" ? 443 : 80; }

}  // namespace

Result<Url> Url::parse(std::string_view text) {
  if (text.size() > kSizeBytesMax) return bad_url("it is too long");
  const auto parsed = boost::urls::parse_uri({text.data(), text.size()});
  if (parsed.has_error()) return bad_url("it is malformed");
  const boost::urls::url_view& view = parsed.value();
  Url url;
  url.scheme_ = lower_case({view.scheme().data(), view.scheme().size()});
  if (url.scheme_ != "https" && url.scheme_ != "http") return bad_url("it must begin with https:// or http://");
  if (!view.has_authority() || view.encoded_host().empty()) return bad_url("it names no host");
  if (view.has_userinfo()) return bad_url("it must not hold a user name or password");
  if (view.has_fragment()) return bad_url("it must not hold a fragment (#...)");
  const auto host = view.encoded_host();
  url.host_ = lower_case({host.data(), host.size()});
  if (!is_valid_authority(url.host_)) return bad_url("its host is malformed");
  url.port_ = default_port(url.scheme_);
  if (view.has_port() && !view.port().empty()) {
    url.port_ = view.port_number();
    // port_number() is 0 for what does not fit 16 bits as well.
    if (url.port_ == 0) return bad_url("its port is not between 1 and 65535");
  }
  url.path_ = std::string(view.encoded_path().data(), view.encoded_path().size());
  if (url.path_.empty()) url.path_ = "/";
  // Boost.URL 1.81 reads "https://host:x/" as an empty port before the path "x/".
  if (!url.path_.starts_with('/')) return bad_url("its port is not a number");
  url.query_ = std::string(view.encoded_query().data(), view.encoded_query().size());
  return url;
}

std::string Url::origin() const {
  std::string origin = scheme_ + "://" + host_;
  if (port_ != default_port(scheme_)) origin += ":" + std::to_string(port_);
  return origin;
}

std::string Url::text() const { return origin() + path_ + (query_.empty() ? "" : "?" + query_); }

Url Url::with_parameters(const FormFields& parameters) const {
  Url url = *this;
  const std::string more = encode_form(parameters);
  if (more.empty()) return url;
  if (!url.query_.empty() && !url.query_.ends_with('&')) url.query_ += '&';
  url.query_ += more;
  return url;
}

Url Url::with_path(std::string_view encoded_path) const {
  LATCHKEY_CHECK(encoded_path.starts_with('/'));
  Url url = *this;
  url.path_ = encoded_path;
  url.query_.clear();
  return url;
}

bool host_matches_suffix(std::string_view host, std::string_view suffix) {
  if (suffix.starts_with('.')) suffix.remove_prefix(1);
  if (suffix.empty() || host.size() < suffix.size()) return false;
  if (!equal_ignoring_case(host.substr(host.size() - suffix.size()), suffix)) return false;
  if (host.size() == suffix.size()) return true;
  if (host.starts_with('[') || IpAddress::parse(host)) return false;
  return host[host.size() - suffix.size() - 1] == '.';
}

std::string percent_encode(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 8);
  for (const char c : text) {
    if (is_unreserved(c)) {
      out += c;
    } else {
      append_escape(out, c);
    }
  }
  return out;
}

std::optional<std::string> percent_decode(std::string_view text) { return decode(text, Plus::stays_plus); }

std::string encode_form(const FormFields& fields) {
  std::string out;
  for (const auto& [name, value] : fields) {
    if (!out.empty()) out += '&';
    out += encode_form_text(name);
    out += '=';
    out += encode_form_text(value);
  }
  return out;
}

Result<FormFields> decode_form(std::string_view text, FormLimits limits) {
  const auto malformed = [](std::string_view why) {
    return fail(ErrorKind::invalid, "malformed_form", "The form cannot be read: " + std::string(why) + ".");
  };
  if (text.size() > limits.size_bytes_max) return malformed("it is too long");
  FormFields fields;
  while (!text.empty()) {
    const auto end = text.find('&');
    const std::string_view pair = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (pair.empty()) continue;
    if (fields.size() >= limits.fields_max) return malformed("it has too many fields");
    const auto equals = pair.find('=');
    auto name = decode(pair.substr(0, equals), Plus::means_space);
    auto value = equals == std::string_view::npos ? std::optional<std::string>("")
                                                  : decode(pair.substr(equals + 1), Plus::means_space);
    if (!name || !value) return malformed("a percent escape is broken");
    fields.emplace_back(std::move(*name), std::move(*value));
  }
  return fields;
}

const std::string* find_field(const FormFields& fields, std::string_view name) {
  for (const auto& field : fields) {
    if (field.first == name) return &field.second;
  }
  return nullptr;
}

}  // namespace latchkey::net

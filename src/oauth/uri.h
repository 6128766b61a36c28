// Addresses and forms: percent-encoding, application/x-www-form-urlencoded, templates of provider files, and the rules
// an address must pass before a code, a secret or a token is sent to it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/secret.h"

namespace latchkey::oauth {

// Ordered name/value pairs, decoded.
using Parameters = std::vector<std::pair<std::string, std::string>>;

// RFC 3986: everything but unreserved characters becomes %XX (upper case). Decoding is strict: a % without two
// hexadecimal digits gives nullopt.
[[nodiscard]] std::string percent_encode(std::string_view text);
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text);

// As percent_encode, with a space as `+` (WHATWG form encoding, what RFC 6749 appendix B asks for).
[[nodiscard]] std::string form_encode(std::string_view text);
[[nodiscard]] std::optional<std::string> form_decode(std::string_view text);
[[nodiscard]] std::string form_body(const Parameters& parameters);

struct FormLimits {
  std::size_t size_bytes_max = 64 * 1024;
  std::size_t parameters_max = 64;
};
// Splits and decodes `a=b&c=d`; an empty text gives no pairs; a pair without `=` has an empty value. Duplicates are kept
// in their order. Errors: invalid/`malformed_form`, invalid/`form_too_large`.
[[nodiscard]] Result<Parameters> parse_form(std::string_view text, FormLimits limits = {});
// The first value of that name; nullptr when absent.
[[nodiscard]] const std::string* find_parameter(const Parameters& parameters, std::string_view name);

// An absolute address in parts. A value. Host in lower case, IPv6 without its brackets; `path` begins with `/` or is
// empty; `query` and `fragment` without their marks, still encoded.
struct Url {
  std::string scheme;
  std::string userinfo;
  std::string host;
  std::uint16_t port = 0;  // the scheme's own when the text names none
  std::string path;
  std::string query;
  std::string fragment;

  // `https://host` or `https://host:8443`: what an app's secret is bound to (RULES K6).
  [[nodiscard]] std::string origin() const;
  // Whether the port is the scheme's own.
  [[nodiscard]] bool usual_port() const;
  // 127.0.0.0/8, ::1 or localhost (RFC 8252 section 7.3).
  [[nodiscard]] bool loopback() const;
};
// http and https only, at most 2,048 octets, ASCII without spaces and controls; host names by the letters-digits-hyphen
// rule (and underscore), or an IP address. Errors: invalid/`malformed_url`.
[[nodiscard]] Result<Url> parse_url(std::string_view text);

// Whether whoever listens in the network has all that a browser brings there: neither https nor this machine itself; also what is no address.
[[nodiscard]] bool travels_in_clear(std::string_view url);

// Whole labels: `eu.example.com` has the suffix `example.com`, `badexample.com` has not. Case does not count.
[[nodiscard]] bool host_has_suffix(std::string_view host, std::string_view suffix);

enum class PlainHttp { refused, loopback_only };

// An endpoint from configuration, a provider file or metadata: https (or http on loopback where allowed), no userinfo,
// no fragment (RFC 6749 3.1 and 3.2). Errors: misconfigured/`endpoint_not_allowed`.
[[nodiscard]] Result<Url> check_endpoint(std::string_view url, PlainHttp plain_http);

// A host learned from a callback, a token reply or an API reply (RULES A7): https, port 443, no userinfo, and its host
// equals or lies below one of `suffixes` by whole labels. An empty list allows nothing.
// Errors: refused/`host_not_allowed`.
[[nodiscard]] Result<Url> check_learned_url(std::string_view url, std::span<const std::string> suffixes);

// --- Templates of provider files: `https://{subdomain}.{appcp}/oauth/token` ---

// What a variable's value may look like, and how it is put in. Only `text` and `segment` are percent-encoded.
enum class VariableKind {
  text,        // any printable text up to 512 octets; percent-encoded
  segment,     // one path segment: letters, digits, `-._~`; not `.` or `..`
  host_label,  // one DNS label
  host,        // one or more labels, or part of a name such as `co.uk`
  url,         // an absolute https address without query, fragment, userinfo; a trailing slash is dropped
};
struct Variable {
  VariableKind kind = VariableKind::text;
  std::string value;
};
using Variables = std::map<std::string, Variable, std::less<>>;

// The names between braces, in order of appearance, each once. Errors: invalid/`malformed_template`.
[[nodiscard]] Result<std::vector<std::string>> template_variables(std::string_view pattern);
// Whether the value fits the kind. Errors: invalid/`bad_value` with `field` = name.
[[nodiscard]] Result<void> check_variable(std::string_view name, VariableKind kind, std::string_view value,
                                          PlainHttp plain_http = PlainHttp::refused);
// Every variable must be there and fit its kind. Errors: invalid/`missing_value` with `field` = the variable's name,
// invalid/`bad_value`, invalid/`malformed_template`.
[[nodiscard]] Result<std::string> expand_template(std::string_view pattern, const Variables& variables,
                                                  PlainHttp plain_http = PlainHttp::refused);
// The same without percent-encoding, for scopes and other values that are not addresses.
[[nodiscard]] Result<std::string> expand_text(std::string_view pattern, const Variables& variables,
                                              PlainHttp plain_http = PlainHttp::refused);

// Appends `&name=value` pairs (percent-encoded) to an address that may already have a query.
[[nodiscard]] std::string with_query(std::string_view url, const Parameters& parameters);

}  // namespace latchkey::oauth

// Absolute http and https URLs, and forms.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace latchkey::net {

using FormFields = std::vector<std::pair<std::string, std::string>>;

// A value: an absolute http or https URL (RFC 3986), normalised where it changes nothing: scheme and host in lower
// case, the default port left out, an empty path made "/".
class Url {
 public:
  static constexpr std::size_t kSizeBytesMax = 8 * 1024;

  // Errors: invalid/`bad_url` with the reason. Refused: other schemes, userinfo, an empty host, a fragment, port 0,
  // characters outside RFC 3986, control characters, more than kSizeBytesMax.
  [[nodiscard]] static Result<Url> parse(std::string_view text);

  [[nodiscard]] const std::string& scheme() const { return scheme_; }
  // Lower case; IPv6 literals in brackets.
  [[nodiscard]] const std::string& host() const { return host_; }
  // Given or the scheme's own.
  [[nodiscard]] std::uint16_t port() const { return port_; }
  // Still encoded, begins with '/'.
  [[nodiscard]] const std::string& path() const { return path_; }
  // Still encoded, without '?'.
  [[nodiscard]] const std::string& query() const { return query_; }
  [[nodiscard]] bool is_https() const { return scheme_ == "https"; }
  // "https://host" or "https://host:8443" (RFC 6454).
  [[nodiscard]] std::string origin() const;
  [[nodiscard]] std::string text() const;

  // The same URL with parameters put behind those it has, encoded as forms are.
  [[nodiscard]] Url with_parameters(const FormFields& parameters) const;
  // The same origin with another path (begins with '/'), already encoded, and no query.
  [[nodiscard]] Url with_path(std::string_view encoded_path) const;

  friend bool operator==(const Url&, const Url&) = default;

 private:
  Url() = default;
  std::string scheme_;
  std::string host_;
  std::uint16_t port_ = 0;
  std::string path_;
  std::string query_;
};

// Whether `host` is `suffix` or lies beneath it, by whole labels and without case: "eu.box.com" matches "box.com",
// "evilbox.com" does not (rule A7). IP addresses match only themselves; an empty suffix matches nothing.
[[nodiscard]] bool host_matches_suffix(std::string_view host, std::string_view suffix);

// RFC 3986 section 2.1; everything but unreserved characters is encoded.
[[nodiscard]] std::string percent_encode(std::string_view text);
// nullopt for a malformed escape. '+' stays '+'.
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text);

// application/x-www-form-urlencoded.
struct FormLimits {
  std::size_t size_bytes_max = 64 * 1024;
  std::size_t fields_max = 200;
};
[[nodiscard]] std::string encode_form(const FormFields& fields);
// Errors: invalid/`malformed_form`. Order and duplicates are kept.
[[nodiscard]] Result<FormFields> decode_form(std::string_view text, FormLimits limits = {});
// The first of that name; nullptr if absent.
[[nodiscard]] const std::string* find_field(const FormFields& fields, std::string_view name);

}  // namespace latchkey::net

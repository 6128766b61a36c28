// Requests and responses as values, without a socket.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "base/task.h"
#include "net/http_headers.h"
#include "net/ip_address.h"

namespace latchkey::net {

// A value. The server has checked everything stated here before a handler sees it.
struct HttpRequest {
  // As sent, case kept: "GET", "POST", "PROPFIND".
  std::string method;
  // As sent (origin-form "/a%20b?x=1", or "*" for OPTIONS).
  std::string target;
  // Percent-decoded, begins with '/'; valid UTF-8 without control characters, without "." or ".." segments and without
  // encoded slashes or backslashes. Empty segments are kept.
  std::string path;
  // Behind the first '?', raw; empty if there is none.
  std::string query;
  HttpHeaders headers;
  // Complete, within the limit of its route.
  std::string body;
  // Host (and port, if given) the client asked for, lower case: "latchkey.example:8480".
  std::string host;

  // Who is at the other end of the TCP connection, and who is at the other end of trusted proxies (else the same).
  IpAddress peer;
  IpAddress client;
  // False: a trusted proxy's preamble names nobody (a health check, or a client it does not know), and `client` is the proxy.
  bool client_known = true;
  std::uint16_t local_port = 0;
  // On a UNIX socket: the user id of the process at the other end.
  std::optional<std::uint32_t> peer_uid{};
  // This connection is TLS. A request that came over TLS to a trusted proxy has tls == false and scheme "https".
  bool tls = false;
  // "https" or "http": what the client's own connection was, as far as it can be trusted.
  std::string_view scheme = "http";
  // When the complete request had arrived: answers that must leave at a fixed time count from here.
  SteadyTime arrived{};

  // What throttling counts by (T3).
  [[nodiscard]] SourceAddress source() const { return SourceAddress(client); }
  // The connection cannot be read on the way: TLS up to us or a trusted proxy, or loopback (T7). A loopback peer that
  // says it forwards for somebody, and is no trusted proxy, vouches for nothing.
  [[nodiscard]] bool is_confidential() const;
  // The first parameter of that name, decoded (application/x-www-form-urlencoded); nullopt if absent or malformed.
  [[nodiscard]] std::optional<std::string> query_parameter(std::string_view name) const;
  // The value of a cookie (RFC 6265 section 5.4); nullopt if absent or if several cookies bear the name.
  [[nodiscard]] std::optional<std::string> cookie(std::string_view name) const;
  // The media type without parameters, lower case: "application/json"; empty if absent.
  [[nodiscard]] std::string content_type() const;
};

// A body that is made while it is sent, piece by piece, so that only one piece is in memory. Used by one task at a time, on the
// connection's worker; ends with the answer, or before it when the peer goes away.
class HttpSource {
 public:
  virtual ~HttpSource() = default;
  // Of all pieces together; constant. Stated as Content-Length.
  [[nodiscard]] virtual std::uint64_t size_bytes() const = 0;
  // The next piece, not empty, asked for once the one before has left, until all have. After an error, an empty piece or one
  // octet too many the connection is cut: the peer sees that the body is not whole. Not asked where the answer has no body
  // (HEAD).
  [[nodiscard]] virtual Task<Result<std::string>> next() = 0;
};

// A value. The server adds Date, Content-Length and Connection; handlers must not.
struct HttpResponse {
  int status = 200;
  HttpHeaders headers;
  std::string body;
  // In place of `body` where it is given.
  std::shared_ptr<HttpSource> source{};

  [[nodiscard]] static HttpResponse json(int status, const Json& value);
  // text/plain; charset=utf-8
  [[nodiscard]] static HttpResponse text(int status, std::string text);
  [[nodiscard]] static HttpResponse html(int status, std::string text);
  // RFC 9457: {"type":"urn:latchkey:problem:CODE","title":...,"status":...,"detail":...} and the members of `more`.
  // `detail` is for the person: what happened, what to do. `title` is the status' own phrase.
  [[nodiscard]] static HttpResponse problem(int status, std::string_view code, std::string_view detail,
                                            const JsonObject& more = {});
  // `status` is 302, 303, 307 or 308; `location` is an absolute URL or path without control characters.
  [[nodiscard]] static HttpResponse redirect(int status, std::string_view location);
  // 204
  [[nodiscard]] static HttpResponse no_content();

  HttpResponse& with(std::string_view name, std::string_view value) & {
    headers.set(name, value);
    return *this;
  }
  HttpResponse&& with(std::string_view name, std::string_view value) && {
    headers.set(name, value);
    return std::move(*this);
  }
};

// "Not Found" for 404; "Status" for what RFC 9110 does not know.
[[nodiscard]] std::string_view reason_phrase(int status);

}  // namespace latchkey::net

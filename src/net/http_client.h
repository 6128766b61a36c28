// Outgoing HTTP, with the one distinction that keeps grants alive: whether anything was sent.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <variant>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"
#include "base/task.h"
#include "net/address_policy.h"
#include "net/http_headers.h"
#include "net/url.h"

namespace latchkey::net {

enum class Reuse {
  may_reuse,         // a kept connection may serve; the library may send again when it proves dead
  fresh_connection,  // one-shot (rule F4): a new connection for this request alone, sent at most once
};

// A body that is read while it is sent: for files too large for memory. `read` fills the span from the place where it stopped, and gives
// fewer octets than asked for at the end alone; it is called on the transport's thread and may block it. The server is asked whether it wants
// the body (Expect: 100-continue) before any of it is sent.
struct BodySource {
  std::uint64_t size_bytes = 0;
  std::function<std::size_t(std::span<char> into)> read;
};

// A body that is fetched part by part while it is sent, by the task that awaits the call: for documents too large for memory whose reading
// takes time. The server is asked whether it wants the body (Expect: 100-continue) before any of it is fetched.
class BodyParts {
 public:
  virtual ~BodyParts() = default;
  [[nodiscard]] virtual std::uint64_t size_bytes() const = 0;
  // `size_bytes` octets from `offset` on. From the start again when libcurl repeats a request on another connection. An error ends the
  // call: Ambiguous with that error.
  [[nodiscard]] virtual Task<Result<Secret>> read(std::uint64_t offset, std::size_t size_bytes) = 0;
};

// A value that moves. Limits are hard: no call lasts longer than total_timeout.
struct HttpCall {
  std::string method = "GET";
  // Absolute, http or https.
  std::string url;
  // Without Host and Content-Length. An Authorization value belongs here as well; it is never logged.
  HttpHeaders headers;
  std::optional<Secret> body;
  std::optional<BodySource> source{};  // instead of `body`; with Reuse::fresh_connection only, since it cannot be read twice
  BodyParts* parts = nullptr;          // instead of both; outlives the awaited call
  Reuse reuse = Reuse::may_reuse;
  UrlSource url_source = UrlSource::operator_named;
  Milliseconds connect_timeout{10'000};
  Milliseconds total_timeout{50'000};
  // The call ends when nothing at all moves for so long; zero: only total_timeout counts. Whole seconds.
  Seconds stall_timeout{0};
  // Of the reply's body so much is kept; what is longer is cut there and flagged.
  std::size_t response_bytes_max = 64 * 1024;
};

// A complete reply (whatever its status), or one cut at response_bytes_max.
struct Reply {
  int status = 0;
  HttpHeaders headers;
  Bytes body;
  bool truncated = false;
};

// It failed before the first octet of the request was written: nothing happened, trying again is safe. `error.kind` is
// unavailable (network, TLS), or misconfigured (address policy, bad URL, certificate) or invalid (bad call).
struct NothingSent {
  Error error;
};

// At least one octet of the request was written and no complete reply came: it may or may not have happened. What
// arrived is kept; status is 0 when not even the status line did.
struct Ambiguous {
  Error error;
  int status = 0;
  HttpHeaders headers;
  Bytes body;
};

using HttpOutcome = std::variant<Reply, NothingSent, Ambiguous>;

// May be called from any executor; the caller resumes on its own. Not cancellable: a request on its way is awaited to
// its end or its timeout. Never follows redirects, never reads proxy settings from the environment.
class HttpTransport {
 public:
  virtual ~HttpTransport() = default;
  [[nodiscard]] virtual Task<HttpOutcome> send(HttpCall call) = 0;
};

}  // namespace latchkey::net

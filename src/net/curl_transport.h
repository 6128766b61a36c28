// HttpTransport over libcurl: HTTP/1.1, TLS 1.2 or newer, one multi handle on one executor.
#pragma once

#include <memory>
#include <string>

#include "base/log.h"
#include "net/http_client.h"

namespace latchkey::net {

struct CurlSettings {
  AddressPolicy policy;
  // PEM bundle of certificate authorities (`outbound.ca_file`); empty: the system's.
  std::string ca_file;
  // "http://host:port" (`outbound.proxy`); empty: none. The environment never counts.
  std::string proxy;
  // At least as many as refreshes are in flight: a connection that finds no place is closed, and the next refresh pays for
  // a handshake (about a millisecond) again.
  std::size_t kept_connections_max = 256;
};

// A resource. `executor` is one thread of the event loop (main()). Destroyed on that executor, or after its loop has
// stopped; calls still on their way then end as they stand (NothingSent or Ambiguous), if their executor still runs.
class CurlTransport final : public HttpTransport {
 public:
  CurlTransport(Executor executor, CurlSettings settings);
  CurlTransport(const CurlTransport&) = delete;
  CurlTransport& operator=(const CurlTransport&) = delete;
  ~CurlTransport() override;

  [[nodiscard]] Task<HttpOutcome> send(HttpCall call) override;
  // Ends every call as it stands. From its executor only; for shutdown, after one-shot calls have been awaited.
  void cancel_all();

 private:
  class Engine;
  [[nodiscard]] Task<HttpOutcome> send_by_parts(HttpCall call);
  std::shared_ptr<Engine> engine_;
};

}  // namespace latchkey::net

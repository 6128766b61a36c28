// A connected, non-blocking socket, in clear or in TLS, behind one interface. Private to net.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include "net/tls.h"
#include "net/tls_floor.h"

namespace latchkey::net {

enum class IoStatus {
  done,         // `count` octets moved
  would_block,  // nothing moved: try again when the socket's readiness has changed
  ended,        // the peer has finished sending
  failed,       // the connection is broken
};

struct IoResult {
  IoStatus status = IoStatus::failed;
  std::size_t count = 0;
  // The kernel has nothing more to read now: the next octets will announce themselves.
  bool drained = false;
};

// A resource; owns its descriptor.
class HttpStream {
 public:
  virtual ~HttpStream() = default;
  [[nodiscard]] virtual int descriptor() const = 0;
  // Before anything else; `done` at once in clear.
  [[nodiscard]] virtual IoResult handshake() = 0;
  [[nodiscard]] virtual IoResult read(std::span<char> into) = 0;
  // Both parts in one system call where that can be. `count` may end in either.
  [[nodiscard]] virtual IoResult write(std::string_view first, std::string_view second) = 0;
  // Says that nothing more will be sent.
  virtual void finish() = 0;
  // Gives back what only octets on their way need: the connection has been idle for a while.
  virtual void rest() = 0;
};

// Take over `descriptor`.
[[nodiscard]] std::unique_ptr<HttpStream> make_plain_stream(int descriptor);
[[nodiscard]] std::unique_ptr<HttpStream> make_tls_stream(int descriptor,
                                                          const std::shared_ptr<TlsServerContext::Native>& context,
                                                          TlsFloor floor = TlsFloor::tls_1_2);

}  // namespace latchkey::net

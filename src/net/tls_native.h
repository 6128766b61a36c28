// The OpenSSL side of TlsServerContext. Private to net.
#pragma once

#include <openssl/ssl.h>

#include <memory>

#include "net/tls.h"

namespace latchkey::net {

struct SslContextFree {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
struct SslFree {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
using SslContextPtr = std::unique_ptr<SSL_CTX, SslContextFree>;
using SslPtr = std::unique_ptr<SSL, SslFree>;

struct TlsServerContext::Native {
  SslContextPtr context;
};

}  // namespace latchkey::net

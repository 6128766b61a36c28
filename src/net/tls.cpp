#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <mutex>
#include <string_view>

#include "net/tls_native.h"

namespace latchkey::net {

namespace {

std::string openssl_reason() {
  std::array<char, 256> text{};
  const auto code = ERR_get_error();
  if (code == 0) return "no further reason";
  ERR_error_string_n(code, text.data(), text.size());
  ERR_clear_error();
  return text.data();
}

std::unexpected<Error> tls_failure(const char* reason, std::string text) {
  return fail(ErrorKind::misconfigured, reason, std::move(text), {.detail = openssl_reason()});
}

// Says why a file cannot be opened, before OpenSSL says it in its own words.
std::string unreadable(const std::string& file) {
  errno = 0;
  if (std::ifstream(file).good()) return {};
  return std::strerror(errno);
}

// HTTP/1.1 is what is spoken; a client that offers only other protocols is served all the same (RFC 7301 section 3.2
// would let us refuse, but old devices send odd lists).
int select_alpn(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in, unsigned int in_size,
                void*) {
  static constexpr std::array<unsigned char, 9> kProtocols{8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  unsigned char* chosen = nullptr;
  const int found = SSL_select_next_proto(&chosen, out_size, kProtocols.data(), kProtocols.size(), in, in_size);
  *out = chosen;
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

Result<std::shared_ptr<TlsServerContext::Native>> load_native(const std::string& certificate, const std::string& key) {
  if (const auto why = unreadable(certificate); !why.empty()) {
    return tls_failure("tls_certificate_unreadable", "tls.certificate: " + certificate + " cannot be read (" + why +
                                                         "). Check the path and that the service's user may read it.");
  }
  if (const auto why = unreadable(key); !why.empty()) {
    return tls_failure("tls_key_unreadable", "tls.key: " + key + " cannot be read (" + why +
                                                 "). Check the path and that the service's user may read it.");
  }
  ERR_clear_error();
  SslContextPtr context(SSL_CTX_new(TLS_server_method()));
  LATCHKEY_CHECK(context != nullptr);
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                         SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_PRIORITIZE_CHACHA);
  // Not SSL_MODE_RELEASE_BUFFERS: taking and giving back buffers with every record costs more than encrypting it. Idle
  // connections rest instead (HttpStream::rest).
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // Tickets carry the session; a cache in memory would grow with every client and is shared by a lock.
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context.get(), 1);
  // One read takes a record's header and body together.
  SSL_CTX_set_read_ahead(context.get(), 1);
  SSL_CTX_set_alpn_select_cb(context.get(), select_alpn, nullptr);
  if (SSL_CTX_use_certificate_chain_file(context.get(), certificate.c_str()) != 1) {
    return tls_failure("tls_certificate_unreadable",
                       "tls.certificate: " + certificate +
                           " holds no usable PEM certificate. It must begin with the server's certificate, followed by "
                           "the intermediate ones.");
  }
  if (SSL_CTX_use_PrivateKey_file(context.get(), key.c_str(), SSL_FILETYPE_PEM) != 1) {
    if (ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH) {
      return tls_failure("tls_key_mismatch", "tls.key: " + key + " does not belong to the certificate in " +
                                                 certificate + ". Name the key the certificate was made with.");
    }
    return tls_failure("tls_key_unreadable",
                       "tls.key: " + key + " holds no usable PEM private key (a key with a passphrase is not usable).");
  }
  if (SSL_CTX_check_private_key(context.get()) != 1) {
    return tls_failure("tls_key_mismatch", "tls.key: " + key + " does not belong to the certificate in " + certificate +
                                               ". Name the key the certificate was made with.");
  }
  auto native = std::make_shared<TlsServerContext::Native>();
  native->context = std::move(context);
  return native;
}

}  // namespace

bool holds_certificate(const std::string& file) {
  const std::unique_ptr<BIO, decltype(&BIO_free_all)> bio(BIO_new_file(file.c_str(), "r"), &BIO_free_all);
  const std::unique_ptr<X509, decltype(&X509_free)> first(bio ? PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr) : nullptr, &X509_free);
  ERR_clear_error();
  return first != nullptr;
}

struct TlsServerContext::State {
  std::string certificate_file;
  std::string key_file;
  std::mutex mutex;
  std::shared_ptr<Native> native;
};

TlsServerContext::TlsServerContext() : state_(std::make_unique<State>()) {}
TlsServerContext::~TlsServerContext() = default;

Result<std::unique_ptr<TlsServerContext>> TlsServerContext::load(std::string certificate_file, std::string key_file) {
  std::unique_ptr<TlsServerContext> context(new TlsServerContext);
  context->state_->certificate_file = std::move(certificate_file);
  context->state_->key_file = std::move(key_file);
  if (auto loaded = context->reload(); !loaded) return std::unexpected(std::move(loaded.error()));
  return context;
}

Result<void> TlsServerContext::reload() {
  auto native = load_native(state_->certificate_file, state_->key_file);
  if (!native) return std::unexpected(std::move(native.error()));
  const std::lock_guard lock(state_->mutex);
  state_->native = std::move(*native);
  return {};
}

std::shared_ptr<TlsServerContext::Native> TlsServerContext::native() const {
  const std::lock_guard lock(state_->mutex);
  return state_->native;
}

}  // namespace latchkey::net

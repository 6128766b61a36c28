#include "net/tls_look.h"

#include <fcntl.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "net/tls_native.h"

namespace latchkey::net {

namespace {

struct Resolved {
  IpAddress address;
  sockaddr_storage socket_address{};
  socklen_t size = 0;
};

std::vector<Resolved> resolve(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  std::vector<Resolved> out;
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list) != 0) return out;
  for (const addrinfo* each = list; each != nullptr; each = each->ai_next) {
    const auto address = IpAddress::from_sockaddr(each->ai_addr);
    if (!address) continue;
    Resolved one{.address = *address};
    std::memcpy(&one.socket_address, each->ai_addr, each->ai_addrlen);
    one.size = each->ai_addrlen;
    out.push_back(one);
  }
  ::freeaddrinfo(list);
  return out;
}

// Owns a descriptor, and counts down one patience over all its waits.
class PatientSocket {
 public:
  PatientSocket(int family, std::chrono::steady_clock::time_point deadline)
      : descriptor_(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)), deadline_(deadline) {}
  PatientSocket(const PatientSocket&) = delete;
  PatientSocket& operator=(const PatientSocket&) = delete;
  ~PatientSocket() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  [[nodiscard]] int descriptor() const { return descriptor_; }
  // False at the deadline.
  [[nodiscard]] bool wait(short events) const {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - std::chrono::steady_clock::now());
    pollfd entry{.fd = descriptor_, .events = events, .revents = 0};
    return left.count() > 0 && ::poll(&entry, 1, static_cast<int>(left.count())) == 1;
  }
  // Empty: connected; else why not.
  [[nodiscard]] std::string connect(const Resolved& to) const {
    if (descriptor_ < 0) return std::strerror(errno);
    if (::connect(descriptor_, reinterpret_cast<const sockaddr*>(&to.socket_address), to.size) == 0) return {};
    if (errno != EINPROGRESS) return std::strerror(errno);
    if (!wait(POLLOUT)) return "no answer in time";
    int code = 0;
    socklen_t size = sizeof code;
    ::getsockopt(descriptor_, SOL_SOCKET, SO_ERROR, &code, &size);
    return code == 0 ? std::string() : std::strerror(code);
  }
  // A whole reply of an SMTP server (RFC 5321, 4.2.1); empty: none that is one came in time.
  [[nodiscard]] std::string smtp_reply() const {
    std::string text;
    std::array<char, 512> piece{};
    while (text.size() < kReplyBytesMax) {
      const auto got = ::recv(descriptor_, piece.data(), piece.size(), 0);
      if (got > 0) {
        text.append(piece.data(), static_cast<std::size_t>(got));
        if (is_whole_reply(text)) return text;
      } else if (got == 0 || (errno != EAGAIN && errno != EINTR) || !wait(POLLIN)) {
        return {};
      }
    }
    return {};
  }
  [[nodiscard]] bool say(std::string_view line) const {
    return ::send(descriptor_, line.data(), line.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(line.size());
  }

 private:
  static constexpr std::size_t kReplyBytesMax = 8 * 1024;
  // Its last line has a space behind the code.
  static bool is_whole_reply(std::string_view text) {
    if (!text.ends_with("\r\n")) return false;
    const auto before = text.rfind("\r\n", text.size() - 3);
    const auto last = text.substr(before == std::string_view::npos ? 0 : before + 2);
    return last.size() > 3 && last[3] == ' ';
  }

  int descriptor_;
  std::chrono::steady_clock::time_point deadline_;
};

// Empty: TLS may begin; else why not.
std::string ask_for_starttls(const PatientSocket& socket) {
  if (!socket.smtp_reply().starts_with("220")) return "no SMTP server greets";
  if (!socket.say("EHLO localhost\r\n") || !socket.smtp_reply().starts_with("250")) return "EHLO is not answered";
  if (!socket.say("STARTTLS\r\n") || !socket.smtp_reply().starts_with("220")) return "it offers no STARTTLS";
  return {};
}

Trust trust_of(long code) {
  switch (code) {
    case X509_V_OK: return Trust::trusted;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT: return Trust::self_signed;
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE: return Trust::unknown_authority;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID: return Trust::not_in_force;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH: return Trust::wrong_name;
    default: return Trust::other;
  }
}

void prepare(SSL* ssl, const TlsLookRequest& request) {
  // Verified, but not given up for it: the certificates are what is wanted.
  SSL_set_verify(ssl, SSL_VERIFY_NONE, nullptr);
  if (IpAddress::parse(request.host)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), request.host.c_str());
  } else {
    SSL_set1_host(ssl, request.host.c_str());
    SSL_set_tlsext_host_name(ssl, request.host.c_str());
  }
}

std::string shake_hands(SSL* ssl, const PatientSocket& socket) {
  for (;;) {
    ERR_clear_error();
    const int done = SSL_connect(ssl);
    if (done == 1) return {};
    const int wanted = SSL_get_error(ssl, done);
    const bool reads = wanted == SSL_ERROR_WANT_READ;
    if (reads || wanted == SSL_ERROR_WANT_WRITE) {
      if (!socket.wait(reads ? POLLIN : POLLOUT)) return "no answer in time";
      continue;
    }
    const auto* reason = ERR_reason_error_string(ERR_get_error());
    ERR_clear_error();
    return reason != nullptr ? reason : "the connection was closed";
  }
}

void read_chain(SSL* ssl, TlsLook& look) {
  const auto* chain = SSL_get_peer_cert_chain(ssl);
  for (int i = 0; i < sk_X509_num(chain); ++i) look.chain.push_back(describe_certificate(sk_X509_value(chain, i)));
  const long verdict = SSL_get_verify_result(ssl);
  look.trust = trust_of(verdict);
  if (look.trust != Trust::trusted) look.why = X509_verify_cert_error_string(verdict);
  look.protocol = SSL_get_version(ssl);
  look.stage = TlsLook::Stage::done;
}

}  // namespace

std::vector<IpAddress> resolve_host(const std::string& host) {
  std::vector<IpAddress> out;
  for (const auto& each : resolve(host, 0)) out.push_back(each.address);
  return out;
}

TlsLook look_at_tls(const TlsLookRequest& request, const AddressPolicy& policy) {
  TlsLook look;
  const auto resolved = resolve(request.host, request.port);
  if (resolved.empty()) {
    look.why = "the name does not resolve";
    return look;
  }
  for (const auto& each : resolved) look.addresses.push_back(each.address.text());
  const auto deadline = std::chrono::steady_clock::now() + request.patience;
  look.stage = TlsLook::Stage::address;
  for (const auto& each : resolved) {
    if (const auto allowed = policy.check_address(request.host, request.port, each.address); !allowed) {
      if (look.stage == TlsLook::Stage::address) look.why = allowed.error().text;
      continue;
    }
    look.stage = TlsLook::Stage::connection;
    const PatientSocket socket(each.socket_address.ss_family, deadline);
    look.why = socket.connect(each);
    if (!look.why.empty()) continue;
    look.stage = TlsLook::Stage::handshake;
    if (request.before == BeforeTls::smtp_starttls) look.why = ask_for_starttls(socket);
    if (!look.why.empty()) break;
    const SslContextPtr context(SSL_CTX_new(TLS_client_method()));
    LATCHKEY_CHECK(context != nullptr);
    SSL_CTX_set_default_verify_paths(context.get());
    for (const auto& file : request.ca_files) SSL_CTX_load_verify_file(context.get(), file.c_str());
    const SslPtr ssl(SSL_new(context.get()));
    LATCHKEY_CHECK(ssl != nullptr);
    prepare(ssl.get(), request);
    SSL_set_fd(ssl.get(), socket.descriptor());
    look.why = shake_hands(ssl.get(), socket);
    if (look.why.empty()) read_chain(ssl.get(), look);
    break;
  }
  ERR_clear_error();
  return look;
}

}  // namespace latchkey::net

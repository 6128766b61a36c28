#include "net/http_stream.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/result.h"
#include "net/tls_native.h"

namespace latchkey::net {

namespace {

bool is_would_block(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

ssize_t receive(int descriptor, void* into, std::size_t size) {
  ssize_t count = 0;
  do {
    count = ::recv(descriptor, into, size, 0);
  } while (count < 0 && errno == EINTR);
  return count;
}

ssize_t transmit(int descriptor, iovec* parts, std::size_t count_parts) {
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = count_parts;
  ssize_t count = 0;
  do {
    count = ::sendmsg(descriptor, &message, MSG_NOSIGNAL);
  } while (count < 0 && errno == EINTR);
  return count;
}

iovec part(std::string_view text) { return {const_cast<char*>(text.data()), text.size()}; }

class PlainStream final : public HttpStream {
 public:
  explicit PlainStream(int descriptor) : descriptor_(descriptor) {}
  PlainStream(const PlainStream&) = delete;
  PlainStream& operator=(const PlainStream&) = delete;
  ~PlainStream() override { ::close(descriptor_); }

  int descriptor() const override { return descriptor_; }
  IoResult handshake() override { return {IoStatus::done}; }
  IoResult read(std::span<char> into) override {
    const ssize_t count = receive(descriptor_, into.data(), into.size());
    if (count > 0) return {IoStatus::done, static_cast<std::size_t>(count), static_cast<std::size_t>(count) < into.size()};
    if (count == 0) return {IoStatus::ended};
    return {is_would_block(errno) ? IoStatus::would_block : IoStatus::failed};
  }
  IoResult write(std::string_view first, std::string_view second) override {
    std::array<iovec, 2> parts{part(first), part(second)};
    const ssize_t count = transmit(descriptor_, parts.data(), second.empty() ? 1 : 2);
    if (count >= 0) return {IoStatus::done, static_cast<std::size_t>(count)};
    return {is_would_block(errno) ? IoStatus::would_block : IoStatus::failed};
  }
  void finish() override { ::shutdown(descriptor_, SHUT_WR); }
  void rest() override {}

 private:
  int descriptor_;
};

// OpenSSL reads and writes the socket through a BIO of our own, which remembers whether the last read emptied the
// kernel's buffer: that spares one fruitless read a request.
struct SocketBio {
  int descriptor = -1;
  bool drained = false;
};

int bio_write(BIO* bio, const char* from, int size) {
  auto* socket = static_cast<SocketBio*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  iovec whole{const_cast<char*>(from), static_cast<std::size_t>(size)};
  const ssize_t count = transmit(socket->descriptor, &whole, 1);
  if (count < 0 && is_would_block(errno)) BIO_set_retry_write(bio);
  return static_cast<int>(count);
}

int bio_read(BIO* bio, char* into, int size) {
  auto* socket = static_cast<SocketBio*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const ssize_t count = receive(socket->descriptor, into, static_cast<std::size_t>(size));
  socket->drained = count < size;
  if (count < 0 && is_would_block(errno)) BIO_set_retry_read(bio);
  if (count == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  return static_cast<int>(count);
}

long bio_control(BIO* bio, int command, long, void*) {
  switch (command) {
    case BIO_CTRL_FLUSH: return 1;
    case BIO_CTRL_EOF: return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
    default: return 0;
  }
}

BIO_METHOD* make_bio_method() {
  BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK | BIO_TYPE_DESCRIPTOR, "latchkey socket");
  LATCHKEY_CHECK(method != nullptr);
  BIO_meth_set_write(method, bio_write);
  BIO_meth_set_read(method, bio_read);
  BIO_meth_set_ctrl(method, bio_control);
  return method;
}

BIO_METHOD* bio_method() {
  static BIO_METHOD* const method = make_bio_method();  // a constant table; lives as long as the process
  return method;
}

class TlsStream final : public HttpStream {
 public:
  TlsStream(int descriptor, const std::shared_ptr<TlsServerContext::Native>& context, TlsFloor floor)
      : ssl_(SSL_new(context->context.get())) {
    socket_.descriptor = descriptor;
    LATCHKEY_CHECK(ssl_ != nullptr);
    BIO* bio = BIO_new(bio_method());
    LATCHKEY_CHECK(bio != nullptr);
    BIO_set_data(bio, &socket_);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_.get(), bio, bio);
    SSL_set_accept_state(ssl_.get());
    if (floor == TlsFloor::tls_1_0) {
      // Its signatures are of MD5 and SHA-1, which OpenSSL has at security level 0 alone.
      SSL_set_min_proto_version(ssl_.get(), TLS1_VERSION);
      SSL_set_security_level(ssl_.get(), 0);
      LATCHKEY_CHECK(SSL_set_cipher_list(ssl_.get(), "DEFAULT:@SECLEVEL=0") == 1);
    }
  }
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;
  ~TlsStream() override {
    if (usable_) finish();
    ssl_.reset();
    ::close(socket_.descriptor);
  }

  int descriptor() const override { return socket_.descriptor; }

  IoResult handshake() override {
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_.get());
    if (result == 1) {
      usable_ = true;
      return {IoStatus::done};
    }
    const int why = SSL_get_error(ssl_.get(), result);
    if (why == SSL_ERROR_SSL && ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST) refuse_plain_http();
    return outcome(why);
  }

  IoResult read(std::span<char> into) override {
    ERR_clear_error();
    std::size_t count = 0;
    const int result = SSL_read_ex(ssl_.get(), into.data(), into.size(), &count);
    if (result != 1) return outcome(SSL_get_error(ssl_.get(), result));
    return {IoStatus::done, count, count < into.size() && socket_.drained && SSL_has_pending(ssl_.get()) == 0};
  }

  IoResult write(std::string_view first, std::string_view second) override {
    const IoResult head = write_one(first);
    if (head.status != IoStatus::done || head.count < first.size() || second.empty()) return head;
    const IoResult tail = write_one(second);
    if (tail.status == IoStatus::failed) return tail;
    return {IoStatus::done, head.count + tail.count};
  }

  void finish() override {
    ERR_clear_error();
    // Sends close_notify; the peer's answer is not awaited.
    if (usable_) SSL_shutdown(ssl_.get());
    usable_ = false;
    ::shutdown(socket_.descriptor, SHUT_WR);
    ERR_clear_error();
  }

  // Some 33 kB of buffers; they stay where a record is half read.
  void rest() override { SSL_free_buffers(ssl_.get()); }

 private:
  IoResult write_one(std::string_view text) {
    if (text.empty()) return {IoStatus::done};
    ERR_clear_error();
    std::size_t count = 0;
    const int result = SSL_write_ex(ssl_.get(), text.data(), text.size(), &count);
    if (result == 1) return {IoStatus::done, count};
    return outcome(SSL_get_error(ssl_.get(), result));
  }

  IoResult outcome(int why) {
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return {IoStatus::would_block};
    if (why == SSL_ERROR_ZERO_RETURN) return {IoStatus::ended};
    usable_ = false;  // after a fatal error not even close_notify may be sent
    return {IoStatus::failed};
  }

  void refuse_plain_http() {
    constexpr std::string_view kAnswer =
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"
        "Content-Length: 51\r\n\r\nThis address speaks TLS: write https:// before it.\n";
    iovec whole = part(kAnswer);
    (void)transmit(socket_.descriptor, &whole, 1);
  }

  SocketBio socket_;
  SslPtr ssl_;
  bool usable_ = false;
};

}  // namespace

std::unique_ptr<HttpStream> make_plain_stream(int descriptor) { return std::make_unique<PlainStream>(descriptor); }

std::unique_ptr<HttpStream> make_tls_stream(int descriptor, const std::shared_ptr<TlsServerContext::Native>& context,
                                            TlsFloor floor) {
  return std::make_unique<TlsStream>(descriptor, context, floor);
}

}  // namespace latchkey::net

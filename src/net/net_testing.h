// Real sockets on 127.0.0.1 for the tests of this room: blocking, with deadlines, no sleeping.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "net/event_loop.h"

namespace latchkey::net {

constexpr std::chrono::seconds kPatience{20};

// An event loop on threads of its own.
class LoopThread {
 public:
  explicit LoopThread(std::size_t threads = 2) : loop(threads), thread_([this] { loop.run(); }) {}
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;
  ~LoopThread() { stop(); }
  void stop() {
    loop.stop();
    if (thread_.joinable()) thread_.join();
  }
  // Runs a task on main() and waits for it.
  template <class T>
  T run(Task<T> task) {
    auto future = boost::asio::co_spawn(loop.main(), std::move(task), boost::asio::use_future);
    if (future.wait_for(kPatience) != std::future_status::ready) {
      ADD_FAILURE() << "the task did not end";
      std::abort();
    }
    return future.get();
  }

  EventLoop loop;

 private:
  std::thread thread_;
};

inline sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// One end of a connection. Everything gives up after kPatience.
class RawSocket {
 public:
  RawSocket() = default;
  explicit RawSocket(int descriptor) : descriptor_(descriptor) {}
  RawSocket(RawSocket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  RawSocket& operator=(RawSocket&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~RawSocket() { close(); }

  // `from`: an address of 127.0.0.0/8.
  static RawSocket connect(std::uint16_t port, const char* from = "127.0.0.1") {
    RawSocket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in source = loopback(0);
    EXPECT_EQ(::inet_pton(AF_INET, from, &source.sin_addr), 1);
    EXPECT_EQ(::bind(socket.descriptor_, reinterpret_cast<const sockaddr*>(&source), sizeof source), 0);
    const sockaddr_in address = loopback(port);
    EXPECT_EQ(::connect(socket.descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return socket;
  }

  [[nodiscard]] int descriptor() const { return descriptor_; }
  [[nodiscard]] bool wait_readable(std::chrono::milliseconds span = kPatience) const {
    pollfd entry{.fd = descriptor_, .events = POLLIN, .revents = 0};
    return ::poll(&entry, 1, static_cast<int>(span.count())) == 1;
  }
  // False when the peer refuses more.
  bool send(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t count = ::send(descriptor_, text.data(), text.size(), MSG_NOSIGNAL);
      if (count <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
  }
  // As much as is taken at once; how many octets that was.
  [[nodiscard]] std::size_t send_some(std::string_view text) const {
    const ssize_t count = ::send(descriptor_, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return count > 0 ? static_cast<std::size_t>(count) : 0;
  }
  // What comes next; empty at the end or after kPatience.
  [[nodiscard]] std::string receive_some() const {
    std::string text(16 * 1024, '\0');
    if (!wait_readable()) return {};
    const ssize_t count = ::recv(descriptor_, text.data(), text.size(), 0);
    text.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    return text;
  }
  [[nodiscard]] std::string receive_to_end() const {
    std::string all;
    for (std::string more = receive_some(); !more.empty(); more = receive_some()) all += more;
    return all;
  }
  // Until `text` has `mark` in it (or the end).
  [[nodiscard]] std::string receive_until(std::string_view mark) const {
    std::string all;
    while (!all.contains(mark)) {
      const std::string more = receive_some();
      if (more.empty()) break;
      all += more;
    }
    return all;
  }
  void finish_sending() const { ::shutdown(descriptor_, SHUT_WR); }
  // With RST instead of FIN.
  void reset() {
    const linger abort{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
    close();
  }
  void close() {
    if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  }

 private:
  int descriptor_ = -1;
};

// Accepts on a free port and runs `script` for each connection, in order, on a thread of its own.
class RawServer {
 public:
  using Script = std::function<void(RawSocket& socket, int connection)>;
  explicit RawServer(Script script) : script_(std::move(script)) {
    listener_ = RawSocket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener_.descriptor(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener_.descriptor(), 16), 0);
    ::getsockname(listener_.descriptor(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  RawServer(const RawServer&) = delete;
  RawServer& operator=(const RawServer&) = delete;
  ~RawServer() {
    ::shutdown(listener_.descriptor(), SHUT_RDWR);  // wakes accept()
    thread_.join();
  }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string url(std::string_view path = "/") const {
    return "http://127.0.0.1:" + std::to_string(port_) + std::string(path);
  }
  [[nodiscard]] int connections() const { return connections_; }

 private:
  void serve() {
    while (true) {
      RawSocket socket(::accept4(listener_.descriptor(), nullptr, nullptr, SOCK_CLOEXEC));
      if (socket.descriptor() < 0) return;
      script_(socket, connections_++);
    }
  }
  Script script_;
  RawSocket listener_;
  std::uint16_t port_ = 0;
  std::atomic<int> connections_ = 0;
  std::thread thread_;
};

// A folder that goes with the test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "latchkey-net-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  [[nodiscard]] std::string file(std::string_view name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

// Writes a self-signed certificate for localhost and 127.0.0.1 with a new P-256 key.
void write_self_signed(const std::string& certificate_file, const std::string& key_file);

}  // namespace latchkey::net

// What carries a streaming route's body from its connection to its handler. Private to net.
//
// Invariant: at most kBodyWaitingBytesMax and one read more wait here; everything runs on the connection's worker.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "net/http_server.h"

namespace latchkey::net {

inline constexpr std::size_t kBodyWaitingBytesMax = 128 * 1024;

class HttpBodyPipe final : public HttpBody, public std::enable_shared_from_this<HttpBodyPipe> {
 public:
  // `wanted` is called whenever there is room and somebody waits for more; it may deliver at once.
  HttpBodyPipe(std::optional<std::uint64_t> stated_size, std::function<void()> wanted)
      : stated_size_(stated_size), wanted_(std::move(wanted)) {}

  [[nodiscard]] std::optional<std::uint64_t> stated_size() const override { return stated_size_; }
  [[nodiscard]] Task<Result<Bytes>> pull() override;

  // For the connection.
  [[nodiscard]] bool wants_more() const { return pulled_ && !ended_ && !problem_ && waiting_.size() < kBodyWaitingBytesMax; }
  void deliver(std::string octets);
  void end();
  // Nothing follows; what waits is not handed over any more.
  void fail_with(Error problem);

 private:
  void wake();
  static void want_more(const std::weak_ptr<HttpBodyPipe>& pipe);

  std::optional<std::uint64_t> stated_size_;
  std::function<void()> wanted_;
  std::move_only_function<void(bool)> resume_;
  std::string waiting_;
  std::optional<Error> problem_;
  bool pulled_ = false;
  bool ended_ = false;
};

}  // namespace latchkey::net

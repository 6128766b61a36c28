// How much of bodies that have not been looked at yet may lie in memory: anybody who reaches the listener can send one, and can
// take minutes over it. What a request may hold in any case is free; what it holds beyond that is counted, over all and for
// each source, so that one source alone does not use up what there is for everybody. Streamed bodies are not gathered, and
// not counted.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "net/http_types.h"
#include "net/ip_address.h"

namespace latchkey::net {

inline constexpr std::size_t kFreeBodyBytes = 8 * 1024;

// Whether the request says of its body that it is within that.
[[nodiscard]] bool states_small_body(const HttpRequest& request);

struct BodyLimits {
  std::size_t free_bytes = kFreeBodyBytes;          // of each request
  std::size_t bytes_max = 16 * 1024 * 1024;         // beyond that, of all requests
  std::size_t source_bytes_max = 4 * 1024 * 1024;   // and of one source's
};

// A resource; outlives the servers that use it. Thread-safe.
class BodyBudget {
 public:
  explicit BodyBudget(BodyLimits limits = {}) : limits_(limits) {}
  BodyBudget(const BodyBudget&) = delete;
  BodyBudget& operator=(const BodyBudget&) = delete;

  // What one request holds, from the first octet of its body until it has been answered. A resource; the budget outlives it.
  class Share {
   public:
    explicit Share(BodyBudget& budget) : budget_(budget) {}
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;
    ~Share() { give_back(); }
    // False: that much does not fit, and the share is what it was. `client` is the same until give_back().
    [[nodiscard]] bool grow_to(std::size_t body_bytes, const IpAddress& client);
    void give_back();

   private:
    BodyBudget& budget_;
    SourceAddress source_;
    std::size_t counted_ = 0;
  };

  [[nodiscard]] const BodyLimits& limits() const { return limits_; }
  [[nodiscard]] std::size_t held_bytes() const { return held_; }
  [[nodiscard]] std::int64_t refused() const { return refused_; }

 private:
  [[nodiscard]] bool take(const SourceAddress& source, std::size_t more);
  void put_back(const SourceAddress& source, std::size_t octets);

  const BodyLimits limits_;
  std::atomic<std::size_t> held_ = 0;
  std::atomic<std::int64_t> refused_ = 0;
  std::mutex mutex_;
  std::unordered_map<SourceAddress, std::size_t, SourceAddressHash> by_source_;
};

}  // namespace latchkey::net

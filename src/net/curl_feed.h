// What carries the parts of a body from the task that has them to libcurl, which asks for them. Private to net.
//
// Invariant: one part is being sent and at most one more waits here or is on its way, so that reading and sending go on side
// by side. Everything runs on the transport's executor but event(), which may be awaited anywhere, by one task.
#pragma once

#include <curl/curl.h>

#include <functional>
#include <memory>
#include <span>
#include <variant>

#include "net/http_client.h"

namespace latchkey::net {

class CurlFeed : public std::enable_shared_from_this<CurlFeed> {
 public:
  // The next part that libcurl wants.
  struct Wanted {
    std::uint64_t offset = 0;
    std::size_t size_bytes = 0;
  };
  using Event = std::variant<Wanted, HttpOutcome>;

  CurlFeed(Executor executor, std::uint64_t size_bytes) : executor_(std::move(executor)), size_bytes_(size_bytes) {}

  // The next thing the task has to do: bring a part, or go on with what came of the call.
  [[nodiscard]] Task<Event> event();

  [[nodiscard]] std::uint64_t size_bytes() const { return size_bytes_; }
  // libcurl's own questions, in its terms (CURLOPT_READFUNCTION, CURLOPT_SEEKFUNCTION).
  [[nodiscard]] std::size_t read(std::span<char> into);
  void seek(std::uint64_t offset);
  // What event() asked for, or why there is none: the call then ends as ambiguous with that error. One that was asked for
  // before libcurl began anew is dropped.
  void supply(std::uint64_t offset, Result<Secret> part);
  void finish(HttpOutcome outcome);
  [[nodiscard]] const std::optional<Error>& problem() const { return problem_; }

 private:
  void announce(Event event);
  void ask_ahead();
  // Of what is not here yet.
  [[nodiscard]] std::uint64_t end() const { return offset_ + (part_.size() - taken_) + next_.size(); }

  Executor executor_;
  std::uint64_t size_bytes_;
  std::uint64_t offset_ = 0;  // of what libcurl takes next
  Secret part_;
  std::size_t taken_ = 0;  // of part_
  Secret next_;            // behind part_
  bool asked_ = false;
  std::optional<Error> problem_;
  std::optional<Event> waiting_;
  std::move_only_function<void(Event)> resume_;
};

}  // namespace latchkey::net

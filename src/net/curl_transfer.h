// One call in libcurl's terms: its options, what arrives, and what became of it. Private to net.
#pragma once

#include <curl/curl.h>

#include <array>
#include <functional>
#include <memory>

#include "net/curl_feed.h"
#include "net/curl_transport.h"

namespace latchkey::net {

struct CurlEasyFree {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct CurlListFree {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using CurlEasyPtr = std::unique_ptr<CURL, CurlEasyFree>;

// A resource; libcurl holds its address while the call is on its way.
class CurlTransfer {
 public:
  using Done = std::move_only_function<void(HttpOutcome)>;

  // `feed`: with a call whose body comes by parts, and only then.
  CurlTransfer(CurlEasyPtr easy, HttpCall call, Url url, const CurlSettings& settings, std::shared_ptr<CurlFeed> feed, Done done);
  CurlTransfer(const CurlTransfer&) = delete;
  CurlTransfer& operator=(const CurlTransfer&) = delete;
  ~CurlTransfer();

  [[nodiscard]] CURL* easy() const { return easy_.get(); }
  // How long the whole call may take; whoever began it ends it then.
  [[nodiscard]] Milliseconds patience() const { return call_.total_timeout; }
  [[nodiscard]] bool request_began() const { return sent_before_.has_value(); }
  [[nodiscard]] std::uint64_t received_bytes() const { return received_; }  // headers and body
  // What the call came to; `result` is libcurl's. Before the handle leaves its multi.
  [[nodiscard]] HttpOutcome outcome(CURLcode result);
  void resume(HttpOutcome outcome) { done_(std::move(outcome)); }
  // The handle, for another call.
  [[nodiscard]] CurlEasyPtr release_easy();

 private:
  void set_options();
  void set_request();
  [[nodiscard]] Error describe_unsent(CURLcode result) const;
  [[nodiscard]] Error describe_ambiguous(CURLcode result) const;

  static curl_socket_t open_socket(void* self, curlsocktype purpose, curl_sockaddr* address);
  static int before_request(void* self, char* peer, char* local, int peer_port, int local_port);
  static std::size_t on_header(char* line, std::size_t size, std::size_t count, void* self);
  static std::size_t on_read(char* into, std::size_t size, std::size_t count, void* self);
  static std::size_t on_feed(char* into, std::size_t size, std::size_t count, void* self);
  static int on_seek(void* self, curl_off_t offset, int origin);
  static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self);

  CurlEasyPtr easy_;
  HttpCall call_;
  Url url_;
  const CurlSettings& settings_;
  std::shared_ptr<CurlFeed> feed_;
  Done done_;
  std::unique_ptr<curl_slist, CurlListFree> list_;
  std::array<char, CURL_ERROR_SIZE> reason_{};
  std::optional<Error> address_refused_;
  // What had been sent when the first request was about to begin (the CONNECT to a proxy); nullopt: none was.
  std::optional<long> sent_before_;
  HttpHeaders headers_;
  Bytes body_;
  bool truncated_ = false;
  std::uint64_t received_ = 0;
};

}  // namespace latchkey::net

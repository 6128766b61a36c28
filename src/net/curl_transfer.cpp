#include "net/curl_transfer.h"

#include <sys/socket.h>

namespace latchkey::net {

namespace {

template <class Value>
void set(CURL* easy, CURLoption option, Value value) {
  LATCHKEY_CHECK(curl_easy_setopt(easy, option, value) == CURLE_OK);
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.back() == '\r' || text.back() == '\n' || text.back() == ' ' || text.back() == '\t')) {
    text.remove_suffix(1);
  }
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  return text;
}

std::unexpected<Error> as_unexpected(ErrorKind kind, std::string reason, std::string text, std::string detail) {
  return fail(kind, std::move(reason), std::move(text), {.detail = std::move(detail)});
}

}  // namespace

CurlTransfer::CurlTransfer(CurlEasyPtr easy, HttpCall call, Url url, const CurlSettings& settings,
                           std::shared_ptr<CurlFeed> feed, Done done)
    : easy_(std::move(easy)),
      call_(std::move(call)),
      url_(std::move(url)),
      settings_(settings),
      feed_(std::move(feed)),
      done_(std::move(done)) {
  set_options();
  set_request();
}

CurlTransfer::~CurlTransfer() = default;

CurlEasyPtr CurlTransfer::release_easy() {
  curl_easy_reset(easy_.get());
  return std::move(easy_);
}

void CurlTransfer::set_options() {
  CURL* easy = easy_.get();
  set(easy, CURLOPT_PRIVATE, static_cast<void*>(this));
  set(easy, CURLOPT_ERRORBUFFER, reason_.data());
  set(easy, CURLOPT_NOSIGNAL, 1L);
  // A resolver that hangs must not hold the event loop at a timeout.
  set(easy, CURLOPT_QUICK_EXIT, 1L);
  set(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(call_.connect_timeout.count()));
  if (call_.stall_timeout.count() > 0) {
    set(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    set(easy, CURLOPT_LOW_SPEED_TIME, static_cast<long>(call_.stall_timeout.count()));
  }
  // HTTP/2 reports error 92 for complete answers of servers that reply before they have read the body (rule F4).
  set(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(easy, CURLOPT_HTTP09_ALLOWED, 0L);
  set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  set(easy, CURLOPT_FOLLOWLOCATION, 0L);
  set(easy, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  set(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
  set(easy, CURLOPT_PATH_AS_IS, 1L);
  // Set, if only to nothing: otherwise the environment decides.
  set(easy, CURLOPT_PROXY, settings_.proxy.c_str());
  set(easy, CURLOPT_NOPROXY, "");
  set(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  // Without a directory of authorities libcurl keeps the parsed bundle for the next connection.
  set(easy, CURLOPT_CAPATH, static_cast<char*>(nullptr));
  if (!settings_.ca_file.empty()) set(easy, CURLOPT_CAINFO, settings_.ca_file.c_str());
  if (call_.reuse == Reuse::fresh_connection) {
    set(easy, CURLOPT_FRESH_CONNECT, 1L);
    set(easy, CURLOPT_FORBID_REUSE, 1L);
  }
  set(easy, CURLOPT_OPENSOCKETFUNCTION, &CurlTransfer::open_socket);
  set(easy, CURLOPT_OPENSOCKETDATA, static_cast<void*>(this));
  set(easy, CURLOPT_PREREQFUNCTION, &CurlTransfer::before_request);
  set(easy, CURLOPT_PREREQDATA, static_cast<void*>(this));
  // The proxy's own answer to CONNECT is no part of the reply.
  set(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(easy, CURLOPT_HEADERFUNCTION, &CurlTransfer::on_header);
  set(easy, CURLOPT_HEADERDATA, static_cast<void*>(this));
  set(easy, CURLOPT_WRITEFUNCTION, &CurlTransfer::on_body);
  set(easy, CURLOPT_WRITEDATA, static_cast<void*>(this));
}

void CurlTransfer::set_request() {
  CURL* easy = easy_.get();
  set(easy, CURLOPT_URL, url_.text().c_str());
  const auto append = [this](const std::string& line) {
    curl_slist* longer = curl_slist_append(list_.get(), line.c_str());
    LATCHKEY_CHECK(longer != nullptr);
    (void)list_.release();
    list_.reset(longer);
  };
  for (const auto& header : call_.headers) {
    // "Name;" is how libcurl wants a field without a value; "Name:" would remove it.
    append(std::string(header.name) + (header.value.empty() ? ";" : ": " + std::string(header.value)));
  }
  const bool asks = call_.source || (feed_ && feed_->size_bytes() > 0);
  append(asks ? "Expect: 100-continue" : "Expect:");
  if (!call_.headers.contains("User-Agent")) append("User-Agent: Latchkey");
  const bool has_body = call_.body.has_value() || call_.source || feed_ || call_.method == "POST";
  if (feed_) {
    if (!call_.headers.contains("Content-Type")) append("Content-Type:");
    set(easy, CURLOPT_POST, 1L);
    set(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(feed_->size_bytes()));
    set(easy, CURLOPT_READFUNCTION, &CurlTransfer::on_feed);
    set(easy, CURLOPT_READDATA, static_cast<void*>(this));
    set(easy, CURLOPT_SEEKFUNCTION, &CurlTransfer::on_seek);
    set(easy, CURLOPT_SEEKDATA, static_cast<void*>(this));
  } else if (call_.source) {
    LATCHKEY_CHECK(call_.reuse == Reuse::fresh_connection);
    if (!call_.headers.contains("Content-Type")) append("Content-Type:");
    set(easy, CURLOPT_POST, 1L);
    set(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(call_.source->size_bytes));
    set(easy, CURLOPT_READFUNCTION, &CurlTransfer::on_read);
    set(easy, CURLOPT_READDATA, static_cast<void*>(this));
  } else if (has_body) {
    if (!call_.headers.contains("Content-Type")) append("Content-Type:");
    const ByteView body = call_.body ? call_.body->reveal() : ByteView();
    set(easy, CURLOPT_POST, 1L);
    // Not copied: the Secret stays where it is, and is wiped with the transfer.
    set(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    set(easy, CURLOPT_POSTFIELDS, body.empty() ? "" : reinterpret_cast<const char*>(body.data()));
  }
  if (call_.method == "HEAD") {
    set(easy, CURLOPT_NOBODY, 1L);
  } else if (call_.method != (has_body ? "POST" : "GET")) {
    set(easy, CURLOPT_CUSTOMREQUEST, call_.method.c_str());
  }
  set(easy, CURLOPT_HTTPHEADER, list_.get());
}

// The policy judges the address really connected to, whatever the name resolved to (rule A7). With a proxy that is
// the proxy's, which the operator named.
curl_socket_t CurlTransfer::open_socket(void* self, curlsocktype, curl_sockaddr* address) {
  auto* transfer = static_cast<CurlTransfer*>(self);
  if (transfer->settings_.proxy.empty()) {
    const auto ip = IpAddress::from_sockaddr(&address->addr);
    auto allowed = ip ? transfer->settings_.policy.check_address(transfer->url_.host(), transfer->url_.port(), *ip)
                      : as_unexpected(ErrorKind::misconfigured, "address_not_allowed",
                                      transfer->url_.host() + " is at no IP address.", "");
    if (!allowed) {
      transfer->address_refused_ = std::move(allowed.error());
      return CURL_SOCKET_BAD;
    }
  }
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

// The line stands, tunnel and TLS included, and the request is next. Called again when libcurl repeats a request on another
// connection: the first time counts, so that what a try before has sent is never taken for nothing.
int CurlTransfer::before_request(void* self, char*, char*, int, int) {
  auto* transfer = static_cast<CurlTransfer*>(self);
  if (transfer->sent_before_) return CURL_PREREQFUNC_OK;
  long sent = 0;
  curl_easy_getinfo(transfer->easy_.get(), CURLINFO_REQUEST_SIZE, &sent);
  transfer->sent_before_ = sent;
  return CURL_PREREQFUNC_OK;
}

std::size_t CurlTransfer::on_header(char* line, std::size_t size, std::size_t count, void* self) {
  auto* transfer = static_cast<CurlTransfer*>(self);
  const std::string_view text(line, size * count);
  transfer->received_ += text.size();
  if (text.starts_with("HTTP/")) {
    transfer->headers_.clear();  // an interim answer (1xx) came before
    return text.size();
  }
  const auto colon = text.find(':');
  // What does not fit or is no field is left out: a strange field beside a good token must not lose the token.
  if (colon != std::string_view::npos) {
    (void)transfer->headers_.add(trimmed(text.substr(0, colon)), trimmed(text.substr(colon + 1)));
  }
  return text.size();
}

std::size_t CurlTransfer::on_read(char* into, std::size_t size, std::size_t count, void* self) {
  return static_cast<CurlTransfer*>(self)->call_.source->read({into, size * count});
}

std::size_t CurlTransfer::on_feed(char* into, std::size_t size, std::size_t count, void* self) {
  return static_cast<CurlTransfer*>(self)->feed_->read({into, size * count});
}

int CurlTransfer::on_seek(void* self, curl_off_t offset, int origin) {
  if (origin != SEEK_SET || offset < 0) return CURL_SEEKFUNC_CANTSEEK;
  static_cast<CurlTransfer*>(self)->feed_->seek(static_cast<std::uint64_t>(offset));
  return CURL_SEEKFUNC_OK;
}

std::size_t CurlTransfer::on_body(char* data, std::size_t size, std::size_t count, void* self) {
  auto* transfer = static_cast<CurlTransfer*>(self);
  const std::size_t received = size * count;
  transfer->received_ += received;
  const std::size_t room = transfer->call_.response_bytes_max - transfer->body_.size();
  transfer->body_.insert(transfer->body_.end(), data, data + std::min(room, received));
  if (received <= room) return received;
  transfer->truncated_ = true;
  return 0;  // ends the transfer
}

// libcurl counts into CURLINFO_REQUEST_SIZE what the socket (or the TLS layer, record by record, at most 16 KiB each)
// has accepted: no more than before the request means that no complete record and no octet of it in clear has left. The
// CONNECT to a proxy is counted too, but whatever goes wrong before the tunnel and its TLS stand was no request (rule F1).
HttpOutcome CurlTransfer::outcome(CURLcode result) {
  long status = 0, request_size = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(easy_.get(), CURLINFO_REQUEST_SIZE, &request_size);
  const bool complete = result == CURLE_OK || (result == CURLE_WRITE_ERROR && truncated_);
  if (complete && status >= 200) {
    return Reply{static_cast<int>(status), std::move(headers_), std::move(body_), truncated_};
  }
  if (feed_ && feed_->problem()) return Ambiguous{*feed_->problem(), 0, {}, {}};
  if (!sent_before_ || request_size <= *sent_before_) return NothingSent{describe_unsent(result)};
  return Ambiguous{describe_ambiguous(result), status >= 200 ? static_cast<int>(status) : 0, std::move(headers_),
                   std::move(body_)};
}

Error CurlTransfer::describe_unsent(CURLcode result) const {
  if (address_refused_) return *address_refused_;
  const std::string detail = reason_[0] != '\0' ? std::string(reason_.data()) : curl_easy_strerror(result);
  const std::string& host = url_.host();
  if (result == CURLE_PEER_FAILED_VERIFICATION) {
    return as_unexpected(ErrorKind::misconfigured, "tls_untrusted",
                         "The certificate of " + host +
                             " is not trusted. If it comes from an authority of your own, name that in outbound.ca_file.",
                         detail)
        .error();
  }
  if (result == CURLE_SSL_CACERT_BADFILE) {
    return as_unexpected(ErrorKind::misconfigured, "ca_file_unreadable",
                         "The certificate authorities cannot be read. Check outbound.ca_file, or install the package "
                         "ca-certificates.",
                         detail)
        .error();
  }
  long proxy_status = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_HTTP_CONNECTCODE, &proxy_status);
  if (proxy_status >= 300) {
    return as_unexpected(ErrorKind::unavailable, "proxy_refused",
                         "The proxy does not let through to " + host + " (it answers " + std::to_string(proxy_status) +
                             "). Check outbound.proxy, and what the proxy allows.",
                         detail)
        .error();
  }
  std::string reason = "connect_failed", text = host + " cannot be reached.";
  if (result == CURLE_COULDNT_RESOLVE_PROXY) {
    reason = "name_not_resolved";
    text = "The name of the proxy on the way to " + host + " cannot be resolved. Check outbound.proxy, and this machine's DNS.";
  } else if (result == CURLE_COULDNT_CONNECT && !settings_.proxy.empty()) {
    text = "The proxy on the way to " + host + " cannot be reached. Check outbound.proxy, and whether the proxy runs.";
  } else if (result == CURLE_COULDNT_RESOLVE_HOST) {
    reason = "name_not_resolved";
    text = "The name " + host + " cannot be resolved. Check the address, and this machine's DNS.";
  } else if (result == CURLE_OPERATION_TIMEDOUT) {
    reason = "connect_timeout";
    text = host + " does not answer.";
  } else if (result == CURLE_SSL_CONNECT_ERROR) {
    reason = "tls_failed";
    text = "No TLS connection to " + host + " came about.";
  }
  return as_unexpected(ErrorKind::unavailable, reason, text, detail).error();
}

Error CurlTransfer::describe_ambiguous(CURLcode result) const {
  const std::string detail = reason_[0] != '\0' ? std::string(reason_.data()) : curl_easy_strerror(result);
  const bool timed_out = result == CURLE_OPERATION_TIMEDOUT;
  return as_unexpected(ErrorKind::ambiguous, timed_out ? "reply_timeout" : "reply_lost",
                       timed_out ? url_.host() + " took the request but did not answer in time."
                                 : "The connection to " + url_.host() + " broke before the answer was complete.",
                       detail)
      .error();
}

}  // namespace latchkey::net

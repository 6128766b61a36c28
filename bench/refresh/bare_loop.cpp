// The peer of the refresh bench: libcurl in an epoll loop which POSTs refresh requests and stores nothing of the replies.
//
// bare_loop TOKEN_URL CA_FILE SECONDS IN_FLIGHT keep|fresh: prints one line, "posts_per_second microseconds_of_cpu_a_post".
// `keep` re-uses TLS connections as the server does for types whose replay is harmless, `fresh` makes one a POST, as for types
// whose refresh token may be spent once.
#include <curl/curl.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Loop {
  CURLM* multi = curl_multi_init();
  int set = epoll_create1(EPOLL_CLOEXEC);
  long timeout_ms = -1;
};

// As long as a refresh token of nginx's `rt-` answers (bench/refresh/run.sh), and the rest of a request of the bench's type.
const std::string kForm = "grant_type=refresh_token&refresh_token=rt-" + std::string(32 + 865, 'r') + "&client_id=client&client_secret=" + std::string(40, 's');

std::size_t swallow(char*, std::size_t size, std::size_t count, void* total) {
  *static_cast<std::size_t*>(total) += size * count;
  return size * count;
}

int on_socket(CURL*, curl_socket_t socket, int what, void* user, void* known) {
  auto& loop = *static_cast<Loop*>(user);
  if (what == CURL_POLL_REMOVE) {
    epoll_ctl(loop.set, EPOLL_CTL_DEL, socket, nullptr);
    return 0;
  }
  epoll_event event{};
  event.events = ((what & CURL_POLL_IN) != 0 ? EPOLLIN : 0u) | ((what & CURL_POLL_OUT) != 0 ? EPOLLOUT : 0u);
  event.data.fd = socket;
  epoll_ctl(loop.set, known == nullptr ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, socket, &event);
  curl_multi_assign(loop.multi, socket, &loop);
  return 0;
}

int on_timer(CURLM*, long timeout_ms, void* user) {
  static_cast<Loop*>(user)->timeout_ms = timeout_ms;
  return 0;
}

double cpu_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](timeval time) { return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6; };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 6) {
    fmt::print(stderr, "usage: bare_loop TOKEN_URL CA_FILE SECONDS IN_FLIGHT keep|fresh\n");
    return 2;
  }
  const double seconds = std::atof(arguments[3]);
  const auto in_flight = static_cast<std::size_t>(std::atoi(arguments[4]));
  const bool fresh = std::string(arguments[5]) == "fresh";
  curl_global_init(CURL_GLOBAL_DEFAULT);
  Loop loop;
  curl_multi_setopt(loop.multi, CURLMOPT_SOCKETFUNCTION, on_socket);
  curl_multi_setopt(loop.multi, CURLMOPT_SOCKETDATA, &loop);
  curl_multi_setopt(loop.multi, CURLMOPT_TIMERFUNCTION, on_timer);
  curl_multi_setopt(loop.multi, CURLMOPT_TIMERDATA, &loop);
  curl_multi_setopt(loop.multi, CURLMOPT_MAXCONNECTS, static_cast<long>(in_flight));
  std::size_t octets = 0;
  std::vector<CURL*> handles;
  for (std::size_t at = 0; at < in_flight; ++at) {
    CURL* easy = curl_easy_init();
    curl_easy_setopt(easy, CURLOPT_URL, arguments[1]);
    curl_easy_setopt(easy, CURLOPT_CAINFO, arguments[2]);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, kForm.c_str());
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, static_cast<long>(kForm.size()));
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, swallow);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &octets);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    if (fresh) {
      curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
      curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    }
    handles.push_back(easy);
    curl_multi_add_handle(loop.multi, easy);
  }

  std::size_t done = 0;
  std::size_t failed = 0;
  std::size_t counted_from = 0;
  double cpu_from = 0;
  int running = 0;
  const auto begun = Clock::now();
  auto from = begun;
  curl_multi_socket_action(loop.multi, CURL_SOCKET_TIMEOUT, 0, &running);
  std::array<epoll_event, 256> events{};
  for (;;) {
    const auto now = Clock::now();
    if (counted_from == 0 && now - begun > std::chrono::milliseconds(500)) {  // the connections stand
      counted_from = done;
      cpu_from = cpu_seconds();
      from = now;
    }
    if (now - begun > std::chrono::duration<double>(seconds + 0.5)) break;
    const auto wait = static_cast<int>(loop.timeout_ms < 0 ? 100 : std::min(loop.timeout_ms, 100L));
    const int ready = epoll_wait(loop.set, events.data(), static_cast<int>(events.size()), wait);
    if (ready == 0) curl_multi_socket_action(loop.multi, CURL_SOCKET_TIMEOUT, 0, &running);
    for (int at = 0; at < ready; ++at) {
      const auto& event = events[static_cast<std::size_t>(at)];
      const int what = ((event.events & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0) | ((event.events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
                       ((event.events & (EPOLLERR | EPOLLHUP)) != 0 ? CURL_CSELECT_ERR : 0);
      curl_multi_socket_action(loop.multi, event.data.fd, what, &running);
    }
    int left = 0;
    while (CURLMsg* message = curl_multi_info_read(loop.multi, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      long status = 0;
      curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &status);
      (message->data.result == CURLE_OK && status == 200 ? done : failed) += 1;
      curl_multi_remove_handle(loop.multi, message->easy_handle);
      curl_multi_add_handle(loop.multi, message->easy_handle);
    }
  }
  const double span = std::chrono::duration<double>(Clock::now() - from).count();
  const auto counted = static_cast<double>(done - counted_from);
  if (failed != 0 || counted == 0) {
    fmt::print(stderr, "bare_loop: {} POSTs failed, {} were answered\n", failed, done);
    return 1;
  }
  fmt::print("{:.0f} {:.1f}\n", counted / span, (cpu_seconds() - cpu_from) * 1e6 / counted);
}

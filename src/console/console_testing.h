// What the tests of this room share: a real HTTP server on a free port, a client that reads answers whole, and stand-ins
// with behaviour for the engine's desks.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/entropy.h"
#include "base/json.h"
#include "base/log.h"
#include "console/principal.h"
#include "net/http_server.h"
#include "net/net_testing.h"

namespace latchkey::console {

struct HttpAnswer {
  int status = 0;
  std::multimap<std::string, std::string> headers;  // names in lower case
  std::string body;

  [[nodiscard]] std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? std::string() : found->second;
  }
  [[nodiscard]] JsonObject json() const {
    auto parsed = parse_json(body);
    if (!parsed || !parsed->is_object()) {
      ADD_FAILURE() << "no JSON object: " << body;
      return {};
    }
    return parsed->get_object();
  }
  // "csrf_failed" of urn:latchkey:problem:csrf_failed
  [[nodiscard]] std::string code() const {
    EXPECT_EQ(header("content-type"), "application/problem+json") << body;
    const auto type = base::string_or(json(), "type");
    return type.substr(type.rfind(':') + 1);
  }
  // The field names of `errors`.
  [[nodiscard]] std::vector<std::string> fields() const {
    std::vector<std::string> names;
    const auto object = json();
    if (const auto* errors = base::find_array(object, "errors")) {
      for (const auto& error : *errors) names.push_back(base::string_or(error.as_object(), "field"));
    }
    return names;
  }
};

struct HttpSend {
  std::string method = "GET";
  std::string target = "/";
  std::vector<std::pair<std::string, std::string>> headers{};
  std::string body{};
};

inline HttpAnswer exchange(std::uint16_t port, const HttpSend& send) {
  const auto socket = net::RawSocket::connect(port);
  std::string request = send.method + " " + send.target + " HTTP/1.1\r\nConnection: close\r\n";
  bool has_host = false;
  for (const auto& [name, value] : send.headers) {
    request += name + ": " + value + "\r\n";
    has_host = has_host || name == "Host";
  }
  if (!has_host) request += "Host: localhost:" + std::to_string(port) + "\r\n";
  if (!send.body.empty() || send.method != "GET") request += "Content-Length: " + std::to_string(send.body.size()) + "\r\n";
  request += "\r\n" + send.body;
  EXPECT_TRUE(socket.send(request));
  const auto text = socket.receive_to_end();
  HttpAnswer answer;
  const auto end = text.find("\r\n\r\n");
  if (end == std::string::npos) {
    ADD_FAILURE() << "no answer to " << send.method << " " << send.target;
    return answer;
  }
  answer.status = std::stoi(text.substr(9, 3));
  answer.body = text.substr(end + 4);
  for (auto at = text.find("\r\n") + 2; at < end;) {
    const auto stop = text.find("\r\n", at);
    const auto line = text.substr(at, stop - at);
    const auto colon = line.find(':');
    auto name = line.substr(0, colon);
    for (auto& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    answer.headers.emplace(name, line.substr(colon + 2));
    at = stop + 2;
  }
  return answer;
}

// A handler behind a real server.
class ServedHandler {
 public:
  explicit ServedHandler(net::HttpHandler& handler, net::TrustedProxies proxies = {})
      : server_(loop_.loop, handler, clock_, log_) {
    server_.set_trusted_proxies(std::move(proxies));
    const auto started = server_.start({net::HttpListener{}});
    if (!started) ADD_FAILURE() << started.error().text;
  }
  ~ServedHandler() { stop(); }
  // Once; asks nothing of the handler any more.
  void stop() {
    if (std::exchange(stopped_, true)) return;
    loop_.run(server_.stop(std::chrono::steady_clock::now() + Seconds(5)));
    loop_.stop();
  }
  [[nodiscard]] std::uint16_t port() const { return server_.ports().front(); }
  [[nodiscard]] std::string origin() const { return "http://localhost:" + std::to_string(port()); }
  [[nodiscard]] HttpAnswer ask(const HttpSend& send) const { return exchange(port(), send); }
  [[nodiscard]] HttpAnswer get(const std::string& target) const { return ask({.target = target}); }
  [[nodiscard]] net::LoopThread& loop() { return loop_; }
  [[nodiscard]] base::MemoryLog& log() { return log_; }

 private:
  bool stopped_ = false;
  base::SystemWallClock clock_;
  base::MemoryLog log_;
  net::LoopThread loop_;
  net::HttpServer server_;
};

// Cookie `latchkey=anna` is Anna, who has the CSRF token `csrf-anna`; names that begin with `admin` administer.
class NamedGate final : public Gate {
 public:
  Task<Result<Principal>> identify(net::HttpRequest request) override {
    Principal principal;
    const auto cookie = request.cookie("latchkey");
    if (!cookie) co_return principal;
    principal.session_token = *cookie;
    principal.csrf_token = "csrf-" + *cookie;
    if (*cookie == "anonymous") co_return principal;
    principal.kind = Principal::Kind::person;
    principal.username = *cookie;
    principal.role = cookie->starts_with("admin") ? store::Role::administrator : store::Role::regular;
    principal.session_hash = base::to_bytes("hash of " + *cookie);
    const auto known = ids.find(*cookie);
    if (known != ids.end()) principal.user = known->second;
    co_return principal;
  }
  [[nodiscard]] Caller caller() const override { return Caller::browser; }

  std::map<std::string, UserId> ids;
};

inline HttpSend as(std::string_view who, HttpSend send) {
  send.headers.emplace_back("Cookie", "latchkey=" + std::string(who));
  if (send.method != "GET") send.headers.emplace_back("X-CSRF-Token", "csrf-" + std::string(who));
  if (!send.body.empty()) send.headers.emplace_back("Content-Type", "application/json");
  return send;
}

}  // namespace latchkey::console

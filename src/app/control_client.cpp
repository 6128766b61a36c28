#include "app/control_client.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "base/secret.h"
#include "net/url.h"

namespace latchkey::app {
namespace {

constexpr std::size_t kAnswerBytesMax = 64 << 20;
constexpr std::size_t kPagesMax = 100'000;

// Owns a connected socket.
class Connection {
 public:
  explicit Connection(int descriptor) : descriptor_(descriptor) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  [[nodiscard]] bool connect(const sockaddr_un& address) const {
    return descriptor_ >= 0 && ::connect(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  [[nodiscard]] bool send(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t sent = ::send(descriptor_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  // Some octets; empty: the end. nullopt: broken.
  [[nodiscard]] std::optional<std::string> receive_some() const {
    std::string piece(64 * 1024, '\0');
    for (;;) {
      const ssize_t got = ::recv(descriptor_, piece.data(), piece.size(), 0);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return std::nullopt;
      piece.resize(static_cast<std::size_t>(got));
      return piece;
    }
  }
  // nullopt: broken, or too long.
  [[nodiscard]] std::optional<std::string> receive_all() const {
    std::string text;
    char piece[16 * 1024];
    while (text.size() <= kAnswerBytesMax) {
      const ssize_t got = ::recv(descriptor_, piece, sizeof piece, 0);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return std::nullopt;
      if (got == 0) return text;
      text.append(piece, static_cast<std::size_t>(got));
    }
    return std::nullopt;
  }

 private:
  int descriptor_;
};

std::unexpected<Error> no_server(const std::string& path, int code) {
  const std::string why = code == EACCES || code == EPERM
                              ? fmt::format("only root and the service's own user may use {}", path)
                              : fmt::format("no server answers at {} ({})", path, std::strerror(code));
  return fail(ErrorKind::unavailable, "no_server",
              why + "; start it with `latchkey serve`, or name its data directory with --data");
}

std::unexpected<Error> malformed() {
  return fail(ErrorKind::unavailable, "malformed_answer", "the server's answer could not be read; see its log");
}

ErrorKind kind_of(int status) {
  switch (status) {
    case 401:
    case 403:
      return ErrorKind::refused;
    case 404:
      return ErrorKind::not_found;
    case 409:
    case 412:
      return ErrorKind::conflict;
    default:
      return status >= 500 ? ErrorKind::unavailable : ErrorKind::invalid;
  }
}

// Members of the API whose option has another name.
std::string named_as_typed(const std::string& field) {
  constexpr std::string_view kParameters = "params.";
  constexpr std::pair<std::string_view, std::string_view> kOptions[] = {
      {"move_to", "--move-to"}, {"group_id", "--group"}, {"client_id", "--client-id"}, {"id", "APP"}, {"app", "--app"},
      {"secrets.0.value", "--client-secret-file"}, {"current_pin", "--current-pin-file"}, {"refresh_token", "--refresh-token-file"},
      {"min_valid", "--min-valid"}, {"owner_pin", "--pin-file"}, {"connectors", "--connector"}, {"sources", "--source"},
      {"recipient_domains", "--domain"},
  };
  if (field.starts_with(kParameters)) return "--param " + field.substr(kParameters.size());
  const auto* found = std::ranges::find(kOptions, field, &std::pair<std::string_view, std::string_view>::first);
  return found == std::end(kOptions) ? field : std::string(found->second);
}

// "pin: The PIN needs 6 characters or more." for every fault of the request.
std::string words_of(const JsonObject& problem) {
  std::string text;
  if (const auto* errors = base::find_array(problem, "errors"); errors != nullptr) {
    for (const Json& each : *errors) {
      if (!each.is_object()) continue;
      if (!text.empty()) text += "; ";
      text += named_as_typed(base::string_or(each.as_object(), "field")) + ": " + base::string_or(each.as_object(), "message");
    }
  }
  return text.empty() ? base::string_or(problem, "detail", "the server refused without saying why") : text;
}

}  // namespace

Result<Json> read_answer(int status, std::string_view body) {
  Json json;
  if (!body.empty()) {
    auto parsed = parse_json(body, {.size_bytes_max = kAnswerBytesMax});
    if (parsed) {
      json = std::move(*parsed);
    } else if (status < 400) {
      return malformed();
    }
  }
  if (status < 400) return json;
  if (!json.is_object()) return fail(kind_of(status), "refused", fmt::format("the server answered with status {}", status));
  const auto& problem = json.as_object();
  constexpr std::string_view kPrefix = "urn:latchkey:problem:";
  std::string code = base::string_or(problem, "type");
  if (code.starts_with(kPrefix)) code.erase(0, kPrefix.size());
  std::string text = words_of(problem);
  std::ranges::replace(text, '\n', ' ');
  return fail(kind_of(status), std::move(code), std::move(text));
}

Result<Json> read_answer(std::string_view answer) {
  constexpr std::string_view kVersion = "HTTP/1.1 ";
  const auto end_of_head = answer.find("\r\n\r\n");
  if (!answer.starts_with(kVersion) || end_of_head == std::string_view::npos) return malformed();
  int status = 0;
  const auto digits = answer.substr(kVersion.size(), 3);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), status);
  if (error != std::errc() || end != digits.data() + digits.size()) return malformed();
  return read_answer(status, answer.substr(end_of_head + 4));
}

Result<Json> ControlClient::call(std::string_view method, std::string_view target, const JsonObject* body) const {
  const std::string path = data_ + "/control.sock";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return no_server(path, ENAMETOOLONG);
  std::memcpy(address.sun_path, path.data(), path.size());
  const Connection connection(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!connection.connect(address)) return no_server(path, errno);
  const std::string content = body == nullptr ? std::string() : boost::json::serialize(*body);
  std::string request = fmt::format("{} {} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\nConnection: close\r\n",
                                    method, target);
  if (body != nullptr) request += "Content-Type: application/json\r\n";
  if (method != "GET") request += fmt::format("Content-Length: {}\r\n", content.size());
  request += "\r\n" + content;
  const bool sent = connection.send(request);
  base::wipe(request.data(), request.size());
  if (!sent) return no_server(path, errno);
  const auto answer = connection.receive_all();
  if (!answer || answer->empty()) {
    return fail(ErrorKind::refused, "no_answer",
                fmt::format("the server at {} closed the connection: only root and its own user may use it", path));
  }
  return read_answer(*answer);
}

Result<std::uint64_t> ControlClient::download(std::string_view target,
                                              const std::function<bool(std::string_view)>& take) const {
  constexpr std::size_t kHeadBytesMax = 64 * 1024;
  const std::string path = data_ + "/control.sock";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return no_server(path, ENAMETOOLONG);
  std::memcpy(address.sun_path, path.data(), path.size());
  const Connection connection(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!connection.connect(address)) return no_server(path, errno);
  if (!connection.send(fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", target)))
    return no_server(path, errno);
  std::string head;
  while (!head.contains("\r\n\r\n")) {
    const auto some = connection.receive_some();
    if (!some || some->empty() || head.size() > kHeadBytesMax) return malformed();
    head += *some;
  }
  auto begun = head.substr(head.find("\r\n\r\n") + 4);
  head.resize(head.size() - begun.size());
  if (!head.starts_with("HTTP/1.1 200 ")) {
    if (const auto rest = connection.receive_all()) begun += *rest;
    const auto answer = read_answer(head + begun);
    return answer ? malformed() : std::unexpected(answer.error());
  }
  const auto stated = head.find("Content-Length: ");
  if (stated == std::string::npos) return malformed();
  std::uint64_t size = 0;
  const auto* digits = head.data() + stated + std::string_view("Content-Length: ").size();
  if (std::from_chars(digits, head.data() + head.size(), size).ec != std::errc()) return malformed();
  for (std::uint64_t came = 0;;) {
    came += begun.size();
    if (!begun.empty() && !take(begun)) return fail(ErrorKind::unavailable, "not_taken", "the document could not be written");
    if (came == size) return size;
    auto some = connection.receive_some();
    if (!some || some->empty() || came > size)
      return fail(ErrorKind::unavailable, "cut_off", "the line broke before the document's end");
    begun = std::move(*some);
  }
}

Result<JsonArray> ControlClient::all(std::string target) const {
  JsonArray items;
  const char joint = target.find('?') == std::string::npos ? '?' : '&';
  std::string cursor;
  for (std::size_t page = 0; page < kPagesMax; ++page) {
    std::string address = fmt::format("{}{}limit=200", target, joint);
    if (!cursor.empty()) address += "&cursor=" + net::percent_encode(cursor);
    auto answer = get(address);
    if (!answer) return std::unexpected(answer.error());
    if (!answer->is_object()) return malformed();
    auto* found = answer->as_object().if_contains("items");
    if (found == nullptr || !found->is_array()) return malformed();
    for (Json& item : found->as_array()) {
      if (!item.is_object()) return malformed();
      items.push_back(std::move(item));
    }
    cursor = base::string_or(answer->as_object(), "next_cursor");
    if (cursor.empty()) return items;
  }
  return malformed();
}

}  // namespace latchkey::app

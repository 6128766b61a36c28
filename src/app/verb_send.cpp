#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <thread>

#include "app/cli_mistakes.h"
#include "app/delivery_words.h"
#include "app/door_client.h"
#include "app/terminal.h"
#include "app/verbs.h"
#include "base/entropy.h"
#include "base/shown_name.h"
#include "net/url.h"

namespace latchkey::app {
namespace {

constexpr std::chrono::hours kPatience{24};
// A document whose answer was lost is sent so often, each time under the same key: the server takes it once.
constexpr int kTriesMax = 3;
constexpr std::chrono::seconds kAgainAfter{1};

struct SendArguments {
  DoorArguments door;
  std::string connector;
  std::vector<std::string> files;
  std::uint32_t wait_seconds = 0;
};

// A line that is written over, on a terminal only.
class ProgressLine {
 public:
  explicit ProgressLine(const std::string& name) : name_(base::as_shown(name)), shown_(::isatty(STDERR_FILENO) == 1) {}
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  ~ProgressLine() {
    if (shown_) fmt::print(stderr, "\r\x1b[K");
  }
  void show(std::uint64_t done, std::uint64_t whole) {
    const int percent = whole == 0 ? 100 : static_cast<int>(done * 100 / whole);
    if (!shown_ || percent == last_) return;
    last_ = percent;
    fmt::print(stderr, "\r\x1b[K{:3} % [{:<30}] {}", percent, std::string(static_cast<std::size_t>(percent) * 30 / 100, '#'),
               name_);
  }

 private:
  std::string name_;
  bool shown_;
  int last_ = -1;
};

Result<Json> try_file(const SendArguments& arguments, const net::Url& server, const Secret& pin, const std::string& path,
                      const std::string& key) {
  std::error_code problem;
  const auto size = std::filesystem::file_size(path, problem);
  auto file = std::make_shared<std::ifstream>(path, std::ios::binary);
  if (problem || !*file) return fail(ErrorKind::invalid, "unreadable_file", fmt::format("{} cannot be read", path));
  const auto name = std::filesystem::path(path).filename().string();
  net::HttpCall call;
  call.method = "POST";
  call.url = server.with_path("/v1/deliver/" + net::percent_encode(arguments.connector)).text();
  call.headers.add("Content-Type", "application/octet-stream");
  call.headers.add("Content-Disposition", "attachment; filename*=UTF-8''" + net::percent_encode(name));
  call.headers.add("Idempotency-Key", key);
  if (arguments.wait_seconds > 0) call.headers.add("Prefer", fmt::format("wait={}", arguments.wait_seconds));
  const auto progress = std::make_shared<ProgressLine>(name);
  const auto done = std::make_shared<std::uint64_t>(0);
  call.source = net::BodySource{.size_bytes = size, .read = [file, progress, done, size](std::span<char> into) {
                                  file->read(into.data(), static_cast<std::streamsize>(into.size()));
                                  const auto count = static_cast<std::size_t>(file->gcount());
                                  progress->show(*done += count, size);
                                  return count;
                                }};
  call.reuse = net::Reuse::fresh_connection;
  call.total_timeout = kPatience;
  return ask_door(server, arguments.door, pin, std::move(call));
}

bool is_answer_lost(const Error& error) { return error.reason == "reply_lost" || error.reason == "reply_timeout"; }

Result<Json> send_file(const SendArguments& arguments, const net::Url& server, const Secret& pin, const std::string& path,
                       const std::string& key) {
  for (int tries = 1;; ++tries) {
    auto answer = try_file(arguments, server, pin, path, key);
    if (answer && !answer->is_object())
      return fail(ErrorKind::unavailable, "malformed_answer",
                  fmt::format("--server: {} is no Latchkey server", arguments.door.server));
    if (answer || !is_answer_lost(answer.error())) return answer;
    if (tries < kTriesMax) {
      std::this_thread::sleep_for(kAgainAfter);
      continue;
    }
    auto error = answer.error();
    error.text += " It may have been accepted: look at the deliveries before sending it again.";
    return std::unexpected(std::move(error));
  }
}

// Every document would be answered so, and each question about a PIN counts.
bool ends_all(const Error& error) { return error.reason == "invalid_credentials" || error.reason == "too_many_attempts"; }

struct Unsent {
  std::string file;
  Error error;
};

Result<int> say_unsent(std::vector<Unsent> unsent, std::size_t all) {
  if (unsent.empty()) return 0;
  if (all == 1) {
    auto error = std::move(unsent.front().error);
    error.text = fmt::format("{}: {}", unsent.front().file, error.text);
    return std::unexpected(std::move(error));
  }
  fmt::print(stderr, "latchkey: {} of {} documents were not sent:\n", unsent.size(), all);
  for (const auto& [file, error] : unsent) fmt::print(stderr, "  {}: {}\n", base::as_shown(file), words_for_error(error));
  return 1;
}

Result<int> send_all(const Session& session, const SendArguments& arguments) {
  const auto server = door_address(arguments.door);
  if (!server) return std::unexpected(server.error());
  const auto pin = door_pin(arguments.door);
  if (!pin) return std::unexpected(pin.error());
  base::SystemEntropy entropy;
  const auto run = base::to_hex(entropy.bytes(16));
  JsonArray answers;
  std::vector<Unsent> unsent;
  bool ended = false;
  for (std::size_t i = 0; i < arguments.files.size(); ++i) {
    const auto& file = arguments.files[i];
    if (ended) {
      unsent.push_back({.file = file, .error = fail(ErrorKind::unavailable, "not_tried", "not tried").error()});
      continue;
    }
    auto answer = send_file(arguments, *server, *pin, file, fmt::format("send-{}-{}", run, i));
    if (!answer) {
      ended = ends_all(answer.error());
      unsent.push_back({.file = file, .error = std::move(answer.error())});
      continue;
    }
    if (!session.json) print(line_of(answer->get_object()));
    answers.push_back(std::move(*answer));
  }
  if (session.json) print(pretty(answers));
  return say_unsent(std::move(unsent), arguments.files.size());
}

}  // namespace

void add_send_verb(CLI::App& app, Session& session) {
  auto arguments = std::make_shared<SendArguments>();
  CLI::App& send = *app.add_subcommand("send", "Deliver documents through a connector, with username and PIN");
  send.add_option("CONNECTOR", arguments->connector, "Where they go")->required();
  send.add_option("FILE", arguments->files, "The documents")->required();
  send.add_option("--user", arguments->door.username, "Username on the server")->required()->type_name("USERNAME");
  send.add_option("--wait", arguments->wait_seconds,
                  "Wait so long for the receipt, at most a minute; without it the answer comes once the document is safe on "
                  "the server")
      ->type_name("SECONDS");
  add_door_options(send, arguments->door);
  send.add_flag("--json", session.json, "Print the answers as JSON");
  on_run(send, session, [&session, arguments] { return send_all(session, *arguments); });
}

}  // namespace latchkey::app

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>

#include "app/door_client.h"
#include "app/terminal.h"
#include "app/verbs.h"
#include "net/url.h"

namespace latchkey::app {
namespace {

constexpr std::chrono::hours kPatience{24};

struct SendArguments {
  DoorArguments door;
  std::string connector;
  std::vector<std::string> files;
  std::uint32_t wait_seconds = 0;
};

// A line that is written over, on a terminal only.
class ProgressLine {
 public:
  explicit ProgressLine(std::string name) : name_(std::move(name)), shown_(::isatty(STDERR_FILENO) == 1) {}
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

Result<Json> send_file(const SendArguments& arguments, const net::Url& server, const Secret& pin, const std::string& path) {
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

void tell(const JsonObject& delivery) {
  const auto state = cell(delivery, "state");
  std::string line = fmt::format("{}  {}  {}", cell(delivery, "id"), state, cell(delivery, "name"));
  if (const JsonObject* receipt = base::find_object(delivery, "receipt")) {
    const auto proof = cell(*receipt, "proof");
    line += fmt::format("  {}{}", cell(*receipt, "link"), proof == "hash" ? "  (hash agrees)" : "");
  } else if (const auto why = cell(delivery, "why"); why != "-") {
    line += "  " + why;
  }
  print(line + "\n");
}

Result<int> send_all(const Session& session, const SendArguments& arguments) {
  const auto server = door_address(arguments.door);
  if (!server) return std::unexpected(server.error());
  const auto pin = door_pin(arguments.door);
  if (!pin) return std::unexpected(pin.error());
  JsonArray answers;
  for (const auto& file : arguments.files) {
    auto answer = send_file(arguments, *server, *pin, file);
    if (!answer) {
      auto error = answer.error();
      error.text = fmt::format("{}: {}", file, error.text);
      return std::unexpected(std::move(error));
    }
    if (!answer->is_object())
      return fail(ErrorKind::unavailable, "malformed_answer",
                  fmt::format("--server: {} is no Latchkey server", arguments.door.server));
    if (!session.json) tell(answer->get_object());
    answers.push_back(std::move(*answer));
  }
  if (session.json) print(pretty(answers));
  return 0;
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

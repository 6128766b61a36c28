#include "app/terminal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <iostream>

#include "base/json.h"
#include "base/shown_name.h"

namespace latchkey::app {
namespace {

constexpr std::size_t kSecretBytesMax = 64 * 1024;

// Code points: near enough to columns for names.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

// Ends a prompt instead of the program, so that the terminal gets its echo back first.
volatile std::sig_atomic_t interrupted_by = 0;  // set by the handler alone; one prompt at a time
constexpr int kInterrupts[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP};

class Interrupts {
 public:
  Interrupts() {
    interrupted_by = 0;
    struct sigaction action{};
    action.sa_handler = [](int signal) { interrupted_by = signal; };  // no SA_RESTART: read() comes back
    for (std::size_t i = 0; i < std::size(kInterrupts); ++i) ::sigaction(kInterrupts[i], &action, &before_[i]);
  }
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;
  ~Interrupts() {
    for (std::size_t i = 0; i < std::size(kInterrupts); ++i) ::sigaction(kInterrupts[i], &before_[i], nullptr);
    if (interrupted_by != 0) ::raise(interrupted_by);
  }

 private:
  struct sigaction before_[std::size(kInterrupts)]{};
};

// Reads one line of the terminal with its echo off.
Result<Secret> read_line(int terminal, std::string_view what) {
  const Interrupts interrupts;  // let go after the terminal is as it was
  termios before{};
  ::tcgetattr(terminal, &before);
  termios silent = before;
  silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  silent.c_lflag |= ECHONL;
  ::tcsetattr(terminal, TCSAFLUSH, &silent);
  const std::string question = fmt::format("{}: ", what);
  Bytes line;
  line.reserve(1024);
  bool done = ::write(terminal, question.data(), question.size()) == static_cast<ssize_t>(question.size());
  std::uint8_t octet = 0;
  while (done && interrupted_by == 0 && line.size() < 1024 && ::read(terminal, &octet, 1) == 1 && octet != '\n') line.push_back(octet);
  ::tcsetattr(terminal, TCSAFLUSH, &before);
  Secret typed(std::move(line));
  if (interrupted_by != 0) return fail(ErrorKind::invalid, "interrupted", fmt::format("{}: interrupted", what));
  return typed;
}

std::string as_json_escape(char32_t character) {
  const auto number = static_cast<std::uint32_t>(character);
  if (number < 0x10000) return fmt::format("\\u{:04x}", number);
  return fmt::format("\\u{:04x}\\u{:04x}", 0xd800 + ((number - 0x10000) >> 10), 0xdc00 + ((number - 0x10000) & 0x3ff));
}

std::string escaped(std::string_view serialized) { return base::with_instead(serialized, as_json_escape); }

void write_json(std::string& out, const Json& value, std::size_t depth) {
  const std::string inner(2 * (depth + 1), ' ');
  const std::string outer(2 * depth, ' ');
  std::size_t left = 0;
  if (value.is_object() && !value.as_object().empty()) {
    out += "{\n";
    left = value.as_object().size();
    for (const auto& member : value.as_object()) {
      out += inner + escaped(boost::json::serialize(member.key())) + ": ";
      write_json(out, member.value(), depth + 1);
      out += --left > 0 ? ",\n" : "\n";
    }
    out += outer + "}";
  } else if (value.is_array() && !value.as_array().empty()) {
    out += "[\n";
    left = value.as_array().size();
    for (const Json& item : value.as_array()) {
      out += inner;
      write_json(out, item, depth + 1);
      out += --left > 0 ? ",\n" : "\n";
    }
    out += outer + "]";
  } else {
    out += escaped(boost::json::serialize(value));
  }
}

}  // namespace

bool is_utf8(std::string_view text) { return parse_json(boost::json::serialize(boost::json::value(text))).has_value(); }

namespace {

// To its end.
Result<Secret> read_secret(int descriptor, std::string_view option, const std::string& path) {
  Bytes content;
  content.reserve(kSecretBytesMax + 1);  // no copies left behind by growing
  std::uint8_t piece[4096];
  ssize_t got = 0;
  while (content.size() <= kSecretBytesMax && (got = ::read(descriptor, piece, sizeof piece)) > 0) {
    content.insert(content.end(), piece, piece + got);
  }
  base::wipe(piece, sizeof piece);
  if (!content.empty() && content.back() == '\n') content.pop_back();
  if (!content.empty() && content.back() == '\r') content.pop_back();
  const bool good = got >= 0 && !content.empty() && content.size() <= kSecretBytesMax;
  Secret secret(std::move(content));
  if (!good) {
    const char* const what = got < 0 ? "is no file that can be read" : secret.empty() ? "is empty" : "is longer than 64 KiB; is it the right file?";
    return fail(ErrorKind::invalid, "unreadable_file", fmt::format("{}: {} {}", option, path, what), {.field = std::string(option)});
  }
  if (!is_utf8(secret.reveal_text())) {
    return fail(ErrorKind::invalid, "not_utf8", fmt::format("{}: {} is not text in UTF-8", option, path), {.field = std::string(option)});
  }
  return secret;
}

}  // namespace

Result<Secret> read_secret_file(std::string_view option, const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    return fail(ErrorKind::invalid, "unreadable_file",
                fmt::format("{}: {} cannot be read ({})", option, path, std::strerror(errno)), {.field = std::string(option)});
  }
  auto secret = read_secret(descriptor, option, path);
  ::close(descriptor);
  return secret;
}

Result<Secret> read_secret_input() { return read_secret(STDIN_FILENO, "standard input", "what is piped in"); }

Result<Secret> prompt_secret(std::string_view what, std::string_view option, Ask ask) {
  const int terminal = ::isatty(STDIN_FILENO) != 0 ? ::open("/dev/tty", O_RDWR | O_CLOEXEC) : -1;
  if (terminal < 0) {
    return fail(ErrorKind::invalid, "no_terminal", fmt::format("{}: name a file that holds it; there is no terminal to ask on", option),
                {.field = std::string(option)});
  }
  auto first = read_line(terminal, what);
  if (ask == Ask::twice && first) {
    const auto second = read_line(terminal, fmt::format("{} again", what));
    if (second && !first->equals(*second)) {
      ::close(terminal);
      return fail(ErrorKind::invalid, "not_the_same", fmt::format("{}: the two were not the same", what));
    }
  }
  ::close(terminal);
  if (first && first->empty()) return fail(ErrorKind::invalid, "empty", fmt::format("{}: nothing was typed", what));
  return first;
}

std::string ask_line(std::string_view question) {
  ::tcflush(STDIN_FILENO, TCIFLUSH);
  std::fwrite(question.data(), 1, question.size(), stderr);
  std::fflush(stderr);
  std::string line;
  std::getline(std::cin, line);
  return line;
}

std::string table(const std::vector<std::string>& heads, const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& head : heads) widths.push_back(width_of(head));
  for (const auto& row : rows) {
    for (std::size_t column = 0; column < row.size(); ++column) {
      widths[column] = std::max(widths[column], width_of(base::in_a_line(row[column])));
    }
  }
  std::string out;
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (std::size_t column = 0; column < cells.size(); ++column) {
      const std::string cell = base::in_a_line(cells[column]);
      text += cell;
      if (column + 1 < cells.size()) text.append(widths[column] - width_of(cell) + 2, ' ');
    }
    while (text.ends_with(' ')) text.pop_back();
    out += text + "\n";
  };
  line(heads);
  for (const auto& row : rows) line(row);
  return out;
}

std::string shell_quoted(std::string_view word) {
  const bool plain = !word.empty() && std::ranges::all_of(word, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || std::string_view("-_./:=@%+,").contains(c);
  });
  if (plain) return std::string(word);
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string pretty(const Json& value) {
  std::string out;
  write_json(out, value, 0);
  return out + "\n";
}

void print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

}  // namespace latchkey::app

#include "app/terminal.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

namespace latchkey::app {
namespace {

bool echoes(int terminal) {
  termios now{};
  return ::tcgetattr(terminal, &now) == 0 && (now.c_lflag & ECHO) != 0;
}

// What the terminal shows, until `mark`.
std::string shown_until(int terminal, std::string_view mark) {
  std::string text;
  pollfd entry{.fd = terminal, .events = POLLIN, .revents = 0};
  while (text.find(mark) == std::string::npos && ::poll(&entry, 1, 20'000) == 1) {
    char piece[256];
    const auto count = ::read(terminal, piece, sizeof piece);
    if (count <= 0) break;
    text.append(piece, static_cast<std::size_t>(count));
  }
  return text;
}

// Asks for a PIN on a terminal of its own: what was shown, how it ended, whether the echo is back.
struct Prompt {
  explicit Prompt(std::string_view typed) {
    int terminal = -1;
    const pid_t child = ::forkpty(&terminal, nullptr, nullptr, nullptr);
    if (child == 0) {
      const auto pin = prompt_secret("PIN", "--pin-file", Ask::once);
      ::_exit(pin && pin->reveal_text() == "geheim-77" ? 7 : 8);
    }
    text = shown_until(terminal, "PIN: ");
    silent = !echoes(terminal);
    EXPECT_EQ(::write(terminal, typed.data(), typed.size()), static_cast<ssize_t>(typed.size()));
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    echo_back = echoes(terminal);
    ::close(terminal);
  }
  std::string text;
  int status = 0;
  bool silent = false;
  bool echo_back = false;
};

TEST(Terminal, ASecretIsReadWithoutEcho) {
  const Prompt prompt("geheim-77\n");
  EXPECT_TRUE(prompt.silent);
  EXPECT_EQ(WEXITSTATUS(prompt.status), 7);
  EXPECT_TRUE(prompt.echo_back);
}

TEST(Terminal, ControlCEndsTheProgramAndGivesTheEchoBack) {
  const Prompt prompt("geh\x03");
  EXPECT_TRUE(prompt.silent);
  ASSERT_TRUE(WIFSIGNALED(prompt.status));
  EXPECT_EQ(WTERMSIG(prompt.status), SIGINT);
  EXPECT_TRUE(prompt.echo_back);
}

TEST(Terminal, WhatWasTypedBeforeTheQuestionIsNoAnswer) {
  int asks[2];
  ASSERT_EQ(::pipe(asks), 0);
  int terminal = -1;
  const pid_t child = ::forkpty(&terminal, nullptr, nullptr, nullptr);
  if (child == 0) {
    char go = 0;
    ::_exit(::read(asks[0], &go, 1) == 1 && ask_line("Type \"yes\": ") == "no" ? 7 : 8);
  }
  EXPECT_EQ(::write(terminal, "yes\n", 4), 4);
  EXPECT_NE(shown_until(terminal, "yes\r\n").find("yes"), std::string::npos) << "it has reached the terminal";
  EXPECT_EQ(::write(asks[1], "x", 1), 1);
  EXPECT_NE(shown_until(terminal, "Type \"yes\": ").find("Type"), std::string::npos);
  EXPECT_EQ(::write(terminal, "no\n", 3), 3);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 7);
  for (const int end : {terminal, asks[0], asks[1]}) ::close(end);
}

}  // namespace
}  // namespace latchkey::app

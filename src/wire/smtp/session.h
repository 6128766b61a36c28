// The server's side of an SMTP submission (RFC 5321, 6409, 3207, 4954, 3030, 1870, 2034), without a socket: octets in; replies and
// actions out. Whoever owns it performs the actions and answers them.
//
//   session.feed(octets);
//   while (auto action = session.next()) ...   // perform it; session.answer(...) where it wants an answer
//   write(session.take_output());              // before more is read, and before every action that takes its time
//   // again from next() while session.is_full(); then more octets
//
// Invariants: input is looked at only once the action before it has been answered, so pipelined commands keep their order; what
// came in clear is forgotten when TLS begins (RFC 3207 section 4.2, SCENARIOS D7); memory is bounded by one piece of input and 16 KiB of replies.
// Commands end in CRLF alone: a bare LF or CR makes the command an error, never two commands.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/secret.h"
#include "wire/smtp/command.h"
#include "wire/smtp/data_reader.h"
#include "wire/smtp/reply.h"
#include "wire/smtp/transcript.h"

namespace latchkey::wire::smtp {

struct SessionSettings {
  std::string host;                  // the server's own name
  bool starttls = false;             // TLS can be begun
  bool tls = false;                  // it has begun
  bool auth = false;                 // a secret may be shown as the connection is now
  bool auth_in_tls = true;           // and once it is in TLS
  std::uint64_t size_bytes_max = 0;  // announced
  std::size_t command_bytes_max = 1000;  // of a line; RFC 5321 section 4.5.3.1.4 and what extensions add
  std::size_t recipients_max = 100;
  unsigned errors_max = 10;
  // Recipients and mails that are understood and refused: no errors of the sender's, so that each gets its own answer and the others
  // go on. Beyond so many they count as errors.
  unsigned refusals_max = 1000;
};

// Begin TLS, once the output has been written; then tls_started().
struct StartTls {};
// Answered with 235, or the refusal. `in_clear`: nobody may sign in so; the secret has been seen by whoever listens (RULES T7).
struct Authenticate {
  std::string username;
  Secret secret;
  bool in_clear = false;
};
// Answered with 250, or the refusal.
struct BeginMail {
  MailArgument mail;
};
struct AddRecipient {
  std::string address;
};
// Answered with 354, or the refusal.
struct BeginData {};
// Not answered: what is wrong is said at the end.
struct DataPiece {
  std::string octets;
};
// The message is complete: answered with 250 once it is durable, or the refusal.
struct EndData {};
// The mail that was begun is not meant any more. Not answered.
struct ForgetMail {};
// EHLO of somebody who is known: answered with announce_size(). The mail that was begun is not meant any more.
struct AskSize {};
// Close the connection, once the output has been written.
struct Close {};
using Action = std::variant<StartTls, Authenticate, BeginMail, AddRecipient, BeginData, DataPiece, EndData, ForgetMail, AskSize, Close>;

// A resource.
class Session {
 public:
  explicit Session(SessionSettings settings);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  void feed(std::string_view octets);
  // nullopt: more octets are needed, or the replies must leave first (is_full()).
  [[nodiscard]] std::optional<Action> next();
  // next() has stopped for the replies' sake: there may be input left.
  [[nodiscard]] bool is_full() const { return full_; }
  void answer(const Reply& reply);
  void tls_started();
  // From now on EHLO asks for the size to announce, until TLS begins. For the announcement alone: what a MAIL command states is
  // held against the server's.
  void ask_size() { asks_size_ = true; }
  void announce_size(std::uint64_t size_bytes_max);
  // Replies to be written, in order.
  [[nodiscard]] std::string take_output();
  // The server ends the conversation: 421 and its reason. Close is the next action.
  void end(const Reply& reply);

  // What has been said so far, without secrets.
  [[nodiscard]] const Transcript& transcript() const { return transcript_; }
  // What happened besides, in words.
  void note(std::string text) { transcript_.note(std::move(text)); }

  [[nodiscard]] bool in_mail() const { return mail_begun_; }
  [[nodiscard]] bool in_data() const { return mode_ == Mode::data || mode_ == Mode::chunk; }

 private:
  enum class Mode { commands, plain_response, login_username, login_password, data, chunk, closed };
  enum class Asked { nothing, tls, authentication, mail, recipient, data, chunk, end, size };

  void say(const Reply& reply);
  void put(std::string_view octets);
  // A reply to what was wrong: too many of them end the conversation.
  void complain(int code, std::string status, std::string text);
  // A reply to what is understood and may not be.
  void refuse(const Reply& reply);
  [[nodiscard]] std::optional<std::string> take_line();
  [[nodiscard]] std::optional<Action> run(const Command& command);
  void greet();
  void greet_extended(std::uint64_t size_bytes_max);
  [[nodiscard]] std::optional<Action> begin_tls(const Command& command);
  [[nodiscard]] std::optional<Action> begin_auth(std::string_view argument);
  [[nodiscard]] std::optional<Action> refuse_auth(std::string_view mechanism, std::string_view initial);
  [[nodiscard]] std::optional<Action> take_response(std::string line);
  [[nodiscard]] std::optional<Action> take_plain(std::string_view response);
  [[nodiscard]] std::optional<Action> begin_mail(std::string_view argument);
  [[nodiscard]] std::optional<Action> add_recipient(std::string_view argument);
  [[nodiscard]] std::optional<Action> begin_data(const Command& command);
  [[nodiscard]] std::optional<Action> begin_chunk(std::string_view argument);
  [[nodiscard]] std::optional<Action> read_data();
  [[nodiscard]] std::optional<Action> read_chunk();
  // Forgets the mail that was begun; ForgetMail if there was one.
  [[nodiscard]] std::optional<Action> forget_mail();
  void clear_mail();

  // What has not been looked at of the input; and how much of it has been now.
  [[nodiscard]] std::string_view input() const { return std::string_view(input_).substr(begin_); }
  void consume(std::size_t octets);
  void forget_input();

  SessionSettings settings_;
  std::string input_;
  std::size_t begin_ = 0;      // of what is left of input_; what lies before it is wiped
  std::size_t searched_ = 0;   // of input(), in vain for a line's end
  std::string output_;
  bool full_ = false;
  Mode mode_ = Mode::commands;
  Asked asked_ = Asked::nothing;
  bool greeted_ = false;
  bool asks_size_ = false;
  bool authenticated_ = false;
  bool close_told_ = false;
  unsigned errors_ = 0;
  unsigned refusals_ = 0;
  std::string login_username_;
  Transcript transcript_;

  bool mail_begun_ = false;
  bool chunked_ = false;        // its data comes by BDAT
  bool data_refused_ = false;   // chunks are read and dropped
  Reply data_refusal_;          // what is said behind them
  std::size_t recipients_ = 0;
  DataReader data_;
  std::uint64_t data_bytes_ = 0;  // of the message, as it is handed on
  std::uint64_t chunk_left_ = 0;
  bool chunk_last_ = false;
};

}  // namespace latchkey::wire::smtp

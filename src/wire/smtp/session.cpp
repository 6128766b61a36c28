#include "wire/smtp/session.h"

#include <algorithm>
#include <utility>

namespace latchkey::wire::smtp {
namespace {

constexpr std::size_t kAuthBytesMax = 12288;  // RFC 4954 section 4
constexpr std::size_t kPieceBytesMax = 64 * 1024;
constexpr std::size_t kEndlessLineBytes = 64 * 1024;
constexpr std::size_t kRepliesBytesMax = 16 * 1024;
// A refused chunk is read to its end as long as it is short: otherwise the conversation ends instead.
constexpr std::uint64_t kRefusedChunkBytesMax = 1 << 20;
constexpr std::string_view kAskUsername = "334 VXNlcm5hbWU6\r\n";  // "Username:"
constexpr std::string_view kAskPassword = "334 UGFzc3dvcmQ6\r\n";  // "Password:"

bool same(std::string_view left, std::string_view right) {
  return std::ranges::equal(left, right, [](char a, char b) { return (a >= 'a' && a <= 'z' ? a - 32 : a) == b; });
}

// With or without padding, as devices have it.
std::optional<Secret> decode(std::string_view text) {
  std::string padded;
  padded.reserve(text.size() + 3);
  padded = text;
  while (padded.size() % 4 != 0) padded += '=';
  auto bytes = base::from_base64(padded);
  base::wipe(padded.data(), padded.size());
  if (!bytes) return std::nullopt;
  return Secret(std::move(*bytes));
}

// [authzid] NUL authcid NUL passwd (RFC 4616).
std::optional<Authenticate> parse_plain(std::string_view response) {
  const auto decoded = decode(response);
  const auto text = decoded ? decoded->reveal_text() : std::string_view();
  const auto first = text.find('\0');
  const auto second = first == std::string_view::npos ? first : text.find('\0', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  return Authenticate{.username = std::string(text.substr(first + 1, second - first - 1)), .secret = Secret(text.substr(second + 1))};
}

Reply no_recipient() { return {554, "5.5.1", "No recipient was accepted"}; }

}  // namespace

Session::Session(SessionSettings settings) : settings_(std::move(settings)) {
  say({220, "", settings_.host + " ESMTP"});
}

Session::~Session() { base::wipe(input_.data(), input_.size()); }

void Session::feed(std::string_view octets) {
  if (mode_ == Mode::closed) return;
  // What has been looked at makes room: once for a piece of input, not once for a line.
  input_.erase(0, std::exchange(begin_, 0));
  input_ += octets;
}

void Session::consume(std::size_t octets) {
  base::wipe(input_.data() + begin_, octets);
  begin_ += octets;
  searched_ = 0;
  if (begin_ == input_.size()) forget_input();
}

void Session::forget_input() {
  base::wipe(input_.data(), input_.size());
  input_.clear();
  begin_ = 0;
  searched_ = 0;
}

std::string Session::take_output() { return std::exchange(output_, {}); }

void Session::put(std::string_view octets) {
  output_ += octets;
  transcript_.server(octets);
}

void Session::say(const Reply& reply) { put(write(reply)); }

void Session::end(const Reply& reply) {
  if (mode_ == Mode::closed) return;
  say(reply);
  mode_ = Mode::closed;
  asked_ = Asked::nothing;
  forget_input();
}

void Session::complain(int code, std::string status, std::string text) {
  say({code, std::move(status), std::move(text)});
  if (++errors_ >= settings_.errors_max) end({421, "4.7.0", "Too many errors"});
}

void Session::refuse(const Reply& reply) {
  if (++refusals_ > settings_.refusals_max) complain(reply.code, reply.status, reply.text);
  else say(reply);
}

// A line without its end. What is no command is complained of here.
std::optional<std::string> Session::take_line() {
  for (;;) {
    const auto left = input();
    const auto limit = mode_ == Mode::commands && !same(left.substr(0, 4), "AUTH") ? settings_.command_bytes_max : kAuthBytesMax;
    const auto line_feed = left.find('\n', searched_);
    if (line_feed == std::string_view::npos) {
      searched_ = left.size();
      if (left.size() > kEndlessLineBytes) end({421, "4.7.0", "The line does not end"});
      return std::nullopt;
    }
    const auto line = left.substr(0, line_feed);
    const bool proper = line.ends_with('\r');
    const auto text = line.substr(0, line.size() - (proper ? 1 : 0));
    const bool bare = !proper || text.find('\r') != std::string_view::npos || text.find('\0') != std::string_view::npos;
    const bool long_line = line_feed + 1 > limit;
    std::string taken(text);
    consume(line_feed + 1);
    if (!bare && !long_line) return taken;
    base::wipe(taken.data(), taken.size());
    transcript_.client({Verb::unknown, {}}, line_feed + 1);
    mode_ = mode_ == Mode::closed ? mode_ : Mode::commands;
    if (long_line) complain(500, "5.5.2", "The line is too long");
    else complain(500, "5.5.2", "Lines must end in CR LF, and hold neither of them otherwise");
    if (mode_ == Mode::closed) return std::nullopt;
  }
}

std::optional<Action> Session::next() {
  full_ = false;
  while (asked_ == Asked::nothing) {
    if (mode_ != Mode::closed && output_.size() > kRepliesBytesMax) {
      full_ = true;
      return std::nullopt;
    }
    std::optional<Action> action;
    switch (mode_) {
      case Mode::closed:
        if (std::exchange(close_told_, true)) return std::nullopt;
        return Close{};
      case Mode::data:
        if (input().empty()) return std::nullopt;
        action = read_data();
        break;
      case Mode::chunk:
        if (input().empty() && chunk_left_ > 0) return std::nullopt;
        action = read_chunk();
        break;
      case Mode::commands:
      case Mode::plain_response:
      case Mode::login_username:
      case Mode::login_password: {
        auto line = take_line();
        if (!line) {
          if (mode_ == Mode::closed) continue;
          return std::nullopt;
        }
        if (mode_ == Mode::commands) {
          const auto command = parse_command(*line);
          transcript_.client(command, line->size());
          base::wipe(line->data(), line->size());
          action = run(command);
        } else {
          transcript_.client_response();
          action = take_response(std::move(*line));
        }
        break;
      }
    }
    if (action) return action;
  }
  return std::nullopt;
}

std::optional<Action> Session::run(const Command& command) {
  switch (command.verb) {
    // Any name will do, and none too: devices send their NetBIOS names, literals, or nothing.
    case Verb::helo: {
      auto action = forget_mail();
      greet();
      return action;
    }
    case Verb::ehlo: {
      auto action = forget_mail();
      if (!asks_size_) {
        greet_extended(settings_.size_bytes_max);
        return action;
      }
      asked_ = Asked::size;
      return AskSize{};
    }
    case Verb::starttls:
      return begin_tls(command);
    case Verb::auth:
      return begin_auth(command.argument);
    case Verb::mail:
      return begin_mail(command.argument);
    case Verb::rcpt:
      return add_recipient(command.argument);
    case Verb::data:
      return begin_data(command);
    case Verb::bdat:
      return begin_chunk(command.argument);
    case Verb::rset: {
      auto action = forget_mail();
      say({250, "2.0.0", "Forgotten"});
      return action;
    }
    case Verb::noop:
      say({250, "2.0.0", "Nothing done"});
      return std::nullopt;
    case Verb::vrfy:
      say({252, "2.1.5", "Send a mail and see"});
      return std::nullopt;
    case Verb::help:
      say({214, "2.0.0", "RFC 5321 and 6409"});
      return std::nullopt;
    case Verb::quit: {
      auto action = forget_mail();
      end({221, "2.0.0", "Goodbye"});
      return action;
    }
    case Verb::expn:
    case Verb::unknown:
      complain(command.verb == Verb::expn ? 502 : 500, "5.5.1", "No such command here");
      return std::nullopt;
  }
  return std::nullopt;
}

void Session::greet() {
  greeted_ = true;
  say({250, "", settings_.host});
}

void Session::announce_size(std::uint64_t size_bytes_max) {
  asked_ = Asked::nothing;
  greet_extended(std::min(size_bytes_max, settings_.size_bytes_max));
}

void Session::greet_extended(std::uint64_t size_bytes_max) {
  greeted_ = true;
  std::string out = "250-" + settings_.host + "\r\n";
  out += "250-SIZE " + std::to_string(size_bytes_max) + "\r\n";
  out += "250-8BITMIME\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-SMTPUTF8\r\n";
  if (settings_.starttls && !settings_.tls) out += "250-STARTTLS\r\n";
  // The second as before RFC 2554: some devices look for nothing else.
  if (settings_.auth) out += "250-AUTH PLAIN LOGIN\r\n250-AUTH=PLAIN LOGIN\r\n";
  put(out + "250 ENHANCEDSTATUSCODES\r\n");
}

std::optional<Action> Session::begin_tls(const Command& command) {
  if (!command.argument.empty()) complain(501, "5.5.4", "STARTTLS takes no argument");
  else if (settings_.tls) complain(503, "5.5.1", "TLS has begun already");
  else if (!settings_.starttls) complain(454, "4.7.0", "TLS is not set up here");
  else {
    say({220, "2.0.0", "Begin TLS"});
    asked_ = Asked::tls;
    return StartTls{};
  }
  return std::nullopt;
}

void Session::tls_started() {
  // Whatever came before the handshake may come from somebody in between: none of it counts.
  forget_input();
  note("TLS has begun");
  settings_.tls = true;
  settings_.auth = settings_.auth_in_tls;
  greeted_ = false;
  asks_size_ = false;
  authenticated_ = false;
  clear_mail();
  mode_ = Mode::commands;
  asked_ = Asked::nothing;
}

std::optional<Action> Session::begin_auth(std::string_view argument) {
  const auto blank = std::min(argument.find(' '), argument.size());
  const auto mechanism = argument.substr(0, blank);
  auto initial = argument.substr(std::min(blank + 1, argument.size()));
  while (initial.starts_with(' ')) initial.remove_prefix(1);
  if (authenticated_) complain(503, "5.5.1", "You have signed in already");
  else if (mail_begun_) complain(503, "5.5.1", "Not within a mail");
  else if (!settings_.auth) return refuse_auth(mechanism, initial);
  else if (same(mechanism, "PLAIN")) {
    if (initial == "=") return take_plain("");
    if (!initial.empty()) return take_plain(initial);
    put("334 \r\n");
    mode_ = Mode::plain_response;
  } else if (same(mechanism, "LOGIN")) {
    login_username_.clear();
    mode_ = Mode::login_username;
    // An empty one, "=" (RFC 4954 section 4), names nobody.
    if (!initial.empty() && initial != "=") return take_response(std::string(initial));
    put(kAskUsername);
  } else {
    complain(504, "5.5.4", "AUTH PLAIN or AUTH LOGIN");
  }
  return std::nullopt;
}

// What has been shown all the same is told to whoever watches over PINs.
std::optional<Action> Session::refuse_auth(std::string_view mechanism, std::string_view initial) {
  auto shown = same(mechanism, "PLAIN") ? parse_plain(initial) : std::nullopt;
  if (!shown) {
    complain(538, "5.7.11", settings_.starttls && !settings_.tls ? "Begin TLS first (STARTTLS): a PIN is taken in TLS only" : "No secrets are taken on this connection");
    return std::nullopt;
  }
  asked_ = Asked::authentication;
  shown->in_clear = true;
  return std::move(*shown);
}

std::optional<Action> Session::take_response(std::string line) {
  const auto mode = std::exchange(mode_, Mode::commands);
  if (line == "*") {
    complain(501, "5.7.0", "Not signed in, as you wish");
    return std::nullopt;
  }
  if (mode == Mode::plain_response) {
    auto action = take_plain(line);
    base::wipe(line.data(), line.size());
    return action;
  }
  auto decoded = decode(line);
  base::wipe(line.data(), line.size());
  if (!decoded) {
    complain(501, "5.5.2", "That is no base64");
    return std::nullopt;
  }
  if (mode == Mode::login_username) {
    login_username_ = decoded->reveal_text();
    put(kAskPassword);
    mode_ = Mode::login_password;
    return std::nullopt;
  }
  asked_ = Asked::authentication;
  return Authenticate{std::exchange(login_username_, {}), std::move(*decoded)};
}

std::optional<Action> Session::take_plain(std::string_view response) {
  auto shown = parse_plain(response);
  if (!shown) {
    complain(501, "5.5.2", "That is no base64 of NUL, user name, NUL, PIN");
    return std::nullopt;
  }
  asked_ = Asked::authentication;
  return std::move(*shown);
}

std::optional<Action> Session::begin_mail(std::string_view argument) {
  if (!greeted_) {
    complain(503, "5.5.1", "Say EHLO or HELO first");
    return std::nullopt;
  }
  if (mail_begun_) {
    complain(503, "5.5.1", "A mail has been begun already");
    return std::nullopt;
  }
  auto mail = parse_mail(argument);
  if (!mail) {
    complain(mail.error().code, mail.error().status, mail.error().text);
    return std::nullopt;
  }
  if (mail->size_bytes && *mail->size_bytes > settings_.size_bytes_max) {
    refuse({552, "5.3.4", "The mail is larger than this server takes (" + std::to_string(settings_.size_bytes_max) + " bytes)"});
    return std::nullopt;
  }
  asked_ = Asked::mail;
  return BeginMail{std::move(*mail)};
}

std::optional<Action> Session::add_recipient(std::string_view argument) {
  if (!mail_begun_ || chunked_) {
    complain(503, "5.5.1", "MAIL FROM first");
    return std::nullopt;
  }
  if (recipients_ >= settings_.recipients_max) {
    say({452, "4.5.3", "Too many recipients: send to the others with another mail"});
    return std::nullopt;
  }
  auto address = parse_rcpt(argument);
  if (!address) {
    complain(address.error().code, address.error().status, address.error().text);
    return std::nullopt;
  }
  asked_ = Asked::recipient;
  return AddRecipient{std::move(*address)};
}

std::optional<Action> Session::begin_data(const Command& command) {
  if (!command.argument.empty()) complain(501, "5.5.4", "DATA takes no argument");
  else if (!mail_begun_ || chunked_) complain(503, "5.5.1", "MAIL FROM and RCPT TO first");
  else if (recipients_ == 0) refuse(no_recipient());
  else {
    asked_ = Asked::data;
    return BeginData{};
  }
  return std::nullopt;
}

// The octets of a chunk follow whatever is answered: they are read, and dropped where it was refused (RFC 3030 section 2).
std::optional<Action> Session::begin_chunk(std::string_view argument) {
  const auto chunk = parse_bdat(argument);
  if (!chunk) {
    complain(501, "5.5.4", "Write BDAT OCTETS [LAST]");
    end({421, "4.5.0", "What follows cannot be told from commands"});
    return std::nullopt;
  }
  chunk_left_ = chunk->size_bytes;
  chunk_last_ = chunk->last;
  mode_ = Mode::chunk;
  const bool is_refused = data_refused_ || (!chunked_ && (!mail_begun_ || recipients_ == 0));
  if (is_refused && chunk_left_ > kRefusedChunkBytesMax) {
    complain(503, "5.5.1", "MAIL FROM and RCPT TO first");
    end({421, "4.5.0", "So much is not read only to be forgotten"});
    return std::nullopt;
  }
  if (chunked_ || data_refused_) return std::nullopt;
  if (!mail_begun_ || recipients_ == 0) {
    data_refused_ = true;
    data_refusal_ = mail_begun_ ? no_recipient() : Reply{503, "5.5.1", "MAIL FROM and RCPT TO first"};
    return std::nullopt;
  }
  chunked_ = true;
  asked_ = Asked::chunk;
  return BeginData{};
}

std::optional<Action> Session::read_data() {
  DataPiece data;
  consume(data_.feed(input().substr(0, kPieceBytesMax), data.octets));
  data_bytes_ += data.octets.size();
  if (data_.is_done()) {
    mode_ = Mode::commands;
    if (data.octets.empty()) {
      asked_ = Asked::end;
      note("The mail, " + std::to_string(data_bytes_) + " octets");
      return EndData{};
    }
    // The end is told with the next call: nothing else is read before.
    mode_ = Mode::chunk;
    chunked_ = true;
    chunk_left_ = 0;
    chunk_last_ = true;
  }
  if (data.octets.empty()) return std::nullopt;
  return data;
}

std::optional<Action> Session::read_chunk() {
  if (chunk_left_ > 0) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>({chunk_left_, input().size(), kPieceBytesMax}));
    DataPiece data{std::string(input().substr(0, size))};
    consume(size);
    chunk_left_ -= size;
    if (data_refused_) return std::nullopt;
    data_bytes_ += size;
    return data;
  }
  mode_ = Mode::commands;
  if (data_refused_) {
    data_refused_ = false;
    if (mail_begun_) refuse(data_refusal_);
    else complain(data_refusal_.code, data_refusal_.status, data_refusal_.text);
    return forget_mail();
  }
  if (!chunk_last_) {
    say({250, "2.0.0", "Chunk taken"});
    return std::nullopt;
  }
  asked_ = Asked::end;
  note("The mail, " + std::to_string(data_bytes_) + " octets");
  return EndData{};
}

void Session::answer(const Reply& reply) {
  const auto asked = std::exchange(asked_, Asked::nothing);
  const bool good = reply.is_positive();
  if (asked == Asked::chunk) {
    // Said when the chunk has been read.
    if (good) return;
    chunked_ = false;
    data_refused_ = true;
    data_refusal_ = reply;
    return;
  }
  const bool is_of_mail = asked == Asked::recipient || asked == Asked::data || asked == Asked::end;
  if (good) say(reply);
  else if (is_of_mail) refuse(reply);
  else complain(reply.code, reply.status, reply.text);
  switch (asked) {
    case Asked::authentication:
      authenticated_ = good;
      return;
    case Asked::mail:
      mail_begun_ = good;
      return;
    case Asked::recipient:
      if (good) ++recipients_;
      return;
    case Asked::data:
      if (good && mode_ != Mode::closed) {
        mode_ = Mode::data;
        data_ = DataReader();
      }
      return;
    case Asked::end:
      clear_mail();
      return;
    case Asked::nothing:
    case Asked::tls:
    case Asked::chunk:
    case Asked::size:  // by announce_size() alone
      return;
  }
}

std::optional<Action> Session::forget_mail() {
  const bool begun = mail_begun_;
  clear_mail();
  if (!begun) return std::nullopt;
  return ForgetMail{};
}

void Session::clear_mail() {
  mail_begun_ = false;
  chunked_ = false;
  data_refused_ = false;
  recipients_ = 0;
  data_ = DataReader();
  data_bytes_ = 0;
}

}  // namespace latchkey::wire::smtp

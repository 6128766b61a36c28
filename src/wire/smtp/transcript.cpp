#include "wire/smtp/transcript.h"

#include <algorithm>
#include <array>

namespace latchkey::wire::smtp {
namespace {

constexpr std::size_t kFirstLines = 40;
constexpr std::size_t kLastLines = 80;
constexpr std::size_t kTextBytesMax = 200;
constexpr std::string_view kHidden = "(hidden)";
constexpr std::array<std::string_view, 8> kMechanisms = {"PLAIN", "LOGIN",  "CRAM-MD5", "DIGEST-MD5",
                                                         "NTLM",  "GSSAPI", "XOAUTH2",  "EXTERNAL"};

std::string upper(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  return out;
}

// Which mechanism, if it is one: a device may send its password in that place.
std::string shown_auth(std::string_view argument) {
  const auto end = std::min(argument.find(' '), argument.size());
  const auto mechanism = upper(argument.substr(0, end));
  const bool known = std::ranges::find(kMechanisms, mechanism) != kMechanisms.end();
  std::string out = "AUTH";
  if (known) out += " " + mechanism;
  if (end < argument.size() || (!known && !argument.empty())) out += " " + std::string(kHidden);
  return out;
}

std::string shown(std::string_view verb, const Command& command) {
  return std::string(verb) + (command.argument.empty() ? "" : " " + command.argument);
}

std::string bare(std::string_view verb, const Command& command) {
  return std::string(verb) + (command.argument.empty() ? "" : " " + std::string(kHidden));
}

std::string shown(const Command& command, std::size_t line_bytes) {
  switch (command.verb) {
    case Verb::helo:
      return shown("HELO", command);
    case Verb::ehlo:
      return shown("EHLO", command);
    case Verb::mail:
      return shown("MAIL", command);
    case Verb::rcpt:
      return shown("RCPT", command);
    case Verb::bdat:
      return shown("BDAT", command);
    case Verb::auth:
      return shown_auth(command.argument);
    case Verb::starttls:
      return bare("STARTTLS", command);
    case Verb::data:
      return bare("DATA", command);
    case Verb::rset:
      return bare("RSET", command);
    case Verb::noop:
      return bare("NOOP", command);
    case Verb::vrfy:
      return bare("VRFY", command);
    case Verb::expn:
      return bare("EXPN", command);
    case Verb::help:
      return bare("HELP", command);
    case Verb::quit:
      return bare("QUIT", command);
    case Verb::unknown:
      return "(hidden: no command, " + std::to_string(line_bytes) + " octets)";
  }
  return std::string(kHidden);
}

}  // namespace

void Transcript::add(TranscriptLine::Speaker speaker, std::string_view text) {
  std::string clean(text.substr(0, kTextBytesMax));
  std::ranges::replace_if(clean, [](char c) { return c < ' ' || c > '~'; }, '?');
  if (text.size() > kTextBytesMax) clean += "...";
  if (first_.size() < kFirstLines) {
    first_.push_back({speaker, std::move(clean)});
    return;
  }
  last_.push_back({speaker, std::move(clean)});
  if (last_.size() <= kLastLines) return;
  last_.pop_front();
  ++dropped_;
}

void Transcript::client(const Command& command, std::size_t line_bytes) {
  add(TranscriptLine::Speaker::client, shown(command, line_bytes));
}

void Transcript::client_response() { add(TranscriptLine::Speaker::client, kHidden); }

void Transcript::server(std::string_view octets) {
  while (!octets.empty()) {
    const auto end = std::min(octets.find("\r\n"), octets.size());
    add(TranscriptLine::Speaker::server, octets.substr(0, end));
    octets.remove_prefix(std::min(end + 2, octets.size()));
  }
}

void Transcript::note(std::string text) { add(TranscriptLine::Speaker::note, text); }

std::vector<TranscriptLine> Transcript::lines() const {
  auto all = first_;
  if (dropped_ > 0) all.push_back({TranscriptLine::Speaker::note, std::to_string(dropped_) + " lines are left out here"});
  all.insert(all.end(), last_.begin(), last_.end());
  return all;
}

}  // namespace latchkey::wire::smtp

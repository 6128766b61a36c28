#include "wire/mime/mail_address.h"

#include <algorithm>

#include "wire/mime/encoded_text.h"
#include "wire/mime/header_fields.h"

namespace latchkey::wire {
namespace {

constexpr std::size_t kAddressBytesMax = 254;  // RFC 5321 section 4.5.3.1.3, less the brackets

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// One mailbox of a list, while it is being read.
struct Pending {
  std::string text;     // outside quotes, brackets and comments, and what quotes held
  std::string angle;    // between < and >
  std::string comment;  // the last one
  bool has_angle = false;
};

void tell(Pending& pending, std::vector<Mailbox>& boxes, Charsets& charsets) {
  std::string_view address = trim(pending.has_angle ? pending.angle : pending.text);
  // An old source route (RFC 5322 section 4.4): the mailbox stands behind it.
  if (address.starts_with('@') && address.find(':') != std::string_view::npos) address.remove_prefix(address.find(':') + 1);
  const auto name = pending.has_angle && !trim(pending.text).empty() ? trim(pending.text) : trim(pending.comment);
  if (is_address(address)) boxes.push_back({.name = decode_words(name, charsets), .address = std::string(address)});
  pending = {};
}

bool is_atom_text(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("!#$%&'*+-/=?^_`{|}~ ").contains(c);
}

}  // namespace

bool is_address(std::string_view text) {
  const auto at = text.rfind('@');
  if (at == std::string_view::npos || at == 0 || at + 1 == text.size() || text.size() > kAddressBytesMax) return false;
  if (!is_utf8(text)) return false;
  const auto local = text.substr(0, at);
  const auto domain = text.substr(at + 1);
  const auto is_bad = [](char c) { return is_control(c) || std::string_view(" <>()[],;:\\\"@").contains(c); };
  if (std::ranges::any_of(local, is_bad)) return false;
  if (domain.starts_with('.') || domain.ends_with('.') || domain.contains("..")) return false;
  return std::ranges::all_of(domain, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           static_cast<unsigned char>(c) >= 0x80;
  });
}

std::string domain_of(std::string_view address) {
  const auto at = address.rfind('@');
  if (at == std::string_view::npos) return {};
  std::string domain(address.substr(at + 1));
  std::ranges::transform(domain, domain.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return domain;
}

bool same_address(std::string_view left, std::string_view right) { return equal_ignoring_case(left, right); }

std::vector<Mailbox> parse_mailboxes(std::string_view text) {
  std::vector<Mailbox> boxes;
  Charsets charsets;
  Pending pending;
  int comments = 0;
  bool in_quotes = false;
  bool in_angle = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    const bool escapes = c == '\\' && at + 1 < text.size() && (in_quotes || comments > 0);
    if (comments > 0) {
      if (escapes) {
        pending.comment += text[++at];
      } else if (c == '(') {
        ++comments;
      } else if (c == ')') {
        --comments;
      } else {
        pending.comment += c;
      }
    } else if (in_quotes) {
      if (c == '"') {
        in_quotes = false;
      } else {
        (in_angle ? pending.angle : pending.text) += escapes ? text[++at] : c;
      }
    } else if (c == '"') {
      in_quotes = true;
    } else if (c == '(') {
      ++comments;
      pending.comment.clear();
    } else if (in_angle) {
      in_angle = c != '>';
      if (in_angle) pending.angle += c;
    } else if (c == '<') {
      in_angle = true;
      pending.has_angle = true;
      pending.angle.clear();
    } else if (c == ',' || c == ';') {
      tell(pending, boxes, charsets);
    } else if (c == ':') {
      pending.text.clear();  // a group's name
    } else {
      pending.text += c;
    }
  }
  tell(pending, boxes, charsets);
  return boxes;
}

std::string write_mailbox(const Mailbox& mailbox) {
  std::string name(trim(mailbox.name));
  std::ranges::replace_if(name, is_control, ' ');
  if (name.empty()) return mailbox.address;
  const auto encoded = encode_words(name);
  if (encoded != name || std::ranges::all_of(name, is_atom_text)) return encoded + " <" + mailbox.address + ">";
  std::string quoted = "\"";
  for (const char c : name) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\" <" + mailbox.address + ">";
}

}  // namespace latchkey::wire

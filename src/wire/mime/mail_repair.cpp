#include "wire/mime/mail_repair.h"

#include <algorithm>
#include <set>
#include <utility>

#include "wire/mime/encoded_text.h"
#include "wire/mime/mail_address.h"

namespace latchkey::wire {
namespace {

bool begins_ignoring_case(std::string_view text, std::string_view with) {
  return text.size() >= with.size() && equal_ignoring_case(text.substr(0, with.size()), with);
}

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::ranges::any_of(names, [&](std::string_view one) { return equal_ignoring_case(name, one); });
}

// What no sender may set (RULES G2): who sent it before, who really sent it, what a mail server noted.
bool is_forbidden(std::string_view name) {
  return is_one_of(name, {"Sender", "Return-Path", "Bcc"}) || begins_ignoring_case(name, "Resent-") ||
         begins_ignoring_case(name, "X-MS-Exchange-");
}

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

bool is_message_id(std::string_view value) {
  return value.starts_with('<') && value.ends_with('>') && value.contains('@') && is_ascii(value) &&
         value.find_first_of(" \t") == std::string_view::npos;
}

std::string joined(const std::vector<Mailbox>& boxes) {
  std::string out;
  for (const auto& box : boxes) out += (out.empty() ? "" : ", ") + write_mailbox(box);
  return out;
}

// A value that holds 8-bit octets, without them. A field with parameters keeps its shape.
std::string seven_bit(std::string_view name, std::string_view value) {
  if (is_ascii(value)) return std::string(value);
  if (!begins_ignoring_case(name, "Content-")) return encode_words(decode_words(value));
  const auto parsed = parse_parameterised(value);
  std::string out = encode_words(guess_utf8(parsed.value));
  for (const auto& parameter : parsed.parameters) {
    if (is_ascii(parameter.name)) out += "; " + parameter.name + "=" + quoted_string(encode_words(parameter.value));
  }
  return out;
}

std::vector<Mailbox> boxes_of(const std::vector<HeaderField>& fields, std::string_view name) {
  std::vector<Mailbox> all;
  for (const auto& field : fields) {
    if (!equal_ignoring_case(field.name, name)) continue;
    for (auto& box : parse_mailboxes(field.value)) all.push_back(std::move(box));
  }
  return all;
}

// As same_address() takes them.
std::string folded(std::string address) {
  for (char& c : address) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return address;
}

}  // namespace

MailRepair::MailRepair(MailIdentity identity, std::size_t header_bytes_max)
    : identity_(std::move(identity)), header_bytes_max_(header_bytes_max) {}

Result<std::string> MailRepair::feed(std::string_view octets) {
  std::string out;
  while (!in_body_ && !octets.empty()) {
    const auto end = octets.find('\n');
    const auto piece = octets.substr(0, end == std::string_view::npos ? end : end + 1);
    line_ += piece;
    octets.remove_prefix(piece.size());
    if (header_bytes_ + line_.size() > header_bytes_max_) {
      return fail(ErrorKind::refused, "mail_header_too_long",
                  "The header of the mail is longer than " + std::to_string(header_bytes_max_) + " bytes.");
    }
    if (end != std::string_view::npos) take_line(std::exchange(line_, {}), out);
  }
  if (in_body_) pass_body(octets, out);
  return out;
}

Result<std::string> MailRepair::finish() {
  std::string out;
  if (!in_body_ && !line_.empty()) take_line(std::exchange(line_, {}), out);
  if (!in_body_) end_header(out);
  for (; returns_ > 0; --returns_) out += "\r\n";
  return out;
}

void MailRepair::take_line(std::string_view whole, std::string& out) {
  header_bytes_ += whole.size();
  auto line = whole;
  if (line.ends_with('\n')) line.remove_suffix(1);
  while (line.ends_with('\r')) line.remove_suffix(1);
  switch (header_.add(line)) {
    case HeaderGatherer::Verdict::taken:
      break;
    case HeaderGatherer::Verdict::blank:
      end_header(out);
      break;
    case HeaderGatherer::Verdict::no_field:
      end_header(out);
      pass_body(whole, out);
      break;
  }
}

void MailRepair::end_header(std::string& out) {
  in_body_ = true;
  const auto fields = header_.take();
  const auto mail = boxes_of(fields, "From");
  const auto to = boxes_of(fields, "To");
  const auto cc = boxes_of(fields, "Cc");
  note_recipients({to, cc, boxes_of(fields, "Bcc")});
  if (const auto* subject = find_field(fields, "Subject")) facts_.subject = decode_words(subject->value);

  write_from(mail.empty() ? Mailbox{} : mail.front(), boxes_of(fields, "Reply-To"), out);
  bool has_date = false, has_id = false, has_version = false, is_mime = false, has_to = false, has_cc = false;
  for (const auto& field : fields) {
    const auto& name = field.name;
    if (is_forbidden(name) || is_one_of(name, {"From", "Reply-To"})) continue;
    // One To and one Cc, whatever came (RFC 5322 section 3.6).
    if (is_one_of(name, {"To", "Cc"})) {
      const bool is_to = equal_ignoring_case(name, "To");
      const auto& boxes = is_to ? to : cc;
      if (!boxes.empty() && !std::exchange(is_to ? has_to : has_cc, true))
        out += write_field(is_to ? "To" : "Cc", joined(boxes));
      continue;
    }
    if (equal_ignoring_case(name, "Date") && (field.value.empty() || std::exchange(has_date, true))) continue;
    if (equal_ignoring_case(name, "Message-ID") && (!is_message_id(field.value) || std::exchange(has_id, true))) continue;
    if (equal_ignoring_case(name, "MIME-Version")) has_version = true;
    if (begins_ignoring_case(name, "Content-")) is_mime = true;
    out += write_field(name, seven_bit(name, field.value));
  }
  if (!has_to && !has_cc) out += write_field("To", "undisclosed-recipients:;");
  if (!has_date) out += write_field("Date", identity_.date);
  if (!has_id) out += write_field("Message-ID", identity_.message_id);
  if (is_mime && !has_version) out += write_field("MIME-Version", "1.0");
  out += "\r\n";
}

void MailRepair::note_recipients(const std::vector<std::vector<Mailbox>>& lists) {
  std::set<std::string> seen;
  for (const auto& list : lists) {
    for (const auto& box : list) {
      if (seen.insert(folded(box.address)).second) facts_.recipients.push_back(box.address);
    }
  }
}

void MailRepair::write_from(Mailbox device, std::vector<Mailbox> reply_to, std::string& out) {
  Mailbox from{.name = device.name, .address = identity_.address};
  bool is_own = same_address(device.address, identity_.address);
  for (const auto& alias : identity_.aliases) {
    if (!is_own && same_address(device.address, alias)) {
      from.address = alias;
      is_own = true;
    }
  }
  // A name that reads as an address is what many programs show in place of the real one.
  if (from.name.contains('@')) from.name.clear();
  facts_.from = from.address;
  out += write_field("From", write_mailbox(from));
  const bool is_answerable = !is_own && !device.address.empty() && domain_of(device.address) == domain_of(identity_.address);
  if (reply_to.empty() && is_answerable) reply_to.push_back(std::move(device));
  if (!reply_to.empty()) out += write_field("Reply-To", joined(reply_to));
}

// CR LF, LF alone, CR alone: each is a line end, and goes on as CR LF. Two CR before an LF are one line end; of more, only
// the last two can belong to it, so that nothing has to be kept back.
void MailRepair::pass_body(std::string_view octets, std::string& out) {
  out.reserve(out.size() + octets.size() + octets.size() / 32);
  while (!octets.empty()) {
    const auto end = octets.find_first_of("\r\n");
    if (end != 0 && returns_ > 0) {
      for (; returns_ > 0; --returns_) out += "\r\n";
    }
    out += octets.substr(0, end);
    if (end == std::string_view::npos) return;
    if (octets[end] == '\r') {
      if (returns_ == 2)
        out += "\r\n";
      else
        ++returns_;
    } else {
      out += "\r\n";
      returns_ = 0;
    }
    octets.remove_prefix(end + 1);
  }
}

}  // namespace latchkey::wire

#include "wire/mime/mail_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "wire/mime/encoded_text.h"
#include "wire/mime/header_fields.h"

namespace latchkey::wire {
namespace {

constexpr std::size_t kBase64LineOctets = 57;  // 76 characters (RFC 2045 section 6.8)
constexpr std::size_t kPrintableLineMax = 75;  // and the "=" of a soft break

std::string joined(const std::vector<Mailbox>& boxes) {
  std::string out;
  for (const auto& box : boxes) out += (out.empty() ? "" : ", ") + write_mailbox(box);
  return out;
}

bool is_media_type(std::string_view type) {
  const auto slash = type.find('/');
  return slash != std::string_view::npos && slash > 0 && slash + 1 < type.size() && type.size() <= 127 &&
         std::ranges::all_of(type, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  std::string_view("/!#$&-^_.+").contains(c);
         });
}

// RFC 2045 section 6.7; line ends of every kind become CR LF.
std::string quoted_printable(std::string_view text) {
  std::string out, line;
  const auto put = [&](std::string_view piece) {
    if (line.size() + piece.size() > kPrintableLineMax) {
      out += line + "=\r\n";
      line.clear();
    }
    line += piece;
  };
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '\r' && at + 1 < text.size() && text[at + 1] == '\n') continue;
    if (c == '\n' || c == '\r') {
      out += line + "\r\n";
      line.clear();
      continue;
    }
    const bool ends_line = at + 1 == text.size() || text[at + 1] == '\n' || text[at + 1] == '\r';
    const bool is_plain = (c > 0x20 && c < 0x7f && c != '=') || ((c == ' ' || c == '\t') && !ends_line);
    put(is_plain ? std::string(1, c) : fmt::format("={:02X}", static_cast<unsigned char>(c)));
  }
  return out + line;
}

// name="..." as all readers have it, and filename*=UTF-8''... (RFC 2231) where it holds more than ASCII.
std::string extended(std::string_view utf8) {
  std::string out = "UTF-8''";
  for (const char c : utf8) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                          std::string_view("!#$&+-.^_`|~").contains(c);
    out += is_plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

}  // namespace

std::string MailBuilder::begin() {
  std::string out;
  if (!fields_.from.address.empty()) out += write_field("From", write_mailbox(fields_.from));
  if (!fields_.to.empty()) out += write_field("To", joined(fields_.to));
  if (!fields_.cc.empty()) out += write_field("Cc", joined(fields_.cc));
  if (fields_.to.empty() && fields_.cc.empty()) out += write_field("To", "undisclosed-recipients:;");
  if (!fields_.reply_to.empty()) out += write_field("Reply-To", joined(fields_.reply_to));
  out += write_field("Subject", encode_words(fields_.subject));
  if (!fields_.date.empty()) out += write_field("Date", fields_.date);
  if (!fields_.message_id.empty()) out += write_field("Message-ID", fields_.message_id);
  out += write_field("MIME-Version", "1.0");
  out += write_field("Content-Type", "multipart/mixed; boundary=\"" + fields_.boundary + "\"");
  out += "\r\n--" + fields_.boundary +
         "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n";
  return out + quoted_printable(fields_.text);
}

std::string MailBuilder::begin_file(std::string_view name, std::string_view content_type) {
  auto out = end_file();
  in_file_ = true;
  out += "\r\n--" + fields_.boundary + "\r\n";
  const std::string type(is_media_type(content_type) ? content_type : "application/octet-stream");
  const auto plain = encode_words(name);
  out += "Content-Type: " + type + ";\r\n name=" + quoted_string(plain) + "\r\n";
  out += "Content-Transfer-Encoding: base64\r\n";
  out += "Content-Disposition: attachment;\r\n filename" + (plain == name ? "=" + quoted_string(plain) : "*=" + extended(name)) +
         "\r\n\r\n";
  return out;
}

std::string MailBuilder::file_octets(ByteView octets) {
  std::string out;
  out.reserve(octets.size() / kBase64LineOctets * 78 + 80);
  while (!octets.empty()) {
    const auto taken = std::min(kBase64LineOctets - line_.size(), octets.size());
    line_.insert(line_.end(), octets.begin(), octets.begin() + static_cast<std::ptrdiff_t>(taken));
    octets = octets.subspan(taken);
    if (line_.size() < kBase64LineOctets) break;
    out += base::to_base64(line_) + "\r\n";
    line_.clear();
  }
  return out;
}

std::string MailBuilder::end_file() {
  std::string out;
  if (in_file_ && !line_.empty()) out = base::to_base64(line_) + "\r\n";
  line_.clear();
  in_file_ = false;
  return out;
}

std::string MailBuilder::end() { return end_file() + "\r\n--" + fields_.boundary + "--\r\n"; }

std::string mail_date(std::int64_t unix_seconds) {
  using namespace std::chrono;
  constexpr std::array<std::string_view, 7> kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const sys_seconds moment{seconds(unix_seconds)};
  const auto day = floor<days>(moment);
  const year_month_day date(day);
  const hh_mm_ss time(moment - day);
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} +0000", kDays[weekday(day).c_encoding()],
                     static_cast<unsigned>(date.day()), kMonths[static_cast<unsigned>(date.month()) - 1],
                     static_cast<int>(date.year()), time.hours().count(), time.minutes().count(), time.seconds().count());
}

}  // namespace latchkey::wire

#include "grants/notice_texts.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.h"
#include "crypto/hash.h"
#include "grants/alert_kinds.h"
#include "net/url.h"

namespace latchkey::grants {
namespace {

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// RFC 2047; header lines hold no line breaks whatever the words do.
std::string header_words(std::string words) {
  std::ranges::replace_if(words, [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  return is_ascii(words) ? words : "=?UTF-8?B?" + base::to_base64(base::as_bytes(words)) + "?=";
}

std::string folded(std::string_view base64) {
  std::string out;
  for (std::size_t at = 0; at < base64.size(); at += 76) out += std::string(base64.substr(at, 76)) + "\r\n";
  return out;
}

// "Thu, 26 Nov 2026 19:05:00 +0000"
std::string mail_date(WallTime time) {
  static constexpr std::string_view kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{std::chrono::floor<Seconds>(time - day)};
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} +0000", kDays[std::chrono::weekday{day}.c_encoding()], static_cast<unsigned>(date.day()),
                     kMonths[static_cast<unsigned>(date.month()) - 1], static_cast<int>(date.year()), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count());
}

std::string title_of(const Notice& notice) {
  return notice.kind == NoticeKind::test ? std::string("A test notice") : std::string(kind_of_alert(notice.cause).title);
}

std::string host_of(const std::string& url) {
  const auto parsed = net::Url::parse(url);
  return parsed ? parsed->host() : "latchkey.invalid";
}

}  // namespace

std::string mail_text(const Notice& notice, const NoticeMail& mail) {
  const auto title = title_of(notice);
  const auto severity = notice.kind == NoticeKind::test ? Severity::info : kind_of_alert(notice.cause).severity;
  std::string subject = "[Latchkey] ";
  if (notice.kind == NoticeKind::resolved) subject += "Over: ";
  if (notice.kind == NoticeKind::reminder) subject += "Still: ";
  subject += title;
  std::string body = title + ".\n\n" + notice.words + "\n\n";
  const auto link = notice.kind == NoticeKind::test ? std::string("/health") : link_of_alert(notice.cause);
  switch (notice.kind) {
    case NoticeKind::begun: body += fmt::format("Since {}.\n", base::to_rfc3339(notice.since)); break;
    case NoticeKind::reminder: body += fmt::format("This stands since {}.\n", base::to_rfc3339(notice.since)); break;
    case NoticeKind::resolved: body += fmt::format("This stood since {} and is over now.\n", base::to_rfc3339(notice.since)); break;
    case NoticeKind::test: break;
  }
  body += fmt::format("\n{}{}\n", mail.public_url, link.empty() ? "/health" : link);
  body += "\n-- \nLatchkey at " + mail.public_url + ". When and where these mails go is set in the registry, under notices.\n";
  const bool high = severity == Severity::critical && notice.kind != NoticeKind::resolved;
  return mail_message(subject, body, mail, high ? Importance::high : Importance::normal);
}

std::string mail_message(std::string_view subject, std::string_view body, const NoticeMail& mail, Importance importance) {
  std::string lines;
  for (const char c : body) lines += c == '\n' ? std::string("\r\n") : std::string(1, c);

  std::string text = "Date: " + mail_date(mail.now) + "\r\nFrom: Latchkey <" + mail.from + ">\r\n";
  text += fmt::format("To: {}\r\n", fmt::join(mail.to, ", "));
  text += "Subject: " + header_words(std::string(subject)) + "\r\n";
  text += "Message-ID: <" + mail.message_id + "@" + host_of(mail.public_url) + ">\r\n";
  text += "Auto-Submitted: auto-generated\r\n";
  if (importance == Importance::high) text += "Importance: high\r\n";
  text += "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n";
  return text + folded(base::to_base64(base::as_bytes(lines)));
}

std::string webhook_body(const Notice& notice, const std::string& public_url, const std::string& id, WallTime now) {
  const bool test = notice.kind == NoticeKind::test;
  const auto link = test ? std::string("/health") : link_of_alert(notice.cause);
  return boost::json::serialize(JsonObject{
      {"id", id}, {"event", test ? std::string("test") : "alert." + std::string(name_of(notice.kind))}, {"cause", notice.cause},
      {"severity", name_of(test ? Severity::info : kind_of_alert(notice.cause).severity)}, {"title", title_of(notice)}, {"detail", notice.words},
      {"since", base::to_rfc3339(notice.since)}, {"at", base::to_rfc3339(now)}, {"link", public_url + (link.empty() ? "/health" : link)},
      {"server", public_url}});
}

std::string webhook_signature(const Secret& secret, std::int64_t timestamp, std::string_view body) {
  const auto signed_text = fmt::format("{}.{}", timestamp, body);
  return "v1=" + base::to_hex(crypto::hmac_sha256(secret.reveal(), base::as_bytes(signed_text)));
}

}  // namespace latchkey::grants

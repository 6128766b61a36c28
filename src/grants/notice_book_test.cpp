#include "grants/notice_book.h"

#include <gtest/gtest.h>

#include "grants/notice_texts.h"

namespace latchkey::grants {
namespace {

using namespace std::chrono_literals;

constexpr WallTime kStart{Milliseconds(1'795'000'000'000)};
constexpr NoticeRhythm kRhythm{.wait = 60s, .remind_every = 24h};

Alert standing(std::string cause, WallTime since) { return {.cause = cause, .words = "words of " + cause, .since = since}; }

// Tells what there is to tell, all of it.
std::vector<std::string> told(NoticeBook& book, const std::vector<Alert>& alerts, WallTime now, WallTime started = kStart) {
  std::vector<std::string> out;
  while (const auto notice = book.next(alerts, kRhythm, started, now)) {
    out.push_back(std::string(name_of(notice->kind)) + " " + notice->cause);
    book.told(*notice, now);
    if (out.size() > 500) break;
  }
  return out;
}

using Words = std::vector<std::string>;

TEST(NoticeBook, ACauseIsToldOnceItHasStoodAndOnceItIsOver) {
  NoticeBook book;
  const std::vector<Alert> alerts{standing("needs_authorization", kStart)};
  EXPECT_EQ(told(book, alerts, kStart + 59s), Words());
  EXPECT_EQ(told(book, alerts, kStart + 60s), Words{"begun needs_authorization"});
  EXPECT_EQ(told(book, alerts, kStart + 23h), Words());
  EXPECT_EQ(told(book, {}, kStart + 23h + 1s), Words()) << "gone, but perhaps it comes back";
  EXPECT_EQ(told(book, alerts, kStart + 23h + 30s), Words()) << "it flapped: no news";
  EXPECT_EQ(told(book, {}, kStart + 23h + 31s), Words());
  EXPECT_EQ(told(book, {}, kStart + 23h + 91s), Words{"resolved needs_authorization"});
  EXPECT_EQ(told(book, {}, kStart + 30h), Words());
  EXPECT_EQ(book.size(), 0u);
}

TEST(NoticeBook, WhatStandsIsRememberedEveryDay) {
  NoticeBook book;
  const std::vector<Alert> alerts{standing("journal_full", kStart), standing("uncertain", kStart)};
  EXPECT_EQ(told(book, alerts, kStart + 1h), (Words{"begun journal_full", "begun uncertain"}));
  EXPECT_EQ(told(book, alerts, kStart + 24h), Words());
  EXPECT_EQ(told(book, alerts, kStart + 25h), (Words{"reminder journal_full", "reminder uncertain"}));
  EXPECT_EQ(told(book, alerts, kStart + 26h), Words());
}

TEST(NoticeBook, ACauseThatHasDoubledIsToldAgain) {
  NoticeBook book;
  auto alert = standing("needs_authorization", kStart);
  const auto hit = [&](std::int64_t number, WallTime now) {
    alert.number = number;
    return told(book, {alert}, now);
  };
  EXPECT_EQ(hit(2, kStart + 1h), Words{"begun needs_authorization"});
  EXPECT_EQ(hit(3, kStart + 2h), Words());
  EXPECT_EQ(hit(4, kStart + 2h), Words{"reminder needs_authorization"});
  EXPECT_EQ(hit(9, kStart + 2h + 59s), Words()) << "at once would be a flood";
  book = NoticeBook::from_json(book.to_json());
  EXPECT_EQ(hit(7, kStart + 3h), Words()) << "twice what was told, not what was seen; a restart forgets neither";
  EXPECT_EQ(hit(500, kStart + 3h), Words{"reminder needs_authorization"});
  EXPECT_EQ(hit(1, kStart + 4h), Words());
  EXPECT_EQ(hit(2, kStart + 4h), Words()) << "what wavers is no news";
  EXPECT_EQ(hit(2, kStart + 27h), Words{"reminder needs_authorization"});
}

TEST(NoticeBook, ABookOfAnEarlierVersionCountsFromWhatItFinds) {
  NoticeBook book;
  auto alert = standing("needs_authorization", kStart);
  EXPECT_EQ(told(book, {alert}, kStart + 1h), Words{"begun needs_authorization"});
  alert.number = 30;
  EXPECT_EQ(told(book, {alert}, kStart + 2h), Words());
  alert.number = 60;
  EXPECT_EQ(told(book, {alert}, kStart + 3h), Words{"reminder needs_authorization"});
}

TEST(NoticeBook, AnEventPassesWithoutWords) {
  NoticeBook book;
  auto event = standing("pin_spray:192.0.2.1", kStart);
  event.until = kStart + 24h;
  EXPECT_EQ(told(book, {event}, kStart + 60s), Words{"begun pin_spray:192.0.2.1"});
  EXPECT_EQ(told(book, {}, kStart + 25h), Words());
  EXPECT_EQ(told(book, {}, kStart + 26h), Words());
  EXPECT_EQ(book.size(), 0u);
}

TEST(NoticeBook, ARestartTellsNothingTwiceAndWaitsForAlertsToComeBack) {
  NoticeBook before;
  const std::vector<Alert> alerts{standing("needs_authorization", kStart)};
  EXPECT_EQ(told(before, alerts, kStart + 60s).size(), 1u);
  auto book = NoticeBook::from_json(before.to_json());
  const auto restarted = kStart + 1h;
  EXPECT_EQ(told(book, {}, restarted + 1s, restarted), Words());
  EXPECT_EQ(told(book, {}, restarted + 14min, restarted), Words()) << "the look that raises it may not have come yet";
  EXPECT_EQ(told(book, {standing("needs_authorization", restarted + 10s)}, restarted + 14min + 1s, restarted), Words());
  EXPECT_EQ(told(book, {}, restarted + 20min, restarted), Words());
  EXPECT_EQ(told(book, {}, restarted + 21min, restarted), Words{"resolved needs_authorization"});
}

TEST(NoticeBook, OneKindIsBoundedAndCriticalCausesAlwaysHaveRoom) {
  NoticeBook book;
  std::vector<Alert> many;
  for (std::size_t i = 0; i < kCausesOfAKindMax + 5; ++i) many.push_back(standing("node_silent:" + std::to_string(i), kStart));
  EXPECT_EQ(told(book, many, kStart + 1h).size(), kCausesOfAKindMax);
  book = NoticeBook::from_json(book.to_json());
  EXPECT_EQ(book.size(), kCausesOfAKindMax);
  many.push_back(standing("notice_failed:mail", kStart));
  EXPECT_EQ(told(book, many, kStart + 1h), Words{"begun notice_failed:mail"}) << "another kind";
  std::vector<Alert> grave;
  for (std::size_t i = 0; i < 3 * kCausesOfAKindMax; ++i) grave.push_back(standing("app_misconfigured:" + std::to_string(i), kStart));
  EXPECT_EQ(told(book, grave, kStart + 1h).size(), grave.size());
  EXPECT_EQ(NoticeBook::from_json(book.to_json()).size(), book.size());
}

TEST(NoticeBook, ReadsWhatIsNoBookAsEmpty) {
  for (const auto* text : {"", "nonsense", "[]", "{\"causes\":3}", "{\"causes\":{\"a\":1}}"}) EXPECT_EQ(NoticeBook::from_json(text).size(), 0u) << text;
}

TEST(Notices, AMailIsPlainAndNothingInItsWordsBecomesAHeader) {
  const Notice notice{.kind = NoticeKind::begun, .cause = "app_misconfigured:box", .words = "The provider says: no.\r\nBcc: evil@example.com", .since = kStart};
  const auto text = mail_text(notice, {.from = "l@example.org", .to = {"a@example.org", "b@example.org"}, .public_url = "https://latchkey.example",
                                       .message_id = "id1", .now = kStart});
  const auto head = text.substr(0, text.find("\r\n\r\n"));
  EXPECT_NE(head.find("Date: Wed, 18 Nov 2026 11:06:40 +0000\r\n"), std::string::npos) << head;
  EXPECT_NE(head.find("To: a@example.org, b@example.org\r\n"), std::string::npos);
  EXPECT_NE(head.find("Subject: [Latchkey] A provider refuses an app registration\r\n"), std::string::npos);
  EXPECT_NE(head.find("Message-ID: <id1@latchkey.example>\r\n"), std::string::npos);
  EXPECT_EQ(head.find("Bcc"), std::string::npos);
  for (std::size_t at = 0; at < text.size();) {
    const auto end = text.find("\r\n", at);
    ASSERT_LE(end - at, 998u) << "RFC 5322 2.1.1";
    at = end == std::string::npos ? text.size() : end + 2;
  }
}

TEST(Notices, AWebhooksSignatureIsAPublishedConstruction) {
  // echo -n '1795000000.{"a":1}' | openssl dgst -sha256 -hmac key
  EXPECT_EQ(webhook_signature(Secret("key"), 1795000000, R"({"a":1})"), "v1=1bd16f4bb96630234f5d9db1391a58d04079ea2aaf515271f43b4b91dcdfe987");
  const auto json = parse_json(webhook_body({.kind = NoticeKind::resolved, .cause = "journal_full", .words = "w", .since = kStart}, "https://l.example", "i", kStart));
  ASSERT_TRUE(json);
  EXPECT_EQ(json->at("event"), "alert.resolved");
  EXPECT_EQ(json->at("severity"), "critical");
  EXPECT_EQ(json->at("link"), "https://l.example/health");
}

}  // namespace
}  // namespace latchkey::grants

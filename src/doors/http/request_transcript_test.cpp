// What a transcript of HTTP shows, and above all what it does not.
#include "doors/http/request_transcript.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "doors/http/door_request.h"

namespace latchkey::doors {
namespace {

using Lines = std::vector<people::ConversationLine>;
using Speaker = people::ConversationLine::Speaker;

std::string told(const Lines& lines) {
  std::string out;
  for (const auto& line : lines) {
    out += line.speaker == Speaker::device ? "C " : line.speaker == Speaker::server ? "S " : "- ";
    out += line.text + "\n";
  }
  return out;
}

net::HttpRequest request(std::string method, std::string target, net::HttpHeaders headers = {}) {
  net::HttpRequest one;
  one.method = std::move(method);
  one.target = std::move(target);
  one.headers = std::move(headers);
  return one;
}

TEST(RequestTranscript, TellsWhatWasAskedInItsOrder) {
  EXPECT_EQ(told(request_lines(request("PUT", "/dav/scans/Rechnung%20M%C3%A4rz.pdf",
                                       {{"Host", "latchkey.example"},
                                        {"authorization", "basic Y29waWVyOnNlY3JldA=="},
                                        {"user-agent", "COPIER 3000"},
                                        {"Content-Length", "300000"},
                                        {"expect", "100-continue"},
                                        {"Overwrite", "T"},
                                        {"Destination", "https://latchkey.example:8443/dav/scans/b%20c.pdf"},
                                        {"If", "<urn:x> ([\"etag\"])"}}))),
            "C PUT /dav/scans/Rechnung%20M%C3%A4rz.pdf\nC Authorization: Basic (hidden)\nC User-Agent: COPIER 3000\n"
            "C Content-Length: 300000\nC Expect: 100-continue\nC Overwrite: T\nC Destination: /dav/scans/b%20c.pdf\n"
            "C If: <urn:x> ([\"etag\"])\n");
  EXPECT_EQ(body_line({.octets = 300'000, .asked_for = true, .whole = true}).text, "The body, 300000 octets");
  EXPECT_EQ(body_line({.octets = 70'000, .asked_for = true}).text, "Of the body 70000 octets had been taken in");
  EXPECT_EQ(body_line({}).text, "The body was not read");
}

TEST(RequestTranscript, TellsStatusAndProblemOfTheAnswer) {
  EXPECT_EQ(told(answer_lines(net::HttpResponse::no_content())), "S 204 No Content\n");
  EXPECT_EQ(told(answer_lines(problem_of(no_credentials()))),
            "S 401 Unauthorized\nS invalid_credentials: Username or PIN is wrong.\n");
  EXPECT_EQ(told(answer_lines(net::HttpResponse::json(200, JsonObject{{"detail", "secret"}}))), "S 200 OK\n");
  EXPECT_EQ(told(answer_lines(net::HttpResponse::text(200, "secret"))), "S 200 OK\n");
  EXPECT_EQ(told(answer_lines(problem_of({.kind = ErrorKind::unavailable, .reason = "connection_lost", .text = "Gone."}))),
            "- The line was cut\n");
}

TEST(RequestTranscript, NoSecretIsInItWhereverADeviceSendsIt) {
  // "secret" and its base64, in every place where it may be sent.
  const std::string token = base::to_base64(base::as_bytes("copier:secret"));
  for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{
           {"Authorization", "Basic " + token},
           {"Authorization", "Basic  " + token},
           {"Authorization", token},
           {"Authorization", "secret"},
           {"Authorization", "secret secret"},
           {"Authorization", "Bearer secret"},
           {"Authorization", "Digest username=\"copier\", response=\"secret\""},
           {"Authorization", "NTLM " + token},
           {"Authorization", "Negotiate " + token},
           {"Authorization", ":secret"},
           {"Proxy-Authorization", "Basic " + token},
           {"Cookie", "session=secret"},
           {"X-Api-Key", "secret"},
           {"X-Password", "secret"},
           {"Password", "secret"},
           {"Referer", "https://copier:secret@latchkey.example/"},
           {"Origin", "https://copier:secret@latchkey.example"},
           {"From", "secret"},
           {"X-Forwarded-For", "secret"},
           {"Host", "copier:secret@latchkey.example"},
           {"Idempotency-Key", "\"secret\""},
           {"Destination", "https://copier:secret@latchkey.example/dav/scans/a"},
           {"Destination", "https://copier:sec/ret@latchkey.example/secret@x/dav"},
           {"Destination", "//copier:secret@latchkey.example/dav/scans/a"},
           {"Destination", "/dav/scans/a?password=secret"},
           {"Destination", "https://latchkey.example/dav/scans/a#secret"},
           {"Destination", "https://latchkey.example?secret"},
           {"Destination", "https://latchkey.example?password=/secret"},
           {"Destination", "copier:secret"},
           {"If", "<https://copier:secret@latchkey.example/dav/scans/a> ([\"x\"])"},
           {"If", "<//copier:secret@latchkey.example/dav/scans/a> ([\"x\"])"},
           {"User-Agent", "COPIER (https://copier:secret@latchkey.example/)"},
           {"Content-Disposition", "attachment; filename=\"https://copier:secret@latchkey.example/a\""}}) {
    net::HttpHeaders headers;
    ASSERT_TRUE(headers.add(name, value)) << name;
    const auto all = told(request_lines(request("PUT", "/dav/scans/a", std::move(headers))));
    for (const auto* hidden : {"secret", "ret@", "Y29waWVy", "copier"})
      EXPECT_EQ(all.find(hidden), std::string::npos) << name << ": " << all;
    EXPECT_EQ(all.rfind("C PUT /dav/scans/a\n", 0), 0U) << all;
  }
  for (const auto& [method, target] :
       std::vector<std::pair<std::string, std::string>>{{"GET", "/v1/connectors/scans/list?password=secret"},
                                                        {"GET", "/v1/connectors/scans/list?copier:secret@x"},
                                                        {"GET", "/v1/deliveries#secret"},
                                                        {"PUT", "/dav/https://copier:secret@latchkey.example/dav/scans/a"},
                                                        {"secret", "/dav/scans/a"}}) {
    const auto all = told(request_lines(request(method, target)));
    EXPECT_EQ(all.find("secret"), std::string::npos) << all;
    EXPECT_NE(all.find("(hidden"), std::string::npos) << "something was sent: " << all;
  }
}

TEST(RequestTranscript, SaysWhichWayToSignInWasTried) {
  const auto shown = [](std::string_view credentials) {
    return request_lines(request("GET", "/", {{"Authorization", credentials}})).back().text;
  };
  EXPECT_EQ(shown("BASIC x"), "Authorization: Basic (hidden)");
  EXPECT_EQ(shown("digest x"), "Authorization: Digest (hidden)");
  EXPECT_EQ(shown("Bearer"), "Authorization: Bearer");
  EXPECT_EQ(shown("AWS4-HMAC-SHA256 x"), "Authorization: (hidden)");
}

TEST(RequestTranscript, IsBoundedAndHoldsPrintableTextAlone) {
  net::HttpHeaders headers;
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(headers.add("Depth", std::to_string(i)));
  const auto lines = request_lines(request("PUT", "/dav/\xc3\xa4/" + std::string(5000, 'x'), std::move(headers)));
  ASSERT_EQ(lines.size(), 22U);
  EXPECT_EQ(lines.front().text, "PUT /dav/?\?/" + std::string(188, 'x') + "...");
  EXPECT_EQ(lines[20].text, "Depth: 19");
  EXPECT_EQ(lines.back().text, "80 header fields are left out here");
  const auto answer = answer_lines(net::HttpResponse::problem(409, "exists", "\x1b[2J\xc3\xa4 " + std::string(5000, 'y')));
  ASSERT_EQ(answer.size(), 2U);
  EXPECT_EQ(answer.back().text, "exists: ?[2J?\? " + std::string(185, 'y') + "...");
}

}  // namespace
}  // namespace latchkey::doors

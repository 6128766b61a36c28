#include "doors/http/mail_form.h"

#include <gtest/gtest.h>

#include "wire/mime/mail_repair.h"
#include "wire/mime/mime_reader.h"

namespace latchkey::doors {
namespace {

struct Part {
  std::string field;
  std::optional<std::string> file_name;
  std::string content;
};

Result<std::string> message_of(const std::vector<Part>& parts) {
  MailForm form("b0undary");
  std::string message;
  for (const auto& part : parts) {
    auto begun = form.begin_part(part.field, part.file_name, part.file_name ? "application/pdf" : "");
    if (!begun) return begun;
    auto octets = form.octets(part.content);
    if (!octets) return octets;
    if (const auto ended = form.end_part(); !ended) return std::unexpected(ended.error());
    message += *begun + *octets;
  }
  auto end = form.end();
  if (end) message += *end;
  return end ? message : end;
}

TEST(MailForm, FieldsAndFilesBecomeAMessage) {
  const auto message = message_of({{"to", {}, "Bob <bob@x.example>, carol@x.example"},
                                   {"bcc", {}, "dave@x.example"},
                                   {"subject", {}, "Prüfung\r\nX-Evil: 1"},
                                   {"text", {}, "Grüße"},
                                   {"file", "März.pdf", "%PDF"},
                                   {"file", "b.pdf", ""}});
  ASSERT_TRUE(message) << message.error().text;
  wire::MailRepair repair({.address = "ada@office.example", .aliases = {}, .date = "d", .message_id = "<1@x>"});
  auto mail = repair.feed(*message).value();
  mail += repair.finish().value();
  EXPECT_EQ(repair.facts().recipients, (std::vector<std::string>{"bob@x.example", "carol@x.example", "dave@x.example"}));
  EXPECT_EQ(repair.facts().from, "ada@office.example");
  EXPECT_EQ(mail.find("dave"), std::string::npos);
  EXPECT_EQ(mail.find("\r\nX-Evil"), std::string::npos) << "Attack: a line end in a field";
  wire::MimeReader reader;
  std::vector<std::string> names;
  for (const auto& event : reader.feed(mail).value()) {
    if (const auto* begins = std::get_if<wire::PartBegins>(&event)) names.push_back(begins->head.file_name);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"", "März.pdf", "b.pdf"}));
}

TEST(MailForm, WhatIsWrongIsRefusedBeforeItIsSent) {
  const auto reason = [](const std::vector<Part>& parts) {
    const auto message = message_of(parts);
    return message ? std::string("accepted") : message.error().reason + " " + message.error().field;
  };
  EXPECT_EQ(reason({{"subject", {}, "s"}}), "no_recipients to");
  EXPECT_EQ(reason({{"file", "a.pdf", "x"}, {"to", {}, "a@x.example"}}), "no_recipients to");
  EXPECT_EQ(reason({{"to", {}, "a@x.example"}, {"file", "a.pdf", "x"}, {"subject", {}, "s"}}), "bad_mail_form subject");
  EXPECT_EQ(reason({{"to", {}, "a@x.example"}, {"to", {}, "b@x.example"}}), "bad_mail_form to");
  EXPECT_EQ(reason({{"to", {}, "nobody"}}), "bad_mail_form to");
  EXPECT_EQ(reason({{"sender", {}, "a@x.example"}}), "bad_mail_form sender");
  EXPECT_EQ(reason({{"to", {}, "a@x.example"}, {"file", "../a.pdf", "x"}}), "bad_name filename");
  EXPECT_EQ(reason({{"to", {}, "a@x.example"}, {"subject", {}, "\xff"}}), "bad_mail_form subject");
  EXPECT_EQ(reason({{"to", {}, "a@x.example"}, {"subject", {}, std::string(70'000, 'x')}}), "bad_mail_form subject");
  EXPECT_EQ(reason({{"to", {}, "a@x.example"}}), "accepted");
}

}  // namespace
}  // namespace latchkey::doors

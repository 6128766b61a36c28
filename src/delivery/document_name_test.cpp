#include "delivery/document_name.h"

#include <gtest/gtest.h>

#include "base/entropy.h"

namespace latchkey::delivery {
namespace {

NameFacts facts(std::string original = "Rechnung März.pdf") {
  base::SeededEntropy entropy(4);
  return {.original = std::move(original),
          .content_type = "application/pdf",
          .user = "anna",
          .connector = "scans",
          .delivery = DeliveryId::make(WallTime(), entropy),
          .now = *base::from_rfc3339("2026-11-27T14:05:09.000Z"),
          .device = "Copier/2",
          .counter = 17};
}

// D7: nothing that a device calls a document gets out of the connector's folder, or into a header.
TEST(DocumentName, D7_NamesThatClimbOrBreakLinesAreRefused) {
  for (const char* name : {"", ".", "..", "...", "../a", "a/b", "a\\b", "/etc/passwd", "a\r\nX: y", "a\nb", "a\tb", "a\x7f",
                           "\xff.pdf", "\xc0\xaf", "\xed\xa0\x80"}) {
    const auto checked = check_name(name);
    ASSERT_FALSE(checked) << name;
    EXPECT_EQ(checked.error().reason, "bad_name");
    EXPECT_EQ(checked.error().field, "filename");
  }
  EXPECT_FALSE(check_name(std::string_view("a\0b", 3)));
  EXPECT_FALSE(check_name(std::string(201, 'a')));
  // U+0085, a new line of old; U+202E: "invoice" and "fdp.exe" read from right to left.
  for (const char* name : {"a\xc2\x85" "b", "a\xc2\x9b" "31mb", "invoice\xe2\x80\xae" "fdp.exe", "\xe2\x81\xa6" "a\xe2\x81\xa9.pdf", "a\xe2\x80\xa8.pdf", "a\xd8\x9c.pdf", "a\xe2\x80\x8f.pdf"})
    EXPECT_FALSE(check_name(name)) << name;
  for (const char* name : {"\xc2\xa9.pdf", "نامه\xe2\x80\x8cها.pdf", "👩\xe2\x80\x8d💻.pdf", "\xe2\x80\xa6.pdf"}) EXPECT_TRUE(check_name(name)) << name;
  for (const char* name : {"a", "Übersicht – Q4.pdf", ".profile", "two  spaces.txt", "日本.pdf", "a..b"})
    EXPECT_EQ(check_name(name).value_or(""), name);
  EXPECT_TRUE(check_name(std::string(200, 'a')));
}

TEST(DocumentName, TemplatesAreFilled) {
  EXPECT_EQ(render_name("{name}", facts()), "Rechnung März.pdf");
  EXPECT_EQ(render_name("{date} {time} {user}", facts()), "2026-11-27 14-05-09 anna.pdf");
  EXPECT_EQ(render_name("{connector}-{id}", facts()),
            "scans-" + facts().delivery.text().substr(facts().delivery.text().size() - 8) + ".pdf");
  EXPECT_EQ(render_name("{name}", facts("")), "document.pdf") << "the type tells the extension";
  EXPECT_EQ(render_name("{name}", facts("archive.tar.gz")), "archive.tar.gz");
  EXPECT_EQ(render_name("{name}", facts(".profile")), ".profile.pdf");
  auto climbing = facts();
  climbing.user = "../anna\\b";
  EXPECT_EQ(render_name("{user}", climbing), "..-anna-b.pdf");
  climbing.user = "an\xe2\x80\xae" "na\xc2\x85";
  EXPECT_EQ(render_name("{user}", climbing), "an-na-.pdf");
  EXPECT_EQ(render_folder("Scans/{user}/{date}", facts()), "Scans/anna/2026-11-27");
  const auto longest = render_name("{name}", facts(std::string(100, 'a') + "ä" + std::string(93, 'b') + ".pdf"));
  EXPECT_LE(longest.size(), kNameBytesMax);
  EXPECT_TRUE(check_name(longest));
  EXPECT_TRUE(check_name(render_name("{name}{name}", facts(std::string(97, 'a') + "ä.pdf"))))
      << "no character is cut in two";
}

TEST(DocumentName, DeviceAndCounterAreFilledIn) {
  EXPECT_EQ(render_name("{device} {counter}", facts()), "Copier-2 17.pdf") << "a device's name makes no folder";
  EXPECT_EQ(render_name("{counter:4}", facts()), "0017.pdf");
  EXPECT_EQ(render_name("{counter:1}-{counter:12}", facts()), "17-000000000017.pdf") << "never cut";
  EXPECT_EQ(render_folder("{device}/{counter:3}", facts()), "Copier-2/017");
  for (const char* text : {"{counter}", "{counter:1}", "{counter:12}", "{device}"}) {
    EXPECT_TRUE(check_template(text)) << text;
    EXPECT_TRUE(check_folder(text)) << text;
  }
  for (const char* text : {"{counter:}", "{counter:0}", "{counter:04}", "{counter:13}", "{counter:4x}", "{counter:-1}", "{counters}"}) {
    EXPECT_EQ(check_template(text).error().reason, "bad_template") << text;
    EXPECT_EQ(check_folder(text).error().reason, "bad_folder") << text;
  }
  EXPECT_TRUE(asks_for_counter("a {counter:4}") && asks_for_counter("{counter}") && !asks_for_counter("{name} counter"));
  EXPECT_TRUE(asks_for_device("{device}") && !asks_for_device("{name} device"));
}

// D7: what a template makes is looked at as a whole, too: its parts may be harmless and their sum is not.
TEST(DocumentName, D7_WhatFolderAndTemplateMakeIsChecked) {
  for (const char* user : {".", "..", "..."}) {
    auto dots = facts();
    dots.user = user;
    const auto folder = render_folder("Scans/{user}", dots);
    EXPECT_EQ(folder, "Scans/" + std::string(dots.user.size(), '-'));
    EXPECT_TRUE(check_path(folder + "/" + render_name("{user}", dots)));
  }
  const auto climbing = render_folder("Scans/{name}", facts("..a")) + "/a.pdf";
  EXPECT_EQ(climbing, "Scans/./a.pdf") << "the name's own extension has gone";
  for (const auto& path :
       {climbing, std::string("a/../b"), std::string("a//b"), std::string("/a"), std::string("a/"), std::string(),
        std::string("a/") + std::string(201, 'b'), std::string("a\\b"), std::string("a/\xff")}) {
    const auto checked = check_path(path);
    ASSERT_FALSE(checked) << path;
    EXPECT_EQ(checked.error().reason, "bad_name");
  }
  std::string deep = "a";
  while (deep.size() < kPathBytesMax - 1) deep += "/a";
  EXPECT_TRUE(check_path(deep)) << deep.size();
  EXPECT_FALSE(check_path(deep + "/a"));
}

TEST(DocumentName, TemplatesAreChecked) {
  for (const char* text : {"{name}", "scan", "{date}_{time}", "{user} {name} {connector} {id}"})
    EXPECT_TRUE(check_template(text)) << text;
  for (const char* text : {"", "{nam}", "{", "}", "{date", "a/b", "..", "a\nb", "{}"})
    EXPECT_EQ(check_template(text).error().reason, "bad_template") << text;
  EXPECT_NE(check_template("x {nam} y").error().text.find("{nam}"), std::string::npos);
  EXPECT_EQ(check_folder("/Scans/{user}/").value_or("?"), "Scans/{user}");
  EXPECT_EQ(check_folder("").value_or("?"), "");
  for (const char* text : {"a//b", "../a", "a/..", "a/./b", "a\\b", "{what}", "a\nb"})
    EXPECT_EQ(check_folder(text).error().reason, "bad_folder") << text;
}

}  // namespace
}  // namespace latchkey::delivery

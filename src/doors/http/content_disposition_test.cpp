#include "doors/http/content_disposition.h"

#include <gtest/gtest.h>

namespace latchkey::doors {
namespace {

std::string name(std::string_view field) {
  const auto found = file_name_of(field);
  if (!found) return "error " + found.error().reason;
  return found->value_or("none");
}

TEST(ContentDisposition, NamesTheFile) {
  EXPECT_EQ(name("attachment; filename=scan.pdf"), "scan.pdf");
  EXPECT_EQ(name("attachment; filename=\"a b; c.pdf\""), "a b; c.pdf");
  EXPECT_EQ(name("attachment; filename=\"a \\\"b\\\".pdf\""), "a \"b\".pdf");
  EXPECT_EQ(name("attachment; filename*=UTF-8''%C3%9Cbersicht%20Q4.pdf; filename=\"x.pdf\""), "Übersicht Q4.pdf")
      << "the one that can say it wins";
  EXPECT_EQ(name("attachment; filename=x.pdf; filename*=utf-8'de'%C3%A4.pdf"), "ä.pdf");
  EXPECT_EQ(name("attachment;filename = \"x\" ; size=3"), "x");
  EXPECT_EQ(name("attachment"), "none");
  EXPECT_EQ(name(""), "none");
  EXPECT_EQ(name("attachment; filename=\"\""), "");
}

// D7: what a name holds is for the delivery to judge, but it comes as it was meant.
TEST(ContentDisposition, D7_HidesNothing) {
  EXPECT_EQ(name("attachment; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd"), "../../etc/passwd");
  EXPECT_EQ(name("attachment; filename*=UTF-8''a%0D%0AX%3A%20y"), "a\r\nX: y");
}

TEST(ContentDisposition, WhatCannotBeReadIsRefused) {
  for (const char* field :
       {"attachment; filename=\"open", "attachment; filename*=latin1''x", "attachment; filename*=UTF-8''%zz",
        "attachment; filename*=x", "attachment; filename=\"a\" b", "attachment; file name=x"}) {
    EXPECT_EQ(name(field), "error bad_name") << field;
  }
}

TEST(FormPart, IsAFieldOrAFile) {
  const auto told = [](std::string_view field) {
    const auto part = form_part_of(field);
    return part ? part->name + "|" + part->file_name.value_or("no file") : part.error().reason;
  };
  EXPECT_EQ(told("form-data; name=\"to\""), "to|no file");
  EXPECT_EQ(told("Form-Data;name=doc ; filename=\"a; b.pdf\""), "doc|a; b.pdf");
  EXPECT_EQ(told("form-data; name=\"doc\"; filename=\"\""), "doc|");
  EXPECT_EQ(told("form-data; name=\"doc\"; filename=\"say %22hi%22 100%.pdf\""), "doc|say \"hi\" 100%.pdf");
  EXPECT_EQ(told("form-data; name=\"d\"; filename=\"x.pdf\"; filename*=UTF-8\'\'%C3%BC.pdf"), "d|ü.pdf");
  for (const auto* bad :
       {"", "form-data", "attachment; name=\"a\"", "form-data; name=\"a\"; name=\"b\"", "form-data; name=\"a"})
    EXPECT_EQ(told(bad), "malformed_multipart") << bad;
}

}  // namespace
}  // namespace latchkey::doors

#include "delivery/document_types.h"

#include <gtest/gtest.h>

namespace latchkey::delivery {
namespace {

const std::vector<std::string> kListed{"application/pdf", "image/*", ".dwg"};

TEST(DocumentTypes, ListsAreChecked) {
  EXPECT_EQ(check_content_types({"application/PDF", "image/*", ".DWG", "application/pdf"}).value(), kListed) << "each once";
  EXPECT_TRUE(check_content_types({}).value().empty());
  for (const char* entry : {"pdf", "*/*", "*", "image/", "/pdf", "application/pdf; x=y", ".", "..", ".tar.gz", "a b/c", ".a/b", "image/*x", "\xc3\xa4/b"}) {
    const auto checked = check_content_types({"image/png", entry});
    ASSERT_FALSE(checked) << entry;
    EXPECT_EQ(checked.error().field, "content_types");
    EXPECT_NE(checked.error().text.find(entry), std::string::npos);
  }
  EXPECT_FALSE(check_content_types({std::string(101, 'a') + "/b"}));
}

TEST(DocumentTypes, WhatTypeAndEndingSayMustBothBeListed) {
  EXPECT_EQ(fit_of({}, "virus.exe", ""), Fit::fits) << "no list: everything";
  const auto fits = [](std::string_view name, std::string_view type) { return fit_of(kListed, name, type) == Fit::fits; };
  EXPECT_TRUE(fits("scan.pdf", ""));
  EXPECT_TRUE(fits("Scan 4.PDF", "application/octet-stream")) << "says nothing";
  EXPECT_TRUE(fits("scan", "Application/PDF; name=scan"));
  EXPECT_TRUE(fits("", "application/pdf"));
  EXPECT_TRUE(fits("scan.xyz", "application/pdf")) << "an ending that nobody knows says nothing";
  EXPECT_TRUE(fits("scan.tif", "image/tif"));
  EXPECT_TRUE(fits("scan.pdf", "application/x-pdf"));
  EXPECT_TRUE(fits("plan.dwg", "application/acad")) << "a listed ending is enough";
  EXPECT_TRUE(fits("scan.pdf.1", "")) << "numbered by an FTP server";
  EXPECT_FALSE(fits("scan.exe", "application/pdf"));
  EXPECT_FALSE(fits("scan.pdf", "text/html"));
  EXPECT_FALSE(fits("scan.docx", ""));
  EXPECT_FALSE(fits("x", "imagex/png"));
  EXPECT_EQ(fit_of({"image/jpg"}, "a.jpeg", "image/jpeg"), Fit::fits) << "one type of two names";
}

TEST(DocumentTypes, WhatNothingSaysIsUntold) {
  for (const char* name : {"", "scan", ".pdf", "report v1.2", "scan.pdf.part", "scan.tmp"}) {
    EXPECT_EQ(fit_of(kListed, name, ""), Fit::untold) << name;
    EXPECT_EQ(fit_of(kListed, name, "application/octet-stream"), Fit::untold) << name;
  }
}

TEST(DocumentTypes, TheWordsSayWhatIsTakenAndWhatThisIs) {
  const auto words = [](std::string_view name, std::string_view type) { return check_content_type(kListed, name, type).error().text; };
  EXPECT_EQ(words("scan.docx", ""),
            "Only documents of these types are taken here: application/pdf, image/*, .dwg. This one is .docx. Choose another file format at "
            "the device, or ask an administrator.");
  EXPECT_NE(words("scan.pdf", "text/html").find("This one is text/html."), std::string::npos);
  EXPECT_NE(words("scan.exe", "application/pdf").find("This one is .exe."), std::string::npos);
  EXPECT_NE(words("scan", "").find("give its name an ending"), std::string::npos);
  EXPECT_EQ(check_content_type(kListed, "a.exe", "").error().reason, "content_type_not_allowed");
  std::vector<std::string> many;
  for (int i = 0; i < 50; ++i) many.push_back("application/x-" + std::to_string(i));
  EXPECT_NE(check_content_type(many, "a.pdf", "").error().text.find("application/x-7 and 42 more."), std::string::npos);
}

}  // namespace
}  // namespace latchkey::delivery

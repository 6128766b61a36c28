#include "doors/folder/file_name.h"

#include <gtest/gtest.h>

namespace latchkey::doors {
namespace {

TEST(FileName, LeavesUploadsUnderWayAndDesktopsLeavingsAlone) {
  for (const auto* name : {".in.scan.pdf.", ".scan.pdf.Xy12Ab", "scan.pdf.filepart", "scan.pdf.PART", "a.partial", "a.tmp", "a.Temp",
                           "a.crdownload", "a.uploading", "Thumbs.db", "desktop.ini", "~$letter.docx"}) {
    EXPECT_TRUE(is_left_alone(name)) << name;
  }
  for (const auto* name : {"scan.pdf", "STOU.1", "scan.pdf.1", "part", "temp.pdf", "a b.tif", "Übersicht.pdf", "~a.pdf"}) {
    EXPECT_FALSE(is_left_alone(name)) << name;
  }
}

TEST(FileName, KeepsUtf8AndReadsTheRestAsWindows1252) {
  EXPECT_EQ(name_in_utf8("Übersicht Q4.pdf"), "Übersicht Q4.pdf");
  EXPECT_EQ(name_in_utf8("\xdc" "bersicht \xe4\xf6\xfc\xdf.pdf"), "Übersicht äöüß.pdf");
  EXPECT_EQ(name_in_utf8("5 \x80 \x96 \x81.pdf"), "5 € – _.pdf");
  EXPECT_EQ(name_in_utf8("\xc3\x28"), "Ã(") << "half a character of UTF-8 is none";
}

}  // namespace
}  // namespace latchkey::doors

#include "delivery/temporary_name.h"

#include <gtest/gtest.h>

namespace latchkey::delivery {
namespace {

TEST(TemporaryName, G4_IsWhatDevicesCallADocumentTheyAreNotDoneWith) {
  for (const auto* name :
       {"~x.tmp", "~$Report.docx", "scan.pdf.part", "SCAN.PDF.TMP", "a.temp", ".a.pdf.f00d.partial", "März.filepart",
        "x.crdownload", "x.uploading", "x.pdf.upload", "x.incomplete", "x.Writing", ".part"})
    EXPECT_TRUE(is_temporary_name(name)) << name;
  for (const auto* name :
       {"scan.pdf", "part", "tmp", "a.part.pdf", "department.txt", "x.tmp2", "temporary.pdf", "a~", "", "download.zip"})
    EXPECT_FALSE(is_temporary_name(name)) << name;
}

}  // namespace
}  // namespace latchkey::delivery

#include <gtest/gtest.h>

#include "console/office_testing.h"

namespace latchkey::console {
namespace {

TEST_F(ConsoleTest, TheSetUpIsExaminedWhenAskedForAndTheReportKept) {
  auto admin = administrator();
  const auto before = admin.get("/api/v1/doctor").json();
  EXPECT_TRUE(before.at("examined_at").is_null());
  EXPECT_TRUE(before.at("worst").is_null());
  EXPECT_TRUE(before.at("findings").as_array().empty());
  EXPECT_EQ(doctor.examinations, 0) << "looking examines nothing";
  const auto answer = admin.send("POST", "/api/v1/doctor", {});
  ASSERT_EQ(answer.status, 200) << answer.body;
  const auto report = answer.json();
  EXPECT_EQ(report.at("worst"), "error");
  EXPECT_EQ(report.at("took_ms"), 12);
  const auto& finding = report.at("findings").at(0);
  EXPECT_EQ(finding.at("check"), "redirect_uris");
  EXPECT_EQ(finding.at("severity"), "error");
  EXPECT_EQ(finding.at("handovers").at(0).at("kind"), "copy");
  EXPECT_EQ(finding.at("handovers").at(0).at("text"), "https://a.example/oauth/callback/box");
  EXPECT_EQ(admin.get("/api/v1/doctor").json(), report);
  EXPECT_EQ(doctor.examinations, 1);
}

TEST_F(ConsoleTest, AnExaminationThatCannotBeMadeSaysWhy) {
  auto admin = administrator();
  doctor.refusal = fail(ErrorKind::unavailable, "stopping", "The server is stopping.").error();
  const auto answer = admin.send("POST", "/api/v1/doctor", {});
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.json().at("detail"), "The server is stopping.");
}

}  // namespace
}  // namespace latchkey::console

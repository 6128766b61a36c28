#include "doctor/doctor.h"

#include <gmock/gmock.h>

#include <boost/asio/use_future.hpp>

#include "doctor/doctor_testing.h"
#include "store/sqlite/sqlite_store.h"
#include "store/store_testing.h"

namespace latchkey::doctor {
namespace {

using testing::ElementsAre;

// Says what it is told to, when it is let go.
class ToldCheck final : public Check {
 public:
  enum class How { at_once, hangs, throws };
  ToldCheck(std::string name, Severity severity, How how, SteadyClock& steady)
      : name_(std::move(name)), severity_(severity), how_(how), steady_(steady) {}
  std::string_view name() const override { return name_; }
  std::vector<Errand> errands(const Survey&) override {
    std::vector<Errand> out;
    out.push_back({"here", tell(severity_, how_, &steady_, &begun)});
    return out;
  }
  int begun = 0;

 private:
  static Task<std::vector<Finding>> tell(Severity severity, How how, SteadyClock* steady, int* begun) {
    ++*begun;
    if (how == How::hangs) co_await steady->sleep_for(std::chrono::hours(1));
    if (how == How::throws) throw std::runtime_error("broken");
    co_return std::vector<Finding>{
        {.check = {}, .subject = "here", .severity = Severity::ok, .seen = "Well.", .remedy = {}, .handovers = {}},
        {.check = {}, .subject = "here", .severity = severity, .seen = "So.", .remedy = {}, .handovers = {}}};
  }
  std::string name_;
  Severity severity_;
  How how_;
  SteadyClock& steady_;
};

class DoctorTest : public testing::Test {
 protected:
  void add(std::string name, Severity severity, ToldCheck::How how = ToldCheck::How::at_once) {
    auto check = std::make_unique<ToldCheck>(std::move(name), severity, how, steady);
    told.push_back(check.get());
    checks.push_back(std::move(check));
  }
  void build() {
    store = store::open_sqlite_store({.path = directory.path() + "/latchkey.db"}, wall, log).value();
    doctor = std::make_unique<Doctor>(Doctor::Parts{.checks = std::move(checks),
                                                    .ground = {.store = *store,
                                                               .catalog = catalog::Catalog::load_builtin().value(),
                                                               .public_url = "https://latchkey.example"},
                                                    .wall = wall,
                                                    .steady = steady,
                                                    .log = log,
                                                    .executor = loop.get_executor()});
  }
  using Outcome = std::shared_ptr<std::optional<Result<std::shared_ptr<const Report>>>>;
  Result<std::shared_ptr<const Report>> wait_for(const Outcome& outcome) {
    base::drive_until(loop, [&] { return outcome->has_value(); });
    return **outcome;
  }
  // Time stands still meanwhile.
  Result<std::shared_ptr<const Report>> examine() { return wait_for(base::start_on(loop, doctor->examine())); }
  // Until that many errands of the check have begun, and the deadline is set.
  void drive_until_begun(int times = 1) {
    base::drive_until(loop, [&] {
      return told[0]->begun == times && steady.next_wake() && *steady.next_wake() - steady.now() == Doctor::kPatience;
    });
  }
  void stop() {
    const auto stopping = base::start_on(loop, stopped(doctor.get()));
    base::drive_until(loop, [&] { return stopping->has_value(); });
  }
  void TearDown() override {
    if (doctor) stop();
  }
  static Task<bool> stopped(Doctor* doctor) {
    co_await doctor->stop();
    co_return true;
  }

  store::TemporaryDirectory directory;
  boost::asio::io_context loop{1};
  base::SimulatedWallClock wall;
  base::SimulatedSteadyClock steady;
  base::MemoryLog log;
  std::vector<std::unique_ptr<Check>> checks;
  std::vector<ToldCheck*> told;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<Doctor> doctor;
};

std::vector<std::string> lines(const Report& report) {
  std::vector<std::string> out;
  for (const auto& finding : report.findings) out.push_back(finding.check + " " + std::string(name_of(finding.severity)));
  return out;
}

TEST_F(DoctorTest, TellsInTheOrderOfTheChecksTheWorstFirst) {
  add("dns", Severity::note);
  add("clock", Severity::error);
  build();
  const auto report = examine();
  ASSERT_TRUE(report) << report.error().text;
  EXPECT_THAT(lines(**report), ElementsAre("dns note", "dns ok", "clock error", "clock ok"));
  EXPECT_EQ((*report)->worst(), Severity::error);
  EXPECT_EQ((*report)->examined_at, wall.now());
  EXPECT_EQ(doctor->last(), *report);
}

TEST_F(DoctorTest, WhatHangsIsSaidToBeUnfinishedAndHidesNothingElse) {
  add("dns", Severity::ok, ToldCheck::How::hangs);
  add("disk", Severity::error);
  build();
  const auto asked = base::start_on(loop, doctor->examine());
  drive_until_begun();
  EXPECT_FALSE(asked->has_value());
  steady.advance(Doctor::kPatience);
  const auto report = wait_for(asked);
  ASSERT_TRUE(report);
  EXPECT_THAT(lines(**report), ElementsAre("dns warning", "disk error", "disk ok"));
  EXPECT_THAT((*report)->findings.front().seen, testing::HasSubstr("no end within 15 seconds"));
  EXPECT_EQ((*report)->took, Doctor::kPatience);
}

TEST_F(DoctorTest, WhatThrowsIsSaidToBeUnfinishedAndLogged) {
  add("dns", Severity::ok, ToldCheck::How::throws);
  build();
  const auto report = examine();
  ASSERT_TRUE(report);
  EXPECT_THAT(lines(**report), ElementsAre("dns warning"));
  base::drive_until(loop, [&] { return log.text().contains("broken"); });
}

TEST_F(DoctorTest, WhoAsksMeanwhileOrRightAfterIsGivenTheSameExamination) {
  add("dns", Severity::ok, ToldCheck::How::hangs);
  build();
  const auto first = base::start_on(loop, doctor->examine());
  const auto second = base::start_on(loop, doctor->examine());
  drive_until_begun();
  steady.advance(Doctor::kPatience);
  const auto report = wait_for(first).value();
  EXPECT_EQ(wait_for(second).value(), report);
  EXPECT_EQ(examine().value(), report) << "right after it";
  EXPECT_EQ(told[0]->begun, 1);
  steady.advance(Doctor::kFreshFor);
  const auto later = base::start_on(loop, doctor->examine());
  drive_until_begun(2);
  steady.advance(Doctor::kPatience);
  EXPECT_NE(wait_for(later).value(), report);
}

TEST_F(DoctorTest, StoppingEndsAnExaminationUnderWayAndLetsNoOtherBegin) {
  add("dns", Severity::ok, ToldCheck::How::hangs);
  build();
  const auto waiting = base::start_on(loop, doctor->examine());
  drive_until_begun();
  stop();
  const auto ended = wait_for(waiting);
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().reason, "stopping");
  const auto again = examine();
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().reason, "stopping");
}

}  // namespace
}  // namespace latchkey::doctor

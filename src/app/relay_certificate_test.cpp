#include "app/relay_certificate.h"

#include <gmock/gmock.h>

#include <fstream>

#include "base/fakes_testing.h"
#include "store/store_testing.h"

namespace latchkey::app {
namespace {

using std::chrono::days;
using store::wait_for;
using testing::HasSubstr;
using testing::Not;

class RelayCertificateTest : public testing::Test {
 protected:
  RelayCertificateTest() { wall.set(std::chrono::floor<Seconds>(base::SystemWallClock().now())); }

  void put(days life) {
    const auto made = net::make_self_signed({"relay.example"}, {wall.now(), wall.now() + life}).value();
    std::ofstream(files.certificate) << made.certificate;
    std::ofstream(files.key) << made.key.reveal_text();
  }
  static Task<bool> looked(RelayCertificate* certificate) {
    co_await certificate->look_again();
    co_return true;
  }
  std::size_t times(std::string_view words) const {
    const auto text = log.text();
    std::size_t count = 0;
    for (auto at = text.find(words); at != std::string::npos; at = text.find(words, at + 1)) ++count;
    return count;
  }

  store::TemporaryDirectory directory;
  RelayCertificate::Files files{directory.path() + "/fullchain.pem", directory.path() + "/privkey.pem"};
  base::SimulatedWallClock wall;
  base::MemoryLog log;
};

TEST_F(RelayCertificateTest, ItsEndIsSeenComing) {
  put(days(90));
  const auto certificate = RelayCertificate::load(files, directory.path(), wall, log).value();
  wait_for(looked(certificate.get()));
  EXPECT_NEAR(certificate->figures().days_left, 90, 0.1);
  EXPECT_THAT(log.text(), Not(HasSubstr("certificate_expires")));
  wall.advance(days(75));
  wait_for(looked(certificate.get()));
  EXPECT_NEAR(certificate->figures().days_left, 15, 0.1);
  EXPECT_EQ(times("certificate_expires"), 1U) << log.text();
  wall.advance(days(16));
  wait_for(looked(certificate.get()));
  EXPECT_NEAR(certificate->figures().days_left, -1, 0.1);
  put(days(90));
  wait_for(looked(certificate.get()));
  EXPECT_NEAR(certificate->figures().days_left, 90, 0.1);
  EXPECT_THAT(log.text(), HasSubstr("alert_cleared"));
}

TEST_F(RelayCertificateTest, WhatCannotBeUsedIsSaidEachTimeAndShown) {
  put(days(90));
  const auto certificate = RelayCertificate::load(files, directory.path(), wall, log).value();
  std::ofstream(files.certificate) << "broken";
  wait_for(looked(certificate.get()));
  EXPECT_TRUE(certificate->figures().refused);
  EXPECT_NEAR(certificate->figures().days_left, 90, 0.1) << "of the one that is served";
  std::ofstream(files.certificate) << net::make_self_signed({"relay.example"}, {wall.now(), wall.now() + days(9)}).value().certificate;
  wait_for(looked(certificate.get()));
  EXPECT_EQ(times("no PEM certificate"), 1U) << log.text();
  EXPECT_EQ(times("does not belong"), 1U) << log.text();
  put(days(30));
  wait_for(looked(certificate.get()));
  EXPECT_FALSE(certificate->figures().refused);
  EXPECT_NEAR(certificate->figures().days_left, 30, 0.1);
}

TEST_F(RelayCertificateTest, ItStartsWithAPairThatFitsAlone) {
  put(days(90));
  std::ofstream(files.key) << "broken";
  EXPECT_EQ(RelayCertificate::load(files, directory.path(), wall, log).error().kind, ErrorKind::misconfigured);
}

}  // namespace
}  // namespace latchkey::app

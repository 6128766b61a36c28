// The checks of what the server stands on, and of the Cloud Service it may use: disk, journal, backup, enrolment.
#include <gmock/gmock.h>

#include "base/json.h"
#include "doctor/clock_check.h"
#include "doctor/cloud_service_check.h"
#include "doctor/disk_check.h"
#include "doctor/doctor_testing.h"
#include "doctor/endpoints_in_use.h"
#include "doctor/master_key_check.h"

namespace latchkey::doctor {
namespace {

using std::chrono::days;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr std::uint64_t kMiB = 1 << 20;

TEST(Disk, IsJudgedByWhatIsFree) {
  const auto judged = [](std::uint64_t mib, std::optional<std::uint64_t> files = std::nullopt) {
    return judge_room("/data", {.free_bytes = mib * kMiB, .files_left = files});
  };
  EXPECT_EQ(judged(1024).severity, Severity::ok);
  EXPECT_THAT(judged(1024).remedy, IsEmpty());
  EXPECT_EQ(judged(1023).severity, Severity::warning);
  EXPECT_EQ(judged(200).severity, Severity::warning);
  EXPECT_EQ(judged(199).severity, Severity::error);
  EXPECT_THAT(judged(199).seen, HasSubstr("199 MiB"));
  EXPECT_THAT(judged(199).remedy, HasSubstr("Make room"));
  EXPECT_THAT(judged(20 * 1024).seen, HasSubstr("20 GiB"));
  EXPECT_EQ(judged(20 * 1024, 1'000).severity, Severity::ok);
  EXPECT_EQ(judged(20 * 1024, 999).severity, Severity::warning);
  EXPECT_THAT(judged(20 * 1024, 999).seen, HasSubstr("999 more files"));
  EXPECT_EQ(judged(100, 999).severity, Severity::error);
}

// A journal that is as it is told to be.
class ToldJournal final : public store::ReplyJournal {
 public:
  bool off = false;
  std::size_t strange = 0;
  std::optional<std::size_t> places = 100;
  Task<Result<void>> reserve(IntentId) override { co_return Result<void>{}; }
  Task<Result<void>> record(store::JournalEntry) override { co_return Result<void>{}; }
  void confirm(IntentId, WallTime) override {}
  void release(IntentId) override {}
  Task<Result<std::vector<store::JournalEntry>>> unconfirmed() override { co_return std::vector<store::JournalEntry>{}; }
  store::NewestAnswer newest_answer(GrantId) const override { return {}; }
  std::vector<GrantId> answered() const override { return {}; }
  Task<Result<std::vector<store::JournalEntry>>> answers(GrantId) override { co_return std::vector<store::JournalEntry>{}; }
  bool failed() const override { return off; }
  std::size_t unreadable_files() const override { return strange; }
  std::optional<std::size_t> room() const override { return places; }
};

TEST(Journal, WhatKeepsRefreshesFromBeingMadeIsAnError) {
  ToldJournal journal;
  EXPECT_EQ(judge_journal(journal, "/data").severity, Severity::ok);
  EXPECT_EQ(judge_journal(journal, "/data").subject, "/data/journal");
  journal.places = 0;
  EXPECT_EQ(judge_journal(journal, "/data").severity, Severity::error);
  EXPECT_THAT(judge_journal(journal, "/data").remedy, HasSubstr("Make room"));
  journal.places = std::nullopt;
  EXPECT_EQ(judge_journal(journal, "/data").severity, Severity::ok) << "not known is not none";
  journal.strange = 2;
  EXPECT_EQ(judge_journal(journal, "/data").severity, Severity::warning);
  EXPECT_THAT(judge_journal(journal, "/data").seen, HasSubstr("2 files"));
  journal.off = true;
  EXPECT_EQ(judge_journal(journal, "/data").severity, Severity::error);
  EXPECT_THAT(judge_journal(journal, "/data").remedy, HasSubstr("restart"));
}

TEST(Backup, ItsAgeCounts) {
  const base::SimulatedWallClock wall;
  const auto judged = [&](days age) {
    const auto last = boost::json::serialize(JsonObject{{"made_at", base::to_rfc3339(wall.now() - age)}});
    return judge_backup(base::as_bytes(last), wall.now());
  };
  EXPECT_EQ(judged(days(6)).severity, Severity::ok);
  EXPECT_THAT(judged(days(6)).seen, HasSubstr("6 days ago"));
  EXPECT_EQ(judged(days(7)).severity, Severity::warning);
  EXPECT_EQ(judged(days(59)).severity, Severity::warning);
  EXPECT_EQ(judged(days(60)).severity, Severity::error);
  EXPECT_THAT(judged(days(60)).handovers.at(0).text, HasSubstr("latchkey backup"));
  EXPECT_EQ(judge_backup({}, wall.now()).severity, Severity::warning);
  EXPECT_EQ(judge_backup(base::as_bytes(std::string_view("not JSON")), wall.now()).severity, Severity::warning);
}

class CloudService : public testing::Test {
 protected:
  CloudService() {
    look.status = {.enrolled = true, .address = "https://relay.example", .office = "office-1", .label = "North Ltd", .service_key = {},
                   .enrolled_at = {}, .return_origin = "https://latchkey.example", .apps = {{.id = "cloud-1", .provider = "box", .types = {"box"}, .mode = "exchange"}}};
    look.now = look.status;
  }
  std::vector<Finding> found() {
    CloudServiceCheck check([this] { return told(this); });
    return findings_of(check, survey);
  }
  static Task<Result<CloudLook>> told(CloudService* test) {
    if (test->broken) co_return std::unexpected(*test->broken);
    co_return test->look;
  }
  void refuse(ErrorKind kind, std::string reason) { look.now = fail(kind, std::move(reason), "It says no."); }
  // An account of a service's app.
  void add_account(std::string address, bool exchanges) {
    auto app = app_of(builtin(), "box");
    app.cloud_address = std::move(address);
    app.cloud_exchanges = exchanges;
    app.types[0].grants = 2;
    survey.apps.push_back(std::move(app));
  }

  CloudLook look;
  std::optional<Error> broken;
  Survey survey;
};

TEST_F(CloudService, NobodyWhoUsesNoneIsTold) {
  look = {};
  EXPECT_THAT(found(), IsEmpty());
}

TEST_F(CloudService, IsAskedAndTheWayBackHandedOver) {
  const auto findings = found();
  ASSERT_EQ(findings.size(), 2U);
  EXPECT_EQ(findings[0].severity, Severity::ok);
  EXPECT_THAT(findings[0].seen, HasSubstr("North Ltd"));
  EXPECT_EQ(findings[1].severity, Severity::note);
  EXPECT_EQ(findings[1].handovers.at(0).text, "https://latchkey.example");
  EXPECT_THAT(findings[1].seen, HasSubstr("browser"));
}

TEST_F(CloudService, A4_ThatBrowsersComeBackUnencryptedIsSaid) {
  look.now->return_origin = "http://latchkey.example:8480";
  ASSERT_EQ(found().size(), 2U);
  EXPECT_EQ(found()[1].severity, Severity::warning);
  EXPECT_THAT(found()[1].seen, HasSubstr("waits for an administrator's approval"));
  EXPECT_THAT(found()[1].remedy, HasSubstr("docs/https.md"));
  look.now->return_origin = "http://localhost:8480";
  EXPECT_EQ(found()[1].severity, Severity::note);
}

TEST_F(CloudService, S1_WhatWaitsForAnAgreementIsSaid) {
  look.now->apps.front().agreed = false;
  const auto findings = found();
  ASSERT_EQ(findings.size(), 2U);
  EXPECT_EQ(findings[0].severity, Severity::warning);
  EXPECT_THAT(findings[0].seen, HasSubstr("nobody here has agreed to"));
  EXPECT_THAT(findings[0].remedy, HasSubstr("agree to it"));
}

TEST_F(CloudService, EachRefusalHasItsOwnRemedy) {
  const auto first = [&](ErrorKind kind, std::string reason) {
    refuse(kind, std::move(reason));
    const auto findings = found();
    EXPECT_EQ(findings.size(), 1U);
    EXPECT_EQ(findings.at(0).seen, "It says no.");
    return findings.at(0);
  };
  const auto away = first(ErrorKind::unavailable, "cloud_service_unreachable");
  EXPECT_EQ(away.severity, Severity::error);
  EXPECT_THAT(away.remedy, HasSubstr("outbound.proxy"));
  const auto revoked = first(ErrorKind::refused, "cloud_enrolment_revoked");
  EXPECT_EQ(revoked.severity, Severity::error);
  EXPECT_THAT(revoked.remedy, HasSubstr("new enrolment code"));
  EXPECT_THAT(first(ErrorKind::refused, "cloud_clock_differs").remedy, HasSubstr("timedatectl"));
  EXPECT_THAT(first(ErrorKind::misconfigured, "cloud_return_origin").remedy, HasSubstr("public_url"));
  EXPECT_THAT(first(ErrorKind::misconfigured, "cloud_address_not_allowed").remedy, HasSubstr("outbound.allow"));
  EXPECT_THAT(first(ErrorKind::refused, "cloud_app_changed").remedy, HasSubstr("operator"));
  EXPECT_EQ(first(ErrorKind::unavailable, "cloud_enrolments_not_read").severity, Severity::warning) << "it answers: that passes";
}

TEST_F(CloudService, WhatCannotBeUsedIsSaid) {
  look.now->apps.clear();
  EXPECT_EQ(found().at(0).severity, Severity::warning);
  look.used = false;
  EXPECT_EQ(found().at(0).severity, Severity::note);
  EXPECT_EQ(found().size(), 1U) << "no browser comes back by way of it";
  broken = fail(ErrorKind::unavailable, "store_closed", "The store does not answer.").error();
  EXPECT_EQ(found().at(0).severity, Severity::error);
}

TEST_F(CloudService, AccountsOfOneThatWasLeftAreSaidByWhatBecomesOfThem) {
  add_account("https://relay.example", true);
  EXPECT_EQ(found().size(), 2U) << "that one is there";
  look = {};
  auto findings = found();
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].severity, Severity::error);
  EXPECT_THAT(findings[0].seen, HasSubstr("2 accounts"));
  EXPECT_THAT(findings[0].seen, HasSubstr("Nobody but that service"));
  survey.apps.clear();
  add_account("https://former.example", false);
  findings = found();
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].severity, Severity::note);
  EXPECT_THAT(findings[0].remedy, Not(IsEmpty()));
  survey.apps[0].types[0].grants = 0;
  EXPECT_THAT(found(), IsEmpty()) << "nobody rests on it";
}

std::vector<std::string> names_of(const std::vector<OriginInUse>& origins) {
  std::vector<std::string> out;
  for (const auto& origin : origins) out.push_back(origin.origin);
  return out;
}

TEST_F(CloudService, IsAServerThatIsCalledAndTheProvidersTokenEndpointOnlyWhereThisServerCallsIt) {
  add_account("https://relay.example", false);
  EXPECT_THAT(names_of(origins_in_use(survey)), testing::IsSupersetOf({"https://relay.example", "https://api.box.com"}));
  const auto direct = origins_in_use(survey);
  survey.apps[0].cloud_exchanges = true;
  for (const auto& origin : origins_in_use(survey)) {
    EXPECT_THAT(origin.for_what, Not(testing::Contains(HasSubstr("tokens of"))));
    EXPECT_THAT(origin.for_what, Not(testing::Contains(HasSubstr("revocation at"))));
  }
  EXPECT_THAT(names_of(origins_in_use(survey)), testing::Contains("https://relay.example"));
  const auto tells_tokens = [](const OriginInUse& origin) { return std::ranges::find(origin.for_what, "tokens of Box") != origin.for_what.end(); };
  EXPECT_EQ(std::ranges::count_if(direct, tells_tokens), 1);
}

TEST(Clock, WhatCannotBeComparedSaysWhereToLook) {
  Survey survey;
  survey.apps.push_back(app_of(builtin(), "box"));
  base::SimulatedWallClock wall;
  base::SimulatedSteadyClock steady;
  const auto found = [&](const std::function<net::HttpOutcome()>& outcome) {
    ScriptedTransport transport([&](const net::HttpCall&) { return outcome(); });
    ClockCheck check(transport, wall, steady);
    return findings_of(check, survey).at(0);
  };
  EXPECT_THAT(found([] { return unsent("connect_failed"); }).remedy, HasSubstr("outgoing"));
  EXPECT_THAT(found([] { return reply_with(200); }).remedy, HasSubstr("NTP"));
}

}  // namespace
}  // namespace latchkey::doctor

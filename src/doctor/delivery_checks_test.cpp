// The checks of what takes documents in: mail_doors, webdav, drop_folders, connectors, spool.
#include <gmock/gmock.h>

#include "doctor/connector_check.h"
#include "doctor/dav_door_check.h"
#include "doctor/doctor_testing.h"
#include "doctor/drop_folder_check.h"
#include "doctor/mail_door_check.h"
#include "doctor/spool_check.h"
#include "store/sqlite/sqlite_store.h"
#include "store/store_testing.h"

namespace latchkey::doctor {
namespace {

using std::chrono::days;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class DeliveryChecks : public testing::Test {
 protected:
  void SetUp() override {
    store = store::open_sqlite_store({.path = directory.path() + "/latchkey.db"}, wall, log).value();
    of.public_url = "https://latchkey.example";
    of.data = directory.path();
  }
  void commit(store::Batch batch) {
    const auto done = base::run_on_loop(loop, steady, store->commit(std::move(batch)));
    ASSERT_TRUE(done) << done.error().text;
  }
  store::Connector connector(std::string id, store::AccountKind account, std::vector<std::string> groups = {}) {
    return {.id = id, .name = id, .type = "box", .account = account, .groups = std::move(groups), .created_at = wall.now()};
  }
  void device(std::string name, std::vector<std::string> sources, std::vector<std::string> connectors = {},
              bool enabled = true) {
    commit({store::PutDevice{{.id = DeviceId::make(wall.now(), entropy),
                              .name = name,
                              .name_key = name,
                              .connectors = std::move(connectors),
                              .allowed_sources = std::move(sources),
                              .enabled = enabled,
                              .created_at = wall.now()}}});
  }

  boost::asio::io_context loop{1};  // outlives the threads that answer on it
  base::SimulatedSteadyClock steady;
  base::SimulatedWallClock wall;
  base::SeededEntropy entropy{1};
  base::MemoryLog log;
  store::TemporaryDirectory directory;
  std::unique_ptr<store::Store> store;
  Pool worker{"test", 1};
  Premises of;
};

TEST_F(DeliveryChecks, MailListenersAreLookedAtAsDevicesMeetThem) {
  of.mail_doors = {
      {.setting = "smtp.submission", .listen = "0.0.0.0:587", .port = 587, .security = MailDoor::Security::starttls},
      {.setting = "smtp.submissions", .listen = "0.0.0.0:465", .port = 465, .security = MailDoor::Security::tls},
      {.setting = "smtp.submission", .listen = "127.0.0.1:25", .port = 25}};
  std::vector<std::string> asked;
  net::TlsLook look{.stage = net::TlsLook::Stage::done, .trust = net::Trust::wrong_name, .protocol = "TLSv1.3"};
  look.chain.push_back(
      {.issuer = "CA", .names = {"other.example"}, .not_before = wall.now() - days(9), .not_after = wall.now() + days(300)});
  MailDoorCheck check(
      of,
      [&](const net::TlsLookRequest& request) {
        asked.push_back(request.host + ":" + std::to_string(request.port) +
                        (request.before == net::BeforeTls::smtp_starttls ? " STARTTLS" : ""));
        return look;
      },
      *store, worker, wall);
  const auto findings = findings_of(check);
  EXPECT_THAT(asked, ElementsAre("latchkey.example:587 STARTTLS", "latchkey.example:465"));
  ASSERT_EQ(findings.size(), 3U);
  EXPECT_EQ(findings[0].severity, Severity::error);
  EXPECT_THAT(findings[0].seen, HasSubstr("None of these is latchkey.example"));
  EXPECT_EQ(findings[2].severity, Severity::note) << "in clear, on this machine";

  look = {.stage = net::TlsLook::Stage::handshake, .why = "it offers no STARTTLS"};
  EXPECT_THAT(findings_of(check).at(0).seen, HasSubstr("offers no STARTTLS"));
  look = {.stage = net::TlsLook::Stage::connection, .why = "refused"};
  EXPECT_EQ(findings_of(check).at(0).severity, Severity::warning);
  EXPECT_THAT(findings_of(check).at(0).remedy, HasSubstr("Open the port"));
}

TEST_F(DeliveryChecks, AnAddressWithoutADeviceIsTold) {
  of.mail_doors = {
      {.setting = "smtp.plain", .listen = "0.0.0.0:25", .port = 25, .sources = {"192.0.2.7", "10.0.0.9", "192.0.2.8"}}};
  device("copier", {"192.0.2.7"});
  device("floor", {"10.0.0.0/24"});
  device("gone", {"192.0.2.8"}, {}, false);
  MailDoorCheck check(of, [](const net::TlsLookRequest&) { return net::TlsLook(); }, *store, worker, wall);
  const auto findings = findings_of(check);
  ASSERT_EQ(findings.size(), 3U);
  EXPECT_EQ(findings[0].severity, Severity::ok);
  EXPECT_THAT(findings[0].seen, HasSubstr("copier"));
  EXPECT_EQ(findings[1].severity, Severity::ok) << "within a device's network";
  EXPECT_EQ(findings[2].severity, Severity::warning) << "its device is switched off";
  EXPECT_THAT(findings[2].remedy, HasSubstr("smtp.plain_sources"));
}

TEST_F(DeliveryChecks, WebDavsMethodsMustArrive) {
  const auto told = [&](net::HttpOutcome outcome) {
    auto kept = std::make_shared<net::HttpOutcome>(std::move(outcome));
    ScriptedTransport transport([kept](const net::HttpCall&) { return std::move(*kept); });
    DavDoorCheck check(of, transport);
    auto findings = findings_of(check);
    EXPECT_THAT(transport.asked, ElementsAre("PROPFIND https://latchkey.example/dav/doctor/"));
    EXPECT_FALSE(transport.secrets_sent);
    return findings;
  };
  EXPECT_EQ(told(reply_with(401)).at(0).severity, Severity::ok);
  EXPECT_EQ(told(reply_with(405)).at(0).severity, Severity::warning);
  EXPECT_THAT(told(reply_with(405)).at(0).remedy, HasSubstr("every method"));
  EXPECT_THAT(told(unsent("connect_failed")), IsEmpty()) << "the doors' check says so";
}

TEST_F(DeliveryChecks, DropFoldersAreLookedAtOneByOne) {
  auto open = connector("open", store::AccountKind::fixed);
  open.delegation.id = decltype(open.delegation.id)::make(wall.now(), entropy);
  commit({store::PutConnector{open}});
  commit({store::PutConnector{connector("closed", store::AccountKind::fixed)}});
  commit({store::PutConnector{connector("none", store::AccountKind::fixed)}});
  of.drop_root = "/srv/drop";
  std::string root_problem;
  const auto look = [&](const std::optional<std::string>& id) -> DropFolderLook {
    if (!id) return {.problem = root_problem};
    return {.there = *id != "none", .problem = {}};
  };
  DropFolderCheck check(of, look, *store, worker);
  const auto sound = findings_of(check);
  ASSERT_EQ(sound.size(), 3U) << "one that is not there is no finding";
  EXPECT_EQ(sound[0].subject, "/srv/drop");
  EXPECT_EQ(sound[0].severity, Severity::ok);
  EXPECT_EQ(sound[1].subject, "/srv/drop/closed");
  EXPECT_EQ(sound[1].severity, Severity::warning) << "its files stay: nothing opens its account";
  EXPECT_EQ(sound[2].severity, Severity::ok);
  root_problem = "/srv/drop is writable for everybody.";
  const auto open_to_all = findings_of(check);
  ASSERT_EQ(open_to_all.size(), 1U);
  EXPECT_EQ(open_to_all[0].severity, Severity::error);
  EXPECT_EQ(open_to_all[0].seen, root_problem);
  of.drop_root.clear();
  EXPECT_THAT(findings_of(check), IsEmpty());
}

TEST_F(DeliveryChecks, AConnectorThatRefusesItsDevicesIsAnError) {
  commit({store::PutConnector{connector("own", store::AccountKind::caller)}});
  commit({store::PutConnector{connector("alone", store::AccountKind::fixed)}});
  commit({store::PutConnector{connector("shared", store::AccountKind::fixed)}});
  auto off = connector("off", store::AccountKind::fixed);
  off.enabled = false;
  commit({store::PutConnector{off}});
  device("copier", {}, {"shared"});
  ConnectorCheck check(*store);
  std::map<std::string, Finding> by_id;
  for (auto& finding : findings_of(check)) by_id.emplace(finding.subject, finding);
  EXPECT_EQ(by_id.at("own").severity, Severity::warning) << "no group may use it";
  EXPECT_EQ(by_id.at("alone").severity, Severity::ok) << "for its owner with the PIN";
  EXPECT_EQ(by_id.at("shared").severity, Severity::error);
  EXPECT_THAT(by_id.at("shared").remedy, HasSubstr("owner's PIN"));
  EXPECT_EQ(by_id.at("off").severity, Severity::note);
}

TEST_F(DeliveryChecks, TheSpoolsDiskIsJudgedByItsReserve) {
  std::uint64_t reserve = 0;
  SpoolCheck check(of, [&](const store::DiskRoom&) { return reserve; }, *store, worker);
  const auto room = store::disk_room(of.data).value();
  ASSERT_FALSE(findings_of(check).empty());
  EXPECT_THAT(findings_of(check).at(0).seen, HasSubstr("cannot be looked at")) << "there is no spool yet";
  std::filesystem::create_directory(of.data + "/spool");
  reserve = room.size_bytes;
  EXPECT_EQ(findings_of(check).at(0).severity, Severity::error);
  EXPECT_THAT(findings_of(check).at(0).seen, HasSubstr("No document is taken in"));
  reserve = 0;
  EXPECT_THAT(findings_of(check).at(0).seen, HasSubstr("There is room for"));
  EXPECT_EQ(findings_of(check).at(1).severity, Severity::ok);
}

}  // namespace
}  // namespace latchkey::doctor

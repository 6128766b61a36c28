// The folder door among real neighbours: what waits, and what it must not hold up.
#include "doors/folder/folder_door.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "delivery/queue_testing.h"

namespace latchkey::doors {
namespace {

namespace fs = std::filesystem;

class AFolderDoor : public delivery::QueueTest {
 protected:
  void SetUp() override {
    QueueTest::SetUp();
    fs::create_directories(root() + "/scans");
    fs::permissions(root(), fs::perms(0755));
    fs::create_directories(drop.path() + "/data");
    auto parts = reception_parts(spool);
    parts.accepted = [this](const store::Delivery& one) {
      accepted_sizes.push_back(one.size_bytes);
      queue->offer(one);
    };
    taking_in.emplace(std::move(parts));
    caps.emplace(delivery::MailCaps::Parts{.store = *store, .wall = wall, .limits = [] { return delivery::MailLimits{}; }});
    post.emplace(delivery::MailPost::Parts{.store = *store,
                                           .reception = *taking_in,
                                           .connectors = *connectors,
                                           .catalog = *catalogue,
                                           .caps = *caps,
                                           .wall = wall,
                                           .entropy = entropy,
                                           .host = "latchkey.example",
                                           .size_bytes_max = [] { return std::uint64_t{1} << 40; }});
    scans = {.id = "scans", .name = "Scans", .type = "acme-harmless", .account = store::AccountKind::fixed, .owner = grant.user, .naming = "{name}",
             .created_at = wall.now(), .version = 1};
    patience.settled = Milliseconds(0);
    patience.unsure = Milliseconds(0);
  }
  void TearDown() override {
    run(stopped());
    door.reset();
    QueueTest::TearDown();
  }
  Task<bool> stopped() {
    if (door) co_await door->stop();
    co_return true;
  }

  void open() {
    auto opened = DropRoot::open({.root = root(), .owners = {std::to_string(::geteuid())}, .data = drop.path() + "/data"});
    ASSERT_TRUE(opened) << opened.error().text;
    door = std::make_unique<FolderDoor>(FolderDoor::Parts{.root = std::move(*opened),
                                                          .store = *store,
                                                          .reception = *taking_in,
                                                          .mail = *post,
                                                          .counters = counted,
                                                          .folder_counters = folder_counters,
                                                          .alerts = alerts,
                                                          .steady = steady,
                                                          .entropy = entropy,
                                                          .log = log,
                                                          .executor = loop.get_executor(),
                                                          .patience = [this] { return patience; }});
    door->start();
  }
  // The owner's PIN is given for it.
  void open_account() {
    const auto opened = run(delegations->delegate({.user = grant.user, .auth_epoch = store::User{}.auth_epoch, .pin = pin.clone()}, "acme-harmless"));
    ASSERT_TRUE(opened) << opened.error().reason;
    auto made = run(standing->make(*opened));
    ASSERT_TRUE(made) << made.error().reason;
    scans.delegation = made->standing;
    put_scans(std::move(made->batch));
  }
  // What the owner gave has ended at the account, and the connector does not know.
  void open_nothing() {
    scans.delegation = {.id = DelegationId::make(wall.now(), entropy), .grant = grant.id, .public_key = grant.public_key, .private_key_sealed = Bytes(1, 1)};
    put_scans({});
  }
  void put_scans(store::Batch batch) {
    sealing.vouch(scans);
    batch.emplace_back(store::PutConnector{scans});
    commit(std::move(batch));
    scans.version += 1;
  }

  [[nodiscard]] std::string root() const { return drop.path() + "/drop"; }
  [[nodiscard]] std::string in(const std::string& name) const { return root() + "/scans/" + name; }
  void put(const std::string& name, const std::string& text) const { std::ofstream(in(name), std::ios::binary) << text; }
  [[nodiscard]] std::size_t taken() const {
    std::error_code none_yet;
    const auto directory = fs::directory_iterator(root() + "/.taken/scans", none_yet);
    return static_cast<std::size_t>(std::distance(fs::begin(directory), fs::end(directory)));
  }
  // While the door looks as often as it can, and time stands still.
  template <class Done>
  void look_until(Done done) {
    base::drive_until(loop, [&] {
      door->nudge();
      return done();
    });
  }
  // The alert's words; empty: there is none.
  [[nodiscard]] std::string told(const std::string& connector = "scans") const {
    const auto all = alerts.current();
    const auto found = std::ranges::find(all, "drop_folder_waits:" + connector, &grants::Alert::cause);
    return found == all.end() ? std::string() : found->words;
  }
  [[nodiscard]] bool waits(const std::string& connector = "scans") const { return !told(connector).empty(); }

  store::TemporaryDirectory drop;
  std::optional<delivery::Reception> taking_in;
  std::optional<delivery::MailCaps> caps;
  std::optional<delivery::MailPost> post;
  store::Connector scans;
  FolderCounters folder_counters;
  DropPatience patience;
  std::vector<std::int64_t> accepted_sizes;
  std::unique_ptr<FolderDoor> door;
};

TEST_F(AFolderDoor, D2_WhatComesInWhileNothingCanBeAcceptedOverwritesNothing) {
  open_nothing();
  open();
  for (const auto* text : {"one", "the second", "and the third"}) {
    put("scan.txt", text);
    look_until([&] { return !fs::exists(in("scan.txt")) && waits(); });
  }
  EXPECT_EQ(taken(), 3U);
  EXPECT_TRUE(accepted_sizes.empty());
  open_account();
  advance(Seconds(31));
  look_until([&] { return accepted_sizes.size() == 3; });
  EXPECT_EQ(accepted_sizes, (std::vector<std::int64_t>{3, 10, 13})) << "in the order in which they came";
  look_until([&] { return taken() == 0 && !waits(); });
}

TEST_F(AFolderDoor, OneThatWaitsForAPersonHoldsUpNoOther) {
  open_account();
  fs::create_directories(drop.path() + "/elsewhere");
  fs::create_directory_symlink(drop.path() + "/elsewhere", in(".refused"));
  fs::create_symlink(drop.path() + "/elsewhere", in("link.txt"));
  open();
  look_until([&] { return waits(); });
  put("scan.txt", "hello");
  look_until([&] { return accepted_sizes.size() == 1; });
  EXPECT_TRUE(waits()) << "it still does";
  fs::remove(in("link.txt"));
  look_until([&] { return !waits(); });
}

// Their senders are not done with them, and they came first.
TEST_F(AFolderDoor, AThousandFilesThatAreBeingWrittenHoldUpNoOther) {
  open_account();
  open();
  for (int i = 0; i < 1010; ++i) put("slow " + std::to_string(i) + ".pdf", "%PDF-1.4 without an end");
  const auto ctime_of = [&](const std::string& name) {
    struct stat status{};
    EXPECT_EQ(::stat(in(name).c_str(), &status), 0);
    return std::pair(status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
  };
  do put("scan.txt", "hello");
  while (ctime_of("scan.txt") <= ctime_of("slow 1009.pdf"));
  look_until([&] { return accepted_sizes.size() == 1; });
  EXPECT_EQ(accepted_sizes, std::vector<std::int64_t>{5});
}

TEST_F(AFolderDoor, WhatComesInAfterTheOwnerHasEndedItWaitsAndIsTold) {
  open_account();
  open();
  put("before.txt", "hello");
  look_until([&] { return accepted_sizes.size() == 1 && taken() == 0; });
  EXPECT_FALSE(waits());
  scans.delegation = {};
  put_scans({});
  put("after.txt", "hello again");
  look_until([&] { return !fs::exists(in("after.txt")) && waits(); });
  EXPECT_EQ(taken(), 1U);
  EXPECT_EQ(accepted_sizes.size(), 1U);
  open_account();
  advance(Seconds(31));  // it may have been handed in just before the look that saw the end
  look_until([&] { return accepted_sizes.size() == 2 && !waits(); });
}

TEST_F(AFolderDoor, WhatLiesForAConnectorOrInAFolderThatIsNoMoreIsTold) {
  open_nothing();
  open();
  put("scan.txt", "hello");
  look_until([&] { return taken() == 1; });
  fs::remove_all(root() + "/scans");
  look_until([&] { return told().contains("Its directory is gone"); });
  commit({store::DeleteConnector{"scans"}});
  look_until([&] { return told().contains("no connector of that name"); });
  fs::create_directory(root() + "/never");
  std::ofstream(root() + "/never/scan.txt") << "";
  look_until([&] { return waits("never"); });
  fs::remove_all(root() + "/never");
  fs::remove_all(root() + "/.taken/scans");
  look_until([&] { return !waits() && !waits("never"); });
}

}  // namespace
}  // namespace latchkey::doors

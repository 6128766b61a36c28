// A new master key with several servers at work: who holds it, who writes under it, and when the old one may go.
#include "grants/key_rotation_testing.h"

namespace latchkey::grants {
namespace {

using store::GrantState;

// Another server of the same database: its own vault, key files, journal and process.
class Neighbour {
 public:
  struct Ground {
    store::Store& store;
    Keeper& keeper;
    CommonClock& common;
    base::SimulatedWallClock& wall;
    base::SimulatedSteadyClock& steady;
    base::Entropy& entropy;
    Log& log;
    boost::asio::io_context& loop;
    std::string folder;
  };
  Neighbour(Ground ground, NodeId id, const Secret& key) : ground_(ground), vault(key.clone(), ground.entropy), alerts(ground.wall, ground.log), id_(id) {
    cards_ = std::make_unique<people::UserCards>(ground.store, user_seal_, ground.steady, ground.log);
    nodes = std::make_unique<Nodes>(Nodes::Parts{.store = ground.store, .keeper = ground.keeper, .vault = vault, .alerts = alerts, .wall = ground.common,
                                                 .steady = ground.steady, .entropy = ground.entropy, .log = ground.log, .node = id, .version = "1"});
    rotation = std::make_unique<KeyRotation>(KeyRotation::Parts{
        .store = ground.store, .journal = journal, .vault = vault, .files = files(), .sealing = sealing, .user_seal = user_seal_, .user_cards = *cards_,
        .alerts = alerts, .wall = ground.wall, .steady = ground.steady, .entropy = ground.entropy, .log = ground.log, .executor = ground.loop.get_executor(),
        .node = id, .shared = true, .machine = "second", .rest = [] { return Seconds(90); }, .channel_secrets = [] { return std::vector<ChannelSecretPlace>(); },
        .resealed = {}});
  }
  [[nodiscard]] std::string key_path() const { return ground_.folder + "/master.key"; }
  [[nodiscard]] vault::KeyFiles files() const { return {key_path(), ground_.folder + "/spare.key"}; }

 private:
  Ground ground_;

 public:
  vault::Vault vault;
  Sealing sealing{vault};
  MemoryJournal journal;
  Alerts alerts;

 private:
  NodeId id_;
  people::UserSeal user_seal_{vault};
  std::unique_ptr<people::UserCards> cards_;

 public:
  std::unique_ptr<Nodes> nodes;
  std::unique_ptr<KeyRotation> rotation;
};

class SharedKeys : public RotationHouse {
 protected:
  SharedKeys() {
    shared = true;
    own_node = node;
    begin();
    std::filesystem::create_directory(second_folder());
    write_key(second_folder() + "/master.key", Secret(Bytes(32, 7)));
    own = std::make_unique<Nodes>(Nodes::Parts{.store = *store, .keeper = *keeper, .vault = vault, .alerts = alerts, .wall = common, .steady = steady,
                                               .entropy = entropy, .log = log, .node = node, .version = "1"});
    EXPECT_TRUE(run(own->begin()));
    EXPECT_TRUE(run(rotation->start()));
    second = launch(second_id, Secret(Bytes(32, 7)));
  }
  ~SharedKeys() override {
    if (second) halt(*second);
  }
  [[nodiscard]] std::string second_folder() const { return (folder / "second").string(); }
  void write_key(const std::string& path, const Secret& key) {
    std::ofstream(path) << base::to_hex(key.reveal()) << "\n";
    std::filesystem::permissions(path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  }
  // A process of the other server, as its start goes.
  std::unique_ptr<Neighbour> launch(NodeId id, const Secret& key, std::vector<store::JournalEntry> left = {}) {
    auto made = std::make_unique<Neighbour>(
        Neighbour::Ground{*store, *keeper, common, wall, steady, entropy, log, loop, second_folder()}, id, key);
    made->journal.left_over = std::move(left);
    EXPECT_TRUE(run(settle_master_key(*store, made->vault, made->files(), entropy)));
    auto held = run(hold_key_of_journal(*store, made->journal, made->vault, made->files(), entropy));
    EXPECT_TRUE(held);
    EXPECT_TRUE(run(made->nodes->begin()));
    EXPECT_TRUE(run(made->rotation->start(held.value_or(Bytes()))));
    return made;
  }
  static Task<bool> stopped(KeyRotation* rotation) {
    co_await rotation->stop();
    co_return true;
  }
  void halt(Neighbour& server) { run(stopped(server.rotation.get())); }
  // Time passes until it is so; six hours are enough for anything.
  template <class Condition>
  [[nodiscard]] bool comes(Condition condition) {
    const auto end = steady.now() + std::chrono::hours(6);
    base::drive_until(loop, [&] {
      if (condition() || steady.now() > end) return true;
      if (const auto wake = steady.next_wake()) advance(std::chrono::ceil<Seconds>(*wake - steady.now()));
      return false;
    });
    return condition();
  }
  void pass(std::chrono::seconds span) {
    const auto end = steady.now() + span;
    static_cast<void>(comes([&] { return steady.now() >= end; }));
  }
  void hand_over() { std::filesystem::copy_file(key_path() + ".next", second_folder() + "/master.key.next"); }
  [[nodiscard]] std::optional<std::string> alert_of(const Alerts& of, std::string_view cause) const {
    for (auto& alert : of.current()) {
      if (alert.cause == cause) return alert.words;
    }
    return std::nullopt;
  }
  [[nodiscard]] Bytes known() { return run(store->meta(std::string(kMasterKeyMeta))).value(); }

  const NodeId second_id = NodeId::make(base::from_unix_ms(2), entropy);
  std::unique_ptr<Nodes> own;
  std::unique_ptr<Neighbour> second;
};

TEST_F(SharedKeys, K1_ItBeginsWhenAllHoldTheNewKeyAndEndsWhenAllWriteUnderIt) {
  const auto grant = put_person("acme-family");
  const auto old_id = vault.master_key_id();
  const auto left = IntentId::make(wall.now(), entropy);
  second->journal.left_over.push_back(left_in_journal(left, grant.id, 1, wall.now(), R"({"access_token":"at2","refresh_token":"rt2","expires_in":3600})"));
  ASSERT_TRUE(run(rotation->rotate({.actor = "cli"})));
  auto status = rotation->status();
  ASSERT_TRUE(status.prepared);
  EXPECT_EQ(status.prepared->path, key_path() + ".next");
  EXPECT_EQ(status.awaited.size(), 1U);
  pass(60s);
  EXPECT_EQ(known(), old_id) << "the other one could not read what is under it";
  EXPECT_EQ(rotation->status().id, old_id);
  ASSERT_TRUE(comes([&] { return alert_of(alerts, "master_key_prepared").has_value(); }));
  EXPECT_THAT(*alert_of(alerts, "master_key_prepared"), testing::HasSubstr(key_path() + ".next"));
  EXPECT_TRUE(comes([&] { return second->rotation->status().prepared.has_value(); })) << "seen at the other server, too";

  hand_over();
  ASSERT_TRUE(comes([&] { return rotation->status().rotation.has_value(); }));
  EXPECT_FALSE(alert_of(alerts, "master_key_prepared"));
  const auto under_old = second->vault.seal({.purpose = vault::Purpose::app_secret, .table = "t", .row = {}, .field = "f"}, Secret("x"));
  const auto new_id = known();
  ASSERT_NE(new_id, old_id);
  ASSERT_TRUE(comes([&] { return second->vault.master_key_id() == new_id; }));
  EXPECT_TRUE(second->vault.open({.purpose = vault::Purpose::app_secret, .table = "t", .row = {}, .field = "f"}, under_old)) << "still read";
  EXPECT_TRUE(second->sealing.check(view(grant.id).grant));
  ASSERT_TRUE(comes([&] { return !rotation->status().rotation && !second->vault.rotating(); }));

  EXPECT_FALSE(vault.rotating());
  EXPECT_FALSE(second->vault.open({.purpose = vault::Purpose::app_secret, .table = "t", .row = {}, .field = "f"}, under_old)) << "the old key is gone";
  for (const auto& path : {key_path(), second->key_path()}) {
    EXPECT_EQ(vault::Vault::id_of(key_in(path)), new_id) << path;
    EXPECT_FALSE(std::filesystem::exists(path + ".next")) << path;
  }
  EXPECT_EQ(vault::Vault::id_of(key_in(second->files().retired_path(old_id))), old_id) << "kept there, too";
  expect_whole(grant, vault::Vault(key_in(second->key_path()), entropy));
  ASSERT_TRUE(second->journal.recorded.contains(left)) << "its own journal's replies are sealed anew";
  EXPECT_TRUE(second->sealing.open_reply(left, grant.id, 1, second->journal.recorded.at(left).reply_sealed));
  EXPECT_EQ(second->rotation->status().retired->id, old_id);
  EXPECT_EQ(vault.keyed_hash("a use", Bytes(3, 1)), second->vault.keyed_hash("a use", Bytes(3, 1))) << "lookups go on at both";
}

TEST_F(SharedKeys, K1_AServerThatComesWithoutTheKeyIsAwaitedToo) {
  ASSERT_TRUE(run(rotation->rotate({.actor = "cli"})));
  vault::Vault by(Secret(Bytes(32, 7)), entropy);
  Nodes third(another_node(by));
  ASSERT_TRUE(run(third.begin()));
  hand_over();
  ASSERT_TRUE(comes([&] { return rotation->status().awaited.size() == 1U; }));
  pass(60s);
  EXPECT_TRUE(rotation->status().prepared);
  ASSERT_TRUE(run(ended(&third)));
  EXPECT_TRUE(comes([&] { return rotation->status().rotation.has_value(); }));
  // Its key is the old one now.
  const auto refused = run(third.begin());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "master_key_wrong");
}

TEST_F(SharedKeys, P5_AServerThatDiedHoldsTheEndUpUntilItIsBackWithBothKeys) {
  const auto grant = put_person("acme-family");
  ASSERT_TRUE(run(rotation->rotate({.actor = "cli"})));
  hand_over();
  ASSERT_TRUE(comes([&] { return rotation->status().rotation.has_value(); }));
  halt(*second);  // as kill -9 does: it has told nobody
  second.reset();
  ASSERT_TRUE(comes([&] { return alert_of(alerts, "master_key_rotation").has_value(); }));
  pass(std::chrono::minutes(10));
  ASSERT_TRUE(rotation->status().rotation) << "its journal may hold a reply under the old key";
  EXPECT_THAT(*alert_of(alerts, "master_key_rotation"), testing::HasSubstr("node forget"));
  EXPECT_TRUE(vault.rotating());

  second = launch(second_id, Secret(Bytes(32, 7)));  // its own key file is the old one still, or was put in place: settled by what the store names
  EXPECT_EQ(second->vault.master_key_id(), known());
  EXPECT_TRUE(second->vault.rotating()) << "both are read";
  ASSERT_TRUE(comes([&] { return !rotation->status().rotation && !second->vault.rotating(); }));
  EXPECT_FALSE(alert_of(alerts, "master_key_rotation"));
  expect_whole(grant, vault::Vault(key_in(second->key_path()), entropy));
}

TEST_F(SharedKeys, P5_AServerThatStopsInOrderLeavesTheRotationToAnother) {
  const auto grant = put_person("acme-family");
  ASSERT_TRUE(run(rotation->rotate({.actor = "cli"})));
  hand_over();
  ASSERT_TRUE(comes([&] { return second->rotation->status().rotation.has_value(); }));
  const auto old_id = rotation->status().rotation->from;
  stop();
  ASSERT_TRUE(run(ended(own.get())));
  ASSERT_TRUE(comes([&] { return !second->rotation->status().rotation && !second->vault.rotating(); }));
  EXPECT_EQ(run(store->meta(std::string(kRotationMeta))).value(), Bytes());
  expect_whole(grant, vault::Vault(key_in(second->key_path()), entropy));
  EXPECT_EQ(second->rotation->status().retired->id, old_id);
}

TEST_F(SharedKeys, P5_WhoWasSilentForLongDoesNotPutAnEndedRotationBack) {
  put_person("acme-family");
  ASSERT_TRUE(run(rotation->rotate({.actor = "cli"})));
  hand_over();
  ASSERT_TRUE(comes([&] { return second->rotation->status().rotation.has_value(); }));
  // Forgotten, and its rotation brought to its end elsewhere.
  const auto state = rotation->status().rotation.value();
  commit({store::PutMeta{std::string(kRotationMeta), {}}, store::PutMeta{std::string(kRetiredMeta), RetiredKey{.id = state.from, .retired_at = wall.now(), .path = "x"}.to_octets()}});
  const auto left = IntentId::make(wall.now(), entropy);
  vault::Vault old(Secret(Bytes(32, 7)), entropy);
  auto entry = left_in_journal(left, GrantId::make(wall.now(), entropy), 1, wall.now(), "{}");
  entry.reply_sealed = Sealing(old).seal_reply(entry.intent, entry.grant, entry.generation, Secret("{}"));
  journal.left_over.push_back(entry);
  ASSERT_TRUE(comes([&] { return !rotation->status().rotation && !vault.rotating(); }));
  EXPECT_EQ(run(store->meta(std::string(kRotationMeta))).value(), Bytes());
  EXPECT_TRUE(journal.recorded.contains(left)) << "what its own journal held was sealed anew first";
}

TEST_F(SharedKeys, WhoPreparesItAndStopsLeavesTheBeginningToAnother) {
  ASSERT_TRUE(run(rotation->rotate({.actor = "cli"})));
  hand_over();
  vault::Vault by(Secret(Bytes(32, 7)), entropy);
  Nodes third(another_node(by));
  ASSERT_TRUE(run(third.begin()));
  ASSERT_TRUE(comes([&] { return alert_of(second->alerts, "master_key_prepared").has_value(); })) << "every server that holds it says who is awaited";
  stop();
  ASSERT_TRUE(run(ended(own.get())));
  ASSERT_TRUE(run(ended(&third)));
  EXPECT_TRUE(comes([&] { return second->rotation->status().retired.has_value() && !second->vault.rotating(); }));
}

TEST_F(SharedKeys, WhatIsPreparedCanBeGivenUpAndTakenUpAgain) {
  ASSERT_TRUE(run(rotation->rotate({.actor = "cli"})));
  ASSERT_TRUE(vault.rotating());
  ASSERT_TRUE(run(second->rotation->cancel({.actor = "cli"}))) << "at any server";
  ASSERT_TRUE(comes([&] { return !rotation->status().prepared && !vault.rotating(); }));
  EXPECT_FALSE(alert_of(alerts, "master_key_prepared"));
  hand_over();
  pass(60s);
  EXPECT_FALSE(rotation->status().rotation);
  EXPECT_EQ(run(rotation->cancel({.actor = "cli"})).error().reason, "not_prepared");
  ASSERT_TRUE(run(rotation->rotate({.actor = "cli"})));
  EXPECT_TRUE(comes([&] { return rotation->status().rotation.has_value(); })) << "the same key, which the other holds";
}

TEST_F(SharedKeys, K1_WhatAServerSaidOfAPreparationBeforeCountsForNothing) {
  vault::Vault by(Secret(Bytes(32, 7)), entropy);
  Nodes third(another_node(by));
  ASSERT_TRUE(run(third.begin())) << "so that it does not begin";
  ASSERT_TRUE(run(rotation->rotate({.actor = "cli"})));
  hand_over();
  ASSERT_TRUE(comes([&] { return rotation->status().awaited.size() == 1U; })) << "the second one has said that it holds it";
  ASSERT_TRUE(run(rotation->cancel({.actor = "cli"})));
  std::filesystem::remove(second->key_path() + ".next");
  halt(*second);  // it does not look for a while
  ASSERT_TRUE(run(ended(&third)));
  ASSERT_TRUE(run(rotation->rotate({.actor = "cli"})));
  pass(60s);
  EXPECT_FALSE(rotation->status().rotation);
  EXPECT_EQ(rotation->status().awaited.size(), 1U);
}

TEST_F(SharedKeys, R4_ADatabaseThatHasForgottenTheBeginningIsToldOfItAgain) {
  const auto grant = put_person("acme-family");
  const auto old_id = vault.master_key_id();
  ASSERT_TRUE(run(rotation->rotate({.actor = "cli"})));
  hand_over();
  ASSERT_TRUE(comes([&] { return second->rotation->status().rotation.has_value() && second->vault.master_key_id() != old_id; }));
  const auto new_id = vault.master_key_id();
  commit({store::PutMeta{std::string(kMasterKeyMeta), old_id}, store::PutMeta{std::string(kRotationMeta), {}}});
  ASSERT_TRUE(comes([&] { return !rotation->status().rotation && !second->vault.rotating(); }));
  EXPECT_EQ(known(), new_id);
  expect_whole(grant, vault::Vault(key_in(second->key_path()), entropy));
}

// Killed with an answer on its journal, forgotten, and back when the rotation is over.
TEST_F(SharedKeys, F6_AForgottenServerThatComesBackReadsItsJournalThoughTheKeyWasChanged) {
  const auto grant = put_person("acme-family");
  const auto left = IntentId::make(wall.now(), entropy);
  const auto entry = left_in_journal(left, grant.id, 1, wall.now(), R"({"access_token":"at2","refresh_token":"rt2","expires_in":3600})");
  halt(*second);
  second.reset();
  commit({store::DeleteNode{second_id}});
  ASSERT_TRUE(run(rotation->rotate({.actor = "cli"})));
  ASSERT_TRUE(comes([&] { return !rotation->status().rotation && !vault.rotating(); }));
  std::filesystem::copy_file(key_path(), second_folder() + "/master.key.next");
  second = launch(second_id, Secret(Bytes(32, 7)), {entry});
  EXPECT_EQ(second->vault.master_key_id(), known());
  EXPECT_TRUE(second->sealing.open_reply(left, grant.id, 1, entry.reply_sealed)) << "the keeper merges it at the start";
  ASSERT_TRUE(comes([&] { return !second->vault.rotating(); }));
  ASSERT_TRUE(second->journal.recorded.contains(left)) << "sealed anew before the old key went";
  EXPECT_TRUE(second->sealing.open_reply(left, grant.id, 1, second->journal.recorded.at(left).reply_sealed));
}

TEST_F(SharedKeys, F6_AForgottenServerReadsItsJournalThoughTheKeyWasChangedMoreThanOnce) {
  const auto grant = put_person("acme-family");
  const auto left = IntentId::make(wall.now(), entropy);
  const auto entry = left_in_journal(left, grant.id, 1, wall.now(), R"({"access_token":"at2","refresh_token":"rt2","expires_in":3600})");
  const auto old_id = vault.master_key_id();
  halt(*second);
  second.reset();
  commit({store::DeleteNode{second_id}});
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(run(rotation->rotate({.actor = "cli"})));
    ASSERT_TRUE(comes([&] { return !rotation->status().rotation && !vault.rotating(); }));
  }
  std::filesystem::copy_file(key_path(), second_folder() + "/master.key.next");
  second = launch(second_id, Secret(Bytes(32, 7)), {entry});
  EXPECT_EQ(second->vault.master_key_id(), known());
  EXPECT_TRUE(second->sealing.open_reply(left, grant.id, 1, entry.reply_sealed)) << "the keeper merges it at the start";
  EXPECT_EQ(vault::Vault::id_of(key_in(second->key_path())), known());
  EXPECT_EQ(second->files().aside(old_id, entropy), second->files().retired_path(old_id)) << "what lay there is named by itself";
  ASSERT_TRUE(comes([&] { return !second->vault.rotating(); }));
  ASSERT_TRUE(second->journal.recorded.contains(left)) << "sealed anew before the old key went";
  EXPECT_TRUE(second->sealing.open_reply(left, grant.id, 1, second->journal.recorded.at(left).reply_sealed));
}

TEST_F(SharedKeys, AKeyThatWasPreparedAndIsGoneStandsInNoOthersWay) {
  ASSERT_TRUE(run(rotation->rotate({.actor = "cli"})));
  halt(*second);
  ASSERT_TRUE(run(ended(second->nodes.get())));
  std::filesystem::remove(key_path() + ".next");
  ASSERT_TRUE(run(rotation->rotate({.actor = "cli"})));
  EXPECT_TRUE(comes([&] { return !rotation->status().rotation && !vault.rotating(); }));
  second.reset();
}

// The second half of a pass that began before the late one wrote under the new key has seen nothing of what it wrote under the old one.
TEST_F(SharedKeys, P5_APassThatWasHalfDoneWhenTheLastServerFollowedIsNotTheLast) {
  std::vector<store::Grant> grants;
  for (int i = 0; i < 3; ++i) grants.push_back(put_person("acme-family"));
  ASSERT_TRUE(run(rotation->rotate({.actor = "cli"})));
  hand_over();
  ASSERT_TRUE(comes([&] { return rotation->status().rotation.has_value(); }));
  halt(*second);
  second.reset();
  ASSERT_TRUE(comes([&] { const auto under_way = rotation->status().rotation; return under_way && under_way->passes >= 1; }));
  stop();
  ASSERT_TRUE(run(ended(own.get())));
  auto state = RotationState::from_octets(run(store->meta(std::string(kRotationMeta))).value()).value();
  state.passes = 1;
  state.changed = 0;
  state.stage = RotationState::Stage::apps;
  state.cursor.clear();
  // What the late one's keeper had waiting comes in behind the cursor, vouched for under the old key.
  vault::Vault old(Secret(Bytes(32, 7)), entropy);
  auto changed = view(grants[0].id).grant;
  changed.failures += 1;
  Sealing(old).vouch(changed);
  commit({store::PutMeta{std::string(kRotationMeta), state.to_octets()}, store::UpdateGrant{changed}});
  second = launch(second_id, Secret(Bytes(32, 7)));
  ASSERT_TRUE(comes([&] { return !second->rotation->status().rotation && !second->vault.rotating(); }));
  EXPECT_TRUE(second->sealing.check(view(grants[0].id).grant)) << "a whole pass has seen it";
}

// With the leaked key and the database alone.
TEST_F(SharedKeys, K3_WhoWritesTheStoreCannotBringARetiredKeyBack) {
  const auto grant = put_person("acme-family");
  const auto old_id = vault.master_key_id();
  ASSERT_TRUE(run(rotation->rotate({.actor = "cli"})));
  hand_over();
  ASSERT_TRUE(comes([&] { return rotation->status().rotation.has_value(); }));
  ASSERT_TRUE(comes([&] { return !rotation->status().rotation && !second->vault.rotating(); }));
  const auto new_id = vault.master_key_id();
  const auto expect_closed = [&] {
    pass(1800s);
    EXPECT_EQ(vault.master_key_id(), new_id);
    EXPECT_EQ(second->vault.master_key_id(), new_id);
    const vault::Vault leaked(Secret(Bytes(32, 7)), entropy);
    const auto seen = view(grant.id);
    EXPECT_FALSE(Sealing(leaked).open_refresh(seen.grant, *current_of(seen)));
  };
  const PreparedKey prepared{.from = new_id, .to = old_id, .mark = Bytes(8, 1), .since = wall.now(), .node = own_node, .machine = "x", .path = "x"};
  commit({store::PutMeta{std::string(kPreparedMeta), prepared.to_octets()}});
  expect_closed();
  const RotationState planted{.from = new_id, .to = old_id, .owner = NodeId{}, .started_at = wall.now(), .total = 1};
  commit({store::PutMeta{std::string(kPreparedMeta), {}}, store::PutMeta{std::string(kMasterKeyMeta), old_id},
          store::PutMeta{std::string(kRotationMeta), planted.to_octets()}});
  expect_closed();
}

TEST_F(SharedKeys, AServerSaysWhyTheKeyThatWasPutThereCannotBeUsed) {
  ASSERT_TRUE(run(rotation->rotate({.actor = "cli"})));
  hand_over();
  std::filesystem::permissions(second->key_path() + ".next", std::filesystem::perms::others_read, std::filesystem::perm_options::add);
  ASSERT_TRUE(comes([&] { return alert_of(second->alerts, "master_key_not_in_place:next").has_value(); }));
  EXPECT_THAT(*alert_of(second->alerts, "master_key_not_in_place:next"), testing::HasSubstr("master.key.next"));
  std::filesystem::permissions(second->key_path() + ".next", std::filesystem::perms::others_read, std::filesystem::perm_options::remove);
  ASSERT_TRUE(comes([&] { return rotation->status().rotation.has_value(); }));
  EXPECT_TRUE(comes([&] { return !alert_of(second->alerts, "master_key_not_in_place:next"); }));
}

TEST_F(SharedKeys, R4_AnotherServerTellsADatabaseThatHasForgottenTheBeginning) {
  const auto grant = put_person("acme-family");
  const auto old_id = vault.master_key_id();
  ASSERT_TRUE(run(rotation->rotate({.actor = "cli"})));
  hand_over();
  ASSERT_TRUE(comes([&] { return second->rotation->status().rotation.has_value() && second->vault.master_key_id() != old_id; }));
  const auto new_id = vault.master_key_id();
  stop();
  ASSERT_TRUE(run(ended(own.get())));
  commit({store::PutMeta{std::string(kMasterKeyMeta), old_id}, store::PutMeta{std::string(kRotationMeta), {}}});
  ASSERT_TRUE(comes([&] { return known() == new_id; })) << "it writes under the new key already";
  ASSERT_TRUE(comes([&] { return !second->rotation->status().rotation && !second->vault.rotating(); }));
  expect_whole(grant, vault::Vault(key_in(second->key_path()), entropy));
}

TEST_F(SharedKeys, OnlyOneKeyIsPreparedAtATime) {
  ASSERT_TRUE(run(rotation->rotate({.actor = "cli"})));
  const auto refused = run(second->rotation->rotate({.actor = "cli"}));
  ASSERT_FALSE(refused) << "it would make another one";
  EXPECT_EQ(refused.error().reason, "rotation_in_progress");
  EXPECT_THAT(refused.error().text, testing::HasSubstr("first"));
}

}  // namespace
}  // namespace latchkey::grants

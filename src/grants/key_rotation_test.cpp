// The master key's rotation on one server.
#include "grants/key_rotation_testing.h"

namespace latchkey::grants {
namespace {

using store::GrantState;

TEST_F(RotationHouse, K1_RotatesEverythingWithoutAnyPinAndKeepsTheOldKeyAside) {
  std::vector<store::Grant> grants;
  for (int count = 0; count < 120; ++count) grants.push_back(put_person("acme-family"));  // more than a page
  const auto old_id = vault.master_key_id();
  const auto hash = vault.keyed_hash("session", base::as_bytes("cookie"));
  ASSERT_TRUE(run(rotation->start()));
  ASSERT_TRUE(run(rotation->rotate({.actor = "cli"})));
  EXPECT_EQ(run(rotation->rotate({.actor = "cli"})).error().reason, "rotation_in_progress");
  EXPECT_EQ(rotation->status().rotation->total, 240);
  let_finish();

  const vault::Vault alone(key_in(key_path()), entropy);
  EXPECT_EQ(alone.master_key_id(), vault.master_key_id());
  EXPECT_NE(alone.master_key_id(), old_id);
  for (const auto& grant : grants) expect_whole(grant, alone);
  const auto status = rotation->status();
  ASSERT_TRUE(status.retired);
  EXPECT_EQ(status.retired->id, old_id);
  EXPECT_EQ(vault::Vault::id_of(key_in(status.retired->path)), old_id) << "kept aside";
  EXPECT_FALSE(vault.rotating());
  EXPECT_EQ(vault.keyed_hash("session", base::as_bytes("cookie")), hash) << "nobody is signed out";
  EXPECT_THAT(alerts.current(), testing::Contains(testing::Field(&Alert::cause, "master_key_rotated")));
  EXPECT_EQ(logged("record_not_renewed"), 0);
  EXPECT_TRUE(refresh(grants.front().id)) << "the keeper goes on";
}

TEST_F(RotationHouse, K5_TokensOnTheirWayBackAndSecretsOfNoticesAreRenewedToo) {
  std::vector<store::Revocation> waiting;
  for (int count = 0; count < 60; ++count) {  // more than a page
    store::Revocation revocation{.id = RevocationId::make(wall.now(), entropy), .grant = GrantId::make(wall.now(), entropy), .app = "acme",
                                 .subject = "acme", .record_sealed = {}, .due_at = wall.now() + std::chrono::hours(1), .created_at = wall.now(),
                                 .why = "Not asked yet."};
    revocation.record_sealed = sealing.seal_revocation(revocation, Secret("record" + std::to_string(count)));
    commit({store::PutRevocation{revocation}});
    waiting.push_back(std::move(revocation));
  }
  channel_secrets = {{.key = "secret:mail", .place = "secret:mail@relay"}, {.key = "secret:webhook", .place = "secret:webhook"},
                     {.key = "secret:none", .place = "secret:none"}};
  const auto elsewhere = sealing.seal_channel_secret("secret:mail@former", Secret("mail secret"));
  commit({store::PutMeta{"secret:mail", elsewhere}, store::PutMeta{"secret:webhook", sealing.seal_channel_secret("secret:webhook", Secret("hook secret"))}});
  ASSERT_TRUE(run(rotation->start()));
  ASSERT_TRUE(run(rotation->rotate({.actor = "cli"})));
  let_finish();

  const vault::Vault alone(key_in(key_path()), entropy);
  const Sealing seals(alone);
  const auto kept = run(store->revocations_after({}, 100));
  ASSERT_TRUE(kept);
  ASSERT_EQ(kept->size(), waiting.size());
  for (const auto& revocation : *kept) EXPECT_TRUE(seals.open_revocation(revocation)) << revocation.id.text();
  EXPECT_EQ(seals.open_channel_secret("secret:webhook", *run(store->meta("secret:webhook")))->reveal_text(), "hook secret");
  EXPECT_EQ(*run(store->meta("secret:mail")), elsewhere) << "set for another relay: of no use, and no damage";
  EXPECT_EQ(logged("record_not_renewed"), 0);
}

TEST_F(RotationHouse, P5_StoppedAnywhereTheNextStartGoesOn) {
  const auto grant = put_person("acme-family");
  for (int count = 0; count < 60; ++count) put_person("acme-harmless");
  const auto old_key = Secret(Bytes(32, 7));
  ASSERT_TRUE(run(rotation->start()));
  ASSERT_TRUE(run(rotation->rotate({.actor = "cli"})));
  // One step of the loop at a time, then the process "ends" there and another one begins; every step is met once.
  int starts = 0;
  for (std::size_t steps = 1; rotation->status().rotation; ++steps) {
    for (std::size_t done = 0; done < steps && rotation->status().rotation; ++done) {
      if (loop.stopped()) loop.restart();
      loop.run_one_for(5ms);
      if (const auto wake = steady.next_wake()) steady.advance(*wake - steady.now());
    }
    if (!rotation->status().rotation) break;
    stop();
    // What another process makes of the files and the store.
    vault::Vault fresh(key_in(key_path()), entropy);
    ASSERT_TRUE(run(settle_master_key(*store, fresh, files(), entropy))) << "after " << steps << " steps";
    EXPECT_EQ(fresh.master_key_id(), vault.master_key_id());
    const bool rotating = fresh.rotating();
    begin();
    ASSERT_TRUE(run(rotation->start()));
    if (!rotating) break;  // what was on its way when it was stopped was the last of it: expect_whole() looks
    ASSERT_LT(++starts, 500);
  }
  EXPECT_GT(starts, 3);
  expect_whole(grant, vault::Vault(key_in(key_path()), entropy));
}

TEST_F(RotationHouse, K1_ANodeThatComesWhileARotationBeginsStopsIt) {
  ASSERT_TRUE(run(rotation->start()));
  // Between the look at the nodes and the commit.
  door->before = [this, come = false](const store::Batch&) mutable {
    if (std::exchange(come, true)) return store::Batch();
    store::Node node{.id = NodeId::make(wall.now(), entropy), .name = "late", .version = "1", .run = Bytes(16, 1), .started_at = wall.now()};
    return store::Batch{store::PutMeta{std::string(kJoinedMeta), node.run}, store::PutNode{node}};
  };
  const auto refused = run(rotation->rotate({.actor = "cli"}));
  ASSERT_FALSE(refused);
  EXPECT_FALSE(vault.rotating());
  EXPECT_EQ(run(store->meta(std::string(kMasterKeyMeta))), vault.master_key_id());
}

TEST_F(RotationHouse, P5_HalfRotatedWithoutTheOldKeyRefusesToStart) {
  put_person("acme-family");
  ASSERT_TRUE(run(rotation->start()));
  ASSERT_TRUE(run(rotation->rotate({.actor = "cli"})));
  base::drive_until(loop, [&] { return std::filesystem::exists(files().retired_path(Bytes(vault::Vault::id_of(Secret(Bytes(32, 7)))))); });
  stop();
  const auto aside = files().retired_path(vault::Vault::id_of(Secret(Bytes(32, 7))));
  std::filesystem::rename(aside, folder / "elsewhere");
  vault::Vault fresh(key_in(key_path()), entropy);
  const auto refused = run(settle_master_key(*store, fresh, files(), entropy));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "master_key_half_rotated");
  EXPECT_THAT(refused.error().text, testing::HasSubstr(aside));
  std::filesystem::rename(folder / "elsewhere", aside);
  EXPECT_TRUE(run(settle_master_key(*store, fresh, files(), entropy)));
  begin();
}

TEST_F(RotationHouse, P5_ARetiredKeyInPlaceIsNamedAsSuch) {
  put_person("acme-family");
  ASSERT_TRUE(run(rotation->start()));
  ASSERT_TRUE(run(rotation->rotate({.actor = "cli"})));
  let_finish();
  std::filesystem::remove(key_path());
  std::filesystem::copy_file(rotation->status().retired->path, key_path());
  vault::Vault fresh(key_in(key_path()), entropy);
  EXPECT_EQ(run(settle_master_key(*store, fresh, files(), entropy)).error().reason, "master_key_retired");
  vault::Vault other(Secret(Bytes(32, 99)), entropy);
  EXPECT_EQ(run(settle_master_key(*store, other, files(), entropy)).error().reason, "master_key_wrong");
}

TEST_F(RotationHouse, P6_AnAlteredRecordIsNotMadeGood) {
  const auto grant = put_person("acme-family");
  auto altered = view(grant.id).grant;
  altered.account_id = "somebody else";
  commit({store::UpdateGrant{altered}});
  ASSERT_TRUE(run(rotation->start()));
  ASSERT_TRUE(run(rotation->rotate({.actor = "cli"})));
  let_finish();
  EXPECT_FALSE(sealing.check(view(grant.id).grant));
  EXPECT_EQ(logged("record_not_renewed"), 1);
}

TEST_F(RotationHouse, K5_RepliesOnTheJournalStayReadable) {
  const auto grant = put_person("acme-family");
  const auto intent = IntentId::make(wall.now(), entropy);
  auto entry = left_in_journal(intent, grant.id, 1, wall.now(), R"({"access_token":"at2","refresh_token":"rt2","expires_in":3600})");
  journal.left_over.push_back(entry);
  ASSERT_TRUE(run(rotation->start()));
  ASSERT_TRUE(run(rotation->rotate({.actor = "cli"})));
  let_finish();
  ASSERT_TRUE(journal.recorded.contains(intent)) << "recorded once more";
  const auto& again = journal.recorded.at(intent);
  EXPECT_GT(again.recorded_at, entry.recorded_at);
  EXPECT_TRUE(sealing.open_reply(intent, grant.id, 1, again.reply_sealed)) << "under the new key alone";
  EXPECT_FALSE(sealing.open_reply(intent, grant.id, 1, entry.reply_sealed));
  // The keeper read it before the rotation, and merges it after.
  ASSERT_TRUE(run(keeper->start()));
  base::drive_until(loop, [&] { return counters.replies_recovered == 1 && counters.in_flight == 0; });
  EXPECT_EQ(refresh_token(view(grant.id)), "rt2");
}

TEST_F(RotationHouse, ARecordChangedMeanwhileIsRenewedAfterAll) {
  const auto grant = put_person("acme-family");
  ASSERT_TRUE(run(rotation->start()));
  // Sealed under the old key before, committed after the first pass.
  auto late = view(grant.id);
  ASSERT_TRUE(run(rotation->rotate({.actor = "cli"})));
  base::drive_until(loop, [&] { return rotation->status().rotation->passes == 1; });
  auto generation = late.generations.front();
  generation.number = 0;
  generation.refresh_sealed = [&] {
    base::SeededEntropy other(9);
    const vault::Vault before(Secret(Bytes(32, 7)), other);
    return Sealing(before).seal_refresh(late.grant, 0, {Secret("rt0"), Secret()});
  }();
  generation.access_sealed.clear();
  generation.state = store::GenerationState::refused;
  commit({store::PutGeneration{generation}});
  let_finish();
  for (const auto& each : view(grant.id).generations) EXPECT_TRUE(sealing.is_current(each.refresh_sealed)) << each.number;
}

// "Cannot go on" is over when it goes on, though the end may be hours away.
TEST_F(RotationHouse, P5_APassThatWorkedTakesTheAlertOfTheOneBeforeAway) {
  put_person("acme-family");
  ASSERT_TRUE(run(rotation->start()));
  ASSERT_TRUE(run(rotation->rotate({.actor = "cli"})));
  alerts.raise("master_key_rotation", "The rotation of the master key cannot go on.");
  base::drive_until(loop, [&] { return rotation->status().rotation->passes == 1 && steady.next_wake(); });
  ASSERT_TRUE(rotation->status().rotation) << "it rests";
  EXPECT_THAT(alerts.current(), testing::Not(testing::Contains(testing::Field(&Alert::cause, "master_key_rotation"))));
  let_finish();
}

// Among a million grants some are refreshed while each page is read: that must not keep the rotation from ever ending.
TEST_F(RotationHouse, P5_GrantsThatChangeWhileTheyAreReadDoNotHoldItUp) {
  const auto grant = put_person("acme-harmless");
  int readings = 0;
  door->after_wraps = [this, &readings](GrantId id) { return touch_every_other_time(this, id, &readings); };
  ASSERT_TRUE(run(rotation->start()));
  ASSERT_TRUE(run(rotation->rotate({.actor = "cli"})));
  for (int pass = 0; pass < 10 && rotation->status().rotation; ++pass) {
    const auto passes = rotation->status().rotation->passes;
    base::drive_until(loop, [&] {
      if (const auto wake = steady.next_wake()) steady.advance(*wake - steady.now());
      return !rotation->status().rotation || rotation->status().rotation->passes > passes;
    });
  }
  EXPECT_FALSE(rotation->status().rotation) << "it ends";
  EXPECT_GE(readings, 4) << "the grant was met changing in every pass";
  door->after_wraps = nullptr;
  expect_whole(grant, vault);
}

TEST_F(RotationHouse, WhereTheKeyCannotBeReplacedTheNewOneWorksFromTheSpareAndSomebodyIsTold) {
  const auto spare = (folder / "spare.key").string();
  const vault::KeyFiles there("/proc/self/key", spare);  // where nobody can make a file
  const auto next = there.make_next(entropy);
  ASSERT_TRUE(next);
  EXPECT_EQ(next->path, spare);
  const auto id = vault::Vault::id_of(next->key);
  EXPECT_EQ(there.aside(vault.master_key_id(), entropy), std::nullopt);
  const auto told = there.install(vault.master_key_id(), id, entropy);
  EXPECT_EQ(told.error().reason, "key_not_in_place");
  EXPECT_THAT(told.error().text, testing::HasSubstr("works with it from " + spare));
  ASSERT_TRUE(there.find(id, entropy));
  EXPECT_EQ(there.find(id, entropy)->path, spare);

  // A start with the old key in place and the store's key in the spare.
  commit({store::PutMeta{std::string(kMasterKeyMeta), id}});
  ASSERT_TRUE(settle());
  EXPECT_EQ(vault.master_key_id(), id);
  EXPECT_FALSE(vault.rotating());
}

// A key beside which nothing can be made, even by root: every other name there would be too long.
class CredentialHouse : public RotationHouse {
 protected:
  CredentialHouse() : RotationHouse(std::string(253, 'k')) {}
  std::optional<Alert> not_in_place() const {
    for (auto& alert : alerts.current()) {
      if (alert.cause == "master_key_not_in_place") return alert;
    }
    return std::nullopt;
  }
};

TEST_F(CredentialHouse, K1_WhereTheKeyCannotBeReplacedEachKeyIsNamedWhereItLiesAndTheOldOneIsKeptFirst) {
  const auto old_id = vault.master_key_id();
  ASSERT_TRUE(run(rotation->start()));
  ASSERT_TRUE(run(rotation->rotate({.actor = "cli"})));
  let_finish();
  auto status = rotation->status();
  EXPECT_EQ(status.path, files_spare()) << "where the new key lies";
  EXPECT_EQ(status.place, key_path()) << "where it belongs";
  EXPECT_EQ(vault::Vault::id_of(key_in(status.path)), vault.master_key_id());
  ASSERT_TRUE(status.retired);
  EXPECT_NE(status.retired->path, key_path()) << "that file is for the person to write over";
  EXPECT_EQ(vault::Vault::id_of(key_in(status.retired->path)), old_id) << "kept before anybody is told to write over it";
  ASSERT_TRUE(not_in_place());
  EXPECT_THAT(not_in_place()->words, testing::AllOf(testing::HasSubstr("from " + files_spare()), testing::HasSubstr("kept in " + status.retired->path)));
  for (const auto& alert : alerts.current()) {
    if (alert.cause == "master_key_rotated") EXPECT_THAT(alert.words, testing::HasSubstr("Put a copy of " + files_spare() + " away"));
  }
  EXPECT_EQ(run(rotation->rotate({.actor = "cli"})).error().reason, "key_not_in_place");

  // As the alert says.
  std::filesystem::copy_file(files_spare(), key_path(), std::filesystem::copy_options::overwrite_existing);
  stop();
  ASSERT_TRUE(settle());
  begin();
  ASSERT_TRUE(run(rotation->start()));
  status = rotation->status();
  EXPECT_EQ(status.path, key_path());
  EXPECT_FALSE(std::filesystem::exists(files_spare())) << "its copy is not needed any more";
  EXPECT_EQ(vault::Vault::id_of(key_in(status.retired->path)), old_id);
  EXPECT_FALSE(not_in_place());
  ASSERT_TRUE(run(rotation->rotate({.actor = "cli"}))) << "and again";
  let_finish();
  EXPECT_NE(vault::Vault::id_of(key_in(rotation->status().path)), vault::Vault::id_of(key_in(key_path())));
}

TEST_F(RotationHouse, P5_AServerWithTheFormerKeyIsSentToTheOneThatRotates) {
  ASSERT_TRUE(run(rotation->start()));
  ASSERT_TRUE(run(rotation->rotate({.actor = "cli"})));
  const auto elsewhere = folder / "of-another-server";
  std::ofstream(elsewhere) << base::to_hex(Bytes(32, 7)) << "\n";
  std::filesystem::permissions(elsewhere, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  const vault::KeyFiles there(elsewhere.string(), elsewhere.string() + ".next");
  const auto refused = [&] {
    vault::Vault other(Secret(Bytes(32, 7)), entropy);
    return run(settle_master_key(*store, other, there, entropy)).error();
  };
  EXPECT_EQ(refused().reason, "master_key_retired");
  EXPECT_THAT(refused().text, testing::HasSubstr("Copy it from the server that rotates it"));
  let_finish();
  EXPECT_THAT(refused().text, testing::HasSubstr("copy it from the server that rotated it"));
}

}  // namespace
}  // namespace latchkey::grants

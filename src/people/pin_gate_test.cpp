// The rules T1 to T7 and the scenarios P1 to P4, each by its name.
#include "people/pin_gate.h"

#include <algorithm>

#include "people/people_testing.h"

namespace latchkey::people {
namespace {

class PinGateTest : public Office {};

TEST_F(PinGateTest, TheRightPinOpensTheKey) {
  const auto user = add("scan");
  const auto admitted = run(gate->admit(attempt("Scan", kPin)));
  ASSERT_TRUE(admitted) << admitted.error().text;
  EXPECT_EQ(admitted->user, user.id);
  EXPECT_EQ(admitted->auth_epoch, user.auth_epoch);
  EXPECT_EQ(admitted->username, "scan");
  const auto key = hot->find(user.id, user.auth_epoch, admitted->pin);
  ASSERT_TRUE(key);
  const auto again = vault.unwrap_user_key(user.id, *public_key_of(user), Secret(kPin), user.private_key_wrapped);
  EXPECT_TRUE(key->equals(*again));
}

TEST_F(PinGateTest, RecognisesFromMemoryWhereOnlyThePinIsOpen) {
  add("scan");
  EXPECT_FALSE(gate->recognise(attempt("scan", kPin))) << "cold";
  ASSERT_EQ(words("scan", kPin), "admitted");
  ASSERT_FALSE(gate->recognise(attempt("scan", kPin))) << "the card is read anew after the source became known";
  ASSERT_EQ(words("scan", kPin), "admitted");
  const auto hashes = hasher->hashes_begun();
  EXPECT_TRUE(gate->recognise(attempt("scan", kPin)));
  EXPECT_TRUE(gate->recognise(attempt("SCAN", kPin)));
  EXPECT_FALSE(gate->recognise(attempt("scan", kPin, kElsewhere))) << "a source never right before";
  EXPECT_FALSE(gate->recognise(attempt("nobody", kPin)));
  auto wants_token = attempt("scan", kPin);
  wants_token.uses = store::kUseToken;
  EXPECT_FALSE(gate->recognise(wants_token));
  auto in_clear = attempt("scan", kPin);
  in_clear.transport = Transport::clear;
  EXPECT_FALSE(gate->recognise(in_clear));
  pass(25h);
  EXPECT_FALSE(gate->recognise(attempt("scan", kPin))) << "the source must be confirmed anew";
  EXPECT_EQ(hasher->hashes_begun(), hashes);
}

TEST_F(PinGateTest, T1_ComparedAfterPreparation) {
  add("scan", "Gr\u00fc\u00dfe 4711");
  EXPECT_EQ(words("scan", "Gru\u0308\u00dfe\u00a04711"), "admitted");
  EXPECT_EQ(words("scan", "gr\u00fc\u00dfe 4711"), "invalid_credentials");
  EXPECT_EQ(words("scan", "Gr\u00fc\u00dfe\n4711"), "invalid_credentials");
  EXPECT_EQ(words("scan", ""), "invalid_credentials");
}

TEST_F(PinGateTest, T2_UsesAndAllowedSources) {
  const auto user = add("scan");
  auto wants_token = attempt("scan", kPin);
  wants_token.uses = store::kUseToken;
  EXPECT_EQ(answer_to(std::move(wants_token)).words, "use_not_allowed") << "unticked by default";
  ASSERT_TRUE(run(directory->change_user(user.id, {.uses = store::kUseToken, .sources = std::vector<std::string>{"192.0.2.0/24", "2001:db8::7/128"}}, admin)));
  wants_token = attempt("scan", kPin);
  wants_token.uses = store::kUseToken;
  EXPECT_EQ(answer_to(std::move(wants_token)).words, "admitted");
  EXPECT_EQ(words("scan", kPin), "use_not_allowed") << "deliver was taken away";
  EXPECT_EQ(words("scan", kPin, kElsewhere), "invalid_credentials");
  auto narrow = attempt("scan", kPin, "2001:db8::/64");
  narrow.uses = 0;
  EXPECT_EQ(answer_to(std::move(narrow)).words, "invalid_credentials");
  auto whole = attempt("scan", kPin, "2001:db8::/64");
  whole.uses = 0;
  whole.address = "2001:db8::7";
  EXPECT_EQ(answer_to(std::move(whole)).words, "admitted");
}

TEST_F(PinGateTest, T3_ASourceThatSucceededBecomesKnownEightAtMostFor30Days) {
  const auto user = add("scan");
  for (int i = 1; i <= 9; ++i) {
    pass(1s);
    ASSERT_EQ(words("scan", kPin, "192.0.2." + std::to_string(i)), "admitted");
  }
  auto known = run(store->known_sources(user.id));
  ASSERT_EQ(known->size(), 8u);
  EXPECT_TRUE(std::ranges::none_of(*known, [](const auto& source) { return source.source == "192.0.2.1"; }));
  EXPECT_EQ(words("scan", "wrong pin", "192.0.2.9"), "invalid_credentials");
  EXPECT_EQ(counted(user.id, "*"), 0) << "a known source draws on its own budget";
  EXPECT_EQ(counted(user.id, "192.0.2.9"), 1);
  pass(31 * 24h);
  EXPECT_EQ(words("scan", "wrong pin 2", "192.0.2.9"), "invalid_credentials");
  EXPECT_EQ(counted(user.id, "*"), 1) << "forgotten after 30 days";
}

TEST_F(PinGateTest, T4_TheSameWrongPinCountsOnce) {
  const auto user = add("scan");
  const auto hashes = hasher->hashes_begun();
  for (int i = 0; i < 10; ++i) {
    pass(61s);
    EXPECT_EQ(words("scan", "an old pin"), "invalid_credentials");
  }
  EXPECT_EQ(counted(user.id, "*"), 1);
  EXPECT_EQ(hasher->hashes_begun(), hashes + 1) << "and costs one Argon2id";
  EXPECT_EQ(words("scan", kPin), "admitted") << "and brings no delay";
}

TEST_F(PinGateTest, T4_UnknownSourcesShareABudgetThatARightPinDoesNotReset) {
  set("auth.pin_failures_unknown", "5");
  const auto user = add("scan");
  ASSERT_EQ(words("scan", kPin, kDevice), "admitted");
  for (int i = 0; i < 4; ++i) EXPECT_EQ(patient_wrong("scan", i, "203.0.113." + std::to_string(i)), "invalid_credentials");
  EXPECT_EQ(words("scan", kPin, "198.51.100.1"), "admitted") << "one try is left";
  EXPECT_EQ(patient_wrong("scan", 4, "203.0.113.4"), "invalid_credentials");
  EXPECT_EQ(counted(user.id, "*"), 5);
  EXPECT_EQ(watcher.reached, std::vector<std::string>{"scan *"});
  EXPECT_EQ(words("scan", kPin, "203.0.113.77"), "invalid_credentials") << "locked for strangers, even with the right PIN";
  EXPECT_EQ(words("scan", kPin, kDevice), "admitted") << "the device that was right before is not";
  EXPECT_EQ(words("scan", kPin, "203.0.113.78"), "invalid_credentials") << "a right PIN resets no budget";
  const auto trail = run(store->audit({.search = "", .action = "user.locked", .user = {}, .page = {}}));
  EXPECT_EQ(trail->items.size(), 1u);
  ASSERT_TRUE(run(directory->reset_throttle(user.id, admin)));
  EXPECT_EQ(words("scan", kPin, "203.0.113.78"), "admitted");
}

TEST_F(PinGateTest, T4_AKnownSourceHasItsOwnBudget) {
  set("auth.pin_failures_known", "3");
  add("scan");
  ASSERT_EQ(words("scan", kPin), "admitted");
  ASSERT_EQ(words("scan", kPin, "192.0.2.11"), "admitted");
  hot->clear();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(patient_wrong("scan", i, kDevice), "invalid_credentials");
  pass(61s);
  EXPECT_EQ(words("scan", kPin), "invalid_credentials");
  EXPECT_FALSE(gate->recognise(attempt("scan", kPin)));
  EXPECT_EQ(words("scan", kPin, "192.0.2.11"), "admitted");
  EXPECT_EQ(words("scan", kPin, kElsewhere), "admitted") << "strangers still have theirs";
  EXPECT_EQ(watcher.reached, std::vector<std::string>{"scan 192.0.2.10"});
}

TEST_F(PinGateTest, T4_APinChangeResetsTheBudgets) {
  set("auth.pin_failures_unknown", "3");
  const auto user = add("scan");
  ASSERT_EQ(words("scan", kPin), "admitted");
  for (int i = 0; i < 3; ++i) patient_wrong("scan", i, kElsewhere);
  ASSERT_EQ(words("scan", kPin, "203.0.113.5"), "invalid_credentials");
  const Actor self{.name = "scan", .source = std::string(kDevice), .user = user.id};
  const auto changed = run(directory->change_pin(user.id, Secret(kPin), Secret("another pin"), Transport::tls, self, steady.now()));
  ASSERT_TRUE(changed) << changed.error().text;
  EXPECT_EQ(words("scan", "another pin", "203.0.113.5"), "admitted");
}

TEST_F(PinGateTest, T4_BudgetsSurviveARestart) {
  set("auth.pin_failures_unknown", "3");
  add("scan");
  for (int i = 0; i < 3; ++i) patient_wrong("scan", i, kElsewhere);
  stop();
  start();
  ASSERT_TRUE(run(registry->load()));
  EXPECT_EQ(words("scan", kPin, "203.0.113.5"), "invalid_credentials");
}

TEST_F(PinGateTest, T4_DelayDoublesForNameAndSource) {
  add("scan");
  EXPECT_EQ(words("scan", "wrong 1", kElsewhere), "invalid_credentials");
  EXPECT_EQ(words("scan", "wrong 2", kElsewhere), "invalid_credentials");
  EXPECT_EQ(words("scan", "wrong 3", kElsewhere), "invalid_credentials");
  const auto early = answer("scan", "wrong 4", kElsewhere);
  EXPECT_EQ(early.words, "too_many_attempts");
  EXPECT_EQ(early.error.retry_after, Seconds(1));
  EXPECT_EQ(words("scan", kPin, kElsewhere), "too_many_attempts") << "the right PIN waits as well";
  EXPECT_EQ(words("scan", kPin, kDevice), "admitted") << "another source does not";
  pass(1s);
  EXPECT_EQ(words("scan", "wrong 4", kElsewhere), "invalid_credentials");
  EXPECT_EQ(answer("scan", "wrong 5", kElsewhere).error.retry_after, Seconds(2));
  pass(2s);
  EXPECT_EQ(words("scan", kPin, kElsewhere), "admitted");
  EXPECT_EQ(words("scan", "wrong 6", kElsewhere), "invalid_credentials") << "a right PIN ends the row";
}

TEST_F(PinGateTest, T4_SprayBudgetCountsOneSourceOverAllUsers) {
  set("auth.spray_limit", "6");
  for (int i = 0; i < 8; ++i) add("user" + std::to_string(i));
  ASSERT_EQ(words("user7", kPin, kDevice), "admitted");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(words("user" + std::to_string(i), "summer26!", kElsewhere), "invalid_credentials");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(words("nobody" + std::to_string(i), "summer26!", kElsewhere), "invalid_credentials");
  EXPECT_EQ(words("user3", "summer26!", kElsewhere), "too_many_attempts");
  EXPECT_EQ(words("user4", kPin, kElsewhere), "too_many_attempts");
  EXPECT_EQ(words("nobody9", "summer26!", kElsewhere), "too_many_attempts");
  EXPECT_EQ(words("user4", kPin, kDevice), "admitted") << "other sources are not concerned";
  EXPECT_EQ(watcher.limited, std::vector<std::string>{std::string(kElsewhere)}) << "one alert";
  pass(1h + 1s);
  EXPECT_EQ(words("user4", kPin, kElsewhere), "admitted") << "the window has passed";
}

TEST_F(PinGateTest, T5_P3_EveryRefusalHasTheSameWordsAtTheSameTime) {
  set("auth.pin_failures_unknown", "3");
  add("scan");
  add("nopin", "");
  const auto off = add("off");
  ASSERT_TRUE(run(directory->change_user(off.id, {.enabled = false}, admin)));
  const auto bound = add("bound");
  ASSERT_TRUE(run(directory->change_user(bound.id, {.sources = std::vector<std::string>{"10.0.0.0/8"}}, admin)));
  add("over");
  for (int i = 0; i < 3; ++i) patient_wrong("over", i, "203.0.113." + std::to_string(i));
  add("warm");
  ASSERT_EQ(words("warm", kPin), "admitted");
  const auto expected = answer("scan", "wrong", "198.51.100.1");
  EXPECT_EQ(expected.words, "invalid_credentials");
  EXPECT_EQ(expected.took, 300ms);
  EXPECT_EQ(answer("scan", "wrong", "198.51.100.2"), expected) << "known to be wrong";
  EXPECT_EQ(answer("nobody", "wrong", "198.51.100.3"), expected) << "no such user";
  EXPECT_EQ(answer("off", kPin, "198.51.100.4"), expected) << "disabled, right PIN";
  EXPECT_EQ(answer("off", "wrong", "198.51.100.5"), expected) << "disabled, wrong PIN";
  EXPECT_EQ(answer("bound", kPin, "198.51.100.6"), expected) << "source not allowed";
  EXPECT_EQ(answer("over", kPin, "198.51.100.7"), expected) << "over budget, right PIN";
  EXPECT_EQ(answer("over", "wrong", "198.51.100.8"), expected) << "over budget, wrong PIN";
  EXPECT_EQ(answer("nopin", "wrong", "198.51.100.9"), expected) << "no PIN yet";
  EXPECT_EQ(answer("warm", "wrong", "198.51.100.10"), expected) << "hot";
  EXPECT_EQ(answer("a:b", "wrong", "198.51.100.11"), expected) << "no username at all";
  EXPECT_EQ(answer("scan", "wr\nong", "198.51.100.12"), expected) << "no PIN at all";
}

TEST_F(PinGateTest, T5_P3_SlowHashesMoveTheRefusalsOfSomebodyAndOfNobodyToTheSameMoment) {
  add("scan");
  set("auth.spray_limit", "100000");
  int source = 0;
  const auto both = [&](std::chrono::milliseconds hash, std::chrono::milliseconds expected) {
    for (int i = 0; i < 8; ++i) EXPECT_TRUE(run(hasher->run([&] { steady.advance(hash); })));
    const auto from = [&] { return "198.51.100." + std::to_string(++source); };
    const auto of_nobody = answer("nobody", "wrong " + std::to_string(source), from());
    const auto of_somebody = answer("scan", "wrong " + std::to_string(source), from());
    EXPECT_EQ(of_somebody, of_nobody) << hash.count() << " ms";
    EXPECT_EQ(of_nobody.took, expected) << hash.count() << " ms";
  };
  both(150ms, 300ms);
  both(290ms, 600ms);  // a hash may cross 300 ms at any time, so nobody is refused there any more
  both(500ms, 900ms);
}

TEST_F(PinGateTest, T5_TriesInARowLookAlikeForNamesThatExistAndThatDoNot) {
  add("scan");
  for (int i = 0; i < 6; ++i) {
    const auto pin = "wrong " + std::to_string(i);
    const auto of_somebody = answer("scan", pin, "198.51.100.1");
    const auto of_nobody = answer("nobody", pin, "198.51.100.2");
    EXPECT_EQ(of_somebody, of_nobody) << i;
  }
}

TEST_F(PinGateTest, T5_ChargedBeforeItIsSent) {
  const auto user = add("scan");
  auto outcome = base::start_on(loop, gate->admit(attempt("scan", "wrong", kElsewhere)));
  base::drive_until(loop, [&] { return steady.next_wake().has_value(); });
  EXPECT_FALSE(outcome->has_value());
  EXPECT_EQ(*steady.next_wake() - steady.now(), 300ms);
  auto counts = base::start_on(loop, store->pin_failures(user.id));
  base::drive_until(loop, [&] { return counts->has_value(); });
  EXPECT_EQ((**counts)->size(), 2u) << "all unknown sources, and this one";
  EXPECT_FALSE(outcome->has_value());
  steady.advance(300ms);
  base::drive_until(loop, [&] { return outcome->has_value(); });
  EXPECT_FALSE((*outcome)->has_value());
}

TEST_F(PinGateTest, T5_UnknownUsersRunNoArgon2id) {
  const auto off = add("off");
  ASSERT_TRUE(run(directory->change_user(off.id, {.enabled = false}, admin)));
  const auto hashes = hasher->hashes_begun();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(words("nobody" + std::to_string(i), kPin), "invalid_credentials");
  EXPECT_EQ(words("off", kPin), "invalid_credentials");
  EXPECT_EQ(hasher->hashes_begun(), hashes);
  const auto rows = run(store->pin_failures(UserId()));
  EXPECT_FALSE(rows->empty()) << "but they are counted";
}

TEST_F(PinGateTest, EqualChecksInFlightShareOneArgon2id) {
  add("scan");
  const auto hashes = hasher->hashes_begun();
  std::vector<std::shared_ptr<std::optional<Result<Admitted>>>> outcomes;
  for (int i = 0; i < 64; ++i) outcomes.push_back(base::start_on(loop, gate->admit(attempt("scan", kPin))));
  base::drive_until(loop, [&] { return std::ranges::all_of(outcomes, [](const auto& one) { return one->has_value(); }); });
  for (const auto& one : outcomes) EXPECT_TRUE((**one).has_value());
  EXPECT_LE(hasher->hashes_begun() - hashes, 2u) << "one, or one for each lane";
}

TEST_F(PinGateTest, ParallelGuessesDoNotOverdrawTheBudget) {
  set("auth.pin_failures_unknown", "5");
  const auto user = add("scan");
  std::vector<std::shared_ptr<std::optional<Result<Admitted>>>> outcomes;
  for (int i = 0; i < 40; ++i) {
    outcomes.push_back(base::start_on(loop, gate->admit(attempt("scan", "guess " + std::to_string(i), "203.0.113." + std::to_string(i)))));
  }
  base::drive_until(loop, [&] {
    if (const auto wake = steady.next_wake()) steady.advance(*wake - steady.now());
    return std::ranges::all_of(outcomes, [](const auto& one) { return one->has_value(); });
  });
  EXPECT_EQ(counted(user.id, "*"), 5);
}

TEST_F(PinGateTest, T7_InClearIsRefusedAndRaisesChangeIt) {
  add("scan");
  auto clear = attempt("scan", kPin);
  clear.transport = Transport::clear;
  EXPECT_EQ(answer_to(std::move(clear)).words, "insecure_transport");
  clear = attempt("nobody", kPin);
  clear.transport = Transport::clear;
  const auto nobody = answer_to(std::move(clear));
  EXPECT_EQ(nobody.words, "insecure_transport");
  EXPECT_EQ(nobody.took, 300ms);
  EXPECT_EQ(watcher.clear, std::vector<std::string>{"scan"});
  auto loopback = attempt("scan", kPin, "127.0.0.1");
  loopback.transport = Transport::loopback;
  EXPECT_EQ(answer_to(std::move(loopback)).words, "admitted");
}

TEST_F(PinGateTest, K1_ARightPinRaisesACostBelowTheFloor) {
  auto user = add("scan");
  const auto key = vault.unwrap_user_key(user.id, *public_key_of(user), Secret(kPin), user.private_key_wrapped);
  user.private_key_wrapped = vault.wrap_user_key(user.id, *public_key_of(user), *key, Secret(kPin), {.memory_kib = 8, .passes = 1});
  seal.vouch(user);
  store::Batch batch;
  batch.push_back(store::UpdateUser{user});
  ASSERT_TRUE(run(store->commit(std::move(batch))));
  directory->changed(user);
  ASSERT_EQ(words("scan", kPin), "admitted");
  const auto now = **run(store->user(user.id));
  EXPECT_EQ(*vault.cost_of(user.id, *public_key_of(now), now.private_key_wrapped), kCheap);
  EXPECT_EQ(now.auth_epoch, user.auth_epoch);
  hot->clear();
  EXPECT_EQ(words("scan", kPin), "admitted");
}

TEST_F(PinGateTest, P1_AFloodFromElsewhereLeavesTheDeviceAlone) {
  const auto user = add("scan");
  ASSERT_EQ(words("scan", kPin), "admitted");
  ASSERT_EQ(words("scan", kPin), "admitted");
  int refused = 0;
  const auto hashes = hasher->hashes_begun();
  for (int i = 0; i < 300; ++i) {
    if (i % 2 == 0) pass(61s);  // a patient attacker gets further than a hasty one
    refused += words("scan", "guess " + std::to_string(i), kElsewhere) != "admitted" ? 1 : 0;
    ASSERT_TRUE(gate->recognise(attempt("scan", kPin))) << i;
  }
  EXPECT_EQ(refused, 300);
  EXPECT_EQ(counted(user.id, "*"), 100);
  EXPECT_EQ(counted(user.id, std::string(kElsewhere)), 100);
  EXPECT_LE(hasher->hashes_begun() - hashes, 100u);
  EXPECT_EQ(watcher.reached, std::vector<std::string>{"scan *"}) << "one alert, not three hundred";
  hot->clear();
  EXPECT_EQ(words("scan", kPin), "admitted") << "even after its entry has gone";
}

TEST_F(PinGateTest, P2_ManyAddressesOneTryEachTripTheBudgetWithoutLockingKnownSources) {
  add("scan");
  ASSERT_EQ(words("scan", kPin), "admitted");
  for (int i = 0; i < 130; ++i) {
    EXPECT_EQ(words("scan", "guess " + std::to_string(i), "198.18." + std::to_string(i) + ".1"), "invalid_credentials");
  }
  EXPECT_EQ(watcher.reached, std::vector<std::string>{"scan *"});
  EXPECT_EQ(words("scan", kPin, "198.18.200.1"), "invalid_credentials");
  EXPECT_EQ(words("scan", kPin), "admitted");
}

TEST_F(PinGateTest, P4_DisableDeleteAndPinChangeTakeEffectAtOnce) {
  const auto user = add("scan");
  ASSERT_EQ(words("scan", kPin), "admitted");
  ASSERT_EQ(words("scan", kPin), "admitted");
  ASSERT_TRUE(gate->recognise(attempt("scan", kPin)));
  ASSERT_TRUE(run(directory->change_user(user.id, {.enabled = false}, admin)));
  EXPECT_FALSE(gate->recognise(attempt("scan", kPin)));
  EXPECT_EQ(words("scan", kPin), "invalid_credentials");
  ASSERT_TRUE(run(directory->change_user(user.id, {.enabled = true}, admin)));
  EXPECT_EQ(words("scan", kPin), "admitted");
  ASSERT_TRUE(run(directory->reset_pin(user.id, Secret("another pin"), Confirmation::by_control_socket(), admin)));
  EXPECT_FALSE(gate->recognise(attempt("scan", kPin)));
  EXPECT_EQ(words("scan", kPin), "invalid_credentials");
  EXPECT_EQ(words("scan", "another pin"), "admitted");
  ASSERT_TRUE(run(directory->delete_user(user.id, admin)));
  EXPECT_EQ(words("scan", "another pin"), "invalid_credentials");
}

TEST_F(PinGateTest, P4_AChangeDuringTheSlowCheckCounts) {
  const auto user = add("scan");
  // One check is held up by filling both threads until the user has been disabled.
  std::mutex held;
  held.lock();
  std::vector<std::shared_ptr<std::optional<bool>>> holds;
  for (int i = 0; i < 2; ++i) {
    holds.push_back(base::start_on(loop, hasher->run([&held] { const std::lock_guard wait(held); })));
  }
  auto outcome = base::start_on(loop, gate->admit(attempt("scan", kPin)));
  base::drive_until(loop, [&] { return hasher->waiting() > 0; });
  auto changed = base::start_on(loop, directory->change_user(user.id, {.enabled = false}, admin));
  base::drive_until(loop, [&] { return changed->has_value(); });
  held.unlock();
  base::drive_until(loop, [&] {
    if (const auto wake = steady.next_wake()) steady.advance(*wake - steady.now());
    return outcome->has_value();
  });
  ASSERT_FALSE((*outcome)->has_value());
  EXPECT_EQ((*outcome)->error().reason, "invalid_credentials");
}

TEST_F(PinGateTest, P6_ARecordReplacedInTheStoreAdmitsNobody) {
  auto user = add("scan");
  const auto thief = add("thief", "borrowed 77");
  // Key and wrap of the thief put into the other's row by a writer without the master key.
  auto planted = user;
  planted.public_key = thief.public_key;
  planted.private_key_wrapped = thief.private_key_wrapped;
  store::Batch batch;
  batch.push_back(store::UpdateUser{planted});
  ASSERT_TRUE(run(store->commit(std::move(batch))));
  cards->clear();
  EXPECT_EQ(words("scan", "borrowed 77"), "invalid_credentials");
  EXPECT_EQ(words("scan", kPin), "invalid_credentials");
  EXPECT_NE(log.text().find("user_record_altered"), std::string::npos);
  const auto changed = run(directory->change_user(user.id, {.name = "Anna"}, admin));
  EXPECT_EQ(changed.error().reason, "record_altered") << "and is not laundered by an edit";
}

}  // namespace
}  // namespace latchkey::people

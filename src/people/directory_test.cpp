#include "people/directory.h"

#include <algorithm>
#include <boost/asio/detached.hpp>

#include "base/task_group.h"
#include "people/handout_counts.h"
#include "people/people_testing.h"

namespace latchkey::people {
namespace {

class DirectoryTest : public Office {
 protected:
  std::vector<std::string> trail() {
    std::vector<std::string> actions;
    for (const auto& entry : run(store->audit({}))->items) actions.push_back(entry.action + " " + entry.subject);
    return actions;
  }
  bool has_trail(std::string_view line) {
    const auto lines = trail();
    return std::find(lines.begin(), lines.end(), line) != lines.end();
  }
  store::User stored(UserId id) { return **run(store->user(id)); }
};

template <class T>
std::string reason(const Result<T>& result) {
  return result ? "done" : result.error().reason;
}

TEST_F(DirectoryTest, UsernamesAreUniqueOnTheWholeServerFolded) {
  add("J\u00fcrgen", "");
  const auto other = run(directory->add_group("Elsewhere", admin));
  const auto twin = run(directory->add_user({.username = "JU\u0308RGEN", .group = other->id}, admin));
  EXPECT_EQ(reason(twin), "username_taken");
  EXPECT_EQ(twin.error().kind, ErrorKind::conflict);
  EXPECT_EQ(twin.error().field, "username");
  const auto second = add("second", "");
  EXPECT_EQ(reason(run(directory->change_user(second.id, {.username = "j\u00fcrgen"}, admin))), "username_taken");
  EXPECT_EQ(stored(second.id).username, "second");
}

TEST_F(DirectoryTest, BadFieldsAreNamedAndChangeNothing) {
  const auto user = add("scan", "");
  const auto field = [&](UserChange change) {
    const auto done = run(directory->change_user(user.id, std::move(change), admin));
    return done ? "accepted" : done.error().field;
  };
  EXPECT_EQ(field({.username = "a:b"}), "username");
  EXPECT_EQ(field({.name = "a\nb"}), "name");
  EXPECT_EQ(field({.email = "nobody"}), "email");
  EXPECT_EQ(field({.uses = 64}), "uses");
  EXPECT_EQ(field({.sources = std::vector<std::string>{"10.0.0.1/8"}}), "sources");
  EXPECT_EQ(field({.group = GroupId::make(wall.now(), entropy)}), "group");
  EXPECT_EQ(stored(user.id), run(store->user(user.id))->value());
  EXPECT_EQ(stored(user.id).version, 1);
}

TEST_F(DirectoryTest, EveryChangeIsVouchedForAndAudited) {
  const auto user = add("scan");
  ASSERT_TRUE(run(directory->change_user(user.id, {.username = "Scanner", .name = "Anna", .uses = 0, .role = store::Role::administrator}, admin)));
  const auto now = stored(user.id);
  EXPECT_TRUE(seal.check(now));
  EXPECT_EQ(now.username_key, "scanner");
  EXPECT_EQ(now.auth_epoch, user.auth_epoch) << "nothing of this ends what is open";
  EXPECT_TRUE(has_trail("user.changed scan"));
  EXPECT_TRUE(has_trail("user.created scan"));
  EXPECT_TRUE(has_trail("user.pin_set scan"));
  EXPECT_EQ(words("scan", kPin), "invalid_credentials");
  EXPECT_EQ(words("scanner", kPin), "use_not_allowed");
}

TEST_F(DirectoryTest, P6_AnyCoveredFieldChangedOutsideIsNoticed) {
  const auto user = add("scan");
  const auto altered = [&](auto change) {
    auto copy = user;
    change(copy);
    return !seal.check(copy);
  };
  EXPECT_FALSE(altered([](store::User&) {}));
  EXPECT_TRUE(altered([](store::User& u) { u.role = store::Role::administrator; }));
  EXPECT_TRUE(altered([](store::User& u) { u.group = GroupId(); }));
  EXPECT_TRUE(altered([](store::User& u) { u.username_key = "x"; }));
  EXPECT_TRUE(altered([](store::User& u) { u.email = "evil@example.com"; }));
  EXPECT_TRUE(altered([](store::User& u) { u.enabled = false; }));
  EXPECT_TRUE(altered([](store::User& u) { u.uses |= store::kUseToken; }));
  EXPECT_TRUE(altered([](store::User& u) { u.allowed_sources = {"0.0.0.0/0"}; }));
  EXPECT_TRUE(altered([](store::User& u) { ++u.auth_epoch; }));
  EXPECT_TRUE(altered([](store::User& u) { u.public_key[0] ^= 1; }));
  EXPECT_TRUE(altered([](store::User& u) { u.private_key_wrapped[40] ^= 1; }));
  EXPECT_TRUE(altered([](store::User& u) { u.password_sealed = {1}; }));
  EXPECT_TRUE(altered([](store::User& u) { u.mac.clear(); }));
  EXPECT_FALSE(altered([](store::User& u) { u.last_used_at += 1s; })) << "bookkeeping is not vouched for";
}

TEST_F(DirectoryTest, AGroupIsNeverDeletedWithPeopleInItSilently) {
  const auto scan = add("scan", ""), print = add("print", "");
  EXPECT_EQ(reason(run(directory->delete_group(group, {}, admin))), "group_not_empty");
  const auto other = run(directory->add_group("Elsewhere", admin));
  EXPECT_EQ(reason(run(directory->delete_group(group, {.what = OnMembers::What::move, .to = group}, admin))), "no_such_group");
  EXPECT_EQ(*run(directory->delete_group(group, {.what = OnMembers::What::move, .to = other->id}, admin)), 2);
  EXPECT_EQ(stored(scan.id).group, other->id);
  EXPECT_TRUE(seal.check(stored(scan.id)));
  EXPECT_EQ(*run(directory->delete_group(other->id, {.what = OnMembers::What::remove}, admin)), 2);
  EXPECT_FALSE(*run(store->user(print.id)));
  EXPECT_TRUE(has_trail("group.deleted Elsewhere"));
  EXPECT_TRUE(has_trail("user.deleted print"));
}

TEST_F(DirectoryTest, GroupNames) {
  EXPECT_EQ(reason(run(directory->add_group("OFFICE", admin))), "group_name_taken");
  EXPECT_EQ(reason(run(directory->add_group(" ", admin))), "group_name_malformed");
  EXPECT_EQ(run(directory->rename_group(group, "B\u00fcro", admin))->name, "B\u00fcro");
  EXPECT_TRUE(has_trail("group.renamed Office"));
  EXPECT_EQ(reason(run(directory->rename_group(GroupId(), "x", admin))), "no_such_group");
}

TEST_F(DirectoryTest, TheLastAdministratorStays) {
  const auto anna = add_administrator("anna");
  EXPECT_EQ(reason(run(directory->delete_user(anna.id, admin))), "last_administrator");
  EXPECT_EQ(reason(run(directory->change_user(anna.id, {.enabled = false}, admin))), "last_administrator");
  EXPECT_EQ(reason(run(directory->change_user(anna.id, {.role = store::Role::regular}, admin))), "last_administrator");
  EXPECT_EQ(reason(run(directory->set_password(anna.id, std::nullopt, admin))), "last_administrator");
  EXPECT_EQ(reason(run(directory->delete_group(group, {.what = OnMembers::What::remove}, admin))), "last_administrator");
  add_administrator("berta");
  EXPECT_EQ(reason(run(directory->delete_user(anna.id, admin))), "done");
}

// Says what is gone; a few answers are outdated when they are used.
struct MemoryLeaving final : LeavingListener {
  Task<Result<Departure>> leaving(store::User user, Actor) override {
    ++asked;
    Departure departure;
    departure.gone = [this, id = user.id] { gone.push_back(id); };
    if (outdated-- > 0) --user.version;
    departure.first.push_back(store::UpdateUser{std::move(user)});
    co_return departure;
  }
  int asked = 0, outdated = 0;
  std::vector<UserId> gone;
};

TEST_F(DirectoryTest, F7_WhatAUserHeldIsGivenBackOnceTheUserIsGoneAndNotBefore) {
  MemoryLeaving leaving;
  directory->on_leaving(&leaving);
  const auto anna = add_administrator("anna");
  EXPECT_EQ(reason(run(directory->delete_user(anna.id, admin))), "last_administrator");
  EXPECT_EQ(reason(run(directory->delete_group(group, {.what = OnMembers::What::remove}, admin))), "last_administrator");
  EXPECT_TRUE(leaving.gone.empty()) << "a refusal leaves everything as it was";
  add_administrator("berta");
  leaving.asked = 0;
  leaving.outdated = 2;
  EXPECT_EQ(reason(run(directory->delete_user(anna.id, admin))), "done");
  EXPECT_EQ(leaving.asked, 3) << "looked again at what there is";
  EXPECT_EQ(leaving.gone, std::vector<UserId>{anna.id});
  leaving.outdated = 1'000;
  const auto scan = add("scan", "");
  EXPECT_EQ(reason(run(directory->delete_user(scan.id, admin))), "version");
  EXPECT_EQ(leaving.gone.size(), 1U);
  EXPECT_TRUE(*run(store->user(scan.id)));
}

// Gives the user something while it is asked what there is, as whoever authorises a grant at that moment does.
struct MemorySwitchOff final : SwitchOffListener {
  explicit MemorySwitchOff(store::Store& store_in) : store(store_in) {}
  Task<Result<store::Batch>> switched_off(UserId user) override {
    ++asked;
    auto now = co_await store.user(user);
    if (given-- > 0) static_cast<void>(co_await store.commit({store::UpdateUser{**now}}));
    co_return store::Batch{};
  }
  Task<Result<store::Batch>> switched_on(UserId) override {
    ++asked_on;
    co_return store::Batch{};
  }
  void switched_off_done(UserId user, Actor actor) override { done.emplace_back(user, actor.name); }
  store::Store& store;
  int asked = 0, asked_on = 0, given = 0;
  std::vector<std::pair<UserId, std::string>> done;
};

TEST_F(DirectoryTest, F7_WhatAUserIsGivenInTheMomentOfTheSwitchingOffIsSeen) {
  MemorySwitchOff off(*store);
  directory->listen_to_switch(&off);
  const auto scan = add("scan", "");
  off.given = 1;
  EXPECT_EQ(reason(run(directory->change_user(scan.id, {.enabled = false}, admin))), "done");
  EXPECT_EQ(off.asked, 2) << "looked again at what there is";
  EXPECT_EQ(off.done, (std::vector{std::pair(scan.id, admin.name)}));
  EXPECT_FALSE(stored(scan.id).enabled);
  EXPECT_EQ(reason(run(directory->change_user(scan.id, {.enabled = false}, admin))), "done");
  EXPECT_EQ(off.asked, 2) << "what goes back does not begin anew for one who is off";
  EXPECT_EQ(off.done.size(), 2U) << "but what may be open for the user ends, if it has not";
  EXPECT_EQ(reason(run(directory->change_user(scan.id, {.enabled = true}, admin))), "done");
  EXPECT_EQ(off.asked_on, 1);
  off.given = 1'000;
  EXPECT_EQ(reason(run(directory->change_user(scan.id, {.enabled = false}, admin))), "version");
  EXPECT_TRUE(stored(scan.id).enabled);
  EXPECT_EQ(off.done.size(), 2U);
}

TEST_F(DirectoryTest, OfTwoAdministratorsWhoGoAtTheSameTimeOneStays) {
  for (const bool deleted : {false, true}) {
    const auto anna = add_administrator(deleted ? "carla" : "anna"), berta = add_administrator(deleted ? "doris" : "berta");
    std::vector<std::string> reasons;
    const auto gone = [](Directory* directory, UserId user, bool whole, Actor actor, std::vector<std::string>* answers) -> Task<void> {
      if (whole) {
        const auto done = co_await directory->delete_user(user, actor);
        answers->push_back(done ? "done" : done.error().reason);
      } else {
        const auto done = co_await directory->change_user(user, {.role = store::Role::regular}, actor);
        answers->push_back(done ? "done" : done.error().reason);
      }
    };
    for (const auto& user : {anna.id, berta.id}) {
      boost::asio::co_spawn(loop, gone(directory.get(), user, deleted, admin, &reasons), boost::asio::detached);
    }
    base::drive_until(loop, [&] { return reasons.size() == 2; });
    std::ranges::sort(reasons);
    EXPECT_EQ(reasons, (std::vector<std::string>{"done", "last_administrator"}));
    EXPECT_EQ(*run(store->count_administrators()), 1);
    for (const auto& user : {anna.id, berta.id}) {  // for the next round: nobody
      if (const auto left = run(store->user(user)); !deleted && *left) {
        ASSERT_TRUE(run(store->commit({store::DeleteUser{user}})));
      }
    }
  }
}

TEST_F(DirectoryTest, PinChangeKeepsTheKeyAndNeedsTheCurrentPin) {
  const auto user = add("scan");
  const Actor self{.name = "scan", .source = std::string(kDevice), .user = user.id};
  const auto change = [&](std::string_view current, std::string_view fresh) {
    return run(directory->change_pin(user.id, Secret(current), Secret(fresh), Transport::tls, self, steady.now()));
  };
  EXPECT_EQ(reason(change("wrong", "another pin")), "invalid_pin");
  EXPECT_EQ(counted(user.id, "*"), 1) << "counted like any other wrong PIN";
  EXPECT_EQ(reason(change(kPin, "111111")), "pin_too_weak");
  const auto changed = change(kPin, "another pin");
  ASSERT_TRUE(changed) << changed.error().text;
  EXPECT_EQ(changed->public_key, user.public_key);
  EXPECT_EQ(changed->auth_epoch, user.auth_epoch + 1);
  const auto before = vault.unwrap_user_key(user.id, *public_key_of(user), Secret(kPin), user.private_key_wrapped);
  const auto after = vault.unwrap_user_key(user.id, *public_key_of(user), Secret("another pin"), changed->private_key_wrapped);
  EXPECT_TRUE(after->equals(*before)) << "nothing sealed is lost";
  EXPECT_TRUE(has_trail("user.pin_changed scan"));
}

TEST_F(DirectoryTest, T2_ThePinIsChangedFromAnyAddressAndAnIpv6OneCountsAsItsNetwork) {
  const auto user = add("scan");
  ASSERT_TRUE(run(directory->change_user(user.id, {.sources = std::vector<std::string>{"10.1.2.3"}}, admin)));
  const Actor desk{.name = "scan", .source = "2001:db8::7", .user = user.id};
  const auto change = [&](std::string_view current, std::string_view fresh) {
    return run(directory->change_pin(user.id, Secret(current), Secret(fresh), Transport::tls, desk, steady.now()));
  };
  EXPECT_EQ(reason(change("wrong", "another pin")), "invalid_pin");
  EXPECT_EQ(counted(user.id, "2001:db8::/64"), 1);
  EXPECT_EQ(reason(change(kPin, "another pin")), "done") << "only the printer may use the grants, but its owner sits at a desk";
  EXPECT_EQ(counted(user.id, "*"), 0);
  EXPECT_EQ(words("scan", "another pin", "2001:db8::/64"), "invalid_credentials") << "the doors stay shut there";
}

struct Listener final : PinResetListener {
  Task<Result<store::Batch>> pin_reset(store::User before, store::User after) override {
    old_key = before.public_key;
    new_key = after.public_key;
    store::Batch batch;
    if (refuse) co_return fail(ErrorKind::unavailable, "listener", "no");
    batch.push_back(store::PutMeta{.key = "rekeyed", .value = {1}});
    co_return batch;
  }
  void pin_reset_done(store::User after) override { done = after.public_key; }
  bool refuse = false;
  Bytes old_key, new_key, done;
};

TEST_F(DirectoryTest, K7_PinResetMakesANewPairAndRekeysTheGrantsInTheSameBatch) {
  MemoryDirectoryWatcher watched;
  directory->watch(&watched);
  Listener listener;
  directory->listen(&listener);
  const auto user = add("scan");
  EXPECT_TRUE(listener.done.empty()) << "a first PIN resets nothing";
  EXPECT_EQ(reason(run(directory->reset_pin(user.id, Secret("another pin"), Confirmation(), admin))), "wrong_password");
  listener.refuse = true;
  EXPECT_EQ(reason(run(directory->reset_pin(user.id, Secret("another pin"), Confirmation::by_control_socket(), admin))), "listener");
  EXPECT_EQ(stored(user.id), user) << "nothing was changed";
  listener.refuse = false;
  const auto reset = run(directory->reset_pin(user.id, Secret("another pin"), Confirmation::by_control_socket(), admin));
  ASSERT_TRUE(reset) << reset.error().text;
  EXPECT_EQ(watched.reset, std::vector<std::string>{"scan by " + admin.name}) << "administrators are told, once, and not of a first PIN";
  EXPECT_NE(reset->public_key, user.public_key);
  EXPECT_EQ(listener.old_key, user.public_key);
  EXPECT_EQ(listener.done, reset->public_key);
  EXPECT_EQ(*run(store->meta("rekeyed")), Bytes{1});
  EXPECT_TRUE(has_trail("user.pin_reset scan"));
  EXPECT_EQ(reason(vault.unwrap_user_key(user.id, *public_key_of(*reset), Secret(kPin), reset->private_key_wrapped)), "wrong_pin");
}

TEST_F(DirectoryTest, HandoutsAreCountedPerMinuteNotARowEach) {
  HandoutCounts counts(*store, wall);
  const auto user = add("scan");
  store::App app;
  app.id = "sandbox";
  app.provider = "sandbox";
  app.version = 0;
  store::Grant grant;
  grant.id = GrantId::make(wall.now(), entropy);
  grant.user = user.id;
  grant.type = "sandbox";
  grant.app = "sandbox";
  store::Batch batch;
  batch.push_back(store::PutApp{app});
  batch.push_back(store::InsertGrant{grant});
  ASSERT_TRUE(run(store->commit(std::move(batch))));
  const auto minute = std::chrono::floor<std::chrono::minutes>(wall.now());
  for (int i = 0; i < 1000; ++i) counts.count(user.id, grant.id);
  ASSERT_TRUE(run(counts.flush()));
  counts.count(user.id, grant.id);
  ASSERT_TRUE(run(counts.flush()));
  ASSERT_TRUE(run(counts.flush())) << "nothing left to say";
  const auto rows = run(store->handouts(grant.id, WallTime()));
  ASSERT_EQ(rows->size(), 1u);
  EXPECT_EQ((*rows)[0].count, 1001);
  EXPECT_EQ((*rows)[0].minute, minute);
  EXPECT_EQ(stored(user.id).last_used_at, wall.now());
  EXPECT_EQ(stored(user.id).version, user.version) << "bookkeeping is no change";

  Seconds interval(60);
  base::SimulatedSteadyClock seconds;
  base::TaskGroup flushing(loop.get_executor(), log);
  flushing.spawn("handout counts", counts.keep_flushing(seconds, [&] { return interval; }));
  const auto a_second_passes = [&] {
    seconds.advance(std::chrono::seconds(1));
    base::drive_until(loop, [&] { return seconds.next_wake().value_or(SteadyTime()) > seconds.now(); });
  };
  base::drive_until(loop, [&] { return seconds.next_wake().has_value(); });
  counts.count(user.id, grant.id);
  for (int second = 0; second < 5; ++second) a_second_passes();
  EXPECT_EQ((*run(store->handouts(grant.id, WallTime())))[0].count, 1001) << "not its time yet";
  interval = Seconds(5);
  a_second_passes();
  EXPECT_EQ((*run(store->handouts(grant.id, WallTime())))[0].count, 1002) << "a shorter interval counts at once";
  run([](base::TaskGroup* tasks) -> Task<bool> {
    co_await tasks->cancel_and_wait();
    co_return true;
  }(&flushing));
}

}  // namespace
}  // namespace latchkey::people

// Grants, generations, leases, intents: what the keeper stands on.
#include <algorithm>

#include "store/exercise_testing.h"

namespace latchkey::store {
namespace {

TEST_P(StoreExercise, GrantsKeepEveryFieldAndAreUniqueByTypeAndAccount) {
  const auto office = group("office");
  const auto ann = user(office, "ann");
  const auto bob = user(office, "bob");
  auto drive = grant(ann, "drive");
  put({InsertGroup{office}, InsertUser{ann}, InsertUser{bob}, InsertGrant{drive}});
  EXPECT_EQ(ask(store().grant(drive.id))->grant, drive);
  EXPECT_EQ(ask(store().grants_of_user(ann.id)), std::vector{drive});
  EXPECT_EQ(ask(store().grant_by_account(drive.app, drive.type, drive.account_id)), drive);
  EXPECT_EQ(ask(store().grants_of_app(drive.app, 5)), std::vector{drive});

  auto again = grant(ann, "drive");
  again.account_id = "another";
  EXPECT_EQ(refusal({InsertGrant{again}}).field, "type");
  auto same_account = grant(bob, "drive");
  same_account.account_id = drive.account_id;
  same_account.created_at += std::chrono::milliseconds(1);
  put({InsertGrant{same_account}});
  EXPECT_EQ(ask(store().grant_by_account(drive.app, drive.type, drive.account_id)), drive) << "the older of two";
  EXPECT_EQ(ask(store().grant_by_account(drive.app, "mail", drive.account_id)), std::nullopt);
  auto nameless = grant(ann, "mail");
  nameless.app = same_account.app;
  nameless.account_id.clear();
  put({InsertGrant{nameless}});
  EXPECT_EQ(ask(store().grant_by_account(nameless.app, nameless.type, "")), std::nullopt) << "no account is nobody's";
  EXPECT_EQ(refusal({InsertGrant{grant(user(office, "nobody"), "drive")}}).field, "user");

  drive.state = GrantState::needs_authorization;
  drive.why = "refused";
  drive.due_at = std::nullopt;
  drive.access_expires_at = std::nullopt;
  drive.generation = 2;
  drive.account_id = "moved";
  drive.dead_seen = true;
  drive.failures = 7;
  drive.created_at = now() + std::chrono::hours(1);
  put({UpdateGrant{drive}});
  EXPECT_EQ(refusal({UpdateGrant{drive}}).reason, "version");
  ++drive.version;
  EXPECT_EQ(ask(store().grant(drive.id))->grant, drive);
  EXPECT_EQ(ask(store().grant_by_account(drive.app, drive.type, "moved")), drive);
  put({DeleteGrant{drive.id}});
  EXPECT_EQ(refusal({DeleteGrant{drive.id}}).reason, "gone");
  EXPECT_EQ(refusal({UpdateGrant{drive}}).reason, "gone");
}

TEST_P(StoreExercise, R26_AgedGrantsAreFoundByTypeAndPaged) {
  const auto office = group("office");
  put({InsertGroup{office}});
  const auto add = [&](const std::string& name, const std::string& type, GrantState state, int refreshed_days, int consented_days) {
    const auto owner = user(office, name);
    auto made = grant(owner, type);
    made.state = state;
    made.issued_at = now() - std::chrono::days(refreshed_days);
    made.last_refreshed_at = WallTime();
    made.created_at = now() - std::chrono::days(consented_days);
    put({InsertUser{owner}, InsertGrant{made}});
    return made;
  };
  std::vector<Grant> aged = {add("a", "drive", GrantState::active, 40, 40), add("b", "drive", GrantState::unreachable, 31, 31),
                             add("c", "mail", GrantState::uncertain, 1, 90), add("d", "mail", GrantState::paused, 35, 36)};
  add("e", "drive", GrantState::active, 30, 30);
  add("f", "files", GrantState::active, 400, 400);
  for (const auto state : {GrantState::needs_authorization, GrantState::held, GrantState::disabled, GrantState::revoked}) {
    add("g" + std::string(name_of(state)), "drive", state, 400, 400);
  }
  auto refreshed = add("h", "drive", GrantState::active, 400, 60);
  refreshed.last_refreshed_at = now();
  put({UpdateGrant{refreshed}});

  std::ranges::sort(aged, {}, &Grant::id);
  AgeQuery query{.types = {"drive", "mail", "none"}, .refreshed_before = now() - std::chrono::days(30),
                 .consented_before = now() - std::chrono::days(80), .limit = 3};
  std::vector<GrantAge> found;
  for (;;) {
    const auto page = ask(store().aged_grants(query));
    ASSERT_LE(page.size(), 3u);
    found.insert(found.end(), page.begin(), page.end());
    if (page.size() < 3) break;
    query.after = page.back().id;
  }
  ASSERT_EQ(found.size(), aged.size());
  for (std::size_t i = 0; i < aged.size(); ++i) {
    EXPECT_EQ(found[i].id, aged[i].id);
    EXPECT_EQ(found[i].type, aged[i].type);
    EXPECT_EQ(found[i].consented_at, aged[i].created_at);
    EXPECT_EQ(found[i].refreshed_at, aged[i].issued_at);
  }
  query = {.types = {}, .refreshed_before = now(), .consented_before = now()};
  EXPECT_TRUE(ask(store().aged_grants(query)).empty()) << "no type is no grant";
}

TEST_P(StoreExercise, AClaimTakesTheLeaseOnceAndCountsTheFence) {
  const auto office = group("office");
  const auto ann = user(office, "ann");
  const auto drive = grant(ann, "drive");
  const auto mine = id<NodeId>(), theirs = id<NodeId>();
  const auto lease = std::chrono::seconds(90);
  put({InsertGroup{office}, InsertUser{ann}, InsertGrant{drive}});
  put({ClaimGrant{drive.id, 1, mine, lease}});
  auto held = ask(store().grant(drive.id))->grant;
  EXPECT_EQ(held.lease_owner, mine);
  EXPECT_EQ(held.lease_until, now() + lease);
  EXPECT_EQ(held.fence, 1);
  EXPECT_EQ(held.version, 2);
  EXPECT_EQ(refusal({UpdateGrant{drive}}).reason, "version") << "an update from before the claim cannot undo it";
  EXPECT_EQ(refusal({ClaimGrant{drive.id, 1, theirs, lease}}).reason, "version");
  const auto problem = refusal({ClaimGrant{drive.id, 2, theirs, lease}});
  EXPECT_EQ(problem.kind, ErrorKind::conflict);
  EXPECT_EQ(problem.reason, "leased");
  put({ClaimGrant{drive.id, 2, mine, lease}});
  clock_.advance(lease - std::chrono::milliseconds(1));
  EXPECT_EQ(refusal({ClaimGrant{drive.id, 3, theirs, lease}}).reason, "leased");
  clock_.advance(std::chrono::milliseconds(1));
  put({ClaimGrant{drive.id, 3, theirs, lease}});
  held = ask(store().grant(drive.id))->grant;
  EXPECT_EQ(held.lease_owner, theirs);
  EXPECT_EQ(held.fence, 3);
  held.lease_owner = NodeId();
  put({UpdateGrant{held}});
  put({ClaimGrant{drive.id, held.version + 1, mine, lease}});
  EXPECT_EQ(refusal({ClaimGrant{id<GrantId>(), 1, mine, lease}}).reason, "gone");
}

TEST_P(StoreExercise, DueGrantsComeSoonestFirstWithoutLeasedAndPausedOnes) {
  const auto office = group("office");
  auto paused = app("paused-app");
  paused.paused = true;
  put({InsertGroup{office}, PutApp{paused}, PutApp{app("app-of-drive")}});
  std::vector<Grant> grants;
  const auto add = [&](const std::string& name, std::optional<WallTime> due, const std::string& app_id) {
    const auto owner = user(office, name);
    auto one = grant(owner, "drive");
    one.due_at = due;
    one.app = app_id;
    put({InsertUser{owner}, InsertGrant{one}});
    grants.push_back(one);
  };
  const auto minutes = [&](int count) { return now() + std::chrono::minutes(count); };
  add("late", minutes(3), "app-of-drive");
  add("soon", minutes(1), "unregistered");
  add("never", std::nullopt, "app-of-drive");
  add("paused", minutes(1), "paused-app");
  add("leased", minutes(2), "app-of-drive");
  add("future", minutes(60), "app-of-drive");
  put({ClaimGrant{grants[4].id, 1, id<NodeId>(), std::chrono::seconds(90)}});
  const auto node = id<NodeId>();
  const auto ids = [&](const std::vector<std::string>& without) {
    std::vector<GrantId> found;
    for (const auto& due : ask(store().due_grants(node, minutes(5), 10, without))) found.push_back(due.id);
    return found;
  };
  EXPECT_EQ(ids({}), (std::vector{grants[1].id, grants[0].id}));
  EXPECT_EQ(ids({"unregistered", "other"}), std::vector{grants[0].id});
  EXPECT_EQ(ids({"app"}).size(), 2u) << "names are compared whole";
  EXPECT_EQ(ask(store().due_grants(node, minutes(5), 1, {})).size(), 1u);
  const auto first = ask(store().due_grants(node, minutes(5), 1, {})).front();
  EXPECT_EQ(first.due_at, minutes(1));
  EXPECT_EQ(first.app, "unregistered");
  EXPECT_EQ(first.type, "drive");
  clock_.advance(std::chrono::seconds(90));
  EXPECT_EQ(ids({}).size(), 3u) << "a passed lease is free";
}

TEST_P(StoreExercise, AGrantIsSeenWithItsGenerationsAndItsIntent) {
  const auto office = group("office");
  const auto ann = user(office, "ann");
  auto drive = grant(ann, "drive");
  drive.generation = 2;
  auto old = generation(drive, 1);
  old.state = GenerationState::refused;
  auto current = generation(drive, 2);
  current.access_sealed.clear();
  current.access_expires_at = std::nullopt;
  const auto spent = intent(drive.id, 1);
  const auto open = intent(drive.id, 2);
  put({InsertGroup{office}, InsertUser{ann}, InsertGrant{drive}, PutGeneration{current}, PutGeneration{old},
       InsertIntent{spent}, InsertIntent{open}});
  auto view = ask(store().grant(drive.id));
  ASSERT_TRUE(view);
  EXPECT_EQ(view->generations, (std::vector{old, current}));
  EXPECT_EQ(view->intent, open);
  current.proven_at = now();
  put({PutGeneration{current}, DeleteGeneration{drive.id, 1}});
  EXPECT_EQ(ask(store().grant(drive.id))->generations, std::vector{current});
  EXPECT_EQ(refusal({DeleteGeneration{drive.id, 1}}).reason, "gone");
  EXPECT_EQ(refusal({PutGeneration{generation(grant(ann, "mail"), 1)}}).field, "grant");
}

TEST_P(StoreExercise, AnIntentIsUniquePerGrantAndGeneration) {
  const auto office = group("office");
  const auto ann = user(office, "ann");
  const auto drive = grant(ann, "drive");
  auto first = intent(drive.id, 1);
  put({InsertGroup{office}, InsertUser{ann}, InsertGrant{drive}, InsertIntent{first}});
  const auto problem = refusal({InsertIntent{intent(drive.id, 1)}});
  EXPECT_EQ(problem.reason, "exists");
  EXPECT_EQ(problem.field, "intent");
  const auto early = intent(id<GrantId>(), 0);
  put({InsertIntent{early}});  // a first code exchange precedes its grant
  EXPECT_EQ(ask(store().open_intents(10)).size(), 2u);
  EXPECT_EQ(ask(store().open_intents(1)).size(), 1u);
  first.state = IntentState::ambiguous;
  first.attempts = 2;
  put({UpdateIntent{first}});
  EXPECT_EQ(refusal({UpdateIntent{first}}).reason, "version");
  ++first.version;
  EXPECT_EQ(ask(store().grant(drive.id))->intent, first);
  EXPECT_EQ(ask(store().open_intents(10)), std::vector{early}) << "however many are ambiguous";
  first.state = IntentState::applied;
  first.settled_at = now();
  first.outcome = "refreshed";
  put({UpdateIntent{first}});
  EXPECT_EQ(ask(store().open_intents(10)), std::vector{early});
  EXPECT_EQ(refusal({UpdateIntent{intent(drive.id, 9)}}).reason, "gone");

  const auto open = intent(drive.id, 2);
  put({InsertIntent{open}, DeleteIntentsBelow{drive.id, 5}});
  put({InsertIntent{intent(drive.id, 1)}});
  EXPECT_EQ(refusal({InsertIntent{intent(drive.id, 2)}}).reason, "exists") << "unsettled ones are not history";

  put({DeleteIntentsOf{drive.id}});
  put({InsertIntent{intent(drive.id, 2)}});
  EXPECT_EQ(refusal({UpdateIntent{open}}).field, "intent") << "whoever still holds a deleted one is told so";
  EXPECT_EQ(refusal({UpdateIntent{open}}).reason, "gone");
}

TEST_P(StoreExercise, WrapsAreReplacedPerHolder) {
  const auto office = group("office");
  const auto ann = user(office, "ann");
  const auto drive = grant(ann, "drive");
  Wrap own{.grant = drive.id, .holder = Bytes(16, 1), .private_key_sealed = Bytes(80, 1), .created_at = now()};
  const Wrap connector{.grant = drive.id, .holder_kind = HolderKind::connector, .holder = Bytes(16, 1),
                       .private_key_sealed = Bytes(80, 2), .created_at = now()};
  put({InsertGroup{office}, InsertUser{ann}, InsertGrant{drive}, PutWrap{own}, PutWrap{connector}});
  own.private_key_sealed = Bytes(80, 3);
  put({PutWrap{own}});
  EXPECT_EQ(ask(store().wraps(drive.id)), (std::vector{own, connector}));
  put({DeleteWrap{drive.id, HolderKind::connector, Bytes(16, 1)}});
  EXPECT_EQ(ask(store().wraps(drive.id)), std::vector{own});
  EXPECT_EQ(refusal({DeleteWrap{drive.id, HolderKind::connector, Bytes(16, 1)}}).reason, "gone");
}

TEST_P(StoreExercise, AHoldingIsTheUserWithGrantsTokensAndWraps) {
  const auto office = group("office");
  const auto ann = user(office, "ann");
  const auto drive = grant(ann, "drive");
  const auto mail = grant(ann, "mail");
  const auto others = grant(user(office, "bob"), "drive");
  const Wrap own{.grant = drive.id, .holder = Bytes(16, 1), .private_key_sealed = Bytes(80, 1), .created_at = now()};
  const Wrap queued{.grant = drive.id, .holder_kind = HolderKind::delivery, .holder = Bytes(16, 2), .private_key_sealed = Bytes(80, 2), .created_at = now()};
  put({InsertGroup{office}, InsertUser{ann}, InsertGrant{drive}, InsertGrant{mail}, PutWrap{own}, PutWrap{queued}, PutGeneration{generation(drive, 1)},
       InsertIntent{intent(drive.id, drive.generation)}});
  const auto all = ask(store().holding(ann.id, ""));
  ASSERT_TRUE(all);
  EXPECT_EQ(all->user.username, "ann");
  ASSERT_EQ(all->grants.size(), 2u);
  const auto view = ask(store().grant(drive.id));
  EXPECT_EQ(all->grants[0].view.grant, view->grant);
  EXPECT_EQ(all->grants[0].view.generations, view->generations);
  EXPECT_EQ(all->grants[0].view.intent, view->intent);
  EXPECT_EQ(all->grants[0].wraps, std::vector{own}) << "thousands of deliveries may wait: no hand-out asks for their wraps";
  EXPECT_EQ(all->grants[1].view.grant.id, mail.id);
  EXPECT_TRUE(all->grants[1].wraps.empty());
  const auto one = ask(store().holding(ann.id, "mail"));
  ASSERT_EQ(one->grants.size(), 1u);
  EXPECT_EQ(one->grants[0].view.grant.id, mail.id);
  EXPECT_TRUE(ask(store().holding(ann.id, "box"))->grants.empty());
  EXPECT_FALSE(ask(store().holding(others.user, "")));
}

TEST_P(StoreExercise, HandoutsAreCountedPerMinuteAndStatesOverAll) {
  const auto office = group("office");
  const auto ann = user(office, "ann");
  const auto drive = grant(ann, "drive");
  auto mail = grant(ann, "mail");
  mail.state = GrantState::unreachable;
  put({InsertGroup{office}, InsertUser{ann}, InsertGrant{drive}, InsertGrant{mail}});
  const auto next = now() + std::chrono::minutes(1);
  put({CountHandouts{drive.id, now(), 2}, CountHandouts{drive.id, now(), 3}, CountHandouts{drive.id, next, 1},
       CountHandouts{id<GrantId>(), now(), 9}});
  const auto counts = ask(store().handouts(drive.id, now()));
  ASSERT_EQ(counts.size(), 2u);
  EXPECT_EQ(counts[0].count, 5);
  EXPECT_EQ(counts[1].minute, next);
  EXPECT_EQ(ask(store().handouts(drive.id, next)).size(), 1u);
  const auto states = ask(store().grant_states());
  ASSERT_EQ(states.size(), 2u);
  EXPECT_EQ(states[0].state, GrantState::active);
  EXPECT_EQ(states[1].state, GrantState::unreachable);
  EXPECT_EQ(states[1].count, 1);
  put({TouchGrant{drive.id, next}, TouchGrant{drive.id, now()}});
  EXPECT_EQ(ask(store().grant(drive.id))->grant.last_used_at, next);
}

}  // namespace
}  // namespace latchkey::store

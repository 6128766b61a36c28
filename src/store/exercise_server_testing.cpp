// Apps, authorizations, settings, audit trail, meta; batches and concurrency.
#include <algorithm>
#include <set>

#include "store/exercise_testing.h"

namespace latchkey::store {
namespace {

TEST_P(StoreExercise, AppsAreInsertedAtVersionZeroAndKeptWhileInUse) {
  auto box = app("box");
  put({PutApp{box}});
  EXPECT_EQ(refusal({PutApp{box}}).reason, "exists");
  box.version = 1;
  EXPECT_EQ(ask(store().app("box")), box);
  box.secrets[1] = box.secrets[0];
  box.secrets[0] = {.sealed = Bytes(10, 1), .expires_at = std::nullopt, .set_at = now()};
  box.paused = true;
  box.pause_reason = "invalid_client";
  put({PutApp{box}});
  EXPECT_EQ(refusal({PutApp{box}}).reason, "version");
  ++box.version;
  EXPECT_EQ(ask(store().apps()), std::vector{box});
  const auto office = group("office");
  const auto ann = user(office, "ann");
  auto drive = grant(ann, "drive");
  drive.app = "box";
  put({InsertGroup{office}, InsertUser{ann}, InsertGrant{drive}});
  EXPECT_EQ(refusal({DeleteApp{"box"}}).reason, "app_in_use");
  put({DeleteGrant{drive.id}, DeleteApp{"box"}});
  EXPECT_EQ(refusal({DeleteApp{"box"}}).reason, "gone");
  EXPECT_EQ(refusal({PutApp{box}}).reason, "gone");
}

TEST_P(StoreExercise, AnAuthorizationReservesItsUsernameWhilePending) {
  auto first = authorization("ann");
  put({InsertAuthorization{first}});
  const auto problem = refusal({InsertAuthorization{authorization("ann")}});
  EXPECT_EQ(problem.reason, "exists");
  EXPECT_EQ(problem.field, "username");
  put({InsertAuthorization{authorization("")}, InsertAuthorization{authorization("")}});
  EXPECT_EQ(ask(store().authorization_reserving("ann")), first);
  EXPECT_EQ(ask(store().authorization_reserving("ben")), std::nullopt);
  EXPECT_EQ(ask(store().authorization_reserving("")), std::nullopt) << "which reserve nothing";
  EXPECT_EQ(ask(store().authorization_by_ticket(first.ticket_hash)), first);
  EXPECT_EQ(ask(store().authorization_by_ticket({})), std::nullopt) << "a used ticket is nobody's";
  const auto ticket = first.ticket_hash;
  first.ticket_hash.clear();
  first.state_hash = Bytes(32, 9);
  put({UpdateAuthorization{first}});
  EXPECT_EQ(refusal({UpdateAuthorization{first}}).reason, "version") << "one of two clicks wins";
  ++first.version;
  EXPECT_EQ(ask(store().authorization_by_ticket(ticket)), std::nullopt);
  EXPECT_EQ(ask(store().authorization_by_state(Bytes(32, 9))), first);
  first.state = AuthorizationState::completed;
  first.state_hash.clear();
  first.result_json = R"({"account":"a"})";
  put({UpdateAuthorization{first}});
  ++first.version;
  EXPECT_EQ(ask(store().authorization(first.id)), first);
  EXPECT_EQ(ask(store().authorization_by_state({})), std::nullopt);
  EXPECT_EQ(ask(store().authorization_reserving("ann")), std::nullopt) << "it is over";
  put({InsertAuthorization{authorization("ann")}});
  EXPECT_TRUE(ask(store().expired_authorizations(now(), 10)).empty());
  EXPECT_EQ(ask(store().expired_authorizations(now() + std::chrono::minutes(10), 3)).size(), 3u);
  put({DeleteAuthorization{first.id}});
  EXPECT_EQ(refusal({DeleteAuthorization{first.id}}).reason, "gone");
}

TEST_P(StoreExercise, AuthorizationsThatAskAPersonComeBeforeThePendingAndNothingThatIsOver) {
  EXPECT_TRUE(ask(store().pending_authorizations(10)).empty());
  std::vector<Authorization> all;
  for (const auto* name : {"ann", "ben", "cem", "dan"}) {
    all.push_back(authorization(name));
    all.back().created_at = now() + Seconds(all.size());
    put({InsertAuthorization{all.back()}});
  }
  const auto become = [&](Authorization& row, AuthorizationState state) {
    row.state = state;
    put({UpdateAuthorization{row}});
    ++row.version;
  };
  become(all[1], AuthorizationState::completed);
  become(all[2], AuthorizationState::needs_confirmation);
  become(all[3], AuthorizationState::held);
  EXPECT_EQ(ask(store().pending_authorizations(10)), (std::vector{all[2], all[3], all[0]}));
  EXPECT_EQ(ask(store().pending_authorizations(1)), std::vector{all[2]});
  become(all[2], AuthorizationState::cancelled);
  EXPECT_EQ(ask(store().pending_authorizations(1)), std::vector{all[3]});
}

TEST_P(StoreExercise, SettingsAndMetaAreReplacedComparedAndDeleted) {
  put({PutSetting{{"b", "1"}}, PutSetting{{"a", "2"}}, PutSetting{{"b", "3"}}, DeleteSetting{"absent"}});
  EXPECT_EQ(ask(store().settings()), (std::vector<Setting>{{"a", "2"}, {"b", "3"}}));
  put({DeleteSetting{"a"}});
  EXPECT_EQ(ask(store().settings()).size(), 1u);

  EXPECT_EQ(ask(store().meta("epoch")), Bytes());
  put({CompareMeta{"epoch", {}}, PutMeta{"epoch", {1, 2}}});
  EXPECT_EQ(refusal({CompareMeta{"epoch", {}}, PutMeta{"epoch", {9}}}).reason, "meta");
  put({CompareMeta{"epoch", {1, 2}}, PutMeta{"epoch", {3}}});
  EXPECT_EQ(ask(store().meta("epoch")), Bytes{3});
  put({PutMeta{"epoch", {}}, CompareMeta{"epoch", {}}});
}

TEST_P(StoreExercise, ANodeIsSeenUntilItIsForgottenOrAnotherProcessTakesItsId) {
  Node node{.id = id<NodeId>(), .name = "attic", .version = "0.1.0", .run = Bytes(16, 1), .started_at = now()};
  put({PutNode{node}});
  node.seen_at = now();
  EXPECT_EQ(ask(store().nodes()), std::vector{node});
  clock_.advance(std::chrono::seconds(10));
  put({TouchNode{node.id, node.run}});
  node.seen_at = now();
  EXPECT_EQ(ask(store().nodes()), std::vector{node});
  auto copy = node;
  copy.run = Bytes(16, 2);
  put({PutNode{copy}});
  EXPECT_EQ(refusal({TouchNode{node.id, node.run}}).reason, "gone") << "the elder process learns of it";
  put({TouchNode{copy.id, copy.run}, DeleteNode{copy.id}});
  EXPECT_EQ(refusal({TouchNode{copy.id, copy.run}}).field, "node");
  EXPECT_TRUE(ask(store().nodes()).empty());
}

TEST_P(StoreExercise, TheAuditTrailIsNumberedChainedAndSearchable) {
  const auto ann = id<UserId>();
  const auto say = [&](const std::string& action, const std::string& detail, UserId whom) {
    return AppendAudit{{.at = now(), .actor = "chief", .action = action, .subject = "Ann", .user = whom,
                        .source = "192.0.2.1", .detail = detail}};
  };
  put({say("user.created", "in Büro", ann), say("user.disabled", "", ann)});
  put({say("app.set", "100% new", UserId())});
  const auto all = ask(store().audit({}));
  ASSERT_EQ(all.items.size(), 3u);
  EXPECT_EQ(all.total, 3);
  EXPECT_EQ(all.items[0].sequence, 3);
  EXPECT_EQ(all.items[2].sequence, 1);
  EXPECT_EQ(all.items[2].action, "user.created");
  std::set<Bytes> hashes;
  for (const auto& entry : all.items) {
    EXPECT_EQ(entry.hash.size(), 32u);
    hashes.insert(entry.hash);
  }
  EXPECT_EQ(hashes.size(), 3u);
  EXPECT_EQ(ask(store().audit({.search = "BÜRO"})).total, 1);
  EXPECT_EQ(ask(store().audit({.search = "100%"})).total, 1) << "no wildcards";
  EXPECT_EQ(ask(store().audit({.search = "1_0"})).total, 0);
  EXPECT_EQ(ask(store().audit({.action = "user.disabled"})).items.size(), 1u);
  EXPECT_EQ(ask(store().audit({.user = ann})).total, 2);
  EXPECT_EQ(ask(store().verify_audit()), std::nullopt);

  auto page = ask(store().audit({.page = {.cursor = {}, .limit = 2}}));
  EXPECT_EQ(page.items.size(), 2u);
  page = ask(store().audit({.page = {.cursor = page.next_cursor, .limit = 2}}));
  ASSERT_EQ(page.items.size(), 1u);
  EXPECT_EQ(page.items[0].sequence, 1);
  EXPECT_EQ(page.total, 3);
  EXPECT_TRUE(page.next_cursor.empty());
  EXPECT_EQ(wait_for(store().audit({.page = {.cursor = "nonsense!", .limit = 2}})).error().reason, "cursor");
}

TEST_P(StoreExercise, ABatchHappensWhollyOrNotAtAll) {
  const auto office = group("office");
  put({InsertGroup{office}});
  EXPECT_EQ(refusal({PutSetting{{"k", "v"}}, AppendAudit{{.at = now(), .action = "x"}}, InsertUser{user(office, "ann")},
                     InsertGroup{group("office")}})
                .reason,
            "exists");
  EXPECT_TRUE(ask(store().settings()).empty());
  EXPECT_EQ(ask(store().audit({})).total, 0);
  EXPECT_EQ(ask(store().user_by_key("ann")), std::nullopt);
  EXPECT_EQ(ask(store().groups()).front().users, 0);
  put({});
}

TEST_P(StoreExercise, WhatWasCommittedIsThereAfterReopening) {
  const auto office = group("office");
  const auto ann = user(office, "ann");
  const auto drive = grant(ann, "drive");
  const auto token = generation(drive, 1);
  put({InsertGroup{office}, InsertUser{ann}, InsertGrant{drive}, PutGeneration{token}, AppendAudit{{.at = now(), .action = "x"}}});
  reopen();
  EXPECT_EQ(ask(store().user(ann.id)), ann);
  const auto view = ask(store().grant(drive.id));
  ASSERT_TRUE(view);
  EXPECT_EQ(view->grant, drive);
  EXPECT_EQ(view->generations, std::vector{token});
  put({AppendAudit{{.at = now(), .action = "y"}}});
  EXPECT_EQ(ask(store().verify_audit()), std::nullopt) << "the chain goes on where it was";
  EXPECT_EQ(ask(store().audit({})).items.front().sequence, 2);
}

struct Tally {
  int written = 0;
  int refused = 0;
  int other = 0;
  int unseen = 0;
};

// Each round: a group of its own, and a race for a name that all tasks want.
Task<void> commit_many(Store* store, base::SeededEntropy* entropy, WallTime at, int task, int rounds, Tally* tally) {
  for (int round = 0; round < rounds; ++round) {
    Group own{.id = GroupId::make(at, *entropy), .name = {}, .name_key = std::to_string(task) + "/" + std::to_string(round),
              .created_at = at};
    own.name = own.name_key;
    Group contested{.id = GroupId::make(at, *entropy), .name = "c", .name_key = "contested/" + std::to_string(round),
                    .created_at = at};
    Batch batch;
    batch.push_back(InsertGroup{own});
    batch.push_back(AppendAudit{{.at = at, .action = "made", .subject = own.name}});
    if (task % 2 == 0) batch.push_back(InsertGroup{contested});
    const auto urgency = static_cast<Urgency>(round % 3);
    const auto done = co_await store->commit(std::move(batch), urgency);
    if (done) {
      ++tally->written;
    } else {
      ++(done.error().reason == "exists" ? tally->refused : tally->other);
    }
    // Read your writes, and only what was written.
    const auto seen = co_await store->group(own.id);
    if (!seen || seen->has_value() != done.has_value()) ++tally->unseen;
  }
}

TEST_P(StoreExercise, ManyTasksCommitAtOnceAndAConflictUndoesItsOwnBatchAlone) {
  constexpr int kTasks = 32;
  constexpr int kRounds = 32;
  Tally tally;
  std::vector<Task<void>> tasks;
  for (int i = 0; i < kTasks; ++i) tasks.push_back(commit_many(&store(), &entropy_, now(), i, kRounds, &tally));
  wait_for_all(std::move(tasks));
  EXPECT_EQ(tally.written, kTasks / 2 * kRounds + kRounds);
  EXPECT_EQ(tally.refused, (kTasks / 2 - 1) * kRounds);
  EXPECT_EQ(tally.other, 0);
  EXPECT_EQ(tally.unseen, 0);
  EXPECT_EQ(ask(store().groups()).size(), static_cast<std::size_t>(tally.written + kRounds));
  EXPECT_EQ(ask(store().audit({})).total, tally.written);
  EXPECT_EQ(ask(store().verify_audit()), std::nullopt);
}

// Two tasks read, then write what they have read plus one: versions make it a count nevertheless.
Task<void> count_up(Store* store, GroupId id, int times, int* conflicts) {
  for (int done = 0; done < times;) {
    auto group = co_await store->group(id);
    if (!group || !*group) co_return;
    (*group)->name = std::to_string(std::stoi((*group)->name) + 1);
    const auto written = co_await store->commit({UpdateGroup{**group}});
    written ? ++done : ++*conflicts;
  }
}

TEST_P(StoreExercise, VersionsMakeReadThenWriteSafe) {
  auto counter = group("counter");
  counter.name = "0";
  put({InsertGroup{counter}});
  int conflicts = 0;
  std::vector<Task<void>> tasks;
  for (int i = 0; i < 8; ++i) tasks.push_back(count_up(&store(), counter.id, 10, &conflicts));
  wait_for_all(std::move(tasks));
  EXPECT_EQ(ask(store().group(counter.id))->name, "80");
  EXPECT_EQ(ask(store().group(counter.id))->version, 81);
  EXPECT_GT(conflicts, 0);
}

TEST_P(StoreExercise, WholeTablesAreReadAPageAtATime) {
  const auto office = group("office");
  put({InsertGroup{office}});
  std::vector<User> users;
  std::vector<Grant> grants;
  std::vector<Authorization> authorizations;
  for (const char* name : {"ann", "bob", "cid"}) {
    users.push_back(user(office, name));
    grants.push_back(grant(users.back(), "drive"));
    authorizations.push_back(authorization(name));
    put({InsertUser{users.back()}, InsertGrant{grants.back()}, InsertAuthorization{authorizations.back()}});
  }
  std::ranges::sort(users, {}, &User::id);
  std::ranges::sort(grants, {}, &Grant::id);
  std::ranges::sort(authorizations, {}, &Authorization::id);
  EXPECT_EQ(ask(store().users_after({}, 2)), std::vector(users.begin(), users.begin() + 2));
  EXPECT_EQ(ask(store().users_after(users[1].id, 2)), std::vector{users[2]});
  EXPECT_EQ(ask(store().users_after(users[2].id, 2)), std::vector<User>());
  EXPECT_EQ(ask(store().grants_after({}, 10)), grants);
  EXPECT_EQ(ask(store().grants_after(grants[0].id, 1)), std::vector{grants[1]});
  EXPECT_EQ(ask(store().authorizations_after({}, 10)), authorizations);
  EXPECT_EQ(ask(store().authorizations_after(authorizations[1].id, 10)), std::vector{authorizations[2]});
}

}  // namespace
}  // namespace latchkey::store

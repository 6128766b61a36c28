// What the Health page, the timelines and the queue of revocations stand on.
#include <gmock/gmock-matchers.h>

#include <algorithm>

#include "store/exercise_testing.h"

namespace latchkey::store {
namespace {

using namespace std::chrono_literals;

TEST_P(StoreExercise, GrantsAreCountedByTypeAndState) {
  EXPECT_TRUE(ask(store().grants_by_type()).empty());
  const auto office = group("office");
  put({InsertGroup{office}});
  const auto add = [&](const std::string& name, const std::string& type, GrantState state) {
    const auto owner = user(office, name);
    auto made = grant(owner, type);
    made.state = state;
    put({InsertUser{owner}, InsertGrant{made}});
    return made;
  };
  auto moved = add("a", "mail", GrantState::active);
  add("b", "mail", GrantState::active);
  add("c", "drive", GrantState::revoked);
  EXPECT_EQ(ask(store().grants_by_type()),
            (std::vector<TypeStateCount>{{"drive", GrantState::revoked, 1}, {"mail", GrantState::active, 2}}));
  moved.state = GrantState::unreachable;
  put({UpdateGrant{moved}});
  EXPECT_EQ(ask(store().grants_by_type()),
            (std::vector<TypeStateCount>{{"drive", GrantState::revoked, 1}, {"mail", GrantState::active, 1}, {"mail", GrantState::unreachable, 1}}));
}

TEST_P(StoreExercise, GrantsAreCountedBetweenMoments) {
  const auto office = group("office");
  put({InsertGroup{office}});
  const auto add = [&](const std::string& name, std::optional<WallTime> due, std::optional<WallTime> expiry, GrantState state) {
    const auto owner = user(office, name);
    auto made = grant(owner, "drive");
    made.due_at = due;
    made.access_expires_at = expiry;
    made.state = state;
    put({InsertUser{owner}, InsertGrant{made}});
  };
  add("past", now() - 1s, now() - 1s, GrantState::active);
  add("edge", now(), now(), GrantState::unreachable);
  add("soon", now() + 59s, now() + 59s, GrantState::uncertain);
  add("later", now() + 60s, now() + 60s, GrantState::paused);
  add("never", std::nullopt, std::nullopt, GrantState::active);
  add("waits", std::nullopt, now() + 1s, GrantState::needs_authorization);
  add("locked", std::nullopt, now() + 1s, GrantState::disabled);
  const std::vector<WallTime> edges{now(), now() + 60s};
  EXPECT_EQ(ask(store().grant_histogram(GrantMoment::due, edges)), (std::vector<std::int64_t>{1, 2, 1}));
  EXPECT_EQ(ask(store().grant_histogram(GrantMoment::expiry, edges)), (std::vector<std::int64_t>{1, 2, 1}));
  EXPECT_EQ(ask(store().grant_histogram(GrantMoment::due, {now() + 1h})), (std::vector<std::int64_t>{4, 0}));
}

TEST_P(StoreExercise, GrantsThatMayRestOnAConsentAreFound) {
  const auto sharers = [&](const std::string& app, const std::string& account, WallTime at, std::size_t limit) {
    return ask(store().sharers({.app = app, .account_id = account, .now = at, .limit = limit}));
  };
  const auto office = group("office");
  const auto ann = user(office, "ann");
  const auto bob = user(office, "bob");
  auto drive = grant(ann, "drive");
  auto mail = grant(bob, "mail");
  mail.app = drive.app;
  mail.account_id = drive.account_id;
  mail.created_at = now() + 1s;
  auto nameless = grant(bob, "drive");
  nameless.account_id.clear();
  auto other = grant(bob, "calendar");
  other.app = drive.app;
  other.account_id = "another";
  put({InsertGroup{office}, InsertUser{ann}, InsertUser{bob}, InsertGrant{nameless}, InsertGrant{mail}, InsertGrant{drive}, InsertGrant{other}});
  const auto found = sharers(drive.app, drive.account_id, now(), 10);
  ASSERT_EQ(found.size(), 3u);
  EXPECT_THAT(std::vector(found.begin(), found.begin() + 2), testing::UnorderedElementsAre(drive, mail)) << "the account's own first";
  EXPECT_EQ(found[2], nameless) << "nobody knows whose it is";
  EXPECT_EQ(sharers(drive.app, drive.account_id, now(), 1).size(), 1u);
  EXPECT_TRUE(sharers("another", drive.account_id, now(), 10).empty());
  EXPECT_THAT(sharers(drive.app, "", now(), 10), testing::UnorderedElementsAre(drive, mail, nameless, other)) << "it could be anybody's";
  for (const auto state : {GrantState::revoked, GrantState::disabled, GrantState::needs_authorization}) {
    for (auto* one : {&mail, &nameless}) {
      one->state = state;
      put({UpdateGrant{*one}});
      one->version += 1;
    }
    EXPECT_EQ(sharers(drive.app, drive.account_id, now(), 10), std::vector{drive}) << name_of(state);
    EXPECT_THAT(sharers(drive.app, "", now(), 10), testing::UnorderedElementsAre(drive, other)) << name_of(state);
  }
  // Kept for a while after it was switched off.
  auto entry = Revocation{.id = entry_of_switched_off(mail.id), .grant = mail.id, .app = mail.app, .subject = "s", .record_sealed = {}, .attempts = 0,
                          .due_at = now() + 1h, .created_at = now() + 1h, .why = "w"};
  put({PutRevocation{entry}});
  EXPECT_EQ(sharers(drive.app, drive.account_id, now(), 10), std::vector{drive}) << "one that needs a consent has nothing that lives";
  mail.state = GrantState::disabled;
  put({UpdateGrant{mail}});
  mail.version += 1;
  EXPECT_THAT(sharers(drive.app, drive.account_id, now(), 10), testing::UnorderedElementsAre(drive, mail));
  EXPECT_THAT(sharers(drive.app, "", now(), 10), testing::UnorderedElementsAre(drive, mail, other));
  EXPECT_EQ(sharers(drive.app, drive.account_id, now() + 1h, 10), std::vector{drive}) << "its time has come, however long it waits still";
  put({DeleteRevocationOfSwitchedOff{mail.id}});
  EXPECT_EQ(sharers(drive.app, drive.account_id, now(), 10), std::vector{drive});
  put({DeleteRevocationOfSwitchedOff{mail.id}});
}

// What the others were refused for may lie in its journal.
TEST_P(StoreExercise, F2_WhoWaitsForAPersonRestsOnAConsentWhileANodeIsNotHeard) {
  const auto office = group("office");
  const auto ann = user(office, "ann");
  auto drive = grant(ann, "drive");
  drive.state = GrantState::needs_authorization;
  put({InsertGroup{office}, InsertUser{ann}, InsertGrant{drive}});
  const auto found = [&](WallTime heard_since, const std::string& account) {
    return ask(store().sharers({.app = drive.app, .account_id = account, .now = now(), .heard_since = heard_since, .limit = 10})).size();
  };
  EXPECT_EQ(found(now(), drive.account_id), 0u) << "no other node";
  Node node{.id = id<NodeId>(), .name = "attic", .version = "0.1.0", .run = Bytes(16, 1), .started_at = now()};
  put({PutNode{node}});
  const auto seen = ask(store().nodes()).front().seen_at;
  EXPECT_EQ(found(seen, drive.account_id), 0u) << "heard";
  EXPECT_EQ(found(seen + 1ms, drive.account_id), 1u);
  EXPECT_EQ(found(seen + 1ms, ""), 1u);
  node.run.clear();
  put({PutNode{node}});
  EXPECT_EQ(found(now() + 1h, drive.account_id), 0u) << "it has stopped in order";
  node.run = Bytes(16, 1);
  put({PutNode{node}, DeleteNode{node.id}});
  EXPECT_EQ(found(now() + 1h, drive.account_id), 0u) << "it is forgotten";
}

TEST_P(StoreExercise, EventsOfAGrantAreJoinedAndBounded) {
  const auto office = group("office");
  const auto ann = user(office, "ann");
  const auto drive = grant(ann, "drive");
  put({InsertGroup{office}, InsertUser{ann}, InsertGrant{drive}});
  const auto event = [&](GrantEventKind kind, std::string detail) {
    return GrantEvent{.grant = drive.id, .at = now(), .last_at = now(), .kind = kind, .generation = 7, .status = 503,
                      .error = "temporarily_unavailable", .detail = std::move(detail), .actor = "keeper"};
  };
  auto first = event(GrantEventKind::failed, "no answer");
  put({NoteGrantEvent{first, true}});
  EXPECT_EQ(ask(store().grant_events(drive.id)), std::vector{first});
  clock_.advance(1min);
  auto again = event(GrantEventKind::failed, "still no answer");
  again.count = 2;
  again.generation = 8;
  put({NoteGrantEvent{again, true}});
  first.count = 3;
  first.last_at = now();
  first.generation = 8;
  first.detail = "still no answer";
  EXPECT_EQ(ask(store().grant_events(drive.id)), std::vector{first}) << "the like of the newest joins it";
  auto other = event(GrantEventKind::failed, "x");
  other.status = 502;
  put({NoteGrantEvent{other, true}});
  const auto apart = event(GrantEventKind::failed, "y");
  put({NoteGrantEvent{apart, false}, NoteGrantEvent{apart, false}});
  EXPECT_EQ(ask(store().grant_events(drive.id)), (std::vector{apart, apart, other, first})) << "newest first";

  for (int i = 0; i < kGrantEventsKept; ++i) put({NoteGrantEvent{event(GrantEventKind::checked, std::to_string(i)), false}});
  auto kept = ask(store().grant_events(drive.id));
  ASSERT_EQ(kept.size(), static_cast<std::size_t>(kGrantEventsKept));
  EXPECT_EQ(kept.front().detail, std::to_string(kGrantEventsKept - 1));
  EXPECT_EQ(kept.back().detail, "0");
  clock_.advance(kGrantEventsAge + 1ms);
  const auto late = event(GrantEventKind::refreshed, "late");
  put({NoteGrantEvent{late, false}});
  EXPECT_EQ(ask(store().grant_events(drive.id)), std::vector{late}) << "what is too old has gone";

  auto nobody = late;
  nobody.grant = id<GrantId>();
  put({NoteGrantEvent{nobody, true}});
  EXPECT_TRUE(ask(store().grant_events(nobody.grant)).empty());
  put({DeleteGrant{drive.id}});
  EXPECT_TRUE(ask(store().grant_events(drive.id)).empty());
}

TEST_P(StoreExercise, RevocationsOutliveTheirGrantAndComeSoonestFirst) {
  const auto make = [&](Milliseconds wait) {
    return Revocation{.id = id<RevocationId>(), .grant = id<GrantId>(), .app = "box", .subject = "drive Ann", .record_sealed = entropy_.bytes(900),
                      .attempts = 0, .due_at = now() + wait, .created_at = now(), .why = "not asked yet"};
  };
  auto soon = make(1s);
  auto later = make(1h);
  put({PutRevocation{later}, PutRevocation{soon}});
  EXPECT_EQ(refusal({PutRevocation{soon}}).reason, "exists");
  soon.version = later.version = 1;
  auto found = ask(store().revocations(now() + 1s, 10));
  EXPECT_EQ(found.items, std::vector{soon});
  EXPECT_EQ(found.total, 1);
  found = ask(store().revocations(now() + 1h, 1));
  EXPECT_EQ(found.items, std::vector{soon});
  EXPECT_EQ(found.total, 2);
  soon.attempts = 3;
  soon.due_at = now() + 2h;
  soon.why = "no answer";
  soon.record_sealed.clear();
  put({PutRevocation{soon}});
  EXPECT_EQ(refusal({PutRevocation{soon}}).reason, "version") << "one of two nodes takes it";
  ++soon.version;
  reopen();
  EXPECT_EQ(ask(store().revocations(now() + 2h, 10)).items, (std::vector{later, soon}));
  put({DeleteRevocation{soon.id}});
  EXPECT_EQ(refusal({DeleteRevocation{soon.id}}).reason, "gone");
  EXPECT_EQ(refusal({PutRevocation{soon}}).reason, "gone");
}

TEST_P(StoreExercise, RevocationsThatWaitAreCountedToTheLast) {
  constexpr std::int64_t kMany = 10'050;
  for (std::int64_t made = 0; made < kMany;) {
    Batch batch;
    for (int i = 0; i < 1005; ++i, ++made) {
      batch.push_back(PutRevocation{{.id = id<RevocationId>(), .grant = {}, .app = "box", .subject = "s", .record_sealed = {}, .attempts = 0,
                                     .due_at = now() + 1h, .created_at = now(), .why = "w"}});
    }
    put(std::move(batch));
  }
  const auto all = ask(store().revocations(WallTime::max(), 1));
  EXPECT_EQ(all.items.size(), 1u);
  EXPECT_EQ(all.total, kMany);
}

TEST_P(StoreExercise, RevocationsAreReadAPageAtATime) {
  std::vector<Revocation> all;
  for (int i = 0; i < 3; ++i) {
    all.push_back({.id = id<RevocationId>(), .grant = id<GrantId>(), .app = "box", .subject = "drive", .record_sealed = entropy_.bytes(9),
                   .attempts = 0, .due_at = now() - std::chrono::hours(i), .created_at = now(), .why = "not asked yet"});
    put({PutRevocation{all.back()}});
    all.back().version = 1;
  }
  std::ranges::sort(all, {}, &Revocation::id);
  EXPECT_EQ(ask(store().revocations_after({}, 2)), (std::vector{all[0], all[1]}));
  EXPECT_EQ(ask(store().revocations_after(all[1].id, 2)), std::vector{all[2]});
  EXPECT_TRUE(ask(store().revocations_after(all[2].id, 2)).empty());
}

TEST_P(StoreExercise, TalliesAddUpAndAreForgotten) {
  const auto hour = std::chrono::floor<std::chrono::hours>(now());
  put({AddTally{{"refresh:ok", hour, 3}}, AddTally{{"refresh:failed", hour, 1}}, AddTally{{"other", hour, 9}}});
  put({AddTally{{"refresh:ok", hour, 4}}, AddTally{{"refresh:ok", hour + 1h, 1}}});
  EXPECT_EQ(ask(store().tallies("refresh:", hour)),
            (std::vector<Tally>{{"refresh:failed", hour, 1}, {"refresh:ok", hour, 7}, {"refresh:ok", hour + 1h, 1}}));
  EXPECT_EQ(ask(store().tallies("refresh:", hour + 1h)), (std::vector<Tally>{{"refresh:ok", hour + 1h, 1}}));
  EXPECT_TRUE(ask(store().tallies("refresh_", hour)).empty()) << "no wildcards";
  put({AddTally{{"refresh:ok", hour + kTalliesAge + 1h, 1}}});
  EXPECT_EQ(ask(store().tallies("refresh:ok", WallTime())),
            (std::vector<Tally>{{"refresh:ok", hour + 1h, 1}, {"refresh:ok", hour + kTalliesAge + 1h, 1}}));
}

}  // namespace
}  // namespace latchkey::store

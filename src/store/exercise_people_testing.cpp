// Groups, users, sessions, throttling records: the part of the suite that rooms about people stand on.
#include "store/exercise_testing.h"

namespace latchkey::store {
namespace {

TEST_P(StoreExercise, GroupsAreUniqueByTheirNameKeyAndVersioned) {
  auto office = group("office");
  auto home = group("home");
  put({InsertGroup{office}, InsertGroup{home}});
  auto twin = group("office");
  auto problem = refusal({InsertGroup{twin}});
  EXPECT_EQ(problem.kind, ErrorKind::conflict);
  EXPECT_EQ(problem.reason, "exists");
  EXPECT_EQ(problem.field, "name");

  office.name = "The Office";
  put({UpdateGroup{office}});
  EXPECT_EQ(refusal({UpdateGroup{office}}).reason, "version") << "made from version 1, the store holds 2";
  office.version = 2;
  EXPECT_EQ(ask(store().group(office.id)), office);
  home.name_key = "office";
  EXPECT_EQ(refusal({UpdateGroup{home}}).field, "name");
  put({DeleteGroup{home.id}});
  EXPECT_EQ(refusal({DeleteGroup{home.id}}).reason, "gone");
  EXPECT_EQ(refusal({UpdateGroup{home}}).kind, ErrorKind::not_found);
  EXPECT_EQ(ask(store().group_by_name_key("office")), office);
  EXPECT_EQ(ask(store().group_by_name_key("home")), std::nullopt);
}

TEST_P(StoreExercise, AGroupWithUsersStays) {
  const auto office = group("office");
  const auto ann = user(office, "ann");
  put({InsertGroup{office}, InsertUser{ann}});
  EXPECT_EQ(refusal({DeleteGroup{office.id}}).reason, "group_not_empty");
  put({DeleteUser{ann.id}, DeleteGroup{office.id}});
  EXPECT_TRUE(ask(store().groups()).empty());
}

TEST_P(StoreExercise, UsersKeepEveryFieldAndAreUniqueOnTheWholeServer) {
  const auto office = group("office");
  const auto home = group("home");
  auto ann = user(office, "ann");
  put({InsertGroup{office}, InsertGroup{home}, InsertUser{ann}});
  EXPECT_EQ(ask(store().user(ann.id)), ann);
  EXPECT_EQ(ask(store().user_by_key("ann")), ann);
  const auto problem = refusal({InsertUser{user(home, "ann")}});
  EXPECT_EQ(problem.reason, "exists");
  EXPECT_EQ(problem.field, "username");
  const auto homeless = refusal({InsertUser{user(group("nowhere"), "bob")}});
  EXPECT_EQ(homeless.reason, "gone");
  EXPECT_EQ(homeless.field, "group");

  ann.group = home.id;
  ann.role = Role::administrator;
  ann.enabled = false;
  ann.allowed_sources.clear();
  ann.username_key = "anna";
  ++ann.auth_epoch;
  put({UpdateUser{ann}});
  EXPECT_EQ(refusal({UpdateUser{ann}}).reason, "version");
  ++ann.version;
  EXPECT_EQ(ask(store().user_by_key("anna")), ann);
  EXPECT_EQ(ask(store().user_by_key("ann")), std::nullopt);
  put({DeleteUser{ann.id}});
  EXPECT_EQ(refusal({DeleteUser{ann.id}}).reason, "gone");
  EXPECT_EQ(refusal({UpdateUser{ann}}).reason, "gone");
}

TEST_P(StoreExercise, DeletingAUserTakesEverythingOfTheirsAlong) {
  const auto office = group("office");
  const auto ann = user(office, "ann");
  const auto drive = grant(ann, "drive");
  const Session session{.token_hash = entropy_.bytes(32), .user = ann.id, .auth_epoch = 3, .created_at = now(),
                        .expires_at = now() + std::chrono::hours(1), .source = "192.0.2.1"};
  const auto sent = intent(drive.id, 1);
  put({InsertGroup{office}, InsertUser{ann}, InsertGrant{drive}, PutGeneration{generation(drive, 1)}, InsertIntent{sent},
       PutWrap{{.grant = drive.id, .holder = Bytes(16, 1), .private_key_sealed = Bytes(80, 2), .created_at = now()}},
       PutSession{session}, RecordPinFailure{{ann.id, "*", Bytes(16, 1), now()}},
       PutKnownSource{{ann.id, "192.0.2.1", now()}, 8}, CountHandouts{drive.id, now(), 2}});
  put({DeleteUser{ann.id}});
  EXPECT_EQ(ask(store().grant(drive.id)), std::nullopt);
  EXPECT_TRUE(ask(store().wraps(drive.id)).empty());
  EXPECT_TRUE(ask(store().open_intents(10)).empty());
  EXPECT_TRUE(ask(store().handouts(drive.id, now() - std::chrono::hours(1))).empty());
  EXPECT_EQ(ask(store().session(session.token_hash)), std::nullopt);
  EXPECT_TRUE(ask(store().pin_failures(ann.id)).empty());
  EXPECT_TRUE(ask(store().known_sources(ann.id)).empty());
  EXPECT_EQ(ask(store().spray_count("*", now() - std::chrono::hours(1))), 0);
  EXPECT_EQ(ask(store().groups()).front().users, 0);
}

TEST_P(StoreExercise, TouchingNeverConflictsNorGoesBack) {
  const auto office = group("office");
  auto ann = user(office, "ann");
  put({InsertGroup{office}, InsertUser{ann}});
  const auto later = now() + std::chrono::minutes(5);
  put({TouchUser{ann.id, later}, TouchUser{ann.id, now()}, TouchUser{id<UserId>(), now()}});
  EXPECT_EQ(ask(store().user(ann.id))->last_used_at, later);
  put({UpdateUser{ann}});
  EXPECT_EQ(ask(store().user(ann.id))->last_used_at, later) << "an update from before the touch does not undo it";
}

TEST_P(StoreExercise, AdministratorsCountWhenEnabledAndWithAPassword) {
  const auto office = group("office");
  auto chief = user(office, "chief");
  auto absent = user(office, "absent");
  auto without = user(office, "without");
  const auto regular = user(office, "regular");
  for (auto* one : {&chief, &absent, &without}) one->role = Role::administrator;
  absent.enabled = false;
  without.password_sealed.clear();
  put({InsertGroup{office}, InsertUser{chief}, InsertUser{absent}, InsertUser{without}, InsertUser{regular}});
  EXPECT_EQ(ask(store().count_administrators()), 1);
}

TEST_P(StoreExercise, TheLastAdministratorIsKeptWithinTheBatch) {
  const auto office = group("office");
  auto anna = user(office, "anna");
  auto berta = user(office, "berta");
  for (auto* one : {&anna, &berta}) one->role = Role::administrator;
  put({InsertGroup{office}, InsertUser{anna}, InsertUser{berta}});
  // Both were read while there were two.
  anna.role = Role::regular;
  put({UpdateUser{anna}, KeepAnAdministrator{}});
  berta.enabled = false;
  auto problem = refusal({UpdateUser{berta}, KeepAnAdministrator{}});
  EXPECT_EQ(problem.kind, ErrorKind::conflict);
  EXPECT_EQ(problem.reason, "last_administrator");
  EXPECT_EQ(refusal({DeleteUser{berta.id}, KeepAnAdministrator{}}).reason, "last_administrator");
  EXPECT_TRUE(ask(store().user(berta.id))->enabled) << "nothing of a refused batch happens";
  put({DeleteUser{anna.id}, KeepAnAdministrator{}});
  put({DeleteUser{berta.id}});
}

TEST_P(StoreExercise, SessionsEndOneByOneOrAllOfAUser) {
  const auto office = group("office");
  const auto ann = user(office, "ann");
  put({InsertGroup{office}, InsertUser{ann}});
  const auto session = [&] {
    return Session{.token_hash = entropy_.bytes(32), .user = ann.id, .auth_epoch = 3, .created_at = now(),
                   .expires_at = now() + std::chrono::hours(1), .source = "192.0.2.1"};
  };
  const auto one = session(), two = session(), three = session();
  put({PutSession{one}, PutSession{two}, PutSession{three}});
  EXPECT_EQ(ask(store().session(one.token_hash)), one);
  put({TouchSession{one.token_hash, now() + std::chrono::hours(2)}});
  EXPECT_EQ(ask(store().session(one.token_hash))->expires_at, now() + std::chrono::hours(2));
  put({DeleteSession{one.token_hash}});
  EXPECT_EQ(refusal({TouchSession{one.token_hash, now() + std::chrono::hours(3)}}).reason, "gone") << "what was ended does not come back";
  EXPECT_EQ(refusal({DeleteSession{one.token_hash}}).reason, "gone");
  EXPECT_EQ(ask(store().session(one.token_hash)), std::nullopt);
  put({DeleteSessionsOfUser{ann.id}, DeleteSessionsOfUser{ann.id}});
  EXPECT_EQ(ask(store().session(two.token_hash)), std::nullopt);
  EXPECT_EQ(refusal({PutSession{{.token_hash = Bytes(32, 1), .user = id<UserId>()}}}).reason, "gone");
}

TEST_P(StoreExercise, TheSameWrongPinCountsOnce) {
  const auto office = group("office");
  const auto ann = user(office, "ann");
  const auto bob = user(office, "bob");
  put({InsertGroup{office}, InsertUser{ann}, InsertUser{bob}});
  const Bytes first(16, 1), second(16, 2);
  put({RecordPinFailure{{ann.id, "*", first, now()}}, RecordPinFailure{{ann.id, "*", second, now()}},
       RecordPinFailure{{ann.id, "192.0.2.1", first, now()}}, RecordPinFailure{{bob.id, "192.0.2.1", first, now()}}});
  const auto later = now() + std::chrono::minutes(1);
  put({RecordPinFailure{{ann.id, "*", first, later}}});
  const auto counts = ask(store().pin_failures(ann.id));
  ASSERT_EQ(counts.size(), 2u);
  EXPECT_EQ(counts[0].bucket, "*");
  EXPECT_EQ(counts[0].distinct, 2);
  EXPECT_EQ(counts[0].last_at, later);
  EXPECT_EQ(counts[1].distinct, 1);
  EXPECT_EQ(ask(store().spray_count("192.0.2.1", now())), 2) << "over all users";
  EXPECT_EQ(ask(store().spray_count("192.0.2.1", later)), 0);
  put({RecordPinFailure{{UserId(), "192.0.2.1", second, now()}}});
  EXPECT_EQ(ask(store().spray_count("192.0.2.1", now())), 3) << "users who do not exist count";
  put({ForgetPinFailures{ann.id}});
  EXPECT_TRUE(ask(store().pin_failures(ann.id)).empty());
  EXPECT_EQ(ask(store().pin_failures(bob.id)).size(), 1u);
}

TEST_P(StoreExercise, OnlyTheMostRecentKnownSourcesStay) {
  const auto office = group("office");
  const auto ann = user(office, "ann");
  put({InsertGroup{office}, InsertUser{ann}});
  for (int i = 0; i < 5; ++i) {
    put({PutKnownSource{{ann.id, "192.0.2." + std::to_string(i), now() + std::chrono::minutes(i)}, 3}});
  }
  put({PutKnownSource{{ann.id, "192.0.2.2", now() + std::chrono::minutes(9)}, 3}});
  const auto known = ask(store().known_sources(ann.id));
  ASSERT_EQ(known.size(), 3u);
  EXPECT_EQ(known[0].source, "192.0.2.2");
  EXPECT_EQ(known[1].source, "192.0.2.4");
  EXPECT_EQ(known[2].source, "192.0.2.3");
}

}  // namespace
}  // namespace latchkey::store

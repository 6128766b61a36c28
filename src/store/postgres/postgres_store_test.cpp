#include "store/postgres/postgres_store.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <regex>
#include <set>

#include "store/exercise_testing.h"
#include "store/postgres/connection.h"
#include "store/postgres/database_testing.h"
#include "store/postgres/values.h"

namespace latchkey::store {
namespace {

class PostgresUnderTest final : public StoreUnderTest {
 public:
  PostgresUnderTest(std::unique_ptr<TestDatabase> database, WallClock& clock) : database_(std::move(database)), clock_(clock) { open(); }
  Store& store() override { return *store_; }
  void reopen() override {
    store_ = nullptr;
    open();
  }

 private:
  void open() {
    auto opened = open_postgres_store({.url = database_->url(), .password = {}, .clock = &clock_}, log_);
    EXPECT_TRUE(opened) << (opened ? "" : opened.error().text + " " + opened.error().detail);
    store_ = std::move(opened->store);
  }

  std::unique_ptr<TestDatabase> database_;
  WallClock& clock_;
  base::MemoryLog log_;
  std::unique_ptr<Store> store_;
};

INSTANTIATE_TEST_SUITE_P(Postgres, StoreExercise, ::testing::Values(StoreFactory([](WallClock& clock) -> std::unique_ptr<StoreUnderTest> {
                           auto database = TestDatabase::make();
                           if (!database) return nullptr;
                           return std::make_unique<PostgresUnderTest>(std::move(database), clock);
                         })));

// Two nodes: two stores on one database, by the database's clock.
class PostgresNodes : public ::testing::Test {
 protected:
  void SetUp() override {
    database = TestDatabase::make();
    if (!database) GTEST_SKIP() << "LATCHKEY_TEST_POSTGRES names no cluster";
    for (auto& store : stores) store = open();
  }
  [[nodiscard]] std::unique_ptr<Store> open() {
    auto opened = open_postgres_store({.url = database->url(), .password = {}}, log);
    EXPECT_TRUE(opened) << (opened ? "" : opened.error().text);
    return opened ? std::move(opened->store) : nullptr;
  }
  void put(Batch batch, std::size_t node = 0) {
    const auto done = wait_for(stores[node]->commit(std::move(batch)));
    ASSERT_TRUE(done) << done.error().reason << " " << done.error().detail;
  }
  template <class T>
  [[nodiscard]] T ask(Task<Result<T>> question) {
    auto answer = wait_for(std::move(question));
    EXPECT_TRUE(answer) << answer.error().reason << " " << answer.error().detail;
    return answer ? *std::move(answer) : T();
  }
  // Grants of one user each, all due.
  std::vector<GrantId> due(std::size_t count) {
    const auto now = ask(stores[0]->now());
    const Group group{.id = GroupId::make(now, entropy), .name = "g", .name_key = "g", .created_at = now};
    Batch batch{InsertGroup{group}};
    std::vector<GrantId> made;
    for (std::size_t i = 0; i < count; ++i) {
      User user;
      user.id = UserId::make(now, entropy);
      user.group = group.id;
      user.username = user.username_key = "u" + std::to_string(i);
      user.created_at = now;
      Grant grant;
      grant.id = made.emplace_back(GrantId::make(now, entropy));
      grant.user = user.id;
      grant.type = "drive";
      grant.app = "app";
      grant.created_at = now;
      grant.due_at = now - std::chrono::seconds(1) - Milliseconds(i);
      batch.push_back(InsertUser{user});
      batch.push_back(InsertGrant{grant});
    }
    put(std::move(batch));
    return made;
  }

  base::SystemEntropy entropy;
  base::MemoryLog log;
  std::unique_ptr<TestDatabase> database;
  std::unique_ptr<Store> stores[2];
  NodeId nodes[2] = {NodeId::make(WallTime(), entropy), NodeId::make(WallTime(), entropy)};
};

TEST_F(PostgresNodes, TheLineageIsTheClustersAndItsTimelines) {
  Lineage lineage;
  const auto store = open_postgres_store({.url = database->url(), .password = {}, .lineage = &lineage}, log);
  ASSERT_TRUE(store);
  const std::regex form("[0-9]{15,20}/[0-9A-F]{8}");
  EXPECT_TRUE(std::regex_match(lineage.sight().name, form)) << lineage.sight().name;
  const auto role = "reader_of_" + std::to_string(::getpid());
  const auto seen = database->sql("CREATE ROLE " + role + "; SET ROLE " + role +
                                  "; SELECT (SELECT system_identifier FROM pg_control_system()) || '/' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)");
  EXPECT_EQ(seen, lineage.sight().name) << "a user without any right of its own may ask";
  database->sql("DROP ROLE " + role);
}

TEST_F(PostgresNodes, ASweepGivesEachNodeOtherGrantsAndTheClaimDecides) {
  const auto all = due(10);
  const auto until = ask(stores[0]->now());
  const auto first = ask(stores[0]->due_grants(nodes[0], until, 6, {}));
  const auto second = ask(stores[1]->due_grants(nodes[1], until, 6, {}));
  EXPECT_EQ(first.size(), 6u);
  EXPECT_EQ(second.size(), 4u) << "what the first node was given is passed by";
  std::set<GrantId> given;
  for (const auto* part : {&first, &second}) {
    for (const auto& grant : *part) given.insert(grant.id);
  }
  EXPECT_EQ(given.size(), 10u);
  EXPECT_EQ(ask(stores[0]->due_grants(nodes[0], until, 6, {})).size(), 6u) << "asked again, a node is given its own";
  put({ClaimGrant{first.front().id, 1, nodes[1], std::chrono::seconds(90)}}, 1);
  const auto late = wait_for(stores[0]->commit({ClaimGrant{first.front().id, 1, nodes[0], std::chrono::seconds(90)}}));
  ASSERT_FALSE(late) << "a reservation is no lease";
  EXPECT_EQ(late.error().kind, ErrorKind::conflict);
  EXPECT_EQ(ask(stores[0]->due_grants(nodes[0], until, 6, {})).size(), 5u) << "a leased one is nobody's work";
}

TEST_F(PostgresNodes, ItCountsItsTransactionsAndHowLongTheyTook) {
  StoreFigures figures;
  auto opened = open_postgres_store({.url = database->url(), .password = {}, .figures = &figures}, log);
  ASSERT_TRUE(opened);
  const auto commit = [&](Batch batch) { return wait_for(opened->store->commit(std::move(batch))); };
  const auto begun = std::chrono::steady_clock::now();
  ASSERT_TRUE(commit({PutMeta{"one", {}}}));
  ASSERT_TRUE(commit({AppendAudit{{.at = WallTime(), .actor = "admin", .action = "looked"}}}));
  ASSERT_FALSE(commit({DeleteRevocation{RevocationId::make(WallTime(), entropy)}})) << "one that changes nothing";
  const std::chrono::nanoseconds took = std::chrono::steady_clock::now() - begun;
  EXPECT_EQ(figures.commits, 2);
  EXPECT_EQ(figures.batches, 2);
  EXPECT_GT(figures.commit_nanoseconds, 0);
  EXPECT_LT(figures.commit_nanoseconds, took.count());
  EXPECT_EQ(figures.waiting, 0);
}

TEST_F(PostgresNodes, ASweepHoldsNoMoreThanItAskedFor) {
  const auto all = due(20);
  const auto until = ask(stores[0]->now());
  std::set<GrantId> given;
  for (int sweep = 0; sweep < 3; ++sweep) {
    for (const auto& grant : ask(stores[0]->due_grants(nodes[0], until, 6, {}))) given.insert(grant.id);
  }
  EXPECT_EQ(given.size(), 6u) << "what is not begun is given again";
  EXPECT_EQ(ask(stores[1]->due_grants(nodes[1], until, 20, {})).size(), 14u) << "and the other node finds all the rest";
}

TEST_F(PostgresNodes, ASweepFollowsTheIndexHoweverManyAreDue) {
  const auto all = due(2000);
  database->sql("ANALYZE grants");
  const auto until = ask(stores[0]->now());
  const auto rows_read = [this] { return database->sql("SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'grants'"); };
  for (auto& store : stores) store = nullptr;  // a session that ends hands in its statistics
  const auto before = rows_read();
  stores[0] = open();
  EXPECT_EQ(ask(stores[0]->due_grants(nodes[0], until, 10, {})).size(), 10u);
  EXPECT_EQ(ask(stores[0]->due_grants(nodes[0], until, 10, {"another"})).size(), 10u);
  stores[0] = nullptr;
  EXPECT_EQ(rows_read(), before) << "rows read by a scan of the whole table";
}

struct Race {
  GrantId grant;
  GenerationNumber rounds = 0;
  std::vector<int> posts;  // by generation spent
  int conflicts = 0;
  int other = 0;
};

// What the keeper does around a POST, without the POST: claim and intent in one batch; whoever gets it spends the generation.
Task<void> spend_all(Store* store, NodeId node, Entropy* entropy, Race* race) {
  for (;;) {
    auto view = co_await store->grant(race->grant);
    if (!view || !*view) co_return;
    auto grant = (*view)->grant;
    if (grant.generation >= race->rounds) co_return;
    if ((*view)->intent) continue;  // the other one is at it
    const Intent intent{.id = IntentId::make(WallTime(), *entropy), .grant = grant.id, .generation = grant.generation, .node = node,
                        .fence = grant.fence + 1, .opened_at = WallTime()};
    const auto claimed = co_await store->commit({ClaimGrant{grant.id, grant.version, node, std::chrono::seconds(90)}, InsertIntent{intent}});
    if (!claimed) {
      ++(claimed.error().kind == ErrorKind::conflict ? race->conflicts : race->other);
      continue;
    }
    ++race->posts[static_cast<std::size_t>(grant.generation)];
    auto applied = intent;
    applied.state = IntentState::applied;
    grant.version += 1;
    grant.fence += 1;
    grant.generation += 1;
    grant.lease_owner = NodeId();
    const auto done = co_await store->commit({UpdateGrant{grant}, UpdateIntent{applied}}, Urgency::token_reply);
    if (!done) ++race->other;
  }
}

TEST_F(PostgresNodes, TenThousandContendedClaimsLetOneNodeSpendEachGeneration) {
  constexpr std::size_t kGrants = 50;
  constexpr GenerationNumber kRounds = 200;
  std::vector<Race> races;
  for (const auto& grant : due(kGrants)) races.push_back({.grant = grant, .rounds = kRounds, .posts = std::vector<int>(kRounds)});
  std::vector<Task<void>> tasks;
  for (auto& race : races) {
    for (std::size_t node = 0; node < 2; ++node) tasks.push_back(spend_all(stores[node].get(), nodes[node], &entropy, &race));
  }
  wait_for_all(std::move(tasks));
  int conflicts = 0;
  for (const auto& race : races) {
    conflicts += race.conflicts;
    EXPECT_EQ(race.other, 0);
    for (const int posts : race.posts) ASSERT_EQ(posts, 1);
  }
  EXPECT_GT(conflicts, 0) << "they did race";
}

TEST_F(PostgresNodes, WhatAProviderSaysIsKeptWhateverOctetsItHas) {
  const auto grants = due(1);
  auto grant = ask(stores[0]->grant(grants.front()))->grant;
  grant.why = std::string("bad \0 and \xff\xc3 and \xed\xa0\x80 end", 25);
  put({UpdateGrant{grant}, AppendAudit{{.at = grant.created_at, .action = "x", .detail = grant.why}}});
  EXPECT_EQ(ask(stores[1]->grant(grants.front()))->grant.why, postgres::storable(grant.why));
  EXPECT_EQ(ask(stores[1]->verify_audit()), std::nullopt) << "the chain covers what is kept";
}

TEST_F(PostgresNodes, SessionsThatWriteAreDurableWhateverTheDatabasesOwnSetting) {
  const auto name = database->url().substr(database->url().rfind('/') + 1);
  const auto durability = [&] {
    const postgres::Place place{.url = database->url(), .password = {}, .display = "test"};
    auto connection = postgres::Connection::open(place, postgres::Access::writer);
    auto rows = (*connection)->ask({"SELECT current_setting('synchronous_commit')"});
    std::string setting;
    if (rows && rows->row()) rows->read(setting);
    return setting;
  };
  for (const char* set : {"off", "local", "remote_write"}) {
    database->sql("ALTER DATABASE " + name + " SET synchronous_commit = " + set);
    EXPECT_EQ(durability(), "on") << set;
  }
  database->sql("ALTER DATABASE " + name + " SET synchronous_commit = remote_apply");
  EXPECT_EQ(durability(), "remote_apply") << "more than is asked for stays";
}

TEST_F(PostgresNodes, ANewerSchemaAndAForeignDatabaseAreRefusedWithASentence) {
  database->sql("UPDATE store_info SET value = '99' WHERE key = 'schema'; UPDATE store_info SET value = '9.9' WHERE key = 'written_by'");
  const auto newer = open_postgres_store({.url = database->url(), .password = {}}, log);
  ASSERT_FALSE(newer);
  EXPECT_EQ(newer.error().reason, "future_schema");
  EXPECT_NE(newer.error().text.find("9.9"), std::string::npos) << newer.error().text;
  const auto foreign = TestDatabase::make();
  foreign->sql("CREATE TABLE users (id BIGINT)");
  const auto refused = open_postgres_store({.url = foreign->url(), .password = {}}, log);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().text.find("database of its own"), std::string::npos) << refused.error().text;
  EXPECT_EQ(foreign->sql("SELECT count(*) FROM pg_tables WHERE tablename = 'grants'"), "0");
}

TEST_F(PostgresNodes, AReadOnlyAndAnUnreachableDatabaseAreSaidToBeSo) {
  const auto name = database->url().substr(database->url().rfind('/') + 1);
  database->sql("ALTER DATABASE " + name + " SET default_transaction_read_only = on");
  const auto standby = open_postgres_store({.url = database->url(), .password = {}}, log);
  ASSERT_FALSE(standby);
  EXPECT_NE(standby.error().text.find("read-only"), std::string::npos) << standby.error().text;
  const auto nobody = open_postgres_store({.url = "postgresql://latchkey@127.0.0.1:1/latchkey", .password = {}}, log);
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().kind, ErrorKind::unavailable);
  EXPECT_NE(nobody.error().text.find("cannot be reached"), std::string::npos) << nobody.error().text;
}

TEST_F(PostgresNodes, ConnectionsEndedByTheDatabaseComeBackAndLoseNothing) {
  for (int round = 0; round < 5; ++round) {
    database->sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'latchkey' AND datname = current_database()");
    const auto key = std::to_string(round);
    put({PutSetting{{"round", key}}});
    put({PutSetting{{"round", key}}, AppendAudit{{.at = {}, .action = "x"}}}, 1);
    EXPECT_EQ(ask(stores[1]->settings()), (std::vector<Setting>{{"round", key}}));
  }
}

TEST_F(PostgresNodes, AbsentMetaIsComparedByOneAtATime) {
  for (int round = 0; round < 50; ++round) {
    const auto key = "k" + std::to_string(round);
    int written = 0;
    const auto attempt = [](Store* store, std::string name, std::uint8_t value, int* count) -> Task<void> {
      const auto done = co_await store->commit({CompareMeta{name, {}}, PutMeta{name, {value}}});
      *count += done ? 1 : 0;
    };
    std::vector<Task<void>> tasks;
    for (std::uint8_t i = 0; i < 4; ++i) tasks.push_back(attempt(stores[i % 2].get(), key, i, &written));
    wait_for_all(std::move(tasks));
    EXPECT_EQ(written, 1);
  }
}

TEST(PostgresUrl, APasswordInTheAddressIsRefusedWithTheRemedy) {
  EXPECT_EQ(*check_postgres_url("postgresql://latchkey@db.example:5433/keys"), "keys at db.example:5433");
  EXPECT_EQ(*check_postgres_url("postgresql:///keys"), "keys at the local socket");
  for (const char* url : {"postgresql://u:secret@h/d", "postgres://u@h/d?password=secret"}) {
    const auto refused = check_postgres_url(url);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().text.find("store_password_file"), std::string::npos);
    EXPECT_EQ(refused.error().text.find("secret@"), std::string::npos);
  }
  EXPECT_FALSE(check_postgres_url("mysql://h/d"));
  EXPECT_FALSE(check_postgres_url("postgresql://h"));
}

}  // namespace
}  // namespace latchkey::store

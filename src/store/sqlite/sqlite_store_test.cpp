#include "store/sqlite/sqlite_store.h"

#include <gtest/gtest.h>

#include "store/store_testing.h"

namespace latchkey::store {
namespace {

TEST(SqliteStore, KeepsWhatWasCommittedOverARestart) {
  const TemporaryDirectory directory;
  base::SystemWallClock clock;
  base::MemoryLog log;
  base::SystemEntropy entropy;
  Group group;
  group.id = GroupId::make(clock.now(), entropy);
  group.name = "Office";
  group.name_key = "office";
  {
    auto store = open_sqlite_store({.path = directory.path() + "/latchkey.db"}, clock, log);
    ASSERT_TRUE(store) << store.error().text << store.error().detail;
    const auto done = wait_for((*store)->commit({InsertGroup{group}}));
    ASSERT_TRUE(done) << done.error().detail;
  }
  auto store = open_sqlite_store({.path = directory.path() + "/latchkey.db"}, clock, log);
  ASSERT_TRUE(store) << store.error().text << store.error().detail;
  const auto found = wait_for((*store)->group(group.id));
  ASSERT_TRUE(found && *found);
  EXPECT_EQ(**found, group);
}

}  // namespace
}  // namespace latchkey::store

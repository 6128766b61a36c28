#include "store/sqlite/sqlite_store.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>

namespace latchkey::store {
namespace {

class TemporaryDirectory {
 public:
  TemporaryDirectory() { LATCHKEY_CHECK(::mkdtemp(path_.data()) != nullptr); }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_ = "/tmp/latchkey-store-XXXXXX";
};

template <class T>
T wait_for(Task<T> task) {
  boost::asio::io_context loop;
  std::optional<T> result;
  boost::asio::co_spawn(loop, std::move(task), [&result](const std::exception_ptr& problem, T value) {
    if (problem) std::rethrow_exception(problem);
    result = std::move(value);
  });
  loop.run();
  return std::move(*result);
}

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
    const auto second = open_sqlite_store({.path = directory.path() + "/latchkey.db"}, clock, log);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().reason, "data_in_use");
  }
  auto store = open_sqlite_store({.path = directory.path() + "/latchkey.db"}, clock, log);
  ASSERT_TRUE(store) << store.error().text << store.error().detail;
  const auto found = wait_for((*store)->group(group.id));
  ASSERT_TRUE(found && *found);
  EXPECT_EQ(**found, group);
}

}  // namespace
}  // namespace latchkey::store

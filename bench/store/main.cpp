// Durable commits a second, with 1, 8 and 64 committers, beside a bare loop of pwrite + fdatasync on the same disk in the
// same run; then the figures of a store with many users.
//
// Sketch before the code: one committer can reach no more than one fdatasync a commit, so about the bare loop's rate;
// with n committers a sync takes all that wait, so about n times that, until SQL (some 30 us a refresh's batch) is the
// limit. 100,000 users: a page of the list is 51 index entries and 50 look-ups, well below 1 ms; a search that finds
// nothing reads 100,000 entries of some 100 octets, about 30 ms.
//
// store_bench NEW_DIRECTORY [USERS]
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>

#include "base/entropy.h"
#include "store/reply_journal.h"
#include "store/sqlite/sqlite_store.h"

namespace latchkey::store {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

template <class T>
T wait_for(Task<T> task) {
  boost::asio::io_context loop(1);
  std::optional<T> result;
  boost::asio::co_spawn(loop, std::move(task), [&result](const std::exception_ptr& problem, T value) {
    if (problem) std::rethrow_exception(problem);
    result.emplace(std::move(value));
  });
  loop.run();
  return std::move(*result);
}

double bare_syncs(const std::string& directory, std::chrono::seconds span) {
  const auto path = directory + "/bare";
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  const Bytes page(4096, 7);
  int done = 0;
  const auto start = Clock::now();
  for (; Clock::now() - start < span; ++done) {
    LATCHKEY_CHECK(::pwrite(file, page.data(), page.size(), done % 256 * 4096) == 4096);
    LATCHKEY_CHECK(::fdatasync(file) == 0);
  }
  const double rate = done / seconds_since(start);
  ::close(file);
  return rate;
}

// What one refresh writes after its reply: a generation, the grant, the intent.
struct Bench {
  Store& store;
  ReplyJournal& journal;
  WallClock& clock;
  base::SystemEntropy& entropy;
  std::vector<Grant> grants;
  Clock::time_point until;
  int done = 0;
};

Batch refresh_batch(Bench& bench, Grant& grant, const IntentId& intent) {
  const auto number = ++grant.generation;
  grant.last_refreshed_at = bench.clock.now();
  Generation generation{.grant = grant.id, .number = number % 2 + 1, .intent = intent,
                        .refresh_sealed = Bytes(900, 1), .access_sealed = Bytes(2'000, 2), .issued_at = bench.clock.now()};
  return {PutGeneration{std::move(generation)}, UpdateGrant{grant},
          InsertIntent{{.id = intent, .grant = grant.id, .generation = number, .opened_at = bench.clock.now()}}};
}

Task<void> commit_until(Bench* bench, std::size_t mine) {
  auto& grant = bench->grants[mine];
  while (Clock::now() < bench->until) {
    const auto intent = IntentId::make(bench->clock.now(), bench->entropy);
    const auto done = co_await bench->store.commit(refresh_batch(*bench, grant, intent));
    LATCHKEY_CHECK(done.has_value());
    ++grant.version;
    ++bench->done;
  }
}

Task<void> journal_until(Bench* bench, std::size_t) {
  while (Clock::now() < bench->until) {
    JournalEntry entry{.intent = IntentId::make(bench->clock.now(), bench->entropy), .recorded_at = bench->clock.now(),
                       .reply_sealed = Bytes(3'000, 3)};
    const auto intent = entry.intent;
    LATCHKEY_CHECK((co_await bench->journal.reserve(intent)).has_value());
    LATCHKEY_CHECK((co_await bench->journal.record(std::move(entry))).has_value());
    bench->journal.confirm(intent, bench->clock.now());
    ++bench->done;
  }
}

double rate_of(Bench& bench, Task<void> (*work)(Bench*, std::size_t), std::size_t committers) {
  bench.done = 0;
  const auto start = Clock::now();
  bench.until = start + std::chrono::seconds(3);
  boost::asio::io_context loop(1);
  for (std::size_t i = 0; i < committers; ++i) boost::asio::co_spawn(loop, work(&bench, i), boost::asio::detached);
  loop.run();
  return bench.done / seconds_since(start);
}

User user_of(const Group& group, int number, base::SystemEntropy& entropy, WallTime now) {
  User user;
  user.id = UserId::make(now, entropy);
  user.group = group.id;
  user.username = fmt::format("user{:06}", number);
  user.username_key = user.username;
  user.name = fmt::format("Person Number {}", number);
  user.email = fmt::format("person{}@example.org", number);
  user.public_key = Bytes(32, 1);
  user.private_key_wrapped = Bytes(150, 2);
  user.created_at = now;
  user.mac = Bytes(32, 3);
  return user;
}

Grant grant_of(const User& user, int number, base::SystemEntropy& entropy, WallTime now) {
  Grant grant;
  grant.id = GrantId::make(now, entropy);
  grant.user = user.id;
  grant.type = number % 3 == 0 ? "box" : "onedrive-business";
  grant.app = "microsoft";
  grant.account_id = user.username;
  grant.account_name = user.email;
  grant.scopes = "Files.ReadWrite offline_access";
  grant.public_key = Bytes(32, 1);
  grant.state = number % 1000 == 0 ? GrantState::needs_authorization : GrantState::active;
  grant.due_at = now + std::chrono::seconds(number % 1200);
  grant.created_at = now;
  grant.mac = Bytes(32, 3);
  return grant;
}

std::vector<Grant> insert_users(Store& store, base::SystemEntropy& entropy, WallClock& clock, int users) {
  std::vector<Grant> kept;
  auto now = clock.now();
  std::vector<Group> groups;
  Batch batch;
  for (int i = 0; i < 20; ++i) {
    groups.push_back({.id = GroupId::make(now, entropy), .name = fmt::format("group {:02}", i),
                      .name_key = fmt::format("group {:02}", i), .created_at = now});
    batch.push_back(InsertGroup{groups.back()});
  }
  for (int i = 0; i < users; ++i) {
    now = clock.now();  // ids are ordered by time
    const auto user = user_of(groups[static_cast<std::size_t>(i) % groups.size()], i, entropy, now);
    auto grant = grant_of(user, i, entropy, now);
    batch.push_back(InsertUser{user});
    batch.push_back(InsertGrant{grant});
    batch.push_back(PutGeneration{{.grant = grant.id, .number = 1, .refresh_sealed = Bytes(900, 1),
                                   .access_sealed = Bytes(2'000, 2), .issued_at = now}});
    if (kept.size() < 64) kept.push_back(grant);
    if (batch.size() >= 3'000 || i + 1 == users) {
      LATCHKEY_CHECK(wait_for(store.commit(std::move(batch), Urgency::bookkeeping)).has_value());
      batch = {};
    }
  }
  return kept;
}

void time_query(Store& store, const char* what, UserQuery query) {
  double best = 1e9;
  std::int64_t total = 0;
  for (int i = 0; i < 5; ++i) {
    const auto start = Clock::now();
    const auto found = wait_for(store.users(query));
    best = std::min(best, seconds_since(start));
    total = found ? found->total : -1;
  }
  fmt::print("users list, {:<28} {:>8.2f} ms  ({} found)\n", what, best * 1e3, total);
}

std::string anonymous_memory() {
  std::ifstream file("/proc/self/smaps_rollup");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("Pss_Anon:")) return line.substr(9);
  }
  return "unknown";
}

int run(const std::string& directory, int users) {
  base::SystemWallClock clock;
  base::SystemEntropy entropy;
  base::StreamLog log(2, base::LogLevel::warning, clock);
  const auto path = directory + "/bench.db";
  fmt::print("bare pwrite + fdatasync              {:>8.0f} /s\n", bare_syncs(directory, std::chrono::seconds(3)));
  auto store = open_sqlite_store({.path = path}, clock, log);
  auto journal = open_reply_journal(directory + "/journal", log);
  LATCHKEY_CHECK(store.has_value() && journal.has_value());
  auto start = Clock::now();
  Bench bench{**store, **journal, clock, entropy, insert_users(**store, entropy, clock, users), {}};
  fmt::print("{} users with a grant each, inserted in {:.1f} s\n", users, seconds_since(start));
  for (const std::size_t committers : {1, 8, 64}) {
    fmt::print("store commits, {:>2} committers         {:>8.0f} /s\n", committers, rate_of(bench, commit_until, committers));
  }
  for (const std::size_t committers : {1, 8, 64}) {
    fmt::print("journal records, {:>2} committers       {:>8.0f} /s\n", committers, rate_of(bench, journal_until, committers));
  }
  *store = nullptr;
  start = Clock::now();
  store = open_sqlite_store({.path = path}, clock, log);
  LATCHKEY_CHECK(store.has_value());
  fmt::print("opened again in {:.0f} ms\n", seconds_since(start) * 1e3);
  time_query(**store, "first page", {});
  time_query(**store, "search, no match", {.search = "nobody at all"});
  time_query(**store, "search, one user name", {.search = fmt::format("user{:06}", users - 1)});
  time_query(**store, "search, one mail address", {.search = fmt::format("person{}@", users - 1)});
  time_query(**store, "search, all match", {.search = "PERSON"});
  time_query(**store, "type and rare state", {.type = "onedrive-business", .state = GrantState::needs_authorization});
  start = Clock::now();
  const auto due = wait_for((*store)->due_grants(NodeId(), clock.now(), 512, {}));
  fmt::print("due grants, {} of them               {:>8.2f} ms\n", due ? due->size() : 0, seconds_since(start) * 1e3);
  fmt::print("anonymous memory                 {}\n", anonymous_memory());
  return 0;
}

}  // namespace
}  // namespace latchkey::store

int main(int count, char** arguments) {
  const std::string directory = count > 1 ? arguments[1] : "";
  // Made here, so that removing it at the end takes nothing of anybody's.
  if (directory.empty() || !std::filesystem::create_directory(directory)) {
    fmt::print(stderr, "store_bench NEW_DIRECTORY [USERS]\n");
    return 2;
  }
  const int result = latchkey::store::run(directory, count > 2 ? std::atoi(arguments[2]) : 100'000);
  std::filesystem::remove_all(directory);
  return result;
}

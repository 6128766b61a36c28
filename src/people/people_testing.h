// A small office for the tests of this room: a real store in a temporary directory, still clocks, cheap Argon2id.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>

#include "base/fakes_testing.h"
#include "people/directory.h"
#include "people/setup.h"
#include "store/sqlite/sqlite_store.h"

namespace latchkey::people {

using namespace std::chrono_literals;

struct MemoryWatcher final : GateWatcher {
  void budget_reached(UserId, std::string username, std::string bucket) override { reached.push_back(username + " " + bucket); }
  void source_limited(std::string source) override { limited.push_back(source); }
  void pin_seen_in_clear(std::string username, std::string) override { clear.push_back(username); }
  std::vector<std::string> reached, limited, clear;
};

struct MemoryDirectoryWatcher final : DirectoryWatcher {
  void counters_forgotten(UserId user) override { forgotten.push_back(user); }
  void pin_replaced(std::string username) override { replaced.push_back(username); }
  std::vector<UserId> forgotten;
  void pin_reset(const store::User& user, std::string by) override { reset.push_back(user.username + " by " + by); }
  std::vector<std::string> replaced, reset;
};

class Office : public ::testing::Test {
 protected:
  static constexpr vault::PinCost kCheap{.memory_kib = 64, .passes = 1};
  static constexpr std::string_view kDevice = "192.0.2.10";
  static constexpr std::string_view kElsewhere = "203.0.113.66";
  static constexpr std::string_view kPin = "k7mq2xw9pd";

  Office() {
    std::string pattern = (std::filesystem::temp_directory_path() / "latchkey-people-XXXXXX").string();
    folder = mkdtemp(pattern.data());
    auto opened = store::open_sqlite_store({.path = (folder / "latchkey.db").string()}, wall, log);
    EXPECT_TRUE(opened) << opened.error().text;
    store = std::move(*opened);
    start();
    group = run(directory->add_group("Office", admin))->id;
  }
  ~Office() override {
    stop();
    store.reset();
    std::filesystem::remove_all(folder);
  }

  // Everything that lives in memory; a second start() is a restart of the server.
  void start() {
    registry = std::make_unique<store::Registry>(*store, wall);
    hot = std::make_unique<vault::HotCache>(vault::HotCache::Bounds{}, entropy, steady);
    cards = std::make_unique<UserCards>(*store, seal, steady, log);
    hasher = std::make_unique<PinHasher>(hasher_options, steady);
    gate = std::make_unique<PinGate>(PinGate::Parts{.guard = guard_parts(), .hot = *hot, .seal = seal, .cost = kCheap});
    sessions = std::make_unique<Sessions>(Sessions::Parts{.guard = guard_parts(), .seal = seal, .entropy = entropy, .cost = kCheap});
    directory = std::make_unique<Directory>(Directory::Parts{.store = *store, .registry = *registry, .vault = vault, .seal = seal,
                                                             .cards = *cards, .hot = *hot, .hasher = *hasher, .gate = *gate,
                                                             .wall = wall, .entropy = entropy, .cost = kCheap});
  }
  void stop() {
    directory.reset();
    sessions.reset();
    gate.reset();
    hasher.reset();
    cards.reset();
    hot.reset();
    registry.reset();
  }
  Guard::Parts guard_parts() {
    return {.store = *store, .registry = *registry, .vault = vault, .cards = *cards, .hasher = *hasher, .wall = wall,
            .steady = steady, .log = log, .watcher = watcher};
  }

  template <class T>
  T run(Task<T> task) {
    return base::run_on_loop(loop, steady, std::move(task));
  }
  void pass(std::chrono::nanoseconds span) {
    wall.advance(std::chrono::duration_cast<Milliseconds>(span));
    steady.advance(span);
  }
  void set(std::string key, std::string value) {
    const auto done = run(registry->set(key, value, {.actor = "anna", .source = ""}));
    EXPECT_TRUE(done) << (done ? "" : done.error().text);
  }

  store::User add(std::string username, std::string_view pin = kPin) {
    auto user = run(directory->add_user({.username = username, .group = group}, admin));
    EXPECT_TRUE(user) << (user ? "" : user.error().text);
    if (pin.empty()) return *user;
    auto with_pin = run(directory->reset_pin(user->id, Secret(pin), Confirmation::by_control_socket(), admin));
    EXPECT_TRUE(with_pin) << (with_pin ? "" : with_pin.error().text);
    return *with_pin;
  }
  store::User add_administrator(std::string username, std::string_view password = "correct horse") {
    auto user = run(directory->add_user({.username = username, .group = group, .role = store::Role::administrator,
                                         .password = Secret(password)}, admin));
    EXPECT_TRUE(user) << (user ? "" : user.error().text);
    return *user;
  }

  Attempt attempt(std::string username, std::string_view pin, std::string_view source = kDevice) {
    return {.username = std::move(username), .pin = Secret(pin), .source = std::string(source), .transport = Transport::tls,
            .uses = store::kUseDeliver, .arrived = steady.now()};
  }
  // What came of it: `admitted`, or the reason and how long after arrival it left.
  struct Answer {
    std::string words;
    std::chrono::nanoseconds took{};
    Error error{};
    friend bool operator==(const Answer& a, const Answer& b) { return a.words == b.words && a.took == b.took && a.error == b.error; }
  };
  Answer answer_to(Attempt one) {
    const auto arrived = one.arrived;
    const auto result = run(gate->admit(std::move(one)));
    return {.words = result ? "admitted" : result.error().reason, .took = steady.now() - arrived,
            .error = result ? Error{} : result.error()};
  }
  Answer answer(std::string username, std::string_view pin, std::string_view source = kDevice) {
    return answer_to(attempt(std::move(username), pin, source));
  }
  std::string words(std::string username, std::string_view pin, std::string_view source = kDevice) {
    return answer(std::move(username), pin, source).words;
  }
  // A wrong PIN after the delays of earlier ones have passed.
  std::string patient_wrong(const std::string& username, int number, std::string_view source) {
    pass(61s);
    return words(username, "wrong pin " + std::to_string(number), source);
  }
  std::int64_t counted(UserId user, std::string_view bucket) {
    const auto counts = run(store->pin_failures(user));
    for (const auto& count : *counts) {
      if (count.bucket == bucket) return count.distinct;
    }
    return 0;
  }

  base::SimulatedWallClock wall;
  base::SimulatedSteadyClock steady;
  base::MemoryLog log;
  base::SystemEntropy entropy;
  boost::asio::io_context loop;
  MemoryWatcher watcher;
  std::filesystem::path folder;
  vault::Vault vault{Secret(Bytes(32, 1)), entropy};
  UserSeal seal{vault};
  PinHasher::Options hasher_options;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<store::Registry> registry;
  std::unique_ptr<vault::HotCache> hot;
  std::unique_ptr<UserCards> cards;
  std::unique_ptr<PinHasher> hasher;
  std::unique_ptr<PinGate> gate;
  std::unique_ptr<Sessions> sessions;
  std::unique_ptr<Directory> directory;
  GroupId group;
  Actor admin{.name = "anna", .source = "192.0.2.1"};
};

}  // namespace latchkey::people

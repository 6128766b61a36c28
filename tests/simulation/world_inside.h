// The inside of a world: world.cpp makes and runs it, happenings.cpp is what happens to it.
#pragma once

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <optional>
#include <set>

#include "machine.h"
#include "world.h"

namespace latchkey::simulation {

inline constexpr int kProviders = 4;
enum ProviderKind { kPlain, kEarly, kKills, kCapped };
// The capped one takes so many token requests.
inline constexpr std::int64_t kCapRequests = 120;
inline constexpr Seconds kCapPer{60};
struct TypeRow;

class World {
 public:
  explicit World(const WorldOptions& options);
  ~World();
  Outcome run();

 private:
  // making
  void choose_shape();
  void choose_habits(Account& account, const TypeRow& type, ProviderKind kind);
  void populate();
  void put_apps(store::Batch& batch);
  // machines
  void start(Machine& machine);
  void bury(Machine& machine);  // a dead server unwinds, and is gone
  void look_after_machines();
  void read_back(Machine& machine);
  // restoring.cpp
  void plan_restore();
  void plan_fall_back();
  void fall_back(const MemoryStore& before);
  void back_up(Machine& machine);
  void put_back(Machine& machine);
  [[nodiscard]] Server* any_server() { return any_server(chance_); }
  [[nodiscard]] Server* any_server(Chance& chance);
  template <class T>
  std::optional<T> finish(Task<T> task, Nanoseconds within);
  void pass(Nanoseconds span);
  void pass_until_fresh(Nanoseconds bound);
  // what happens to them: happenings.cpp
  void happened(const std::string& what, std::string_view where = {});  // counted by name, and told
  void happened_to(std::size_t subject, const std::string& what);
  void plan_fault();
  void part_in_mid_exchange(Machine& machine, Nanoseconds span);
  void one_fault();
  void calm();
  void plan_caller();
  void one_caller();
  void plan_person();
  void one_person();
  [[nodiscard]] static Task<void> ask_for_token(World* world, Server* server, std::size_t subject, Seconds min_valid);
  void switch_on_later(std::size_t subject, Nanoseconds after);
  void switch_off_later(std::size_t subject, const char* as);
  void switch_off_beside(std::size_t subject);
  [[nodiscard]] static Task<void> switch_grant(World* world, Server* server, std::size_t subject, bool enabled);
  [[nodiscard]] static Task<void> click_refresh(Server* server, GrantId grant);
  [[nodiscard]] static Task<void> authorise_again(World* world, Server* server, std::size_t subject);
  void act(Server& server, Task<void> task);
  void change_secret(ProviderKind kind);
  void tell_operator(int provider, Nanoseconds after);
  [[nodiscard]] static Task<void> mend_secret(World* world, Server* server, int provider);
  void check_end();

  const WorldOptions options_;
  Chance chance_;
  Chance more_{options_.seed * 0xd1342543de82ef95u + 3};  // of faults that came later, so that a seed's other ones stay as they were
  const bool repeats_requests_ = more_.happens(0.3);
  Chance later_{options_.seed * 0xaef17502108ef2d9u + 5};  // the same, later still
  Chance switching_{options_.seed * 0x8cb92ba72f3d8dd7u + 7};  // of switching off and giving back, later than that
  Timeline timeline_;
  ChanceEntropy entropy_;
  vault::Vault vault_;
  grants::Sealing sealing_;
  std::vector<Provider> providers_;
  Story story_;
  Invariants invariants_;
  MachineWall true_wall_;
  MemoryStore memory_;
  Ground ground_;
  std::optional<vault::KeyPair> pair_;
  std::vector<std::unique_ptr<Machine>> machines_;
  std::array<std::string, kProviders> secret_in_use_;
  std::array<bool, kProviders> secret_changing_{};
  std::set<std::size_t> authorising_;
  std::map<std::string, std::uint64_t> taken_;
  std::uint64_t posts_ = 0;
  struct Backup {
    Disk disk;
    WallTime made_at;
  };
  std::optional<Backup> backup_;
  bool restore_due_ = false;  // before the next start
  std::string shape_;
  // drawn
  int nodes_ = 1;
  bool own_store_ = false;
  int grants_ = 1;
  Nanoseconds faults_until_{0};
  double severity_ = 0;
  bool steps_clocks_ = false;
  bool breaks_disks_ = false;
  bool restores_ = false;
  bool falls_back_ = false;
  Seconds longest_lifetime_{0};
  Nanoseconds between_faults_{0}, between_callers_{0}, between_people_{0};
  bool calm_ = false;
  bool over_ = false;
};

template <class T>
std::optional<T> World::finish(Task<T> task, Nanoseconds within) {
  auto result = std::make_shared<std::optional<T>>();
  boost::asio::co_spawn(timeline_.loop(), std::move(task), [result](const std::exception_ptr& problem, T value) {
    if (!problem) result->emplace(std::move(value));
  });
  timeline_.run_until(timeline_.now() + within, [&] { return result->has_value(); });
  return std::move(*result);
}

}  // namespace latchkey::simulation

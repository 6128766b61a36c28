// A machine of a simulated world: its disk, its wall clock, and the server that runs on it, again and again.
//
// What runs is the product: keeper, lifecycle, exchange, sealing, provider clients, grant care, revocations, signs of
// life, the reply journal, and (with one node) the SQLite store.
#pragma once

#include <memory>
#include <optional>

#include "base/log.h"
#include "grants/fail_over.h"
#include "grants/grant_care.h"
#include "grants/keeper.h"
#include "grants/nodes.h"
#include "grants/common_clock.h"
#include "grants/prudent_clock.h"
#include "memory_store.h"
#include "network.h"
#include "store/reply_segments.h"
#include "store_link.h"
#include "vfs.h"

namespace latchkey::simulation {

// What all machines of a world share.
struct Ground {
  Timeline& timeline;
  std::shared_ptr<const catalog::Catalog> catalogue;
  const vault::Vault& vault;
  const grants::Sealing& sealing;
  Entropy& entropy;
  std::vector<Provider>& providers;
  Invariants& invariants;
  MemoryStore* shared_store = nullptr;  // nullptr: the machine has a store of its own
  grants::KeeperTuning tuning;
  grants::RevocationTuning revocation;
  std::function<bool(const std::string& app, const std::string& account)> consent_under_way;  // what the authorization desk knows
  Seconds polling_time;
  store::JournalSize journal;
  int checkpoint_pages = 4'000;
  Nanoseconds disk_moment{200'000};     // how long the disk takes at most for a piece of work
  bool print_log = false;
};

class QuietLog final : public Log {
 public:
  QuietLog(const Timeline& timeline, std::string name, bool print) : timeline_(timeline), name_(std::move(name)), print_(print) {}
  void write(base::LogLevel level, std::string_view event, std::vector<base::LogField> fields) override;

 private:
  const Timeline& timeline_;
  std::string name_;
  bool print_;
};

class Server final : public grants::GrantWatcher {
 public:
  Server(Ground& ground, std::string name, NodeId node, Disk& disk, const WallClock& wall, Weather& weather, const LinkWeather& link_weather,
         Chance chance);
  ~Server() override;

  // False: it could not open what it lives on.
  [[nodiscard]] bool open();
  [[nodiscard]] Task<bool> start();
  [[nodiscard]] Task<bool> stop();

  Process process;
  ProcessClock steady;
  QuietLog log;
  grants::Counters counters;
  int callers = 0;  // of fresh() and the like, not answered yet
  bool starting = false;
  bool started = false;

  [[nodiscard]] store::Store& store() { return *link_; }
  [[nodiscard]] store::ReplyJournal& journal() { return *journal_link_; }
  [[nodiscard]] grants::Keeper& keeper() { return *keeper_; }
  [[nodiscard]] grants::ProviderClients& clients() { return *clients_; }
  [[nodiscard]] grants::GrantCare& care() { return *care_; }
  [[nodiscard]] grants::GivingBack& giving_back() { return *giving_back_; }
  [[nodiscard]] const grants::PrudentClock& clock() const { return prudent_; }
  [[nodiscard]] bool disk_failed() const { return journal_ && journal_->failed(); }
  [[nodiscard]] std::uint64_t posts() const { return network_.posts; }
  void count_branches(std::map<std::string, std::uint64_t>& taken) const;

 private:
  void grant_changed(UserId, GrantId) override {}
  [[nodiscard]] static Task<bool> is_under_way(const Ground* ground, std::string app, std::string account);

  Ground& ground_;
  Disk& disk_;
  const WallClock& wall_;
  grants::CommonClock common_;
  grants::PrudentClock prudent_;
  grants::Alerts alerts_;
  NodeId node_;
  const LinkWeather& link_weather_;
  Chance chance_;
  SimulatedFiles files_;
  std::unique_ptr<SimulatedVfs> vfs_;
  std::unique_ptr<store::Store> own_store_;
  std::unique_ptr<store::ReplyJournal> journal_;
  std::unique_ptr<StoreLink> link_;
  std::unique_ptr<JournalLink> journal_link_;
  Network network_;
  std::unique_ptr<grants::ProviderClients> clients_;
  std::unique_ptr<grants::Exchange> exchange_;
  std::unique_ptr<grants::GivingBack> giving_back_;
  std::unique_ptr<grants::Keeper> keeper_;
  std::unique_ptr<grants::GrantCare> care_;
  std::unique_ptr<grants::FailOverWatch> fail_over_;
  std::unique_ptr<grants::Nodes> nodes_;  // where the store is shared: the only node of a store shows itself to nobody
  TaskGroup upkeep_;
};

struct Machine {
  Machine(Timeline& timeline, std::string name_in, NodeId node_in, Chance chance) : name(std::move(name_in)), node(node_in), disk(chance), wall(timeline) {}
  std::string name;
  NodeId node;
  Disk disk;
  MachineWall wall;
  Weather weather;
  LinkWeather link;
  std::unique_ptr<Server> server;
  std::optional<std::uint64_t> dies_in;  // calls of its disk from now
  int starts = 0;
};

}  // namespace latchkey::simulation

// The queue: every document that was accepted goes to its destination, or a person is told (docs/design/delivery.md).
//
// Invariants: a delivery is sent by one task at a time; every step that another process must know of is in the store before
// the next one begins; a document leaves the spool only after the commit that says where it is; of one name at a place where
// the last one to arrive shows, the older document goes first; every delivery of this node's that is in work is known here,
// by its id and due time, from start() on; pace and age are not the wall clock's to change (due_times.h). Concurrency: everything runs on the executor given, but for offer() and
// withdraw().
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/broadcast.h"
#include "base/task_group.h"
#include "connectors/registry.h"
#include "delivery/counters.h"
#include "delivery/destination.h"
#include "delivery/due_times.h"
#include "delivery/name_order.h"
#include "delivery/parked_groups.h"
#include "delivery/spool.h"
#include "delivery/turns.h"
#include "grants/alerts.h"
#include "grants/delegation.h"
#include "grants/provider_client.h"
#include "store/store.h"

namespace latchkey::delivery {

struct QueueTuning {
  Seconds back_off_first{5};
  Seconds back_off_max{900};
  Seconds parked_looked_at{30};  // how often a parked one is looked at, while that asks nobody but this server
  Seconds give_up_after{259'200};
  Seconds keep_records{2'592'000};
  Seconds keep_failed{0};  // failed and maybe sent; 0: until a person decides
  Seconds keep_parked{0};
  Pace pace;
};

class Queue {
 public:
  struct Parts {
    store::Store& store;
    Spool& spool;
    grants::Delegations& delegations;
    grants::ProviderClients& clients;
    const grants::Sealing& sealing;
    const connectors::Connectors& connectors;
    grants::Alerts& alerts;
    Counters& counters;
    const WallClock& wall;
    SteadyClock& steady;
    Entropy& entropy;
    Log& log;
    Executor executor;
    NodeId node;
    std::function<QueueTuning()> tuning;
    std::function<void()> cut;                                // ends every upload under way; on the executor
    std::function<Task<void>(store::Delivery)> tell_owner{};  // that a person is needed; empty: nobody is told
  };
  explicit Queue(Parts parts);
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;
  ~Queue();

  // Settles what an earlier process left (documents nobody was told of go, uploads go on where they stopped), then sends
  // until stop(). Errors: those of the store and the spool.
  [[nodiscard]] Task<Result<void>> start();
  // Starts nothing new and cuts what is being sent: it goes on at the next start.
  [[nodiscard]] Task<void> stop();

  // It has been accepted, or a person has changed when or where it goes. From any thread.
  void offer(const store::Delivery& delivery);
  // It has been deleted: what waited behind it may go. From any thread.
  void withdraw(DeliveryId id);
  // The delivery as soon as it is neither queued nor being sent, or as it is after `patience`. Errors:
  // not_found/`no_such_delivery`, those of the store.
  [[nodiscard]] Task<Result<store::Delivery>> wait_for(DeliveryId id, Seconds patience);
  // Whether a task is at work on it.
  [[nodiscard]] bool is_sending(DeliveryId id) const { return turns_.is_under_way(id); }

 private:
  class Tokens;
  class Spooled;
  class Marks;
  // A delivery and everything that has to be known to send it.
  struct Job {
    store::Delivery delivery;
    connectors::Connector* connector = nullptr;
    connectors::StoreOrder order;
    store::ConflictRule rule = store::ConflictRule::rename;  // as the order has it
  };
  // Whether it may be sent now, or has to wait for another of its name; `otherwise`: for another reason than was known.
  enum class Place { goes, waits, waits_otherwise };
  // What a try has come to for the order of turns; `again_at`: it waits until then. `bars`: it may still go by itself, so
  // that newer ones of its name wait. `waits_with`: it is parked, and so is all that goes the same way. `settled`: it is
  // neither queued nor being sent any more, but it was.
  struct Outcome {
    Reached reached = Reached::unknown;
    std::optional<WallTime> again_at{};
    Place place = Place::goes;
    bool bars = true;
    std::optional<SharedWay> waits_with{};
    bool settled = false;
  };
  // How a try went that failed. `asked`: the destination has been asked; `looked`: the delivery was parked before it;
  // `begun`: its connector has had it.
  struct Try {
    bool idempotent = true;
    bool asked = false;
    bool looked = false;
    bool begun = false;
  };
  using Change = std::function<bool(store::Delivery&)>;  // false: nothing is to be written

  // queue_start.cpp
  [[nodiscard]] Task<Result<void>> settle_spool();
  // Files of documents whose records other nodes have deleted go.
  [[nodiscard]] Task<Result<void>> remove_deleted_elsewhere();
  // Documents put aside earlier that this store knows go back into the spool.
  [[nodiscard]] Task<Result<void>> take_back_strays();
  // Whether the store knows of it.
  [[nodiscard]] Task<Result<bool>> settle_document(DeliveryId id);
  [[nodiscard]] Task<Result<void>> take_up();
  // When it goes on; nullopt: not by itself.
  [[nodiscard]] Task<Result<std::optional<WallTime>>> settle_one(store::Delivery delivery);
  // Whether it may be sent again by itself: only where the same document sent twice is one document.
  [[nodiscard]] Task<Result<bool>> may_go_on(store::Delivery delivery);
  // Whether all of what is old is gone: what was being tried, or changed meanwhile, is left for the next look. What lies at
  // other nodes they forget themselves: here its document would be left behind.
  [[nodiscard]] Task<bool> forget_old();
  [[nodiscard]] Task<bool> forget(store::Delivery delivery);
  [[nodiscard]] Task<void> forget_strays();
  // Where an earlier process left it.
  [[nodiscard]] Task<Result<void>> set_age_clock();
  [[nodiscard]] Task<void> keep_age_clock();
  [[nodiscard]] Task<void> tell_of_strays();

  // queue.cpp
  void wake();
  // Until what its record says, or what is said instead of it.
  void wait(DeliveryId id, const std::string& connector, WallTime due_at);
  void wait_no_longer(DeliveryId id, const std::string& connector);
  // What may be old is so by this.
  [[nodiscard]] WallTime age_now();
  [[nodiscard]] Task<void> forget_in_turn();
  [[nodiscard]] Task<void> run();
  void begin_due();
  [[nodiscard]] std::chrono::nanoseconds rest_after(SteadyTime looked_at) const;
  [[nodiscard]] Task<void> sweep();
  [[nodiscard]] Task<void> send(Turn turn);
  void settle_turn(const Turn& turn, const Outcome& outcome);
  void look_for_the_others(const std::optional<ParkedGroups::Looked>& next);

  // queue_order.cpp
  void line_up(const store::Delivery& delivery, WallTime due_at);
  // To those that another of their name has let go.
  void give_turns();
  // Errors: those of the store.
  [[nodiscard]] Task<Result<Place>> place_of(Turn turn);
  [[nodiscard]] bool is_still_in(DeliveryId behind, const std::optional<store::Delivery>& ahead) const;
  // Writes what it waits for into the record; whether that was new.
  [[nodiscard]] Task<Result<bool>> tell_it_waits(DeliveryId id, bool for_person);

  // queue_send.cpp
  [[nodiscard]] Task<Outcome> take_turn(Turn turn);
  [[nodiscard]] Task<Outcome> send_one(Turn turn);
  // A parked one: it counts as parked until its account opens again. Where nothing is new, nothing is written.
  [[nodiscard]] Task<Outcome> look_at(store::Delivery delivery);
  [[nodiscard]] Task<Outcome> send_prepared(Job job, Try how);
  // Those that are parked for what one of them has just got.
  void let_the_others_go(const store::Delivery& delivery);
  // All but the document. Errors: what is to become of the delivery.
  [[nodiscard]] Task<Result<Job>> prepare(store::Delivery delivery);
  [[nodiscard]] Task<void> end_well(store::Delivery delivery, connectors::Receipt receipt);
  [[nodiscard]] Task<Outcome> end_badly(store::Delivery delivery, Error error, Try how);
  // Reads the newest record, changes it, and writes it, until nobody was faster. nullopt: it was deleted meanwhile, or
  // nothing was to be written.
  [[nodiscard]] Task<Result<std::optional<store::Delivery>>> change(DeliveryId id, Change what);
  [[nodiscard]] Seconds back_off(std::int32_t tries, std::optional<Seconds> asked_for);
  [[nodiscard]] Task<void> tell_people();

  Parts parts_;
  Destinations destinations_;
  TaskGroup tasks_;
  base::Broadcast wake_;
  base::Broadcast settled_;
  Turns turns_;
  DueTimes due_times_;
  std::optional<AgeClock> age_;
  NameOrder order_;
  ParkedGroups parked_;
  SteadyTime sweep_again_at_{};
  SteadyTime forget_again_at_{};
  SteadyTime tell_again_at_{};
  SteadyTime keep_age_again_at_{};
  bool strays_ = false;  // some were lying aside when last looked
  bool nudged_ = false;  // since the last turn of run() began: what it may have missed is looked for again at once
  bool forgetting_ = false;
  bool stopping_ = false;
};

}  // namespace latchkey::delivery

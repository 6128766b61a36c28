// Where an exchange waits for its turn, before anything is claimed: for a place among those in flight at once, for one of the few places
// of exchanges that are never repeated (F4), and for the provider's cap on token requests (R25).
//
// Invariants: within an app it is first come, first served, but for whoever is in haste; whatever app wants places is sure of some; the cap is paid at the moment the
// place is given, so that a crowd that has waited does not go all at once.
// Concurrency: everything runs on one executor.
#pragma once

#include <algorithm>
#include <expected>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/broadcast.h"
#include "grants/app_places.h"
#include "grants/circuit.h"

namespace latchkey::grants {

class ExchangeGate {
 public:
  struct Bounds {
    std::size_t parallel = 256;  // exchanges in flight
    std::size_t one_shot = 32;   // of them, those that are never repeated
  };
  // Who goes: whose app, by what cap. The cap outlives the place.
  struct Passenger {
    std::string app;
    bool one_shot = false;
    RateCap& cap;
  };
  // Given back when it goes; the gate outlives it.
  class Place {
   public:
    Place(ExchangeGate& gate, const Passenger& whose) : gate_(&gate), app_(whose.app), one_shot_(whose.one_shot) {}
    Place(Place&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)), app_(std::move(other.app_)), one_shot_(other.one_shot_) {}
    Place& operator=(Place&&) = delete;
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    [[nodiscard]] const std::string& app() const { return app_; }
    ~Place() {
      if (gate_ != nullptr) gate_->give_back(app_, one_shot_);
    }

   private:
    ExchangeGate* gate_;
    std::string app_;
    bool one_shot_;
  };
  enum class Full { places, one_shots, cap, line };  // what is missing; `line`: others of the app stand there

  ExchangeGate(Executor executor, SteadyClock& steady, std::function<Bounds()> bounds)
      : executor_(std::move(executor)), steady_(steady), bounds_(std::move(bounds)) {}
  ExchangeGate(const ExchangeGate&) = delete;
  ExchangeGate& operator=(const ExchangeGate&) = delete;

  // The next who are refused for lack of places count, for has_room_again().
  void begin_sweep() { lacked_places_ = lacked_one_shots_ = Lack{}; }
  // Whether a sweep has been refused places.
  [[nodiscard]] bool has_refused() const { return lacked_places_.since_any || lacked_one_shots_.since_any; }
  // Whether enough of what a sweep has been refused was given back for another one to be worth its while.
  [[nodiscard]] bool has_room_again() const { return lacked_places_.is_over() || lacked_one_shots_.is_over(); }
  // No place is left for anybody, which counts as a refusal.
  [[nodiscard]] bool is_full();
  // At once or not at all. Who stands in line goes first.
  [[nodiscard]] std::expected<Place, Full> try_enter(const Passenger& who);
  // nullopt: the turn has not come within `patience`, or `wanted` says no when it comes, or the gate is closed.
  [[nodiscard]] Task<std::optional<Place>> enter(Passenger who, std::function<bool()> wanted, Seconds patience);
  // Before all who stand in the app's line but others in haste; and when no turn has come within `patience`, or the gate is closed, all
  // the same: counted among those in flight and towards the cap as ever, so that whoever comes after waits the longer.
  [[nodiscard]] Task<Place> enter_in_haste(Passenger who, Seconds patience);
  // Nobody enters any more who is not in haste, and who waits is turned away.
  void close();

  // Whether somebody stands in a line for a place that is free now: who has just given one back leaves it to them.
  [[nodiscard]] bool is_waited_for() const;

  [[nodiscard]] std::size_t in_flight() const { return places_.taken(); }

 private:
  // Places that a sweep was refused: over when as many as are enough have come back and stayed free. Never none, or a sweep would
  // follow at once.
  struct Lack {
    bool since_any = false;
    std::size_t enough = 1;
    std::size_t back = 0;
    std::size_t kept = 0;  // free all along, for those who are owed some
    [[nodiscard]] bool is_over() const { return since_any && back >= enough; }
    void refuse(std::size_t enough_in, std::size_t free) {
      const auto came = since_any ? std::min(back, free) : 0;
      *this = {.since_any = true, .enough = std::max<std::size_t>(1, enough_in), .back = came, .kept = free - came};
    }
    void take() {
      auto& from = kept > 0 ? kept : back;
      from -= std::min<std::size_t>(1, from);
    }
  };
  enum class Haste { no, yes };
  struct Waiter {
    Waiter(Executor executor, Haste haste_in, bool one_shot_in) : wake(std::move(executor)), haste(haste_in), one_shot(one_shot_in) {}
    base::Broadcast wake;
    Haste haste;
    bool one_shot;
    bool lacks_cap = false;  // when it looked last
  };
  using Line = std::list<Waiter>;
  void refuse_places(const Bounds& bounds);
  [[nodiscard]] std::optional<Full> missing(const Passenger& who);  // takes everything, or nothing
  [[nodiscard]] Task<std::optional<Place>> stand_in_line(Passenger who, std::function<bool()> wanted, Seconds patience, Haste haste);
  void give_back(const std::string& app, bool one_shot);
  void leave(const std::string& app, Line::iterator waiter);

  Executor executor_;
  SteadyClock& steady_;
  std::function<Bounds()> bounds_;
  AppPlaces places_;
  AppPlaces one_shots_;
  Lack lacked_places_;
  Lack lacked_one_shots_;
  std::map<std::string, Line> lines_;  // by app; none is empty
  bool closed_ = false;
};

}  // namespace latchkey::grants

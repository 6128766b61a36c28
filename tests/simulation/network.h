// The way from a process to the providers: cut after any octet, late, lost, partitioned.
#pragma once

#include <functional>

#include "base/pool.h"
#include "invariants.h"
#include "net/http_client.h"
#include "provider.h"

namespace latchkey::simulation {

// How the network behaves at the moment: probabilities of one call.
struct Weather {
  bool partitioned = false;    // nothing gets through
  double no_connection = 0;
  double request_lost = 0;     // sent, never read by the provider
  double reply_lost = 0;       // the provider has answered, and nothing arrives
  double reply_cut = 0;        // ... or some octets of it
  double slow = 0;             // takes seconds, up to past the deadline
  double late_request = 0;     // the provider reads it when the sender has given up
  double read_twice = 0;       // somebody on the way sends it again: the provider answers twice, and one of the answers arrives
  double sender_stops = 0;     // in mid-exchange, for up to minutes (R6), but not beyond:
  Nanoseconds all_go_on_at{0};
  Nanoseconds usual{20'000'000};
  std::function<void()> with_next_request;  // happens once, when one has left
};

class Network final : public net::HttpTransport {
 public:
  Network(Timeline& timeline, Process& process, Weather& weather, std::vector<Provider>& providers, Invariants& invariants, Chance chance)
      : timeline_(timeline), process_(process), weather_(weather), providers_(providers), invariants_(invariants), chance_(chance), revoking_(Chance(chance).next() + 1) {}

  [[nodiscard]] Task<net::HttpOutcome> send(net::HttpCall call) override;

  std::map<std::string, std::uint64_t> taken;
  std::uint64_t posts = 0;

 private:
  struct Call;
  using Resume = std::move_only_function<void(net::HttpOutcome)>;
  void begin(net::HttpCall call, Resume resume);
  // A token on its way back: no exchange, so nothing of those is told of it.
  void begin_giving_back(const std::shared_ptr<Call>& call, Nanoseconds connect_timeout);
  static void read_given_back(Call& call, Invariants& invariants);
  [[nodiscard]] net::HttpOutcome outcome_of_giving_back(const Call& call);
  // The provider reads the request and answers; the sender may be gone by then.
  static void read(Call& call, Invariants& invariants);
  // ... and once more; `overtakes`: of the two answers this one arrives.
  static void read_again(Call& call, Invariants& invariants, bool overtakes);
  void finish(const std::shared_ptr<Call>& call);
  [[nodiscard]] net::HttpOutcome outcome_of(Call& call);

  Timeline& timeline_;
  Process& process_;
  Weather& weather_;
  std::vector<Provider>& providers_;
  Invariants& invariants_;
  Chance chance_;
  Chance revoking_;  // of tokens on their way back, so that they do not move what else is drawn
};

}  // namespace latchkey::simulation

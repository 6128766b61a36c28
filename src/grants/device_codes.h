// Authorising with a device code (RFC 8628): the code is asked for, and its answer awaited, over restarts as well.
//
// Invariants: a code is asked about by the node that begun it alone, at the provider's pace; the answer that grants is in
// the journal before it is read; each code that is asked about belongs to an attempt that is pending. Concurrency: the
// engine's executor.
#pragma once

#include <functional>
#include <string>

#include "base/broadcast.h"
#include "base/task_group.h"
#include "grants/consents_under_way.h"
#include "grants/counters.h"
#include "grants/device_question.h"
#include "grants/flow_record.h"
#include "grants/keeper.h"
#include "grants/provider_client.h"

namespace latchkey::oauth {
struct DeviceCode;
}

namespace latchkey::grants {

class DevicePace;

// What becomes of the attempts that device codes belong to.
class DeviceCodeAttempts {
 public:
  virtual ~DeviceCodeAttempts() = default;
  [[nodiscard]] virtual Result<PendingFlow> open(store::Authorization row) const = 0;
  [[nodiscard]] virtual Task<Result<void>> save(PendingFlow& flow) = 0;
  // False: the store refused, or somebody else was faster.
  virtual Task<bool> settle(PendingFlow flow, store::AuthorizationState state, std::string code, std::string text,
                            std::string audit) = 0;
  // With the answer that grants.
  [[nodiscard]] virtual Task<void> take_live_reply(PendingFlow flow, ProviderClient client, Replied replied) = 0;
};

// A resource; what it is given outlives it.
class DeviceCodes {
 public:
  struct Parts {
    DeviceCodeAttempts& attempts;
    store::Store& store;
    store::ReplyJournal& journal;
    Exchange& exchange;
    ProviderClients& clients;
    Keeper& keeper;
    Counters& counters;
    net::HttpTransport& transport;
    ConsentsUnderWay& under_way;
    base::Broadcast& changes;  // told when an attempt has changed
    const WallClock& wall;
    SteadyClock& steady;
    Entropy& entropy;
    Log& log;
    Executor executor;
    NodeId node;
    std::function<KeeperTuning()> tuning;
    std::function<bool(std::string_view type)> allowed;  // RULES A5
  };
  explicit DeviceCodes(Parts parts);
  DeviceCodes(const DeviceCodes&) = delete;
  DeviceCodes& operator=(const DeviceCodes&) = delete;
  ~DeviceCodes();

  // Errors: conflict/`device_code_off`, conflict/`device_codes_waiting`.
  [[nodiscard]] Result<void> check(const std::string& type) const;
  // Asks the provider for a code and puts it into the flow; gives what must be stored with it. Errors: misconfigured/
  // `device_code_unsupported`, unavailable/`provider_unreachable`; those of oauth::parse_device_reply.
  [[nodiscard]] Task<Result<store::Batch>> begin(PendingFlow& flow, const ProviderClient& client);
  // Of an attempt that is stored: from now on its answer is awaited.
  void follow(AuthorizationId id);
  // Goes on with those that this node had begun before it was restarted.
  [[nodiscard]] Task<void> resume();
  // Returns when nothing is asked any more; the next start goes on.
  [[nodiscard]] Task<void> stop();

 private:
  class Following;
  enum class Followed { on, over };
  [[nodiscard]] Task<Result<oauth::DeviceCode>> ask(const ProviderClient& client);
  [[nodiscard]] Task<void> await_answer(AuthorizationId id);
  [[nodiscard]] Task<Followed> ask_about(PendingFlow flow, DevicePace& pace, bool& answer_lost);
  // False: the server stops.
  [[nodiscard]] Task<bool> rest(Seconds span);

  Parts parts_;
  TaskGroup following_;
  bool stopping_ = false;
  std::size_t waiting_ = 0;
};

}  // namespace latchkey::grants

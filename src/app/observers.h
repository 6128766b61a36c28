// What the parts tell each other of what an operator should see: alerts, readiness, metrics.
#pragma once

#include <atomic>
#include <mutex>

#include "app/pin_letters.h"
#include "console/alert_board.h"
#include "console/probes.h"
#include "grants/alerts.h"
#include "grants/cloud_line.h"
#include "grants/counters.h"
#include "grants/health_desk.h"
#include "grants/key_rotation.h"
#include "grants/node_desk.h"
#include "net/body_budget.h"
#include "people/directory.h"
#include "people/guard.h"
#include "store/figures.h"
#include "store/reply_journal.h"
#include "store/store.h"
#include "vault/hot_cache.h"

namespace latchkey::app {

// Guessing at PINs becomes alerts, one per user or source, which end when their cause is over: the counters are reset, the
// PIN is replaced, or a day passes without a further event. Thread-safe; set_alerts() before anything is served.
class PeopleWatcher final : public people::GateWatcher, public people::DirectoryWatcher {
 public:
  void set_alerts(grants::Alerts& alerts) { alerts_ = &alerts; }
  void set_letters(PinLetters& letters) { letters_ = &letters; }
  void budget_reached(UserId user, std::string username, std::string bucket) override;
  void source_limited(std::string source) override;
  void pin_seen_in_clear(std::string username, std::string source) override;
  void counters_forgotten(UserId user) override;
  void pin_replaced(std::string username) override;
  void pin_reset(const store::User& user, std::string by) override;

 private:
  grants::Alerts* alerts_ = nullptr;
  PinLetters* letters_ = nullptr;
};

// Ready: started, the store answers, the journal takes replies. Thread-safe.
class Readiness final : public console::ReadySource {
 public:
  Readiness(store::Store& store, const store::ReplyJournal& journal) : store_(store), journal_(journal) {}
  void set_started(bool started) { started_ = started; }
  [[nodiscard]] bool started() const override { return started_; }
  [[nodiscard]] Task<std::vector<console::ReadyCheck>> check() override;

 private:
  store::Store& store_;
  const store::ReplyJournal& journal_;
  std::atomic<bool> started_{false};
};

class EngineMetrics final : public console::MetricsSource {
 public:
  struct Parts {
    const grants::Counters& counters;
    const grants::Alerts& alerts;
    grants::HealthDesk& health;
    const store::ReplyJournal& journal;
    const store::StoreFigures& figures;
    const vault::HotCache& hot;
    Executor engine;
    store::Store& store;
  };
  explicit EngineMetrics(Parts parts) : parts_(std::move(parts)) {}
  [[nodiscard]] Task<std::vector<console::Metric>> collect() override;

 private:
  Parts parts_;
};

// How far a rotation of the master key is, and when the last backup was made.
class KeyMetrics final : public console::MetricsSource {
 public:
  KeyMetrics(const grants::Keys& keys, store::Store& store) : keys_(keys), store_(store) {}
  [[nodiscard]] Task<std::vector<console::Metric>> collect() override;

 private:
  const grants::Keys& keys_;
  store::Store& store_;
};

// How many nodes share the store, by how they are: as of a moment ago, since anybody who reaches /metrics may ask.
class NodeMetrics final : public console::MetricsSource {
 public:
  static constexpr Seconds kOldest{5};
  NodeMetrics(store::Store& store, NodeId self, const SteadyClock& steady) : store_(store), self_(self), steady_(steady) {}
  [[nodiscard]] Task<std::vector<console::Metric>> collect() override;

 private:
  store::Store& store_;
  const NodeId self_;
  const SteadyClock& steady_;
  std::mutex mutex_;
  std::vector<console::Metric> last_;
  SteadyTime taken_at_{};
};

// How much memory bodies of requests hold that have not been looked at yet.
class BodyMetrics final : public console::MetricsSource {
 public:
  explicit BodyMetrics(const net::BodyBudget& bodies) : bodies_(bodies) {}
  [[nodiscard]] Task<std::vector<console::Metric>> collect() override;

 private:
  const net::BodyBudget& bodies_;
};

// How the line to the Cloud Service fares, apart from the providers' (C7).
class CloudMetrics final : public console::MetricsSource {
 public:
  CloudMetrics(const grants::CloudCounters& counters, store::Store& store) : counters_(counters), store_(store) {}
  [[nodiscard]] Task<std::vector<console::Metric>> collect() override;

 private:
  const grants::CloudCounters& counters_;
  store::Store& store_;
};

[[nodiscard]] std::vector<console::Cause> causes_of(const grants::Alerts& alerts);

}  // namespace latchkey::app

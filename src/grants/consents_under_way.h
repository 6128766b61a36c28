// The consents that are being spent at this moment: nobody can tell yet whose account each is of.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "base/broadcast.h"
#include "grants/flow_record.h"

namespace latchkey::grants {

// The engine's executor.
class ConsentsUnderWay {
 public:
  // `changes` is told when one is over.
  explicit ConsentsUnderWay(base::Broadcast& changes) : changes_(changes) {}

  // While one lives, its flow's code, device code or imported token is being spent.
  class Spending {
   public:
    Spending(ConsentsUnderWay& all, const PendingFlow& flow) : all_(all), id_(flow.row.id) {
      all_.apps_[id_] = flow.record.grant.app;
    }
    Spending(const Spending&) = delete;
    Spending& operator=(const Spending&) = delete;
    ~Spending() {
      all_.apps_.erase(id_);
      all_.changes_.notify_all();
    }

   private:
    ConsentsUnderWay& all_;
    AuthorizationId id_;
  };

  [[nodiscard]] bool contains(const AuthorizationId& id) const { return apps_.contains(id); }
  [[nodiscard]] bool any_at(const std::string& app) const {
    return std::ranges::any_of(apps_, [&](const auto& each) { return each.second == app; });
  }

 private:
  base::Broadcast& changes_;
  std::map<AuthorizationId, std::string> apps_;
};

}  // namespace latchkey::grants

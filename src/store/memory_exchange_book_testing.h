// An ExchangeBook that lives in memory, for tests of what works on one; it passes the exercise suite like the others.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "store/exchange_book.h"

namespace latchkey::store {

class MemoryExchangeBook : public ExchangeBook {
 public:
  // As long as it is set, every write fails with it: a full disk.
  std::optional<Error> refuses;

  Result<std::optional<KeptExchange>> claim(const OfficeId& office, const IntentId& intent, std::int64_t turn,
                                            ByteView nonce, WallTime now) override {
    if (refuses) return std::unexpected(*refuses);
    const std::pair used(office, Bytes(nonce.begin(), nonce.end()));
    if (nonces_.contains(used)) return request_repeated();
    const Key key(office, intent);
    const auto found = exchanges_.find(key);
    if (found != exchanges_.end() && (found->second.state != ExchangeState::acknowledged || found->second.turn >= turn)) {
      nonces_.emplace(used, now);
      return found->second;
    }
    const auto kept = std::ranges::count_if(exchanges_, [&](const auto& each) {
      return each.first.first == office && each.second.state != ExchangeState::acknowledged &&
             each.second.state != ExchangeState::lapsed;
    });
    if (kept >= kUnacknowledgedMax) return too_many_unacknowledged();
    nonces_.emplace(used, now);
    exchanges_[key] = {.office = office, .intent = intent, .turn = turn, .changed_at = now};
    return std::nullopt;
  }
  Result<std::optional<KeptExchange>> recall(const OfficeId& office, const IntentId& intent, ByteView nonce,
                                             WallTime now) override {
    if (refuses) return std::unexpected(*refuses);
    if (!nonces_.emplace(std::pair(office, Bytes(nonce.begin(), nonce.end())), now).second) return request_repeated();
    const auto found = exchanges_.find({office, intent});
    return found == exchanges_.end() ? std::nullopt : std::optional(found->second);
  }
  Result<std::optional<KeptExchange>> look(const OfficeId& office, const IntentId& intent) override {
    const auto found = exchanges_.find({office, intent});
    return found == exchanges_.end() ? std::nullopt : std::optional(found->second);
  }
  Result<void> keep_reply(const OfficeId& office, const IntentId& intent, std::int64_t turn, const Bytes& reply,
                          WallTime now) override {
    return settle({office, intent}, turn, ExchangeState::answered, reply, now);
  }
  Result<void> keep_unknown(const OfficeId& office, const IntentId& intent, std::int64_t turn, WallTime now) override {
    return settle({office, intent}, turn, ExchangeState::unknown, {}, now);
  }
  Result<void> forget_unsent(const OfficeId& office, const IntentId& intent, std::int64_t turn) override {
    if (auto settled = settle({office, intent}, turn, ExchangeState::unknown, {}, {}); !settled) return settled;
    exchanges_.erase({office, intent});
    return {};
  }
  Result<void> acknowledge(const OfficeId& office, const IntentId& intent, std::int64_t turn, Heard heard,
                           WallTime now) override {
    if (refuses) return std::unexpected(*refuses);
    const auto found = exchanges_.find({office, intent});
    const bool waits = found != exchanges_.end() && found->second.turn == turn &&
                       found->second.state != ExchangeState::asked && found->second.state != ExchangeState::acknowledged &&
                       (heard == Heard::reply || found->second.state != ExchangeState::answered);
    if (!waits) return {};
    found->second.state = ExchangeState::acknowledged;
    found->second.reply.clear();
    found->second.changed_at = now;
    return {};
  }
  Result<void> forget_nonces(WallTime now) override {
    std::erase_if(nonces_, [&](const auto& each) { return each.second < now - kNonceKeptFor; });
    return {};
  }
  Result<void> forget_old(WallTime now) override {
    std::erase_if(exchanges_, [&](const auto& each) {
      const auto& [state, changed_at] = std::tie(each.second.state, each.second.changed_at);
      return (state == ExchangeState::acknowledged && changed_at < now - kAcknowledgedKeptFor) ||
             (state == ExchangeState::lapsed && changed_at < now - kLapsedKeptFor);
    });
    for (auto& [key, each] : exchanges_) {
      const bool over = each.state == ExchangeState::acknowledged || each.state == ExchangeState::lapsed;
      if (over || each.changed_at >= now - kReplyKeptFor) continue;
      each.state = ExchangeState::lapsed;
      each.reply.clear();
      each.changed_at = now;
    }
    return {};
  }
  Result<ExchangeCounts> counts() override {
    ExchangeCounts counts;
    for (const auto& [key, exchange] : exchanges_) {
      counts.asked += exchange.state == ExchangeState::asked ? 1 : 0;
      counts.waiting += exchange.state == ExchangeState::answered || exchange.state == ExchangeState::unknown ? 1 : 0;
    }
    return counts;
  }

 private:
  using Key = std::pair<OfficeId, IntentId>;
  [[nodiscard]] Result<void> settle(const Key& key, std::int64_t turn, ExchangeState state, const Bytes& reply,
                                    WallTime now) {
    if (refuses) return std::unexpected(*refuses);
    const auto found = exchanges_.find(key);
    const bool asked =
        found != exchanges_.end() && found->second.turn == turn && found->second.state == ExchangeState::asked;
    if (!asked) return no_such_exchange();
    found->second.state = state;
    found->second.reply = reply;
    found->second.changed_at = now;
    return {};
  }
  std::map<Key, KeptExchange> exchanges_;
  std::map<std::pair<OfficeId, Bytes>, WallTime> nonces_;
};

}  // namespace latchkey::store

// Claims on exchanges that several instances of a Cloud Service share (store/exchange_book.h; RULES F2, F3, S4).
//
// A claim is named by its owner and its number there, and ends by the database's clock. What fences an instance that slept
// through its claim off is the *turn*: it grows with every claim of an intent, and a statement of an earlier turn finds no
// row.
#pragma once

#include <map>
#include <utility>

#include "store/exchange_book.h"
#include "store/postgres/sure_line.h"

namespace latchkey::store::postgres {

using ClaimOwner = base::Id<struct ClaimOwnerTag>;

class PostgresExchangeBook final : public ExchangeBook {
 public:
  PostgresExchangeBook(std::shared_ptr<const Place> place, const ClaimOwner& owner, const WallClock* clock, Log& log)
      : line_(std::move(place), log), owner_(owner), clock_(clock) {}

  Result<std::optional<KeptExchange>> claim(const OfficeId& office, const IntentId& intent, std::int64_t turn,
                                            ByteView nonce, WallTime now) override;
  Result<std::optional<KeptExchange>> recall(const OfficeId& office, const IntentId& intent, ByteView nonce,
                                             WallTime now) override;
  Result<void> keep_reply(const OfficeId& office, const IntentId& intent, std::int64_t turn, const Bytes& reply,
                          WallTime now) override;
  Result<void> keep_unknown(const OfficeId& office, const IntentId& intent, std::int64_t turn, WallTime now) override;
  Result<void> forget_unsent(const OfficeId& office, const IntentId& intent, std::int64_t turn) override;
  Result<std::optional<KeptExchange>> look(const OfficeId& office, const IntentId& intent) override;
  Result<void> acknowledge(const OfficeId& office, const IntentId& intent, std::int64_t turn, Heard heard,
                           WallTime now) override;
  Result<void> forget_unanswered_claims() override;
  Result<void> forget_nonces(WallTime now) override;
  Result<void> forget_old(WallTime now) override;
  Result<ExchangeCounts> counts() override;

 private:
  struct Found {
    KeptExchange exchange;
    ClaimOwner owner;
    std::int64_t claim = 0;
  };
  [[nodiscard]] Result<std::optional<Found>> find(const OfficeId& office, const IntentId& intent);
  // This instance's, `asked` or settled as unknown by another since, and claim() has never said so: nothing was posted.
  [[nodiscard]] bool is_unposted(const Found& found) const;
  // Makes such a claim this one. false: it has ceased to be one.
  [[nodiscard]] Result<bool> take_over(const Found& found, std::int64_t turn, std::int64_t claim, WallTime now);
  [[nodiscard]] Result<bool> forget(const Found& found);
  // Of a turn that this instance has claimed, unless another's claim is over.
  [[nodiscard]] Result<void> settle(const OfficeId& office, const IntentId& intent, const Query& query);
  // nullopt: by the database's clock.
  [[nodiscard]] std::optional<WallTime> given_now() const;

  SureLine line_;
  const ClaimOwner owner_;
  const WallClock* clock_;
  std::int64_t claims_ = 0;
  // Claims that claim() has said to have taken, until they are settled. Every other row of this owner's is of one whose
  // answer was lost, however late the database came to it.
  std::map<std::pair<OfficeId, IntentId>, std::int64_t> given_;
};

}  // namespace latchkey::store::postgres

// Claims on exchanges that several instances of a Cloud Service share (store/exchange_book.h; RULES F2, F3, S4).
//
// A claim is named by its owner and its number there, and ends by the database's clock. What fences an instance that slept
// through its claim off is the *turn*: it grows with every claim of an intent, and a statement of an earlier turn finds no
// row.
#pragma once

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
  Result<void> acknowledge(const OfficeId& office, const IntentId& intent, std::int64_t turn, WallTime now) override;
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
  // Of an `asked` turn.
  [[nodiscard]] Result<void> settle(const Query& query);
  // nullopt: by the database's clock.
  [[nodiscard]] std::optional<WallTime> given_now() const;

  SureLine line_;
  const ClaimOwner owner_;
  const WallClock* clock_;
  std::int64_t claims_ = 0;
};

}  // namespace latchkey::store::postgres

// What a Cloud Service in exchange mode must not forget: which requests of which office it has passed on to a token
// endpoint, and the replies until the office has them (RULES S4).
//
// An exchange is named by office and intent; its *turn* grows whenever the office tries the intent anew. Its states:
//
//   (none) --claim--> asked --keep_reply--> answered --acknowledge--> acknowledged --claim, later turn--> asked
//                       |  \--keep_unknown--> unknown --acknowledge--^
//                       \--forget_unsent--> (none)
//
// Where several instances share the book, a reply may come when another has settled the turn as unknown: it takes that
// place, also when the office has acknowledged the unknown, until a later turn is claimed. So an acknowledgement names what was
// heard, and nothing else goes by it.
//
// After a week forget_old() makes asked, answered and unknown *lapsed*: the reply goes, and what is left says for another
// while that nobody knows; it is acknowledged as unknown is.
//
// Invariants: one (office, intent, turn) is claimed once; a later turn is claimed only when the one before is acknowledged;
// a reply is there from keep_reply() to acknowledge(), a week at most. What a method has returned is durable. Where the book is
// a file, there is room for the reply when claim() returns, which a disk that fills up afterwards does not take.
//
// A book may be shared by several instances of the service (store/postgres/relay_books.h): then a claim is one instance's and
// ends, and until it ends nobody else settles its turn.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/result.h"
#include "store/enrolment_book.h"

namespace latchkey::store {

// How long a reply waits for its office, and how long it is remembered that the office has had it.
inline constexpr Seconds kReplyKeptFor = std::chrono::days(7);
inline constexpr Seconds kAcknowledgedKeptFor = std::chrono::days(1);
// ... and that there was one, when its office did not come for it in time.
inline constexpr Seconds kLapsedKeptFor = std::chrono::days(30);
// A signed request is good for a minute either way.
inline constexpr Seconds kNonceKeptFor{120};
// How long an instance's claim lasts where several share a book, by the book's clock: longer than the hard deadlines of two
// posts (one for each of a client's secrets) and a margin. Whoever posts looks at its own clocks besides.
inline constexpr Seconds kExchangeClaimLasts{120};
// Exchanges of one office that it has not acknowledged and that have not lapsed.
inline constexpr std::int64_t kUnacknowledgedMax = 2'000;

enum class ExchangeState { asked = 0, answered = 1, unknown = 2, acknowledged = 3, lapsed = 4 };

struct KeptExchange {
  OfficeId office;
  IntentId intent;  // the office's
  std::int64_t turn = 0;
  ExchangeState state = ExchangeState::asked;
  Bytes reply;  // sealed to the office; empty unless answered
  WallTime changed_at{};
  bool elsewhere = false;  // asked, by another instance whose claim lasts: it may be under way there
  friend bool operator==(const KeptExchange&, const KeptExchange&) = default;
};

// What an office has heard of a turn that it acknowledges.
enum class Heard { reply, unknown };

struct ExchangeCounts {
  std::int64_t waiting = 0;  // answered or unknown, for their office's acknowledgement
  std::int64_t asked = 0;
};

// Blocking; one object is used by one thread at a time. Errors of every method besides its own:
// unavailable/`store_unavailable`, corrupt/`store_corrupt`: nothing has happened.
class ExchangeBook {
 public:
  ExchangeBook() = default;
  ExchangeBook(const ExchangeBook&) = delete;
  ExchangeBook& operator=(const ExchangeBook&) = delete;
  virtual ~ExchangeBook() = default;

  // Takes a turn: nullopt, and it is `asked` from now on, when there is no such exchange or its earlier turn has been
  // acknowledged; otherwise what there is, unchanged. The nonce is used up either way. Errors: refused/`request_repeated`
  // (the office has used the nonce before); unavailable/`too_many_unacknowledged`.
  [[nodiscard]] virtual Result<std::optional<KeptExchange>> claim(const OfficeId& office, const IntentId& intent,
                                                                  std::int64_t turn, ByteView nonce, WallTime now) = 0;
  // What there is, for a request that could not be posted (any more). The nonce is used up. Errors:
  // refused/`request_repeated`.
  [[nodiscard]] virtual Result<std::optional<KeptExchange>> recall(const OfficeId& office, const IntentId& intent,
                                                                   ByteView nonce, WallTime now) = 0;
  // What there is, to look again.
  [[nodiscard]] virtual Result<std::optional<KeptExchange>> look(const OfficeId& office, const IntentId& intent) = 0;
  // Errors of the three: not_found/`no_such_exchange` when that turn is not `asked`, or is another instance's (keep_unknown():
  // whose claim lasts).
  [[nodiscard]] virtual Result<void> keep_reply(const OfficeId& office, const IntentId& intent, std::int64_t turn,
                                                const Bytes& reply, WallTime now) = 0;
  [[nodiscard]] virtual Result<void> keep_unknown(const OfficeId& office, const IntentId& intent, std::int64_t turn,
                                                  WallTime now) = 0;
  [[nodiscard]] virtual Result<void> forget_unsent(const OfficeId& office, const IntentId& intent, std::int64_t turn) = 0;
  // The reply goes, if the office has heard it. Of an exchange that is not there, is still asked, has another turn, or has
  // brought a reply since `unknown` was heard: nothing happens.
  [[nodiscard]] virtual Result<void> acknowledge(const OfficeId& office, const IntentId& intent, std::int64_t turn,
                                                 Heard heard, WallTime now) = 0;
  // Claims that claim() has taken without being able to say so: nothing was posted for them, and their turns are free again.
  [[nodiscard]] virtual Result<void> forget_unanswered_claims() { return {}; }
  [[nodiscard]] virtual Result<void> forget_nonces(WallTime now) = 0;
  // What is over: replies nobody fetched lapse; what has long been acknowledged, or has lapsed, goes.
  [[nodiscard]] virtual Result<void> forget_old(WallTime now) = 0;
  [[nodiscard]] virtual Result<ExchangeCounts> counts() = 0;
};

// In a SQLite file of its own; an absent one is made, with mode 0600. From the first claim on a second file beside it,
// `path` with `.room`, holds kReplyRoom octets of the disk for the replies. `vfs`: SQLite's default where empty. Errors:
// corrupt/`future_schema`, corrupt/`not_a_book`.
inline constexpr std::int64_t kReplyRoom = 24 * 1024 * 1024;
[[nodiscard]] Result<std::unique_ptr<ExchangeBook>> open_sqlite_exchange_book(const std::string& path,
                                                                              const std::string& vfs = {});

// What every implementation says.
[[nodiscard]] std::unexpected<Error> request_repeated();
[[nodiscard]] std::unexpected<Error> no_such_exchange();
[[nodiscard]] std::unexpected<Error> too_many_unacknowledged();

}  // namespace latchkey::store

// Exchange mode: an office's requests to a token endpoint, with the client's secret, each posted at most once, and the reply
// kept until the office has it (RULES S4; the table of states: docs/design/cloud-service.md).
//
// Invariants: what is posted has been claimed durably before; what is answered is durable before, unless the disk fails:
// then the office, which has a journal of its own, hears it at once, and it is kept as soon as the disk takes it. A POST
// belongs to no connection. What there is already is told whatever the registration has become since; only what is to be
// posted must fit. Several instances may share a book: what another one has under way is left to it, and no post begins that
// could outlast this one's claim (RULES F3). Concurrency: lives on its executor; `disk` is one thread, the book's.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/broadcast.h"
#include "base/clock.h"
#include "base/entropy.h"
#include "base/log.h"
#include "base/places.h"
#include "base/pool.h"
#include "base/task_group.h"
#include "cloud/token_exchange.h"
#include "net/http_client.h"
#include "oauth/client.h"
#include "relay/enrolments.h"
#include "relay/office_quotas.h"
#include "relay/refresh_blobs.h"
#include "relay/registrations.h"
#include "store/exchange_book.h"

namespace latchkey::relay {

// For /metrics. Thread-safe.
struct ExchangeCounters {
  std::atomic<std::int64_t> answered{0};     // the provider has, whatever it said
  std::atomic<std::int64_t> unreachable{0};  // nothing was sent
  std::atomic<std::int64_t> unknown{0};      // sent, and nothing came back
  std::atomic<std::int64_t> repeated{0};     // a kept reply was given again
  std::atomic<std::int64_t> acknowledged{0};
  std::atomic<std::int64_t> waiting{0};  // replies kept for their offices now
};

class ExchangeDesk {
 public:
  // POSTs under way at once. A provider that does not answer holds each for as long as it is waited for: it must leave room
  // for the others, for every office.
  struct Places {
    std::ptrdiff_t all;
    std::ptrdiff_t of_office;
    std::ptrdiff_t of_app;
    std::ptrdiff_t of_office_at_app;
    // Of one office, answered from the book or refused as well: each costs the disk a turn.
    std::ptrdiff_t asked_by_office;
  };
  static constexpr Places kForRefreshes{.all = 256, .of_office = 64, .of_app = 64, .of_office_at_app = 16, .asked_by_office = 96};
  // Codes have places of their own, whatever refreshes there are: a crowd that consents together waits, and cannot ask again.
  static constexpr Places kForCodes{.all = 512, .of_office = 192, .of_app = 256, .of_office_at_app = 128, .asked_by_office = 256};
  static constexpr std::size_t kAcknowledgedTogetherMax = 96;  // of one office
  // Refreshes whose claims wait for the disk at once: what comes for a code has no more than these before it.
  static constexpr std::size_t kRefreshesAtDiskMax = 8;
  // What an office begins in a minute is what 24,000 accounts need that are refreshed every 20 minutes; as many codes, counted by themselves.
  static constexpr std::int64_t kExchangesPerMinute = 1200;
  // Nothing is let go before the offices have had that long to come for it: while a relay is off, none can.
  static constexpr Seconds kUpBeforeForgetting = std::chrono::hours(6);
  // By how much more the wall clock may advance between two tidies than time does, before that count begins anew: it was set
  // forward, or the machine has slept.
  static constexpr Seconds kWallAheadMax{120};

  struct Parts {
    store::ExchangeBook& book;
    Worker& disk;
    net::HttpTransport& transport;
    const TokenSides& sides;
    const Secret& instance_key;  // 32 octets, the same for all instances of one relay
    ExchangeCounters& counters;
    const WallClock& wall;
    SteadyClock& steady;
    Entropy& entropy;
    Log& log;
    Executor executor;
  };
  explicit ExchangeDesk(Parts parts);
  ExchangeDesk(const ExchangeDesk&) = delete;
  ExchangeDesk& operator=(const ExchangeDesk&) = delete;

  // For an office whose signature was good; `nonce`: the signature's. Errors: those of may_use(), TokenSides, token_post()
  // and ExchangeBook::claim(); refused/`not_exchanged` (the registration is in another mode);
  // invalid/`token_request_malformed`; conflict/`turn_over` (a later turn is known); unavailable/`provider_unreachable`
  // (nothing was sent; `text` says why), `too_many_exchanges`, `exchange_elsewhere` (another instance has it under way, or
  // had when it died), `shutting_down`.
  [[nodiscard]] Task<Result<cloud::TokenAnswer>> exchange(Enrolment office, cloud::TokenRequest request, Bytes nonce);
  // Once more is fine. Errors: those of ExchangeBook::acknowledge(), unavailable/`too_many_exchanges`.
  [[nodiscard]] Task<Result<void>> acknowledge(Enrolment office, cloud::Acknowledgement acknowledgement);

  // Removes what is over, and counts what waits; once a minute is enough.
  [[nodiscard]] Task<void> tidy();
  // Begins nothing more; returns when every POST on its way has been answered and its reply kept.
  [[nodiscard]] Task<void> stop();

 private:
  using Key = std::pair<store::OfficeId, IntentId>;
  enum class What { code, refresh };
  struct Flight {
    Flight(std::string app_in, What what_in, const Executor& executor) : app(std::move(app_in)), what(what_in), landed(executor) {}
    std::string app;  // where it posts; empty: nowhere
    What what;
    base::Broadcast landed;
    std::optional<Result<cloud::TokenAnswer>> result;
    bool acknowledged = false;  // though it is not durable yet
  };
  struct Asked {
    Key key;
    std::int64_t turn = 0;
    Bytes nonce;
    SteadyTime steady_begun{};  // before it was claimed
    WallTime wall_begun{};
  };
  // What it takes to post it.
  struct Errand {
    std::string office;
    crypto::X25519Public office_key{};
    BlobPlace place;
    oauth::ReplyShape shape;
    std::vector<oauth::FormPost> posts;  // the same with each of the client's secrets; the first is used first
    std::vector<Secret> unsaid;          // what is in them and is nothing for the office
  };
  [[nodiscard]] Result<Errand> errand_of(const Enrolment& office, const Key& key, const cloud::TokenRequest& request, What what) const;
  // Before anything is looked for: an office that asks for whatever it likes must not keep the disk from others.
  [[nodiscard]] Result<void> may_ask(const Key& key, What what);
  [[nodiscard]] Result<void> room_for(const store::OfficeId& office, const std::string& app, What what) const;
  [[nodiscard]] static const Places& places_for(What what) { return what == What::code ? kForCodes : kForRefreshes; }
  // `errand`: or why it cannot be posted, which is told when there is nothing else to tell.
  [[nodiscard]] Task<void> fly(std::shared_ptr<Flight> flight, Asked asked, Result<Errand> errand);
  [[nodiscard]] Task<Result<cloud::TokenAnswer>> carry(std::shared_ptr<Flight> flight, Asked asked, Result<Errand> errand);
  // What was there before this turn could be taken.
  [[nodiscard]] Task<Result<cloud::TokenAnswer>> answer_from(std::shared_ptr<Flight> flight, store::KeptExchange kept,
                                                             std::int64_t turn);
  // Somebody else has settled it between the look and the settling: perhaps with a reply.
  [[nodiscard]] Task<Result<cloud::TokenAnswer>> look_again(store::KeptExchange kept);
  [[nodiscard]] Task<Result<cloud::TokenAnswer>> post(std::shared_ptr<Flight> flight, Asked asked, Errand errand);
  // The first post, and the next only when the provider has refused the client's secret: then it has spent nothing.
  [[nodiscard]] Task<net::HttpOutcome> send(Asked asked, std::vector<oauth::FormPost> posts, oauth::ReplyShape shape);
  // Whether a post that begins now ends before the claim does.
  [[nodiscard]] bool may_post(const Asked& asked) const;
  // Again and again until the disk takes it (R4), or the desk is stopped; whoever waits hears it after the first failure.
  // An empty reply: what became of the turn is not known. false: the turn is not this one's to settle (any more).
  [[nodiscard]] Task<bool> keep(std::shared_ptr<Flight> flight, Key key, std::int64_t turn, Bytes reply);
  [[nodiscard]] Task<void> note_acknowledged(Key key, std::int64_t turn, store::Heard heard);

  Parts parts_;
  RefreshBlobs blobs_;
  TaskGroup flights_group_;
  std::map<Key, std::shared_ptr<Flight>> flights_;
  OfficeQuotas begun_;
  OfficeQuotas codes_begun_;
  base::Places at_disk_{kRefreshesAtDiskMax};
  std::map<store::OfficeId, std::size_t> acknowledging_;
  SteadyTime up_since_;  // in one go, and with a clock that was right
  SteadyTime tidied_at_;
  WallTime tidied_at_wall_;
  bool stopping_ = false;
};

}  // namespace latchkey::relay

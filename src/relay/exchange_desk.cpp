#include "relay/exchange_desk.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "relay/provider_call.h"
#include "relay/reply_rewriting.h"
#include "relay/token_form.h"

namespace latchkey::relay {
namespace {

using namespace std::chrono_literals;

// Shorter than an office waits, so that it hears of a provider that does not answer.
constexpr auto kConnectTime = 10s;
constexpr auto kTotalTime = 40s;
constexpr auto kClaimMargin = 15s;  // between a post's end and its claim's
static_assert(store::kExchangeClaimLasts > 2 * kTotalTime + kClaimMargin);
constexpr std::size_t kReplyBytesMax = 40 * 1024;  // a blob is longer than its token, and the office has room for 64 KiB
constexpr auto kDiskRetryMax = 1s;
constexpr auto kStopPatience = 10s;  // a disk that refuses for ever must not hold the shutdown

std::unexpected<Error> malformed() {
  return fail(ErrorKind::invalid, "token_request_malformed", "The office's request cannot be read.");
}

constexpr std::string_view kShuttingDown = "shutting_down";

std::unexpected<Error> shutting_down() {
  return fail(ErrorKind::unavailable, std::string(kShuttingDown), "The Cloud Service is stopping. Ask again in a moment.",
              {.retry_after = Seconds(2)});
}

constexpr std::string_view kTooMany = "too_many_exchanges";
constexpr Seconds kRefreshAgainAfter{5};
constexpr Seconds kCodeAgainAfter{1};
constexpr auto kDiskTurn = 60s;

// A refresh has time; a code may be over in half a minute.
std::unexpected<Error> too_many(Seconds again_after) {
  return fail(
      ErrorKind::unavailable, std::string(kTooMany),
      "Too many requests of this office, or to this provider, are under way at once: the provider is slow to answer. "
      "Ask again in a moment.",
      {.retry_after = again_after});
}

// Likewise when that instance has died, until its claim ends.
std::unexpected<Error> elsewhere() {
  return fail(ErrorKind::unavailable, "exchange_elsewhere",
              "Another instance of the Cloud Service has this request under way. Ask again in a moment.",
              {.retry_after = Seconds(2)});
}

Error claim_over() {
  return {.kind = ErrorKind::unavailable,
          .reason = std::string(kTooMany),
          .text = "The Cloud Service was too busy to ask the provider in time; nothing was sent. Ask again in a moment.",
          .retry_after = Seconds(5)};
}

std::unexpected<Error> not_kept_yet() {
  return fail(ErrorKind::unavailable, "store_unavailable",
              "The Cloud Service's disk does not take what it has to keep. Ask again in a moment.",
              {.retry_after = Seconds(5)});
}

cloud::ProviderReply reply_of(int status, const net::HttpHeaders& headers, Bytes body, bool cut) {
  return {.status = status,
          .content_type = std::string(headers.value_or("Content-Type")),
          .retry_after = std::string(headers.value_or("Retry-After")),
          .cut = cut,
          .body = Secret(std::move(body))};
}

net::HttpCall call_of(oauth::FormPost post) {
  auto call = provider_call(std::move(post));
  call.connect_timeout = kConnectTime;
  call.total_timeout = kTotalTime;
  call.response_bytes_max = kReplyBytesMax;
  return call;
}

// RFC 6749 5.2: the client could not be authenticated, so nothing of the request was looked at.
bool refuses_the_client(const net::Reply& reply, oauth::ReplyShape shape) {
  if (reply.truncated) return false;
  const auto read =
      oauth::parse_token_reply(reply.status, reply.headers.value_or("Content-Type"), base::as_text(reply.body), shape);
  return read.error == "invalid_client";
}

}  // namespace

ExchangeDesk::ExchangeDesk(Parts parts)
    : parts_(std::move(parts)),
      blobs_(parts_.instance_key),
      flights_group_(parts_.executor, parts_.log),
      up_since_(parts_.steady.now()),
      tidied_at_(up_since_),
      tidied_at_wall_(parts_.wall.now()) {}

Result<ExchangeDesk::Errand> ExchangeDesk::errand_of(const Enrolment& office, const Key& key, const cloud::TokenRequest& request,
                                                     What what) const {
  if (!GrantId::parse(request.grant)) return malformed();
  if (const auto may = may_use(office, request.target.type); !may) return std::unexpected(may.error());
  const auto side = parts_.sides.token_side(request.target);
  if (!side) return std::unexpected(side.error());
  if (side->mode != Mode::exchange) {
    return fail(ErrorKind::refused, "not_exchanged",
                "This Cloud Service exchanges nothing for that registration (any more): its operator has changed how it "
                "works. Press Check in "
                "the office's OAuth settings, and authorise the account again.");
  }
  BlobPlace place{.office = office.office, .provider = side->provider, .client_id = side->client_id, .grant = request.grant};
  std::vector<oauth::FormPost> posts;
  std::vector<Secret> unsaid;
  for (auto each = *side; each.secret != nullptr; each.secret = std::exchange(each.second_secret, nullptr)) {
    auto post = token_post(request.form, each, blobs_, place);
    if (!post) return std::unexpected(post.error());
    posts.push_back(std::move(*post));
  }
  if (!posts.empty()) unsaid = unsaid_of(posts.front(), *side);
  if (const auto room = room_for(key.first, request.target.app, what); !room) return std::unexpected(room.error());
  return Errand{.office = office.office,
                .office_key = office.keys.sealing,
                .place = std::move(place),
                .shape = side->reply_shape,
                .posts = std::move(posts),
                .unsaid = std::move(unsaid)};
}

Result<void> ExchangeDesk::may_ask(const Key& key, What what) {
  const auto again_after = what == What::code ? kCodeAgainAfter : kRefreshAgainAfter;
  std::ptrdiff_t under_way = 0;
  for (auto each = flights_.lower_bound({key.first, IntentId()}); each != flights_.end() && each->first.first == key.first; ++each) {
    if (each->second->what == what) ++under_way;
  }
  if (under_way >= places_for(what).asked_by_office) return too_many(again_after);
  auto& begun = what == What::code ? codes_begun_ : begun_;
  if (!begun.take(key.first.text(), kExchangesPerMinute, parts_.steady.now())) return too_many(again_after);
  return {};
}

Result<void> ExchangeDesk::room_for(const store::OfficeId& office, const std::string& app, What what) const {
  const auto under_way = [&](const auto& counts) {
    return std::ranges::count_if(flights_, [&](const auto& each) {
      return each.second->what == what && !each.second->app.empty() && counts(each.first.first, each.second->app);
    });
  };
  const auto& places = places_for(what);
  const auto of_office = [&](const auto& whose, const auto&) { return whose == office; };
  const auto of_app = [&](const auto&, const auto& where) { return where == app; };
  const auto of_both = [&](const auto& whose, const auto& where) { return whose == office && where == app; };
  const bool room = under_way([](const auto&, const auto&) { return true; }) < places.all && under_way(of_office) < places.of_office &&
                    under_way(of_app) < places.of_app && under_way(of_both) < places.of_office_at_app;
  if (!room) return too_many(what == What::code ? kCodeAgainAfter : kRefreshAgainAfter);
  return {};
}

Task<Result<cloud::TokenAnswer>> ExchangeDesk::exchange(Enrolment office, cloud::TokenRequest request, Bytes nonce) {
  if (stopping_) co_return shutting_down();
  const auto office_id = store::OfficeId::parse(office.office);
  const auto intent = IntentId::parse(request.intent);
  if (!office_id || !intent) co_return malformed();
  const Key key(*office_id, *intent);
  auto found = flights_.find(key);
  if (found == flights_.end()) {
    const auto what = brings_code(request.form) ? What::code : What::refresh;
    if (const auto may = may_ask(key, what); !may) co_return std::unexpected(may.error());
    auto errand = errand_of(office, key, request, what);
    auto flight = std::make_shared<Flight>(errand ? request.target.app : std::string(), what, parts_.executor);
    found = flights_.emplace(key, flight).first;
    Asked asked{.key = key, .turn = request.turn, .nonce = std::move(nonce)};
    if (!flights_group_.spawn("exchange", fly(std::move(flight), std::move(asked), std::move(errand)))) {
      flights_.erase(key);
      co_return shutting_down();
    }
  }
  // Whoever asks again while it is under way hears the same.
  const auto flight = found->second;
  while (!flight->result) co_await flight->landed.wait();
  if (flight->acknowledged) co_return not_kept_yet();
  if (!*flight->result) co_return std::unexpected(flight->result->error());
  co_return **flight->result;
}

Task<void> ExchangeDesk::fly(std::shared_ptr<Flight> flight, Asked asked, Result<Errand> errand) {
  const auto key = asked.key;
  auto result = co_await carry(flight, std::move(asked), std::move(errand));
  if (!flight->result) flight->result = std::move(result);
  flights_.erase(key);
  flight->landed.notify_all();
}

Task<Result<cloud::TokenAnswer>> ExchangeDesk::carry(std::shared_ptr<Flight> flight, Asked asked, Result<Errand> errand) {
  auto* book = &parts_.book;
  base::Places::Place turn;
  // Its turn comes whenever the disk takes anything at all.
  while (flight->what == What::refresh && !turn) turn = co_await at_disk_.take(parts_.steady, kDiskTurn);
  asked.steady_begun = parts_.steady.now();
  const auto now = asked.wall_begun = parts_.wall.now();
  auto look = [book, key = asked.key, turn = asked.turn, nonce = asked.nonce, posts = errand.has_value(), now] {
    return posts ? book->claim(key.first, key.second, turn, nonce, now) : book->recall(key.first, key.second, nonce, now);
  };
  auto there = co_await parts_.disk.run(std::move(look));
  turn = {};
  if (!there) co_return std::unexpected(there.error());
  const bool over = *there && (*there)->state == store::ExchangeState::acknowledged && (*there)->turn < asked.turn;
  if (*there && !over) co_return co_await answer_from(std::move(flight), std::move(**there), asked.turn);
  if (!errand) co_return std::unexpected(errand.error());
  co_return co_await post(std::move(flight), std::move(asked), std::move(*errand));
}

Task<Result<cloud::TokenAnswer>> ExchangeDesk::answer_from(std::shared_ptr<Flight> flight, store::KeptExchange kept,
                                                           std::int64_t turn) {
  switch (kept.state) {
    case store::ExchangeState::answered:
      parts_.counters.repeated += 1;
      co_return cloud::TokenAnswer{.turn = kept.turn, .reply = std::move(kept.reply)};
    case store::ExchangeState::asked: {
      if (kept.elsewhere) co_return elsewhere();
      // Not under way anywhere, so a process that died had begun it: it may have posted.
      parts_.counters.unknown += 1;
      parts_.log.warning("exchange_unknown", {{"office", kept.office.text()}, {"intent", kept.intent.text()}});
      const bool settled = co_await keep(std::move(flight), {kept.office, kept.intent}, kept.turn, {});
      if (!settled) co_return co_await look_again(std::move(kept));
      co_return cloud::TokenAnswer{.turn = kept.turn, .reply = {}};
    }
    case store::ExchangeState::unknown:
    case store::ExchangeState::lapsed:
      co_return cloud::TokenAnswer{.turn = kept.turn, .reply = {}};
    case store::ExchangeState::acknowledged:
      break;
  }
  // The office has heard what there was of this turn.
  if (kept.turn == turn) co_return cloud::TokenAnswer{.turn = turn, .reply = {}};
  co_return fail(ErrorKind::conflict, "turn_over", "The office has gone on with this exchange in the meantime.");
}

Task<Result<cloud::TokenAnswer>> ExchangeDesk::look_again(store::KeptExchange kept) {
  auto* book = &parts_.book;
  auto found = co_await parts_.disk.run([book, office = kept.office, intent = kept.intent] { return book->look(office, intent); });
  if (!found) co_return std::unexpected(found.error());
  const bool answered = *found && (*found)->turn == kept.turn && (*found)->state == store::ExchangeState::answered;
  if (answered) co_return cloud::TokenAnswer{.turn = kept.turn, .reply = std::move((*found)->reply)};
  const bool told = *found && (*found)->turn == kept.turn && (*found)->state != store::ExchangeState::asked;
  if (told) co_return cloud::TokenAnswer{.turn = kept.turn, .reply = {}};
  co_return elsewhere();  // another has gone on with it: it is asked again in a moment
}

bool ExchangeDesk::may_post(const Asked& asked) const {
  // By both clocks, since one of them stands while a machine sleeps.
  const auto spent =
      std::max<std::chrono::nanoseconds>(parts_.steady.now() - asked.steady_begun, parts_.wall.now() - asked.wall_begun);
  return spent + kTotalTime + kClaimMargin <= store::kExchangeClaimLasts;
}

Task<net::HttpOutcome> ExchangeDesk::send(Asked asked, std::vector<oauth::FormPost> posts, oauth::ReplyShape shape) {
  for (std::size_t n = 0;; ++n) {
    if (!may_post(asked)) co_return net::NothingSent{claim_over()};
    // The first secret was refused, so nothing is spent; a stop waits for one POST, not for two.
    if (n > 0 && stopping_) co_return net::NothingSent{shutting_down().error()};
    const auto endpoint = posts[n].url;
    auto outcome = co_await parts_.transport.send(call_of(std::move(posts[n])));
    const auto* reply = std::get_if<net::Reply>(&outcome);
    if (n + 1 == posts.size() || reply == nullptr || !refuses_the_client(*reply, shape)) co_return outcome;
    parts_.log.warning("first_secret_refused", {{"endpoint", endpoint}});
  }
}

Task<Result<cloud::TokenAnswer>> ExchangeDesk::post(std::shared_ptr<Flight> flight, Asked asked, Errand errand) {
  auto outcome = co_await send(asked, std::move(errand.posts), errand.shape);
  if (auto* nothing = std::get_if<net::NothingSent>(&outcome)) {
    const bool busy = nothing->error.reason == kTooMany || nothing->error.reason == kShuttingDown;
    if (!busy) parts_.counters.unreachable += 1;
    auto* book = &parts_.book;
    const auto forgotten = co_await parts_.disk.run(
        [book, key = asked.key, turn = asked.turn] { return book->forget_unsent(key.first, key.second, turn); });
    // Not forgotten: it will be told as unknown, which is the safe side.
    if (!forgotten) parts_.log.error("exchange_not_forgotten", forgotten.error());
    if (busy) co_return std::unexpected(std::move(nothing->error));
    co_return fail(ErrorKind::unavailable, "provider_unreachable", nothing->error.text,
                   {.detail = nothing->error.detail, .retry_after = Seconds(10)});
  }
  std::optional<cloud::ProviderReply> reply;
  if (auto* whole = std::get_if<net::Reply>(&outcome)) {
    reply = reply_of(whole->status, whole->headers, std::move(whole->body), whole->truncated);
  } else if (auto& ambiguous = std::get<net::Ambiguous>(outcome); !ambiguous.body.empty()) {
    reply = reply_of(ambiguous.status, ambiguous.headers, std::move(ambiguous.body), true);
  }
  Bytes sealed;
  if (reply) {
    const auto seal = [&](const Secret& token) { return blobs_.seal(errand.place, token); };
    sealed = cloud::seal_reply(with_blob(std::move(*reply), errand.shape, seal, errand.unsaid), errand.office, asked.key.second.text(),
                               asked.turn, errand.office_key, parts_.entropy);
  }
  (sealed.empty() ? parts_.counters.unknown : parts_.counters.answered) += 1;
  co_await keep(std::move(flight), asked.key, asked.turn, sealed);
  co_return cloud::TokenAnswer{.turn = asked.turn, .reply = std::move(sealed)};
}

Task<bool> ExchangeDesk::keep(std::shared_ptr<Flight> flight, Key key, std::int64_t turn, Bytes reply) {
  auto* book = &parts_.book;
  auto pause = std::chrono::milliseconds(20);
  std::optional<SteadyTime> give_up_at;
  for (;;) {
    const auto now = parts_.wall.now();
    auto work = [book, key, turn, &reply, now] {
      return reply.empty() ? book->keep_unknown(key.first, key.second, turn, now)
                           : book->keep_reply(key.first, key.second, turn, reply, now);
    };
    const auto kept = co_await parts_.disk.run(std::move(work));
    if (kept) break;
    if (kept.error().kind == ErrorKind::not_found) {
      parts_.log.warning("exchange_gone_on", {{"office", key.first.text()}, {"intent", key.second.text()}, {"turn", turn}});
      co_return false;
    }
    parts_.log.error("exchange_not_kept", kept.error());
    if (!flight->result) {
      flight->result = cloud::TokenAnswer{.turn = turn, .reply = reply};
      flight->landed.notify_all();
    }
    if (kept.error().kind != ErrorKind::unavailable) co_return true;
    if (stopping_ && !give_up_at) give_up_at = parts_.steady.now() + kStopPatience;
    if (give_up_at && parts_.steady.now() > *give_up_at) co_return true;
    co_await parts_.steady.sleep_for(pause);
    pause = std::min<std::chrono::milliseconds>(pause * 2, kDiskRetryMax);
  }
  if (flight->acknowledged)
    co_await note_acknowledged(key, turn, reply.empty() ? store::Heard::unknown : store::Heard::reply);
  co_return true;
}

Task<void> ExchangeDesk::note_acknowledged(Key key, std::int64_t turn, store::Heard heard) {
  auto* book = &parts_.book;
  const auto now = parts_.wall.now();
  const auto noted =
      co_await parts_.disk.run([book, key, turn, heard, now] { return book->acknowledge(key.first, key.second, turn, heard, now); });
  // The office is told of it once more when it goes on, and acknowledges it then.
  if (!noted) parts_.log.error("acknowledgement_not_kept", noted.error());
}

Task<Result<void>> ExchangeDesk::acknowledge(Enrolment office, cloud::Acknowledgement acknowledgement) {
  const auto office_id = store::OfficeId::parse(office.office);
  const auto intent = IntentId::parse(acknowledgement.intent);
  if (!office_id || !intent) co_return malformed();
  const Key key(*office_id, *intent);
  const auto turn = acknowledgement.turn;
  if (const auto found = flights_.find(key); found != flights_.end()) {
    auto& flight = *found->second;
    const bool of_this = flight.result && *flight.result && (*flight.result)->turn == turn;
    if (of_this && (*flight.result)->reply.empty() != acknowledgement.had_reply) {
      flight.acknowledged = true;  // noted when the reply has been
      parts_.counters.acknowledged += 1;
      co_return Result<void>();
    }
  }
  auto& under_way = acknowledging_[key.first];
  if (under_way >= kAcknowledgedTogetherMax) co_return too_many(kRefreshAgainAfter);
  under_way += 1;
  const struct Done {
    std::size_t& under_way;
    ~Done() { under_way -= 1; }
  } ended{under_way};
  auto* book = &parts_.book;
  const auto now = parts_.wall.now();
  const auto heard = acknowledgement.had_reply ? store::Heard::reply : store::Heard::unknown;
  auto work = [book, key, turn, heard, now] { return book->acknowledge(key.first, key.second, turn, heard, now); };
  auto done = co_await parts_.disk.run(std::move(work));
  if (done) parts_.counters.acknowledged += 1;
  co_return done;
}

Task<void> ExchangeDesk::tidy() {
  auto* book = &parts_.book;
  const auto now = parts_.wall.now();
  // The wall clock says how old a reply is: where it has been set, or the machine has slept, no office has had that time to come.
  const auto steady_now = parts_.steady.now();
  const auto apart = (now - tidied_at_wall_) - (steady_now - tidied_at_);
  if (apart > kWallAheadMax) up_since_ = steady_now;
  tidied_at_ = steady_now;
  tidied_at_wall_ = now;
  const bool lets_go = steady_now - up_since_ >= kUpBeforeForgetting;
  auto work = [book, now, lets_go]() -> Result<store::ExchangeCounts> {
    auto tidied = book->forget_nonces(now);
    if (tidied) tidied = book->forget_unanswered_claims();
    if (tidied && lets_go) tidied = book->forget_old(now);
    if (!tidied) return std::unexpected(tidied.error());
    return book->counts();
  };
  const auto counts = co_await parts_.disk.run(std::move(work));
  if (counts)
    parts_.counters.waiting = counts->waiting;
  else
    parts_.log.error("exchanges_not_tidied", counts.error());
}

Task<void> ExchangeDesk::stop() {
  stopping_ = true;
  co_await flights_group_.drain();
}

}  // namespace latchkey::relay

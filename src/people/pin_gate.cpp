#include "people/pin_gate.h"

#include <mutex>
#include <unordered_map>

#include "people/names.h"

namespace latchkey::people {
namespace {

// A known source's success is written down at most once an hour; the fast path may rely on one of the last day.
constexpr std::chrono::hours kRecently{24};
constexpr std::chrono::hours kClearToldEvery{1};
constexpr std::size_t kClearNamesMax = 1000;

// The key of a plain ASCII name without a detour through Unicode; nullopt: take the detour.
std::optional<std::string> ascii_name_key(std::string_view typed) {
  if (typed.empty() || typed.size() > kNameCharactersMax) return std::nullopt;
  std::string key(typed);
  for (auto& c : key) {
    if (c <= 0x20 || c >= 0x7f || c == ':') return std::nullopt;
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return key;
}

std::string name_key_of(std::string_view typed) {
  if (auto key = ascii_name_key(typed)) return std::move(*key);
  auto name = clean_username(typed);
  return name ? std::move(name->key) : std::string();
}

// What must hold before a PIN is looked at; none of it depends on the PIN.
bool may_try(const UserCard& card, const Attempt& attempt) {
  if (!card.enabled || !card.public_key) return false;
  if (attempt.sources == Sources::any) return true;
  return card.sources.allow(attempt.address.empty() ? attempt.source : attempt.address);
}

std::unexpected<Error> use_not_allowed() {
  return fail(ErrorKind::refused, "use_not_allowed",
              "Username and PIN are right, but this user may not do this. An administrator can allow it in the user's dialog.");
}

}  // namespace

struct PinGate::ClearSeen {
  std::mutex mutex;
  std::unordered_map<std::string, SteadyTime> told;
};

PinGate::PinGate(Parts parts)
    : guard_(parts.guard, ""), hot_(parts.hot), seal_(parts.seal), cost_(parts.cost), clear_seen_(std::make_unique<ClearSeen>()) {}
PinGate::~PinGate() = default;

std::optional<Recognised> PinGate::recognise(const Attempt& attempt) const {
  if (attempt.transport == Transport::clear || !is_prepared_pin(attempt.pin.reveal())) return std::nullopt;
  const auto key = ascii_name_key(attempt.username);
  if (!key) return std::nullopt;
  const auto card = guard_.parts().cards.peek(*key);
  if (!card || !may_try(*card, attempt) || (card->uses & attempt.uses) != attempt.uses) return std::nullopt;
  const auto* known = card->known(attempt.source);
  if (known == nullptr) return std::nullopt;
  const auto since = guard_.parts().wall.now() - known->last_success_at;
  if (since >= kRecently || since >= guard_.known_source_lifetime()) return std::nullopt;
  if (!card->failures.empty() && card->distinct_failures(guard_.bucket_of(attempt.source)) >= guard_.limit_of(true)) return std::nullopt;
  return Recognised{.user = card->id, .auth_epoch = card->auth_epoch};
}

Task<Result<Admitted>> PinGate::admit(Attempt attempt) {
  if (attempt.transport == Transport::clear) co_return co_await refuse_clear(std::move(attempt));
  auto pin = prepare_pin(attempt.pin);
  auto begun = co_await guard_.begin(name_key_of(attempt.username), attempt.source, attempt.arrived,
                                     pin ? pin->reveal() : attempt.pin.reveal());
  if (!begun) co_return std::unexpected(begun.error());
  auto& state = *begun;
  const bool evaluable = pin && state.card && state.room > 0 && may_try(*state.card, attempt);
  if (!evaluable && state.limited) co_return std::unexpected(co_await guard_.refuse_limited(state));
  if (!evaluable) co_return std::unexpected(co_await guard_.refuse_unevaluated(state));
  co_return co_await evaluate(std::move(state), std::move(*pin), attempt.uses);
}

Task<Result<Admitted>> PinGate::evaluate(Guard::Try attempt, Secret pin, std::uint32_t uses) {
  const Throttle::Reservation place(guard_.throttle(), attempt.card->id.text() + attempt.bucket, attempt.fingerprint,
                                    attempt.room);
  if (!place.granted()) co_return std::unexpected(co_await guard_.refuse_unevaluated(attempt));
  // A limited source is looked at only where it has been right before and the answer costs nothing; a wrong PIN there is
  // charged like any other, so that the budget bounds what this allows.
  const auto hot = attempt.limited && !attempt.known ? vault::HotCache::Match::absent
                                                     : hot_.match(attempt.card->id, attempt.card->auth_epoch, pin);
  switch (hot) {
    case vault::HotCache::Match::right: co_return co_await let_in(std::move(attempt), std::move(pin), uses);
    case vault::HotCache::Match::wrong:
      if (!attempt.limited) co_return std::unexpected(co_await guard_.refuse_wrong_quickly(attempt));
      if (auto charged = co_await guard_.charge_wrong(attempt); !charged) co_return std::unexpected(charged.error());
      co_return std::unexpected(co_await guard_.refuse_limited(attempt));
    case vault::HotCache::Match::absent: break;
  }
  if (attempt.limited) co_return std::unexpected(co_await guard_.refuse_limited(attempt));
  const auto shared = std::make_shared<const Secret>(std::move(pin));
  const auto slow = co_await check_slowly(attempt, shared);
  if (!slow) co_return std::unexpected(slow.error());
  switch (slow->verdict) {
    case Slow::Verdict::right: co_return co_await let_in(std::move(attempt), shared->clone(), uses);
    case Slow::Verdict::wrong: co_return std::unexpected(co_await guard_.refuse_wrong(attempt, slow->ready));
    case Slow::Verdict::no_room: co_return std::unexpected(co_await guard_.refuse_for_want_of_room(attempt));
  }
  co_return std::unexpected(Guard::invalid_credentials());
}

Task<Result<PinGate::Slow>> PinGate::check_slowly(Guard::Try attempt, std::shared_ptr<const Secret> pin) {
  const auto card = attempt.card;
  const std::string flight = attempt.fingerprint + std::to_string(card->auth_epoch);
  if (guard_.throttle().is_wrong(flight)) {
    // Already known: no second Argon2id, but as long a wait.
    const auto ready = co_await guard_.parts().hasher.pretend(guard_.lane_of(attempt), attempt.fingerprint);
    if (!ready) co_return Slow{.verdict = Slow::Verdict::no_room};
    co_return Slow{.verdict = Slow::Verdict::wrong, .ready = *ready};
  }
  const auto* vault = &guard_.parts().vault;
  auto* hot_cache = &hot_;
  auto work = [vault, hot_cache, card, pin]() -> SlowCheck {
    auto key = vault->unwrap_user_key(card->id, *card->public_key, *pin, card->private_key_wrapped);
    if (key) {
      // Here and not after landing: whoever comes next either joins this check or finds the PIN hot.
      hot_cache->put(card->id, card->auth_epoch, *pin, *key);
      return {.verdict = SlowCheck::Verdict::right, .key = std::make_shared<const Secret>(std::move(*key)), .error = {}};
    }
    if (key.error().reason == "wrong_pin") return {.verdict = SlowCheck::Verdict::wrong, .key = nullptr, .error = {}};
    return {.verdict = SlowCheck::Verdict::failed, .key = nullptr, .error = std::move(key.error())};
  };
  const auto checked = co_await guard_.parts().hasher.check(guard_.lane_of(attempt), flight, std::move(work));
  if (!checked) co_return Slow{.verdict = Slow::Verdict::no_room};
  switch (checked->verdict) {
    case SlowCheck::Verdict::right:
      co_await raise_cost(card, checked->key, pin);
      co_return Slow{.verdict = Slow::Verdict::right};
    case SlowCheck::Verdict::wrong: guard_.throttle().remember_wrong(flight); co_return Slow{.verdict = Slow::Verdict::wrong, .ready = checked->ready};
    case SlowCheck::Verdict::failed: break;
  }
  guard_.parts().log.error("pin_check_failed", *checked->error);
  co_return std::unexpected(*checked->error);
}

Task<Result<Admitted>> PinGate::let_in(Guard::Try attempt, Secret pin, std::uint32_t uses) {
  // What changed while the PIN was being checked counts (P4).
  const auto now = co_await guard_.parts().cards.get(attempt.name_key);
  if (!now) co_return std::unexpected(now.error());
  if (!*now || !(*now)->enabled || (*now)->id != attempt.card->id || (*now)->auth_epoch != attempt.card->auth_epoch) {
    co_await guard_.wait_for_refusal(attempt.arrived, attempt.arrived);
    co_return std::unexpected(Guard::invalid_credentials());
  }
  if (auto noted = co_await guard_.note_right(attempt); !noted) {
    guard_.parts().log.warning("known_source_not_recorded", {{"reason", noted.error().reason}});
  }
  if (((*now)->uses & uses) != uses) co_return use_not_allowed();
  co_return Admitted{.user = (*now)->id, .auth_epoch = (*now)->auth_epoch, .username = (*now)->username, .pin = std::move(pin)};
}

Task<void> PinGate::raise_cost(UserCardPtr card, std::shared_ptr<const Secret> key, std::shared_ptr<const Secret> pin) {
  const auto& parts = guard_.parts();
  const auto cost = parts.vault.cost_of(card->id, *card->public_key, card->private_key_wrapped);
  if (!cost || (cost->memory_kib >= cost_.memory_kib && cost->passes >= cost_.passes)) co_return;
  const auto wrapped = std::make_shared<Bytes>();
  const auto* vault = &parts.vault;
  const vault::PinCost floor{.memory_kib = std::max(cost->memory_kib, cost_.memory_kib),
                             .passes = std::max(cost->passes, cost_.passes)};
  if (!co_await parts.hasher.run([=] { *wrapped = vault->wrap_user_key(card->id, *card->public_key, *key, *pin, floor); })) {
    co_return;  // a busy pool: the next right PIN will do it
  }
  auto user = co_await parts.store.user(card->id);
  if (!user || !*user || (*user)->private_key_wrapped != card->private_key_wrapped || !seal_.check(**user)) co_return;
  (*user)->private_key_wrapped = std::move(*wrapped);
  seal_.vouch(**user);
  store::Batch batch;
  batch.push_back(store::UpdateUser{std::move(**user)});
  // A conflict means that somebody changed the user meanwhile: theirs stands.
  if (const auto done = co_await parts.store.commit(std::move(batch), store::Urgency::bookkeeping)) {
    parts.cards.forget(card->username_key);
  }
}

Task<Result<Admitted>> PinGate::refuse_clear(Attempt attempt) {
  const auto& parts = guard_.parts();
  const auto found = co_await parts.cards.get(name_key_of(attempt.username));
  if (!found) co_return std::unexpected(found.error());
  const auto card = *found;
  bool tell = false;
  if (card && card->public_key) {
    const std::lock_guard lock(clear_seen_->mutex);
    if (clear_seen_->told.size() >= kClearNamesMax) clear_seen_->told.clear();
    auto& told = clear_seen_->told[card->username_key];
    tell = told == SteadyTime() || parts.steady.now() - told >= kClearToldEvery;
    if (tell) told = parts.steady.now();
  }
  if (tell) {
    parts.watcher.pin_seen_in_clear(card->username, attempt.source);
    store::Batch batch;
    batch.push_back(store::AppendAudit{
        audit_entry(parts.wall.now(), {.name = "gate", .source = attempt.source}, "user.pin_seen_in_clear", card->username,
                    card->id, "A PIN was sent for this user over an unencrypted line; change it")});
    if (auto done = co_await parts.store.commit(std::move(batch)); !done) co_return std::unexpected(done.error());
  }
  co_await guard_.wait_for_refusal(attempt.arrived, attempt.arrived);
  co_return fail(ErrorKind::refused, "insecure_transport",
                 "A PIN was sent over an unencrypted line and has been refused. Use https, and change the PIN: others may "
                 "have read it.");
}

}  // namespace latchkey::people

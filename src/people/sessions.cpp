#include "people/sessions.h"

#include "people/names.h"

namespace latchkey::people {
namespace {

std::unexpected<Error> not_signed_in() {
  return fail(ErrorKind::refused, "not_signed_in", "You are not signed in, or the session has ended. Sign in again.");
}

SessionUser session_user(const store::User& user, const store::Session& session) {
  return {.id = user.id,
          .username = user.username,
          .name = user.name,
          .role = user.role,
          .created_at = session.created_at,
          .expires_at = session.expires_at};
}

constexpr std::size_t kRandomOctets = 32;

std::string new_token(UserId user, Entropy& entropy) {
  const Secret random(entropy.bytes(kRandomOctets));
  auto octets = base::to_bytes(base::as_text(user.bytes()));
  octets.insert(octets.end(), random.reveal().begin(), random.reveal().end());
  const Secret whole(std::move(octets));
  return base::to_base64url(whole.reveal());
}

// Who the cookie says it belongs to; nullopt: not a cookie of ours. Believed only once its hash has been found.
std::optional<UserId> user_in(std::string_view token) {
  constexpr std::size_t kIdOctets = 16;
  auto octets = base::from_base64url(token);
  if (!octets || octets->size() != kIdOctets + kRandomOctets) return std::nullopt;
  const Secret whole(std::move(*octets));
  return UserId::from_bytes(whole.reveal().first(kIdOctets));
}

Error in_words_of_passwords(Error error) {
  if (error.reason == "invalid_credentials") error.text = "Username or password is wrong, unknown or switched off.";
  return error;
}

}  // namespace

Sessions::Sessions(Parts parts)
    : guard_(parts.guard, "console "), seal_(parts.seal), entropy_(parts.entropy), cost_(parts.cost) {}

Bytes Sessions::hash_of(std::string_view token, std::int64_t auth_epoch) const {
  return guard_.parts().vault.keyed_hash("session", vault::MacFields().add(token).add(auth_epoch).bytes());
}

WallTime Sessions::expiry(WallTime created_at, WallTime now) const {
  const auto& registry = guard_.parts().registry;
  return std::min(created_at + registry.get<Milliseconds>("auth.session_lifetime"),
                  now + registry.get<Milliseconds>("auth.session_idle"));
}

Task<Result<Sessions::Opened>> Sessions::sign_in(SignIn attempt) {
  if (attempt.transport == Transport::clear) {
    co_await guard_.wait_for_refusal(attempt.arrived, attempt.arrived);
    co_return fail(ErrorKind::refused, "insecure_transport",
                   "Signing in over plain http is refused, since others could read the password. Set tls.certificate and "
                   "tls.key, put a proxy with https before Latchkey (public_url, trusted_proxies), or sign in on the "
                   "machine itself through http://localhost.");
  }
  auto name = clean_username(attempt.username);
  auto card = co_await check_password(name ? name->key : std::string(), std::move(attempt.password), attempt.source,
                                      attempt.arrived);
  if (!card) co_return std::unexpected(in_words_of_passwords(std::move(card.error())));
  auto user = co_await guard_.parts().store.user((*card)->id);
  if (!user) co_return std::unexpected(user.error());
  if (!*user || !seal_.check(**user) || (*user)->auth_epoch != (*card)->auth_epoch) {
    co_return std::unexpected(in_words_of_passwords(Guard::invalid_credentials()));
  }
  co_return co_await open_for(std::move(**user), attempt.source);
}

Task<Result<Sessions::Opened>> Sessions::open_for(store::User user, std::string source) {
  const auto token = new_token(user.id, entropy_);
  const auto now = guard_.parts().wall.now();
  store::Session session;
  session.token_hash = hash_of(token, user.auth_epoch);
  session.user = user.id;
  session.auth_epoch = user.auth_epoch;
  session.created_at = now;
  session.expires_at = expiry(now, now);
  session.source = source;
  store::Batch batch;
  batch.push_back(store::PutSession{session});
  // Known from the first moment, so that guesses from elsewhere cannot lock out whoever has just set the server up (T4).
  batch.push_back(store::PutKnownSource{
      .source = {.user = user.id, .source = source, .last_success_at = now},
      .most = guard_.parts().registry.get<std::int64_t>("auth.known_sources_max")});
  batch.push_back(store::AppendAudit{audit_entry(now, {.name = user.username, .source = source, .user = user.id},
                                                 "session.opened", user.username, user.id)});
  if (auto done = co_await guard_.parts().store.commit(std::move(batch)); !done) co_return std::unexpected(done.error());
  guard_.parts().cards.forget(user.username_key);
  co_return Opened{.token = token, .user = session_user(user, session)};
}

// The card of whose password it is; every refusal has been waited for.
Task<Result<UserCardPtr>> Sessions::check_password(std::string name_key, Secret typed, std::string source,
                                                   SteadyTime arrived) {
  auto password = prepare_password(typed);
  auto begun = co_await guard_.begin(std::move(name_key), std::move(source), arrived,
                                     password ? password->reveal() : typed.reveal());
  if (!begun) co_return std::unexpected(begun.error());
  auto& attempt = *begun;
  if (attempt.limited) co_return std::unexpected(co_await guard_.refuse_limited(attempt));
  const auto card = attempt.card;
  if (!password || !card || attempt.room <= 0 || !card->enabled || card->password_sealed.empty()) {
    co_return std::unexpected(co_await guard_.refuse_unevaluated(attempt));
  }
  const Throttle::Reservation place(guard_.throttle(), card->id.text() + attempt.bucket, attempt.fingerprint, attempt.room);
  if (!place.granted()) co_return std::unexpected(co_await guard_.refuse_unevaluated(attempt));
  const std::string flight = attempt.fingerprint + std::to_string(card->auth_epoch);
  if (guard_.throttle().is_wrong(flight)) co_return std::unexpected(co_await guard_.refuse_wrong_quickly(attempt));
  const auto shared = std::make_shared<const Secret>(std::move(*password));
  const auto* vault = &guard_.parts().vault;
  auto work = [vault, card, shared]() -> SlowCheck {
    const auto right = vault->check_password(card->id, *shared, card->password_sealed);
    if (!right) return {.verdict = SlowCheck::Verdict::failed, .key = nullptr, .error = right.error()};
    return {.verdict = *right ? SlowCheck::Verdict::right : SlowCheck::Verdict::wrong, .key = nullptr, .error = {}};
  };
  const auto checked = co_await guard_.parts().hasher.check(guard_.lane_of(attempt), flight, std::move(work));
  if (!checked) co_return std::unexpected(co_await guard_.refuse_for_want_of_room(attempt));
  switch (checked->verdict) {
    case SlowCheck::Verdict::right:
      if (auto noted = co_await guard_.note_right(attempt); !noted) co_return std::unexpected(noted.error());
      co_return card;
    case SlowCheck::Verdict::wrong:
      guard_.throttle().remember_wrong(flight);
      co_return std::unexpected(co_await guard_.refuse_wrong(attempt, checked->ready));
    case SlowCheck::Verdict::failed: break;
  }
  guard_.parts().log.error("password_check_failed", *checked->error);
  co_return std::unexpected(*checked->error);
}

Task<Result<Confirmation>> Sessions::confirm(UserId id, Secret password, std::string source, SteadyTime arrived) {
  const auto user = co_await guard_.parts().store.user(id);
  if (!user) co_return std::unexpected(user.error());
  const auto card = co_await check_password(*user ? (*user)->username_key : std::string(), std::move(password),
                                            std::move(source), arrived);
  if (card) co_return Confirmation(true);
  if (card.error().reason != "invalid_credentials") co_return std::unexpected(card.error());
  co_return fail(ErrorKind::refused, "wrong_password", "Your own password is wrong. Nothing was changed.",
                 {.field = "admin_password"});
}

Task<Result<SessionUser>> Sessions::check(std::string token) {
  const auto id = user_in(token);
  if (!id) co_return not_signed_in();
  const auto& parts = guard_.parts();
  auto user = co_await parts.store.user(*id);
  if (!user) co_return std::unexpected(user.error());
  if (!*user || !(*user)->enabled || !seal_.check(**user)) co_return not_signed_in();
  auto session = co_await parts.store.session(hash_of(token, (*user)->auth_epoch));
  if (!session) co_return std::unexpected(session.error());
  const auto now = parts.wall.now();
  if (!*session || now >= (*session)->expires_at || now < (*session)->created_at - std::chrono::minutes(5)) {
    co_return not_signed_in();
  }
  if ((*session)->user != *id || (*session)->auth_epoch != (*user)->auth_epoch) co_return not_signed_in();
  const auto later = expiry((*session)->created_at, now);
  // Written only when it moves by a tenth of the idle time, so that a page full of requests is one write.
  const auto idle = parts.registry.get<Milliseconds>("auth.session_idle");
  if (later - (*session)->expires_at > idle / 10 || later < (*session)->expires_at) {
    (*session)->expires_at = later;
    store::Batch batch;
    // Never put anew: a sign-out may have come between.
    batch.push_back(store::TouchSession{.token_hash = (*session)->token_hash, .expires_at = later});
    if (auto done = co_await parts.store.commit(std::move(batch), store::Urgency::bookkeeping); !done) {
      if (done.error().reason == "gone") co_return not_signed_in();
      co_return std::unexpected(done.error());
    }
  }
  if (now >= (*session)->expires_at) co_return not_signed_in();
  co_return session_user(**user, **session);
}

Task<Result<std::optional<Sessions::Kept>>> Sessions::keep(std::string token, UserId id) {
  if (user_in(token) != id) co_return std::nullopt;
  const auto user = co_await guard_.parts().store.user(id);
  if (!user) co_return std::unexpected(user.error());
  if (!*user) co_return std::nullopt;
  auto session = co_await guard_.parts().store.session(hash_of(token, (*user)->auth_epoch));
  if (!session) co_return std::unexpected(session.error());
  if (!*session || (*session)->user != id || (*session)->auth_epoch != (*user)->auth_epoch) co_return std::nullopt;
  co_return Kept{.token = std::move(token), .session = std::move(**session)};
}

Task<Result<void>> Sessions::go_on(Kept kept, store::User changed) {
  kept.session.token_hash = hash_of(kept.token, changed.auth_epoch);
  kept.session.auth_epoch = changed.auth_epoch;
  store::Batch batch;
  batch.push_back(store::PutSession{std::move(kept.session)});
  co_return co_await guard_.parts().store.commit(std::move(batch));
}

Task<Result<void>> Sessions::sign_out(std::string token) {
  const auto id = user_in(token);
  if (!id) co_return Result<void>();
  const auto user = co_await guard_.parts().store.user(*id);
  if (!user) co_return std::unexpected(user.error());
  if (!*user) co_return Result<void>();
  store::Batch batch;
  batch.push_back(store::DeleteSession{hash_of(token, (*user)->auth_epoch)});
  auto done = co_await guard_.parts().store.commit(std::move(batch));
  if (!done && done.error().kind == ErrorKind::not_found) co_return Result<void>();
  co_return done;
}

std::string Sessions::anonymous_token() const {
  const Secret octets(entropy_.bytes(kRandomOctets));
  return base::to_base64url(octets.reveal());
}

std::string Sessions::csrf_token(std::string_view token) const {
  return base::to_base64url(guard_.parts().vault.keyed_hash("csrf", base::as_bytes(token)));
}

bool Sessions::csrf_matches(std::string_view token, std::string_view shown) const {
  return base::equal_in_constant_time(base::as_bytes(csrf_token(token)), base::as_bytes(shown));
}

}  // namespace latchkey::people

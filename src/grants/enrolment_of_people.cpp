#include "grants/enrolment_of_people.h"

#include "people/names.h"

namespace latchkey::grants {

Result<CleanName> EnrolmentOfPeople::username(std::string_view typed) const {
  auto clean = people::new_username(typed);
  if (!clean) return std::unexpected(clean.error());
  return CleanName{.text = std::move(clean->text), .key = std::move(clean->key)};
}

Result<CleanName> EnrolmentOfPeople::group_name(std::string_view typed) const {
  auto clean = people::clean_group_name(typed);
  if (!clean) return std::unexpected(clean.error());
  return CleanName{.text = std::move(clean->text), .key = std::move(clean->key)};
}

Result<Secret> EnrolmentOfPeople::new_pin(const Secret& typed, std::string_view username) const {
  return people::prepare_new_pin(typed, username, registry_.get<std::size_t>("auth.pin_min_length"));
}

Task<Result<store::User>> EnrolmentOfPeople::with_new_keys(store::User user, Secret pin) {
  const auto work = std::make_shared<store::User>(std::move(user));
  const auto shared_pin = std::make_shared<const Secret>(std::move(pin));
  const auto* vault = &vault_;
  const bool done = co_await hasher_.run([work, shared_pin, vault] {
    const auto pair = vault->make_key_pair();
    work->public_key.assign(pair.public_key.begin(), pair.public_key.end());
    work->private_key_wrapped = vault->wrap_user_key(work->id, pair.public_key, pair.private_key, *shared_pin, {});
  });
  if (!done) {
    co_return fail(ErrorKind::unavailable, "too_busy", "The server is busy checking PINs. Try again in a moment.", {.retry_after = Seconds(5)});
  }
  co_return std::move(*work);
}

Task<Result<void>> EnrolmentOfPeople::check_pin(store::User user, Secret pin, std::string source) {
  const auto admitted = co_await gate_.admit({.username = user.username, .pin = std::move(pin),
                                              .source = source.empty() ? "127.0.0.1" : people::counted_source(source),
                                              .transport = people::Transport::tls, .sources = people::Sources::any, .uses = 0,
                                              .arrived = steady_.now()});
  if (!admitted && admitted.error().reason == "invalid_credentials") {
    co_return fail(ErrorKind::refused, "wrong_pin", "The PIN is not this user's. A user who has a PIN keeps it; leave the field empty.",
                   {.field = "pin"});
  }
  if (!admitted) co_return std::unexpected(admitted.error());
  co_return Result<void>{};
}

void EnrolmentOfPeople::changed(const store::User& user) {
  cards_.forget(user.username_key);
  hot_.forget(user.id);
}

}  // namespace latchkey::grants

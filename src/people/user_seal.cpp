#include "people/user_seal.h"

#include <algorithm>

namespace latchkey::people {
namespace {

vault::MacFields fields_of(const store::User& user) {
  vault::MacFields fields;
  fields.add(std::int64_t{1});  // version of this list
  fields.add(user.group.bytes()).add(user.username).add(user.username_key).add(user.email);
  fields.add(static_cast<std::int64_t>(user.role)).add(std::int64_t{user.enabled}).add(std::int64_t{user.uses});
  fields.add(static_cast<std::int64_t>(user.allowed_sources.size()));
  for (const auto& source : user.allowed_sources) fields.add(source);
  fields.add(user.auth_epoch);
  fields.add(ByteView(user.password_sealed)).add(ByteView(user.public_key)).add(ByteView(user.private_key_wrapped));
  return fields;
}

}  // namespace

void UserSeal::vouch(store::User& user) const { user.mac = vault_.mac("users", user.id.bytes(), fields_of(user).bytes()); }

Result<void> UserSeal::check(const store::User& user) const {
  if (vault_.mac_matches("users", user.id.bytes(), fields_of(user).bytes(), user.mac)) return {};
  return fail(ErrorKind::corrupt, "record_altered",
              "This user's record was changed outside Latchkey and is not used. Restore it from a backup, or delete the "
              "user and add it anew.",
              {.detail = "user " + user.id.text()});
}

Result<std::optional<store::User>> UserSeal::renew(const store::User& user) const {
  if (const auto vouched = check(user); !vouched) return std::unexpected(vouched.error());
  const bool current = vault_.mac_is_current("users", user.id.bytes(), fields_of(user).bytes(), user.mac) &&
                       (user.password_sealed.empty() || vault_.is_current(user.password_sealed)) &&
                       (user.private_key_wrapped.empty() || vault_.is_current(user.private_key_wrapped));
  if (current) return std::nullopt;
  auto renewed = user;
  if (!user.password_sealed.empty()) {
    auto verifier = vault_.renew_password(user.id, user.password_sealed);
    if (!verifier) return std::unexpected(verifier.error());
    renewed.password_sealed = std::move(*verifier);
  }
  if (const auto key = public_key_of(user); key && !user.private_key_wrapped.empty()) {
    auto wrapped = vault_.renew_user_key(user.id, *key, user.private_key_wrapped);
    if (!wrapped) return std::unexpected(wrapped.error());
    renewed.private_key_wrapped = std::move(*wrapped);
  }
  vouch(renewed);
  return renewed;
}

std::optional<vault::PublicKey> public_key_of(const store::User& user) {
  vault::PublicKey key;
  if (user.public_key.size() != key.size()) return std::nullopt;
  std::ranges::copy(user.public_key, key.begin());
  return key;
}

}  // namespace latchkey::people

#include "vault/vault.h"

#include <algorithm>
#include <cstring>

#include "crypto/aead.h"
#include "crypto/argon2id.h"
#include "crypto/hash.h"
#include "crypto/x25519.h"
#include "vault/envelope.h"

namespace latchkey::vault {
namespace {

constexpr std::size_t kKeyBytes = 32;

SealContext place_of_user_key(const UserId& user) {
  return {.purpose = Purpose::user_private_key,
          .table = "users",
          .row = user.bytes(),
          .field = "private_key_wrapped",
          .user = user};
}

// ---- the inner layer of a sealed box: ephemeral public (32) | nonce (24) | committed ciphertext -----------------------

// Version, kind, purpose and place, but not the master key's id: a new master key re-seals the outer layer alone.
Bytes box_associated_data(const SealContext& context) {
  const auto header = header_of(SealKind::box, context.purpose, std::array<std::uint8_t, kKeyIdBytes>{});
  return associated_data(ByteView(header).first(3), context, {});
}

Secret box_key(const Secret& shared, ByteView ephemeral_public, ByteView recipient, ByteView associated) {
  Bytes info = base::to_bytes("latchkey box 1");
  append(info, ephemeral_public);
  append(info, recipient);
  append(info, associated);
  return crypto::hkdf_sha256(shared.reveal(), {}, info, crypto::kAeadKeyBytes);
}

// ---- the inner layer of a PIN wrap: algorithm (1) | memory KiB (4) | passes (4) | salt (16) | nonce (24) | committed ----

constexpr std::uint8_t kArgon2id13 = 1;
constexpr std::size_t kParameterBytes = 1 + 4 + 4 + crypto::kArgon2SaltBytes;
constexpr std::size_t kPinInnerBytes =
    kParameterBytes + crypto::kAeadNonceBytes + crypto::kCommittedOverhead + kKeyBytes;
constexpr std::size_t kVerifierBytes = kParameterBytes + 32;

Bytes parameters_of(PinCost cost, Entropy& entropy) {
  Bytes out{kArgon2id13};
  append_number(out, cost.memory_kib);
  append_number(out, cost.passes);
  append(out, entropy.bytes(crypto::kArgon2SaltBytes));
  return out;
}

Result<PinCost> read_cost(ByteView parameters) {
  if (parameters.size() < kParameterBytes || parameters[0] != kArgon2id13) return rejected("unknown password hash");
  const PinCost cost{.memory_kib = read_number(parameters.subspan(1)), .passes = read_number(parameters.subspan(5))};
  if (cost.memory_kib > 1024 * 1024 || cost.passes > 64) return rejected("absurd password hash cost");
  return cost;
}

Result<Secret> hash_pin(const Secret& pin, ByteView parameters) {
  const auto cost = read_cost(parameters);
  if (!cost) return std::unexpected(cost.error());
  return crypto::argon2id(pin.reveal(), parameters.subspan(9, crypto::kArgon2SaltBytes),
                          {.memory_kib = cost->memory_kib, .passes = cost->passes});
}

// Making a wrap needs the memory; a server that cannot hash one PIN cannot go on making keys.
Secret hash_new_pin(const Secret& pin, ByteView parameters) {
  auto key = hash_pin(pin, parameters);
  LATCHKEY_CHECK(key.has_value());
  return std::move(*key);
}

Bytes pin_associated_data(const UserId& user, const PublicKey& public_key, ByteView parameters) {
  Bytes out = base::to_bytes("latchkey pin wrap 1");
  append(out, user.bytes());
  append(out, public_key);
  append(out, parameters);
  return out;
}

SealContext place_of_password(const UserId& user) {
  return {.purpose = Purpose::password_verifier,
          .table = "users",
          .row = user.bytes(),
          .field = "password_sealed",
          .user = user};
}

// Whether a ciphertext's header says that it was sealed under the master key of this id.
bool names_key(ByteView sealed, ByteView key_id) {
  return sealed.size() >= kHeaderBytes && std::ranges::equal(sealed.subspan(3, kKeyIdBytes), key_id.first(kKeyIdBytes));
}

constexpr SealContext kLookupKeyPlace{.purpose = Purpose::lookup_key, .table = "meta", .row = {}, .field = "lookup_key"};

std::shared_ptr<const crypto::LockedBytes> locked_copy(ByteView key) {
  auto copy = std::make_shared<crypto::LockedBytes>(key.size());
  std::ranges::copy(key, copy->writable().begin());
  return copy;
}

}  // namespace

Vault::Vault(Secret master_key, Entropy& entropy) : entropy_(entropy) {
  auto keys = std::make_shared<const SubKeys>(master_key);
  auto lookup = locked_copy(keys->hash());
  replace(std::make_shared<const Ring>(std::move(keys), nullptr, std::move(lookup)));
}
Vault::~Vault() = default;

std::shared_ptr<const Vault::Ring> Vault::ring() const {
  const std::shared_lock lock(mutex_);
  return ring_;
}

void Vault::replace(std::shared_ptr<const Ring> ring) {
  const std::unique_lock lock(mutex_);
  std::swap(ring_, ring);
}

Bytes Vault::master_key_id() const {
  const auto keys = ring()->current;
  return {keys->id.begin(), keys->id.end()};
}

Bytes Vault::id_of(const Secret& master_key) {
  const SubKeys keys(master_key);
  return {keys.id.begin(), keys.id.end()};
}

void Vault::begin_rotation(const Secret& next) {
  const auto before = ring();
  auto keys = std::make_shared<const SubKeys>(next);
  LATCHKEY_CHECK(before->former == nullptr || before->former->id == keys->id);
  replace(std::make_shared<const Ring>(std::move(keys), before->current, before->lookup));
}

void Vault::hold_former(const Secret& former) {
  const auto before = ring();
  replace(std::make_shared<const Ring>(before->current, std::make_shared<const SubKeys>(former), before->lookup));
}

void Vault::end_rotation() {
  const auto before = ring();
  replace(std::make_shared<const Ring>(before->current, nullptr, before->lookup));
}

bool Vault::rotating() const { return ring()->former != nullptr; }

Bytes Vault::export_lookup_key(const Secret& for_master_key) const {
  const Vault reader(for_master_key.clone(), entropy_);
  return reader.seal(kLookupKeyPlace, Secret(ring()->lookup->reveal()));
}

Result<void> Vault::import_lookup_key(ByteView sealed) {
  const auto key = open(kLookupKeyPlace, sealed);
  if (!key) return std::unexpected(key.error());
  if (key->size() != kKeyBytes) return rejected("lookup key: wrong length");
  const auto before = ring();
  replace(std::make_shared<const Ring>(before->current, before->former, locked_copy(key->reveal())));
  return {};
}

Bytes Vault::seal_outer(std::uint8_t kind, const SealContext& context, ByteView extra, ByteView plain) const {
  const auto keys = ring()->current;
  const auto header = header_of(static_cast<SealKind>(kind), context.purpose, keys->id);
  return seal_envelope(keys->outer(static_cast<SealKind>(kind), context.purpose), header,
                       associated_data(header, context, extra), plain, entropy_);
}

Result<Secret> Vault::open_outer(std::uint8_t kind, const SealContext& context, ByteView extra, ByteView sealed) const {
  const auto held = ring();
  const auto& keys = held->former && names_key(sealed, held->former->id) ? held->former : held->current;
  const auto header = header_of(static_cast<SealKind>(kind), context.purpose, keys->id);
  return open_envelope(keys->outer(static_cast<SealKind>(kind), context.purpose), header,
                       associated_data(header, context, extra), sealed);
}

Bytes Vault::seal(const SealContext& context, const Secret& plain) const {
  return seal_outer(static_cast<std::uint8_t>(SealKind::master), context, {}, plain.reveal());
}

Result<Secret> Vault::open(const SealContext& context, ByteView sealed) const {
  return open_outer(static_cast<std::uint8_t>(SealKind::master), context, {}, sealed);
}

KeyPair Vault::make_key_pair() const {
  auto private_key = crypto::make_x25519_private(entropy_);
  const auto public_key = crypto::x25519_public(private_key);
  return {.public_key = public_key, .private_key = std::move(private_key)};
}

Bytes Vault::seal_to(const PublicKey& recipient, const SealContext& context, const Secret& plain) const {
  const auto ephemeral = make_key_pair();
  const auto shared = crypto::x25519(ephemeral.private_key, recipient);
  LATCHKEY_CHECK(shared.has_value());  // public keys come from make_key_pair and are checked by MAC before use
  const auto associated = box_associated_data(context);
  const auto key = box_key(*shared, ephemeral.public_key, recipient, associated);
  Bytes inner(kKeyBytes + crypto::kAeadNonceBytes + crypto::kCommittedOverhead + plain.size());
  const std::span<std::uint8_t> all(inner);
  std::ranges::copy(ephemeral.public_key, all.begin());
  const auto nonce = all.subspan(kKeyBytes, crypto::kAeadNonceBytes);
  entropy_.fill(nonce);
  crypto::committed_seal(key.reveal(), nonce, associated, plain.reveal(),
                         all.subspan(kKeyBytes + crypto::kAeadNonceBytes));
  return seal_outer(static_cast<std::uint8_t>(SealKind::box), context, {}, inner);
}

Result<Secret> Vault::open_with(const PublicKey& recipient, const Secret& private_key, const SealContext& context,
                                ByteView sealed) const {
  auto outer = open_outer(static_cast<std::uint8_t>(SealKind::box), context, {}, sealed);
  if (!outer) return outer;
  const auto inner = outer->reveal();
  if (inner.size() < kKeyBytes + crypto::kAeadNonceBytes + crypto::kCommittedOverhead) return rejected("box: too short");
  PublicKey ephemeral_public;
  std::memcpy(ephemeral_public.data(), inner.data(), ephemeral_public.size());
  const auto shared = crypto::x25519(private_key, ephemeral_public);
  if (!shared) return rejected("box: degenerate key");
  const auto associated = box_associated_data(context);
  const auto key = box_key(*shared, ephemeral_public, recipient, associated);
  auto opened = crypto::committed_open(key.reveal(), inner.subspan(kKeyBytes, crypto::kAeadNonceBytes), associated,
                                       inner.subspan(kKeyBytes + crypto::kAeadNonceBytes));
  if (opened.failure) return rejected("box: not for this private key, or altered");
  return std::move(opened.plain);
}

Bytes Vault::wrap_user_key(UserId user, const PublicKey& public_key, const Secret& private_key, const Secret& pin,
                           PinCost cost) const {
  LATCHKEY_CHECK(private_key.size() == kKeyBytes);
  Bytes inner = parameters_of(cost, entropy_);
  const auto associated = pin_associated_data(user, public_key, inner);
  const auto key = hash_new_pin(pin, inner);
  inner.resize(kPinInnerBytes);
  const std::span<std::uint8_t> all(inner);
  const auto nonce = all.subspan(kParameterBytes, crypto::kAeadNonceBytes);
  entropy_.fill(nonce);
  crypto::committed_seal(key.reveal(), nonce, associated, private_key.reveal(),
                         all.subspan(kParameterBytes + crypto::kAeadNonceBytes));
  return seal_outer(static_cast<std::uint8_t>(SealKind::pin_wrap), place_of_user_key(user), public_key, inner);
}

Result<Secret> Vault::unwrap_user_key(UserId user, const PublicKey& public_key, const Secret& pin,
                                      ByteView wrapped) const {
  const auto outer =
      open_outer(static_cast<std::uint8_t>(SealKind::pin_wrap), place_of_user_key(user), public_key, wrapped);
  if (!outer) return std::unexpected(outer.error());
  const auto inner = outer->reveal();
  if (inner.size() != kPinInnerBytes) return rejected("PIN wrap: wrong length");
  const auto parameters = inner.first(kParameterBytes);
  const auto key = hash_pin(pin, parameters);
  if (!key) return std::unexpected(key.error());
  auto opened = crypto::committed_open(key->reveal(), inner.subspan(kParameterBytes, crypto::kAeadNonceBytes),
                                       pin_associated_data(user, public_key, parameters),
                                       inner.subspan(kParameterBytes + crypto::kAeadNonceBytes));
  if (opened.failure == crypto::OpenFailure::other_key) return fail(ErrorKind::refused, "wrong_pin", "The PIN is wrong.");
  if (opened.failure) return rejected("PIN wrap: altered");
  if (!std::ranges::equal(crypto::x25519_public(opened.plain), public_key)) return rejected("PIN wrap: not this pair");
  return std::move(opened.plain);
}

Result<PinCost> Vault::cost_of(UserId user, const PublicKey& public_key, ByteView wrapped) const {
  const auto outer =
      open_outer(static_cast<std::uint8_t>(SealKind::pin_wrap), place_of_user_key(user), public_key, wrapped);
  if (!outer) return std::unexpected(outer.error());
  return read_cost(outer->reveal());
}

Bytes Vault::make_password_verifier(UserId user, const Secret& password, PinCost cost) const {
  Bytes parameters = parameters_of(cost, entropy_);
  const auto hash = hash_new_pin(password, parameters);
  auto verifier = Secret::of_size(kVerifierBytes);
  std::ranges::copy(parameters, verifier.writable().begin());
  std::ranges::copy(hash.reveal(), verifier.writable().subspan(kParameterBytes).begin());
  return seal(place_of_password(user), verifier);
}

Result<bool> Vault::check_password(UserId user, const Secret& password, ByteView sealed_verifier) const {
  const auto verifier = open(place_of_password(user), sealed_verifier);
  if (!verifier) return std::unexpected(verifier.error());
  if (verifier->size() != kVerifierBytes) return rejected("password verifier: wrong length");
  const auto hash = hash_pin(password, verifier->reveal().first(kParameterBytes));
  if (!hash) return std::unexpected(hash.error());
  return base::equal_in_constant_time(hash->reveal(), verifier->reveal().subspan(kParameterBytes));
}

namespace {

Bytes mac_under(ByteView key, std::string_view table, ByteView row, ByteView fields) {
  MacFields place;
  place.add(table).add(row);
  const auto code = crypto::keyed_blake2b(key, {place.bytes(), fields});
  return {code.begin(), code.end()};
}

Bytes hash_under(ByteView root, std::string_view use, ByteView data) {
  auto key = crypto::keyed_blake2b(root, base::as_bytes(use));
  const auto hash = crypto::keyed_blake2b(key, data);
  base::wipe(key.data(), key.size());
  return {hash.begin(), hash.end()};
}

}  // namespace

Bytes Vault::mac(std::string_view table, ByteView row, ByteView fields) const {
  return mac_under(ring()->current->mac(), table, row, fields);
}

bool Vault::mac_matches(std::string_view table, ByteView row, ByteView fields, ByteView code) const {
  const auto held = ring();
  if (base::equal_in_constant_time(mac_under(held->current->mac(), table, row, fields), code)) return true;
  return held->former && base::equal_in_constant_time(mac_under(held->former->mac(), table, row, fields), code);
}

bool Vault::mac_is_current(std::string_view table, ByteView row, ByteView fields, ByteView code) const {
  return base::equal_in_constant_time(mac(table, row, fields), code);
}

Bytes Vault::keyed_hash(std::string_view use, ByteView data) const { return hash_under(ring()->lookup->reveal(), use, data); }

Bytes Vault::fingerprint(std::string_view use, ByteView data) const { return hash_under(ring()->current->hash(), use, data); }

bool Vault::is_current(ByteView sealed) const { return names_key(sealed, ring()->current->id); }

Result<Bytes> Vault::renew(const SealContext& context, ByteView sealed) const {
  if (sealed.size() < 2 || (sealed[1] != static_cast<std::uint8_t>(SealKind::master) &&
                            sealed[1] != static_cast<std::uint8_t>(SealKind::box))) {
    return rejected("not a sealed secret");
  }
  if (is_current(sealed)) return Bytes(sealed.begin(), sealed.end());
  const auto plain = open_outer(sealed[1], context, {}, sealed);
  if (!plain) return std::unexpected(plain.error());
  return seal_outer(sealed[1], context, {}, plain->reveal());
}

Result<Bytes> Vault::renew_user_key(UserId user, const PublicKey& public_key, ByteView wrapped) const {
  if (is_current(wrapped)) return Bytes(wrapped.begin(), wrapped.end());
  const auto kind = static_cast<std::uint8_t>(SealKind::pin_wrap);
  const auto inner = open_outer(kind, place_of_user_key(user), public_key, wrapped);
  if (!inner) return std::unexpected(inner.error());
  return seal_outer(kind, place_of_user_key(user), public_key, inner->reveal());
}

Result<Bytes> Vault::renew_password(UserId user, ByteView sealed_verifier) const {
  return renew(place_of_password(user), sealed_verifier);
}

MacFields& MacFields::add(std::string_view field) { return add(base::as_bytes(field)); }

MacFields& MacFields::add(ByteView field) {
  bytes_.push_back('s');
  append_number(bytes_, static_cast<std::uint32_t>(field.size()));
  append(bytes_, field);
  return *this;
}

MacFields& MacFields::add(std::int64_t number) {
  bytes_.push_back('i');
  const auto octets = static_cast<std::uint64_t>(number);
  append_number(bytes_, static_cast<std::uint32_t>(octets >> 32));
  append_number(bytes_, static_cast<std::uint32_t>(octets));
  return *this;
}

}  // namespace latchkey::vault

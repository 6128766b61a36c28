// The vault: what the master key and the PIN protect, and the only room that knows how (RULES K, FORMAT.md).
//
// Three ways to keep a secret:
//  - under the master key (`seal`/`open`): refresh tokens, raw replies, app secrets: opens unattended;
//  - to a public key (`seal_to`/`open_with`): access tokens and grants' private keys: anybody here may seal, only the
//    holder of the private half opens; the whole lies inside an outer layer under the master key;
//  - under a PIN and the master key (`wrap_user_key`/`unwrap_user_key`): a user's private half.
// Every ciphertext is bound to its place by a SealContext: moved elsewhere it does not open.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <shared_mutex>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/entropy.h"
#include "base/id.h"
#include "base/result.h"
#include "base/secret.h"

namespace latchkey::vault {

// Why a secret is sealed. Each purpose has its own sub-key; numbers are part of the format and never reused.
enum class Purpose : std::uint8_t {
  refresh_token = 1,
  raw_reply = 2,
  app_secret = 3,
  authorization_record = 4,  // the pending attempt: keys, verifier, nonce
  access_token = 5,          // seal_to a grant's public key
  grant_private_key = 6,     // seal_to a user's or delegation's public key
  user_private_key = 7,      // PIN wrap
  password_verifier = 8,
  unattended_delegation = 9, // private halves the server may open alone (RULES K4)
  pin_only_record = 10,      // reserved (RULES K5)
  flow_cookie = 11,
  lookup_key = 12,           // what keyed hashes are made with, carried on from master key to master key
  revocation_record = 13,    // tokens on their way back to the provider
  channel_secret = 14,       // of a mail relay or webhook that carries notices
  document_key = 15,         // of a spooled document
};

// Where a ciphertext lives (RULES K3); authenticated with it. `row` is the immutable id of the row.
struct SealContext {
  Purpose purpose;
  std::string_view table;
  ByteView row;
  std::string_view field;
  UserId user{};
  GrantId grant{};
  std::int64_t generation = 0;
};

using PublicKey = std::array<std::uint8_t, 32>;  // X25519
struct KeyPair {
  PublicKey public_key;
  Secret private_key;
};

// Argon2id cost. The floor for people is 64 MiB and t = 3 (RULES K1); tests and fixtures may go lower.
struct PinCost {
  std::uint32_t memory_kib = 64 * 1024;
  std::uint32_t passes = 3;
  friend bool operator==(const PinCost&, const PinCost&) = default;
};

// The master key and what follows from it. A resource; any thread may call anything at any time.
//
// During a rotation two master keys are held: what is made is made with the newer one; what is read may be of either (a
// ciphertext names its key, a MAC is tried with both).
class Vault {
 public:
  Vault(Secret master_key, Entropy& entropy);
  ~Vault();
  Vault(const Vault&) = delete;
  Vault& operator=(const Vault&) = delete;

  // 16 octets that name the master key without telling it; the store keeps them to notice a wrong key at start.
  [[nodiscard]] Bytes master_key_id() const;
  [[nodiscard]] static Bytes id_of(const Secret& master_key);

  // From now on `next` makes, and the key so far still reads. Lookups go on as before: see export_lookup_key.
  void begin_rotation(const Secret& next);
  // The same as seen by a start in the middle of one: the key held makes, `former` still reads.
  void hold_former(const Secret& former);
  // The former key is forgotten.
  void end_rotation();
  [[nodiscard]] bool rotating() const;

  // Keyed hashes are kept where what they are of is not, so they could not be made again under another master key. Their key is
  // that of the first one, sealed by each later one (as meta `lookup_key`); it opens nothing.
  [[nodiscard]] Bytes export_lookup_key(const Secret& for_master_key) const;
  // Errors: corrupt/`ciphertext_rejected`.
  [[nodiscard]] Result<void> import_lookup_key(ByteView sealed);

  [[nodiscard]] Bytes seal(const SealContext& context, const Secret& plain) const;
  // Errors: corrupt/`ciphertext_rejected` (wrong key, moved, altered, unknown version).
  [[nodiscard]] Result<Secret> open(const SealContext& context, ByteView sealed) const;

  [[nodiscard]] KeyPair make_key_pair() const;
  [[nodiscard]] Bytes seal_to(const PublicKey& recipient, const SealContext& context, const Secret& plain) const;
  [[nodiscard]] Result<Secret> open_with(const PublicKey& recipient, const Secret& private_key, const SealContext& context,
                                         ByteView sealed) const;

  // Blocking: Argon2id takes a tenth of a second and `cost.memory_kib`; run it on the PIN pool. `pin` is the PIN after
  // PRECIS preparation. The result holds version, salt and cost.
  [[nodiscard]] Bytes wrap_user_key(UserId user, const PublicKey& public_key, const Secret& private_key, const Secret& pin,
                                    PinCost cost) const;
  // Errors: refused/`wrong_pin`; corrupt/`ciphertext_rejected` when the outer layer does not open (no PIN guess made).
  [[nodiscard]] Result<Secret> unwrap_user_key(UserId user, const PublicKey& public_key, const Secret& pin,
                                               ByteView wrapped) const;
  // The cost inside a wrap, so that a right PIN can raise it.
  [[nodiscard]] Result<PinCost> cost_of(UserId user, const PublicKey& public_key, ByteView wrapped) const;

  // Passwords of the console: an Argon2id verifier, sealed. Blocking like the PIN's.
  [[nodiscard]] Bytes make_password_verifier(UserId user, const Secret& password, PinCost cost) const;
  [[nodiscard]] Result<bool> check_password(UserId user, const Secret& password, ByteView sealed_verifier) const;

  // MAC (32 octets) over the plaintext fields that decide where a secret goes. `fields` is the owner room's canonical,
  // unambiguous serialization (length-prefixed).
  [[nodiscard]] Bytes mac(std::string_view table, ByteView row, ByteView fields) const;
  [[nodiscard]] bool mac_matches(std::string_view table, ByteView row, ByteView fields, ByteView mac) const;

  // Keyed BLAKE2b with a sub-key of its own for each `use`: fingerprints of wrong PINs, lookups of one-time tickets,
  // session tokens and device secrets (RULES T8). 32 octets.
  [[nodiscard]] Bytes keyed_hash(std::string_view use, ByteView data) const;

  // Like keyed_hash, but of the newest master key: for what a leaked old key must not help to guess (wrong PINs).
  [[nodiscard]] Bytes fingerprint(std::string_view use, ByteView data) const;

  // Whether a ciphertext, or a MAC that matches, is of the newest master key.
  [[nodiscard]] bool is_current(ByteView sealed) const;
  [[nodiscard]] bool mac_is_current(std::string_view table, ByteView row, ByteView fields, ByteView mac) const;

  // The same secret under the newest master key: only the outer layer changes, so no PIN and no private key is needed (RULES
  // K1). What is there already comes back as it is. Errors: corrupt/`ciphertext_rejected`.
  [[nodiscard]] Result<Bytes> renew(const SealContext& context, ByteView sealed) const;
  [[nodiscard]] Result<Bytes> renew_user_key(UserId user, const PublicKey& public_key, ByteView wrapped) const;
  [[nodiscard]] Result<Bytes> renew_password(UserId user, ByteView sealed_verifier) const;

 private:
  struct SubKeys;
  // The keys held at one moment; immutable, replaced as a whole.
  struct Ring;
  [[nodiscard]] std::shared_ptr<const Ring> ring() const;
  void replace(std::shared_ptr<const Ring> ring);
  [[nodiscard]] Bytes seal_outer(std::uint8_t kind, const SealContext& context, ByteView extra, ByteView plain) const;
  [[nodiscard]] Result<Secret> open_outer(std::uint8_t kind, const SealContext& context, ByteView extra,
                                          ByteView sealed) const;

  mutable std::shared_mutex mutex_;  // held for the copy of the pointer alone
  std::shared_ptr<const Ring> ring_;
  Entropy& entropy_;
};

// Length-prefixed fields for Vault::mac: unambiguous whatever the contents.
class MacFields {
 public:
  MacFields& add(std::string_view field);
  MacFields& add(ByteView field);
  MacFields& add(std::int64_t number);
  [[nodiscard]] ByteView bytes() const { return bytes_; }

 private:
  Bytes bytes_;
};

// Whether a missing master key file may be made: only for a store that holds nothing sealed yet.
enum class OnMissingKey { create, refuse };

// Reads the master key file (mode 0600 or stricter, owned by the running user or root; 64 hex digits and a comment line).
// Errors: misconfigured/`master_key_missing`, `master_key_permissions`, `master_key_malformed`, each with the way out.
// Creating is atomic and synced: file and directory.
[[nodiscard]] Result<Secret> load_master_key(const std::string& path, OnMissingKey on_missing, Entropy& entropy);

}  // namespace latchkey::vault

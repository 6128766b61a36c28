// Where each secret of a grant lives in the vault, and which plain fields are vouched for (RULES K2, K3).
#pragma once

#include "base/result.h"
#include "base/secret.h"
#include "store/records.h"
#include "store/reply_journal.h"
#include "vault/vault.h"

namespace latchkey::grants {

// What a refresh needs to be made: the token, and the original verifier where a provider wants it repeated (a quirk of
// the catalogue). As octets: the token alone, or NUL verifier NUL token.
struct RefreshMaterial {
  Secret token;
  Secret code_verifier;

  [[nodiscard]] RefreshMaterial clone() const { return {token.clone(), code_verifier.clone()}; }
};

// Thread-safe; the vault outlives it.
// A channel's secret: the key of its entry (Store::meta), and what it is bound to.
struct ChannelSecretPlace {
  std::string key;
  std::string place;
};

class Sealing {
 public:
  explicit Sealing(const vault::Vault& vault) : vault_(vault) {}

  [[nodiscard]] Bytes seal_refresh(const store::Grant& grant, store::GenerationNumber number,
                                   const RefreshMaterial& material) const;
  [[nodiscard]] Result<RefreshMaterial> open_refresh(const store::Grant& grant, const store::Generation& generation) const;

  // To the grant's public key: sealing needs nobody's presence, opening needs a holder.
  [[nodiscard]] Bytes seal_access(const store::Grant& grant, store::GenerationNumber number, const Secret& token) const;
  [[nodiscard]] Result<Secret> open_access(const store::Grant& grant, const store::Generation& generation,
                                           const Secret& grant_private_key) const;

  // The grant's private half, to its user's public key.
  [[nodiscard]] store::Wrap wrap_for_user(const store::Grant& grant, const Bytes& user_public_key, const Secret& grant_private_key,
                                          WallTime now) const;
  [[nodiscard]] Result<Secret> unwrap_for_user(const store::Grant& grant, const Bytes& user_public_key,
                                               const Secret& user_private_key, const store::Wrap& wrap) const;

  // The same for a delivery's own pair (RULES K4); its private half lies under the master key: opens unattended, and dies with it.
  [[nodiscard]] store::Wrap wrap_for_delivery(const store::Grant& grant, DeliveryId delivery, const vault::PublicKey& public_key,
                                              const Secret& grant_private_key, WallTime now) const;
  [[nodiscard]] Result<Secret> unwrap_for_delivery(const store::Grant& grant, const store::Delivery& delivery, const store::Wrap& wrap) const;
  [[nodiscard]] Bytes seal_delivery_key(DeliveryId delivery, const Secret& private_key) const;

  // The same for a connector's standing delegation: it lasts until somebody ends it.
  [[nodiscard]] store::Wrap wrap_for_connector(const store::Grant& grant, const store::StandingDelegation& delegation,
                                               const Secret& grant_private_key, WallTime now) const;
  [[nodiscard]] Result<Secret> unwrap_for_connector(const store::Grant& grant, const store::StandingDelegation& delegation,
                                                    const store::Wrap& wrap) const;
  [[nodiscard]] Bytes seal_connector_key(DelegationId delegation, const Secret& private_key) const;

  // The key of a spooled document's file.
  [[nodiscard]] Bytes seal_document_key(DeliveryId delivery, const Secret& key) const;
  [[nodiscard]] Result<Secret> open_document_key(DeliveryId delivery, ByteView sealed) const;

  // The reply as it came, for the journal: bound to its intent.
  [[nodiscard]] Bytes seal_reply(IntentId intent, GrantId grant, store::GenerationNumber number, const Secret& raw) const;
  [[nodiscard]] Result<Secret> open_reply(IntentId intent, GrantId grant, store::GenerationNumber number, ByteView sealed) const;

  [[nodiscard]] Bytes seal_app_secret(const store::App& app, std::size_t slot, const Secret& secret) const;
  [[nodiscard]] Result<Secret> open_app_secret(const store::App& app, std::size_t slot) const;

  // Under the newest master key, from whichever it stands under; what does already comes back as it is, and so does an empty
  // one. Errors: corrupt/`ciphertext_rejected`.
  [[nodiscard]] Result<Bytes> renew_refresh(const store::Grant& grant, store::GenerationNumber number, ByteView sealed) const;
  [[nodiscard]] Result<Bytes> renew_access(const store::Grant& grant, store::GenerationNumber number, ByteView sealed) const;
  [[nodiscard]] Result<Bytes> renew_wrap(const store::Grant& grant, ByteView sealed) const;  // its user's
  [[nodiscard]] Result<Bytes> renew_wrap(const store::Grant& grant, const store::Wrap& wrap) const;
  [[nodiscard]] Result<Bytes> renew_delivery_key(const store::Delivery& delivery) const;
  [[nodiscard]] Result<Bytes> renew_connector_key(const store::StandingDelegation& delegation) const;
  [[nodiscard]] Result<Bytes> renew_document_key(const store::Delivery& delivery) const;
  [[nodiscard]] Result<Bytes> renew_reply(const store::JournalEntry& entry) const;
  [[nodiscard]] Result<Bytes> renew_app_secret(const store::App& app, std::size_t slot) const;
  [[nodiscard]] Result<Bytes> renew_revocation(const store::Revocation& revocation) const;
  [[nodiscard]] Result<Bytes> renew_channel_secret(std::string_view place, ByteView sealed) const;
  [[nodiscard]] bool is_current(const store::Grant& grant) const;  // its MAC
  [[nodiscard]] bool is_current(const store::App& app) const;
  [[nodiscard]] bool is_current(const store::Connector& connector) const;
  [[nodiscard]] bool is_current(const store::Delivery& delivery) const;
  [[nodiscard]] bool is_current(ByteView sealed) const { return sealed.empty() || vault_.is_current(sealed); }

  // Tokens on their way back to the provider.
  [[nodiscard]] Bytes seal_revocation(const store::Revocation& revocation, const Secret& record) const;
  [[nodiscard]] Result<Secret> open_revocation(const store::Revocation& revocation) const;

  // What a channel of notices signs in with, bound to `place`.
  [[nodiscard]] Bytes seal_channel_secret(std::string_view place, const Secret& secret) const;
  [[nodiscard]] Result<Secret> open_channel_secret(std::string_view place, ByteView sealed) const;

  // Sets `mac`; the check is made before a record is used. Errors: corrupt/`record_altered`.
  void vouch(store::Grant& grant) const;
  void vouch(store::App& app) const;
  void vouch(store::Connector& connector) const;
  void vouch(store::Delivery& delivery) const;
  [[nodiscard]] Result<void> check(const store::Grant& grant) const;
  [[nodiscard]] Result<void> check(const store::App& app) const;
  [[nodiscard]] Result<void> check(const store::Connector& connector) const;
  [[nodiscard]] Result<void> check(const store::Delivery& delivery) const;

 private:
  const vault::Vault& vault_;
};

}  // namespace latchkey::grants

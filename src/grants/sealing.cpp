#include "grants/sealing.h"

#include <algorithm>

namespace latchkey::grants {
namespace {

using vault::MacFields;
using vault::Purpose;
using vault::SealContext;

SealContext token_context(Purpose purpose, std::string_view field, const store::Grant& grant, store::GenerationNumber number) {
  return {.purpose = purpose, .table = "generations", .row = grant.id.bytes(), .field = field, .user = grant.user,
          .grant = grant.id, .generation = number};
}

SealContext wrap_context(const store::Grant& grant, ByteView holder) {
  return {.purpose = Purpose::grant_private_key, .table = "wraps", .row = holder, .field = "private_key",
          .user = grant.user, .grant = grant.id};
}
SealContext wrap_context(const store::Grant& grant) { return wrap_context(grant, grant.user.bytes()); }

SealContext delivery_key_context(const DeliveryId& delivery) {
  return {.purpose = Purpose::unattended_delegation, .table = "deliveries", .row = delivery.bytes(), .field = "private_key"};
}

SealContext connector_key_context(const DelegationId& delegation) {
  return {.purpose = Purpose::unattended_delegation, .table = "connectors", .row = delegation.bytes(), .field = "private_key"};
}

SealContext document_key_context(const DeliveryId& delivery) {
  return {.purpose = Purpose::document_key, .table = "deliveries", .row = delivery.bytes(), .field = "document_key"};
}

SealContext reply_context(const IntentId& intent, const GrantId& grant, store::GenerationNumber number) {
  return {.purpose = Purpose::raw_reply, .table = "journal", .row = intent.bytes(), .field = "reply", .grant = grant,
          .generation = number};
}

SealContext app_context(const store::App& app, std::size_t slot) {
  return {.purpose = Purpose::app_secret, .table = "apps", .row = base::as_bytes(app.id),
          .field = slot == 0 ? "secret.0" : "secret.1"};
}

SealContext revocation_context(const store::Revocation& revocation) {
  return {.purpose = Purpose::revocation_record, .table = "revocations", .row = revocation.id.bytes(), .field = "record",
          .grant = revocation.grant};
}

SealContext channel_context(std::string_view place) {
  return {.purpose = Purpose::channel_secret, .table = "meta", .row = base::as_bytes(place), .field = "value"};
}

Result<vault::PublicKey> public_key_of(const Bytes& octets) {
  vault::PublicKey key;
  if (octets.size() != key.size()) {
    return fail(ErrorKind::corrupt, "record_altered", "A stored public key has the wrong length.");
  }
  std::copy(octets.begin(), octets.end(), key.begin());
  return key;
}

Bytes seal_to_key(const vault::Vault& vault, const Bytes& key, const SealContext& context, const Secret& plain) {
  const auto recipient = public_key_of(key);
  LATCHKEY_CHECK(recipient.has_value());
  return vault.seal_to(*recipient, context, plain);
}

Result<Secret> open_with_key(const vault::Vault& vault, const Bytes& key, const Secret& private_key,
                             const SealContext& context, ByteView sealed) {
  const auto recipient = public_key_of(key);
  if (!recipient) return std::unexpected(recipient.error());
  return vault.open_with(*recipient, private_key, context, sealed);
}

Bytes fields_of(const store::Grant& grant) {
  MacFields fields;
  fields.add(grant.user.bytes()).add(grant.type).add(grant.app).add(grant.params_json).add(grant.account_id);
  fields.add(grant.account_name).add(grant.extras_json).add(ByteView(grant.public_key));
  fields.add(store::is_locked(grant.state) ? "locked" : "open");
  return {fields.bytes().begin(), fields.bytes().end()};
}

Bytes fields_of(const store::App& app) {
  MacFields fields;
  fields.add(app.provider).add(app.client_id).add(app.token_origin).add(app.params_json);
  return {fields.bytes().begin(), fields.bytes().end()};
}

Bytes fields_of(const store::Connector& connector) {
  MacFields fields;
  fields.add(connector.type).add(store::name_of(connector.account)).add(connector.owner.bytes());
  fields.add(static_cast<std::int64_t>(connector.groups.size()));
  for (const auto& group : connector.groups) fields.add(group);
  fields.add(std::int64_t{0});  // of a list that is no more, so that older records stay good
  fields.add(connector.target_json).add(connector.naming).add(store::name_of(connector.conflict)).add(connector.enabled ? "enabled" : "disabled");
  if (const auto& standing = connector.delegation; !standing.id.none()) {
    fields.add("delegation").add(standing.id.bytes()).add(standing.grant.bytes()).add(ByteView(standing.public_key));
  }
  return {fields.bytes().begin(), fields.bytes().end()};
}

Bytes fields_of(const store::Delivery& delivery) {
  MacFields fields;
  fields.add(delivery.connector).add(delivery.submitter.bytes()).add(delivery.grant.bytes()).add(delivery.name).add(delivery.content_type);
  fields.add(delivery.size_bytes).add(ByteView(delivery.sha256)).add(ByteView(delivery.public_key));
  // Only where they are, so that older records stay good.
  if (!delivery.device.none()) fields.add("device").add(delivery.device.bytes());
  if (delivery.fields_json != "{}") fields.add("fields").add(delivery.fields_json);
  return {fields.bytes().begin(), fields.bytes().end()};
}

Secret pack(const RefreshMaterial& material) {
  if (material.code_verifier.empty()) return material.token.clone();
  Secret packed = Secret::of_size(material.code_verifier.size() + material.token.size() + 2);
  auto out = packed.writable();
  out[0] = 0;
  std::ranges::copy(material.code_verifier.reveal(), out.begin() + 1);
  out[material.code_verifier.size() + 1] = 0;
  std::ranges::copy(material.token.reveal(), out.begin() + static_cast<std::ptrdiff_t>(material.code_verifier.size()) + 2);
  return packed;
}

RefreshMaterial unpack(const Secret& packed) {
  const auto octets = packed.reveal();
  if (octets.empty() || octets[0] != 0) return {.token = packed.clone(), .code_verifier = Secret()};
  const auto middle = std::ranges::find(octets.subspan(1), std::uint8_t{0});
  const auto verifier_size = static_cast<std::size_t>(middle - octets.subspan(1).begin());
  if (verifier_size + 2 > octets.size()) return {};
  return {.token = Secret(octets.subspan(verifier_size + 2)), .code_verifier = Secret(octets.subspan(1, verifier_size))};
}

std::unexpected<Error> altered(std::string_view what, std::string_view which) {
  return fail(ErrorKind::corrupt, "record_altered",
              "A stored record was altered by somebody who lacks the master key; it is not used.",
              {.detail = std::string(what) + " " + std::string(which)});
}

}  // namespace

Bytes Sealing::seal_refresh(const store::Grant& grant, store::GenerationNumber number,
                            const RefreshMaterial& material) const {
  return vault_.seal(token_context(Purpose::refresh_token, "refresh", grant, number), pack(material));
}

Result<RefreshMaterial> Sealing::open_refresh(const store::Grant& grant, const store::Generation& generation) const {
  auto packed =
      vault_.open(token_context(Purpose::refresh_token, "refresh", grant, generation.number), generation.refresh_sealed);
  if (!packed) return std::unexpected(packed.error());
  return unpack(*packed);
}

Bytes Sealing::seal_access(const store::Grant& grant, store::GenerationNumber number, const Secret& token) const {
  return seal_to_key(vault_, grant.public_key, token_context(Purpose::access_token, "access", grant, number), token);
}

Result<Secret> Sealing::open_access(const store::Grant& grant, const store::Generation& generation,
                                    const Secret& grant_private_key) const {
  return open_with_key(vault_, grant.public_key, grant_private_key,
                       token_context(Purpose::access_token, "access", grant, generation.number), generation.access_sealed);
}

store::Wrap Sealing::wrap_for_user(const store::Grant& grant, const Bytes& user_public_key, const Secret& grant_private_key,
                                   WallTime now) const {
  const auto holder = grant.user.bytes();
  return {.grant = grant.id, .holder_kind = store::HolderKind::user, .holder = Bytes(holder.begin(), holder.end()),
          .private_key_sealed = seal_to_key(vault_, user_public_key, wrap_context(grant), grant_private_key),
          .created_at = now};
}

Result<Secret> Sealing::unwrap_for_user(const store::Grant& grant, const Bytes& user_public_key,
                                        const Secret& user_private_key, const store::Wrap& wrap) const {
  return open_with_key(vault_, user_public_key, user_private_key, wrap_context(grant), wrap.private_key_sealed);
}

store::Wrap Sealing::wrap_for_delivery(const store::Grant& grant, DeliveryId delivery, const vault::PublicKey& public_key,
                                       const Secret& grant_private_key, WallTime now) const {
  const auto holder = delivery.bytes();
  return {.grant = grant.id, .holder_kind = store::HolderKind::delivery, .holder = Bytes(holder.begin(), holder.end()),
          .private_key_sealed = vault_.seal_to(public_key, wrap_context(grant, holder), grant_private_key), .created_at = now};
}

Result<Secret> Sealing::unwrap_for_delivery(const store::Grant& grant, const store::Delivery& delivery, const store::Wrap& wrap) const {
  auto private_key = vault_.open(delivery_key_context(delivery.id), delivery.private_key_sealed);
  if (!private_key) return std::unexpected(private_key.error());
  return open_with_key(vault_, delivery.public_key, *private_key, wrap_context(grant, delivery.id.bytes()), wrap.private_key_sealed);
}

Bytes Sealing::seal_delivery_key(DeliveryId delivery, const Secret& private_key) const { return vault_.seal(delivery_key_context(delivery), private_key); }

store::Wrap Sealing::wrap_for_connector(const store::Grant& grant, const store::StandingDelegation& delegation,
                                        const Secret& grant_private_key, WallTime now) const {
  const auto holder = delegation.id.bytes();
  return {.grant = grant.id, .holder_kind = store::HolderKind::connector, .holder = Bytes(holder.begin(), holder.end()),
          .private_key_sealed = seal_to_key(vault_, delegation.public_key, wrap_context(grant, holder), grant_private_key), .created_at = now};
}

Result<Secret> Sealing::unwrap_for_connector(const store::Grant& grant, const store::StandingDelegation& delegation,
                                             const store::Wrap& wrap) const {
  auto private_key = vault_.open(connector_key_context(delegation.id), delegation.private_key_sealed);
  if (!private_key) return std::unexpected(private_key.error());
  return open_with_key(vault_, delegation.public_key, *private_key, wrap_context(grant, delegation.id.bytes()), wrap.private_key_sealed);
}

Bytes Sealing::seal_connector_key(DelegationId delegation, const Secret& private_key) const {
  return vault_.seal(connector_key_context(delegation), private_key);
}

Bytes Sealing::seal_document_key(DeliveryId delivery, const Secret& key) const { return vault_.seal(document_key_context(delivery), key); }

Result<Secret> Sealing::open_document_key(DeliveryId delivery, ByteView sealed) const { return vault_.open(document_key_context(delivery), sealed); }

Bytes Sealing::seal_reply(IntentId intent, GrantId grant, store::GenerationNumber number, const Secret& raw) const {
  return vault_.seal(reply_context(intent, grant, number), raw);
}

Result<Secret> Sealing::open_reply(IntentId intent, GrantId grant, store::GenerationNumber number, ByteView sealed) const {
  return vault_.open(reply_context(intent, grant, number), sealed);
}

Bytes Sealing::seal_app_secret(const store::App& app, std::size_t slot, const Secret& secret) const {
  return vault_.seal(app_context(app, slot), secret);
}

Result<Secret> Sealing::open_app_secret(const store::App& app, std::size_t slot) const {
  return vault_.open(app_context(app, slot), app.secrets[slot].sealed);
}

Result<Bytes> Sealing::renew_refresh(const store::Grant& grant, store::GenerationNumber number, ByteView sealed) const {
  if (sealed.empty()) return Bytes();
  return vault_.renew(token_context(Purpose::refresh_token, "refresh", grant, number), sealed);
}

Result<Bytes> Sealing::renew_access(const store::Grant& grant, store::GenerationNumber number, ByteView sealed) const {
  if (sealed.empty()) return Bytes();
  return vault_.renew(token_context(Purpose::access_token, "access", grant, number), sealed);
}

Result<Bytes> Sealing::renew_wrap(const store::Grant& grant, ByteView sealed) const {
  if (sealed.empty()) return Bytes();
  return vault_.renew(wrap_context(grant), sealed);
}

Result<Bytes> Sealing::renew_wrap(const store::Grant& grant, const store::Wrap& wrap) const {
  if (wrap.private_key_sealed.empty()) return Bytes();
  return vault_.renew(wrap_context(grant, wrap.holder), wrap.private_key_sealed);
}

Result<Bytes> Sealing::renew_delivery_key(const store::Delivery& delivery) const {
  if (delivery.private_key_sealed.empty()) return Bytes();
  return vault_.renew(delivery_key_context(delivery.id), delivery.private_key_sealed);
}

Result<Bytes> Sealing::renew_connector_key(const store::StandingDelegation& delegation) const {
  if (delegation.private_key_sealed.empty()) return Bytes();
  return vault_.renew(connector_key_context(delegation.id), delegation.private_key_sealed);
}

Result<Bytes> Sealing::renew_document_key(const store::Delivery& delivery) const {
  if (delivery.document_key_sealed.empty()) return Bytes();
  return vault_.renew(document_key_context(delivery.id), delivery.document_key_sealed);
}

Result<Bytes> Sealing::renew_reply(const store::JournalEntry& entry) const {
  return vault_.renew(reply_context(entry.intent, entry.grant, entry.generation), entry.reply_sealed);
}

Result<Bytes> Sealing::renew_app_secret(const store::App& app, std::size_t slot) const {
  if (app.secrets[slot].sealed.empty()) return Bytes();
  return vault_.renew(app_context(app, slot), app.secrets[slot].sealed);
}

Result<Bytes> Sealing::renew_revocation(const store::Revocation& revocation) const {
  return vault_.renew(revocation_context(revocation), revocation.record_sealed);
}

Result<Bytes> Sealing::renew_channel_secret(std::string_view place, ByteView sealed) const { return vault_.renew(channel_context(place), sealed); }

bool Sealing::is_current(const store::Grant& grant) const {
  return vault_.mac_is_current("grants", grant.id.bytes(), fields_of(grant), grant.mac);
}

bool Sealing::is_current(const store::App& app) const {
  return vault_.mac_is_current("apps", base::as_bytes(app.id), fields_of(app), app.mac);
}

bool Sealing::is_current(const store::Connector& connector) const {
  return vault_.mac_is_current("connectors", base::as_bytes(connector.id), fields_of(connector), connector.mac);
}

bool Sealing::is_current(const store::Delivery& delivery) const {
  return vault_.mac_is_current("deliveries", delivery.id.bytes(), fields_of(delivery), delivery.mac);
}

Bytes Sealing::seal_revocation(const store::Revocation& revocation, const Secret& record) const {
  return vault_.seal(revocation_context(revocation), record);
}

Result<Secret> Sealing::open_revocation(const store::Revocation& revocation) const {
  return vault_.open(revocation_context(revocation), revocation.record_sealed);
}

Bytes Sealing::seal_channel_secret(std::string_view place, const Secret& secret) const { return vault_.seal(channel_context(place), secret); }

Result<Secret> Sealing::open_channel_secret(std::string_view place, ByteView sealed) const { return vault_.open(channel_context(place), sealed); }

void Sealing::vouch(store::Grant& grant) const { grant.mac = vault_.mac("grants", grant.id.bytes(), fields_of(grant)); }

void Sealing::vouch(store::App& app) const { app.mac = vault_.mac("apps", base::as_bytes(app.id), fields_of(app)); }

void Sealing::vouch(store::Connector& connector) const {
  connector.mac = vault_.mac("connectors", base::as_bytes(connector.id), fields_of(connector));
}

void Sealing::vouch(store::Delivery& delivery) const { delivery.mac = vault_.mac("deliveries", delivery.id.bytes(), fields_of(delivery)); }

Result<void> Sealing::check(const store::Connector& connector) const {
  if (vault_.mac_matches("connectors", base::as_bytes(connector.id), fields_of(connector), connector.mac)) return {};
  return altered("connector", connector.id);
}

Result<void> Sealing::check(const store::Delivery& delivery) const {
  if (vault_.mac_matches("deliveries", delivery.id.bytes(), fields_of(delivery), delivery.mac)) return {};
  return altered("delivery", delivery.id.text());
}

Result<void> Sealing::check(const store::Grant& grant) const {
  if (vault_.mac_matches("grants", grant.id.bytes(), fields_of(grant), grant.mac)) return {};
  return altered("grant", grant.id.text());
}

Result<void> Sealing::check(const store::App& app) const {
  if (vault_.mac_matches("apps", base::as_bytes(app.id), fields_of(app), app.mac)) return {};
  return altered("app", app.id);
}

}  // namespace latchkey::grants

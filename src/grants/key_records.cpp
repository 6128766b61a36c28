#include "grants/key_records.h"

#include "grants/flow_record.h"

namespace latchkey::grants {
namespace {

// Takes the renewed octets in; whether they are others than before.
bool take(Bytes& sealed, Result<Bytes> renewed, Renewal& renewal) {
  if (!renewed) {
    renewal.unreadable += 1;
    return false;
  }
  if (*renewed == sealed) return false;
  sealed = std::move(*renewed);
  return true;
}

}  // namespace

Renewal renew(const people::UserSeal& seal, const store::User& user) {
  Renewal renewal;
  auto renewed = seal.renew(user);
  if (!renewed) {
    renewal.unreadable = 1;
  } else if (*renewed) {
    renewal.batch.push_back(store::UpdateUser{std::move(**renewed)});
  }
  return renewal;
}

Renewal renew(const Sealing& sealing, const store::GrantView& view, const std::vector<store::Wrap>& wraps) {
  Renewal renewal;
  if (!sealing.check(view.grant)) return {.batch = {}, .unreadable = 1};
  for (auto generation : view.generations) {
    bool changed = take(generation.refresh_sealed, sealing.renew_refresh(view.grant, generation.number, generation.refresh_sealed), renewal);
    changed |= take(generation.access_sealed, sealing.renew_access(view.grant, generation.number, generation.access_sealed), renewal);
    if (changed) renewal.batch.push_back(store::PutGeneration{std::move(generation)});
  }
  for (auto wrap : wraps) {
    if (take(wrap.private_key_sealed, sealing.renew_wrap(view.grant, wrap), renewal)) {
      renewal.batch.push_back(store::PutWrap{std::move(wrap)});
    }
  }
  if (renewal.batch.empty() && sealing.is_current(view.grant)) return renewal;
  // The grant's version stands for its token sets and wraps, too: whoever changed one of them meanwhile has counted it up.
  auto grant = view.grant;
  sealing.vouch(grant);
  renewal.batch.insert(renewal.batch.begin(), store::UpdateGrant{std::move(grant)});
  return renewal;
}

Renewal renew(const Sealing& sealing, const store::App& app) {
  Renewal renewal;
  if (!sealing.check(app)) return {.batch = {}, .unreadable = 1};
  auto renewed = app;
  bool changed = !sealing.is_current(app);
  for (std::size_t slot = 0; slot < std::size(app.secrets); ++slot) {
    changed |= take(renewed.secrets[slot].sealed, sealing.renew_app_secret(app, slot), renewal);
  }
  if (!changed) return renewal;
  sealing.vouch(renewed);
  renewal.batch.push_back(store::PutApp{std::move(renewed)});
  return renewal;
}

Renewal renew(const vault::Vault& vault, const Sealing& sealing, const store::Authorization& row) {
  Renewal renewal;
  if (row.record_sealed.empty()) return renewal;
  const auto plain = vault.open(flow_context(row.id), row.record_sealed);
  if (!plain) return {.batch = {}, .unreadable = 1};
  auto record = FlowRecord::from_plain(*plain);
  if (!record) return {.batch = {}, .unreadable = 1};
  bool changed = !vault.is_current(row.record_sealed);
  if (const auto key = people::public_key_of(record->user); key && !record->user.private_key_wrapped.empty()) {
    auto& wrapped = record->user.private_key_wrapped;
    changed |= take(wrapped, vault.renew_user_key(record->user.id, *key, wrapped), renewal);
  }
  changed |= take(record->wrap_sealed, sealing.renew_wrap(record->grant, record->wrap_sealed), renewal);
  if (auto& harvest = record->harvest) {
    const auto number = record->grant.generation + 1;
    changed |= take(harvest->refresh_sealed, sealing.renew_refresh(record->grant, number, harvest->refresh_sealed), renewal);
    changed |= take(harvest->access_sealed, sealing.renew_access(record->grant, number, harvest->access_sealed), renewal);
  }
  if (!changed) return renewal;
  auto renewed = row;
  renewed.record_sealed = vault.seal(flow_context(row.id), record->to_plain());
  renewal.batch.push_back(store::UpdateAuthorization{std::move(renewed)});
  return renewal;
}

Renewal renew(const Sealing& sealing, const store::Revocation& revocation) {
  Renewal renewal;
  if (revocation.record_sealed.empty()) return renewal;  // the tokens are still with their grant
  auto renewed = revocation;
  if (take(renewed.record_sealed, sealing.renew_revocation(revocation), renewal)) {
    renewal.batch.push_back(store::PutRevocation{std::move(renewed)});
  }
  return renewal;
}

Renewal renew(const Sealing& sealing, const store::Connector& connector) {
  Renewal renewal;
  if (!sealing.check(connector)) return {.batch = {}, .unreadable = 1};
  auto renewed = connector;
  bool changed = !sealing.is_current(connector);
  changed |= take(renewed.delegation.private_key_sealed, sealing.renew_connector_key(connector.delegation), renewal);
  if (!changed) return renewal;
  sealing.vouch(renewed);
  renewal.batch.push_back(store::PutConnector{std::move(renewed)});
  return renewal;
}

Renewal renew(const people::DeviceSeal& seal, const store::Device& device) {
  Renewal renewal;
  auto renewed = seal.renew(device);
  if (!renewed) {
    renewal.unreadable = 1;
  } else if (*renewed) {
    renewal.batch.push_back(store::PutDevice{std::move(**renewed)});
  }
  return renewal;
}

Renewal renew(const Sealing& sealing, const store::Delivery& delivery) {
  Renewal renewal;
  if (!sealing.check(delivery)) return {.batch = {}, .unreadable = 1};
  auto renewed = delivery;
  bool changed = !sealing.is_current(delivery);
  changed |= take(renewed.private_key_sealed, sealing.renew_delivery_key(delivery), renewal);
  changed |= take(renewed.document_key_sealed, sealing.renew_document_key(delivery), renewal);
  if (!changed) return renewal;
  sealing.vouch(renewed);
  renewal.batch.push_back(store::PutDelivery{std::move(renewed)});
  return renewal;
}

Renewal renew(const Sealing& sealing, const ChannelSecretPlace& place, ByteView sealed) {
  if (sealing.is_current(sealed)) return {};
  auto renewed = sealing.renew_channel_secret(place.place, sealed);
  if (!renewed) return {};
  return {.batch = {store::CompareMeta{place.key, Bytes(sealed.begin(), sealed.end())}, store::PutMeta{place.key, std::move(*renewed)}}};
}

}  // namespace latchkey::grants

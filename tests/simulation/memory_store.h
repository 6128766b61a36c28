// A Store in memory: what two and three nodes of a simulated world share, as they would a database server. It passes the
// suite every store must pass (src/store/exercise_testing.h).
//
// Concurrency: one thread. Every commit is durable at once; losing its answer is the way to it, StoreLink.
#pragma once

#include <fmt/format.h>

#include <map>
#include <set>
#include <vector>

#include "base/clock.h"
#include "store/store.h"

namespace latchkey::simulation {

class MemoryStore final : public store::Store {
 public:
  explicit MemoryStore(const WallClock& clock) : clock_(clock) {}

  // At once, for a world that has decided when.
  [[nodiscard]] Result<void> apply(const store::Batch& batch);

  [[nodiscard]] Task<Result<void>> commit(store::Batch batch, store::Urgency urgency) override;
  [[nodiscard]] Task<Result<WallTime>> now() override;
  [[nodiscard]] Task<Result<std::vector<store::GroupRow>>> groups() override;
  [[nodiscard]] Task<Result<std::optional<store::Group>>> group(GroupId id) override;
  [[nodiscard]] Task<Result<std::optional<store::Group>>> group_by_name_key(std::string name_key) override;
  [[nodiscard]] Task<Result<std::optional<store::User>>> user(UserId id) override;
  [[nodiscard]] Task<Result<std::optional<store::User>>> user_by_key(std::string username_key) override;
  [[nodiscard]] Task<Result<store::Listing<store::UserRow>>> users(store::UserQuery query) override;
  [[nodiscard]] Task<Result<std::int64_t>> count_administrators() override;
  [[nodiscard]] Task<Result<std::vector<store::PinFailureCount>>> pin_failures(UserId user) override;
  [[nodiscard]] Task<Result<std::int64_t>> spray_count(std::string bucket, WallTime since) override;
  [[nodiscard]] Task<Result<std::vector<store::KnownSource>>> known_sources(UserId user) override;
  [[nodiscard]] Task<Result<std::vector<store::App>>> apps() override;
  [[nodiscard]] Task<Result<std::optional<store::App>>> app(std::string id) override;
  [[nodiscard]] Task<Result<std::optional<store::GrantView>>> grant(GrantId id) override;
  [[nodiscard]] Task<Result<std::vector<store::Grant>>> grants_of_user(UserId user) override;
  [[nodiscard]] Task<Result<std::optional<store::Holding>>> holding(UserId user, std::string type) override;
  [[nodiscard]] Task<Result<std::vector<store::Grant>>> grants_of_app(std::string app, std::size_t limit) override;
  [[nodiscard]] Task<Result<std::optional<store::Grant>>> grant_by_account(std::string app, std::string type, std::string account_id) override;
  [[nodiscard]] Task<Result<std::vector<store::Wrap>>> wraps(GrantId grant) override;
  // Keeps nothing from the other nodes: they shall contend, since the claim alone decides who refreshes (R5).
  [[nodiscard]] Task<Result<std::vector<store::DueGrant>>> due_grants(NodeId node, WallTime until, std::size_t limit,
                                                                      std::vector<std::string> without_apps) override;
  [[nodiscard]] Task<Result<std::vector<store::GrantAge>>> aged_grants(store::AgeQuery query) override;
  [[nodiscard]] Task<Result<std::vector<store::Intent>>> open_intents(std::size_t limit) override;
  [[nodiscard]] Task<Result<std::vector<store::StateCount>>> grant_states() override;
  [[nodiscard]] Task<Result<std::vector<store::HandoutCount>>> handouts(GrantId grant, WallTime since) override;
  [[nodiscard]] Task<Result<std::vector<store::TypeStateCount>>> grants_by_type() override;
  [[nodiscard]] Task<Result<std::vector<std::int64_t>>> grant_histogram(store::GrantMoment moment, std::vector<WallTime> edges) override;
  [[nodiscard]] Task<Result<std::vector<store::Grant>>> sharers(store::SharersQuery query) override;
  [[nodiscard]] Task<Result<std::vector<store::GrantEvent>>> grant_events(GrantId grant) override;
  [[nodiscard]] Task<Result<store::Listing<store::Revocation>>> revocations(WallTime due_until, std::size_t limit) override;
  [[nodiscard]] Task<Result<std::vector<store::Tally>>> tallies(std::string prefix, WallTime since) override;
  [[nodiscard]] Task<Result<std::optional<store::Authorization>>> authorization(AuthorizationId id) override;
  [[nodiscard]] Task<Result<std::optional<store::Authorization>>> authorization_by_ticket(Bytes ticket_hash) override;
  [[nodiscard]] Task<Result<std::optional<store::Authorization>>> authorization_reserving(std::string username_key) override;
  [[nodiscard]] Task<Result<std::optional<store::Authorization>>> authorization_by_state(Bytes state_hash) override;
  [[nodiscard]] Task<Result<std::vector<store::Authorization>>> expired_authorizations(WallTime now, std::size_t limit) override;
  [[nodiscard]] Task<Result<std::vector<store::Authorization>>> pending_authorizations(std::size_t limit) override;
  [[nodiscard]] Task<Result<std::optional<store::Session>>> session(Bytes token_hash) override;
  [[nodiscard]] Task<Result<std::vector<store::Setting>>> settings() override;
  [[nodiscard]] Task<Result<store::Listing<store::AuditEntry>>> audit(store::AuditQuery query) override;
  [[nodiscard]] Task<Result<std::optional<std::int64_t>>> verify_audit() override;
  [[nodiscard]] Task<Result<std::vector<store::Node>>> nodes() override;
  [[nodiscard]] Task<Result<Bytes>> meta(std::string key) override;
  [[nodiscard]] Task<Result<std::vector<store::User>>> users_after(UserId after, std::size_t limit) override;
  [[nodiscard]] Task<Result<std::vector<store::Grant>>> grants_after(GrantId after, std::size_t limit) override;
  [[nodiscard]] Task<Result<std::vector<store::Authorization>>> authorizations_after(AuthorizationId after, std::size_t limit) override;
  [[nodiscard]] Task<Result<std::vector<store::Revocation>>> revocations_after(RevocationId after, std::size_t limit) override;
  [[nodiscard]] Task<Result<std::vector<store::Connector>>> connectors() override;
  [[nodiscard]] Task<Result<std::optional<store::Connector>>> connector(std::string id) override;
  [[nodiscard]] Task<Result<store::Admittance>> admittance(store::AdmittanceQuery query) override;
  [[nodiscard]] Task<Result<std::optional<store::Delivery>>> delivery(DeliveryId id) override;
  [[nodiscard]] Task<Result<std::optional<store::Delivery>>> delivery_by_key(UserId submitter, DeviceId device,
                                                                             std::string idempotency_key) override;
  [[nodiscard]] Task<Result<std::vector<store::Device>>> devices() override;
  [[nodiscard]] Task<Result<std::optional<store::Device>>> device(DeviceId id) override;
  [[nodiscard]] Task<Result<std::optional<store::Device>>> device_by_name_key(std::string name_key) override;
  [[nodiscard]] Task<Result<store::Listing<store::Delivery>>> deliveries(store::DeliveryQuery query) override;
  [[nodiscard]] Task<Result<std::vector<store::Delivery>>> due_deliveries(NodeId node, WallTime until, std::size_t limit) override;
  [[nodiscard]] Task<Result<std::vector<store::DeliveryStateCount>>> delivery_states() override;
  [[nodiscard]] Task<Result<std::vector<store::Delivery>>> deliveries_after(DeliveryId after, std::size_t limit) override;

  // A standby takes over which has heard of nothing since.
  void fall_back_to(const MemoryStore& before);
  [[nodiscard]] std::string lineage() const { return fmt::format("memory/{:08X}", falls_ + 1); }

 private:
  // A table whose changes can be taken back.
  template <class Key, class Row>
  class Table {
   public:
    [[nodiscard]] const Row* find(const Key& key) const {
      const auto found = rows_.find(key);
      return found == rows_.end() ? nullptr : &found->second;
    }
    void put(const Key& key, Row row) {
      const auto [at, fresh] = rows_.try_emplace(key);
      if (fresh) log_.push_back({key, std::nullopt});
      else log_.push_back({key, std::move(at->second)});
      at->second = std::move(row);
    }
    bool erase(const Key& key) {
      const auto found = rows_.find(key);
      if (found == rows_.end()) return false;
      log_.push_back({key, std::move(found->second)});
      rows_.erase(found);
      return true;
    }
    [[nodiscard]] const std::map<Key, Row>& rows() const { return rows_; }
    void keep() { log_.clear(); }
    void undo() {
      for (; !log_.empty(); log_.pop_back()) {
        auto& [key, row] = log_.back();
        if (row) rows_[key] = std::move(*row);
        else rows_.erase(key);
      }
    }

   private:
    std::map<Key, Row> rows_;
    std::vector<std::pair<Key, std::optional<Row>>> log_;
  };
  struct GrantRow {
    store::Grant grant;
    std::int64_t order = 0;  // of insertion
  };
  using GenerationKey = std::pair<GrantId, store::GenerationNumber>;
  using WrapKey = std::tuple<GrantId, store::HolderKind, Bytes>;
  using FailureKey = std::tuple<UserId, std::string, Bytes>;

  template <class What>
  void for_each_table(What what) {
    what(groups_), what(users_), what(apps_), what(grants_), what(due_), what(generations_), what(wraps_), what(intents_), what(intent_keys_);
    what(authorizations_), what(sessions_), what(settings_), what(meta_), what(audit_), what(failures_), what(sources_), what(handouts_);
    what(events_), what(revocations_), what(tallies_), what(nodes_);
    what(connectors_), what(deliveries_), what(devices_);
  }

  [[nodiscard]] Result<void> change(const store::InsertGroup& m);
  [[nodiscard]] Result<void> change(const store::UpdateGroup& m);
  [[nodiscard]] Result<void> change(const store::DeleteGroup& m);
  [[nodiscard]] Result<void> change(const store::KeepAnAdministrator& m);
  [[nodiscard]] std::int64_t administrators() const;
  [[nodiscard]] Result<void> change(const store::InsertUser& m);
  [[nodiscard]] Result<void> change(const store::UpdateUser& m);
  [[nodiscard]] Result<void> change(const store::DeleteUser& m);
  [[nodiscard]] Result<void> change(const store::PutApp& m);
  [[nodiscard]] Result<void> change(const store::DeleteApp& m);
  [[nodiscard]] Result<void> change(const store::InsertGrant& m);
  [[nodiscard]] Result<void> change(const store::UpdateGrant& m);
  [[nodiscard]] Result<void> change(const store::DeleteGrant& m);
  [[nodiscard]] Result<void> change(const store::ClaimGrant& m);
  [[nodiscard]] Result<void> change(const store::PutGeneration& m);
  [[nodiscard]] Result<void> change(const store::DeleteGeneration& m);
  [[nodiscard]] Result<void> change(const store::PutWrap& m);
  [[nodiscard]] Result<void> change(const store::DeleteWrap& m);
  [[nodiscard]] Result<void> change(const store::InsertIntent& m);
  [[nodiscard]] Result<void> change(const store::UpdateIntent& m);
  [[nodiscard]] Result<void> change(const store::DeleteIntentsBelow& m);
  [[nodiscard]] Result<void> change(const store::DeleteIntentsOf& m);
  [[nodiscard]] Result<void> change(const store::InsertAuthorization& m);
  [[nodiscard]] Result<void> change(const store::UpdateAuthorization& m);
  [[nodiscard]] Result<void> change(const store::DeleteAuthorization& m);
  [[nodiscard]] Result<void> change(const store::PutSession& m);
  [[nodiscard]] Result<void> change(const store::TouchSession& m);
  [[nodiscard]] Result<void> change(const store::DeleteSession& m);
  [[nodiscard]] Result<void> change(const store::DeleteSessionsOfUser& m);
  [[nodiscard]] Result<void> change(const store::PutSetting& m);
  [[nodiscard]] Result<void> change(const store::DeleteSetting& m);
  [[nodiscard]] Result<void> change(const store::AppendAudit& m);
  [[nodiscard]] Result<void> change(const store::RecordPinFailure& m);
  [[nodiscard]] Result<void> change(const store::ForgetPinFailures& m);
  [[nodiscard]] Result<void> change(const store::PutKnownSource& m);
  [[nodiscard]] Result<void> change(const store::TouchUser& m);
  [[nodiscard]] Result<void> change(const store::TouchGrant& m);
  [[nodiscard]] Result<void> change(const store::CountHandouts& m);
  [[nodiscard]] Result<void> change(const store::NoteGrantEvent& m);
  [[nodiscard]] Result<void> change(const store::PutRevocation& m);
  [[nodiscard]] Result<void> change(const store::DeleteRevocation& m);
  [[nodiscard]] Result<void> change(const store::DeleteRevocationOfSwitchedOff& m);
  [[nodiscard]] Result<void> change(const store::AddTally& m);
  [[nodiscard]] Result<void> change(const store::PutNode& m);
  [[nodiscard]] Result<void> change(const store::TouchNode& m);
  [[nodiscard]] Result<void> change(const store::DeleteNode& m);
  [[nodiscard]] Result<void> change(const store::PutConnector& m);
  [[nodiscard]] Result<void> change(const store::DeleteConnector& m);
  [[nodiscard]] Result<void> change(const store::PutDelivery& m);
  [[nodiscard]] Result<void> change(const store::DeleteDelivery& m);
  [[nodiscard]] bool has_device_named(const std::string& name_key) const;
  [[nodiscard]] Result<void> change(const store::PutDevice& m);
  [[nodiscard]] Result<void> change(const store::DeleteDevice& m);
  [[nodiscard]] Result<void> change(const store::TouchDevice& m);
  [[nodiscard]] Result<void> change(const store::PutMeta& m);
  [[nodiscard]] Result<void> change(const store::CompareMeta& m);

  void put_grant(GrantRow row);
  void erase_grant(const GrantId& id);
  void erase_events_of(const GrantId& id);
  void erase_intent(const IntentId& id);
  [[nodiscard]] store::GrantView view_of(const store::Grant& grant) const;
  [[nodiscard]] std::vector<store::Wrap> wraps_of(const GrantId& grant) const;
  [[nodiscard]] std::vector<store::Grant> of_user(const UserId& user) const;
  [[nodiscard]] const store::Authorization* pending_for(const std::string& username_key) const;

  const WallClock& clock_;
  std::int64_t grants_inserted_ = 0;
  Table<GroupId, store::Group> groups_;
  Table<UserId, store::User> users_;
  Table<std::string, store::App> apps_;
  Table<GrantId, GrantRow> grants_;
  Table<std::pair<WallTime, std::int64_t>, GrantId> due_;
  Table<GenerationKey, store::Generation> generations_;
  Table<WrapKey, store::Wrap> wraps_;
  Table<IntentId, store::Intent> intents_;
  Table<GenerationKey, IntentId> intent_keys_;
  Table<AuthorizationId, store::Authorization> authorizations_;
  Table<Bytes, store::Session> sessions_;
  Table<std::string, std::string> settings_;
  Table<std::string, Bytes> meta_;
  Table<std::int64_t, store::AuditEntry> audit_;
  Table<FailureKey, WallTime> failures_;
  Table<std::pair<UserId, std::string>, WallTime> sources_;
  Table<std::pair<GrantId, WallTime>, std::int64_t> handouts_;
  Table<std::pair<GrantId, std::int64_t>, store::GrantEvent> events_;  // by sequence
  Table<RevocationId, store::Revocation> revocations_;
  Table<std::pair<std::string, WallTime>, std::int64_t> tallies_;
  Table<NodeId, store::Node> nodes_;
  Table<std::string, store::Connector> connectors_;
  Table<DeliveryId, store::Delivery> deliveries_;
  Table<DeviceId, store::Device> devices_;
  int falls_ = 0;
};

}  // namespace latchkey::simulation

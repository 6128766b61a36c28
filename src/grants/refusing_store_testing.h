// A store that refuses what a test wants refused, and is a real one otherwise.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "store/store.h"

namespace latchkey::grants {

class RefusingStore final : public store::Store {
 public:
  explicit RefusingStore(std::unique_ptr<store::Store> real) : real_(std::move(real)) {}

  std::function<bool(const store::Batch&)> refuses;        // as a full disk does
  std::function<bool(const store::Batch&)> refuses_statement;  // as a database that finds fault with what one part says
  bool away = false;                                        // does not say what time it is
  Milliseconds clock_ahead{0};                              // of the machine's
  int sweeps = 0;  // questions for what is due
  std::optional<store::DueGrant> also_due;  // whatever the records say
  int looks_at_revocations = 0;
  int listings_of_apps = 0;
  int listings_of_authorizations = 0;
  std::function<void(const std::vector<std::string>& without_apps)> sweeping;  // while what is due is looked for
  std::function<Task<void>(GrantId)> after_wraps;           // what somebody does while a grant is being read
  std::function<bool(const store::Batch&)> loses_answer;   // as a line that breaks after the commit
  std::function<bool(const store::Batch&)> loses_commit;   // ... or before it: the commit has not happened
  bool hides_authorizations = false;                        // as a line that breaks while they are read
  std::function<store::Batch(const store::Batch&)> before;  // what somebody else is a moment faster with
  std::function<void(const store::Batch&)> written;         // ... or does a moment later
  std::function<void()> reading_grant;
  std::function<bool(GrantId)> hides_grant;                 // as a line that breaks while it is read

  Task<Result<void>> commit(store::Batch batch, store::Urgency urgency) override {
    if (before) {
      if (auto faster = before(batch); !faster.empty()) {
        if (auto done = co_await real_->commit(std::move(faster)); !done) co_return done;
      }
    }
    if (refuses && refuses(batch)) co_return fail(ErrorKind::unavailable, "store_unavailable", "The disk is full.");
    if (refuses_statement && refuses_statement(batch)) co_return fail(ErrorKind::bug, "store_bug", "The database refused a statement: nothing was changed.");
    if (loses_commit && loses_commit(batch)) co_return fail(ErrorKind::ambiguous, "commit_ambiguous", "The answer to the commit was lost.");
    const bool lost = loses_answer && loses_answer(batch);
    auto copy = written ? batch : store::Batch();
    auto done = co_await real_->commit(std::move(batch), urgency);
    if (done && written) written(copy);
    if (done && lost) co_return fail(ErrorKind::ambiguous, "commit_ambiguous", "The answer to the commit was lost.");
    co_return done;
  }
  Task<Result<WallTime>> now() override {
    if (away) co_return fail(ErrorKind::unavailable, "store_unavailable", "The database cannot be reached.");
    auto now = co_await real_->now();
    if (now) *now += clock_ahead;
    co_return now;
  }
  Task<Result<std::vector<store::GroupRow>>> groups() override { return real_->groups(); }
  Task<Result<std::optional<store::Group>>> group(GroupId id) override { return real_->group(id); }
  Task<Result<std::optional<store::Group>>> group_by_name_key(std::string name_key) override { return real_->group_by_name_key(std::move(name_key)); }
  Task<Result<std::optional<store::User>>> user(UserId id) override { return real_->user(id); }
  Task<Result<std::optional<store::User>>> user_by_key(std::string username_key) override { return real_->user_by_key(std::move(username_key)); }
  Task<Result<store::Listing<store::UserRow>>> users(store::UserQuery query) override { return real_->users(std::move(query)); }
  Task<Result<std::int64_t>> count_administrators() override { return real_->count_administrators(); }
  Task<Result<std::vector<store::PinFailureCount>>> pin_failures(UserId user) override { return real_->pin_failures(user); }
  Task<Result<std::int64_t>> spray_count(std::string bucket, WallTime since) override { return real_->spray_count(std::move(bucket), since); }
  Task<Result<std::vector<store::KnownSource>>> known_sources(UserId user) override { return real_->known_sources(user); }
  Task<Result<std::vector<store::App>>> apps() override {
    ++listings_of_apps;
    return real_->apps();
  }
  Task<Result<std::optional<store::App>>> app(std::string id) override { return real_->app(std::move(id)); }
  Task<Result<std::optional<store::GrantView>>> grant(GrantId id) override {
    if (reading_grant) reading_grant();
    if (hides_grant && hides_grant(id)) co_return fail(ErrorKind::unavailable, "store_unavailable", "The database cannot be reached.");
    co_return co_await real_->grant(id);
  }
  Task<Result<std::vector<store::Grant>>> grants_of_user(UserId user) override { return real_->grants_of_user(user); }
  Task<Result<store::Admittance>> admittance(store::AdmittanceQuery query) override { return real_->admittance(std::move(query)); }
  Task<Result<std::optional<store::Holding>>> holding(UserId user, std::string type) override { return real_->holding(user, std::move(type)); }
  Task<Result<std::vector<store::Grant>>> grants_of_app(std::string app, std::size_t limit) override { return real_->grants_of_app(std::move(app), std::move(limit)); }
  Task<Result<std::optional<store::Grant>>> grant_by_account(std::string app, std::string type, std::string account_id) override { return real_->grant_by_account(std::move(app), std::move(type), std::move(account_id)); }
  Task<Result<std::vector<store::Wrap>>> wraps(GrantId grant) override {
    auto read = co_await real_->wraps(grant);
    if (after_wraps) co_await after_wraps(grant);
    co_return read;
  }
  Task<Result<std::vector<store::DueGrant>>> due_grants(NodeId node, WallTime until, std::size_t limit, std::vector<std::string> without_apps) override {
    ++sweeps;
    if (sweeping) sweeping(without_apps);
    auto due = co_await real_->due_grants(node, until, limit, std::move(without_apps));
    if (due && also_due) due->push_back(*also_due);
    co_return due;
  }
  Task<Result<std::vector<store::Intent>>> open_intents(std::size_t limit) override { return real_->open_intents(std::move(limit)); }
  Task<Result<std::vector<store::GrantAge>>> aged_grants(store::AgeQuery query) override { return real_->aged_grants(std::move(query)); }
  Task<Result<std::vector<store::StateCount>>> grant_states() override { return real_->grant_states(); }
  Task<Result<std::vector<store::HandoutCount>>> handouts(GrantId grant, WallTime since) override { return real_->handouts(grant, since); }
  Task<Result<std::vector<store::TypeStateCount>>> grants_by_type() override { return real_->grants_by_type(); }
  Task<Result<std::vector<std::int64_t>>> grant_histogram(store::GrantMoment moment, std::vector<WallTime> edges) override { return real_->grant_histogram(moment, std::move(edges)); }
  Task<Result<std::vector<store::Grant>>> sharers(store::SharersQuery query) override { return real_->sharers(std::move(query)); }
  Task<Result<std::vector<store::GrantEvent>>> grant_events(GrantId grant) override { return real_->grant_events(grant); }
  Task<Result<store::Listing<store::Revocation>>> revocations(WallTime due_until, std::size_t limit) override {
    ++looks_at_revocations;
    return real_->revocations(due_until, limit);
  }
  Task<Result<std::vector<store::Tally>>> tallies(std::string prefix, WallTime since) override { return real_->tallies(std::move(prefix), since); }
  Task<Result<std::optional<store::Authorization>>> authorization(AuthorizationId id) override {
    if (hides_authorizations) co_return fail(ErrorKind::unavailable, "store_unavailable", "The database cannot be reached.");
    co_return co_await real_->authorization(id);
  }
  Task<Result<std::optional<store::Authorization>>> authorization_reserving(std::string key) override { return real_->authorization_reserving(std::move(key)); }
  Task<Result<std::optional<store::Authorization>>> authorization_by_ticket(Bytes ticket_hash) override { return real_->authorization_by_ticket(std::move(ticket_hash)); }
  Task<Result<std::optional<store::Authorization>>> authorization_by_state(Bytes state_hash) override { return real_->authorization_by_state(std::move(state_hash)); }
  Task<Result<std::vector<store::Authorization>>> expired_authorizations(WallTime now, std::size_t limit) override { return real_->expired_authorizations(now, std::move(limit)); }
  Task<Result<std::vector<store::Authorization>>> pending_authorizations(std::size_t limit) override { return real_->pending_authorizations(std::move(limit)); }
  Task<Result<std::optional<store::Session>>> session(Bytes token_hash) override { return real_->session(std::move(token_hash)); }
  Task<Result<std::vector<store::Setting>>> settings() override { return real_->settings(); }
  Task<Result<store::Listing<store::AuditEntry>>> audit(store::AuditQuery query) override { return real_->audit(std::move(query)); }
  Task<Result<std::optional<std::int64_t>>> verify_audit() override { return real_->verify_audit(); }
  Task<Result<std::vector<store::Node>>> nodes() override { return real_->nodes(); }
  Task<Result<Bytes>> meta(std::string key) override { return real_->meta(std::move(key)); }
  Task<Result<std::vector<store::User>>> users_after(UserId after, std::size_t limit) override { return real_->users_after(after, limit); }
  Task<Result<std::vector<store::Grant>>> grants_after(GrantId after, std::size_t limit) override { return real_->grants_after(after, limit); }
  Task<Result<std::vector<store::Authorization>>> authorizations_after(AuthorizationId after, std::size_t limit) override {
    ++listings_of_authorizations;
    return real_->authorizations_after(after, limit);
  }
  Task<Result<std::vector<store::Revocation>>> revocations_after(RevocationId after, std::size_t limit) override { return real_->revocations_after(after, limit); }
  Task<Result<std::vector<store::Connector>>> connectors() override { return real_->connectors(); }
  Task<Result<std::optional<store::Connector>>> connector(std::string id) override { return real_->connector(std::move(id)); }
  Task<Result<std::optional<store::Delivery>>> delivery(DeliveryId id) override { return real_->delivery(id); }
  Task<Result<std::optional<store::Delivery>>> delivery_by_key(UserId submitter, DeviceId device, std::string key) override { return real_->delivery_by_key(submitter, device, std::move(key)); }
  Task<Result<std::vector<store::Device>>> devices() override { return real_->devices(); }
  Task<Result<std::optional<store::Device>>> device(DeviceId id) override { return real_->device(id); }
  Task<Result<std::optional<store::Device>>> device_by_name_key(std::string name_key) override { return real_->device_by_name_key(std::move(name_key)); }
  Task<Result<store::Listing<store::Delivery>>> deliveries(store::DeliveryQuery query) override { return real_->deliveries(std::move(query)); }
  Task<Result<std::vector<store::Delivery>>> due_deliveries(NodeId node, WallTime until, std::size_t limit) override {
    return real_->due_deliveries(node, until, limit);
  }
  Task<Result<std::vector<store::DeliveryStateCount>>> delivery_states() override { return real_->delivery_states(); }
  Task<Result<std::vector<store::Delivery>>> deliveries_after(DeliveryId after, std::size_t limit) override { return real_->deliveries_after(after, limit); }

 private:
  std::unique_ptr<store::Store> real_;
};

template <class Mutation>
[[nodiscard]] bool holds(const store::Batch& batch) {
  for (const auto& each : batch) {
    if (std::holds_alternative<Mutation>(each)) return true;
  }
  return false;
}

}  // namespace latchkey::grants

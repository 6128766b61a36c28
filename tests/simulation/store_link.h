// Between a process and its store: the way to a database server (late, cut off, an answer to a commit lost), and the place
// where the invariants hear of what was committed.
#pragma once

#include "invariants.h"
#include "memory_store.h"
#include "store/lineage.h"
#include "store/reply_journal.h"
#include "store/store.h"

namespace latchkey::simulation {

struct LinkWeather {
  bool partitioned = false;
  double slow = 0;          // a call takes a moment; else none at all
  double answer_lost = 0;   // the commit has happened, and nobody says so
  double refused = 0;       // nothing has happened
  double unread = 0;        // a question is not answered, while others and commits are: they go over lines of their own
  Nanoseconds moment{2'000'000};
};

class StoreLink final : public store::Store {
 public:
  StoreLink(store::Store& store, const MemoryStore* shared, Timeline& timeline, Process& process, const LinkWeather& weather, Invariants& invariants,
            Chance chance)
      : store_(store), shared_(shared), timeline_(timeline), process_(process), weather_(weather), invariants_(invariants), chance_(chance) {}

  std::map<std::string, std::uint64_t> taken;
  store::Lineage lineage;  // of the database server reached last, where there are several

  [[nodiscard]] Task<Result<void>> commit(store::Batch batch, store::Urgency urgency) override;
  [[nodiscard]] Task<Result<WallTime>> now() override { return pass(store_.now()); }
  [[nodiscard]] Task<Result<std::vector<store::GroupRow>>> groups() override { return pass(store_.groups()); }
  [[nodiscard]] Task<Result<std::optional<store::Group>>> group(GroupId id) override { return pass(store_.group(id)); }
  [[nodiscard]] Task<Result<std::optional<store::Group>>> group_by_name_key(std::string key) override { return pass(store_.group_by_name_key(std::move(key))); }
  [[nodiscard]] Task<Result<std::optional<store::User>>> user(UserId id) override { return pass(store_.user(id)); }
  [[nodiscard]] Task<Result<std::optional<store::User>>> user_by_key(std::string key) override { return pass(store_.user_by_key(std::move(key))); }
  [[nodiscard]] Task<Result<store::Listing<store::UserRow>>> users(store::UserQuery query) override { return pass(store_.users(std::move(query))); }
  [[nodiscard]] Task<Result<std::int64_t>> count_administrators() override { return pass(store_.count_administrators()); }
  [[nodiscard]] Task<Result<std::vector<store::PinFailureCount>>> pin_failures(UserId user) override { return pass(store_.pin_failures(user)); }
  [[nodiscard]] Task<Result<std::int64_t>> spray_count(std::string bucket, WallTime since) override { return pass(store_.spray_count(std::move(bucket), since)); }
  [[nodiscard]] Task<Result<std::vector<store::KnownSource>>> known_sources(UserId user) override { return pass(store_.known_sources(user)); }
  [[nodiscard]] Task<Result<std::vector<store::App>>> apps() override { return pass(store_.apps()); }
  [[nodiscard]] Task<Result<std::optional<store::App>>> app(std::string id) override { return pass(store_.app(std::move(id))); }
  [[nodiscard]] Task<Result<std::optional<store::GrantView>>> grant(GrantId id) override { return pass(store_.grant(id)); }
  [[nodiscard]] Task<Result<std::vector<store::Grant>>> grants_of_user(UserId user) override { return pass(store_.grants_of_user(user)); }
  [[nodiscard]] Task<Result<std::optional<store::Holding>>> holding(UserId user, std::string type) override { return pass(store_.holding(user, std::move(type))); }
  [[nodiscard]] Task<Result<std::vector<store::Grant>>> grants_of_app(std::string app, std::size_t limit) override { return pass(store_.grants_of_app(std::move(app), limit)); }
  [[nodiscard]] Task<Result<std::optional<store::Grant>>> grant_by_account(std::string app, std::string type, std::string account) override {
    return pass(store_.grant_by_account(std::move(app), std::move(type), std::move(account)));
  }
  [[nodiscard]] Task<Result<std::vector<store::Wrap>>> wraps(GrantId grant) override { return pass(store_.wraps(grant)); }
  [[nodiscard]] Task<Result<std::vector<store::DueGrant>>> due_grants(NodeId node, WallTime until, std::size_t limit, std::vector<std::string> without) override {
    return pass(store_.due_grants(node, until, limit, std::move(without)));
  }
  [[nodiscard]] Task<Result<std::vector<store::GrantAge>>> aged_grants(store::AgeQuery query) override { return pass(store_.aged_grants(std::move(query))); }
  [[nodiscard]] Task<Result<std::vector<store::Intent>>> open_intents(std::size_t limit) override { return pass(store_.open_intents(limit)); }
  [[nodiscard]] Task<Result<std::vector<store::StateCount>>> grant_states() override { return pass(store_.grant_states()); }
  [[nodiscard]] Task<Result<std::vector<store::HandoutCount>>> handouts(GrantId grant, WallTime since) override { return pass(store_.handouts(grant, since)); }
  [[nodiscard]] Task<Result<std::vector<store::TypeStateCount>>> grants_by_type() override { return pass(store_.grants_by_type()); }
  [[nodiscard]] Task<Result<std::vector<std::int64_t>>> grant_histogram(store::GrantMoment moment, std::vector<WallTime> edges) override { return pass(store_.grant_histogram(moment, std::move(edges))); }
  [[nodiscard]] Task<Result<std::vector<store::Grant>>> sharers(store::SharersQuery query) override {
    return pass(store_.sharers(std::move(query)));
  }
  [[nodiscard]] Task<Result<std::vector<store::GrantEvent>>> grant_events(GrantId grant) override { return pass(store_.grant_events(grant)); }
  [[nodiscard]] Task<Result<store::Listing<store::Revocation>>> revocations(WallTime due_until, std::size_t limit) override { return pass(store_.revocations(due_until, limit)); }
  [[nodiscard]] Task<Result<std::vector<store::Tally>>> tallies(std::string prefix, WallTime since) override { return pass(store_.tallies(std::move(prefix), since)); }
  [[nodiscard]] Task<Result<std::optional<store::Authorization>>> authorization(AuthorizationId id) override { return pass(store_.authorization(id)); }
  [[nodiscard]] Task<Result<std::optional<store::Authorization>>> authorization_reserving(std::string key) override { return pass(store_.authorization_reserving(std::move(key))); }
  [[nodiscard]] Task<Result<std::optional<store::Authorization>>> authorization_by_ticket(Bytes hash) override { return pass(store_.authorization_by_ticket(std::move(hash))); }
  [[nodiscard]] Task<Result<std::optional<store::Authorization>>> authorization_by_state(Bytes hash) override { return pass(store_.authorization_by_state(std::move(hash))); }
  [[nodiscard]] Task<Result<std::vector<store::Authorization>>> expired_authorizations(WallTime now, std::size_t limit) override { return pass(store_.expired_authorizations(now, limit)); }
  [[nodiscard]] Task<Result<std::vector<store::Authorization>>> pending_authorizations(std::size_t limit) override { return pass(store_.pending_authorizations(limit)); }
  [[nodiscard]] Task<Result<std::optional<store::Session>>> session(Bytes hash) override { return pass(store_.session(std::move(hash))); }
  [[nodiscard]] Task<Result<std::vector<store::Setting>>> settings() override { return pass(store_.settings()); }
  [[nodiscard]] Task<Result<store::Listing<store::AuditEntry>>> audit(store::AuditQuery query) override { return pass(store_.audit(std::move(query))); }
  [[nodiscard]] Task<Result<std::optional<std::int64_t>>> verify_audit() override { return pass(store_.verify_audit()); }
  [[nodiscard]] Task<Result<std::vector<store::Node>>> nodes() override { return pass(store_.nodes()); }
  [[nodiscard]] Task<Result<Bytes>> meta(std::string key) override { return pass(store_.meta(std::move(key))); }
  [[nodiscard]] Task<Result<std::vector<store::User>>> users_after(UserId after, std::size_t limit) override { return pass(store_.users_after(after, limit)); }
  [[nodiscard]] Task<Result<std::vector<store::Grant>>> grants_after(GrantId after, std::size_t limit) override { return pass(store_.grants_after(after, limit)); }
  [[nodiscard]] Task<Result<std::vector<store::Authorization>>> authorizations_after(AuthorizationId after, std::size_t limit) override { return pass(store_.authorizations_after(after, limit)); }
  [[nodiscard]] Task<Result<std::vector<store::Revocation>>> revocations_after(RevocationId after, std::size_t limit) override { return pass(store_.revocations_after(after, limit)); }
  [[nodiscard]] Task<Result<std::vector<store::Connector>>> connectors() override { return pass(store_.connectors()); }
  [[nodiscard]] Task<Result<store::Admittance>> admittance(store::AdmittanceQuery query) override { return pass(store_.admittance(std::move(query))); }
  [[nodiscard]] Task<Result<std::optional<store::Connector>>> connector(std::string id) override { return pass(store_.connector(std::move(id))); }
  [[nodiscard]] Task<Result<std::optional<store::Delivery>>> delivery(DeliveryId id) override { return pass(store_.delivery(id)); }
  [[nodiscard]] Task<Result<std::optional<store::Delivery>>> delivery_by_key(UserId submitter, DeviceId device, std::string idempotency_key) override {
    return pass(store_.delivery_by_key(submitter, device, std::move(idempotency_key)));
  }
  [[nodiscard]] Task<Result<std::vector<store::Device>>> devices() override { return pass(store_.devices()); }
  [[nodiscard]] Task<Result<std::optional<store::Device>>> device(DeviceId id) override { return pass(store_.device(id)); }
  [[nodiscard]] Task<Result<std::optional<store::Device>>> device_by_name_key(std::string name_key) override {
    return pass(store_.device_by_name_key(std::move(name_key)));
  }
  [[nodiscard]] Task<Result<store::Listing<store::Delivery>>> deliveries(store::DeliveryQuery query) override { return pass(store_.deliveries(std::move(query))); }
  [[nodiscard]] Task<Result<std::vector<store::Delivery>>> due_deliveries(NodeId node, WallTime until, std::size_t limit) override {
    return pass(store_.due_deliveries(node, until, limit));
  }
  [[nodiscard]] Task<Result<std::vector<store::DeliveryStateCount>>> delivery_states() override { return pass(store_.delivery_states()); }
  [[nodiscard]] Task<Result<std::vector<store::Delivery>>> deliveries_after(DeliveryId after, std::size_t limit) override {
    return pass(store_.deliveries_after(after, limit));
  }

 private:
  [[nodiscard]] bool cut_off() const { return process_.dead() || weather_.partitioned; }
  [[nodiscard]] static std::unexpected<Error> unreachable() {
    return fail(ErrorKind::unavailable, "store_unavailable", "The store cannot be reached.");
  }
  [[nodiscard]] Task<void> moment();
  void count_call();
  void see_whom_it_reaches() {
    if (shared_ == nullptr || lineage.sight().name == shared_->lineage()) return;
    static_cast<void>(lineage.note(shared_->lineage()));
  }
  template <class T>
  [[nodiscard]] Task<Result<T>> pass(Task<Result<T>> question) {
    if (process_.dead()) co_return unreachable();
    count_call();
    if (chance_.happens(weather_.slow)) co_await moment();
    if (cut_off()) co_return unreachable();
    if (chance_.happens(weather_.unread)) {
      ++taken["question_unanswered"];
      co_return unreachable();
    }
    see_whom_it_reaches();
    auto answer = co_await std::move(question);
    if (chance_.happens(weather_.slow)) co_await moment();
    if (cut_off()) co_return unreachable();
    co_return answer;
  }

  store::Store& store_;
  const MemoryStore* shared_;
  Timeline& timeline_;
  Process& process_;
  const LinkWeather& weather_;
  Invariants& invariants_;
  Chance chance_;
  Nanoseconds minute_{0};  // when the minute that is counted began
  std::size_t calls_ = 0;  // in it
  std::size_t refused_ = 0;  // commits that did not come about, in it
};

// Tells the invariants when a reply is durable.
class JournalLink final : public store::ReplyJournal {
 public:
  JournalLink(store::ReplyJournal& journal, Process& process, Invariants& invariants) : journal_(journal), process_(process), invariants_(invariants) {}
  [[nodiscard]] Task<Result<void>> reserve(IntentId intent) override { return journal_.reserve(intent); }
  [[nodiscard]] Task<Result<void>> record(store::JournalEntry entry) override;
  void confirm(IntentId intent, WallTime now) override { journal_.confirm(intent, now); }
  void release(IntentId intent) override { journal_.release(intent); }
  [[nodiscard]] Task<Result<std::vector<store::JournalEntry>>> unconfirmed() override;
  [[nodiscard]] Task<Result<std::vector<store::JournalEntry>>> pending() override { return journal_.pending(); }
  [[nodiscard]] store::NewestAnswer newest_answer(GrantId grant) const override { return journal_.newest_answer(grant); }
  [[nodiscard]] std::vector<GrantId> answered() const override { return journal_.answered(); }
  [[nodiscard]] Task<Result<std::vector<store::JournalEntry>>> answers(GrantId grant) override { return journal_.answers(grant); }
  [[nodiscard]] bool failed() const override { return journal_.failed(); }
  [[nodiscard]] std::optional<std::size_t> room() const override { return journal_.room(); }

 private:
  store::ReplyJournal& journal_;
  Process& process_;
  Invariants& invariants_;
};

}  // namespace latchkey::simulation

// The queue among real neighbours, with a destination that says what the test tells it. For tests only.
#pragma once

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "delivery/delivery_desk.h"
#include "delivery/queue.h"
#include "delivery/timeline.h"
#include "grants/keeper_testing.h"
#include "store/store_testing.h"

namespace latchkey::delivery {

// Takes every document, unless the test answers for it. Documents are told apart by their deliveries, not by their keys.
class ScriptedDestination final : public connectors::Connector {
 public:
  explicit ScriptedDestination(base::Broadcast& released) : released_(released) {}

  connectors::Abilities abilities() const override { return {.idempotent = idempotent, .resumable = false}; }
  Task<Result<connectors::Receipt>> store(connectors::StoreOrder order) override {
    sent.push_back(order.path);
    urls.push_back(order.base_url);
    keys.push_back(order.key);
    resumed_at.push_back(order.resume_point);
    const auto delivery = order.key.substr(0, DeliveryId{}.text().size());
    const auto token = co_await order.tokens->token();
    if (!token) co_return std::unexpected(token.error());
    while (held) co_await released_.wait();
    if (!notes.empty()) {
      if (const auto noted = co_await order.progress->note(notes, 1); !noted) co_return std::unexpected(noted.error());
    }
    if (const auto own = answers.find(delivery); own != answers.end()) co_return std::unexpected(own->second);
    if (answer) co_return std::unexpected(*answer);
    stored.push_back(delivery);
    co_return connectors::Receipt{.id = order.key, .path = order.path, .size_bytes = order.document->size_bytes()};
  }
  Task<Result<std::vector<connectors::ListItem>>> list(connectors::ListQuestion) override {
    co_return std::vector<connectors::ListItem>();
  }

  bool idempotent = true;
  bool held = false;
  std::optional<Error> answer;
  std::map<std::string, Error> answers;  // to the document of that delivery
  std::string notes;                     // how far it comes with each before it answers; empty: it says nothing
  std::vector<std::string> stored;       // deliveries, as they arrived
  std::vector<std::string> sent;         // paths of those it was asked to take
  std::vector<std::string> keys;         // ... and under which key
  std::vector<std::string> resumed_at;   // ... and where they went on
  std::vector<std::string> urls;

 private:
  base::Broadcast& released_;
};

class QueueTest : public grants::KeeperHouse {
 protected:
  void SetUp() override {
    auto scripted = std::make_unique<ScriptedDestination>(*released);
    destination = scripted.get();
    connectors::Connectors::ByKind by_kind;
    by_kind.emplace("storage", std::move(scripted));
    connectors = std::make_unique<connectors::Connectors>(std::move(by_kind));
    delegations = std::make_unique<grants::Delegations>(grants::Delegations::Parts{.store = *store,
                                                                                   .sealing = sealing,
                                                                                   .vault = vault,
                                                                                   .hot = hot,
                                                                                   .keeper = *keeper,
                                                                                   .engine = loop.get_executor(),
                                                                                   .wall = wall});
    ASSERT_TRUE(spool.prepare());
    store::Batch batch;
    grant = add_grant(batch, "acme-harmless", Seconds(3600));
    other_grant = add_grant(batch, "acme-grace", Seconds(3600));
    keys = vault.make_key_pair();
    for (auto& each : batch) {
      auto* inserted = std::get_if<store::InsertUser>(&each);
      if (inserted == nullptr) continue;
      inserted->user.public_key.assign(keys->public_key.begin(), keys->public_key.end());
      user_seal.vouch(inserted->user);
    }
    for (const auto& each : {grant, other_grant}) {
      const auto of_user = Bytes(keys->public_key.begin(), keys->public_key.end());
      batch.push_back(store::PutWrap{sealing.wrap_for_user(each, of_user, pair->private_key, wall.now())});
    }
    commit(std::move(batch));
    hot.put(grant.user, store::User{}.auth_epoch, pin, keys->private_key);
    hot.put(other_grant.user, store::User{}.auth_epoch, pin, keys->private_key);
    put_connector("scans");
    start_queue();
  }
  void TearDown() override {
    stop_queue();
    delegations.reset();
  }

  Queue::Parts parts() {
    return {.store = *store,
            .spool = spool,
            .delegations = *delegations,
            .clients = *clients,
            .sealing = sealing,
            .connectors = *connectors,
            .alerts = alerts,
            .counters = counted,
            .wall = wall,
            .steady = steady,
            .entropy = entropy,
            .log = log,
            .executor = loop.get_executor(),
            .node = node,
            .tuning = [this] { return tuning; },
            .cut = [] {}};
  }
  void start_queue() {
    queue = std::make_unique<Queue>(parts());
    ASSERT_TRUE(run(queue->start()));
  }
  Task<bool> stopped() {
    co_await queue->stop();
    co_return true;
  }
  void stop_queue() {
    if (queue) run(stopped());
    queue.reset();
  }
  // Some server has run for so long meanwhile.
  void ran_for(Seconds span) {
    advance(span);
    commit({store::PutMeta{std::string(kAgeClockMeta), base::to_bytes(base::to_rfc3339(wall.now()))}});
  }
  void put_connector(const std::string& id, const std::string& type = "acme-harmless", store::Version version = 0,
                     store::ConflictRule conflict = store::ConflictRule::rename) {
    store::Connector made{
        .id = id, .name = id, .type = type, .naming = "{name}", .conflict = conflict, .created_at = wall.now()};
    made.version = version;
    sealing.vouch(made);
    commit({store::PutConnector{made}});
  }
  // To the account of the user whose grant it is.
  void put_own_connector(const std::string& id, store::ConflictRule conflict = store::ConflictRule::rename) {
    store::Connector own{.id = id,
                         .name = id,
                         .type = "acme-harmless",
                         .account = store::AccountKind::fixed,
                         .owner = grant.user,
                         .naming = "{name}",
                         .conflict = conflict,
                         .created_at = wall.now()};
    sealing.vouch(own);
    commit({store::PutConnector{own}});
  }
  // One that may use its owner's account while nobody is there. After make_desk().
  store::Connector put_standing_connector(const std::string& id) {
    const auto opened = run(delegations->delegate(
        {.user = grant.user, .auth_epoch = store::User{}.auth_epoch, .pin = pin.clone()}, "acme-harmless"));
    EXPECT_TRUE(opened) << opened.error().reason;
    auto made = run(standing->make(*opened));
    EXPECT_TRUE(made) << made.error().reason;
    store::Connector fixed{.id = id,
                           .name = id,
                           .type = "acme-harmless",
                           .account = store::AccountKind::fixed,
                           .owner = grant.user,
                           .naming = "{name}",
                           .delegation = std::move(made->standing),
                           .created_at = wall.now()};
    sealing.vouch(fixed);
    made->batch.emplace_back(store::PutConnector{fixed});
    commit(std::move(made->batch));
    return fixed;
  }
  // A document that was accepted, and lies in the spool.
  store::Delivery accepted(const std::string& connector = "scans", const std::string& name = "a.pdf",
                           store::DeliveryState state = store::DeliveryState::queued) {
    store::Delivery one{.id = DeliveryId::make(wall.now(), entropy), .connector = connector, .submitter = grant.user};
    auto delegation = run(delegations->delegate(
        {.user = grant.user, .auth_epoch = store::User{}.auth_epoch, .pin = pin.clone()}, "acme-harmless"));
    EXPECT_TRUE(delegation) << delegation.error().reason;
    auto incoming = run(spool.receive(one.id));
    EXPECT_TRUE(incoming);
    EXPECT_TRUE(run((*incoming)->append(base::to_bytes("a document"))));
    auto spooled = run((*incoming)->finish());
    EXPECT_TRUE(spooled);
    (*incoming)->keep();
    auto sealed = run(delegations->seal(*delegation, one.id));
    EXPECT_TRUE(sealed) << sealed.error().reason << sealed.error().text;
    one.grant = delegation->grant;
    one.node = node;
    one.name = name;
    one.state = state;
    one.size_bytes = static_cast<std::int64_t>(spooled->size_bytes);
    one.sha256.assign(spooled->sha256.begin(), spooled->sha256.end());
    one.document_key_sealed = (*incoming)->sealed_key();
    one.public_key = delegation->public_key;
    one.private_key_sealed = sealed->private_key_sealed;
    one.due_at = one.created_at = wall.now();
    note(one, wall.now(), "accepted", "");
    sealing.vouch(one);
    sealed->batch.emplace_back(store::PutDelivery{one});
    commit(std::move(sealed->batch));
    queue->offer(one);
    return one;
  }
  // Its record. Lets no time pass, as run() would: what waits for its time waits on.
  store::Delivery look(DeliveryId id) {
    const auto found = base::start_on(loop, store->delivery(id));
    base::drive_until(loop, [&] { return found->has_value(); });
    EXPECT_TRUE(**found && ***found);
    return std::move(****found);
  }
  // The delivery once it is in that state.
  store::Delivery in(store::DeliveryState state, DeliveryId id) {
    base::drive_until(loop, [&] { return look(id).state == state; });
    return look(id);
  }

  vault::HotCache hot{{}, entropy, steady};
  const Secret pin{"A good PIN 123"};
  std::optional<vault::KeyPair> keys;
  store::Grant grant, other_grant;
  store::TemporaryDirectory documents;
  store::SystemFiles files;
  Spool spool{
      {.files = files, .sealing = sealing, .entropy = entropy, .log = log, .directory = documents.path() + "/spool"}};
  Counters counted;
  QueueTuning tuning;
  std::unique_ptr<connectors::Connectors> connectors;
  ScriptedDestination* destination = nullptr;
  std::unique_ptr<grants::Delegations> delegations;
  std::unique_ptr<Queue> queue;
  people::UserSeal user_seal{vault};
  people::DeviceSeal device_seal{vault};
  std::optional<grants::StandingDelegations> standing;
  std::optional<Reception> reception;

  std::optional<Destinations> destinations;

  Reception::Parts reception_parts(Spool& into) {
    standing.emplace(grants::StandingDelegations::Parts{
        .store = *store, .sealing = sealing, .vault = vault, .wall = wall, .entropy = entropy});
    return {.store = *store,
            .spool = into,
            .delegations = *delegations,
            .standing = *standing,
            .sealing = sealing,
            .user_seal = user_seal,
            .device_seal = device_seal,
            .wall = wall,
            .entropy = entropy,
            .node = node,
            .size_bytes_max = [] { return std::uint64_t{1} << 40; },
            .accepted = [this](const store::Delivery& one) { queue->offer(one); }};
  }
  // Of that node, with the rest as make_desk() has made it.
  DeliveryDeskOfQueue::Parts desk_parts(Spool& its_spool, Queue& its_queue, NodeId its) {
    return {.store = *store,
            .spool = its_spool,
            .queue = its_queue,
            .reception = *reception,
            .delegations = *delegations,
            .standing = *standing,
            .destinations = *destinations,
            .sealing = sealing,
            .wall = wall,
            .node = its};
  }
  DeliveryDeskOfQueue make_desk() {
    destinations.emplace(
        Destinations::Parts{.store = *store, .clients = *clients, .sealing = sealing, .connectors = *connectors});
    reception.emplace(reception_parts(spool));
    return DeliveryDeskOfQueue(desk_parts(spool, *queue, node));
  }
};

}  // namespace latchkey::delivery

// Devices: kept whole, found by name, apart from the users' names; and the deliveries they submit.
#include "store/exercise_testing.h"

namespace latchkey::store {
namespace {

using namespace std::chrono_literals;

TEST_P(StoreExercise, DevicesAreKeptWholeAndByName) {
  EXPECT_TRUE(ask(store().devices()).empty());
  auto copier = device("Copier");
  auto archive = device("archive");
  archive.connectors.clear();
  archive.recipient_domains.clear();
  archive.allowed_sources.clear();
  archive.enabled = false;
  put({PutDevice{copier}, PutDevice{archive}});
  copier.version = archive.version = 1;
  EXPECT_EQ(ask(store().devices()), (std::vector{archive, copier}));
  EXPECT_EQ(ask(store().device(copier.id)), copier);
  EXPECT_EQ(ask(store().device_by_name_key("copier")), copier);
  EXPECT_EQ(ask(store().device_by_name_key("Copier")), std::nullopt);
  EXPECT_EQ(ask(store().device(id<DeviceId>())), std::nullopt);

  copier.secret_hash = entropy_.bytes(32);
  copier.connectors = {"scans"};
  copier.enabled = false;
  put({PutDevice{copier}});
  EXPECT_EQ(refusal({PutDevice{copier}}).reason, "version") << "somebody else changed it";
  copier.version = 2;
  reopen();
  EXPECT_EQ(ask(store().device(copier.id)), copier);
  put({DeleteDevice{copier.id}});
  EXPECT_EQ(refusal({DeleteDevice{copier.id}}).reason, "gone");
  EXPECT_EQ(refusal({PutDevice{copier}}).reason, "gone");
}

TEST_P(StoreExercise, ADevicesNameIsNoUsersNorAnotherDevices) {
  const auto office = group("Office");
  auto ann = user(office, "ann");
  auto copier = device("copier");
  put({InsertGroup{office}, InsertUser{ann}, PutDevice{copier}});
  ann.version = copier.version = 1;

  const auto as_user = refusal({PutDevice{device("ann")}});
  EXPECT_EQ(as_user.reason, "exists");
  EXPECT_EQ(as_user.field, "name");
  EXPECT_EQ(refusal({PutDevice{device("copier")}}).field, "name");
  const auto as_device = refusal({InsertUser{user(office, "copier")}});
  EXPECT_EQ(as_device.reason, "exists");
  EXPECT_EQ(as_device.field, "username");
  ann.username = ann.username_key = "copier";
  EXPECT_EQ(refusal({UpdateUser{ann}}).field, "username") << "nor by a change of name";
  copier.name = copier.name_key = "ann";
  EXPECT_EQ(refusal({PutDevice{copier}}).field, "name");

  put({DeleteDevice{copier.id}});
  put({InsertUser{user(office, "copier")}});
}

TEST_P(StoreExercise, WhenADeviceWasSeenIsNoChangeOfIt) {
  auto copier = device("copier");
  put({PutDevice{copier}});
  copier.version = 1;
  copier.last_seen_at = now() + 5s;
  copier.last_source = "2001:db8::7";
  put({TouchDevice{copier.id, now() + 5s, "2001:db8::7", ""}});
  put({TouchDevice{copier.id, now(), "192.0.2.9", ""}});
  EXPECT_EQ(ask(store().device(copier.id)), copier) << "what came later stands";
  copier.last_error_at = now() + 6s;
  copier.last_error = "The secret was wrong.";
  put({TouchDevice{copier.id, now() + 6s, "192.0.2.9", "The secret was wrong."}});
  EXPECT_EQ(ask(store().device(copier.id)), copier);

  auto changed = copier;
  changed.last_seen_at = {};
  changed.last_error.clear();
  put({PutDevice{changed}});
  copier.version = 2;
  EXPECT_EQ(ask(store().device(copier.id)), copier) << "who changes a device has read it before it was seen again";
  put({TouchDevice{id<DeviceId>(), now(), "192.0.2.9", ""}});
}

TEST_P(StoreExercise, DeliveriesAreFoundByDevice) {
  const auto copier = id<DeviceId>();
  auto one = delivery("scans");
  auto other = delivery("scans");
  auto persons = delivery("scans");
  one.device = copier;
  one.submitter = {};
  other.submitter = {};
  persons.device = {};
  put({PutDelivery{one}, PutDelivery{other}, PutDelivery{persons}});
  one.version = 1;
  const auto its = ask(store().deliveries({.device = copier}));
  EXPECT_EQ(its.items, std::vector{one});
  EXPECT_EQ(its.total, 1);
}

TEST_P(StoreExercise, AnIdempotencyKeyIsUniqueAmongWhatOneSubmitted) {
  const auto copier = id<DeviceId>();
  const auto ann = id<UserId>();
  const auto by = [&](UserId user, DeviceId device, const std::string& key) {
    auto made = delivery("scans");
    made.submitter = user;
    made.device = device;
    made.idempotency_key = key;
    return made;
  };
  auto hers = by(ann, {}, "key-1");
  put({PutDelivery{hers}});
  const auto again = refusal({PutDelivery{by(ann, {}, "key-1")}});
  EXPECT_EQ(again.reason, "exists");
  EXPECT_EQ(again.field, "idempotency_key");
  put({PutDelivery{by({}, copier, "key-1")}, PutDelivery{by(ann, {}, "key-2")}});
  put({PutDelivery{by(ann, {}, "")}, PutDelivery{by(ann, {}, "")}});
  hers.version = 1;
  EXPECT_EQ(ask(store().delivery_by_key(ann, {}, "key-1")), hers);
  EXPECT_EQ(ask(store().delivery_by_key(ann, {}, "key-3")), std::nullopt);
  EXPECT_EQ(ask(store().delivery_by_key(id<UserId>(), {}, "key-1")), std::nullopt) << "another's";
  EXPECT_EQ(ask(store().delivery_by_key(ann, {}, "")), std::nullopt) << "no key is nobody's";
}

}  // namespace
}  // namespace latchkey::store

// The gate of all doors: devices beside people (RULES T2, T5, T7, T8), each rule by its name.
#include "people/door_gate.h"

#include "people/devices_testing.h"

namespace latchkey::people {
namespace {

Task<Result<void>> tell(DoorGate& door, DeviceId device, std::string words) {
  co_await door.note_error(device, std::move(words));
  co_return Result<void>{};
}

Task<Result<void>> ask_supposed(DoorGate& door, std::string name, std::string address, std::optional<DeviceId>& found) {
  found = co_await door.supposed(std::move(name), std::move(address));
  co_return Result<void>{};
}

class DoorGateTest : public OfficeWithDevices {
 protected:
  DoorGate door{{.pins = *gate, .cards = *cards, .store = *store, .seal = device_seal, .wall = wall, .log = log}};

  struct Outcome {
    std::string who;
    std::chrono::nanoseconds took{};
    Error error{};
    friend bool operator==(const Outcome&, const Outcome&) = default;
  };
  Outcome come(Attempt attempt) {
    const auto arrived = attempt.arrived = steady.now();
    const auto admitted = run(door.admit(std::move(attempt)));
    Outcome outcome{.who = "nobody", .took = steady.now() - arrived};
    if (!admitted) outcome.error = admitted.error();
    else if (const auto* device = std::get_if<AdmittedDevice>(&*admitted)) outcome.who = "device " + device->name;
    else outcome.who = "user " + std::get<Admitted>(*admitted).username;
    return outcome;
  }
  std::string words(Attempt attempt) {
    auto outcome = come(std::move(attempt));
    return outcome.error.reason.empty() ? outcome.who : outcome.error.reason;
  }
  Attempt in_clear(Attempt one) {
    one.transport = Transport::clear;
    return one;
  }
  static std::string_view text(const Secret& secret) { return secret.reveal_text(); }
};

TEST_F(DoorGateTest, T8_ADeviceIsLetInByItsSecretAndAUserByThePin) {
  add("scan");
  const auto made = add_device({.name = "Copier"});
  const auto hashes = hasher->hashes_begun();
  const auto outcome = come(attempt("copier", text(made.secret)));
  EXPECT_EQ(outcome.who, "device Copier");
  EXPECT_EQ(outcome.took, 0ns);
  EXPECT_EQ(hasher->hashes_begun(), hashes) << "what is not guessed needs no Argon2id";
  EXPECT_EQ(words(attempt("scan", kPin)), "user scan");
}

TEST_F(DoorGateTest, T5_EveryRefusalIsThatOfAnUnknownUser) {
  const auto made = add_device({.name = "copier"});
  const auto bound = add_device({.name = "bound", .sources = {"192.0.2.99"}});
  const auto off = add_device({.name = "off"});
  ASSERT_TRUE(run(desk.change(off.device.id, {.enabled = false}, admin)));
  const auto altered = add_device({.name = "altered"});
  auto record = stored(altered.device.id);
  record.connectors = {"scans"};
  ASSERT_TRUE(run(store->commit({store::PutDevice{record}})));

  int source = 0;
  const auto from_elsewhere = [&] { return "203.0.113." + std::to_string(++source); };
  const auto unknown = come(attempt("nobody", text(made.secret), from_elsewhere()));
  EXPECT_EQ(unknown.error.reason, "invalid_credentials");
  EXPECT_GT(unknown.took, 0ns);
  EXPECT_EQ(come(attempt("copier", std::string(52, 'a'), from_elsewhere())), unknown) << "a wrong secret";
  EXPECT_EQ(come(attempt("copier", "a PIN", from_elsewhere())), unknown) << "nothing like a secret";
  EXPECT_EQ(come(attempt("copier", text(bound.secret), from_elsewhere())), unknown) << "another device's secret";
  EXPECT_EQ(come(attempt("bound", text(bound.secret), from_elsewhere())), unknown) << "from another address";
  EXPECT_EQ(come(attempt("off", text(off.secret), from_elsewhere())), unknown) << "switched off";
  EXPECT_EQ(come(attempt("altered", text(altered.secret), from_elsewhere())), unknown) << "a record changed from outside (P6)";
  const auto clear = come(in_clear(attempt("nobody", text(made.secret), from_elsewhere())));
  EXPECT_EQ(come(in_clear(attempt("copier", text(made.secret), from_elsewhere()))), clear) << "in clear, without an address named";
  EXPECT_EQ(clear.error.reason, "insecure_transport");
}

TEST_F(DoorGateTest, AWrongSecretIsChargedAndARightOneNeverWaits) {
  const auto made = add_device({.name = "copier"});
  std::string last;
  for (int i = 0; i < 5; ++i) last = words(attempt("copier", std::string(52, static_cast<char>('a' + i))));
  EXPECT_EQ(last, "too_many_attempts") << "who guesses waits";
  EXPECT_EQ(words(attempt("copier", text(made.secret))), "device copier");
}

TEST_F(DoorGateTest, T7_InClearADeviceIsLetInFromAnAddressItNames) {
  const auto made = add_device({.name = "copier", .sources = {"192.0.2.10"}});
  EXPECT_EQ(words(in_clear(attempt("copier", text(made.secret), "192.0.2.10"))), "device copier");
  EXPECT_EQ(words(in_clear(attempt("copier", text(made.secret), "192.0.2.11"))), "insecure_transport");
  add("scan");
  EXPECT_EQ(words(in_clear(attempt("scan", kPin))), "insecure_transport") << "a PIN never";
  EXPECT_EQ(watcher.clear, std::vector<std::string>{"scan"});
}

TEST_F(DoorGateTest, T2_ADeviceDoesWhatItMayAndNeverGetsAToken) {
  const auto made = add_device({.name = "copier", .uses = store::kUseDeliver});
  auto wants = attempt("copier", text(made.secret));
  wants.uses = store::kUseList;
  EXPECT_EQ(words(std::move(wants)), "use_not_allowed");
  wants = attempt("copier", text(made.secret));
  wants.uses = store::kUseToken;
  EXPECT_EQ(words(std::move(wants)), "use_not_allowed");
  EXPECT_EQ(stored(made.device.id).last_error, "The device asked for something that is not among its uses.");
}

TEST_F(DoorGateTest, T2_WhatIsAskedForOnlyAfterwardsIsLookedAtAsItIsThen) {
  const auto user = add("scan");
  const auto made = add_device({.name = "copier", .uses = store::kUseDeliver});
  auto person = run(door.admit(attempt("scan", kPin)));
  auto device = run(door.admit(attempt("copier", text(made.secret))));
  ASSERT_TRUE(person && device);
  const auto words_of = [&](const Principal& who, std::uint32_t uses) {
    const auto may = run(door.check_uses(who, uses));
    return may ? std::string("may") : may.error().reason;
  };
  EXPECT_EQ(words_of(*person, store::kUseDeliver), "may");
  EXPECT_EQ(words_of(*person, store::kUseSend), "may");
  EXPECT_EQ(words_of(*person, store::kUseToken), "use_not_allowed");
  EXPECT_EQ(words_of(*device, store::kUseDeliver), "may");
  EXPECT_EQ(words_of(*device, store::kUseDeliver | store::kUseSend), "use_not_allowed");
  EXPECT_EQ(stored(made.device.id).last_error, "The device asked for something that is not among its uses.");
  ASSERT_TRUE(run(desk.change(made.device.id, {.uses = store::kUseSend}, admin)));
  EXPECT_EQ(words_of(*device, store::kUseSend), "may");
  wall.advance(std::chrono::seconds(1));
  const auto renewed = run(desk.renew_secret(made.device.id, SecretForm::compact, admin));
  ASSERT_TRUE(renewed);
  EXPECT_EQ(words_of(*device, store::kUseSend), "invalid_credentials") << "a lost secret is worth nothing within a conversation either";
  auto again = attempt("copier", text(renewed->secret));
  again.uses = 0;
  device = run(door.admit(std::move(again)));
  ASSERT_TRUE(device);
  EXPECT_EQ(words_of(*device, store::kUseSend), "may");
  ASSERT_TRUE(run(desk.change(made.device.id, {.enabled = false}, admin)));
  EXPECT_EQ(words_of(*device, store::kUseSend), "invalid_credentials") << "P4";
  ASSERT_TRUE(run(directory->change_user(user.id, {.enabled = false}, admin)));
  EXPECT_EQ(words_of(*person, store::kUseDeliver), "invalid_credentials") << "P4";
}

TEST_F(DoorGateTest, ADeviceBoundToOneAddressIsRecognisedByIt) {
  const auto made = add_device({.name = "copier", .sources = {"192.0.2.10"}});
  add_device({.name = "six", .sources = {"2001:db8::7"}});
  add_device({.name = "wide", .sources = {"198.51.100.0/24"}});
  add_device({.name = "two", .sources = {"198.51.100.7", "198.51.100.8"}});
  add_device({.name = "anywhere"});
  const auto recognise = [&](std::string address) {
    const auto device = run(door.recognise(std::move(address)));
    return device ? device->name : device.error().reason;
  };
  EXPECT_EQ(recognise("192.0.2.10"), "copier");
  EXPECT_EQ(recognise("::ffff:192.0.2.10"), "copier");
  EXPECT_EQ(recognise("2001:db8:0:0::7"), "six");
  EXPECT_EQ(recognise("192.0.2.11"), "no_such_device");
  EXPECT_EQ(recognise("198.51.100.7"), "no_such_device") << "neither a network nor one of two addresses is a single one";
  EXPECT_EQ(recognise(""), "no_such_device");
  EXPECT_EQ(refusal(run(door.recognise("192.0.2.10", store::kUseSend))), "use_not_allowed");

  add_device({.name = "twin", .sources = {"192.0.2.10/32"}});
  EXPECT_EQ(recognise("192.0.2.10"), "no_such_device") << "of two nobody knows which";
  ASSERT_TRUE(run(desk.change(made.device.id, {.enabled = false}, admin)));
  EXPECT_EQ(recognise("192.0.2.10"), "twin");
}

TEST_F(DoorGateTest, WhoWasNotLetInIsSupposedToBeTheDeviceOfTheNameElseOfTheAddress) {
  const auto named = add_device({.name = "Copier"});
  const auto bound = add_device({.name = "bound", .sources = {"192.0.2.10"}});
  add_device({.name = "two-1", .sources = {"192.0.2.11"}});
  add_device({.name = "two-2", .sources = {"192.0.2.11"}});
  const auto supposed = [&](std::string name, std::string address) {
    std::optional<DeviceId> found;
    run(ask_supposed(door, std::move(name), std::move(address), found)).value();
    return found;
  };
  EXPECT_EQ(supposed("COPIER", "192.0.2.10"), named.device.id);
  EXPECT_EQ(supposed("", "192.0.2.10"), bound.device.id);
  EXPECT_EQ(supposed("nobody", "192.0.2.10"), bound.device.id);
  EXPECT_EQ(supposed("nobody", "192.0.2.11"), std::nullopt) << "two have it";
  EXPECT_EQ(supposed("nobody", "192.0.2.12"), std::nullopt);
}

TEST_F(DoorGateTest, WhenItWasSeenAndWhatWentWrongStandsOnItsPage) {
  const auto made = add_device({.name = "copier", .sources = {"192.0.2.0/24"}});
  EXPECT_EQ(stored(made.device.id).last_seen_at, WallTime{});
  EXPECT_EQ(words(attempt("copier", text(made.secret), "192.0.2.10")), "device copier");
  const auto first = wall.now();
  EXPECT_EQ(stored(made.device.id).last_seen_at, first);
  pass(10s);
  EXPECT_EQ(words(attempt("copier", text(made.secret), "192.0.2.10")), "device copier");
  EXPECT_EQ(stored(made.device.id).last_seen_at, first) << "at most once a minute";
  EXPECT_EQ(words(attempt("copier", text(made.secret), "192.0.2.11")), "device copier");
  EXPECT_EQ(stored(made.device.id).last_source, "192.0.2.11") << "unless it has moved";

  EXPECT_EQ(words(attempt("copier", text(made.secret), "203.0.113.5")), "invalid_credentials");
  EXPECT_EQ(stored(made.device.id).last_error, "The right secret came from 203.0.113.5, which is not among the device's addresses.");
  pass(61s);
  EXPECT_EQ(words(attempt("copier", std::string(52, 'a'), "192.0.2.10")), "invalid_credentials");
  EXPECT_EQ(stored(made.device.id).last_error, "A wrong secret came from 192.0.2.10.");
  pass(61s);
  ASSERT_TRUE(run(tell(door, made.device.id, "There is no connector `scan`.")));
  EXPECT_EQ(stored(made.device.id).last_error, "There is no connector `scan`.");
}

}  // namespace
}  // namespace latchkey::people

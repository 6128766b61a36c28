// Whose page a request is written on, and whose not.
#include "doors/http/device_ear.h"

#include <deque>

#include "doors/http/door_request.h"
#include "people/devices_testing.h"

namespace latchkey::doors {
namespace {

using namespace std::chrono_literals;
using net::HttpResponse;

// Gives what it was made of, piece by piece, and then an end or an error.
class PiecesBody final : public net::HttpBody {
 public:
  explicit PiecesBody(std::deque<std::size_t> pieces, bool breaks = false) : pieces_(std::move(pieces)), breaks_(breaks) {}
  [[nodiscard]] std::optional<std::uint64_t> stated_size() const override { return 9; }
  [[nodiscard]] Task<Result<Bytes>> pull() override {
    if (pieces_.empty() && breaks_)
      co_return fail(ErrorKind::unavailable, "connection_lost", "The sender hung up before the end.");
    if (pieces_.empty()) co_return Bytes();
    Bytes piece(pieces_.front());
    pieces_.pop_front();
    co_return piece;
  }

 private:
  std::deque<std::size_t> pieces_;
  bool breaks_;
};

class DeviceEarTest : public people::OfficeWithDevices {
 protected:
  people::DoorGate gate_of_doors{
      {.pins = *gate, .cards = *cards, .store = *store, .seal = device_seal, .wall = wall, .log = log}};
  people::DeviceConversations conversations{{.of_one = 1000}};
  DeviceEar ear{{.gate = gate_of_doors,
                 .conversations = conversations,
                 .wall = wall,
                 .steady = steady,
                 .log = log,
                 .executor = loop.get_executor()}};

  static net::HttpRequest request(std::string method, std::string name, std::string_view address = kDevice) {
    net::HttpRequest one;
    one.method = std::move(method);
    one.target = "/dav/scans/a.pdf";
    one.client = net::IpAddress::parse(address).value();
    if (!name.empty()) one.headers.set("Authorization", "Basic " + base::to_base64(base::as_bytes(name + ":secret")));
    return one;
  }
  void refuse(std::string name, std::string_view address = kDevice) {
    ear.keep(ear.hear(request("PUT", std::move(name), address)), problem_of(no_credentials()), kDavDoor);
  }
  // How many turns were waiting; all questions have their answer then.
  std::size_t settle() {
    loop.restart();
    const auto turns = loop.poll();
    base::drive_until(loop, [&] { return ear.asking() == 0; });
    return turns;
  }
  std::string told(DeviceId device) {
    std::string out;
    for (const auto& one : conversations.of(device)) {
      out += one.door + " " + one.source + ":";
      for (const auto& line : one.lines) out += " " + line.text + ";";
      out += "\n";
    }
    return out;
  }
  static people::Principal as(const people::DeviceWithSecret& made) {
    return people::AdmittedDevice{.device = made.device.id, .name = made.device.name};
  }
};

TEST_F(DeviceEarTest, ADevicesRequestsStandOnItsPageWithTheirAnswers) {
  const auto copier = add_device({.name = "copier"});
  auto heard = ear.hear(request("PUT", "copier"));
  heard.judged(as(copier));
  const auto body = heard.counting(std::make_shared<PiecesBody>(std::deque<std::size_t>{4, 5}));
  EXPECT_EQ(body->stated_size(), 9U);
  while (!run(body->pull()).value().empty()) {
  }
  pass(3s);
  ear.keep(heard, HttpResponse::no_content(), kDavDoor);
  auto next = ear.hear(request("DELETE", "copier"));
  next.judged(as(copier));
  ear.keep(next, HttpResponse::problem(404, "no_such_resource", "Nothing there."), kDavDoor);
  EXPECT_EQ(told(copier.device.id),
            "webdav 192.0.2.10: PUT /dav/scans/a.pdf; Authorization: Basic (hidden); The body, 9 octets; 204 No Content; "
            "DELETE /dav/scans/a.pdf; Authorization: Basic (hidden); 404 Not Found; no_such_resource: Nothing there.;\n");
  const auto one = conversations.of(copier.device.id).at(0);
  EXPECT_EQ(one.ended_at - one.began_at, 3s);
  EXPECT_FALSE(one.is_supposed);
  EXPECT_EQ(settle(), 0U) << "whoever was let in is known: nothing is asked";
}

TEST_F(DeviceEarTest, WhatCameOfABodyIsSaid) {
  const auto copier = add_device({.name = "copier"});
  auto cut = ear.hear(request("PUT", "copier"));
  cut.judged(as(copier));
  const auto body = cut.counting(std::make_shared<PiecesBody>(std::deque<std::size_t>{4}, true));
  EXPECT_EQ(run(body->pull()).value().size(), 4U);
  const auto lost = run(body->pull());
  ASSERT_FALSE(lost);
  ear.keep(cut, problem_of(lost.error()), kHttpDoor);
  auto unread = ear.hear(request("PUT", "copier"));
  unread.judged(as(copier));
  const auto unasked = unread.counting(std::make_shared<PiecesBody>(std::deque<std::size_t>{4}));
  ear.keep(unread, HttpResponse::problem(411, "length_required", "Say how long."), kHttpDoor);
  auto gathered = request("PROPFIND", "copier");
  gathered.body = "secret";
  auto asked = ear.hear(gathered);
  asked.judged(as(copier));
  ear.keep(asked, HttpResponse::text(207, "secret"), kHttpDoor);
  EXPECT_EQ(told(copier.device.id),
            "http 192.0.2.10: PUT /dav/scans/a.pdf; Authorization: Basic (hidden); Of the body 4 octets had been taken in; "
            "The line was cut; PUT /dav/scans/a.pdf; Authorization: Basic (hidden); The body was not read; "
            "411 Length Required; length_required: Say how long.; PROPFIND /dav/scans/a.pdf; Authorization: Basic (hidden); "
            "The body, 6 octets; 207 Multi-Status;\n");
}

TEST_F(DeviceEarTest, APersonLeavesNothingAndCostsNoQuestion) {
  const auto bound = add_device({.name = "bound", .sources = {std::string(kDevice)}});
  const auto user = add("anna-at-the-copier");
  for (const auto& answer : {HttpResponse::no_content(), HttpResponse::problem(404, "no_such_resource", "Nothing there.")}) {
    auto heard = ear.hear(request("PUT", "bound"));
    heard.judged(people::Admitted{.user = user.id, .auth_epoch = 0, .username = user.username, .pin = Secret("x")});
    ear.keep(heard, answer, kDavDoor);
  }
  ear.keep(ear.hear(request("OPTIONS", "")), HttpResponse::text(200, ""), kDavDoor);
  EXPECT_EQ(settle(), 0U) << "nothing was asked";
  EXPECT_EQ(told(bound.device.id), "");
}

TEST_F(DeviceEarTest, T5_WhoIsRefusedIsAskedBehindTheAnswerByNameThenByAddress) {
  const auto copier = add_device({.name = "Copier"});
  const auto bound = add_device({.name = "bound", .sources = {"192.0.2.11"}});
  refuse("copier");
  EXPECT_EQ(told(copier.device.id), "") << "the answer does not wait for the store";
  EXPECT_GE(settle(), 1U) << "a question, and its answer where that comes in time";
  EXPECT_EQ(told(copier.device.id),
            "webdav 192.0.2.10: PUT /dav/scans/a.pdf; Authorization: Basic (hidden); 401 Unauthorized; invalid_credentials: "
            "Username or PIN is wrong.;\n");
  EXPECT_TRUE(conversations.of(copier.device.id).at(0).is_supposed) << "anybody may show its name";
  refuse("", "192.0.2.11");
  refuse("nobody", "192.0.2.12");
  settle();
  EXPECT_EQ(told(bound.device.id),
            "webdav 192.0.2.11: PUT /dav/scans/a.pdf; 401 Unauthorized; invalid_credentials: Username or PIN is wrong.;\n");
  EXPECT_EQ(conversations.of(copier.device.id).size(), 1U);
}

TEST_F(DeviceEarTest, APersonWhoMayNotDoThisLeavesNothingAtTheDeviceOfTheirAddress) {
  const auto copier = add_device({.name = "copier"});
  const auto bound = add_device({.name = "bound", .sources = {std::string(kDevice)}});
  const auto refuse_use = [&](std::string name) {
    const Result<people::Principal> who = fail(ErrorKind::refused, "use_not_allowed", "It may not do this.");
    auto heard = ear.hear(request("PUT", std::move(name)));
    heard.judged(who);
    ear.keep(heard, problem_of(who.error()), kDavDoor);
    settle();
  };
  refuse_use("anna");
  EXPECT_EQ(told(bound.device.id), "") << "the PIN was right: it is anna";
  refuse_use("copier");
  EXPECT_EQ(conversations.of(copier.device.id).size(), 1U);
}

TEST_F(DeviceEarTest, AFloodOfRefusalsAsksTheStoreSoManyTimesASecond) {
  const auto copier = add_device({.name = "copier"});
  for (int at = 1; at <= 200; ++at) refuse("copier", "198.51.100." + std::to_string(at));
  settle();
  EXPECT_EQ(conversations.of(copier.device.id).size(), QuestionPace::kPerSecond);
  refuse("copier", "203.0.113.1");
  EXPECT_EQ(settle(), 0U);
  pass(1s);
  refuse("copier", "203.0.113.1");
  settle();
  EXPECT_EQ(conversations.of(copier.device.id).size(), QuestionPace::kPerSecond + 1);
}

TEST_F(DeviceEarTest, AfterItsEndNothingIsAsked) {
  const auto copier = add_device({.name = "copier"});
  struct Ending {
    static Task<Result<void>> of(DeviceEar& ear) {
      co_await ear.stop();
      co_return Result<void>{};
    }
  };
  ASSERT_TRUE(run(Ending::of(ear)));
  refuse("copier");
  settle();
  EXPECT_EQ(told(copier.device.id), "");
}

}  // namespace
}  // namespace latchkey::doors

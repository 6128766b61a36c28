#include "relay/relay_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/fakes_testing.h"
#include "base/pool.h"
#include "cloud/flow.h"
#include "cloud/service.h"
#include "relay/enrolment_gate.h"
#include "store/sqlite/connection.h"

namespace latchkey::relay {
namespace {

using testing::HasSubstr;
using testing::Not;

struct CollectingLog final : Log {
  void write(base::LogLevel, std::string_view event, std::vector<base::LogField>) override { events.emplace_back(event); }
  [[nodiscard]] std::ptrdiff_t count(std::string_view event) const { return std::ranges::count(events, event); }
  std::vector<std::string> events;
};

std::shared_ptr<const catalog::Catalog> builtin() {
  auto loaded = catalog::Catalog::load_builtin();
  EXPECT_TRUE(loaded);
  return *loaded;
}

class Service : public testing::Test {
 protected:
  static std::string make_folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "latchkey-relay-XXXXXX").string();
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    return pattern;
  }
  void SetUp() override { ASSERT_TRUE(offices.read_again()); }
  void TearDown() override { std::filesystem::remove_all(folder); }

  // What another process does to the file.
  void script(const char* sql) {
    auto db = store::sqlite::Connection::open(folder + "/relay.db", store::sqlite::Access::writer, 1 << 20, "");
    ASSERT_TRUE(db);
    ASSERT_TRUE((*db)->run_script(sql));
  }
  net::HttpRequest request(std::string path, std::string method = "GET") {
    net::HttpRequest request;
    request.method = std::move(method);
    request.target = request.path = std::move(path);
    request.client = request.peer = *net::IpAddress::parse("203.0.113.9");
    request.tls = true;
    request.scheme = "https";
    return request;
  }
  net::HttpResponse answer(const net::HttpRequest& request) {
    if (auto now = service.try_handle_now(request)) return std::move(*now);
    return base::run_on_loop(loop, steady, service.handle(request));
  }
  net::HttpResponse metrics_for(std::string_view client) {
    auto asked = request("/metrics");
    asked.client = asked.peer = *net::IpAddress::parse(client);
    return answer(asked);
  }
  std::string metrics() { return metrics_for("127.0.0.1").body; }

  const std::string folder = make_folder();
  base::SeededEntropy entropy{7};
  base::SimulatedWallClock wall;
  base::SimulatedSteadyClock steady;
  boost::asio::io_context loop;
  CollectingLog log;
  std::unique_ptr<store::EnrolmentBook> book = *store::open_sqlite_enrolment_book(folder + "/relay.db");
  Pool disk{"book", 1};
  CatalogRegistrations registrations{builtin(), "https://relay.example", oauth::PlainHttp::refused};
  EnrolledOffices offices{*book, {"dropbox"}, steady};
  OfficeQuotas quotas;
  OfficeQuotas assertions;
  EnrolmentGate gate, look_gate;
  BookLook look{offices, look_gate, disk, steady};
  RelayCounters counters;
  cloud::PartyKeys keys = cloud::PartyKeys::make(entropy);
  cloud::PartyPublic public_keys = keys.public_half();
  std::vector<cloud::Succession> successions;
  Secret instance_key = Secret(entropy.bytes(32));
  ForwardDesk desk{{.keys = keys,
                    .instance_key = instance_key,
                    .enrolments = offices,
                    .registrations = registrations,
                    .wall = wall,
                    .entropy = entropy}};
  BrowserPages pages{{.desk = desk,
                      .registrations = registrations,
                      .offices = offices,
                      .quotas = quotas,
                      .counters = counters,
                      .steady = steady,
                      .log = log}};
  OfficeApi api{{.desk = desk,
                 .registrations = registrations,
                 .offices = offices,
                 .keys = public_keys,
                 .successions = successions,
                 .gate = gate,
                 .look = look,
                 .assertions = assertions,
                 .counters = counters,
                 .exchanges = nullptr,
                 .revocations = nullptr,
                 .engine = loop.get_executor(),
                 .disk = disk,
                 .wall = wall,
                 .steady = steady,
                 .entropy = entropy,
                 .log = log}};
  net::BodyBudget bodies;
  struct Certificate final : ServedCertificate {
    [[nodiscard]] CertificateFigures figures() const override { return told; }
    CertificateFigures told;
  } certificate;
  RelayService service{{.pages = pages,
                        .api = api,
                        .look = look,
                        .offices = offices,
                        .counters = counters,
                        .certificate = &certificate,
                        .metrics_from = {*net::Cidr::parse("198.51.100.0/24")},
                        .bodies = bodies,
                        .log = log}};
};

TEST_F(Service, OfManyRefusalsTheLogHasAFewAndHowManyThereWereBesides) {
  const auto ask = [this] { static_cast<void>(pages.refusal({.kind = ErrorKind::not_found, .reason = "no_such_page", .text = "There is no such page."}, {})); };
  for (int i = 0; i < 1000; ++i) ask();
  EXPECT_EQ(log.count("refused"), 20);
  steady.advance(Seconds(10));
  const auto line = counters.refused("no_such_page", steady.now());
  EXPECT_TRUE(line.due);
  EXPECT_EQ(line.unsaid, 980);
  EXPECT_THAT(metrics(), HasSubstr("latchkey_relay_refused_total{reason=\"no_such_page\"} 1001"));
}

TEST_F(Service, S1_WhoeverCannotReadWhomItServesServesNobody) {
  const auto flow = request("/begin");
  EXPECT_EQ(answer(flow).status, 403) << "no flow, but open";
  script("ALTER TABLE offices RENAME TO elsewhere");
  EXPECT_FALSE(offices.read_again());
  steady.advance(kBookAgeMax);
  EXPECT_EQ(answer(flow).status, 403) << "a minute is borne";
  EXPECT_EQ(answer(request("/healthz")).status, 200);

  steady.advance(Seconds(1));
  const auto page = answer(flow);
  EXPECT_EQ(page.status, 503);
  EXPECT_THAT(page.body, HasSubstr("cannot read at present which offices it serves"));
  EXPECT_THAT(page.body, HasSubstr("(enrolments_not_read)"));
  for (const auto* path : {"/relay/v1/collect", "/relay/v1/enrol"}) {
    const auto refused = answer(request(path, "POST"));
    EXPECT_EQ(refused.status, 503) << path;
    EXPECT_EQ(refused.headers.value_or("Retry-After"), "60");
    EXPECT_THAT(refused.body, HasSubstr("urn:latchkey:problem:enrolments_not_read"));
  }
  EXPECT_EQ(answer(request("/healthz")).status, 503);
  EXPECT_THAT(metrics(), HasSubstr("latchkey_relay_enrolments_age_seconds 61"));
  EXPECT_THAT(metrics(), HasSubstr("latchkey_relay_refused_total{reason=\"enrolments_not_read\"} 3"));
  EXPECT_EQ(log.count("closed_until_enrolments_are_read"), 1);

  script("ALTER TABLE elsewhere RENAME TO offices");
  ASSERT_TRUE(offices.read_again());
  EXPECT_EQ(answer(flow).status, 403);
  EXPECT_EQ(answer(request("/healthz")).status, 200);
  EXPECT_THAT(metrics(), HasSubstr("latchkey_relay_enrolments_age_seconds 0"));
}

TEST_F(Service, S1_WhatItCountsIsForItsOperatorAlone) {
  for (const auto* operators : {"127.0.0.1", "::1", "198.51.100.7"}) {
    EXPECT_THAT(metrics_for(operators).body, HasSubstr("latchkey_relay_offices 0")) << operators;
  }
  const auto strangers = metrics_for("203.0.113.9");
  EXPECT_EQ(strangers.status, 404);
  EXPECT_THAT(strangers.body, Not(HasSubstr("latchkey_relay")));
}

TEST_F(Service, ItTellsOfItsCertificate) {
  certificate.told = {.days_left = 12.5, .refused = false};
  EXPECT_THAT(metrics(), HasSubstr("\nlatchkey_relay_certificate_days_left 12.5\n"));
  EXPECT_THAT(metrics(), HasSubstr("\nlatchkey_relay_certificate_refused 0\n"));
  certificate.told = {.days_left = -1, .refused = true};
  EXPECT_THAT(metrics(), HasSubstr("\nlatchkey_relay_certificate_days_left -1\n"));
  EXPECT_THAT(metrics(), HasSubstr("\nlatchkey_relay_certificate_refused 1\n"));
}

TEST_F(Service, S1_AProxyNobodyNamedReadsNoCountersForOthers) {
  for (const auto* proxy : {"127.0.0.1", "::1", "198.51.100.7"}) {
    for (const auto* field : {"X-Forwarded-For", "X-Forwarded-Proto", "x-forwarded-host", "Forwarded", "X-Real-IP", "Via"}) {
      auto asked = request("/metrics");
      asked.client = asked.peer = *net::IpAddress::parse(proxy);
      ASSERT_TRUE(asked.headers.add(field, "127.0.0.1"));
      const auto refused = answer(asked);
      EXPECT_EQ(refused.status, 404) << proxy << " " << field;
      EXPECT_THAT(refused.body, Not(HasSubstr("latchkey_relay"))) << proxy << " " << field;
    }
  }
  auto unknown = request("/metrics");
  unknown.client = unknown.peer = *net::IpAddress::parse("127.0.0.1");
  unknown.client_known = false;
  EXPECT_EQ(answer(unknown).status, 404) << "a preamble that names nobody";
  auto named = request("/metrics");
  named.peer = *net::IpAddress::parse("127.0.0.1");
  named.client = *net::IpAddress::parse("198.51.100.7");
  ASSERT_TRUE(named.headers.add("X-Forwarded-For", "198.51.100.7"));
  EXPECT_EQ(answer(named).status, 200) << "a trusted proxy has said who asks";
}

TEST_F(Service, S1_StrangersOffersAreFewAndCostTheOthersNothing) {
  const auto offer = [&](std::string_view from) {
    const auto mallory = cloud::PartyKeys::make(entropy);
    auto code = cloud::EnrolmentCode::make(store::OfficeId::make(wall.now(), entropy).bytes(), public_keys, entropy);
    auto asked = request(std::string(cloud::kEnrolPath), "POST");
    asked.client = asked.peer = *net::IpAddress::parse(from);
    asked.body = std::string(to_json(cloud::EnrolmentOffer{.office = store::OfficeId::from_bytes(code.office)->text(),
                                                           .secret = code.secret.clone(),
                                                           .request = make_enrolment_request(code, mallory),
                                                           .return_origins = {"https://mallory.example"}})
                                 .reveal_text());
    return answer(asked);
  };
  for (int n = 0; n < EnrolmentGate::kTriesPerMinute; ++n) {
    const auto refused = offer("203.0.113.9");
    EXPECT_EQ(refused.status, 403);
    EXPECT_THAT(refused.body, HasSubstr("code_unknown"));
  }
  const auto stopped = offer("203.0.113.9");
  EXPECT_EQ(stopped.status, 429);
  EXPECT_EQ(stopped.headers.value_or("Retry-After"), "60");
  EXPECT_THAT(stopped.body, HasSubstr("too_many_offers"));
  EXPECT_EQ(offer("203.0.113.10").status, 403) << "another source";
  std::vector<EnrolmentGate::Place> places;
  while (auto place = gate.enter(*net::SourceAddress::parse("198.51.100.1"), steady.now()))
    places.push_back(std::move(*place));
  const auto busy = offer("203.0.113.10");
  EXPECT_EQ(busy.status, 429);
  EXPECT_THAT(busy.body, HasSubstr("enrolment_busy"));
  EXPECT_THAT(busy.body, Not(HasSubstr("code_unknown")));
}

TEST_F(Service, S1_AnOfficeEnrolledAtAnotherInstanceIsServedAtOnceAndStrangersCostFewReads) {
  const auto others_book = *store::open_sqlite_enrolment_book(folder + "/relay.db");
  EnrolledOffices other{*others_book, {"dropbox"}, steady};
  const auto enrolled_there = [&](const cloud::PartyKeys& office) {
    const auto code = cloud::EnrolmentCode::make(store::OfficeId::make(wall.now(), entropy).bytes(), public_keys, entropy);
    const auto id = *store::OfficeId::from_bytes(code.office);
    const auto digest = cloud::digest_of_secret(code.secret);
    EXPECT_TRUE(others_book->issue({.id = id,
                                    .label = "North Ltd",
                                    .types = {},
                                    .code_digest = Bytes(digest.begin(), digest.end()),
                                    .issued_at = wall.now(),
                                    .code_ends_at = wall.now() + Seconds(600)}));
    EXPECT_TRUE(other.enrol(id, digest, office.public_half(), {"https://north.example"}, wall.now()));
    return id.text();
  };
  const auto asks = [&](const std::string& id, const cloud::PartyKeys& office, std::string_view from) {
    auto asked = request(std::string(cloud::kOfficePath));
    asked.client = asked.peer = *net::IpAddress::parse(from);
    const auto signature = cloud::sign_request({.method = asked.method, .target = asked.target, .body = {}}, id,
                                               office.public_half().key_id(), office.signing_seed, wall.now(), entropy);
    asked.headers.set("Authorization", signature.header());
    return answer(asked).status;
  };
  const auto north = cloud::PartyKeys::make(entropy);
  const auto id = enrolled_there(north);
  EXPECT_FALSE(offices.find(id));
  EXPECT_EQ(asks(id, north, "203.0.113.9"), 200);

  const auto mallory = cloud::PartyKeys::make(entropy);
  for (int n = 0; n < EnrolmentGate::kTriesPerMinute; ++n) EXPECT_EQ(asks(id, mallory, "203.0.113.66"), 403);
  const auto south = cloud::PartyKeys::make(entropy);
  const auto later = enrolled_there(south);
  EXPECT_EQ(asks(later, south, "203.0.113.66"), 403) << "the book was not read once more for this source";
  EXPECT_EQ(asks(later, south, "203.0.113.9"), 200);

  // Its people's browsers likewise: a page may say that the office is not known only when the book has been read.
  const auto last = cloud::PartyKeys::make(entropy);
  const auto third = enrolled_there(last);
  const auto begins = [&](const std::string& office, const cloud::PartyKeys& keys_of_office, std::string_view from) {
    const auto flow = *cloud::seal_flow({.office = office,
                                         .attempt = "attempt-1",
                                         .type = "dropbox",
                                         .app = "dropbox",
                                         .username = "scanner",
                                         .authorization_url = "https://www.dropbox.com/oauth2/authorize",
                                         .return_origin = "https://north.example",
                                         .expires_at = wall.now() + Seconds(300)},
                                        keys_of_office.signing_seed, public_keys.sealing, entropy);
    auto asked = request(std::string(cloud::kBeginPath) + "?flow=" + flow);
    asked.path = cloud::kBeginPath;
    asked.query = "flow=" + flow;
    asked.client = asked.peer = *net::IpAddress::parse(from);
    return answer(asked).body;
  };
  EXPECT_THAT(begins(third, last, "203.0.113.66"), HasSubstr("(office_unknown)")) << "this one has asked too often";
  EXPECT_FALSE(offices.find(third));
  EXPECT_THAT(begins(third, last, "203.0.113.9"), Not(HasSubstr("office_unknown")));
  EXPECT_TRUE(offices.find(third));
}

TEST_F(Service, Attack_ABodyWithoutTheNameOfAnEnrolledOfficeIsNotWaitedFor) {
  const auto refused = [&](net::HttpRequest asked, std::string_view length) {
    asked.headers.set("Content-Length", length);
    const auto answer = service.refuse_body(asked);
    return answer ? answer->body : std::string("read");
  };
  auto token = request("/relay/v1/token", "POST");
  EXPECT_THAT(refused(token, "100"), HasSubstr("signature_malformed"));
  const auto signature = cloud::sign_request({.method = "POST", .target = "/relay/v1/token", .body = ""}, "0199-nobody", "0123456789abcdef",
                                             keys.signing_seed, wall.now(), entropy);
  token.headers.set("Authorization", signature.header());
  EXPECT_EQ(refused(token, "8192"), "read") << "it may have been enrolled a moment ago at another instance";
  EXPECT_THAT(refused(token, "8193"), HasSubstr("office_unknown"));
  EXPECT_THAT(refused(token, "no number"), HasSubstr("office_unknown"));
  EXPECT_EQ(refused(request("/relay/v1/enrol", "POST"), "9000"), "read");
  EXPECT_EQ(refused(request("/continue", "POST"), "9000"), "read");
  auto in_clear = request("/relay/v1/enrol", "POST");
  in_clear.tls = false;
  in_clear.scheme = "http";
  EXPECT_THAT(refused(in_clear, "100"), HasSubstr("not_https"));
}

}  // namespace
}  // namespace latchkey::relay

// Set-up, sessions, users, groups, PINs and passwords over real HTTP.
#include "console/office_testing.h"

namespace latchkey::console {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

TEST_F(ConsoleTest, TheFirstAdministratorIsMadeByTheOneTimeCodeAndIsSignedIn) {
  auto one = browser();
  one.open();
  EXPECT_TRUE(one.session.at("setup_needed").as_bool());
  EXPECT_FALSE(one.session.at("signed_in").as_bool());
  EXPECT_EQ(base::string_or(one.session.at("server").as_object(), "version"), "");
  const auto code = *run(setup->issue_code());
  ASSERT_TRUE(code);
  const auto state = one.get("/api/v1/setup").json();
  EXPECT_TRUE(state.at("needed").as_bool());
  EXPECT_TRUE(state.at("expires_at").is_string());

  const auto wrong = one.send("POST", "/api/v1/setup", {{"code", "wrong"}, {"username", "anna"}, {"password", kPassword}});
  EXPECT_EQ(wrong.status, 403);
  EXPECT_EQ(wrong.code(), "setup_code_invalid");
  const auto weak = one.send("POST", "/api/v1/setup", {{"code", *code}, {"username", "anna"}, {"password", "short"}});
  EXPECT_EQ(weak.status, 422);
  EXPECT_THAT(weak.fields(), ElementsAre("password"));
  const auto done = one.send("POST", "/api/v1/setup", {{"code", *code}, {"username", "anna"}, {"password", kPassword}, {"name", "Anna"}});
  ASSERT_EQ(done.status, 201) << done.body;
  one.take(done);
  EXPECT_TRUE(one.session.at("signed_in").as_bool());
  EXPECT_FALSE(one.session.at("setup_needed").as_bool());
  EXPECT_EQ(base::string_or(one.session.at("user").as_object(), "role"), "administrator");
  EXPECT_EQ(one.get("/api/v1/users").status, 200);
  const auto again = one.send("POST", "/api/v1/setup", {{"code", *code}, {"username", "eve"}, {"password", kPassword}});
  EXPECT_EQ(again.code(), "setup_done");
}

TEST_F(ConsoleTest, SigningInGivesANewCookieThatScriptsCannotRead) {
  add("anna", store::Role::administrator, kPassword);
  auto one = browser();
  one.open();
  const auto anonymous = one.cookie;
  EXPECT_FALSE(one.csrf.empty());
  const auto wrong = one.send("POST", "/api/v1/session", {{"username", "anna"}, {"password", "not the one"}});
  EXPECT_EQ(wrong.status, 401);
  EXPECT_EQ(wrong.code(), "invalid_credentials");
  const auto unknown = one.send("POST", "/api/v1/session", {{"username", "nobody"}, {"password", "not the one"}});
  EXPECT_EQ(unknown.body, wrong.body);
  const auto right = one.send("POST", "/api/v1/session", {{"username", "ANNA"}, {"password", kPassword}});
  ASSERT_EQ(right.status, 201) << right.body;
  EXPECT_THAT(right.header("set-cookie"), HasSubstr("; HttpOnly; SameSite=Strict"));
  EXPECT_NE(one.cookie, anonymous);
  one.take(right);
  EXPECT_EQ(base::string_or(one.session.at("server").as_object(), "version"), "1.2.3");
  EXPECT_EQ(one.get("/api/v1/users").status, 200);

  EXPECT_EQ(one.ask({.method = "DELETE", .target = "/api/v1/session"}).status, 204);
  EXPECT_EQ(one.get("/api/v1/users").status, 401);
}

TEST_F(ConsoleTest, OverHttpsTheCookieIsBoundToTheHost) {
  auto send = HttpSend{.target = "/api/v1/session", .headers = {{"X-Forwarded-For", "203.0.113.9"}, {"X-Forwarded-Proto", "https"}}};
  const auto answer = served->ask(send);
  EXPECT_THAT(answer.header("set-cookie"), testing::StartsWith("__Host-latchkey="));
  EXPECT_THAT(answer.header("set-cookie"), HasSubstr("; Path=/; HttpOnly; SameSite=Strict; Secure"));
  EXPECT_TRUE(answer.json().at("server").at("insecure_notice").is_null());
}

TEST_F(ConsoleTest, SigningInInClearFromAfarIsRefusedWithTheWayOut) {
  add("anna", store::Role::administrator, kPassword);
  auto one = browser();
  one.open();
  HttpSend send{.method = "POST", .target = "/api/v1/session", .headers = {{"X-Forwarded-For", "203.0.113.9"}, {"X-Forwarded-Proto", "http"}},
                .body = boost::json::serialize(JsonObject{{"username", "anna"}, {"password", kPassword}})};
  const auto refused = one.ask(send);
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(refused.code(), "insecure_transport");
  EXPECT_THAT(refused.body, HasSubstr("tls.certificate"));
  const auto notice = served->ask({.target = "/api/v1/session", .headers = {{"X-Forwarded-For", "203.0.113.9"}, {"X-Forwarded-Proto", "http"}}}).json();
  EXPECT_THAT(std::string(notice.at("server").at("insecure_notice").as_string()), HasSubstr("trusted_proxies"));
}

TEST_F(ConsoleTest, WithoutSessionTokenOrRightsNothingIsDone) {
  auto nobody = browser();
  nobody.open();
  EXPECT_EQ(nobody.get("/api/v1/users").code(), "not_signed_in");
  auto boss = administrator();
  const auto csrf = std::exchange(boss.csrf, "old");
  EXPECT_EQ(boss.send("POST", "/api/v1/groups", {{"name", "X"}}).code(), "csrf_failed");
  boss.csrf = csrf;
  auto foreign = boss.ask({.method = "POST", .target = "/api/v1/groups", .headers = {{"Origin", "https://evil.example"}}, .body = "{\"name\":\"X\"}"});
  EXPECT_EQ(foreign.code(), "csrf_failed");
  auto ben = regular();
  EXPECT_EQ(ben.get("/api/v1/users").code(), "not_allowed");
  EXPECT_EQ(ben.send("POST", "/api/v1/groups", {{"name", "X"}}).code(), "not_allowed");
  EXPECT_EQ(ben.get("/api/v1/users/" + admin.id.text()).status, 404);
  const auto self = UserId::parse(base::string_or(ben.session.at("user").as_object(), "id"));
  EXPECT_EQ(ben.get("/api/v1/users/" + self->text()).status, 200);
  EXPECT_EQ(run(store->groups())->size(), 1U);
}

TEST_F(ConsoleTest, GroupsAreMadeRenamedListedAndDeletedWithNobodyLost) {
  auto boss = administrator();
  const auto made = boss.send("POST", "/api/v1/groups", {{"name", "Sales"}});
  ASSERT_EQ(made.status, 201) << made.body;
  const auto id = base::string_or(made.json(), "id");
  EXPECT_EQ(boss.send("POST", "/api/v1/groups", {{"name", "SALES"}}).code(), "group_name_taken");
  const auto empty = boss.send("POST", "/api/v1/groups", {{"name", ""}});
  EXPECT_EQ(empty.status, 422);
  EXPECT_THAT(empty.fields(), ElementsAre("name"));
  EXPECT_EQ(base::string_or(boss.send("PATCH", "/api/v1/groups/" + id, {{"name", "Support"}}).json(), "name"), "Support");
  EXPECT_EQ(boss.send("PATCH", "/api/v1/groups/" + group.text().replace(0, 1, "f"), {{"name", "Y"}}).status, 404);
  EXPECT_EQ(boss.get("/api/v1/groups?search=supp").json().at("total"), 1);
  const auto page = boss.get("/api/v1/groups?limit=1").json();
  EXPECT_EQ(page.at("total"), 2);
  EXPECT_EQ(boss.get("/api/v1/groups?limit=1&cursor=" + base::string_or(page, "next_cursor")).json().at("items").as_array().size(), 1U);
  EXPECT_EQ(boss.get("/api/v1/groups?limit=0").status, 400);
  EXPECT_EQ(boss.get("/api/v1/groups?surprise=1").status, 400);

  const auto refused = boss.ask({.method = "DELETE", .target = "/api/v1/groups/" + group.text()});
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(refused.code(), "group_not_empty");
  EXPECT_EQ(refused.json().at("users"), 1);
  EXPECT_EQ(boss.ask({.method = "DELETE", .target = "/api/v1/groups/" + group.text() + "?delete_users=true"}).code(), "last_administrator");
  const auto moved = boss.ask({.method = "DELETE", .target = "/api/v1/groups/" + group.text() + "?move_to=" + id});
  EXPECT_EQ(moved.status, 200) << moved.body;
  EXPECT_EQ(moved.json().at("moved"), 1);
  EXPECT_EQ(base::string_or(boss.get("/api/v1/users/" + admin.id.text()).json().at("group").as_object(), "name"), "Support");
}

TEST_F(ConsoleTest, DeletingAGroupWithItsUsersGivesTheirGrantsBack) {
  auto boss = administrator();
  const auto made = GroupId::parse(base::string_or(boss.send("POST", "/api/v1/groups", {{"name", "Leaving"}}).json(), "id"));
  const auto ben = add("ben");
  EXPECT_EQ(boss.send("PATCH", "/api/v1/users/" + ben.id.text(), {{"group_id", made->text()}}).status, 200);
  grant_to(ben.id);
  const auto gone = boss.ask({.method = "DELETE", .target = "/api/v1/groups/" + made->text() + "?delete_users=true"});
  ASSERT_EQ(gone.status, 200) << gone.body;
  EXPECT_EQ(gone.json().at("deleted"), 1);
  EXPECT_THAT(leaving.gone, ElementsAre(ben.id));
  EXPECT_FALSE(*run(store->user(ben.id)));
}

TEST_F(ConsoleTest, UsersAreMadeShownChangedAndFound) {
  auto boss = administrator();
  const auto made = boss.send("POST", "/api/v1/users", {{"username", "carla"}, {"name", "Carla"}, {"email", "carla@example.com"}, {"group_id", group.text()}});
  ASSERT_EQ(made.status, 201) << made.body;
  const auto carla = made.json();
  EXPECT_EQ(base::string_or(carla, "role"), "regular");
  EXPECT_FALSE(carla.at("has_pin").as_bool());
  EXPECT_TRUE(carla.at("pin_set_at").is_null());
  EXPECT_EQ(carla.at("throttle").at("wrong_pins"), 0);
  const auto target = "/api/v1/users/" + base::string_or(carla, "id");

  EXPECT_EQ(boss.send("POST", "/api/v1/users", {{"username", "CARLA"}, {"group_id", group.text()}}).code(), "username_taken");
  const auto unknown = boss.send("POST", "/api/v1/users", {{"username", "dora"}, {"group_id", group.text()}, {"nickname", "d"}});
  EXPECT_EQ(unknown.status, 400);
  EXPECT_EQ(unknown.code(), "invalid_request");
  EXPECT_THAT(unknown.fields(), ElementsAre("nickname"));
  const auto faults = boss.send("POST", "/api/v1/users", {{"username", 7}, {"role", "king"}});
  EXPECT_EQ(faults.status, 422);
  EXPECT_THAT(faults.fields(), testing::UnorderedElementsAre("username", "group_id", "role"));
  EXPECT_THAT(boss.send("POST", "/api/v1/users", {{"username", "a:b"}, {"group_id", group.text()}}).fields(), ElementsAre("username"));
  const auto nowhere = boss.send("POST", "/api/v1/users", {{"username", "dora"}, {"group_id", admin.id.text()}});
  EXPECT_EQ(nowhere.code(), "no_such_group");
  EXPECT_THAT(nowhere.fields(), ElementsAre("group_id"));

  const auto changed = boss.send("PATCH", target, {{"name", "Carla B."}, {"enabled", false}, {"uses", JsonArray{"send", "token"}}, {"sources", JsonArray{"10.0.0.0/8"}}});
  ASSERT_EQ(changed.status, 200) << changed.body;
  EXPECT_EQ(base::string_or(changed.json(), "name"), "Carla B.");
  EXPECT_EQ(boost::json::serialize(changed.json().at("uses")), R"(["send","token"])");
  EXPECT_THAT(boss.send("PATCH", target, {{"uses", JsonArray{"fly"}}}).fields(), ElementsAre("uses"));
  EXPECT_THAT(boss.send("PATCH", target, {{"sources", JsonArray{"10.0.0.1/8"}}}).status, 422);
  EXPECT_EQ(boss.send("PATCH", "/api/v1/users/" + group.text(), {{"name", "x"}}).status, 404);
  EXPECT_EQ(boss.get("/api/v1/users/nonsense").status, 404);

  EXPECT_EQ(boss.get("/api/v1/users?search=carla%20b").json().at("total"), 1);
  EXPECT_EQ(boss.get("/api/v1/users?state=disabled_user").json().at("total"), 1);
  EXPECT_EQ(boss.get("/api/v1/users?state=regular").json().at("total"), 2);
  EXPECT_EQ(boss.get("/api/v1/users?state=purple").status, 400);
  EXPECT_THAT(audit_text(), HasSubstr("anna user.created carla"));
}

TEST_F(ConsoleTest, TheListIsPagedAndCountsItsGroups) {
  auto boss = administrator();
  const auto other = run(directory->add_group("Branch", actor))->id;
  for (int i = 0; i < 5; ++i) {
    const auto user = add("user" + std::to_string(i));
    if (i < 2) EXPECT_TRUE(run(directory->change_user(user.id, {.group = other}, actor)));
    if (i == 0) grant_to(user.id, "box", "zed@example.com");
  }
  const auto first = boss.get("/api/v1/users?limit=2&sort=group").json();
  EXPECT_EQ(first.at("total"), 6);
  EXPECT_EQ(boost::json::serialize(first.at("groups").at(0).at("name")), "\"Branch\"");
  EXPECT_EQ(first.at("groups").at(0).at("total"), 2);
  EXPECT_EQ(first.at("groups").at(1).at("total"), 4);
  const auto second = boss.get("/api/v1/users?limit=2&cursor=" + base::string_or(first, "next_cursor")).json();
  EXPECT_TRUE(second.at("groups").is_null());
  EXPECT_EQ(base::string_or(second.at("items").at(0).as_object(), "username"), "anna");
  const auto found = boss.get("/api/v1/users?search=zed@").json();
  EXPECT_EQ(found.at("total"), 1);
  EXPECT_EQ(found.at("groups").as_array().size(), 1U);
  EXPECT_EQ(base::string_or(found.at("items").at(0).at("grants").at(0).as_object(), "type_name"), "Box");
  EXPECT_EQ(boss.get("/api/v1/users?type=box&state=active").json().at("total"), 1);
  EXPECT_THAT(boss.get("/api/v1/users?cursor=garbage").fields(), ElementsAre("cursor"));
}

TEST_F(ConsoleTest, AnUnknownTypeIsRefusedRatherThanFoundWithNobody) {
  auto boss = administrator();
  const auto refused = boss.get("/api/v1/users?type=bxo");
  EXPECT_EQ(refused.status, 422);
  EXPECT_EQ(refused.code(), "no_such_type");
  EXPECT_THAT(refused.fields(), ElementsAre("type"));
  EXPECT_THAT(refused.body, AllOf(HasSubstr("no type named bxo"), HasSubstr("box, "), HasSubstr("xero")));
  EXPECT_EQ(boss.get("/api/v1/users?type=box").json().at("total"), 0) << "known, and held by nobody";
  // Held, though the provider's file is no longer there.
  grant_to(add("zoe").id, "fax", "zoe@example.com");
  EXPECT_EQ(boss.get("/api/v1/users?type=fax").json().at("total"), 1);
  EXPECT_EQ(boss.get("/api/v1/users?type=fax&search=nobody").json().at("total"), 0);
}

TEST_F(ConsoleTest, DeletingAUserNamesTheLossesAndEndsTheGrants) {
  auto boss = administrator();
  const auto ben = add("ben", store::Role::regular, kPassword);
  grant_to(ben.id);
  const auto preview = boss.get("/api/v1/users/" + ben.id.text() + "/deletion-preview").json();
  EXPECT_EQ(preview.at("grants"), 1);
  EXPECT_THAT(boost::json::serialize(preview.at("losses")), HasSubstr("Box as anna@example.com"));
  EXPECT_TRUE(preview.at("blocked_by").is_null());
  EXPECT_EQ(boss.ask({.method = "DELETE", .target = "/api/v1/users/" + ben.id.text()}).status, 200);
  EXPECT_THAT(leaving.gone, ElementsAre(ben.id));
  EXPECT_EQ(boss.get("/api/v1/users/" + ben.id.text()).status, 404);
  const auto self = boss.ask({.method = "DELETE", .target = "/api/v1/users/" + admin.id.text()});
  EXPECT_EQ(self.status, 409);
  EXPECT_EQ(self.code(), "last_administrator");
  EXPECT_EQ(leaving.gone.size(), 1U);
}

TEST_F(ConsoleTest, BulkActionsSucceedOrFailEachByItself) {
  auto boss = administrator();
  const auto ben = add("ben");
  const auto carla = add("carla");
  const auto disabled = boss.send("POST", "/api/v1/users/bulk", {{"ids", JsonArray{ben.id.text(), carla.id.text(), group.text()}}, {"action", "disable"}});
  ASSERT_EQ(disabled.status, 200) << disabled.body;
  EXPECT_EQ(disabled.json().at("done"), 2);
  EXPECT_EQ(disabled.json().at("failed").as_array().size(), 1U);
  EXPECT_FALSE((*run(store->user(ben.id)))->enabled);
  const auto gone = boss.send("POST", "/api/v1/users/bulk", {{"ids", JsonArray{ben.id.text(), admin.id.text()}}, {"action", "delete"}}).json();
  EXPECT_EQ(gone.at("done"), 1);
  EXPECT_EQ(base::string_or(gone.at("failed").at(0).as_object(), "username"), "anna");
  EXPECT_THAT(boss.send("POST", "/api/v1/users/bulk", {{"ids", JsonArray{carla.id.text()}}, {"action", "move"}}).fields(), ElementsAre("group_id"));
  EXPECT_THAT(boss.send("POST", "/api/v1/users/bulk", {{"ids", JsonArray{}}, {"action", "enable"}}).fields(), ElementsAre("ids"));
  EXPECT_EQ(boss.send("POST", "/api/v1/users/bulk", {{"ids", JsonArray{carla.id.text()}}, {"action", "refresh"}}).json().at("done"), 0);
}

TEST_F(ConsoleTest, PinsAreResetWithTheAdministratorsPasswordAndChangedWithTheOldPin) {
  auto boss = administrator();
  auto ben = regular();
  const auto id = base::string_or(ben.session.at("user").as_object(), "id");
  const auto target = "/api/v1/users/" + id + "/pin";
  const auto wrong = boss.send("POST", target, {{"pin", kPin}, {"mode", "reset"}, {"admin_password", "wrong one"}});
  EXPECT_EQ(wrong.status, 403);
  EXPECT_EQ(wrong.code(), "wrong_password");
  EXPECT_THAT(wrong.fields(), ElementsAre("admin_password"));
  EXPECT_THAT(boss.send("POST", target, {{"pin", kPin}, {"mode", "reset"}}).fields(), ElementsAre("admin_password"));
  const auto weak = boss.send("POST", target, {{"pin", "123456"}, {"mode", "reset"}, {"admin_password", kPassword}});
  EXPECT_EQ(weak.status, 422);
  EXPECT_EQ(weak.code(), "pin_too_weak");
  EXPECT_EQ(boss.send("POST", target, {{"pin", kPin}, {"mode", "reset"}, {"admin_password", kPassword}}).status, 204);
  EXPECT_EQ(ben.get("/api/v1/users/" + id).status, 200) << "a first PIN ends nothing";
  EXPECT_EQ(boss.send("POST", target, {{"pin", kPin}, {"mode", "reset"}, {"admin_password", kPassword}}).status, 204);
  EXPECT_EQ(ben.send("POST", target, {{"pin", "x8n5rw2qkd"}, {"mode", "reset"}, {"admin_password", kPassword}}).status, 401) << "the reset ends sessions";

  ASSERT_EQ(ben.sign_in("ben", kPassword).status, 201);
  EXPECT_EQ(ben.send("POST", target, {{"pin", "x8n5rw2qkd"}, {"mode", "reset"}, {"admin_password", kPassword}}).code(), "not_allowed");
  const auto mistaken = ben.send("POST", target, {{"pin", "x8n5rw2qkd"}, {"mode", "change"}, {"current_pin", "not this one"}});
  EXPECT_EQ(mistaken.status, 403);
  EXPECT_EQ(mistaken.code(), "invalid_pin");
  EXPECT_EQ(boss.get("/api/v1/users/" + id).json().at("throttle").at("wrong_pins"), 1) << "one wrong PIN is one";
  EXPECT_EQ(ben.send("POST", target, {{"pin", "x8n5rw2qkd"}, {"mode", "change"}, {"current_pin", kPin}}).status, 204);
  EXPECT_EQ(boss.post("/api/v1/users/" + id + "/reset-throttle").status, 204);
  EXPECT_EQ(boss.get("/api/v1/users/" + id).json().at("throttle").at("wrong_pins"), 0);
  EXPECT_THAT(log.text() + audit_text(), Not(HasSubstr(std::string(kPin))));
}

TEST_F(ConsoleTest, T4_WhoeverIsShutOutIsNamedAndTheResetOpensAllOfIt) {
  auto boss = administrator();
  const auto user = add("ben").id;
  const auto id = user.text();
  const auto count = [&](std::string bucket, int tries) {
    store::Batch batch;
    for (int i = 0; i < tries; ++i) {
      batch.push_back(store::RecordPinFailure{{.user = user, .bucket = bucket, .fingerprint = Bytes(16, static_cast<std::uint8_t>(i)), .at = wall.now()}});
    }
    ASSERT_TRUE(run(store->commit(std::move(batch))));
  };
  const auto throttle = [&] { return boss.get("/api/v1/users/" + id).json().at("throttle").as_object(); };
  count("*", 99);
  count("203.0.113.9", 100);
  EXPECT_FALSE(throttle().at("locked").as_bool()) << "an address that was never right has no budget of its own";
  EXPECT_EQ(throttle().at("wrong_pins"), 100);

  ASSERT_TRUE(run(store->commit({store::PutKnownSource{.source = {.user = user, .source = "192.0.2.10", .last_success_at = wall.now()}, .most = 8}})));
  count("192.0.2.10", 100);
  count("console *", 100);
  const auto shut = throttle();
  EXPECT_TRUE(shut.at("locked").as_bool());
  EXPECT_EQ(shut.at("wrong_passwords"), 100);
  const auto& out = shut.at("locked_out").as_array();
  ASSERT_EQ(out.size(), 2U);
  EXPECT_EQ(out.at(0).at("secret"), "pin");
  EXPECT_EQ(out.at(0).at("source"), "192.0.2.10") << "the device itself";
  EXPECT_EQ(out.at(1).at("secret"), "password");
  EXPECT_TRUE(out.at(1).at("source").is_null());

  EXPECT_EQ(boss.post("/api/v1/users/" + id + "/reset-throttle").status, 204);
  EXPECT_FALSE(throttle().at("locked").as_bool());
  EXPECT_EQ(throttle().at("wrong_passwords"), 0);
}

TEST_F(ConsoleTest, SigningInEndsTheSessionWhoseCookieItReplaces) {
  auto boss = administrator();
  auto copy = boss;
  ASSERT_EQ(copy.get("/api/v1/users").status, 200);
  ASSERT_EQ(boss.send("POST", "/api/v1/session", {{"username", "anna"}, {"password", kPassword}}).status, 201);
  EXPECT_EQ(boss.get("/api/v1/users").status, 200);
  EXPECT_EQ(copy.get("/api/v1/users").status, 401);
}

TEST_F(ConsoleTest, K8_WhoChangesTheirOwnSecretStaysSignedInThereAndNowhereElse) {
  auto boss = administrator();
  auto elsewhere = browser();
  const auto name = std::string(base::string_or(boss.session.at("user").as_object(), "username"));
  const auto id = std::string(base::string_or(boss.session.at("user").as_object(), "id"));
  const auto target = "/api/v1/users/" + id;
  const auto others_end = [&](std::string_view password) {
    EXPECT_EQ(elsewhere.get("/api/v1/users").status, 401) << "the other browser";
    EXPECT_EQ(elsewhere.sign_in(name, password).status, 201);
    EXPECT_EQ(boss.get("/api/v1/users").status, 200);
  };
  ASSERT_EQ(elsewhere.sign_in(name, kPassword).status, 201);
  ASSERT_EQ(boss.send("POST", target + "/pin", {{"pin", kPin}, {"mode", "reset"}, {"admin_password", kPassword}}).status, 204);
  EXPECT_EQ(elsewhere.get("/api/v1/users").status, 200) << "a first PIN ends nothing";
  ASSERT_EQ(boss.send("POST", target + "/pin", {{"pin", "x8n5rw2qkd"}, {"mode", "change"}, {"current_pin", kPin}}).status, 204);
  others_end(kPassword);
  ASSERT_EQ(boss.send("POST", target + "/pin", {{"pin", kPin}, {"mode", "reset"}, {"admin_password", kPassword}}).status, 204)
      << "the CSRF token is the same too";
  others_end(kPassword);
  ASSERT_EQ(boss.send("POST", target + "/password", {{"password", "another horse"}, {"current_password", kPassword}}).status, 204);
  others_end("another horse");
  EXPECT_EQ(boss.ask({.method = "DELETE", .target = "/api/v1/session"}).status, 204);
  EXPECT_EQ(boss.get("/api/v1/users").status, 401) << "signing out ends what went on";
}

TEST_F(ConsoleTest, PasswordsNeedTheCallersOwnAndTheLastAdministratorKeepsOne) {
  auto boss = administrator();
  const auto ben = add("ben");
  const auto target = "/api/v1/users/" + ben.id.text() + "/password";
  EXPECT_EQ(boss.send("POST", target, {{"password", "another long one"}, {"current_password", "wrong"}}).code(), "wrong_password");
  EXPECT_EQ(boss.send("POST", target, {{"password", "short"}, {"current_password", kPassword}}).code(), "password_too_weak");
  EXPECT_EQ(boss.send("POST", target, {{"password", "another long one"}, {"current_password", kPassword}}).status, 204);
  auto signs_in = browser();
  EXPECT_EQ(signs_in.sign_in("ben", "another long one").status, 201);
  EXPECT_EQ(boss.send("POST", "/api/v1/users/" + admin.id.text() + "/password", {{"password", ""}, {"current_password", kPassword}}).code(), "last_administrator");
}

TEST_F(ConsoleTest, TheControlSocketIsAnAdministratorWithoutCookieOrPassword) {
  const auto made = control->ask({.method = "POST", .target = "/api/v1/users", .headers = {{"Content-Type", "application/json"}},
                                  .body = boost::json::serialize(JsonObject{{"username", "dora"}, {"group_id", group.text()}})});
  ASSERT_EQ(made.status, 201) << made.body;
  const auto target = "/api/v1/users/" + base::string_or(made.json(), "id");
  EXPECT_EQ(control->ask({.method = "POST", .target = target + "/pin", .headers = {{"Content-Type", "application/json"}},
                          .body = boost::json::serialize(JsonObject{{"pin", kPin}, {"mode", "reset"}})}).status, 204);
  EXPECT_THAT(audit_text(), HasSubstr("cli user.created dora"));
  EXPECT_TRUE(control->get(target).json().at("has_pin").as_bool());
}

}  // namespace
}  // namespace latchkey::console

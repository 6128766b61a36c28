// Types, apps, authorizations, grants, settings, activity, health and the operator's addresses over real HTTP.
#include <set>

#include "console/embedded.h"
#include "console/office_testing.h"

namespace latchkey::console {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

JsonObject with_id(const JsonArray& items, std::string_view id) {
  for (const auto& item : items) {
    if (base::string_or(item.as_object(), "id") == id) return item.as_object();
  }
  ADD_FAILURE() << "nothing called " << id;
  return {};
}

TEST_F(ConsoleTest, EveryAddressOfTheDescriptionIsInTheTableAndViceVersa) {
  const auto description = parse_json(embedded_openapi().content)->as_object();
  std::set<std::string> described;
  for (const auto& [path, operations] : description.at("paths").as_object()) {
    // The token door is another room's; the operator's addresses are mounted beside the table.
    if (!std::string_view(path).starts_with("/api/v1/")) continue;
    for (const auto& [method, operation] : operations.as_object()) {
      if (method == "parameters") continue;
      std::string name(method);
      for (auto& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      described.insert(name + " " + std::string(path));
    }
  }
  std::set<std::string> routed;
  for (const auto& route : console->table()) {
    EXPECT_TRUE(routed.insert(std::string(route.method) + " " + std::string(route.pattern)).second) << route.pattern << " stands twice";
  }
  EXPECT_EQ(described, routed);
}

TEST_F(ConsoleTest, EveryProblemCodeOfTheRoomIsInTheDescription) {
  const auto description = parse_json(embedded_openapi().content)->as_object();
  const std::string words(description.at("info").at("description").as_string());
  for (const auto& [code, status] : problem_codes()) {
    EXPECT_THAT(words, HasSubstr("| `" + std::string(code) + "` | " + (code == "app_misconfigured" ? "503" : std::to_string(status)) + " |"));
  }
}

TEST_F(ConsoleTest, RolesOfTheDescriptionAreTheTables) {
  const auto description = parse_json(embedded_openapi().content)->as_object();
  for (const auto& route : console->table()) {
    std::string method(route.method);
    for (auto& c : method) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const auto& operation = description.at("paths").at(route.pattern).at(method).as_object();
    const auto role = base::string_or(operation, "x-role");
    const auto expected = role == "administrator" ? Who::administrator : role.empty() ? Who::anyone : Who::signed_in;
    EXPECT_EQ(route.who, expected) << route.method << " " << route.pattern;
  }
}

TEST_F(ConsoleTest, TypesSayWhatIsMissingAndWhatNobodyHasConfirmed) {
  auto ben = regular();
  const auto list = ben.get("/api/v1/types").json();
  EXPECT_GE(list.at("total").as_int64(), 22);
  EXPECT_EQ(list.at("pin").at("min_length"), 6);
  const auto box = with_id(list.at("items").as_array(), "box");
  EXPECT_EQ(base::string_or(box.at("apps").at(0).as_object(), "state"), "missing");
  EXPECT_TRUE(box.at("unverified").is_array());
  EXPECT_FALSE(box.at("scopes").as_array().empty());
}

TEST_F(ConsoleTest, AppsAreRegisteredWithSecretsThatNeverComeBack) {
  auto boss = administrator();
  const auto before = with_id(boss.get("/api/v1/apps").json().at("items").as_array(), "box");
  EXPECT_FALSE(before.at("configured").as_bool());
  EXPECT_EQ(base::string_or(before, "redirect_uri"), "https://latchkey.example/oauth/callback/box");
  EXPECT_GE(before.at("steps").as_array().size(), 3U);
  const auto put = boss.send("PUT", "/api/v1/apps/box", {{"provider", "box"}, {"client_id", "abc"}, {"secrets", JsonArray{JsonObject{{"value", "hush-hush"}, {"expires_at", "2027-01-01T00:00:00.000Z"}}}}});
  ASSERT_EQ(put.status, 200) << put.body;
  EXPECT_THAT(put.body, Not(HasSubstr("hush-hush")));
  EXPECT_EQ(base::string_or(put.json(), "state"), "ok");
  EXPECT_EQ(apps.last.secrets[0].kind, grants::SecretWish::Kind::set);
  EXPECT_EQ(apps.last.secrets[0].value.reveal_text(), "hush-hush");
  EXPECT_EQ(apps.last.secrets[1].kind, grants::SecretWish::Kind::clear);

  // A new one first, the old one moves down and keeps its date.
  ASSERT_EQ(boss.send("PUT", "/api/v1/apps/box", {{"provider", "box"}, {"client_id", "abc"}, {"secrets", JsonArray{JsonObject{{"value", "newer"}}, JsonObject{{"keep", 0}}}}}).status, 200);
  EXPECT_EQ(apps.last.secrets[1].kind, grants::SecretWish::Kind::keep);
  EXPECT_EQ(apps.last.secrets[1].from, 0U);
  EXPECT_EQ(base::to_rfc3339(*apps.last.secrets[1].expires_at), "2027-01-01T00:00:00.000Z");

  EXPECT_EQ(boss.send("PUT", "/api/v1/apps/x", {{"provider", "nobody"}, {"client_id", "abc"}}).code(), "no_such_provider");
  EXPECT_THAT(boss.send("PUT", "/api/v1/apps/x", {{"provider", "nobody"}, {"client_id", "abc"}}).body, HasSubstr("the providers are "));
  EXPECT_THAT(boss.send("PUT", "/api/v1/apps/box", {{"provider", "box"}, {"client_id", ""}, {"secrets", JsonArray{JsonObject{{"keep", 5}}}}}).fields(),
              testing::UnorderedElementsAre("client_id", "secrets.0.keep"));
  EXPECT_THAT(boss.send("PUT", "/api/v1/apps/box", {{"provider", "box"}, {"client_id", "a"}, {"secrets", JsonArray{JsonObject{{"secret", "x"}}}}}).fields(), Contains("secrets.0.secret"));
  apps.views["box"].grants = 3;
  const auto refused = boss.ask({.method = "DELETE", .target = "/api/v1/apps/box"});
  EXPECT_EQ(refused.code(), "app_in_use");
  EXPECT_EQ(refused.json().at("in_use"), 3);
  apps.views["box"].grants = 0;
  EXPECT_EQ(boss.ask({.method = "DELETE", .target = "/api/v1/apps/box"}).status, 204);
  EXPECT_EQ(boss.ask({.method = "DELETE", .target = "/api/v1/apps/box"}).status, 404);
}

TEST_F(ConsoleTest, AnAppWithoutTheSecretItsProviderWantsIsNotCalledReady) {
  auto boss = administrator();
  const auto put = boss.send("PUT", "/api/v1/apps/box", {{"provider", "box"}, {"client_id", "abc"}});
  ASSERT_EQ(put.status, 200) << put.body;
  EXPECT_EQ(base::string_or(put.json(), "state"), "incomplete");
  EXPECT_THAT(base::string_or(put.json(), "why"), HasSubstr("The client secret is missing"));
  const auto box = with_id(boss.get("/api/v1/types").json().at("items").as_array(), "box");
  EXPECT_EQ(base::string_or(box.at("apps").at(0).as_object(), "state"), "incomplete") << "the dialog says it before anybody consents";
  // A provider that takes public clients lacks nothing.
  EXPECT_EQ(base::string_or(boss.send("PUT", "/api/v1/apps/dropbox", {{"provider", "dropbox"}, {"client_id", "abc"}}).json(), "state"), "ok");
}

TEST_F(ConsoleTest, AnAuthorizationIsBegunFollowedCancelledAndNamesItsEnd) {
  auto boss = administrator();
  const JsonObject wish{{"group_id", group.text()}, {"type", "box"}, {"username", "scan"}, {"pin", kPin}, {"allow_token", true}, {"presentation", "popup"}};
  const auto begun = boss.send("POST", "/api/v1/authorizations", wish);
  ASSERT_EQ(begun.status, 201) << begun.body;
  EXPECT_EQ(base::string_or(begun.json(), "presentation"), "popup");
  EXPECT_EQ(authorizer->last_pin, kPin);
  EXPECT_EQ(authorizer->last_requester.actor, "anna");
  EXPECT_FALSE(authorizer->last_requester.session_hash.empty());
  const auto id = base::string_or(begun.json(), "id");
  const auto target = "/api/v1/authorizations/" + id;
  auto view = boss.get(target + "?wait=25").json();
  EXPECT_EQ(authorizer->last_wait, Seconds(25));
  EXPECT_EQ(base::string_or(view, "state"), "pending");
  EXPECT_FALSE(view.at("started").as_bool());
  EXPECT_TRUE(view.at("problem").is_null());
  EXPECT_EQ(boss.get(target + "?wait=26").status, 400);

  // A request that is refused leaves the attempt there was; it may have a consent to answer for.
  authorizer->refusal = Error{.kind = ErrorKind::invalid, .reason = "pin_too_weak", .text = "Weak.", .field = "pin"};
  EXPECT_GE(boss.send("POST", "/api/v1/authorizations", wish).status, 400);
  EXPECT_EQ(base::string_or(boss.get(target).json(), "state"), "pending");
  authorizer->refusal.reset();
  EXPECT_EQ(boss.post(target + "/cancel").status, 200);
  view = boss.get(target).json();
  EXPECT_EQ(base::string_or(view, "state"), "cancelled");
  EXPECT_EQ(base::string_or(view.at("problem").as_object(), "title"), "Cancelled");
  EXPECT_EQ(boss.post(target + "/cancel").status, 200) << "over already: the answer says what it became";

  const auto second = boss.send("POST", "/api/v1/authorizations", wish);
  ASSERT_EQ(second.status, 201);
  auto& completed = authorizer->views[*AuthorizationId::parse(base::string_or(second.json(), "id"))];
  completed.state = store::AuthorizationState::completed;
  completed.user = add("scan").id;
  EXPECT_TRUE(run(directory->change_user(completed.user, {.uses = store::kUseToken}, actor)));
  completed.account_name = "anna@example.com";
  completed.scopes = {"a", "b"};
  const auto result = boss.get("/api/v1/authorizations/" + completed.id.text()).json().at("result").as_object();
  EXPECT_EQ(base::string_or(result, "curl"), "curl --user 'scan' --data type=box https://latchkey.example/v1/token");
  EXPECT_TRUE(result.at("undo_until").is_string());
  EXPECT_EQ(boss.post("/api/v1/authorizations/" + completed.id.text() + "/undo").status, 200);
  EXPECT_EQ(boss.post("/api/v1/authorizations/" + completed.id.text() + "/undo").code(), "undo_expired");
}

TEST_F(ConsoleTest, AnotherAccountThanBeforeIsAskedFor) {
  auto boss = administrator();
  const auto held = grant_to(add("scan").id, "box", "old@example.com");
  const auto begun = boss.send("POST", "/api/v1/authorizations", {{"replace_grant_id", held.id.text()}});
  ASSERT_EQ(begun.status, 201) << begun.body;
  const auto target = "/api/v1/authorizations/" + base::string_or(begun.json(), "id");
  EXPECT_EQ(boss.send("POST", target + "/confirm", {{"accept", true}, {"question", "q1"}}).code(), "not_waiting");
  auto& view = authorizer->views[*AuthorizationId::parse(base::string_or(begun.json(), "id"))];
  view.state = store::AuthorizationState::needs_confirmation;
  view.account_name = "new@example.com";
  view.before_id = "o1";
  view.before_name = "old@example.com";
  view.problem_code = "account_differs";
  view.problem_text = "Another account.";
  view.question = "q1";
  const auto asked = boss.get(target).json().at("confirmation").as_object();
  EXPECT_EQ(base::string_or(asked.at("before").as_object(), "name"), "old@example.com");
  EXPECT_EQ(base::string_or(asked.at("now").as_object(), "name"), "new@example.com");
  EXPECT_EQ(base::string_or(asked, "code"), "account_differs");
  EXPECT_EQ(base::string_or(asked, "question"), "q1");
  view.problem_code = "account_held";
  view.holder = "hall";
  view.problem_text = "In use by hall.";
  view.question = "q2";
  const auto held_by = boss.get(target).json().at("confirmation").as_object();
  EXPECT_EQ(base::string_or(held_by, "code"), "account_held");
  EXPECT_EQ(base::string_or(held_by, "holder"), "hall");
  EXPECT_THAT(boss.send("POST", target + "/confirm", {{"accept", "yes"}}).fields(), testing::UnorderedElementsAre("accept", "question"));
  EXPECT_THAT(boss.send("POST", target + "/confirm", {{"accept", true}, {"question", ""}}).fields(), ElementsAre("question"));
  for (const bool accept : {true, false}) {
    const auto late = boss.send("POST", target + "/confirm", {{"accept", accept}, {"question", "q1"}});
    EXPECT_EQ(late.status, 409);
    EXPECT_EQ(late.code(), "question_changed");
    EXPECT_THAT(base::string_or(late.json(), "detail"), HasSubstr("In use by hall."));
  }
  EXPECT_EQ(base::string_or(boss.send("POST", target + "/confirm", {{"accept", false}, {"question", "q2"}}).json(), "state"), "cancelled");
}

TEST_F(ConsoleTest, ConsentsThatAskAPersonAreListedWhoeverBeganThem) {
  auto boss = administrator();
  EXPECT_EQ(boss.get("/api/v1/authorizations").json().at("total"), 0);
  const auto put = [&](std::string username, store::AuthorizationState state) {
    const auto id = AuthorizationId::make(wall.now(), entropy);
    authorizer->views[id] = {.id = id, .state = state, .problem_text = "Approve?", .username = std::move(username), .type = "box"};
    return id;
  };
  put("done", store::AuthorizationState::completed);
  put("open", store::AuthorizationState::pending);
  const auto held = put("held", store::AuthorizationState::held);
  put("asks", store::AuthorizationState::needs_confirmation);
  EXPECT_EQ(boss.get("/api/v1/authorizations").json().at("total"), 3);
  EXPECT_EQ(boss.get("/api/v1/authorizations?state=pending").json().at("total"), 1);
  const auto asking = boss.get("/api/v1/authorizations?state=asking").json();
  EXPECT_EQ(asking.at("total"), 2);
  const auto item = with_id(asking.at("items").as_array(), held.text());
  EXPECT_EQ(base::string_or(item, "username"), "held");
  EXPECT_EQ(base::string_or(item.at("confirmation").as_object(), "detail"), "Approve?");
  EXPECT_EQ(boss.get("/api/v1/authorizations?state=over").status, 400);
  EXPECT_EQ(regular().get("/api/v1/authorizations").status, 403);
}

TEST_F(ConsoleTest, BadWishesAreNamedFieldByField) {
  auto boss = administrator();
  EXPECT_THAT(boss.send("POST", "/api/v1/authorizations", {{"type", "box"}}).fields(), testing::UnorderedElementsAre("group_id", "username"));
  EXPECT_THAT(boss.send("POST", "/api/v1/authorizations", {{"type", "box"}, {"username", "x"}, {"group_id", group.text()}, {"new_group", "Y"}}).fields(), ElementsAre("group_id"));
  EXPECT_THAT(boss.send("POST", "/api/v1/authorizations", {{"type", "box"}, {"username", "x"}, {"new_group", "Y"}, {"redirect", "z"}}).fields(), ElementsAre("redirect"));

  const auto ben = add("ben");
  grant_to(ben.id);
  const JsonObject wish{{"group_id", group.text()}, {"type", "box"}, {"username", "ben"}, {"pin", kPin}};
  authorizer->refusal = Error{.kind = ErrorKind::conflict, .reason = "username_taken", .text = "Taken.", .detail = ben.id.text(), .field = "username"};
  const auto taken = boss.send("POST", "/api/v1/authorizations", wish);
  EXPECT_EQ(taken.status, 409);
  EXPECT_EQ(taken.code(), "username_taken");
  EXPECT_EQ(base::string_or(taken.json().at("existing_user").as_object(), "username"), "ben");
  EXPECT_TRUE(taken.json().at("existing_user").at("has_grants").as_bool());
  authorizer->refusal = Error{.kind = ErrorKind::invalid, .reason = "no_such_group", .text = "Gone.", .field = "group"};
  EXPECT_THAT(boss.send("POST", "/api/v1/authorizations", wish).fields(), ElementsAre("group_id"));
  authorizer->refusal = Error{.kind = ErrorKind::misconfigured, .reason = "app_missing", .text = "No app.", .field = "app"};
  EXPECT_EQ(boss.send("POST", "/api/v1/authorizations", wish).code(), "app_missing");
  authorizer->refusal = Error{.kind = ErrorKind::misconfigured, .reason = "plain_http", .text = "Use https."};
  EXPECT_EQ(boss.send("POST", "/api/v1/authorizations", wish).code(), "insecure_transport");
  authorizer->refusal = Error{.kind = ErrorKind::invalid, .reason = "wrong_pin", .text = "Not the PIN.", .field = "pin"};
  EXPECT_EQ(boss.send("POST", "/api/v1/authorizations", wish).status, 422);
}

TEST_F(ConsoleTest, ARefreshTokenIsImported) {
  auto boss = administrator();
  const auto done = boss.send("POST", "/api/v1/authorizations/import", {{"group_id", group.text()}, {"type", "box"}, {"username", "scan"}, {"pin", kPin}, {"refresh_token", "r-1"}});
  ASSERT_EQ(done.status, 201) << done.body;
  EXPECT_EQ(base::string_or(done.json(), "state"), "completed");
  EXPECT_THAT(boss.send("POST", "/api/v1/authorizations/import", {{"group_id", group.text()}, {"type", "box"}, {"username", "scan"}}).fields(), ElementsAre("refresh_token"));
}

TEST_F(ConsoleTest, GrantsAreSeenByTheirOwnersAndAdministratorsAlone) {
  auto boss = administrator();
  auto ben = regular();
  const auto ben_id = *UserId::parse(base::string_or(ben.session.at("user").as_object(), "id"));
  const auto own = grant_to(ben_id);
  const auto other = grant_to(add("carla").id);
  EXPECT_EQ(ben.get("/api/v1/grants/" + own.id.text()).status, 200);
  EXPECT_EQ(ben.get("/api/v1/grants/" + other.id.text()).status, 404);
  EXPECT_EQ(ben.ask({.method = "DELETE", .target = "/api/v1/grants/" + other.id.text()}).status, 404);
  EXPECT_EQ(ben.send("PATCH", "/api/v1/grants/" + own.id.text(), {{"enabled", false}}).code(), "not_allowed");
  const auto off = boss.send("PATCH", "/api/v1/grants/" + own.id.text(), {{"enabled", false}});
  ASSERT_EQ(off.status, 200) << off.body;
  EXPECT_EQ(base::string_or(off.json(), "state"), "disabled");
  EXPECT_FALSE(base::string_or(off.json(), "why").empty());
  EXPECT_EQ(boss.post("/api/v1/grants/" + other.id.text() + "/approve").code(), "not_waiting");
  EXPECT_TRUE(ben.post("/api/v1/grants/" + own.id.text() + "/check").json().at("ok").as_bool());
  const auto hasty = ben.post("/api/v1/grants/" + own.id.text() + "/check");
  EXPECT_EQ(hasty.status, 429);
  EXPECT_EQ(hasty.header("retry-after"), "60");
  EXPECT_EQ(ben.post("/api/v1/grants/" + other.id.text() + "/check").status, 404) << "not one's own";
  EXPECT_EQ(boss.post("/api/v1/grants/" + own.id.text() + "/refresh").status, 200);
  desk->refusal = Error{.kind = ErrorKind::unavailable, .reason = "provider_unreachable", .text = "No answer.", .retry_after = Seconds(30)};
  const auto late = boss.post("/api/v1/grants/" + own.id.text() + "/refresh");
  EXPECT_EQ(late.status, 503);
  EXPECT_EQ(late.code(), "provider_unreachable");
  EXPECT_EQ(late.header("retry-after"), "30");
  const auto check = boss.post("/api/v1/grants/" + own.id.text() + "/check").json();
  EXPECT_FALSE(check.at("ok").as_bool());
  EXPECT_EQ(base::string_or(check, "detail"), "No answer.");
  EXPECT_EQ(boss.get("/api/v1/grants/" + own.id.text() + "/timeline").status, 200);
  const auto gone = ben.ask({.method = "DELETE", .target = "/api/v1/grants/" + own.id.text()});
  EXPECT_EQ(gone.status, 200) << gone.body;
  EXPECT_TRUE(gone.json().at("revoked_at_provider").as_bool());
  EXPECT_THAT(base::string_or(gone.json(), "detail"), testing::HasSubstr("is asked to revoke it, unless another grant"));
  EXPECT_EQ(boss.get("/api/v1/grants/" + own.id.text()).status, 404);
}

TEST_F(ConsoleTest, WhatIsSaidOfRevokingIsWhatWillBeDone) {
  auto boss = administrator();
  const auto user = add("scan");
  auto unnamed = grant_to(user.id);
  unnamed.account_id.clear();
  ASSERT_TRUE(run(store->commit({store::UpdateGrant{unnamed}})));
  const auto preview = boss.get("/api/v1/users/" + user.id.text() + "/deletion-preview").json();
  EXPECT_EQ(preview.at("grants").as_int64(), 1);
  EXPECT_EQ(preview.at("revocable_grants").as_int64(), 0) << "nobody knows whose it is";
  EXPECT_THAT(std::string(preview.at("losses").as_array().at(0).as_string()), testing::HasSubstr("never told whose account it is"));
  const auto gone = boss.ask({.method = "DELETE", .target = "/api/v1/grants/" + unnamed.id.text()}).json();
  EXPECT_FALSE(gone.at("revoked_at_provider").as_bool());
  EXPECT_EQ(base::string_or(gone, "revocation"), "perhaps");
  EXPECT_THAT(base::string_or(gone, "detail"), testing::HasSubstr("once no other account of this app is in use"));
}

TEST_F(ConsoleTest, TheTimelineIsTheGrantsEventsWithCountedRefreshesAndHandOuts) {
  auto boss = administrator();
  auto grant = grant_to(add("scan").id);
  const auto now = wall.now();
  const auto event = [&](Seconds ago, store::GrantEventKind kind, store::GenerationNumber generation) {
    return store::GrantEvent{.grant = grant.id, .at = now - ago, .last_at = now - ago, .kind = kind, .generation = generation};
  };
  auto failed = event(Seconds(300), store::GrantEventKind::failed, 4);
  failed.count = 3;
  failed.status = 503;
  failed.error = "temporarily_unavailable";
  auto authorized = event(Seconds(600), store::GrantEventKind::authorized, 1);
  authorized.actor = "anna";
  grant.generation = 9;
  grant.last_refreshed_at = now - Seconds(5);
  store::Batch batch;
  for (const auto& each : {authorized, failed, event(Seconds(200), store::GrantEventKind::refreshed, 5)}) batch.push_back(store::NoteGrantEvent{each, false});
  batch.push_back(store::CountHandouts{grant.id, now - Seconds(10), 4});
  batch.push_back(store::UpdateGrant{grant});
  ASSERT_TRUE(run(store->commit(std::move(batch))));
  const auto items = boss.get("/api/v1/grants/" + grant.id.text() + "/timeline").json().at("items").as_array();
  ASSERT_EQ(items.size(), 5U) << boost::json::serialize(items);
  const auto told = [&](std::size_t i) { return base::string_or(items[i].as_object(), "event") + " " + std::to_string(items[i].at("count").as_int64()); };
  EXPECT_EQ(told(0), "refreshed 5") << "generations 5 to 9, the last of them just now";
  EXPECT_EQ(base::string_or(items[0].as_object(), "at"), base::to_rfc3339(now - Seconds(5)));
  EXPECT_EQ(told(1), "handed_out 4");
  EXPECT_EQ(told(2), "refresh_failed 3");
  EXPECT_EQ(items[2].at("reply").at("status"), 503);
  EXPECT_EQ(told(3), "refreshed 3") << "without a row of their own: generations 2 to 4";
  EXPECT_EQ(told(4), "authorized 1");
  EXPECT_EQ(base::string_or(items[4].as_object(), "actor"), "anna");
}

TEST_F(ConsoleTest, TheActivityListsEveryTurnTheKeeperWritesDown) {
  auto boss = administrator();
  const auto actions = boost::json::serialize(boss.get("/api/v1/activity?action=app.paused").json().at("actions"));
  for (const std::string action : {"grant.uncertain", "grant.unreachable", "grant.needs_authorization", "grant.paused", "grant.recovered",
                                   "grant.reauthorized", "grant.scopes_changed", "grant.revoked", "grant.revoked_at_provider", "grant.not_revoked"}) {
    EXPECT_THAT(actions, testing::HasSubstr('"' + action + '"'));
  }
}

TEST_F(ConsoleTest, AUsersActivityCountsWhatWasHandedOutOfTheirGrantsAndOfNobodyElses) {
  auto boss = administrator();
  const auto scan = grant_to(add("scan").id);
  const auto hall = grant_to(add("hall").id);
  const auto now = wall.now();
  store::Batch batch;
  batch.push_back(store::CountHandouts{scan.id, now - Seconds(120), 4});
  batch.push_back(store::CountHandouts{scan.id, now - Seconds(60), 2});
  batch.push_back(store::CountHandouts{hall.id, now - Seconds(60), 9});
  ASSERT_TRUE(run(store->commit(std::move(batch))));
  const auto of_scan = boss.get("/api/v1/activity?user=" + scan.user.text()).json().at("handouts").as_array();
  ASSERT_EQ(of_scan.size(), 2U);
  EXPECT_EQ(of_scan[0].at("count"), 2) << "newest first";
  EXPECT_EQ(of_scan[1].at("count"), 4);
  EXPECT_EQ(base::string_or(of_scan[0].as_object(), "type"), "box");
  EXPECT_TRUE(boss.get("/api/v1/activity?action=user.&user=" + scan.user.text()).json().at("handouts").as_array().empty()) << "a filter asks for something else";
  EXPECT_TRUE(boss.get("/api/v1/activity").json().at("handouts").as_array().empty());
}

TEST_F(ConsoleTest, SettingsChangeLiveAndGoBack) {
  auto boss = administrator();
  const auto list = boss.get("/api/v1/registry").json();
  EXPECT_EQ(list.at("total").as_int64(), static_cast<std::int64_t>(store::registry_keys().size()));
  const auto set = boss.send("PUT", "/api/v1/registry/oauth.polling_time", {{"value", "45m"}});
  ASSERT_EQ(set.status, 200) << set.body;
  EXPECT_EQ(base::string_or(set.json(), "value"), "45m");
  EXPECT_EQ(base::string_or(set.json(), "changed_by"), "anna");
  EXPECT_EQ(registry->polling_time("box"), std::chrono::minutes(45));
  const auto wrong = boss.send("PUT", "/api/v1/registry/oauth.polling_time", {{"value", "soon"}});
  EXPECT_EQ(wrong.status, 422);
  EXPECT_THAT(wrong.fields(), ElementsAre("value"));
  EXPECT_EQ(boss.send("PUT", "/api/v1/registry/no.such", {{"value", "1"}}).status, 404);
  EXPECT_EQ(base::string_or(boss.ask({.method = "DELETE", .target = "/api/v1/registry/oauth.polling_time"}).json(), "value"), "20m");
}

TEST_F(ConsoleTest, TheTrailIsReadSearchedAndVerified) {
  auto boss = administrator();
  EXPECT_EQ(boss.send("POST", "/api/v1/groups", {{"name", "Sales"}}).status, 201);
  const auto found = boss.get("/api/v1/activity?search=sales&action=group.").json();
  EXPECT_EQ(found.at("total"), 1);
  const auto item = found.at("items").at(0).as_object();
  EXPECT_EQ(base::string_or(item, "action"), "group.created");
  EXPECT_EQ(base::string_or(item.at("actor").as_object(), "name"), "anna");
  EXPECT_EQ(base::string_or(item, "source"), "127.0.0.1");
  EXPECT_EQ(boss.get("/api/v1/activity?since=2099-01-01T00:00:00.000Z").json().at("total"), 0);
  EXPECT_EQ(boss.get("/api/v1/activity?since=yesterday").status, 400);
  const auto verdict = boss.get("/api/v1/activity/verify").json();
  EXPECT_TRUE(verdict.at("ok").as_bool());
  EXPECT_EQ(base::string_or(verdict, "head").size(), 64U);
}

TEST_F(ConsoleTest, AlertsAreShownPutAwayAndComeBack) {
  auto boss = administrator();
  const auto ben = add("ben");
  grant_to(ben.id);
  causes = {{.cause = "uncertain", .words = "One.", .since = wall.now()}, {.cause = "record_altered", .words = "Altered.", .since = wall.now()}, {.cause = "app_misconfigured:box", .words = "Refused.", .since = wall.now()}};
  const auto summary = boss.get("/api/v1/health-summary").json();
  EXPECT_EQ(summary.at("users"), 2);
  EXPECT_EQ(summary.at("oauth_users"), 1);
  EXPECT_EQ(summary.at("by_state").at("active"), 1);
  EXPECT_EQ(summary.at("by_state").at("held"), 0);
  EXPECT_EQ(summary.at("dying_soon"), 3) << "as the forecast says";
  const auto dismiss = [&](std::string_view title) {
    for (const auto& alert : boss.get("/api/v1/alerts").json().at("items").as_array()) {
      if (base::string_or(alert.as_object(), "title") != title) continue;
      const auto id = std::string(base::string_or(alert.as_object(), "id"));
      EXPECT_EQ(id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-"), std::string::npos) << "fit for a path: " << id;
      return boss.post("/api/v1/alerts/" + id + "/dismiss");
    }
    return boss.post("/api/v1/alerts/nothing/dismiss");
  };
  EXPECT_EQ(base::string_or(summary.at("alerts").at(0).as_object(), "link"), "/activity") << "the most severe first";
  EXPECT_EQ(base::string_or(summary.at("alerts").at(2).as_object(), "link"), "/users?state=uncertain");
  EXPECT_EQ(dismiss("A provider refuses an app registration").code(), "not_dismissible");
  EXPECT_EQ(dismiss("No such title").status, 404);
  EXPECT_EQ(dismiss("A stored record was altered from outside").status, 204);
  const auto left = boss.get("/api/v1/alerts").json();
  EXPECT_EQ(left.at("total"), 2);
  ASSERT_EQ(left.at("put_away").as_array().size(), 1U) << "it stands all the same";
  EXPECT_EQ(base::string_or(left.at("put_away").at(0).as_object(), "severity"), "critical");
  const auto altered = causes.at(1);
  causes.erase(causes.begin() + 1);
  EXPECT_EQ(boss.get("/api/v1/alerts").json().at("total"), 2);
  causes.push_back(altered);
  EXPECT_EQ(boss.get("/api/v1/alerts").json().at("total"), 3);
}

TEST_F(ConsoleTest, TheMasterKeysReminderStaysUntilSomebodyHasACopy) {
  auto boss = administrator();
  boss.open();
  EXPECT_FALSE(boss.session.at("server").at("master_key_backup_done").as_bool());
  EXPECT_EQ(base::string_or(boss.session.at("server").as_object(), "master_key_path"), "/var/lib/latchkey/master.key");
  EXPECT_EQ(boss.post("/api/v1/master-key/backup-done").status, 204);
  boss.open();
  EXPECT_TRUE(boss.session.at("server").at("master_key_backup_done").as_bool());
  auto ben = regular();
  EXPECT_EQ(base::string_or(ben.session.at("server").as_object(), "master_key_path"), "");
}

TEST_F(ConsoleTest, P5_KeysAreShownAndRotatedFromTheCommandLineOnly) {
  auto boss = administrator();
  boss.open();
  const auto before = boss.get("/api/v1/keys").json();
  EXPECT_EQ(before.at("master_key").at("path").as_string(), "/var/lib/latchkey/master.key");
  EXPECT_EQ(before.at("store").as_string(), "sqlite") << "whose tools back it up";
  EXPECT_TRUE(before.at("rotation").is_null());
  EXPECT_TRUE(before.at("last_backup").is_null());
  EXPECT_EQ(boss.post("/api/v1/keys/rotate").code(), "not_allowed") << "a stolen cookie makes no key stale";
  EXPECT_EQ(boss.send("POST", "/api/v1/backups", {{"file", "x"}}).code(), "not_allowed");
  EXPECT_FALSE(keys.state.rotation);
  keys.state.path += ".next";
  const auto elsewhere = boss.get("/api/v1/keys").json().at("master_key");
  EXPECT_EQ(elsewhere.at("path").as_string(), "/var/lib/latchkey/master.key.next") << "where it lies";
  EXPECT_EQ(elsewhere.at("place").as_string(), "/var/lib/latchkey/master.key") << "where it belongs";
  boss.open();
  EXPECT_EQ(base::string_or(boss.session.at("server").as_object(), "master_key_path"), "/var/lib/latchkey/master.key.next") << "what to copy";

  EXPECT_EQ(control->ask({.method = "POST", .target = "/api/v1/keys/cancel"}).code(), "conflict");
  keys.state.prepared = grants::PreparedKey{.from = keys.state.id, .to = Bytes(16, 2), .machine = "office-1", .path = "/etc/latchkey/master.key.next"};
  keys.state.awaited = {"office-2", "office-3"};
  const auto prepared = boss.get("/api/v1/keys").json().at("prepared");
  EXPECT_EQ(prepared.at("server").as_string(), "office-1");
  EXPECT_EQ(prepared.at("path").as_string(), "/etc/latchkey/master.key.next");
  EXPECT_EQ(prepared.at("awaited").as_array().size(), 2U);
  EXPECT_EQ(boss.post("/api/v1/keys/cancel").code(), "not_allowed");
  const auto given_up = control->ask({.method = "POST", .target = "/api/v1/keys/cancel"});
  EXPECT_EQ(given_up.status, 200);
  EXPECT_TRUE(given_up.json().at("prepared").is_null());

  const auto begun = control->ask({.method = "POST", .target = "/api/v1/keys/rotate"});
  EXPECT_EQ(begun.status, 202);
  EXPECT_EQ(keys.last_actor, "cli");
  EXPECT_EQ(begun.json().at("rotation").at("done").as_int64(), 3);
  EXPECT_EQ(control->ask({.method = "POST", .target = "/api/v1/keys/rotate"}).code(), "conflict");
  const HttpSend told{.method = "POST", .target = "/api/v1/backups", .headers = {{"Content-Type", "application/json"}},
                      .body = R"({"made_at":"2026-11-26T10:00:00Z","size_bytes":12345,"file":"/backup/office.lkb"})"};
  EXPECT_EQ(control->ask(told).status, 204);
  const auto after = boss.get("/api/v1/keys").json();
  EXPECT_EQ(after.at("last_backup").at("file").as_string(), "/backup/office.lkb");
  EXPECT_TRUE(after.at("master_key").at("backup_done").as_bool()) << "a backup holds the master key";
  EXPECT_EQ(control->ask({.method = "POST", .target = "/api/v1/backups", .headers = {{"Content-Type", "application/json"}}, .body = "{}"}).code(),
            "invalid_fields");
}

TEST_F(ConsoleTest, F6_NodesAreShownAndOnlyOneThatIsAwayIsForgotten) {
  auto boss = administrator();
  boss.open();
  const auto shown = boss.get("/api/v1/nodes").json();
  ASSERT_EQ(shown.at("total").as_int64(), 2);
  const auto& here = shown.at("items").at(0);
  const auto& away = shown.at("items").at(1);
  EXPECT_TRUE(here.at("here").as_bool());
  EXPECT_FALSE(away.at("alive").as_bool());
  EXPECT_EQ(away.at("open_exchanges").as_int64(), 2);
  const auto address = [](const Json& node) { return "/api/v1/nodes/" + std::string(node.at("id").as_string()); };
  EXPECT_EQ(boss.ask({.method = "DELETE", .target = address(here)}).code(), "node_alive");
  EXPECT_EQ(boss.ask({.method = "DELETE", .target = address(away)}).status, 204);
  EXPECT_EQ(boss.ask({.method = "DELETE", .target = address(away)}).code(), "not_found");
  EXPECT_EQ(boss.get("/api/v1/nodes").json().at("total").as_int64(), 1);
  auto ben = regular();
  EXPECT_EQ(ben.get("/api/v1/nodes").code(), "not_allowed");
}

TEST_F(ConsoleTest, TheOperatorsAddressesAnswerWithoutASession) {
  EXPECT_EQ(served->get("/healthz").body, R"({"status":"ok"})");
  EXPECT_EQ(served->get("/readyz").status, 200);
  ready.checks.front().ok = false;
  EXPECT_EQ(served->get("/readyz").status, 503);
  EXPECT_EQ(base::string_or(served->get("/readyz").json(), "status"), "failing");
  ready.is_started = false;
  EXPECT_EQ(base::string_or(served->get("/readyz").json(), "status"), "starting");
  const auto metrics = served->get("/metrics");
  EXPECT_EQ(metrics.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_THAT(metrics.body, testing::StartsWith(
            "# HELP latchkey_grants Grants by state.\n# TYPE latchkey_grants gauge\nlatchkey_grants{state=\"active\"} 3\n"
            "latchkey_grants{state=\"held\"} 1\n# HELP latchkey_refreshes_total Refreshes.\n"
            "# TYPE latchkey_refreshes_total counter\nlatchkey_refreshes_total 7\n"));
  EXPECT_EQ(base::string_or(served->get("/api/openapi.json").json(), "openapi"), "3.1.0");
  EXPECT_EQ(served->ask({.method = "POST", .target = "/healthz"}).status, 405);
}

}  // namespace
}  // namespace latchkey::console

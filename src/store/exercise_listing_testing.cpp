// The users' list: order, paging, search and filters.
#include "store/exercise_testing.h"

namespace latchkey::store {
namespace {

std::string names(const Listing<UserRow>& listing) {
  std::string all;
  for (const auto& row : listing.items) all += row.group_name + ":" + row.user.username_key + " ";
  return all;
}

TEST_P(StoreExercise, UsersAreListedByGroupThenNamePageByPage) {
  const auto b = group("b"), a = group("a");
  Batch batch{InsertGroup{b}, InsertGroup{a}, InsertGroup{group("empty")}};
  for (const char* name : {"zoe", "ann", "max"}) batch.push_back(InsertUser{user(b, name)});
  for (const char* name : {"tom", "eva"}) batch.push_back(InsertUser{user(a, name)});
  put(std::move(batch));
  EXPECT_EQ(names(ask(store().users({}))), "a:eva a:tom b:ann b:max b:zoe ");
  UserQuery query{.page = {.cursor = {}, .limit = 2}};
  std::string seen;
  int pages = 0;
  do {
    const auto page = ask(store().users(query));
    EXPECT_EQ(page.total, 5);
    EXPECT_LE(page.items.size(), 2u);
    seen += names(page);
    query.page.cursor = page.next_cursor;
  } while (!query.page.cursor.empty() && ++pages < 10);
  EXPECT_EQ(seen, "a:eva a:tom b:ann b:max b:zoe ");
  EXPECT_EQ(pages, 2);

  query = {.group = b.id, .page = {.cursor = {}, .limit = 2}};
  const auto first = ask(store().users(query));
  EXPECT_EQ(names(first), "b:ann b:max ");
  EXPECT_EQ(first.total, 3);
  query.page.cursor = first.next_cursor;
  EXPECT_EQ(names(ask(store().users(query))), "b:zoe ");
  query.page.cursor = "AAAA";
  EXPECT_EQ(wait_for(store().users(query)).error().reason, "cursor");
}

TEST_P(StoreExercise, APageGoesOnWhereItEndedThoughUsersComeAndGo) {
  const auto office = group("office");
  Batch batch{InsertGroup{office}};
  std::vector<User> users;
  for (const char* name : {"a", "c", "e", "g"}) batch.push_back(InsertUser{users.emplace_back(user(office, name))});
  put(std::move(batch));
  UserQuery query{.page = {.cursor = {}, .limit = 2}};
  query.page.cursor = ask(store().users(query)).next_cursor;
  put({DeleteUser{users[1].id}, InsertUser{user(office, "b")}, InsertUser{user(office, "d")}});
  EXPECT_EQ(names(ask(store().users(query))), "office:d office:e ");
}

TEST_P(StoreExercise, UsersAreFoundByNameMailAndAccountInAnyCase) {
  const auto office = group("office");
  auto ann = user(office, "ann");
  ann.name = "Änne Müller";
  auto bob = user(office, "bob");
  bob.email = "Robert@Example.NET";
  auto drive = grant(bob, "drive");
  drive.account_name = "Bob's Grüße";
  put({InsertGroup{office}, InsertUser{ann}, InsertUser{bob}, InsertGrant{drive}});
  const auto found = [&](const std::string& search) { return names(ask(store().users({.search = search}))); };
  EXPECT_EQ(found("MÜLLER"), "office:ann ");
  EXPECT_EQ(found("änne"), "office:ann ");
  EXPECT_EQ(found("example.net"), "office:bob ");
  EXPECT_EQ(found("GRÜ"), "office:bob ");
  EXPECT_EQ(found("nn"), "office:ann ");
  EXPECT_EQ(found("%"), "");
  EXPECT_EQ(found("'; DROP TABLE users"), "");
  drive.account_name = "Somebody";
  put({UpdateGrant{drive}});
  EXPECT_EQ(found("grü"), "");
  EXPECT_EQ(found("SOMEBODY"), "office:bob ");
  bob.name = "Robert the Second";
  put({UpdateUser{bob}});
  EXPECT_EQ(found("second"), "office:bob ");
  EXPECT_EQ(found("somebody"), "office:bob ") << "an update of the user keeps what the grants say";
  put({DeleteGrant{drive.id}});
  EXPECT_EQ(found("somebody"), "");
}

TEST_P(StoreExercise, UsersAreFilteredByTypeStateAndKind) {
  const auto office = group("office"), home = group("home");
  const auto ann = user(office, "ann"), bob = user(office, "bob"), eve = user(home, "eve");
  auto ann_drive = grant(ann, "drive");
  auto ann_mail = grant(ann, "mail");
  ann_mail.state = GrantState::needs_authorization;
  auto eve_drive = grant(eve, "drive-business");
  put({InsertGroup{office}, InsertGroup{home}, InsertUser{ann}, InsertUser{bob}, InsertUser{eve}, InsertGrant{ann_drive},
       InsertGrant{ann_mail}, InsertGrant{eve_drive}});
  EXPECT_EQ(names(ask(store().users({.type = "drive"}))), "office:ann ") << "types are compared whole";
  EXPECT_EQ(names(ask(store().users({.state = GrantState::active}))), "home:eve office:ann ");
  EXPECT_EQ(names(ask(store().users({.type = "drive", .state = GrantState::needs_authorization}))), "")
      << "one grant must be both";
  EXPECT_EQ(names(ask(store().users({.type = "mail", .state = GrantState::needs_authorization}))), "office:ann ");
  EXPECT_EQ(ask(store().users({.only_oauth_users = true})).total, 2);
  EXPECT_EQ(names(ask(store().users({.search = "a", .group = home.id, .only_oauth_users = true}))), "home:eve ");
  const auto rows = ask(store().users({.search = "ann"})).items;
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].user, ann);
  EXPECT_EQ(rows[0].grants, (std::vector{ann_drive, ann_mail}));

  auto groups = ask(store().groups());
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[1].users, 2);
  EXPECT_EQ(groups[1].oauth_users, 1);
  auto moved = ann;
  moved.group = home.id;
  put({UpdateUser{moved}});
  groups = ask(store().groups());
  EXPECT_EQ(groups[0].users, 2);
  EXPECT_EQ(groups[0].oauth_users, 2);
  EXPECT_EQ(groups[1].oauth_users, 0);
  put({DeleteGrant{ann_drive.id}, DeleteGrant{ann_mail.id}});
  EXPECT_EQ(ask(store().groups())[0].oauth_users, 1);
  EXPECT_EQ(ask(store().users({.only_oauth_users = true})).total, 1);
}

}  // namespace
}  // namespace latchkey::store

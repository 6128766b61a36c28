#include "people/sessions.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "people/people_testing.h"

namespace latchkey::people {
namespace {

constexpr std::string_view kPassword = "correct horse";

class SessionsTest : public Office {
 protected:
  SessionsTest() : anna(add_administrator("anna", kPassword)) {}

  SignIn with(std::string username, std::string_view password, std::string_view source = "192.0.2.1") {
    return {.username = std::move(username), .password = Secret(password), .source = std::string(source),
            .transport = Transport::tls, .arrived = steady.now()};
  }
  std::string sign_in(std::string username, std::string_view password, std::string_view source = "192.0.2.1") {
    const auto arrived = steady.now();
    const auto opened = run(sessions->sign_in(with(std::move(username), password, source)));
    took = steady.now() - arrived;
    if (opened) token = opened->token;
    return opened ? "signed in" : opened.error().reason;
  }
  std::string check() {
    const auto who = run(sessions->check(token));
    return who ? who->username : who.error().reason;
  }

  Bytes hash_of(std::string_view cookie, std::int64_t epoch) const {
    return vault.keyed_hash("session", vault::MacFields().add(cookie).add(epoch).bytes());
  }

  store::User anna;
  std::string token;
  std::chrono::nanoseconds took{};
};

TEST_F(SessionsTest, SignInCheckSignOut) {
  ASSERT_EQ(sign_in("Anna", kPassword), "signed in");
  EXPECT_EQ(check(), "anna");
  EXPECT_EQ(run(sessions->check(token))->role, store::Role::administrator);
  ASSERT_TRUE(run(sessions->sign_out(token)));
  EXPECT_EQ(check(), "not_signed_in");
  EXPECT_TRUE(run(sessions->sign_out(token))) << "twice is no error";
  token = std::string(64, 'A');
  EXPECT_EQ(check(), "not_signed_in");
  token = "";
  EXPECT_EQ(check(), "not_signed_in");
}

TEST_F(SessionsTest, TheTokenIsStoredHashed) {
  ASSERT_EQ(sign_in("anna", kPassword), "signed in");
  EXPECT_FALSE(*run(store->session(base::to_bytes(token))));
  EXPECT_TRUE(*run(store->session(hash_of(token, anna.auth_epoch))));
}

TEST_F(SessionsTest, AWriterOfTheStoreCannotTurnTheirSessionIntoAnothers) {
  const auto thief = add_administrator("thief", "borrowed horse");
  ASSERT_EQ(sign_in("thief", "borrowed horse"), "signed in");
  auto row = **run(store->session(hash_of(token, thief.auth_epoch)));
  row.user = anna.id;
  row.auth_epoch = anna.auth_epoch;
  store::Batch batch;
  batch.push_back(store::DeleteSession{row.token_hash});
  batch.push_back(store::PutSession{row});
  ASSERT_TRUE(run(store->commit(std::move(batch))));
  ASSERT_EQ((*run(store->session(row.token_hash)))->user, anna.id);
  EXPECT_EQ(check(), "not_signed_in");
  // Nor by a cookie that names the other: the hash covers the name in it.
  auto octets = *base::from_base64url(token);
  std::ranges::copy(anna.id.bytes(), octets.begin());
  token = base::to_base64url(octets);
  EXPECT_EQ(check(), "not_signed_in");
}

TEST_F(SessionsTest, AnOlderEpochIsDeadWhateverItsRowSays) {
  ASSERT_EQ(sign_in("anna", kPassword), "signed in");
  auto row = **run(store->session(hash_of(token, anna.auth_epoch)));
  ASSERT_TRUE(run(directory->set_password(anna.id, Secret("another horse"), admin)));
  row.auth_epoch = (*run(store->user(anna.id)))->auth_epoch;
  store::Batch batch;
  batch.push_back(store::PutSession{row});
  ASSERT_TRUE(run(store->commit(std::move(batch))));
  EXPECT_EQ(check(), "not_signed_in");
}

TEST_F(SessionsTest, IdleAndAbsoluteLifetime) {
  ASSERT_EQ(sign_in("anna", kPassword), "signed in");
  for (int i = 0; i < 14; ++i) {
    pass(50min);
    EXPECT_EQ(check(), "anna") << "use keeps it alive";
  }
  pass(21min);
  EXPECT_EQ(check(), "not_signed_in") << "twelve hours are the end";
  ASSERT_EQ(sign_in("anna", kPassword), "signed in");
  pass(61min);
  EXPECT_EQ(check(), "not_signed_in") << "idle";
}

TEST_F(SessionsTest, DiesWithTheEpoch) {
  add_administrator("berta", kPassword);
  ASSERT_EQ(sign_in("anna", kPassword), "signed in");
  ASSERT_TRUE(run(directory->set_password(anna.id, Secret("another horse"), admin)));
  EXPECT_EQ(check(), "not_signed_in");
  EXPECT_EQ(sign_in("anna", kPassword), "invalid_credentials");
  ASSERT_EQ(sign_in("anna", "another horse"), "signed in");
  ASSERT_TRUE(run(directory->change_user(anna.id, {.enabled = false}, admin)));
  EXPECT_EQ(check(), "not_signed_in");
  EXPECT_EQ(sign_in("anna", "another horse"), "invalid_credentials");
}

TEST_F(SessionsTest, A6_APinNeverSignsIn) {
  ASSERT_TRUE(run(directory->reset_pin(anna.id, Secret(kPin), Confirmation::by_control_socket(), admin)));
  EXPECT_EQ(words("anna", kPin), "admitted") << "at the doors";
  EXPECT_EQ(sign_in("anna", kPin), "invalid_credentials");
  EXPECT_EQ(words("anna", kPassword), "invalid_credentials") << "and a password opens no grant";
  add("scan");
  EXPECT_EQ(sign_in("scan", kPin), "invalid_credentials");
}

TEST_F(SessionsTest, T7_InClearOnlyOnLoopback) {
  auto clear = with("anna", kPassword);
  clear.transport = Transport::clear;
  const auto refused = run(sessions->sign_in(std::move(clear)));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "insecure_transport");
  EXPECT_NE(refused.error().text.find("tls.certificate"), std::string::npos) << "says how to switch TLS on";
  auto loopback = with("anna", kPassword, "127.0.0.1");
  loopback.transport = Transport::loopback;
  EXPECT_TRUE(run(sessions->sign_in(std::move(loopback))));
}

TEST_F(SessionsTest, T4_T5_ThrottledInTheSameManner) {
  set("auth.pin_failures_unknown", "5");
  ASSERT_EQ(sign_in("anna", kPassword), "signed in");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(sign_in("anna", "guess number " + std::to_string(i), kElsewhere), "invalid_credentials");
    EXPECT_EQ(took, 300ms);
    EXPECT_EQ(sign_in("nobody", "guess number " + std::to_string(i), "203.0.113.67"), "invalid_credentials");
    EXPECT_EQ(took, 300ms);
  }
  EXPECT_EQ(sign_in("anna", "guess number 3", kElsewhere), "too_many_attempts");
  EXPECT_EQ(sign_in("nobody", "guess number 3", "203.0.113.67"), "too_many_attempts");
  for (int i = 3; i < 5; ++i) {
    pass(61s);
    EXPECT_EQ(sign_in("anna", "guess number " + std::to_string(i), kElsewhere), "invalid_credentials");
  }
  pass(61s);
  EXPECT_EQ(sign_in("anna", kPassword, kElsewhere), "invalid_credentials") << "locked for strangers";
  EXPECT_EQ(sign_in("anna", kPassword), "signed in") << "not from where it was right before";
  EXPECT_EQ(counted(anna.id, "console *"), 5);
  EXPECT_EQ(counted(anna.id, "*"), 0) << "PINs have budgets of their own";
}

TEST_F(SessionsTest, T4_ANewPasswordOrAResetOpensWhatGuessesHaveLocked) {
  MemoryDirectoryWatcher watched;
  directory->watch(&watched);
  const auto lock_out = [&] {
    set("auth.spray_limit", "1000");
    for (int i = 0; i < 100; ++i) {
      pass(61s);
      (void)sign_in("anna", "wrong horse " + std::to_string(i), "203.0.113.66");
    }
    pass(61s);
  };
  lock_out();
  EXPECT_EQ(sign_in("anna", kPassword, "198.51.100.7"), "invalid_credentials") << "right, but from a new address";
  ASSERT_TRUE(run(directory->set_password(anna.id, Secret("another horse"), admin)));
  EXPECT_EQ(sign_in("anna", "another horse", "198.51.100.7"), "signed in") << "what the sign-in page advises";
  EXPECT_THAT(watched.forgotten, testing::ElementsAre(anna.id));
  lock_out();
  EXPECT_EQ(sign_in("anna", "another horse", "198.51.100.8"), "invalid_credentials");
  ASSERT_TRUE(run(directory->reset_throttle(anna.id, admin)));
  EXPECT_EQ(sign_in("anna", "another horse", "198.51.100.8"), "signed in");
}

TEST_F(SessionsTest, T4_WhoSetTheServerUpIsKnownAndNotLockedOutFromElsewhere) {
  ASSERT_TRUE(run(sessions->open_for(anna, "192.0.2.1")));
  set("auth.spray_limit", "1000");
  for (int i = 0; i < 100; ++i) {
    pass(61s);
    (void)sign_in("anna", "wrong horse " + std::to_string(i), "203.0.113.66");
  }
  EXPECT_EQ(sign_in("anna", kPassword, "192.0.2.1"), "signed in");
}

TEST_F(SessionsTest, K7_ConfirmationNeedsThePasswordAgain) {
  const auto confirm = [&](std::string_view password) {
    const auto done = run(sessions->confirm(anna.id, Secret(password), "192.0.2.1", steady.now()));
    return done ? "confirmed" : done.error().reason;
  };
  EXPECT_EQ(confirm("wrong password"), "wrong_password");
  EXPECT_EQ(confirm(kPassword), "confirmed");
}

TEST_F(SessionsTest, CsrfTokensBelongToTheirCookie) {
  const auto first = sessions->anonymous_token(), second = sessions->anonymous_token();
  EXPECT_NE(first, second);
  EXPECT_TRUE(sessions->csrf_matches(first, sessions->csrf_token(first)));
  EXPECT_FALSE(sessions->csrf_matches(second, sessions->csrf_token(first)));
  EXPECT_FALSE(sessions->csrf_matches(first, ""));
  EXPECT_FALSE(sessions->csrf_matches(first, first));
}

}  // namespace
}  // namespace latchkey::people

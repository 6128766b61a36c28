#include "store/exercise_exchanges_testing.h"

namespace latchkey::store {

// Other programs of tests link this room, too, and have no book of exchanges.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ExchangeBookExercise);

TEST_P(ExchangeBookExercise, S4_ATurnIsClaimedOnceAndOutlivesTheProcess) {
  const auto office = id<OfficeId>();
  const auto intent = id<IntentId>();
  EXPECT_FALSE(claim(office, intent, 3));
  under_test->reopen();
  const auto there = claim(office, intent, 3);
  ASSERT_TRUE(there);
  EXPECT_EQ(there->state, ExchangeState::asked);
  EXPECT_EQ(there->turn, 3);
  EXPECT_TRUE(claim(office, intent, 4)) << "a later turn, while the one before has not been told of";
  EXPECT_FALSE(claim(office, id<IntentId>(), 3)) << "another intent";
  EXPECT_FALSE(claim(id<OfficeId>(), intent, 3)) << "another office's of that name";
}

TEST_P(ExchangeBookExercise, S4_AReplyIsThereUntilItIsAcknowledged) {
  const auto office = id<OfficeId>();
  const auto intent = id<IntentId>();
  ASSERT_FALSE(claim(office, intent, 1));
  const auto reply = entropy.bytes(3000);
  ASSERT_TRUE(book().keep_reply(office, intent, 1, reply, now));
  EXPECT_EQ(reason(book().keep_reply(office, intent, 1, entropy.bytes(10), now)), "no_such_exchange") << "the first counts";
  under_test->reopen();
  for (const std::int64_t turn : {1, 2}) {
    const auto there = claim(office, intent, turn);
    ASSERT_TRUE(there);
    EXPECT_EQ(*there, (KeptExchange{office, intent, 1, ExchangeState::answered, reply, now}));
  }
  ASSERT_TRUE(book().acknowledge(id<OfficeId>(), intent, 1, Heard::reply, now)) << "another office's word";
  ASSERT_TRUE(book().acknowledge(office, intent, 2, Heard::reply, now)) << "another turn's";
  EXPECT_EQ(claim(office, intent, 2)->state, ExchangeState::answered);
  ASSERT_TRUE(book().acknowledge(office, intent, 1, Heard::reply, now));
  const auto acknowledged = claim(office, intent, 1);
  ASSERT_TRUE(acknowledged) << "the same turn is not claimed again";
  EXPECT_EQ(acknowledged->state, ExchangeState::acknowledged);
  EXPECT_TRUE(acknowledged->reply.empty());
  EXPECT_FALSE(claim(office, intent, 2));
  EXPECT_TRUE(claim(office, intent, 1)) << "an earlier turn than the one under way";
}

TEST_P(ExchangeBookExercise, S4_WhatIsNotKnownIsKeptAsThatAndIsOneTurnsAlone) {
  const auto office = id<OfficeId>();
  const auto intent = id<IntentId>();
  ASSERT_FALSE(claim(office, intent, 1));
  ASSERT_TRUE(book().keep_unknown(office, intent, 1, now));
  under_test->reopen();
  EXPECT_EQ(claim(office, intent, 2)->state, ExchangeState::unknown);
  EXPECT_EQ(reason(book().keep_reply(office, intent, 1, entropy.bytes(10), now)), "no_such_exchange");
  ASSERT_TRUE(book().acknowledge(office, intent, 1, Heard::unknown, now));
  EXPECT_FALSE(claim(office, intent, 2));
  EXPECT_EQ(reason(book().keep_unknown(office, intent, 1, now)), "no_such_exchange") << "that turn is over";
}

TEST_P(ExchangeBookExercise, F2_WhoeverHasHeardThatNobodyKnowsAcknowledgesNoReply) {
  const auto office = id<OfficeId>();
  const auto intent = id<IntentId>();
  ASSERT_FALSE(claim(office, intent, 1));
  const auto reply = entropy.bytes(10);
  ASSERT_TRUE(book().keep_reply(office, intent, 1, reply, now));
  ASSERT_TRUE(book().acknowledge(office, intent, 1, Heard::unknown, now));
  const auto there = claim(office, intent, 2);
  ASSERT_TRUE(there) << "the reply is still to be fetched";
  EXPECT_EQ(there->reply, reply);
  EXPECT_EQ(*book().look(office, intent), there);
  ASSERT_TRUE(book().acknowledge(office, intent, 1, Heard::reply, now));
  EXPECT_FALSE(claim(office, intent, 2));
}

TEST_P(ExchangeBookExercise, S4_WhatWasNotSentLeavesNothing) {
  const auto office = id<OfficeId>();
  const auto intent = id<IntentId>();
  ASSERT_FALSE(claim(office, intent, 1));
  EXPECT_EQ(reason(book().forget_unsent(office, intent, 2)), "no_such_exchange");
  ASSERT_TRUE(book().forget_unsent(office, intent, 1));
  EXPECT_FALSE(claim(office, intent, 1));
  ASSERT_TRUE(book().keep_reply(office, intent, 1, entropy.bytes(10), now));
  EXPECT_EQ(reason(book().forget_unsent(office, intent, 1)), "no_such_exchange") << "a reply is not forgotten so";
}

TEST_P(ExchangeBookExercise, S1_ANonceIsGoodOnceForTwoMinutes) {
  const auto office = id<OfficeId>();
  const auto nonce = entropy.bytes(16);
  const auto with_nonce = [&](const OfficeId& whose, const IntentId& intent) {
    const auto claimed = book().claim(whose, intent, 1, nonce, now);
    return claimed ? "" : claimed.error().reason;
  };
  EXPECT_EQ(with_nonce(office, id<IntentId>()), "");
  under_test->reopen();
  const auto intent = id<IntentId>();
  EXPECT_EQ(with_nonce(office, intent), "request_repeated");
  EXPECT_EQ(with_nonce(id<OfficeId>(), intent), "") << "another office's";
  EXPECT_FALSE(claim(office, intent, 1)) << "what was repeated has claimed nothing";
  EXPECT_EQ(with_nonce(office, intent), "request_repeated") << "nor may it ask what there is";
  ASSERT_TRUE(book().forget_nonces(now + kNonceKeptFor));
  EXPECT_EQ(with_nonce(office, id<IntentId>()), "request_repeated");
  ASSERT_TRUE(book().forget_nonces(now + kNonceKeptFor + Milliseconds(1)));
  EXPECT_EQ(with_nonce(office, id<IntentId>()), "");
}

TEST_P(ExchangeBookExercise, S4_ARepliesWeekAndATracesDay) {
  const auto office = id<OfficeId>();
  const auto waiting = id<IntentId>();
  const auto had = id<IntentId>();
  for (const auto& intent : {waiting, had}) {
    ASSERT_FALSE(claim(office, intent, 1));
    ASSERT_TRUE(book().keep_reply(office, intent, 1, entropy.bytes(10), now));
  }
  ASSERT_TRUE(book().acknowledge(office, had, 1, Heard::reply, now));
  ASSERT_TRUE(book().forget_old(now + kAcknowledgedKeptFor));
  EXPECT_TRUE(claim(office, had, 1));
  ASSERT_TRUE(book().forget_old(now + kAcknowledgedKeptFor + Milliseconds(1)));
  EXPECT_FALSE(claim(office, had, 1));
  ASSERT_TRUE(book().forget_old(now + kReplyKeptFor));
  EXPECT_EQ(claim(office, waiting, 1)->state, ExchangeState::answered);
}

TEST_P(ExchangeBookExercise, S4_WhatNobodyFetchedLapsesAndIsPostedNoSecondTime) {
  const auto office = id<OfficeId>();
  const IntentId intents[] = {id<IntentId>(), id<IntentId>(), id<IntentId>()};
  for (const auto& intent : intents) ASSERT_FALSE(claim(office, intent, 1));
  ASSERT_TRUE(book().keep_reply(office, intents[0], 1, entropy.bytes(10), now));
  ASSERT_TRUE(book().keep_unknown(office, intents[1], 1, now));
  const auto lapsed_at = now + kReplyKeptFor + Milliseconds(1);
  ASSERT_TRUE(book().forget_old(lapsed_at));
  under_test->reopen();
  for (const auto& intent : intents) {
    const auto there = claim(office, intent, 2);
    ASSERT_TRUE(there) << "it may have been posted";
    EXPECT_EQ(*there, (KeptExchange{office, intent, 1, ExchangeState::lapsed, {}, lapsed_at}));
  }
  EXPECT_EQ(book().counts()->waiting, 0);
  EXPECT_EQ(book().counts()->asked, 0);
  ASSERT_TRUE(book().acknowledge(office, intents[0], 1, Heard::reply, lapsed_at));
  EXPECT_FALSE(claim(office, intents[0], 2));
  ASSERT_TRUE(book().forget_old(lapsed_at + kLapsedKeptFor));
  EXPECT_TRUE(claim(office, intents[1], 1));
  ASSERT_TRUE(book().forget_old(lapsed_at + kLapsedKeptFor + Milliseconds(1)));
  EXPECT_FALSE(claim(office, intents[1], 1));
}

TEST_P(ExchangeBookExercise, S4_WhatThereIsIsRecalledWithoutBeingClaimed) {
  const auto office = id<OfficeId>();
  const auto intent = id<IntentId>();
  const auto nonce = entropy.bytes(16);
  const auto nothing = book().recall(office, intent, nonce, now);
  ASSERT_TRUE(nothing);
  EXPECT_FALSE(*nothing);
  EXPECT_FALSE(claim(office, intent, 1)) << "recalling has claimed nothing";
  const auto reply = entropy.bytes(100);
  ASSERT_TRUE(book().keep_reply(office, intent, 1, reply, now));
  const auto repeated = book().recall(office, intent, nonce, now);
  ASSERT_FALSE(repeated);
  EXPECT_EQ(repeated.error().reason, "request_repeated");
  const auto there = book().recall(office, intent, entropy.bytes(16), now);
  ASSERT_TRUE(there);
  EXPECT_EQ(**there, (KeptExchange{office, intent, 1, ExchangeState::answered, reply, now}));
}

TEST_P(ExchangeBookExercise, AnOfficeThatFetchesNothingFillsNobodysDisk) {
  const auto office = id<OfficeId>();
  for (std::int64_t i = 0; i < kUnacknowledgedMax; ++i) ASSERT_FALSE(claim(office, id<IntentId>(), 1));
  const auto refused = book().claim(office, id<IntentId>(), 1, entropy.bytes(16), now);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "too_many_unacknowledged");
  EXPECT_FALSE(claim(id<OfficeId>(), id<IntentId>(), 1)) << "another office";
}

TEST_P(ExchangeBookExercise, CountsSayWhatWaits) {
  const auto office = id<OfficeId>();
  const IntentId intents[] = {id<IntentId>(), id<IntentId>(), id<IntentId>(), id<IntentId>()};
  for (const auto& intent : intents) ASSERT_FALSE(claim(office, intent, 1));
  ASSERT_TRUE(book().keep_reply(office, intents[0], 1, entropy.bytes(10), now));
  ASSERT_TRUE(book().keep_unknown(office, intents[1], 1, now));
  ASSERT_TRUE(book().keep_unknown(office, intents[2], 1, now));
  ASSERT_TRUE(book().acknowledge(office, intents[2], 1, Heard::reply, now));
  const auto counts = book().counts();
  ASSERT_TRUE(counts);
  EXPECT_EQ(counts->waiting, 2);
  EXPECT_EQ(counts->asked, 1);
}

}  // namespace latchkey::store

#include "delivery/queue.h"

#include "delivery/queue_testing.h"
#include "delivery/restored_deliveries.h"

namespace latchkey::delivery {
namespace {

using namespace std::chrono_literals;
using store::DeliveryState;

TEST_F(QueueTest, DeliversAndForgetsHowToOpen) {
  const auto done = in(DeliveryState::delivered, accepted().id);
  EXPECT_TRUE(done.document_key_sealed.empty());
  EXPECT_TRUE(done.private_key_sealed.empty());
  EXPECT_EQ(destination->urls, std::vector<std::string>{"https://acme.example"});
}

// D1, D2: what cannot be asked for is never sent twice by itself.
TEST_F(QueueTest, D2_WhatWasBeingSentWhenTheProcessDiedMayHaveArrived) {
  stop_queue();
  destination->idempotent = false;
  queue = std::make_unique<Queue>(parts());
  const auto one = accepted("scans", "a.pdf", DeliveryState::sending);
  ASSERT_TRUE(run(queue->start()));
  const auto after = in(DeliveryState::maybe_sent, one.id);
  EXPECT_FALSE(after.why.empty());
  EXPECT_FALSE(after.document_key_sealed.empty()) << "the document is still there, should a person want it sent again";
  EXPECT_TRUE(destination->sent.empty());
  EXPECT_EQ(counted.maybe_sent, 1);
}

TEST_F(QueueTest, D2_WhatIsIdempotentGoesOn) {
  stop_queue();
  queue = std::make_unique<Queue>(parts());
  const auto one = accepted("scans", "a.pdf", DeliveryState::sending);
  ASSERT_TRUE(run(queue->start()));
  in(DeliveryState::delivered, one.id);
  EXPECT_EQ(destination->sent.size(), 1U);
}

// F10: the store is older than what has become of its deliveries.
TEST_F(QueueTest, F10_ARestoredOneGoesOnceWhereTheDestinationCanTellElseAPersonLooks) {
  for (const bool idempotent : {true, false}) {
    stop_queue();
    destination->idempotent = idempotent;
    destination->sent.clear();
    queue = std::make_unique<Queue>(parts());
    const auto one = accepted();
    const auto marked = run(mark_restored_deliveries(
        *store, {.backup_at = wall.now(), .now = wall.now(), .has_document = [](DeliveryId) { return true; }}));
    ASSERT_TRUE(marked);
    EXPECT_EQ(marked->in_doubt, 1);
    ASSERT_TRUE(run(queue->start()));
    if (idempotent) {
      in(DeliveryState::delivered, one.id);
      EXPECT_EQ(destination->sent.size(), 1U);
    } else {
      const auto after = in(DeliveryState::maybe_sent, one.id);
      EXPECT_NE(after.why.find("restored from a backup"), std::string::npos) << after.why;
      EXPECT_TRUE(destination->sent.empty());
    }
  }
}

// A store that knows other deliveries, as that of a database which several servers share: it is the wrong one all the same.
TEST_F(QueueTest, D2_ADocumentThatTheStoreDoesNotKnowLiesAsideUntilItDoes) {
  in(DeliveryState::delivered, accepted("scans", "other.pdf").id);
  stop_queue();
  queue = std::make_unique<Queue>(parts());
  auto one = accepted();
  commit({store::DeleteDelivery{one.id}});
  const auto dropped = DeliveryId::make(wall.now(), entropy);
  auto beginning = run(spool.receive(dropped));
  ASSERT_TRUE(beginning);
  ASSERT_TRUE(run((*beginning)->append(Bytes(100'000))));
  ASSERT_TRUE(run(queue->start()));
  EXPECT_TRUE(run(spool.documents())->empty());
  ASSERT_EQ(run(spool.strays())->size(), 1U);
  const auto told = [&] {
    const auto all = alerts.current();
    return std::ranges::any_of(
        all, [](const grants::Alert& alert) { return alert.cause == "documents_unknown" && alert.number == 1; });
  };
  base::drive_until(loop, told);
  stop_queue();
  queue = std::make_unique<Queue>(parts());
  one.version = 0;
  commit({store::PutDelivery{one}});
  ASSERT_TRUE(run(queue->start()));
  in(DeliveryState::delivered, one.id);
  EXPECT_TRUE(run(spool.strays())->empty());
}

TEST_F(QueueTest, UnknownDocumentsAreForgottenAfterAMonthAndNotBefore) {
  stop_queue();
  queue = std::make_unique<Queue>(parts());
  commit({store::DeleteDelivery{accepted().id}});
  ASSERT_TRUE(run(queue->start()));
  advance(29 * 24h);
  base::drive_until(loop, [&] { return !alerts.current().empty(); });
  EXPECT_EQ(run(spool.strays())->size(), 1U);
  advance(2 * 24h);
  base::drive_until(loop, [&] { return run(spool.strays())->empty(); });
  base::drive_until(loop, [&] { return alerts.current().empty(); });
}

// Two documents of one form, and a disk so slow that a rotation of the master key passes between their syncs.
TEST_F(QueueTest, P5_TheKeysOfAFormsDocumentsAreSealedAtItsCommit) {
  int syncs = 0;
  store::FaultyFiles slow(files);
  slow.set_fault([&](std::string_view call) {
    if (call == "fdatasync" && ++syncs == 2) vault.begin_rotation(Secret(Bytes(32, 9)));
    return 0;
  });
  Spool slow_spool(
      {.files = slow, .sealing = sealing, .entropy = entropy, .log = log, .directory = documents.path() + "/slow"});
  ASSERT_TRUE(slow_spool.prepare());
  store::Connector own{.id = "own",
                       .name = "own",
                       .type = "acme-harmless",
                       .account = store::AccountKind::fixed,
                       .owner = grant.user,
                       .naming = "{name}",
                       .created_at = wall.now()};
  sealing.vouch(own);
  commit({store::PutConnector{own}});
  Reception form(reception_parts(slow_spool));
  std::vector<std::unique_ptr<Reception::Incoming>> incoming;
  for (const char* name : {"page-1.pdf", "page-2.pdf"}) {
    Submission page{
        .submitter = grants::Caller{.user = grant.user, .auth_epoch = store::User{}.auth_epoch, .pin = pin.clone()},
        .connector = "own",
        .name = name,
        .content_type = "application/pdf",
        .source = "test"};
    auto one = run(form.open(std::move(page)));
    ASSERT_TRUE(one) << one.error().reason;
    ASSERT_TRUE(run((*one)->append(base::to_bytes(name))));
    incoming.push_back(std::move(*one));
  }
  const auto accepted_now = run(form.accept(std::move(incoming)));
  ASSERT_TRUE(accepted_now) << accepted_now.error().reason;
  ASSERT_EQ(syncs, 2);
  vault.end_rotation();
  for (const auto& one : *accepted_now) EXPECT_TRUE(sealing.open_document_key(one.id, one.document_key_sealed)) << one.name;
}

TEST_F(QueueTest, D2_AParkedOneIsMarkedBeforeItIsSent) {
  destination->idempotent = false;
  destination->held = true;
  stop_queue();
  queue = std::make_unique<Queue>(parts());
  const auto one = accepted("scans", "a.pdf", DeliveryState::parked);
  ASSERT_TRUE(run(queue->start()));
  base::drive_until(loop, [&] { return !destination->sent.empty(); });
  EXPECT_EQ(look(one.id).state, DeliveryState::sending) << "were the process to die now, it would not be sent again";
  destination->held = false;
  released->notify_all();
  in(DeliveryState::delivered, one.id);
}

TEST_F(QueueTest, D1_AnAnswerThatWasLostIsForAPersonWhereTheDestinationCannotBeAsked) {
  destination->idempotent = false;
  destination->answer = Error{.kind = ErrorKind::ambiguous, .reason = "reply_lost", .text = "The line broke."};
  in(DeliveryState::maybe_sent, accepted().id);
  destination->idempotent = true;
  const auto again = in(DeliveryState::queued, accepted().id);
  base::drive_until(loop, [&] { return look(again.id).tries == 1; });
}

// D1: what was sent to one place is no part of what goes to another.
TEST_F(QueueTest, D1_SentElsewhereItIsAnotherUpload) {
  auto desk = make_desk();
  const people::Actor anna{.name = "anna", .source = "test"};
  put_own_connector("own");
  destination->notes = "half of it";
  destination->answer = Error{.kind = ErrorKind::needs_person, .reason = "full", .text = "It is full."};
  const auto one = accepted();
  const auto parked = in(DeliveryState::parked, one.id);
  EXPECT_EQ(parked.resume_point, "half of it");
  destination->answer.reset();
  base::drive_until(loop, [&] { return !queue->is_sending(one.id); });
  ASSERT_TRUE(run(desk.retry(one.id, anna)));
  in(DeliveryState::delivered, one.id);
  EXPECT_EQ(destination->keys, (std::vector<std::string>{one.id.text(), one.id.text()})) << "to the same place it goes on";
  EXPECT_EQ(destination->resumed_at.back(), "half of it");

  destination->answer = Error{.kind = ErrorKind::needs_person, .reason = "full", .text = "It is full."};
  const auto other = accepted();
  in(DeliveryState::parked, other.id);
  base::drive_until(loop, [&] { return !queue->is_sending(other.id); });
  destination->answer.reset();
  const auto moved = run(desk.reroute(other.id, "own", anna));
  ASSERT_TRUE(moved) << moved.error().reason;
  in(DeliveryState::delivered, other.id);
  EXPECT_EQ(destination->keys.back(), other.id.text() + "-1");
  EXPECT_EQ(destination->resumed_at.back(), "");
}

TEST_F(QueueTest, D10_WhatWasRefusedOrBegunUnderAnotherRuleBeginsAnewByHand) {
  auto desk = make_desk();
  const people::Actor anna{.name = "anna", .source = "test"};
  destination->notes = "half of it";
  destination->answer = Error{.kind = ErrorKind::conflict, .reason = "exists", .text = "It is there."};
  const auto refused = in(DeliveryState::failed, accepted().id);
  EXPECT_TRUE(refused.resume_point.empty());
  destination->answer = Error{.kind = ErrorKind::needs_person, .reason = "full", .text = "It is full."};
  const auto parked = in(DeliveryState::parked, accepted().id);
  base::drive_until(loop, [&] { return !queue->is_sending(refused.id) && !queue->is_sending(parked.id); });
  put_connector("scans", "acme-harmless", 1, store::ConflictRule::refuse);
  destination->answer.reset();
  for (const auto& each : {refused, parked}) {
    ASSERT_TRUE(run(desk.retry(each.id, anna)));
    in(DeliveryState::delivered, each.id);
    EXPECT_EQ(destination->keys.back(), each.id.text() + "-1");
    EXPECT_EQ(destination->resumed_at.back(), "");
  }
}

// K4: of the same grant another account was authorised. What waited for the first one goes to it only where a person says
// so, and where something opens it.
TEST_F(QueueTest, K4_WhatMayOpenNothingAnyMoreGoesByAStandingDelegation) {
  const people::Actor anna{.name = "anna", .source = "test"};
  stop_queue();
  queue = std::make_unique<Queue>(parts());
  auto desk = make_desk();
  put_standing_connector("fixed");
  put_connector("mine");
  destination->notes = "begun";
  const auto by_pin = accepted("scans"), by_itself = accepted("fixed");
  for (const auto& each : {by_pin, by_itself}) commit({grants::end_of_delegation(each)});
  ASSERT_TRUE(run(queue->start()));
  for (const auto& each : {by_pin, by_itself}) {
    in(DeliveryState::parked, each.id);
    base::drive_until(loop, [&] { return !queue->is_sending(each.id); });
  }
  EXPECT_EQ(run(desk.retry(by_pin.id, anna)).error().reason, "pin_needed") << "it would wait again, for ever";
  EXPECT_EQ(run(desk.reroute(by_pin.id, "mine", anna)).error().reason, "not_for_submitter");
  EXPECT_TRUE(destination->stored.empty());
  const auto moved = run(desk.reroute(by_pin.id, "fixed", anna));
  ASSERT_TRUE(moved) << moved.error().reason;
  in(DeliveryState::delivered, by_pin.id);
  const auto again = run(desk.retry(by_itself.id, anna));
  ASSERT_TRUE(again) << again.error().reason;
  in(DeliveryState::delivered, by_itself.id);
  EXPECT_EQ(destination->keys.back(), by_itself.id.text() + "-1") << "an upload to the account before is no part of it";
  for (const auto& wrap : run(store->wraps(grant.id)).value()) EXPECT_NE(wrap.holder_kind, store::HolderKind::delivery);
}

// K3: a token goes to the service that it is for, and nowhere else.
TEST_F(QueueTest, K3_AConnectorWhoseTypeHasChangedGetsNoOtherServicesToken) {
  stop_queue();
  queue = std::make_unique<Queue>(parts());
  const auto one = accepted();
  put_connector("scans", "acme-grace", 1);
  ASSERT_TRUE(run(queue->start()));
  const auto parked = in(DeliveryState::parked, one.id);
  EXPECT_NE(parked.why.find("another type"), std::string::npos) << parked.why;
  EXPECT_TRUE(destination->sent.empty()) << "nothing was asked of the other service, with whatever token";
  put_connector("scans", "acme-harmless", 2);
  advance(31s);
  in(DeliveryState::delivered, one.id);
}

// D5: what the destination was asked for does not wait for a person any more, and is not asked for every half minute.
TEST_F(QueueTest, D5_AParkedOneWhoseDestinationIsAwayIsTriedLikeOthers) {
  stop_queue();
  queue = std::make_unique<Queue>(parts());
  const auto one = accepted("scans", "a.pdf", DeliveryState::parked);
  destination->answer = Error{.kind = ErrorKind::unavailable, .reason = "away", .text = "503", .retry_after = Seconds(600)};
  ASSERT_TRUE(run(queue->start()));
  const auto waiting = in(DeliveryState::queued, one.id);
  EXPECT_GE(waiting.due_at, wall.now() + 600s) << "Retry-After counts";
  EXPECT_EQ(waiting.tries, 1);
  destination->answer.reset();
  advance(601s);
  in(DeliveryState::delivered, one.id);
}

// Ten thousand of them would else keep the store's disk busy, and the connector's places.
TEST_F(QueueTest, D5_OneOfThoseThatWaitForTheSameIsLookedAtAndNothingIsWritten) {
  constexpr int kDocuments = 40, kLooks = 6;
  stop_queue();
  queue = std::make_unique<Queue>(parts());
  std::vector<DeliveryId> all;
  for (int n = 0; n < kDocuments; ++n) all.push_back(accepted("scans", "a.pdf", DeliveryState::parked).id);
  put_connector("scans", "acme-grace", 1);
  int looks = 0, written = 0;
  door->reading_grant = [&looks] { ++looks; };
  door->written = [&written](const store::Batch& batch) {
    written += static_cast<int>(std::ranges::count_if(
        batch, [](const store::Mutation& each) { return std::holds_alternative<store::PutDelivery>(each); }));
  };
  // Time goes on whenever nothing else does.
  const auto until = [&](auto done) {
    base::drive_until(loop, [&, calls = 0]() mutable {
      if (++calls % 50 == 0) advance(10s);
      return done();
    });
  };
  const auto look_again = [&] { until([&, before = looks] { return looks > before; }); };
  ASSERT_TRUE(run(queue->start()));
  for (int n = 0; n < 2 * kLooks; ++n) look_again();  // each of the first few finds out, and writes, what it waits for
  const auto looks_before = looks;
  written = 0;
  for (int n = 0; n < kLooks; ++n) look_again();
  EXPECT_EQ(looks - looks_before, kLooks);
  EXPECT_EQ(written, 0);
  // A person deletes the one that is looked at, whichever it is: the others are not forgotten.
  for (int n = 0; n < kDocuments / 2; ++n) {
    commit({store::DeleteDelivery{all.back()}});
    queue->withdraw(all.back());
    all.pop_back();
  }
  put_connector("scans", "acme-harmless", 2);
  until([&] { return destination->stored.size() == all.size(); });
  door->reading_grant = nullptr;
  door->written = nullptr;
}

TEST_F(QueueTest, D5_ADestinationThatNeedsAPersonIsAskedEverLessOften) {
  destination->answer = Error{.kind = ErrorKind::needs_person, .reason = "quota", .text = "The account is full."};
  const auto one = accepted();
  auto parked = in(DeliveryState::parked, one.id);
  for (int look_again = 0; look_again < 12; ++look_again) {
    const auto before = destination->sent.size();
    advance(std::chrono::duration_cast<Seconds>(parked.due_at - wall.now()) + 1s);
    base::drive_until(loop, [&] { return destination->sent.size() > before && !queue->is_sending(one.id); });
    parked = look(one.id);
    EXPECT_EQ(parked.state, DeliveryState::parked);
  }
  EXPECT_GE(parked.due_at, wall.now() + 600s);
  EXPECT_LE(destination->sent.size(), 13U);
}

// G, "a node delivers its own spool": who is told of another's document leaves it alone.
TEST_F(QueueTest, WhatLiesAtAnotherNodeIsLeftToIt) {
  destination->held = true;
  const auto mine = accepted();
  auto theirs = look(mine.id);
  theirs.id = DeliveryId::make(wall.now(), entropy);
  theirs.node = NodeId::make(wall.now(), entropy);
  theirs.state = DeliveryState::queued;
  theirs.version = 0;
  sealing.vouch(theirs);
  commit({store::PutDelivery{theirs}});
  queue->offer(theirs);
  destination->held = false;
  released->notify_all();
  in(DeliveryState::delivered, mine.id);
  EXPECT_EQ(look(theirs.id).state, DeliveryState::queued);
  EXPECT_EQ(destination->sent.size(), 1U);
}

// Another server has had it sent again: nobody has told this one, and there are very many before it.
TEST_F(QueueTest, TheSweepSeesBehindALongBacklog) {
  put_connector("other");
  destination->answer = Error{.kind = ErrorKind::refused, .reason = "no", .text = "No."};
  auto unheard_of = in(DeliveryState::failed, accepted("other", "other.pdf").id);
  base::drive_until(loop, [&] { return !queue->is_sending(unheard_of.id); });
  destination->answer.reset();
  destination->held = true;
  for (int n = 0; n < 4; ++n) accepted("scans", "first.pdf");
  base::drive_until(loop, [&] { return destination->sent.size() == 5; });
  store::Batch backlog;
  auto waits = look(unheard_of.id);
  waits.connector = "scans";
  waits.state = DeliveryState::queued;
  waits.due_at = wall.now();
  waits.version = 0;
  for (int n = 0; n < 600; ++n) {
    waits.id = DeliveryId::make(wall.now(), entropy);
    sealing.vouch(waits);
    backlog.emplace_back(store::PutDelivery{waits});
    queue->offer(waits);
  }
  commit(std::move(backlog));
  advance(1s);
  unheard_of.state = DeliveryState::queued;
  unheard_of.due_at = wall.now();
  commit({store::PutDelivery{unheard_of}});
  advance(61s);
  base::drive_until(loop, [&] { return destination->sent.back() == "other.pdf" && destination->sent.size() == 6; });
  stop_queue();
}

TEST_F(QueueTest, ALongBacklogToOneConnectorHoldsUpNoOther) {
  put_connector("slow");
  destination->held = true;
  tuning.pace = {.parallel = 3, .parallel_per_connector = 2, .per_minute_per_connector = 0};
  for (int i = 0; i < 12; ++i) accepted("slow", "slow.pdf");
  const auto other = accepted("scans", "other.pdf");
  base::drive_until(loop, [&] { return destination->sent.size() == 3; });
  EXPECT_EQ(destination->sent, (std::vector<std::string>{"slow.pdf", "slow.pdf", "other.pdf"}));
  destination->held = false;
  released->notify_all();
  in(DeliveryState::delivered, other.id);
}

// A person deletes what the queue has just begun.
TEST_F(QueueTest, WhatHasBegunIsNotDeletedUnderneath) {
  auto desk = make_desk();
  destination->held = true;
  const auto one = accepted();
  base::drive_until(loop, [&] { return !destination->sent.empty(); });
  EXPECT_EQ(run(desk.remove(one.id, {})).error().reason, "being_sent");
  destination->held = false;
  released->notify_all();
  in(DeliveryState::delivered, one.id);
  base::drive_until(loop, [&] { return !queue->is_sending(one.id); });
  // Changed between the desk's reading and its writing: the store refuses, and the desk says so.
  bool faster = false;
  door->before = [&faster, begun = look(one.id)](const store::Batch& batch) {
    const bool deletes = std::ranges::any_of(
        batch, [](const store::Mutation& each) { return std::holds_alternative<store::DeleteDelivery>(each); });
    if (!deletes || std::exchange(faster, true)) return store::Batch{};
    return store::Batch{store::PutDelivery{begun}};
  };
  EXPECT_EQ(run(desk.remove(one.id, {})).error().reason, "being_sent");
  EXPECT_TRUE(faster);
  EXPECT_TRUE(run(desk.remove(one.id, {})));
  EXPECT_EQ(run(desk.remove(one.id, {})).error().reason, "no_such_delivery");
}

// Retention: what nobody decides about goes after the time the settings give it, with its document and what it may open.
TEST_F(QueueTest, WhatNobodyDecidesAboutGoesAfterItsTime) {
  const auto is_gone = [this](DeliveryId id) { return !run(store->delivery(id)).value(); };
  destination->answer = Error{.kind = ErrorKind::refused, .reason = "no", .text = "No."};
  const auto failed = in(DeliveryState::failed, accepted().id);
  destination->answer = Error{.kind = ErrorKind::needs_person, .reason = "full", .text = "It is full."};
  const auto parked = in(DeliveryState::parked, accepted().id);
  destination->answer.reset();
  const auto delivered = in(DeliveryState::delivered, accepted().id);
  stop_queue();
  destination->answer = Error{.kind = ErrorKind::needs_person, .reason = "full", .text = "It is full."};
  tuning.keep_records = 30s * 60;
  ran_for(2h);
  start_queue();
  base::drive_until(loop, [&] { return is_gone(delivered.id); });
  EXPECT_FALSE(is_gone(failed.id)) << "unless somebody says so, documents wait for a person";
  EXPECT_FALSE(is_gone(parked.id));
  stop_queue();
  tuning.keep_failed = 1h;
  tuning.keep_parked = 3h;
  start_queue();
  base::drive_until(loop, [&] { return is_gone(failed.id); });
  EXPECT_FALSE(is_gone(parked.id));
  stop_queue();
  ran_for(2h);
  start_queue();
  // It is tried at this very moment: then it goes at the next look.
  base::drive_until(loop, [&] {
    advance(1s);
    return is_gone(parked.id);
  });
  base::drive_until(loop, [&] { return run(spool.documents())->empty(); });
  for (const auto& wrap : run(store->wraps(grant.id)).value()) EXPECT_NE(wrap.holder_kind, store::HolderKind::delivery);
  const auto trail = run(store->audit({.action = "delivery.expired"}));
  EXPECT_EQ(trail->items.size(), 2U);
}

// Three days are for a destination that is away: what waited for its account for longer has them still.
TEST_F(QueueTest, D5_WhatWaitedForItsAccountIsNotGivenUpMeanwhile) {
  stop_queue();
  queue = std::make_unique<Queue>(parts());
  const auto one = accepted("scans", "a.pdf", DeliveryState::parked);
  put_connector("scans", "acme-grace", 1);
  ASSERT_TRUE(run(queue->start()));
  base::drive_until(loop, [&] { return look(one.id).why.contains("another type"); });
  base::drive_until(loop, [&] { return !queue->is_sending(one.id); });
  advance(96h);
  destination->answer = Error{.kind = ErrorKind::unavailable, .reason = "away", .text = "503"};
  const auto asked_after = [&](Seconds span) {
    base::drive_until(loop, [&] { return !queue->is_sending(one.id); });
    const auto before = destination->sent.size();
    advance(span);
    base::drive_until(loop, [&] { return destination->sent.size() > before && !queue->is_sending(one.id); });
    return look(one.id).state;
  };
  put_connector("scans", "acme-harmless", 2);
  EXPECT_EQ(asked_after(31s), DeliveryState::queued);
  EXPECT_EQ(asked_after(71h), DeliveryState::queued);
  advance(2h);
  in(DeliveryState::failed, one.id);
  EXPECT_TRUE(look(one.id).why.starts_with("Given up")) << look(one.id).why;
}

// Its destination was away for two days, and then its account died: it waits for a day from then on.
TEST_F(QueueTest, D5_WhatIsParkedIsKeptFromThenOnAndNotFromItsAcceptance) {
  const auto is_gone = [this](DeliveryId id) { return !run(store->delivery(id)).value(); };
  destination->answer = Error{.kind = ErrorKind::unavailable, .reason = "away", .text = "503"};
  const auto late = accepted();
  auto& answer = destination->answers[late.id.text()] = *destination->answer;  // to that one, however often it is tried meanwhile
  base::drive_until(loop, [&] { return look(late.id).state == DeliveryState::queued && look(late.id).tries > 0; });
  destination->answer = Error{.kind = ErrorKind::refused, .reason = "no", .text = "No."};
  const auto failed = in(DeliveryState::failed, accepted("scans", "other.pdf").id);
  answer = Error{.kind = ErrorKind::needs_person, .reason = "full", .text = "It is full."};
  advance(48h);
  in(DeliveryState::parked, late.id);
  stop_queue();
  tuning.keep_failed = 1s;
  tuning.keep_parked = 24h;
  ran_for(2s);
  start_queue();
  // It is the younger one: what becomes of the other is decided before.
  base::drive_until(loop, [&] { return is_gone(failed.id); });
  EXPECT_FALSE(is_gone(late.id)) << "parked a moment ago";
  stop_queue();
  ran_for(25h);
  start_queue();
  base::drive_until(loop, [&] {
    advance(1s);
    return is_gone(late.id);
  });
}

}  // namespace
}  // namespace latchkey::delivery

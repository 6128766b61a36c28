#include "grants/key_rotation.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "grants/node_desk.h"

namespace latchkey::grants {
namespace {

using namespace std::chrono_literals;
using Stage = RotationState::Stage;

constexpr Stage kLastStage = Stage::devices;
constexpr auto kAgainAfter = 5s;
constexpr auto kToldFor = std::chrono::hours(7 * 24);

// From this commit on the store says which key is the newer one; before anything is sealed under it. Only where it named the one before.
// `as_read` is compared first: what follows writes over some of it.
store::Batch naming(store::Batch as_read, const RotationState& state, Bytes kept, Bytes lookup_key) {
  const store::Batch names{store::CompareMeta{std::string(kMasterKeyMeta), state.from}, store::CompareMeta{std::string(kRotationMeta), {}},
                           store::PutMeta{std::string(kMasterKeyMeta), state.to}, store::PutMeta{std::string(kRotationMeta), std::move(kept)},
                           store::PutMeta{std::string(kPreparedMeta), {}}, store::PutMeta{std::string(kLookupKeyMeta), std::move(lookup_key)},
                           store::PutMeta{std::string(kBackupDoneMeta), {}}};
  as_read.insert(as_read.end(), names.begin(), names.end());
  return as_read;
}

std::string left_as_they_were(std::int64_t unreadable) {
  return unreadable == 0 ? "" : fmt::format(" {} stored secrets did not open under it and were left as they are; see the log.", unreadable);
}

}  // namespace

KeyRotation::KeyRotation(Parts parts) : parts_(std::move(parts)), group_(parts_.executor, parts_.log), lies_in_(parts_.files.path()) { publish(); }

KeyStatus KeyRotation::status() const {
  const std::lock_guard lock(mutex_);
  return published_;
}

void KeyRotation::publish() {
  KeyStatus now{.id = parts_.vault.master_key_id(), .path = lies_in_, .place = parts_.files.path(), .rotation = state_ ? state_ : followed_,
                .retired = retired_, .prepared = prepared_, .awaited = awaited_};
  const std::lock_guard lock(mutex_);
  published_ = std::move(now);
}

Task<Result<void>> KeyRotation::start(Bytes journals_key) {
  auto kept = co_await parts_.store.meta(std::string(kRotationMeta));
  if (!kept) co_return std::unexpected(kept.error());
  const auto retired = co_await parts_.store.meta(std::string(kRetiredMeta));
  if (!retired) co_return std::unexpected(retired.error());
  auto state = RotationState::from_octets(*kept);
  retired_ = RetiredKey::from_octets(*retired);
  writes_since_ = parts_.steady.now();
  publish();
  if (state) {
    second_ = state->from;
    install_files(state->from);
    if (!parts_.shared || state->owner == parts_.node) {
      parts_.log.info("master_key_rotation_resumed", {{"stage", name_of(state->stage)}, {"done", state->done}});
      go_on(*std::move(state), *std::move(kept));
    }
  } else if (retired_) {
    second_ = journals_ = std::move(journals_key);
    install_files(retired_->id);  // says what is to be done where the key in use still has not got its place
  }
  if (parts_.shared) group_.spawn("keys of other servers", follow());
  co_return Result<void>{};
}

void KeyRotation::go_on(RotationState state, Bytes kept) {
  state_ = std::move(state);
  kept_ = std::move(kept);
  followed_.reset();
  publish();
  group_.spawn("key rotation", run());
}

Task<void> KeyRotation::stop() {
  stopping_ = true;
  co_await group_.cancel_and_wait();
}

Task<Result<std::int64_t>> KeyRotation::count_records() {
  const auto groups = co_await parts_.store.groups();
  if (!groups) co_return std::unexpected(groups.error());
  const auto grants = co_await parts_.store.grant_states();
  if (!grants) co_return std::unexpected(grants.error());
  std::int64_t total = 0;
  for (const auto& row : *groups) total += row.users;
  for (const auto& row : *grants) total += row.count;
  co_return total;
}

Task<Result<void>> KeyRotation::rotate(Requester requester) {
  if (state_ || followed_ || beginning_) {
    co_return fail(ErrorKind::conflict, "rotation_in_progress",
                   "The master key is being rotated already; `latchkey keys status` shows how far it is.");
  }
  beginning_ = true;
  struct Over {
    bool& flag;
    ~Over() { flag = false; }
  } const over{beginning_};
  if (retired_) install_files(retired_->id);  // somebody may have put the last one in place meanwhile
  auto roll = co_await call_roll(parts_.store, parts_.node, [](const HeldKeys&) { return false; });
  if (!roll) co_return std::unexpected(roll.error());
  if (!roll->awaited.empty() && !parts_.shared) {
    co_return fail(ErrorKind::conflict, "other_nodes",
                   fmt::format("The store knows other servers that have not stopped ({}). One that will not come back: `latchkey node forget`. Nothing was changed.",
                               listed(roll->awaited)));
  }
  if (!roll->awaited.empty()) co_return co_await prepare(std::move(requester), *std::move(roll));
  auto next = parts_.files.make_next(parts_.entropy);
  if (!next) co_return std::unexpected(next.error());
  co_return co_await begin(*std::move(next), std::move(roll->as_read), std::move(requester));
}

std::unexpected<Error> KeyRotation::not_in_place(const std::string& path) const {
  return fail(ErrorKind::misconfigured, "key_not_in_place",
              fmt::format("The master key in use lies in {} since the last rotation. Put it in place of {} first (with systemd: into the credential), restart, "
                          "and move that file away.", path, parts_.files.path()));
}

Task<Result<void>> KeyRotation::prepare(Requester requester, RollCall roll) {
  const auto sight = co_await read();
  if (!sight) co_return std::unexpected(sight.error());
  const auto next = parts_.files.make_next(parts_.entropy);
  if (!next) co_return std::unexpected(next.error());
  PreparedKey prepared{.from = parts_.vault.master_key_id(), .to = vault::Vault::id_of(next->key), .mark = parts_.entropy.bytes(8),
                       .since = parts_.wall.now(), .node = parts_.node, .machine = parts_.machine, .path = next->path};
  if (prepared.to == prepared.from) co_return not_in_place(next->path);
  if (sight->rotation || (sight->prepared && sight->prepared->to != prepared.to)) {
    co_return fail(ErrorKind::conflict, "rotation_in_progress",
                   sight->rotation ? std::string("The master key is being rotated already; `latchkey keys status` shows how far it is.")
                                   : fmt::format("{} has prepared a new master key already, in {}: copy it to the others, or give it up (`latchkey keys cancel`).",
                                                 sight->prepared->machine, sight->prepared->path));
  }
  store::Batch batch{store::CompareMeta{std::string(kMasterKeyMeta), prepared.from}, store::CompareMeta{std::string(kRotationMeta), {}},
                     store::CompareMeta{std::string(kPreparedMeta), sight->prepared_kept},
                     store::PutMeta{std::string(kPreparedMeta), prepared.to_octets()},
                     store::AppendAudit{{.at = prepared.since, .actor = requester.actor, .action = "master_key.prepared", .subject = "master key",
                                         .source = requester.source, .detail = fmt::format("{}, for {}.", base::to_hex(prepared.to), listed(roll.awaited))}}};
  if (auto committed = co_await parts_.store.commit(std::move(batch)); !committed) co_return committed;
  parts_.log.info("master_key_prepared", {{"to", base::to_hex(prepared.to)}, {"path", prepared.path}});
  deeds_ += 1;
  static_cast<void>(hold_besides(next->key, prepared.to));
  awaited_ = std::move(roll.awaited);
  prepared_ = std::move(prepared);
  publish();
  co_return Result<void>{};
}

Task<Result<void>> KeyRotation::cancel(Requester requester) {
  const auto sight = co_await read();
  if (!sight) co_return std::unexpected(sight.error());
  if (!sight->prepared) co_return fail(ErrorKind::conflict, "not_prepared", "No new master key is prepared; a rotation that has begun goes to its end.");
  store::Batch batch{store::CompareMeta{std::string(kPreparedMeta), sight->prepared_kept}, store::PutMeta{std::string(kPreparedMeta), {}},
                     store::AppendAudit{{.at = parts_.wall.now(), .actor = requester.actor, .action = "master_key.given_up", .subject = "master key",
                                         .source = requester.source, .detail = base::to_hex(sight->prepared->to)}}};
  if (auto committed = co_await parts_.store.commit(std::move(batch)); !committed) co_return committed;
  deeds_ += 1;
  if (!state_ && parts_.vault.rotating() && second_ == sight->prepared->to) {
    parts_.vault.end_rotation();
    second_.clear();
  }
  prepared_.reset();
  awaited_.clear();
  publish();
  co_return Result<void>{};
}

Task<Result<void>> KeyRotation::begin(vault::KeyFiles::Found next, store::Batch as_read, Requester requester) {
  const auto total = co_await count_records();
  if (!total) co_return std::unexpected(total.error());
  const auto now = parts_.wall.now();
  RotationState state{.from = parts_.vault.master_key_id(), .to = vault::Vault::id_of(next.key), .owner = parts_.node, .started_at = now, .total = *total};
  if (state.to == state.from) co_return not_in_place(next.path);
  if (parts_.vault.rotating() && second_ != state.to) {
    if (reads_for_journal()) {
      co_return fail(ErrorKind::conflict, "rotation_in_progress",
                     "What this server's journal holds from before the last rotation is still being sealed anew. Try again in a few minutes.");
    }
    parts_.vault.end_rotation();  // what was prepared before, and is not there any more
    second_.clear();
  }
  auto kept = state.to_octets();
  auto batch = naming(std::move(as_read), state, kept, parts_.vault.export_lookup_key(next.key));
  batch.push_back(store::AppendAudit{{.at = now, .actor = requester.actor, .action = "master_key.rotation_begun", .subject = "master key",
                                      .source = requester.source,
                                      .detail = fmt::format("From {} to {}.", base::to_hex(state.from), base::to_hex(state.to))}});
  if (auto committed = co_await parts_.store.commit(std::move(batch)); !committed) {
    if (committed.error().kind != ErrorKind::ambiguous) co_return committed;
    const auto known = co_await parts_.store.meta(std::string(kMasterKeyMeta));
    if (!known || *known != state.to) co_return committed;  // the next start finds out
  }
  deeds_ += 1;
  parts_.vault.begin_rotation(next.key);
  lies_in_ = next.path;
  second_ = state.from;
  writes_since_ = parts_.steady.now();
  prepared_.reset();
  parts_.alerts.clear("master_key_prepared");
  parts_.log.info("master_key_rotation_begun", {{"from", base::to_hex(state.from)}, {"to", base::to_hex(state.to)}});
  install_files(state.from);
  go_on(std::move(state), std::move(kept));
  co_return Result<void>{};
}

bool KeyRotation::hold_besides(const Secret& key, ByteView id) {
  if (parts_.vault.rotating() && std::ranges::equal(second_, id)) return true;
  if (parts_.vault.rotating() && reads_for_journal()) return false;
  if (parts_.vault.rotating()) parts_.vault.end_rotation();  // what was prepared before, and has been given up
  parts_.vault.hold_former(key);
  second_.assign(id.begin(), id.end());
  return true;
}

void KeyRotation::install_files(ByteView from) {
  const auto to = parts_.vault.master_key_id();
  if (const auto installed = parts_.files.install(from, to, parts_.entropy); !installed) {
    parts_.alerts.raise("master_key_not_in_place", installed.error().text);
  } else {
    parts_.alerts.clear("master_key_not_in_place");
  }
  if (const auto found = parts_.files.find(to, parts_.entropy)) lies_in_ = found->path;
  publish();
}

Task<void> KeyRotation::run() {
  bool settled = false;  // the last pass has found nothing
  bool whole = false;    // ... and began when nobody could seal anything under the old key any more
  while (!stopping_) {
    // Before the pass that finds nothing more: what they have sealed under the old key until then, it finds.
    const auto to = state_->to;
    const auto others = co_await call_roll(parts_.store, parts_.node, [&to](const HeldKeys& held) { return held.writes == to && held.journal == to; });
    if (others) awaited_ = others->awaited;
    publish();
    if (others && settled && !awaited_.empty()) {
      parts_.alerts.raise("master_key_rotation",
                          fmt::format("The rotation of the master key ends when every server writes under the new one, and {} does not yet. Start it, with a "
                                      "copy of {}; one that will not come back: `latchkey node forget`.", listed(awaited_), lies_in_));
      co_await parts_.steady.sleep_for(kAgainAfter);
      continue;
    }
    const bool rested = parts_.steady.now() - writes_since_ >= parts_.rest();
    whole = others && awaited_.empty() && rested && state_->stage == Stage::users && state_->cursor.empty();
    const auto passed = others ? co_await pass() : std::unexpected(others.error());
    if (!passed) {
      if (co_await is_lost(passed.error())) co_return;
      parts_.log.error("master_key_rotation_waits", passed.error());
      parts_.alerts.raise("master_key_rotation", "The rotation of the master key cannot go on, and is tried again: " + passed.error().text);
      co_await parts_.steady.sleep_for(kAgainAfter);
      continue;
    }
    parts_.alerts.clear("master_key_rotation");  // it goes on, for hours perhaps
    settled = state_->changed == 0 && state_->passes > 1;
    state_->changed = 0;
    if (!settled || (awaited_.empty() && !whole)) {
      // What was read under the old key, or sealed under it just before, may still be on its way.
      co_await parts_.steady.sleep_for(parts_.rest());
      continue;
    }
    if (!awaited_.empty()) continue;
    const auto finished = co_await finish(others->as_read);
    if (finished || co_await is_lost(finished.error())) co_return;
    co_await parts_.steady.sleep_for(kAgainAfter);
  }
}

// Another node has taken over what this one, silent for long, was at; or has this one come to its end, and not heard of it.
Task<bool> KeyRotation::is_lost(const Error& error) {
  if (error.reason != "meta") co_return false;
  auto sight = co_await read();
  if (!sight) co_return false;
  if (sight->rotation && sight->rotation->owner == state_->owner) {
    kept_ = std::move(sight->kept);  // the answer to an earlier commit was lost, or a server has come meanwhile
    co_return false;
  }
  const bool over = !sight->rotation && sight->retired && sight->retired->id == state_->from;
  if (over && !parts_.shared) {
    conclude(*std::move(sight->retired));
    co_return true;
  }
  if (over) {
    // At another server, which took this one for lost: its journal is looked after before the old key goes (let_go).
    parts_.alerts.clear("master_key_rotation");
    retired_ = std::move(sight->retired);
    journal_is_anew_ = false;
    state_.reset();
    awaited_.clear();
    publish();
    co_return true;
  }
  if (!sight->rotation && sight->known == state_->from) {
    if (const auto again = co_await name_again(*state_); !again) parts_.log.error("master_key_rotation_waits", again.error());
    co_return false;
  }
  parts_.log.warning("master_key_rotation_lost", {{"to", base::to_hex(state_->to)}});
  state_.reset();
  publish();
  co_return true;
}

Task<Result<void>> KeyRotation::name_again(RotationState state) {
  const auto roll = co_await call_roll(parts_.store, parts_.node, [&state](const HeldKeys& held) { return held.writes == state.to || held.reads == state.to; });
  if (!roll) co_return std::unexpected(roll.error());
  if (!roll->awaited.empty()) {
    co_return fail(ErrorKind::unavailable, "other_nodes",
                   fmt::format("The database has forgotten that the rotation had begun, and {} does not hold the new key.", listed(roll->awaited)));
  }
  const auto next = parts_.files.find_unretired(state.to, parts_.entropy);
  if (!next) co_return fail(ErrorKind::misconfigured, "master_key_missing", "The new master key lies in no file of this server any more.");
  state.owner = parts_.node;
  state.stage = Stage::users;
  state.cursor.clear();
  state.passes = 0;
  auto kept = state.to_octets();
  auto batch = naming(roll->as_read, state, kept, parts_.vault.export_lookup_key(next->key));
  if (auto done = co_await parts_.store.commit(std::move(batch)); !done) co_return done;
  parts_.log.warning("master_key_rotation_named_again", {{"to", base::to_hex(state.to)}});
  if (state_) {
    state_ = std::move(state);
    kept_ = std::move(kept);
  } else {
    go_on(std::move(state), std::move(kept));
  }
  co_return Result<void>{};
}

Task<Result<void>> KeyRotation::pass() {
  for (;;) {
    const auto end = co_await page();
    if (!end) co_return std::unexpected(end.error());
    if (state_->passes == 0) state_->done = std::min(state_->total, state_->done + end->records);
    state_->cursor = end->cursor;
    const bool last = end->cursor.empty() && state_->stage == kLastStage;
    if (end->cursor.empty()) state_->stage = last ? Stage::users : static_cast<Stage>(static_cast<int>(state_->stage) + 1);
    if (last) {
      state_->passes += 1;
      state_->done = state_->total;
    }
    if (auto saved = co_await save(); !saved) co_return saved;
    publish();
    if (last) co_return Result<void>{};
  }
}

Task<Result<void>> KeyRotation::save() {
  auto next = state_->to_octets();
  auto done = co_await parts_.store.commit({store::CompareMeta{std::string(kRotationMeta), kept_}, store::PutMeta{std::string(kRotationMeta), next}},
                                           store::Urgency::bookkeeping);
  if (done) kept_ = std::move(next);
  co_return done;
}

// `as_read`: which servers there are, all of them as far as they must be.
Task<Result<void>> KeyRotation::finish(store::Batch as_read) {
  install_files(state_->from);
  const auto now = parts_.wall.now();
  RetiredKey retired{.id = state_->from, .retired_at = now, .path = parts_.files.retired_path(state_->from)};
  if (const auto aside = parts_.files.aside(state_->from, parts_.entropy)) {
    retired.path = *aside;
  } else if (const auto found = parts_.files.find(state_->from, parts_.entropy)) {
    retired.path = found->path;
  }
  auto batch = std::move(as_read);
  batch.push_back(store::CompareMeta{std::string(kRotationMeta), kept_});
  batch.push_back(store::PutMeta{std::string(kRotationMeta), {}});
  batch.push_back(store::PutMeta{std::string(kRetiredMeta), retired.to_octets()});
  batch.push_back(store::AppendAudit{{.at = now, .actor = "server", .action = "master_key.rotated", .subject = "master key",
                                      .detail = fmt::format("{} is retired and kept in {}.{}", base::to_hex(state_->from), retired.path, left_as_they_were(state_->unreadable))}});
  if (auto committed = co_await parts_.store.commit(std::move(batch)); !committed) {
    parts_.log.error("master_key_rotation_waits", committed.error());
    co_return committed;
  }
  conclude(std::move(retired));
  co_return Result<void>{};
}

void KeyRotation::conclude(RetiredKey retired) {
  deeds_ += 1;
  parts_.vault.end_rotation();
  second_.clear();
  parts_.user_cards.clear();
  parts_.log.info("master_key_rotated", {{"retired", base::to_hex(state_->from)}, {"path", retired.path}, {"unreadable", state_->unreadable}});
  parts_.alerts.clear("master_key_rotation");
  parts_.alerts.tell("master_key_rotated",
                     fmt::format("Everything is sealed under the new master key. Put a copy of {} away. The old key is kept in {}: plain copies of the database from "
                                 "before need it. Move it to a safe place apart from this machine, or delete it when there are none.{}",
                                 lies_in_, retired.path, left_as_they_were(state_->unreadable)),
                     kToldFor);
  state_.reset();
  awaited_.clear();
  retired_ = std::move(retired);
  publish();
}

}  // namespace latchkey::grants

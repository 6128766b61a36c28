// What a server does about the master keys of the others: it holds what is prepared, writes under the new key when a rotation has begun,
// seals its own journal's replies anew, drops the old key when it is over, and says in the store how far it is.
#include <fmt/format.h>

#include <algorithm>

#include "grants/key_rotation.h"
#include "grants/node_desk.h"

namespace latchkey::grants {
namespace {

constexpr Seconds kLookEvery{5};
constexpr auto kNextUnusable = "master_key_not_in_place:next";

}  // namespace

Task<void> KeyRotation::follow() {
  while (!stopping_) {
    if (const auto looked = co_await look(); !looked) {
      parts_.log.debug("keys_not_looked_at", {{"reason", looked.error().reason}, {"detail", looked.error().text}});
    }
    co_await parts_.steady.sleep_for(kLookEvery);
  }
}

Task<Result<KeyRotation::Sight>> KeyRotation::read() {
  // In the order in which a key goes from one to the next: what moves on meanwhile is seen twice rather than nowhere.
  Sight sight;
  auto prepared = co_await parts_.store.meta(std::string(kPreparedMeta));
  if (!prepared) co_return std::unexpected(prepared.error());
  auto kept = co_await parts_.store.meta(std::string(kRotationMeta));
  if (!kept) co_return std::unexpected(kept.error());
  const auto retired = co_await parts_.store.meta(std::string(kRetiredMeta));
  if (!retired) co_return std::unexpected(retired.error());
  auto known = co_await parts_.store.meta(std::string(kMasterKeyMeta));
  if (!known) co_return std::unexpected(known.error());
  sight.known = *std::move(known);
  sight.rotation = RotationState::from_octets(*kept);
  sight.kept = *std::move(kept);
  sight.prepared = PreparedKey::from_octets(*prepared);
  sight.prepared_kept = *std::move(prepared);
  sight.retired = RetiredKey::from_octets(*retired);
  co_return sight;
}

Task<Result<void>> KeyRotation::look() {
  const auto deeds = deeds_;
  const auto sight = co_await read();
  if (!sight) co_return std::unexpected(sight.error());
  if (state_ || beginning_ || deeds_ != deeds) co_return Result<void>{};  // this one's own, whatever was read a moment ago
  retired_ = sight->retired;
  // It has followed a rotation whose beginning the store has forgotten, and whoever was at it may be gone.
  if (!sight->rotation && parts_.vault.rotating() && sight->known == second_) {
    RotationState forgotten{.from = second_, .to = parts_.vault.master_key_id(), .started_at = parts_.wall.now()};
    if (const auto total = co_await count_records()) forgotten.total = *total;
    co_return co_await name_again(std::move(forgotten));
  }
  take_next(*sight);
  hold_what_is_to_come(*sight);
  const bool follows = sight->rotation || reads_former();
  if (follows && parts_.vault.rotating()) {
    if (auto anew = co_await look_after_journal(); !anew) co_return anew;
  }
  let_go(*sight);
  followed_ = sight->rotation;
  prepared_ = sight->prepared;
  if (!prepared_) parts_.alerts.clear("master_key_prepared");
  if (!sight->prepared) awaited_.clear();
  publish();
  if (!sight->rotation && !sight->prepared) co_return Result<void>{};
  if (auto said = co_await say_what_is_held(); !said) co_return said;
  if (sight->rotation) co_return co_await take_over(*sight);
  co_return co_await begin_when_all_hold(*sight);
}

// The store names another key than this one writes under: the one that a rotation of it leads, or has led, to. Anything else is for
// Nodes, which then refreshes nothing more.
void KeyRotation::take_next(const Sight& sight) {
  const auto own = parts_.vault.master_key_id();
  const bool under_way = sight.rotation && sight.rotation->from == own && sight.rotation->to == sight.known;
  const bool over = !sight.rotation && sight.retired && sight.retired->id == own;
  if (sight.known == own || (!under_way && !over)) return;
  // Not one that was retired, whatever the store says: it may be why somebody rotates.
  const auto next = parts_.files.find_unretired(sight.known, parts_.entropy);
  if (!next) return;
  if (parts_.vault.rotating() && second_ != sight.known) parts_.vault.end_rotation();
  parts_.vault.begin_rotation(next->key);
  second_ = own;
  writes_since_ = parts_.steady.now();
  journal_is_anew_ = false;
  parts_.log.info("master_key_followed", {{"from", base::to_hex(own)}, {"to", base::to_hex(sight.known)}});
  install_files(own);
}

void KeyRotation::hold_what_is_to_come(const Sight& sight) {
  const auto own = parts_.vault.master_key_id();
  const bool is_prepared = !sight.rotation && sight.prepared && sight.prepared->from == own;
  if (!is_prepared) parts_.alerts.clear(kNextUnusable);
  if (sight.rotation && sight.rotation->to == own) {  // what is left under the old one is read, too
    const auto& from = sight.rotation->from;
    if (const auto found = parts_.files.find(from, parts_.entropy)) static_cast<void>(hold_besides(found->key, from));
  } else if (is_prepared) {
    const auto found = parts_.files.find_unretired(sight.prepared->to, parts_.entropy);
    const auto wrong = found ? std::nullopt : parts_.files.wrong_with_next(parts_.entropy);
    if (wrong) parts_.alerts.raise(kNextUnusable, "A new master key was put here, and cannot be used: " + wrong->text);
    else parts_.alerts.clear(kNextUnusable);
    if (found) static_cast<void>(hold_besides(found->key, sight.prepared->to));
  }
}

// The rotation is over, or what was prepared has been given up.
void KeyRotation::let_go(const Sight& sight) {
  const bool is_needed = sight.rotation || (sight.prepared && sight.prepared->to == second_);
  if (is_needed || !parts_.vault.rotating() || sight.known != parts_.vault.master_key_id()) return;
  // Whoever hears of a rotation only after its end still has replies of its own under the old key.
  if (reads_for_journal()) return;
  parts_.vault.end_rotation();
  second_.clear();
  journal_is_anew_ = false;
  parts_.user_cards.clear();
  if (retired_) install_files(retired_->id);
  parts_.log.info("master_key_let_go", {{"writes", base::to_hex(sight.known)}});
}

// What was sealed under the old key just before may be on its way to the journal: until a rest has passed without any.
Task<Result<void>> KeyRotation::look_after_journal() {
  if (journal_is_anew_) co_return Result<void>{};
  const bool rested = parts_.steady.now() - writes_since_ >= parts_.rest();
  const auto resealed = co_await reseal_journal();
  if (!resealed) co_return std::unexpected(resealed.error());
  journal_is_anew_ = rested && resealed->changed == 0;
  if (!journal_is_anew_) co_return Result<void>{};
  for (const auto& intent : resealed->unreadable) parts_.log.warning("record_not_renewed", {{"table", "journal"}, {"id", intent.text()}});
  co_return Result<void>{};
}

Task<Result<void>> KeyRotation::say_what_is_held() {
  const auto nodes = co_await parts_.store.nodes();
  if (!nodes) co_return std::unexpected(nodes.error());
  const auto self = std::ranges::find(*nodes, parts_.node, &store::Node::id);
  if (self == nodes->end() || self->run.empty()) co_return Result<void>{};  // declared lost: Nodes comes back first
  HeldKeys held{.run = self->run, .writes = parts_.vault.master_key_id(), .reads = second_};
  if (prepared_ && prepared_->to == second_ && parts_.files.find_unretired(second_, parts_.entropy)) held.mark = prepared_->mark;
  if (journal_is_anew_) held.journal = held.writes;
  const auto key = held_keys_meta(parts_.node);
  const auto said = co_await parts_.store.meta(key);
  if (!said) co_return std::unexpected(said.error());
  if (HeldKeys::from_octets(*said) == held) co_return Result<void>{};
  co_return co_await parts_.store.commit({store::PutMeta{key, held.to_octets()}}, store::Urgency::bookkeeping);
}

// Of a server that has stopped in order, or was forgotten. One that has died is waited for: its journal may hold replies under the old key.
Task<Result<void>> KeyRotation::take_over(const Sight& sight) {
  const auto nodes = co_await parts_.store.nodes();
  if (!nodes) co_return std::unexpected(nodes.error());
  auto state = *sight.rotation;
  const auto owner = std::ranges::find(*nodes, state.owner, &store::Node::id);
  if (state.to != parts_.vault.master_key_id() || second_ != state.from || (owner != nodes->end() && !owner->run.empty() && state.owner != parts_.node)) {
    co_return Result<void>{};
  }
  state.owner = parts_.node;
  auto kept = state.to_octets();
  auto done = co_await parts_.store.commit({store::CompareMeta{std::string(kRotationMeta), sight.kept}, store::PutMeta{std::string(kRotationMeta), kept}});
  if (!done) co_return done;
  parts_.log.info("master_key_rotation_taken_over", {{"stage", name_of(state.stage)}, {"done", state.done}});
  go_on(std::move(state), std::move(kept));
  co_return Result<void>{};
}

// The server that was to begin has stopped in order, or was forgotten.
Task<Result<void>> KeyRotation::prepare_in_its_stead(const Sight& sight) {
  const auto nodes = co_await parts_.store.nodes();
  if (!nodes) co_return std::unexpected(nodes.error());
  const auto other = std::ranges::find(*nodes, sight.prepared->node, &store::Node::id);
  const auto found = parts_.files.find_unretired(sight.prepared->to, parts_.entropy);
  if (!found || (other != nodes->end() && !other->run.empty())) co_return Result<void>{};
  auto mine = *sight.prepared;
  mine.node = parts_.node;
  mine.machine = parts_.machine;
  mine.path = found->path;
  co_return co_await parts_.store.commit({store::CompareMeta{std::string(kPreparedMeta), sight.prepared_kept},
                                          store::PutMeta{std::string(kPreparedMeta), mine.to_octets()}});
}

Task<Result<void>> KeyRotation::begin_when_all_hold(const Sight& sight) {
  const auto& prepared = *sight.prepared;
  auto roll = co_await call_roll(parts_.store, parts_.node, [&prepared](const HeldKeys& held) { return held.reads == prepared.to && held.mark == prepared.mark; });
  if (!roll) co_return std::unexpected(roll.error());
  awaited_ = roll->awaited;
  publish();
  if (beginning_ || state_ || second_ != prepared.to || prepared.from != parts_.vault.master_key_id()) co_return Result<void>{};
  if (!awaited_.empty()) {
    parts_.alerts.raise("master_key_prepared",
                        fmt::format("A new master key is prepared on {} in {}. Put a copy of it (mode 0600) beside the master key of {}, by the same name with .next "
                                    "at its end: the rotation begins by itself when every server holds it. To give it up: `latchkey keys cancel`.",
                                    prepared.machine, prepared.path, listed(awaited_)));
    co_return Result<void>{};
  }
  if (prepared.node != parts_.node) co_return co_await prepare_in_its_stead(sight);
  auto next = parts_.files.find_unretired(prepared.to, parts_.entropy);
  if (!next) {
    co_return fail(ErrorKind::misconfigured, "master_key_missing", fmt::format("The new master key is not in {} any more.", prepared.path));
  }
  roll->as_read.push_back(store::CompareMeta{std::string(kPreparedMeta), sight.prepared_kept});
  beginning_ = true;
  struct Over {
    bool& flag;
    ~Over() { flag = false; }
  } const over{beginning_};
  co_return co_await begin(*std::move(next), std::move(roll->as_read), {.actor = "server"});
}

}  // namespace latchkey::grants

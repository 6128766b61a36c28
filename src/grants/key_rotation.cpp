#include "grants/key_rotation.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "grants/node_desk.h"

namespace latchkey::grants {
namespace {

using namespace std::chrono_literals;
using Stage = RotationState::Stage;

constexpr Stage kLastStage = Stage::devices;
constexpr std::size_t kPage = 50;  // some milliseconds of the engine's time
constexpr int kReadingsMax = 5;
constexpr auto kAgainAfter = 5s;
constexpr auto kToldFor = std::chrono::hours(7 * 24);

template <class Id>
Id id_of(ByteView cursor) {
  return Id::from_bytes(cursor).value_or(Id{});
}

template <class Id>
Bytes cursor_of(const Id& id) {
  return {id.bytes().begin(), id.bytes().end()};
}

// A page shorter than asked for is the last one.
template <class Record>
Bytes next_cursor(const std::vector<Record>& records) {
  return records.size() < kPage ? Bytes() : cursor_of(records.back().id);
}

}  // namespace

KeyRotation::KeyRotation(Parts parts) : parts_(std::move(parts)), group_(parts_.executor, parts_.log), lies_in_(parts_.files.path()) { publish(); }

KeyStatus KeyRotation::status() const {
  const std::lock_guard lock(mutex_);
  return published_;
}

void KeyRotation::publish() {
  KeyStatus now{.id = parts_.vault.master_key_id(), .path = lies_in_, .place = parts_.files.path(), .rotation = state_, .retired = retired_};
  const std::lock_guard lock(mutex_);
  published_ = std::move(now);
}

Task<Result<void>> KeyRotation::start() {
  const auto kept = co_await parts_.store.meta(std::string(kRotationMeta));
  if (!kept) co_return std::unexpected(kept.error());
  const auto retired = co_await parts_.store.meta(std::string(kRetiredMeta));
  if (!retired) co_return std::unexpected(retired.error());
  state_ = RotationState::from_octets(*kept);
  retired_ = RetiredKey::from_octets(*retired);
  publish();
  if (state_) {
    parts_.log.info("master_key_rotation_resumed", {{"stage", name_of(state_->stage)}, {"done", state_->done}});
    group_.spawn("key rotation", run());
  } else if (retired_) {
    install_files();  // says what is to be done where the key in use still has not got its place
  }
  co_return Result<void>{};
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
  if (state_ || beginning_) {
    co_return fail(ErrorKind::conflict, "rotation_in_progress",
                   "The master key is being rotated already; `latchkey keys status` shows how far it is.");
  }
  beginning_ = true;
  struct Over {
    bool& flag;
    ~Over() { flag = false; }
  } const over{beginning_};
  if (retired_) install_files();  // somebody may have put the last one in place meanwhile
  const auto joined = co_await parts_.store.meta(std::string(kJoinedMeta));
  if (!joined) co_return std::unexpected(joined.error());
  const auto others = co_await others_at_work(parts_.store, parts_.node);
  if (!others) co_return std::unexpected(others.error());
  if (!others->empty()) {
    co_return fail(ErrorKind::conflict, "other_nodes",
                   fmt::format("Other servers work on this database ({}), and would not know the new key. Stop them (`latchkey node list`; one that "
                               "will not come back: `latchkey node forget`), rotate, put a copy of the new key file in their place, start them. "
                               "This one goes on serving meanwhile; nothing was changed.", *others));
  }
  const auto total = co_await count_records();
  if (!total) co_return std::unexpected(total.error());
  const auto next = parts_.files.make_next(parts_.entropy);
  if (!next) co_return std::unexpected(next.error());
  const auto now = parts_.wall.now();
  RotationState state{.from = parts_.vault.master_key_id(), .to = vault::Vault::id_of(next->key), .started_at = now, .total = *total};
  if (state.to == state.from) {
    co_return fail(ErrorKind::misconfigured, "key_not_in_place",
                   fmt::format("The master key in use lies in {} since the last rotation. Put it in place of {} first (with systemd: into "
                               "the credential), restart, and move that file away.",
                               next->path, parts_.files.path()));
  }
  // From here on the store says which key is the newer one; before anything is sealed under it.
  store::Batch batch{store::CompareMeta{std::string(kMasterKeyMeta), state.from},
                     store::CompareMeta{std::string(kJoinedMeta), *joined},  // and none has come since
                     store::PutMeta{std::string(kMasterKeyMeta), state.to},
                     store::PutMeta{std::string(kRotationMeta), state.to_octets()},
                     store::PutMeta{std::string(kLookupKeyMeta), parts_.vault.export_lookup_key(next->key)},
                     store::PutMeta{std::string(kBackupDoneMeta), {}},
                     store::AppendAudit{{.at = now, .actor = requester.actor, .action = "master_key.rotation_begun",
                                         .subject = "master key", .source = requester.source,
                                         .detail = fmt::format("From {} to {}.", base::to_hex(state.from), base::to_hex(state.to))}}};
  if (auto committed = co_await parts_.store.commit(std::move(batch)); !committed) {
    if (committed.error().kind != ErrorKind::ambiguous) co_return committed;
    const auto known = co_await parts_.store.meta(std::string(kMasterKeyMeta));
    if (!known || *known != state.to) co_return committed;  // the next start finds out
  }
  parts_.vault.begin_rotation(next->key);
  lies_in_ = next->path;
  state_ = std::move(state);
  publish();
  parts_.log.info("master_key_rotation_begun", {{"from", base::to_hex(state_->from)}, {"to", base::to_hex(state_->to)}});
  group_.spawn("key rotation", run());
  co_return Result<void>{};
}

void KeyRotation::install_files() {
  const auto& from = state_ ? state_->from : retired_->id;
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
  install_files();
  while (!stopping_) {
    const auto passed = co_await pass();
    if (!passed) {
      parts_.log.error("master_key_rotation_waits", passed.error());
      parts_.alerts.raise("master_key_rotation", "The rotation of the master key cannot go on, and is tried again: " + passed.error().text);
      co_await parts_.steady.sleep_for(kAgainAfter);
      continue;
    }
    parts_.alerts.clear("master_key_rotation");  // it goes on, for hours perhaps
    const bool nothing_left = state_->changed == 0 && state_->passes > 1;
    state_->changed = 0;
    if (!nothing_left) {
      // What was read under the old key, or sealed under it just before, may still be on its way.
      co_await parts_.steady.sleep_for(parts_.rest());
      continue;
    }
    if (const auto finished = co_await finish(); finished) co_return;
    co_await parts_.steady.sleep_for(kAgainAfter);
  }
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
  store::Batch batch;
  batch.push_back(store::PutMeta{std::string(kRotationMeta), state_->to_octets()});
  co_return co_await parts_.store.commit(std::move(batch), store::Urgency::bookkeeping);
}

Task<Result<KeyRotation::PageEnd>> KeyRotation::page() {
  switch (state_->stage) {
    case Stage::users:
      if (state_->cursor.empty()) state_->unreadable = 0;  // a pass begins
      return page_of_users();
    case Stage::grants: return page_of_grants();
    case Stage::apps: return page_of_apps();
    case Stage::authorizations: return page_of_authorizations();
    case Stage::journal: return replies();
    case Stage::revocations: return page_of_revocations();
    case Stage::notices: return page_of_channel_secrets();
    case Stage::connectors: return page_of_connectors();
    case Stage::deliveries: return page_of_deliveries();
    case Stage::devices: return page_of_devices();
  }
  base::broken_invariant("Stage", __FILE__, __LINE__);
}

void KeyRotation::note(Renewal& renewal, std::string_view table, const std::string& id) {
  if (renewal.unreadable == 0) return;
  state_->unreadable += renewal.unreadable;
  if (state_->passes == 0) parts_.log.warning("record_not_renewed", {{"table", table}, {"id", id}});
}

Task<Result<KeyRotation::PageEnd>> KeyRotation::page_of_users() {
  const auto users = co_await parts_.store.users_after(id_of<UserId>(state_->cursor), kPage);
  if (!users) co_return std::unexpected(users.error());
  std::vector<Renewal> renewals;
  for (const auto& user : *users) {
    renewals.push_back(renew(parts_.user_seal, user));
    note(renewals.back(), "users", user.id.text());
  }
  if (auto done = co_await commit(std::move(renewals)); !done) co_return std::unexpected(done.error());
  for (const auto& user : *users) parts_.user_cards.forget(user.username_key);
  co_return PageEnd{next_cursor(*users), static_cast<std::int64_t>(users->size())};
}

Task<Result<KeyRotation::PageEnd>> KeyRotation::page_of_grants() {
  const auto grants = co_await parts_.store.grants_after(id_of<GrantId>(state_->cursor), kPage);
  if (!grants) co_return std::unexpected(grants.error());
  std::vector<Renewal> renewals;
  for (const auto& grant : *grants) {
    // Among a million grants some are being refreshed while they are read: those are read again, or no pass would ever find nothing.
    auto version = grant.version;
    bool read_whole = false;
    for (int reading = 0; reading < kReadingsMax && !read_whole; ++reading) {
      // Wraps first: one made after it comes with a newer version of the grant, and the compare-and-set fails.
      const auto wraps = co_await parts_.store.wraps(grant.id);
      if (!wraps) co_return std::unexpected(wraps.error());
      const auto view = co_await parts_.store.grant(grant.id);
      if (!view) co_return std::unexpected(view.error());
      if (!*view) {
        read_whole = true;  // deleted
        break;
      }
      read_whole = (*view)->grant.version == std::exchange(version, (*view)->grant.version);
      if (!read_whole) continue;
      renewals.push_back(renew(parts_.sealing, **view, *wraps));
      note(renewals.back(), "grants", grant.id.text());
    }
    if (!read_whole) state_->changed += 1;  // the next pass sees it
  }
  if (auto done = co_await commit(std::move(renewals)); !done) co_return std::unexpected(done.error());
  co_return PageEnd{next_cursor(*grants), static_cast<std::int64_t>(grants->size())};
}

Task<Result<KeyRotation::PageEnd>> KeyRotation::page_of_apps() {
  const auto apps = co_await parts_.store.apps();
  if (!apps) co_return std::unexpected(apps.error());
  std::vector<Renewal> renewals;
  for (const auto& app : *apps) {
    renewals.push_back(renew(parts_.sealing, app));
    note(renewals.back(), "apps", app.id);
  }
  if (auto done = co_await commit(std::move(renewals)); !done) co_return std::unexpected(done.error());
  co_return PageEnd{};
}

Task<Result<KeyRotation::PageEnd>> KeyRotation::page_of_authorizations() {
  const auto rows = co_await parts_.store.authorizations_after(id_of<AuthorizationId>(state_->cursor), kPage);
  if (!rows) co_return std::unexpected(rows.error());
  std::vector<Renewal> renewals;
  for (const auto& row : *rows) {
    renewals.push_back(renew(parts_.vault, parts_.sealing, row));
    note(renewals.back(), "authorizations", row.id.text());
  }
  if (auto done = co_await commit(std::move(renewals)); !done) co_return std::unexpected(done.error());
  co_return PageEnd{next_cursor(*rows), 0};
}

// Replies that the store has not got yet: recorded once more, sealed anew. What the old key sealed stays on the disk and is passed
// over, since the later of an intent's replies counts.
Task<Result<KeyRotation::PageEnd>> KeyRotation::replies() {
  auto entries = co_await parts_.journal.pending();
  if (!entries) co_return std::unexpected(entries.error());
  std::map<IntentId, store::JournalEntry> newest;
  for (auto& entry : *entries) newest.insert_or_assign(entry.intent, std::move(entry));
  for (auto& [intent, entry] : newest) {
    if (parts_.sealing.is_current(entry.reply_sealed)) continue;
    auto renewed = parts_.sealing.renew_reply(entry);
    if (!renewed) {
      state_->unreadable += 1;
      if (state_->passes == 0) parts_.log.warning("record_not_renewed", {{"table", "journal"}, {"id", intent.text()}});
      continue;
    }
    entry.reply_sealed = std::move(*renewed);
    entry.recorded_at += 1ms;  // the later one
    if (const auto reserved = co_await parts_.journal.reserve(intent); !reserved) co_return std::unexpected(reserved.error());
    if (const auto recorded = co_await parts_.journal.record(entry); !recorded) co_return std::unexpected(recorded.error());
    if (parts_.resealed) parts_.resealed(entry);
    state_->changed += 1;
  }
  co_return PageEnd{};
}

Task<Result<KeyRotation::PageEnd>> KeyRotation::page_of_revocations() {
  const auto rows = co_await parts_.store.revocations_after(id_of<RevocationId>(state_->cursor), kPage);
  if (!rows) co_return std::unexpected(rows.error());
  std::vector<Renewal> renewals;
  for (const auto& row : *rows) {
    renewals.push_back(renew(parts_.sealing, row));
    note(renewals.back(), "revocations", row.id.text());
  }
  if (auto done = co_await commit(std::move(renewals)); !done) co_return std::unexpected(done.error());
  co_return PageEnd{next_cursor(*rows), 0};
}

Task<Result<KeyRotation::PageEnd>> KeyRotation::page_of_connectors() {
  const auto rows = co_await parts_.store.connectors();
  if (!rows) co_return std::unexpected(rows.error());
  std::vector<Renewal> renewals;
  for (const auto& row : *rows) {
    renewals.push_back(renew(parts_.sealing, row));
    note(renewals.back(), "connectors", row.id);
  }
  if (auto done = co_await commit(std::move(renewals)); !done) co_return std::unexpected(done.error());
  co_return PageEnd{};
}

// A delivery that ends while it is read loses its wrap, which may come back here: it is sealed to a key nobody has any more, and
// goes with the grant.
Task<Result<KeyRotation::PageEnd>> KeyRotation::page_of_deliveries() {
  const auto rows = co_await parts_.store.deliveries_after(id_of<DeliveryId>(state_->cursor), kPage);
  if (!rows) co_return std::unexpected(rows.error());
  std::vector<Renewal> renewals;
  for (const auto& row : *rows) {
    renewals.push_back(renew(parts_.sealing, row));
    note(renewals.back(), "deliveries", row.id.text());
  }
  if (auto done = co_await commit(std::move(renewals)); !done) co_return std::unexpected(done.error());
  co_return PageEnd{next_cursor(*rows), 0};
}

Task<Result<KeyRotation::PageEnd>> KeyRotation::page_of_devices() {
  const auto rows = co_await parts_.store.devices();
  if (!rows) co_return std::unexpected(rows.error());
  const people::DeviceSeal seal(parts_.vault);
  std::vector<Renewal> renewals;
  for (const auto& row : *rows) {
    renewals.push_back(renew(seal, row));
    note(renewals.back(), "devices", row.id.text());
  }
  if (auto done = co_await commit(std::move(renewals)); !done) co_return std::unexpected(done.error());
  co_return PageEnd{};
}

Task<Result<KeyRotation::PageEnd>> KeyRotation::page_of_channel_secrets() {
  std::vector<Renewal> renewals;
  for (const auto& place : parts_.channel_secrets()) {
    const auto sealed = co_await parts_.store.meta(place.key);
    if (!sealed) co_return std::unexpected(sealed.error());
    renewals.push_back(renew(parts_.sealing, place, *sealed));
  }
  if (auto done = co_await commit(std::move(renewals)); !done) co_return std::unexpected(done.error());
  co_return PageEnd{};
}

// All of them at once; where somebody was faster, one by one, and what conflicts again is left to the next pass.
Task<Result<void>> KeyRotation::commit(std::vector<Renewal> renewals) {
  std::erase_if(renewals, [](const Renewal& renewal) { return renewal.batch.empty(); });
  if (renewals.empty()) co_return Result<void>{};
  state_->changed += static_cast<std::int64_t>(renewals.size());
  store::Batch all;
  for (const auto& renewal : renewals) all.insert(all.end(), renewal.batch.begin(), renewal.batch.end());
  auto done = co_await parts_.store.commit(std::move(all), store::Urgency::bookkeeping);
  if (done) co_return done;
  const auto somebody_was_faster = [](const Error& error) { return error.kind == ErrorKind::conflict || error.reason == "gone"; };
  if (!somebody_was_faster(done.error())) co_return done;
  for (auto& renewal : renewals) {
    done = co_await parts_.store.commit(std::move(renewal.batch), store::Urgency::bookkeeping);
    if (!done && !somebody_was_faster(done.error())) co_return done;
  }
  co_return Result<void>{};
}

Task<Result<void>> KeyRotation::finish() {
  install_files();
  const auto now = parts_.wall.now();
  RetiredKey retired{.id = state_->from, .retired_at = now, .path = parts_.files.retired_path(state_->from)};
  if (const auto aside = parts_.files.aside(state_->from, parts_.entropy)) {
    retired.path = *aside;
  } else if (const auto found = parts_.files.find(state_->from, parts_.entropy)) {
    retired.path = found->path;
  }
  const auto unreadable =
      state_->unreadable == 0 ? std::string() : fmt::format(" {} stored secrets did not open under it and were left as they are; see the log.", state_->unreadable);
  store::Batch batch{store::PutMeta{std::string(kRotationMeta), {}}, store::PutMeta{std::string(kRetiredMeta), retired.to_octets()},
                     store::AppendAudit{{.at = now, .actor = "server", .action = "master_key.rotated", .subject = "master key",
                                         .detail = fmt::format("{} is retired and kept in {}.{}", base::to_hex(state_->from), retired.path, unreadable)}}};
  if (auto committed = co_await parts_.store.commit(std::move(batch)); !committed) {
    parts_.log.error("master_key_rotation_waits", committed.error());
    co_return committed;
  }
  parts_.vault.end_rotation();
  parts_.user_cards.clear();
  parts_.log.info("master_key_rotated", {{"retired", base::to_hex(state_->from)}, {"path", retired.path}, {"unreadable", state_->unreadable}});
  parts_.alerts.clear("master_key_rotation");
  parts_.alerts.tell("master_key_rotated",
                     fmt::format("Everything is sealed under the new master key. Put a copy of {} away. The old key is kept in {}: plain copies of the database from "
                                 "before need it. Move it to a safe place apart from this machine, or delete it when there are none.{}",
                                 lies_in_, retired.path, unreadable),
                     kToldFor);
  state_.reset();
  retired_ = std::move(retired);
  publish();
  co_return Result<void>{};
}

}  // namespace latchkey::grants

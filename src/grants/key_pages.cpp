// What a rotation of the master key seals anew: the store's records, a page at a time, and the replies on the journal.
#include <map>
#include <utility>

#include "grants/key_rotation.h"

namespace latchkey::grants {
namespace {

using namespace std::chrono_literals;
using Stage = RotationState::Stage;

constexpr std::size_t kPage = 50;  // some milliseconds of the engine's time
constexpr int kReadingsMax = 5;

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
Task<Result<KeyRotation::Resealed>> KeyRotation::reseal_journal() {
  auto entries = co_await parts_.journal.pending();
  if (!entries) co_return std::unexpected(entries.error());
  std::map<IntentId, store::JournalEntry> newest;
  for (auto& entry : *entries) newest.insert_or_assign(entry.intent, std::move(entry));
  Resealed resealed;
  for (auto& [intent, entry] : newest) {
    if (parts_.sealing.is_current(entry.reply_sealed)) continue;
    auto renewed = parts_.sealing.renew_reply(entry);
    if (!renewed) {
      resealed.unreadable.push_back(intent);
      continue;
    }
    entry.reply_sealed = std::move(*renewed);
    entry.recorded_at += 1ms;  // the later one
    if (const auto reserved = co_await parts_.journal.reserve(intent); !reserved) co_return std::unexpected(reserved.error());
    if (const auto recorded = co_await parts_.journal.record(entry); !recorded) co_return std::unexpected(recorded.error());
    if (parts_.resealed) parts_.resealed(entry);
    resealed.changed += 1;
  }
  co_return resealed;
}

Task<Result<KeyRotation::PageEnd>> KeyRotation::replies() {
  const auto resealed = co_await reseal_journal();
  if (!resealed) co_return std::unexpected(resealed.error());
  state_->changed += resealed->changed;
  state_->unreadable += static_cast<std::int64_t>(resealed->unreadable.size());
  for (const auto& intent : resealed->unreadable) {
    if (state_->passes == 0) parts_.log.warning("record_not_renewed", {{"table", "journal"}, {"id", intent.text()}});
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

}  // namespace latchkey::grants

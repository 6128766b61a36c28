// A new master key while the server works (RULES K1, K5, K10; docs/design/keys-and-backup.md).
//
// Invariants:
//  - the store names the new key before anything is sealed under it, and both keys lie in files by then;
//  - from that commit until the last record has been renewed both keys are read, the new one writes; a crash at any point is
//    taken up by the next start;
//  - no other node works on the store: it would go on sealing under the old key, and could not read what is under the new one;
//  - the old key's file is kept (`KEY.old-<id>`) and told to the person, never deleted.
// Concurrency: the engine's executor; status() and figures from any thread.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "base/task_group.h"
#include "grants/alerts.h"
#include "grants/authorize.h"
#include "grants/key_records.h"
#include "people/user_cards.h"
#include "store/reply_journal.h"
#include "vault/key_files.h"

namespace latchkey::grants {

// Where a rotation stands; kept in the store, so that the next start goes on from there.
struct RotationState {
  enum class Stage { users, grants, apps, authorizations, journal, revocations, notices, connectors, deliveries, devices };  // kept as numbers: new ones come last
  Bytes from;  // ids of the keys
  Bytes to;
  WallTime started_at{};
  Stage stage = Stage::users;
  Bytes cursor;            // the last id done of this stage
  std::int64_t passes = 0; // whole ones
  std::int64_t done = 0;   // of the first pass, which renews; later ones make sure
  std::int64_t total = 0;
  std::int64_t unreadable = 0;  // of the pass at hand
  std::int64_t changed = 0;

  [[nodiscard]] Bytes to_octets() const;
  [[nodiscard]] static std::optional<RotationState> from_octets(ByteView octets);
};
[[nodiscard]] std::string_view name_of(RotationState::Stage stage);

// A key that a rotation has retired.
struct RetiredKey {
  Bytes id;
  WallTime retired_at{};
  std::string path;  // where its file is kept

  [[nodiscard]] Bytes to_octets() const;
  [[nodiscard]] static std::optional<RetiredKey> from_octets(ByteView octets);
};

struct KeyStatus {
  Bytes id;          // of the key that writes
  std::string path;   // where it lies
  std::string place;  // where it belongs: `path`, unless a rotation could not put it there
  std::optional<RotationState> rotation;
  std::optional<RetiredKey> retired;  // the last one
};

// What the console and the command line ask of the keys.
class Keys {
 public:
  virtual ~Keys() = default;
  [[nodiscard]] virtual KeyStatus status() const = 0;
  // Makes the next key and begins; the passes run in the background. Errors: conflict/`rotation_in_progress`, `other_nodes`;
  // misconfigured/`key_not_in_place` and those of load_master_key; the store's.
  [[nodiscard]] virtual Task<Result<void>> rotate(Requester requester) = 0;
};

// Store keys (Store::meta).
inline constexpr std::string_view kMasterKeyMeta = "master_key_id";
inline constexpr std::string_view kRotationMeta = "master_key_rotation";
inline constexpr std::string_view kRetiredMeta = "master_key_retired";
inline constexpr std::string_view kLookupKeyMeta = "lookup_key";
// That somebody has put a copy of the master key away.
inline constexpr std::string_view kBackupDoneMeta = "master_key_backup_done";

// At start, before anything is opened: whether the key held is the store's, and the second one where a rotation is under way.
// Errors: misconfigured/`master_key_wrong`, `master_key_retired`, `master_key_half_rotated`, each with the way out; nothing has been
// changed then.
[[nodiscard]] Task<Result<void>> settle_master_key(store::Store& store, vault::Vault& vault, vault::KeyFiles files, Entropy& entropy);

class KeyRotation final : public Keys {
 public:
  struct Parts {
    store::Store& store;
    store::ReplyJournal& journal;
    vault::Vault& vault;
    vault::KeyFiles files;
    const Sealing& sealing;
    const people::UserSeal& user_seal;
    people::UserCards& user_cards;
    Alerts& alerts;
    const WallClock& wall;
    SteadyClock& steady;
    Entropy& entropy;
    Log& log;
    Executor executor;
    NodeId node{};
    // How long what was read before may be opened after a pass.
    std::function<Seconds()> rest;
    // Of notices.
    std::function<std::vector<ChannelSecretPlace>()> channel_secrets;
    // A reply on the journal was sealed anew: whoever holds it in memory takes it from here.
    std::function<void(const store::JournalEntry&)> resealed;
  };
  explicit KeyRotation(Parts parts);

  // After settle_master_key: takes up what an earlier process has left.
  [[nodiscard]] Task<Result<void>> start();
  [[nodiscard]] Task<void> stop();
  [[nodiscard]] KeyStatus status() const override;
  [[nodiscard]] Task<Result<void>> rotate(Requester requester) override;

 private:
  struct PageEnd {
    Bytes cursor;      // of the last record; empty: the stage is over
    std::int64_t records = 0;
  };
  [[nodiscard]] Task<void> run();
  [[nodiscard]] Task<Result<void>> pass();
  [[nodiscard]] Task<Result<PageEnd>> page();
  [[nodiscard]] Task<Result<PageEnd>> page_of_users();
  [[nodiscard]] Task<Result<PageEnd>> page_of_grants();
  [[nodiscard]] Task<Result<PageEnd>> page_of_apps();
  [[nodiscard]] Task<Result<PageEnd>> page_of_authorizations();
  [[nodiscard]] Task<Result<PageEnd>> replies();
  [[nodiscard]] Task<Result<PageEnd>> page_of_revocations();
  [[nodiscard]] Task<Result<PageEnd>> page_of_connectors();
  [[nodiscard]] Task<Result<PageEnd>> page_of_deliveries();
  [[nodiscard]] Task<Result<PageEnd>> page_of_devices();
  [[nodiscard]] Task<Result<PageEnd>> page_of_channel_secrets();
  [[nodiscard]] Task<Result<void>> commit(std::vector<Renewal> renewals);
  [[nodiscard]] Task<Result<void>> save();
  [[nodiscard]] Task<Result<void>> finish();
  [[nodiscard]] Task<Result<std::int64_t>> count_records();
  void install_files();
  void note(Renewal& renewal, std::string_view table, const std::string& id);
  void publish();

  Parts parts_;
  TaskGroup group_;
  bool stopping_ = false;
  bool beginning_ = false;
  std::optional<RotationState> state_;
  std::optional<RetiredKey> retired_;
  std::string lies_in_;  // the key that writes
  mutable std::mutex mutex_;
  KeyStatus published_;
};

}  // namespace latchkey::grants

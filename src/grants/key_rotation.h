// A new master key while the server works (RULES K1, K5, K10; docs/design/keys-and-backup.md).
//
// Invariants:
//  - the store names the new key before anything is sealed under it, and both keys lie in files by then;
//  - from that commit until the last record has been renewed both keys are read, the new one writes; a crash at any point is
//    taken up by the next start;
//  - no other node works on the store that could not read what is under the new key, and none seals under the old one when it ends: they
//    say what they hold (key_sharing.h), each seals its own journal's replies anew, and a node that has died is waited for;
//  - one node at a time goes through the records, by compare-and-set on the state; another takes over where it has stopped in order;
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
#include "grants/key_sharing.h"
#include "people/user_cards.h"
#include "store/reply_journal.h"
#include "vault/key_files.h"

namespace latchkey::grants {

// Where a rotation stands; kept in the store, so that the next start goes on from there.
struct RotationState {
  enum class Stage { users, grants, apps, authorizations, journal, revocations, notices, connectors, deliveries, devices };  // kept as numbers: new ones come last
  Bytes from;  // ids of the keys
  Bytes to;
  NodeId owner{};  // goes through the records
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
  std::optional<RotationState> rotation;  // this node's, or the one that it follows
  std::optional<RetiredKey> retired;      // the last one
  std::optional<PreparedKey> prepared;    // to come, once every server holds it
  std::vector<std::string> awaited;       // machines' names of the servers that are not as far yet
};

// What the console and the command line ask of the keys.
class Keys {
 public:
  virtual ~Keys() = default;
  [[nodiscard]] virtual KeyStatus status() const = 0;
  // Makes the next key and begins; the passes run in the background. Where others work on the store the key is prepared only, and it
  // begins when all of them hold it. Errors: conflict/`rotation_in_progress`; misconfigured/`key_not_in_place` and those of
  // load_master_key; the store's.
  [[nodiscard]] virtual Task<Result<void>> rotate(Requester requester) = 0;
  // Gives up a key that is prepared; the files stay. Errors: conflict/`not_prepared`; the store's.
  [[nodiscard]] virtual Task<Result<void>> cancel(Requester requester) = 0;
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

// After that, on a server that shares its store: it was away while the others rotated the key, once or more, and replies on its own
// journal are under the one before. That one, which they name, is read besides until they are sealed anew (KeyRotation). Its id; empty:
// none is needed, or it lies nowhere. Errors: those of store and journal.
[[nodiscard]] Task<Result<Bytes>> hold_key_of_journal(store::Store& store, store::ReplyJournal& journal, vault::Vault& vault, vault::KeyFiles files, Entropy& entropy);

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
    bool shared = false;  // others may work on the store
    std::string machine;  // its name
    // How long what was read before may be opened after a pass.
    std::function<Seconds()> rest;
    // Of notices.
    std::function<std::vector<ChannelSecretPlace>()> channel_secrets;
    // A reply on the journal was sealed anew: whoever holds it in memory takes it from here.
    std::function<void(const store::JournalEntry&)> resealed;
  };
  explicit KeyRotation(Parts parts);

  // After settle_master_key: takes up what an earlier process has left. `journals_key`: as hold_key_of_journal says.
  [[nodiscard]] Task<Result<void>> start(Bytes journals_key = {});
  [[nodiscard]] Task<void> stop();
  [[nodiscard]] KeyStatus status() const override;
  [[nodiscard]] Task<Result<void>> rotate(Requester requester) override;
  [[nodiscard]] Task<Result<void>> cancel(Requester requester) override;

 private:
  // What the store says of keys, as read in one look.
  struct Sight {
    Bytes known;  // the key's id that writes
    Bytes kept;   // of the rotation, as it lies there
    std::optional<RotationState> rotation;
    Bytes prepared_kept;
    std::optional<PreparedKey> prepared;
    std::optional<RetiredKey> retired;
  };
  struct PageEnd {
    Bytes cursor;      // of the last record; empty: the stage is over
    std::int64_t records = 0;
  };
  [[nodiscard]] Task<void> run();
  [[nodiscard]] Task<Result<void>> prepare(Requester requester, RollCall roll);
  // `as_read`: holds as long as no server has come that could not read what is under the new key.
  [[nodiscard]] Task<Result<void>> begin(vault::KeyFiles::Found next, store::Batch as_read, Requester requester);
  [[nodiscard]] std::unexpected<Error> not_in_place(const std::string& path) const;
  void go_on(RotationState state, Bytes kept);
  [[nodiscard]] Task<bool> is_lost(const Error& error);  // the state is another node's by now
  // A database that took over has forgotten the beginning: `state` and its key are named again. Errors: conflict/`meta`; unavailable while
  // a server counts that could not read what is under it; those of the store.
  [[nodiscard]] Task<Result<void>> name_again(RotationState state);
  // Another key than the one it writes under is read besides. False: one that is still needed for the journal stands in its way.
  [[nodiscard]] bool hold_besides(const Secret& key, ByteView id);
  [[nodiscard]] bool reads_former() const { return !second_.empty() && (second_ == journals_ || (retired_ && second_ == retired_->id)); }
  [[nodiscard]] bool reads_for_journal() const { return reads_former() && !journal_is_anew_; }

  // As others go on: key_following.cpp.
  [[nodiscard]] Task<void> follow();
  [[nodiscard]] Task<Result<void>> look();
  [[nodiscard]] Task<Result<Sight>> read();
  void hold_what_is_to_come(const Sight& sight);
  void take_next(const Sight& sight);
  void let_go(const Sight& sight);
  [[nodiscard]] Task<Result<void>> look_after_journal();
  [[nodiscard]] Task<Result<void>> say_what_is_held();
  [[nodiscard]] Task<Result<void>> take_over(const Sight& sight);
  [[nodiscard]] Task<Result<void>> begin_when_all_hold(const Sight& sight);
  [[nodiscard]] Task<Result<void>> prepare_in_its_stead(const Sight& sight);

  [[nodiscard]] Task<Result<void>> pass();
  [[nodiscard]] Task<Result<PageEnd>> page();
  [[nodiscard]] Task<Result<PageEnd>> page_of_users();
  [[nodiscard]] Task<Result<PageEnd>> page_of_grants();
  [[nodiscard]] Task<Result<PageEnd>> page_of_apps();
  [[nodiscard]] Task<Result<PageEnd>> page_of_authorizations();
  [[nodiscard]] Task<Result<PageEnd>> replies();
  struct Resealed {
    std::int64_t changed = 0;
    std::vector<IntentId> unreadable;
  };
  [[nodiscard]] Task<Result<Resealed>> reseal_journal();
  [[nodiscard]] Task<Result<PageEnd>> page_of_revocations();
  [[nodiscard]] Task<Result<PageEnd>> page_of_connectors();
  [[nodiscard]] Task<Result<PageEnd>> page_of_deliveries();
  [[nodiscard]] Task<Result<PageEnd>> page_of_devices();
  [[nodiscard]] Task<Result<PageEnd>> page_of_channel_secrets();
  [[nodiscard]] Task<Result<void>> commit(std::vector<Renewal> renewals);
  [[nodiscard]] Task<Result<void>> save();
  [[nodiscard]] Task<Result<void>> finish(store::Batch as_read);
  void conclude(RetiredKey retired);
  [[nodiscard]] Task<Result<std::int64_t>> count_records();
  void install_files(ByteView from);
  void note(Renewal& renewal, std::string_view table, const std::string& id);
  void publish();

  Parts parts_;
  TaskGroup group_;
  bool stopping_ = false;
  bool beginning_ = false;
  std::optional<RotationState> state_;  // this node's own
  Bytes kept_;                          // the same as the store has it
  std::optional<RetiredKey> retired_;
  std::string lies_in_;  // the key that writes
  // Of other nodes' rotations, and of those that are to come.
  std::optional<RotationState> followed_;
  std::optional<PreparedKey> prepared_;
  std::vector<std::string> awaited_;
  Bytes second_;                 // the key that is read besides
  Bytes journals_;               // the one that its journal was found under at the start; empty: none but the key in use
  std::uint64_t deeds_ = 0;      // of this node: what a look has read before one of them is of yesterday
  SteadyTime writes_since_{};    // the key in use
  bool journal_is_anew_ = false;
  mutable std::mutex mutex_;
  KeyStatus published_;
};

}  // namespace latchkey::grants

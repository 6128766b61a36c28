// The directory: every change of groups and users goes through here. Each is one batch: records with fresh MACs, the audit
// entry, the epoch where RULES K8 asks for it; afterwards what others remember of the user is forgotten.
//
// Concurrency: thread-safe; a change made from an outdated record is tried again on the current one, three times.
// Errors common to all: those of the store; corrupt/`record_altered` when a record's MAC does not fit (P6).
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "people/names.h"
#include "people/pin_gate.h"
#include "people/sessions.h"

namespace latchkey::people {

// The rooms above, where a PIN reset concerns them: the grants' pairs must be made anew and sealed to the new public key
// and the remaining holders (RULES K2, K7).
class PinResetListener {
 public:
  virtual ~PinResetListener() = default;
  // What must be committed together with `after`. An error stops the reset.
  [[nodiscard]] virtual Task<Result<store::Batch>> pin_reset(store::User before, store::User after) = 0;
  // It has been committed: fill the new pairs by a refresh, tell the owner and all administrators.
  virtual void pin_reset_done(store::User after) = 0;
};

// The rooms above, where a user is deleted: what the user holds is given back to those who gave it, but only once the user is
// gone (RULES F7). Called on any executor.
class LeavingListener {
 public:
  struct Departure {
    store::Batch first;          // goes into the deletion's batch before it: conflict/`version` when something has changed since
    std::function<void()> gone;  // after the commit; returns at once
  };
  virtual ~LeavingListener() = default;
  // `user` as just read. An error stops the deletion.
  [[nodiscard]] virtual Task<Result<Departure>> leaving(store::User user, Actor actor) = 0;
};

// What must be committed together with switching a user off or on: the way back of what the user's grants hold, and its end. Asked again
// when the user has changed in between, as whoever is given a grant does, or one of the grants.
class SwitchOffListener {
 public:
  virtual ~SwitchOffListener() = default;
  [[nodiscard]] virtual Task<Result<store::Batch>> switched_off(UserId user) = 0;
  [[nodiscard]] virtual Task<Result<store::Batch>> switched_on(UserId user) = 0;
  virtual void switched_off_done(UserId user, Actor actor) = 0;  // it is so now, if it was not before
};

// Who hears of what begins or ends an alert. Calls come after the commit, on the thread of the change, and return at once.
class DirectoryWatcher {
 public:
  virtual ~DirectoryWatcher() = default;
  // The wrong tries counted against the user are forgotten: reset, a new PIN or password, or the user is gone.
  virtual void counters_forgotten(UserId user) = 0;
  // The old PIN opens nothing any more: changed, reset, or the user is gone.
  virtual void pin_replaced(std::string username) = 0;
  // Somebody set a new PIN without the old one: the owner and all administrators should know (RULES K7). `user` as it is now.
  virtual void pin_reset(const store::User& user, std::string by) = 0;
};

struct NewUser {
  std::string username;
  GroupId group;
  std::string name{};
  std::string email{};
  store::Role role = store::Role::regular;
  std::optional<Secret> password{};
};

// Absent members stay as they are.
struct UserChange {
  std::optional<std::string> username{};
  std::optional<std::string> name{};
  std::optional<std::string> email{};
  std::optional<GroupId> group{};
  std::optional<bool> enabled{};
  std::optional<std::uint32_t> uses{};
  std::optional<std::vector<std::string>> sources{};
  std::optional<store::Role> role{};
};

// Where a deleted group's users go.
struct OnMembers {
  enum class What { refuse, move, remove } what = What::refuse;
  GroupId to{};
};

class Directory {
 public:
  struct Parts {
    store::Store& store;
    const store::Registry& registry;
    const vault::Vault& vault;
    const UserSeal& seal;
    UserCards& cards;
    vault::HotCache& hot;
    PinHasher& hasher;
    PinGate& gate;
    const WallClock& wall;
    Entropy& entropy;
    vault::PinCost cost{};
  };
  explicit Directory(Parts parts);
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  // Before anything is served; nullptr: nobody listens. The listener outlives the last reset.
  void listen(PinResetListener* listener) { listener_ = listener; }
  // Likewise.
  void on_leaving(LeavingListener* listener) { leaving_ = listener; }
  // Likewise.
  void watch(DirectoryWatcher* watcher) { watcher_ = watcher; }
  void listen_to_switch(SwitchOffListener* listener) { switch_listener_ = listener; }

  // ---- groups. Errors: invalid/`group_name_malformed`, conflict/`group_name_taken`, not_found/`no_such_group`. ----
  [[nodiscard]] Task<Result<store::Group>> add_group(std::string name, Actor actor);
  [[nodiscard]] Task<Result<store::Group>> rename_group(GroupId id, std::string name, Actor actor);
  // Never deletes people silently: conflict/`group_not_empty` unless told where they go. `remove` deletes them like
  // delete_user(). Returns how many users went. conflict/`last_administrator`.
  [[nodiscard]] Task<Result<std::int64_t>> delete_group(GroupId id, OnMembers members, Actor actor);

  // ---- users. Errors: invalid with field, conflict/`username_taken` (field username), not_found/`no_such_user`,
  // not_found/`no_such_group` (field group), conflict/`last_administrator`. ----
  [[nodiscard]] Task<Result<store::User>> add_user(NewUser user, Actor actor);
  [[nodiscard]] Task<Result<store::User>> change_user(UserId id, UserChange change, Actor actor);
  // With the user's grants, which are given back to their providers once the user is gone, and not before: whatever is
  // refused leaves everything as it was.
  [[nodiscard]] Task<Result<void>> delete_user(UserId id, Actor actor);
  // nullopt: takes the password away. Ends the user's sessions, and forgets the counters of wrong tries: whoever was locked
  // out by them gets in with the new one.
  [[nodiscard]] Task<Result<store::User>> set_password(UserId id, std::optional<Secret> password, Actor actor);
  // Resets all counters of wrong PINs and passwords (RULES T4).
  [[nodiscard]] Task<Result<void>> reset_throttle(UserId id, Actor actor);

  // The current PIN re-wraps the same key: nothing sealed is lost. Counts and refuses like the gate, but from any address:
  // allowed sources bind the doors, not whoever is signed in. A wrong one is refused/`invalid_pin`. Errors besides: invalid/`pin_too_weak`.
  [[nodiscard]] Task<Result<store::User>> change_pin(UserId id, Secret current, Secret fresh, Transport transport, Actor actor,
                                                     SteadyTime arrived);
  // A new pair; opens nothing sealed before (RULES K7). Also gives a first PIN to a user who has none. Errors besides:
  // refused/`wrong_password` without confirmation, invalid/`pin_too_weak`.
  [[nodiscard]] Task<Result<store::User>> reset_pin(UserId id, Secret fresh, Confirmation confirmation, Actor actor);

  // ---- for the rooms above ----
  // Makes a pair and wraps it under the prepared PIN; fills the record's key fields and `pin_set_at`, nothing else.
  // Errors: unavailable/`busy`.
  [[nodiscard]] Task<Result<store::User>> with_new_keys(store::User user, Secret prepared_pin) const;
  // A PIN about to be set, by the registry's minimum. Errors as prepare_new_pin.
  [[nodiscard]] Result<Secret> new_pin(const Secret& typed, std::string_view username) const;
  // After a commit of the caller's own that changed this user: what is remembered goes.
  void changed(const store::User& user);

 private:
  using Edit = std::function<Result<std::string>(store::User&)>;  // returns the audit detail
  enum class Epoch { stays, moves };
  struct Plan {
    std::string action;
    Epoch epoch = Epoch::stays;
    store::Batch also;
    std::optional<store::Version> of{};  // of the user, to which `also` belongs: conflict/`version` when it is another; nullopt: any
  };
  [[nodiscard]] Task<Result<store::User>> switch_user(UserId id, bool on, Edit edit, Plan plan, Actor actor);
  [[nodiscard]] Task<Result<store::User>> edit(UserId id, Edit edit, Plan plan, Actor actor);
  [[nodiscard]] Task<Result<store::User>> read(UserId id) const;
  [[nodiscard]] Task<Result<void>> require_group(GroupId id) const;
  [[nodiscard]] Task<Result<Bytes>> password_verifier(UserId id, Secret prepared) const;
  [[nodiscard]] Task<Result<std::int64_t>> empty_group(GroupId id, OnMembers members, Actor actor);

  Parts parts_;
  PinResetListener* listener_ = nullptr;
  LeavingListener* leaving_ = nullptr;
  DirectoryWatcher* watcher_ = nullptr;
  SwitchOffListener* switch_listener_ = nullptr;
};

}  // namespace latchkey::people

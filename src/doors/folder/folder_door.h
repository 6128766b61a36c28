// The folder door (docs/design/folder.md): files that a file server puts into ROOT/{connector}/ are delivered by that
// connector.
//
// Invariants: a file leaves its folder for ROOT/.taken once its sender is done, whatever stands in the way of accepting it: the next
// one of its name then overwrites nothing. It leaves ROOT/.taken only after its acceptance is durable; the token in its name there
// is its idempotency key, so that it is accepted once however often the process dies in between; what is refused lies in
// `.refused` with the reason. One file of a connector at a time is handed in, in the order in which they were taken. Concurrency:
// everything on the executor given, but for nudge(); what blocks runs on the door's own threads.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "base/broadcast.h"
#include "base/entropy.h"
#include "base/pool.h"
#include "base/task_group.h"
#include "delivery/counters.h"
#include "delivery/mail_post.h"
#include "delivery/reception.h"
#include "doors/folder/drop_root.h"
#include "doors/folder/watch.h"
#include "grants/alerts.h"

namespace latchkey::doors {

struct FolderCounters {
  std::atomic<std::int64_t> accepted = 0;
  std::atomic<std::int64_t> refused = 0;  // moved to .refused
  std::atomic<std::int64_t> waiting = 0;  // at the last look: taken and not accepted yet
};

class FolderDoor {
 public:
  struct Parts {
    std::unique_ptr<DropRoot> root;
    store::Store& store;
    delivery::Reception& reception;
    delivery::MailPost& mail;
    delivery::Counters& counters;
    FolderCounters& folder_counters;
    grants::Alerts& alerts;
    SteadyClock& steady;
    Entropy& entropy;
    Log& log;
    Executor executor;
    std::function<DropPatience()> patience;
    base::Hire hire = base::hire_threads;
  };
  explicit FolderDoor(Parts parts);
  FolderDoor(const FolderDoor&) = delete;
  FolderDoor& operator=(const FolderDoor&) = delete;
  ~FolderDoor();

  // Looks, and goes on looking until stop().
  void start();
  // What is being read is left in `.taken` and goes on at the next start.
  [[nodiscard]] Task<void> stop();
  // Something may lie there. From any thread.
  void nudge();
  // Whether the connector had a directory at the last look, and may use one. From any thread.
  [[nodiscard]] bool has_folder(const std::string& connector) const;

 private:
  using Box = std::shared_ptr<DropBox>;
  // What became of one file that was handed in.
  enum class Step {
    done,     // it is no longer here: accepted, or refused
    not_yet,  // its sender is not done
    waits,    // a person must mend something about this one; others may go on
    rests,    // the server cannot accept documents for this connector now
  };
  // What was taken and may be handed in.
  struct Ready {
    LeftFile file;
    Milliseconds unchanged;
  };
  // One connector's folder, from look to look.
  struct Desk {
    Settling names;                        // in its folder
    Settling left;                         // tokens of what was taken and is still here
    std::optional<SteadyTime> rest_until;  // nothing is handed in before; it stands until something was accepted again
    Pauses paused_names;  // that wait for a person
    Pauses paused_left;   // tokens, likewise
    std::set<std::string> unfinished;  // names that were being written at the last look
    std::deque<Ready> ready;
    std::string in_hand;  // a token
    bool is_looked_through = false;
    bool hands_in = false;
  };
  // Whether a connector may use its folder; else what comes in waits for a person.
  enum class Use { open, closed };

  [[nodiscard]] Task<void> run();
  [[nodiscard]] Task<void> look();
  [[nodiscard]] Task<void> wait_for_next_look(SteadyTime since);
  void note_unsettled();
  // What lies there for connectors that are no more.
  void tell_forgotten(const std::set<std::string>& lying, const std::set<std::string>& known);
  // One connector's folder, once through. `anything_lies`: in it, or in `.taken`; nullopt: nobody could look.
  [[nodiscard]] Task<void> pass(std::string connector, Use use, std::optional<bool> anything_lies);
  [[nodiscard]] Task<void> pass_through(std::string connector, Box box, Use use);
  // Moves what has settled out of the folder: those that were moved. Errors: those of DropBox::entries().
  [[nodiscard]] Task<Result<std::vector<LeftFile>>> take_all(std::string connector, Box box);
  [[nodiscard]] Task<std::optional<LeftFile>> take(std::string connector, Box box, DropEntry entry);
  void make_ready(const std::string& connector, const std::vector<LeftFile>& left);
  // Where the connector may not use its folder.
  void leave_waiting(const std::string& connector, bool anything_left);
  // Ends the alert where nothing waits any more.
  void settle_alert(const std::string& connector, bool anything_left);

  // All that is ready, one after another (folder_hand_in.cpp).
  [[nodiscard]] Task<void> hand_in_all(std::string connector, Box box);
  [[nodiscard]] Task<bool> hand_in_ready(std::string connector, Box box);
  [[nodiscard]] Task<Step> go_on_with(std::string connector, Box box, Ready ready);
  [[nodiscard]] Task<Step> hand_in(std::string connector, Box box, std::shared_ptr<TakenFile> file);
  [[nodiscard]] Task<Step> refuse(std::string connector, Box box, std::shared_ptr<TakenFile> file, std::string words);
  [[nodiscard]] Task<Result<void>> accept(std::string connector, std::shared_ptr<TakenFile> file);

  void note_folder(const std::string& connector, bool there);
  void tell_refusal(const std::string& connector, const std::string& name, const std::string& words);
  // Nothing of this connector can be accepted for a while.
  void rest(const std::string& connector, const Error& error);
  // One of them waits for a person.
  void set_aside(const std::string& connector, Pauses& among, const std::string& which, const Error& error);
  void tell_wait(const std::string& connector, const std::string& words);

  Parts parts_;
  std::shared_ptr<base::Worker> files_;
  std::unique_ptr<Watch> watch_;
  TaskGroup tasks_;
  base::Broadcast wake_;
  std::map<std::string, Desk> desks_;  // by connector
  std::set<std::string> forgotten_;       // names without a connector, that were told
  std::set<std::string> done_;  // tokens that are accepted and whose files could not be removed
  mutable std::mutex folders_mutex_;
  std::set<std::string> folders_;  // connectors that have one
  bool unsettled_ = false;      // something will have settled before the next regular look
  bool nudged_ = false;
  bool stopping_ = false;
};

}  // namespace latchkey::doors

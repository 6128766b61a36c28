// The folder door (docs/design/folder.md): files that a file server puts into ROOT/{connector}/ are delivered by that
// connector.
//
// Invariants: a file leaves ROOT/.taken only after its acceptance is durable; the token in its name there is its idempotency
// key, so that it is accepted once however often the process dies in between; what is refused lies in `.refused` with the
// reason. One file of a connector at a time. Concurrency: everything on the executor given, but for nudge(); what blocks
// runs on the door's own threads.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
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
  // How a pass goes on after one file.
  enum class Step {
    next,
    next_but_told,  // this one waits for a person; others may not
    stop,           // the server cannot accept documents for this connector now
  };

  [[nodiscard]] Task<void> run();
  [[nodiscard]] Task<void> look();
  // One connector's folder, once through.
  [[nodiscard]] Task<void> pass(std::string connector);
  [[nodiscard]] Task<void> pass_through(std::string connector, Box box);
  [[nodiscard]] Task<Step> go_on_with(std::string connector, Box box, LeftFile left);
  [[nodiscard]] Task<Step> take(std::string connector, Box box, DropEntry entry);
  [[nodiscard]] Task<Step> hand_in(std::string connector, Box box, std::shared_ptr<TakenFile> file);
  [[nodiscard]] Task<Step> refuse(std::string connector, Box box, std::shared_ptr<TakenFile> file, std::string words);
  [[nodiscard]] Task<Result<void>> accept(std::string connector, std::shared_ptr<TakenFile> file);
  void note_folder(const std::string& connector, bool there);
  [[nodiscard]] Step tell_refusal(const std::string& connector, const Result<void>& moved, const std::string& name,
                                  const std::string& words);
  void not_now(const std::string& connector, const Error& error);

  Parts parts_;
  std::shared_ptr<base::Worker> files_;
  std::unique_ptr<Watch> watch_;
  TaskGroup tasks_;
  base::Broadcast wake_;
  std::map<std::string, Settling> settling_;       // by connector: names in its folder
  std::map<std::string, Settling> settling_left_;  // by connector: tokens of what was taken and is still here
  std::map<std::string, SteadyTime> rest_until_;   // connectors whose documents cannot be accepted for a while
  std::set<std::string> busy_;
  std::set<std::string> done_;  // tokens that are accepted and whose files could not be removed
  mutable std::mutex folders_mutex_;
  std::set<std::string> folders_;  // connectors that have one
  bool unsettled_ = false;      // something will have settled before the next regular look
  bool nudged_ = false;
  bool stopping_ = false;
};

}  // namespace latchkey::doors

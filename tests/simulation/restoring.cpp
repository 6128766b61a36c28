// Yesterday's backup is put back (R28), by the product's own hands, as `latchkey restore` does it on real files.
#include "app/restored_records.h"
#include "store/sqlite/sqlite_store.h"
#include "world_inside.h"

namespace latchkey::simulation {

using namespace std::chrono_literals;

namespace {

constexpr auto kDatabase = "/data/latchkey.db";
constexpr auto kDatabaseLog = "/data/latchkey.db-wal";
constexpr auto kReplies = "/data/replies";

}  // namespace

void World::plan_restore() {
  const auto half = faults_until_.count() / 2;
  timeline_.after(Nanoseconds(chance_.between(1, half)), nullptr, [this] { back_up(*machines_.front()); });
  timeline_.after(Nanoseconds(chance_.between(half + 1, 2 * half)), nullptr, [this] {
    if (!backup_ || calm_) return;
    restore_due_ = true;
    if (machines_.front()->server) machines_.front()->server->process.die();
  });
}

// What the medium holds at this moment, which is what a consistent copy beside the server comes to.
void World::back_up(Machine& machine) {
  if (machine.server && machine.server->disk_failed()) return;
  happened("restore.backup_made", machine.name);
  backup_.emplace(Backup{.disk = Disk(chance_.fork()), .made_at = machine.wall.now()});
  backup_->disk.take_image_of(machine.disk);
  backup_->disk.crash();
}

// The machine is off.
void World::put_back(Machine& machine) {
  happened("restore.put_back", machine.name);
  // Nobody restores onto a disk that is full or failing.
  machine.disk.full = false;
  machine.disk.failing_syncs = machine.disk.failing_writes = machine.disk.failing_reads = 0;
  Process process(timeline_, machine.name + ".restore");
  QuietLog log(timeline_, process.name(), options_.print_log);
  SimulatedFiles files(machine.disk, process);
  SimulatedFiles files_in_backup(backup_->disk, process);
  const auto segment_bytes = ground_.journal.segment_bytes;
  auto of_backup = app::surviving_replies(kReplies, files_in_backup, vault_, {}, entropy_, segment_bytes)->entries;
  app::SurvivingReplies survived;
  if (chance_.happens(0.5)) {
    happened("restore.journal_gone");
  } else {
    survived = *app::surviving_replies(kReplies, files, vault_, {}, entropy_, segment_bytes);
    taken_["restore.doubted"] += survived.leave_out_doubtful(backup_->made_at);
    taken_["restore.replies_survived"] += survived.entries.size();
  }
  auto replies = app::replies_to_keep(std::move(of_backup), std::move(survived), false);
  for (const auto* path : {kDatabase, kDatabaseLog}) machine.disk.take_file_of(backup_->disk, path);
  for (const auto& name : machine.disk.list(kReplies)) machine.disk.unlink(std::string(kReplies) + "/" + name);
  machine.disk.sync_names();

  const base::Hire hire = [&](const std::string&, std::size_t) { return std::make_unique<SimulatedWorker>(timeline_, process, [] { return 0ns; }); };
  SimulatedVfs vfs(machine.disk, process, "restore");
  auto store = store::open_sqlite_store({.path = kDatabase, .vfs = vfs.name(), .directory = store::SqliteOptions::Directory::of_vfs, .hire = hire}, machine.wall, log);
  LATCHKEY_CHECK(store.has_value());
  auto journal = store::open_reply_journal(kReplies, files, log, ground_.journal, hire);
  LATCHKEY_CHECK(journal.has_value());
  app::RestoredRecords records(**store, **journal, vault_, entropy_);
  const auto kept = finish(records.keep_replies(std::move(replies)), 60s);
  if (!kept || !*kept) return invariants_.fail(0, "a restore fails", kept ? kept->error().reason : "it does not end");
  const auto marked = finish(
      records.mark({.backup_at = backup_->made_at, .now = machine.wall.now()}, {.has_document = [](DeliveryId) { return true; }}), 60s);
  if (!marked || !*marked) return invariants_.fail(0, "a restore fails", marked ? marked->error().reason : "it does not end");
  for (const auto& subject : invariants_.subjects) {
    auto view = finish((*store)->grant(subject.grant), 60s);
    LATCHKEY_CHECK(view && view->has_value() && (*view)->has_value());
    invariants_.read_back(***view, Invariants::Past::put_back);
  }
  invariants_.restored();
  // What the backup knows of app secrets is as old as itself: somebody looks, and puts in what is good now.
  for (int index = 0; index < kProviders; ++index) tell_operator(index, 5s);
}

// A standby takes over that has not heard of the last moments (F5). A consent of which it knows nothing is no matter of refreshing.
void World::plan_fall_back() {
  timeline_.after(around(chance_, Nanoseconds(faults_until_ / 4)), nullptr, [this] {
    if (calm_ || over_) return;
    auto standby = std::make_shared<const MemoryStore>(memory_);
    const auto authorised = taken_["person.authorised_again"];
    timeline_.after(Nanoseconds(chance_.spread(1'000'000'000, 120'000'000'000)), nullptr, [this, standby, authorised] {
      if (calm_ || over_ || !authorising_.empty() || taken_["person.authorised_again"] != authorised) return;
      fall_back(*standby);
    });
    plan_fall_back();
  });
}

void World::fall_back(const MemoryStore& before) {
  happened("fault.store_fell_back");
  memory_.fall_back_to(before);
  for (const auto& subject : invariants_.subjects) {
    auto view = finish(memory_.grant(subject.grant), 60s);
    LATCHKEY_CHECK(view && view->has_value() && (*view)->has_value());
    invariants_.read_back(***view, Invariants::Past::put_back);
  }
  invariants_.fell_back();
  for (int index = 0; index < kProviders; ++index) tell_operator(index, 5s);
}

}  // namespace latchkey::simulation

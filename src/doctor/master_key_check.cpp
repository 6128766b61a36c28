#include "doctor/master_key_check.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/json.h"
#include "store/last_backup.h"

namespace latchkey::doctor {

namespace {

using std::chrono::days;

constexpr days kBackupWarnAfter{7};
constexpr days kBackupErrorAfter{60};

Finding look_at_file(const std::string& path) {
  Finding finding{.check = {}, .subject = path, .seen = {}, .remedy = {}, .handovers = {}};
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) {
    finding.severity = Severity::error;
    finding.seen =
        fmt::format("The key file is not there any more ({}). What is in memory goes on; the next start will not.",
                    std::strerror(errno));
    finding.remedy = "Put it back from its copy before the server is restarted.";
    return finding;
  }
  const auto mode = status.st_mode & 0777U;
  finding.seen = fmt::format("Mode {:04o}, owned by uid {}.", mode, status.st_uid);
  if ((mode & 0077U) != 0) {
    finding.severity = Severity::error;
    finding.seen += " Others than the service's user may read it.";
    finding.remedy = fmt::format("chmod 600 {}; and if somebody may have read it: latchkey keys rotate.", path);
  } else if (status.st_uid != ::geteuid() && status.st_uid != 0) {
    finding.severity = Severity::warning;
    finding.remedy = "It should belong to the service's own user, or to root.";
  }
  return finding;
}

Finding look_at_place(const grants::KeyStatus& status) {
  Finding finding{
      .check = {}, .subject = status.place, .severity = Severity::error, .seen = {}, .remedy = {}, .handovers = {}};
  finding.seen = "The key that is in use lies in " + status.path + ", not in its place.";
  finding.remedy =
      "Put a copy of that file into " + status.place + " (with systemd: into the credential), mode 0600, then restart.";
  return finding;
}

Finding look_at_copy(bool done) {
  Finding finding{.check = {},
                  .subject = "copy",
                  .seen = "Somebody has put a copy of the master key away, or a backup holds it.",
                  .remedy = {},
                  .handovers = {}};
  if (!done) {
    finding.severity = Severity::error;
    finding.seen =
        "No copy of the master key is known of. Without it nothing that is stored opens: a lost disk means that everybody "
        "has to consent again.";
    finding.remedy =
        "Make a backup, or put a copy of the key file away, apart from the machine, and say so under Keys and backup.";
    finding.handovers.push_back({.kind = Handover::Kind::copy, .label = "The command", .text = "latchkey backup FILE"});
  }
  return finding;
}

Task<std::vector<Finding>> examine(grants::KeyStatus status, bool embedded_store, store::Store* store, WallTime now,
                                   Worker* worker) {
  std::vector<Finding> out;
  out.push_back(co_await worker->run([path = status.path] { return look_at_file(path); }));
  if (status.place != status.path) out.push_back(look_at_place(status));
  const auto copy = co_await store->meta(std::string(grants::kBackupDoneMeta));
  const auto backup = co_await store->meta(std::string(store::kLastBackupMeta));
  if (!copy || !backup) {
    out.push_back({.check = {},
                   .subject = "backup",
                   .severity = Severity::error,
                   .seen = "The store does not answer.",
                   .remedy = "See the server's log.",
                   .handovers = {}});
    co_return out;
  }
  out.push_back(look_at_copy(!copy->empty()));
  // A shared database is backed up by its own tools, of which nothing is known here.
  if (embedded_store) out.push_back(judge_backup(*backup, now));
  co_return out;
}

}  // namespace

Finding judge_backup(ByteView last, WallTime now) {
  Finding finding{.check = {}, .subject = "backup", .seen = {}, .remedy = {}, .handovers = {}};
  const auto json = base::parse_json(base::as_text(last));
  const auto made_at = !last.empty() && json && json->is_object()
                           ? base::from_rfc3339(base::string_or(json->get_object(), "made_at"))
                           : std::nullopt;
  if (!made_at) {
    finding.severity = Severity::warning;
    finding.seen = "This server knows of no backup.";
  } else {
    const auto age = std::chrono::floor<days>(now - *made_at);
    finding.seen =
        fmt::format("The last backup was made on {} ({} days ago).", base::to_rfc3339(*made_at).substr(0, 10), age.count());
    if (age >= kBackupWarnAfter) finding.severity = age >= kBackupErrorAfter ? Severity::error : Severity::warning;
  }
  if (finding.severity != Severity::ok) {
    finding.remedy =
        "Let cron make one every night; it is one encrypted file, made while the server works (docs/backup.md).";
    finding.handovers.push_back({.kind = Handover::Kind::copy, .label = "The command", .text = "latchkey backup FILE"});
  }
  return finding;
}

std::vector<Errand> MasterKeyCheck::errands(const Survey&) {
  auto status = keys_.status();
  std::vector<Errand> out;
  auto subject = status.path;
  out.push_back({std::move(subject), examine(std::move(status), premises_.embedded_store, &store_, wall_.now(), &worker_)});
  return out;
}

}  // namespace latchkey::doctor

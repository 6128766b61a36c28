#include "doctor/disk_check.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace latchkey::doctor {

namespace {

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kWarnBelow = 1024 * kMiB;
constexpr std::uint64_t kErrorBelow = 200 * kMiB;
constexpr std::uint64_t kFilesWarnBelow = 1'000;

std::string size_words(std::uint64_t bytes) {
  return bytes >= 10 * 1024 * kMiB ? fmt::format("{} GiB", bytes / (1024 * kMiB)) : fmt::format("{} MiB", bytes / kMiB);
}

Finding look_at_room(const std::string& folder) {
  struct statvfs status{};
  if (::statvfs(folder.c_str(), &status) != 0) {
    Finding finding{.check = {}, .subject = folder, .severity = Severity::error, .seen = {}, .remedy = {}, .handovers = {}};
    finding.seen = fmt::format("The data folder cannot be looked at ({}).", std::strerror(errno));
    finding.remedy = "See that the file system is mounted and that the service's user may enter it.";
    return finding;
  }
  return judge_room(folder, {.free_bytes = static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize,
                             .files_left = status.f_files > 0 ? std::optional<std::uint64_t>(status.f_favail) : std::nullopt});
}

// Written, synced and removed again; empty: that works, else why not.
std::string try_to_write(const std::string& folder) {
  std::string path = folder + "/.doctor-XXXXXX";
  const int descriptor = ::mkostemp(path.data(), O_CLOEXEC);
  if (descriptor < 0) return std::strerror(errno);
  constexpr std::array<char, 4096> kPage{};
  std::string why;
  if (::write(descriptor, kPage.data(), kPage.size()) != static_cast<ssize_t>(kPage.size()) || ::fsync(descriptor) != 0)
    why = std::strerror(errno);
  ::close(descriptor);
  ::unlink(path.c_str());
  return why;
}

Finding look_at_writing(const std::string& folder) {
  Finding finding{
      .check = {}, .subject = folder, .seen = "A file can be written and synced.", .remedy = {}, .handovers = {}};
  if (const auto why = try_to_write(folder); !why.empty()) {
    finding.severity = Severity::error;
    finding.seen = "No file can be written and synced: " + why + ".";
    finding.remedy =
        "Is the file system full, mounted read-only, or somebody else's? Nothing is refreshed until it can be written.";
  }
  return finding;
}

Task<std::vector<Finding>> examine(std::string folder, const store::ReplyJournal* journal, Worker* worker) {
  co_return co_await worker->run([folder, journal] {
    return std::vector<Finding>{look_at_room(folder), look_at_writing(folder), judge_journal(*journal, folder)};
  });
}

}  // namespace

Finding judge_room(const std::string& folder, const Room& room) {
  Finding finding{.check = {}, .subject = folder, .seen = {}, .remedy = {}, .handovers = {}};
  const bool few_files = room.files_left && *room.files_left < kFilesWarnBelow;
  finding.seen = few_files ? fmt::format("{} are free, but room for {} more files only.", size_words(room.free_bytes), *room.files_left)
                           : size_words(room.free_bytes) + " are free.";
  if (room.free_bytes < kErrorBelow)
    finding.severity = Severity::error;
  else if (room.free_bytes < kWarnBelow || few_files)
    finding.severity = Severity::warning;
  if (finding.severity != Severity::ok)
    finding.remedy =
        "Make room, or move the data folder. With a full disk nothing is refreshed: a token is not spent whose answer could "
        "not be kept.";
  return finding;
}

Finding judge_journal(const store::ReplyJournal& journal, const std::string& folder) {
  Finding finding{.check = {},
                  .subject = folder + "/journal",
                  .seen = "The reply journal takes answers.",
                  .remedy = {},
                  .handovers = {}};
  const auto room = journal.room();
  if (journal.failed()) {
    finding.severity = Severity::error;
    finding.seen = "A sync of the reply journal has failed; nothing is refreshed since.";
    finding.remedy = "Look at the disk's health (dmesg, smartctl), mend it, then restart the server.";
  } else if (journal.unreadable_files() > 0) {
    finding.severity = Severity::warning;
    finding.seen = fmt::format("{} files of the reply journal cannot be read.", journal.unreadable_files());
    finding.remedy =
        "The server's log names them. They may hold answers that are nowhere else: keep them, and look at the disk's "
        "health.";
  } else if (room && *room == 0) {
    finding.severity = Severity::error;
    finding.seen = "There is no room for another answer in the reply journal.";
    finding.remedy = "Make room on the disk; refreshes go on by themselves.";
  }
  return finding;
}

std::vector<Errand> DiskCheck::errands(const Survey&) {
  std::vector<Errand> out;
  out.push_back({premises_.data, examine(premises_.data, &journal_, &worker_)});
  return out;
}

}  // namespace latchkey::doctor

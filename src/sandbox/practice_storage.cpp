#include "sandbox/practice_storage.h"

#include <fmt/format.h>

#include "crypto/hash.h"
#include "net/http_headers.h"

namespace latchkey::sandbox {
namespace {

constexpr std::size_t kFilesMax = 500;
constexpr std::size_t kBytesMax = 64 * 1024 * 1024;
constexpr std::size_t kMessagesOfOneMax = 100;
constexpr std::size_t kPathBytesMax = 400;
constexpr std::size_t kSubjectBytesMax = 200;

bool is_good_path(std::string_view path) {
  if (path.empty() || path.size() > kPathBytesMax) return false;
  for (const char c : path) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '\\') return false;
  }
  while (true) {
    const auto slash = path.find('/');
    const auto segment = path.substr(0, slash);
    if (segment.empty() || segment == "." || segment == "..") return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

std::string subject_of(std::string_view message) {
  constexpr std::string_view kName = "subject:";
  while (!message.empty()) {
    const auto end = message.find('\n');
    auto line = message.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) break;
    if (line.size() >= kName.size() && net::equal_ignoring_case(line.substr(0, kName.size()), kName)) {
      line.remove_prefix(kName.size());
      while (line.starts_with(' ')) line.remove_prefix(1);
      return std::string(line.substr(0, kSubjectBytesMax));
    }
    if (end == std::string_view::npos) break;
    message.remove_prefix(end + 1);
  }
  return {};
}

}  // namespace

Result<void> PracticeStorage::check_path(std::string_view path) {
  if (is_good_path(path)) return {};
  return fail(ErrorKind::invalid, "bad_path",
              "A path is 1 to 400 octets of names between slashes, without empty, '.' or '..' names.", {.field = "path"});
}

Result<const StoredFile*> PracticeStorage::put_file(const std::string& sub, std::string path, std::string content,
                                                    std::string content_type, WallTime now) {
  StoredFile file{.path = std::move(path),
                  .content = std::move(content),
                  .content_type = std::move(content_type),
                  .sha256 = {},
                  .changed_at = now};
  file.size_bytes = file.content.size();
  file.sha256 = base::to_hex(crypto::sha256(base::as_bytes(file.content)));
  return put_uploaded(sub, std::move(file), PracticeConflict::replace);
}

Result<const StoredFile*> PracticeStorage::put_uploaded(const std::string& sub, StoredFile file, PracticeConflict conflict) {
  if (const auto good = check_path(file.path); !good) return std::unexpected(good.error());
  const StoredFile* before = find_file(sub, file.path);
  if (before != nullptr && conflict == PracticeConflict::refuse) {
    return fail(ErrorKind::conflict, "exists", "A file of that path exists.", {.field = "path"});
  }
  if (before != nullptr && conflict == PracticeConflict::rename) {
    file.path = free_path(sub, file.path);
    before = nullptr;
  }
  if (before != nullptr && conflict == PracticeConflict::new_version) file.version = before->version + 1;
  const std::size_t bytes_before = before == nullptr ? 0 : before->content.size();
  if ((before == nullptr && file_count_ >= kFilesMax) || file_bytes_ - bytes_before + file.content.size() > kBytesMax) {
    return fail(ErrorKind::refused, "quota_exceeded",
                "The practice drive is full (500 files, 64 MiB). Empty it on the practice page.");
  }
  file_bytes_ += file.content.size() - bytes_before;
  if (before == nullptr) ++file_count_;
  auto path = file.path;
  const auto kept = drives_[sub].insert_or_assign(std::move(path), std::move(file)).first;
  return &kept->second;
}

std::string PracticeStorage::free_path(const std::string& sub, const std::string& path) const {
  const auto name = path.rfind('/') + 1;  // 0 where there is no folder
  const auto dot = path.rfind('.');
  const auto stem_end = dot == std::string::npos || dot <= name ? path.size() : dot;
  for (std::size_t number = 2;; ++number) {
    auto candidate = fmt::format("{} ({}){}", path.substr(0, stem_end), number, path.substr(stem_end));
    if (find_file(sub, candidate) == nullptr) return candidate;
  }
}

const StoredFile* PracticeStorage::find_file(const std::string& sub, std::string_view path) const {
  const auto drive = drives_.find(sub);
  if (drive == drives_.end()) return nullptr;
  const auto file = drive->second.find(path);
  return file == drive->second.end() ? nullptr : &file->second;
}

bool PracticeStorage::remove_file(const std::string& sub, std::string_view path) {
  const auto drive = drives_.find(sub);
  if (drive == drives_.end()) return false;
  const auto file = drive->second.find(path);
  if (file == drive->second.end()) return false;
  file_bytes_ -= file->second.content.size();
  --file_count_;
  drive->second.erase(file);
  return true;
}

std::vector<const StoredFile*> PracticeStorage::files(const std::string& sub) const {
  std::vector<const StoredFile*> list;
  if (const auto drive = drives_.find(sub); drive != drives_.end()) {
    for (const auto& [path, file] : drive->second) list.push_back(&file);
  }
  return list;
}

const StoredMessage* PracticeStorage::find_message(const std::string& sub, std::string_view key) const {
  for (const auto* message : messages(sub)) {
    if (!key.empty() && message->envelope.key == key) return message;
  }
  return nullptr;
}

const StoredMessage& PracticeStorage::add_message(const std::string& sub, std::string content, WallTime now,
                                                  PracticeEnvelope envelope) {
  auto& mailbox = mailboxes_[sub];
  message_bytes_ += content.size();
  ++message_count_;
  std::string subject = subject_of(content);
  auto sha256 = base::to_hex(crypto::sha256(base::as_bytes(content)));
  mailbox.push_back({fmt::format("message-{}", ++messages_made_), std::move(subject), std::move(content), now,
                     std::move(sha256), std::move(envelope)});
  while (mailbox.size() > kMessagesOfOneMax || (message_bytes_ > kBytesMax && mailbox.size() > 1)) {
    message_bytes_ -= mailbox.front().content.size();
    --message_count_;
    mailbox.pop_front();
  }
  // Other accounts' mail gives way when this account's newest alone would not fit.
  for (auto other = mailboxes_.begin(); message_bytes_ > kBytesMax && other != mailboxes_.end(); ++other) {
    while (&other->second != &mailbox && !other->second.empty() && message_bytes_ > kBytesMax) {
      message_bytes_ -= other->second.front().content.size();
      --message_count_;
      other->second.pop_front();
    }
  }
  return mailbox.back();
}

std::vector<const StoredMessage*> PracticeStorage::messages(const std::string& sub) const {
  std::vector<const StoredMessage*> list;
  if (const auto mailbox = mailboxes_.find(sub); mailbox != mailboxes_.end()) {
    for (auto message = mailbox->second.rbegin(); message != mailbox->second.rend(); ++message) list.push_back(&*message);
  }
  return list;
}

void PracticeStorage::clear() {
  drives_.clear();
  mailboxes_.clear();
  file_count_ = file_bytes_ = message_count_ = message_bytes_ = 0;
}

}  // namespace latchkey::sandbox

// A small drive and a mailbox for each practice account, for rehearsing deliveries. In memory, bounded.
//
// Not thread-safe: its owner holds a lock.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace latchkey::sandbox {

inline constexpr std::size_t kFileBytesMax = 8 * 1024 * 1024;
inline constexpr std::size_t kMessageBytesMax = 4 * 1024 * 1024;  // as Microsoft Graph's sendMail takes

struct StoredFile {
  std::string path;  // "Scans/invoice.pdf"
  std::string content;  // empty where it is larger than kFileBytesMax: such files are known by size and hash alone
  std::string content_type;
  std::string sha256;  // hex
  WallTime changed_at;
  std::uint64_t size_bytes = 0;
  std::int64_t version = 1;

  [[nodiscard]] bool is_kept() const { return content.size() == size_bytes; }
};

// What to do where a file of that path is there already.
enum class PracticeConflict { rename, replace, new_version, refuse };

// How a message was handed over: its envelope, and the sender's key for it.
struct PracticeEnvelope {
  std::string mail_from;
  std::vector<std::string> recipients;
  std::string key;  // the same key twice is one message; empty: none
};

struct StoredMessage {
  std::string id;
  std::string subject;  // as in the header, first line, cut at 200 octets
  std::string content;
  WallTime received_at;
  std::string sha256{};  // hex
  PracticeEnvelope envelope{};
};

class PracticeStorage {
 public:
  // Replaces a file of that path. Errors: invalid/`bad_path` (1 to 400 octets, no empty, `.` or `..` segments, no
  // control characters or backslashes), refused/`quota_exceeded` (500 files and 64 MiB over all accounts).
  [[nodiscard]] Result<const StoredFile*> put_file(const std::string& sub, std::string path, std::string content,
                                                   std::string content_type, WallTime now);
  // The end of an upload: `file` with its size, hash and type. Errors: as of put_file(), conflict/`exists` with PracticeConflict::refuse.
  [[nodiscard]] Result<const StoredFile*> put_uploaded(const std::string& sub, StoredFile file, PracticeConflict conflict);
  // Errors: invalid/`bad_path`.
  [[nodiscard]] static Result<void> check_path(std::string_view path);
  // nullptr: none. Valid until the next change.
  [[nodiscard]] const StoredFile* find_file(const std::string& sub, std::string_view path) const;
  bool remove_file(const std::string& sub, std::string_view path);
  // In the order of paths.
  [[nodiscard]] std::vector<const StoredFile*> files(const std::string& sub) const;

  // Takes a whole RFC 5322 message. The oldest go when an account has 100 or all have 64 MiB.
  const StoredMessage& add_message(const std::string& sub, std::string content, WallTime now, PracticeEnvelope envelope = {});
  // nullptr: none of that key. Valid until the next change.
  [[nodiscard]] const StoredMessage* find_message(const std::string& sub, std::string_view key) const;
  // Newest first.
  [[nodiscard]] std::vector<const StoredMessage*> messages(const std::string& sub) const;

  [[nodiscard]] std::size_t file_count() const { return file_count_; }
  [[nodiscard]] std::size_t message_count() const { return message_count_; }
  void clear();

 private:
  // "Scans/a (2).pdf": the first that is free.
  [[nodiscard]] std::string free_path(const std::string& sub, const std::string& path) const;
  std::map<std::string, std::map<std::string, StoredFile, std::less<>>, std::less<>> drives_;
  std::map<std::string, std::deque<StoredMessage>, std::less<>> mailboxes_;
  std::size_t file_count_ = 0;
  std::size_t file_bytes_ = 0;
  std::size_t message_count_ = 0;
  std::size_t message_bytes_ = 0;
  std::uint64_t messages_made_ = 0;
};

}  // namespace latchkey::sandbox

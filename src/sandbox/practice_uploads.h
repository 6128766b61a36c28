// Uploads in parts to the practice drive, as large files go to real ones: begun under a key, sent part by part, resumed
// where they stopped. The same key always means the same file: an upload that has ended answers with what became of it, and
// one whose end was refused (a full drive, a path taken meanwhile) is ended when it is begun again under its key.
//
//   POST   /drive/uploads       {"path", "size", "key", "conflict"?, "content_type"?}    201 {"upload", "next"} or
//   {"upload", "file"} PUT    /drive/uploads/ID    the next part, Content-Range: bytes FIRST-LAST/SIZE      202 {"next"}, at
//   the end 201 {"file"} GET    /drive/uploads/ID                                                             200 {"next"}
//   or {"file"} DELETE /drive/uploads/ID                                                             204
//
// Not thread-safe: its owner holds a lock. In memory, bounded: of a file larger than kFileBytesMax only size and hash are
// kept.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <utility>

#include "base/json.h"
#include "crypto/hash.h"
#include "net/http_types.h"
#include "sandbox/practice_storage.h"

namespace latchkey::sandbox {

inline constexpr std::size_t kUploadPartBytesMax = 4 * 1024 * 1024;

class PracticeUploads {
 public:
  explicit PracticeUploads(PracticeStorage& storage) : storage_(storage) {}

  // `request` is below /drive/uploads and has been authorised for the account `sub`.
  [[nodiscard]] net::HttpResponse answer(const net::HttpRequest& request, const std::string& sub, const std::string& issuer,
                                         WallTime now);
  void clear();

 private:
  struct Upload {
    StoredFile file;  // as far as it has come
    std::uint64_t size = 0;
    PracticeConflict conflict = PracticeConflict::rename;
    crypto::Sha256 hash;
    bool ended = false;
  };
  using Key = std::pair<std::string, std::string>;  // account, the client's key

  [[nodiscard]] net::HttpResponse begin(const net::HttpRequest& request, const std::string& sub, const std::string& issuer,
                                        WallTime now);
  [[nodiscard]] net::HttpResponse take_part(const net::HttpRequest& request, const std::string& sub, Upload& upload,
                                            const std::string& issuer, WallTime now);
  [[nodiscard]] Result<void> end(const std::string& sub, Upload& upload, WallTime now);
  void make_room();

  PracticeStorage& storage_;
  std::map<Key, Upload> uploads_;
  std::deque<Key> order_;  // oldest first
};

// A file as the drive's answers show it.
[[nodiscard]] JsonObject file_json(const StoredFile& file, const std::string& issuer);

}  // namespace latchkey::sandbox

// Nextcloud's chunked upload, version 2 (docs.nextcloud.com, developer manual, "Chunked file upload", seen 2026-11-23): a
// folder of the account's own among its uploads, chunks 00001 and on in it, and a MOVE that makes one document of them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "connectors/webdav/dav_server.h"

namespace latchkey::connectors {

// Where an account's files and uploads are, as its base address tells: SERVER/remote.php/dav/files/USER.
struct NextcloudAccount {
  std::string server_url;  // "https://cloud.example/folder"
  std::string user;        // encoded, as the address has it
  [[nodiscard]] static std::optional<NextcloudAccount> of(std::string_view base_url);
  [[nodiscard]] std::string upload_url(const std::string& key) const {
    return server_url + "/remote.php/dav/uploads/" + user + "/latchkey-" + key;
  }
};

// Documents larger than this go by chunks: what is lost on the way is one chunk.
inline constexpr std::uint64_t kChunkedAboveBytes = 10 * 1024 * 1024;
// Chunks are between 5 MB and 5 GB but for the last one, and at most 10,000 (numbers 1 to 10,000).
[[nodiscard]] std::uint64_t chunk_bytes_of(std::uint64_t document_bytes);

class NextcloudUpload {
 public:
  // `key`: letters, digits, hyphens. `target_path`: where the document will be put together.
  NextcloudUpload(DavServer& server, NextcloudAccount account, std::string key, std::string target_path, Document& document);

  // Everything there is to say to the server about the document as a whole.
  [[nodiscard]] static net::HttpHeaders headers_of(const Document& document);
  // Sends the chunks from `chunks_sent` on; each that has arrived is noted with `note`. An upload the server has forgotten
  // (idle for a day) is begun anew. Errors: those of DavServer, the document and the progress.
  class Noted {
   public:
    virtual ~Noted() = default;
    [[nodiscard]] virtual Task<Result<void>> chunks(std::uint64_t sent, std::uint64_t sent_bytes) = 0;
  };
  [[nodiscard]] Task<Result<void>> send(std::uint64_t chunks_sent, Noted& noted);
  // Makes one document of the chunks at the target path, whatever is there. Where the answer is lost, or Nextcloud is still
  // at it (423), it may happen all the same: the chunks are gone then.
  [[nodiscard]] Task<Result<void>> put_together();
  [[nodiscard]] Task<void> forget() { return server_.remove(upload_url_); }

 private:
  [[nodiscard]] net::HttpHeaders headers() const;

  DavServer& server_;
  std::string upload_url_;
  std::string target_path_;
  Document& document_;
};

}  // namespace latchkey::connectors

#include "connectors/webdav/nextcloud_upload.h"

#include <fmt/format.h>

#include <algorithm>

namespace latchkey::connectors {
namespace {

constexpr std::uint64_t kChunkBytes = 10 * 1024 * 1024;
constexpr std::uint64_t kChunksMax = 10'000;
// An upload that the server forgets again and again is no upload.
constexpr int kBeginningsMax = 3;

std::string name_of_chunk(std::uint64_t number) { return fmt::format("{:05}", number); }

}  // namespace

std::optional<NextcloudAccount> NextcloudAccount::of(std::string_view base_url) {
  constexpr std::string_view kFiles = "/remote.php/dav/files/";
  const auto at = base_url.find(kFiles);
  if (at == std::string_view::npos) return std::nullopt;
  const auto user = base_url.substr(at + kFiles.size());
  if (user.empty() || user.contains('/')) return std::nullopt;
  return NextcloudAccount{.server_url = std::string(base_url.substr(0, at)), .user = std::string(user)};
}

std::uint64_t chunk_bytes_of(std::uint64_t document_bytes) {
  return std::max(kChunkBytes, (document_bytes + kChunksMax - 1) / kChunksMax);
}

NextcloudUpload::NextcloudUpload(DavServer& server, NextcloudAccount account, std::string key, std::string target_path,
                                 Document& document)
    : server_(server), upload_url_(account.upload_url(key)), target_path_(std::move(target_path)), document_(document) {}

net::HttpHeaders NextcloudUpload::headers_of(const Document& document) {
  net::HttpHeaders headers;
  headers.set("OC-Checksum", "SHA256:" + base::to_hex(document.sha256()));
  headers.set("OC-Total-Length", std::to_string(document.size_bytes()));
  return headers;
}

net::HttpHeaders NextcloudUpload::headers() const {
  auto headers = headers_of(document_);
  headers.set("Destination", server_.url_of(target_path_));
  return headers;
}

Task<Result<void>> NextcloudUpload::send(std::uint64_t chunks_sent, Noted& noted) {
  const auto size = document_.size_bytes();
  const auto chunk = chunk_bytes_of(size);
  const auto chunks = (size + chunk - 1) / chunk;
  std::uint64_t next = 0;
  if (chunks_sent > 0) {
    const auto known = co_await server_.sizes_within(upload_url_);
    if (!known) co_return std::unexpected(known.error());
    // What was noted has arrived; what arrived behind it is seen where the server lists its chunks.
    if (*known) next = std::min(chunks_sent, chunks);
    while (*known && next < chunks) {
      const auto one = (*known)->find(name_of_chunk(next + 1));
      if (one == (*known)->end() || one->second != std::min(chunk, size - next * chunk)) break;
      next += 1;
    }
  }
  int beginnings = 0;
  while (next < chunks) {
    if (next == 0) {
      if (++beginnings > kBeginningsMax)
        co_return fail(ErrorKind::unavailable, "target_unavailable", "Nextcloud forgets the upload again and again.");
      if (const auto made = co_await server_.make_folder(upload_url_, headers()); !made) co_return made;
      if (const auto done = co_await noted.chunks(0, 0); !done) co_return done;
    }
    const auto first = next * chunk;
    DocumentParts parts(document_, first, std::min(chunk, size - first));
    const auto reply = co_await server_.put_part(upload_url_ + "/" + name_of_chunk(next + 1), parts, headers());
    if (!reply) co_return std::unexpected(reply.error());
    if (reply->status == 404 || reply->status == 409) {
      next = 0;
      continue;
    }
    if (!reply->ok()) co_return std::unexpected(dav_error_of(*reply));
    next += 1;
    if (const auto done = co_await noted.chunks(next, std::min(next * chunk, size)); !done) co_return done;
  }
  co_return Result<void>{};
}

Task<Result<void>> NextcloudUpload::put_together() {
  const auto moved = co_await server_.move(upload_url_ + "/.file", target_path_, Overwrite::yes, headers_of(document_));
  if (!moved) co_return std::unexpected(moved.error());
  co_return Result<void>{};
}

}  // namespace latchkey::connectors

// A WebDAV server (RFC 4918) as the connector speaks to it: what each answer means, in words for people.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "connectors/api_call.h"
#include "wire/webdav/seen_resources.h"

namespace latchkey::connectors {

// What lies at a path.
struct DavResource {
  std::string path;  // beneath the base address, decoded, without a slash at either end
  bool is_folder = false;
  std::uint64_t size_bytes = 0;
  std::string etag;
  std::string file_id;  // Nextcloud's; empty elsewhere
  std::string mark;     // left by DavServer::mark; empty: none
};

// Told now and then how much of a document has left.
class Leaving {
 public:
  virtual ~Leaving() = default;
  // An error ends the call.
  [[nodiscard]] virtual Task<Result<void>> left(std::uint64_t octets) = 0;
};
inline constexpr std::uint64_t kToldEveryBytes = 8 * 1024 * 1024;  // each time is a commit

// A range of a document as a body. `leaving`, where there is one, outlives it.
class DocumentParts final : public net::BodyParts {
 public:
  DocumentParts(Document& document, std::uint64_t first, std::uint64_t size_bytes, Leaving* leaving = nullptr)
      : document_(document), first_(first), size_bytes_(size_bytes), leaving_(leaving) {}
  [[nodiscard]] std::uint64_t size_bytes() const override { return size_bytes_; }
  [[nodiscard]] Task<Result<Secret>> read(std::uint64_t offset, std::size_t size_bytes) override;

 private:
  Document& document_;
  std::uint64_t first_;
  std::uint64_t size_bytes_;
  Leaving* leaving_;
  std::uint64_t told_ = 0;
};

enum class Overwrite { no, yes };
enum class Moved { yes, taken };  // taken: something is there, and overwriting was not wanted

// One conversation, for one task. Every method repeats safely: a lost answer is unavailable, and asking again tells.
// Errors besides those of ApiSession::call and error_of: misconfigured/`no_such_target` (the base address does not exist),
// `no_webdav`, `target_moved`; unavailable/`target_locked`, `target_unavailable`.
class DavServer {
 public:
  // `base_url` without a slash at the end.
  DavServer(ApiSession& api, std::string base_url) : api_(api), base_url_(std::move(base_url)) {}

  [[nodiscard]] std::string url_of(const std::string& path) const;
  // nullopt: there is nothing.
  [[nodiscard]] Task<Result<std::optional<DavResource>>> look(std::string path);
  // Whether anything is at an address of the server.
  [[nodiscard]] Task<Result<bool>> is_there(std::string url);
  // Sizes by name of what lies at an address of the server; nullopt: there is no such folder.
  [[nodiscard]] Task<Result<std::optional<std::map<std::string, std::uint64_t>>>> sizes_within(std::string url);
  // How many octets of listings have been read so far.
  [[nodiscard]] std::size_t listed_bytes() const { return listed_bytes_; }
  // What lies in a folder, itself left out. Errors: not_found/`no_such_folder`.
  [[nodiscard]] Task<Result<std::vector<DavResource>>> look_into(std::string folder);
  // Every folder above `path` that is missing.
  [[nodiscard]] Task<Result<void>> make_folders_above(std::string path);
  [[nodiscard]] Task<Result<void>> make_folder(std::string url, net::HttpHeaders headers);
  // Makes the folders above where they are missing. The reply of the PUT.
  [[nodiscard]] Task<Result<ApiReply>> put(std::string path, Document& document, net::HttpHeaders headers, Leaving& leaving);
  [[nodiscard]] Task<Result<ApiReply>> put_part(std::string url, DocumentParts& parts, net::HttpHeaders headers);
  // Leaves a dead property (section 4), which travels with the document. Servers need not keep any: false then.
  [[nodiscard]] Task<Result<bool>> mark(std::string path, std::string text);
  [[nodiscard]] Task<Result<Moved>> move(std::string from_url, std::string to_path, Overwrite overwrite,
                                         net::HttpHeaders headers);
  // As well as it goes: nothing depends on it.
  [[nodiscard]] Task<void> remove(std::string url);

 private:
  [[nodiscard]] Task<Result<ApiReply>> call(ApiSession::Request request);
  using Seen = std::vector<wire::webdav::SeenResource>;
  // nullopt: there is nothing.
  [[nodiscard]] Task<Result<std::optional<Seen>>> propfind(std::string url, std::string depth);
  [[nodiscard]] Task<Result<std::optional<std::vector<DavResource>>>> ask(std::string path, std::string depth);

  ApiSession& api_;
  std::string base_url_;
  std::size_t listed_bytes_ = 0;
};

// What an answer that is no success means.
[[nodiscard]] Error dav_error_of(const ApiReply& reply);
[[nodiscard]] std::string encode_dav_path(std::string_view path);

}  // namespace latchkey::connectors

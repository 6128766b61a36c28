// One document on its way to a WebDAV server (docs/design/webdav-connector.md): uploaded under a temporary name beside its
// target, then moved there as the conflict rule says. What has happened already is seen from the temporary name, from a mark
// that travels with the document, and from the resume point.
#pragma once

#include "connectors/webdav/nextcloud_upload.h"
#include "connectors/webdav/resume_point.h"
#include "connectors/webdav/turns.h"

namespace latchkey::connectors {

// Names that begin so are documents on their way, which nobody lists.
inline constexpr std::string_view kOnItsWay = ".latchkey-";
// "Scans/a.pdf" with 2 is "Scans/a (2).pdf"; with 1 it is itself.
[[nodiscard]] std::string numbered(const std::string& path, int number);

// Lives as long as the awaited run().
class DavDelivery final : private NextcloudUpload::Noted, private Leaving {
 public:
  DavDelivery(net::HttpTransport& transport, Turns& turns, const StoreOrder& order);
  [[nodiscard]] Task<Result<Receipt>> run();

 private:
  [[nodiscard]] Task<Result<Receipt>> work();
  [[nodiscard]] Task<Result<std::optional<Receipt>>> settled();
  [[nodiscard]] Task<Result<void>> upload();
  [[nodiscard]] Task<Result<bool>> is_uploaded();
  [[nodiscard]] Task<Result<void>> upload_whole();
  [[nodiscard]] Task<Result<void>> upload_chunks();
  [[nodiscard]] Task<Result<Receipt>> place();
  [[nodiscard]] Task<Result<std::optional<Receipt>>> place_as(std::string path);
  [[nodiscard]] Task<Result<void>> note(DavResumePoint point);
  [[nodiscard]] Task<Result<void>> chunks(std::uint64_t sent, std::uint64_t sent_bytes) override;
  // Where the work stands stays as it was noted: a PUT that is cut off begins anew.
  [[nodiscard]] Task<Result<void>> left(std::uint64_t octets) override;
  // A new version of what is there is written over it; all else is moved there.
  [[nodiscard]] bool writes_in_place() const { return nextcloud_ && order_.on_conflict == OnConflict::new_version; }
  [[nodiscard]] bool may_overwrite() const;
  [[nodiscard]] bool is_whole(const std::optional<DavResource>& seen) const;
  // What lies where this was uploaded to is not what lay there before, whose entity tag that was.
  [[nodiscard]] bool is_new(const DavResource& seen, const std::string& before) const;
  [[nodiscard]] bool bears_mark(const DavResource& seen) const;
  // Whether a move changed nothing at its target.
  [[nodiscard]] bool is_as_before(const std::optional<DavResource>& seen) const;
  [[nodiscard]] static std::unexpected<Error> not_moved();
  [[nodiscard]] Receipt replaced(const std::string& path) const;
  [[nodiscard]] Receipt receipt_of(const DavResource& seen) const;

  Turns& turns_;
  const StoreOrder& order_;
  ApiSession api_;
  DavServer server_;
  std::optional<NextcloudAccount> nextcloud_;
  DavResumePoint at_;
  std::string upload_path_;  // the temporary name, or the target where it is written in place
  std::string mark_;         // the key, and whether the server's own hash agreed
  bool keeps_marks_ = false;
  std::string lay_there_;  // the entity tag of what lay at the target; empty: nothing, or none
  std::string before_;  // the entity tag of what lay at the target, where the upload writes over it; empty: nothing, or none
};

}  // namespace latchkey::connectors

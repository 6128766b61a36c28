// WebDAV servers that take bearer tokens (RFC 4918, RFC 6750): Apache, Nextcloud, whatever speaks it. Idempotent; resumable
// where the server is a Nextcloud, else a try begins anew.
#pragma once

#include "connectors/api_call.h"
#include "connectors/webdav/turns.h"

namespace latchkey::connectors {

class WebDav final : public Connector {
 public:
  // Which servers the accounts are of. An address that is a Nextcloud's is used as such whatever stands here.
  enum class Servers { any, nextcloud };
  explicit WebDav(net::HttpTransport& transport, Servers servers) : transport_(transport), servers_(servers) {}

  // Idempotent; resumable on a Nextcloud, by chunk; elsewhere a try begins anew.
  [[nodiscard]] Abilities abilities() const override;
  [[nodiscard]] Task<Result<Receipt>> store(StoreOrder order) override;
  // Kinds: `file`, `folder`. Folder by folder from the top, and not beyond the first hundred or 8 MiB of
  // listings.
  [[nodiscard]] Task<Result<std::vector<ListItem>>> list(ListQuestion question) override;

 private:
  net::HttpTransport& transport_;
  Servers servers_;
  Turns turns_;
};

}  // namespace latchkey::connectors

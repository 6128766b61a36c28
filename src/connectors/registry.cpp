#include "connectors/registry.h"

#include "connectors/practice_drive.h"
#include "connectors/practice_mailbox.h"
#include "connectors/webdav/webdav.h"

namespace latchkey::connectors {

Connectors::Connectors(net::HttpTransport& transport) {
  by_type_.emplace("nextcloud", std::make_unique<WebDav>(transport, WebDav::Servers::nextcloud));
  by_kind_.emplace("generic", std::make_unique<WebDav>(transport, WebDav::Servers::any));
  by_kind_.emplace("practice", std::make_unique<PracticeDrive>(transport));
  by_kind_.emplace("practice_mail", std::make_unique<PracticeMailbox>(transport));
}
Connectors::~Connectors() = default;

Connector* Connectors::find(const catalog::Type& type) const {
  if (const auto own = by_type_.find(type.id); own != by_type_.end()) return own->second.get();
  const auto found = by_kind_.find(type.kind);
  return found == by_kind_.end() ? nullptr : found->second.get();
}

}  // namespace latchkey::connectors

#include "connectors/registry.h"

#include "connectors/practice_drive.h"
#include "connectors/practice_mailbox.h"

namespace latchkey::connectors {

Connectors::Connectors(net::HttpTransport& transport) {
  by_kind_.emplace("practice", std::make_unique<PracticeDrive>(transport));
  by_kind_.emplace("practice_mail", std::make_unique<PracticeMailbox>(transport));
}
Connectors::~Connectors() = default;

Connector* Connectors::find(const catalog::Type& type) const {
  const auto found = by_kind_.find(type.kind);
  return found == by_kind_.end() ? nullptr : found->second.get();
}

}  // namespace latchkey::connectors

// Records that somebody altered from outside: an alert each, shown as one where they are many (grants/alert_folding.h). It ends when
// the record is gone (deleted, its account authorised anew) or good again (an app saved anew).
#pragma once

#include "grants/alerts.h"
#include "grants/sealing.h"
#include "store/store.h"

namespace latchkey::grants {

void tell_altered(Alerts& alerts, const store::Grant& grant);
void tell_altered_app(Alerts& alerts, const std::string& app);
// Thrown away when it is found, so its alert passes.
void tell_altered(Alerts& alerts, const store::Revocation& revocation);

// Looks at each of them again. What cannot be read leaves its alert as it is.
[[nodiscard]] Task<void> look_again_at_altered(store::Store& store, const Sealing& sealing, Alerts& alerts);

}  // namespace latchkey::grants

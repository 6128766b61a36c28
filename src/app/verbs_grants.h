// What the grants' verbs share among their files.
#pragma once

#include <string>

#include "app/verbs.h"

namespace latchkey::app {

struct RevokeAllArguments {
  std::string app;      // empty: of all apps
  std::string type;     // empty: of all types
  std::string confirm;  // the words typed beforehand; empty: they are asked for
  bool dry_run = false;
};
// The bad day: every grant, or every one of an app or a type, revoked here and at its provider (docs/runbook-bad-day.md).
[[nodiscard]] Result<int> revoke_all(const Session& session, const RevokeAllArguments& arguments);

// How an authorization ended, or what it asks; exit status 1 unless it brought a grant that can be used now.
[[nodiscard]] Result<int> say_end(const Session& session, const JsonObject& authorization);

// `pending` and `approve`: consents that wait.
void add_consent_verbs(CLI::App& grant, Session& session);

}  // namespace latchkey::app

// Places where the simulation can switch a bug on, to prove that it would be found (tests/simulation). In the server none
// of them exists: `canary()` is a constant there, and what stands behind it is not compiled in.
#pragma once

namespace latchkey::grants {

enum class Canary {
  none,
  old_token_wins,         // a late reply overwrites what came after it
  intent_skipped,         // the POST is made without a durable intent
  lease_not_fenced,       // the POST is made although another holds the lease
  parsed_before_stored,   // the raw reply is not kept before it is parsed
  missing_token_wipes,    // a reply without refresh token wipes the one there is
  others_intent_ignored,  // what another node has under way is not waited for
  fail_over_ignored,      // a standby that took over is believed to know everything
  doubt_ignored,          // an ambiguous attempt is sent again at once, whatever the policy
  taken_back_too_soon,    // what is switched off is revoked before its time
  kept_not_counted,       // what is kept for a while ends with what goes back beside it
  entry_dropped,          // what could not be given back at once never is
  never_given_back,       // nothing is
};

#ifdef LATCHKEY_CANARIES
[[nodiscard]] bool canary(Canary which);
#else
[[nodiscard]] constexpr bool canary(Canary) { return false; }
#endif

}  // namespace latchkey::grants

// Of the Keeper: tokens that arrived for a grant deleted, revoked or authorised anew meanwhile (F7).
#include "grants/keeper.h"

namespace latchkey::grants {

Keeper::WayBack Keeper::way_back(const store::Grant& whose, const ExchangeOutcome& outcome) const {
  const auto* replied = std::get_if<Replied>(&outcome);
  if (replied == nullptr || !replied->reply.refresh_token) return {};
  UnownedTokens tokens{.refresh = {replied->reply.refresh_token->clone(), Secret()}, .access = Secret()};
  if (replied->reply.access_token) tokens.access = replied->reply.access_token->clone();
  WayBack what{parts_.giving_back.entry(whose, tokens)};
  if (!what.entry) parts_.log.info("not_given_back", {{"app", whose.app}, {"why", "the provider offers no way"}});
  return what;
}

// Until this has succeeded the journal keeps what came.
Task<Result<void>> Keeper::give_back(const WayBack& what) {
  if (what.entry) {
    if (auto queued = co_await parts_.giving_back.queue(*what.entry); !queued) co_return queued;
  }
  parts_.counters.replies_unowned += 1;
  co_return Result<void>{};
}

}  // namespace latchkey::grants

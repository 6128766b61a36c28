#include "grants/app_use.h"

#include <algorithm>

namespace latchkey::grants {
namespace {

constexpr std::size_t kPage = 1'000;

}  // namespace

Task<Result<AppUse>> AppUses::of(std::string app) {
  if (attempts_) {
    const auto attempts = co_await attempts_(app);
    if (!attempts) co_return std::unexpected(attempts.error());
    if (*attempts) co_return AppUse::attempt;
  }
  const auto grants = co_await store_.grants_of_app(app, 1);
  if (!grants) co_return std::unexpected(grants.error());
  if (!grants->empty()) co_return AppUse::grant;
  const auto waits = co_await waits_to_be_given_back(std::move(app));
  if (!waits) co_return std::unexpected(waits.error());
  co_return *waits ? AppUse::revocation : AppUse::none;
}

// Nobody changes what a registration stands for often enough for an index of its own.
Task<Result<bool>> AppUses::waits_to_be_given_back(std::string app) {
  RevocationId after;
  for (;;) {
    const auto page = co_await store_.revocations_after(after, kPage);
    if (!page) co_return std::unexpected(page.error());
    if (std::ranges::any_of(*page, [&](const store::Revocation& each) { return each.app == app; })) co_return true;
    if (page->size() < kPage) co_return false;
    after = page->back().id;
  }
}

std::string way_out_of(AppUse use, const std::string& app) {
  switch (use) {
    case AppUse::attempt:
      return "A consent for " + app + " is under way or waits for an answer; it is listed above the users. Approve, reject or cancel it first.";
    case AppUse::revocation:
      return "Tokens of " + app + " wait to be given back at the provider, which must be asked where they came from. Try again when Health "
             "shows that nothing waits to be revoked.";
    case AppUse::grant:
    case AppUse::none: break;
  }
  return {};
}

}  // namespace latchkey::grants

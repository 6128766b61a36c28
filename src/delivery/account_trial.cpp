#include "delivery/account_trial.h"

#include "base/run_on.h"
#include "delivery/service_address.h"

namespace latchkey::delivery {
namespace {

constexpr Seconds kTokenMinValid{60};

// What is open in memory as a source of tokens. One that is refused has no successor here: a person is looking on.
class OpenedTokens final : public connectors::TokenSource {
 public:
  OpenedTokens(grants::Delegations& delegations, const grants::Delegation& opened) : delegations_(delegations), opened_(opened) {}
  Task<Result<Secret>> token() override {
    auto got = co_await delegations_.token(opened_, kTokenMinValid);
    if (!got) co_return std::unexpected(got.error());
    co_return std::move(got->access_token);
  }
  Task<Result<Secret>> another_token() override {
    co_return fail(ErrorKind::needs_person, "authorization_needed", "The service refuses the account's token. Authorise the account again.");
  }

 private:
  grants::Delegations& delegations_;
  const grants::Delegation& opened_;
};

}  // namespace

Task<Result<void>> AccountTrial::run(const grants::Delegation& opened) {
  co_return co_await base::run_on(parts_.engine, list_one(opened));
}

Task<Result<void>> AccountTrial::list_one(const grants::Delegation& opened) {
  const auto type = parts_.clients.catalog().find_type(opened.type);
  auto* works = type ? parts_.connectors.find(*type) : nullptr;
  if (works == nullptr) {
    co_return fail(ErrorKind::misconfigured, "no_connector_for_type", "This version delivers nothing to accounts of that type.");
  }
  const auto view = co_await parts_.store.grant(opened.grant);
  if (!view) co_return std::unexpected(view.error());
  if (!*view) co_return fail(ErrorKind::not_found, "no_such_grant", "The account is no longer here.");
  if (const auto sound = parts_.sealing.check((*view)->grant); !sound) co_return std::unexpected(sound.error());
  auto address = co_await service_address(parts_.clients, (*view)->grant, opened.type);
  if (!address) co_return std::unexpected(address.error());
  OpenedTokens tokens(parts_.delegations, opened);
  // What every family lists: a mailbox its messages, everything else its files.
  const auto listed = co_await works->list(
      {.base_url = std::move(*address), .kind = works->abilities().carries_mail ? "message" : "file", .filter = {}, .limit = 1, .tokens = &tokens});
  if (!listed) co_return std::unexpected(listed.error());
  co_return Result<void>{};
}

}  // namespace latchkey::delivery

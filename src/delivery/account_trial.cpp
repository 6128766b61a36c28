#include "delivery/account_trial.h"

#include "base/run_on.h"

namespace latchkey::delivery {
namespace {

constexpr Seconds kTokenMinValid{60};

// What is open in memory as a source of tokens. One that is refused has no successor here: a person is looking on.
class OpenedTokens final : public connectors::TokenSource {
 public:
  OpenedTokens(grants::Delegations& delegations, const grants::Delegation& opened)
      : delegations_(delegations), opened_(opened) {}
  Task<Result<Secret>> token() override {
    auto got = co_await delegations_.token(opened_, kTokenMinValid);
    if (!got) co_return std::unexpected(got.error());
    co_return std::move(got->access_token);
  }
  Task<Result<Secret>> another_token() override {
    co_return fail(ErrorKind::needs_person, "authorization_needed",
                   "The service refuses the account's token. Authorise the account again.");
  }

 private:
  grants::Delegations& delegations_;
  const grants::Delegation& opened_;
};

}  // namespace

Task<Result<void>> AccountTrial::run(store::Connector connector, const grants::Delegation& opened) {
  co_return co_await base::run_on(parts_.engine, list_one(std::move(connector), opened));
}

Task<Result<void>> AccountTrial::list_one(store::Connector connector, const grants::Delegation& opened) {
  const auto destination = co_await parts_.destinations.find(std::move(connector), opened.grant);
  if (!destination) co_return std::unexpected(destination.error());
  OpenedTokens tokens(parts_.delegations, opened);
  const auto listed = co_await destination->works->list({.base_url = destination->base_url,
                                                         .kind = destination->works->abilities().listed_kind,
                                                         .filter = {},
                                                         .limit = 1,
                                                         .tokens = &tokens});
  if (!listed) co_return std::unexpected(listed.error());
  co_return Result<void>{};
}

}  // namespace latchkey::delivery

#include "delivery/panel.h"

#include "base/run_on.h"

namespace latchkey::delivery {
namespace {

constexpr Seconds kTokenMinValid{60};
constexpr std::size_t kItemsMax = 200;

// What was opened for one look, as a source of tokens.
class OpenTokens final : public connectors::TokenSource {
 public:
  OpenTokens(grants::Delegations& delegations, const grants::Delegation& delegation)
      : delegations_(delegations), delegation_(delegation) {}

  Task<Result<Secret>> token() override {
    auto got = co_await delegations_.token(delegation_, kTokenMinValid);
    if (!got) co_return std::unexpected(got.error());
    co_return std::move(got->access_token);
  }
  // A look makes no new token: the next delivery does, and the keeper.
  Task<Result<Secret>> another_token() override {
    co_return fail(ErrorKind::unavailable, "token_refused",
                   "The service does not take the account's token at this moment. Try again in a while.",
                   {.retry_after = Seconds(30)});
  }

 private:
  grants::Delegations& delegations_;
  const grants::Delegation& delegation_;
};

}  // namespace

Task<Result<std::vector<connectors::ListItem>>> Panel::list(Submitter submitter, Question question) {
  auto opened = co_await parts_.reception.look(std::move(submitter), question.connector);
  if (!opened) co_return std::unexpected(opened.error());
  co_return co_await base::run_on(parts_.engine, ask(std::move(*opened), std::move(question)));
}

Task<Result<std::vector<connectors::ListItem>>> Panel::ask(OpenedConnector opened, Question question) {
  const auto destination = co_await parts_.destinations.find(opened.connector, opened.delegation.grant);
  if (!destination) co_return std::unexpected(destination.error());
  OpenTokens tokens(parts_.delegations, opened.delegation);
  co_return co_await destination->works->list({.base_url = destination->base_url,
                                               .kind = std::move(question.kind),
                                               .filter = std::move(question.filter),
                                               .limit = kItemsMax,
                                               .tokens = &tokens});
}

}  // namespace latchkey::delivery

#include "delivery/account_access.h"

#include "people/source_rules.h"

namespace latchkey::delivery {
namespace {

std::unexpected<Error> wrong(std::string field, std::string text) {
  return fail(ErrorKind::invalid, "invalid_fields", std::move(text), {.field = std::move(field)});
}

}  // namespace

Task<Result<grants::Delegation>> AccountAccessOfGrants::open_by_pin(UserId owner, std::string type, OwnersPin pin,
                                                                    people::Actor actor) {
  const auto user = co_await parts_.store.user(owner);
  if (!user) co_return std::unexpected(user.error());
  if (!*user) co_return wrong("owner", "There is no such user.");
  auto admitted = co_await parts_.pin_gate.admit({.username = (*user)->username,
                                                  .pin = std::move(pin.pin),
                                                  .source = people::counted_source(actor.source),
                                                  .address = actor.source,
                                                  .transport = pin.transport,
                                                  .sources = people::Sources::any,
                                                  .arrived = pin.arrived});
  if (!admitted && admitted.error().reason == "invalid_credentials")
    co_return wrong("owner_pin", "That is not the PIN of the account's owner.");
  if (!admitted) co_return std::unexpected(admitted.error());
  auto opened = co_await parts_.delegations.delegate(
      {.user = admitted->user, .auth_epoch = admitted->auth_epoch, .pin = std::move(admitted->pin)}, std::move(type));
  if (!opened && opened.error().reason == "no_such_grant") {
    co_return wrong("owner", "This user has no authorised account of that type. Authorise one first.");
  }
  co_return opened;
}

Task<Result<grants::MadeStanding>> AccountAccessOfGrants::give(store::Connector connector, OwnersPin pin,
                                                               people::Actor actor) {
  const auto opened = co_await open_by_pin(connector.owner, connector.type, std::move(pin), std::move(actor));
  if (!opened) co_return std::unexpected(opened.error());
  if (const auto tried = co_await parts_.trial.run(std::move(connector), *opened); !tried)
    co_return std::unexpected(tried.error());
  co_return co_await parts_.standing.make(*opened);
}

Task<Result<void>> AccountAccessOfGrants::try_by_pin(store::Connector connector, OwnersPin pin, people::Actor actor) {
  const auto opened = co_await open_by_pin(connector.owner, connector.type, std::move(pin), std::move(actor));
  if (!opened) co_return std::unexpected(opened.error());
  co_return co_await parts_.trial.run(std::move(connector), *opened);
}

Task<Result<void>> AccountAccessOfGrants::try_standing(store::Connector connector) {
  const auto opened = co_await parts_.standing.open(connector);
  if (!opened) co_return std::unexpected(opened.error());
  co_return co_await parts_.trial.run(std::move(connector), *opened);
}

Task<Result<bool>> AccountAccessOfGrants::lives(store::StandingDelegation standing) {
  co_return co_await parts_.standing.lives(std::move(standing));
}

}  // namespace latchkey::delivery

#include "grants/giving_back.h"

#include "oauth/revocation.h"
#include "oauth/token_reply.h"

namespace latchkey::grants {
namespace {

net::HttpCall call_for(oauth::FormPost post) {
  net::HttpCall call{.method = "POST", .url = std::move(post.url)};
  for (const auto& [name, value] : post.headers) call.headers.set(name, value);
  if (!post.authorization.empty()) call.headers.set("Authorization", post.authorization.reveal_text());
  call.body = std::move(post.body);
  return call;
}

}  // namespace

void GivingBack::later(std::shared_ptr<const ProviderClient> client, std::string account_id, UnownedTokens tokens) {
  under_way_.spawn("give_back", give_back(std::move(client), std::move(account_id), std::make_shared<UnownedTokens>(std::move(tokens))));
}

void GivingBack::later(store::Grant grant, RefreshMaterial refresh) {
  auto tokens = std::make_shared<UnownedTokens>(UnownedTokens{.refresh = std::move(refresh), .access = Secret()});
  under_way_.spawn("give_back", give_back_grant(std::move(grant), std::move(tokens)));
}

Task<void> GivingBack::give_back_grant(store::Grant grant, std::shared_ptr<UnownedTokens> tokens) {
  auto client = co_await clients_.client_for(grant.type, grant.app, grant.params_json, grant.extras_json);
  if (!client) {
    counters_.not_given_back += 1;
    log_.error("giving_back_failed", client.error());
    co_return;
  }
  co_await give_back(std::make_shared<const ProviderClient>(std::move(*client)), grant.account_id, std::move(tokens));
}

Task<bool> GivingBack::rested_on(std::shared_ptr<const ProviderClient> client, std::string account_id) {
  if (account_id.empty()) co_return true;  // whose it is, is not known: somebody's grant may rest on it
  // Those that wait first: what they wait for becomes a grant.
  if (waiting_ && co_await waiting_(client->app, account_id)) co_return true;
  for (const auto& type : clients_.catalog().types()) {
    if (type->provider != client->type.provider->id) continue;
    const auto other = co_await store_.grant_by_account(client->app, type->id, account_id);
    if (!other || *other) co_return true;  // what cannot be read is not risked
  }
  co_return false;
}

Task<Secret> GivingBack::last_access_token(std::shared_ptr<const ProviderClient> client, std::shared_ptr<UnownedTokens> tokens) {
  if (!tokens->access.empty()) co_return tokens->access.clone();
  const auto outcome = co_await transport_.send(call_for(refresh_post(*client, tokens->refresh, 0)));
  const auto* reply = std::get_if<net::Reply>(&outcome);
  if (reply == nullptr) co_return Secret();
  const auto type = reply->headers.find("Content-Type");
  auto parsed = oauth::parse_token_reply(reply->status, type ? std::string_view(*type) : std::string_view(), base::as_text(reply->body),
                                         client->type.reply_shape);
  co_return parsed.access_token ? std::move(*parsed.access_token) : Secret();
}

Task<void> GivingBack::give_back(std::shared_ptr<const ProviderClient> client, std::string account_id, std::shared_ptr<UnownedTokens> tokens) {
  if (client->endpoints.revocation.empty()) co_return;
  if (co_await rested_on(client, account_id)) {
    log_.info("not_given_back", {{"app", client->app}, {"why", "another grant rests on the same consent"}});
    co_return;
  }
  Secret token = tokens->refresh.token.clone();
  auto hint = oauth::TokenHint::refresh_token;
  if (client->type.provider->revocation_token != catalog::RevocationToken::refresh_token) {
    token = co_await last_access_token(client, tokens);
    hint = oauth::TokenHint::access_token;
  }
  if (token.empty()) co_return;
  const auto outcome = co_await transport_.send(call_for(oauth::revocation(
      {.endpoint = client->endpoints.revocation, .client = client->registration(0), .shape = client->type.provider->revocation_shape,
       .token = &token, .hint = hint, .extra = client->type.extra.revocation})));
  const auto* reply = std::get_if<net::Reply>(&outcome);
  const bool revoked =
      reply != nullptr && oauth::classify_revocation(reply->status, base::as_text(reply->body)) == oauth::RevocationOutcome::revoked;
  (revoked ? counters_.given_back : counters_.not_given_back) += 1;
  log_.info("given_back", {{"app", client->app}, {"answered", reply != nullptr ? std::to_string(reply->status) : "no"}});
}

}  // namespace latchkey::grants

#include "grants/identity.h"

#include <algorithm>

#include "oauth/callback.h"

namespace latchkey::grants {
namespace {

constexpr std::size_t kAnswerBytesMax = 256 * 1024;

// Whether `named` is the issuer the provider file or the metadata document knows (nothing known: whoever it is). Some providers
// leave out the scheme.
bool is_issuer(std::string_view named, std::string_view known) {
  if (known.empty()) return true;
  constexpr std::string_view kScheme = "https://";
  const auto bare = [&](std::string_view url) {
    if (url.starts_with(kScheme)) url.remove_prefix(kScheme.size());
    if (url.ends_with('/')) url.remove_suffix(1);
    return url;
  };
  return oauth::issuer_matches(bare(known), bare(named));
}

Result<void> check_id_token(const JsonObject& claims, const ProviderClient& client, const Secret& nonce) {
  const auto rejected = [](const char* detail) {
    return fail(ErrorKind::refused, "id_token_rejected", "The provider's identity token was not made for this authorisation.",
                {.detail = detail});
  };
  if (const auto* audience = claims.if_contains("aud")) {
    bool ours = false;
    if (const auto* text = audience->if_string()) ours = *text == client.client_id;
    if (const auto* list = audience->if_array()) {
      for (const auto& entry : *list) ours = ours || (entry.is_string() && entry.get_string() == client.client_id);
    }
    if (!ours) return rejected("aud");
  }
  const auto* issuer = base::find_string(claims, "iss");
  if (issuer != nullptr && !is_issuer(*issuer, client.endpoints.issuer)) return rejected("iss");
  if (!nonce.empty()) {
    // It is sent where an identity token is asked for, and must then come back (OpenID Connect Core 3.1.2.1).
    const bool sent = std::ranges::find(client.type.scopes, "openid") != client.type.scopes.end();
    const auto* returned = base::find_string(claims, "nonce");
    if (returned == nullptr ? sent : *returned != nonce.reveal_text()) return rejected("nonce");
  }
  return {};
}

std::optional<catalog::Account> account_in(const catalog::AccountLookup& lookup, const JsonObject& object) {
  return catalog::read_account(lookup, Json(object));
}

}  // namespace

Task<Result<std::optional<catalog::Account>>> ask_account(net::HttpTransport& transport, const ProviderClient& client,
                                                          Secret access_token, const JsonObject* id_claims) {
  using Answer = Result<std::optional<catalog::Account>>;
  const auto& lookup = client.type.account;
  net::HttpCall call{.method = lookup.method, .url = lookup.url.empty() ? client.endpoints.userinfo : lookup.url};
  if (call.url.empty()) co_return Answer(std::nullopt);
  call.headers.set("Accept", "application/json");
  call.headers.set("Authorization", "Bearer " + std::string(access_token.reveal_text()));
  for (const auto& [name, value] : lookup.headers) {
    // Some APIs want the token in a header of their own; the catalogue writes {access_token} there.
    auto filled = value;
    if (const auto at = filled.find("{access_token}"); at != std::string::npos) {
      filled.replace(at, std::string_view("{access_token}").size(), access_token.reveal_text());
    }
    call.headers.set(name, filled);
  }
  if (lookup.method == "POST") {
    call.headers.set("Content-Type", "application/json");
    call.body = Secret(std::string_view(lookup.body));
  }
  call.response_bytes_max = kAnswerBytesMax;
  call.total_timeout = std::chrono::seconds(20);
  const auto outcome = co_await transport.send(std::move(call));
  const auto* reply = std::get_if<net::Reply>(&outcome);
  if (reply == nullptr) co_return Answer(std::nullopt);
  if (reply->status == 401 || reply->status == 403) {
    co_return fail(ErrorKind::refused, "provider_refused_token", "The provider did not accept the token for a look at the account.",
                   {.detail = std::to_string(reply->status)});
  }
  if (reply->status / 100 != 2) co_return Answer(std::nullopt);
  const auto parsed = parse_json(base::as_text(reply->body));
  if (!parsed) co_return Answer(std::nullopt);
  co_return Answer(catalog::read_account(lookup, *parsed, id_claims));
}

Task<Result<std::optional<catalog::Account>>> find_account(net::HttpTransport& transport, const ProviderClient& client,
                                                           const oauth::TokenReply& reply, const Secret& nonce) {
  if (reply.id_claims) {
    if (const auto checked = check_id_token(*reply.id_claims, client, nonce); !checked) co_return std::unexpected(checked.error());
  }
  co_return co_await account_behind(transport, client, reply);
}

Task<Result<std::optional<catalog::Account>>> account_behind(net::HttpTransport& transport, const ProviderClient& client,
                                                             const oauth::TokenReply& reply) {
  using Answer = Result<std::optional<catalog::Account>>;
  const auto& lookup = client.type.account;
  switch (lookup.source) {
    case catalog::AccountSource::id_token:
      if (reply.id_claims) co_return Answer(account_in(lookup, *reply.id_claims));
      break;
    case catalog::AccountSource::access_token:
      if (reply.access_token) {
        if (const auto claims = oauth::unverified_claims(reply.access_token->reveal_text())) co_return Answer(account_in(lookup, *claims));
      }
      break;
    case catalog::AccountSource::reply: co_return Answer(account_in(lookup, reply.extras));
    case catalog::AccountSource::request:
      if (reply.access_token) {
        co_return co_await ask_account(transport, client, reply.access_token->clone(), reply.id_claims ? &*reply.id_claims : nullptr);
      }
      break;
  }
  co_return Answer(std::nullopt);
}

}  // namespace latchkey::grants

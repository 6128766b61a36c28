#include "oauth/revocation.h"

#include "base/json.h"

namespace latchkey::oauth {

std::string_view name_of(TokenHint hint) {
  switch (hint) {
    case TokenHint::refresh_token: return "refresh_token";
    case TokenHint::access_token: return "access_token";
  }
  LATCHKEY_CHECK(false);
}

FormPost revocation(const Revocation& request) {
  LATCHKEY_CHECK(request.token != nullptr);
  switch (request.shape) {
    case RevocationShape::form: {
      FormWriter form;
      form.add("token", *request.token);
      form.add("token_type_hint", name_of(request.hint));
      auto authorization = form.authenticate(request.client);
      form.add(request.extra);
      return form_post(request.endpoint, std::move(authorization), form.take());
    }
    case RevocationShape::bearer: {
      Bytes header;
      const auto token = request.token->reveal();
      constexpr std::string_view kScheme = "Bearer ";
      header.reserve(kScheme.size() + token.size());
      header.insert(header.end(), kScheme.begin(), kScheme.end());
      header.insert(header.end(), token.begin(), token.end());
      FormPost post;
      post.url = request.endpoint;
      post.authorization = Secret(std::move(header));
      return post;
    }
  }
  LATCHKEY_CHECK(false);
}

RevocationOutcome classify_revocation(int status, std::string_view body) {
  if (status >= 200 && status < 300) return RevocationOutcome::revoked;
  std::string error;
  if (auto json = parse_json(body); json && json->is_object()) error = base::string_or(json->get_object(), "error");
  if (error == "unsupported_token_type" || status == 404 || status == 405 || status == 501) {
    return RevocationOutcome::unsupported;
  }
  // Some servers answer a token they no longer know by an error instead of 200: gone is gone.
  if (error == "invalid_token" || error == "invalid_grant") return RevocationOutcome::revoked;
  if (error == "invalid_client" || error == "unauthorized_client") return RevocationOutcome::misconfigured_app;
  return RevocationOutcome::transient;
}

}  // namespace latchkey::oauth

#include "oauth/client_assertion.h"

#include <algorithm>

#include "base/json.h"
#include "oauth/client.h"

namespace latchkey::oauth {
namespace {

constexpr std::size_t kJtiOctets = 16;

std::string part(const JsonObject& object) { return base::to_base64url(base::as_bytes(boost::json::serialize(object))); }

}  // namespace

Secret make_client_assertion(const ClientAssertion& assertion, const crypto::SigningKey& key, WallTime now,
                             Entropy& entropy) {
  const auto issued_s = base::to_unix_ms(now) / 1000;
  JsonObject head{{"alg", key.algorithm()}, {"typ", "JWT"}};
  if (!assertion.key_id.empty()) head["kid"] = assertion.key_id;
  const JsonObject claims{{"iss", assertion.client_id},
                          {"sub", assertion.client_id},
                          {"aud", assertion.audience},
                          {"jti", base::to_base64url(entropy.bytes(kJtiOctets))},
                          {"iat", issued_s},
                          {"exp", issued_s + kAssertionLifetime.count()}};
  auto text = part(head) + "." + part(claims);
  text += "." + base::to_base64url(key.sign(base::as_bytes(text)));
  return Secret(std::string_view(text));
}

Secret with_assertion(const Secret& form, const Secret& assertion) {
  FormWriter proof;
  proof.add("client_assertion_type", kAssertionType);
  proof.add("client_assertion", assertion);
  const auto added = proof.take();
  auto whole = Secret::of_size(form.size() + 1 + added.size());
  auto at = std::ranges::copy(form.reveal(), whole.writable().begin()).out;
  *at++ = '&';
  std::ranges::copy(added.reveal(), at);
  return whole;
}

}  // namespace latchkey::oauth

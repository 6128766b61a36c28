// How a request reaches a token endpoint, or the revocation endpoint beside it, where it does not go straight there: somebody
// else adds what this server does not have (RULES S3, S4). Whoever exchanges, refreshes or revokes need not know who.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/id.h"
#include "base/task.h"
#include "net/http_client.h"

namespace latchkey::grants {

struct TokenErrand {
  IntentId intent;        // durable here before it is sent
  std::int64_t turn = 0;  // of the intent: grows whenever it is tried anew
  GrantId whose;          // the grant that the tokens are for
  net::HttpCall call;     // as it would go to the provider from a client without a secret
};

// `turn`: the one that was answered; an earlier one where its answer had been kept on the way.
struct TokenAnswered {
  net::HttpOutcome outcome;
  std::int64_t turn = 0;
};

// Lives on the engine's executor.
class TokenWay {
 public:
  TokenWay() = default;
  TokenWay(const TokenWay&) = delete;
  TokenWay& operator=(const TokenWay&) = delete;
  virtual ~TokenWay() = default;

  // As HttpTransport::send(), within the call's total time. NothingSent as well when the way itself failed, however far the
  // request had come: the same intent asked again spends nothing, and brings what was answered meanwhile.
  [[nodiscard]] virtual Task<TokenAnswered> send(TokenErrand errand) = 0;
  // Whether a request of which NothingSent was told may have been posted all the same, or may be yet.
  [[nodiscard]] virtual bool goes_on_unheard() const = 0;
  // Revokes (RFC 7009) a token of that grant's: `call` is as it would go to the provider from a client without a secret. As
  // HttpTransport::send(); of a reply there are status and error code alone. NothingSent with misconfigured: the way refuses.
  [[nodiscard]] virtual Task<net::HttpOutcome> revoke(GrantId whose, net::HttpCall call) = 0;
  // What that turn brought is durable here, or it is settled that it brought nothing: it need not be kept on the way.
  virtual void kept(IntentId intent, std::int64_t turn) = 0;
};

// Reasons that begin so speak of the way, not of the provider.
inline constexpr std::string_view kOfTheWay = "cloud_";
[[nodiscard]] inline bool is_of_the_way(const Error& error) { return error.reason.starts_with(kOfTheWay); }
// An error met on the way, whatever it calls itself.
[[nodiscard]] inline Error of_the_way(Error error) {
  if (!is_of_the_way(error)) error.reason.insert(0, kOfTheWay);
  return error;
}

}  // namespace latchkey::grants

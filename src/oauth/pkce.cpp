#include <array>

#include "base/bytes.h"
#include "crypto/hash.h"
#include "oauth/client.h"

namespace latchkey::oauth {

std::string pkce_challenge(const Secret& verifier) {
  const auto digest = crypto::sha256(verifier.reveal());
  return base::to_base64url(digest);
}

Pkce make_pkce(Entropy& entropy) {
  Secret random = Secret::of_size(32);
  entropy.fill(random.writable());
  std::string text = base::to_base64url(random.reveal());
  Pkce pair{.verifier = Secret(std::string_view(text)), .challenge = {}};
  base::wipe(text.data(), text.size());
  pair.challenge = pkce_challenge(pair.verifier);
  return pair;
}

}  // namespace latchkey::oauth

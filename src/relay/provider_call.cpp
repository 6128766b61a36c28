#include "relay/provider_call.h"

#include <utility>

namespace latchkey::relay {

net::HttpCall provider_call(oauth::FormPost post) {
  net::HttpCall call{.method = "POST", .url = std::move(post.url)};
  for (const auto& [name, value] : post.headers) call.headers.set(name, value);
  if (!post.authorization.empty()) call.headers.set("Authorization", post.authorization.reveal_text());
  call.body = std::move(post.body);
  call.reuse = net::Reuse::fresh_connection;
  return call;
}

}  // namespace latchkey::relay

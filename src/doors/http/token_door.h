// The HTTP door: POST /v1/token (api/openapi.json).
#pragma once

#include <string>

#include "grants/token_desk.h"
#include "net/http_server.h"
#include "people/pin_gate.h"
#include "store/store.h"

namespace latchkey::doors {

// Thread-safe: runs on every worker. Errors are RFC 9457 problems whose codes are the contract of api/openapi.json; this
// is the one place that translates errors to this door's protocol.
class TokenDoor final : public net::HttpHandler {
 public:
  // `public_origin`: the only Origin that may call (rule G3); empty: none may.
  TokenDoor(people::PinGate& gate, grants::TokenDesk& desk, store::Store& store, std::string public_origin)
      : gate_(gate), desk_(desk), store_(store), public_origin_(std::move(public_origin)) {}

  // A recently used PIN and a token in memory are answered here, without a coroutine.
  [[nodiscard]] std::optional<net::HttpResponse> try_handle_now(const net::HttpRequest& request) override;
  [[nodiscard]] Task<net::HttpResponse> handle(net::HttpRequest request) override;
  [[nodiscard]] std::size_t body_limit(std::string_view, std::string_view) const override { return 4096; }

 private:
  [[nodiscard]] std::optional<net::HttpResponse> refuse_early(const net::HttpRequest& request) const;

  // `type_required` with the types to choose from.
  [[nodiscard]] Task<net::HttpResponse> ask_for_type(UserId user, Error error);

  people::PinGate& gate_;
  grants::TokenDesk& desk_;
  store::Store& store_;
  std::string public_origin_;
};

}  // namespace latchkey::doors

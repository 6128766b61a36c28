// The redirect URI of every app, as it must be registered byte for byte, and what the authorization endpoint says of it.
//
// A provider shows a wrong one on a page of its own, to whoever has just been sent there: nobody at the office is told. So
// each app's authorization request is made beforehand, with prompt=none (OpenID Connect Core 3.1.2.1) and without a person.
// A provider that knows the address sends the error back to it; one that does not must not (RFC 6749 4.1.2.1).
#pragma once

#include "base/entropy.h"
#include "doctor/check.h"
#include "net/http_client.h"

namespace latchkey::doctor {

class RedirectUriCheck final : public Check {
 public:
  RedirectUriCheck(net::HttpTransport& transport, Entropy& entropy, oauth::PlainHttp plain_http)
      : transport_(transport), entropy_(entropy), plain_http_(plain_http) {}
  [[nodiscard]] std::string_view name() const override { return "redirect_uris"; }
  [[nodiscard]] std::vector<Errand> errands(const Survey& survey) override;

 private:
  net::HttpTransport& transport_;
  Entropy& entropy_;
  oauth::PlainHttp plain_http_;
};

// What the answer of an authorization endpoint to a request that nobody may be asked about says of redirect URI and client
// id.
enum class Registration { known, redirect_uri_refused, client_refused, untold };
[[nodiscard]] Registration read_answer(const net::Reply& reply, std::string_view redirect_uri);

}  // namespace latchkey::doctor

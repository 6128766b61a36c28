// The practice authorization server: codes, tokens and families of refresh tokens, without a socket.
//
// Invariants: everything lives in memory and is bounded; tokens carry their family and generation under a MAC whose key
// dies with the process, so no token outlives it and none need be stored. Not thread-safe: its owner holds a lock.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/entropy.h"
#include "base/json.h"
#include "base/result.h"
#include "base/secret.h"
#include "net/http_headers.h"
#include "net/url.h"
#include "sandbox/practice_people.h"
#include "sandbox/practice_settings.h"

namespace latchkey::sandbox {

// The one client registered here. A value that moves.
struct PracticeClient {
  std::string id;
  Secret secret;
  // Redirect URIs are this and one more path segment of [a-z0-9-]: the address Latchkey returns to, one per app.
  std::string redirect_prefix;
};

// A grant as the control page shows it.
struct Family {
  std::string id;
  Person person;
  std::string client_id;
  std::string scope;
  WallTime issued_at;
  std::optional<WallTime> last_refreshed_at;
  std::uint64_t generation = 1;  // of the newest refresh token
  std::string ended;             // why it is no longer good, in words; empty: it is
};

struct Counts {
  std::uint64_t consents = 0;
  std::uint64_t refusals = 0;  // people who said no
  std::uint64_t exchanges = 0;
  std::uint64_t refreshes = 0;
  std::uint64_t refused = 0;  // token requests answered with an error
  std::uint64_t reuses = 0;   // an old single-use refresh token came back
  std::uint64_t revocations = 0;
};

// What an authorization request is answered with.
struct ShowConsent {
  std::string ticket;  // names this request in the form; unguessable
  std::string client_id;
  std::string redirect_uri;
  std::vector<std::string> scopes;
  std::string login_hint;
};
struct GoTo {
  std::string location;  // back to the client, with code or error, state and iss
};
struct ShowProblem {  // the redirect URI itself is in doubt: nobody is sent there (RFC 6749 section 4.1.2.1)
  std::string code;
  std::string words;
};
using AuthorizeAnswer = std::variant<ShowConsent, GoTo, ShowProblem>;

struct TokenAnswer {
  int status = 200;
  JsonObject body;
};

class AuthorizationServer {
 public:
  AuthorizationServer(std::string issuer, PracticeClient client, const WallClock& clock, Entropy& entropy);

  [[nodiscard]] const std::string& issuer() const { return issuer_; }
  [[nodiscard]] JsonObject metadata() const;

  [[nodiscard]] AuthorizeAnswer authorize(const net::FormFields& query);
  enum class Decision { allow, refuse };
  // The consent form. A ticket serves once. Errors inside: ShowProblem `expired`.
  [[nodiscard]] AuthorizeAnswer decide(std::string_view ticket, Decision decision, const Person& person);
  // The request a ticket names, for showing its form again; nullptr when it is unknown or too old.
  [[nodiscard]] const ShowConsent* waiting(std::string_view ticket) const;

  // RFC 6749 sections 4.1.3 and 6; `authorization` is the header's value, empty if absent. `settings` may be changed:
  // a refusal of the next refresh is used up.
  [[nodiscard]] TokenAnswer token(const net::FormFields& form, std::string_view authorization, PracticeSettings& settings);
  // RFC 7009.
  [[nodiscard]] TokenAnswer revoke(const net::FormFields& form, std::string_view authorization,
                                   const PracticeSettings& settings);
  // Whose access token this is; nullptr: not good, or not any more. Valid until the next call.
  [[nodiscard]] const Family* bearer(std::string_view authorization) const;

  // What must outlive the process for tokens to stay good: the key, and the grants. Not: requests and codes under way.
  [[nodiscard]] std::string to_text() const;
  // Takes over what to_text() gave; false, and nothing is changed: it is not that.
  bool take_over(std::string_view text);

  // Newest first.
  [[nodiscard]] std::vector<const Family*> families() const;
  [[nodiscard]] const Counts& counts() const { return counts_; }
  // The person at the control page ends a grant, as an account's owner does on a provider's page.
  bool end_family(std::string_view id, std::string_view why);

 private:
  struct Waiting {
    ShowConsent consent;
    std::string state;
    std::string code_challenge;
    std::string nonce;
    WallTime expires_at;
  };
  struct Code {
    Waiting request;
    Person person;
    WallTime expires_at;
    std::string family;  // set once used
  };

  [[nodiscard]] std::string random_text(std::size_t size_bytes);
  [[nodiscard]] std::string answer_location(const Waiting& request, net::FormFields parameters) const;
  [[nodiscard]] std::optional<TokenAnswer> refuse_client(const net::FormFields& form, std::string_view authorization,
                                                         const PracticeSettings& settings);
  [[nodiscard]] TokenAnswer refuse(int status, std::string_view error, std::string_view words);
  [[nodiscard]] TokenAnswer exchange(const net::FormFields& form, const PracticeSettings& settings);
  [[nodiscard]] TokenAnswer refresh(const net::FormFields& form, PracticeSettings& settings);
  [[nodiscard]] TokenAnswer issue(Family& family, const PracticeSettings& settings, bool with_refresh_token,
                                  std::string_view nonce);
  [[nodiscard]] std::string sealed(std::string_view kind, std::string_view family, std::uint64_t number) const;
  [[nodiscard]] std::string id_token(const Family& family, Seconds lifetime, std::string_view nonce) const;
  struct Opened {
    std::string family;
    std::uint64_t number = 0;
  };
  [[nodiscard]] std::optional<Opened> open(std::string_view kind, std::string_view token) const;
  void forget_old();

  std::string issuer_;
  PracticeClient client_;
  const WallClock& clock_;
  Entropy& entropy_;
  Bytes mac_key_;
  std::map<std::string, Waiting, std::less<>> waiting_;
  std::map<std::string, Code, std::less<>> codes_;
  std::map<std::string, Family, std::less<>> families_;
  std::uint64_t families_made_ = 0;
  Counts counts_;
};

}  // namespace latchkey::sandbox

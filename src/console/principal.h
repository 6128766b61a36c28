// Who is calling the admin API.
#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/result.h"
#include "base/task.h"
#include "net/http_types.h"
#include "store/records.h"

namespace latchkey::console {

// A value.
struct Principal {
  enum class Kind {
    nobody,        // an anonymous session at most
    person,        // signed in to the console
    command_line,  // root or the service's own user at the control socket (RULES G6)
  };
  Kind kind = Kind::nobody;
  UserId user{};
  std::string username;  // "cli" for the command line
  std::string name;
  store::Role role = store::Role::regular;
  std::string session_token;  // the cookie's value; empty: no cookie came
  Bytes session_hash;         // of a signed-in session
  std::string csrf_token;     // of this cookie; empty: no cookie came
  std::optional<WallTime> expires_at;

  [[nodiscard]] bool signed_in() const { return kind != Kind::nobody; }
  [[nodiscard]] bool administrator() const {
    return kind == Kind::command_line || (kind == Kind::person && role == store::Role::administrator);
  }
  // Administrators, and people about themselves.
  [[nodiscard]] bool may_see(const UserId& whom) const {
    return administrator() || (kind == Kind::person && user == whom);
  }
};

// Says who a request comes from. Thread-safe.
class Gate {
 public:
  virtual ~Gate() = default;
  [[nodiscard]] virtual Task<Result<Principal>> identify(net::HttpRequest request) = 0;
  // Whether the request bears anything at all that identify() could take somebody from. Quick.
  [[nodiscard]] virtual bool may_name(const net::HttpRequest&) const { return true; }
  // Whether the browser's defences apply: transport, Origin, CSRF token.
  enum class Caller { browser, local_program };
  [[nodiscard]] virtual Caller caller() const = 0;
};

// The control socket: whoever may open it is an administrator. No cookie, no CSRF token.
class CommandLineGate final : public Gate {
 public:
  [[nodiscard]] Task<Result<Principal>> identify(net::HttpRequest request) override;
  [[nodiscard]] Caller caller() const override { return Caller::local_program; }
};

}  // namespace latchkey::console

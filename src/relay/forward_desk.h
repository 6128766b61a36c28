// Forward mode: a browser on its way from an office to a provider and back (RULES S2, S5). Nothing is kept: what must be
// remembered the browser carries, sealed, and one use is the office's to enforce, which alone can finish.
//
// Thread-safe as far as what it is given is; holds no state of its own.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/entropy.h"
#include "base/result.h"
#include "base/secret.h"
#include "cloud/flow.h"
#include "cloud/party.h"
#include "relay/enrolments.h"
#include "relay/registrations.h"
#include "relay/relay_keys.h"

namespace latchkey::relay {

// Cookies of a request by name and value; a name given twice stands here twice.
using Cookies = std::vector<std::pair<std::string, std::string>>;

// Of whoever looked at the confirmation page; a form sent from elsewhere lacks it.
inline constexpr std::string_view kBrowserCookie = "__Host-latchkey-relay";
// One for each flow, named by its state.
inline constexpr std::string_view kFlowCookiePrefix = "__Host-latchkey-relay-flow-";
// What a browser keeps of consents that it has begun and not ended; a header has 16 KiB for everything. The oldest go first.
inline constexpr std::size_t kFlowCookiesMax = 20;
inline constexpr std::size_t kFlowCookieBytesMax = 6 * 1024;

// What the page shows before anybody goes anywhere.
struct Confirmation {
  std::string office;  // the label the operator has approved
  std::string verified_name;  // a DNS name that is its own; empty: none is known
  std::string username;
  std::string type_name;
  Mode mode = Mode::forward;
  std::string form_token;  // goes back with the button
  std::string set_cookie;
  std::vector<std::string> let_go{};  // Set-Cookie values that take the oldest flows' cookies away
};
struct Departure {
  std::string office;    // its id
  std::string location;  // the provider's
  std::string set_cookie;
  std::vector<std::string> let_go{};  // as above
};
struct Arrival {
  std::string location;    // the office's, with the handle
  std::string set_cookie;  // takes the flow's cookie away
};

class ForwardDesk {
 public:
  struct Parts {
    const cloud::PartyKeys& keys;
    const std::vector<FormerRelayKeys>* former = nullptr;  // what is sealed to them is opened for kFormerKeysOpen
    const Secret& instance_key;  // 32 octets, the same for all instances of one relay
    const Enrolments& enrolments;
    const Registrations& registrations;
    const WallClock& wall;
    Entropy& entropy;
  };
  explicit ForwardDesk(Parts parts) : parts_(parts) {}

  // A GET: changes nothing. Errors: those of cloud::OpenedFlow; refused/`office_unknown` (never enrolled, or revoked since),
  // `type_not_enrolled`, `return_not_enrolled`, `address_refused`; those of Registrations.
  [[nodiscard]] Result<Confirmation> look(std::string_view flow, const Cookies& cookies) const;
  // The button. Errors: those of look(); refused/`form_not_ours`.
  [[nodiscard]] Result<Departure> go_on(std::string_view flow, std::string_view form_token, const Cookies& cookies) const;
  // What the provider sends back to `app`'s redirect URI. Errors: invalid/`bad_callback`;
  // refused/`flow_not_of_this_browser`, `flow_expired`, `wrong_app`, `office_unknown`; invalid/`flow_too_long`.
  [[nodiscard]] Result<Arrival> come_back(std::string_view app, std::string_view query, const Cookies& cookies) const;
  // To the office whose signature on the request was good. Errors: those of cloud::open_handle.
  [[nodiscard]] Result<Bytes> result(std::string_view office, std::string_view handle) const;

 private:
  struct Checked {
    cloud::FlowRequest request;
    Enrolment enrolment;
    Registration registration;
  };
  [[nodiscard]] Result<Checked> check(std::string_view flow) const;
  [[nodiscard]] Result<cloud::OpenedFlow> open(std::string_view flow) const;
  [[nodiscard]] std::string form_token(std::string_view flow, std::string_view browser) const;

  Parts parts_;
};

}  // namespace latchkey::relay

// Authorising: from the dialog's button to a grant (RULES A). One code path behind the popup, the full
// page redirect, the device code, the link and the command line; the Cloud Service will enter by the same doors.
//
// A user exists when consent has succeeded, not before. What is half done is one sealed Authorization record that
// expires. All methods run on the engine's executor (EventLoop::main()); call them through base::run_on.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/id.h"
#include "base/result.h"
#include "base/secret.h"
#include "base/task.h"
#include "store/records.h"

namespace latchkey::grants {

using Parameters = std::vector<std::pair<std::string, std::string>>;

// Who asks, for the audit trail and for A1 (the session that issued a ticket may use it without a confirmation page).
struct Requester {
  std::string actor;        // username, or "cli"
  UserId user{};            // none: the CLI
  Bytes session_hash;       // of the console session; empty: none (the consent address is opened by hand)
  std::string source;       // address text
};

// How the account's owner is asked for consent.
enum class AuthorizationWay {
  browser,      // the start address, opened where the dialog is
  device_code,  // a code typed in on any device (RFC 8628); off unless `authorize.device_code_types` names the type (RULES A5)
  owner_link,   // the start address, sent to the owner; good for `authorize.link_lifetime`, in the browser that went on with it
};
[[nodiscard]] std::string_view name_of(AuthorizationWay way);

// What becomes of the browser that consents for whoever began it in the console.
enum class Presentation {
  popup,  // a window of its own, which closes itself
  page,   // the console's own goes, and comes back to the users' list
};
[[nodiscard]] std::string_view name_of(Presentation presentation);

// What a person needs for consenting with a device code (RFC 8628 section 3.2).
struct DevicePrompt {
  std::string user_code;
  std::string verification_uri;
  std::string verification_uri_complete;  // with the code in it; empty: the provider offers none
};

struct AuthorizationWish {
  AuthorizationWay way = AuthorizationWay::browser;
  // Exactly one of group (existing) and new_group; ignored when linking or replacing.
  GroupId group{};
  std::string new_group;
  std::string type;
  Parameters params;            // the type's own parameters (tenant, region, instance URL)
  std::string app;              // empty: the provider's app, if exactly one fits
  UserId link_user{};           // none: a new user
  std::string username;         // of a new user
  std::string name;
  std::string email;
  std::optional<Secret> pin;    // required unless the linked user has one; if given then it must be right
  bool allow_token = false;     // programs may fetch the token; ignored when replacing
  GrantId replace{};            // re-authorise this grant in place
  Presentation presentation = Presentation::popup;
  std::string expected_account; // pinned beforehand. By the provider's account id: needs no approval (A4); by name: held, and said so
};

struct Begun {
  AuthorizationId id;
  std::string start_url;     // {public_url}/oauth/start/{ticket}, one-time, 60 s (CLI: the pending lifetime; a link: its own); empty: a device code
  std::string redirect_uri;  // to register, byte for byte
  Presentation presentation = Presentation::popup;  // by way of the Cloud Service always the page, whatever was wished
  WallTime expires_at;
  std::optional<DevicePrompt> device{};
};

// What the dialog polls. `problem` in words with the next step, when failed.
struct AuthorizationView {
  AuthorizationId id;
  store::AuthorizationState state = store::AuthorizationState::pending;
  std::string problem_code;   // `access_denied`, `expired`, `account_differs`, ...
  std::string problem_text;
  UserId user{};
  GrantId grant{};
  std::string username;
  std::string type;
  std::string account_id;
  std::string account_name;
  // With a question: the account until now (or the one expected, by name), and whose grant a second consent of the same
  // account endangers (F8).
  std::string before_id;
  std::string before_name;
  std::string holder;
  std::string question;  // stands for all that is asked, and is another whenever something else is; empty: nothing is asked
  std::vector<std::string> scopes;
  std::vector<std::string> missing_scopes;
  WallTime expires_at{};
  UserId created_by{};
  AuthorizationWay way = AuthorizationWay::browser;
  std::optional<DevicePrompt> device{};  // while it is pending, with that way
  std::string link{};                    // the same: the address for the owner
  bool opened = false;                   // the same: a browser has gone on to the provider with it
  std::string redirect_uri{};            // as it is sent to the provider; empty: completed
  bool replaced = false;                 // completed: in the place of an earlier consent, and not to be taken back
};

// The browser's part.
struct StartPage {
  enum class Kind { redirect, confirm } kind = Kind::redirect;
  std::string location;      // redirect: the provider's authorization address
  std::string cookie;        // redirect: a complete Set-Cookie value
  std::string server;        // confirm: names for the owner's confirmation page (A1)
  std::string username;
  std::string type_name;
  std::string asked_by;
  std::string account;       // that is expected; empty: none was named
};
// Who sits at a browser that comes back, as far as can be told.
enum class Viewer {
  unknown,
  console,  // the session that began it
  nobody,   // of the console's: a link's owner, whoever confirmed on the confirmation page, another browser
};
struct CallbackPage {
  bool succeeded = false;
  std::string title;         // plain text for the person in the popup
  std::string text;
  AuthorizationId id{};      // none: nothing of ours was recognised
  std::string cookie{};      // a complete Set-Cookie value that takes the flow's cookie away again; empty: none
  Viewer viewer = Viewer::unknown;
  Presentation presentation = Presentation::popup;
  bool owner_known = false;  // the browser that went on with the owner's link has come back
};

class Authorizer {
 public:
  virtual ~Authorizer() = default;

  // Errors: invalid with `field` (group, type, params.NAME, username, pin, link_user, app); conflict/`username_taken`
  // (the existing user's id in `detail`), `username_reserved` (another dialog, or a link, is open for it), `type_held`, and those of attempt_locks.h;
  // misconfigured/`app_missing` (no registration for the provider), `plain_http` (RULES A1, names the remedies);
  // refused/`wrong_pin`. With a device code besides: conflict/`device_code_off`, `device_codes_waiting` (too many);
  // misconfigured/`device_code_unsupported`, or the provider's own word; unavailable/`provider_unreachable`.
  // What the same session had begun for that username ends while nobody has consented; but never a link, which is with its owner.
  [[nodiscard]] virtual Task<Result<Begun>> begin(AuthorizationWish wish, Requester requester) = 0;

  // `confirmed`: the confirmation page's POST (A1, A5). `flow_cookies`: every cookie of the request whose name starts with the
  // flow cookie's prefix, as name and value: a link that was gone on with opens again in that browser alone, until consent has
  // come back. Errors: not_found/`ticket_unknown`, conflict/`ticket_used`, and those of attempt_locks.h.
  enum class Confirmed { no, yes };
  [[nodiscard]] virtual Task<Result<StartPage>> start(std::string ticket, Bytes session_hash, Confirmed confirmed,
                                                      Parameters flow_cookies) = 0;

  // Never fails as a Result: whatever comes is answered by a page in words. The exchange runs on when the browser leaves.
  [[nodiscard]] virtual Task<CallbackPage> callback(std::string app, std::string query, Parameters flow_cookies) = 0;

  // The same by way of the Cloud Service: `handle` stands for what the provider said (RULES S5). Without the flow's cookie the
  // consent is held (A4).
  [[nodiscard]] virtual Task<CallbackPage> relayed(std::string attempt, std::string handle, Parameters flow_cookies) = 0;

  [[nodiscard]] virtual Task<Result<AuthorizationView>> view(AuthorizationId id) = 0;
  // Returns at the next change of state, or after `wait`.
  [[nodiscard]] virtual Task<Result<AuthorizationView>> view_after_change(AuthorizationId id, Seconds wait) = 0;
  [[nodiscard]] virtual Task<Result<void>> cancel(AuthorizationId id, Requester requester) = 0;
  enum class Answer { accept, reject };
  // What is not over yet, those that ask a person first. `limit`: at most that many.
  [[nodiscard]] virtual Task<Result<std::vector<AuthorizationView>>> pending(std::size_t limit) = 0;
  // Another provider account than before (C5), or a held consent (A4). `question`: that of the view whose words the person has read.
  // Errors besides: conflict/`nothing_to_confirm`; conflict/`question_changed`, with the words of what is asked now.
  [[nodiscard]] virtual Task<Result<AuthorizationView>> confirm(AuthorizationId id, Answer answer, std::string question, Requester requester) = 0;
  // Takes back what a completed authorisation made: the grant (revoked at the provider), and the user if it was new and has
  // been given nothing since (another grant, a password, a role).
  [[nodiscard]] virtual Task<Result<void>> undo(AuthorizationId id, Requester requester) = 0;

  // Import of a refresh token (CLI, API): refreshes at once and stores the grant only when that worked.
  [[nodiscard]] virtual Task<Result<AuthorizationView>> import_token(AuthorizationWish wish, Secret refresh_token,
                                                                     Requester requester) = 0;
};

// The prefix of flow cookies: `__Host-latchkey-flow-` on https, `latchkey-flow-` on loopback http.
inline constexpr std::string_view kFlowCookieSecurePrefix = "__Host-latchkey-flow-";
inline constexpr std::string_view kFlowCookieLoopbackPrefix = "latchkey-flow-";

}  // namespace latchkey::grants

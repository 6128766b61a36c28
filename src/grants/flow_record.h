// A pending authorisation as it is kept, sealed, until consent has come back or it expires (RULES A3). Never the PIN.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "grants/authorize.h"
#include "store/records.h"
#include "vault/vault.h"

namespace latchkey::grants {

// What a successful exchange brought, sealed for the grant to be. Kept in the record only while a person is asked.
struct Harvest {
  Bytes refresh_sealed;
  Bytes access_sealed;
  std::optional<WallTime> access_expires_at;
  WallTime issued_at{};
  std::string scopes;
  std::string missing_scopes;
  std::string extras_json = "{}";
  std::string account_id;
  std::string account_name;
  bool account_unanswered = false;  // the provider can say whose consent it is, and did not
  IntentId intent{};
  std::string place{};  // that gave it (flow_place.h); empty: not known (earlier versions; the reply named another host)
};

// A device code on its way (RFC 8628).
struct DeviceFlow {
  DevicePrompt prompt;
  Secret code;          // `device_code`; spent by the answer that grants
  Seconds interval{5};  // between polls, as slowed down so far
  IntentId intent{};    // of all its polls: each answer lies in the journal under it (RULES F5, F7)
  NodeId node{};        // that asks
};

enum class FlowKind { new_user, linked_user, replaced_grant };

struct FlowRecord {
  FlowKind kind = FlowKind::new_user;
  // The user to make, or the existing one with the key fields it will have. `group.none()`: make `new_group`.
  store::User user;
  std::string new_group;
  bool new_keys = false;      // the user's key fields are new
  bool allow_token = false;
  // The grant to make or to renew; its id, keys, type, app and parameters are final from the start.
  store::Grant grant;
  Bytes wrap_sealed;          // the grant's private half to the user's public key; empty when the grant exists
  std::string expected_account;
  std::string expected_name;  // of a grant that is authorised anew, as its owner knows the account; empty: as expected_account
  std::optional<std::int64_t> revoked_as{};  // of a grant that was revoked when an administrator began: its fence, which every revocation moves on
  // The conversation: pinned at the start (RULES A2).
  std::string redirect_uri;
  std::string issuer;
  std::string token_endpoint;
  Secret code_verifier;
  Secret nonce;
  Bytes cookie_hash;          // of the flow cookie, once started
  Bytes session_hash;         // of the console session that asked
  std::string actor;
  std::string source;         // from where the actor asked, for the audit trail
  std::string cloud_app;      // the Cloud Service's app, once started by way of it; empty: straight to the provider
  bool opened_by_other = false;  // consent does not come back to the session that asked: it is held (RULES A4)
  bool in_clear = false;  // the browser comes back here unencrypted, so that whoever listens may have put theirs in its place: held as well
  AuthorizationWay way = AuthorizationWay::browser;
  Presentation presentation = Presentation::popup;
  std::optional<DeviceFlow> device;  // with that way
  Secret link_ticket;                // with a link: of its address, for showing it again
  WallTime answer_until{};           // once begun at the provider: until when its answer counts
  std::optional<Harvest> harvest;
  Secret imported;  // the refresh token of an import: what the provider sends back where it does not rotate, and the operator's own
  catalog::ParameterValues learned;  // from the callback: hosts and ids the provider named there

  // `same_browser`: as went on with it.
  [[nodiscard]] Viewer viewer(bool same_browser) const;
  // Grant and harvest (and what was imported) alone: what is needed to give the tokens back.
  [[nodiscard]] FlowRecord copy_of_harvest() const;
  [[nodiscard]] Secret to_plain() const;
  [[nodiscard]] static Result<FlowRecord> from_plain(const Secret& plain);
};

// How long a consent waits for a person's answer: over a week-end, and longer than a link lives.
inline constexpr Seconds kQuestionLifetime = std::chrono::days(7);

inline constexpr std::size_t kWaitingMost = 1'000;  // attempts that are not over, read at once

// A pending record opened: what the store holds and what is inside.
struct PendingFlow {
  store::Authorization row;
  FlowRecord record;

  // Pending, and a browser has come back: its code is being spent, or was when the server was stopped.
  [[nodiscard]] bool answer_is_here() const {
    return row.state == store::AuthorizationState::pending && row.state_hash.empty() && !record.cookie_hash.empty();
  }
};

// A first exchange has no grant yet: its intent and journal entry bear the authorization's id (RULES F7).
[[nodiscard]] GrantId exchange_id(const AuthorizationId& id);

// Without a grant, and with nothing left to be asked.
[[nodiscard]] bool has_ended(store::AuthorizationState state);

[[nodiscard]] vault::SealContext flow_context(const AuthorizationId& id);

// What is left to be seen of an attempt that has ended without a grant.
[[nodiscard]] JsonObject ended_result(const FlowRecord& record, std::string_view code, std::string_view text);

}  // namespace latchkey::grants

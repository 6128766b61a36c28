// What Latchkey keeps: plain values, one struct a table. Octet fields named *_sealed or *_wrapped are ciphertext of the
// vault (src/vault/FORMAT.md); the store never sees inside. `mac` fields are made and checked by the room that owns the
// record and cover every plaintext field that decides where a secret or a document goes (RULES K3).
//
// Every record that changes carries `version`: 1 when inserted, plus one at every update. An update names the version it
// was made from; another version in the store is a conflict (read again, decide again).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/id.h"

namespace latchkey::store {

using Version = std::int64_t;
using GenerationNumber = std::int64_t;  // 0: no token yet; counts up by one at every successful exchange or refresh

struct Group {
  GroupId id;
  std::string name;  // unique, case-folded by the caller in name_key
  std::string name_key;
  WallTime created_at;
  Version version = 1;
  friend bool operator==(const Group&, const Group&) = default;
};

enum class Role : std::uint8_t { regular = 0, administrator = 1 };

// Bits of User::uses (RULES T2).
enum Use : std::uint32_t { kUseDeliver = 1, kUseList = 2, kUseSend = 4, kUseToken = 8 };

struct User {
  UserId id;
  GroupId group;
  std::string username;      // as typed, NFC
  std::string username_key;  // NFC and case-folded: unique on the whole server
  std::string name;
  std::string email;
  Role role = Role::regular;
  bool enabled = true;
  std::uint32_t uses = kUseDeliver | kUseList | kUseSend;
  std::vector<std::string> allowed_sources;  // CIDR texts; empty: from anywhere
  std::int64_t auth_epoch = 1;  // plus one at every PIN or password change, enable, disable (RULES K8)
  Bytes password_sealed;        // Argon2id verifier of the console password, sealed; empty: cannot sign in
  Bytes public_key;             // 32 octets, or empty: no PIN yet
  Bytes private_key_wrapped;    // opens with PIN and master key only
  WallTime pin_set_at{};
  WallTime created_at;
  WallTime last_used_at{};      // zero: never; written at most once a minute
  Bytes mac;
  Version version = 1;
  friend bool operator==(const User&, const User&) = default;
};

struct AppSecret {
  Bytes sealed;                       // empty: slot unused
  std::optional<WallTime> expires_at; // as the operator entered it
  WallTime set_at{};
  friend bool operator==(const AppSecret&, const AppSecret&) = default;
};

struct App {
  std::string id;        // a provider's id, or a name of one's own
  std::string provider;
  std::string client_id;
  std::string token_origin;  // issuer or token endpoint origin its secret goes to, and nowhere else (RULES K6)
  std::string params_json = "{}";
  AppSecret secrets[2];      // newest first
  bool paused = false;       // the provider refuses the app's credentials: nobody's grant is dead (R21)
  std::string pause_reason;
  WallTime created_at;
  Bytes mac;
  Version version = 1;
  friend bool operator==(const App&, const App&) = default;
};

// The states of api/openapi.json, by the same names in API and CLI.
enum class GrantState : std::uint8_t {
  active = 0, unreachable = 1, uncertain = 2, paused = 3, needs_authorization = 4, held = 5, disabled = 6, revoked = 7,
};
[[nodiscard]] std::string_view name_of(GrantState state);
[[nodiscard]] std::optional<GrantState> parse_grant_state(std::string_view name);
// Held, disabled or revoked: a person has locked it, and only a person unlocks it. No token leaves, nothing refreshes.
[[nodiscard]] bool is_locked(GrantState state);
// Not what a person has ended, nor what waits for a new consent.
[[nodiscard]] bool may_rest_on_consent(GrantState state);

// Grants of that app, of any type, that may rest on this account's consent: may_rest_on_consent(), and the user is not switched off; or
// switched off, and kept beyond `now` (the `created_at` of entry_of_switched_off() is later). One that waits for a person does as long as
// a node that has not stopped was not seen since `heard_since`: its journal may hold what the others were refused for (F2).
struct SharersQuery {
  std::string app;
  std::string account_id;  // empty: of any account
  WallTime now{};
  WallTime heard_since{};
  std::size_t limit = 1;
};

struct Grant {
  GrantId id;
  UserId user;
  std::string type;        // unique per user
  std::string app;         // for life (RULES F8)
  std::string params_json = "{}";
  std::string account_id;  // at the provider; a second grant of one account needs a person's consent (RULES F8)
  std::string account_name;
  std::string scopes;          // granted, space separated
  std::string missing_scopes;  // asked for but not granted
  std::string extras_json = "{}";  // what the token reply brought beside tokens (instance URL, tenant)
  Bytes public_key;            // of the grant's own pair (RULES K2)
  GrantState state = GrantState::active;
  std::string why;             // in words
  GenerationNumber generation = 0;
  WallTime issued_at{};
  std::optional<WallTime> access_expires_at;
  WallTime last_refreshed_at{};
  WallTime last_used_at{};
  std::optional<WallTime> due_at;  // next refresh or retry; nullopt: nothing to do until somebody acts
  std::int32_t failures = 0;       // attempts in a row without a reply that settles
  bool dead_seen = false;          // one definite refusal seen; final only when seen again after re-reading
  NodeId lease_owner;              // none: free
  WallTime lease_until{};          // by the store's clock
  std::int64_t fence = 0;          // plus one at every claim
  WallTime created_at;             // of the consent it lives by: moves when it is authorised anew
  Bytes mac;
  Version version = 1;
  friend bool operator==(const Grant&, const Grant&) = default;
};

// A token set. `current` is the one in use, and those before it until it has worked once; `refused`: the provider would not have it,
// and it is kept for its access token; a `candidate` is a reply that arrived while another had been applied (RULES F2).
enum class GenerationState : std::uint8_t { current = 0, refused = 1, candidate = 2 };

struct Generation {
  GrantId grant;
  GenerationNumber number = 0;
  GenerationState state = GenerationState::current;
  IntentId intent;         // whose reply it was
  Bytes refresh_sealed;    // under the master key; empty: the provider gave none
  Bytes access_sealed;     // to the grant's public key; empty: the reply lacked it (R12)
  std::optional<WallTime> access_expires_at;
  WallTime issued_at;
  std::optional<WallTime> proven_at;  // the refresh token or access token has worked
  friend bool operator==(const Generation&, const Generation&) = default;
};

// Who else than the PIN's owner opens a grant: the grant's private half sealed to each holder's public key.
enum class HolderKind : std::uint8_t { user = 0, connector = 1, device = 2, delivery = 3 };

struct Wrap {
  GrantId grant;
  HolderKind holder_kind = HolderKind::user;
  Bytes holder;            // 16 octets of the holder's id
  Bytes private_key_sealed;
  WallTime created_at;
  friend bool operator==(const Wrap&, const Wrap&) = default;
};

// One exchange with a provider (RULES F3): unique per (grant, generation); only its inserter may POST, and each further
// attempt, where the replay policy allows one, is an update of the same record.
//
// `restored`: nobody's exchange. A restore from a backup puts it on every grant's generation, since whether that one has
// been spent after the backup was made is not known (RULES F10).
enum class IntentState : std::uint8_t { open = 0, ambiguous = 1, applied = 2, refused = 3, not_sent = 4, restored = 5 };

struct Intent {
  IntentId id;
  GrantId grant;
  GenerationNumber generation = 0;  // the generation being spent (0: the first code exchange)
  NodeId node;
  std::int64_t fence = 0;
  IntentState state = IntentState::open;
  std::int32_t attempts = 1;        // POSTs begun
  WallTime opened_at;
  WallTime settled_at{};
  std::string outcome;              // in words
  Version version = 1;
  friend bool operator==(const Intent&, const Intent&) = default;
};

enum class AuthorizationState : std::uint8_t {
  pending = 0, completed = 1, failed = 2, cancelled = 3, expired = 4, held = 5, needs_confirmation = 6,
};
[[nodiscard]] std::string_view name_of(AuthorizationState state);

// A half-done attempt: everything it needs lives here and expires with it (RULES A3). `record_sealed` is the owner
// room's own JSON (keys, verifier, nonce, what to create), sealed under the master key.
struct Authorization {
  AuthorizationId id;
  AuthorizationState state = AuthorizationState::pending;
  Bytes ticket_hash;   // of the one-time start ticket; empty: used
  Bytes state_hash;    // of OAuth `state`; empty until started, and again once used
  std::string username_key;  // reserved while pending, so that two dialogs cannot make the same user
  UserId created_by;         // none: the CLI
  Bytes record_sealed;
  std::string result_json;   // for the dialog: account, scopes, problem; no secret
  WallTime created_at;
  WallTime expires_at;
  Version version = 1;
  friend bool operator==(const Authorization&, const Authorization&) = default;
};

struct Session {
  Bytes token_hash;   // of the cookie's value
  UserId user;
  std::int64_t auth_epoch = 0;  // a session of an older epoch is dead
  WallTime created_at;
  WallTime expires_at;
  std::string source;
  friend bool operator==(const Session&, const Session&) = default;
};

struct Setting {
  std::string key;
  std::string value;
  friend bool operator==(const Setting&, const Setting&) = default;
};

// Append-only; `hash` chains over the previous one and is made by the store inside the commit.
struct AuditEntry {
  std::int64_t sequence = 0;  // given by the store
  WallTime at;
  std::string actor;    // username, "cli", "keeper"
  std::string action;   // `user.created`, `grant.authorized`, ...
  std::string subject;  // what it was done to, in words that survive deletion
  UserId user;          // whom it concerns; none: nobody in particular
  std::string source;   // address
  std::string detail;   // words; no secret
  Bytes hash;           // 32 octets
  friend bool operator==(const AuditEntry&, const AuditEntry&) = default;
};

// A server process that works on this store, by the name its data directory keeps.
struct Node {
  NodeId id;
  std::string name;     // of its machine
  std::string version;  // of its program
  Bytes run;            // 16 random octets of the process: two with one data directory are noticed by it. Empty: it has stopped
  WallTime started_at;
  WallTime seen_at{};   // by the store's clock
  friend bool operator==(const Node&, const Node&) = default;
};

// Meta that several rooms know: the name of an embedded store's only node, and where its data was moved to.
inline constexpr std::string_view kNodeMeta = "node_id";
inline constexpr std::string_view kMovingToMeta = "moving_to";  // begun, not finished (move/move.h)
inline constexpr std::string_view kMovedToMeta = "moved_to";

// Wrong PINs (RULES T4). `bucket`: the known source's text, or "*" for all unknown sources together.
struct PinFailure {
  UserId user;
  std::string bucket;
  Bytes fingerprint;  // keyed hash of (user, PIN): the same wrong PIN again counts once
  WallTime at;
};
struct PinFailureCount {
  std::string bucket;
  std::int64_t distinct = 0;
  WallTime last_at{};
};
struct KnownSource {
  UserId user;
  std::string source;
  WallTime last_success_at;
  friend bool operator==(const KnownSource&, const KnownSource&) = default;
};

// A line of a grant's life, for people to read. A refresh that succeeds is a line only when it is the grant's first of a day or
// the first after something else: what it stands for follows from the generations.
enum class GrantEventKind : std::uint8_t {
  authorized = 0, reauthorized = 1, refreshed = 2, failed = 3, ambiguous = 4, refused = 5, paused = 6, needs_authorization = 7,
  scopes_changed = 8, checked = 9, enabled = 10, disabled = 11, revoked = 12, pin_reset = 13,
};

struct GrantEvent {
  GrantId grant;
  WallTime at;                      // of the first, where several were joined
  WallTime last_at;                 // of the last
  GrantEventKind kind = GrantEventKind::refreshed;
  std::int64_t count = 1;
  GenerationNumber generation = 0;  // in use afterwards
  std::int32_t status = 0;          // of the provider's reply; 0: none came, or none was asked for
  std::string error;                // its error code
  std::string detail;               // words; no secret
  std::string actor;                // username, "cli"; empty: the keeper
  friend bool operator==(const GrantEvent&, const GrantEvent&) = default;
};

// Tokens on their way back to the provider (RULES F7): an entry lives until the provider has taken them, or gives up.
struct Revocation {
  RevocationId id;
  GrantId grant;        // whose they were, or are while `record_sealed` is empty
  std::string app;
  std::string subject;  // what was given up, in words that survive deletion
  Bytes record_sealed;  // the owner room's: tokens and where they go; empty: still with the grant, taken when due
  std::int32_t attempts = 0;
  WallTime due_at;
  WallTime created_at;
  std::string why;      // what stands in the way, in words
  Version version = 0;
  friend bool operator==(const Revocation&, const Revocation&) = default;
};

// The one entry by which what a grant holds goes back after it, or its user, was switched off: its id. Its `created_at` is the moment from
// which the tokens may go.
[[nodiscard]] RevocationId entry_of_switched_off(const GrantId& grant);

// How often something happened from `at` on, in the span its name implies.
struct Tally {
  std::string name;
  WallTime at;
  std::int64_t count = 0;
  friend bool operator==(const Tally&, const Tally&) = default;
};

// A configured destination. `id` is what addresses say (`[a-z0-9][a-z0-9-]{0,62}`) and never changes.
enum class AccountKind : std::uint8_t { fixed = 0, caller = 1 };  // one user's grant, or that of whoever delivers
enum class ConflictRule : std::uint8_t { rename = 0, replace = 1, new_version = 2, refuse = 3 };
[[nodiscard]] std::string_view name_of(AccountKind kind);
[[nodiscard]] std::optional<AccountKind> parse_account_kind(std::string_view name);
[[nodiscard]] std::string_view name_of(ConflictRule rule);
[[nodiscard]] std::optional<ConflictRule> parse_conflict_rule(std::string_view name);

// What lets a fixed connector use its owner's grant while nobody shows a PIN: a pair of the connector's own, which the grant's
// private half is sealed to (HolderKind::connector). Made anew each time, so its id is never that of one that has ended.
struct StandingDelegation {
  DelegationId id;           // the holder; none: there is no delegation
  GrantId grant;
  Bytes public_key;
  Bytes private_key_sealed;  // under a master sub-key: opens unattended
  WallTime created_at{};
  friend bool operator==(const StandingDelegation&, const StandingDelegation&) = default;
};

struct Connector {
  std::string id;
  std::string name;
  std::string type;                 // of the catalogue; its connector's code and the grant it uses
  AccountKind account = AccountKind::caller;
  UserId owner;                     // fixed: whose grant; none otherwise
  std::vector<std::string> groups;  // texts of the ids of groups whose members may deliver
  std::string target_json = "{}";   // folder and fields, as the type has them
  std::string naming;               // template of a document's name
  ConflictRule conflict = ConflictRule::rename;
  std::int64_t size_bytes_max = 0;  // 0: no limit but the destination's
  bool enabled = true;
  StandingDelegation delegation;    // fixed ones only
  WallTime created_at;
  Bytes mac;
  Version version = 0;
  friend bool operator==(const Connector&, const Connector&) = default;
};

// A machine with a secret of its own. Its name shares the usernames' space. It uses fixed connectors alone, and never gets a
// token.
struct Device {
  DeviceId id;
  std::string name;      // as typed, NFC
  std::string name_key;  // NFC and case-folded: unique among devices, and no user's
  Bytes secret_hash;     // keyed (RULES T8), 32 octets
  std::vector<std::string> connectors;         // ids of those it may deliver to
  std::vector<std::string> recipient_domains;  // that it may send mail to; empty: none
  std::vector<std::string> allowed_sources;    // CIDR texts; empty: from anywhere, over TLS
  std::uint32_t uses = kUseDeliver | kUseList;
  bool enabled = true;
  WallTime secret_set_at{};
  WallTime created_at;
  WallTime last_seen_at{};   // zero: never; written at most once a minute
  std::string last_source;
  WallTime last_error_at{};  // zero: none
  std::string last_error;    // in words
  Bytes mac;
  Version version = 0;
  friend bool operator==(const Device&, const Device&) = default;
};

// queued, sending and parked are the engine's; the rest waits for a person or for nobody (docs/design/delivery.md).
enum class DeliveryState : std::uint8_t { queued = 0, sending = 1, parked = 2, maybe_sent = 3, failed = 4, delivered = 5 };
[[nodiscard]] std::string_view name_of(DeliveryState state);
[[nodiscard]] std::optional<DeliveryState> parse_delivery_state(std::string_view name);
[[nodiscard]] bool is_in_work(DeliveryState state);  // of the engine's

// One document on its way. The sealed fields are empty once it has been delivered: nothing opens any more.
struct Delivery {
  DeliveryId id;
  std::string connector;
  UserId submitter;            // none: a device's, or the folder door's
  DeviceId device;             // none: a person's, or the folder door's
  GrantId grant;
  NodeId node;                 // whose spool has the document
  DeliveryState state = DeliveryState::queued;
  std::string name;            // at the destination
  std::string content_type;
  std::int64_t size_bytes = 0;
  Bytes sha256;                // of the document, 32 octets
  Bytes document_key_sealed;   // of its file in the spool
  Bytes public_key;            // of the delivery's own pair, the grant's holder (RULES K4)
  Bytes private_key_sealed;    // under a master sub-key: opens unattended
  std::int32_t tries = 0;
  WallTime due_at;
  std::string resume_point;    // the connector's own; empty: from the start
  std::int64_t sent_bytes = 0;
  std::string why;             // it is not delivered, in words
  std::string receipt_json = "{}";
  std::string timeline_json = "[]";
  std::string source;          // door and address it came by
  std::string fields_json = "{}";  // what goes with the document, as the door gave it
  std::string idempotency_key; // the submitter's own, unique among what it submitted; empty: none
  WallTime created_at;
  WallTime finished_at{};      // zero: not yet
  Bytes mac;
  Version version = 0;
  friend bool operator==(const Delivery&, const Delivery&) = default;
};

}  // namespace latchkey::store

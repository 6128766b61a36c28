// The Store: where everything durable lives, behind one seam.
//
// Reads return values as of some moment not before the call; a read that follows a commit sees it. Writes are batches of
// mutations: all of a batch happens, durably, or nothing of it does. Several batches share one fsync.
//
// Any thread may call; the awaiting task resumes on its own executor. No call holds the network thread: SQL runs on the
// store's own threads. A Store implementation keeps no business rule beyond uniqueness and versions, so that SQLite,
// PostgreSQL and the simulation's memory pass one exercise suite.
//
// Errors of every method: unavailable/`store_unavailable` (nothing happened), ambiguous/`commit_ambiguous` (the answer to
// a commit was lost: read again to learn), corrupt/`store_corrupt`. Errors of commit besides: see Mutation.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "store/records.h"

namespace latchkey::store {

// ---- mutations -----------------------------------------------------------------------------------------------------
// Insert*: conflict/`exists` with `field` naming the unique column (name, username, type, account, ...).
//          The version stored is 1. not_found/`gone` with `field` naming a parent (group, user, grant) that is no more.
// Update*: the record's `version` is the one it was read with; the store writes version + 1. conflict/`version` when the
//          store holds another, not_found/`gone` when it is no more; unique columns as for inserts.
// Delete*: not_found/`gone`.

struct InsertGroup { Group group; };
struct UpdateGroup { Group group; };
struct DeleteGroup { GroupId id; };           // conflict/`group_not_empty` while users are in it
// conflict/`last_administrator` unless, after the mutations before it in the batch, an enabled administrator with a password
// remains. Batches that hold it are one after the other, so that two that take the last two away cannot both succeed.
struct KeepAnAdministrator {};
struct InsertUser { User user; };
struct UpdateUser { User user; };
struct DeleteUser { UserId id; };             // with grants, generations, wraps, intents, sessions, throttling records
struct PutApp { App app; };                   // inserts when version is 0, else updates
struct DeleteApp { std::string id; };         // conflict/`app_in_use` while grants use it
struct InsertGrant { Grant grant; };
struct UpdateGrant { Grant grant; };
struct DeleteGrant { GrantId id; };
// Takes the lease: lease_until = store clock + lease, lease_owner = node, fence + 1. The grant must still have `version`,
// and its lease must be free, passed (store clock), or the node's own: else conflict/`leased`. A claim is an update:
// version + 1, so read the grant again before deciding (whoever updates from before the claim gets conflict/`version`).
struct ClaimGrant { GrantId id; Version version; NodeId node; Milliseconds lease; };
struct PutGeneration { Generation generation; };              // replaces the same (grant, number)
struct DeleteGeneration { GrantId grant; GenerationNumber number; };
struct PutWrap { Wrap wrap; };                                // replaces the same (grant, holder)
struct DeleteWrap { GrantId grant; HolderKind holder_kind; Bytes holder; };
// `grant` need not exist: the first code exchange of a new user bears the authorization's id there (RULES F7).
struct InsertIntent { Intent intent; };                       // conflict/`exists` field `intent`
struct UpdateIntent { Intent intent; };
// Settled intents of generations below `generation` are history (the generation itself carries its intent's id).
struct DeleteIntentsBelow { GrantId grant; GenerationNumber generation; };
// All of them, whatever their state: a new consent has replaced what they were about. None: nothing happens.
struct DeleteIntentsOf { GrantId grant; };
struct InsertAuthorization { Authorization authorization; };  // conflict/`exists` field `username` while another is pending for it
struct UpdateAuthorization { Authorization authorization; };
struct DeleteAuthorization { AuthorizationId id; };
struct PutSession { Session session; };
struct TouchSession { Bytes token_hash; WallTime expires_at; };  // gone: it has been ended meanwhile, and stays so
struct DeleteSession { Bytes token_hash; };
struct DeleteSessionsOfUser { UserId user; };
struct PutSetting { Setting setting; };
struct DeleteSetting { std::string key; };                    // absent: nothing happens
struct AppendAudit { AuditEntry entry; };                     // sequence and hash are the store's
struct RecordPinFailure { PinFailure failure; };              // the same (user, bucket, fingerprint) again: only `at` moves
struct ForgetPinFailures { UserId user; };
struct PutKnownSource { KnownSource source; std::int64_t most; };  // keeps the `most` most recent of the user
struct TouchUser { UserId user; WallTime last_used_at; };     // no version: never a conflict
struct TouchGrant { GrantId grant; WallTime last_used_at; };
struct CountHandouts { GrantId grant; WallTime minute; std::int64_t count; };  // adds
// Joins the grant's newest event where `join` is set and that one has the same kind, status, error and actor: its count goes
// up by the event's, last_at, generation and detail become the event's. Else the event is added. Then the grant keeps the
// newest kGrantEventsKept of them whose last_at is at most kGrantEventsAge before the event's. No such grant: nothing happens.
struct NoteGrantEvent { GrantEvent event; bool join = false; };
struct PutRevocation { Revocation revocation; };              // inserts when version is 0, else updates
struct DeleteRevocation { RevocationId id; };
struct DeleteRevocationOfSwitchedOff { GrantId grant; };       // entry_of_switched_off(); absent: nothing happens
struct AddTally { Tally tally; };                             // adds; tallies of the name older than kTalliesAge go
struct PutConnector { Connector connector; };                 // inserts when version is 0, else updates; its id never changes
struct DeleteConnector { std::string id; };
struct PutDelivery { Delivery delivery; };                    // inserts when version is 0, else updates; unique: idempotency_key of its submitter
struct DeleteDelivery { DeliveryId id; };
// Inserts when version is 0, else updates. conflict/`exists` field `name` for a device's or a user's name (and of InsertUser and
// UpdateUser: field `username` for a device's).
struct PutDevice { Device device; };
struct DeleteDevice { DeviceId id; };
// Seen from there, or (with words) what went wrong for it; no version: never a conflict. No such device: nothing happens.
struct TouchDevice { DeviceId id; WallTime at; std::string source; std::string error; };
struct PutMeta { std::string key; Bytes value; };
// A process says that it runs (`seen_at` is the store's own, by its clock); whoever had the node's id before is replaced.
struct PutNode { Node node; };
// It still runs. not_found/`gone`: it has been forgotten, or another process has taken its id.
struct TouchNode { NodeId id; Bytes run; };
struct DeleteNode { NodeId id; };
struct CompareMeta { std::string key; Bytes expected; };      // conflict/`meta` unless equal (empty: absent)

using AnyMutation =
    std::variant<InsertGroup, UpdateGroup, DeleteGroup, KeepAnAdministrator, InsertUser, UpdateUser, DeleteUser, PutApp, DeleteApp, InsertGrant,
                 UpdateGrant, DeleteGrant, ClaimGrant, PutGeneration, DeleteGeneration, PutWrap, DeleteWrap, InsertIntent,
                 UpdateIntent, DeleteIntentsBelow, DeleteIntentsOf, InsertAuthorization, UpdateAuthorization, DeleteAuthorization,
                 PutSession, TouchSession, DeleteSession, DeleteSessionsOfUser, PutSetting, DeleteSetting, AppendAudit, RecordPinFailure, ForgetPinFailures,
                 PutKnownSource, TouchUser, TouchGrant, CountHandouts, NoteGrantEvent, PutRevocation, DeleteRevocation,
                 DeleteRevocationOfSwitchedOff, AddTally, PutNode, TouchNode, DeleteNode, PutConnector, DeleteConnector, PutDelivery, DeleteDelivery, PutDevice, DeleteDevice, TouchDevice, PutMeta, CompareMeta>;

// One of them. What a variant of so many kinds needs for being copied and destroyed is compiled once (mutation.cpp): in every file
// that fills a batch it took as long as a sixth of all the rest.
struct Mutation : AnyMutation {
  template <class Kind>
  Mutation(Kind kind);
  Mutation(const Mutation& other);
  Mutation(Mutation&& other) noexcept;
  Mutation& operator=(const Mutation& other);
  Mutation& operator=(Mutation&& other) noexcept;
  ~Mutation();
};

inline constexpr std::int64_t kGrantEventsKept = 50;
inline constexpr auto kGrantEventsAge = std::chrono::days(30);
inline constexpr auto kTalliesAge = std::chrono::days(31);

using Batch = std::vector<Mutation>;

// Raw replies go ahead of all other writes (RULES F5); people's clicks before bookkeeping.
enum class Urgency : std::uint8_t { token_reply, ordinary, bookkeeping };

// ---- queries -------------------------------------------------------------------------------------------------------

struct Page {
  std::string cursor;  // empty: from the start; else Listing::next_cursor of the same query
  std::size_t limit = 50;  // 1..200
};
template <class T>
struct Listing {
  std::vector<T> items;
  std::string next_cursor;  // empty: the end
  std::int64_t total = 0;   // of the whole query (exact up to 10,000, else 10,001; of revocations all that wait)
};

struct UserQuery {
  std::string search;  // in username, name, email, account name; case-folded substring
  std::optional<GroupId> group;
  std::string type;    // has a grant of this type
  std::optional<GrantState> state;
  bool only_oauth_users = false;
  bool only_without_grants = false;
  bool only_switched_off = false;  // at most one of the three counts, in this order
  Page page;
};
struct UserRow {
  User user;
  std::string group_name;
  std::vector<Grant> grants;
};
struct GroupRow {
  Group group;
  std::int64_t users = 0;
  std::int64_t oauth_users = 0;
};
struct AuditQuery {
  std::string search;
  std::string action;  // exact, or a prefix that ends in a dot: `grant.`
  std::optional<UserId> user;
  WallTime since{};    // at or after
  Page page;  // newest first
};
// Everything a refresh decides on, read in one snapshot.
struct GrantView {
  Grant grant;
  std::vector<Generation> generations;  // ascending by number
  std::optional<Intent> intent;         // of grant.generation, if any
};
// A user and grants of the user's, as of one moment: what a hand-out has to know.
struct Holding {
  struct Held {
    GrantView view;
    std::vector<Wrap> wraps;
  };
  User user;
  std::vector<Held> grants;  // by type
};
// What has to be known of a document on its way in, each part as of one moment; asked for in one question, since a mail asks twice.
struct AdmittanceQuery {
  std::string connector;
  UserId user{};      // none: not asked for
  DeviceId device{};  // the same
};
struct Admittance {
  std::optional<Connector> connector;
  std::optional<User> user;
  std::optional<Device> device;
  std::optional<Holding> owner;  // of a connector with a standing delegation, with the grants of its type
};
struct DueGrant {
  GrantId id;
  WallTime due_at;
  std::string app;
  std::string type;
};
// What a forecast of a grant's end goes by.
struct GrantAge {
  GrantId id;
  std::string type;
  WallTime consented_at;  // Grant::created_at
  WallTime refreshed_at;  // the later of Grant::last_refreshed_at and issued_at
};
struct AgeQuery {
  std::vector<std::string> types;
  WallTime refreshed_before{};
  WallTime consented_before{};
  GrantId after{};  // none: from the start; else the last id of the page before
  std::size_t limit = 500;
};
struct StateCount {
  GrantState state;
  std::int64_t count = 0;
};
struct TypeStateCount {
  std::string type;
  GrantState state;
  std::int64_t count = 0;
  friend bool operator==(const TypeStateCount&, const TypeStateCount&) = default;
};
enum class GrantMoment { due, expiry };  // Grant::due_at, Grant::access_expires_at
struct HandoutCount {
  GrantId grant;
  WallTime minute;
  std::int64_t count = 0;
};

struct DeliveryQuery {
  std::optional<UserId> submitter;
  std::optional<DeviceId> device;
  std::string connector;  // empty: of all
  std::optional<DeliveryState> state;
  Page page;  // newest first
};
struct DeliveryStateCount {
  DeliveryState state;
  std::int64_t count = 0;
  std::int64_t size_bytes = 0;  // of the documents
  friend bool operator==(const DeliveryStateCount&, const DeliveryStateCount&) = default;
};

// A resource; outlives everything that awaits it.
class Store {
 public:
  virtual ~Store() = default;

  [[nodiscard]] virtual Task<Result<void>> commit(Batch batch, Urgency urgency = Urgency::ordinary) = 0;
  // The clock that leases are measured by, and the question whether the store is well. Errors besides: unavailable/`store_unreadable`, `store_stopped`.
  [[nodiscard]] virtual Task<Result<WallTime>> now() = 0;

  [[nodiscard]] virtual Task<Result<std::vector<GroupRow>>> groups() = 0;
  [[nodiscard]] virtual Task<Result<std::optional<Group>>> group(GroupId id) = 0;
  [[nodiscard]] virtual Task<Result<std::optional<Group>>> group_by_name_key(std::string name_key) = 0;

  [[nodiscard]] virtual Task<Result<std::optional<User>>> user(UserId id) = 0;
  [[nodiscard]] virtual Task<Result<std::optional<User>>> user_by_key(std::string username_key) = 0;
  // Ordered by group name, then username key.
  [[nodiscard]] virtual Task<Result<Listing<UserRow>>> users(UserQuery query) = 0;
  [[nodiscard]] virtual Task<Result<std::int64_t>> count_administrators() = 0;  // enabled ones with a password
  [[nodiscard]] virtual Task<Result<std::vector<PinFailureCount>>> pin_failures(UserId user) = 0;
  // Distinct (user, fingerprint) pairs charged by one source bucket since `since`, over all users.
  [[nodiscard]] virtual Task<Result<std::int64_t>> spray_count(std::string bucket, WallTime since) = 0;
  [[nodiscard]] virtual Task<Result<std::vector<KnownSource>>> known_sources(UserId user) = 0;

  [[nodiscard]] virtual Task<Result<std::vector<App>>> apps() = 0;
  [[nodiscard]] virtual Task<Result<std::optional<App>>> app(std::string id) = 0;

  [[nodiscard]] virtual Task<Result<std::optional<GrantView>>> grant(GrantId id) = 0;
  [[nodiscard]] virtual Task<Result<std::vector<Grant>>> grants_of_user(UserId user) = 0;
  // With the user's grants of that type; empty: with all. nullopt: no such user.
  [[nodiscard]] virtual Task<Result<std::optional<Holding>>> holding(UserId user, std::string type) = 0;
  [[nodiscard]] virtual Task<Result<std::vector<Grant>>> grants_of_app(std::string app, std::size_t limit) = 0;
  // The oldest grant of that app, type and provider account.
  [[nodiscard]] virtual Task<Result<std::optional<Grant>>> grant_by_account(std::string app, std::string type,
                                                                            std::string account_id) = 0;
  [[nodiscard]] virtual Task<Result<std::vector<Wrap>>> wraps(GrantId grant) = 0;
  // due_at <= until, lease free or passed, app neither paused nor in `without_apps`, soonest first. A store that several nodes
  // share keeps what it gives to `node` from the others for a few seconds; the claim alone decides who refreshes.
  [[nodiscard]] virtual Task<Result<std::vector<DueGrant>>> due_grants(NodeId node, WallTime until, std::size_t limit,
                                                                       std::vector<std::string> without_apps) = 0;
  [[nodiscard]] virtual Task<Result<std::vector<Intent>>> open_intents(std::size_t limit) = 0;  // oldest first
  // Of these types, neither locked nor waiting for a person (needs_authorization), refreshed or consented to before the
  // moments given; by id. A scan of all grants: for rare questions.
  [[nodiscard]] virtual Task<Result<std::vector<GrantAge>>> aged_grants(AgeQuery query) = 0;
  [[nodiscard]] virtual Task<Result<std::vector<StateCount>>> grant_states() = 0;
  [[nodiscard]] virtual Task<Result<std::vector<HandoutCount>>> handouts(GrantId grant, WallTime since) = 0;
  // By type, then state; none that is empty.
  [[nodiscard]] virtual Task<Result<std::vector<TypeStateCount>>> grants_by_type() = 0;
  // `edges` ascend, 1 to 16 of them. How many grants have that moment before the first edge, from each edge to the next, and
  // from the last one on: one number more than edges. Grants without the moment are left out, and for `expiry` those that
  // are locked or wait for a person, whose token matters to nobody.
  [[nodiscard]] virtual Task<Result<std::vector<std::int64_t>>> grant_histogram(GrantMoment moment, std::vector<WallTime> edges) = 0;
  // Those of the account, and after them those of which nobody knows whose they are (an empty account_id).
  [[nodiscard]] virtual Task<Result<std::vector<Grant>>> sharers(SharersQuery query) = 0;
  // Newest first.
  [[nodiscard]] virtual Task<Result<std::vector<GrantEvent>>> grant_events(GrantId grant) = 0;
  // Those due until then, soonest first; `total` counts them all (Listing). No pages.
  [[nodiscard]] virtual Task<Result<Listing<Revocation>>> revocations(WallTime due_until, std::size_t limit) = 0;
  // Of every name that begins so, from `since` on; by name, then time.
  [[nodiscard]] virtual Task<Result<std::vector<Tally>>> tallies(std::string prefix, WallTime since) = 0;

  [[nodiscard]] virtual Task<Result<std::optional<Authorization>>> authorization(AuthorizationId id) = 0;
  [[nodiscard]] virtual Task<Result<std::optional<Authorization>>> authorization_by_ticket(Bytes ticket_hash) = 0;
  [[nodiscard]] virtual Task<Result<std::optional<Authorization>>> authorization_by_state(Bytes state_hash) = 0;
  // The pending one that has this username reserved; a key, never empty.
  [[nodiscard]] virtual Task<Result<std::optional<Authorization>>> authorization_reserving(std::string username_key) = 0;
  [[nodiscard]] virtual Task<Result<std::vector<Authorization>>> expired_authorizations(WallTime now, std::size_t limit) = 0;

  // Not over yet; those that ask a person (held, needs_confirmation) before the pending ones, each oldest first.
  [[nodiscard]] virtual Task<Result<std::vector<Authorization>>> pending_authorizations(std::size_t limit) = 0;

  [[nodiscard]] virtual Task<Result<std::optional<Session>>> session(Bytes token_hash) = 0;
  [[nodiscard]] virtual Task<Result<std::vector<Setting>>> settings() = 0;
  [[nodiscard]] virtual Task<Result<Listing<AuditEntry>>> audit(AuditQuery query) = 0;
  // Walks the whole chain; the first sequence whose hash does not fit, or nullopt: sound.
  [[nodiscard]] virtual Task<Result<std::optional<std::int64_t>>> verify_audit() = 0;
  [[nodiscard]] virtual Task<Result<std::vector<Node>>> nodes() = 0;  // the longest known first
  [[nodiscard]] virtual Task<Result<Bytes>> meta(std::string key) = 0;  // empty: absent

  [[nodiscard]] virtual Task<Result<std::vector<Connector>>> connectors() = 0;  // by id
  [[nodiscard]] virtual Task<Result<std::optional<Connector>>> connector(std::string id) = 0;
  [[nodiscard]] virtual Task<Result<Admittance>> admittance(AdmittanceQuery query) = 0;
  [[nodiscard]] virtual Task<Result<std::vector<Device>>> devices() = 0;  // by name_key
  [[nodiscard]] virtual Task<Result<std::optional<Device>>> device(DeviceId id) = 0;
  [[nodiscard]] virtual Task<Result<std::optional<Device>>> device_by_name_key(std::string name_key) = 0;
  [[nodiscard]] virtual Task<Result<std::optional<Delivery>>> delivery(DeliveryId id) = 0;
  [[nodiscard]] virtual Task<Result<Listing<Delivery>>> deliveries(DeliveryQuery query) = 0;
  // The one with that key of its submitter's (a user, or else a device).
  [[nodiscard]] virtual Task<Result<std::optional<Delivery>>> delivery_by_key(UserId submitter, DeviceId device,
                                                                              std::string idempotency_key) = 0;
  // Of the node's spool, in work (is_in_work), due until then; soonest first.
  [[nodiscard]] virtual Task<Result<std::vector<Delivery>>> due_deliveries(NodeId node, WallTime until, std::size_t limit) = 0;
  // By state; none that is empty.
  [[nodiscard]] virtual Task<Result<std::vector<DeliveryStateCount>>> delivery_states() = 0;

  // Whole tables a page at a time, ordered by id, from the first id after `after` (none: from the start): for passes over
  // every record. A record made meanwhile with a smaller id is not seen.
  [[nodiscard]] virtual Task<Result<std::vector<User>>> users_after(UserId after, std::size_t limit) = 0;
  [[nodiscard]] virtual Task<Result<std::vector<Grant>>> grants_after(GrantId after, std::size_t limit) = 0;
  [[nodiscard]] virtual Task<Result<std::vector<Authorization>>> authorizations_after(AuthorizationId after, std::size_t limit) = 0;
  [[nodiscard]] virtual Task<Result<std::vector<Revocation>>> revocations_after(RevocationId after, std::size_t limit) = 0;
  [[nodiscard]] virtual Task<Result<std::vector<Delivery>>> deliveries_after(DeliveryId after, std::size_t limit) = 0;
};

}  // namespace latchkey::store

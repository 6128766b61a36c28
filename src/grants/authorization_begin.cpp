// Authorising, first part: what the dialog's button promises is checked, keys are made, and a pending record is written.
#include <algorithm>

#include "grants/attempt_locks.h"
#include "grants/authorization_desk.h"

namespace latchkey::grants {
namespace {

constexpr Seconds kTicketLifetimeOfConsole{60};

std::unexpected<Error> invalid(std::string field, std::string reason, std::string text) {
  return fail(ErrorKind::invalid, std::move(reason), std::move(text), {.field = std::move(field)});
}

catalog::ParameterValues values_of(const Parameters& parameters) {
  catalog::ParameterValues values;
  for (const auto& [name, value] : parameters) values[name] = value;
  return values;
}

// An administrator's session, or the server's command line. Nobody else who may approve has seen who asks (RULES A4).
bool is_administrator(const Requester& requester) { return !requester.session_hash.empty() || requester.user.none(); }

}  // namespace

std::string AuthorizationDesk::start_address(const Secret& ticket) const {
  return parts_.clients.address().url + "/oauth/start/" + std::string(ticket.reveal_text());
}

bool AuthorizationDesk::is_reached_in_clear() const { return oauth::travels_in_clear(parts_.clients.address().url); }

Result<void> AuthorizationDesk::check_public_address() const {
  if (!is_reached_in_clear()) return {};
  return fail(ErrorKind::misconfigured, "plain_http",
              "Providers send the consent back over https only, and this server is reached at " + parts_.clients.address().url +
                  ". Set tls.certificate and tls.key (or public_url behind a proxy), open the console through an SSH tunnel to "
                  "localhost, or use a Cloud Service (OAuth settings).");
}

// What travels in a link's address opens the consent, whichever way that goes on.
Result<void> AuthorizationDesk::check_link_address() const {
  if (!is_reached_in_clear()) return {};
  return fail(ErrorKind::misconfigured, "plain_http",
              "A link for the owner would travel unencrypted, since this server is reached at " + parts_.clients.address().url +
                  ". Set tls.certificate and tls.key (or public_url behind a proxy), or authorise in this browser or with a device code.");
}

Task<Result<void>> AuthorizationDesk::end_former(const FlowRecord& record, const Requester& requester) {
  // Whoever is nobody's administrator has one attempt for a grant, not as many as the page was pressed for.
  if (record.kind == FlowKind::replaced_grant && record.opened_by_other) {
    for (const auto& id : co_await open_attempts(requester.user, record.grant.id)) [[maybe_unused]] const auto ended = co_await cancel(id, requester);
  }
  if (record.kind != FlowKind::new_user || record.session_hash.empty()) co_return Result<void>{};
  auto row = co_await parts_.store.authorization_reserving(record.user.username_key);
  if (!row) co_return std::unexpected(row.error());
  if (!*row) co_return Result<void>{};
  auto former = open(std::move(**row));
  // What cannot be ended so stands in the way of the new one, which says so.
  if (!former || former->record.way == AuthorizationWay::owner_link || former->answer_is_here()) co_return Result<void>{};
  if (!base::equal_in_constant_time(former->record.session_hash, record.session_hash)) co_return Result<void>{};
  former->record.actor = requester.actor;
  former->record.source = requester.source;
  co_await end_unwanted(std::move(*former), store::AuthorizationState::cancelled, "cancelled", std::string(kCancelled), "authorization.cancelled");
  co_return Result<void>{};
}

Task<std::vector<AuthorizationId>> AuthorizationDesk::open_attempts(UserId user, GrantId replaced) {
  std::vector<AuthorizationId> open_ones;
  const auto rows = co_await parts_.store.pending_authorizations(kWaitingMost);
  if (!rows) co_return open_ones;
  for (const auto& row : *rows) {
    if (row.created_by != user) continue;
    const auto flow = open(row);
    if (flow && flow->record.kind == FlowKind::replaced_grant && flow->record.grant.id == replaced) open_ones.push_back(row.id);
  }
  co_return open_ones;
}

Task<Result<std::string>> AuthorizationDesk::app_for(const catalog::Type& type, std::string wished) {
  const auto apps = co_await parts_.store.apps();
  if (!apps) co_return std::unexpected(apps.error());
  std::vector<std::string> fitting;
  for (const auto& app : *apps) {
    if (app.provider != type.provider) continue;
    if (cloud_route_of(app)) continue;
    if (app.id == wished) co_return app.id;
    fitting.push_back(app.id);
  }
  // One of the Cloud Service's, named or found, is used for what somebody has agreed to.
  if (is_cloud_app_id(wished)) {
    auto clouds = co_await cloud_app_for(type.id, wished);
    if (!clouds || !clouds->empty()) co_return clouds;
  }
  if (!wished.empty()) co_return invalid("app", "app_missing", "There is no app registration named " + wished + " for this type.");
  if (fitting.size() == 1) co_return fitting.front();
  if (std::ranges::find(fitting, type.provider) != fitting.end()) co_return type.provider;
  if (fitting.empty()) {
    auto clouds = co_await cloud_app_for(type.id);
    if (!clouds || !clouds->empty()) co_return clouds;
    co_return fail(ErrorKind::misconfigured, "app_missing",
                   "No app is registered for " + type.name + " yet. Register one under OAuth settings; the steps are listed there.",
                   {.field = "app"});
  }
  co_return invalid("app", "app_required", "Several apps are registered for this type; choose one.");
}

Task<Result<FlowRecord>> AuthorizationDesk::record_for_new_user(AuthorizationWish& wish) {
  FlowRecord record;
  const auto name = parts_.enrolment.username(wish.username);
  if (!name) co_return std::unexpected(name.error());
  const auto existing = co_await parts_.store.user_by_key(name->key);
  if (!existing) co_return std::unexpected(existing.error());
  if (*existing) {
    co_return fail(ErrorKind::conflict, "username_taken",
                   "The username " + (*existing)->username + " is taken. Link to this user, or choose another name.",
                   {.detail = (*existing)->id.text(), .field = "username"});
  }
  if (!wish.pin || wish.pin->empty()) co_return invalid("pin", "pin_required", "A PIN is needed: it protects the account's token.");
  auto pin = parts_.enrolment.new_pin(*wish.pin, name->text);
  if (!pin) co_return std::unexpected(pin.error());
  if (wish.group.none() == wish.new_group.empty()) co_return invalid("group", "group_required", "Choose a group, or name a new one.");
  if (!wish.group.none()) {
    const auto group = co_await parts_.store.group(wish.group);
    if (!group) co_return std::unexpected(group.error());
    if (!*group) co_return invalid("group", "no_such_group", "This group does not exist any more.");
  } else {
    const auto group_name = parts_.enrolment.group_name(wish.new_group);
    if (!group_name) co_return std::unexpected(group_name.error());
    record.new_group = group_name->text;
  }
  record.kind = FlowKind::new_user;
  record.new_keys = true;
  record.user.id = UserId::make(parts_.wall.now(), parts_.entropy);
  record.user.group = wish.group;
  record.user.username = name->text;
  record.user.username_key = name->key;
  record.user.name = wish.name;
  record.user.email = wish.email;
  auto keyed = co_await parts_.enrolment.with_new_keys(std::move(record.user), std::move(*pin));
  if (!keyed) co_return std::unexpected(keyed.error());
  record.user = std::move(*keyed);
  co_return record;
}

Task<Result<FlowRecord>> AuthorizationDesk::record_for_linked_user(AuthorizationWish& wish, const Requester& requester) {
  FlowRecord record;
  const auto user = co_await parts_.store.user(wish.link_user);
  if (!user) co_return std::unexpected(user.error());
  if (!*user) co_return invalid("link_user", "no_such_user", "The user to link to does not exist any more.");
  if (const auto checked = parts_.enrolment.check(**user); !checked) co_return std::unexpected(checked.error());
  if (const auto unlocked = check_unlocked(**user); !unlocked) co_return std::unexpected(unlocked.error());
  const auto held = co_await parts_.store.grants_of_user(wish.link_user);
  if (!held) co_return std::unexpected(held.error());
  if (std::ranges::any_of(*held, [&](const store::Grant& grant) { return grant.type == wish.type; })) {
    co_return fail(ErrorKind::conflict, "type_held",
                   "This user holds that type already. Open it and re-authorise it instead.", {.field = "type"});
  }
  record.kind = FlowKind::linked_user;
  record.user = **user;
  if (record.user.public_key.empty()) {
    if (!wish.pin || wish.pin->empty()) co_return invalid("pin", "pin_required", "This user has no PIN yet; choose one.");
    auto pin = parts_.enrolment.new_pin(*wish.pin, record.user.username);
    if (!pin) co_return std::unexpected(pin.error());
    record.new_keys = true;
    auto keyed = co_await parts_.enrolment.with_new_keys(std::move(record.user), std::move(*pin));
    if (!keyed) co_return std::unexpected(keyed.error());
    record.user = std::move(*keyed);
  } else if (wish.pin && !wish.pin->empty()) {
    // The PIN stays; one that is given must be right.
    const auto right = co_await parts_.enrolment.check_pin(record.user, wish.pin->clone(), requester.source);
    if (!right && right.error().reason == "wrong_pin") co_return invalid("pin", "wrong_pin", right.error().text);
    if (!right) co_return std::unexpected(right.error());
  }
  co_return record;
}

Task<Result<FlowRecord>> AuthorizationDesk::record_for_replaced_grant(AuthorizationWish& wish, const Requester& requester) {
  FlowRecord record;
  const auto view = co_await parts_.store.grant(wish.replace);
  if (!view) co_return std::unexpected(view.error());
  if (!*view) co_return fail(ErrorKind::not_found, "no_such_grant", "This grant does not exist any more.");
  if (const auto checked = parts_.sealing.check((*view)->grant); !checked) co_return std::unexpected(checked.error());
  const auto user = co_await parts_.store.user((*view)->grant.user);
  if (!user) co_return std::unexpected(user.error());
  if (!*user) co_return invalid("replace_grant_id", "no_such_user", "The grant's user does not exist any more.");
  record.kind = FlowKind::replaced_grant;
  record.user = **user;
  record.grant = (*view)->grant;
  record.expected_account = record.grant.account_id;
  record.expected_name = record.grant.account_name;
  if (record.grant.state == store::GrantState::revoked && is_administrator(requester)) record.revoked_as = record.grant.fence;
  if (const auto unlocked = check_unlocked(record.user); !unlocked) co_return std::unexpected(unlocked.error());
  if (const auto unlocked = check_unlocked(record, record.grant); !unlocked) co_return std::unexpected(unlocked.error());
  co_return record;
}

Task<Result<FlowRecord>> AuthorizationDesk::record_for(AuthorizationWish& wish, const Requester& requester) {
  Result<FlowRecord> record;
  if (!wish.replace.none()) {
    record = co_await record_for_replaced_grant(wish, requester);
    if (!record) co_return record;
    wish.type = record->grant.type;
  } else if (!wish.link_user.none()) {
    record = co_await record_for_linked_user(wish, requester);
  } else {
    record = co_await record_for_new_user(wish);
  }
  if (!record) co_return record;
  // A renewed consent changes nothing of what its user may do.
  record->allow_token = wish.allow_token && record->kind != FlowKind::replaced_grant;
  record->actor = requester.actor;
  record->session_hash = requester.session_hash;
  record->source = requester.source;
  if (!wish.expected_account.empty()) {
    record->expected_account = wish.expected_account;
    record->expected_name.clear();
  }
  if (record->kind == FlowKind::replaced_grant) co_return record;

  const auto pair = parts_.vault.make_key_pair();
  record->grant.id = GrantId::make(parts_.wall.now(), parts_.entropy);
  record->grant.user = record->user.id;
  record->grant.type = wish.type;
  record->grant.public_key.assign(pair.public_key.begin(), pair.public_key.end());
  record->wrap_sealed = parts_.sealing.wrap_for_user(record->grant, record->user.public_key, pair.private_key, parts_.wall.now()).private_key_sealed;
  co_return record;
}

Task<Result<AuthorizationDesk::Prepared>> AuthorizationDesk::prepare(AuthorizationWish wish, Requester requester) {
  const auto type = wish.replace.none() ? parts_.clients.catalog().find_type(wish.type) : nullptr;
  if (wish.replace.none() && !type) {
    co_return invalid("type", "unknown_type", wish.type.empty() ? "Choose a type." : "There is no type named " + wish.type + ". `latchkey type list` names them all.");
  }
  std::string params_json = "{}";
  std::string app;
  if (type) {
    auto fitting = co_await app_for(*type, wish.app);
    if (!fitting) co_return std::unexpected(fitting.error());
    app = std::move(*fitting);
    const auto asked = parts_.clients.catalog().parameters_of(*type, catalog::ParameterOwner::grant);
    const auto checked = parts_.clients.catalog().check_parameters(asked, values_of(wish.params), parts_.clients.address().plain_http);
    if (!checked) {
      auto error = checked.error();
      error.field = "params." + error.field;
      co_return std::unexpected(std::move(error));
    }
    params_json = json_of_values(*checked);
  }
  auto record = co_await record_for(wish, requester);
  if (!record) co_return std::unexpected(record.error());
  if (type) {
    record->grant.app = app;
    record->grant.params_json = params_json;
  }
  auto client = co_await parts_.clients.client_for(record->grant.type, record->grant.app, record->grant.params_json, "{}");
  if (!client) co_return std::unexpected(client.error());
  record->redirect_uri = client->redirect_uri;
  record->way = wish.way;

  Prepared prepared{.flow = {.row = {}, .record = std::move(*record)}, .client = std::move(*client)};
  auto& row = prepared.flow.row;
  row.id = AuthorizationId::make(parts_.wall.now(), parts_.entropy);
  row.created_by = requester.user;
  row.created_at = parts_.wall.now();
  row.expires_at = row.created_at + parts_.pending_lifetime();
  if (prepared.flow.record.kind == FlowKind::new_user) row.username_key = prepared.flow.record.user.username_key;
  JsonObject result;
  result["way"] = name_of(prepared.flow.record.way);
  result["username"] = prepared.flow.record.user.username;
  result["type"] = prepared.flow.record.grant.type;
  row.result_json = boost::json::serialize(result);
  co_return prepared;
}

Task<Result<void>> AuthorizationDesk::insert_flow(Flow flow, store::Batch batch, Requester requester) {
  store::AuditEntry entry{.at = parts_.wall.now(), .actor = requester.actor, .action = "authorization.started",
                          .subject = flow.record.user.username + " " + flow.record.grant.type, .source = requester.source};
  if (flow.record.way != AuthorizationWay::browser) entry.detail = "way: " + std::string(name_of(flow.record.way));
  seal_into(flow);
  batch.push_back(store::InsertAuthorization{std::move(flow.row)});
  batch.push_back(store::AppendAudit{std::move(entry)});
  auto done = co_await parts_.store.commit(std::move(batch));
  if (!done && done.error().kind == ErrorKind::conflict) {
    co_return fail(ErrorKind::conflict, "username_reserved",
                   "Another authorisation for this username is open. Finish or cancel it first (links and device codes are listed above the users); one "
                   "that was begun in a browser ends by itself within minutes.",
                   {.field = "username"});
  }
  co_return done;
}

Task<Result<Begun>> AuthorizationDesk::insert_with_device_code(Flow flow, store::Batch batch, Requester requester) {
  Begun begun{.id = flow.row.id,
              .start_url = {},
              .redirect_uri = flow.record.redirect_uri,
              .presentation = flow.record.presentation,
              .expires_at = flow.row.expires_at,
              .device = flow.record.device->prompt};
  if (const auto kept = co_await insert_flow(std::move(flow), std::move(batch), std::move(requester)); !kept)
    co_return std::unexpected(kept.error());
  parts_.counters.device_codes += 1;
  device_codes_.follow(begun.id);
  co_return begun;
}

Task<Result<Begun>> AuthorizationDesk::begin(AuthorizationWish wish, Requester requester) {
  const auto way = wish.way;
  const auto presentation = wish.presentation;
  const bool from_console = !requester.session_hash.empty();
  auto prepared = co_await prepare(std::move(wish), requester);
  if (!prepared) co_return std::unexpected(prepared.error());
  auto& flow = prepared->flow;
  flow.record.opened_by_other = !is_administrator(requester);
  // Nothing of ours is at the end of the Cloud Service's way but the users' list.
  flow.record.presentation = prepared->client.cloud ? Presentation::page : presentation;
  if (prepared->client.cloud && way != AuthorizationWay::device_code) {
    const auto shown = cloud::check_username(flow.record.user.username);
    if (!shown) co_return invalid("username", shown.error().reason, shown.error().text);
  }
  if (way == AuthorizationWay::owner_link) {
    if (const auto allowed = check_link_address(); !allowed) co_return std::unexpected(allowed.error());
  }
  store::Batch with_code;
  if (way == AuthorizationWay::device_code) {
    if (const auto allowed = device_codes_.check(flow.record.grant.type); !allowed) co_return std::unexpected(allowed.error());
    auto batch = co_await device_codes_.begin(flow, prepared->client);
    if (!batch) co_return std::unexpected(batch.error());
    with_code = std::move(*batch);
  } else if (const auto reachable = co_await check_way(prepared->client); !reachable) {
    co_return std::unexpected(reachable.error());
  }
  // Only now, since a wish that is refused, here or by the provider, must leave what there was.
  if (const auto ended = co_await end_former(flow.record, requester); !ended) co_return std::unexpected(ended.error());
  if (way == AuthorizationWay::device_code)
    co_return co_await insert_with_device_code(std::move(flow), std::move(with_code), std::move(requester));
  const auto ticket = random_text();
  flow.row.ticket_hash = hash("ticket", ticket.reveal_text());
  const bool link = way == AuthorizationWay::owner_link;
  if (link) {
    flow.row.expires_at = flow.row.created_at + parts_.link_lifetime();
    flow.record.link_ticket = ticket.clone();
    flow.record.opened_by_other = true;  // whoever opens it is not seen here (RULES A4)
  }
  Begun begun{.id = flow.row.id,
              .start_url = start_address(ticket),
              .redirect_uri = flow.record.redirect_uri,
              .presentation = flow.record.presentation,
              .expires_at = from_console && !link ? flow.row.created_at + kTicketLifetimeOfConsole : flow.row.expires_at};
  if (const auto kept = co_await insert_flow(std::move(flow), {}, std::move(requester)); !kept) co_return std::unexpected(kept.error());
  if (link) parts_.counters.owner_links += 1;
  co_return begun;
}

}  // namespace latchkey::grants

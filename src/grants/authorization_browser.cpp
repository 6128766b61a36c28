// Authorising, the browser's part: out to the provider, and back with its answer (RULES A1, A2).
#include <algorithm>

#include "grants/authorization_desk.h"
#include "oauth/redaction.h"

namespace latchkey::grants {
namespace {

using namespace std::chrono_literals;
using store::AuthorizationState;

constexpr auto kTicketLifetime = 60s;
constexpr auto kCallbackPatience = 55s;
constexpr auto kExchangeTime = 5min;

// The account that is asked for, as its owner knows it.
std::string expected_name(const FlowRecord& record) { return record.expected_name.empty() ? record.expected_account : record.expected_name; }

CallbackPage page(std::string title, std::string text, AuthorizationId id = {}) {
  return {.succeeded = false, .title = std::move(title), .text = std::move(text), .id = id};
}

}  // namespace

Task<Result<StartPage>> AuthorizationDesk::start(std::string ticket, Bytes session_hash, Confirmed confirmed, Parameters flow_cookies) {
  auto row = co_await parts_.store.authorization_by_ticket(hash("ticket", ticket));
  if (!row) co_return std::unexpected(row.error());
  if (!*row || (*row)->state != AuthorizationState::pending) {
    refused_.note("ticket_unknown");
    co_return fail(ErrorKind::not_found, "ticket_unknown",
                   "This address has been used already or has expired. Go back to the console and press Authorize again.");
  }
  auto flow = open(std::move(**row));
  if (!flow) co_return std::unexpected(flow.error());
  auto& record = flow->record;
  const auto now = parts_.wall.now();
  const bool link = record.way == AuthorizationWay::owner_link;
  // A link is the owner's to confirm, also in a browser that is signed in to the console.
  const bool from_console = !link && !record.session_hash.empty();
  const bool same_session = from_console && base::equal_in_constant_time(record.session_hash, session_hash);
  if ((from_console && now > flow->row.created_at + kTicketLifetime) || now > flow->row.expires_at) {
    refused_.note("ticket_expired", flow->row.id.text());
    co_return fail(ErrorKind::not_found, "ticket_unknown", "This address has expired. Go back to the console and press Authorize again.");
  }
  const bool begun_before = !record.cookie_hash.empty();
  if (begun_before && !cookies_.match(flow->row.id, record.cookie_hash, flow_cookies)) {
    refused_.note("ticket_used_in_another_browser", flow->row.id.text());
    co_return fail(ErrorKind::conflict, "ticket_used", "This address has been used in another browser already. Ask whoever sent it for a new one.");
  }
  // Else somebody would consent for nothing.
  if (const auto unlocked = co_await check_unlocked_now(record); !unlocked) co_return std::unexpected(unlocked.error());
  if (!same_session && confirmed == Confirmed::no) {
    const auto type = parts_.clients.catalog().find_type(record.grant.type);
    co_return StartPage{.kind = StartPage::Kind::confirm, .location = {}, .cookie = {}, .server = parts_.clients.address().url,
                        .username = record.user.username, .type_name = type ? type->name : record.grant.type,
                        .asked_by = link ? record.actor : std::string(), .account = link ? expected_name(record) : std::string()};
  }
  auto client = co_await parts_.clients.client_for(record.grant.type, record.grant.app, record.grant.params_json, "{}");
  if (!client) co_return std::unexpected(client.error());
  record.opened_by_other |= link || (from_console && !same_session);
  const auto state = random_text();
  const auto cookie = random_text();
  auto pkce = oauth::make_pkce(parts_.entropy);
  record.cookie_hash = cookies_.hash(cookie.reveal_text());
  record.code_verifier = std::move(pkce.verifier);
  record.nonce = random_text();
  record.issuer = client->endpoints.issuer;
  record.token_endpoint = client->endpoints.token;
  flow->row.state_hash = hash("state", state.reveal_text());
  // A link stays good in the browser that has gone on with it: people come back later, with the right password.
  if (!link) flow->row.ticket_hash.clear();
  record.answer_until = link ? std::min(flow->row.expires_at, now + parts_.pending_lifetime()) : flow->row.expires_at;

  oauth::AuthorizationRequest request{.endpoint = client->endpoints.authorization, .client_id = client->client_id,
                                      .redirect_uri = record.redirect_uri, .scopes = client->type.scopes,
                                      .scope_separator = client->type.provider->scope_separator,
                                      .state = std::string(state.reveal_text())};
  if (client->type.provider->pkce) {
    request.code_challenge = pkce.challenge;
    if (client->type.has(catalog::Quirk::challenge_method_lower_case)) request.code_challenge_method = "s256";
  }
  if (std::ranges::find(client->type.scopes, "openid") != client->type.scopes.end()) request.nonce = std::string(record.nonce.reveal_text());
  request.extra = client->type.extra.authorize;
  auto location = oauth::authorization_url(request);
  if (!location) co_return std::unexpected(location.error());
  if (client->cloud) {
    record.cloud_app = client->cloud->app;
    record.in_clear = is_reached_in_clear();  // the service's own address is https, this server's need not be
    // A link was made days ago, perhaps: the service's keys may have changed since, or it may be away.
    if (link) {
      if (const auto reachable = co_await check_way(*client); !reachable) co_return std::unexpected(reachable.error());
    }
    location = co_await begin_address(*flow, *client, std::move(*location));
    if (!location) co_return std::unexpected(location.error());
  }
  const auto cookie_lifetime = link ? std::chrono::ceil<Seconds>(flow->row.expires_at - now) : parts_.pending_lifetime();
  StartPage result{.kind = StartPage::Kind::redirect, .location = std::move(*location), .cookie = cookies_.set(flow->row.id, cookie, cookie_lifetime),
                   .server = {}, .username = {}, .type_name = {}, .asked_by = {}, .account = {}};
  if (const auto saved = co_await save(*flow); !saved) {
    if (saved.error().kind != ErrorKind::conflict) co_return std::unexpected(saved.error());
    refused_.note("ticket_used", flow->row.id.text());
    co_return fail(ErrorKind::conflict, "ticket_used", "This address has been used already. Go back to the console and press Authorize again.");
  }
  if (link && !begun_before) parts_.counters.links_opened += 1;
  co_return result;
}

// A flow's cookie is of no use after its callback, and the browsers of whoever authorises a hundred accounts in ten minutes
// would send all of them along with every request.
Task<CallbackPage> AuthorizationDesk::callback(std::string app, std::string query, Parameters flow_cookies) {
  co_return co_await without_its_cookie(co_await answer_callback(std::move(app), std::move(query), std::move(flow_cookies), {}));
}

CallbackPage AuthorizationDesk::over() {
  return page("This authorisation is over",
              "It has been completed already, was cancelled, or took too long. Nothing was changed. If the account is not there, press "
              "Authorize again in the console, or ask whoever sent you a link for a new one.");
}

Task<CallbackPage> AuthorizationDesk::without_its_cookie(CallbackPage result) {
  if (result.id.none()) co_return result;
  const auto seen = co_await view(result.id);
  // A link that has brought nothing yet may be opened again in this browser.
  const bool again = seen && seen->way == AuthorizationWay::owner_link && seen->state == AuthorizationState::pending;
  if (!again) result.cookie = cookies_.forget(result.id);
  co_return result;
}

Task<CallbackPage> AuthorizationDesk::answer_callback(std::string app, std::string query, Parameters flow_cookies,
                                                      AuthorizationId relayed) {
  auto parsed = oauth::parse_callback(query);
  if (!parsed) {
    refused_.note("answer_malformed");
    co_return page("This answer cannot be used", parsed.error().text + " Go back to the console and press Authorize again.");
  }
  auto row = co_await parts_.store.authorization_by_state(hash("state", parsed->state.reveal_text()));
  if (!row || !*row || (*row)->state != AuthorizationState::pending) {
    refused_.note(row ? "state_unknown" : "store_unavailable");
    co_return over();
  }
  auto opened = open(std::move(**row));
  if (!opened) {
    refused_.note("attempt_unreadable");
    co_return page("This authorisation cannot be read", opened.error().text);
  }
  auto flow = std::move(*opened);
  const auto id = flow.row.id;
  const bool same_browser = cookies_.match(id, flow.record.cookie_hash, flow_cookies);
  const auto viewer = flow.record.viewer(same_browser);
  // What began by one way does not end by the other.
  if (relayed.none() != flow.record.cloud_app.empty() || (!relayed.none() && relayed != id)) {
    refused_.note("wrong_door", id.text());
    auto elsewhere = page("The answer came from the wrong place", "It was not used. Go back to where you began.", id);
    elsewhere.viewer = viewer;
    co_return elsewhere;
  }
  if (!same_browser && relayed.none()) {
    refused_.note("another_browser", id.text());
    auto elsewhere = page("Finish in the browser you started with",
                          "This answer came to another browser than the one in which the authorisation was started, so it was not used.", id);
    elsewhere.viewer = viewer;
    co_return elsewhere;
  }
  const auto presentation = flow.record.presentation;
  // Whoever has brought a handle is not therefore the owner who consented.
  const bool owner_known = same_browser && flow.record.way == AuthorizationWay::owner_link;
  auto result = co_await answer_flow(std::move(flow), std::move(*parsed), std::move(app), same_browser);
  result.viewer = viewer;
  result.presentation = presentation;
  result.owner_known = owner_known;
  co_return result;
}

Task<CallbackPage> AuthorizationDesk::answer_flow(Flow flow, oauth::Callback answer, std::string app, bool same_browser) {
  const auto id = flow.row.id;
  const bool link = flow.record.way == AuthorizationWay::owner_link;
  if (link && parts_.wall.now() > flow.record.answer_until) {
    refused_.note("answer_late", id.text());
    co_return page("This took too long",
                   "Nothing was changed. Open the link that you were sent once more, in this browser, and go through it without a pause.", id);
  }
  if (parts_.wall.now() > flow.row.expires_at) {  // the sweep has not come by yet (A3)
    co_await expire(std::move(flow));
    co_return page("This authorisation has expired", std::string(kNotInTime), id);
  }
  const auto client =
      co_await parts_.clients.shared_client_for(flow.record.grant.type, flow.record.grant.app, flow.record.grant.params_json, "{}");
  const auto iss = client ? (*client)->iss_parameter : oauth::IssParameter::not_advertised;
  if (app != flow.record.grant.app || !oauth::check_issuer(answer, flow.record.issuer, iss)) {
    co_await settle(std::move(flow), AuthorizationState::failed, "wrong_provider",
                    "The answer came from another provider than the one asked (RFC 9207), so it was not used. If this happens again, "
                    "check the provider's settings.",
                    "authorization.failed");
    co_return page("The answer came from the wrong place", "It was not used. Go back to the console.", id);
  }
  if (!answer.error.empty()) {
    const auto code = oauth::redacted(answer.error);
    const auto words = client ? catalog::error_text(*(*client)->type.provider, code)
                              : catalog::ErrorText{.code = code, .sentence = "The provider refused.", .next_step = {}, .url = {}};
    auto text = words.sentence + (words.next_step.empty() ? "" : " " + words.next_step);
    co_await settle(std::move(flow), AuthorizationState::failed, code, text, "authorization.refused");
    co_return page("Not authorised", text, id);
  }
  // One use: whoever clears the state hash first owns the code.
  flow.row.state_hash.clear();
  flow.row.ticket_hash.clear();
  if (!same_browser) flow.record.opened_by_other = true;  // the Cloud Service made sure that one browser went all the way
  // Not while the code is being spent; and a link has had its days.
  const auto spent_by = parts_.wall.now() + kExchangeTime;
  flow.row.expires_at = link ? spent_by : std::max(flow.row.expires_at, spent_by);
  const auto version = flow.row.version;
  seal_into(flow);
  store::Batch batch;
  batch.push_back(store::UpdateAuthorization{flow.row});
  if (const auto done = co_await write(flow, std::move(batch)); !done) {
    if (done.error().kind != ErrorKind::conflict) co_return page("The server cannot go on now", done.error().text + " Press Authorize again a little later.", id);
    refused_.note("answer_used", id.text());
    co_return page("This authorisation is over", "Its answer has been used already.", id);
  }
  flow.row.version = version + 1;
  if (link) parts_.counters.links_consented += 1;
  exchanges_.spawn("exchange_code", exchange_code(std::move(flow), std::move(answer.code), std::move(answer.others)));
  const auto result = co_await view_after_change(id, kCallbackPatience);
  if (!result) co_return page("This authorisation is over", result.error().text, id);
  switch (result->state) {
    case AuthorizationState::completed:
      co_return CallbackPage{.succeeded = true, .title = "Authorised",
                             .text = result->account_name.empty() ? "You can close this window." : result->account_name + " is authorised. You can close this window.",
                             .id = id};
    case AuthorizationState::held:
      co_return CallbackPage{.succeeded = true, .title = "Thank you", .text = "An administrator must approve this account before it is used. You can close this window.", .id = id};
    case AuthorizationState::needs_confirmation:
      co_return CallbackPage{.succeeded = true, .title = "One question is left", .text = result->problem_text + " Answer it in the console.", .id = id};
    case AuthorizationState::pending:
      co_return page("Still working", "The answer is slow to come. The console will show how it ended.", id);
    case AuthorizationState::failed:
    case AuthorizationState::cancelled:
    case AuthorizationState::expired: break;
  }
  co_return page("Not authorised", result->problem_text, id);
}

}  // namespace latchkey::grants

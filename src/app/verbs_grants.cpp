#include <fmt/format.h>
#include <unistd.h>

#include "app/terminal.h"
#include "app/terminal_qr.h"
#include "app/verbs.h"
#include "app/verbs_grants.h"
#include "base/shown_name.h"
#include "net/http_headers.h"

namespace latchkey::app {
namespace {

struct GrantArguments {
  std::string username;
  std::string group;
  std::string type;
  std::string app;
  std::string pin_file;
  std::string refresh_token_file;
  std::vector<std::string> parameters;
  std::vector<std::string> allow;
  std::string name;
  std::string email;
  bool link = false;
  bool wait = false;
  bool device_code = false;
  bool qr = false;
  bool ask_owner = false;
  std::string mail_to;
  std::string account;
};

// What `grant list --json` promises, in this order.
JsonObject listed(const JsonObject& user, const JsonObject& grant) {
  JsonObject item{{"username", base::string_or(user, "username")}};
  const JsonObject* group = base::find_object(user, "group");
  item["group"] = group == nullptr ? std::string() : base::string_or(*group, "name");
  for (const std::string_view member : {"type", "account", "scopes", "state", "why", "access_expires_at", "generation",
                                        "last_refreshed_at", "next_refresh_at"}) {
    const Json* value = grant.if_contains(member);
    item[member] = value == nullptr ? Json() : *value;
  }
  return item;
}

Result<int> list_grants(const Session& session, const GrantArguments& arguments) {
  const auto client = session.client();
  if (!arguments.username.empty()) {
    // Nobody of that name is not the same as somebody without grants.
    if (const auto user = find_user(client, arguments.username); !user) return std::unexpected(user.error());
  }
  std::string target = "/api/v1/users";
  add_query(target, "type", arguments.type);
  add_query(target, "search", searchable(arguments.username));
  const auto users = client.all(target);
  if (!users) return std::unexpected(users.error());
  JsonArray items;
  for (const Json& each : *users) {
    const auto& user = each.as_object();
    if (!arguments.username.empty() && !net::equal_ignoring_case(base::string_or(user, "username"), arguments.username)) continue;
    const JsonArray* grants = base::find_array(user, "grants");
    if (grants == nullptr) continue;
    for (const Json& grant : *grants) {
      if (!arguments.type.empty() && base::string_or(grant.as_object(), "type") != arguments.type) continue;
      items.push_back(listed(user, grant.as_object()));
    }
  }
  if (session.json) {
    print(pretty(items));
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const Json& item : items) {
    const auto& grant = item.as_object();
    rows.push_back({cell(grant, "username"), cell(grant, "group"), cell(grant, "type"), cell(grant, "account"),
                    cell(grant, "state"), cell(grant, "access_expires_at"), cell(grant, "why")});
  }
  print(table({"USERNAME", "GROUP", "TYPE", "ACCOUNT", "STATE", "GOOD UNTIL", "WHY"}, rows));
  return 0;
}

// The members that `grant add` and `grant import` share.
Result<JsonObject> authorization_body(const ControlClient& client, const GrantArguments& arguments) {
  const auto group = find_group(client, arguments.group);
  if (!group) return std::unexpected(group.error());
  auto parameters = read_parameters(arguments.parameters);
  if (!parameters) return std::unexpected(parameters.error());
  JsonObject body{{"type", arguments.type}, {"params", *parameters}, {"allow_token", !arguments.allow.empty()}};
  if (!arguments.app.empty()) body["app"] = arguments.app;
  bool has_pin = false;
  if (arguments.link) {
    const auto user = find_user(client, arguments.username);
    if (!user) return std::unexpected(user.error());
    const JsonObject* held = base::find_object(*user, "group");
    if (held != nullptr && base::string_or(*held, "id") != id_of(*group)) {
      return fail(ErrorKind::invalid, "wrong_group",
                  fmt::format("--group: {} is in the group {}; linking leaves a user where it is", arguments.username,
                              base::string_or(*held, "name")),
                  {.field = "--group"});
    }
    body["link_user_id"] = id_of(*user);
    const Json* known = user->if_contains("has_pin");
    has_pin = known != nullptr && known->is_bool() && known->as_bool();
  } else {
    body["group_id"] = id_of(*group);
    body["username"] = arguments.username;
    if (!arguments.name.empty()) body["name"] = arguments.name;
    if (!arguments.email.empty()) body["email"] = arguments.email;
  }
  if (!arguments.pin_file.empty()) {
    const auto pin = read_secret_file("--pin-file", arguments.pin_file);
    if (!pin) return std::unexpected(pin.error());
    body["pin"] = pin->reveal_text();
  } else if (!has_pin) {
    const auto pin = prompt_secret("PIN", "--pin-file", Ask::twice);
    if (!pin) return std::unexpected(pin.error());
    body["pin"] = pin->reveal_text();
  }
  return body;
}

// Where to go and what to do there.
std::string invitation(const JsonObject& started) {
  const JsonObject* device = base::find_object(started, "device");
  if (base::string_or(started, "way") == "owner_link") {
    return fmt::format("Send this address to the account's owner, whose browser must reach this server (good until {}, once):\n{}\n",
                       cell(started, "expires_at"), cell(started, "start_url"));
  }
  if (device == nullptr) {
    return fmt::format("Open this address in a browser and consent (good until {}, once):\n{}\n", cell(started, "expires_at"), cell(started, "start_url"));
  }
  return fmt::format("Open {} on any device, enter this code and consent (good until {}):\n{}\n", base::as_shown(cell(*device, "verification_uri")),
                     cell(started, "expires_at"), base::as_shown(cell(*device, "user_code")));
}

// The same for a phone: where to go, with the code in it if the provider offers that. Empty where a browser here is meant.
std::string invitation_in_qr(const JsonObject& started, Colours colours) {
  if (const JsonObject* device = base::find_object(started, "device")) {
    const auto with_code = base::string_or(*device, "verification_uri_complete");
    return qr_in_text(with_code.empty() ? base::string_or(*device, "verification_uri") : with_code, colours);
  }
  if (base::string_or(started, "way") != "owner_link") return {};
  return qr_in_text(base::string_or(started, "start_url"), colours);
}

Result<int> add_grant(const Session& session, const GrantArguments& arguments) {
  const auto client = session.client();
  auto body = authorization_body(client, arguments);
  if (!body) return std::unexpected(body.error());
  if (arguments.device_code && arguments.ask_owner) return fail(ErrorKind::invalid, "bad_arguments", "--device-code and --ask-owner: say one of them");
  if (!arguments.mail_to.empty() && !arguments.ask_owner) return fail(ErrorKind::invalid, "bad_arguments", "--mail-to goes with --ask-owner");
  if (arguments.device_code) (*body)["way"] = "device_code";
  if (arguments.ask_owner) (*body)["way"] = "owner_link";
  if (!arguments.account.empty()) (*body)["expected_account"] = arguments.account;
  const auto begun = client.call("POST", "/api/v1/authorizations", &*body);
  if (!begun) return std::unexpected(begun.error());
  const auto& started = begun->as_object();
  if (session.json && !arguments.wait) print(pretty(*begun));
  if (!session.json) {
    print(invitation(started));
    const bool terminal = ::isatty(STDOUT_FILENO) == 1;
    if (terminal || arguments.qr) print(invitation_in_qr(started, terminal ? Colours::ansi : Colours::none));
    std::fflush(stdout);
  } else if (arguments.wait) {
    fmt::print(stderr, "{}", invitation(started));
  }
  if (!arguments.mail_to.empty()) {
    const JsonObject mail{{"to", arguments.mail_to}};
    const auto mailed = client.call("POST", fmt::format("/api/v1/authorizations/{}/mail", id_of(started)), &mail);
    if (!mailed) return std::unexpected(mailed.error());
    if (!session.json) print(fmt::format("Mailed to {}.\n", arguments.mail_to));
  }
  if (!arguments.wait) return 0;
  while (true) {
    // Answers when the state changes, or after 25 s.
    const auto view = client.get(fmt::format("/api/v1/authorizations/{}?wait=25", id_of(started)));
    if (!view) return std::unexpected(view.error());
    if (base::string_or(view->as_object(), "state") != "pending") return say_end(session, view->as_object());
  }
}

Result<int> import_grant(const Session& session, const GrantArguments& arguments) {
  const auto client = session.client();
  auto body = authorization_body(client, arguments);
  if (!body) return std::unexpected(body.error());
  const auto token = read_secret_file("--refresh-token-file", arguments.refresh_token_file);
  if (!token) return std::unexpected(token.error());
  (*body)["refresh_token"] = token->reveal_text();
  const auto answer = client.call("POST", "/api/v1/authorizations/import", &*body);
  if (!answer) return std::unexpected(answer.error());
  return say_end(session, answer->as_object());
}

// A call on one grant; `words` may name the user and the state.
Result<int> on_grant(const Session& session, const GrantArguments& arguments, std::string_view method, std::string_view below,
                     const JsonObject* body) {
  const auto client = session.client();
  const auto grant = find_grant(client, arguments.username, arguments.type);
  if (!grant) return std::unexpected(grant.error());
  const auto answer = client.call(method, fmt::format("/api/v1/grants/{}{}", id_of(*grant), below), body);
  if (!answer) return std::unexpected(answer.error());
  if (session.json || !answer->is_object()) {
    print(pretty(*answer));
    return 0;
  }
  const auto& object = answer->as_object();
  if (object.contains("state")) {
    print(fmt::format("{} of {}: {}, generation {}. {}\n", cell(*grant, "type"), arguments.username, cell(object, "state"),
                      cell(object, "generation"), base::as_shown(cell(object, "why"))));
  } else {
    print(base::as_shown(cell(object, "detail")) + "\n");
  }
  return 0;
}

// What the grant's newest line says of the try that has just failed: "refresh_refused, 400 invalid_grant: Token was revoked".
std::string newest_failure(const ControlClient& client, const std::string& grant) {
  const auto answer = client.get(fmt::format("/api/v1/grants/{}/timeline", grant));
  if (!answer || !answer->is_object()) return {};
  const JsonArray* items = base::find_array(answer->as_object(), "items");
  if (items == nullptr || items->empty()) return {};
  const auto& line = items->front().as_object();
  const auto event = base::string_or(line, "event");
  if (!event.starts_with("refresh_")) return {};
  const auto* reply = base::find_object(line, "reply");
  auto words = event;
  if (reply != nullptr) words += fmt::format(", {} {}", cell(*reply, "status"), base::string_or(*reply, "error"));
  const auto detail = base::string_or(line, "detail");
  return detail.empty() ? words : words + ": " + detail;
}

// Refreshed is what has a new generation; the state alone may still be good, with the token in use.
Result<int> refresh_grant(const Session& session, const GrantArguments& arguments) {
  const auto client = session.client();
  const auto grant = find_grant(client, arguments.username, arguments.type);
  if (!grant) return std::unexpected(grant.error());
  const auto answer = client.call("POST", fmt::format("/api/v1/grants/{}/refresh", id_of(*grant)), nullptr);
  if (!answer) return std::unexpected(answer.error());
  const auto& after = answer->as_object();
  const bool refreshed = after.at("generation").as_int64() > grant->at("generation").as_int64();
  if (session.json) {
    print(pretty(*answer));
    return refreshed ? 0 : 1;
  }
  if (!refreshed) {
    const auto failure = newest_failure(client, id_of(*grant));
    print(fmt::format("{} of {} was not refreshed{}.\n", cell(*grant, "type"), arguments.username, failure.empty() ? std::string() : " (" + base::as_shown(failure) + ")"));
  }
  print(fmt::format("{} of {}: {}, generation {}. {}\n", cell(*grant, "type"), arguments.username, cell(after, "state"), cell(after, "generation"),
                    base::as_shown(cell(after, "why"))));
  return refreshed ? 0 : 1;
}

std::string refuse_other_uses(std::string& use) { return use == "token" ? "" : use + " is no use that can be allowed; token is"; }

void add_authorising_options(CLI::App& verb, const std::shared_ptr<GrantArguments>& arguments) {
  verb.add_option("USERNAME", arguments->username, "Username on this server, not the provider's")->required();
  verb.add_option("--group", arguments->group, "The user's group")->type_name("GROUP")->required();
  verb.add_option("--type", arguments->type, "Type of the grant (`latchkey type list`)")->type_name("TYPE")->required();
  verb.add_option("--pin-file", arguments->pin_file, "File that holds the PIN; else it is asked for")->type_name("FILE");
  verb.add_option("--app", arguments->app, "Registration to use, where several fit")->type_name("APP");
  verb.add_option("--param", arguments->parameters, "A parameter of the type, such as tenant=contoso.com; repeatable")->type_name("KEY=VALUE")->allow_extra_args(false);
  verb.add_option("--allow", arguments->allow, "token: programs may fetch the access token with username and PIN")->type_name("token")->check(CLI::Validator(refuse_other_uses, ""))->allow_extra_args(false);
  verb.add_option("--name", arguments->name, "Name of a new user");
  verb.add_option("--email", arguments->email, "Mail address of a new user");
  verb.add_flag("--link", arguments->link, "Attach the grant to an existing user, whose PIN stays");
}

// One line for every line of the timeline, newest first.
Result<int> show_timeline(const Session& session, const GrantArguments& arguments) {
  const auto client = session.client();
  const auto grant = find_grant(client, arguments.username, arguments.type);
  if (!grant) return std::unexpected(grant.error());
  const auto answer = client.get(fmt::format("/api/v1/grants/{}/timeline", id_of(*grant)));
  if (!answer) return std::unexpected(answer.error());
  const JsonArray* items = base::find_array(answer->as_object(), "items");
  if (session.json || items == nullptr) {
    print(pretty(items == nullptr ? JsonArray() : *items));
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const Json& item : *items) {
    const auto& line = item.as_object();
    const auto* reply = base::find_object(line, "reply");
    const auto answered = reply == nullptr ? std::string("-") : cell(*reply, "status") + (base::string_or(*reply, "error").empty() ? "" : " " + base::string_or(*reply, "error"));
    rows.push_back({cell(line, "at"), cell(line, "event"), cell(line, "count"), cell(line, "generation"), answered, cell(line, "actor"), cell(line, "detail")});
  }
  print(table({"LAST AT", "EVENT", "TIMES", "GENERATION", "REPLY", "BY", "DETAIL"}, rows));
  return 0;
}

// One user's grant, which is then forgotten, or all of them, which stay to be authorised again.
void add_revoke_verb(CLI::App& grant, Session& session, const std::shared_ptr<GrantArguments>& arguments) {
  auto all = std::make_shared<bool>(false);
  auto wide = std::make_shared<RevokeAllArguments>();
  CLI::App& verb = add_verb(grant, session, "revoke", "End a grant, revoking at the provider where it can; with --all, every grant at once");
  verb.add_option("USERNAME", arguments->username, "The user");
  verb.add_option("--type", arguments->type, "Which grant, when the user holds several; with --all: only those of this type")->type_name("TYPE");
  verb.add_flag("--all", *all, "Every grant of this server; users, PINs and settings stay (docs/runbook-bad-day.md)");
  verb.add_option("--app", wide->app, "With --all: only those of this app")->type_name("APP");
  verb.add_option("--confirm", wide->confirm, "With --all: the words that are asked for otherwise, \"revoke all\"")->type_name("WORDS");
  verb.add_flag("--dry-run", wide->dry_run, "With --all: say what would be revoked, and do nothing");
  on_run(verb, session, [&session, arguments, all, wide]() -> Result<int> {
    if (*all && !arguments->username.empty()) return fail(ErrorKind::invalid, "bad_arguments", "--all: it goes without a USERNAME");
    if (*all) {
      wide->type = arguments->type;
      return revoke_all(session, *wide);
    }
    if (!wide->app.empty() || wide->dry_run || !wide->confirm.empty()) {
      return fail(ErrorKind::invalid, "bad_arguments", "--app, --dry-run and --confirm go with --all");
    }
    if (arguments->username.empty()) return fail(ErrorKind::invalid, "bad_arguments", "USERNAME: say whose grant, or --all");
    return on_grant(session, *arguments, "DELETE", "", nullptr);
  });
}

}  // namespace

void add_grant_verbs(CLI::App& app, Session& session) {
  CLI::App& grant = *app.add_subcommand("grant", "Grants: what users hold at providers");
  grant.require_subcommand(1);
  auto arguments = std::make_shared<GrantArguments>();

  CLI::App& add = add_verb(grant, session, "add", "Authorise: prints the address to open in a browser, a device code, or a link for the owner");
  add_authorising_options(add, arguments);
  add.add_flag("--device-code", arguments->device_code, "Print a code to enter on any device instead (where authorize.device_code_types allows it)");
  add.add_flag("--qr", arguments->qr, "Draw the QR code of a link or device code also where the output is no terminal");
  add.add_flag("--ask-owner", arguments->ask_owner, "Print a link for the account's owner instead, which works for days (authorize.link_lifetime)");
  add.add_option("--mail-to", arguments->mail_to, "With --ask-owner: mail the link there as well (needs notices.smtp_host)")->type_name("ADDRESS");
  add.add_option("--account", arguments->account, "The account that must consent, by its id at the provider (it then needs no approval) or its name there (it is held all the same)")->type_name("ACCOUNT");
  add.add_flag("--wait", arguments->wait, "Wait for the consent, and say how it ended");
  on_run(add, session, [&session, arguments] { return add_grant(session, *arguments); });

  CLI::App& import_verb = add_verb(grant, session, "import", "Take over a refresh token; it is used once to prove it");
  add_authorising_options(import_verb, arguments);
  import_verb.add_option("--refresh-token-file", arguments->refresh_token_file, "File that holds the refresh token")->type_name("FILE")->required();
  on_run(import_verb, session, [&session, arguments] { return import_grant(session, *arguments); });

  CLI::App& list = add_verb(grant, session, "list", "List grants");
  list.add_option("USERNAME", arguments->username, "Only this user's");
  list.add_option("--type", arguments->type, "Only of this type")->type_name("TYPE");
  on_run(list, session, [&session, arguments] { return list_grants(session, *arguments); });

  const auto named = [&](const std::string& name, const std::string& description) -> CLI::App& {
    CLI::App& verb = add_verb(grant, session, name, description);
    verb.add_option("USERNAME", arguments->username, "The user")->required();
    verb.add_option("--type", arguments->type, "Which grant, when the user holds several")->type_name("TYPE");
    return verb;
  };
  on_run(named("refresh", "Refresh now; exit status 1 when no new token came"), session, [&session, arguments] { return refresh_grant(session, *arguments); });
  on_run(named("check", "Ask the provider whose grant it is"), session, [&session, arguments] { return on_grant(session, *arguments, "POST", "/check", nullptr); });
  add_consent_verbs(grant, session);
  on_run(named("enable", "Switch a grant on again"), session, [&session, arguments] {
    const JsonObject body{{"enabled", true}};
    return on_grant(session, *arguments, "PATCH", "", &body);
  });
  on_run(named("disable", "Switch a grant off: no refresh, no token; soon revoked at the provider, too (revoke.disabled_after)"), session, [&session, arguments] {
    const JsonObject body{{"enabled", false}};
    return on_grant(session, *arguments, "PATCH", "", &body);
  });
  add_revoke_verb(grant, session, arguments);
  on_run(named("timeline", "Show what happened to a grant in the last 30 days"), session, [&session, arguments] { return show_timeline(session, *arguments); });
}

}  // namespace latchkey::app

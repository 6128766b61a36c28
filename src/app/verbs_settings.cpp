#include <fmt/format.h>

#include "app/terminal.h"
#include "app/verbs.h"
#include "net/url.h"

namespace latchkey::app {
namespace {

struct AppArguments {
  std::string app;
  std::string provider;
  std::string client_id;
  std::string client_secret_file;
  std::vector<std::string> parameters;
};

// Slots that hold a secret stay when no new one is given; a new one moves the newest down.
Result<JsonArray> secrets_for(const ControlClient& client, const AppArguments& arguments) {
  const auto apps = client.get("/api/v1/apps");
  if (!apps) return std::unexpected(apps.error());
  std::vector<std::size_t> present;
  if (const JsonArray* items = apps->is_object() ? base::find_array(apps->as_object(), "items") : nullptr) {
    for (const Json& item : *items) {
      if (base::string_or(item.as_object(), "id") != arguments.app) continue;
      const JsonArray* slots = base::find_array(item.as_object(), "secrets");
      for (std::size_t slot = 0; slots != nullptr && slot < slots->size(); ++slot) {
        const Json* set = (*slots)[slot].as_object().if_contains("set");
        if (set != nullptr && set->is_bool() && set->as_bool()) present.push_back(slot);
      }
    }
  }
  JsonArray secrets;
  if (!arguments.client_secret_file.empty()) {
    const auto secret = read_secret_file("--client-secret-file", arguments.client_secret_file);
    if (!secret) return std::unexpected(secret.error());
    secrets.push_back(JsonObject{{"value", secret->reveal_text()}});
  }
  for (const auto slot : present) {
    if (secrets.size() < 2) secrets.push_back(JsonObject{{"keep", slot}});
  }
  return secrets;
}

Result<int> set_app(const Session& session, const AppArguments& arguments) {
  const auto client = session.client();
  auto parameters = read_parameters(arguments.parameters);
  if (!parameters) return std::unexpected(parameters.error());
  auto secrets = secrets_for(client, arguments);
  if (!secrets) return std::unexpected(secrets.error());
  const JsonObject body{{"provider", arguments.provider}, {"client_id", arguments.client_id}, {"params", *parameters}, {"secrets", *secrets}};
  const auto answer = client.call("PUT", "/api/v1/apps/" + net::percent_encode(arguments.app), &body);
  if (!answer) return std::unexpected(answer.error());
  if (session.json) {
    print(pretty(*answer));
  } else {
    const auto& app = answer->as_object();
    print(fmt::format("Register exactly this redirect address at the provider:\n{}\n", cell(app, "redirect_uri")));
    if (base::string_or(app, "state") == "incomplete") fmt::print(stderr, "{} Give it with --client-secret-file.\n", cell(app, "why"));
  }
  return 0;
}

Result<JsonArray> listed_at(const Session& session, std::string_view target) {
  const auto answer = session.client().get(target);
  if (!answer) return std::unexpected(answer.error());
  const JsonArray* items = answer->is_object() ? base::find_array(answer->as_object(), "items") : nullptr;
  if (items == nullptr) return fail(ErrorKind::unavailable, "malformed_answer", "the server's answer could not be read");
  return *items;
}

Result<int> print_list(const Session& session, std::string_view target, const std::vector<std::string>& heads,
                       const std::vector<std::string>& members) {
  const auto items = listed_at(session, target);
  if (!items) return std::unexpected(items.error());
  if (session.json) {
    print(pretty(*items));
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const Json& item : *items) {
    std::vector<std::string> row;
    for (const auto& member : members) row.push_back(cell(item.as_object(), member));
    rows.push_back(std::move(row));
  }
  print(table(heads, rows));
  return 0;
}

// What a registration lacks; "-" for those that lack nothing.
std::string lack_of(const JsonObject& app) {
  const std::string state = base::string_or(app, "state");
  if (state == "missing") return "Not registered here yet: `latchkey app set`.";
  return state == "ok" ? "-" : cell(app, "why");
}

Result<int> list_apps(const Session& session) {
  const auto apps = listed_at(session, "/api/v1/apps");
  if (!apps) return std::unexpected(apps.error());
  if (session.json) {
    print(pretty(*apps));
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const Json& item : *apps) {
    const auto& app = item.as_object();
    rows.push_back({cell(app, "id"), cell(app, "provider"), cell(app, "state"), cell(app, "client_id"), cell(app, "grants"),
                    cell(app, "redirect_uri"), lack_of(app)});
  }
  print(table({"APP", "PROVIDER", "STATE", "CLIENT ID", "GRANTS", "REDIRECT ADDRESS", "WHY"}, rows));
  return 0;
}

Result<int> get_setting(const Session& session, const std::string& key) {
  const auto answer = session.client().get("/api/v1/registry");
  if (!answer) return std::unexpected(answer.error());
  const JsonArray* items = answer->is_object() ? base::find_array(answer->as_object(), "items") : nullptr;
  if (items != nullptr) {
    for (const Json& item : *items) {
      if (base::string_or(item.as_object(), "key") != key) continue;
      print(session.json ? pretty(item) : base::string_or(item.as_object(), "value") + "\n");
      return 0;
    }
  }
  return fail(ErrorKind::not_found, "no_such_setting",
              fmt::format("key: there is no setting {}; `latchkey registry list` shows them all", key), {.field = "key"});
}

Result<int> say_setting(const Session& session, const Result<Json>& answer) {
  if (!answer) return std::unexpected(answer.error());
  const auto& setting = answer->as_object();
  print(session.json ? pretty(*answer) : fmt::format("{} = {}\n", cell(setting, "key"), base::string_or(setting, "value")));
  return 0;
}

}  // namespace

void add_app_verbs(CLI::App& app, Session& session) {
  CLI::App& apps = *app.add_subcommand("app", "Apps: client registrations at providers");
  apps.require_subcommand(1);
  auto arguments = std::make_shared<AppArguments>();
  CLI::App& set = add_verb(apps, session, "set", "Set a registration, and print the redirect address to register");
  set.add_option("APP", arguments->app, "A provider's id, or a name of your own where several exist")->required();
  set.add_option("--provider", arguments->provider, "The provider")->type_name("PROVIDER")->required();
  set.add_option("--client-id", arguments->client_id, "Client id, as the provider shows it")->type_name("ID")->required();
  set.add_option("--client-secret-file", arguments->client_secret_file, "File that holds the client secret; the one before is kept as second")->type_name("FILE");
  set.add_option("--param", arguments->parameters, "A parameter of the provider, such as issuer=https://id.example; repeatable")->type_name("KEY=VALUE")->allow_extra_args(false);
  on_run(set, session, [&session, arguments] { return set_app(session, *arguments); });
  on_run(add_verb(apps, session, "list", "List registrations"), session, [&session] { return list_apps(session); });
  CLI::App& remove = add_verb(apps, session, "delete", "Forget a registration that no grant uses");
  remove.add_option("APP", arguments->app, "The app")->required();
  on_run(remove, session, [&session, arguments]() -> Result<int> {
    const auto answer = session.client().call("DELETE", "/api/v1/apps/" + net::percent_encode(arguments->app));
    if (!answer && answer.error().kind == ErrorKind::not_found) {
      return fail(ErrorKind::not_found, "no_such_app", fmt::format("APP: there is no registration {}; `latchkey app list` shows them", arguments->app),
                  {.field = "APP"});
    }
    if (!answer) return std::unexpected(answer.error());
    if (!session.json) print(fmt::format("App {} is forgotten.\n", arguments->app));
    return 0;
  });
}

void add_type_verbs(CLI::App& app, Session& session) {
  CLI::App& type = *app.add_subcommand("type", "Types: the services a grant can be for");
  type.require_subcommand(1);
  on_run(add_verb(type, session, "list", "List types"), session, [&session] {
    return print_list(session, "/api/v1/types", {"TYPE", "NAME", "PROVIDER"}, {"id", "name", "provider"});
  });
}

void add_registry_verbs(CLI::App& app, Session& session) {
  CLI::App& registry = *app.add_subcommand("registry", "Settings that take effect at once");
  registry.require_subcommand(1);
  auto key = std::make_shared<std::string>();
  auto value = std::make_shared<std::string>();
  on_run(add_verb(registry, session, "list", "List every setting"), session, [&session] {
    return print_list(session, "/api/v1/registry", {"KEY", "VALUE", "DEFAULT", "EXPLANATION"}, {"key", "value", "default", "explanation"});
  });
  CLI::App& get = add_verb(registry, session, "get", "Print a setting's value");
  get.add_option("KEY", *key, "Such as oauth.polling_time")->required();
  on_run(get, session, [&session, key] { return get_setting(session, *key); });
  CLI::App& set = add_verb(registry, session, "set", "Change a setting");
  set.add_option("KEY", *key, "Such as oauth.polling_time")->required();
  set.add_option("VALUE", *value, "Durations as 90s, 20m, 14d")->required();
  on_run(set, session, [&session, key, value] {
    const JsonObject body{{"value", *value}};
    return say_setting(session, session.client().call("PUT", "/api/v1/registry/" + net::percent_encode(*key), &body));
  });
  CLI::App& reset = add_verb(registry, session, "reset", "Go back to the default");
  reset.add_option("KEY", *key, "The setting")->required();
  on_run(reset, session, [&session, key] {
    return say_setting(session, session.client().call("DELETE", "/api/v1/registry/" + net::percent_encode(*key)));
  });
}

}  // namespace latchkey::app

#include "app/verbs.h"

#include <fmt/format.h>

#include "base/json.h"
#include "net/http_headers.h"
#include "net/url.h"

namespace latchkey::app {
namespace {

constexpr std::size_t kSearchBytes = 200;

// The item of a list whose member equals the name: exactly, else but for the case of ASCII letters.
const JsonObject* pick(const JsonArray& items, std::string_view member, std::string_view name) {
  for (const Json& item : items) {
    if (base::string_or(item.as_object(), member) == name) return &item.as_object();
  }
  for (const Json& item : items) {
    if (net::equal_ignoring_case(base::string_or(item.as_object(), member), name)) return &item.as_object();
  }
  return nullptr;
}

}  // namespace

CLI::App& add_verb(CLI::App& parent, Session& session, const std::string& name, const std::string& description) {
  CLI::App* verb = parent.add_subcommand(name, description);
  verb->add_option("--data", session.data, "Data directory of the server (else LATCHKEY_DATA, else /var/lib/latchkey)")
      ->type_name("DIR");
  verb->add_flag("--json", session.json, "Print JSON");
  return *verb;
}

void on_run(CLI::App& verb, Session& session, std::function<Result<int>()> action) {
  verb.callback([&session, action = std::move(action)] { session.action = action; });
}

void add_all_verbs(CLI::App& app, Session& session) {
  add_group_verbs(app, session);
  add_user_verbs(app, session);
  add_app_verbs(app, session);
  add_type_verbs(app, session);
  add_grant_verbs(app, session);
  add_token_verb(app, session);
  add_send_verb(app, session);
  add_connector_verbs(app, session);
  add_device_verbs(app, session);
  add_delivery_verbs(app, session);
  add_registry_verbs(app, session);
  add_key_verbs(app, session);
  add_backup_verbs(app, session);
  add_node_verbs(app, session);
  add_migrate_verb(app, session);
  add_health_verbs(app, session);
  add_certificate_verbs(app, session);
  add_cloud_verbs(app, session);
  add_relay_verbs(app, session);
  add_doctor_verb(app, session);
}

Result<JsonObject> read_parameters(const std::vector<std::string>& pairs) {
  JsonObject parameters;
  for (const std::string& pair : pairs) {
    const auto equals = pair.find('=');
    if (equals == std::string::npos || equals == 0) {
      return fail(ErrorKind::invalid, "bad_parameter", fmt::format("--param {}: write KEY=VALUE", pair), {.field = "--param"});
    }
    const auto name = pair.substr(0, equals);
    if (parameters.contains(name)) return fail(ErrorKind::invalid, "bad_parameter", fmt::format("--param {}: it is given twice", name), {.field = "--param"});
    parameters[name] = pair.substr(equals + 1);
  }
  return parameters;
}

Result<JsonObject> find_group(const ControlClient& client, const std::string& name) {
  const auto groups = client.all("/api/v1/groups?search=" + net::percent_encode(searchable(name)));
  if (!groups) return std::unexpected(groups.error());
  if (const JsonObject* group = pick(*groups, "name", name)) return *group;
  return fail(ErrorKind::not_found, "no_such_group",
              fmt::format("group: there is no group \"{}\"; `latchkey group list` shows them, `latchkey group add` makes one", name), {.field = "group"});
}

Result<JsonObject> find_user(const ControlClient& client, const std::string& username) {
  const auto users = client.all("/api/v1/users?search=" + net::percent_encode(searchable(username)));
  if (!users) return std::unexpected(users.error());
  if (const JsonObject* user = pick(*users, "username", username)) return *user;
  return fail(ErrorKind::not_found, "no_such_user",
              fmt::format("username: there is no user \"{}\"; `latchkey user list` shows them", username),
              {.field = "username"});
}

Result<JsonObject> find_grant(const ControlClient& client, const std::string& username, const std::string& type) {
  const auto user = find_user(client, username);
  if (!user) return std::unexpected(user.error());
  const JsonArray* grants = base::find_array(*user, "grants");
  std::string held;
  const JsonObject* found = nullptr;
  std::size_t count = 0;
  static const JsonArray kNone;
  for (const Json& item : grants == nullptr ? kNone : *grants) {
    const auto& grant = item.as_object();
    const std::string here = base::string_or(grant, "type");
    held += (held.empty() ? "" : ", ") + here;
    if (!type.empty() && type != here) continue;
    ++count;
    found = &item.as_object();
  }
  if (count == 1) return *found;
  if (count > 1) {
    return fail(ErrorKind::invalid, "type_required", fmt::format("--type: {} holds several, say which: {}", username, held),
                {.field = "--type"});
  }
  return fail(ErrorKind::not_found, "no_such_grant",
              held.empty() ? fmt::format("username: {} holds no grant; `latchkey grant add` authorises one", username)
                           : fmt::format("--type: {} holds no grant of the type {}, but: {}", username, type, held),
              {.field = "--type"});
}

std::string searchable(const std::string& name) {
  std::string text = name.substr(0, kSearchBytes);
  if (text.size() == name.size()) return text;
  const auto continues = [&](std::size_t at) { return (static_cast<unsigned char>(name[at]) & 0xC0U) == 0x80U; };
  while (!text.empty() && continues(text.size())) text.pop_back();
  return text;
}

void add_query(std::string& target, std::string_view name, const std::string& value) {
  if (value.empty()) return;
  target += fmt::format("{}{}={}", target.find('?') == std::string::npos ? '?' : '&', name, net::percent_encode(value));
}

std::string cell(const JsonObject& object, std::string_view name) {
  const Json* value = object.if_contains(name);
  if (value == nullptr || value->is_null()) return "-";
  if (value->is_string()) return value->as_string().empty() ? "-" : std::string(value->as_string());
  if (value->is_bool()) return value->as_bool() ? "yes" : "no";
  if (value->is_object()) return base::string_or(value->as_object(), "name", "-");
  return boost::json::serialize(*value);
}

std::string id_of(const JsonObject& object) { return base::string_or(object, "id"); }

}  // namespace latchkey::app

// The verbs of the command line, each a function that reads its arguments, calls the server and prints.
#pragma once

#include <CLI/App.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/control_client.h"
#include "base/result.h"

namespace latchkey::app {

enum class OutputForm { words, json };

inline constexpr std::string_view kDataDefault = "/var/lib/latchkey";

// What the parsed command line decided on. `action` is set by the verb that was named.
struct Session {
  std::string data;  // --data, LATCHKEY_DATA or the default
  bool json = false;
  std::function<Result<int>()> action;  // gives the exit status

  [[nodiscard]] ControlClient client() const { return ControlClient(data); }
};

// A verb under `parent` that talks to the server: with --data and --json.
CLI::App& add_verb(CLI::App& parent, Session& session, const std::string& name, const std::string& description);
// Sets the action of a verb.
void on_run(CLI::App& verb, Session& session, std::function<Result<int>()> action);

void add_group_verbs(CLI::App& app, Session& session);
void add_user_verbs(CLI::App& app, Session& session);
void add_app_verbs(CLI::App& app, Session& session);
void add_type_verbs(CLI::App& app, Session& session);
void add_registry_verbs(CLI::App& app, Session& session);
void add_node_verbs(CLI::App& app, Session& session);
void add_migrate_verb(CLI::App& app, Session& session);
void add_grant_verbs(CLI::App& app, Session& session);
void add_health_verbs(CLI::App& app, Session& session);
void add_token_verb(CLI::App& app, Session& session);
void add_send_verb(CLI::App& app, Session& session);
void add_connector_verbs(CLI::App& app, Session& session);
void add_delivery_verbs(CLI::App& app, Session& session);
void add_device_verbs(CLI::App& app, Session& session);
void add_certificate_verbs(CLI::App& app, Session& session);
void add_doctor_verb(CLI::App& app, Session& session);
void add_key_verbs(CLI::App& app, Session& session);
void add_backup_verbs(CLI::App& app, Session& session);
void add_cloud_verbs(CLI::App& app, Session& session);
void add_relay_verbs(CLI::App& app, Session& session);

// The whole tree, for parsing and for the reference (docs/cli.md). `app` and `session` outlive the parse.
void add_all_verbs(CLI::App& app, Session& session);

// --- shared by the verbs ---

// "KEY=VALUE" pairs of --param. Errors: invalid/`bad_parameter`.
[[nodiscard]] Result<JsonObject> read_parameters(const std::vector<std::string>& pairs);
// The group or user of that name, whatever the case. Errors: not_found/`no_such_group`, `no_such_user`.
[[nodiscard]] Result<JsonObject> find_group(const ControlClient& client, const std::string& name);
[[nodiscard]] Result<JsonObject> find_user(const ControlClient& client, const std::string& username);
// A user's grant of a type; without a type the only one. Errors: not_found/`no_such_grant`, invalid/`type_required`.
[[nodiscard]] Result<JsonObject> find_grant(const ControlClient& client, const std::string& username, const std::string& type);

// As much of a name as the API searches for: at most 200 bytes, cut between characters.
[[nodiscard]] std::string searchable(const std::string& name);
// Puts a parameter behind an address, escaped; an empty value is left out.
void add_query(std::string& target, std::string_view name, const std::string& value);

// Members of answers as text: null and absent are "-".
[[nodiscard]] std::string cell(const JsonObject& object, std::string_view name);
[[nodiscard]] std::string id_of(const JsonObject& object);

}  // namespace latchkey::app

#include <fmt/format.h>

#include "app/terminal.h"
#include "app/verbs.h"
#include "net/url.h"

namespace latchkey::app {
namespace {

struct ConnectorArguments {
  std::string id;
  std::string name;
  std::string type;
  std::string account = "caller";
  std::string owner;
  std::vector<std::string> groups;
  std::string folder;
  std::string url;
  std::string app;
  std::string naming = "{name}";
  std::string conflict = "rename";
  std::int64_t size_bytes_max = 0;
};

// The whole answer of a list that comes as one page.
Result<JsonArray> items_at(const ControlClient& client, std::string_view target) {
  auto answer = client.get(target);
  if (!answer) return std::unexpected(answer.error());
  auto* items = answer->is_object() ? answer->get_object().if_contains("items") : nullptr;
  return items != nullptr && items->is_array() ? std::move(items->get_array()) : JsonArray();
}

std::string names_of(const JsonObject& connector) {
  std::string names;
  const JsonArray* groups = base::find_array(connector, "groups");
  if (groups == nullptr) return "-";
  for (const Json& group : *groups) names += (names.empty() ? "" : ", ") + cell(group.as_object(), "name");
  return names.empty() ? "-" : names;
}

Result<int> list_connectors(const Session& session) {
  const auto connectors = items_at(session.client(), "/api/v1/connectors");
  if (!connectors) return std::unexpected(connectors.error());
  if (session.json) {
    print(pretty(*connectors));
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const Json& item : *connectors) {
    const auto& connector = item.as_object();
    const bool fixed = cell(connector, "account") == "fixed";
    rows.push_back({cell(connector, "id"), cell(connector, "name"), cell(connector, "type"),
                    fixed ? "of " + cell(connector, "owner") : "the caller's own", names_of(connector),
                    cell(connector, "folder"), cell(connector, "enabled")});
  }
  print(table({"CONNECTOR", "NAME", "TYPE", "ACCOUNT", "GROUPS", "FOLDER", "ENABLED"}, rows));
  return 0;
}

Result<int> add_connector(const Session& session, const ConnectorArguments& arguments) {
  const auto client = session.client();
  JsonArray groups;
  for (const auto& name : arguments.groups) {
    const auto group = find_group(client, name);
    if (!group) return std::unexpected(group.error());
    groups.emplace_back(id_of(*group));
  }
  JsonObject body{{"id", arguments.id},
                  {"name", arguments.name.empty() ? arguments.id : arguments.name},
                  {"type", arguments.type},
                  {"account", arguments.account},
                  {"groups", std::move(groups)},
                  {"folder", arguments.folder},
                  {"naming", arguments.naming},
                  {"conflict", arguments.conflict},
                  {"size_bytes_max", arguments.size_bytes_max}};
  if (!arguments.owner.empty()) body["owner"] = arguments.owner;
  if (!arguments.url.empty()) body["url"] = arguments.url;
  if (!arguments.app.empty()) body["app"] = arguments.app;
  const auto answer = client.call("POST", "/api/v1/connectors", &body);
  if (!answer) return std::unexpected(answer.error());
  if (session.json) {
    print(pretty(*answer));
    return 0;
  }
  const auto url = base::string_or(answer->as_object(), "deliver_url");
  print(fmt::format("Connector {} takes documents at {}\nTry it: curl -u USERNAME --data-binary @FILE {}\n", arguments.id,
                    url, url));
  return 0;
}

Result<int> remove_connector(const Session& session, const std::string& id) {
  const auto answer = session.client().call("DELETE", "/api/v1/connectors/" + net::percent_encode(id));
  if (!answer) return std::unexpected(answer.error());
  if (!session.json) print(fmt::format("Connector {} is gone.\n", id));
  return 0;
}

Result<int> list_deliveries(const Session& session, const std::string& state, const std::string& connector) {
  std::string target = "/api/v1/deliveries";
  add_query(target, "state", state);
  add_query(target, "connector", connector);
  const auto deliveries = session.client().all(target);
  if (!deliveries) return std::unexpected(deliveries.error());
  if (session.json) {
    print(pretty(*deliveries));
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const Json& item : *deliveries) {
    const auto& one = item.as_object();
    rows.push_back({cell(one, "id"), cell(one, "state"), cell(one, "connector"), cell(one, "name"), cell(one, "size"),
                    cell(one, "submitter"), cell(one, "created_at"), cell(one, "why")});
  }
  print(table({"DELIVERY", "STATE", "CONNECTOR", "NAME", "BYTES", "FROM", "ACCEPTED", "WHY"}, rows));
  return 0;
}

Result<int> show_delivery(const Session& session, const std::string& id) {
  const auto answer = session.client().get("/api/v1/deliveries/" + net::percent_encode(id));
  if (!answer) return std::unexpected(answer.error());
  if (session.json) {
    print(pretty(*answer));
    return 0;
  }
  const auto& one = answer->as_object();
  std::string text = fmt::format("{} ({} bytes) to {}: {}\n", cell(one, "name"), cell(one, "size"), cell(one, "connector"),
                                 cell(one, "state"));
  if (const auto why = cell(one, "why"); why != "-") text += why + "\n";
  if (const JsonArray* timeline = base::find_array(one, "timeline")) {
    for (const Json& entry : *timeline) {
      const auto& step = entry.as_object();
      const auto words = cell(step, "words");
      text += fmt::format("  {}  {}{}\n", cell(step, "at"), cell(step, "what"), words == "-" ? "" : ": " + words);
    }
  }
  print(text);
  return 0;
}

Result<int> retry_delivery(const Session& session, const std::string& id) {
  const auto answer = session.client().call("POST", fmt::format("/api/v1/deliveries/{}/retry", net::percent_encode(id)));
  if (!answer) return std::unexpected(answer.error());
  print(session.json ? pretty(*answer) : std::string("It is tried again now.\n"));
  return 0;
}

Result<int> remove_delivery(const Session& session, const std::string& id) {
  const auto answer = session.client().call("DELETE", "/api/v1/deliveries/" + net::percent_encode(id));
  if (!answer) return std::unexpected(answer.error());
  if (!session.json) print("The delivery and its document are gone.\n");
  return 0;
}

}  // namespace

void add_connector_verbs(CLI::App& app, Session& session) {
  CLI::App& connector = *app.add_subcommand("connector", "Destinations that documents are delivered to");
  connector.require_subcommand(1);
  on_run(add_verb(connector, session, "list", "List the connectors"), session,
         [&session] { return list_connectors(session); });
  auto arguments = std::make_shared<ConnectorArguments>();
  CLI::App& add = add_verb(connector, session, "add", "Add a connector");
  add.add_option("CONNECTOR", arguments->id, "Its id, part of addresses: small letters, digits, hyphens")->required();
  add.add_option("--type", arguments->type, "Type of the accounts it delivers to")->required()->type_name("TYPE");
  add.add_option("--name", arguments->name, "What people call it (else its id)")->type_name("NAME");
  add.add_option("--account", arguments->account, "Whose account: that of whoever delivers (caller), or one user's (fixed)")
      ->type_name("KIND");
  add.add_option("--owner", arguments->owner, "With fixed: the user whose account it is")->type_name("USERNAME");
  add.add_option("--group", arguments->groups, "Group whose members may deliver; may be given several times")
      ->type_name("NAME");
  add.add_option("--folder", arguments->folder,
                 "Folder at the destination; {date}, {time}, {user}, {connector} and {id} are filled in")
      ->type_name("FOLDER");
  add.add_option("--url", arguments->url, "For the type oidc: the WebDAV folder that documents, and the account's token, go to")
      ->type_name("URL");
  add.add_option("--app", arguments->app, "With --url: the app whose accounts' tokens may go there")->type_name("APP");
  add.add_option("--naming", arguments->naming,
                 "Names of documents: {name} as it came, {date}, {time}, {user}, {connector}, {id}")
      ->type_name("TEMPLATE");
  add.add_option("--conflict", arguments->conflict,
                 "Where a document of that name is there: rename, replace, new_version or fail")
      ->type_name("RULE");
  add.add_option("--max-bytes", arguments->size_bytes_max, "The largest document it takes")->type_name("BYTES");
  on_run(add, session, [&session, arguments] { return add_connector(session, *arguments); });
  auto wanted = std::make_shared<std::string>();
  CLI::App& remove = add_verb(connector, session, "remove", "Remove a connector; documents on their way to it fail");
  remove.add_option("CONNECTOR", *wanted, "Its id")->required();
  on_run(remove, session, [&session, wanted] { return remove_connector(session, *wanted); });
}

void add_delivery_verbs(CLI::App& app, Session& session) {
  CLI::App& delivery = *app.add_subcommand("delivery", "Documents on their way, and what became of the others");
  delivery.require_subcommand(1);
  auto state = std::make_shared<std::string>();
  auto connector = std::make_shared<std::string>();
  CLI::App& list = add_verb(delivery, session, "list", "List deliveries, newest first");
  list.add_option("--state", *state, "Only those queued, sending, parked, maybe_sent, failed or delivered")
      ->type_name("STATE");
  list.add_option("--connector", *connector, "Only those to this connector")->type_name("CONNECTOR");
  on_run(list, session, [&session, state, connector] { return list_deliveries(session, *state, *connector); });
  const auto of_one = [&](const char* name, const char* description,
                          Result<int> (*action)(const Session&, const std::string&)) {
    auto id = std::make_shared<std::string>();
    CLI::App& verb = add_verb(delivery, session, name, description);
    verb.add_option("DELIVERY", *id, "Its id")->required();
    on_run(verb, session, [&session, id, action] { return action(session, *id); });
  };
  of_one("show", "Show a delivery's whole road", show_delivery);
  of_one("retry", "Try a delivery again now", retry_delivery);
  of_one("remove", "Delete a delivery and its document", remove_delivery);
}

}  // namespace latchkey::app

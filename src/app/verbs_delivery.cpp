#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include <algorithm>

#include "app/delivery_words.h"
#include "app/terminal.h"
#include "app/verbs.h"
#include "base/shown_name.h"
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
  std::vector<std::string> aliases;
  std::string naming = "{name}";
  std::string conflict = "rename";
  std::int64_t size_bytes_max = 0;
  std::vector<std::string> content_types;
  std::string pin_file;
};

// The PIN of the account's owner, where a file with it is named.
Result<void> put_pin(JsonObject& body, const std::string& pin_file) {
  if (pin_file.empty()) return {};
  const auto pin = read_secret_file("--pin-file", pin_file);
  if (!pin) return std::unexpected(pin.error());
  body["owner_pin"] = pin->reveal_text();
  return {};
}

// None given: as they are. One empty one: none.
void put_list(JsonObject& body, const char* member, const std::vector<std::string>& given) {
  if (given.empty()) return;
  JsonArray texts;
  for (const auto& one : given) {
    if (!one.empty()) texts.emplace_back(one);
  }
  body[member] = std::move(texts);
}

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
  put_list(body, "aliases", arguments.aliases);
  put_list(body, "content_types", arguments.content_types);
  if (const auto put = put_pin(body, arguments.pin_file); !put) return std::unexpected(put.error());
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

// What is not named stays as it is.
Result<int> set_connector(const Session& session, const ConnectorArguments& arguments) {
  const auto client = session.client();
  const auto connectors = items_at(client, "/api/v1/connectors");
  if (!connectors) return std::unexpected(connectors.error());
  const auto found = std::ranges::find_if(*connectors, [&](const Json& item) { return cell(item.as_object(), "id") == arguments.id; });
  if (found == connectors->end()) return fail(ErrorKind::not_found, "no_such_connector", "There is no connector " + arguments.id + ".");
  auto body = found->as_object();
  for (const char* shown : {"id", "devices", "delegation", "deliver_url", "dav_url", "mail_address", "drop_folder", "created_at"}) body.erase(shown);
  JsonArray groups;
  if (arguments.groups.empty()) {
    for (const Json& group : body["groups"].as_array()) groups.emplace_back(id_of(group.as_object()));
  }
  for (const auto& name : arguments.groups) {
    if (name.empty()) continue;
    const auto group = find_group(client, name);
    if (!group) return std::unexpected(group.error());
    groups.emplace_back(id_of(*group));
  }
  body["groups"] = std::move(groups);
  for (const char* absent : {"owner", "url", "app"}) {
    if (body[absent].is_null()) body.erase(absent);
  }
  const auto put_text = [&](const char* member, const std::string& text) {
    if (!text.empty()) body[member] = text;
  };
  put_text("name", arguments.name);
  put_text("account", arguments.account);
  put_text("owner", arguments.owner);
  put_text("folder", arguments.folder);
  put_text("url", arguments.url);
  put_text("app", arguments.app);
  put_text("naming", arguments.naming);
  put_text("conflict", arguments.conflict);
  put_list(body, "aliases", arguments.aliases);
  put_list(body, "content_types", arguments.content_types);
  if (arguments.size_bytes_max >= 0) body["size_bytes_max"] = arguments.size_bytes_max;
  if (const auto put = put_pin(body, arguments.pin_file); !put) return std::unexpected(put.error());
  const auto answer = client.call("PUT", "/api/v1/connectors/" + net::percent_encode(arguments.id), &body);
  if (!answer) return std::unexpected(answer.error());
  print(session.json ? pretty(*answer) : fmt::format("Connector {} is changed.\n", arguments.id));
  return 0;
}

Result<int> test_connector(const Session& session, const ConnectorArguments& arguments) {
  JsonObject body;
  if (const auto put = put_pin(body, arguments.pin_file); !put) return std::unexpected(put.error());
  const auto answer = session.client().call("POST", "/api/v1/connectors/" + net::percent_encode(arguments.id) + "/test", &body);
  if (!answer) return std::unexpected(answer.error());
  if (!session.json) print(fmt::format("The service behind connector {} has answered.\n", arguments.id));
  return 0;
}

Result<int> end_delegation(const Session& session, const std::string& id) {
  const auto answer = session.client().call("DELETE", "/api/v1/connectors/" + net::percent_encode(id) + "/delegation");
  if (!answer) return std::unexpected(answer.error());
  if (!session.json) print(fmt::format("From now on only its owner delivers by connector {}, with the PIN.\n", id));
  return 0;
}

Result<int> remove_connector(const Session& session, const std::string& id) {
  const auto answer = session.client().call("DELETE", "/api/v1/connectors/" + net::percent_encode(id));
  if (!answer) return std::unexpected(answer.error());
  if (!session.json) print(fmt::format("Connector {} is gone.\n", id));
  return 0;
}

struct DeliveryFilter {
  std::string state;
  std::string connector;
  std::string submitter;
};

Result<int> list_deliveries(const Session& session, const DeliveryFilter& filter) {
  std::string target = "/api/v1/deliveries";
  add_query(target, "state", filter.state);
  add_query(target, "connector", filter.connector);
  add_query(target, "submitter", filter.submitter);
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
  print(road_of(answer->as_object()));
  return 0;
}

Result<int> retry_delivery(const Session& session, const std::string& id) {
  const auto answer = session.client().call("POST", fmt::format("/api/v1/deliveries/{}/retry", net::percent_encode(id)));
  if (!answer) return std::unexpected(answer.error());
  print(session.json ? pretty(*answer) : std::string("It is tried again now.\n"));
  return 0;
}

Result<int> reroute_delivery(const Session& session, const std::string& id, const std::string& connector) {
  const JsonObject body{{"connector", connector}};
  const auto answer =
      session.client().call("POST", fmt::format("/api/v1/deliveries/{}/reroute", net::percent_encode(id)), &body);
  if (!answer) return std::unexpected(answer.error());
  print(session.json ? pretty(*answer)
                     : fmt::format("It goes to {} now, as {}.\n", connector, base::as_shown(cell(answer->as_object(), "name"))));
  return 0;
}

Result<int> download_delivery(const Session& session, const std::string& id, std::string output) {
  if (output.empty()) {
    const auto answer = session.client().get("/api/v1/deliveries/" + net::percent_encode(id));
    if (!answer) return std::unexpected(answer.error());
    output = std::filesystem::path(cell(answer->as_object(), "name")).filename().string();
  }
  // Never over a file that is there; others may not read it.
  const int descriptor = ::open(output.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor < 0)
    return fail(ErrorKind::invalid, "unwritable_file", fmt::format("{} cannot be made: {}", output, std::strerror(errno)));
  const auto take = [descriptor](std::string_view octets) {
    while (!octets.empty()) {
      const ssize_t count = ::write(descriptor, octets.data(), octets.size());
      if (count <= 0) return false;
      octets.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
  };
  const auto size = session.client().download(fmt::format("/api/v1/deliveries/{}/document", net::percent_encode(id)), take);
  ::close(descriptor);
  if (!size) {
    ::unlink(output.c_str());
    return std::unexpected(size.error());
  }
  if (session.json) {
    print(pretty(JsonObject{{"file", output}, {"size", *size}}));
  } else {
    print(fmt::format("{} ({} bytes)\n", base::as_shown(output), *size));
  }
  return 0;
}

Result<int> remove_delivery(const Session& session, const std::string& id) {
  const auto answer = session.client().call("DELETE", "/api/v1/deliveries/" + net::percent_encode(id));
  if (!answer) return std::unexpected(answer.error());
  if (!session.json) print("The delivery and its document are gone.\n");
  return 0;
}

void add_connector_options(CLI::App& verb, ConnectorArguments& arguments) {
  verb.add_option("--name", arguments.name, "What people call it (else its id)")->type_name("NAME");
  verb.add_option("--account", arguments.account, "Whose account: that of whoever delivers (caller), or one user's (fixed)")
      ->type_name("KIND");
  verb.add_option("--owner", arguments.owner, "With fixed: the user whose account it is")->type_name("USERNAME");
  verb.add_option("--pin-file", arguments.pin_file,
                  "With fixed: file that holds the owner's PIN. The account is tried, and its groups and devices may deliver to it; the "
                  "PIN is not stored")
      ->type_name("FILE");
  verb.add_option("--group", arguments.groups, "Group whose members may deliver; may be given several times")
      ->type_name("NAME");
  verb.add_option("--url", arguments.url, "For the type oidc: the WebDAV folder that documents, and the account's token, go to")
      ->type_name("URL");
  verb.add_option("--app", arguments.app, "With --url: the app whose accounts' tokens may go there")->type_name("APP");
  verb.add_option("--folder", arguments.folder,
                  "Folder at the destination; what --naming fills in is filled in here as well")
      ->type_name("FOLDER");
  verb.add_option("--alias", arguments.aliases,
                  "Of a mail connector: address besides the account's own that its mail may bear; may be given several times")
      ->type_name("ADDRESS");
  verb.add_option("--naming", arguments.naming,
                  "Names of documents: {name} as it came, {date}, {time}, {user}, {device}, {connector}, {counter} (a number of its own; {counter:4} with at "
                  "least four digits), {id}")
      ->type_name("TEMPLATE");
  verb.add_option("--conflict", arguments.conflict,
                  "Where a document of that name is there: rename, replace, new_version or fail")
      ->type_name("RULE");
  verb.add_option("--max-bytes", arguments.size_bytes_max, "The largest document it takes")->type_name("BYTES");
  verb.add_option("--content-type", arguments.content_types,
                  "Type of documents that it takes (application/pdf, image/*), or ending of their names (.dwg); may be given several times; else all")
      ->type_name("TYPE");
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
  add_connector_options(add, *arguments);
  on_run(add, session, [&session, arguments] { return add_connector(session, *arguments); });
  auto changed = std::make_shared<ConnectorArguments>(
      ConnectorArguments{.account = "", .naming = "", .conflict = "", .size_bytes_max = -1});
  CLI::App& set = add_verb(connector, session, "set", "Change a connector; what is not named stays");
  set.add_option("CONNECTOR", changed->id, "Its id")->required();
  add_connector_options(set, *changed);
  on_run(set, session, [&session, changed] { return set_connector(session, *changed); });
  auto tried = std::make_shared<ConnectorArguments>();
  CLI::App& test = add_verb(connector, session, "test", "Try the account of a connector with fixed account by a real call");
  test.add_option("CONNECTOR", tried->id, "Its id")->required();
  test.add_option("--pin-file", tried->pin_file, "File that holds the owner's PIN, where the connector may not open the account by itself")
      ->type_name("FILE");
  on_run(test, session, [&session, tried] { return test_connector(session, *tried); });
  auto ended = std::make_shared<std::string>();
  CLI::App& end = add_verb(connector, session, "end-delegation", "End what a connector may open without its owner's PIN");
  end.add_option("CONNECTOR", *ended, "Its id")->required();
  on_run(end, session, [&session, ended] { return end_delegation(session, *ended); });
  auto wanted = std::make_shared<std::string>();
  CLI::App& remove = add_verb(connector, session, "remove", "Remove a connector; documents on their way to it fail");
  remove.add_option("CONNECTOR", *wanted, "Its id")->required();
  on_run(remove, session, [&session, wanted] { return remove_connector(session, *wanted); });
}

void add_delivery_verbs(CLI::App& app, Session& session) {
  CLI::App& delivery = *app.add_subcommand("delivery", "Documents on their way, and what became of the others");
  delivery.require_subcommand(1);
  auto filter = std::make_shared<DeliveryFilter>();
  CLI::App& list = add_verb(delivery, session, "list", "List deliveries, newest first");
  list.add_option("--state", filter->state, "Only those queued, sending, parked, maybe_sent, failed or delivered")
      ->type_name("STATE");
  list.add_option("--connector", filter->connector, "Only those to this connector")->type_name("CONNECTOR");
  list.add_option("--from", filter->submitter, "Only those of this user or device")->type_name("NAME");
  on_run(list, session, [&session, filter] { return list_deliveries(session, *filter); });
  const auto of_one = [&](const char* name, const char* description,
                          Result<int> (*action)(const Session&, const std::string&)) {
    auto id = std::make_shared<std::string>();
    CLI::App& verb = add_verb(delivery, session, name, description);
    verb.add_option("DELIVERY", *id, "Its id")->required();
    on_run(verb, session, [&session, id, action] { return action(session, *id); });
  };
  of_one("show", "Show a delivery's whole road", show_delivery);
  of_one("retry", "Try a delivery again now", retry_delivery);
  of_one("delete", "Delete a delivery and its document", remove_delivery);
  auto rerouted = std::make_shared<std::pair<std::string, std::string>>();
  CLI::App& reroute = add_verb(delivery, session, "reroute", "Send a delivery to another connector");
  reroute.add_option("DELIVERY", rerouted->first, "Its id")->required();
  reroute.add_option("CONNECTOR", rerouted->second, "One that is for whoever submitted it")->required();
  on_run(reroute, session, [&session, rerouted] { return reroute_delivery(session, rerouted->first, rerouted->second); });
  auto downloaded = std::make_shared<std::pair<std::string, std::string>>();
  CLI::App& download = add_verb(delivery, session, "download", "Fetch the document of a delivery, while it is here");
  download.add_option("DELIVERY", downloaded->first, "Its id")->required();
  download.add_option("--output", downloaded->second, "The file to make (else as the document is called)")->type_name("FILE");
  on_run(download, session,
         [&session, downloaded] { return download_delivery(session, downloaded->first, downloaded->second); });
}

}  // namespace latchkey::app

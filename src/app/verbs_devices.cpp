#include <fmt/format.h>

#include <algorithm>

#include "app/terminal.h"
#include "app/verbs.h"
#include "base/shown_name.h"

namespace latchkey::app {
namespace {

struct DeviceArguments {
  std::string device;  // its name
  std::string name;
  std::vector<std::string> connectors;
  std::vector<std::string> sources;
  std::vector<std::string> domains;
  std::vector<std::string> uses;
  bool compact = false;
  bool enable = false;
  bool disable = false;
};

std::string small(std::string text) {
  for (auto& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

Result<JsonArray> all_devices(const ControlClient& client) {
  auto answer = client.get("/api/v1/devices");
  if (!answer) return std::unexpected(answer.error());
  auto* items = answer->is_object() ? answer->get_object().if_contains("items") : nullptr;
  return items != nullptr && items->is_array() ? std::move(items->get_array()) : JsonArray();
}

Result<JsonObject> find_device(const ControlClient& client, const std::string& name) {
  const auto devices = all_devices(client);
  if (!devices) return std::unexpected(devices.error());
  const auto found = std::ranges::find_if(*devices, [&](const Json& item) { return small(cell(item.as_object(), "name")) == small(name); });
  if (found == devices->end()) return fail(ErrorKind::not_found, "no_such_device", "There is no device " + name + ".");
  return found->as_object();
}

std::string joined(const JsonObject& device, std::string_view member, const char* nothing) {
  std::string words;
  if (const JsonArray* items = base::find_array(device, member)) {
    for (const Json& item : *items) words += (words.empty() ? "" : ", ") + std::string(item.as_string());
  }
  return words.empty() ? nothing : words;
}

JsonArray array_of(const std::vector<std::string>& texts) { return JsonArray(texts.begin(), texts.end()); }

// What was named; an empty text alone makes a list empty.
void put_list(JsonObject& body, std::string_view member, const std::vector<std::string>& texts) {
  if (texts.empty()) return;
  body[member] = texts.size() == 1 && texts.front().empty() ? JsonArray() : array_of(texts);
}

JsonObject body_of(const DeviceArguments& arguments) {
  JsonObject body;
  put_list(body, "connectors", arguments.connectors);
  put_list(body, "sources", arguments.sources);
  put_list(body, "recipient_domains", arguments.domains);
  put_list(body, "uses", arguments.uses);
  return body;
}

// Groups of four, as on a card.
std::string grouped(std::string_view secret) {
  std::string text;
  for (std::size_t i = 0; i < secret.size(); i += 4) text += (text.empty() ? "" : " ") + std::string(secret.substr(i, 4));
  return text;
}

int print_secret(const Session& session, const Json& answer) {
  if (session.json) {
    print(pretty(answer));
    return 0;
  }
  const auto& device = answer.as_object();
  const auto secret = base::string_or(device, "secret");
  print(fmt::format("User name  {}\nPassword   {}\nRead it as {}\nThis is the only time it is shown. Letter case, spaces and hyphens do not matter.\n",
                    cell(device, "name"), secret, grouped(secret)));
  return 0;
}

Result<int> list_devices(const Session& session) {
  const auto devices = all_devices(session.client());
  if (!devices) return std::unexpected(devices.error());
  if (session.json) {
    print(pretty(*devices));
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const Json& item : *devices) {
    const auto& device = item.as_object();
    rows.push_back({cell(device, "name"), joined(device, "connectors", "-"), joined(device, "sources", "anywhere"), cell(device, "enabled"),
                    cell(device, "last_seen_at"), cell(device, "last_error")});
  }
  print(table({"DEVICE", "CONNECTORS", "FROM", "ENABLED", "LAST SEEN", "LAST ERROR"}, rows));
  return 0;
}

Result<int> show_device(const Session& session, const std::string& name) {
  const auto device = find_device(session.client(), name);
  if (!device) return std::unexpected(device.error());
  if (session.json) {
    print(pretty(*device));
    return 0;
  }
  const auto seen = cell(*device, "last_seen_at");
  const auto failed = cell(*device, "last_error_at");
  print(fmt::format("{}{}\n  delivers to  {}\n  comes from   {}\n  mails to     {}\n  may          {}\n  secret of    {}\n  last seen    {}\n  last error   {}\n",
                    cell(*device, "name"), cell(*device, "enabled") == "true" ? "" : " (switched off)",
                    joined(*device, "connectors", "no connector"), joined(*device, "sources", "anywhere, over TLS"),
                    joined(*device, "recipient_domains", "nobody"), joined(*device, "uses", "nothing"), cell(*device, "secret_set_at"),
                    seen == "-" ? "never" : seen + " from " + cell(*device, "last_source"),
                    failed == "-" ? "none" : failed + ": " + base::as_shown(cell(*device, "last_error"))));
  return 0;
}

std::string door_word(const std::string& door) {
  if (door == "smtp") return "mail (SMTP)";
  return door == "webdav" ? "WebDAV" : "HTTP";
}

std::string conversation_text(const JsonObject& conversation) {
  std::string text = fmt::format("{} to {} from {} by {}\n", cell(conversation, "began_at"), cell(conversation, "ended_at"), cell(conversation, "source"),
                                 door_word(cell(conversation, "door")));
  const JsonArray* lines = base::find_array(conversation, "lines");
  if (lines == nullptr) return text;
  for (const Json& item : *lines) {
    const auto& line = item.as_object();
    const auto from = cell(line, "from");
    text += fmt::format("  {} {}\n", from == "device" ? "C:" : from == "server" ? "S:" : "--", base::as_shown(cell(line, "text")));
  }
  return text;
}

Result<int> show_transcript(const Session& session, const std::string& name) {
  const auto client = session.client();
  const auto device = find_device(client, name);
  if (!device) return std::unexpected(device.error());
  const auto answer = client.get("/api/v1/devices/" + id_of(*device) + "/conversations");
  if (!answer) return std::unexpected(answer.error());
  const JsonArray* items = answer->is_object() ? base::find_array(answer->as_object(), "items") : nullptr;
  if (session.json) {
    print(pretty(items != nullptr ? *items : JsonArray()));
    return 0;
  }
  if (items == nullptr || items->empty()) {
    print("Nothing was heard of it by mail, WebDAV or HTTP since the server started.\n");
    return 0;
  }
  for (auto one = items->rbegin(); one != items->rend(); ++one) print(conversation_text(one->as_object()));
  return 0;
}

Result<int> add_device(const Session& session, const DeviceArguments& arguments) {
  auto body = body_of(arguments);
  body["name"] = arguments.device;
  if (arguments.compact) body["secret_form"] = "compact";
  const auto answer = session.client().call("POST", "/api/v1/devices", &body);
  if (!answer) return std::unexpected(answer.error());
  return print_secret(session, *answer);
}

Result<int> set_device(const Session& session, const DeviceArguments& arguments) {
  const auto client = session.client();
  const auto device = find_device(client, arguments.device);
  if (!device) return std::unexpected(device.error());
  auto body = body_of(arguments);
  if (!arguments.name.empty()) body["name"] = arguments.name;
  if (arguments.enable || arguments.disable) body["enabled"] = arguments.enable;
  const auto answer = client.call("PATCH", "/api/v1/devices/" + id_of(*device), &body);
  if (!answer) return std::unexpected(answer.error());
  print(session.json ? pretty(*answer) : fmt::format("Device {} is changed.\n", cell(answer->as_object(), "name")));
  return 0;
}

Result<int> renew_secret(const Session& session, const DeviceArguments& arguments) {
  const auto client = session.client();
  const auto device = find_device(client, arguments.device);
  if (!device) return std::unexpected(device.error());
  const JsonObject body{{"secret_form", arguments.compact ? "compact" : "whole"}};
  const auto answer = client.call("POST", "/api/v1/devices/" + id_of(*device) + "/secret", &body);
  if (!answer) return std::unexpected(answer.error());
  return print_secret(session, *answer);
}

Result<int> remove_device(const Session& session, const std::string& name) {
  const auto client = session.client();
  const auto device = find_device(client, name);
  if (!device) return std::unexpected(device.error());
  const auto answer = client.call("DELETE", "/api/v1/devices/" + id_of(*device));
  if (!answer) return std::unexpected(answer.error());
  if (!session.json) print(fmt::format("Device {} is gone; what it delivered stays.\n", name));
  return 0;
}

void add_lists(CLI::App& verb, DeviceArguments& arguments) {
  verb.add_option("--connector", arguments.connectors, "Connector with a fixed account that it may deliver to; may be given several times")
      ->type_name("CONNECTOR");
  verb.add_option("--source", arguments.sources, "Address or network it may come from (else from anywhere, over TLS); may be given several times")
      ->type_name("ADDRESS");
  verb.add_option("--domain", arguments.domains, "Domain it may send mail to; may be given several times")->type_name("DOMAIN");
  verb.add_option("--use", arguments.uses, "What it may do: deliver, list, send (else deliver and list, and send where a domain is named); may be given several times")
      ->type_name("USE");
}

}  // namespace

void add_device_verbs(CLI::App& app, Session& session) {
  CLI::App& device = *app.add_subcommand("device", "Machines with a secret of their own");
  device.require_subcommand(1);
  on_run(add_verb(device, session, "list", "List the devices"), session, [&session] { return list_devices(session); });
  const auto verb_of_one = [&](const char* name, const char* description, const std::shared_ptr<DeviceArguments>& arguments) -> CLI::App& {
    CLI::App& verb = add_verb(device, session, name, description);
    verb.add_option("DEVICE", arguments->device, "Its name")->required();
    return verb;
  };
  const auto added = std::make_shared<DeviceArguments>();
  CLI::App& add = verb_of_one("add", "Add a device and print its secret, this once", added);
  add_lists(add, *added);
  add.add_flag("--compact", added->compact, "A secret of 32 characters, for devices whose field takes no more (else 52)");
  on_run(add, session, [&session, added] { return add_device(session, *added); });
  const auto shown = std::make_shared<DeviceArguments>();
  on_run(verb_of_one("show", "Show a device, when it was seen and what went wrong last", shown), session,
         [&session, shown] { return show_device(session, shown->device); });
  const auto heard = std::make_shared<DeviceArguments>();
  on_run(verb_of_one("transcript", "Show its last conversations by mail, WebDAV and HTTP, the latest at the end; what signs in is hidden", heard), session,
         [&session, heard] { return show_transcript(session, heard->device); });
  const auto changed = std::make_shared<DeviceArguments>();
  CLI::App& set = verb_of_one("set", "Change a device; a list that is named replaces the one before, '' empties it", changed);
  set.add_option("--name", changed->name, "Its new name")->type_name("NAME");
  add_lists(set, *changed);
  auto* enable = set.add_flag("--enable", changed->enable, "Switch it on");
  set.add_flag("--disable", changed->disable, "Switch it off")->excludes(enable);
  on_run(set, session, [&session, changed] { return set_device(session, *changed); });
  const auto renewed = std::make_shared<DeviceArguments>();
  CLI::App& secret = verb_of_one("new-secret", "Make the secret anew and print it, this once; the one before is worth nothing at once", renewed);
  secret.add_flag("--compact", renewed->compact, "A secret of 32 characters, for devices whose field takes no more (else 52)");
  on_run(secret, session, [&session, renewed] { return renew_secret(session, *renewed); });
  const auto removed = std::make_shared<DeviceArguments>();
  on_run(verb_of_one("remove", "Remove a device", removed), session, [&session, removed] { return remove_device(session, removed->device); });
}

}  // namespace latchkey::app

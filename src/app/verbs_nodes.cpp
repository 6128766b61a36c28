#include <fmt/format.h>

#include "app/terminal.h"
#include "app/verbs.h"
#include "net/url.h"

namespace latchkey::app {
namespace {

// Few: they come as one page.
Result<JsonArray> all_nodes(const ControlClient& client) {
  auto answer = client.get("/api/v1/nodes");
  if (!answer) return std::unexpected(answer.error());
  auto* items = answer->is_object() ? answer->get_object().if_contains("items") : nullptr;
  return items != nullptr && items->is_array() ? std::move(items->get_array()) : JsonArray();
}

Result<int> list_nodes(const Session& session) {
  const auto nodes = all_nodes(session.client());
  if (!nodes) return std::unexpected(nodes.error());
  if (session.json) {
    print(pretty(*nodes));
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const Json& item : *nodes) {
    const auto& node = item.as_object();
    const auto is = [&](std::string_view what) { return cell(node, what) == "yes"; };
    const char* state = is("here") ? "this one" : is("alive") ? "running" : is("stopped") ? "stopped" : "not seen";
    rows.push_back({cell(node, "id"), cell(node, "name"), state, cell(node, "seen_at"), cell(node, "open_exchanges"), cell(node, "version")});
  }
  print(table({"NODE", "MACHINE", "STATE", "SEEN", "OPEN EXCHANGES", "VERSION"}, rows));
  return 0;
}

// By its id, or by its machine's name where only one node has it.
Result<std::string> find_node(const ControlClient& client, const std::string& wanted) {
  const auto nodes = all_nodes(client);
  if (!nodes) return std::unexpected(nodes.error());
  std::string found;
  for (const Json& item : *nodes) {
    const auto& node = item.as_object();
    if (id_of(node) == wanted) return wanted;
    if (cell(node, "name") != wanted) continue;
    if (!found.empty()) {
      return fail(ErrorKind::invalid, "ambiguous_node", fmt::format("Several nodes ran on {}; name one by its id (latchkey node list).", wanted));
    }
    found = id_of(node);
  }
  if (found.empty()) {
    return fail(ErrorKind::not_found, "no_such_node", fmt::format("There is no node {}; latchkey node list shows all of them.", wanted));
  }
  return found;
}

// A database that went in the midst of it may have done any part.
Error not_forgotten(const std::string& wanted, Error why) {
  if (why.kind != ErrorKind::unavailable) return why;
  if (why.text.ends_with('.')) why.text.pop_back();
  why.text = fmt::format("Node {} may not be forgotten yet: {}. When the database answers, look with `latchkey node list`, and forget the node "
                         "once more if it is still listed.",
                         wanted, why.text);
  return why;
}

Result<int> forget_node(const Session& session, const std::string& wanted) {
  const auto client = session.client();
  const auto node = find_node(client, wanted);
  if (!node) return std::unexpected(node.error());
  const auto answer = client.call("DELETE", "/api/v1/nodes/" + net::percent_encode(*node));
  if (!answer) return std::unexpected(not_forgotten(wanted, answer.error()));
  print(session.json ? pretty(*answer) : fmt::format("Node {} is forgotten; its open exchanges count as lost answers.\n", wanted));
  return 0;
}

}  // namespace

void add_node_verbs(CLI::App& app, Session& session) {
  CLI::App& node = *app.add_subcommand("node", "The servers that share one PostgreSQL store");
  node.require_subcommand(1);
  on_run(add_verb(node, session, "list", "List the nodes, and when each was seen"), session, [&session] { return list_nodes(session); });
  auto wanted = std::make_shared<std::string>();
  CLI::App& forget = add_verb(node, session, "forget",
                              "Declare a node lost that does not come back: grants whose answers it may hold in its journal go on by their type's rule");
  forget.add_option("NODE", *wanted, "Its id, or its machine's name")->required();
  on_run(forget, session, [&session, wanted] { return forget_node(session, *wanted); });
}

}  // namespace latchkey::app

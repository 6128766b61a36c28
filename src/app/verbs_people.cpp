#include <fmt/format.h>

#include "app/terminal.h"
#include "app/verbs.h"

namespace latchkey::app {
namespace {

// Prints what the call answered: the whole of it as JSON, or the sentence.
Result<int> say(const Session& session, const Result<Json>& answer, std::string_view words) {
  if (!answer) return std::unexpected(answer.error());
  if (session.json) {
    print(pretty(*answer));
  } else {
    print(fmt::format("{}\n", words));
  }
  return 0;
}

Result<int> list_groups(const Session& session) {
  const auto groups = session.client().all("/api/v1/groups");
  if (!groups) return std::unexpected(groups.error());
  if (session.json) {
    print(pretty(*groups));
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const Json& item : *groups) {
    const auto& group = item.as_object();
    rows.push_back({cell(group, "name"), cell(group, "users"), cell(group, "oauth_users")});
  }
  print(table({"GROUP", "USERS", "OAUTH USERS"}, rows));
  return 0;
}

struct GroupArguments {
  std::string name;
  std::string new_name;
  std::string move_to;
  bool delete_users = false;
};

Result<int> delete_group(const Session& session, const GroupArguments& arguments) {
  const auto client = session.client();
  const auto group = find_group(client, arguments.name);
  if (!group) return std::unexpected(group.error());
  std::string target = "/api/v1/groups/" + id_of(*group);
  if (!arguments.move_to.empty()) {
    const auto other = find_group(client, arguments.move_to);
    if (!other) return std::unexpected(other.error());
    target += "?move_to=" + id_of(*other);
  } else if (arguments.delete_users) {
    target += "?delete_users=true";
  }
  return say(session, client.call("DELETE", target), fmt::format("Group {} is deleted.", arguments.name));
}

struct UserArguments {
  std::string username;
  std::string group;
  std::string name;
  std::string email;
  std::string search;
  std::string type;
  std::string state;
  std::string password_file;
  std::string pin_file;
  std::string current_pin_file;
  bool administrator = false;
};

Result<int> add_user(const Session& session, const UserArguments& arguments) {
  const auto client = session.client();
  const auto group = find_group(client, arguments.group);
  if (!group) return std::unexpected(group.error());
  JsonObject body{{"username", arguments.username}, {"group_id", id_of(*group)}, {"name", arguments.name}, {"email", arguments.email}};
  if (arguments.administrator) body["role"] = "administrator";
  if (!arguments.password_file.empty()) {
    const auto password = read_secret_file("--password-file", arguments.password_file);
    if (!password) return std::unexpected(password.error());
    body["password"] = password->reveal_text();
  } else if (arguments.administrator) {
    const auto password = prompt_secret("Password for the console", "--password-file", Ask::twice);
    if (!password) return std::unexpected(password.error());
    body["password"] = password->reveal_text();
  }
  return say(session, client.call("POST", "/api/v1/users", &body), fmt::format("User {} is added to {}.", arguments.username, arguments.group));
}

Result<int> list_users(const Session& session, const UserArguments& arguments) {
  const auto client = session.client();
  std::string target = "/api/v1/users";
  if (!arguments.group.empty()) {
    const auto group = find_group(client, arguments.group);
    if (!group) return std::unexpected(group.error());
    add_query(target, "group", id_of(*group));
  }
  add_query(target, "search", arguments.search);
  add_query(target, "type", arguments.type);
  add_query(target, "state", arguments.state);
  const auto users = client.all(target);
  if (!users) return std::unexpected(users.error());
  if (session.json) {
    print(pretty(*users));
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const Json& item : *users) {
    const auto& user = item.as_object();
    std::string types;
    if (const JsonArray* grants = base::find_array(user, "grants")) {
      for (const Json& grant : *grants) types += (types.empty() ? "" : ",") + base::string_or(grant.as_object(), "type");
    }
    rows.push_back({cell(user, "username"), cell(user, "group"), cell(user, "name"), cell(user, "role"),
                    cell(user, "enabled"), types.empty() ? "-" : types});
  }
  print(table({"USERNAME", "GROUP", "NAME", "ROLE", "ENABLED", "TYPES"}, rows));
  return 0;
}

// A call on the user of that name.
Result<int> on_user(const Session& session, const std::string& username, std::string_view method, std::string_view below,
                    const JsonObject* body, std::string_view words) {
  const auto client = session.client();
  const auto user = find_user(client, username);
  if (!user) return std::unexpected(user.error());
  return say(session, client.call(method, fmt::format("/api/v1/users/{}{}", id_of(*user), below), body), words);
}

Result<int> set_password(const Session& session, const UserArguments& arguments) {
  auto password = arguments.password_file.empty()
                      ? prompt_secret("New password for the console", "--password-file", Ask::twice)
                      : read_secret_file("--password-file", arguments.password_file);
  if (!password) return std::unexpected(password.error());
  // Root has no password of its own to show: the control socket stands for it.
  const JsonObject body{{"password", password->reveal_text()}, {"current_password", ""}};
  return on_user(session, arguments.username, "POST", "/password", &body,
                 fmt::format("The password of {} is set.", arguments.username));
}

Result<int> set_pin(const Session& session, const UserArguments& arguments) {
  auto pin = arguments.pin_file.empty() ? prompt_secret("New PIN", "--pin-file", Ask::twice)
                                        : read_secret_file("--pin-file", arguments.pin_file);
  if (!pin) return std::unexpected(pin.error());
  JsonObject body{{"pin", pin->reveal_text()}, {"mode", "reset"}};
  if (!arguments.current_pin_file.empty()) {
    const auto current = read_secret_file("--current-pin-file", arguments.current_pin_file);
    if (!current) return std::unexpected(current.error());
    body["mode"] = "change";
    body["current_pin"] = current->reveal_text();
  }
  return on_user(session, arguments.username, "POST", "/pin", &body, fmt::format("The PIN of {} is set.", arguments.username));
}

Result<int> move_user(const Session& session, const UserArguments& arguments) {
  const auto group = find_group(session.client(), arguments.group);
  if (!group) return std::unexpected(group.error());
  const JsonObject body{{"group_id", id_of(*group)}};
  return on_user(session, arguments.username, "PATCH", "", &body,
                 fmt::format("User {} is in {} now.", arguments.username, arguments.group));
}

void add_user_making_verbs(CLI::App& user, Session& session, const std::shared_ptr<UserArguments>& arguments) {
  CLI::App& add = add_verb(user, session, "add", "Add a user to a group");
  add.add_option("USERNAME", arguments->username, "Unique on the whole server; no ':' in it")->required();
  add.add_option("--group", arguments->group, "The group")->type_name("GROUP")->required();
  add.add_option("--name", arguments->name, "The person's name");
  add.add_option("--email", arguments->email, "Mail address");
  add.add_flag("--administrator", arguments->administrator, "May do everything in the console; needs a password");
  add.add_option("--password-file", arguments->password_file, "File that holds the console password")->type_name("FILE");
  on_run(add, session, [&session, arguments] { return add_user(session, *arguments); });

  CLI::App& list = add_verb(user, session, "list", "List users");
  list.add_option("--group", arguments->group, "Only of this group")->type_name("GROUP");
  list.add_option("--search", arguments->search, "Words in username, name, mail or provider account");
  list.add_option("--type", arguments->type, "Only who holds a grant of this type")->type_name("TYPE");
  list.add_option("--state", arguments->state, "Only who holds a grant in this state")->type_name("STATE");
  on_run(list, session, [&session, arguments] { return list_users(session, *arguments); });
}

void add_user_changing_verbs(CLI::App& user, Session& session, const std::shared_ptr<UserArguments>& arguments) {
  const auto named = [&](const std::string& name, const std::string& description) -> CLI::App& {
    CLI::App& verb = add_verb(user, session, name, description);
    verb.add_option("USERNAME", arguments->username, "The user")->required();
    return verb;
  };
  CLI::App& password = named("set-password", "Set the console password (helps a lost administrator)");
  password.add_option("--password-file", arguments->password_file, "File that holds it; else it is asked for")->type_name("FILE");
  on_run(password, session, [&session, arguments] { return set_password(session, *arguments); });

  CLI::App& pin = named("set-pin", "Set the PIN; without the current one, tokens sealed before cannot be opened and are refreshed");
  pin.add_option("--pin-file", arguments->pin_file, "File that holds it; else it is asked for")->type_name("FILE");
  pin.add_option("--current-pin-file", arguments->current_pin_file, "File that holds the current PIN, which keeps everything")->type_name("FILE");
  on_run(pin, session, [&session, arguments] { return set_pin(session, *arguments); });

  on_run(named("reset-throttle", "Forget the wrong PINs and passwords counted against a user, who is shut out by them"), session,
         [&session, arguments] {
           return on_user(session, arguments->username, "POST", "/reset-throttle", nullptr,
                          fmt::format("Counting wrong tries of {} starts again.", arguments->username));
         });

  CLI::App& move = named("move", "Move a user to another group");
  move.add_option("--group", arguments->group, "The group")->type_name("GROUP")->required();
  on_run(move, session, [&session, arguments] { return move_user(session, *arguments); });

  on_run(named("enable", "Switch a user on again"), session, [&session, arguments] {
    const JsonObject body{{"enabled", true}};
    return on_user(session, arguments->username, "PATCH", "", &body, fmt::format("User {} is enabled.", arguments->username));
  });
  on_run(named("disable", "Switch a user off at once"), session, [&session, arguments] {
    const JsonObject body{{"enabled", false}};
    return on_user(session, arguments->username, "PATCH", "", &body, fmt::format("User {} is disabled.", arguments->username));
  });
  on_run(named("delete", "Delete a user and all its grants, revoking at the provider where it can"), session, [&session, arguments] {
    return on_user(session, arguments->username, "DELETE", "", nullptr, fmt::format("User {} is deleted.", arguments->username));
  });
}

}  // namespace

void add_group_verbs(CLI::App& app, Session& session) {
  CLI::App& group = *app.add_subcommand("group", "Groups: every user is in one");
  group.require_subcommand(1);
  auto arguments = std::make_shared<GroupArguments>();
  CLI::App& add = add_verb(group, session, "add", "Make a group");
  add.add_option("NAME", arguments->name, "Its name, unique on the whole server")->required();
  on_run(add, session, [&session, arguments] {
    const JsonObject body{{"name", arguments->name}};
    return say(session, session.client().call("POST", "/api/v1/groups", &body), fmt::format("Group {} is added.", arguments->name));
  });
  on_run(add_verb(group, session, "list", "List groups"), session, [&session] { return list_groups(session); });
  CLI::App& rename = add_verb(group, session, "rename", "Give a group another name");
  rename.add_option("NAME", arguments->name, "The group")->required();
  rename.add_option("NEW_NAME", arguments->new_name, "Its new name")->required();
  on_run(rename, session, [&session, arguments]() -> Result<int> {
    const auto client = session.client();
    const auto found = find_group(client, arguments->name);
    if (!found) return std::unexpected(found.error());
    const JsonObject body{{"name", arguments->new_name}};
    return say(session, client.call("PATCH", "/api/v1/groups/" + id_of(*found), &body), fmt::format("The group is called {} now.", arguments->new_name));
  });
  CLI::App& remove = add_verb(group, session, "delete", "Delete a group; say where its users go");
  remove.add_option("NAME", arguments->name, "The group")->required();
  auto* move_to = remove.add_option("--move-to", arguments->move_to, "Group its users move to")->type_name("GROUP");
  remove.add_flag("--delete-users", arguments->delete_users, "Delete its users and their grants too")->excludes(move_to);
  on_run(remove, session, [&session, arguments] { return delete_group(session, *arguments); });
}

void add_user_verbs(CLI::App& app, Session& session) {
  CLI::App& user = *app.add_subcommand("user", "Users: people and devices that show username and PIN");
  user.require_subcommand(1);
  auto arguments = std::make_shared<UserArguments>();
  add_user_making_verbs(user, session, arguments);
  add_user_changing_verbs(user, session, arguments);
}

}  // namespace latchkey::app

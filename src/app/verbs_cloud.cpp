// `latchkey cloud`: this server's place at a Cloud Service.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include "app/terminal.h"
#include "app/verbs.h"

namespace latchkey::app {
namespace {

struct Arguments {
  std::string app;
  std::vector<std::string> values;
  std::string address;
  std::string code_file;
};

// From the file, else from the terminal, else from whatever is piped in.
Result<Secret> code_of(const Arguments& arguments) {
  if (!arguments.code_file.empty()) return read_secret_file("--code-file", arguments.code_file);
  if (::isatty(STDIN_FILENO) == 1) return prompt_secret("Enrolment code", "--code-file", Ask::once);
  return read_secret_input();
}

std::string types_of(const JsonObject& app) {
  std::vector<std::string> types;
  const auto* array = base::find_array(app, "types");
  for (std::size_t i = 0; array != nullptr && i < array->size(); ++i) {
    if (const auto* text = (*array)[i].if_string()) types.emplace_back(text->data(), text->size());
  }
  return fmt::format("{}", fmt::join(types, " "));
}

// What the service names itself: where codes and tokens of this app go.
std::string values_of(const JsonObject& app) {
  std::vector<std::string> values;
  const auto* params = base::find_object(app, "params");
  if (params == nullptr) return {};
  for (const auto& [name, value] : *params) {
    if (const auto* text = value.if_string()) values.push_back(fmt::format("{}={}", std::string_view(name), std::string_view(*text)));
  }
  return fmt::format("{}", fmt::join(values, " "));
}

bool is_true(const JsonObject& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value != nullptr && value->is_bool() && value->get_bool();
}

int print_status(const Session& session, const Json& answer) {
  if (session.json || !answer.is_object()) {
    print(pretty(answer));
    return 0;
  }
  const auto& status = answer.as_object();
  if (!is_true(status, "enrolled")) {
    print("This server is enrolled at no Cloud Service. Its operator gives a code; then: latchkey cloud enrol ADDRESS\n");
    return 0;
  }
  print(fmt::format("{}, as {} (office {})\nBrowsers come back to {}\n", cell(status, "address"), cell(status, "label"),
                    cell(status, "office"), cell(status, "return_origin")));
  if (!is_true(status, "used")) print("Switched off: latchkey registry set oauth.use_cloud_service true\n");
  std::vector<std::vector<std::string>> rows;
  bool waiting = false;
  const auto* apps = base::find_array(status, "apps");
  for (std::size_t i = 0; apps != nullptr && i < apps->size(); ++i) {
    const auto& app = (*apps)[i].as_object();
    rows.push_back({cell(app, "id"), cell(app, "provider"), cell(app, "mode"), types_of(app), is_true(app, "agreed") ? "yes" : "NO", values_of(app)});
    waiting = waiting || !is_true(app, "agreed");
  }
  print(table({"APP", "PROVIDER", "MODE", "TYPES", "AGREED", "VALUES"}, rows));
  if (waiting)
    print("What the service names since is used only after: latchkey cloud agree APP --param KEY=VALUE ... with just the values shown, which say where codes and "
          "tokens go.\n");
  return 0;
}

Result<int> enrol(const Session& session, const Arguments& arguments) {
  const auto code = code_of(arguments);
  if (!code) return std::unexpected(code.error());
  const JsonObject body{{"address", arguments.address}, {"enrolment_code", code->reveal_text()}};
  const auto answer = session.client().call("PUT", "/api/v1/cloud-service", &body);
  if (!answer) return std::unexpected(answer.error());
  return print_status(session, *answer);
}

Result<int> show(const Session& session) {
  const auto answer = session.client().get("/api/v1/cloud-service");
  if (!answer) return std::unexpected(answer.error());
  return print_status(session, *answer);
}

Result<int> check(const Session& session) {
  const auto answer = session.client().call("POST", "/api/v1/cloud-service/check");
  if (!answer) return std::unexpected(answer.error());
  if (!session.json) print("It answers, and all is well.\n");
  return print_status(session, *answer);
}

Result<int> agree(const Session& session, const Arguments& arguments) {
  const auto params = read_parameters(arguments.values);
  if (!params) return std::unexpected(params.error());
  const JsonObject body{{"params", *params}};
  const auto answer = session.client().call("POST", "/api/v1/cloud-service/apps/" + arguments.app + "/agree", &body);
  if (!answer) return std::unexpected(answer.error());
  return print_status(session, *answer);
}

Result<int> leave(const Session& session) {
  const auto answer = session.client().call("DELETE", "/api/v1/cloud-service");
  if (!answer) return std::unexpected(answer.error());
  print(session.json ? pretty(*answer)
                     : "Left. Accounts authorised by way of it go on, and cannot be authorised again that way. Ask its "
                       "operator to revoke "
                       "the enrolment.\n");
  return 0;
}

}  // namespace

void add_cloud_verbs(CLI::App& app, Session& session) {
  CLI::App& cloud = *app.add_subcommand("cloud", "The Cloud Service, by way of which consent comes without a public name");
  cloud.require_subcommand(1);
  auto arguments = std::make_shared<Arguments>();
  CLI::App& enrolling =
      add_verb(cloud, session, "enrol", "Enrol this server with a code that the service's operator has issued");
  enrolling.add_option("ADDRESS", arguments->address, "The service's address, such as https://relay.example")->required();
  enrolling
      .add_option("--code-file", arguments->code_file,
                  "File that holds the code; else it is asked for, or read from standard input")
      ->type_name("FILE");
  on_run(enrolling, session, [&session, arguments] { return enrol(session, *arguments); });
  on_run(add_verb(cloud, session, "show", "Show where this server is enrolled, and what it may use there"), session,
         [&session] { return show(session); });
  on_run(add_verb(cloud, session, "check", "Ask the service whether all is well, and take over what it has"), session,
         [&session] { return check(session); });
  CLI::App& agreeing = add_verb(cloud, session, "agree", "Agree to the values that the service names for an app; it is used from then on");
  agreeing.add_option("APP", arguments->app, "The app, as latchkey cloud show names it")->required();
  agreeing.add_option("--param", arguments->values, "A value of the app's, as latchkey cloud show prints it; repeatable, and all of them")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  on_run(agreeing, session, [&session, arguments] { return agree(session, *arguments); });
  on_run(add_verb(cloud, session, "leave", "Forget the enrolment; accounts that are authorised go on"), session,
         [&session] { return leave(session); });
}

}  // namespace latchkey::app

// `latchkey cloud`: this server's place at a Cloud Service.
#include <unistd.h>

#include "app/cloud_words.h"
#include "app/terminal.h"
#include "app/verbs.h"
#include "net/url.h"

namespace latchkey::app {
namespace {

struct Arguments {
  std::string app;
  std::string mode;
  std::vector<std::string> types;
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

int print_status(const Session& session, const Json& answer) {
  print(session.json || !answer.is_object() ? pretty(answer) : cloud_status_words(answer.as_object(), session.data));
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
  const JsonObject body{{"mode", arguments.mode}, {"types", JsonArray(arguments.types.begin(), arguments.types.end())}, {"params", *params}};
  const auto answer = session.client().call("POST", "/api/v1/cloud-service/apps/" + net::percent_encode(arguments.app) + "/agree", &body);
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
  CLI::App& agreeing = add_verb(cloud, session, "agree", "Agree to an app as the service offers it now; it is used so from then on. latchkey cloud show prints the whole command");
  agreeing.add_option("APP", arguments->app, "The app, as latchkey cloud show names it")->required();
  agreeing.add_option("--mode", arguments->mode, "Who exchanges the codes: forward, assertion, or exchange (the service, which sees tokens)")->type_name("MODE")->required();
  agreeing.add_option("--type", arguments->types, "A type it is for; repeatable, and all of them")->type_name("TYPE")->allow_extra_args(false)->required();
  agreeing.add_option("--param", arguments->values, "A value of the app's, as latchkey cloud show prints it; repeatable, and all of them")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  on_run(agreeing, session, [&session, arguments] { return agree(session, *arguments); });
  on_run(add_verb(cloud, session, "leave", "Forget the enrolment; accounts that are authorised go on"), session,
         [&session] { return leave(session); });
}

}  // namespace latchkey::app

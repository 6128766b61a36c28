#include <fmt/format.h>

#include <optional>

#include "app/door_client.h"
#include "app/terminal.h"
#include "app/verbs.h"
#include "net/url.h"

namespace latchkey::app {
namespace {

struct TokenArguments {
  DoorArguments door;
  std::string type;
  std::optional<std::uint32_t> min_valid;
};

Result<Json> fetch(const net::Url& server, const TokenArguments& arguments, const Secret& pin) {
  net::HttpCall call;
  call.method = "POST";
  call.url = server.with_path("/v1/token").text();
  call.headers.add("Content-Type", "application/x-www-form-urlencoded");
  net::FormFields fields;
  if (!arguments.type.empty()) fields.emplace_back("type", arguments.type);
  if (arguments.min_valid) fields.emplace_back("min_valid", fmt::to_string(*arguments.min_valid));
  call.body = Secret(std::string_view(net::encode_form(fields)));
  call.total_timeout = std::chrono::minutes(2);
  return ask_door(server, arguments.door, pin, std::move(call));
}

Result<int> print_token(const Session& session, const TokenArguments& arguments) {
  const auto server = door_address(arguments.door);
  if (!server) return std::unexpected(server.error());
  const auto pin = door_pin(arguments.door);
  if (!pin) return std::unexpected(pin.error());
  const auto answer = fetch(*server, arguments, *pin);
  if (!answer) return std::unexpected(answer.error());
  const std::string token = answer->is_object() ? base::string_or(answer->as_object(), "access_token") : std::string();
  if (token.empty()) return fail(ErrorKind::unavailable, "malformed_answer", fmt::format("--server: {} is no Latchkey server", arguments.door.server));
  print(session.json ? pretty(*answer) : token + "\n");
  return 0;
}

}  // namespace

void add_token_verb(CLI::App& app, Session& session) {
  auto arguments = std::make_shared<TokenArguments>();
  CLI::App& token = *app.add_subcommand("token", "Print an access token, for username and PIN");
  token.add_option("USERNAME", arguments->door.username, "Username on the server")->required();
  token.add_option("--type", arguments->type, "Type of the grant, when the user holds several")->type_name("TYPE");
  token.add_option("--min-valid", arguments->min_valid, "How long the token must still be good for")->type_name("SECONDS");
  add_door_options(token, arguments->door);
  token.add_flag("--json", session.json, "Print the whole answer as JSON");
  on_run(token, session, [&session, arguments] { return print_token(session, *arguments); });
}

}  // namespace latchkey::app

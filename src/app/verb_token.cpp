#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <optional>

#include "app/config.h"
#include "app/terminal.h"
#include "app/verbs.h"
#include "net/curl_transport.h"
#include "net/event_loop.h"
#include "net/tls.h"
#include "net/url.h"

namespace latchkey::app {
namespace {

struct TokenArguments {
  std::string username;
  std::string type;
  std::string server;
  std::string pin_file;
  std::string ca_file;
  std::optional<std::uint32_t> min_valid;
};

Result<Secret> pin_of(const TokenArguments& arguments) {
  if (!arguments.pin_file.empty()) return read_secret_file("--pin-file", arguments.pin_file);
  if (const auto value = process_environment()("LATCHKEY_PIN")) return Secret(std::string_view(*value));
  return prompt_secret(fmt::format("PIN of {}", arguments.username), "--pin-file", Ask::once);
}

bool is_loopback_host(const std::string& host) {
  if (host == "localhost") return true;
  const bool brackets = host.starts_with('[') && host.ends_with(']');
  const auto address = net::IpAddress::parse(brackets ? host.substr(1, host.size() - 2) : host);
  return address && address->is_loopback();
}

Task<void> send(net::HttpTransport* transport, net::HttpCall call, net::EventLoop* loop, std::optional<net::HttpOutcome>* outcome) {
  *outcome = co_await transport->send(std::move(call));
  loop->stop();
}

Result<Json> fetch(const net::Url& server, const TokenArguments& arguments, const Secret& pin) {
  // The one place that was named is allowed, wherever it lies.
  auto policy = net::AddressPolicy::parse({fmt::format("{}:{}", server.host(), server.port())});
  if (!policy) return std::unexpected(policy.error());
  net::HttpCall call;
  call.method = "POST";
  call.url = server.with_path("/v1/token").text();
  const Secret pair(fmt::format("{}:{}", arguments.username, pin.reveal_text()));
  call.headers.add("Authorization", "Basic " + base::to_base64(pair.reveal()));
  call.headers.add("Content-Type", "application/x-www-form-urlencoded");
  net::FormFields fields;
  if (!arguments.type.empty()) fields.emplace_back("type", arguments.type);
  if (arguments.min_valid) fields.emplace_back("min_valid", fmt::to_string(*arguments.min_valid));
  call.body = Secret(std::string_view(net::encode_form(fields)));
  call.total_timeout = std::chrono::minutes(2);
  call.response_bytes_max = 1 << 20;

  net::EventLoop loop(1);
  net::CurlTransport transport(loop.main(), {std::move(*policy), arguments.ca_file, {}});
  std::optional<net::HttpOutcome> outcome;
  boost::asio::co_spawn(loop.main(), send(&transport, std::move(call), &loop, &outcome), boost::asio::detached);
  loop.run();
  if (const auto* reply = std::get_if<net::Reply>(&*outcome)) {
    auto answer = read_answer(reply->status, base::as_text(reply->body));
    // Without a problem document it is somebody else who answers.
    if (answer || answer.error().reason != "refused") return answer;
    return fail(ErrorKind::unavailable, "no_latchkey", fmt::format("--server: {} is no Latchkey server (it answered with status {})", server.origin(), reply->status));
  }
  const Error& error = std::holds_alternative<net::NothingSent>(*outcome) ? std::get<net::NothingSent>(*outcome).error
                                                                          : std::get<net::Ambiguous>(*outcome).error;
  return fail(ErrorKind::unavailable, error.reason, fmt::format("--server: {}: {} Is the server running there?", server.origin(), error.text));
}

Result<int> print_token(const Session& session, const TokenArguments& arguments) {
  const auto server = net::Url::parse(arguments.server);
  if (!server) {
    return fail(ErrorKind::invalid, "bad_server", fmt::format("--server: {} is no address such as https://latchkey.example", arguments.server));
  }
  if (!server->is_https() && !is_loopback_host(server->host())) {
    return fail(ErrorKind::invalid, "insecure_transport", "--server: a PIN travels over https only, except to this machine itself");
  }
  if (!arguments.ca_file.empty() && !net::holds_certificate(arguments.ca_file)) {
    return fail(ErrorKind::invalid, "unreadable_file", fmt::format("--ca-file: {} cannot be read or holds no PEM certificate", arguments.ca_file));
  }
  const auto pin = pin_of(arguments);
  if (!pin) return std::unexpected(pin.error());
  const auto answer = fetch(*server, arguments, *pin);
  if (!answer) return std::unexpected(answer.error());
  const std::string token = answer->is_object() ? base::string_or(answer->as_object(), "access_token") : std::string();
  if (token.empty()) return fail(ErrorKind::unavailable, "malformed_answer", fmt::format("--server: {} is no Latchkey server", arguments.server));
  print(session.json ? pretty(*answer) : token + "\n");
  return 0;
}

}  // namespace

void add_token_verb(CLI::App& app, Session& session) {
  auto arguments = std::make_shared<TokenArguments>();
  arguments->server = process_environment()("LATCHKEY_SERVER").value_or("http://127.0.0.1:8480");
  CLI::App& token = *app.add_subcommand("token", "Print an access token, for username and PIN");
  token.add_option("USERNAME", arguments->username, "Username on the server")->required();
  token.add_option("--type", arguments->type, "Type of the grant, when the user holds several")->type_name("TYPE");
  token.add_option("--min-valid", arguments->min_valid, "How long the token must still be good for")->type_name("SECONDS");
  token.add_option("--pin-file", arguments->pin_file, "File that holds the PIN; else LATCHKEY_PIN (other processes of the same user can see it), else it is asked for")->type_name("FILE");
  token.add_option("--server", arguments->server, "Address of the server (else LATCHKEY_SERVER, else http://127.0.0.1:8480)")->type_name("URL");
  token.add_option("--ca-file", arguments->ca_file, "Further certificate authorities to trust (PEM)")->type_name("FILE");
  token.add_flag("--json", session.json, "Print the whole answer as JSON");
  on_run(token, session, [&session, arguments] { return print_token(session, *arguments); });
}

}  // namespace latchkey::app

#include "app/door_client.h"

#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "app/config.h"
#include "app/control_client.h"
#include "app/terminal.h"
#include "net/curl_transport.h"
#include "net/event_loop.h"
#include "net/tls.h"
#include "net/url.h"

namespace latchkey::app {
namespace {

bool is_loopback_host(const std::string& host) {
  if (host == "localhost") return true;
  const bool brackets = host.starts_with('[') && host.ends_with(']');
  const auto address = net::IpAddress::parse(brackets ? host.substr(1, host.size() - 2) : host);
  return address && address->is_loopback();
}

Task<void> send(net::HttpTransport* transport, net::HttpCall call, net::EventLoop* loop,
                std::optional<net::HttpOutcome>* outcome) {
  *outcome = co_await transport->send(std::move(call));
  loop->stop();
}

}  // namespace

void add_door_options(CLI::App& verb, DoorArguments& arguments) {
  arguments.server = process_environment()("LATCHKEY_SERVER").value_or("http://127.0.0.1:8480");
  verb.add_option(
          "--pin-file", arguments.pin_file,
          "File that holds the PIN; else LATCHKEY_PIN (other processes of the same user can see it), else it is asked for")
      ->type_name("FILE");
  verb.add_option("--server", arguments.server, "Address of the server (else LATCHKEY_SERVER, else http://127.0.0.1:8480)")
      ->type_name("URL");
  verb.add_option("--ca-file", arguments.ca_file, "Further certificate authorities to trust (PEM)")->type_name("FILE");
}

Result<Secret> door_pin(const DoorArguments& arguments) {
  if (!arguments.pin_file.empty()) return read_secret_file("--pin-file", arguments.pin_file);
  if (const auto value = process_environment()("LATCHKEY_PIN")) return Secret(std::string_view(*value));
  return prompt_secret(fmt::format("PIN of {}", arguments.username), "--pin-file", Ask::once);
}

Result<net::Url> door_address(const DoorArguments& arguments) {
  auto server = net::Url::parse(arguments.server);
  if (!server) {
    return fail(ErrorKind::invalid, "bad_server",
                fmt::format("--server: {} is no address such as https://latchkey.example", arguments.server));
  }
  if (!server->is_https() && !is_loopback_host(server->host())) {
    return fail(ErrorKind::invalid, "insecure_transport",
                "--server: a PIN travels over https only, except to this machine itself");
  }
  if (!arguments.ca_file.empty() && !net::holds_certificate(arguments.ca_file)) {
    return fail(ErrorKind::invalid, "unreadable_file",
                fmt::format("--ca-file: {} cannot be read or holds no PEM certificate", arguments.ca_file));
  }
  return server;
}

Result<Json> ask_door(const net::Url& server, const DoorArguments& arguments, const Secret& pin, net::HttpCall call) {
  // The one place that was named is allowed, wherever it lies.
  auto policy = net::AddressPolicy::parse({fmt::format("{}:{}", server.host(), server.port())});
  if (!policy) return std::unexpected(policy.error());
  const Secret pair(fmt::format("{}:{}", arguments.username, pin.reveal_text()));
  call.headers.add("Authorization", "Basic " + base::to_base64(pair.reveal()));
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
    return fail(
        ErrorKind::unavailable, "no_latchkey",
        fmt::format("--server: {} is no Latchkey server (it answered with status {})", server.origin(), reply->status));
  }
  const Error& error = std::holds_alternative<net::NothingSent>(*outcome) ? std::get<net::NothingSent>(*outcome).error
                                                                          : std::get<net::Ambiguous>(*outcome).error;
  return fail(ErrorKind::unavailable, error.reason,
              fmt::format("--server: {}: {} Is the server running there?", server.origin(), error.text));
}

}  // namespace latchkey::app

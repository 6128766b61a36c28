// `latchkey relay verify`: asks an office's own https address whether the name is its own (RULES S1). A name that it is
// found not to have (any more) is taken back; one that cannot be reached at this moment is not.
#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <optional>

#include "app/relay_server.h"
#include "app/terminal.h"
#include "app/verbs_relay.h"
#include "net/curl_transport.h"
#include "net/tls.h"
#include "relay/enrolled_offices.h"
#include "relay/office_name_check.h"

namespace latchkey::app {
namespace {

// One question on a loop of its own.
Result<std::string> ask(const RelayConfig& config, const std::string& ca_file, relay::Enrolment office, std::string origin) {
  std::vector<std::string> allow;
  if (config.loopback_providers) allow = {"127.0.0.0/8", "localhost"};
  auto policy = net::AddressPolicy::parse(allow);
  if (!policy) return std::unexpected(policy.error());
  if (!ca_file.empty() && !net::holds_certificate(ca_file)) {
    return fail(ErrorKind::misconfigured, "ca_file_unreadable",
                fmt::format("{} cannot be read or holds no PEM certificate.", ca_file), {.field = "--ca-file"});
  }
  boost::asio::io_context loop(1);
  // By the way that the service itself goes out.
  const auto& vouching = ca_file.empty() ? config.outbound_ca_file : ca_file;
  net::CurlTransport transport(loop.get_executor(), {.policy = std::move(*policy), .ca_file = vouching, .proxy = config.outbound_proxy});
  std::optional<Result<std::string>> name;
  std::exception_ptr thrown;
  boost::asio::co_spawn(loop, relay::verify_office_name(transport, std::move(office), std::move(origin)),
                        [&](std::exception_ptr problem, Result<std::string> value) {
                          thrown = problem;
                          name.emplace(std::move(value));
                          transport.cancel_all();
                          loop.stop();
                        });
  loop.run();
  if (thrown) std::rethrow_exception(thrown);
  return std::move(*name);
}

// What was refused, and what that does to a name that was verified before. Errors: of the book.
Result<Error> refused_name(store::EnrolmentBook& book, const store::OfficeId& id, Error why) {
  if (why.kind == ErrorKind::unavailable) return why;
  const auto taken_back = book.take_back_verified_name(id);
  if (!taken_back) return std::unexpected(taken_back.error());
  if (*taken_back) why.text += " The name that was verified before is taken back: people are shown the label alone.";
  return why;
}

}  // namespace

Result<int> verify_office(const RelayConfig& config, const std::string& office_text, const std::string& ca_file) {
  const auto id = store::OfficeId::parse(office_text);
  if (!id)
    return fail(ErrorKind::invalid, "bad_office", "OFFICE is an id as `latchkey relay list` shows it", {.field = "OFFICE"});
  base::SystemEntropy entropy;
  const base::SystemWallClock wall;
  base::StreamLog log(2, base::LogLevel::error, wall);
  auto files = open_relay_files(config, entropy, log);
  if (!files) return std::unexpected(files.error());
  base::SystemSteadyClock steady;
  relay::EnrolledOffices offices(*files->book, {}, steady);
  if (const auto read = offices.read_again(); !read) return std::unexpected(read.error());
  const auto office = offices.find(id->text());
  if (!office || office->return_origins.empty()) {
    return fail(ErrorKind::not_found, "no_such_office", "No office of that id is enrolled (any more).", {.field = "OFFICE"});
  }
  const auto name = ask(config, ca_file, *office, office->return_origins.front());
  if (!name) {
    auto why = refused_name(*files->book, *id, name.error());
    return std::unexpected(why ? std::move(*why) : std::move(why.error()));
  }
  if (const auto kept = files->book->put_verified_name(*id, *name, wall.now()); !kept) return std::unexpected(kept.error());
  print(fmt::format("{} is {}'s own: it shows the office's keys. People are shown the name besides the label.\n", *name,
                    office->name));
  return 0;
}

}  // namespace latchkey::app

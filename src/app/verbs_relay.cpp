// `latchkey relay`: the Cloud Service itself, and how its operator enrols offices and lets them go. The verbs work on the
// service's own files, whether it runs or not.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "app/relay_server.h"
#include "app/terminal.h"
#include "app/verbs.h"
#include "app/verbs_relay.h"
#include "base/shown_name.h"
#include "cloud/enrolment.h"

namespace latchkey::app {
namespace {

constexpr std::string_view kDefaultFile = "/etc/latchkey/relay.toml";
constexpr std::size_t kLabelMax = 100;
constexpr std::int64_t kFlowsPerMinute = 60;
constexpr int kCodeHours = 72;
constexpr int kCodeHoursMax = 30 * 24;

struct Arguments {
  std::string config{kDefaultFile};
  std::string label;
  std::vector<std::string> types;
  std::int64_t flows_per_minute = kFlowsPerMinute;
  int valid_hours = kCodeHours;
  std::string office;
  std::string ca_file;
};

struct Service {
  RelayConfig config;
  relay::CatalogRegistrations registrations;
};

// Every mistake at once, a line each.
Result<Service> service_of(const Arguments& arguments) {
  auto reading = load_relay_config(arguments.config);
  auto catalog = relay_catalog(reading.config);
  if (!catalog) return std::unexpected(catalog.error());
  auto registrations = registrations_of(reading.config, std::move(*catalog), reading.mistakes);
  if (!reading.mistakes.empty()) {
    for (const auto& mistake : reading.mistakes) fmt::print(stderr, "latchkey: {}\n", mistake);
    return fail(ErrorKind::misconfigured, "bad_config", fmt::format("{} cannot be used as it is", arguments.config));
  }
  return Service{.config = std::move(reading.config), .registrations = std::move(registrations)};
}

Result<int> relay_on(const Arguments& arguments) {
  auto service = service_of(arguments);
  if (!service) return std::unexpected(service.error());
  auto server = RelayServer::build(std::move(service->config), std::move(service->registrations));
  if (!server) return std::unexpected(server.error());
  return (*server)->run();
}

Result<void> check_label(const std::string& label) {
  if (label.size() <= kLabelMax && base::may_be_shown(label) && !label.contains('`')) return {};
  return fail(ErrorKind::invalid, "bad_label",
              "A label is what people are shown before they consent: the office's name, of 1 to 100 characters on one line",
              {.field = "LABEL"});
}

Result<int> enrol(const Session& session, const Arguments& arguments) {
  if (const auto good = check_label(arguments.label); !good) return std::unexpected(good.error());
  const auto service = service_of(arguments);
  if (!service) return std::unexpected(service.error());
  const auto all = service->registrations.types();
  for (const auto& type : arguments.types) {
    if (std::ranges::find(all, type) != all.end()) continue;
    return fail(ErrorKind::invalid, "bad_type",
                fmt::format("{} is no type that this service forwards: {}", type, fmt::join(all, ", ")),
                {.field = "--type"});
  }
  base::SystemEntropy entropy;
  const base::SystemWallClock wall;
  base::StreamLog log(2, base::LogLevel::error, wall);
  auto files = open_relay_files(service->config, entropy, log);
  if (!files) return std::unexpected(files.error());
  const auto now = wall.now();
  const auto id = store::OfficeId::make(now, entropy);
  const auto code = cloud::EnrolmentCode::make(id.bytes(), files->keys.party.public_half(), entropy);
  const auto digest = cloud::digest_of_secret(code.secret);
  const store::EnrolledOffice office{.id = id,
                                     .label = arguments.label,
                                     .types = arguments.types,
                                     .flows_per_minute = arguments.flows_per_minute,
                                     .code_digest = {digest.begin(), digest.end()},
                                     .issued_at = now,
                                     .code_ends_at = now + std::chrono::hours(arguments.valid_hours),
                                     .enrolled_at = {},
                                     .revoked_at = {},
                                     .keys = {},
                                     .return_origins = {}};
  if (const auto issued = files->book->issue(office); !issued) return std::unexpected(issued.error());
  if (session.json) {
    print(pretty(JsonObject{{"office", id.text()},
                            {"label", office.label},
                            {"code", code.text()},
                            {"code_ends_at", base::to_rfc3339(office.code_ends_at)}}));
    return 0;
  }
  print(fmt::format("{}\n", code.text()));
  fmt::print(
      stderr,
      "This code enrols {} once, until {}. Give it to the office's administrator over a way you trust, with the address {}: "
      "OAuth settings, Use Cloud Service (or `latchkey cloud enrol`).\n",
      office.label, base::to_rfc3339(office.code_ends_at), service->config.public_url);
  return 0;
}

std::string_view state_of(const store::EnrolledOffice& office, WallTime now) {
  if (office.revoked_at) return "revoked";
  if (office.enrolled_at) return "enrolled";
  return now < office.code_ends_at ? "issued" : "expired";
}

Result<int> list(const Session& session, const Arguments& arguments) {
  const auto service = service_of(arguments);
  if (!service) return std::unexpected(service.error());
  base::SystemEntropy entropy;
  const base::SystemWallClock wall;
  base::StreamLog log(2, base::LogLevel::error, wall);
  auto files = open_relay_files(service->config, entropy, log);
  if (!files) return std::unexpected(files.error());
  const auto offices = files->book->all();
  if (!offices) return std::unexpected(offices.error());
  const auto now = wall.now();
  if (session.json) {
    JsonArray items;
    for (const auto& office : *offices) {
      JsonObject item{{"office", office.id.text()},
                      {"label", office.label},
                      {"state", state_of(office, now)},
                      {"types", JsonArray(office.types.begin(), office.types.end())},
                      {"flows_per_minute", office.flows_per_minute},
                      {"return_origins", JsonArray(office.return_origins.begin(), office.return_origins.end())},
                      {"issued_at", base::to_rfc3339(office.issued_at)},
                      {"code_ends_at", base::to_rfc3339(office.code_ends_at)}};
      item["enrolled_at"] = office.enrolled_at ? Json(base::to_rfc3339(*office.enrolled_at)) : Json(nullptr);
      item["verified_name"] = office.verified_at ? Json(office.verified_name) : Json(nullptr);
      item["verified_at"] = office.verified_at ? Json(base::to_rfc3339(*office.verified_at)) : Json(nullptr);
      item["revoked_at"] = office.revoked_at ? Json(base::to_rfc3339(*office.revoked_at)) : Json(nullptr);
      items.push_back(std::move(item));
    }
    print(pretty(items));
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& office : *offices) {
    rows.push_back({office.id.text(), office.label, std::string(state_of(office, now)),
                    office.types.empty() ? "all" : fmt::format("{}", fmt::join(office.types, " ")),
                    office.return_origins.empty() ? "-" : fmt::format("{}", fmt::join(office.return_origins, " ")),
                    office.verified_at ? office.verified_name : "-"});
  }
  print(table({"OFFICE", "LABEL", "STATE", "TYPES", "RETURNS TO", "VERIFIED NAME"}, rows));
  return 0;
}

Result<int> revoke(const Arguments& arguments) {
  const auto service = service_of(arguments);
  if (!service) return std::unexpected(service.error());
  const auto id = store::OfficeId::parse(arguments.office);
  if (!id)
    return fail(ErrorKind::invalid, "bad_office", "OFFICE is an id as `latchkey relay list` shows it", {.field = "OFFICE"});
  base::SystemEntropy entropy;
  const base::SystemWallClock wall;
  base::StreamLog log(2, base::LogLevel::error, wall);
  auto files = open_relay_files(service->config, entropy, log);
  if (!files) return std::unexpected(files.error());
  if (const auto revoked = files->book->revoke(*id, wall.now()); !revoked) return std::unexpected(revoked.error());
  print("Revoked. A running service notices within seconds. What the office holds of apps in forward mode goes on by itself; of those in assertion "
        "or exchange mode nothing is renewed any more.\n");
  return 0;
}

Result<int> verify(const Arguments& arguments) {
  const auto service = service_of(arguments);
  if (!service) return std::unexpected(service.error());
  return verify_office(service->config, arguments.office, arguments.ca_file);
}

Result<int> rotate_keys(const Session& session, const Arguments& arguments) {
  const auto service = service_of(arguments);
  if (!service) return std::unexpected(service.error());
  base::SystemEntropy entropy;
  const auto keys = relay::rotate_relay_keys(service->config.keys_path(), entropy, base::SystemWallClock().now());
  if (!keys) return std::unexpected(keys.error());
  const auto& former = keys->former.back().succession.former;
  if (session.json) {
    print(pretty(JsonObject{{"former", former.key_id()}, {"keys", keys->party.public_half().key_id()}}));
    return 0;
  }
  print(
      fmt::format("New keys {} in the place of {}. Restart the service now; copy {} to its other instances, and anew to "
                  "where you keep one.\n"
                  "Offices follow by themselves when they authorise next; codes already issued stay good.\n",
                  keys->party.public_half().key_id(), former.key_id(), service->config.keys_path()));
  return 0;
}

CLI::App& add_operator_verb(CLI::App& relay, const std::shared_ptr<Arguments>& arguments, const std::string& name,
                            const std::string& description) {
  CLI::App& verb = *relay.add_subcommand(name, description);
  verb.add_option("--config", arguments->config, "Configuration file of the service")
      ->type_name("FILE")
      ->capture_default_str();
  return verb;
}

}  // namespace

void add_relay_verbs(CLI::App& app, Session& session) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App& relay = *app.add_subcommand("relay", "Run a Cloud Service: consent for offices without a public name");
  relay.require_subcommand(0, 1);
  relay.add_option("--config", arguments->config, "Configuration file (packaging/relay.toml explains every key)")
      ->type_name("FILE")
      ->capture_default_str();
  relay.callback([&relay, &session, arguments] {
    if (relay.get_subcommands().empty()) session.action = [arguments] { return relay_on(*arguments); };
  });

  CLI::App& enrolling =
      add_operator_verb(relay, arguments, "enrol", "Issue a one-time code with which an office enrols itself");
  enrolling.add_option("LABEL", arguments->label, "The office's name, as people are shown it before they consent")
      ->required();
  enrolling.add_option("--type", arguments->types,
                       "A type it may authorise; repeat for more (default: all of the service's)");
  enrolling.add_option("--flows-per-minute", arguments->flows_per_minute, "How many consents it may begin")
      ->check(CLI::Range(0, 100'000))
      ->type_name("NUMBER")
      ->capture_default_str();
  enrolling.add_option("--valid-hours", arguments->valid_hours, "How long the code is good for")
      ->check(CLI::Range(1, kCodeHoursMax))
      ->type_name("HOURS")
      ->capture_default_str();
  enrolling.add_flag("--json", session.json, "Print JSON");
  on_run(enrolling, session, [&session, arguments] { return enrol(session, *arguments); });

  CLI::App& listing = add_operator_verb(relay, arguments, "list", "Show the offices, enrolled and not");
  listing.add_flag("--json", session.json, "Print JSON");
  on_run(listing, session, [&session, arguments] { return list(session, *arguments); });

  CLI::App& verifying = add_operator_verb(
      relay, arguments, "verify",
      "Ask an office's own https address whether the name is its own, and show people that name besides the label");
  verifying.add_option("OFFICE", arguments->office, "Its id, as `latchkey relay list` shows it")->required();
  verifying
      .add_option("--ca-file", arguments->ca_file,
                  "Who vouches for the office's certificate (default: the system's authorities)")
      ->type_name("FILE");
  on_run(verifying, session, [arguments] { return verify(*arguments); });

  CLI::App& rotating = add_operator_verb(relay, arguments, "rotate-keys",
                                         "Give the service new keys, vouched for by those it has; for the next start");
  rotating.add_flag("--json", session.json, "Print JSON");
  on_run(rotating, session, [&session, arguments] { return rotate_keys(session, *arguments); });

  CLI::App& revoking = add_operator_verb(relay, arguments, "revoke", "Serve an office no longer");
  revoking.add_option("OFFICE", arguments->office, "Its id, as `latchkey relay list` shows it")->required();
  on_run(revoking, session, [arguments] { return revoke(*arguments); });
}

}  // namespace latchkey::app

// The console assembled: the admin API for browsers and for the control socket, the authorise flow's pages, the
// operator's addresses, and the pages built from web/.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/entropy.h"
#include "console/alert_board.h"
#include "console/api_activity.h"
#include "console/api_authorizations.h"
#include "console/api_catalogue.h"
#include "console/api_certificate.h"
#include "console/api_cloud.h"
#include "console/api_connectors.h"
#include "console/api_delegations.h"
#include "console/api_deliveries.h"
#include "console/api_devices.h"
#include "console/api_doctor.h"
#include "console/api_grants.h"
#include "console/api_foresight.h"
#include "console/api_groups.h"
#include "console/api_health.h"
#include "console/api_keys.h"
#include "console/api_nodes.h"
#include "console/api_owner.h"
#include "console/api_owner_mail.h"
#include "console/api_registry.h"
#include "console/api_session.h"
#include "console/api_user_secrets.h"
#include "console/api_users.h"
#include "console/door_plan.h"
#include "console/flow_routes.h"
#include "console/office_name_page.h"
#include "console/pages.h"
#include "console/probes.h"
#include "console/session_gate.h"

namespace latchkey::console {

// What the console stands on; all of it outlives the console. `engine` is where the grants' desks are called.
struct ConsoleGround {
  store::Store& store;
  store::Registry& registry;
  const vault::Vault& vault;
  people::Sessions& sessions;
  people::Setup& setup;
  people::Directory& directory;
  people::PinGate& pin_gate;
  std::shared_ptr<const catalog::Catalog> catalog;
  grants::Authorizer& authorizer;
  grants::Apps& apps;
  grants::CloudDesk& cloud;
  grants::GrantDesk& desk;
  grants::Keys& keys;
  grants::NodeDesk& nodes;
  grants::HealthDesk& health;
  grants::NoticeDesk& notices;
  grants::Counters& counters;
  doctor::Examiner& doctor;
  CertificateDesk& certificate;
  delivery::ConnectorDesk& connectors;
  delivery::DeliveryDesk& deliveries;
  people::DeviceDesk& devices;
  const people::DeviceConversations& device_conversations;
  DoorPlan doors;
  Executor engine;
  const WallClock& wall;
  const SteadyClock& steady;
  Entropy& entropy;
  Log& log;
  ServerFacts facts;
  std::function<std::vector<Cause>()> causes;
  ReadySource& ready;
  std::vector<MetricsSource*> metrics;
  std::function<std::int64_t()> dying_soon;  // grants with an end in sight, as of the last forecast
};

// Which handler answers what: "/api/v1/" with everything below it, "/healthz" alone.
struct Mount {
  std::string path;
  net::HttpHandler* handler = nullptr;
};

// A resource. Thread-safe once made.
class Console {
 public:
  explicit Console(ConsoleGround ground);
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  // For listeners that browsers reach.
  [[nodiscard]] std::vector<Mount> mounts();
  // For the control socket: the same API, its caller an administrator named "cli".
  [[nodiscard]] std::vector<Mount> control_mounts();
  [[nodiscard]] const std::vector<Route>& table() const { return api_.table(); }

 private:
  [[nodiscard]] std::vector<ApiSection*> sections();
  [[nodiscard]] std::vector<MetricsSource*> with_own(std::vector<MetricsSource*> metrics);

  SessionGate session_gate_;
  CommandLineGate command_line_gate_;
  OwnerPasses passes_;
  AlertBoard alerts_;

  SessionApi session_;
  UsersApi users_;
  UserSecretsApi user_secrets_;
  GroupsApi groups_;
  TypesApi types_;
  AppsApi apps_;
  AuthorizationsApi authorizations_;
  OwnerMailApi owner_mail_;
  OwnerApi owner_;
  GrantsApi grants_;
  RegistryApi registry_;
  ActivityApi activity_;
  HealthApi health_;
  KeysApi keys_;
  NodesApi nodes_;
  ForesightApi foresight_;
  CloudApi cloud_;
  DoctorApi doctor_;
  CertificateApi certificate_;
  RootDownload root_;
  ConnectorsApi connectors_;
  DeliveriesApi deliveries_;
  DevicesApi devices_;
  DelegationsApi delegations_;
  OfficeNamePage office_name_;

  Router api_;
  Router control_api_;
  FlowRoutes flow_;
  Probes probes_;
  Pages pages_;
};

// "https://latchkey.example" of "https://latchkey.example/base".
[[nodiscard]] std::string origin_of(std::string_view public_url);

}  // namespace latchkey::console

// Using a Cloud Service, as the console and the command line see it (RULES S1).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/task.h"
#include "catalog/catalog.h"
#include "grants/authorize.h"

namespace latchkey::grants {

// Which key of Store::meta holds the enrolment; empty: there is none.
inline constexpr std::string_view kCloudEnrolmentMeta = "cloud_enrolment";

struct CloudStatus {
  bool enrolled = false;
  // Below only when enrolled, as the service said when last asked.
  std::string address;
  std::string office;
  std::string label;       // what people are shown before they consent
  std::string service_key; // names the keys pinned
  WallTime enrolled_at{};
  std::string return_origin;
  struct App {
    std::string id;  // here
    std::string provider;
    std::vector<std::string> types;
    std::string mode;  // forward, assertion or exchange
    catalog::ParameterValues params{};  // the values of its own (issuer, instance) that the service names: where codes and tokens go
    bool agreed = true;                 // to all of it; false: what is not agreed to is not used for new consents
    std::vector<std::string> agreed_types{};  // those that new consents may use it for, as it is offered
    std::vector<std::string> changes{};       // what waits for an agreement, in plain words, each by itself
  };
  std::vector<App> apps;
};

// What an administrator has seen of an app and agrees to. Its id says the rest: it is another for another provider or client.
struct CloudAgreement {
  std::string app;   // CloudStatus::App::id
  std::string mode;
  std::vector<std::string> types;
  catalog::ParameterValues params{};
};

// Called on the engine's executor.
class CloudDesk {
 public:
  virtual ~CloudDesk() = default;
  [[nodiscard]] virtual Task<Result<CloudStatus>> status() = 0;
  // What this server shows for a DNS name to be known as its own (cloud/office_name.h); empty: enrolled nowhere. Strangers may
  // ask for it: what is sealed is opened when it has changed, and not for each of them.
  [[nodiscard]] virtual Task<Result<std::string>> name_proof() = 0;
  // `address`: https; `code`: as the operator gave it. Errors: invalid with `field` address or enrolment_code;
  // conflict/`cloud_enrolled` (leave first); those of CloudLine.
  [[nodiscard]] virtual Task<Result<CloudStatus>> enrol(std::string address, Secret code, Requester requester) = 0;
  // Asks the service now, and takes over what it has. Errors: conflict/`cloud_not_enrolled`;
  // misconfigured/`cloud_return_origin` (public_url has changed since); refused/`cloud_app_changed` (a registration that is
  // here already is offered as another client's, or with another mode); those of CloudLine.
  [[nodiscard]] virtual Task<Result<CloudStatus>> check(Requester requester) = 0;
  // Uses an app so from now on, which must be just what the service offered when it was last asked. Errors:
  // conflict/`cloud_not_enrolled`; not_found/`cloud_app_unknown`; conflict/`cloud_values_differ` (it offers something else by now),
  // `cloud_app_in_use` (grants were obtained with other values, and stay with them).
  [[nodiscard]] virtual Task<Result<CloudStatus>> agree(CloudAgreement agreement, Requester requester) = 0;
  // As check(), with its errors, but takes over nothing.
  [[nodiscard]] virtual Task<Result<CloudStatus>> look() = 0;
  // The keys are forgotten, and registrations that no grant uses; grants go on. Errors: conflict/`cloud_not_enrolled`.
  [[nodiscard]] virtual Task<Result<void>> leave(Requester requester) = 0;
};

}  // namespace latchkey::grants

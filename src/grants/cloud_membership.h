// The CloudDesk at work: the enrolment in the store, and the service's apps beside the office's own.
#pragma once

#include "grants/app_use.h"
#include "grants/cloud_desk.h"
#include "grants/cloud_line.h"
#include "grants/provider_client.h"

namespace latchkey::grants {

// Lives on the engine's executor.
class CloudMembership final : public CloudDesk {
 public:
  CloudMembership(store::Store& store, const Sealing& sealing, ProviderClients& clients, CloudLine& line, AppUses& uses, const WallClock& wall)
      : store_(store), sealing_(sealing), clients_(clients), line_(line), uses_(uses), wall_(wall) {}

  [[nodiscard]] Task<Result<CloudStatus>> status() override;
  [[nodiscard]] Task<Result<std::string>> name_proof() override;
  [[nodiscard]] Task<Result<CloudStatus>> enrol(std::string address, Secret code, Requester requester) override;
  [[nodiscard]] Task<Result<CloudStatus>> check(Requester requester) override;
  [[nodiscard]] Task<Result<CloudStatus>> agree(CloudAgreement agreement, Requester requester) override;
  [[nodiscard]] Task<Result<CloudStatus>> look() override;
  [[nodiscard]] Task<Result<void>> leave(Requester requester) override;

 private:
  // The enrolment, and a record for each app that this server's catalogue can use, and may. `agreed_anew`: the app whose record
  // takes the values that are offered now.
  [[nodiscard]] Task<Result<store::Batch>> batch_of(const CloudEnrolment& enrolment, std::string agreed_anew);
  [[nodiscard]] Result<store::App> record_of(const CloudEnrolment& enrolment, const cloud::ServiceApp& app) const;
  [[nodiscard]] CloudStatus status_of(const CloudEnrolment& enrolment) const;
  // Errors besides: conflict when the enrolment, or an app of the service's, is another than was read.
  [[nodiscard]] Task<Result<CloudStatus>> keep(CloudEnrolment enrolment, std::string action, std::string detail, Requester requester,
                                                std::string agreed_anew = {});
  [[nodiscard]] Task<Result<CloudStatus>> agree_once(CloudAgreement agreement, Requester requester);
  struct AskedAnew {
    CloudEnrolment enrolment;    // with what the service says now
    cloud::ServiceView before{};
  };
  [[nodiscard]] Task<Result<AskedAnew>> ask_anew();
  [[nodiscard]] Task<Result<CloudStatus>> check_once(Requester requester);

  store::Store& store_;
  const Sealing& sealing_;
  ProviderClients& clients_;
  CloudLine& line_;
  AppUses& uses_;
  const WallClock& wall_;
  struct Proof {
    Bytes of;  // the enrolment as it lay in the store, sealed
    std::string text;
  };
  Proof proof_;  // the last one that was asked for
};

}  // namespace latchkey::grants

#include "doctor/checks.h"

#include "doctor/app_secret_check.h"
#include "doctor/clock_check.h"
#include "doctor/connector_check.h"
#include "doctor/consent_check.h"
#include "doctor/dav_door_check.h"
#include "doctor/disk_check.h"
#include "doctor/door_check.h"
#include "doctor/mail_door_check.h"
#include "doctor/master_key_check.h"
#include "doctor/outgoing_check.h"
#include "doctor/public_url_check.h"
#include "doctor/redirect_uri_check.h"
#include "doctor/scope_check.h"

namespace latchkey::doctor {

std::vector<std::unique_ptr<Check>> all_checks(const CheckGround& ground) {
  std::vector<std::unique_ptr<Check>> out;
  out.push_back(std::make_unique<PublicUrlCheck>(ground.premises));
  out.push_back(std::make_unique<DnsCheck>(ground.premises, ground.resolver, ground.worker));
  out.push_back(std::make_unique<CertificateCheck>(ground.premises, ground.looker, ground.worker, ground.wall));
  out.push_back(std::make_unique<DoorCheck>(ground.premises, ground.own));
  out.push_back(std::make_unique<DavDoorCheck>(ground.premises, ground.own));
  out.push_back(std::make_unique<MailDoorCheck>(ground.premises, ground.looker, ground.store, ground.worker, ground.wall));
  out.push_back(std::make_unique<DropFolderCheck>(ground.premises, ground.drop_folders, ground.store, ground.worker));
  out.push_back(std::make_unique<ConnectorCheck>(ground.store));
  out.push_back(std::make_unique<RedirectUriCheck>(ground.outgoing, ground.entropy, ground.plain_http));
  out.push_back(std::make_unique<CloudServiceCheck>(ground.cloud));
  out.push_back(std::make_unique<OutgoingCheck>(ground.premises, ground.outgoing, ground.steady));
  out.push_back(std::make_unique<ClockCheck>(ground.outgoing, ground.wall, ground.steady));
  out.push_back(std::make_unique<AppSecretCheck>(ground.wall));
  out.push_back(std::make_unique<ScopeCheck>());
  out.push_back(std::make_unique<ConsentCheck>());
  out.push_back(std::make_unique<DiskCheck>(ground.premises, ground.journal, ground.worker));
  out.push_back(std::make_unique<SpoolCheck>(ground.premises, ground.spool_reserve, ground.store, ground.worker));
  out.push_back(std::make_unique<MasterKeyCheck>(ground.premises, ground.keys, ground.store, ground.wall, ground.worker));
  return out;
}

}  // namespace latchkey::doctor

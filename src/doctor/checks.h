// The visible list of checks, in the order in which they are shown.
#pragma once

#include <memory>
#include <vector>

#include "base/entropy.h"
#include "base/pool.h"
#include "doctor/certificate_check.h"
#include "doctor/check.h"
#include "doctor/cloud_service_check.h"
#include "doctor/dns_check.h"
#include "doctor/drop_folder_check.h"
#include "doctor/premises.h"
#include "doctor/spool_check.h"
#include "grants/key_rotation.h"
#include "store/reply_journal.h"

namespace latchkey::doctor {

// What the checks stand on; all of it outlives them.
struct CheckGround {
  const Premises& premises;
  net::HttpTransport& outgoing;  // to providers, with the proxy and the policy of everything that goes out
  net::HttpTransport& own;       // to the public address
  Resolver resolver;
  TlsLooker looker;
  store::Store& store;
  const store::ReplyJournal& journal;
  const grants::Keys& keys;
  oauth::PlainHttp plain_http;
  Entropy& entropy;
  const WallClock& wall;
  const SteadyClock& steady;
  Worker& worker;  // for what blocks: DNS, TLS, files
  DropFolderLooker drop_folders;
  SpoolReserve spool_reserve;
  CloudLooker cloud;
};

[[nodiscard]] std::vector<std::unique_ptr<Check>> all_checks(const CheckGround& ground);

}  // namespace latchkey::doctor

// The doctor with what it stands on: premises, a worker for what blocks, and a transport to the server's own public address.
#pragma once

#include <memory>

#include "app/config.h"
#include "base/entropy.h"
#include "console/probes.h"
#include "doctor/checks.h"
#include "doctor/doctor.h"
#include "store/registry.h"

namespace latchkey::net {
class CurlTransport;
class EventLoop;
}  // namespace latchkey::net

namespace latchkey::app {

// How the checks see this configuration. `with_tls`: there is a certificate, for HTTP and mail alike.
[[nodiscard]] doctor::Premises premises_of(const Config& config, bool with_tls);

// Where the doctor may connect for looking at the public address: what outbound.allow names, and that address' port and those of
// the mail listeners on this machine and on private networks, since that is where an office's server stands. Never link-local and metadata addresses.
[[nodiscard]] Result<net::AddressPolicy> policy_for_public_address(const Config& config);

// A resource.
class Examination {
 public:
  struct Ground {
    const Config& config;
    bool listens_with_tls = false;
    net::EventLoop& loop;
    net::HttpTransport& outgoing;
    store::Store& store;
    const store::Registry& registry;
    const store::ReplyJournal& journal;
    const grants::Keys& keys;
    doctor::CloudLooker cloud;
    std::shared_ptr<const catalog::Catalog> catalog;
    oauth::PlainHttp plain_http;
    Entropy& entropy;
    const WallClock& wall;
    SteadyClock& steady;
    Log& log;
  };
  explicit Examination(const Ground& ground);
  Examination(const Examination&) = delete;
  Examination& operator=(const Examination&) = delete;
  ~Examination();

  [[nodiscard]] doctor::Examiner& doctor() { return *doctor_; }
  [[nodiscard]] console::MetricsSource& metrics() { return *metrics_; }
  [[nodiscard]] Task<void> stop();

 private:
  doctor::Premises premises_;
  net::AddressPolicy policy_;
  std::unique_ptr<net::CurlTransport> own_;
  std::unique_ptr<doctor::Doctor> doctor_;
  std::unique_ptr<console::MetricsSource> metrics_;
  std::unique_ptr<Worker> worker_;  // the first to go: what is on it still uses the policy
};

}  // namespace latchkey::app

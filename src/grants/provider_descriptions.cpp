#include "grants/provider_descriptions.h"

#include <algorithm>
#include <optional>
#include <tuple>

namespace latchkey::grants {
namespace {

constexpr std::size_t kBytesMax = 256 * 1024;
constexpr std::chrono::seconds kAskFor{20};
constexpr int kDoubledMost = 10;

Error unreadable(const std::string& discovery) {
  return {.kind = ErrorKind::unavailable,
          .reason = "provider_unreachable",
          .text = "The provider's description of itself could not be read from " + discovery + ".",
          .retry_after = Seconds(30)};
}

}  // namespace

struct ProviderDescriptions::Known {
  Known(Executor executor, std::string discovery_in, std::string issuer_in)
      : discovery(std::move(discovery_in)), issuer(std::move(issuer_in)), problem(unreadable(discovery)), looked(std::move(executor)) {}

  const std::string discovery;
  const std::string issuer;
  std::optional<oauth::Metadata> metadata;
  Error problem;  // of the last look
  SteadyTime good_until{};
  SteadyTime not_before{};  // the next look
  SteadyTime used_at{};
  int failures = 0;         // in a row
  bool looking = false;
  base::Broadcast looked;
};

// Whoever looks may be cancelled; those who wait are told all the same.
class ProviderDescriptions::Looking {
 public:
  explicit Looking(Known& known) : known_(known) {}
  Looking(const Looking&) = delete;
  Looking& operator=(const Looking&) = delete;
  ~Looking() {
    known_.looking = false;
    known_.looked.notify_all();
  }

 private:
  Known& known_;
};

ProviderDescriptions::ProviderDescriptions(net::HttpTransport& transport, const SteadyClock& clock, Executor executor, Log& log, oauth::PlainHttp plain_http)
    : transport_(transport), clock_(clock), executor_(executor), plain_http_(plain_http), looks_(std::move(executor), log) {}

Task<void> ProviderDescriptions::stop() { co_await looks_.cancel_and_wait(); }

Task<Result<oauth::Metadata>> ProviderDescriptions::read(std::string discovery, std::string issuer) {
  const auto known = known_of(discovery, issuer);
  const auto now = clock_.now();
  known->used_at = now;
  const bool wanted = !known->metadata || now >= known->good_until;
  if (wanted && !known->looking && now >= known->not_before) {
    known->looking = true;
    if (!looks_.spawn("provider_description", look(known))) known->looking = false;
  }
  if (known->metadata) co_return *known->metadata;
  while (known->looking) co_await known->looked.wait();
  if (known->metadata) co_return *known->metadata;
  co_return std::unexpected(known->problem);
}

std::shared_ptr<ProviderDescriptions::Known> ProviderDescriptions::known_of(const std::string& discovery, const std::string& issuer) {
  const auto key = discovery + '\n' + issuer;
  if (const auto found = known_.find(key); found != known_.end()) return found->second;
  if (known_.size() >= kKnownMax) make_room();
  return known_[key] = std::make_shared<Known>(executor_, discovery, issuer);
}

// Addresses may be of anybody's choosing: those at which nothing was found go first; then those that nobody has used for longest.
void ProviderDescriptions::make_room() {
  const auto worth = [](const auto& each) { return std::tuple(each.second->looking, each.second->metadata.has_value(), each.second->used_at); };
  known_.erase(std::ranges::min_element(known_, {}, worth));
}

Task<void> ProviderDescriptions::look(std::shared_ptr<Known> known) {
  const Looking looking(*known);
  auto metadata = co_await ask(known->discovery, known->issuer);
  if (metadata) {
    known->metadata = std::move(*metadata);
    known->good_until = clock_.now() + kFreshFor;
    known->not_before = {};
    known->failures = 0;
    co_return;
  }
  known->problem = std::move(metadata.error());
  const auto doubled = 1 << std::min(known->failures++, kDoubledMost);
  const std::chrono::seconds rest = known->metadata ? std::min<std::chrono::seconds>(kRest * doubled, kRestMax) : std::min(kRestWithout * doubled, kRestWithoutMax);
  known->not_before = clock_.now() + rest;
}

Task<Result<oauth::Metadata>> ProviderDescriptions::ask(std::string discovery, std::string issuer) {
  net::HttpCall call{.method = "GET", .url = discovery};
  call.headers.set("Accept", "application/json");
  call.response_bytes_max = kBytesMax;
  call.total_timeout = kAskFor;
  const auto outcome = co_await transport_.send(std::move(call));
  if (const auto* reply = std::get_if<net::Reply>(&outcome); reply != nullptr && reply->status == 200) {
    // What is no metadata (a captive portal, a maintenance page) says no more than no answer does, where there is a copy.
    co_return oauth::parse_metadata(base::as_text(reply->body), issuer, plain_http_);
  }
  if (const auto* refused = std::get_if<net::NothingSent>(&outcome); refused != nullptr && refused->error.kind == ErrorKind::misconfigured) {
    co_return std::unexpected(refused->error);
  }
  co_return std::unexpected(unreadable(discovery));
}

}  // namespace latchkey::grants

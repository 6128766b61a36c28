#include "grants/health_watch.h"

#include <algorithm>

namespace latchkey::grants {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::nanoseconds kOldest = 2s;
constexpr int kRestPerWork = 20;  // with very many grants a look takes its time; looking takes a twentieth of a reader at most
constexpr auto kForeseeEvery = 5min;
constexpr std::size_t kRevocationsShown = 20;
constexpr Seconds kExpiryEdges[] = {0s, 5min, 15min, 30min, 1h, 2h, 8h, 24h};
constexpr Seconds kRefreshEdges[] = {0s, 1min, 5min, 10min, 20min, 1h, 6h, 24h};

std::vector<WallTime> moments(WallTime now, std::span<const Seconds> edges) {
  std::vector<WallTime> out;
  for (const auto edge : edges) out.push_back(now + edge);
  return out;
}

std::vector<SpanCount> spans(std::span<const Seconds> edges, const std::vector<std::int64_t>& counts) {
  std::vector<SpanCount> out;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    out.push_back({.from = i == 0 ? std::nullopt : std::optional(edges[i - 1]), .until = i < edges.size() ? std::optional(edges[i]) : std::nullopt,
                   .count = counts[i]});
  }
  return out;
}

}  // namespace

// Whoever looks may be cancelled; those who wait look for themselves then.
class HealthWatch::Looking {
 public:
  explicit Looking(HealthWatch& watch) : watch_(watch) { watch_.looking_ = true; }
  Looking(const Looking&) = delete;
  Looking& operator=(const Looking&) = delete;
  ~Looking() {
    watch_.looking_ = false;
    watch_.looked_.notify_all();
  }

 private:
  HealthWatch& watch_;
};

Task<Result<std::shared_ptr<const HealthPicture>>> HealthWatch::look() {
  while (looking_) co_await looked_.wait();
  const bool fresh = last_ && *last_ && steady_.now() - taken_at_ < std::max(kOldest, took_ * kRestPerWork);
  if (fresh) co_return last_;
  const Looking looking(*this);
  const auto begun = steady_.now();
  auto taken = co_await take();
  took_ = steady_.now() - begun;
  last_ = taken;
  taken_at_ = steady_.now();
  co_return taken;
}

Task<Result<std::shared_ptr<const HealthPicture>>> HealthWatch::take() {
  const auto now = wall_.now();
  auto picture = std::make_shared<HealthPicture>();
  picture->at = now;
  picture->circuits = keeper_.circuits();
  // What was not counted yet is counted now; a store that takes nothing says so below.
  [[maybe_unused]] const auto flushed = co_await tallies_.flush();
  auto by_type = co_await store_.grants_by_type();
  if (!by_type) co_return std::unexpected(by_type.error());
  picture->by_type = std::move(*by_type);
  const auto expiry = co_await store_.grant_histogram(store::GrantMoment::expiry, moments(now, kExpiryEdges));
  if (!expiry) co_return std::unexpected(expiry.error());
  picture->until_expiry = spans(kExpiryEdges, *expiry);
  const auto due = co_await store_.grant_histogram(store::GrantMoment::due, moments(now, kRefreshEdges));
  if (!due) co_return std::unexpected(due.error());
  picture->until_refresh = spans(kRefreshEdges, *due);
  auto apps = co_await store_.apps();
  if (!apps) co_return std::unexpected(apps.error());
  picture->apps = std::move(*apps);
  auto outcomes = co_await store_.tallies(std::string(kOutcomeTallies), std::chrono::floor<std::chrono::hours>(now) - 23h);
  if (!outcomes) co_return std::unexpected(outcomes.error());
  picture->outcomes = std::move(*outcomes);
  auto revocations = co_await store_.revocations(WallTime::max(), kRevocationsShown);
  if (!revocations) co_return std::unexpected(revocations.error());
  picture->revocations = std::move(*revocations);
  auto channels = co_await notices_.status();
  if (!channels) co_return std::unexpected(channels.error());
  picture->channels = std::move(*channels);
  if (foreseen_at_ == SteadyTime{} || steady_.now() - foreseen_at_ > kForeseeEvery) co_await foresee();
  picture->dying = dying_;
  picture->dying_count = dying_count_;
  picture->dying_by_day = dying_by_day_;
  co_return std::shared_ptr<const HealthPicture>(std::move(picture));
}

// What cannot be read stays as it was.
Task<void> HealthWatch::foresee() {
  const auto foreseen = co_await forecast_.foresee();
  if (!foreseen) co_return;
  std::vector<NamedDying> named;
  for (const auto& grant : foreseen->soonest) {
    const auto view = co_await store_.grant(grant.grant);
    if (!view || !*view) continue;
    const auto user = co_await store_.user((*view)->grant.user);
    if (!user || !*user) continue;
    named.push_back({.grant = grant, .user = (*user)->id, .username = (*user)->username, .account_name = (*view)->grant.account_name});
  }
  dying_ = std::move(named);
  dying_count_ = foreseen->count;
  dying_by_day_ = foreseen->by_day;
  foreseen_at_ = steady_.now();
}

}  // namespace latchkey::grants

#include "grants/lookout.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "grants/altered_records.h"

namespace latchkey::grants {
namespace {

using namespace std::chrono_literals;

constexpr auto kFailureForgotten = std::chrono::minutes(20);  // twice the longest back-off
constexpr auto kLookEvery = 2s;
constexpr std::chrono::nanoseconds kThoroughEvery = 10s;
constexpr int kRestPerWork = 50;  // with very many grants a thorough look takes its time
constexpr std::string_view kStoreCause = "store_unreachable";
constexpr std::string_view kStoppedCause = "store_stopped";
constexpr std::string_view kTokensCause = "tokens_ended";
constexpr std::string_view kProviderCause = "provider_unreachable:";
constexpr std::string_view kNodeCause = "node_silent:";

std::string counted(std::int64_t number, std::string_view one, std::string_view many) { return fmt::format("{} {}", number, number == 1 ? one : many); }

// The file's own words say what to do; those of a line to a database name hosts and users, and stay in the log.
std::string words_for_away(const Error& error) {
  if (error.reason == "store_unreadable" || error.kind == ErrorKind::corrupt) {
    return error.text + " Until it can be read, nothing is refreshed, and who signs in or fetches a token may be refused; what providers have answered is kept.";
  }
  return "The database does not answer. Nothing is refreshed and nobody can sign in or fetch a token until it does; what providers answer meanwhile is kept. "
         "See the server's log, and bring the database back: no restart is needed.";
}

// "2026-11-27T02:15:00Z"
std::string moment(WallTime time) { return base::to_rfc3339(std::chrono::floor<Seconds>(time)); }

}  // namespace

Task<Result<std::shared_ptr<const HealthPicture>>> HealthGlance::look() {
  auto picture = std::make_shared<HealthPicture>();
  picture->at = wall_.now();
  picture->circuits = keeper_.circuits();
  std::vector<WallTime> edges{picture->at};
  const auto ended = co_await store_.grant_histogram(store::GrantMoment::expiry, std::move(edges));
  if (!ended) co_return std::unexpected(ended.error());
  picture->until_expiry = {{.from = std::nullopt, .until = Seconds(0), .count = ended->front()}};
  auto apps = co_await store_.apps();
  if (!apps) co_return std::unexpected(apps.error());
  picture->apps = std::move(*apps);
  co_return std::shared_ptr<const HealthPicture>(std::move(picture));
}

Task<void> Lookout::keep_looking() {
  SteadyTime thorough_at{};
  for (;;) {
    const auto begun = parts_.steady.now();
    const bool thorough = begun >= thorough_at;
    co_await look(thorough);
    if (thorough) thorough_at = parts_.steady.now() + std::max(kThoroughEvery, (parts_.steady.now() - begun) * kRestPerWork);
    co_await parts_.steady.sleep_for(kLookEvery);
  }
}

Task<void> Lookout::look(bool thorough) {
  if (!co_await look_at_store() || !thorough) co_return;
  // What cannot be read leaves everything as it was.
  if (const auto picture = co_await parts_.health.look(); picture) {
    look_at_tokens(**picture);
    look_at_providers(**picture);
  }
  if (parts_.nodes != nullptr) co_await look_at_nodes();
  co_await look_again_at_altered(parts_.store, parts_.sealing, parts_.alerts);
}

Task<bool> Lookout::look_at_store() {
  const auto answered = co_await parts_.store.now();
  const bool stopped = !answered && answered.error().reason == "store_stopped";
  // At once, and until the process ends: nothing that happens in it changes this.
  if (stopped) {
    parts_.alerts.raise(std::string(kStoppedCause), answered.error().text + " Until then nothing is refreshed and nothing can be changed; tokens still good are "
                                                                            "served, and what providers have answered is kept in the journal.");
  }
  if (answered || stopped) {  // what has stopped is read as before
    store_away_since_.reset();
    parts_.alerts.clear(std::string(kStoreCause));
    co_return true;
  }
  const auto now = parts_.steady.now();
  if (!store_away_since_) store_away_since_ = now;
  if (now - *store_away_since_ >= kStoreAwayFor) parts_.alerts.raise(std::string(kStoreCause), words_for_away(answered.error()));
  co_return false;
}

void Lookout::look_at_tokens(const HealthPicture& picture) {
  const auto ended = picture.until_expiry.empty() ? 0 : picture.until_expiry.front().count;
  if (ended == 0) {
    tokens_ended_since_.reset();
    parts_.alerts.clear(std::string(kTokensCause));
    return;
  }
  const auto now = parts_.steady.now();
  if (!tokens_ended_since_) tokens_ended_since_ = now;
  if (now - *tokens_ended_since_ < kTokensEndedFor) return;
  parts_.alerts.raise(std::string(kTokensCause),
                      counted(ended, "account has", "accounts have") +
                          " no token that works: it has ended, and no new one could be had. Whatever uses them stands still. Health says which "
                          "provider is in trouble; each account says why, under Users. They are tried again by themselves.",
                      ended);
}

void Lookout::look_at_providers(const HealthPicture& picture) {
  std::map<std::string, Failing> failing;
  for (const auto& app : picture.apps) {
    const auto circuit = std::ranges::find(picture.circuits, app.id, &AppCircuit::app);
    // A refused registration is an alert of its own.
    if (circuit == picture.circuits.end() || circuit->failures == 0 || app.paused) continue;
    const auto now = parts_.wall.now();
    const auto known = failing_.find(app.id);
    auto& its = failing[app.id] = known != failing_.end() ? known->second : Failing{.since = now, .failures = circuit->failures, .last_at = now};
    if (std::exchange(its.failures, circuit->failures) != circuit->failures) its.last_at = now;
    // Nothing has been asked of it here for long: another node has the app's grants, or the grant that failed is gone.
    const bool long_ago = !circuit->open && now - its.last_at > kFailureForgotten;
    if (long_ago) parts_.alerts.clear(std::string(kProviderCause) + app.id);
    if (long_ago || (!circuit->open && now - its.since < kProviderFailsFor)) continue;
    const auto since = its.since;
    const auto next = circuit->next_try_at ? fmt::format(" Next try at {}.", moment(*circuit->next_try_at)) : std::string();
    parts_.alerts.raise(std::string(kProviderCause) + app.id,
                        fmt::format("The provider of {} ({}) does not answer as it should, {} in a row since {}.{} Tokens still good are served, and "
                                    "nobody has to authorise again. If it lasts: is the provider up, and does this server reach it?",
                                    app.id, app.provider, counted(circuit->failures, "failure", "failures"), moment(since), next));
  }
  for (const auto& [app, its] : failing_) {
    if (!failing.contains(app)) parts_.alerts.clear(std::string(kProviderCause) + app);
  }
  failing_ = std::move(failing);
}

// Silent at two looks: after an outage of the database all of them are, until they have shown themselves again.
Task<void> Lookout::look_at_nodes() {
  const auto nodes = co_await parts_.nodes->list();
  if (!nodes) co_return;
  std::set<std::string> silent;
  for (const auto& view : *nodes) {
    if (view.alive || view.stopped) continue;
    const auto id = view.node.id.text();
    silent.insert(id);
    if (!silent_.contains(id)) continue;
    const auto open = view.open_exchanges == 0
                          ? std::string()
                          : fmt::format(" {} it had begun {} for the replies in its journal.", counted(view.open_exchanges, "refresh", "refreshes"),
                                        view.open_exchanges == 1 ? "waits" : "wait");
    parts_.alerts.raise(std::string(kNodeCause) + id,
                        fmt::format("The server {} has not been seen since {}, and did not say that it stops.{} Start it again, or bring it back to the "
                                    "database. If it never comes back: `latchkey node forget {}`.",
                                    view.node.name, moment(view.node.seen_at), open, id));
  }
  for (const auto& id : silent_) {
    if (!silent.contains(id)) parts_.alerts.clear(std::string(kNodeCause) + id);
  }
  silent_ = std::move(silent);
}

}  // namespace latchkey::grants

#include "app/observers.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/json.h"
#include "base/run_on.h"
#include "console/api_keys.h"
#include "grants/alert_folding.h"

namespace latchkey::app {

using console::Metric;

namespace {

// How long an event's banner stands after the last time.
constexpr std::chrono::hours kDay{24};
constexpr std::chrono::hours kWeek{7 * 24};
// How many users or addresses have a line of their own in the banner.
constexpr std::size_t kApartMax = 3;

}  // namespace

void PeopleWatcher::budget_reached(UserId user, std::string username, std::string bucket) {
  if (alerts_ == nullptr) return;
  const auto where = bucket == "*" ? std::string("unknown addresses") : bucket;
  alerts_->tell("pin_guessing:" + user.text(),
                fmt::format("Somebody at {} guesses PINs or passwords of {}. The budget is used up and further tries from there are refused; "
                            "other addresses that have been right before go on. Set a new PIN, or start counting again on the user's page.",
                            where, username),
                kWeek);
}

void PeopleWatcher::source_limited(std::string source) {
  if (alerts_ == nullptr) return;
  alerts_->tell("pin_spray:" + source, fmt::format("Somebody at {} tries PINs for many users; the address is refused for a while.", source), kDay);
}

void PeopleWatcher::pin_seen_in_clear(std::string username, std::string source) {
  if (alerts_ == nullptr) return;
  alerts_->tell("pin_in_clear:" + username,
                fmt::format("The PIN of {} came from {} over a connection anybody may read. It was refused; change it, and use https.",
                            username, source),
                kWeek);
}

void PeopleWatcher::counters_forgotten(UserId user) {
  if (alerts_ != nullptr) alerts_->clear("pin_guessing:" + user.text());
}

void PeopleWatcher::pin_replaced(std::string username) {
  if (alerts_ != nullptr) alerts_->clear("pin_in_clear:" + username);
}

void PeopleWatcher::pin_reset(const store::User& user, std::string by) {
  if (letters_ != nullptr) letters_->tell(user, by);
  if (alerts_ == nullptr) return;
  alerts_->tell("pin_reset:" + user.id.text(),
                fmt::format("{} set a new PIN for {} without the old one. Whoever knows it can fetch and use what this user holds; if nobody "
                            "asked for it, disable the user and speak with {}.",
                            by, user.username, by),
                kDay);
}

namespace {

// For strangers, too: no word of what the store has said.
std::string detail_for(const Error& error) {
  if (error.reason == "store_stopped") return "The database takes no more changes until the server has been restarted; the alert says what comes before that.";
  if (error.reason == "store_unreadable" || error.kind == ErrorKind::corrupt) return "The database cannot be read; the alert says what to do.";
  return "The database does not answer; the log says why.";
}

}  // namespace

Task<std::vector<console::ReadyCheck>> Readiness::check() {
  std::vector<console::ReadyCheck> checks;
  const auto answered = co_await store_.now();
  checks.push_back({.name = "store", .ok = answered.has_value(), .detail = answered ? "" : detail_for(answered.error())});
  checks.push_back({.name = "journal", .ok = !journal_.failed(), .detail = journal_.failed() ? "The disk refused to keep token replies." : ""});
  co_return checks;
}

namespace {

// A label's value, as the text format wants it.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

std::int64_t before_now(const std::vector<grants::SpanCount>& spans) { return spans.empty() ? 0 : spans.front().count; }

void add_picture(std::vector<Metric>& metrics, const grants::HealthPicture& picture) {
  const auto add = [&](std::string name, std::string help, double value, std::string labels = {}, Metric::Kind kind = Metric::Kind::gauge) {
    metrics.push_back({.name = std::move(name), .help = std::move(help), .kind = kind, .labels = std::move(labels), .value = value});
  };
  // All of them: a rule or a panel that asks for a state must find a 0, not nothing.
  using enum store::GrantState;
  std::map<store::GrantState, std::int64_t> states{{active, 0}, {unreachable, 0}, {uncertain, 0}, {paused, 0}, {needs_authorization, 0},
                                                   {held, 0},   {disabled, 0},    {revoked, 0}};
  for (const auto& row : picture.by_type) states[row.state] += row.count;
  for (const auto& [state, count] : states) {
    add("latchkey_grants", "Grants by state.", static_cast<double>(count), fmt::format("state=\"{}\"", store::name_of(state)));
  }
  for (const auto& row : picture.by_type) {
    add("latchkey_grants_by_type", "Grants by type and state.", static_cast<double>(row.count),
        fmt::format("type=\"{}\",state=\"{}\"", escaped(row.type), store::name_of(row.state)));
  }
  add("latchkey_grants_overdue", "Grants whose refresh is due.", static_cast<double>(before_now(picture.until_refresh)));
  add("latchkey_tokens_ended", "Grants that should be fresh and whose access token has ended.", static_cast<double>(before_now(picture.until_expiry)));
  for (const auto& app : picture.apps) {
    const auto circuit = std::ranges::find(picture.circuits, app.id, &grants::AppCircuit::app);
    add("latchkey_circuit_open", "1 while a provider has failed several times in a row and is asked by one grant at a time.",
        circuit != picture.circuits.end() && circuit->open ? 1 : 0, fmt::format("app=\"{}\"", escaped(app.id)));
    add("latchkey_app_paused", "1 while the provider refuses the app registration.", app.paused ? 1 : 0, fmt::format("app=\"{}\"", escaped(app.id)));
  }
  add("latchkey_revocations_waiting", "Tokens on their way back to a provider.", static_cast<double>(picture.revocations.total));
  for (const auto& channel : picture.channels) {
    const auto labels = [&](std::string_view outcome) { return fmt::format("channel=\"{}\",outcome=\"{}\"", grants::name_of(channel.channel), outcome); };
    const std::string name = "latchkey_notices_total";
    const std::string help = "Notices by channel and outcome.";
    add(name, help, static_cast<double>(channel.told), labels("told"), Metric::Kind::counter);
    add(name, help, static_cast<double>(channel.failed), labels("failed"), Metric::Kind::counter);
  }
}

}  // namespace

Task<std::vector<Metric>> EngineMetrics::collect() {
  const auto counter = [](std::string name, std::string help, const std::atomic<std::int64_t>& value, std::string labels = {}) {
    return Metric{.name = std::move(name), .help = std::move(help), .kind = Metric::Kind::counter, .labels = std::move(labels),
                  .value = static_cast<double>(value.load(std::memory_order_relaxed))};
  };
  const std::string refreshes = "latchkey_refreshes_total";
  const std::string refreshes_help = "Refreshes by how they ended.";
  std::vector<Metric> metrics{
      counter(refreshes, refreshes_help, parts_.counters.refreshed, "outcome=\"refreshed\""),
      counter(refreshes, refreshes_help, parts_.counters.refused, "outcome=\"refused\""),
      counter(refreshes, refreshes_help, parts_.counters.transient, "outcome=\"transient\""),
      counter(refreshes, refreshes_help, parts_.counters.ambiguous, "outcome=\"ambiguous\""),
      counter(refreshes, refreshes_help, parts_.counters.not_sent, "outcome=\"not_sent\""),
      counter(refreshes, refreshes_help, parts_.counters.misconfigured, "outcome=\"misconfigured_app\""),
      counter("latchkey_grants_died_total", "Grants that came to need a person.", parts_.counters.died),
      counter("latchkey_replies_recovered_total", "Token replies completed from the journal after a crash.", parts_.counters.replies_recovered),
      counter("latchkey_replies_unowned_total", "Token replies whose grant was gone when they came, or was another account's.", parts_.counters.replies_unowned),
      counter("latchkey_revocations_total", "Tokens given back to the provider.", parts_.counters.given_back, "outcome=\"revoked\""),
      counter("latchkey_revocations_total", "Tokens given back to the provider.", parts_.counters.not_given_back, "outcome=\"failed\""),
      counter("latchkey_device_codes_begun_total", "Device codes shown (RFC 8628).", parts_.counters.device_codes),
      counter("latchkey_device_codes_total", "Device codes by how they ended.", parts_.counters.device_granted, "outcome=\"granted\""),
      counter("latchkey_device_codes_total", "Device codes by how they ended.", parts_.counters.device_denied, "outcome=\"denied\""),
      counter("latchkey_device_codes_total", "Device codes by how they ended.", parts_.counters.device_expired, "outcome=\"expired\""),
      counter("latchkey_device_codes_total", "Device codes by how they ended.", parts_.counters.device_failed, "outcome=\"failed\""),
      counter("latchkey_device_polls_total", "Questions to providers whether a device code has been entered.", parts_.counters.device_polls),
      counter("latchkey_owner_links_total", "Links to owners by how far they came.", parts_.counters.owner_links, "stage=\"made\""),
      counter("latchkey_owner_links_total", "Links to owners by how far they came.", parts_.counters.links_mailed, "stage=\"mailed\""),
      counter("latchkey_owner_links_total", "Links to owners by how far they came.", parts_.counters.links_opened, "stage=\"opened\""),
      counter("latchkey_owner_links_total", "Links to owners by how far they came.", parts_.counters.links_consented, "stage=\"consented\""),
      counter("latchkey_handouts_total", "Access tokens handed out.", parts_.counters.handouts),
      counter("latchkey_handouts_hot_total", "Hand-outs answered from memory.", parts_.counters.handouts_hot),
      counter("latchkey_handouts_waited_total", "Hand-outs that waited for a refresh.", parts_.counters.handouts_waited)};
  const auto step = [&](std::string_view name, const std::atomic<std::int64_t>& nanoseconds) {
    metrics.push_back({.name = "latchkey_refresh_step_seconds_total", .help = "Time that refreshes spent in each step, summed.",
                       .kind = Metric::Kind::counter, .labels = fmt::format("step=\"{}\"", name),
                       .value = static_cast<double>(nanoseconds.load(std::memory_order_relaxed)) / 1e9});
  };
  step("claim", parts_.counters.steps.claim);
  step("exchange", parts_.counters.steps.exchange);
  step("journal", parts_.counters.steps.journal);
  step("merge", parts_.counters.steps.merge);
  const auto gauge = [&](std::string name, std::string help, double value, std::string labels = {}) {
    metrics.push_back({.name = std::move(name), .help = std::move(help), .kind = Metric::Kind::gauge, .labels = std::move(labels), .value = value});
  };
  gauge("latchkey_refreshes_in_flight", "Refreshes in flight.", static_cast<double>(parts_.counters.in_flight.load()));
  const std::string dying = "latchkey_grants_dying_soon";
  const std::string dying_help = "Grants that end within 14 days unless somebody acts, by which limit.";
  gauge(dying, dying_help, static_cast<double>(parts_.counters.dying_idle.load()), "limit=\"idle\"");
  gauge(dying, dying_help, static_cast<double>(parts_.counters.dying_of_age.load()), "limit=\"absolute\"");
  gauge("latchkey_alerts", "Alerts that stand.", static_cast<double>(parts_.alerts.current().size()));
  gauge("latchkey_hot_cache_entries", "Users whose PIN was right recently.", static_cast<double>(parts_.hot.size()));
  gauge("latchkey_journal_failed", "1 when the disk has refused to keep token replies: nothing is refreshed any more.", parts_.journal.failed() ? 1 : 0);
  if (const auto room = parts_.journal.room()) gauge("latchkey_journal_room", "Token replies there is room for on the disk.", static_cast<double>(*room));
  const auto& figures = parts_.figures;
  metrics.push_back(counter("latchkey_store_commits_total", "Transactions of the store, each synced once.", figures.commits));
  metrics.push_back(counter("latchkey_store_batches_total", "Changes that shared them.", figures.batches));
  metrics.push_back({.name = "latchkey_store_commit_seconds_total", .help = "Time that the store's transactions took, sync included, summed.",
                     .kind = Metric::Kind::counter, .labels = {}, .value = static_cast<double>(figures.commit_nanoseconds.load()) / 1e9});
  gauge("latchkey_store_waiting", "Changes that wait for the store.", static_cast<double>(figures.waiting.load()));
  const auto answered = co_await parts_.store.now();
  gauge("latchkey_store_up", "1 while the database answers, can be read and takes changes; whatever cannot be read of it is not shown.", answered ? 1 : 0);
  const auto looked = co_await base::run_on(parts_.engine, parts_.health.look());
  if (looked) add_picture(metrics, **looked);
  co_return metrics;
}

Task<std::vector<Metric>> KeyMetrics::collect() {
  const auto status = keys_.status();
  std::vector<Metric> metrics{
      {.name = "latchkey_master_key_rotating", .help = "1 while the master key is being rotated", .value = status.rotation ? 1.0 : 0.0},
      {.name = "latchkey_master_key_rotation_done_ratio", .help = "How far the rotation is; 1 when there is none",
       .value = status.rotation && status.rotation->total > 0
                    ? static_cast<double>(status.rotation->done) / static_cast<double>(status.rotation->total) : 1.0},
      {.name = "latchkey_master_key_awaited_nodes", .help = "Servers that do not hold a prepared master key yet, or do not write under the new one",
       .value = static_cast<double>(status.awaited.size())}};
  const auto last = co_await store_.meta(std::string(console::kLastBackupMeta));
  if (!last || last->empty()) co_return metrics;
  const auto parsed = parse_json(base::as_text(*last));
  if (!parsed || !parsed->is_object()) co_return metrics;
  if (const auto at = base::from_rfc3339(base::string_or(parsed->get_object(), "made_at"))) {
    metrics.push_back({.name = "latchkey_last_backup_timestamp_seconds", .help = "When the last backup was made that the server has heard of",
                       .value = static_cast<double>(base::to_unix_ms(*at)) / 1000});
  }
  co_return metrics;
}

Task<std::vector<Metric>> NodeMetrics::collect() {
  {
    const std::lock_guard lock(mutex_);
    if (!last_.empty() && steady_.now() - taken_at_ < kOldest) co_return last_;
  }
  const auto nodes = co_await grants::nodes_seen(store_, self_);
  if (!nodes) co_return std::vector<Metric>();
  double running = 0, silent = 0, stopped = 0;
  for (const auto& node : *nodes) (node.alive ? running : node.stopped ? stopped : silent) += 1;
  std::vector<Metric> metrics;
  const auto gauge = [&](double value, std::string_view state) {
    metrics.push_back({.name = "latchkey_nodes", .help = "Servers that share the store; silent: neither seen for half a minute nor stopped.",
                       .kind = Metric::Kind::gauge, .labels = fmt::format("state=\"{}\"", state), .value = value});
  };
  gauge(running, "running");
  gauge(silent, "silent");
  gauge(stopped, "stopped");
  const std::lock_guard lock(mutex_);
  last_ = metrics;
  taken_at_ = steady_.now();
  co_return metrics;
}

Task<std::vector<console::Metric>> CloudMetrics::collect() {
  const auto enrolment = co_await store_.meta(std::string(grants::kCloudEnrolmentMeta));
  constexpr auto kCounter = console::Metric::Kind::counter;
  constexpr std::string_view kRequests = "Requests to the Cloud Service by what came of them.";
  const auto requests = [&](const char* outcome, std::int64_t count) {
    return console::Metric{.name = "latchkey_cloud_service_requests_total", .help = std::string(kRequests), .kind = kCounter,
                           .labels = outcome, .value = static_cast<double>(count)};
  };
  co_return std::vector<console::Metric>{
      {.name = "latchkey_cloud_service_enrolled", .help = "1 when this server is enrolled at a Cloud Service.",
       .value = enrolment && !enrolment->empty() ? 1.0 : 0.0},
      requests("outcome=\"answered\"", counters_.answered),
      requests("outcome=\"refused\"", counters_.refused),
      requests("outcome=\"unreachable\"", counters_.unreachable)};
}

Task<std::vector<console::Metric>> BodyMetrics::collect() {
  co_return std::vector<console::Metric>{
      {.name = "latchkey_request_bodies_bytes", .help = "What bodies of requests hold in memory beyond what is free for each.",
       .value = static_cast<double>(bodies_.held_bytes())},
      {.name = "latchkey_request_bodies_refused_total", .help = "Requests refused because there was no room for their bodies.",
       .kind = console::Metric::Kind::counter, .value = static_cast<double>(bodies_.refused())}};
}

std::vector<console::Cause> causes_of(const grants::Alerts& alerts) {
  std::vector<console::Cause> causes;
  for (auto& alert : grants::folded(alerts.current(), kApartMax, grants::FoldedSince::latest)) {
    causes.push_back({.cause = std::move(alert.cause), .words = std::move(alert.words), .since = alert.since});
  }
  return causes;
}

}  // namespace latchkey::app

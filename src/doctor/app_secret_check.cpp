#include "doctor/app_secret_check.h"

#include <fmt/format.h>

#include <algorithm>

namespace latchkey::doctor {

namespace {

using std::chrono::days;

// Of the secret that lasts longest, since the other is tried by itself; nullopt: one of them has no end noted.
std::optional<WallTime> last_end(const SurveyedApp& app) {
  WallTime last{};
  for (const auto& secret : app.secrets) {
    if (!secret.set) continue;
    if (!secret.expires_at) return std::nullopt;
    last = std::max(last, *secret.expires_at);
  }
  return last;
}

void judge_end(Finding& finding, const SurveyedApp& app, WallTime now) {
  const auto end = last_end(app);
  if (!end) {
    finding.severity = Severity::note;
    finding.seen = "There is a secret; when it runs out is not noted.";
    finding.remedy =
        "If it has an end at " + app.name + ", enter the day under OAuth settings, so that you are warned before it.";
    return;
  }
  const auto day = base::to_rfc3339(*end).substr(0, 10);
  const auto left = std::chrono::floor<days>(*end - now).count();
  finding.seen = left < 0 ? fmt::format("The secret ran out on {}.", day)
                          : fmt::format("The secret is good until {} ({} days).", day, left);
  if (left >= 30) return;
  finding.severity = left < 7 ? Severity::error : Severity::warning;
  finding.remedy = "Make a new one at " + app.name +
                   " and enter it beside the old one under OAuth settings: both are tried, so nothing stops meanwhile.";
}

Finding judge(const SurveyedApp& app, WallTime now) {
  Finding finding{.check = {}, .subject = app.id, .seen = {}, .remedy = {}, .handovers = {}};
  const bool any = std::ranges::any_of(app.secrets, &SurveyedApp::Secret::set);
  // Whether the Cloud Service's own apps want a secret is its operator's matter.
  const bool needed = app.cloud_address.empty() && app.provider && !catalog::authentication_for(*app.provider, false).has_value();
  if (!any && needed) {
    finding.severity = Severity::error;
    finding.seen = "There is no client secret, and " + app.name + " takes nobody without one.";
    finding.remedy = "Make one with the registration there, and enter it under OAuth settings.";
  } else if (!app.cloud_address.empty()) {
    finding.seen = "The Cloud Service's registration: what it proves itself with lies there.";
  } else if (!any) {
    finding.seen = "A public client: there is no secret, and none is needed.";
  } else {
    judge_end(finding, app, now);
  }
  if (app.paused) {
    finding.severity = Severity::error;
    finding.seen += " " + app.name + " refuses this app's credentials" + (app.pause_reason.empty() ? "." : ": " + app.pause_reason);
    finding.remedy = app.cloud_address.empty() ? "Enter the client secret anew under OAuth settings. Nobody's consent is lost meanwhile."
                                               : "Tell the operator of the Cloud Service, who has the registration. Nobody's consent is lost meanwhile.";
  }
  return finding;
}

Task<std::vector<Finding>> examine(Finding finding) { co_return std::vector<Finding>{std::move(finding)}; }

}  // namespace

std::vector<Errand> AppSecretCheck::errands(const Survey& survey) {
  std::vector<Errand> out;
  for (const auto& app : survey.apps) out.push_back({app.id, examine(judge(app, wall_.now()))});
  return out;
}

}  // namespace latchkey::doctor

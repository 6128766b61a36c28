#include "doctor/consent_check.h"

#include <algorithm>

namespace latchkey::doctor {

namespace {

Finding judge(const SurveyedApp& app) {
  Finding finding{.check = {}, .subject = app.id, .severity = Severity::note, .seen = {}, .remedy = {}, .handovers = {}};
  finding.seen =
      app.name +
      " lets an administrator there approve the app once for everybody; whether that has happened it does not tell.";
  for (const auto& type : app.types) {
    for (const auto& link : type.links) {
      const bool known =
          std::ranges::any_of(finding.handovers, [&](const Handover& handover) { return handover.text == link; });
      if (known) continue;
      finding.handovers.push_back(
          {.kind = Handover::Kind::link, .label = "Consent for the whole organization at " + app.name, .text = link});
    }
  }
  finding.remedy =
      app.cloud_address.empty()
          ? "Where an organization lets only administrators consent, send this address to one of them. It ends at this "
            "server's own page, which knows nothing of it: that is in order."
          : "The Cloud Service's operator has registered the app, and there is nothing to set there; consent is each "
            "organization's own. Where it lets only administrators consent, send this address to one of them. It ends at a page "
            "of the Cloud Service, which knows nothing of it: that is in order.";
  return finding;
}

Task<std::vector<Finding>> examine(Finding finding) { co_return std::vector<Finding>{std::move(finding)}; }

}  // namespace

std::vector<Errand> ConsentCheck::errands(const Survey& survey) {
  std::vector<Errand> out;
  for (const auto& app : survey.apps) {
    auto finding = judge(app);
    if (!finding.handovers.empty()) out.push_back({app.id, examine(std::move(finding))});
  }
  return out;
}

}  // namespace latchkey::doctor

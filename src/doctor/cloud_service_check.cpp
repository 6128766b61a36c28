#include "doctor/cloud_service_check.h"

#include <fmt/format.h>

#include <algorithm>

#include "oauth/uri.h"

namespace latchkey::doctor {

namespace {

Finding draft(std::string subject) { return {.check = {}, .subject = std::move(subject), .seen = {}, .remedy = {}, .handovers = {}}; }

std::size_t grants_of(const SurveyedApp& app) {
  std::size_t sum = 0;
  for (const auto& type : app.types) sum += type.grants;
  return sum;
}

// What to do about a refusal of the line to it (docs/cloud-service.md names the same).
std::string remedy_of(const Error& error, const std::string& address) {
  const std::string_view reason = error.reason;
  if (reason == "cloud_service_unreachable")
    return "Look whether the service runs, and at the way out (firewall, outbound.proxy, outbound.ca_file). Accounts that are refreshed "
           "straight at their provider go on meanwhile, and so do tokens that are still good.";
  if (reason == "cloud_enrolment_revoked" || reason == "cloud_office_unknown")
    return "Ask the service's operator for a new enrolment code; then leave it under OAuth settings, and enrol again.";
  if (reason == "cloud_clock_differs")
    return "Set the clock of this machine by NTP (timedatectl set-ntp true); if it is right, the service's is wrong: tell its operator.";
  if (reason == "cloud_return_origin")
    return "Leave the service under OAuth settings, and enrol again with a new code; or set public_url back.";
  if (reason == "cloud_address_not_allowed") return "If " + address + " is meant, name its address in outbound.allow.";
  return "Ask the service's operator.";
}

bool is_about_to_pass(const Error& error) { return error.kind == ErrorKind::unavailable && error.reason != "cloud_service_unreachable"; }

Finding judge(const CloudLook& look) {
  auto finding = draft(look.status.address);
  if (!look.now) {
    finding.severity = is_about_to_pass(look.now.error()) ? Severity::warning : Severity::error;
    finding.seen = look.now.error().text;
    finding.remedy = remedy_of(look.now.error(), look.status.address);
    return finding;
  }
  finding.seen = fmt::format("It answers, and knows this server as {}.", look.now->label);
  if (!look.used) {
    finding.severity = Severity::note;
    finding.seen += " New consents do not go there: the switch Use Cloud Service is off.";
    finding.remedy = "Switch it on under OAuth settings, if they should; or leave the service.";
  } else if (std::ranges::any_of(look.now->apps, [](const auto& app) { return !app.agreed; })) {
    finding.severity = Severity::warning;
    finding.seen += " It offers something new or changed that nobody here has agreed to, and it is not used for new consents.";
    finding.remedy = "Press Check under OAuth settings, Cloud Service, look who would see tokens and where they would go, and agree to "
                     "it; or ask its operator.";
  } else if (look.now->apps.empty()) {
    finding.severity = Severity::warning;
    finding.seen += " It offers nothing that this server could use.";
    finding.remedy = "Ask its operator which apps this office may use.";
  }
  return finding;
}

// Nobody but an owner's browser can tell whether it gets there.
Finding way_back(const grants::CloudStatus& status) {
  auto finding = draft(status.return_origin);
  if (oauth::travels_in_clear(status.return_origin)) {
    finding.severity = Severity::warning;
    finding.seen =
        "After the consent the owner's browser comes back here unencrypted: whoever listens in the network could put a consent of their own in its "
        "place. So each account waits for an administrator's approval, unless its id at the provider was named beforehand.";
    finding.remedy = "Switch TLS on (docs/https.md), make public_url begin with https://, then leave the service and enrol again.";
    return finding;
  }
  finding.severity = Severity::note;
  finding.seen = "After the consent the owner's browser is sent back here. It must be able to open this address, wherever the owner is.";
  finding.remedy = "Open it in a browser where owners are: in other branches, at home, on a phone.";
  finding.handovers.push_back({.kind = Handover::Kind::link, .label = "Where browsers come back to", .text = status.return_origin});
  return finding;
}

// An app of a service where this server is not enrolled (any more).
Finding left_behind(const SurveyedApp& app, std::size_t grants) {
  auto finding = draft(app.id);
  const auto accounts = fmt::format("{} account{} of {}", grants, grants == 1 ? "" : "s", app.name);
  finding.severity = app.cloud_exchanges ? Severity::error : Severity::note;
  finding.seen = fmt::format("This server is not enrolled at {} any more, by way of which {} {} authorised.", app.cloud_address, accounts,
                             grants == 1 ? "was" : "were");
  finding.seen += app.cloud_exchanges ? " Nobody but that service can refresh them." : " They are refreshed all the same; they cannot be authorised anew that way.";
  finding.remedy = app.cloud_exchanges ? "Enrol there again, with a code of its operator, before their tokens end; or authorise them with an app of your own."
                                       : "Register an app of your own before they have to be authorised anew, or enrol there again.";
  return finding;
}

// `survey` outlives it.
Task<std::vector<Finding>> examine(CloudLooker looker, const Survey* survey) {
  std::vector<Finding> out;
  const auto look = co_await looker();
  if (!look) {
    auto finding = draft("enrolment");
    finding.severity = Severity::error;
    finding.seen = look.error().text;
    finding.remedy = "If the store does not answer, see the server's log. Else leave the Cloud Service under OAuth settings, and enrol again.";
    out.push_back(std::move(finding));
    co_return out;
  }
  if (look->status.enrolled) {
    out.push_back(judge(*look));
    if (look->now && look->used) out.push_back(way_back(*look->now));
  }
  for (const auto& app : survey->apps) {
    const auto grants = grants_of(app);
    if (grants > 0 && !app.cloud_address.empty() && app.cloud_address != look->status.address) out.push_back(left_behind(app, grants));
  }
  co_return out;
}

}  // namespace

std::vector<Errand> CloudServiceCheck::errands(const Survey& survey) {
  std::vector<Errand> out;
  out.push_back({"Cloud Service", examine(looker_, &survey)});
  return out;
}

}  // namespace latchkey::doctor

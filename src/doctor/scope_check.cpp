#include "doctor/scope_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace latchkey::doctor {

namespace {

struct Granted {
  std::string name;
  std::vector<std::string> asked;
  std::size_t grants = 0;
  std::size_t lacking = 0;
  std::vector<std::string> missing;
};

void join(std::vector<std::string>& into, const std::vector<std::string>& more) {
  for (const auto& word : more) {
    if (std::ranges::find(into, word) == into.end()) into.push_back(word);
  }
}

std::string words(const std::vector<std::string>& list) {
  std::string out;
  for (const auto& word : list) out += (out.empty() ? "" : " ") + word;
  return out;
}

Finding judge(const SurveyedApp& app, const Granted& type) {
  Finding finding{
      .check = {},
      .subject = app.id,
      .seen = {},
      .remedy = {},
      .handovers = {{.kind = Handover::Kind::copy, .label = "Scopes of " + type.name, .text = words(type.asked)}}};
  const auto* of = app.more_grants ? " (of the first looked at)" : "";
  if (type.lacking > 0) {
    finding.severity = Severity::warning;
    finding.seen = fmt::format("{}: {} of {} grants{} lack scopes that were asked for: {}.", type.name, type.lacking,
                               type.grants, of, words(type.missing));
    finding.remedy = app.cloud_address.empty()
                         ? "Tick them with the app's registration at " + app.name +
                               " (for everybody, where an administrator must), then let these users authorise again."
                         : "Ask the Cloud Service's operator to tick them with its registration, then let these users authorise again.";
  } else if (type.grants > 0) {
    finding.seen = fmt::format("{}: all of {} grants{} have every scope that was asked for.", type.name, type.grants, of);
  } else {
    finding.severity = Severity::note;
    finding.seen = type.name + ": nobody has consented yet, so nothing can be compared.";
    finding.remedy = app.cloud_address.empty() ? "See that the registration at " + app.name + " allows these scopes."
                                               : "The Cloud Service's operator sees that its registration allows these scopes.";
  }
  return finding;
}

Task<std::vector<Finding>> examine(std::vector<Finding> findings) { co_return findings; }

}  // namespace

std::vector<Errand> ScopeCheck::errands(const Survey& survey) {
  std::vector<Errand> out;
  for (const auto& app : survey.apps) {
    std::map<std::string, Granted> types;
    for (const auto& each : app.types) {
      auto& type = types[each.type.type->id];
      type.name = each.type.type->name;
      type.grants += each.grants;
      type.lacking += each.lacking;
      join(type.asked, each.type.scopes);
      join(type.missing, oauth::scope_words(each.missing_scopes));
    }
    std::vector<Finding> findings;
    for (const auto& [id, type] : types) findings.push_back(judge(app, type));
    if (!findings.empty()) out.push_back({app.id, examine(std::move(findings))});
  }
  return out;
}

}  // namespace latchkey::doctor

#include "doctor/connector_check.h"

#include <fmt/format.h>

#include <algorithm>

#include "grants/standing_delegation.h"

namespace latchkey::doctor {
namespace {

enum class Standing { never_given, ended, lives };

Finding judge(const store::Connector& connector, Standing standing, std::int64_t devices) {
  Finding finding{.check = {}, .subject = connector.id, .seen = {}, .remedy = {}, .handovers = {}};
  if (!connector.enabled) {
    finding.severity = Severity::note;
    finding.seen = "It is switched off: whoever delivers to it is refused.";
    return finding;
  }
  if (connector.account == store::AccountKind::caller) {
    finding.seen = "Everybody in its groups delivers to their own account.";
    if (!connector.groups.empty()) return finding;
    finding.severity = Severity::warning;
    finding.seen = "Nobody may use it: it is for everybody's own account, and no group is allowed.";
    finding.remedy = "Tick the groups that may deliver, in the connector's dialog.";
    return finding;
  }
  if (standing == Standing::lives) {
    finding.seen = "Opens its account by itself.";
    return finding;
  }
  finding.seen =
      standing == Standing::ended ? "It opens its account no more." : "It opens its account only with the owner's PIN.";
  if (standing == Standing::never_given && devices == 0 && connector.groups.empty()) return finding;
  finding.severity = Severity::error;
  finding.seen += fmt::format(" {} and the members of {} are refused, and files in its drop folder stay there.",
                              devices == 1 ? "1 device" : fmt::format("{} devices", devices),
                              connector.groups.size() == 1 ? "1 group" : fmt::format("{} groups", connector.groups.size()));
  finding.remedy = "Give the owner's PIN in the connector's dialog.";
  return finding;
}

Task<std::vector<Finding>> examine(store::Store* store) {
  std::vector<Finding> out;
  const auto connectors = co_await store->connectors();
  const auto devices = co_await store->devices();
  if (!connectors || !devices) co_return out;  // other checks say that the store does not answer
  for (const auto& connector : *connectors) {
    auto standing = Standing::never_given;
    if (!connector.delegation.id.none()) {
      const auto wraps = co_await store->wraps(connector.delegation.grant);
      if (!wraps) co_return out;
      standing = grants::find_wrap(*wraps, connector.delegation) == wraps->end() ? Standing::ended : Standing::lives;
    }
    const auto named = std::ranges::count_if(*devices, [&](const auto& device) {
      return device.enabled && std::ranges::count(device.connectors, connector.id) > 0;
    });
    out.push_back(judge(connector, standing, named));
  }
  co_return out;
}

}  // namespace

std::vector<Errand> ConnectorCheck::errands(const Survey&) {
  std::vector<Errand> out;
  out.push_back({"connectors", examine(&store_)});
  return out;
}

}  // namespace latchkey::doctor

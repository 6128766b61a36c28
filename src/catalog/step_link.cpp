#include "catalog/step_link.h"

#include "catalog/provider_file.h"

namespace latchkey::catalog {

bool is_for_registered_app(const Step& step) { return step.url.contains('{'); }

Result<std::string> step_link(const Catalog& catalog, const Step& step, const Type& type, const Filling& filling) {
  oauth::Variables variables;
  for (const auto owner : {ParameterOwner::app, ParameterOwner::grant}) {
    const auto parameters = catalog.parameters_of(type, owner);
    const auto values = catalog.check_parameters(parameters, owner == ParameterOwner::app ? filling.app : filling.grant);
    if (!values) return std::unexpected(values.error());
    for (const auto& one : parameters) variables[one.name] = {variable_kind(one.kind), values->at(one.name)};
  }
  for (const auto& one : catalog.find_provider(type.provider)->parameters) {
    const auto fixed = type.values.find(one.name);
    if (fixed != type.values.end()) variables[one.name] = {variable_kind(one.kind), fixed->second};
  }
  if (!filling.client_id.empty()) variables["client_id"] = {oauth::VariableKind::text, filling.client_id};
  auto address = oauth::expand_template(step.url, variables);
  if (!address) return address;
  if (const auto allowed = oauth::check_endpoint(*address, oauth::PlainHttp::refused); !allowed) return std::unexpected(allowed.error());
  return address;
}

}  // namespace latchkey::catalog

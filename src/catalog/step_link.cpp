#include "catalog/step_link.h"

#include <algorithm>

#include "catalog/provider_file.h"

namespace latchkey::catalog {

namespace {

Result<oauth::Variables> variables_of(const Catalog& catalog, const Type& type, const Filling& filling) {
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
  return variables;
}

// Names of parameters that have one of their personal_values.
std::vector<std::string> private_ones(const Catalog& catalog, const Type& type, const oauth::Variables& variables) {
  std::vector<std::string> out;
  const auto look_at = [&](const Parameter& one) {
    const auto found = variables.find(one.name);
    if (found == variables.end()) return;
    const auto& personal = one.personal_values;
    if (std::ranges::find(personal, found->second.value) != personal.end()) out.push_back(one.name);
  };
  std::ranges::for_each(catalog.find_provider(type.provider)->parameters, look_at);
  std::ranges::for_each(type.parameters, look_at);
  return out;
}

}  // namespace

bool is_for_registered_app(const Step& step) { return step.url.contains('{'); }

bool is_for_private_accounts(const Catalog& catalog, const Type& type, const Filling& filling) {
  const auto variables = variables_of(catalog, type, filling);
  return variables && !private_ones(catalog, type, *variables).empty();
}

Result<std::string> step_link(const Catalog& catalog, const Step& step, const Type& type, const Filling& filling) {
  const auto variables = variables_of(catalog, type, filling);
  if (!variables) return std::unexpected(variables.error());
  for (const auto& name : private_ones(catalog, type, *variables)) {
    if (step.url.contains("{" + name + "}"))
      return fail(ErrorKind::refused, "private_accounts", type.name + " is for private accounts here: no organization consents for them.",
                  {.field = name});
  }
  auto address = oauth::expand_template(step.url, *variables);
  if (!address) return address;
  if (const auto allowed = oauth::check_endpoint(*address, oauth::PlainHttp::refused); !allowed) return std::unexpected(allowed.error());
  return address;
}

}  // namespace latchkey::catalog

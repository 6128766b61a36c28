// Addresses of registration steps that are good for one registered app only: templates in the provider's file, made ready here.
#pragma once

#include <string>

#include "catalog/catalog.h"

namespace latchkey::catalog {

// Whether the address needs an app: it holds {client_id} or a parameter.
[[nodiscard]] bool is_for_registered_app(const Step& step);

// Whether the type, filled in so, is for private accounts alone: a parameter has one of its personal_values. False where the
// values do not fit the type.
[[nodiscard]] bool is_for_private_accounts(const Catalog& catalog, const Type& type, const Filling& filling);

// The step's address for that app and type (`filling.client_id` must be there). Errors: refused/`private_accounts`: the address
// holds a parameter that has one of its personal_values, and is no organization's; invalid/`missing_value` and those of
// Catalog::resolve for parameters; misconfigured/`endpoint_not_allowed` where it is no https address.
[[nodiscard]] Result<std::string> step_link(const Catalog& catalog, const Step& step, const Type& type, const Filling& filling);

}  // namespace latchkey::catalog

// One provider file: text in, provider and types out, or the first fault.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "catalog/provider.h"

namespace latchkey::catalog {

struct ProviderFile {
  Provider provider;
  std::vector<Type> types;
};

inline constexpr std::size_t kProviderFileBytesMax = 256 * 1024;

// Checks the closed schema and what it cannot say: that templates name known variables, that no grant's parameter stands
// in a host the app's secret is sent to, that learned hosts have a list of suffixes, that quirks and members agree.
// Errors: misconfigured/`bad_provider_file`, `text` names file, JSON pointer and remedy, `field` is the pointer.
[[nodiscard]] Result<ProviderFile> read_provider_file(std::string_view name, std::string_view text);

// The kind a parameter's value has in templates.
[[nodiscard]] oauth::VariableKind variable_kind(ParameterKind kind);

// Whether the value fits the parameter: its kind, options, pattern and suffixes. An empty value fits when not required.
[[nodiscard]] Result<void> check_value(const Parameter& parameter, std::string_view value, oauth::PlainHttp plain_http);

}  // namespace latchkey::catalog

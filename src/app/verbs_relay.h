// Verbs of a Cloud Service's operator that fill files of their own.
#pragma once

#include <string>

#include "app/relay_config.h"
#include "base/result.h"

namespace latchkey::app {

// `latchkey relay verify OFFICE`; `ca_file`: who vouches for the office's certificate, empty: the system's authorities. The
// exit status. Errors: those of relay/office_name_check.h; not_found/`no_such_office`.
[[nodiscard]] Result<int> verify_office(const RelayConfig& config, const std::string& office, const std::string& ca_file);

}  // namespace latchkey::app

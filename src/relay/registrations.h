// The apps that a relay has registered at providers.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "oauth/uri.h"
#include "relay/authorization_address.h"

namespace latchkey::relay {

// Who sees what (docs/cloud-service.md).
enum class Mode { forward, assertion, exchange };

struct Registration {
  ExpectedAuthorization expected;
  std::string type_name;  // for people
  Mode mode = Mode::forward;
};

// Any thread.
class Registrations {
 public:
  virtual ~Registrations() = default;
  // What `app` makes of a type with these parameters. Errors: not_found/`app_unknown`; invalid/`type_unknown`; those of the
  // parameters.
  [[nodiscard]] virtual Result<Registration> find(std::string_view app, std::string_view type,
                                                  const oauth::Parameters& params) const = 0;
};

}  // namespace latchkey::relay

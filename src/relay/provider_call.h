// A form on its way to a provider, as this service posts it.
#pragma once

#include "net/http_client.h"
#include "oauth/client.h"

namespace latchkey::relay {

// On a fresh connection, since a one-shot request never repeats by itself (RULES F4). Times and sizes are the caller's to
// set.
[[nodiscard]] net::HttpCall provider_call(oauth::FormPost post);

}  // namespace latchkey::relay

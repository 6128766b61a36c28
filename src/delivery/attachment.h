// A document on its way back out of the spool, to a person: decrypted as it is sent, never whole in memory (RULES G3).
#pragma once

#include <memory>

#include "delivery/spool.h"
#include "net/http_types.h"

namespace latchkey::delivery {

// 200 with the document as an attachment that no browser runs or guesses the type of. `name`: its path at the destination,
// of which the last part names the file.
[[nodiscard]] net::HttpResponse attachment(std::string_view name, std::unique_ptr<OutgoingDocument> document);

}  // namespace latchkey::delivery

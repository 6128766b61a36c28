// What POST /v1/token may say, in a form or in JSON (api/openapi.json), and how a hand-out is written.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "grants/token_desk.h"

namespace latchkey::doors {

// Members `type` and `min_valid` (seconds, 0 to 86,400), both optional; an empty body asks for nothing special.
// Errors: invalid/`invalid_request` with `field`; invalid/`unsupported_media_type`.
[[nodiscard]] Result<grants::TokenWish> parse_token_request(std::string_view content_type, std::string_view body);

// {"access_token":...,"token_type":...,"expires_in":...,"scope":...,"type":...,"account":{...},"extras":{...}}
[[nodiscard]] std::string write_handout(const grants::Handout& handout);

}  // namespace latchkey::doors

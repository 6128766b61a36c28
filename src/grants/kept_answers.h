// What an error met on the way to a token endpoint says of the answer that may be kept on that way (token_way.h, RULES S4).
#pragma once

#include "base/result.h"

namespace latchkey::grants {

// Whether the request may have been posted all the same, or may be yet, or its answer be kept: false only where the error says definitely that there is
// nothing, or nothing that can ever be had. A refusal of one question (a clock that is wrong, a proxy that has repeated it) says nothing of
// an earlier one.
[[nodiscard]] bool may_be_kept(const Error& error);

}  // namespace latchkey::grants

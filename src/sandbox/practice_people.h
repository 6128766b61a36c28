// Who can consent at the practice provider: three people ready to be chosen, and anybody whose name is typed.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "base/result.h"

namespace latchkey::sandbox {

struct Person {
  std::string sub;  // made from the name: the same name is the same account
  std::string name;
  std::string email;
};
// Those the consent page offers. Any other name makes an account of its own.
[[nodiscard]] const std::array<Person, 3>& practice_people();
// A name a person may type: 1 to 60 characters with at least one letter or digit. Errors: invalid/`bad_name`.
[[nodiscard]] Result<Person> person_named(std::string_view name);

}  // namespace latchkey::sandbox

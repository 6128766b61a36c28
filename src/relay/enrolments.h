// The offices that a relay serves (RULES S1).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cloud/party.h"

namespace latchkey::relay {

struct Enrolment {
  std::string office;  // its id
  std::string name;    // as the operator has approved it: what people are shown
  cloud::PartyPublic keys;
  std::vector<std::string> types;           // that it may authorise
  std::vector<std::string> return_origins;  // https://office.example: where a browser may be sent back to
  std::string verified_name{};              // one of those origins' names, found to be its own; shown as well
};

// Errors: refused/`type_not_enrolled`.
[[nodiscard]] Result<void> may_use(const Enrolment& office, std::string_view type);

// Any thread.
class Enrolments {
 public:
  virtual ~Enrolments() = default;
  // nullopt: never issued, not yet redeemed, or revoked. Quick: from memory.
  [[nodiscard]] virtual std::optional<Enrolment> find(std::string_view office) const = 0;
};

}  // namespace latchkey::relay

#include "cloud/office_name.h"

namespace latchkey::cloud {

std::string office_name_proof(std::string_view office, const PartyPublic& keys) {
  return std::string(office) + "\n" + keys.text() + "\n";
}

}  // namespace latchkey::cloud

#include "connectors/connector.h"

namespace latchkey::connectors {

std::string_view name_of(Proof proof) {
  switch (proof) {
    case Proof::none:
      return "none";
    case Proof::size:
      return "size";
    case Proof::hash:
      return "hash";
  }
  return "none";
}

}  // namespace latchkey::connectors

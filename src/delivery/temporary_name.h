// Names that programs and devices give a document while they are not done with it (RULES G4). Pure.
#pragma once

#include <string_view>

namespace latchkey::delivery {

// "~scan.tmp", "scan.pdf.part", ".scan.pdf.1a2b.partial", "scan.pdf.filepart", ...: a name that begins with a tilde, or ends
// in one of the endings known for it, whatever its letter case. The name alone, without its folder.
[[nodiscard]] bool is_temporary_name(std::string_view name);

}  // namespace latchkey::delivery

// What the names of files in a drop folder say: which of them are nobody's documents, and what a document is called. Pure.
#pragma once

#include <string>
#include <string_view>

namespace latchkey::doors {

// Files that are not documents, or not yet: hidden ones (also those that servers and clients write to before they rename:
// ".in.scan.pdf.", ".scan.pdf.Xy12"), names of uploads under way (".part", ".partial", ".filepart", ".tmp", ".temp",
// ".crdownload", ".uploading", whatever the letter case), what desktops leave behind ("Thumbs.db", "desktop.ini", "~$...").
// They are left where they are until they are renamed.
[[nodiscard]] bool is_left_alone(std::string_view name);

// The name as text: as it is where it is UTF-8. Otherwise each octet is read as windows-1252, the code page of devices that
// know no Unicode (its superset of ISO 8859-1); the five octets that mean nothing there become "_".
[[nodiscard]] std::string name_in_utf8(std::string_view octets);

}  // namespace latchkey::doors

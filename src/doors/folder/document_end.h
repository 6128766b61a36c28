// Whether a document's end is missing. Pure.
//
// FTP, SFTP and SMB mark the end of a file by closing it, and a sender that dies closes it as well: the server cannot tell a
// whole upload from half a one. The formats that scanners write can: each of them ends in something, or says at its start
// where.
#pragma once

#include <cstdint>
#include <string_view>

#include "doors/folder/tiff_extent.h"

namespace latchkey::doors {

// Empty: whole, or of a format that does not tell. Otherwise what is missing: "a PDF without its end".
//   PDF   %%EOF within the last 1,024 octets (ISO 32000-1, annex H.3, note 18)
//   JPEG  the marker EOI within the last 1,024 octets (ITU-T T.81, B.1.1.3)
//   PNG   the chunk IEND within the last 1,024 octets (RFC 2083, 4.1.4)
//   TIFF  every directory, and the image of each, inside the file (tiff_extent.h)
//   ZIP   the end of central directory (APPNOTE 4.3.16), which office documents are, too
// Which of them it is, is told by its first octets. Where it is too short for those, also empty, the ending of its name says
// what it was to become ("scan.pdf", "scan.pdf.1" as FTP servers number them).
[[nodiscard]] std::string_view missing_end(std::string_view name, std::uint64_t size_bytes, const ReadAt& read);

}  // namespace latchkey::doors

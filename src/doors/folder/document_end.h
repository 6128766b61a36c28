// Whether a document's end is missing. Pure.
//
// FTP, SFTP and SMB mark the end of a file by closing it, and a sender that dies closes it as well: the server cannot tell a whole
// upload from half a one. The formats that scanners write can: each of them ends in something, or says at its start where.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"

namespace latchkey::doors {

inline constexpr std::size_t kHeadBytes = 8;
inline constexpr std::size_t kTailBytes = 66 * 1024;  // a ZIP's last record may have a comment of 64 KiB behind it

// Empty: whole, or of a format that does not tell. Otherwise what is missing: "a PDF without its end".
//   PDF   %%EOF within the last 1,024 octets (ISO 32000-1, annex H.3, note 18)
//   JPEG  the marker EOI within the last 1,024 octets (ITU-T T.81, B.1.1.3)
//   PNG   the chunk IEND within the last 1,024 octets (RFC 2083, 4.1.4)
//   TIFF  the first directory, where the header says, inside the file (TIFF 6.0, section 2)
//   ZIP   the end of central directory (APPNOTE 4.3.16), which office documents are, too
// `head`: the first kHeadBytes octets; `tail`: the last kTailBytes; both fewer where the file is shorter.
[[nodiscard]] std::string_view missing_end(ByteView head, ByteView tail, std::uint64_t size_bytes);

}  // namespace latchkey::doors

// Whether everything that a TIFF points to lies inside it. Pure.
#pragma once

#include <cstdint>
#include <functional>

#include "base/bytes.h"

namespace latchkey::doors {

// Octets of a document from an offset on; fewer at its end.
using ReadAt = std::function<Bytes(std::uint64_t offset, std::size_t size_bytes)>;

enum class TiffExtent {
  whole,              // as far as can be told
  directory_missing,  // a directory that the header or the one before it names
  image_missing,      // a strip, a tile or a JPEG stream that a directory names
};

// Of a document that begins as a TIFF does (TIFF 6.0, section 2): all directories, one after another, and the strips, tiles and
// streams of each. Chains that lead in circles, and what takes more reading than kTiffReadMax, are followed no further.
inline constexpr std::size_t kTiffReadMax = std::size_t{16} << 20;
[[nodiscard]] TiffExtent extent_of_tiff(const ReadAt& read, std::uint64_t size_bytes);

}  // namespace latchkey::doors

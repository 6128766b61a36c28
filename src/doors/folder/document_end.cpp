#include "doors/folder/document_end.h"

#include <algorithm>
#include <array>
#include <string>

#include "delivery/document_types.h"
namespace latchkey::doors {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::size_t kHeadBytes = 8;
constexpr std::size_t kNearTheEnd = 1024;
constexpr std::size_t kZipTailBytes = 66 * 1024;  // a ZIP's last record may have a comment of 64 KiB behind it

constexpr auto kPdf = "a PDF without its end"sv;
constexpr auto kJpeg = "a JPEG without its end"sv;
constexpr auto kPng = "a PNG without its end"sv;
constexpr auto kZip = "a ZIP or office document without its end"sv;
constexpr auto kTiff = "a TIFF without its directory"sv;
constexpr auto kTiffImage = "a TIFF without all of its image"sv;

// Whoever is shorter than the format's first octets has no end either.
struct Ending {
  std::string_view ending;
  std::uint64_t size_bytes_min;
  std::string_view missing;
};
constexpr auto kEndings = std::to_array<Ending>({{".pdf", 5, kPdf},   {".jpg", 3, kJpeg},  {".jpeg", 3, kJpeg}, {".png", 6, kPng},   {".tif", 8, kTiff},
                                                 {".tiff", 8, kTiff}, {".zip", 4, kZip},   {".docx", 4, kZip},  {".xlsx", 4, kZip},  {".pptx", 4, kZip},
                                                 {".odt", 4, kZip},   {".ods", 4, kZip},   {".odp", 4, kZip}});

bool has_near_end(const ReadAt& read, std::uint64_t size_bytes, std::string_view mark, std::size_t near = kNearTheEnd) {
  const auto length = std::min<std::uint64_t>(size_bytes, near);
  const auto tail = read(size_bytes - length, static_cast<std::size_t>(length));
  return base::as_text(tail).contains(mark);
}

std::string_view missing_of_tiff(const ReadAt& read, std::uint64_t size_bytes) {
  switch (extent_of_tiff(read, size_bytes)) {
    case TiffExtent::whole: return "";
    case TiffExtent::directory_missing: return kTiff;
    case TiffExtent::image_missing: return kTiffImage;
  }
  return "";
}

}  // namespace

std::string_view missing_end(std::string_view name, std::uint64_t size_bytes, const ReadAt& read) {
  const auto named = std::ranges::find(kEndings, delivery::name_ending_of(name), &Ending::ending);
  if (named != kEndings.end() && size_bytes < named->size_bytes_min) return named->missing;
  const auto head = read(0, kHeadBytes);
  const auto start = base::as_text(head);
  if (start.starts_with("%PDF-"sv)) return has_near_end(read, size_bytes, "%%EOF"sv) ? "" : kPdf;
  if (start.starts_with("\xff\xd8\xff"sv)) return has_near_end(read, size_bytes, "\xff\xd9"sv) ? "" : kJpeg;
  if (start.starts_with("\x89PNG\r\n"sv)) return has_near_end(read, size_bytes, "IEND"sv) ? "" : kPng;
  if (start.starts_with("PK\x03\x04"sv)) return has_near_end(read, size_bytes, "PK\x05\x06"sv, kZipTailBytes) ? "" : kZip;
  if (start.starts_with("II*\0"sv) || start.starts_with("MM\0*"sv)) return missing_of_tiff(read, size_bytes);
  return "";
}

}  // namespace latchkey::doors

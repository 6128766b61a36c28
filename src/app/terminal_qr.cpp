#include "app/terminal_qr.h"

#include <qrencode.h>

#include <memory>

namespace latchkey::app {
namespace {

constexpr int kQuietZone = 4;

struct Drawing {
  std::unique_ptr<QRcode, decltype(&QRcode_free)> code;
  [[nodiscard]] bool is_dark(int row, int column) const {
    const bool inside = row >= 0 && column >= 0 && row < code->width && column < code->width;
    return inside && (code->data[row * code->width + column] & 1) != 0;
  }
};

std::string_view half_blocks(bool light_above, bool light_below) {
  if (light_above) return light_below ? "█" : "▀";
  return light_below ? "▄" : " ";
}

}  // namespace

std::string qr_in_text(std::string_view text, Colours colours) {
  const Drawing drawing{{QRcode_encodeData(static_cast<int>(text.size()), reinterpret_cast<const unsigned char*>(text.data()), 0, QR_ECLEVEL_M), &QRcode_free}};
  if (!drawing.code) return {};
  std::string out;
  const int end = drawing.code->width + kQuietZone;
  for (int row = -kQuietZone; row < end; row += 2) {
    if (colours == Colours::ansi) out += "\x1b[97;40m";
    for (int column = -kQuietZone; column < end; ++column) out += half_blocks(!drawing.is_dark(row, column), row + 1 < end && !drawing.is_dark(row + 1, column));
    if (colours == Colours::ansi) out += "\x1b[0m";
    out += '\n';
  }
  return out;
}

}  // namespace latchkey::app

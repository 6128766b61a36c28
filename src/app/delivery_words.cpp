#include "app/delivery_words.h"

#include <fmt/format.h>

#include "app/verbs.h"
#include "base/shown_name.h"

namespace latchkey::app {
namespace {

std::string shown(const JsonObject& object, std::string_view name) { return base::as_shown(cell(object, name)); }

}  // namespace

std::string line_of(const JsonObject& delivery) {
  std::string line = fmt::format("{}  {}  {}", shown(delivery, "id"), shown(delivery, "state"), shown(delivery, "name"));
  if (const JsonObject* receipt = base::find_object(delivery, "receipt")) {
    const bool agrees = cell(*receipt, "proof") == "hash";
    line += fmt::format("  {}{}", shown(*receipt, "link"), agrees ? "  (hash agrees)" : "");
  } else if (const auto why = shown(delivery, "why"); why != "-") {
    line += "  " + why;
  }
  return line + "\n";
}

std::string road_of(const JsonObject& delivery) {
  std::string text = fmt::format("{} ({} bytes) to {}: {}\n", shown(delivery, "name"), shown(delivery, "size"),
                                 shown(delivery, "connector"), shown(delivery, "state"));
  if (const auto why = shown(delivery, "why"); why != "-") text += why + "\n";
  if (const JsonArray* timeline = base::find_array(delivery, "timeline")) {
    for (const Json& entry : *timeline) {
      const auto& step = entry.as_object();
      const auto words = shown(step, "words");
      text += fmt::format("  {}  {}{}\n", shown(step, "at"), shown(step, "what"), words == "-" ? "" : ": " + words);
    }
  }
  return text;
}

}  // namespace latchkey::app

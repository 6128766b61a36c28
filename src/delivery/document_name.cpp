#include "delivery/document_name.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <optional>
#include <utility>

#include "wire/controls.h"

namespace latchkey::delivery {
namespace {

constexpr std::string_view kWords[] = {"date", "time", "user", "device", "name", "connector", "counter", "id"};
constexpr std::string_view kCounterOfWidth = "counter:";
constexpr std::size_t kCounterWidthMax = 12;
constexpr std::size_t kTemplateBytesMax = 200;

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameBytesMax && name.find_first_not_of('.') != std::string_view::npos &&
         name.find_first_of("/\\") == std::string_view::npos && is_utf8(name) && !wire::has_controls(name);
}

std::pair<std::string_view, std::string_view> split_extension(std::string_view name) {
  const auto dot = name.rfind('.');
  // ".profile" is a name without extension; what is long or has spaces is no extension.
  if (dot == std::string_view::npos || dot == 0 || name.size() - dot > 12 || name.find(' ', dot) != std::string_view::npos)
    return {name, {}};
  return {name.substr(0, dot), name.substr(dot)};
}

std::string_view extension_of(std::string_view content_type) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kExtensions{{{"application/pdf", ".pdf"},
                                                                                      {"image/jpeg", ".jpg"},
                                                                                      {"image/tiff", ".tif"},
                                                                                      {"image/png", ".png"},
                                                                                      {"text/plain", ".txt"},
                                                                                      {"text/csv", ".csv"},
                                                                                      {"application/xml", ".xml"},
                                                                                      {"application/json", ".json"}}};
  const auto found = std::ranges::find(kExtensions, content_type, [](const auto& pair) { return pair.first; });
  return found == kExtensions.end() ? std::string_view() : found->second;
}

// What is typed by people elsewhere (a user's name) must not become a folder of its own, nor the one above.
std::string flat(std::string_view text) {
  const bool dots_alone = text.find_first_not_of('.') == std::string_view::npos;
  std::string out;
  while (!text.empty()) {
    const auto control = wire::control_length(text);
    const char c = text.front();
    out += dots_alone || c == '/' || c == '\\' || control > 0 ? '-' : c;
    text.remove_prefix(std::max<std::size_t>(control, 1));
  }
  return out;
}

// Of "counter:4"; nullopt: it says no width.
std::optional<std::size_t> counter_width(std::string_view word) {
  if (!word.starts_with(kCounterOfWidth)) return std::nullopt;
  word.remove_prefix(kCounterOfWidth.size());
  std::size_t width = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), width);
  const bool is_whole = error == std::errc() && end == word.data() + word.size() && word.front() != '0';
  if (!is_whole || width > kCounterWidthMax) return std::nullopt;
  return width;
}

bool is_word(std::string_view word) {
  return std::ranges::find(kWords, word) != std::end(kWords) || counter_width(word).has_value();
}

std::string digits_of(std::int64_t number, std::size_t width) {
  auto digits = std::to_string(number);
  if (digits.size() < width) digits.insert(0, width - digits.size(), '0');
  return digits;
}

std::string value_of(std::string_view word, const NameFacts& facts) {
  const auto now = base::to_rfc3339(facts.now);
  if (word == "date") return now.substr(0, 10);
  if (word == "time") {
    auto time = now.substr(11, 8);
    std::ranges::replace(time, ':', '-');
    return time;
  }
  if (word == "user") return flat(facts.user);
  if (word == "device") return flat(facts.device);
  if (word == "connector") return flat(facts.connector);
  if (word == "counter") return digits_of(facts.counter, 1);
  if (const auto width = counter_width(word)) return digits_of(facts.counter, *width);
  if (word == "id") {
    const auto id = facts.delivery.text();
    return id.substr(id.size() - 8);
  }
  return std::string(facts.original.empty() ? std::string_view("document") : split_extension(facts.original).first);
}

std::string fill(std::string_view text, const NameFacts& facts) {
  std::string out;
  while (!text.empty()) {
    const auto open = text.find('{');
    out += text.substr(0, open);
    if (open == std::string_view::npos) break;
    const auto close = text.find('}', open);
    if (close == std::string_view::npos) break;
    out += value_of(text.substr(open + 1, close - open - 1), facts);
    text.remove_prefix(close + 1);
  }
  return out;
}

// As many octets as fit, without cutting a character.
void cut(std::string& text, std::size_t size_bytes_max) {
  if (text.size() <= size_bytes_max) return;
  auto end = size_bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  text.resize(end);
}

// The word that is wrong; nullopt: none.
std::optional<std::string> wrong_word(std::string_view text) {
  while (true) {
    const auto brace = text.find_first_of("{}");
    if (brace == std::string_view::npos) return std::nullopt;
    const auto close = text.find('}', brace);
    if (text[brace] == '}' || close == std::string_view::npos) return std::string(text.substr(brace, 20));
    const auto word = text.substr(brace + 1, close - brace - 1);
    if (!is_word(word)) return std::string(text.substr(brace, close - brace + 1));
    text.remove_prefix(close + 1);
  }
}

NameFacts example() {
  return {
      .original = "invoice.pdf", .content_type = "", .user = "user", .connector = "connector", .delivery = {}, .now = {},
      .device = "device", .counter = 1};
}

}  // namespace

bool is_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto first = static_cast<unsigned char>(text[at]);
    const std::size_t size = first < 0x80   ? 1
                             : first < 0xc2 ? 0
                             : first < 0xe0 ? 2
                             : first < 0xf0 ? 3
                             : first < 0xf5 ? 4
                                            : 0;
    if (size == 0 || at + size > text.size()) return false;
    for (std::size_t next = 1; next < size; ++next) {
      if ((static_cast<unsigned char>(text[at + next]) & 0xc0) != 0x80) return false;
    }
    const auto second = size > 1 ? static_cast<unsigned char>(text[at + 1]) : 0;
    if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) || (first == 0xf0 && second < 0x90) ||
        (first == 0xf4 && second > 0x8f))
      return false;
    at += size;
  }
  return true;
}

Result<std::string> check_name(std::string_view name) {
  if (is_name(name)) return std::string(name);
  return fail(ErrorKind::invalid, "bad_name",
              "A document's name is 1 to 200 octets of UTF-8 without slashes, backslashes and control characters (of direction, too). Mend the "
              "name on the device.",
              {.field = "filename"});
}

Result<void> check_template(std::string_view text) {
  if (const auto wrong = wrong_word(text)) {
    return fail(ErrorKind::invalid, "bad_template",
                "`" + *wrong + "` means nothing here; {name}, {date}, {time}, {user}, {device}, {connector}, {counter}, {counter:4} (with at least so many "
                "digits) and {id} are known.",
                {.field = "naming"});
  }
  if (text.size() > kTemplateBytesMax || !is_name(fill(text, example()))) {
    return fail(ErrorKind::invalid, "bad_template",
                "A template makes names: 1 to 200 octets, without slashes, backslashes and control characters.",
                {.field = "naming"});
  }
  return {};
}

std::string render_name(std::string_view text, const NameFacts& facts) {
  const auto extension = std::string(!split_extension(facts.original).second.empty() ? split_extension(facts.original).second
                                                                                     : extension_of(facts.content_type));
  auto name = fill(text, facts);
  cut(name, kNameBytesMax - extension.size());
  return name + extension;
}

bool asks_for_counter(std::string_view text) { return text.find("{counter") != std::string_view::npos; }
bool asks_for_device(std::string_view text) { return text.find("{device}") != std::string_view::npos; }

Result<std::string> check_folder(std::string_view text) {
  while (text.starts_with('/')) text.remove_prefix(1);
  while (text.ends_with('/')) text.remove_suffix(1);
  if (const auto wrong = wrong_word(text)) {
    return fail(ErrorKind::invalid, "bad_folder",
                "`" + *wrong + "` means nothing here; {date}, {time}, {user}, {device}, {connector}, {counter}, {counter:4} (with at least so many "
                "digits) and {id} are known.",
                {.field = "folder"});
  }
  for (auto rest = text; !rest.empty();) {
    const auto slash = rest.find('/');
    if (!is_name(fill(rest.substr(0, slash), example()))) {
      return fail(ErrorKind::invalid, "bad_folder",
                  "A folder is names between slashes, without backslashes, control characters and names of dots alone.",
                  {.field = "folder"});
    }
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
    if (rest.empty()) break;
  }
  return std::string(text);
}

std::string render_folder(std::string_view text, const NameFacts& facts) { return fill(text, facts); }

Result<void> check_path(std::string_view path) {
  bool good = path.size() <= kPathBytesMax;
  for (auto rest = path; good;) {
    const auto slash = rest.find('/');
    good = is_name(rest.substr(0, slash));
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
  }
  if (good) return {};
  return fail(ErrorKind::invalid, "bad_name",
              "With this name and this user the connector's folder and naming make no path that a service would take. Give "
              "the document another name, or mend the connector's templates.",
              {.field = "filename"});
}

}  // namespace latchkey::delivery

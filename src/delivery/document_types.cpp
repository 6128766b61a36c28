#include "delivery/document_types.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/json.h"

namespace latchkey::delivery {
namespace {

using Pair = std::pair<std::string_view, std::string_view>;

constexpr std::size_t kEntryBytesMax = 100;
constexpr std::size_t kNamedInWords = 8;

constexpr auto kTypeOfEnding = std::to_array<Pair>({
    {".pdf", "application/pdf"},
    {".jpg", "image/jpeg"},
    {".jpeg", "image/jpeg"},
    {".jpe", "image/jpeg"},
    {".tif", "image/tiff"},
    {".tiff", "image/tiff"},
    {".png", "image/png"},
    {".gif", "image/gif"},
    {".bmp", "image/bmp"},
    {".webp", "image/webp"},
    {".heic", "image/heic"},
    {".svg", "image/svg+xml"},
    {".txt", "text/plain"},
    {".log", "text/plain"},
    {".csv", "text/csv"},
    {".htm", "text/html"},
    {".html", "text/html"},
    {".xml", "application/xml"},
    {".json", "application/json"},
    {".rtf", "application/rtf"},
    {".doc", "application/msword"},
    {".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
    {".xls", "application/vnd.ms-excel"},
    {".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
    {".ppt", "application/vnd.ms-powerpoint"},
    {".pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"},
    {".odt", "application/vnd.oasis.opendocument.text"},
    {".ods", "application/vnd.oasis.opendocument.spreadsheet"},
    {".odp", "application/vnd.oasis.opendocument.presentation"},
    {".xps", "application/vnd.ms-xpsdocument"},
    {".ps", "application/postscript"},
    {".eml", "message/rfc822"},
    {".zip", "application/zip"},
    {".7z", "application/x-7z-compressed"},
    {".rar", "application/vnd.rar"},
    {".gz", "application/gzip"},
    {".tar", "application/x-tar"},
    {".exe", "application/vnd.microsoft.portable-executable"},
    {".dll", "application/vnd.microsoft.portable-executable"},
    {".scr", "application/vnd.microsoft.portable-executable"},
    {".com", "application/x-msdownload"},
    {".msi", "application/x-msi"},
    {".bat", "application/x-bat"},
    {".cmd", "application/x-bat"},
    {".ps1", "application/x-powershell"},
    {".js", "text/javascript"},
    {".vbs", "text/vbscript"},
    {".sh", "application/x-sh"},
    {".jar", "application/java-archive"},
});

// Other names that devices give the same thing.
constexpr auto kSame = std::to_array<Pair>({
    {"image/jpg", "image/jpeg"},
    {"image/pjpeg", "image/jpeg"},
    {"image/tif", "image/tiff"},
    {"image/x-tiff", "image/tiff"},
    {"image/x-png", "image/png"},
    {"image/x-ms-bmp", "image/bmp"},
    {"application/x-pdf", "application/pdf"},
    {"text/pdf", "application/pdf"},
    {"text/xml", "application/xml"},
    {"text/rtf", "application/rtf"},
    {"application/x-zip-compressed", "application/zip"},
    {"application/x-msdos-program", "application/vnd.microsoft.portable-executable"},
    {"application/javascript", "text/javascript"},
});

constexpr auto kSayNothing = std::to_array<std::string_view>(
    {"application/octet-stream", "binary/octet-stream", "application/binary", "application/unknown", "application/x-unknown",
     "application/x-download", "application/download", "application/force-download"});

std::string lowered(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

template <std::size_t size>
std::string_view found_in(const std::array<Pair, size>& pairs, std::string_view key, std::string_view otherwise) {
  const auto found = std::ranges::find(pairs, key, &Pair::first);
  return found == pairs.end() ? otherwise : found->second;
}

// The type alone, under its one name; empty where it says nothing.
std::string told_by_type(std::string_view content_type) {
  auto type = lowered(content_type.substr(0, content_type.find(';')));
  while (type.ends_with(' ')) type.pop_back();
  if (std::ranges::find(kSayNothing, type) != kSayNothing.end() || type.find('/') == std::string::npos) return {};
  return std::string(found_in(kSame, type, type));
}

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

// RFC 6838 section 4.2.
bool is_token(std::string_view text) {
  return !text.empty() && is_letter_or_digit(text.front()) && std::ranges::all_of(text, [](char c) {
    return is_letter_or_digit(c) || std::string_view("!#$&-^_.+").find(c) != std::string_view::npos;
  });
}

bool is_ending(std::string_view entry) {
  return entry.starts_with('.') && is_token(entry.substr(1)) && entry.find('.', 1) == std::string_view::npos;
}

bool is_type(std::string_view entry) {
  const auto slash = entry.find('/');
  if (slash == std::string_view::npos || !is_token(entry.substr(0, slash))) return false;
  return entry.substr(slash + 1) == "*" || is_token(entry.substr(slash + 1));
}

bool holds_type(const std::vector<std::string>& listed, std::string_view type) {
  return std::ranges::any_of(listed, [type](const std::string& entry) {
    if (entry.ends_with("/*")) return type.starts_with(std::string_view(entry).substr(0, entry.size() - 1));
    return found_in(kSame, entry, entry) == type;
  });
}

std::string in_words(const std::vector<std::string>& listed) {
  std::string words;
  const auto named = std::min(listed.size(), kNamedInWords);
  for (std::size_t i = 0; i < named; ++i) words += (i == 0 ? "" : ", ") + listed[i];
  if (named < listed.size()) words += " and " + std::to_string(listed.size() - named) + " more";
  return words;
}

}  // namespace

std::string name_ending_of(std::string_view name) {
  while (true) {
    const auto dot = name.rfind('.');
    if (dot == std::string_view::npos || dot == 0) return {};
    const auto ending = name.substr(dot);
    const bool is_number = ending.size() > 1 && ending.find_first_not_of("0123456789", 1) == std::string_view::npos;
    if (!is_number) return lowered(ending);
    name = name.substr(0, dot);
  }
}

Result<std::vector<std::string>> check_content_types(const std::vector<std::string>& typed) {
  std::vector<std::string> listed;
  for (const auto& one : typed) {
    auto entry = lowered(one);
    if (entry.size() > kEntryBytesMax || (!is_ending(entry) && !is_type(entry))) {
      return fail(ErrorKind::invalid, "invalid_fields",
                  "`" + one.substr(0, kEntryBytesMax) + "` is neither a type, such as application/pdf or image/*, nor the ending of a name, such as .dwg.",
                  {.field = "content_types"});
    }
    if (std::ranges::find(listed, entry) == listed.end()) listed.push_back(std::move(entry));
  }
  if (listed.size() > kContentTypesMax)
    return fail(ErrorKind::invalid, "invalid_fields", "At most fifty types.", {.field = "content_types"});
  return listed;
}

std::vector<std::string> content_types_of(const store::Connector& connector) {
  std::vector<std::string> listed;
  const auto target = parse_json(connector.target_json);
  const auto* fields = target ? target->if_object() : nullptr;
  const auto* entries = fields == nullptr ? nullptr : base::find_array(*fields, "content_types");
  if (entries == nullptr) return listed;
  for (const auto& one : *entries) {
    if (one.is_string()) listed.emplace_back(one.get_string());
  }
  return listed;
}

Fit fit_of(const std::vector<std::string>& listed, std::string_view name, std::string_view content_type) {
  if (listed.empty()) return Fit::fits;
  const auto ending = name_ending_of(name);
  if (!ending.empty() && std::ranges::find(listed, ending) != listed.end()) return Fit::fits;
  const auto by_type = told_by_type(content_type);
  const auto by_name = found_in(kTypeOfEnding, ending, {});
  if (by_type.empty() && by_name.empty()) return Fit::untold;
  const bool fits = (by_type.empty() || holds_type(listed, by_type)) && (by_name.empty() || holds_type(listed, by_name));
  return fits ? Fit::fits : Fit::does_not;
}

Result<void> check_content_type(const std::vector<std::string>& listed, std::string_view name, std::string_view content_type) {
  const auto fit = fit_of(listed, name, content_type);
  if (fit == Fit::fits) return {};
  const std::string rule = "Only documents of these types are taken here: " + in_words(listed) + ".";
  if (fit == Fit::untold) {
    return fail(ErrorKind::refused, "content_type_not_allowed",
                rule + " Nothing says which type this one has: give its name an ending, such as .pdf.");
  }
  auto type = told_by_type(content_type);
  if (type.empty() || holds_type(listed, type)) type = name_ending_of(name);
  return fail(ErrorKind::refused, "content_type_not_allowed",
              rule + " This one is " + type + ". Choose another file format at the device, or ask an administrator.");
}

}  // namespace latchkey::delivery

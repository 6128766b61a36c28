#include "pages/flow_assets.h"

#include <span>

#include "pages/embedded_file.h"
#include "pages/embedded_flow.inc"
#include "pages/embedded_logo.inc"
#include "pages/security_headers.h"

namespace latchkey::pages {
namespace {

constexpr std::string_view kFlowFolder = "/oauth";
constexpr std::size_t kValidatorDigits = 32;

const EmbeddedFile* find(std::span<const EmbeddedFile> files, std::string_view path) {
  for (const auto& file : files) {
    if (file.path == path) return &file;
  }
  return nullptr;
}

}  // namespace

std::string_view media_type_of(std::string_view path) {
  static constexpr std::pair<std::string_view, std::string_view> kTypes[] = {
      {".html", "text/html; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".svg", "image/svg+xml"},
      {".png", "image/png"},
      {".ico", "image/x-icon"},
      {".woff2", "font/woff2"},
      {".json", "application/json"},
      {".txt", "text/plain; charset=utf-8"},
      {".webmanifest", "application/manifest+json"},
  };
  for (const auto& [ending, type] : kTypes) {
    if (path.ends_with(ending)) return type;
  }
  return "application/octet-stream";
}

std::optional<net::HttpResponse> flow_asset(std::string_view path) {
  const auto* file = path.starts_with(kFlowFolder) ? find({kFlowFiles, kFlowFileCount}, path.substr(kFlowFolder.size()))
                                                   : find({kLogoFiles, kLogoFileCount}, path);
  if (file == nullptr) return std::nullopt;
  net::HttpResponse response;
  response.body = file->content;
  response.with("Content-Type", media_type_of(file->path));
  response.with("Cache-Control", "no-cache");
  response.with("ETag", "\"" + std::string(file->sha256.substr(0, kValidatorDigits)) + "\"");
  secure_asset(response);
  return response;
}

}  // namespace latchkey::pages

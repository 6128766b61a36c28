#include "wire/webdav/multistatus.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace latchkey::wire::webdav {
namespace {

constexpr std::string_view kDeclaration = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n";

std::string_view phrase_of(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    default:
      return "Status";
  }
}

void write_property(std::string& out, const Property& property) {
  const bool is_dav = property.name.space == "DAV:";
  const auto name = (is_dav ? "D:" : property.name.space.empty() ? "" : "x:") + escape(property.name.name);
  out += "<" + name;
  if (!is_dav && !property.name.space.empty()) out += " xmlns:x=\"" + escape(property.name.space) + "\"";
  out += property.value.empty() ? "/>" : ">" + property.value + "</" + name + ">";
}

}  // namespace

std::string escape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    const auto octet = static_cast<unsigned char>(c);
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else if (octet < 0x20) {
      out += c == '\t' ? "&#9;" : c == '\n' ? "&#10;" : c == '\r' ? "&#13;" : "?";
    } else if (const auto three = text.substr(at, 3); three == "\xef\xbf\xbe" || three == "\xef\xbf\xbf") {
      out += '?';  // U+FFFE, U+FFFF
      at += 2;
    } else {
      out += c;
    }
  }
  return out;
}

MultistatusWriter::MultistatusWriter() : out_(kDeclaration) { out_ += "<D:multistatus xmlns:D=\"DAV:\">\n"; }

void MultistatusWriter::add(const ResourceStatus& resource) {
  out_ += "<D:response><D:href>" + escape(resource.href) + "</D:href>";
  for (const auto& group : resource.groups) {
    if (group.properties.empty()) continue;
    out_ += "<D:propstat><D:prop>";
    for (const auto& property : group.properties) write_property(out_, property);
    out_ += fmt::format("</D:prop><D:status>HTTP/1.1 {} {}</D:status></D:propstat>", group.status, phrase_of(group.status));
  }
  out_ += "</D:response>\n";
}

std::string MultistatusWriter::finish() && { return std::move(out_) + "</D:multistatus>\n"; }

std::string write_multistatus(const std::vector<ResourceStatus>& resources) {
  MultistatusWriter out;
  for (const auto& resource : resources) out.add(resource);
  return std::move(out).finish();
}

std::string write_error(std::string_view condition) {
  return fmt::format("{}<D:error xmlns:D=\"DAV:\"><D:{}/></D:error>\n", kDeclaration, condition);
}

std::string http_date(WallTime at) {
  return fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", std::chrono::floor<std::chrono::seconds>(at));
}

}  // namespace latchkey::wire::webdav

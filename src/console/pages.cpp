#include "console/pages.h"

#include <utility>

#include "base/bytes.h"
#include "pages/flow_page.h"
#include "pages/security_headers.h"

namespace latchkey::console {

namespace {

constexpr std::string_view kNonceMark = "__CSP_NONCE__";

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

// "gzip;q=0.5" -> coding and whether its weight is above zero.
std::pair<std::string_view, bool> read_coding(std::string_view item) {
  const auto semicolon = item.find(';');
  const auto coding = trimmed(item.substr(0, semicolon));
  if (semicolon == std::string_view::npos) return {coding, true};
  const auto parameter = trimmed(item.substr(semicolon + 1));
  const bool weight = parameter.starts_with("q=") || parameter.starts_with("Q=");
  return {coding, !weight || parameter.substr(2).find_first_of("123456789") != std::string_view::npos};
}

bool matches_etag(std::string_view if_none_match, std::string_view etag) {
  while (!if_none_match.empty()) {
    const auto comma = if_none_match.find(',');
    auto candidate = trimmed(if_none_match.substr(0, comma));
    if (candidate.starts_with("W/")) candidate.remove_prefix(2);
    if (candidate == etag || candidate == "*") return true;
    if_none_match = comma == std::string_view::npos ? std::string_view() : if_none_match.substr(comma + 1);
  }
  return false;
}

}  // namespace

bool accepts_encoding(std::string_view accept_encoding, std::string_view coding) {
  bool any = false;
  while (!accept_encoding.empty()) {
    const auto comma = accept_encoding.find(',');
    const auto [name, wanted] = read_coding(accept_encoding.substr(0, comma));
    if (net::equal_ignoring_case(name, coding)) return wanted;
    if (name == "*") any = wanted;
    accept_encoding = comma == std::string_view::npos ? std::string_view() : accept_encoding.substr(comma + 1);
  }
  return any;
}

bool is_page_path(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  if (path == "/") return true;
  static constexpr std::string_view kPages[] = {"/setup", "/sign-in", "/users",    "/groups",
                                                "/me",    "/my",    "/activity", "/health", "/settings", "/deliveries"};
  for (const auto page : kPages) {
    if (path == page || (path.starts_with(page) && path[page.size()] == '/')) return true;
  }
  return false;
}

Pages::Pages(std::span<const pages::EmbeddedFile> files, Entropy& entropy) : entropy_(entropy) {
  for (const auto& file : files) {
    if (file.path.ends_with(".br")) files_[file.path.substr(0, file.path.size() - 3)].br = &file;
    else if (file.path.ends_with(".gz")) files_[file.path.substr(0, file.path.size() - 3)].gz = &file;
    else files_[file.path].plain = &file;
  }
}

std::size_t Pages::body_limit(std::string_view, std::string_view) const { return 1024; }

std::optional<net::HttpResponse> Pages::try_handle_now(const net::HttpRequest& request) { return answer(request); }

Task<net::HttpResponse> Pages::handle(net::HttpRequest request) { co_return answer(request); }

net::HttpResponse Pages::answer(const net::HttpRequest& request) const {
  if (request.method != "GET" && request.method != "HEAD") {
    auto response = net::HttpResponse::text(405, "Pages are read with GET.\n");
    response.with("Allow", "GET, HEAD");
    pages::secure_page(response, pages::PageKind::console, {});
    return response;
  }
  if (is_page_path(request.path)) return page(200);
  const auto found = files_.find(std::string_view(request.path));
  if (found != files_.end() && found->second.plain != nullptr && found->first != "/index.html") {
    return file(request, found->first, found->second);
  }
  return page(404);
}

net::HttpResponse Pages::file(const net::HttpRequest& request, std::string_view path, const Variants& variants) const {
  const auto accepted = request.headers.joined("Accept-Encoding");
  const pages::EmbeddedFile* chosen = variants.plain;
  std::string_view coding;
  if (variants.br != nullptr && accepts_encoding(accepted, "br")) {
    chosen = variants.br;
    coding = "br";
  } else if (variants.gz != nullptr && accepts_encoding(accepted, "gzip")) {
    chosen = variants.gz;
    coding = "gzip";
  }
  const auto etag = "\"" + std::string(chosen->sha256.substr(0, 32)) + "\"";
  net::HttpResponse response;
  if (matches_etag(request.headers.value_or("If-None-Match"), etag)) {
    response.status = 304;
  } else {
    response.body = chosen->content;
    response.with("Content-Type", pages::media_type_of(path));
    if (!coding.empty()) response.with("Content-Encoding", coding);
  }
  response.with("ETag", etag);
  response.with("Vary", "Accept-Encoding");
  // Vite puts a hash of the content into the names below /assets/, so such a file never changes.
  response.with("Cache-Control", path.starts_with("/assets/") ? "public, max-age=31536000, immutable" : "no-cache");
  pages::secure_asset(response);
  return response;
}

net::HttpResponse Pages::page(int status) const {
  const auto index = files_.find("/index.html");
  if (status == 404 && index != files_.end()) {
    return pages::flow_page({.status = 404, .kind = pages::PageKind::console, .sign = pages::FlowSign::bad, .title = "No such page",
                      .text = "There is nothing at this address. Perhaps it was mistyped, or what it showed is gone.",
                      .link = "/", .link_text = "To the console"});
  }
  if (index == files_.end()) {
    return pages::flow_page({.status = status == 404 ? 404 : 503, .kind = pages::PageKind::console, .sign = pages::FlowSign::info,
                      .title = "The console has not been built",
                      .text = "This Latchkey binary was built without its pages. Run `make build` in the source folder; it "
                              "builds them and puts them into the binary. Users, apps and grants can also be managed from the "
                              "command line: see `latchkey --help`."});
  }
  const auto nonce = base::to_base64(entropy_.bytes(18));
  std::string html(index->second.plain->content);
  for (auto at = html.find(kNonceMark); at != std::string::npos; at = html.find(kNonceMark, at + nonce.size())) {
    html.replace(at, kNonceMark.size(), nonce);
  }
  auto response = net::HttpResponse::html(status, std::move(html));
  pages::secure_page(response, pages::PageKind::console, nonce);
  return response;
}

}  // namespace latchkey::console

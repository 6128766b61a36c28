#include "connectors/webdav/dav_server.h"

#include <algorithm>
#include <charconv>

#include "net/url.h"

namespace latchkey::connectors {
namespace {

constexpr std::size_t kListingBytesMax = 16 << 20;  // some 30,000 documents in one folder
const std::string kService = "The WebDAV server";
constexpr std::string_view kDav = "DAV:";
constexpr std::string_view kOwnCloud = "http://owncloud.org/ns";
constexpr std::string_view kOurs = "urn:latchkey";
constexpr std::string_view kQuestion =
    R"(<?xml version="1.0" encoding="utf-8"?>)"
    R"(<D:propfind xmlns:D="DAV:" xmlns:O="http://owncloud.org/ns" xmlns:L="urn:latchkey"><D:prop>)"
    R"(<D:resourcetype/><D:getcontentlength/><D:getetag/><O:fileid/><L:delivery/></D:prop></D:propfind>)";

Error remade(const ApiReply& reply, ErrorKind kind, std::string reason, std::string text) {
  auto error = error_of(reply, kService);
  error.kind = kind;
  error.reason = std::move(reason);
  error.text = std::move(text);
  return error;
}

// "/dav/Scans/a%20b/" of a server whose base is "/dav" is "Scans/a b"; nullopt: elsewhere.
std::optional<std::string> path_of(std::string_view href, const net::Url& base) {
  if (href.starts_with("http://") || href.starts_with("https://")) {
    const auto at = href.find('/', href.find("//") + 2);
    href = at == std::string_view::npos ? std::string_view("/") : href.substr(at);
  }
  auto path = net::percent_decode(href);
  auto root = net::percent_decode(base.path());
  if (!path || !root) return std::nullopt;
  while (root->ends_with('/')) root->pop_back();
  while (path->ends_with('/')) path->pop_back();
  if (!path->starts_with(*root)) return std::nullopt;
  path->erase(0, root->size());
  if (!path->empty() && path->front() != '/') return std::nullopt;
  return path->empty() ? *path : path->substr(1);
}

std::uint64_t number_in(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? number : 0;
}

}  // namespace

std::string encode_dav_path(std::string_view path) {
  std::string encoded;
  for (std::size_t begin = 0; begin <= path.size();) {
    const auto end = std::min(path.find('/', begin), path.size());
    if (begin > 0) encoded += '/';
    encoded += net::percent_encode(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return encoded;
}

Error dav_error_of(const ApiReply& reply) {
  if (reply.status >= 300 && reply.status < 400)
    return remade(reply, ErrorKind::misconfigured, "target_moved",
                  kService + " answers with another address. Enter that one as the connector's address.");
  switch (reply.status) {
    case 404:
      return remade(reply, ErrorKind::misconfigured, "no_such_target",
                    kService + " knows no such place. Check the connector's address.");
    case 405:
    case 501:
      return remade(reply, ErrorKind::misconfigured, "no_webdav",
                    "What answers at the connector's address does not speak WebDAV there. Check the address.");
    case 409:
      return remade(reply, ErrorKind::unavailable, "target_unavailable",
                    "The folder that the document is for disappeared while it was sent.");
    case 412:
      return remade(reply, ErrorKind::conflict, "exists",
                    "A document of that name is there already, and the connector's rule is not to touch it.");
    case 423:
      return remade(reply, ErrorKind::unavailable, "target_locked", "Somebody has that document open at the destination.");
    default:
      return error_of(reply, kService);
  }
}

Task<Result<Secret>> DocumentParts::read(std::uint64_t offset, std::size_t size_bytes) {
  // What was fetched before has left, or is about to. A request that is repeated begins again.
  if (leaving_ != nullptr && (offset < told_ || offset >= told_ + kToldEveryBytes)) {
    told_ = offset;
    if (const auto done = co_await leaving_->left(offset); !done) co_return std::unexpected(done.error());
  }
  co_return co_await document_.read(first_ + offset, size_bytes);
}

std::string DavServer::url_of(const std::string& path) const {
  return path.empty() ? base_url_ + "/" : base_url_ + "/" + encode_dav_path(path);
}

Task<Result<ApiReply>> DavServer::call(ApiSession::Request request) {
  auto reply = co_await api_.call(std::move(request));
  // Whether it happened can be looked up, and the next try does: no doubt is left to people.
  if (!reply && reply.error().kind == ErrorKind::ambiguous) reply.error().kind = ErrorKind::unavailable;
  co_return reply;
}

Task<Result<std::optional<DavServer::Seen>>> DavServer::propfind(std::string url, std::string depth) {
  ApiSession::Request request{.method = "PROPFIND", .url = std::move(url)};
  request.headers = {{"Depth", depth}, {"Content-Type", "application/xml; charset=utf-8"}};
  request.body = Secret(kQuestion);
  request.reply_bytes_max = kListingBytesMax;
  const auto reply = co_await call(std::move(request));
  if (!reply) co_return std::unexpected(reply.error());
  if (reply->status == 404) co_return std::optional<Seen>();
  if (reply->ok() && reply->status != 207)
    co_return std::unexpected(
        remade(*reply, ErrorKind::misconfigured, "no_webdav",
               "What answers at the connector's address does not speak WebDAV there. Check the address."));
  if (!reply->ok()) co_return std::unexpected(dav_error_of(*reply));
  listed_bytes_ += reply->body.size();
  auto seen = wire::webdav::parse_multistatus(reply->body);
  if (!seen)
    co_return fail(ErrorKind::unavailable, "target_unavailable", kService + " gives an answer that makes no sense.",
                   {.detail = words_of(*reply)});
  co_return std::move(*seen);
}

Task<Result<std::optional<std::vector<DavResource>>>> DavServer::ask(std::string path, std::string depth) {
  const auto base = net::Url::parse(base_url_);
  if (!base) co_return std::unexpected(base.error());
  const auto seen = co_await propfind(url_of(path), std::move(depth));
  if (!seen) co_return std::unexpected(seen.error());
  if (!*seen) co_return std::optional<std::vector<DavResource>>();
  std::vector<DavResource> found;
  for (const auto& one : **seen) {
    auto where = path_of(one.href, *base);
    if (!where || one.status >= 300) continue;
    found.push_back({.path = std::move(*where),
                     .is_folder = one.is_collection(),
                     .size_bytes = number_in(one.text_of(kDav, "getcontentlength")),
                     .etag = std::string(one.text_of(kDav, "getetag")),
                     .file_id = std::string(one.text_of(kOwnCloud, "fileid")),
                     .mark = std::string(one.text_of(kOurs, "delivery"))});
  }
  co_return found;
}

Task<Result<std::optional<DavResource>>> DavServer::look(std::string path) {
  auto found = co_await ask(std::move(path), "0");
  if (!found) co_return std::unexpected(found.error());
  if (!*found || (*found)->empty()) co_return std::optional<DavResource>();
  co_return std::move((*found)->front());
}

Task<Result<bool>> DavServer::is_there(std::string url) {
  const auto seen = co_await propfind(std::move(url), "0");
  if (!seen) co_return std::unexpected(seen.error());
  co_return seen->has_value();
}

Task<Result<std::optional<std::map<std::string, std::uint64_t>>>> DavServer::sizes_within(std::string url) {
  const auto seen = co_await propfind(std::move(url), "1");
  if (!seen) co_return std::unexpected(seen.error());
  if (!*seen) co_return std::optional<std::map<std::string, std::uint64_t>>();
  std::map<std::string, std::uint64_t> sizes;
  for (const auto& one : **seen) {
    if (one.is_collection() || one.status >= 300) continue;
    sizes[one.href.substr(one.href.rfind('/') + 1)] = number_in(one.text_of(kDav, "getcontentlength"));
  }
  co_return sizes;
}

Task<Result<std::vector<DavResource>>> DavServer::look_into(std::string folder) {
  auto found = co_await ask(folder, "1");
  if (!found) co_return std::unexpected(found.error());
  if (!*found) co_return fail(ErrorKind::not_found, "no_such_folder", kService + " has no such folder.");
  std::erase_if(**found, [&](const DavResource& one) { return one.path == folder; });
  co_return std::move(**found);
}

Task<Result<void>> DavServer::make_folder(std::string url, net::HttpHeaders headers) {
  const auto reply = co_await call({.method = "MKCOL", .url = url, .headers = std::move(headers)});
  if (!reply) co_return std::unexpected(reply.error());
  // 405: something is there already (RFC 4918 section 9.3.1).
  if (reply->ok() || reply->status == 405) co_return Result<void>{};
  co_return std::unexpected(dav_error_of(*reply));
}

Task<Result<void>> DavServer::make_folders_above(std::string path) {
  for (auto slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    const auto folder = path.substr(0, slash);
    const auto made = co_await make_folder(url_of(folder), {});
    if (made) continue;
    // Servers have their own ways to say that somebody else was faster.
    const auto seen = co_await look(folder);
    if (!seen) co_return std::unexpected(seen.error());
    if (*seen && (*seen)->is_folder) continue;
    co_return made.error().reason == "target_unavailable"
        ? fail(ErrorKind::misconfigured, "no_such_target", kService + " knows no such place. Check the connector's address.",
               {.detail = made.error().detail})
        : Result<void>(std::unexpected(made.error()));
  }
  co_return Result<void>{};
}

Task<Result<ApiReply>> DavServer::put_part(std::string url, DocumentParts& parts, net::HttpHeaders headers) {
  co_return co_await call(
      {.method = "PUT", .url = std::move(url), .headers = std::move(headers), .body = std::nullopt, .parts = &parts});
}

Task<Result<ApiReply>> DavServer::put(std::string path, Document& document, net::HttpHeaders headers, Leaving& leaving) {
  DocumentParts parts(document, 0, document.size_bytes(), &leaving);
  auto reply = co_await put_part(url_of(path), parts, headers);
  if (!reply) co_return reply;
  if (reply->status == 409 || reply->status == 404) {
    if (const auto made = co_await make_folders_above(path); !made) co_return std::unexpected(made.error());
    reply = co_await put_part(url_of(path), parts, std::move(headers));
    if (!reply) co_return reply;
    if (reply->status == 409 && path.find('/') == std::string::npos) reply->status = 404;  // the base address itself
  }
  if (!reply->ok()) co_return std::unexpected(dav_error_of(*reply));
  co_return reply;
}

Task<Result<bool>> DavServer::mark(std::string path, std::string text) {
  ApiSession::Request request{.method = "PROPPATCH", .url = url_of(path)};
  request.headers = {{"Content-Type", "application/xml; charset=utf-8"}};
  request.body = Secret(std::string_view(
      R"(<?xml version="1.0" encoding="utf-8"?><D:propertyupdate xmlns:D="DAV:" xmlns:L="urn:latchkey"><D:set><D:prop><L:delivery>)" +
      text + "</L:delivery></D:prop></D:set></D:propertyupdate>"));
  const auto reply = co_await call(std::move(request));
  if (!reply) co_return std::unexpected(reply.error());
  if (reply->status != 207) co_return reply->ok();
  const auto seen = wire::webdav::parse_multistatus(reply->body);
  const auto kept = [](const wire::webdav::SeenResource& one) {
    return std::ranges::any_of(one.properties, [](const auto& property) { return property.space == kOurs; });
  };
  co_return seen&& std::ranges::any_of(*seen, kept);
}

Task<Result<Moved>> DavServer::move(std::string from_url, std::string to_path, Overwrite overwrite,
                                    net::HttpHeaders headers) {
  headers.set("Destination", url_of(to_path));
  headers.set("Overwrite", overwrite == Overwrite::yes ? "T" : "F");
  const auto reply = co_await call({.method = "MOVE", .url = std::move(from_url), .headers = std::move(headers)});
  if (!reply) co_return std::unexpected(reply.error());
  if (reply->status == 412 && overwrite == Overwrite::no) co_return Moved::taken;
  if (reply->status == 404)
    co_return std::unexpected(remade(*reply, ErrorKind::unavailable, "target_unavailable",
                                     "What was sent disappeared at the destination before it got its name."));
  // It may happen yet (RFC 9110 section 15.3.3): the next try finds out.
  if (reply->status == 202)
    co_return std::unexpected(remade(*reply, ErrorKind::unavailable, "target_unavailable",
                                     kService + " has not given the document its name yet."));
  // 207: something within it could not be moved (section 9.9.3); a file has nothing within it.
  if (!reply->ok() || reply->status == 207) co_return std::unexpected(dav_error_of(*reply));
  co_return Moved::yes;
}

Task<void> DavServer::remove(std::string url) { (void)co_await call({.method = "DELETE", .url = std::move(url)}); }

}  // namespace latchkey::connectors

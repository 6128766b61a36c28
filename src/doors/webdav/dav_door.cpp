#include "doors/webdav/dav_door.h"

#include "doors/http/basic_credentials.h"
#include "doors/http/door_request.h"
#include "doors/webdav/dav_conditions.h"
#include "doors/webdav/dav_errors.h"
#include "doors/webdav/dav_mount.h"
#include "doors/webdav/spooled_bodies.h"
#include "wire/webdav/headers.h"
#include "wire/webdav/request_body.h"

namespace latchkey::doors {
namespace {

using net::HttpRequest;
using net::HttpResponse;
using wire::webdav::Depth;
using wire::webdav::Resource;

HttpResponse xml(int status, std::string body) {
  HttpResponse response{.status = status, .headers = {}, .body = std::move(body)};
  response.headers.set("Content-Type", "application/xml; charset=utf-8");
  response.headers.set("Cache-Control", "no-store");
  return response;
}

// What is here is the same for everybody, so nobody is asked who they are.
HttpResponse options() {
  return HttpResponse{.status = 200, .headers = {}, .body = {}}
      .with("DAV", "1")
      .with("Allow", kDavMethods)
      .with("MS-Author-Via", "DAV");
}

std::unexpected<Error> nothing_there() {
  return fail(ErrorKind::not_found, "no_such_resource",
              "There is nothing at this address that you put there in the last hour.");
}

std::unexpected<Error> not_allowed(const char* words) { return fail(ErrorKind::refused, "method_not_allowed", words); }

// Of each of a thousand folders a client may ask for a hundred properties with names of any length.
constexpr std::size_t kAnswerBytesMax = 4 << 20;

std::unexpected<Error> answer_too_long() {
  return fail(ErrorKind::refused, "answer_too_long",
              "So much about so many is not answered at once: ask for fewer properties.");
}

bool has_body(const HttpRequest& request) { return !request.body.empty(); }

std::string href(const Resource& resource, std::string_view path, bool is_collection) {
  return wire::webdav::href_of(kDavMount,
                               {.connector = resource.connector, .path = std::string(path), .ends_in_slash = is_collection});
}

std::string source_of(const HttpRequest& request) { return "webdav " + request.client.text(); }

std::string_view shown_name(const Resource& resource, std::string_view path) {
  return path.empty() ? std::string_view(resource.connector) : wire::webdav::name_of(path);
}

}  // namespace

std::string DavDoor::Call::whose() const {
  return (owner.device.none() ? owner.user.text() : owner.device.text()) + " " + resource.connector;
}

std::string DavDoor::Call::source() const { return source_of(request); }

std::size_t DavDoor::body_limit(std::string_view method, std::string_view) const {
  return method == "PROPFIND" || method == "PROPPATCH" ? wire::webdav::kBodyBytesMax : 4096;
}

bool DavDoor::streams_body(std::string_view method, std::string_view) const { return method == "PUT"; }

Task<HttpResponse> DavDoor::handle(HttpRequest request) {
  auto heard = parts_.ear.hear(request);
  parts_.dav_counters.requests += 1;
  auto answer = co_await serve(std::move(request), heard);
  auto response = answer ? std::move(*answer) : dav_problem(answer.error());
  if (response.status >= 400) parts_.dav_counters.refused += 1;
  parts_.ear.keep(heard, response, kDavDoor);
  co_return response;
}

Task<HttpResponse> DavDoor::handle_stream(HttpRequest request, std::shared_ptr<net::HttpBody> body) {
  auto heard = parts_.ear.hear(request);
  auto counted = heard.counting(std::move(body));
  parts_.dav_counters.requests += 1;
  auto answer = co_await put(std::move(request), std::move(counted), heard);
  auto response = answer ? std::move(*answer) : dav_problem(answer.error());
  if (response.status >= 400) {
    parts_.dav_counters.refused += 1;
    parts_.counters.refused += 1;
  }
  parts_.ear.keep(heard, response, kDavDoor);
  co_return response;
}

Task<DavDoor::Answer> DavDoor::serve(HttpRequest request, HeardRequest& heard) {
  if (auto refusal = refuse_other_sites(request, parts_.public_origin)) co_return std::move(*refusal);
  if (request.method == "OPTIONS") co_return options();
  auto call = co_await admit(std::move(request), heard);
  if (!call) co_return std::unexpected(call.error());
  const auto& method = call->request.method;
  if (const auto good = check_conditions(call->request, call->view.document(call->path())); !good)
    co_return std::unexpected(good.error());
  if (method == "PROPFIND") co_return propfind(*call);
  if (method == "GET" || method == "HEAD") co_return co_await get(std::move(*call));
  if (method == "DELETE") co_return co_await remove(std::move(*call));
  if (method == "MKCOL") co_return make_collection(*call);
  if (method == "MOVE") co_return co_await move(std::move(*call));
  if (method == "COPY") co_return co_await copy(std::move(*call));
  if (method == "PROPPATCH") co_return proppatch(*call);
  co_return not_allowed("That cannot be done here. Nothing is ever locked, either.");
}

Task<Result<DavDoor::Call>> DavDoor::admit(HttpRequest request, HeardRequest& heard) {
  auto resource = wire::webdav::resource_at(kDavMount, request.path);
  if (!resource) co_return std::unexpected(resource.error());
  auto credentials = parse_basic(request.headers.find("Authorization").value_or(""));
  if (!credentials) co_return std::unexpected(no_credentials());
  auto principal = co_await parts_.gate.admit(attempt_of(request, std::move(*credentials), store::kUseDeliver));
  heard.judged(principal);
  if (!principal) co_return std::unexpected(principal.error());
  auto owner = delivery::owner_of(*principal);
  const auto may = co_await parts_.reception.check_access(
      {.user = owner.user, .auth_epoch = owner.auth_epoch, .device = owner.device}, resource->connector);
  if (!may) co_return std::unexpected(may.error());
  const auto is_mail = co_await parts_.mail.carries_mail(resource->connector);
  if (!is_mail) co_return std::unexpected(is_mail.error());
  if (*is_mail)
    co_return fail(ErrorKind::refused, "mail_connector",
                   "This connector sends mail, and a file names no recipients: hand messages in by SMTP or HTTP.");
  auto items = co_await parts_.shelf.items(owner, resource->connector, source_of(request));
  if (!items) co_return std::unexpected(items.error());
  Call call{.request = std::move(request),
            .resource = std::move(*resource),
            .principal = std::move(*principal),
            .owner = std::move(owner),
            .view = DavView({}, {})};
  call.view = DavView(std::move(*items), collections_.of(call.whose()));
  co_return call;
}

// Document octets leave as an attachment that no page can make its own (RULES G3). Of a document that has been delivered its
// size is still known, which is what a device that looks after its upload wants to hear.
Task<DavDoor::Answer> DavDoor::get(Call call) {
  if (call.view.is_collection(call.path()))
    co_return HttpResponse::text(200, "Documents are put here; what you put in the last hour is listed by PROPFIND.\n")
        .with("Cache-Control", "no-store");
  const auto* item = call.view.document(call.path());
  if (item == nullptr || call.resource.ends_in_slash) co_return nothing_there();
  HttpResponse response;
  response.with("Content-Type", "application/octet-stream")
      .with("Content-Disposition", "attachment")
      .with("X-Content-Type-Options", "nosniff")
      .with("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
      .with("Cache-Control", "no-store")
      .with("ETag", entity_tag_of(*item))
      .with("Last-Modified", wire::webdav::http_date(item->delivery.created_at));
  if (call.request.method == "HEAD") {
    response.source = std::make_shared<SizeAlone>(static_cast<std::uint64_t>(item->delivery.size_bytes));
    co_return response;
  }
  auto document = co_await parts_.shelf.open(item->delivery);
  if (!document) co_return std::unexpected(document.error());
  response.source = std::make_shared<SpooledSource>(std::move(*document));
  co_return response;
}

DavDoor::Answer DavDoor::propfind(const Call& call) const {
  const auto depth = wire::webdav::parse_depth(call.request.headers.find("Depth"), Depth::infinity);
  if (!depth) return std::unexpected(depth.error());
  const auto question = wire::webdav::parse_propfind(call.request.body);
  if (!question) return std::unexpected(question.error());
  if (const auto* item = call.view.document(call.path()); item != nullptr && !call.resource.ends_in_slash)
    return xml(207, wire::webdav::write_multistatus({describe(href(call.resource, call.path(), false), *item, *question)}));
  if (!call.view.is_collection(call.path())) return nothing_there();
  if (*depth == Depth::infinity) return xml(403, wire::webdav::write_error("propfind-finite-depth"));
  wire::webdav::MultistatusWriter out;
  const auto add_collection = [&](std::string_view path) {
    out.add(describe_collection(href(call.resource, path, true), shown_name(call.resource, path), *question));
  };
  add_collection(call.path());
  if (*depth == Depth::one) {
    for (const auto& path : call.view.collections_in(call.path())) {
      if (out.size_bytes() > kAnswerBytesMax) return answer_too_long();
      add_collection(path);
    }
    for (const auto* item : call.view.documents_in(call.path())) {
      if (out.size_bytes() > kAnswerBytesMax) return answer_too_long();
      out.add(describe(href(call.resource, item->path, false), *item, *question));
    }
  }
  return xml(207, std::move(out).finish());
}

// Nothing that a client could set is kept: each property is refused by name, so that the client knows, and goes on.
DavDoor::Answer DavDoor::proppatch(const Call& call) const {
  if (!call.view.has(call.path())) return nothing_there();
  const auto names = wire::webdav::parse_proppatch(call.request.body);
  if (!names) return std::unexpected(names.error());
  wire::webdav::PropertiesOfOneStatus refused{.status = 403, .properties = {}};
  for (const auto& name : *names) refused.properties.push_back({.name = name, .value = {}});
  const bool is_collection = call.view.is_collection(call.path());
  return xml(207, wire::webdav::write_multistatus(
                      {{.href = href(call.resource, call.path(), is_collection), .groups = {std::move(refused)}}}));
}

DavDoor::Answer DavDoor::make_collection(const Call& call) {
  if (has_body(call.request)) return fail(ErrorKind::invalid, "no_body_wanted", "A folder is made without a body.");
  if (call.view.has(call.path())) return fail(ErrorKind::conflict, "exists", "There is something at this address already.");
  if (!call.view.is_collection(wire::webdav::parent_of(call.path()))) return no_parent();
  if (!collections_.make(call.whose(), call.path()))
    return fail(ErrorKind::refused, "too_many_collections", "There are too many folders here. Remove some first.");
  return HttpResponse{.status = 201, .headers = {}, .body = {}};
}

Task<DavDoor::Answer> DavDoor::remove(Call call) {
  if (call.path().empty())
    co_return fail(ErrorKind::refused, "collections_stay", "The connector itself is not removed this way.");
  if (!call.view.has(call.path())) co_return nothing_there();
  std::vector<std::string> paths;
  for (const auto* item : call.view.documents_below(call.path())) paths.push_back(item->path);
  if (call.view.document(call.path()) != nullptr) paths.push_back(call.path());
  for (const auto& path : paths) {
    const auto done = co_await parts_.shelf.remove(call.owner, call.resource.connector, path, call.source());
    if (!done) co_return std::unexpected(done.error());
  }
  collections_.remove(call.whose(), call.path());
  co_return HttpResponse::no_content();
}

}  // namespace latchkey::doors

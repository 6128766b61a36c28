// Documents that come in, and that get other names: PUT, MOVE, COPY.
#include "doors/http/door_request.h"
#include "doors/webdav/dav_conditions.h"
#include "doors/webdav/dav_door.h"
#include "doors/webdav/dav_errors.h"
#include "doors/webdav/dav_mount.h"
#include "doors/webdav/spooled_bodies.h"
#include "wire/webdav/headers.h"

namespace latchkey::doors {
namespace {

using net::HttpRequest;
using net::HttpResponse;
using wire::webdav::Overwrite;

// While the document that completes another comes in, that one waits; if the process dies meanwhile, it goes after so long.
constexpr std::chrono::hours kUploadTimeMax{6};

HttpResponse done(bool was_there, const delivery::ShelfItem& item) {
  HttpResponse response{.status = was_there ? 204 : 201, .headers = {}, .body = {}};
  response.headers.set("ETag", entity_tag_of(item));
  response.headers.set("Cache-Control", "no-store");
  return response;
}

std::unexpected<Error> is_collection() {
  return fail(ErrorKind::conflict, "exists", "There is a folder at this address: name a document in it.");
}

std::string_view authority_of(std::string_view origin) {
  const auto at = origin.find("://");
  return at == std::string_view::npos ? std::string_view() : origin.substr(at + 3);
}

}  // namespace

struct DavDoor::Target {
  std::string path;
  bool was_there = false;
};

Seconds DavDoor::wait_of(std::string_view path, std::int64_t size_bytes) const {
  const auto patience = parts_.patience();
  return delivery::is_incomplete(path, size_bytes) ? patience.hold : patience.settle;
}

Task<DavDoor::Answer> DavDoor::put(HttpRequest request, std::shared_ptr<net::HttpBody> body, HeardRequest& heard) {
  if (auto refusal = refuse_codings(request)) co_return std::move(*refusal);
  if (auto refusal = refuse_no_length(request)) co_return std::move(*refusal);
  if (auto refusal = refuse_other_sites(request, parts_.public_origin)) co_return std::move(*refusal);
  // A part of a document would stand for the whole (RFC 9110 section 14.5).
  if (request.headers.contains("Content-Range"))
    co_return fail(ErrorKind::invalid, "whole_documents_only", "Documents are put whole: no Content-Range is understood.");
  auto call = co_await admit(std::move(request), heard);
  if (!call) co_return std::unexpected(call.error());
  if (call->resource.ends_in_slash || call->view.is_collection(call->path())) co_return is_collection();
  if (!call->view.is_collection(wire::webdav::parent_of(call->path()))) co_return no_parent();
  const auto* there = call->view.document(call->path());
  if (const auto good = check_conditions(call->request, there); !good) co_return std::unexpected(good.error());
  const bool was_there = there != nullptr;
  const auto path = call->path();
  auto type = call->request.content_type();
  auto paced = std::make_shared<PacedBody>(std::move(body), parts_.steady, parts_.least_rate());
  auto delivery = co_await take_in(std::move(*call), path, std::move(type), std::move(paced));
  if (!delivery) co_return std::unexpected(delivery.error());
  co_return done(was_there, {.path = path, .delivery = std::move(*delivery)});
}

Task<Result<store::Delivery>> DavDoor::take_in(Call call, std::string path, std::string content_type,
                                               std::shared_ptr<net::HttpBody> body) {
  const auto connector = call.resource.connector;
  DeliveryId waiting;
  if (const auto* there = call.view.document(path);
      there != nullptr && delivery::is_incomplete(path, there->delivery.size_bytes) &&
      (there->delivery.size_bytes == 0 || there->delivery.source == call.source())) {
    waiting = there->delivery.id;
    if (const auto good = co_await parts_.shelf.postpone(waiting, path, kUploadTimeMax); !good)
      co_return std::unexpected(good.error());
  }
  collections_.use(call.whose(), std::string(wire::webdav::parent_of(path)));
  delivery::Submission submission{.submitter = delivery::submitter_of(std::move(call.principal)),
                                  .connector = connector,
                                  .name = std::string(wire::webdav::name_of(path)),
                                  .content_type = std::move(content_type),
                                  .source = call.source(),
                                  .size_bytes = body->stated_size(),
                                  .fields_json = delivery::path_field(path),
                                  .folder = std::string(wire::webdav::parent_of(path))};
  submission.may_be_renamed = true;
  auto delivery = co_await receive(std::move(submission), path, std::move(body));
  if (!delivery) {
    if (!waiting.none()) (void)co_await parts_.shelf.postpone(waiting, path, parts_.patience().hold);
    co_return delivery;
  }
  parts_.counters.accepted += 1;
  parts_.counters.accepted_bytes += delivery->size_bytes;
  if (delivery::is_incomplete(path, delivery->size_bytes)) parts_.dav_counters.held += 1;
  parts_.dav_counters.released += co_await parts_.shelf.displace(call.owner, connector, path, *delivery, waiting);
  co_return delivery;
}

Task<Result<store::Delivery>> DavDoor::receive(delivery::Submission submission, std::string path,
                                               std::shared_ptr<net::HttpBody> body) {
  auto incoming = co_await parts_.reception.open(std::move(submission));
  if (!incoming) co_return std::unexpected(incoming.error());
  std::int64_t size = 0;
  for (;;) {
    auto piece = co_await body->pull();
    if (!piece) co_return std::unexpected(piece.error());
    if (piece->empty()) break;
    size += static_cast<std::int64_t>(piece->size());
    if (const auto taken = co_await (*incoming)->append(std::move(*piece)); !taken) co_return std::unexpected(taken.error());
  }
  co_return co_await (*incoming)->accept(wait_of(path, size));
}

// Where a MOVE or COPY is to go.
Result<DavDoor::Target> DavDoor::target_of(const Call& call) const {
  const auto overwrite = wire::webdav::parse_overwrite(call.request.headers.find("Overwrite"));
  if (!overwrite) return std::unexpected(overwrite.error());
  const auto destination = wire::webdav::parse_destination(call.request.headers.find("Destination"));
  if (!destination) return std::unexpected(destination.error());
  const auto& authority = destination->authority;
  if (!authority.empty() && authority != call.request.host && authority != authority_of(parts_.public_origin))
    return fail(ErrorKind::refused, "other_server", "Destination names another server.");
  const auto resource = wire::webdav::resource_at(kDavMount, destination->path);
  if (!resource) return std::unexpected(resource.error());
  if (resource->connector != call.resource.connector)
    return fail(ErrorKind::refused, "other_connector", "A document stays with the connector it was put to.");
  if (resource->path == call.path())
    return fail(ErrorKind::refused, "same_place", "Destination is the document's own address.");
  if (resource->ends_in_slash || call.view.is_collection(resource->path)) return is_collection();
  if (!call.view.is_collection(wire::webdav::parent_of(resource->path))) return no_parent();
  const bool was_there = call.view.document(resource->path) != nullptr;
  if (was_there && *overwrite == Overwrite::no)
    return fail(ErrorKind::conflict, "precondition_failed", "There is a document at the destination already.");
  return Target{.path = resource->path, .was_there = was_there};
}

Task<DavDoor::Answer> DavDoor::move(Call call) {
  const auto* item = call.view.document(call.path());
  if (item == nullptr && call.view.is_collection(call.path()))
    co_return fail(ErrorKind::refused, "collections_stay", "Folders are not moved: move the documents.");
  if (item == nullptr)
    co_return fail(ErrorKind::not_found, "no_such_resource",
                   "There is no document at this address that you put there in the last hour.");
  const auto target = target_of(call);
  if (!target) co_return std::unexpected(target.error());
  const auto size = item->delivery.size_bytes;
  // A client that gives a document its final name is done with it.
  const auto wait = delivery::is_incomplete(target->path, size) ? parts_.patience().hold : Seconds(0);
  auto moved = co_await parts_.shelf.move(call.owner, item->delivery.id, target->path, wait);
  if (!moved) co_return std::unexpected(moved.error());
  parts_.dav_counters.renamed += 1;
  collections_.use(call.whose(), std::string(wire::webdav::parent_of(target->path)));
  parts_.dav_counters.released += co_await parts_.shelf.displace(call.owner, call.resource.connector, target->path, *moved, DeliveryId{});
  co_return done(target->was_there, {.path = target->path, .delivery = std::move(*moved)});
}

Task<DavDoor::Answer> DavDoor::copy(Call call) {
  const auto* item = call.view.document(call.path());
  if (item == nullptr && call.view.is_collection(call.path()))
    co_return fail(ErrorKind::refused, "collections_stay", "Folders are not copied: copy the documents.");
  if (item == nullptr)
    co_return fail(ErrorKind::not_found, "no_such_resource",
                   "There is no document at this address that you put there in the last hour.");
  const auto target = target_of(call);
  if (!target) co_return std::unexpected(target.error());
  auto document = co_await parts_.shelf.open(item->delivery);
  if (!document) co_return std::unexpected(document.error());
  auto type = item->delivery.content_type;
  auto copied =
      co_await take_in(std::move(call), target->path, std::move(type), std::make_shared<SpooledBody>(std::move(*document)));
  if (!copied) co_return std::unexpected(copied.error());
  co_return done(target->was_there, {.path = target->path, .delivery = std::move(*copied)});
}

}  // namespace latchkey::doors

#include "doors/http/deliver_door.h"

#include <algorithm>
#include <charconv>

#include "base/run_on.h"
#include "delivery/views.h"
#include "doors/http/content_disposition.h"
#include "doors/http/door_request.h"

namespace latchkey::doors {
namespace {

using net::HttpRequest;
using net::HttpResponse;

constexpr std::string_view kDeliver = "/v1/deliver/";
constexpr std::string_view kDeliveries = "/v1/deliveries";
constexpr Seconds kWaitMax{60};
constexpr std::size_t kLatest = 50;

HttpResponse nothing_here() {
  return HttpResponse::problem(404, "not_found", "There is nothing at this address.").with("Cache-Control", "no-store");
}

Error no_such_delivery() {
  return {.kind = ErrorKind::not_found,
          .reason = "no_such_delivery",
          .text = "There is no such delivery, or it was submitted by somebody else."};
}

bool is_of(const people::Principal& who, const store::Delivery& delivery) {
  if (const auto* user = std::get_if<people::Admitted>(&who)) return delivery.submitter == user->user;
  return delivery.device == std::get<people::AdmittedDevice>(who).device;
}

// A form's type is what command-line tools send when nobody names one: it says nothing of the document.
std::string document_type_of(const HttpRequest& request) {
  auto type = request.content_type();
  return type == "application/x-www-form-urlencoded" ? std::string() : type;
}

HttpResponse answer(int status, const JsonObject& view) {
  return HttpResponse::json(status, view).with("Cache-Control", "no-store");
}

}  // namespace

std::optional<Seconds> wait_preferred(std::string_view prefer) {
  constexpr std::string_view kWait = "wait=";
  while (!prefer.empty()) {
    const auto comma = std::min(prefer.find(','), prefer.size());
    auto one = prefer.substr(0, comma);
    prefer.remove_prefix(std::min(comma + 1, prefer.size()));
    while (one.starts_with(' ')) one.remove_prefix(1);
    if (!one.starts_with(kWait)) continue;
    one.remove_prefix(kWait.size());
    std::int64_t seconds = 0;
    const auto [end, error] = std::from_chars(one.data(), one.data() + one.size(), seconds);
    if (error != std::errc() || seconds < 0) return std::nullopt;
    return std::min(Seconds(seconds), kWaitMax);
  }
  return std::nullopt;
}

bool DeliverDoor::streams_body(std::string_view method, std::string_view path) const {
  return method == "POST" && path.starts_with(kDeliver);
}

Task<Result<people::Principal>> DeliverDoor::admit(HttpRequest request) {
  auto credentials = parse_basic(request.headers.find("Authorization").value_or(""));
  if (!credentials) co_return std::unexpected(no_credentials());
  co_return co_await parts_.gate.admit(attempt_of(request, std::move(*credentials), store::kUseDeliver));
}

Task<HttpResponse> DeliverDoor::handle_stream(HttpRequest request, std::shared_ptr<net::HttpBody> body) {
  if (auto refusal = refuse_codings(request)) co_return std::move(*refusal);
  if (auto refusal = refuse_no_length(request)) co_return std::move(*refusal);
  if (auto refusal = refuse_other_sites(request, parts_.public_origin)) co_return std::move(*refusal);
  if (request.content_type() == "multipart/form-data") {
    co_return HttpResponse::problem(415, "unsupported_media_type", "Send the document as the body itself, not as a form.")
        .with("Cache-Control", "no-store");
  }
  const auto wait = wait_preferred(request.headers.value_or("Prefer"));
  auto paced = std::make_shared<PacedBody>(std::move(body), parts_.steady, parts_.least_rate());
  auto delivery = co_await take_in(std::move(request), std::move(paced));
  if (!delivery) {
    parts_.counters.refused += 1;
    co_return problem_of(delivery.error());
  }
  parts_.counters.accepted += 1;
  parts_.counters.accepted_bytes += delivery->size_bytes;
  const auto address = std::string(kDeliveries) + "/" + delivery->id.text();
  if (wait) {
    if (auto settled = co_await base::run_on(parts_.engine, parts_.queue.wait_for(delivery->id, *wait)))
      delivery = std::move(settled);
  }
  const bool delivered = delivery->state == store::DeliveryState::delivered;
  auto response = answer(delivered ? 201 : 202, delivery::view_of(*delivery));
  response.headers.set("Location", address);
  if (wait) response.headers.set("Preference-Applied", "wait=" + std::to_string(wait->count()));
  co_return response;
}

Task<Result<store::Delivery>> DeliverDoor::take_in(HttpRequest request, std::shared_ptr<net::HttpBody> body) {
  auto admitted = co_await admit(request);
  if (!admitted) co_return std::unexpected(admitted.error());
  auto name = file_name_of(request.headers.value_or("Content-Disposition"));
  if (!name) co_return std::unexpected(name.error());
  delivery::Submission submission{
      .submitter = delivery::submitter_of(std::move(*admitted)),
      .connector = request.path.substr(kDeliver.size()),
      .name = name->value_or(""),
      .content_type = document_type_of(request),
      .source = "http " + request.client.text(),
      .size_bytes = body->stated_size()};
  auto incoming = co_await parts_.reception.open(std::move(submission));
  if (!incoming) co_return std::unexpected(incoming.error());
  for (;;) {
    auto piece = co_await body->pull();
    if (!piece) co_return std::unexpected(piece.error());
    if (piece->empty()) break;
    if (const auto taken = co_await (*incoming)->append(std::move(*piece)); !taken) co_return std::unexpected(taken.error());
  }
  co_return co_await (*incoming)->accept();
}

Task<HttpResponse> DeliverDoor::handle(HttpRequest request) {
  if (request.path.starts_with(kDeliver)) {
    co_return HttpResponse::problem(405, "method_not_allowed", "Deliver with POST.")
        .with("Allow", "POST")
        .with("Cache-Control", "no-store");
  }
  if (request.path != kDeliveries && !request.path.starts_with(std::string(kDeliveries) + "/")) co_return nothing_here();
  if (request.method != "GET") {
    co_return HttpResponse::problem(405, "method_not_allowed", "Ask with GET.")
        .with("Allow", "GET")
        .with("Cache-Control", "no-store");
  }
  if (auto refusal = refuse_other_sites(request, parts_.public_origin)) co_return std::move(*refusal);
  const auto path = request.path;
  auto admitted = co_await admit(std::move(request));
  if (!admitted) co_return problem_of(admitted.error());
  if (path == kDeliveries) co_return co_await show_latest(std::move(*admitted));
  co_return co_await show_one(std::move(*admitted), path.substr(kDeliveries.size() + 1));
}

// A principal sees what it submitted, and of the rest not even that it is there (RULES G1).
Task<HttpResponse> DeliverDoor::show_one(people::Principal who, std::string text) {
  const auto id = DeliveryId::parse(text);
  if (!id) co_return problem_of(no_such_delivery());
  const auto found = co_await parts_.store.delivery(*id);
  if (!found) co_return problem_of(found.error());
  if (!*found || !is_of(who, **found)) co_return problem_of(no_such_delivery());
  co_return answer(200, delivery::full_view_of(**found));
}

Task<HttpResponse> DeliverDoor::show_latest(people::Principal who) {
  const auto* user = std::get_if<people::Admitted>(&who);
  const auto* device = std::get_if<people::AdmittedDevice>(&who);
  const auto found = co_await parts_.store.deliveries({.submitter = user != nullptr ? std::optional(user->user) : std::nullopt,
                                                       .device = device != nullptr ? std::optional(device->device) : std::nullopt,
                                                       .page = {.cursor = {}, .limit = kLatest}});
  if (!found) co_return problem_of(found.error());
  JsonArray items;
  for (const auto& one : found->items) items.emplace_back(delivery::view_of(one));
  co_return answer(200, {{"items", items}, {"total", found->total}});
}

}  // namespace latchkey::doors

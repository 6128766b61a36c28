#include "doors/http/deliver_door.h"

#include <algorithm>
#include <charconv>

#include "base/run_on.h"
#include "delivery/attachment.h"
#include "delivery/views.h"
#include "doors/http/content_disposition.h"
#include "doors/http/door_request.h"
#include "doors/http/form_intake.h"
#include "doors/http/idempotency_key.h"

namespace latchkey::doors {
namespace {

using net::HttpRequest;
using net::HttpResponse;

constexpr std::string_view kDeliver = "/v1/deliver/";
constexpr std::string_view kDeliveries = "/v1/deliveries";
constexpr std::string_view kDocument = "/document";
constexpr Seconds kWaitMax{60};
constexpr std::size_t kLatest = 50;
constexpr std::uint32_t kAnyUse = 0;  // which one is needed the connector says; one's own deliveries need none

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

// 201 once all of it has been delivered, else 202. Of several documents: all of them, and no single address.
HttpResponse answer_about(const std::vector<store::Delivery>& deliveries) {
  const bool delivered = std::ranges::all_of(
      deliveries, [](const store::Delivery& one) { return one.state == store::DeliveryState::delivered; });
  if (deliveries.size() == 1) {
    return answer(delivered ? 201 : 202, delivery::view_of(deliveries.front()))
        .with("Location", std::string(kDeliveries) + "/" + deliveries.front().id.text());
  }
  JsonArray items;
  for (const auto& one : deliveries) items.emplace_back(delivery::view_of(one));
  return answer(delivered ? 201 : 202, {{"items", items}, {"total", items.size()}});
}

delivery::Reception::Author author_of(const people::Principal& principal) {
  if (const auto* device = std::get_if<people::AdmittedDevice>(&principal))
    return {.user = {}, .auth_epoch = 0, .device = device->device, .secret_set_at = device->secret_set_at};
  const auto& user = std::get<people::Admitted>(principal);
  return {.user = user.user, .auth_epoch = user.auth_epoch};
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

Task<Result<people::Principal>> DeliverDoor::admit(HttpRequest request, HeardRequest& heard) {
  auto credentials = parse_basic(request.headers.find("Authorization").value_or(""));
  if (!credentials) co_return std::unexpected(no_credentials());
  auto principal = co_await parts_.gate.admit(attempt_of(request, std::move(*credentials), kAnyUse));
  heard.judged(principal);
  co_return principal;
}

Task<HttpResponse> DeliverDoor::handle_stream(HttpRequest request, std::shared_ptr<net::HttpBody> body) {
  auto heard = parts_.ear.hear(request);
  auto counted = heard.counting(std::move(body));
  auto response = co_await serve_stream(std::move(request), std::move(counted), heard);
  parts_.ear.keep(heard, response, kHttpDoor);
  co_return response;
}

Task<HttpResponse> DeliverDoor::serve_stream(HttpRequest request, std::shared_ptr<net::HttpBody> body, HeardRequest& heard) {
  if (auto refusal = refuse_codings(request)) co_return std::move(*refusal);
  if (auto refusal = refuse_no_length(request)) co_return std::move(*refusal);
  if (auto refusal = refuse_other_sites(request, parts_.public_origin)) co_return std::move(*refusal);
  const auto wait = wait_preferred(request.headers.value_or("Prefer"));
  auto paced = std::make_shared<PacedBody>(std::move(body), parts_.steady, parts_.least_rate());
  auto deliveries = co_await take_in(std::move(request), std::move(paced), heard);
  if (!deliveries) {
    parts_.counters.refused += 1;
    co_return problem_of(deliveries.error());
  }
  for (const auto& one : *deliveries) {
    parts_.counters.accepted += 1;
    parts_.counters.accepted_bytes += one.size_bytes;
  }
  if (wait) deliveries = co_await settled(std::move(*deliveries), *wait);
  auto response = answer_about(*deliveries);
  if (wait) response.headers.set("Preference-Applied", "wait=" + std::to_string(wait->count()));
  co_return response;
}

Task<DeliverDoor::Deliveries> DeliverDoor::settled(Deliveries deliveries, Seconds patience) {
  const auto until = parts_.steady.now() + patience;
  for (auto& one : deliveries) {
    const auto left = std::chrono::ceil<Seconds>(until - parts_.steady.now());
    auto settled = co_await base::run_on(parts_.engine, parts_.queue.wait_for(one.id, std::max(left, Seconds(0))));
    if (settled) one = std::move(*settled);
  }
  co_return deliveries;
}

Task<Result<DeliverDoor::Deliveries>> DeliverDoor::take_in(HttpRequest request, std::shared_ptr<net::HttpBody> body,
                                                           HeardRequest& heard) {
  auto admitted = co_await admit(request, heard);
  if (!admitted) co_return std::unexpected(admitted.error());
  auto key = idempotency_key_of(request.headers.value_or("Idempotency-Key"));
  if (!key) co_return std::unexpected(key.error());
  auto connector = request.path.substr(kDeliver.size());
  // Before anything is said that shows that it is there (RULES G1).
  if (const auto there = co_await parts_.reception.check_access(author_of(*admitted), connector); !there)
    co_return std::unexpected(there.error());
  const auto is_mail = co_await parts_.mail.is_for(connector);
  if (!is_mail) co_return std::unexpected(is_mail.error());
  const auto may = co_await parts_.gate.check_uses(*admitted, *is_mail ? store::kUseSend : store::kUseDeliver);
  if (!may) co_return std::unexpected(may.error());
  delivery::Submission submission{.submitter = delivery::submitter_of(std::move(*admitted)),
                                  .connector = std::move(connector),
                                  .name = {},
                                  .content_type = {},
                                  .source = "http " + request.client.text()};
  submission.idempotency_key = std::move(*key);
  if (*is_mail) co_return co_await take_mail(std::move(request), std::move(submission), std::move(body));
  if (request.content_type() == "multipart/form-data") {
    auto boundary = wire::multipart_boundary(request.headers.value_or("Content-Type"));
    if (!boundary) co_return std::unexpected(boundary.error());
    co_return co_await take_form(std::move(submission), std::move(*boundary), std::move(body));
  }
  auto name = file_name_of(request.headers.value_or("Content-Disposition"));
  if (!name) co_return std::unexpected(name.error());
  submission.name = name->value_or("");
  submission.content_type = document_type_of(request);
  submission.size_bytes = body->stated_size();
  co_return co_await take_one(std::move(submission), std::move(body));
}

Task<Result<DeliverDoor::Deliveries>> DeliverDoor::take_mail(HttpRequest request, delivery::Submission submission,
                                                             std::shared_ptr<net::HttpBody> body) {
  delivery::MailSubmission mail{.submitter = std::move(submission.submitter),
                                .connector = std::move(submission.connector),
                                .recipients = {},
                                .source = std::move(submission.source)};
  mail.idempotency_key = std::move(submission.idempotency_key);
  Result<store::Delivery> accepted;
  if (request.content_type() == "message/rfc822") {
    accepted = co_await parts_.mail.take_message(std::move(mail), std::move(body));
  } else if (request.content_type() == "multipart/form-data") {
    auto boundary = wire::multipart_boundary(request.headers.value_or("Content-Type"));
    if (!boundary) co_return std::unexpected(boundary.error());
    accepted = co_await parts_.mail.take_form(std::move(mail), std::move(*boundary), std::move(body));
  } else {
    co_return fail(ErrorKind::invalid, "unsupported_media_type",
                   "Mail is a message (message/rfc822) or a form (multipart/form-data) with to, subject, text and files.");
  }
  if (!accepted) co_return std::unexpected(accepted.error());
  co_return Deliveries{std::move(*accepted)};
}

Task<Result<DeliverDoor::Deliveries>> DeliverDoor::take_one(delivery::Submission submission,
                                                            std::shared_ptr<net::HttpBody> body) {
  auto incoming = co_await parts_.reception.open(std::move(submission));
  if (!incoming) co_return std::unexpected(incoming.error());
  for (;;) {
    auto piece = co_await body->pull();
    if (!piece) co_return std::unexpected(piece.error());
    if (piece->empty()) break;
    if (const auto taken = co_await (*incoming)->append(std::move(*piece)); !taken) co_return std::unexpected(taken.error());
  }
  auto accepted = co_await (*incoming)->accept();
  if (!accepted) co_return std::unexpected(accepted.error());
  co_return Deliveries{std::move(*accepted)};
}

Task<Result<DeliverDoor::Deliveries>> DeliverDoor::take_form(delivery::Submission submission, std::string boundary,
                                                             std::shared_ptr<net::HttpBody> body) {
  FormIntake intake(parts_.reception, std::move(submission), std::move(boundary));
  auto documents = co_await intake.take(std::move(body));
  if (!documents) co_return std::unexpected(documents.error());
  co_return co_await parts_.reception.accept(std::move(*documents));
}

Task<HttpResponse> DeliverDoor::handle(HttpRequest request) {
  auto heard = parts_.ear.hear(request);
  auto response = co_await serve(std::move(request), heard);
  parts_.ear.keep(heard, response, kHttpDoor);
  co_return response;
}

Task<HttpResponse> DeliverDoor::serve(HttpRequest request, HeardRequest& heard) {
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
  auto path = request.path;
  auto source = request.client.text();
  auto admitted = co_await admit(std::move(request), heard);
  if (!admitted) co_return problem_of(admitted.error());
  if (path == kDeliveries) co_return co_await show_latest(std::move(*admitted));
  path.erase(0, kDeliveries.size() + 1);
  if (!path.ends_with(kDocument)) co_return co_await show_one(std::move(*admitted), std::move(path));
  path.resize(path.size() - kDocument.size());
  co_return co_await give_document(std::move(*admitted), std::move(path), std::move(source));
}

// A principal sees what it submitted, and of the rest not even that it is there (RULES G1).
Task<Result<store::Delivery>> DeliverDoor::own(const people::Principal& who, std::string text) {
  const auto id = DeliveryId::parse(text);
  if (!id) co_return std::unexpected(no_such_delivery());
  auto found = co_await parts_.store.delivery(*id);
  if (!found) co_return std::unexpected(found.error());
  if (!*found || !is_of(who, **found)) co_return std::unexpected(no_such_delivery());
  co_return std::move(**found);
}

Task<HttpResponse> DeliverDoor::show_one(people::Principal who, std::string id) {
  const auto found = co_await own(who, std::move(id));
  if (!found) co_return problem_of(found.error());
  co_return answer(200, delivery::full_view_of(*found));
}

Task<HttpResponse> DeliverDoor::give_document(people::Principal who, std::string id, std::string source) {
  const auto found = co_await own(who, std::move(id));
  if (!found) co_return problem_of(found.error());
  const auto* user = std::get_if<people::Admitted>(&who);
  people::Actor actor{.name = user != nullptr ? user->username : std::get<people::AdmittedDevice>(who).name,
                      .source = std::move(source),
                      .user = user != nullptr ? user->user : UserId()};
  auto document = co_await base::run_on(parts_.engine, parts_.desk.document(found->id, std::move(actor)));
  if (!document) co_return problem_of(document.error());
  co_return delivery::attachment(document->delivery.name, std::move(document->octets));
}

Task<HttpResponse> DeliverDoor::show_latest(people::Principal who) {
  const auto* user = std::get_if<people::Admitted>(&who);
  const auto* device = std::get_if<people::AdmittedDevice>(&who);
  const auto found =
      co_await parts_.store.deliveries({.submitter = user != nullptr ? std::optional(user->user) : std::nullopt,
                                        .device = device != nullptr ? std::optional(device->device) : std::nullopt,
                                        .page = {.cursor = {}, .limit = kLatest}});
  if (!found) co_return problem_of(found.error());
  JsonArray items;
  for (const auto& one : found->items) items.emplace_back(delivery::view_of(one));
  co_return answer(200, {{"items", items}, {"total", found->total}});
}

}  // namespace latchkey::doors

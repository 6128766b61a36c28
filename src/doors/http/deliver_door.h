// The HTTP door for documents (docs/design/doors.md, api/openapi.json):
//
//   POST /v1/deliver/{connector}    the document as the body, or documents in a form; streamed. To a mail connector: a message
//                                   (message/rfc822), or a form that says one
//   GET  /v1/deliveries             the caller's latest
//   GET  /v1/deliveries/{id}        what became of one
//   GET  /v1/deliveries/{id}/document    the document itself, while it is here
#pragma once

#include <functional>
#include <string>

#include "delivery/delivery_desk.h"
#include "delivery/queue.h"
#include "delivery/reception.h"
#include "doors/http/device_ear.h"
#include "doors/http/mail_intake.h"
#include "doors/http/paced_body.h"
#include "net/http_server.h"
#include "people/door_gate.h"

namespace latchkey::doors {

// Thread-safe: runs on every worker.
class DeliverDoor final : public net::HttpHandler {
 public:
  struct Parts {
    people::DoorGate& gate;
    delivery::Reception& reception;
    MailIntake& mail;
    delivery::Queue& queue;
    delivery::DeliveryDesk& desk;
    delivery::Counters& counters;
    DeviceEar& ear;
    store::Store& store;
    SteadyClock& steady;
    std::function<LeastRate()> least_rate;  // from any thread
    Executor engine;                        // the queue's
    std::string public_origin;              // the only Origin that may call (rule G3); empty: none may
  };
  explicit DeliverDoor(Parts parts) : parts_(std::move(parts)) {}

  [[nodiscard]] Task<net::HttpResponse> handle(net::HttpRequest request) override;
  [[nodiscard]] std::size_t body_limit(std::string_view, std::string_view) const override { return 4096; }
  [[nodiscard]] bool streams_body(std::string_view method, std::string_view path) const override;
  [[nodiscard]] Task<net::HttpResponse> handle_stream(net::HttpRequest request,
                                                      std::shared_ptr<net::HttpBody> body) override;

 private:
  // `heard` outlives each of these.
  [[nodiscard]] Task<net::HttpResponse> serve(net::HttpRequest request, HeardRequest& heard);
  [[nodiscard]] Task<net::HttpResponse> serve_stream(net::HttpRequest request, std::shared_ptr<net::HttpBody> body,
                                                     HeardRequest& heard);
  [[nodiscard]] Task<Result<people::Principal>> admit(net::HttpRequest request, HeardRequest& heard);
  using Deliveries = std::vector<store::Delivery>;
  [[nodiscard]] Task<Result<Deliveries>> take_in(net::HttpRequest request, std::shared_ptr<net::HttpBody> body,
                                                 HeardRequest& heard);
  [[nodiscard]] Task<Result<Deliveries>> take_mail(net::HttpRequest request, delivery::Submission submission,
                                                   std::shared_ptr<net::HttpBody> body);
  [[nodiscard]] Task<Result<Deliveries>> take_one(delivery::Submission submission, std::shared_ptr<net::HttpBody> body);
  [[nodiscard]] Task<Result<Deliveries>> take_form(delivery::Submission submission, std::string boundary,
                                                   std::shared_ptr<net::HttpBody> body);
  // As they are once all have settled, or after `patience`.
  [[nodiscard]] Task<Deliveries> settled(Deliveries deliveries, Seconds patience);
  // Of this principal's own; `who` outlives the call. Errors: not_found/`no_such_delivery`, those of the store.
  [[nodiscard]] Task<Result<store::Delivery>> own(const people::Principal& who, std::string id);
  [[nodiscard]] Task<net::HttpResponse> give_document(people::Principal who, std::string id, std::string source);
  [[nodiscard]] Task<net::HttpResponse> show_one(people::Principal who, std::string id);
  [[nodiscard]] Task<net::HttpResponse> show_latest(people::Principal who);

  Parts parts_;
};

// How long the answer may wait for the receipt: `Prefer: wait=30` (RFC 7240), at most a minute; nullopt: not at all.
[[nodiscard]] std::optional<Seconds> wait_preferred(std::string_view prefer);

}  // namespace latchkey::doors

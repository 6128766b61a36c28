// The WebDAV door (RFC 4918, class 1; docs/design/webdav.md): /dav/{connector}/...
//
// Whoever may use the connector sees their own documents of the last hour and puts new ones; nothing else is there (RULES
// G1, G4). What is put goes to the connector's destination, the folders of its path below the connector's own.
//
// Concurrency: thread-safe, runs on every worker.
#pragma once

#include <functional>
#include <string>

#include "delivery/counters.h"
#include "delivery/mail_post.h"
#include "delivery/reception.h"
#include "delivery/shelf.h"
#include "doors/http/device_ear.h"
#include "doors/http/paced_body.h"
#include "doors/webdav/collections.h"
#include "doors/webdav/dav_counters.h"
#include "doors/webdav/dav_view.h"
#include "net/http_server.h"
#include "people/door_gate.h"

namespace latchkey::doors {

// How long a document waits before it is sent.
struct DavPatience {
  Seconds settle{5};  // one that looks complete: for a client that renames it, or takes it back, at once
  Seconds hold{900};  // an empty one, or one with a temporary name: for the PUT or MOVE that completes it
};

class DavDoor final : public net::HttpHandler {
 public:
  struct Parts {
    people::DoorGate& gate;
    delivery::Reception& reception;
    delivery::MailPost& mail;
    delivery::Shelf& shelf;
    delivery::Counters& counters;
    DavCounters& dav_counters;
    DeviceEar& ear;
    const WallClock& wall;
    SteadyClock& steady;
    std::function<DavPatience()> patience;
    std::function<LeastRate()> least_rate;  // from any thread
    std::string public_origin;              // the only Origin that may call (rule G3); empty: none may
  };
  explicit DavDoor(Parts parts) : parts_(std::move(parts)), collections_(parts_.wall) {}

  [[nodiscard]] Task<net::HttpResponse> handle(net::HttpRequest request) override;
  [[nodiscard]] std::size_t body_limit(std::string_view method, std::string_view path) const override;
  [[nodiscard]] bool streams_body(std::string_view method, std::string_view path) const override;
  [[nodiscard]] Task<net::HttpResponse> handle_stream(net::HttpRequest request,
                                                      std::shared_ptr<net::HttpBody> body) override;

 private:
  using Answer = Result<net::HttpResponse>;
  // A request whose caller has been let in, and what they see.
  struct Call {
    net::HttpRequest request;
    wire::webdav::Resource resource;
    people::Principal principal;
    delivery::Owner owner;
    DavView view;

    [[nodiscard]] const std::string& path() const { return resource.path; }
    [[nodiscard]] std::string whose() const;  // the key of their collections
    [[nodiscard]] std::string source() const;  // as their deliveries have it
  };

  // `heard` outlives the call.
  [[nodiscard]] Task<Result<Call>> admit(net::HttpRequest request, HeardRequest& heard);
  [[nodiscard]] Task<Answer> serve(net::HttpRequest request, HeardRequest& heard);
  [[nodiscard]] Task<Answer> get(Call call);
  [[nodiscard]] Answer propfind(const Call& call) const;
  [[nodiscard]] Answer proppatch(const Call& call) const;
  [[nodiscard]] Answer make_collection(const Call& call);
  [[nodiscard]] Task<Answer> remove(Call call);

  // dav_transfer.cpp
  struct Target;
  [[nodiscard]] Task<Answer> put(net::HttpRequest request, std::shared_ptr<net::HttpBody> body, HeardRequest& heard);
  [[nodiscard]] Result<Target> target_of(const Call& call) const;
  [[nodiscard]] Task<Answer> move(Call call);
  [[nodiscard]] Task<Answer> copy(Call call);
  [[nodiscard]] Task<Result<store::Delivery>> take_in(Call call, std::string path, std::string content_type,
                                                      std::shared_ptr<net::HttpBody> body);
  [[nodiscard]] Task<Result<store::Delivery>> receive(delivery::Submission submission, std::string path,
                                                      std::shared_ptr<net::HttpBody> body);
  [[nodiscard]] Seconds wait_of(std::string_view path, std::int64_t size_bytes) const;

  Parts parts_;
  DavCollections collections_;
};

}  // namespace latchkey::doors

// What a panel shows of a destination (api/openapi.json):
//
//   GET /v1/connectors/{connector}/list?kind=folder&filter=text
#pragma once

#include <string>

#include "delivery/panel.h"
#include "doors/http/device_ear.h"
#include "net/http_server.h"
#include "net/http_types.h"
#include "people/door_gate.h"

namespace latchkey::doors {

// Thread-safe: runs on every worker.
class PanelDoor final : public net::HttpHandler {
 public:
  // `public_origin`: the only Origin that may call (rule G3); empty: none may.
  PanelDoor(people::DoorGate& gate, delivery::Panel& panel, DeviceEar& ear, std::string public_origin)
      : gate_(gate), panel_(panel), ear_(ear), public_origin_(std::move(public_origin)) {}

  [[nodiscard]] Task<net::HttpResponse> handle(net::HttpRequest request) override;
  [[nodiscard]] std::size_t body_limit(std::string_view, std::string_view) const override { return 4096; }

 private:
  // `heard` outlives the call.
  [[nodiscard]] Task<net::HttpResponse> serve(net::HttpRequest request, HeardRequest& heard);

  people::DoorGate& gate_;
  delivery::Panel& panel_;
  DeviceEar& ear_;
  std::string public_origin_;
};

}  // namespace latchkey::doors

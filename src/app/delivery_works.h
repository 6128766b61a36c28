// The parts that take documents in and deliver them, assembled. One of the blocks of the wiring.
//
// Concurrency: built before the loop runs; open() and close() on main().
#pragma once

#include <memory>
#include <string>

#include "app/engine.h"
#include "connectors/registry.h"
#include "console/probes.h"
#include "delivery/connector_desk.h"
#include "delivery/delivery_desk.h"
#include "delivery/owner_letters.h"
#include "delivery/panel.h"
#include "delivery/queue.h"
#include "delivery/reception.h"
#include "doors/http/device_ear.h"
#include "doors/http/paced_body.h"
#include "net/curl_transport.h"
#include "people/device_conversations.h"
#include "people/device_desk.h"
#include "people/door_gate.h"
#include "store/files.h"

namespace latchkey::app {

// What it stands on; all of it outlives the works.
struct DeliveryGround {
  net::EventLoop& loop;
  Engine& engine;
  store::Store& store;
  const store::Registry& registry;
  const people::UserSeal& user_seal;
  const vault::Vault& vault;
  people::PinGate& pin_gate;
  people::UserCards& user_cards;
  std::shared_ptr<const catalog::Catalog> catalog;
  net::CurlSettings outgoing;  // documents go over connections of their own: a slow upload holds no refresh up
  const WallClock& wall;
  SteadyClock& steady;
  Entropy& entropy;
  Log& log;
  NodeId node;
  std::string data;  // the spool lies in it
  std::string public_url;
};

// A resource.
class DeliveryWorks final : public console::MetricsSource {
 public:
  explicit DeliveryWorks(DeliveryGround ground);
  DeliveryWorks(const DeliveryWorks&) = delete;
  DeliveryWorks& operator=(const DeliveryWorks&) = delete;
  ~DeliveryWorks() override;

  [[nodiscard]] Task<Result<void>> open();
  // What is being sent is cut, and goes on at the next start.
  [[nodiscard]] Task<void> close();

  // Of all doors.
  [[nodiscard]] people::DoorGate& door_gate() { return door_gate_; }
  [[nodiscard]] people::DeviceDesk& device_desk() { return device_desk_; }
  [[nodiscard]] people::DeviceConversations& device_conversations() { return device_conversations_; }
  // Of the doors that speak HTTP.
  [[nodiscard]] doors::DeviceEar& device_ear() { return device_ear_; }
  [[nodiscard]] delivery::Spool& spool() { return spool_; }
  [[nodiscard]] delivery::Reception& reception() { return reception_; }
  [[nodiscard]] const connectors::Connectors& connectors() const { return connectors_; }
  [[nodiscard]] delivery::Queue& queue() { return queue_; }
  [[nodiscard]] delivery::Counters& counters() { return counters_; }
  // How slowly a door lets a document come in, as the registry has it at the moment.
  [[nodiscard]] std::function<doors::LeastRate()> least_rate() const;
  [[nodiscard]] delivery::ConnectorDesk& connector_desk() { return connector_desk_; }
  [[nodiscard]] delivery::DeliveryDesk& delivery_desk() { return delivery_desk_; }
  [[nodiscard]] delivery::Panel& panel() { return panel_; }

  [[nodiscard]] Task<std::vector<console::Metric>> collect() override;

 private:
  [[nodiscard]] delivery::Queue::Parts queue_parts();

  DeliveryGround ground_;
  store::SystemFiles files_;
  net::CurlTransport transport_;
  connectors::Connectors connectors_;
  delivery::Counters counters_;
  delivery::Spool spool_;
  delivery::OwnerLetters letters_;
  delivery::Queue queue_;
  people::DeviceSeal device_seal_;
  people::DoorGate door_gate_;
  people::DeviceDesk device_desk_;
  people::DeviceConversations device_conversations_;
  doors::DeviceEar device_ear_;
  grants::StandingDelegations standing_;
  delivery::Reception reception_;
  delivery::Destinations destinations_;
  delivery::AccountTrial trial_;
  delivery::AccountAccessOfGrants access_;
  delivery::ConnectorDesk connector_desk_;
  delivery::DeliveryDeskOfQueue delivery_desk_;
  delivery::Panel panel_;
};

}  // namespace latchkey::app

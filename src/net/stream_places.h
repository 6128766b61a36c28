// Who may have a connection to a listener, so that whoever is many leaves the others their places.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "net/ip_address.h"

namespace latchkey::net {

enum class StreamCaller {
  any,       // the listener is there for everybody
  named,     // ... for this address
  stranger,  // ... for others: is served, and takes no place of theirs
};

// Of each listener by itself.
struct StreamPlacesMost {
  std::size_t all = 1'000;
  std::size_t strangers = 50;
  std::size_t of_a_source = 20;
  // Of an IPv6 /48, which an office has for all its devices and anybody may have: 65,536 sources. Those named count for themselves.
  std::size_t of_a_network = 200;
};

// A listener's. Thread-safe; a place keeps it alive.
class StreamPlaces : public std::enable_shared_from_this<StreamPlaces> {
 public:
  explicit StreamPlaces(StreamPlacesMost most) : most_(most) {}

  // Given back at its end.
  class Place {
   public:
    Place(Place&& other) noexcept = default;
    Place& operator=(Place&& other) noexcept;
    ~Place() { give_back(); }

   private:
    friend class StreamPlaces;
    Place(std::shared_ptr<StreamPlaces> places, StreamCaller caller, std::optional<IpAddress> source)
        : places_(std::move(places)), caller_(caller), source_(source) {}
    void give_back();

    std::shared_ptr<StreamPlaces> places_;
    StreamCaller caller_;
    std::optional<IpAddress> source_;  // none: of the listener
  };

  // One connection. Nothing: too many.
  [[nodiscard]] std::optional<Place> enter(StreamCaller caller);
  // One connection of that address, and of the network it lies in. Nothing: too many.
  [[nodiscard]] std::optional<Place> take(const IpAddress& source, StreamCaller caller);
  // How many have entered.
  [[nodiscard]] std::size_t count() const;

 private:
  [[nodiscard]] std::size_t& entered(StreamCaller caller) { return caller == StreamCaller::stranger ? strangers_ : others_; }
  void leave(StreamCaller caller);
  void give(const IpAddress& source, StreamCaller caller);

  const StreamPlacesMost most_;
  mutable std::mutex mutex_;  // guards what follows
  std::size_t strangers_ = 0;
  std::size_t others_ = 0;
  std::unordered_map<SourceAddress, std::size_t, SourceAddressHash> by_source_;
  std::map<IpAddress, std::size_t> by_network_;
};

}  // namespace latchkey::net

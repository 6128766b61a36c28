#include "people/device_address.h"

namespace latchkey::people {

bool is_bound_to(const store::Device& device, const Network& address) {
  if (device.allowed_sources.size() != 1) return false;
  const auto only = Network::parse(device.allowed_sources.front());
  return only && only->prefix_bits == address.prefix_bits && only->octets == address.octets;
}

}  // namespace latchkey::people

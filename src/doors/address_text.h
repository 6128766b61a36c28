// Addresses for the rules that name some. Pure.
#pragma once

#include <string>

#include "net/ip_address.h"

namespace latchkey::doors {

// Of a peer that its proxy does not know: one that no rule allows. Its own would be the proxy's.
inline std::string address_text(const net::IpAddress& peer, bool is_known) { return is_known ? peer.text() : "unknown"; }

}  // namespace latchkey::doors

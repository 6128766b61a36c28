#include "cloud/succession.h"

#include <algorithm>

namespace latchkey::cloud {
namespace {

constexpr std::string_view kDomain = "latchkey cloud succession 1\n";

// Every part has one length.
Bytes proven_octets(const PartyPublic& former, const PartyPublic& next) {
  Bytes octets = base::to_bytes(kDomain);
  for (const ByteView part :
       {ByteView(former.signing), ByteView(former.sealing), ByteView(next.signing), ByteView(next.sealing)})
    octets.insert(octets.end(), part.begin(), part.end());
  return octets;
}

}  // namespace

Succession make_succession(const PartyKeys& former, const PartyPublic& next) {
  Succession succession{.former = former.public_half(), .next = next, .proof = {}};
  const auto proof = crypto::ed25519_sign(former.signing_seed, proven_octets(succession.former, next));
  succession.proof.assign(proof.begin(), proof.end());
  return succession;
}

bool leads_to(const std::vector<Succession>& successions, const PartyPublic& pinned, const PartyPublic& current) {
  auto at = pinned;
  // Each step uses another one: a circle ends.
  for (std::size_t step = 0; step <= successions.size(); ++step) {
    if (at == current) return true;
    const auto next = std::ranges::find_if(successions, [&](const Succession& each) {
      return each.former == at &&
             crypto::ed25519_verify(each.former.signing, proven_octets(each.former, each.next), each.proof);
    });
    if (next == successions.end()) return false;
    at = next->next;
  }
  return false;
}

}  // namespace latchkey::cloud

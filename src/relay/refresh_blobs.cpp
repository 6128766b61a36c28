#include "relay/refresh_blobs.h"

#include <algorithm>

#include <fmt/format.h>

#include "crypto/aead.h"
#include "crypto/hash.h"

namespace latchkey::relay {
namespace {

constexpr std::string_view kPrefix = "lkr1.";
constexpr std::size_t kBlobMax = 64 * 1024;

Secret derived(const Secret& instance_key, std::string_view purpose) {
  const auto key = crypto::keyed_blake2b(instance_key.reveal(), base::as_bytes(purpose));
  return Secret(ByteView(key));
}

// Each part with its length before it.
std::string text_of(const BlobPlace& place) {
  std::string text(kPrefix);
  for (const auto* part : {&place.office, &place.provider, &place.client_id, &place.grant})
    text += fmt::format("{}:{}", part->size(), *part);
  return text;
}

}  // namespace

RefreshBlobs::RefreshBlobs(const Secret& instance_key)
    : key_(derived(instance_key, "latchkey relay refresh token 1")),
      nonce_key_(derived(instance_key, "latchkey relay refresh nonce 1")) {}

Secret RefreshBlobs::seal(const BlobPlace& place, const Secret& refresh_token) const {
  const auto bound = text_of(place);
  const auto digest = crypto::keyed_blake2b(nonce_key_.reveal(), {base::as_bytes(fmt::format("{}:", bound.size())),
                                                                  base::as_bytes(bound), refresh_token.reveal()});
  const auto nonce = ByteView(digest).first(crypto::kAeadNonceBytes);
  Bytes octets(crypto::kAeadNonceBytes + refresh_token.size() + crypto::kAeadTagBytes);
  std::ranges::copy(nonce, octets.begin());
  crypto::aead_seal(key_.reveal(), nonce, base::as_bytes(bound), refresh_token.reveal(),
                    std::span(octets).subspan(crypto::kAeadNonceBytes));
  return Secret(std::string_view(std::string(kPrefix) + base::to_base64url(octets)));
}

Result<Secret> RefreshBlobs::open(const BlobPlace& place, std::string_view blob) const {
  const auto foreign = [] {
    return fail(ErrorKind::refused, "refresh_token_foreign",
                "What the office holds for this account was not given to it by this Cloud Service for this account: the "
                "service's keys "
                "are others than before, or the office's records were altered. Its operator can put back relay.keys; else "
                "the account "
                "must be authorised again.");
  };
  if (!blob.starts_with(kPrefix) || blob.size() > kBlobMax) return foreign();
  const auto octets = base::from_base64url(blob.substr(kPrefix.size()));
  if (!octets || octets->size() <= crypto::kAeadNonceBytes + crypto::kAeadTagBytes) return foreign();
  const ByteView all(*octets);
  auto token = Secret::of_size(octets->size() - crypto::kAeadNonceBytes - crypto::kAeadTagBytes);
  const auto bound = text_of(place);
  const bool opened = crypto::aead_open(key_.reveal(), all.first(crypto::kAeadNonceBytes), base::as_bytes(bound),
                                        all.subspan(crypto::kAeadNonceBytes), token.writable());
  if (!opened) return foreign();
  return token;
}

}  // namespace latchkey::relay

#include "crypto/secret_stream.h"

#include <sodium.h>

#include "base/result.h"
#include "crypto/octets.h"

namespace latchkey::crypto {

static_assert(kStreamKeyBytes == crypto_secretstream_xchacha20poly1305_KEYBYTES);
static_assert(kStreamHeaderBytes == crypto_secretstream_xchacha20poly1305_HEADERBYTES);
static_assert(kStreamOverheadBytes == crypto_secretstream_xchacha20poly1305_ABYTES);

struct StreamSealer::State : crypto_secretstream_xchacha20poly1305_state {};
struct StreamOpener::State : crypto_secretstream_xchacha20poly1305_state {};

StreamSealer::StreamSealer(const Secret& key) : state_(std::make_unique<State>()) {
  LATCHKEY_CHECK(sodium_init() >= 0 && key.size() == kStreamKeyBytes);
  crypto_secretstream_xchacha20poly1305_init_push(state_.get(), header_.data(), key.reveal().data());
}

StreamSealer::~StreamSealer() { sodium_memzero(state_.get(), sizeof(State)); }

Bytes StreamSealer::seal(ByteView plain, ByteView associated, Piece piece) {
  Bytes out(plain.size() + kStreamOverheadBytes);
  const auto tag = piece == Piece::last ? crypto_secretstream_xchacha20poly1305_TAG_FINAL : crypto_secretstream_xchacha20poly1305_TAG_MESSAGE;
  crypto_secretstream_xchacha20poly1305_push(state_.get(), out.data(), nullptr, address_of(plain), plain.size(), address_of(associated),
                                             associated.size(), static_cast<unsigned char>(tag));
  return out;
}

StreamOpener::StreamOpener(const Secret& key, ByteView header) : state_(std::make_unique<State>()) {
  LATCHKEY_CHECK(sodium_init() >= 0 && key.size() == kStreamKeyBytes && header.size() == kStreamHeaderBytes);
  crypto_secretstream_xchacha20poly1305_init_pull(state_.get(), header.data(), key.reveal().data());
}

StreamOpener::~StreamOpener() { sodium_memzero(state_.get(), sizeof(State)); }

std::optional<StreamOpener::Opened> StreamOpener::open(ByteView sealed, ByteView associated) {
  if (sealed.size() < kStreamOverheadBytes) return std::nullopt;
  auto plain = Secret::of_size(sealed.size() - kStreamOverheadBytes);
  unsigned char tag = 0;
  // Room for one octet where there is none to write: libsodium wants a pointer.
  std::uint8_t nothing = 0;
  auto* out = plain.size() > 0 ? plain.writable().data() : &nothing;
  if (crypto_secretstream_xchacha20poly1305_pull(state_.get(), out, nullptr, &tag, sealed.data(), sealed.size(), address_of(associated),
                                                 associated.size()) != 0) {
    return std::nullopt;
  }
  return Opened{.plain = std::move(plain), .piece = tag == crypto_secretstream_xchacha20poly1305_TAG_FINAL ? Piece::last : Piece::middle};
}

}  // namespace latchkey::crypto

// A long ciphertext in pieces: libsodium's secretstream (XChaCha20-Poly1305 with a nonce that moves on). Pieces cannot be left out,
// repeated, put in another order or cut off at the end unnoticed. A resource each; one thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/secret.h"

namespace latchkey::crypto {

inline constexpr std::size_t kStreamKeyBytes = 32;
inline constexpr std::size_t kStreamHeaderBytes = 24;
inline constexpr std::size_t kStreamOverheadBytes = 17;  // of each piece

enum class Piece { middle, last };

class StreamSealer {
 public:
  explicit StreamSealer(const Secret& key);
  ~StreamSealer();
  StreamSealer(const StreamSealer&) = delete;
  StreamSealer& operator=(const StreamSealer&) = delete;

  // Drawn at random; whoever opens needs it, in clear.
  [[nodiscard]] const std::array<std::uint8_t, kStreamHeaderBytes>& header() const { return header_; }
  // `associated` is bound to this piece, and not contained in it.
  [[nodiscard]] Bytes seal(ByteView plain, ByteView associated, Piece piece);

 private:
  struct State;
  std::unique_ptr<State> state_;
  std::array<std::uint8_t, kStreamHeaderBytes> header_{};
};

class StreamOpener {
 public:
  // `header` has kStreamHeaderBytes.
  StreamOpener(const Secret& key, ByteView header);
  ~StreamOpener();
  StreamOpener(const StreamOpener&) = delete;
  StreamOpener& operator=(const StreamOpener&) = delete;

  struct Opened {
    Secret plain;
    Piece piece;
  };
  // nullopt: another key, altered, or not the piece that comes next.
  [[nodiscard]] std::optional<Opened> open(ByteView sealed, ByteView associated);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace latchkey::crypto

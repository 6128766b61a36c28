// One file that holds an installation, under a passphrase: sections of octets in an encrypted stream.
//
//   offset size
//        0    8  "LKBACKUP"
//        8    2  format version, big endian: 1
//       10    4  Argon2id memory in KiB
//       14    4  Argon2id passes
//       18   16  salt
//       34   24  header of the stream (secretstream, XChaCha20-Poly1305)
//       58   16  check: first octets of HKDF-SHA-256(root, info "latchkey backup check")
//       74   ..  pieces: length (4, big endian), ciphertext
//   root = Argon2id(passphrase, salt, memory, passes); stream key = HKDF-SHA-256(root, info "latchkey backup stream")
//   Associated data of every piece: octets 0..73. Inside a piece, its first octet is the kind:
//     1  manifest: JSON; the first piece
//     2  a section begins: JSON {"name", "kind"}
//     3  octets of the section, at most 128 KiB
//     4  the section ends: length (8), SHA-256 (32)
//     5  the end: number of sections (4); the stream's last piece
// Version rule: a reader refuses every other version; a change of anything above is a new one. A section of an unknown kind is
// refused, too: what it holds would be lost.
//
// Memory: one piece. Errors name the file and what to do: invalid/`not_a_backup`, `future_backup`; refused/`wrong_passphrase`;
// corrupt/`backup_damaged`, `backup_truncated`; unavailable/`disk_full`, `disk_failed`.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/entropy.h"
#include "base/json.h"
#include "base/secret.h"
#include "crypto/hash.h"
#include "crypto/secret_stream.h"
#include "store/files.h"

namespace latchkey::store {

inline constexpr std::uint16_t kBackupFormat = 1;
inline constexpr std::size_t kBackupPieceMax = 128 * 1024;

// What a passphrase costs to try. Tests may go lower.
struct BackupCost {
  std::uint32_t memory_kib = 256 * 1024;
  std::uint32_t passes = 3;
};

struct BackupSection {
  std::string name;
  std::string kind;
  friend bool operator==(const BackupSection&, const BackupSection&) = default;
};

// Resources; one thread. Blocking: files, and Argon2id at the start.
class BackupWriter {
 public:
  // Makes the file (mode 0600), which must not exist.
  [[nodiscard]] static Result<std::unique_ptr<BackupWriter>> create(const std::string& path, Files& files, const Secret& passphrase,
                                                                    BackupCost cost, const JsonObject& manifest, Entropy& entropy);
  [[nodiscard]] Result<void> begin(const BackupSection& section);
  [[nodiscard]] Result<void> write(ByteView octets);  // at most kBackupPieceMax, kept together as one piece
  [[nodiscard]] Result<void> end();
  // After the last section: on the medium when it returns.
  [[nodiscard]] Result<void> finish();
  [[nodiscard]] std::uint64_t size_bytes() const { return offset_; }

 private:
  BackupWriter(std::unique_ptr<File> file, const Secret& key) : file_(std::move(file)), sealer_(key) {}
  [[nodiscard]] Result<void> put(std::uint8_t kind, ByteView body, crypto::Piece piece);

  std::unique_ptr<File> file_;
  crypto::StreamSealer sealer_;
  Bytes head_;
  std::uint64_t offset_ = 0;
  crypto::Sha256 digest_;
  std::uint64_t section_bytes_ = 0;
  std::uint32_t sections_ = 0;
};

class BackupReader {
 public:
  // Reads head and manifest.
  [[nodiscard]] static Result<std::unique_ptr<BackupReader>> open(const std::string& path, Files& files, const Secret& passphrase);
  [[nodiscard]] const JsonObject& manifest() const { return manifest_; }
  // The next section; nullopt: that was the last, and the file is whole.
  [[nodiscard]] Result<std::optional<BackupSection>> next();
  // The next piece of it, as written; nullopt: the section is over and whole. To be read to its end before next().
  [[nodiscard]] Result<std::optional<Secret>> read();

 private:
  struct Piece {
    std::uint8_t kind = 0;
    Secret body;
    bool last = false;
  };
  BackupReader(std::string path, std::unique_ptr<File> file, Bytes head, const Secret& key)
      : path_(std::move(path)), file_(std::move(file)), head_(std::move(head)), opener_(key, ByteView(head_).subspan(34, crypto::kStreamHeaderBytes)) {}
  [[nodiscard]] Result<Piece> take();
  [[nodiscard]] std::unexpected<Error> damaged(std::string detail) const;

  std::string path_;
  std::unique_ptr<File> file_;
  Bytes head_;
  crypto::StreamOpener opener_;
  JsonObject manifest_;
  std::uint64_t offset_ = 0;
  crypto::Sha256 digest_;
  std::uint64_t section_bytes_ = 0;
  std::uint32_t sections_ = 0;
};

}  // namespace latchkey::store

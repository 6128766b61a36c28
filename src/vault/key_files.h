// The files a master key and its successor lie in.
//
// Names, for a key file KEY: `KEY` (the one in use), `KEY.next` (made by a rotation, not in place yet), `KEY.old-XXXXXXXX` (retired;
// the first octets of its id). Where KEY's folder cannot be written (a systemd credential), `spare` (SPARE.next) takes the next one,
// and SPARE.old-XXXXXXXX a copy of the old one, since KEY itself is for a person to write over.
// Invariants: no key is ever deleted or written over, but a further copy of one that is in place; a key gets its name when it is
// whole and synced. Which file holds which key is decided by the key's id, never by the name alone, so that a crash between two
// steps is read correctly.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "vault/vault.h"

namespace latchkey::vault {

// A value. The files are read at each call; one process uses them at a time (the data directory's lock).
class KeyFiles {
 public:
  KeyFiles(std::string path, std::string spare) : path_(std::move(path)), spare_(std::move(spare)) {}

  struct Found {
    Secret key;
    std::string path;
  };
  // The key of that id, wherever it lies; nullopt: nowhere. A file that cannot be read counts as not there.
  [[nodiscard]] std::optional<Found> find(ByteView id, Entropy& entropy) const;

  // Every key that lies in those places or beside them, by whatever name that begins like theirs; each once, those in their places first.
  [[nodiscard]] std::vector<Found> all(Entropy& entropy) const;
  // Whether a key that is in use, or may be next, belongs there.
  [[nodiscard]] bool is_place(const std::string& path) const { return path == path_ || path == next_path() || path == spare_; }

  // The same, but not among the retired ones: a key that may be written under from now on.
  [[nodiscard]] std::optional<Found> find_unretired(ByteView id, Entropy& entropy) const;
  // What is wrong with a file that lies where the next key belongs; nullopt: there is none, or nothing is. Errors: as load_master_key.
  [[nodiscard]] std::optional<Error> wrong_with_next(Entropy& entropy) const;

  // Removes what a killed process has left of a key it was making (`KEY.XXXXXXXXXXXXXXXX.new`): it has never become one. While
  // nobody else makes keys there.
  void remove_drafts() const;

  // Makes the next key, or finds the one that an earlier attempt made. Errors: as load_master_key.
  [[nodiscard]] Result<Found> make_next(Entropy& entropy) const;

  // Puts the key `to` in place and the one that is there aside, named by its own id: `from`, or an older one where this server was away
  // for several rotations; done already: what is left beside it is removed. Errors:
  // misconfigured/`key_not_in_place` with what to do (the next key works from where it lies meanwhile; `from` has been copied, where
  // that could be done).
  [[nodiscard]] Result<void> install(ByteView from, ByteView to, Entropy& entropy) const;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string retired_path(ByteView id) const;
  // Where the key of that id lies as a retired one; nullopt: in no such file.
  [[nodiscard]] std::optional<std::string> aside(ByteView id, Entropy& entropy) const;

 private:
  [[nodiscard]] std::string next_path() const { return path_ + ".next"; }
  [[nodiscard]] std::string spare_base() const;
  [[nodiscard]] std::string spare_retired_path(ByteView id) const;
  [[nodiscard]] std::optional<std::string> keep_aside(ByteView id, Entropy& entropy) const;
  void drop_next(ByteView id, Entropy& entropy) const;

  std::string path_;
  std::string spare_;
};

// Under a draft's name first, synced, then linked: the name never shows a torn key, nor one key in another's place (that one stays
// then). Errors: misconfigured/`master_key_missing`.
[[nodiscard]] Result<void> write_master_key(const std::string& path, const Secret& key, Entropy& entropy);

}  // namespace latchkey::vault

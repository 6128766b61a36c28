// A database that a restore has set aside: what was restored in its place lives on with the same grants, so a token that this one
// still holds may be spent there (RULES F10). Meta `set_aside` (JSON: at, in ms; data) says so wherever the file is put; nobody serves,
// backs up or moves what bears it.
#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "base/task.h"
#include "store/store.h"

namespace latchkey::store {

inline constexpr std::string_view kSetAsideMeta = "set_aside";

struct SetAside {
  WallTime at{};
  std::string data;  // the directory in which what was restored lives

  [[nodiscard]] Bytes to_octets() const;
  // nullopt: that is no such note.
  [[nodiscard]] static std::optional<SetAside> from_octets(ByteView octets);
};

// misconfigured/`set_aside`, with both ways on. `folder`: where it lies now.
[[nodiscard]] Error set_aside_error(const SetAside& note, const std::string& folder);

// Durable when it returns; nobody has the file open. False: it bore such a note before, which stays. Errors: those of the store, of
// a damaged file for instance.
[[nodiscard]] Result<bool> set_sqlite_aside(const std::string& database, const SetAside& note);
// Undoes that.
[[nodiscard]] Result<void> take_sqlite_back(const std::string& database);
// nullopt: it was not set aside, or there is none. Errors: those of the store.
[[nodiscard]] Result<std::optional<SetAside>> sqlite_set_aside(const std::string& database);

// At a start. Errors: set_aside_error; those of the store.
[[nodiscard]] Task<Result<void>> check_not_set_aside(Store& store, std::string folder);

}  // namespace latchkey::store

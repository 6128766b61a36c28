// Opening and moving names inside a directory that others may write to, without ever being led out of it (RULES G5).
// Blocking. Linux 5.6 and later.
#pragma once

#include <fcntl.h>

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "doors/folder/descriptor.h"

namespace latchkey::doors {

// openat2(2) beneath `directory`: no way up, no link of any kind, no other file system. `flags` as of open(2). Empty on
// failure; errno says why.
[[nodiscard]] Descriptor open_beneath(int directory, const std::string& name, int flags);

// Moves a name from one directory to another where the new one is free. false: errno says why (EEXIST: it is taken).
[[nodiscard]] bool move_to_free_name(int from, const std::string& name, int to, const std::string& new_name);

// Calls `visit` with each name in a directory, "." and ".." left out. Errors as of names_in().
[[nodiscard]] Result<void> for_each_name(int directory, const std::function<void(const std::string&)>& visit);

// The names in a directory that are `wanted`, at most `limit` of them, "." and ".." left out. However many others lie there,
// they hide none. Errors: unavailable/`folder_unreadable`.
[[nodiscard]] Result<std::vector<std::string>> names_in(int directory, std::size_t limit,
                                                        const std::function<bool(const std::string&)>& wanted);

}  // namespace latchkey::doors

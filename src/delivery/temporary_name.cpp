#include "delivery/temporary_name.h"

#include <algorithm>
#include <array>

namespace latchkey::delivery {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// Copiers and Windows (.tmp, .temp), curl and wget wrappers (.part, .incomplete), rclone (.partial), WinSCP (.filepart),
// browsers (.crdownload, .download), scanners' own (.uploading, .upload, .writing).
constexpr std::array<std::string_view, 11> kEndings{".tmp",       ".temp",       ".part",       ".partial",
                                                    ".filepart",  ".incomplete", ".crdownload", ".download",
                                                    ".uploading", ".upload",     ".writing"};

}  // namespace

bool is_temporary_name(std::string_view name) {
  if (name.starts_with('~')) return true;
  return std::ranges::any_of(kEndings, [name](std::string_view ending) {
    return name.size() >= ending.size() && std::ranges::equal(name.substr(name.size() - ending.size()), ending, {}, lower);
  });
}

}  // namespace latchkey::delivery

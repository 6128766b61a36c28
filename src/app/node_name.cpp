#include "app/node_name.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>

namespace latchkey::app {
namespace {

std::string path_of(const std::string& data) { return fmt::format("{}/{}", data, kNodeFile); }

std::unexpected<Error> refused(const std::string& path, const std::string& why) {
  return fail(ErrorKind::misconfigured, "node_name",
              fmt::format("The file {}, which names this node among those that share the store, {}. Put it back from a backup, or remove "
                          "it to start as a new node (and `latchkey node forget` the old one).", path, why),
              {.field = "data"});
}

std::unexpected<Error> in_the_way(const std::string& path, const NodeId& node, const std::string& why) {
  return fail(ErrorKind::misconfigured, "node_name",
              fmt::format("The file {}, which names this node among those that share the store, {}. This installation goes on as the node {}: move that "
                          "file away and try again.", path, why, node.text()),
              {.field = "data"});
}

// nullopt: it holds something else.
Result<std::optional<NodeId>> name_in(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return refused(path, fmt::format("cannot be read ({})", std::strerror(errno)));
  char octets[64];
  const auto size = ::read(descriptor, octets, sizeof octets);
  ::close(descriptor);
  std::string_view text(octets, size > 0 ? static_cast<std::size_t>(size) : 0);
  while (text.ends_with('\n')) text.remove_suffix(1);
  auto node = NodeId::parse(text);
  if (!node || node->none()) return std::optional<NodeId>();
  return *node;
}

bool write_whole(const std::string& path, std::string_view text) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor < 0) return false;
  const bool written = ::write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(descriptor) == 0;
  const int code = errno;
  ::close(descriptor);
  errno = code;
  return written;
}

bool sync_folder(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return false;
  const bool synced = ::fsync(descriptor) == 0;
  const int code = errno;
  ::close(descriptor);
  errno = code;
  return synced;
}

}  // namespace

Result<void> keep_node_name(const std::string& data, const NodeId& node) {
  const auto path = path_of(data);
  const auto draft = path + ".part";
  ::unlink(draft.c_str());  // of a process that was killed
  bool done = write_whole(draft, node.text() + "\n") && (::link(draft.c_str(), path.c_str()) == 0 || errno == EEXIST);
  int code = errno;
  ::unlink(draft.c_str());
  if (done && !sync_folder(data)) std::tie(done, code) = std::pair(false, errno);
  if (!done) return refused(path, fmt::format("cannot be written ({})", std::strerror(code)));
  const auto there = name_in(path);
  if (!there) return std::unexpected(there.error());
  if (!*there) return in_the_way(path, node, "does not hold a node's id");
  if (**there != node) return in_the_way(path, node, "holds another node's id");
  return {};
}

Result<NodeId> load_node_name(const std::string& data, const WallClock& wall, Entropy& entropy) {
  const auto path = path_of(data);
  if (::access(path.c_str(), F_OK) != 0 && errno == ENOENT) {
    const auto made = NodeId::make(wall.now(), entropy);
    if (const auto kept = keep_node_name(data, made); !kept) return std::unexpected(kept.error());
    return made;
  }
  const auto node = name_in(path);
  if (!node) return std::unexpected(node.error());
  if (!*node) return refused(path, "does not hold a node's id");
  return **node;
}

}  // namespace latchkey::app

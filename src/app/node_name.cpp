#include "app/node_name.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace latchkey::app {
namespace {

std::string path_of(const std::string& data) { return fmt::format("{}/{}", data, kNodeFile); }

std::unexpected<Error> refused(const std::string& path, const std::string& why) {
  return fail(ErrorKind::misconfigured, "node_name",
              fmt::format("The file {}, which names this node among those that share the store, {}. Put it back from a backup, or remove "
                          "it to start as a new node (and `latchkey node forget` the old one).", path, why),
              {.field = "data"});
}

}  // namespace

Result<void> keep_node_name(const std::string& data, const NodeId& node) {
  const auto path = path_of(data);
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor < 0 && errno == EEXIST) return {};
  const auto text = node.text() + "\n";
  const bool written = descriptor >= 0 && ::write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                       ::fsync(descriptor) == 0;
  const int code = errno;
  if (descriptor >= 0) ::close(descriptor);
  if (!written) return refused(path, fmt::format("cannot be written ({})", std::strerror(code)));
  return {};
}

Result<NodeId> load_node_name(const std::string& data, const WallClock& wall, Entropy& entropy) {
  const auto path = path_of(data);
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0 && errno == ENOENT) {
    const auto made = NodeId::make(wall.now(), entropy);
    if (const auto kept = keep_node_name(data, made); !kept) return std::unexpected(kept.error());
    return made;
  }
  if (descriptor < 0) return refused(path, fmt::format("cannot be read ({})", std::strerror(errno)));
  char octets[64];
  const auto size = ::read(descriptor, octets, sizeof octets);
  ::close(descriptor);
  std::string_view text(octets, size > 0 ? static_cast<std::size_t>(size) : 0);
  while (text.ends_with('\n')) text.remove_suffix(1);
  const auto node = NodeId::parse(text);
  if (!node || node->none()) return refused(path, "does not hold a node's id");
  return *node;
}

}  // namespace latchkey::app

#include "doors/webdav/dav_conditions.h"

#include "doors/webdav/dav_view.h"
#include "wire/webdav/headers.h"

namespace latchkey::doors {
namespace {

// A list of entity tags or "*" (RFC 9110 section 13.1.1).
bool names(std::string_view field, std::string_view entity_tag) {
  if (entity_tag.empty()) return false;
  if (field == "*") return true;
  for (auto rest = field; !rest.empty();) {
    const auto comma = std::min(rest.find(','), rest.size());
    auto one = rest.substr(0, comma);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    while (one.starts_with(' ') || one.starts_with('\t')) one.remove_prefix(1);
    while (one.ends_with(' ') || one.ends_with('\t')) one.remove_suffix(1);
    if (one == entity_tag) return true;
  }
  return false;
}

std::unexpected<Error> failed() {
  return fail(ErrorKind::conflict, "precondition_failed", "What is at this address is not what the request expects.");
}

}  // namespace

Result<void> check_conditions(const net::HttpRequest& request, const delivery::ShelfItem* document) {
  const auto tag = document == nullptr ? std::string() : entity_tag_of(*document);
  if (const auto field = request.headers.find("If-Match"); field && !names(*field, tag)) return failed();
  // For reading it would be 304; nothing here is worth keeping in a cache.
  const bool reads = request.method == "GET" || request.method == "HEAD";
  if (const auto field = request.headers.find("If-None-Match"); field && !reads && names(*field, tag)) return failed();
  if (const auto field = request.headers.find("If")) {
    const auto lists = wire::webdav::parse_if(*field);
    if (!lists) return std::unexpected(lists.error());
    if (!wire::webdav::holds(*lists, tag)) return failed();
  }
  return {};
}

std::unexpected<Error> no_parent() {
  return fail(
      ErrorKind::conflict, "no_parent",
      "The folder of this address does not exist. Make it first, or put the document at the connector's own address.");
}

}  // namespace latchkey::doors

#include "connectors/webdav/webdav.h"

#include <algorithm>
#include <cctype>
#include <deque>

#include "connectors/webdav/dav_delivery.h"

namespace latchkey::connectors {
namespace {

constexpr std::size_t kFoldersMax = 100;
// Of all listings together: reading them holds up everything else on the engine's thread.
constexpr std::size_t kListedBytesMax = 8 << 20;

bool contains_ignoring_case(std::string_view text, std::string_view part) {
  const auto same = [](char left, char right) {
    return std::tolower(static_cast<unsigned char>(left)) == std::tolower(static_cast<unsigned char>(right));
  };
  return part.empty() || std::ranges::search(text, part, same).begin() != text.end();
}

bool is_on_its_way(std::string_view path) { return path.substr(path.rfind('/') + 1).starts_with(kOnItsWay); }

}  // namespace

Abilities WebDav::abilities() const {
  return {.idempotent = true, .resumable = servers_ == Servers::nextcloud, .size_bytes_max = 0};
}

Task<Result<Receipt>> WebDav::store(StoreOrder order) {
  DavDelivery delivery(transport_, turns_, order);
  co_return co_await delivery.run();
}

Task<Result<std::vector<ListItem>>> WebDav::list(ListQuestion question) {
  if (question.kind != "file" && question.kind != "folder")
    co_return fail(ErrorKind::invalid, "unknown_kind", "WebDAV lists `file` and `folder`.", {.field = "kind"});
  ApiSession api(transport_, *question.tokens);
  DavServer server(api, question.base_url);
  std::vector<ListItem> items;
  std::deque<std::string> folders{""};
  for (std::size_t seen = 0;
       !folders.empty() && seen < kFoldersMax && items.size() < question.limit && server.listed_bytes() < kListedBytesMax;
       ++seen) {
    const auto within = co_await server.look_into(folders.front());
    // One that disappeared meanwhile is no reason to give up; the first one is.
    if (!within && (seen == 0 || within.error().kind != ErrorKind::not_found)) co_return std::unexpected(within.error());
    folders.pop_front();
    if (!within) continue;
    for (const auto& one : *within) {
      if (is_on_its_way(one.path)) continue;
      if (one.is_folder) folders.push_back(one.path);
      const bool asked_for =
          one.is_folder == (question.kind == "folder") && contains_ignoring_case(one.path, question.filter);
      if (!asked_for || items.size() >= question.limit) continue;
      items.push_back({.id = one.path, .name = one.path, .kind = question.kind, .size_bytes = one.size_bytes});
    }
  }
  co_return items;
}

}  // namespace latchkey::connectors

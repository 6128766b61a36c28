// A connector as one caller sees it through WebDAV: their documents of the last hour, and the folders around them. A value;
// pure.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "delivery/shelf.h"
#include "wire/webdav/multistatus.h"
#include "wire/webdav/resource.h"

namespace latchkey::doors {

class DavView {
 public:
  // `made`: collections that were made; those that documents lie in are there besides.
  DavView(std::vector<delivery::ShelfItem> items, const std::vector<std::string>& made);

  // nullptr: there is none at that path.
  [[nodiscard]] const delivery::ShelfItem* document(std::string_view path) const;
  // The connector's own ("") always is one.
  [[nodiscard]] bool is_collection(std::string_view path) const;
  [[nodiscard]] bool has(std::string_view path) const { return is_collection(path) || document(path) != nullptr; }
  // Directly in it; paths, in order.
  [[nodiscard]] std::vector<std::string> collections_in(std::string_view path) const;
  [[nodiscard]] std::vector<const delivery::ShelfItem*> documents_in(std::string_view path) const;
  // In it at whatever depth.
  [[nodiscard]] std::vector<const delivery::ShelfItem*> documents_below(std::string_view path) const;

 private:
  void add_collection(std::string_view path);

  std::map<std::string, delivery::ShelfItem, std::less<>> documents_;
  std::set<std::string, std::less<>> collections_;
};

// A strong validator: what has been accepted never changes.
[[nodiscard]] std::string entity_tag_of(const delivery::ShelfItem& item);

// What a PROPFIND is answered about one resource.
[[nodiscard]] wire::webdav::ResourceStatus describe(std::string href, const delivery::ShelfItem& document,
                                                    const wire::webdav::PropfindQuestion& question);
[[nodiscard]] wire::webdav::ResourceStatus describe_collection(std::string href, std::string_view name,
                                                               const wire::webdav::PropfindQuestion& question);

}  // namespace latchkey::doors

#include "doors/webdav/dav_view.h"

#include <algorithm>

namespace latchkey::doors {
namespace {

using wire::webdav::escape;
using wire::webdav::Property;
using wire::webdav::PropertyName;
using wire::webdav::PropfindQuestion;
using wire::webdav::ResourceStatus;

bool is_below(std::string_view path, std::string_view collection) {
  return collection.empty() ||
         (path.size() > collection.size() && path.starts_with(collection) && path[collection.size()] == '/');
}

Property dav(const char* name, std::string value) {
  return {.name = {.space = "DAV:", .name = name}, .value = std::move(value)};
}

ResourceStatus answer(std::string href, std::vector<Property> has, const PropfindQuestion& question) {
  using enum PropfindQuestion::Kind;
  wire::webdav::PropertiesOfOneStatus found{.status = 200, .properties = {}};
  wire::webdav::PropertiesOfOneStatus missing{.status = 404, .properties = {}};
  const auto find = [&has](const PropertyName& name) { return std::ranges::find(has, name, &Property::name); };
  for (const auto& name : question.properties) {
    if (const auto property = find(name); property == has.end()) {
      missing.properties.push_back({.name = name, .value = {}});
    } else if (question.kind == some) {
      found.properties.push_back(*property);
    }
  }
  if (question.kind == all) found.properties = std::move(has);
  if (question.kind == names) {
    for (auto& property : has) found.properties.push_back({.name = std::move(property.name), .value = {}});
  }
  return {.href = std::move(href), .groups = {std::move(found), std::move(missing)}};
}

}  // namespace

DavView::DavView(std::vector<delivery::ShelfItem> items, const std::vector<std::string>& made) {
  for (const auto& path : made) add_collection(path);
  for (auto& item : items) {
    add_collection(wire::webdav::parent_of(item.path));
    auto path = item.path;
    documents_.emplace(std::move(path), std::move(item));
  }
}

void DavView::add_collection(std::string_view path) {
  for (; !path.empty(); path = wire::webdav::parent_of(path)) collections_.emplace(path);
}

const delivery::ShelfItem* DavView::document(std::string_view path) const {
  const auto found = documents_.find(path);
  return found == documents_.end() ? nullptr : &found->second;
}

bool DavView::is_collection(std::string_view path) const { return path.empty() || collections_.contains(path); }

std::vector<std::string> DavView::collections_in(std::string_view path) const {
  std::vector<std::string> found;
  std::ranges::copy_if(collections_, std::back_inserter(found),
                       [path](const std::string& one) { return wire::webdav::parent_of(one) == path; });
  return found;
}

std::vector<const delivery::ShelfItem*> DavView::documents_in(std::string_view path) const {
  auto found = documents_below(path);
  std::erase_if(found, [path](const auto* item) { return wire::webdav::parent_of(item->path) != path; });
  return found;
}

std::vector<const delivery::ShelfItem*> DavView::documents_below(std::string_view path) const {
  std::vector<const delivery::ShelfItem*> found;
  for (const auto& [at, item] : documents_) {
    if (is_below(at, path)) found.push_back(&item);
  }
  return found;
}

std::string entity_tag_of(const delivery::ShelfItem& item) { return "\"" + item.delivery.id.text() + "\""; }

ResourceStatus describe(std::string href, const delivery::ShelfItem& document, const PropfindQuestion& question) {
  const auto& delivery = document.delivery;
  const auto type = delivery.content_type.empty() ? std::string("application/octet-stream") : delivery.content_type;
  return answer(std::move(href),
                {dav("creationdate", base::to_rfc3339(delivery.created_at)),
                 dav("displayname", escape(wire::webdav::name_of(document.path))),
                 dav("getcontentlength", std::to_string(delivery.size_bytes)), dav("getcontenttype", escape(type)),
                 dav("getetag", escape(entity_tag_of(document))),
                 dav("getlastmodified", wire::webdav::http_date(delivery.created_at)), dav("resourcetype", "")},
                question);
}

ResourceStatus describe_collection(std::string href, std::string_view name, const PropfindQuestion& question) {
  return answer(std::move(href), {dav("displayname", escape(name)), dav("resourcetype", "<D:collection/>")}, question);
}

}  // namespace latchkey::doors

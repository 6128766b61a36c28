// The visible list of connectors: which one serves a type of the catalogue.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "catalog/provider.h"
#include "connectors/connector.h"
#include "net/http_client.h"

namespace latchkey::connectors {

// Thread-safe; the transport outlives it.
class Connectors {
 public:
  using ByKind = std::map<std::string, std::unique_ptr<Connector>, std::less<>>;

  explicit Connectors(net::HttpTransport& transport);
  // These alone, by the kind of the types they serve.
  explicit Connectors(ByKind by_kind) : by_kind_(std::move(by_kind)) {}
  Connectors(const Connectors&) = delete;
  Connectors& operator=(const Connectors&) = delete;
  ~Connectors();

  // By the type itself, else by its kind. nullptr: none serves it yet.
  [[nodiscard]] Connector* find(const catalog::Type& type) const;

 private:
  ByKind by_type_;
  ByKind by_kind_;
};

}  // namespace latchkey::connectors

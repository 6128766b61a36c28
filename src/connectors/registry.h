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
  explicit Connectors(net::HttpTransport& transport);
  Connectors(const Connectors&) = delete;
  Connectors& operator=(const Connectors&) = delete;
  ~Connectors();

  // By the type itself, else by its kind. nullptr: none serves it yet.
  [[nodiscard]] Connector* find(const catalog::Type& type) const;

 private:
  using Table = std::map<std::string, std::unique_ptr<Connector>, std::less<>>;
  Table by_type_;
  Table by_kind_;
};

}  // namespace latchkey::connectors

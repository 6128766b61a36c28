// /nodes: the server processes that share the store.
#pragma once

#include "console/router.h"
#include "grants/node_desk.h"

namespace latchkey::console {

class NodesApi final : public ApiSection {
 public:
  NodesApi(grants::NodeDesk& nodes, Executor engine) : nodes_(nodes), engine_(std::move(engine)) {}
  [[nodiscard]] std::vector<Route> routes() override;

 private:
  [[nodiscard]] Task<Answer> list(Call call);
  [[nodiscard]] Task<Answer> forget(Call call);

  grants::NodeDesk& nodes_;
  Executor engine_;
};

}  // namespace latchkey::console

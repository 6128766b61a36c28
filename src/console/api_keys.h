// /keys and /backups: the master key's state, its rotation, and the last backup the server has heard of.
#pragma once

#include "base/clock.h"
#include "base/run_on.h"
#include "console/api_session.h"
#include "console/router.h"
#include "grants/key_rotation.h"
#include "store/last_backup.h"
#include "store/store.h"

namespace latchkey::console {

class KeysApi final : public ApiSection {
 public:
  KeysApi(grants::Keys& keys, store::Store& store, StoreKind store_kind, const WallClock& wall, Executor engine)
      : keys_(keys), store_(store), store_kind_(store_kind), wall_(wall), engine_(std::move(engine)) {}
  [[nodiscard]] std::vector<Route> routes() override;

 private:
  [[nodiscard]] Task<Answer> show(Call call);
  [[nodiscard]] Task<Answer> rotate(Call call);
  [[nodiscard]] Task<Answer> cancel(Call call);
  [[nodiscard]] Task<Answer> note_backup(Call call);
  [[nodiscard]] Task<Result<JsonObject>> keys_json();

  grants::Keys& keys_;
  store::Store& store_;
  StoreKind store_kind_;
  const WallClock& wall_;
  Executor engine_;
};

using store::kLastBackupMeta;

}  // namespace latchkey::console

// /authorizations: begin, import, follow, cancel, confirm and take back.
#pragma once

#include <memory>
#include <string>

#include "catalog/catalog.h"
#include "console/router.h"
#include "grants/apps.h"
#include "grants/authorize.h"
#include "store/store.h"

namespace latchkey::console {

class AuthorizationsApi final : public ApiSection {
 public:
  // `public_url` without a slash at its end.
  AuthorizationsApi(grants::Authorizer& authorizer, grants::Apps& apps, store::Store& store,
                    std::shared_ptr<const catalog::Catalog> catalog, std::string public_url,
                    Executor engine)
      : authorizer_(authorizer), apps_(apps), store_(store), catalog_(std::move(catalog)),
        public_url_(std::move(public_url)), engine_(std::move(engine)) {}
  [[nodiscard]] std::vector<Route> routes() override;

 private:
  [[nodiscard]] Task<Answer> list(Call call);
  [[nodiscard]] Task<Answer> begin(Call call);
  [[nodiscard]] Task<Answer> import_token(Call call);
  [[nodiscard]] Task<Answer> look(Call call);
  [[nodiscard]] Task<Answer> cancel(Call call);
  [[nodiscard]] Task<Answer> confirm(Call call);
  [[nodiscard]] Task<Answer> undo(Call call);
  [[nodiscard]] Task<Answer> show(AuthorizationId id);
  [[nodiscard]] Task<JsonObject> view_json(grants::AuthorizationView view);
  [[nodiscard]] Task<Answer> view_answer(grants::AuthorizationView view);
  [[nodiscard]] Task<Problem> problem_of_begin(Error error, bool new_group);
  [[nodiscard]] std::string redirect_uri_of(const grants::AuthorizationView& view) const;

  grants::Authorizer& authorizer_;
  grants::Apps& apps_;
  store::Store& store_;
  std::shared_ptr<const catalog::Catalog> catalog_;
  std::string public_url_;
  Executor engine_;
};

// A command line that asks for the PIN by itself, and so never shows it.
[[nodiscard]] std::string curl_line(std::string_view username, std::string_view type, std::string_view public_url);

}  // namespace latchkey::console

// /deliveries: every document on its way, and what became of the others; /users/{id}/deliveries: a user's own.
#pragma once

#include "console/router.h"
#include "delivery/delivery_desk.h"

namespace latchkey::console {

class DeliveriesApi final : public ApiSection {
 public:
  DeliveriesApi(delivery::DeliveryDesk& desk, store::Store& store, Executor engine)
      : desk_(desk), store_(store), engine_(std::move(engine)) {}
  [[nodiscard]] std::vector<Route> routes() override;

 private:
  [[nodiscard]] Task<Answer> list(Call call);
  // What the user has handed in, and how many documents may open an account of theirs while nobody shows a PIN (RULES K4).
  [[nodiscard]] Task<Answer> list_of_user(Call call);
  [[nodiscard]] Task<Answer> show(Call call);
  [[nodiscard]] Task<Answer> document(Call call);
  [[nodiscard]] Task<Answer> retry(Call call);
  [[nodiscard]] Task<Answer> reroute(Call call);
  [[nodiscard]] Task<Answer> remove(Call call);
  // A page of them, as the query says. Errors: those of the store.
  [[nodiscard]] Task<Result<JsonObject>> page_of(store::DeliveryQuery query);
  // Errors: those of the store.
  [[nodiscard]] Task<Result<std::int64_t>> unattended_of(UserId user);
  // Of a user or device of that name; false: there is none.
  [[nodiscard]] Task<Result<bool>> add_submitter(store::DeliveryQuery& query, std::string name);
  // With the submitter's name, for people.
  [[nodiscard]] Task<Result<JsonObject>> shown(store::Delivery delivery, bool whole);

  delivery::DeliveryDesk& desk_;
  store::Store& store_;
  Executor engine_;
};

}  // namespace latchkey::console

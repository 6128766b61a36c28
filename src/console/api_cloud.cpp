#include "console/api_cloud.h"

#include "base/run_on.h"
#include "console/fields.h"
#include "console/requester.h"
#include "console/views.h"

namespace latchkey::console {
namespace {

constexpr std::size_t kCodeBytesMax = 200;
constexpr std::size_t kTypesMax = 64;

JsonObject app_json(const grants::CloudStatus::App& app) {
  JsonObject params;
  for (const auto& [name, value] : app.params) params[name] = value;
  return {{"id", app.id},     {"provider", app.provider},      {"types", texts_json(app.types)},
          {"mode", app.mode}, {"params", std::move(params)},  {"agreed", app.agreed},
          {"agreed_types", texts_json(app.agreed_types)},     {"changes", texts_json(app.changes)}};
}

}  // namespace

std::vector<Route> CloudApi::routes() {
  constexpr auto kAdministrator = Who::administrator;
  constexpr auto kPlain = Carries::nothing_secret;
  return {
      {"GET", "/api/v1/cloud-service", kAdministrator, kPlain, 1024, [this](Call call) { return show(std::move(call)); }},
      {"PUT", "/api/v1/cloud-service", kAdministrator, Carries::secret, 4096,
       [this](Call call) { return enrol(std::move(call)); }},
      {"DELETE", "/api/v1/cloud-service", kAdministrator, kPlain, 1024, [this](Call call) { return leave(std::move(call)); }},
      {"POST", "/api/v1/cloud-service/check", kAdministrator, kPlain, 1024,
       [this](Call call) { return check(std::move(call)); }},
      {"POST", "/api/v1/cloud-service/apps/{app}/agree", kAdministrator, kPlain, 64 * 1024,
       [this](Call call) { return agree(std::move(call)); }},
  };
}

Answer CloudApi::answer_of(const Result<grants::CloudStatus>& status) const {
  if (!status) return refuse(status.error());
  JsonArray apps;
  for (const auto& app : status->apps) apps.push_back(app_json(app));
  return net::HttpResponse::json(
      200, JsonObject{{"enrolled", status->enrolled},
                      {"used", used_()},
                      {"address", status->address},
                      {"label", status->label},
                      {"office", status->office},
                      {"service_key", status->service_key},
                      {"enrolled_at", status->enrolled ? Json(base::to_rfc3339(status->enrolled_at)) : Json(nullptr)},
                      {"return_origin", status->return_origin},
                      {"apps", std::move(apps)}});
}

Task<Answer> CloudApi::show(Call call) {
  Query query(call.request);
  if (auto problem = query.check()) co_return std::unexpected(std::move(*problem));
  co_return answer_of(co_await base::run_on(engine_, desk_.status()));
}

Task<Answer> CloudApi::enrol(Call call) {
  auto body = read_object(call.request);
  if (!body) co_return std::unexpected(body.error());
  Fields fields(*body);
  auto address = fields.text("address", {.min = 1, .max = 300});
  auto code = fields.secret("enrolment_code", kCodeBytesMax);
  if (auto problem = fields.check()) co_return std::unexpected(std::move(*problem));
  co_return answer_of(
      co_await base::run_on(engine_, desk_.enrol(std::move(address), std::move(code), requester_of(call))));
}

Task<Answer> CloudApi::check(Call call) {
  co_return answer_of(co_await base::run_on(engine_, desk_.check(requester_of(call))));
}

Task<Answer> CloudApi::agree(Call call) {
  auto body = read_object(call.request);
  if (!body) co_return std::unexpected(body.error());
  Fields fields(*body);
  grants::CloudAgreement agreement{.app = call.values.front(), .mode = fields.text("mode", {.min = 1, .max = 20}), .types = fields.texts("types", kTypesMax, {.min = 1, .max = 64})};
  const auto given = fields.parameters("params");
  if (auto problem = fields.check()) co_return std::unexpected(std::move(*problem));
  agreement.params = {given.begin(), given.end()};
  co_return answer_of(co_await base::run_on(engine_, desk_.agree(std::move(agreement), requester_of(call))));
}

Task<Answer> CloudApi::leave(Call call) {
  const auto left = co_await base::run_on(engine_, desk_.leave(requester_of(call)));
  if (!left) co_return refuse(left.error());
  co_return net::HttpResponse::no_content();
}

}  // namespace latchkey::console

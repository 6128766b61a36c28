// What the tests of this room share: a transport that answers as told, and a survey made by hand.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/fakes_testing.h"
#include "base/log.h"
#include "base/pool.h"
#include "doctor/check.h"

namespace latchkey::doctor {

// Answers every call at once, and keeps what was asked.
class ScriptedTransport final : public net::HttpTransport {
 public:
  explicit ScriptedTransport(std::function<net::HttpOutcome(const net::HttpCall&)> answer) : answer_(std::move(answer)) {}
  [[nodiscard]] Task<net::HttpOutcome> send(net::HttpCall call) override {
    asked.push_back(call.method + " " + call.url);
    if (call.body) secrets_sent = true;
    co_return answer_(call);
  }
  std::vector<std::string> asked;
  bool secrets_sent = false;

 private:
  std::function<net::HttpOutcome(const net::HttpCall&)> answer_;
};

inline net::Reply reply_with(int status, std::string_view body = {}, std::initializer_list<net::HttpHeader> headers = {}) {
  return {.status = status, .headers = net::HttpHeaders(headers), .body = base::to_bytes(body)};
}
inline net::HttpOutcome unsent(std::string reason, std::string text = "It did not come about.") {
  return net::NothingSent{fail(ErrorKind::unavailable, std::move(reason), std::move(text)).error()};
}

// Every finding of a check, its errands run one after another. The loop outlives the stores, whose threads answer on it.
inline std::vector<Finding> findings_of(Check& check, const Survey& survey = {}) {
  static boost::asio::io_context loop(1);
  base::SimulatedSteadyClock steady;
  std::vector<Finding> out;
  for (auto& errand : check.errands(survey)) {
    for (auto& finding : base::run_on_loop(loop, steady, std::move(errand.task))) out.push_back(std::move(finding));
  }
  return out;
}

inline const catalog::Catalog& builtin() {
  static const auto catalog = catalog::Catalog::load_builtin().value();
  return *catalog;
}

// An app of a built-in provider and one of its types, as take_survey() would bring it.
inline SurveyedApp app_of(const catalog::Catalog& catalog, std::string_view type,
                          const catalog::Filling& filling = {.client_id = "client-1"}) {
  SurveyedApp app;
  auto resolved = catalog.resolve(type, filling).value();
  app.provider = resolved.provider;
  app.id = app.provider->id;
  app.name = app.provider->name;
  app.client_id = filling.client_id;
  app.redirect_uri = "https://latchkey.example/oauth/callback/" + app.id;
  app.types.push_back({.type = std::move(resolved), .missing_scopes = {}, .links = {}});
  return app;
}

}  // namespace latchkey::doctor

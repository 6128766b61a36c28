// The terms of a Cloud Service's registration: all that the service chooses of it and that decides who sees codes and tokens, and for
// what. An administrator agrees to them as a whole (RULES S1 to S4). Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "catalog/catalog.h"
#include "cloud/service.h"

namespace latchkey::grants {

struct CloudTerms {
  std::string provider;
  std::string client_id;
  cloud::Mode mode = cloud::Mode::forward;
  std::vector<std::string> types;    // sorted, each once
  catalog::ParameterValues values;   // issuer, instance: where codes and tokens go
  friend bool operator==(const CloudTerms&, const CloudTerms&) = default;
};
[[nodiscard]] CloudTerms terms_of(const cloud::ServiceApp& app);
[[nodiscard]] std::vector<std::string> sorted_types(std::vector<std::string> types);

// The types of `offered` that whoever has agreed to `agreed` has agreed to use so: none when anything but the types differs.
[[nodiscard]] std::vector<std::string> types_agreed(const CloudTerms& agreed, const CloudTerms& offered);
// What `offered` says that `agreed` does not, in plain words, each by itself: "mode: exchange instead of forward". Empty: all of it has
// been agreed to. `agreed` nullptr: nothing of it has.
[[nodiscard]] std::vector<std::string> changes_in(const CloudTerms* agreed, const CloudTerms& offered);
// "provider: oidc, client: abc, mode: forward, types: oidc, issuer: https://login.example"
[[nodiscard]] std::string words_of(const CloudTerms& terms);
// What a service says now and did not before, for the audit trail; empty: nothing. Long ones are cut, and say so.
[[nodiscard]] std::string news_in(const cloud::ServiceView& before, const cloud::ServiceView& now);

[[nodiscard]] JsonObject to_json(const CloudTerms& terms);
[[nodiscard]] std::optional<CloudTerms> parse_cloud_terms(const Json& json);

}  // namespace latchkey::grants

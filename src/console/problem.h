// What a refused request is answered with, and the one place where the program's errors become HTTP.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "net/http_types.h"

namespace latchkey::console {

struct FieldError {
  std::string field;    // member of the body (`params.tenant`), or query parameter
  std::string message;  // what is wrong and what to do
  friend bool operator==(const FieldError&, const FieldError&) = default;
};

// RFC 9457 as api/openapi.json spells it. A value; never holds a secret.
struct Problem {
  int status = 500;
  std::string code = "internal";
  std::string detail;
  std::vector<FieldError> errors;
  std::optional<Seconds> retry_after;
  JsonObject more;     // `existing_user`, `users`, `in_use`
  std::string inside;  // what `detail` keeps to itself: for administrators and the command line only
  std::string for_log; // never sent
};

// A handler's outcome.
using Answer = std::expected<net::HttpResponse, Problem>;

// The mapping, by `reason` where api/openapi.json lists it as a code, else by `kind`. A `field` makes it a field error.
[[nodiscard]] Problem problem_of(const Error& error);

[[nodiscard]] net::HttpResponse response_of(const Problem& problem);

// `return refuse(error)`, `return refuse(409, "group_not_empty", "...")`.
[[nodiscard]] std::unexpected<Problem> refuse(const Error& error);
[[nodiscard]] std::unexpected<Problem> refuse(int status, std::string_view code, std::string_view detail, JsonObject more = {});
[[nodiscard]] std::unexpected<Problem> refuse_field(std::string_view field, std::string_view message);
[[nodiscard]] std::unexpected<Problem> refuse_not_found();

// Every code this room may answer with, and its status: compared by a test with the list in api/openapi.json.
struct ProblemCode {
  std::string_view code;
  int status;
};
[[nodiscard]] const std::vector<ProblemCode>& problem_codes();

}  // namespace latchkey::console

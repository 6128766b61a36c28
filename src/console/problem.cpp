#include "console/problem.h"

#include <algorithm>

namespace latchkey::console {

const std::vector<ProblemCode>& problem_codes() {
  static const std::vector<ProblemCode> codes = {
      {"invalid_request", 400},     {"invalid_fields", 422},      {"type_required", 400},
      {"not_signed_in", 401},       {"invalid_credentials", 401}, {"csrf_failed", 403},
      {"not_allowed", 403},         {"insecure_transport", 403},  {"use_not_allowed", 403},
      {"wrong_password", 403},      {"setup_code_invalid", 403},  {"not_found", 404},
      {"no_such_grant", 404},       {"method_not_allowed", 405},  {"no_such_group", 422},
      {"no_such_type", 422},        {"no_such_provider", 422},    {"setup_done", 409},
      {"username_taken", 409},      {"username_reserved", 409},   {"group_name_taken", 409},
      {"group_not_empty", 409},     {"grant_exists", 409},        {"app_missing", 409},
      {"app_in_use", 409},          {"authorization_needed", 409}, {"last_administrator", 409},
      {"not_waiting", 409},         {"question_changed", 409},
      {"not_dismissible", 409},     {"undo_expired", 409},
      {"channel_off", 409},
      {"device_code_off", 409},     {"device_code_unsupported", 409}, {"device_codes_waiting", 409},
      {"too_many_mails", 409},
      {"too_early", 409},           {"conflict", 409},            {"misconfigured", 409},
      {"invalid_pin", 403},         {"pin_too_weak", 422},        {"password_too_weak", 422},
      {"unsupported_media_type", 415}, {"too_many_attempts", 429}, {"internal", 500},
      {"provider_unreachable", 503}, {"app_misconfigured", 409},  {"outcome_unknown", 503},
      {"not_ready", 503},           {"node_alive", 409},          {"cloud_service_unreachable", 503},
      {"cloud_enrolled", 409},      {"cloud_not_enrolled", 409},  {"cloud_enrolment_revoked", 409},
      {"cloud_clock_differs", 409}, {"cloud_keys_differ", 409},   {"cloud_code_unknown", 409},
      {"cloud_app_not_agreed", 409}, {"cloud_app_unknown", 404}, {"cloud_values_differ", 409},
      {"cloud_app_in_use", 409},
      {"cloud_code_expired", 409},  {"device_name_taken", 409},   {"no_such_delegation", 404},
  };
  return codes;
}

namespace {

const ProblemCode* find_code(std::string_view code) {
  const auto& codes = problem_codes();
  const auto found = std::ranges::find(codes, code, &ProblemCode::code);
  return found == codes.end() ? nullptr : &*found;
}

// Where a lower room's word for a thing differs from the contract's.
struct Alias {
  std::string_view reason;
  std::string_view code;
};
constexpr Alias kAliases[] = {
    {"malformed_json", "invalid_request"},
    {"type_held", "grant_exists"},
    {"app_secret_missing", "app_misconfigured"},
    {"nothing_to_undo", "undo_expired"},
    {"nothing_to_confirm", "not_waiting"},
    {"plain_http", "insecure_transport"},
    {"wrong_pin", "invalid_pin"},
    {"pin_too_short", "pin_too_weak"},
    {"pin_too_long", "pin_too_weak"},
    {"pin_trivial", "pin_too_weak"},
    {"password_too_short", "password_too_weak"},
    {"password_too_long", "password_too_weak"},
    {"password_trivial", "password_too_weak"},
    {"no_such_app", "not_found"},
    {"unknown_type", "no_such_type"},
    {"unknown_provider", "no_such_provider"},
    {"gone", "not_found"},
    {"no_such_node", "not_found"},
    {"version", "conflict"},
    {"name_taken", "group_name_taken"},
    {"unknown_group", "no_such_group"},
    {"setup_code_wrong", "setup_code_invalid"},
    {"setup_code_expired", "setup_code_invalid"},
    {"store_unavailable", "not_ready"},
};

constexpr std::string_view kStoreAway = "The server's database does not answer at the moment. Try again in a while.";

std::string_view code_of_kind(const Error& error) {
  switch (error.kind) {
    case ErrorKind::invalid: return error.field.empty() ? "invalid_request" : "invalid_fields";
    case ErrorKind::refused: return "not_allowed";
    case ErrorKind::not_found: return "not_found";
    case ErrorKind::conflict: return "conflict";
    case ErrorKind::unavailable: return "not_ready";
    case ErrorKind::ambiguous: return "outcome_unknown";
    case ErrorKind::misconfigured: return "misconfigured";
    case ErrorKind::needs_person: return "authorization_needed";
    case ErrorKind::corrupt:
    case ErrorKind::bug: return "internal";
  }
  return "internal";
}

std::string_view contract_code(const Error& error) {
  // What is broken inside is never explained to the browser, whatever it is called.
  if (error.kind == ErrorKind::corrupt || error.kind == ErrorKind::bug) return "internal";
  const auto* alias = std::ranges::find(kAliases, error.reason, &Alias::reason);
  const std::string_view code = alias == std::end(kAliases) ? std::string_view(error.reason) : alias->code;
  const auto* known = find_code(code);
  // A fault of a form field stays one, whatever word the lower room has for it.
  const bool fits = known != nullptr && (error.kind != ErrorKind::invalid || known->status == 400 || known->status == 422);
  return fits ? known->code : code_of_kind(error);
}

}  // namespace

Problem problem_of(const Error& error) {
  Problem problem;
  problem.code = contract_code(error);
  const auto* known = find_code(problem.code);
  problem.status = known == nullptr ? 500 : known->status;
  problem.detail = error.text;
  problem.retry_after = error.retry_after;
  problem.for_log = error.reason + (error.detail.empty() ? "" : ": " + error.detail);
  if (problem.code == "internal") {
    problem.detail = "A fault of Latchkey. Nothing was changed; the server's log says what happened.";
    return problem;
  }
  // The store's words name hosts, users and disks: strangers can do nothing with them, but learn.
  if (error.reason == "store_unavailable") {
    problem.inside = error.text;
    problem.detail = kStoreAway;
    problem.for_log = error.reason + ": " + (error.detail.empty() ? error.text : error.detail);
  } else if (!error.field.empty()) {
    problem.errors.push_back({error.field, error.text});
  }
  if (problem.status == 503 && !problem.retry_after) problem.retry_after = Seconds(2);
  return problem;
}

net::HttpResponse response_of(const Problem& problem) {
  JsonObject more = problem.more;
  if (!problem.errors.empty()) {
    JsonArray errors;
    for (const auto& error : problem.errors) {
      errors.push_back(JsonObject{{"field", error.field}, {"message", error.message}});
    }
    more["errors"] = std::move(errors);
  }
  if (problem.retry_after) more["retry_after"] = problem.retry_after->count();
  auto response = net::HttpResponse::problem(problem.status, problem.code, problem.detail, more);
  if (problem.retry_after) response.with("Retry-After", std::to_string(problem.retry_after->count()));
  return response;
}

std::unexpected<Problem> refuse(const Error& error) { return std::unexpected(problem_of(error)); }

std::unexpected<Problem> refuse(int status, std::string_view code, std::string_view detail, JsonObject more) {
  Problem problem;
  problem.status = status;
  problem.code = code;
  problem.detail = detail;
  problem.more = std::move(more);
  return std::unexpected(std::move(problem));
}

std::unexpected<Problem> refuse_field(std::string_view field, std::string_view message) {
  auto refused = refuse(422, "invalid_fields", message);
  refused.error().errors.push_back({std::string(field), std::string(message)});
  return refused;
}

std::unexpected<Problem> refuse_not_found() {
  return refuse(404, "not_found", "There is no such thing here, or it is not yours to see.");
}

}  // namespace latchkey::console

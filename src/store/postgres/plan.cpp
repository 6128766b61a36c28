#include "store/postgres/plan.h"

#include "store/refusals.h"

namespace latchkey::store::postgres {
namespace {

constexpr std::string_view kToken = "latchkey:";

// The words of an expectation, `latchkey:gone:grant`, out of the server's complaint that they are no number.
Error expected_otherwise(std::string_view words) {
  words.remove_prefix(words.find(kToken) + kToken.size());
  words = words.substr(0, words.find_first_not_of("abcdefghijklmnopqrstuvwxyz_:"));
  const auto colon = std::min(words.find(':'), words.size());
  const auto reason = words.substr(0, colon);
  const auto field = words.substr(std::min(colon + 1, words.size()));
  if (reason == "version") return other_version().error();
  if (reason == "exists") return exists(field).error();
  if (reason == "leased") return leased().error();
  if (reason == "app_in_use") return app_in_use().error();
  if (reason == "last_administrator") return last_administrator().error();
  if (reason == "meta") return meta_changed("").error();
  return gone(field).error();
}

struct UniqueRule {
  std::string_view constraint;
  std::string_view field;
};
constexpr UniqueRule kUniqueRules[] = {
    {"user_groups_name", "name"},  {"users_username", "username"},     {"authorizations_username", "username"},
    {"grants_type", "type"},       {"intents_generation", "intent"},   {"intents_pkey", "intent"},
    {"devices_name", "name"},      {"deliveries_key", "idempotency_key"},
};

std::string_view field_of(std::string_view constraint) {
  for (const auto& rule : kUniqueRules) {
    if (rule.constraint == constraint) return rule.field;
  }
  return "id";
}

}  // namespace

Plan plan_of(const Batch& batch, std::optional<WallTime> now) {
  Plan plan;
  for (const auto& mutation : batch) {
    std::visit([&](const auto& one) { add(plan, now, one); }, mutation);
  }
  return plan;
}

Error refusal_of(const Failure& failure, Reference reference) {
  if (failure.state == "22P02" && failure.message.find(kToken) != std::string::npos) return expected_otherwise(failure.message);
  if (failure.state == "23505") return exists(field_of(failure.constraint)).error();
  if (failure.state == "23503") {
    switch (reference) {
      case Reference::group_gone: return gone("group").error();
      case Reference::user_gone: return gone("user").error();
      case Reference::grant_gone: return gone("grant").error();
      case Reference::group_in_use: return group_not_empty().error();
      case Reference::none: break;
    }
  }
  return error_of(failure);
}

}  // namespace latchkey::store::postgres

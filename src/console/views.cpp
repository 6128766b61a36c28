#include "console/views.h"

#include <array>
#include <utility>

#include "grants/revocation_prospect.h"

namespace latchkey::console {

Json time_json(WallTime time) {
  if (time == WallTime{}) return nullptr;
  return Json(base::to_rfc3339(time));
}

Json time_json(const std::optional<WallTime>& time) { return time ? time_json(*time) : Json(nullptr); }

JsonArray texts_json(const std::vector<std::string>& texts) {
  JsonArray out;
  for (const auto& text : texts) out.emplace_back(text);
  return out;
}

JsonArray words_json(std::string_view words) {
  JsonArray out;
  while (!words.empty()) {
    const auto end = words.find(' ');
    const auto word = words.substr(0, end);
    if (!word.empty()) out.emplace_back(word);
    words = end == std::string_view::npos ? std::string_view() : words.substr(end + 1);
  }
  return out;
}

Json account_json(std::string_view id, std::string_view name) {
  if (id.empty() && name.empty()) return nullptr;
  return JsonObject{{"id", id}, {"name", name.empty() ? id : name}};
}

std::string why_of(const store::Grant& grant) {
  if (!grant.why.empty()) return grant.why;
  switch (grant.state) {
    case store::GrantState::active:
      return grant.access_expires_at
                 ? "Good until " + base::to_rfc3339(*grant.access_expires_at).substr(0, 16) + " UTC; keeps itself alive."
                 : "Works and keeps itself alive.";
    case store::GrantState::unreachable: return "The provider does not answer; the token in use still works, and the next try comes by itself.";
    case store::GrantState::uncertain: return "A refresh may or may not have happened; the token in use still works.";
    case store::GrantState::paused: return "The provider refuses the app's credentials: mend the app under OAuth settings.";
    case store::GrantState::needs_authorization: return "The provider no longer honours this grant: authorise it again.";
    case store::GrantState::held: return "An administrator has to approve the account first.";
    case store::GrantState::disabled: return "Switched off here.";
    case store::GrantState::revoked: return "Ended here.";
  }
  return "Unknown.";
}

JsonObject grant_json(const store::Grant& grant, const catalog::Catalog& catalog) {
  const auto type = catalog.find_type(grant.type);
  JsonObject json;
  json["id"] = grant.id.text();
  json["user_id"] = grant.user.text();
  json["type"] = grant.type;
  json["type_name"] = type ? type->name : grant.type;
  json["app"] = grant.app;
  const auto params = base::parse_json(grant.params_json);
  json["params"] = params && params->is_object() ? params->get_object() : JsonObject{};
  json["account"] = account_json(grant.account_id, grant.account_name);
  json["state"] = store::name_of(grant.state);
  json["why"] = why_of(grant);
  json["enabled"] = grant.state != store::GrantState::disabled && grant.state != store::GrantState::revoked;
  json["access_expires_at"] = time_json(grant.access_expires_at);
  json["next_refresh_at"] = time_json(grant.due_at);
  json["last_refreshed_at"] = time_json(grant.last_refreshed_at);
  json["last_used_at"] = time_json(grant.last_used_at);
  json["dies_at"] = type && type->absolute_lifetime ? time_json(grant.created_at + *type->absolute_lifetime) : Json(nullptr);
  json["scopes"] = words_json(grant.scopes);
  json["missing_scopes"] = words_json(grant.missing_scopes);
  json["generation"] = grant.generation;
  json["created_at"] = base::to_rfc3339(grant.created_at);
  json["authorized_at"] = time_json(grant.created_at);
  return json;
}

namespace {

constexpr std::array<std::pair<std::string_view, std::uint32_t>, 4> kUses = {{
    {"deliver", store::kUseDeliver}, {"list", store::kUseList}, {"send", store::kUseSend}, {"token", store::kUseToken}}};

}  // namespace

JsonArray uses_json(std::uint32_t uses) {
  JsonArray out;
  for (const auto& [word, bit] : kUses) {
    if ((uses & bit) != 0) out.emplace_back(word);
  }
  return out;
}

std::optional<std::uint32_t> uses_of(const std::vector<std::string>& words) {
  std::uint32_t uses = 0;
  for (const auto& word : words) {
    std::uint32_t found = 0;
    for (const auto& [name, bit] : kUses) {
      if (name == word) found = bit;
    }
    if (found == 0) return std::nullopt;
    uses |= found;
  }
  return uses;
}

JsonObject user_json(const store::User& user, std::string_view group_name, const std::vector<store::Grant>& grants,
                     const catalog::Catalog& catalog) {
  JsonObject json;
  json["id"] = user.id.text();
  json["username"] = user.username;
  json["name"] = user.name;
  json["email"] = user.email;
  json["role"] = user.role == store::Role::administrator ? "administrator" : "regular";
  json["enabled"] = user.enabled;
  json["group"] = JsonObject{{"id", user.group.text()}, {"name", group_name}};
  json["has_pin"] = !user.public_key.empty();
  json["has_password"] = !user.password_sealed.empty();
  json["uses"] = uses_json(user.uses);
  json["sources"] = texts_json(user.allowed_sources);
  json["last_used_at"] = time_json(user.last_used_at);
  json["created_at"] = base::to_rfc3339(user.created_at);
  JsonArray held;
  for (const auto& grant : grants) held.push_back(grant_json(grant, catalog));
  json["grants"] = std::move(held);
  return json;
}

JsonObject group_json(const store::GroupRow& row) {
  JsonObject json;
  json["id"] = row.group.id.text();
  json["name"] = row.group.name;
  json["users"] = row.users;
  json["oauth_users"] = row.oauth_users;
  json["created_at"] = base::to_rfc3339(row.group.created_at);
  return json;
}

JsonObject param_json(const catalog::Parameter& parameter) {
  JsonObject json;
  json["name"] = parameter.name;
  json["label"] = parameter.label;
  // A host is typed like any text; the server checks it.
  json["kind"] = parameter.kind == catalog::ParameterKind::host ? "text" : catalog::name_of(parameter.kind);
  json["required"] = parameter.required;
  json["default"] = parameter.default_value;
  JsonArray options;
  for (const auto& option : parameter.options) {
    options.push_back(JsonObject{{"value", option.value}, {"label", option.label}});
  }
  json["options"] = std::move(options);
  json["hint"] = parameter.hint;
  return json;
}

JsonObject removed_json(const store::Grant& grant, const catalog::Catalog& catalog) {
  const auto prospect = grants::revocation_prospect(catalog, grant);
  return {{"revoked_at_provider", prospect.revocable == grants::Revocable::yes},
          {"revocation", grants::name_of(prospect.revocable)},
          {"detail", "The grant is gone here. " + prospect.words}};
}

JsonObject list_json(JsonArray items, std::string_view next_cursor, std::int64_t total) {
  JsonObject json;
  json["items"] = std::move(items);
  json["next_cursor"] = next_cursor.empty() ? Json(nullptr) : Json(next_cursor);
  json["total"] = total;
  return json;
}

JsonObject whole_list_json(JsonArray items) {
  const auto count = static_cast<std::int64_t>(items.size());
  return list_json(std::move(items), {}, count);
}

}  // namespace latchkey::console

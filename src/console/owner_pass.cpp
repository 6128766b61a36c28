#include "console/owner_pass.h"

#include "base/bytes.h"
#include "base/json.h"
#include "console/signed_value.h"

namespace latchkey::console {
namespace {

constexpr std::string_view kUse = "owner-pass";
constexpr std::string_view kSecureName = "__Host-latchkey-owner";
constexpr std::string_view kLoopbackName = "latchkey-owner";
constexpr std::size_t kBytesMost = 2048;

std::string_view name_for(const net::HttpRequest& request) { return request.scheme == "https" ? kSecureName : kLoopbackName; }

std::string attributes(const net::HttpRequest& request, std::int64_t max_age_s) {
  std::string text = "; Path=/; HttpOnly; SameSite=Strict; Max-Age=" + std::to_string(max_age_s);
  if (request.scheme == "https") text += "; Secure";
  return text;
}

}  // namespace

std::string OwnerPasses::cookie(const net::HttpRequest& request, const OwnerPass& pass) const {
  JsonObject object;
  if (pass.grant.none()) {
    object["user"] = pass.user.text();
    object["epoch"] = pass.auth_epoch;
  } else {
    object["grant"] = pass.grant.text();
    object["account"] = pass.account_id;
  }
  const auto left = std::chrono::ceil<Seconds>(pass.ends - wall_.now()).count();
  return std::string(name_for(request)) + "=" + signed_value(vault_, kUse, std::move(object), pass.ends) + attributes(request, left);
}

std::string OwnerPasses::forgotten(const net::HttpRequest& request) { return std::string(name_for(request)) + "=" + attributes(request, 0); }

std::optional<OwnerPass> OwnerPasses::of(const net::HttpRequest& request) const {
  if (!request.is_confidential()) return std::nullopt;
  const auto value = request.cookie(name_for(request));
  if (!value || value->size() > kBytesMost) return std::nullopt;
  const auto object = opened_value(vault_, kUse, *value, wall_.now());
  if (!object) return std::nullopt;
  return OwnerPass{.user = UserId::parse(base::string_or(*object, "user")).value_or(UserId{}),
                   .auth_epoch = base::integer_or(*object, "epoch"),
                   .grant = GrantId::parse(base::string_or(*object, "grant")).value_or(GrantId{}),
                   .account_id = base::string_or(*object, "account"),
                   .ends = base::from_unix_ms(base::integer_or(*object, "ends"))};
}

}  // namespace latchkey::console

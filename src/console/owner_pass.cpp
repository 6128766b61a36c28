#include "console/owner_pass.h"

#include "base/bytes.h"
#include "base/json.h"

namespace latchkey::console {
namespace {

constexpr std::string_view kSecureName = "__Host-latchkey-owner";
constexpr std::string_view kLoopbackName = "latchkey-owner";
constexpr std::size_t kBytesMost = 2048;

std::string_view name_for(const net::HttpRequest& request) { return request.scheme == "https" ? kSecureName : kLoopbackName; }

std::string attributes(const net::HttpRequest& request, std::int64_t max_age_s) {
  std::string text = "; Path=/; HttpOnly; SameSite=Strict; Max-Age=" + std::to_string(max_age_s);
  if (request.scheme == "https") text += "; Secure";
  return text;
}

std::int64_t number_of(const JsonObject& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value != nullptr && value->is_int64() ? value->get_int64() : 0;
}

}  // namespace

std::string OwnerPasses::mac(std::string_view text) const { return base::to_base64url(vault_.keyed_hash("owner-pass", base::as_bytes(text))); }

std::string OwnerPasses::cookie(const net::HttpRequest& request, const OwnerPass& pass) const {
  JsonObject object{{"v", 1}, {"ends", base::to_unix_ms(pass.ends)}};
  if (pass.grant.none()) {
    object["user"] = pass.user.text();
    object["epoch"] = pass.auth_epoch;
  } else {
    object["grant"] = pass.grant.text();
    object["account"] = pass.account_id;
  }
  const auto text = base::to_base64url(base::as_bytes(boost::json::serialize(object)));
  const auto left = std::chrono::ceil<Seconds>(pass.ends - wall_.now()).count();
  return std::string(name_for(request)) + "=" + text + "." + mac(text) + attributes(request, left);
}

std::string OwnerPasses::forgotten(const net::HttpRequest& request) { return std::string(name_for(request)) + "=" + attributes(request, 0); }

std::optional<OwnerPass> OwnerPasses::of(const net::HttpRequest& request) const {
  if (!request.is_confidential()) return std::nullopt;
  const auto value = request.cookie(name_for(request));
  if (!value || value->size() > kBytesMost) return std::nullopt;
  const std::string_view whole = *value;
  const auto dot = whole.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const auto text = whole.substr(0, dot);
  if (!base::equal_in_constant_time(base::as_bytes(mac(text)), base::as_bytes(whole.substr(dot + 1)))) return std::nullopt;
  const auto plain = base::from_base64url(text);
  const auto json = plain ? base::parse_json(base::as_text(*plain)) : Result<Json>(Json());
  if (!json || !json->is_object() || number_of(json->get_object(), "v") != 1) return std::nullopt;
  const auto& object = json->get_object();
  OwnerPass pass{.user = UserId::parse(base::string_or(object, "user")).value_or(UserId{}),
                 .auth_epoch = number_of(object, "epoch"),
                 .grant = GrantId::parse(base::string_or(object, "grant")).value_or(GrantId{}),
                 .account_id = base::string_or(object, "account"),
                 .ends = base::from_unix_ms(number_of(object, "ends"))};
  if (wall_.now() >= pass.ends) return std::nullopt;
  return pass;
}

}  // namespace latchkey::console

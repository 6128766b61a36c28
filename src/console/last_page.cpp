#include "console/last_page.h"

#include "base/bytes.h"
#include "base/json.h"
#include "base/shown_name.h"
#include "console/signed_value.h"

namespace latchkey::console {
namespace {

constexpr std::string_view kUse = "last-page";
constexpr std::string_view kSecureName = "__Host-latchkey-last-page";
constexpr std::string_view kLoopbackName = "latchkey-last-page";
constexpr std::size_t kCookieBytesMost = 4096;
constexpr std::size_t kTextBytesMost = 2'000;

std::string_view name_for(const net::HttpRequest& request) { return request.scheme == "https" ? kSecureName : kLoopbackName; }

std::string cut(std::string text) {
  for (std::size_t most = kTextBytesMost; text.size() > kTextBytesMost; most /= 2) text = base::in_a_line(text, most);
  return text;
}

}  // namespace

LastPages::Kept LastPages::keep(const net::HttpRequest& request, LastPage page) const {
  auto key = base::to_base64url(entropy_.bytes(16));
  JsonObject members{{"key", key}, {"succeeded", page.succeeded}, {"title", page.title}, {"text", cut(std::move(page.text))},
                     {"console", page.has_console}};
  if (!page.id.none()) members["id"] = page.id.text();
  auto cookie = std::string(name_for(request)) + "=" + signed_value(vault_, kUse, std::move(members), wall_.now() + kLastPageLifetime) +
                // Lax: the way here leads from the provider's page.
                "; Path=/; HttpOnly; SameSite=Lax; Max-Age=" + std::to_string(kLastPageLifetime.count());
  if (request.scheme == "https") cookie += "; Secure";
  return {.key = std::move(key), .cookie = std::move(cookie)};
}

std::optional<LastPage> LastPages::find(const net::HttpRequest& request, std::string_view key) const {
  const auto value = request.cookie(name_for(request));
  if (!value || value->size() > kCookieBytesMost) return std::nullopt;
  const auto members = opened_value(vault_, kUse, *value, wall_.now());
  if (!members || base::string_or(*members, "key") != key) return std::nullopt;
  return LastPage{.succeeded = base::flag_or(*members, "succeeded"),
                  .title = base::string_or(*members, "title"),
                  .text = base::string_or(*members, "text"),
                  .id = AuthorizationId::parse(base::string_or(*members, "id")).value_or(AuthorizationId{}),
                  .has_console = base::flag_or(*members, "console")};
}

}  // namespace latchkey::console

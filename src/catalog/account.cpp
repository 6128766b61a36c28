#include "catalog/account.h"

#include <charconv>

#include "base/shown_name.h"

namespace latchkey::catalog {
namespace {

constexpr std::size_t kAccountBytesMax = 256;

const Json* step_into(const Json& json, std::string_view piece) {
  const auto bracket = piece.find('[');
  const auto name = piece.substr(0, bracket);
  const Json* at = &json;
  if (!name.empty()) {
    const auto* object = at->if_object();
    at = object == nullptr ? nullptr : object->if_contains(name);
  }
  auto rest = bracket == std::string_view::npos ? std::string_view() : piece.substr(bracket);
  while (at != nullptr && !rest.empty()) {
    std::size_t index = 0;
    const auto close = rest.find(']');
    if (rest.front() != '[' || close == std::string_view::npos) return nullptr;
    const auto digits = rest.substr(1, close - 1);
    const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), index);
    if (end.ec != std::errc() || end.ptr != digits.data() + digits.size()) return nullptr;
    const auto* array = at->if_array();
    at = array == nullptr || index >= array->size() ? nullptr : &(*array)[index];
    rest.remove_prefix(close + 1);
  }
  return at;
}

// nullptr: there is nothing.
const Json* node_at(const Json& json, std::string_view path) {
  const Json* at = &json;
  while (!path.empty()) {
    const auto dot = path.find('.');
    at = step_into(*at, path.substr(0, dot));
    if (at == nullptr) return nullptr;
    path.remove_prefix(dot == std::string_view::npos ? path.size() : dot + 1);
  }
  return at;
}

std::optional<std::string> text_of(const Json* json) {
  if (json == nullptr) return std::nullopt;
  if (const auto* number = json->if_int64()) return std::to_string(*number);
  const auto* text = json->if_string();
  if (text == nullptr || text->empty() || text->size() > kAccountBytesMax) return std::nullopt;
  return std::string(std::string_view(*text));
}

// Whatever it holds: an account that is known by it is the same one next time. No store takes U+0000 in a text.
std::optional<std::string> id_at(const Json& json, std::string_view path) {
  auto id = text_of(node_at(json, path));
  return id && !id->contains('\0') ? id : std::nullopt;
}

}  // namespace

std::optional<std::string> value_at(const Json& json, std::string_view path) {
  auto value = text_of(node_at(json, path));
  // People approve an account by what they read (A4).
  return value && base::may_be_shown(*value, kAccountBytesMax) ? value : std::nullopt;
}

std::optional<Account> read_account(const AccountLookup& lookup, const Json& answer, const JsonObject* id_claims) {
  Account account;
  for (const auto& path : lookup.id_paths) {
    const auto part = id_at(answer, path);
    if (!part) return std::nullopt;  // half an identity is none
    if (!account.id.empty()) account.id += '/';
    account.id += *part;
  }
  if (account.id.empty()) return std::nullopt;
  for (const auto& path : lookup.name_paths) {
    if (auto name = value_at(answer, path); name && account.name.empty()) account.name = *name;
  }
  for (const auto* claim : {"email", "preferred_username", "name"}) {
    if (!account.name.empty() || id_claims == nullptr) break;
    const auto* value = id_claims->if_contains(claim);
    if (value != nullptr) account.name = value_at(*value, "").value_or("");
  }
  if (account.name.empty()) account.name = base::as_escaped(account.id);
  return account;
}

}  // namespace latchkey::catalog

#include "wire/webdav/headers.h"

#include <algorithm>

#include "wire/webdav/resource.h"

namespace latchkey::wire::webdav {
namespace {

constexpr std::size_t kListsMax = 20;
constexpr std::size_t kConditionsMax = 20;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool equal_ignoring_case(std::string_view left, std::string_view right) {
  return std::ranges::equal(left, right, {}, lower, lower);
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

std::unexpected<Error> bad_if() {
  return fail(ErrorKind::invalid, "bad_if", "The If field cannot be read (RFC 4918, section 10.4).");
}

// Takes "<...>", "\"...\"" or "W/\"...\"" from the front; nullopt: there is none.
std::optional<std::string_view> take_bracketed(std::string_view& text, char open, char close) {
  if (!text.starts_with(open)) return std::nullopt;
  const auto end = text.find(close, 1);
  if (end == std::string_view::npos) return std::nullopt;
  const auto inner = text.substr(1, end - 1);
  text = trimmed(text.substr(end + 1));
  return inner;
}

std::optional<Condition> take_condition(std::string_view& text) {
  Condition condition;
  if (text.size() > 3 && equal_ignoring_case(text.substr(0, 3), "Not")) {
    condition.negated = true;
    text = trimmed(text.substr(3));
  }
  if (const auto token = take_bracketed(text, '<', '>')) {
    condition.value = *token;
    return condition;
  }
  const auto tag = take_bracketed(text, '[', ']');
  if (!tag || tag->size() < 2 || !tag->ends_with('"') || (!tag->starts_with('"') && !tag->starts_with("W/\"")))
    return std::nullopt;
  condition.kind = Condition::Kind::entity_tag;
  condition.value = *tag;
  return condition;
}

}  // namespace

Result<Depth> parse_depth(std::optional<std::string_view> field, Depth otherwise) {
  if (!field) return otherwise;
  const auto text = trimmed(*field);
  if (text == "0") return Depth::zero;
  if (text == "1") return Depth::one;
  if (equal_ignoring_case(text, "infinity")) return Depth::infinity;
  return fail(ErrorKind::invalid, "bad_depth", "Depth is 0, 1 or infinity.");
}

Result<Overwrite> parse_overwrite(std::optional<std::string_view> field) {
  if (!field || equal_ignoring_case(trimmed(*field), "T")) return Overwrite::yes;
  if (equal_ignoring_case(trimmed(*field), "F")) return Overwrite::no;
  return fail(ErrorKind::invalid, "bad_overwrite", "Overwrite is T or F.");
}

Result<Destination> parse_destination(std::optional<std::string_view> field) {
  const auto bad = [] {
    return fail(ErrorKind::invalid, "bad_destination", "Destination must name an address on this server.");
  };
  if (!field) return bad();
  auto text = trimmed(*field);
  Destination destination;
  if (!text.starts_with('/')) {
    const auto scheme_end = text.find("://");
    if (scheme_end == std::string_view::npos) return bad();
    const auto scheme = text.substr(0, scheme_end);
    if (!equal_ignoring_case(scheme, "http") && !equal_ignoring_case(scheme, "https")) return bad();
    text.remove_prefix(scheme_end + 3);
    const auto slash = text.find('/');
    if (slash == std::string_view::npos || slash == 0) return bad();
    destination.authority = text.substr(0, slash);
    std::ranges::transform(destination.authority, destination.authority.begin(), lower);
    if (destination.authority.contains('@')) return bad();
    text.remove_prefix(slash);
  }
  if (text.find_first_of("?#") != std::string_view::npos) return bad();
  auto path = decode_path(text);
  if (!path) return std::unexpected(path.error());
  destination.path = std::move(*path);
  return destination;
}

Result<std::vector<ConditionList>> parse_if(std::string_view field) {
  std::vector<ConditionList> lists;
  auto text = trimmed(field);
  std::string tag;
  while (!text.empty()) {
    if (const auto next = take_bracketed(text, '<', '>')) {
      tag = *next;
      if (!text.starts_with('(')) return bad_if();
    }
    if (!text.starts_with('(') || lists.size() >= kListsMax) return bad_if();
    text = trimmed(text.substr(1));
    ConditionList list{.tag = tag, .conditions = {}};
    while (!text.starts_with(')')) {
      auto condition = take_condition(text);
      if (!condition || list.conditions.size() >= kConditionsMax) return bad_if();
      list.conditions.push_back(std::move(*condition));
    }
    if (list.conditions.empty()) return bad_if();
    text = trimmed(text.substr(1));
    lists.push_back(std::move(list));
  }
  if (lists.empty()) return bad_if();
  return lists;
}

bool holds(const std::vector<ConditionList>& lists, std::string_view entity_tag) {
  return std::ranges::any_of(lists, [entity_tag](const ConditionList& list) {
    return list.tag.empty() && std::ranges::all_of(list.conditions, [entity_tag](const Condition& condition) {
             const bool is =
                 condition.kind == Condition::Kind::entity_tag && !entity_tag.empty() && condition.value == entity_tag;
             return is != condition.negated;
           });
  });
}

}  // namespace latchkey::wire::webdav

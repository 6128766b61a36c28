#include "app/consent_words.h"

#include <fmt/format.h>

#include "base/shown_name.h"
#include "net/http_headers.h"

namespace latchkey::app {
namespace {

struct Asked {
  std::string name;
  std::string id;
  std::string holder;
  std::string before_id;  // of the account until now; empty: none is known
  std::string before_name;
};
Asked asked_about(const JsonObject& authorization) {
  const JsonObject* confirmation = base::find_object(authorization, "confirmation");
  if (confirmation == nullptr) return {};
  static const JsonObject kNobody;
  const auto account = [&](std::string_view which) -> const JsonObject& {
    const JsonObject* found = base::find_object(*confirmation, which);
    return found == nullptr ? kNobody : *found;
  };
  return {.name = base::string_or(account("now"), "name"), .id = base::string_or(account("now"), "id"), .holder = base::string_or(*confirmation, "holder"),
          .before_id = base::string_or(account("before"), "id"), .before_name = base::string_or(account("before"), "name")};
}

constexpr std::size_t kNameInALine = 60;  // of the 80 columns that a terminal has at least

std::string told(const std::string& text, std::size_t most = std::string::npos) { return text.empty() ? "not told" : base::in_a_line(text, most); }

// As the provider gives it, or as it is shown.
bool is_id(const std::string& named, const std::string& id) { return named == id || named == base::as_escaped(id); }

}  // namespace

std::string question_of(const JsonObject& authorization) {
  const JsonObject* confirmation = base::find_object(authorization, "confirmation");
  return base::in_a_line(confirmation == nullptr ? "The consent has come and waits for approval." : base::string_or(*confirmation, "detail"));
}

std::string question_at_length(const JsonObject& authorization) {
  const auto asked = asked_about(authorization);
  auto words = fmt::format("{}\n  for        {}, {}\n  account    {}\n  its id     {}\n", question_of(authorization),
                           base::in_a_line(base::string_or(authorization, "username")), base::in_a_line(base::string_or(authorization, "type")),
                           told(asked.name, kNameInALine), told(base::as_escaped(asked.id)));
  if (!asked.before_id.empty()) words += fmt::format("  until now  {}\n  its id     {}\n", told(asked.before_name, kNameInALine), told(base::as_escaped(asked.before_id)));
  if (!asked.holder.empty()) words += fmt::format("  in use by  {}\n", base::in_a_line(asked.holder));
  return words;
}

AccountCells account_cells(const JsonObject& authorization) {
  const auto asked = asked_about(authorization);
  return {.id = asked.id.empty() ? "-" : base::as_escaped(asked.id), .name = asked.name.empty() ? "-" : base::in_a_line(asked.name, kNameInALine)};
}

Result<bool> is_named(const JsonObject& authorization, const NamedBeforehand& named) {
  const auto asked = asked_about(authorization);
  if (!named.account.empty() && !is_id(named.account, asked.id)) {
    return fail(ErrorKind::invalid, "another_account", "--account: another account has consented; nothing was done", {.field = "--account"});
  }
  if (!named.holder.empty() && !net::equal_ignoring_case(named.holder, asked.holder)) {
    return fail(ErrorKind::invalid, "another_holder",
                asked.holder.empty() ? "--holder: nobody else has that account; nothing was done" : "--holder: somebody else has that account; nothing was done",
                {.field = "--holder"});
  }
  if (!named.replaces.empty() && !is_id(named.replaces, asked.before_id)) {
    return fail(ErrorKind::invalid, "another_replaced",
                asked.before_id.empty() ? "--replaces: it takes no other account's place; nothing was done" : "--replaces: until now it was another account; nothing was done",
                {.field = "--replaces"});
  }
  const JsonObject* confirmation = base::find_object(authorization, "confirmation");
  if (!named.question.empty() && (confirmation == nullptr || named.question != base::string_or(*confirmation, "question"))) {
    return fail(ErrorKind::invalid, "another_question", "--question: something else is asked; look again with `latchkey grant pending --json`. Nothing was done",
                {.field = "--question"});
  }
  if (!named.question.empty()) return true;
  return !named.account.empty() && named.holder.empty() == asked.holder.empty() && named.replaces.empty() == asked.before_id.empty();
}

}  // namespace latchkey::app

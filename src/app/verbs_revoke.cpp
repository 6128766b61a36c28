#include <fmt/format.h>

#include <iostream>
#include <map>

#include "app/terminal.h"
#include "app/verbs.h"
#include "app/verbs_grants.h"

namespace latchkey::app {
namespace {

constexpr std::string_view kWords = "revoke all";

struct Swept {
  std::int64_t grants = 0;
  std::map<std::string, std::int64_t> by_hand;
  std::map<std::string, std::int64_t> perhaps;
};

void add(std::map<std::string, std::int64_t>& to, const JsonObject& page, std::string_view member) {
  const auto* counts = base::find_object(page, member);
  if (counts == nullptr) return;
  for (const auto& [provider, count] : *counts) to[std::string(provider)] += count.as_int64();
}

JsonObject json_of(const std::map<std::string, std::int64_t>& counts) {
  JsonObject json;
  for (const auto& [provider, count] : counts) json[provider] = count;
  return json;
}

// Page by page, so that it can be broken off and begun again: what is revoked already is not found any more.
Result<Swept> sweep(const Session& session, const RevokeAllArguments& which, bool dry_run) {
  const auto client = session.client();
  Swept swept;
  JsonObject body{{"dry_run", dry_run}};
  if (!which.app.empty()) body["app"] = which.app;
  if (!which.type.empty()) body["type"] = which.type;
  for (;;) {
    const auto answer = client.call("POST", "/api/v1/grants/revoke", &body);
    if (!answer) return std::unexpected(answer.error());
    const auto& page = answer->as_object();
    swept.grants += page.at("grants").as_int64();
    add(swept.by_hand, page, "by_hand");
    add(swept.perhaps, page, "perhaps");
    if (!dry_run) fmt::print(stderr, "\r{} revoked here", swept.grants);
    const Json* next = page.if_contains("next_cursor");
    if (next == nullptr || !next->is_string()) break;
    body["cursor"] = next->as_string();
  }
  if (!dry_run) fmt::print(stderr, "\n");
  return swept;
}

JsonObject json_of(const Swept& swept, bool dry_run) {
  return {{"grants", swept.grants}, {"by_hand", json_of(swept.by_hand)}, {"perhaps", json_of(swept.perhaps)}, {"dry_run", dry_run}};
}

void say_what_providers_are_not_asked(const Swept& swept) {
  for (const auto& [provider, count] : swept.by_hand) {
    print(fmt::format("{} of them at {}, which cannot be asked: remove the app in each account's own settings there.\n", count, provider));
  }
  for (const auto& [provider, count] : swept.perhaps) {
    print(fmt::format("{} of them at {}, which may turn out not to be asked: an alert says so then.\n", count, provider));
  }
}

// "3 grants of the type google of the app box"
std::string named(std::int64_t grants, const RevokeAllArguments& which) {
  auto words = fmt::format("{} {}", grants, grants == 1 ? "grant" : "grants");
  if (!which.type.empty()) words += " of the type " + which.type;
  if (!which.app.empty()) words += " of the app " + which.app;
  return words;
}

Result<void> confirm(const Swept& there, const RevokeAllArguments& which) {
  std::string words = which.confirm;
  if (words.empty()) {
    fmt::print(stderr, "{} will be revoked, here at once and at their providers; everybody must authorise again.\nType \"{}\" to go on: ",
               named(there.grants, which), kWords);
    if (!std::getline(std::cin, words)) words.clear();
  }
  if (words == kWords) return {};
  return fail(ErrorKind::invalid, "not_confirmed", fmt::format("nothing was revoked: the words \"{}\" were not typed", kWords), {.field = "--confirm"});
}

}  // namespace

Result<int> revoke_all(const Session& session, const RevokeAllArguments& arguments) {
  const auto there = sweep(session, arguments, true);
  if (!there) return std::unexpected(there.error());
  if (arguments.dry_run || there->grants == 0) {
    if (session.json) {
      print(pretty(json_of(*there, true)));
      return 0;
    }
    print(fmt::format("{} would be revoked.\n", named(there->grants, arguments)));
    say_what_providers_are_not_asked(*there);
    return 0;
  }
  if (const auto sure = confirm(*there, arguments); !sure) return std::unexpected(sure.error());
  const auto swept = sweep(session, arguments, false);
  if (!swept) return std::unexpected(swept.error());
  if (session.json) {
    print(pretty(json_of(*swept, false)));
    return 0;
  }
  print(fmt::format("{} revoked here. `latchkey health` shows how many providers are still to be told.\n",
                    named(swept->grants, arguments) + (swept->grants == 1 ? " is" : " are")));
  say_what_providers_are_not_asked(*swept);
  return 0;
}

}  // namespace latchkey::app

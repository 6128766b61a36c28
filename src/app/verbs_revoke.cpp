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
};

// Page by page, so that it can be broken off and begun again: what is revoked already is not found any more.
Result<Swept> sweep(const Session& session, const std::string& app, bool dry_run) {
  const auto client = session.client();
  Swept swept;
  JsonObject body{{"dry_run", dry_run}};
  if (!app.empty()) body["app"] = app;
  for (;;) {
    const auto answer = client.call("POST", "/api/v1/grants/revoke", &body);
    if (!answer) return std::unexpected(answer.error());
    const auto& page = answer->as_object();
    swept.grants += page.at("grants").as_int64();
    if (const auto* by_hand = base::find_object(page, "by_hand")) {
      for (const auto& [provider, count] : *by_hand) swept.by_hand[std::string(provider)] += count.as_int64();
    }
    if (!dry_run) fmt::print(stderr, "\r{} revoked here", swept.grants);
    const Json* next = page.if_contains("next_cursor");
    if (next == nullptr || !next->is_string()) break;
    body["cursor"] = next->as_string();
  }
  if (!dry_run) fmt::print(stderr, "\n");
  return swept;
}

JsonObject json_of(const Swept& swept, bool dry_run) {
  JsonObject by_hand;
  for (const auto& [provider, count] : swept.by_hand) by_hand[provider] = count;
  return {{"grants", swept.grants}, {"by_hand", std::move(by_hand)}, {"dry_run", dry_run}};
}

void say_by_hand(const Swept& swept) {
  for (const auto& [provider, count] : swept.by_hand) {
    print(fmt::format("{} of them at {}, which cannot be asked: remove the app in each account's own settings there.\n", count, provider));
  }
}

Result<void> confirm(const Swept& there, const std::string& app, const std::string& typed) {
  std::string words = typed;
  if (words.empty()) {
    fmt::print(stderr, "{} grants{} will be revoked, here at once and at their providers; everybody must authorise again.\nType \"{}\" to go on: ",
               there.grants, app.empty() ? std::string() : " of " + app, kWords);
    if (!std::getline(std::cin, words)) words.clear();
  }
  if (words == kWords) return {};
  return fail(ErrorKind::invalid, "not_confirmed", fmt::format("nothing was revoked: the words \"{}\" were not typed", kWords), {.field = "--confirm"});
}

}  // namespace

Result<int> revoke_all(const Session& session, const RevokeAllArguments& arguments) {
  const auto there = sweep(session, arguments.app, true);
  if (!there) return std::unexpected(there.error());
  if (arguments.dry_run || there->grants == 0) {
    if (session.json) {
      print(pretty(json_of(*there, true)));
      return 0;
    }
    print(fmt::format("{} grants{} would be revoked.\n", there->grants, arguments.app.empty() ? std::string() : " of " + arguments.app));
    say_by_hand(*there);
    return 0;
  }
  if (const auto sure = confirm(*there, arguments.app, arguments.confirm); !sure) return std::unexpected(sure.error());
  const auto swept = sweep(session, arguments.app, false);
  if (!swept) return std::unexpected(swept.error());
  if (session.json) {
    print(pretty(json_of(*swept, false)));
    return 0;
  }
  print(fmt::format("{} grants are revoked here. `latchkey health` shows how many providers are still to be told.\n", swept->grants));
  say_by_hand(*swept);
  return 0;
}

}  // namespace latchkey::app

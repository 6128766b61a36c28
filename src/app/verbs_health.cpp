#include <fmt/format.h>

#include <algorithm>

#include "app/health_words.h"
#include "app/terminal.h"
#include "app/verbs.h"
#include "base/shown_name.h"
#include "net/url.h"

namespace latchkey::app {
namespace {

std::int64_t number(const JsonObject& object, std::string_view name) {
  const Json* value = object.if_contains(name);
  return value != nullptr && value->is_int64() ? value->as_int64() : 0;
}

const JsonArray& items_of(const JsonObject& object, std::string_view name) {
  static const JsonArray kNone;
  const auto* found = base::find_array(object, name);
  return found == nullptr ? kNone : *found;
}

std::string span_words(std::int64_t seconds) {
  if (seconds % 86400 == 0 && seconds > 0) return fmt::format("{} d", seconds / 86400);
  if (seconds % 3600 == 0 && seconds > 0) return fmt::format("{} h", seconds / 3600);
  return seconds % 60 == 0 ? fmt::format("{} min", seconds / 60) : fmt::format("{} s", seconds);
}

// "under 5 min", "5 min to 15 min", "24 h and more", and for what has passed the word given.
std::string span_name(const JsonObject& span, std::string_view past) {
  const Json* from = span.if_contains("from_s");
  const Json* until = span.if_contains("until_s");
  if (from == nullptr || from->is_null()) return std::string(past);
  if (until == nullptr || until->is_null()) return span_words(from->as_int64()) + " and more";
  if (from->as_int64() == 0) return "under " + span_words(until->as_int64());
  return span_words(from->as_int64()) + " to " + span_words(until->as_int64());
}

void print_spans(std::string_view title, const JsonArray& spans, std::string_view past) {
  std::vector<std::vector<std::string>> rows;
  for (const Json& span : spans) {
    if (number(span.as_object(), "count") > 0) rows.push_back({span_name(span.as_object(), past), cell(span.as_object(), "count")});
  }
  if (rows.empty()) return;
  print(fmt::format("\n{}\n", title));
  print(table({"IN", "GRANTS"}, rows));
}

// "99.9 % of 1000 are fresh": of those that are kept so, and never rounded up to all.
std::string fresh_words(const JsonObject& states) {
  std::int64_t kept = 0;
  for (const std::string_view state : {"active", "unreachable", "uncertain", "paused", "needs_authorization"}) kept += number(states, state);
  if (kept == 0) return "No grants are to be kept fresh.";
  const auto tenths = number(states, "active") * 1000 / kept;
  return fmt::format("{}.{} % of {} are fresh.", tenths / 10, tenths % 10, kept);
}

void print_last_day(const JsonArray& hours) {
  std::int64_t refreshed = 0, again = 0, refused = 0;
  for (const Json& hour : hours) {
    const auto& object = hour.as_object();
    refreshed += number(object, "refreshed");
    again += number(object, "transient") + number(object, "not_sent") + number(object, "ambiguous");
    refused += number(object, "refused") + number(object, "misconfigured_app");
  }
  print(fmt::format("Refreshes in the last 24 hours: {} refreshed, {} failed and tried again, {} refused.\n", refreshed, again, refused));
}

// When an app is left without a secret by the calendar.
std::string secrets_end(const JsonObject& app) {
  const auto& secrets = items_of(app, "secrets");
  if (secrets.empty()) return "none";
  std::string last;
  for (const Json& secret : secrets) {
    const auto end = base::string_or(secret.as_object(), "expires_at");
    if (end.empty()) return "no end noted";
    last = std::max(last, end);
  }
  return "ends " + last.substr(0, 10);
}

void print_apps(const JsonArray& items) {
  std::vector<std::vector<std::string>> rows;
  for (const Json& app : items) {
    const auto& object = app.as_object();
    const auto failures = number(object, "failures");
    const auto* state = cell(object, "paused") == "yes"                     ? "refused"
                        : base::string_or(object, "circuit") == "open"      ? "circuit open"
                        : failures > 0                                      ? "failing"
                                                                            : "accepted";
    rows.push_back({id_of(object), state, failures > 0 ? fmt::format("{}", failures) : std::string(), cell(object, "open_since"), cell(object, "next_try_at"),
                    secrets_end(object), cell(object, "why")});
  }
  if (rows.empty()) return;
  print("\nProviders\n");
  print(table({"APP", "STATE", "FAILURES", "SINCE", "NEXT TRY", "SECRET", "WHY"}, rows));
}

void print_dying(const JsonObject* dying) {
  if (dying == nullptr || number(*dying, "count") == 0) return;
  std::vector<std::vector<std::string>> rows;
  for (const Json& each : items_of(*dying, "items")) {
    const auto& object = each.as_object();
    rows.push_back({cell(object, "username"), cell(object, "type"), cell(object, "ends_at"),
                    base::string_or(object, "limit") == "idle" ? "not refreshed for too long" : "the consent comes of age"});
  }
  print(fmt::format("\n{} end within 14 days unless somebody acts\n", number(*dying, "count")));
  print(table({"USERNAME", "TYPE", "ENDS", "WHY"}, rows));
}

void print_channels(const JsonArray& channels) {
  print("\nNotices\n");
  for (const Json& channel : channels) {
    const auto& object = channel.as_object();
    const auto problem = base::string_or(object, "problem");
    const auto told = base::string_or(object, "last_told_at");
    print(base::as_shown(fmt::format("{}: {}", cell(object, "channel"),
                                     cell(object, "on") != "yes" ? "off"
                                     : !problem.empty()          ? "does not arrive: " + problem
                                     : told.empty()              ? "on, to " + cell(object, "target") + "; nothing told since the start"
                                                                 : "on, to " + cell(object, "target") + "; last told " + told)) +
          "\n");
  }
}

Result<int> show_health(const Session& session) {
  const auto answer = session.client().get("/api/v1/health");
  if (!answer) return std::unexpected(answer.error());
  const auto alerts = session.client().get("/api/v1/alerts");
  if (!alerts) return std::unexpected(alerts.error());
  auto health = answer->as_object();
  health["alerts"] = alerts->as_object().at("items");
  health["put_away"] = alerts->as_object().at("put_away");
  const auto* states = base::find_object(health, "by_state");
  // What only people can mend makes the exit status 1, for scripts that watch.
  const bool sound = health["alerts"].as_array().empty() &&
                     std::ranges::none_of(health["put_away"].as_array(), [](const Json& alert) { return cell(alert.as_object(), "severity") == "critical"; });
  if (session.json) {
    print(pretty(health));
    return sound ? 0 : 1;
  }
  std::string summary;
  for (const auto& [state, count] : *states) {
    if (count.as_int64() > 0) summary += fmt::format("{}{} {}", summary.empty() ? "" : ", ", count.as_int64(), std::string_view(state));
  }
  print(fmt::format("{} {}{}{}\n", number(health, "grants"), number(health, "grants") == 1 ? "grant" : "grants", summary.empty() ? "" : ": ", summary));
  print(fresh_words(*states) + "\n");
  print_last_day(items_of(health, "hours"));
  for (const auto& [list, note] : {std::pair("alerts", ""), std::pair("put_away", " (put away)")}) {
    for (const Json& alert : health[list].as_array()) {
      print(alert_line(alert.as_object(), note));
    }
  }
  print_spans("Access tokens end", items_of(health, "until_expiry"), "ended");
  print_spans("Next refresh", items_of(health, "until_refresh"), "overdue");
  print_apps(items_of(health, "apps"));
  print_dying(base::find_object(health, "dying"));
  const auto* revocations = base::find_object(health, "revocations");
  if (revocations != nullptr && number(*revocations, "waiting") > 0) {
    print(fmt::format("\n{} on their way back to their providers\n", number(*revocations, "waiting")));
    std::vector<std::vector<std::string>> rows;
    for (const Json& each : items_of(*revocations, "items")) {
      const auto& object = each.as_object();
      rows.push_back({cell(object, "subject"), cell(object, "app"), cell(object, "attempts"), cell(object, "next_try_at"), cell(object, "why")});
    }
    print(table({"GRANT", "APP", "TRIES", "NEXT TRY", "WHY"}, rows));
  }
  print_channels(items_of(health, "notices"));
  return sound ? 0 : 1;
}

Result<int> test_notice(const Session& session, const std::string& channel) {
  const JsonObject body{{"channel", channel}};
  const auto answer = session.client().call("POST", "/api/v1/notices/test", &body);
  if (!answer) return std::unexpected(answer.error());
  const auto& object = answer->as_object();
  if (session.json) print(pretty(*answer));
  else print(base::as_shown(cell(object, "detail")) + "\n");
  return cell(object, "ok") == "yes" ? 0 : 1;
}

Result<int> set_notice_secret(const Session& session, const std::string& channel, const std::string& file, bool clear) {
  JsonObject body{{"value", ""}};
  if (!clear) {
    auto secret = file.empty() ? prompt_secret(channel == "mail" ? "Password of the mail relay" : "Secret of the webhook", "--file", Ask::twice)
                               : read_secret_file("--file", file);
    if (!secret) return std::unexpected(secret.error());
    body["value"] = secret->reveal_text();
  }
  const auto answer = session.client().call("PUT", fmt::format("/api/v1/notices/{}/secret", channel), &body);
  if (!answer) return std::unexpected(answer.error());
  if (session.json) print(pretty(JsonObject{{"channel", channel}, {"secret_set", !clear}}));
  else print(clear ? "The secret is taken away.\n" : "The secret is set.\n");
  return 0;
}

Result<int> list_channels(const Session& session) {
  const auto answer = session.client().get("/api/v1/notices");
  if (!answer) return std::unexpected(answer.error());
  const auto& items = items_of(answer->as_object(), "items");
  if (session.json) {
    print(pretty(items));
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const Json& each : items) {
    const auto& object = each.as_object();
    rows.push_back({cell(object, "channel"), cell(object, "on") == "yes" ? "on" : "off", cell(object, "target"), cell(object, "secret_set"),
                    cell(object, "last_told_at"), cell(object, "problem")});
  }
  print(table({"CHANNEL", "STATE", "TO", "SECRET", "LAST TOLD", "PROBLEM"}, rows));
  return 0;
}

}  // namespace

void add_health_verbs(CLI::App& app, Session& session) {
  CLI::App& health = add_verb(app, session, "health", "Show everything at a glance; exit status 1 while an alert stands");
  on_run(health, session, [&session] { return show_health(session); });

  CLI::App& notice = *app.add_subcommand("notice", "Notices by mail and webhook; where they go is set in the registry, under notices");
  notice.require_subcommand(1);
  auto channel = std::make_shared<std::string>();
  auto file = std::make_shared<std::string>();
  auto clear = std::make_shared<bool>(false);
  CLI::App& list = add_verb(notice, session, "list", "List the channels, and whether notices arrive");
  on_run(list, session, [&session] { return list_channels(session); });
  const auto with_channel = [&](CLI::App& verb) {
    verb.add_option("CHANNEL", *channel, "mail or webhook")->required()->check(CLI::IsMember({"mail", "webhook"}).description(""));
  };
  CLI::App& test = add_verb(notice, session, "test", "Send a test notice");
  with_channel(test);
  on_run(test, session, [&session, channel] { return test_notice(session, *channel); });
  CLI::App& secret = add_verb(notice, session, "set-secret", "Set the mail relay's password, or what signs the webhook's posts");
  with_channel(secret);
  secret.add_option("--file", *file, "File that holds it; else it is asked for")->type_name("FILE");
  secret.add_flag("--clear", *clear, "Take it away instead");
  on_run(secret, session, [&session, channel, file, clear] { return set_notice_secret(session, *channel, *file, *clear); });
}

}  // namespace latchkey::app

// Consents that wait for a person: what they ask, and the answer.
#include <fmt/format.h>
#include <unistd.h>

#include "app/consent_words.h"
#include "app/terminal.h"
#include "app/verbs.h"
#include "app/verbs_grants.h"
#include "base/id.h"
#include "base/shown_name.h"
#include "net/http_headers.h"
#include "net/url.h"

namespace latchkey::app {

Result<int> say_end(const Session& session, const JsonObject& authorization) {
  const std::string state = base::string_or(authorization, "state");
  if (session.json) {
    print(pretty(authorization));
    return state == "completed" ? 0 : 1;
  }
  if (state == "completed") {
    const JsonObject* result = base::find_object(authorization, "result");
    const JsonObject* account = result == nullptr ? nullptr : base::find_object(*result, "account");
    print(fmt::format("{} is authorised as {}.\n", base::as_shown(base::string_or(authorization, "username")),
                      account == nullptr ? "the provider's account" : base::as_shown(base::string_or(*account, "name"))));
    return 0;
  }
  if (state == "held" || state == "needs_confirmation") {
    print(fmt::format("{}Say `latchkey grant approve {}`, with --reject to refuse it, or answer in the console.\n", question_at_length(authorization),
                      id_of(authorization)));
    return 1;
  }
  const JsonObject* problem = base::find_object(authorization, "problem");
  return fail(ErrorKind::needs_person, state,
              problem == nullptr ? fmt::format("the authorization is {}", state) : base::string_or(*problem, "detail", state));
}

namespace {

// A list that comes whole, without pages.
Result<JsonArray> attempts_at(const ControlClient& client, std::string_view target) {
  auto answer = client.get(target);
  if (!answer) return std::unexpected(answer.error());
  const JsonArray* items = answer->is_object() ? base::find_array(answer->as_object(), "items") : nullptr;
  return items == nullptr ? JsonArray() : *items;
}

Result<int> list_pending(const Session& session) {
  const auto attempts = attempts_at(session.client(), "/api/v1/authorizations");
  if (!attempts) return std::unexpected(attempts.error());
  if (session.json) {
    print(pretty(*attempts));
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const Json& item : *attempts) {
    const auto& attempt = item.as_object();
    const bool pending = base::string_or(attempt, "state") == "pending";
    const auto account = account_cells(attempt);
    rows.push_back({cell(attempt, "username"), cell(attempt, "type"), cell(attempt, "state"), cell(attempt, "expires_at"), id_of(attempt), account.id, account.name,
                    pending ? "Nobody has consented yet." : question_of(attempt)});
  }
  print(table({"USERNAME", "TYPE", "STATE", "ENDS", "ID", "ACCOUNT ID", "ACCOUNT", "QUESTION"}, rows));
  return 0;
}

struct ApproveArguments {
  std::string username;
  std::string type;
  NamedBeforehand named;
  bool reject = false;
};

// The attempt that waits for an answer, by its id or by the username it is for.
Result<std::string> find_waiting(const ControlClient& client, const std::string& name, const std::string& type) {
  if (AuthorizationId::parse(name)) return name;
  const auto attempts = attempts_at(client, "/api/v1/authorizations?state=asking");
  if (!attempts) return std::unexpected(attempts.error());
  std::vector<std::string> found;
  for (const Json& item : *attempts) {
    const auto& attempt = item.as_object();
    if (!net::equal_ignoring_case(base::string_or(attempt, "username"), name)) continue;
    if (!type.empty() && base::string_or(attempt, "type") != type) continue;
    found.push_back(id_of(attempt));
  }
  if (found.size() == 1) return found.front();
  if (found.empty()) {
    return fail(ErrorKind::not_found, "not_waiting",
                fmt::format("no consent of {} waits for approval; `latchkey grant pending` lists those that do", name), {.field = "username"});
  }
  return fail(ErrorKind::invalid, "several_waiting",
              fmt::format("{} consents of {} wait: say --type, or the id that `latchkey grant pending` shows", found.size(), name),
              {.field = "username"});
}

// That a person means this very question: named beforehand, or asked here.
Result<void> make_sure(bool named) {
  if (named) return {};
  if (::isatty(STDIN_FILENO) == 0) {
    return fail(ErrorKind::invalid, "no_terminal",
                "--account: say the id of the account that is to be approved, --holder where it is in use, and --replaces where it was another one until now, "
                "or --question (confirmation.question in `latchkey grant pending --json`); there is no terminal to ask on",
                {.field = "--account"});
  }
  if (ask_line("Type \"yes\" to approve it: ") == "yes") return {};
  return fail(ErrorKind::invalid, "not_confirmed", "nothing was approved: \"yes\" was not typed");
}

Result<int> answer_consent(const Session& session, const ApproveArguments& arguments) {
  const auto client = session.client();
  const auto id = find_waiting(client, arguments.username, arguments.type);
  if (!id) return std::unexpected(id.error());
  const auto target = fmt::format("/api/v1/authorizations/{}", net::percent_encode(*id));
  const auto asked = client.get(target);
  if (!asked) return std::unexpected(asked.error());
  const auto& authorization = asked->as_object();
  const JsonObject* confirmation = base::find_object(authorization, "confirmation");
  if (confirmation == nullptr) {
    return fail(ErrorKind::conflict, "not_waiting", fmt::format("this consent asks nothing: it is {}", base::string_or(authorization, "state")));
  }
  const auto named = is_named(authorization, arguments.named);
  // Where the question is asked it is read, wherever the output goes.
  if (!arguments.reject) fmt::print(stderr, "{}", question_at_length(authorization));
  if (!named) return std::unexpected(named.error());
  if (!arguments.reject) {
    if (const auto sure = make_sure(*named); !sure) return std::unexpected(sure.error());
  }
  const JsonObject body{{"accept", !arguments.reject}, {"question", base::string_or(*confirmation, "question")}};
  const auto answer = client.call("POST", target + "/confirm", &body);
  if (!answer) return std::unexpected(answer.error());
  if (!arguments.reject) return say_end(session, answer->as_object());
  print(session.json ? pretty(*answer) : "The consent is refused; nothing of it is kept.\n");
  return 0;
}

}  // namespace

void add_consent_verbs(CLI::App& grant, Session& session) {
  CLI::App& pending = add_verb(grant, session, "pending", "List consents that are not over, and what they ask");
  on_run(pending, session, [&session] { return list_pending(session); });
  auto arguments = std::make_shared<ApproveArguments>();
  CLI::App& verb = add_verb(grant, session, "approve", "Accept the account of a consent that waits for approval: shows what is asked, and asks whether it is meant");
  verb.add_option("USERNAME", arguments->username, "Whom it is for, or the id of the attempt (`latchkey grant pending`)")->required();
  verb.add_option("--type", arguments->type, "Which, when several wait for the same user")->type_name("TYPE");
  verb.add_option("--account", arguments->named.account, "The account that is meant, by its id at the provider, instead of being asked")->type_name("ID");
  verb.add_option("--holder", arguments->named.holder, "With --account: who has the same account already, where the question names somebody")->type_name("USERNAME");
  verb.add_option("--replaces", arguments->named.replaces, "With --account: the account until now, by its id, where another one has consented than before")->type_name("ID");
  verb.add_option("--question", arguments->named.question, "All that is asked, by its token (confirmation.question in `latchkey grant pending --json`), instead of being asked")->type_name("TOKEN");
  verb.add_flag("--reject", arguments->reject, "Refuse it instead (what is named besides must be so)");
  on_run(verb, session, [&session, arguments] { return answer_consent(session, *arguments); });
}

}  // namespace latchkey::app

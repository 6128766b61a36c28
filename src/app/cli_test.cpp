#include "app/cli.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "app/cli_mistakes.h"
#include "app/terminal.h"

namespace latchkey::app {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

// What run() did: status, and what it wrote.
struct Ran {
  int status = 0;
  std::string out;
  std::string err;
};

Ran ran(std::vector<const char*> words) {
  words.insert(words.begin(), "latchkey");
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const int status = run(static_cast<int>(words.size()), words.data());
  std::fflush(stdout);
  return {status, testing::internal::GetCapturedStdout(), testing::internal::GetCapturedStderr()};
}

std::size_t lines_of(const std::string& text) { return static_cast<std::size_t>(std::ranges::count(text, '\n')); }

TEST(CommandLine, TheReferenceIsWhatTheProgramSays) {
  const std::string path = LATCHKEY_SOURCE_DIR "/docs/cli.md";
  ::unsetenv("LATCHKEY_DATA");
  ::unsetenv("LATCHKEY_SERVER");
  const std::string made = reference(CommandLine().app);
  if (std::getenv("UPDATE_DOCS") != nullptr) std::ofstream(path) << made;
  std::stringstream kept;
  kept << std::ifstream(path).rdbuf();
  EXPECT_EQ(kept.str(), made) << "run app_tests with UPDATE_DOCS=1";
}

TEST(CommandLine, AnErrorIsToldWithWhatTheSystemSaidOnce) {
  EXPECT_EQ(words_for_error({.text = "The database refused a statement. Please report this.", .detail = "postgres 42P01: no such table"}),
            "The database refused a statement. Please report this. (postgres 42P01: no such table)");
  EXPECT_EQ(words_for_error({.text = "The disk is full (pwrite: ENOSPC).", .detail = "pwrite: ENOSPC"}), "The disk is full (pwrite: ENOSPC).");
  EXPECT_EQ(words_for_error({.text = "There is no such grant."}), "There is no such grant.");
}

TEST(CommandLine, EveryVerbOfTheContractIsThere) {
  const std::string text = reference(CommandLine().app);
  for (const auto* form :
       {"latchkey serve [--config FILE] [--data DIR] [--sandbox]", "latchkey group add NAME", "latchkey app set APP --provider PROVIDER --client-id ID",
        "latchkey user add USERNAME --group GROUP", "latchkey grant add USERNAME --group GROUP --type TYPE [--pin-file FILE]",
        "latchkey grant import USERNAME --group GROUP --type TYPE", "latchkey grant list [USERNAME]", "latchkey grant refresh USERNAME [--type TYPE]",
        "latchkey token USERNAME [--type TYPE] [--min-valid SECONDS]", "latchkey registry list", "latchkey registry get KEY",
        "latchkey registry set KEY VALUE", "latchkey type list", "latchkey user set-password USERNAME", "latchkey user set-pin USERNAME",
        "latchkey user reset-throttle USERNAME"}) {
    EXPECT_THAT(text, HasSubstr(form));
  }
}

TEST(CommandLine, TheVersionIsPrintedAsPeopleAskForIt) {
  for (const char* words : {"version", "--version"}) {
    const Ran result = ran({words});
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_THAT(result.out, StartsWith("latchkey ")) << words;
  }
}

TEST(CommandLine, MistakesAreOneLineWithARemedy) {
  for (const auto& words : std::vector<std::vector<const char*>>{
           {"no-such-verb"}, {}, {"group"}, {"group", "ad", "X"}, {"group", "add"}, {"serve", "--prot", "1"},
           {"grant", "add", "x", "--group", "g", "--type", "t", "--allow", "everything"}, {"token"}, {"token", "x", "--min-valid", "soon"}}) {
    const Ran result = ran(words);
    EXPECT_EQ(result.status, 2);
    EXPECT_EQ(result.out, "");
    EXPECT_THAT(result.err, AllOf(StartsWith("latchkey: "), HasSubstr("--help")));
    EXPECT_EQ(lines_of(result.err), 1U) << result.err;
  }
  EXPECT_THAT(ran({"group", "ad"}).err, HasSubstr("ad: there is no such verb"));
}

TEST(CommandLine, MistakesNameTheWordThatIsWrong) {
  struct Mistake {
    std::vector<const char*> words;
    std::string_view begins;  // behind "latchkey: "
    std::string_view help;    // the verb whose --help is named
  };
  const Mistake mistakes[] = {
      {{}, "no verb was named; there are serve, group,", "latchkey --help"},
      {{"no-such-verb"}, "no-such-verb: there is no such verb", "latchkey --help"},
      {{"--data", "/x", "group", "list"}, "--data: options stand behind the verb", "latchkey --help"},
      {{"group"}, "no verb was named behind group; there are add, list, rename, delete", "latchkey group --help"},
      {{"group", "--json"}, "--json: options stand behind the verb", "latchkey group --help"},
      {{"group", "add", "--x"}, "--x: there is no such option", "latchkey group add --help"},
      {{"group", "add", "-x", "Office"}, "-x: there is no such option", "latchkey group add --help"},
      {{"group", "add"}, "NAME: must be given", "latchkey group add --help"},
      {{"group", "add", "Head", "Office"}, "Office: this word is one too many", "latchkey group add --help"},
      {{"group", "rename", "Office"}, "NEW_NAME: must be given", "latchkey group rename --help"},
      {{"group", "delete", "A", "--move-to", "B", "--delete-users"}, "--move-to: not together with --delete-users", "latchkey group delete --help"},
      {{"group", "delete", "A", "--move-to"}, "--move-to: its GROUP is missing", "latchkey group delete --help"},
      {{"group", "list", "--json=maybe"}, "--json: takes no value", "latchkey group list --help"},
      {{"user", "add", "x"}, "--group: must be given", "latchkey user add --help"},
      {{"user", "add", "--group", "g"}, "USERNAME: must be given", "latchkey user add --help"},
      {{"user", "add", "x", "--group", "a", "--group", "b"}, "--group: it is given twice", "latchkey user add --help"},
      {{"user", "set-pin"}, "USERNAME: must be given", "latchkey user set-pin --help"},
      {{"user", "set-pin", "x", "--pin", "123456"}, "--pin: there is no such option", "latchkey user set-pin --help"},
      {{"app", "set", "box"}, "--provider, --client-id: must be given", "latchkey app set --help"},
      {{"app", "list", "box"}, "box: this word is one too many", "latchkey app list --help"},
      {{"type", "lst"}, "lst: there is no such verb", "latchkey type --help"},
      {{"grant", "add", "x", "--group", "g", "--type", "t", "--allow", "all"}, "--allow: all is no use", "latchkey grant add --help"},
      {{"grant", "add", "x", "--group", "g", "--type", "t", "--type", "u"}, "--type: it is given twice", "latchkey grant add --help"},
      {{"grant", "import", "x", "--group", "g", "--type", "t"}, "--refresh-token-file: must be given", "latchkey grant import --help"},
      {{"grant", "refresh"}, "USERNAME: must be given", "latchkey grant refresh --help"},
      {{"registry", "set", "oauth.polling_time"}, "VALUE: must be given", "latchkey registry set --help"},
      {{"registry", "set", "k", "1", "2"}, "2: this word is one too many", "latchkey registry set --help"},
      {{"token"}, "USERNAME: must be given", "latchkey token --help"},
      {{"token", "x", "--min-valid", "soon"}, "--min-valid: soon is no whole number", "latchkey token --help"},
      {{"token", "x", "--min-valid", "-5"}, "--min-valid: -5 is no whole number", "latchkey token --help"},
      {{"serve", "--port", "1"}, "--port: there is no such option", "latchkey serve --help"},
      {{"serve", "--sandbox-port", "99999"}, "--sandbox-port: 99999 is no whole number", "latchkey serve --help"},
      {{"version", "now"}, "now: this word is one too many", "latchkey version --help"},
  };
  for (const auto& mistake : mistakes) {
    const Ran result = ran(mistake.words);
    EXPECT_EQ(result.status, 2) << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_THAT(result.err, StartsWith("latchkey: " + std::string(mistake.begins)));
    EXPECT_THAT(result.err, HasSubstr("`" + std::string(mistake.help) + "` shows "));
    EXPECT_EQ(lines_of(result.err), 1U) << result.err;
  }
}

TEST(CommandLine, RefusesBeforeAnythingIsSent) {
  const std::string folder = testing::TempDir();
  const std::string pin_file = folder + "/latchkey-cli-test-pin";
  std::ofstream(pin_file) << "a-good-pin\n";
  EXPECT_THAT(ran({"group", "list", "--data", "/nowhere"}).err, AllOf(HasSubstr("latchkey serve"), HasSubstr("--data")));
  EXPECT_THAT(ran({"token", "x", "--server", "http://192.0.2.1", "--pin-file", pin_file.c_str()}).err, HasSubstr("https only"));
  EXPECT_THAT(ran({"token", "x", "--server", "http://127.0.0.1:1", "--pin-file", pin_file.c_str()}).err, AllOf(StartsWith("latchkey: --server: "), HasSubstr("Is the server running there?")));
  EXPECT_THAT(ran({"token", "x", "--ca-file", "/nowhere.pem", "--pin-file", pin_file.c_str()}).err, HasSubstr("--ca-file: /nowhere.pem cannot be read"));
  EXPECT_THAT(ran({"token", "x", "--server", "nonsense", "--pin-file", pin_file.c_str()}).err, HasSubstr("--server"));
  EXPECT_THAT(ran({"token", "x", "--pin-file", "/nowhere/pin"}).err, HasSubstr("--pin-file: /nowhere/pin cannot be read"));
  EXPECT_THAT(ran({"serve", "--config", "/nowhere/latchkey.toml"}).err, HasSubstr("/nowhere/latchkey.toml: cannot be read"));
  const auto unreachable = ran({"token", "x", "--server", "http://127.0.0.1:1", "--pin-file", pin_file.c_str()});
  EXPECT_EQ(unreachable.status, 1);
  EXPECT_THAT(unreachable.err, HasSubstr("127.0.0.1:1"));
  ::unlink(pin_file.c_str());
}

TEST(CommandLine, HelpAndVersionSucceed) {
  EXPECT_THAT(ran({"--help"}).out, AllOf(HasSubstr("Examples:"), HasSubstr("grant")));
  EXPECT_EQ(ran({"grant", "add", "--help"}).status, 0);
  EXPECT_THAT(ran({"version"}).out, StartsWith("latchkey 0."));
  EXPECT_THAT(ran({"version", "--json"}).out, AllOf(StartsWith("{"), HasSubstr("\"version\"")));
}

TEST(Answers, ProblemsBecomeOneSentenceWithTheField) {
  const auto wrong = read_answer(
      "HTTP/1.1 422 Unprocessable Content\r\nContent-Type: application/problem+json\r\n\r\n"
      "{\"type\":\"urn:latchkey:problem:invalid_fields\",\"status\":422,\"detail\":\"Two.\","
      "\"errors\":[{\"field\":\"pin\",\"message\":\"Too short.\"},{\"field\":\"username\",\"message\":\"Taken.\"}]}");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().reason, "invalid_fields");
  EXPECT_EQ(wrong.error().text, "pin: Too short.; username: Taken.");
  const auto fields = [](std::string_view field) {
    return read_answer(422, "{\"errors\":[{\"field\":\"" + std::string(field) + "\",\"message\":\"No.\"}]}").error().text;
  };
  EXPECT_EQ(fields("move_to"), "--move-to: No.") << "what was typed, not the API's word for it";
  EXPECT_EQ(fields("params.issuer"), "--param issuer: No.");
  EXPECT_EQ(fields("secrets.0.value"), "--client-secret-file: No.");
  EXPECT_EQ(fields("secrets.0.expires_at"), "secrets.0.expires_at: No.");
  EXPECT_EQ(read_answer(404, "{\"type\":\"urn:latchkey:problem:not_found\",\"detail\":\"Gone.\"}").error().text, "Gone.");
  EXPECT_EQ(read_answer(502, "<html>").error().kind, ErrorKind::unavailable);
}

TEST(Answers, GarbageIsRefused) {
  for (const auto* text : {"", "HTTP/1.1 2", "HTTP/1.1 200 OK\r\n", "SSH-2.0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n{", "HTTP/1.1 abc OK\r\n\r\n"}) {
    EXPECT_FALSE(read_answer(text)) << text;
  }
  const auto empty = read_answer("HTTP/1.1 204 No Content\r\n\r\n");
  ASSERT_TRUE(empty);
  EXPECT_TRUE(empty->is_null());
}

TEST(Terminal, TablesAlignByCharactersAndHideControls) {
  EXPECT_EQ(table({"NAME", "N"}, {{"Zoë", "1"}, {"a\x1b[31m", "22"}}), "NAME    N\nZoë     1\na?[31m  22\n");
  const Json alert(JsonObject{{"detail", "a\u009b31m\u202eb\x7f\U000e0041 \u2764\ufe0f"}});
  EXPECT_EQ(pretty(alert), "{\n  \"detail\": \"a\\u009b31m\\u202eb\\u007f\\udb40\\udc41 \u2764\ufe0f\"\n}\n");
  EXPECT_EQ(*parse_json(pretty(alert)), alert) << "the same to whatever reads it";
  EXPECT_EQ(table({"NAME", "ID"}, {{"a   acc-1", "acc-9"}}), "NAME     ID\na acc-1  acc-9\n") << "no cell looks like two";
  EXPECT_EQ(table({"NAME"}, {{"a\u009b31m\u202eb\u200b"}}), "NAME\na?31m?b?\n");
}

TEST(Terminal, SecretFilesLoseOneNewlineOnly) {
  const std::string path = testing::TempDir() + "/latchkey-terminal-test";
  std::ofstream(path) << " a secret \n\n";
  EXPECT_EQ(read_secret_file("--pin-file", path)->reveal_text(), " a secret \n");
  std::ofstream(path, std::ios::trunc) << "\n";
  EXPECT_THAT(read_secret_file("--pin-file", path).error().text, AllOf(StartsWith("--pin-file: "), EndsWith("is empty")));
  std::ofstream(path, std::ios::trunc) << std::string(70'000, 'x');
  EXPECT_THAT(read_secret_file("--pin-file", path).error().text, HasSubstr("is longer than 64 KiB"));
  EXPECT_THAT(read_secret_file("--pin-file", testing::TempDir()).error().text, HasSubstr("is no file that can be read"));
  ::unlink(path.c_str());
}

TEST(Names, AreSearchedForInWholeCharacters) {
  EXPECT_EQ(searchable("carla"), "carla");
  std::string long_name = "x";
  for (int i = 0; i < 128; ++i) long_name += "\xE2\x82\xAC";  // 3 octets each
  EXPECT_EQ(searchable(long_name), long_name.substr(0, 199)) << "199 = 1 + 66 * 3";
  std::string target = "/x";
  add_query(target, "a", "1 2");
  add_query(target, "b", "");
  add_query(target, "c", "3");
  EXPECT_EQ(target, "/x?a=1%202&c=3");
}

TEST(Parameters, AreKeyAndValue) {
  const auto parameters = read_parameters({"tenant=contoso.com", "a=b=c", "empty="});
  ASSERT_TRUE(parameters);
  EXPECT_EQ(base::string_or(*parameters, "a"), "b=c");
  EXPECT_EQ(base::string_or(*parameters, "empty", "?"), "");
  EXPECT_THAT(read_parameters({"tenant"}).error().text, EndsWith("write KEY=VALUE"));
  EXPECT_THAT(read_parameters({"tenant=a", "tenant=b"}).error().text, EndsWith("given twice"));
}

}  // namespace
}  // namespace latchkey::app

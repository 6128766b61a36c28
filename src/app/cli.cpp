#include "app/cli.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "app/cli_mistakes.h"
#include "app/serve.h"
#include "app/terminal.h"
#include "app/version.h"
#include "base/shown_name.h"

namespace latchkey::app {
namespace {

constexpr std::string_view kFooter = R"(
Examples:
  latchkey serve --sandbox --data ./data       try it: server and practice service on this machine
  latchkey group add Office
  latchkey app set google --provider google --client-id ID --client-secret-file secret.txt
  latchkey grant add scanner-1 --group Office --type google-drive --pin-file pin.txt
  latchkey token scanner-1 --pin-file pin.txt  an access token for scripts and mail programs

`latchkey VERB --help` explains each verb; docs/cli.md has them all.)";

// One line, whatever CLI11 put into it.
std::string one_line(std::string text) {
  std::ranges::replace(text, '\n', ' ');
  while (text.ends_with(' ') || text.ends_with('.')) text.pop_back();
  return text;
}

void complain(std::string_view sentence) { fmt::print(stderr, "latchkey: {}\n", base::as_shown(one_line(std::string(sentence)))); }

void add_serve_verb(CommandLine& line) {
  CLI::App& verb = *line.app.add_subcommand("serve", "Run the server");
  auto data = std::make_shared<std::string>();
  verb.add_option("--config", line.overrides.file, "Configuration file (packaging/latchkey.toml explains every key)")->type_name("FILE");
  verb.add_option("--data", *data, "Data directory; over LATCHKEY_DATA and the file")->type_name("DIR");
  verb.add_flag("--sandbox", line.serve_options.sandbox, "Also run the practice service, on loopback");
  verb.add_option("--sandbox-port", line.serve_options.sandbox_port, "Port of the practice service")->capture_default_str()->type_name("PORT");
  verb.add_flag("--trust-clock", line.serve_options.trust_clock, "Forget that a later time has been, after the clock was ahead of the truth");
  on_run(verb, line.session, [&line, data]() -> Result<int> {
    if (!data->empty()) line.overrides.data = *data;
    auto config = load_config(line.overrides, process_environment(), process_environment_names());
    if (!config) return std::unexpected(config.error());
    return serve(std::move(*config), line.serve_options);
  });
}

void add_version_verb(CommandLine& line) {
  CLI::App& verb = *line.app.add_subcommand("version", "Print the version");
  verb.add_flag("--json", line.session.json, "Print JSON");
  on_run(verb, line.session, [&line]() -> Result<int> {
    if (line.session.json) {
      print(pretty(JsonObject{{"version", version()}, {"build", build_information()}}));
    } else {
      print(fmt::format("latchkey {} ({})\n", version(), build_information()));
    }
    return 0;
  });
}

std::string synopsis(const CLI::App& verb) {
  std::string positionals;
  std::string required;
  std::string optional;
  std::string everywhere;
  for (const CLI::Option* option : verb.get_options()) {
    const std::string name = option->get_name();
    if (name == "--help") continue;
    if (option->get_positional()) {
      positionals += option->get_required() ? " " + name : " [" + name + "]";
      continue;
    }
    std::string shown = name;
    if (option->get_items_expected_max() > 0) {
      const std::string type = option->get_type_name();
      shown += " " + (type == "TEXT" ? "VALUE" : type.substr(0, type.find(':')));
    }
    if (name == "--json" || (name == "--data" && visible_name(verb) != "latchkey serve")) {
      everywhere += " [" + shown + "]";
    } else if (option->get_required()) {
      required += " " + shown + (option->get_items_expected_max() > 1 ? "..." : "");
    } else {
      optional += " [" + shown + "]" + (option->get_items_expected_max() > 1 ? "..." : "");
    }
  }
  return visible_name(verb) + positionals + required + optional + everywhere;
}

// How it is called, and what its options mean.
void describe_itself(std::string& out, const CLI::App& verb) {
  out += fmt::format("\n```\n{}\n```\n\n", synopsis(verb));
  for (const CLI::Option* option : verb.get_options()) {
    if (option->get_name() == "--help") continue;
    out += fmt::format("- `{}`: {}\n", option->get_name(), option->get_description());
  }
}

void describe(std::string& out, const CLI::App& verb) {
  const auto below = verb.get_subcommands([](const CLI::App*) { return true; });
  if (!below.empty()) {
    out += fmt::format("\n## {}\n\n{}.\n", visible_name(verb), verb.get_description());
    if (verb.get_require_subcommand_min() == 0) describe_itself(out, verb);
    for (const CLI::App* each : below) describe(out, *each);
    return;
  }
  const bool top = verb.get_parent()->get_parent() == nullptr;
  out += fmt::format("\n{} {}\n\n{}.\n", top ? "##" : "###", visible_name(verb), verb.get_description());
  describe_itself(out, verb);
}

}  // namespace

CommandLine::CommandLine() : app("Latchkey lets devices and programs that know only a username and a PIN use services that want OAuth.", "latchkey") {
  app.require_subcommand(1);
  app.set_version_flag("--version", [] { return fmt::format("latchkey {} ({})", version(), build_information()); }, "Print the version and exit");
  app.footer(std::string(kFooter));
  session.data = process_environment()("LATCHKEY_DATA").value_or(std::string(kDataDefault));
  add_serve_verb(*this);
  add_all_verbs(app, session);
  add_version_verb(*this);
}

std::string reference(const CLI::App& app) {
  std::string out =
      "# Command line\n\n"
      "This page is made from the program itself, and a test compares the two.\n\n"
      "Exit status: 0 when done, 1 when refused or failed, 2 when the command line cannot be read; what went wrong is one "
      "line on standard error. `serve`, `token`, `send`, `backup`, `restore`, `migrate` and `version` apart, every verb speaks to the running server over the control socket "
      "of its data directory, which only root and the service's own user may open. Secrets and PINs come from files or the "
      "terminal, never from arguments.\n";
  for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; })) describe(out, *verb);
  return out;
}

int run(int argc, const char* const* argv) {
  CommandLine line;
  for (int at = 1; at < argc; ++at) {
    if (is_utf8(argv[at])) continue;
    complain(fmt::format("argument {} is not UTF-8; set the terminal to UTF-8 and type it again", at));
    return 2;
  }
  try {
    line.app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return line.app.exit(help);
  } catch (const CLI::CallForAllHelp& help) {
    return line.app.exit(help);
  } catch (const CLI::CallForVersion& words) {
    return line.app.exit(words);
  } catch (const CLI::ParseError& error) {
    complain(words_for_mistake(line.app, argc, argv, error));
    return 2;
  }
  if (!line.session.action) {
    complain("no verb was named; `latchkey --help` shows them");
    return 2;
  }
  const auto status = line.session.action();
  if (!status) {
    complain(words_for_error(status.error()));
    return 1;
  }
  return *status;
}

}  // namespace latchkey::app

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <optional>

#include "app/node_name.h"
#include "app/restore_swap.h"
#include "app/terminal.h"
#include "app/verbs.h"
#include "app/version.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/move/move.h"

namespace latchkey::app {
namespace {

struct MigrateArguments {
  std::string to;
  std::string password_file;
  bool give_up = false;
  bool accept_broken_trail = false;
};

// One line that moves on, on a terminal; elsewhere one line a table.
void show_progress(std::string_view table, std::int64_t done, std::int64_t total) {
  const bool terminal = ::isatty(STDERR_FILENO) == 1;
  if (!terminal && done < total) return;
  fmt::print(stderr, "{}{}: {} of {} rows{}", terminal ? "\r\x1b[K" : "", table, done, total, terminal && done < total ? "" : "\n");
  std::fflush(stderr);
}

// The store's sentences speak of the configuration.
Error said_of_to(Error error) {
  for (const auto& [setting, option] : {std::pair<std::string_view, std::string_view>{"`store`", "`--to`"}, {"store_password_file", "--password-file"}}) {
    if (const auto at = error.text.find(setting); at != std::string::npos) error.text.replace(at, setting.size(), option);
  }
  return error;
}

Result<store::PostgresOptions> target_of(const MigrateArguments& arguments) {
  store::PostgresOptions target;
  target.url = arguments.to;
  target.program_version = version();
  if (!arguments.password_file.empty()) {
    auto password = read_secret_file("--password-file", arguments.password_file);
    if (!password) return std::unexpected(password.error());
    target.password = std::move(*password);
  }
  if (auto known = store::check_postgres_url(arguments.to, store::UrlGivenIn::migrate); !known) {
    auto error = known.error();
    error.text = "--to " + error.text;
    return std::unexpected(std::move(error));
  }
  return target;
}

Result<int> migrate(const Session& session, const MigrateArguments& arguments) {
  const base::SystemWallClock wall;
  const auto database = session.data + "/latchkey.db";
  if (auto whole = check_whole(session.data); !whole) return std::unexpected(whole.error());
  std::optional<store::PostgresOptions> target;
  if (!arguments.to.empty()) {
    auto named = target_of(arguments);
    if (!named) return std::unexpected(named.error());
    target = std::move(*named);
  }
  if (arguments.give_up) {
    const auto given_up = store::give_up_move({.path = database, .program_version = std::string(version()), .target = std::move(target)}, wall);
    if (!given_up) return std::unexpected(said_of_to(given_up.error()));
    print(fmt::format("The move to {} is given up; this installation may be started again. Drop that database: what is in it must never be served.\n", *given_up));
    return 0;
  }
  if (!target) {
    return fail(ErrorKind::invalid, "usage", "Say where to: latchkey migrate --to postgresql://USER@HOST/DATABASE", {.field = "--to"});
  }
  store::MoveOptions options;
  options.path = database;
  options.target = std::move(*target);
  options.progress = show_progress;
  // Replies in the journal and exchanges left open go on as this node's.
  options.keep_node = [&session](const NodeId& node) { return keep_node_name(session.data, node); };
  if (arguments.accept_broken_trail) options.broken_trail = store::BrokenTrail::accept;
  base::StreamLog log(STDERR_FILENO, base::LogLevel::warning, wall);
  const auto moved = store::move_to_postgres(options, wall, log);
  if (!moved) return std::unexpected(said_of_to(moved.error()));
  if (session.json) {
    JsonArray tables;
    for (const auto& each : moved->tables) {
      tables.push_back(JsonObject{{"table", each.name}, {"rows", each.rows}, {"digest", each.digest}});
    }
    print(pretty(JsonObject{{"moved_to", moved->target}, {"tables", std::move(tables)}}));
    return 0;
  }
  const auto on = fmt::format("Now set store = \"{}\" in latchkey.toml and start Latchkey with the same data directory: master key, journal and\n"
                              "provider files stay there.\n", arguments.to);
  if (moved->tables.empty()) {
    print(fmt::format("The move to {} was finished before: nothing was copied or compared now, and the SQLite file is retired.\n{}", moved->target, on));
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& each : moved->tables) rows.push_back({each.name, std::to_string(each.rows), each.digest});
  print(table({"TABLE", "ROWS", "DIGEST, THE SAME IN BOTH"}, rows));
  print(fmt::format("Everything is in the database {}, {}, and the SQLite file is retired.\n{}", moved->target,
                    moved->broken_entry ? fmt::format("the audit trail as it was, with entry {} that does not fit its chain", *moved->broken_entry)
                                        : std::string("the audit trail's chain is sound"),
                    on));
  return 0;
}

}  // namespace

void add_migrate_verb(CLI::App& app, Session& session) {
  CLI::App& verb = add_verb(app, session, "migrate", "Move this stopped installation from SQLite into a PostgreSQL database");
  auto arguments = std::make_shared<MigrateArguments>();
  verb.add_option("--to", arguments->to, "The database, new and empty: postgresql://USER@HOST/DATABASE")->type_name("URL");
  verb.add_option("--password-file", arguments->password_file, "A file that holds the database's password alone")->type_name("FILE");
  verb.add_flag("--accept-broken-trail", arguments->accept_broken_trail,
                "Move an audit trail of which an entry was altered or removed, as it is; the trail says so at its end");
  verb.add_flag("--give-up", arguments->give_up, "Give an unfinished move up and go on with SQLite");
  on_run(verb, session, [&session, arguments] { return migrate(session, *arguments); });
}

}  // namespace latchkey::app

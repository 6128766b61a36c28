// keys, backup, restore.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

#include "app/backup.h"
#include "app/config.h"
#include "app/node_name.h"
#include "app/terminal.h"
#include "app/verbs.h"
#include "app/version.h"
#include "base/json.h"

namespace latchkey::app {
namespace {

constexpr std::size_t kPassphraseBytesMin = 12;
constexpr auto kLookAgainAfter = std::chrono::milliseconds(500);

// One line that is written over; nothing where nobody looks.
class ProgressLine {
 public:
  void show(std::string_view step, std::int64_t done, std::int64_t all) {
    if (::isatty(2) == 0) return;
    constexpr int kWidth = 30;
    const int filled = all > 0 ? static_cast<int>(kWidth * std::min(done, all) / all) : 0;
    fmt::print(stderr, "\r\x1b[K{} [{:<{}}] {}/{}", step, std::string(static_cast<std::size_t>(filled), '#'), kWidth, done, all);
    std::fflush(stderr);
    shown_ = true;
  }
  ~ProgressLine() {
    if (shown_) fmt::print(stderr, "\r\x1b[K");
  }

 private:
  bool shown_ = false;
};

std::string size_text(std::uint64_t bytes) {
  if (bytes < 1024 * 1024) return fmt::format("{} KiB", (bytes + 1023) / 1024);
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1024 * 1024));
}

// ---- keys ----------------------------------------------------------------------------------------------------------

// Empty where it is.
std::string not_in_place(const JsonObject& key) {
  const auto place = base::string_or(key, "place");
  if (place.empty() || place == base::string_or(key, "path")) return "";
  return fmt::format("It could not be put in place: put a copy of it into {} (with systemd: into the credential), mode 0600, then restart.\n", place);
}

std::string names_in(const JsonObject& object, std::string_view member) {
  std::string names;
  if (const auto* found = object.if_contains(member); found != nullptr && found->is_array()) {
    for (const auto& name : found->get_array()) names += (names.empty() ? "" : ", ") + std::string(name.as_string());
  }
  return names;
}

std::string awaited_words(const JsonObject& object, std::string_view what) {
  const auto names = names_in(object, "awaited");
  return names.empty() ? "" : fmt::format("{}: {}.\n", what, names);
}

std::string prepared_words(const JsonObject& prepared) {
  const auto names = names_in(prepared, "awaited");
  return fmt::format("Prepared on {}, since {}: a new key in {}.\n", cell(prepared, "server"), cell(prepared, "since"), cell(prepared, "path")) +
         (names.empty() ? "Every server holds it; the rotation begins within seconds.\n"
                        : fmt::format("Put a copy of it (mode 0600, owned by the service's user) on each of these servers, beside its master key file and by the same "
                                      "name with .next at its end: {}. The rotation begins by itself when every server holds it. To give it up: latchkey keys cancel\n",
                                      names));
}

std::string words_of(const JsonObject& keys) {
  std::string words;
  if (const auto* key = base::find_object(keys, "master_key")) {
    words += fmt::format("Master key: {} in {}\n", cell(*key, "id"), cell(*key, "path"));
    words += not_in_place(*key);
    if (cell(*key, "backup_done") != "yes") words += "No copy of it has been put away yet.\n";
  }
  if (const auto* rotation = base::find_object(keys, "rotation")) {
    words += fmt::format("Rotation since {}: {} of {} users and grants renewed, {} passes done, now at {}.\n", cell(*rotation, "started_at"),
                         base::integer_or(*rotation, "done"), base::integer_or(*rotation, "total"), base::integer_or(*rotation, "passes"), cell(*rotation, "stage"));
  }
  if (const auto* rotation = base::find_object(keys, "rotation")) words += awaited_words(*rotation, "It ends when these servers write under the new key");
  if (const auto* prepared = base::find_object(keys, "prepared")) words += prepared_words(*prepared);
  if (const auto* retired = base::find_object(keys, "retired")) {
    words += fmt::format("Retired on {}: {}, kept in {}\n", cell(*retired, "retired_at"), cell(*retired, "id"), cell(*retired, "path"));
  }
  if (const auto* backup = base::find_object(keys, "last_backup")) {
    words += fmt::format("Last backup: {} to {}\n", cell(*backup, "made_at"), cell(*backup, "file"));
  } else if (base::string_or(keys, "store") == "postgresql") {
    words += "Backups: the database by its own tools, this key and the provider files apart from it (docs/postgres.md).\n";
  } else {
    words += "No backup is known of.\n";
  }
  return words;
}

Result<int> print_keys(const Session& session, const Json& keys) {
  print(session.json ? pretty(keys) : words_of(keys.as_object()));
  return 0;
}

Result<int> rotate_keys(const Session& session, bool no_wait) {
  const auto client = session.client();
  auto keys = client.call("POST", "/api/v1/keys/rotate");
  if (!keys) return std::unexpected(keys.error());
  if (no_wait) return print_keys(session, *keys);
  if (const auto* prepared = base::find_object(keys->as_object(), "prepared"); prepared != nullptr && !session.json) print(prepared_words(*prepared));
  const auto before = base::find_object(keys->as_object(), "master_key") != nullptr ? cell(*base::find_object(keys->as_object(), "master_key"), "id") : "";
  const bool had_to_wait = base::find_object(keys->as_object(), "prepared") != nullptr;
  ProgressLine line;
  while (base::find_object(keys->as_object(), "rotation") != nullptr || base::find_object(keys->as_object(), "prepared") != nullptr) {
    if (const auto* rotation = base::find_object(keys->as_object(), "rotation")) {
      line.show(base::integer_or(*rotation, "passes") > 0 ? "Making sure" : "Renewing", base::integer_or(*rotation, "done"), base::integer_or(*rotation, "total"));
    }
    std::this_thread::sleep_for(kLookAgainAfter);
    keys = client.get("/api/v1/keys");
    if (!keys) {
      return fail(ErrorKind::unavailable, "no_server",
                  "the server does not answer any more; the rotation goes on when it runs again (`latchkey keys status`)");
    }
  }
  if (session.json) return print_keys(session, *keys);
  const auto& object = keys->as_object();
  const auto* key = base::find_object(object, "master_key");
  if (had_to_wait && key != nullptr && cell(*key, "id") == before) {
    print("The new key was given up; nothing was rotated.\n");
    return 1;
  }
  const auto* retired = base::find_object(object, "retired");
  print(fmt::format("The master key is rotated. Put a copy of {} away.\n", key != nullptr ? cell(*key, "path") : "it"));
  if (retired != nullptr && key != nullptr && cell(*retired, "path") == cell(*key, "place")) {
    print(fmt::format("The old key lies in {} alone: put a copy of it away before you write over it.\n", cell(*retired, "path")));
  } else if (retired != nullptr) {
    print(fmt::format("The old key is kept in {}: plain copies of the database from before need it. Move it to a safe place, or delete it when there are none.\n",
                      cell(*retired, "path")));
  }
  if (key != nullptr) print(not_in_place(*key));
  return 0;
}

// ---- backup and restore --------------------------------------------------------------------------------------------

struct Arguments {
  std::string file;
  std::string config;
  std::string data;
  std::string key_path;
  std::string passphrase_file;
  bool replace = false;
  bool nothing_ran_since = false;
  bool database = false;
  bool no_wait = false;
};

struct Places {
  std::string data;
  std::string key_path;
  Bytes key_in_use{};  // as the running server says; empty: none runs
  bool of_node = false;  // the store lies in a PostgreSQL database
};

Result<Config> config_of(const Arguments& arguments) {
  Overrides overrides{.file = arguments.config};
  if (!arguments.data.empty()) overrides.data = arguments.data;
  return load_config(overrides, process_environment(), process_environment_names());
}

bool exists(const std::string& data, std::string_view name) { return ::access(fmt::format("{}/{}", data, name).c_str(), F_OK) == 0; }

enum class Verb { backup, restore };

// Where the installation lies: as `serve` would find it; the key where a running server says it belongs.
Result<Places> places_of(const Arguments& arguments, Verb verb) {
  const auto config = config_of(arguments);
  if (!config) return std::unexpected(config.error());
  // What is left of SQLite after a move says itself that it is no backup's worth; a restore over it would take the node's journal away.
  const bool node = !config->shares_store() && exists(config->data, kNodeFile);
  if (node && (verb == Verb::restore || !exists(config->data, "latchkey.db"))) {
    return fail(ErrorKind::invalid, "not_sqlite",
                fmt::format("{} belongs to a server that works in a PostgreSQL database: name its configuration with --config. Nothing was written",
                            config->data), {.field = "--config"});
  }
  Places places{.data = config->data, .key_path = config->master_key_file, .of_node = config->shares_store()};
  if (!arguments.key_path.empty()) places.key_path = arguments.key_path;
  const auto keys = ControlClient(places.data).get("/api/v1/keys");
  const auto* key = keys && keys->is_object() ? base::find_object(keys->as_object(), "master_key") : nullptr;
  if (key == nullptr) return places;
  places.key_in_use = base::from_hex(base::string_or(*key, "id")).value_or(Bytes());
  if (arguments.key_path.empty() && arguments.config.empty()) places.key_path = base::string_or(*key, "place", places.key_path);
  return places;
}

Result<store::PostgresOptions> database_of(const Config& config) {
  store::PostgresOptions database;
  database.url = config.store;
  database.program_version = version();
  if (config.store_password_file.empty()) return database;
  auto password = read_secret_file("store_password_file", config.store_password_file);
  if (!password) return std::unexpected(password.error());
  database.password = std::move(*password);
  return database;
}

Result<Bytes> key_by_database(const Arguments& arguments) {
  const auto config = config_of(arguments);
  if (!config) return std::unexpected(config.error());
  const auto database = database_of(*config);
  if (!database) return std::unexpected(database.error());
  return store::postgres_master_key_id(*database);
}

Result<Secret> passphrase_of(const Arguments& arguments, Ask ask) {
  if (!arguments.passphrase_file.empty()) return read_secret_file("--passphrase-file", arguments.passphrase_file);
  return prompt_secret("Passphrase of the backup", "--passphrase-file", ask);
}

JsonArray array_of(const std::vector<std::string>& texts) { return JsonArray(texts.begin(), texts.end()); }

Result<int> back_up(const Session& session, const Arguments& arguments) {
  const auto places = places_of(arguments, Verb::backup);
  if (!places) return std::unexpected(places.error());
  auto passphrase = passphrase_of(arguments, Ask::twice);
  if (!passphrase) return std::unexpected(passphrase.error());
  if (passphrase->size() < kPassphraseBytesMin) {
    return fail(ErrorKind::invalid, "passphrase_too_short",
                "the passphrase is all that protects a backup, master key included: use at least 12 characters", {.field = "--passphrase-file"});
  }
  ProgressLine line;
  BackupWish wish{.file = arguments.file, .data = places->data, .key_path = places->key_path, .passphrase = std::move(*passphrase)};
  wish.progress = [&line](std::string_view step, std::int64_t done, std::int64_t all) { line.show(step, done, all); };
  wish.of_node = places->of_node;
  wish.key_in_use = places->key_in_use;
  wish.ask_store = [&arguments] { return key_by_database(arguments); };
  const auto report = make_backup(wish);
  if (!report) return std::unexpected(report.error());
  const JsonObject told{{"made_at", base::to_rfc3339(report->made_at)}, {"size_bytes", report->size_bytes}, {"file", arguments.file}};
  // What lacks the database is not the backup whose age the console watches.
  const bool heard = !places->of_node && ControlClient(places->data).call("POST", "/api/v1/backups", &told).has_value();
  if (session.json) {
    auto answer = told;
    answer["verified"] = true;
    answer["server_told"] = heard;
    answer["holds_database"] = !places->of_node;
    answer["documents"] = report->documents;
    answer["journal_unreadable"] = array_of(report->journal_unreadable);
    print(pretty(answer));
    return 0;
  }
  print(fmt::format("{}: {}, read back and found whole. It holds the master key: keep it and its passphrase apart.\n", arguments.file,
                    size_text(report->size_bytes)));
  if (places->of_node) {
    print("The database is NOT in it: it is PostgreSQL's to dump (pg_dump), each time before this file is made, never after (docs/postgres.md, Backup).\n");
  }
  if (report->documents > 0) print(fmt::format("{} documents that wait to be delivered are in it.\n", report->documents));
  if (!report->journal_unreadable.empty()) {
    print(fmt::format("ATTENTION: of the journal this cannot be read, and is not in it: {}. Look after the disk.\n", fmt::join(report->journal_unreadable, ", ")));
  }
  if (!heard && !places->of_node) print("The server does not run, so the console does not know of this backup.\n");
  return 0;
}

// A journal that is not whole is told before everything else: what it means, and how it can be mended before the start.
void tell_of_journal(const RestoreReport& report, bool nothing_ran_since) {
  if (!report.journal_unreadable.empty()) {
    print(fmt::format("ATTENTION: of the journal that survived this cannot be read: {}. {}\n", fmt::join(report.journal_unreadable, ", "),
                      nothing_ran_since
                          ? "The rest of it is used all the same, since you say that nothing ran since."
                          : "Newer tokens may have been in it, so those that the journal holds besides are not used either: they may be spent. If those "
                            "files can be had whole from elsewhere, put what was here back with them and restore again, before the server is started."));
  } else if (report.grants_doubted > 0) {
    print("ATTENTION: the journal that survived is damaged, or sealed in part under a key that is not here.\n");
  }
  if (report.grants_doubted > 0) {
    print(fmt::format("The newest answers of {} grants are lost or may be; the tokens in older ones may be spent, and are not used.\n", report.grants_doubted));
  }
}

void tell_of_documents(const RestoreReport& report) {
  if (report.deliveries_marked > 0) {
    print(fmt::format("{} documents may have been delivered since. They are sent where the destination takes the same document once; the others wait, "
                      "as \"may have arrived\", for somebody to look.\n",
                      report.deliveries_marked));
  }
  if (report.deliveries_without_document > 0) {
    print(fmt::format("{} documents had been delivered or deleted before they could be brought back: \"may have arrived\".\n", report.deliveries_without_document));
  }
  if (report.documents_replaced > 0) {
    print(fmt::format("ATTENTION: {} documents had not been delivered from what was there; those that came in after the backup are not in what was "
                      "restored. They lie in {}/spool, and only the database beside it opens them.\n",
                      report.documents_replaced, report.replaced));
  }
}

void tell_of_marks(const RestoreReport& report, bool nothing_ran_since) {
  tell_of_journal(report, nothing_ran_since);
  if (report.replies > 0) print(fmt::format("{} answers of providers survived in the journal there; the server takes newer tokens from them.\n", report.replies));
  if (report.grants_marked > 0) {
    print(fmt::format("{} grants may have been refreshed since. Where a token may be used only once and no newer one has survived, the server does not "
                      "send it: soon after the start the console says how many accounts somebody must authorise again.\n",
                      report.grants_marked));
  }
  if (report.authorizations_ended > 0) {
    print(fmt::format("{} consents waited in the backup and may have been answered since. They are ended, their tokens neither used nor given back: authorize "
                      "those accounts again (the console's Activity names them).\n",
                      report.authorizations_ended));
  }
  tell_of_documents(report);
}

// The store is another matter: where it was put back, marking it is.
void tell_of_node(const RestoreReport& report, bool nothing_ran_since) {
  if (report.replies_left_out > 0) {
    print(fmt::format("{} answers in the backup's journal are not used: what they brought may have been spent since.\n", report.replies_left_out));
  }
  if (!report.journal_survived && !nothing_ran_since) {
    print("ATTENTION: no journal was here. What this server alone knew since the backup is lost, as with `latchkey node forget`: where other servers work on "
          "the database, a token that this one has spent since may be sent.\n");
  }
  print("The database was not touched. If it was put back, too: run `latchkey restore --database`, on every node, before any server is started.\n");
}

JsonObject marks_of(const RestoreReport& report) {
  return {{"made_at", base::to_rfc3339(report.made_at)}, {"grants_marked", report.grants_marked}, {"replies_recovered", report.replies},
          {"journal_unreadable", array_of(report.journal_unreadable)}, {"grants_doubted", report.grants_doubted},
          {"authorizations_ended", report.authorizations_ended},
          {"deliveries_marked", report.deliveries_marked}, {"deliveries_without_document", report.deliveries_without_document}};
}

// After pg_restore and its like.
Result<int> mark_database(const Session& session, const Arguments& arguments) {
  const auto config = config_of(arguments);
  if (!config) return std::unexpected(config.error());
  if (!config->shares_store()) {
    return fail(ErrorKind::invalid, "not_postgres", "this installation's store is SQLite: name the backup to restore (`latchkey restore FILE`), and the "
                "server's configuration with --config if it says otherwise");
  }
  auto database = database_of(*config);
  if (!database) return std::unexpected(database.error());
  RestoreWish wish{.data = config->data, .key_path = arguments.key_path.empty() ? config->master_key_file : arguments.key_path,
                   .nothing_ran_since = arguments.nothing_ran_since};
  const auto report = mark_restored_database(wish, *std::move(database));
  if (!report) return std::unexpected(report.error());
  if (session.json) {
    print(pretty(marks_of(*report)));
    return 0;
  }
  print(fmt::format("The database is as it was about {}.\n", base::to_rfc3339(report->made_at)));
  tell_of_marks(*report, arguments.nothing_ran_since);
  print("Run this on every other node, too, before the first one is started: each takes newer tokens from its own journal. Then start all of "
        "them: a token that may be used only once is not sent before every node has merged its journal, or was forgotten (`latchkey node forget`).\n");
  return 0;
}

Result<int> restore(const Session& session, const Arguments& arguments) {
  if (arguments.database) return mark_database(session, arguments);
  if (arguments.file.empty()) return fail(ErrorKind::invalid, "usage", "Say which backup: latchkey restore FILE", {.field = "FILE"});
  const auto places = places_of(arguments, Verb::restore);
  if (!places) return std::unexpected(places.error());
  std::error_code ignored;
  const bool goes_back = std::filesystem::is_directory(arguments.file, ignored);
  auto passphrase = goes_back ? Result<Secret>(Secret()) : passphrase_of(arguments, Ask::once);
  if (!passphrase) return std::unexpected(passphrase.error());
  ProgressLine line;
  RestoreWish wish{.file = arguments.file, .data = places->data, .key_path = places->key_path, .passphrase = std::move(*passphrase),
                   .replace = arguments.replace, .nothing_ran_since = arguments.nothing_ran_since};
  wish.progress = [&line](std::string_view step, std::int64_t done, std::int64_t all) { line.show(step, done, all); };
  wish.of_node = places->of_node;
  const auto report = goes_back ? restore_set_aside(std::move(wish)) : restore_backup(wish);
  if (!report) return std::unexpected(report.error());
  if (session.json) {
    auto answer = marks_of(*report);
    answer["data"] = places->data;
    answer["replaced"] = report->replaced;
    answer["replies_left_out"] = report->replies_left_out;
    answer["replaced_not_marked"] = report->not_marked;
    answer["documents_replaced"] = report->documents_replaced;
    answer["master_key"] = report->key_path;
    answer["master_key_aside"] = report->key_aside;
    answer["left_out"] = array_of(report->left_out);
    print(pretty(answer));
    return 0;
  }
  print(fmt::format("{} is as it was on {}.\n", places->data, base::to_rfc3339(report->made_at)));
  tell_of_marks(*report, arguments.nothing_ran_since);
  if (!report->left_out.empty()) {
    print(fmt::format("Left out, since no provider file may be called so: {}.\n", fmt::join(report->left_out, ", ")));
  }
  if (!report->replaced.empty()) print(fmt::format("What was there lies in {}, set aside: no server starts on it.\n", report->replaced));
  if (!report->not_marked.empty()) {
    print(fmt::format("ATTENTION: its database could not be marked as set aside ({}), only the folder: never start a server on a copy of that file.\n", report->not_marked));
  }
  if (!report->key_aside.empty()) print(fmt::format("Another master key that lay in {} is kept in {}.\n", report->key_path, report->key_aside));
  if (places->of_node) tell_of_node(*report, arguments.nothing_ran_since);
  print(fmt::format("The master key is in {}. Start the server, and no other one on the old data.\n", report->key_path));
  struct stat owner{};
  if (::geteuid() == 0 && ::stat(places->data.c_str(), &owner) == 0 && owner.st_uid == 0) {
    print(fmt::format("All of it is root's. If the service runs as another user: chown -R USER: {}\n", places->data));
  }
  return 0;
}

void add_place_options(CLI::App& verb, Session& session, const std::shared_ptr<Arguments>& arguments) {
  verb.add_option("--data", arguments->data, "Data directory of the server (else LATCHKEY_DATA, else /var/lib/latchkey)")->type_name("DIR");
  verb.add_option("--config", arguments->config, "The server's configuration file, where it names the master key or the data directory")->type_name("FILE");
  verb.add_option("--master-key-file", arguments->key_path, "Where the master key lies, if not where the configuration says")->type_name("FILE");
  verb.add_option("--passphrase-file", arguments->passphrase_file, "File that holds the passphrase; else it is asked for")->type_name("FILE");
  verb.add_flag("--json", session.json, "Print JSON");
}

}  // namespace

void add_key_verbs(CLI::App& app, Session& session) {
  CLI::App& keys = *app.add_subcommand("keys", "The master key that everything is sealed under");
  keys.require_subcommand(1);
  auto arguments = std::make_shared<Arguments>();
  CLI::App& rotate = add_verb(keys, session, "rotate", "Make a new master key and seal everything under it, while the server works");
  rotate.add_flag("--no-wait", arguments->no_wait, "Begin, and return; `keys status` shows how far it is");
  on_run(rotate, session, [&session, arguments] { return rotate_keys(session, arguments->no_wait); });
  on_run(add_verb(keys, session, "cancel", "Give up a new key that is prepared and waits for servers to hold it; the files stay"), session, [&session]() -> Result<int> {
    const auto answer = session.client().call("POST", "/api/v1/keys/cancel");
    if (!answer) return std::unexpected(answer.error());
    return print_keys(session, *answer);
  });
  on_run(add_verb(keys, session, "status", "Show the key, a rotation under way, and the last backup"), session, [&session]() -> Result<int> {
    const auto answer = session.client().get("/api/v1/keys");
    if (!answer) return std::unexpected(answer.error());
    return print_keys(session, *answer);
  });
}

void add_backup_verbs(CLI::App& app, Session& session) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App& backup = *app.add_subcommand("backup", "Write everything (on PostgreSQL: all but the database) into one encrypted file; the server may run");
  backup.add_option("FILE", arguments->file, "The file to make; it must not exist")->required();
  add_place_options(backup, session, arguments);
  on_run(backup, session, [&session, arguments] { return back_up(session, *arguments); });

  auto restoring = std::make_shared<Arguments>();
  CLI::App& verb = *app.add_subcommand("restore", "Bring back what a backup holds; the server must not run");
  verb.add_option("FILE", restoring->file, "The backup; or the folder that a restore has set aside (DATA/replaced-...), to go back to it");
  verb.add_flag("--database", restoring->database,
                "No file: the PostgreSQL database was put back by its own tools. Marks what may have been spent since; on each node, none running");
  add_place_options(verb, session, restoring);
  verb.add_flag("--replace", restoring->replace, "Move what is in the data directory aside first");
  verb.add_flag("--nothing-ran-since", restoring->nothing_ran_since,
                "You know that no server has refreshed a token since the backup was made: all grants go on by themselves");
  on_run(verb, session, [&session, restoring] { return restore(session, *restoring); });
}

}  // namespace latchkey::app

#include "store/postgres/migration.h"

#include <fmt/format.h>

#include <charconv>

namespace latchkey::store::postgres {
namespace {

constexpr int kAttempts = 5;  // of several nodes that make the first table at once, all but one fail

struct Info {
  std::int64_t schema = 0;
  std::string written_by;
};

Result<Info> info_of(Connection& connection, const TableSet& tables) {
  const auto sql = fmt::format("SELECT key, value FROM {}", tables.info);
  auto rows = connection.ask({sql});
  if (!rows) return std::unexpected(rows.error());
  Info info;
  while (rows->row()) {
    std::string key, value;
    rows->read(key, value);
    if (key == "schema") std::from_chars(value.data(), value.data() + value.size(), info.schema);
    if (key == "written_by") info.written_by = value;
  }
  return info;
}

std::unexpected<Error> from_the_future(const Place& place, const TableSet& tables, const Info& info, const std::string& program_version) {
  const std::string writer = info.written_by.empty() ? "a newer version" : info.written_by;
  return fail(ErrorKind::corrupt, "future_schema",
              fmt::format("The database {} was last written by Latchkey {} (schema {}); this is Latchkey {}, which reads schemas up to {}. "
                          "Nothing was changed. Start Latchkey {} or newer on every node.",
                          place.display, writer, info.schema, program_version, tables.version(), writer),
              {.detail = fmt::format("schema {} is newer than {}", info.schema, tables.version())});
}

Result<void> make_info(Connection& connection, const Place& place, const TableSet& tables) {
  Result<void> done;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    done = connection.run_script(
        fmt::format("CREATE TABLE IF NOT EXISTS {0} (key TEXT CONSTRAINT {0}_pkey PRIMARY KEY, value TEXT NOT NULL)", tables.info));
    if (done) {
      done = connection.run_script(
          fmt::format("INSERT INTO {}(key, value) VALUES ('schema', '0') ON CONFLICT(key) DO NOTHING", tables.info));
    }
    if (done) return {};
  }
  return fail(ErrorKind::misconfigured, "store_unavailable",
              fmt::format("Latchkey may not make its tables in the database {}, or others of these names are there. Give it a database of its "
                          "own, owned by its user (CREATE DATABASE latchkey OWNER latchkey).", place.display),
              {.detail = done.error().detail});
}

}  // namespace

Result<void> migrate(Connection& connection, const Place& place, const TableSet& tables, const std::string& program_version) {
  if (auto made = make_info(connection, place, tables); !made) return made;
  auto info = info_of(connection, tables);
  if (!info) return std::unexpected(info.error());
  if (info->schema > tables.version()) return from_the_future(place, tables, *info, program_version);
  for (auto version = info->schema; version < tables.version(); ++version) {
    const auto& step = tables.steps[static_cast<std::size_t>(version)];
    // The row's lock lets one node through; the condition finds out whether another was faster.
    std::string script = fmt::format(
        "BEGIN; SELECT value FROM {0} WHERE key = 'schema' FOR UPDATE; "
        "SELECT CAST(CASE WHEN value = '{1}' THEN '1' ELSE 'latchkey:migrated' END AS BIGINT) FROM {0} WHERE key = 'schema';",
        tables.info, version);
    for (const char* part : step.scripts) script += part;
    script += fmt::format("UPDATE {} SET value = '{}' WHERE key = 'schema'; COMMIT;", tables.info, version + 1);
    if (auto done = connection.run_script(script); !done) {
      if (done.error().detail.find("latchkey:migrated") != std::string::npos) continue;
      auto error = done.error();
      error.text = fmt::format("The database {} could not be brought to schema {} ({}): {} Give Latchkey a database of its own.", place.display,
                               version + 1, step.what, error.detail);
      return std::unexpected(std::move(error));
    }
  }
  if (info->written_by == program_version) return {};
  const auto note = fmt::format(
      "INSERT INTO {}(key, value) VALUES ('written_by', $1) ON CONFLICT(key) DO UPDATE SET value = excluded.value", tables.info);
  const auto noted = connection.ask({note, Values(program_version)});
  if (!noted) return std::unexpected(noted.error());
  return {};
}

}  // namespace latchkey::store::postgres

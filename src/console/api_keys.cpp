#include "console/api_keys.h"

#include "console/fields.h"

namespace latchkey::console {
namespace {

constexpr std::int64_t kBackupBytesMax = std::int64_t{1} << 50;

// A stolen cookie must not make every copy of the master key stale, nor silence the reminder.
std::unexpected<Problem> command_line_only() {
  return refuse(403, "not_allowed", "This is done on the server itself: `latchkey keys rotate`, `latchkey backup`.");
}

JsonArray awaited_json(const grants::KeyStatus& status) {
  JsonArray names;
  for (const auto& name : status.awaited) names.emplace_back(name);
  return names;
}

JsonObject rotation_json(const grants::RotationState& rotation, const grants::KeyStatus& status) {
  return {{"from", base::to_hex(rotation.from)},
          {"to", base::to_hex(rotation.to)},
          {"started_at", base::to_rfc3339(rotation.started_at)},
          {"stage", grants::name_of(rotation.stage)},
          {"passes", rotation.passes},
          {"done", rotation.done},
          {"total", rotation.total},
          {"unreadable", rotation.unreadable},
          {"awaited", awaited_json(status)}};
}

JsonObject retired_json(const grants::RetiredKey& retired) {
  return {{"id", base::to_hex(retired.id)}, {"retired_at", base::to_rfc3339(retired.retired_at)}, {"path", retired.path}};
}

JsonObject prepared_json(const grants::KeyStatus& status) {
  return {{"id", base::to_hex(status.prepared->to)}, {"since", base::to_rfc3339(status.prepared->since)}, {"server", status.prepared->machine},
          {"path", status.prepared->path}, {"awaited", awaited_json(status)}};
}

}  // namespace

std::vector<Route> KeysApi::routes() {
  constexpr auto kPlain = Carries::nothing_secret;
  return {
      {"GET", "/api/v1/keys", Who::administrator, kPlain, 1024, [this](Call call) { return show(std::move(call)); }},
      {"POST", "/api/v1/keys/rotate", Who::administrator, kPlain, 1024, [this](Call call) { return rotate(std::move(call)); }},
      {"POST", "/api/v1/keys/cancel", Who::administrator, kPlain, 1024, [this](Call call) { return cancel(std::move(call)); }},
      {"POST", "/api/v1/backups", Who::administrator, kPlain, 4096, [this](Call call) { return note_backup(std::move(call)); }},
  };
}

Task<Result<JsonObject>> KeysApi::keys_json() {
  const auto status = keys_.status();
  const auto backed_up = co_await store_.meta(std::string(grants::kBackupDoneMeta));
  if (!backed_up) co_return std::unexpected(backed_up.error());
  const auto last = co_await store_.meta(std::string(kLastBackupMeta));
  if (!last) co_return std::unexpected(last.error());
  JsonObject json{{"master_key", JsonObject{{"id", base::to_hex(status.id)}, {"path", status.path}, {"place", status.place}, {"backup_done", !backed_up->empty()}}},
                  {"rotation", nullptr}, {"prepared", nullptr}, {"retired", nullptr}, {"last_backup", nullptr}, {"store", name_of(store_kind_)}};
  if (status.rotation) json["rotation"] = rotation_json(*status.rotation, status);
  if (status.prepared) json["prepared"] = prepared_json(status);
  if (status.retired) json["retired"] = retired_json(*status.retired);
  if (const auto parsed = parse_json(base::as_text(*last)); !last->empty() && parsed && parsed->is_object()) json["last_backup"] = *parsed;
  co_return json;
}

Task<Answer> KeysApi::show(Call) {
  auto json = co_await keys_json();
  if (!json) co_return refuse(json.error());
  co_return net::HttpResponse::json(200, std::move(*json));
}

Task<Answer> KeysApi::rotate(Call call) {
  if (call.principal.kind != Principal::Kind::command_line) co_return command_line_only();
  const auto begun = co_await run_on(engine_, keys_.rotate({.actor = call.principal.username, .source = call.source()}));
  if (!begun) co_return refuse(begun.error());
  auto json = co_await keys_json();
  if (!json) co_return refuse(json.error());
  co_return net::HttpResponse::json(202, std::move(*json));
}

Task<Answer> KeysApi::cancel(Call call) {
  if (call.principal.kind != Principal::Kind::command_line) co_return command_line_only();
  const auto given_up = co_await run_on(engine_, keys_.cancel({.actor = call.principal.username, .source = call.source()}));
  if (!given_up) co_return refuse(given_up.error());
  auto json = co_await keys_json();
  if (!json) co_return refuse(json.error());
  co_return net::HttpResponse::json(200, std::move(*json));
}

Task<Answer> KeysApi::note_backup(Call call) {
  if (call.principal.kind != Principal::Kind::command_line) co_return command_line_only();
  auto body = read_object(call.request);
  if (!body) co_return std::unexpected(body.error());
  Fields fields(*body);
  const auto made_at = fields.time_if("made_at");
  const auto size_bytes = fields.integer("size_bytes", 0, kBackupBytesMax, 0);
  const auto file = fields.text("file", {.min = 1, .max = 1024});
  if (auto problem = fields.check()) co_return std::unexpected(std::move(*problem));
  const auto now = wall_.now();
  const auto at = base::to_rfc3339(made_at.value_or(now));
  // It holds the master key, so there is a copy of that now, too.
  store::Batch batch{store::PutMeta{std::string(kLastBackupMeta), base::to_bytes(boost::json::serialize(JsonObject{
                                                                      {"made_at", at}, {"size_bytes", size_bytes}, {"file", file}}))},
                     store::PutMeta{std::string(grants::kBackupDoneMeta), base::to_bytes(base::to_rfc3339(now))},
                     store::AppendAudit{{.at = now, .actor = call.principal.username, .action = "store.backed_up", .subject = "store",
                                         .source = call.source(), .detail = "To " + file + "."}}};
  const auto done = co_await store_.commit(std::move(batch));
  if (!done) co_return refuse(done.error());
  co_return net::HttpResponse::no_content();
}

}  // namespace latchkey::console

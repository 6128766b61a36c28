#include "console/api_devices.h"

#include "console/actor.h"
#include "console/fields.h"
#include "console/views.h"

namespace latchkey::console {
namespace {

constexpr std::size_t kListMax = 100;
constexpr TextBounds kConnector{.min = 1, .max = 63};
constexpr TextBounds kSource{.min = 1, .max = 64};
constexpr TextBounds kDomain{.min = 1, .max = 253};

JsonObject device_json(const store::Device& device) {
  return {{"id", device.id.text()},
          {"name", device.name},
          {"connectors", texts_json(device.connectors)},
          {"sources", texts_json(device.allowed_sources)},
          {"recipient_domains", texts_json(device.recipient_domains)},
          {"uses", uses_json(device.uses)},
          {"enabled", device.enabled},
          {"secret_set_at", time_json(device.secret_set_at)},
          {"created_at", time_json(device.created_at)},
          {"last_seen_at", time_json(device.last_seen_at)},
          {"last_source", device.last_source},
          {"last_error_at", time_json(device.last_error_at)},
          {"last_error", device.last_error}};
}

const char* speaker_word(people::ConversationLine::Speaker speaker) {
  using enum people::ConversationLine::Speaker;
  switch (speaker) {
    case device: return "device";
    case server: return "server";
    case note: return "note";
  }
  return "note";
}

JsonObject conversation_json(const people::Conversation& conversation) {
  JsonArray lines;
  for (const auto& line : conversation.lines) lines.emplace_back(JsonObject{{"from", speaker_word(line.speaker)}, {"text", line.text}});
  return {{"began_at", time_json(conversation.began_at)},
          {"ended_at", time_json(conversation.ended_at)},
          {"door", conversation.door},
          {"source", conversation.source},
          {"lines", std::move(lines)}};
}

std::optional<people::SecretForm> read_form(Fields& fields) {
  return people::parse_secret_form(fields.choice("secret_form", {"whole", "compact"}, Presence::optional));
}

// What a form says; what it does not name stays out.
people::DeviceChange read_change(Fields& fields) {
  people::DeviceChange change;
  change.name = fields.text_if("name", {.min = 1, .max = 128});
  if (fields.has("connectors")) change.connectors = fields.texts("connectors", kListMax, kConnector);
  if (fields.has("sources")) change.sources = fields.texts("sources", 64, kSource);
  if (fields.has("recipient_domains")) change.recipient_domains = fields.texts("recipient_domains", kListMax, kDomain);
  if (fields.has("uses")) {
    change.uses = uses_of(fields.texts("uses", 8, {.min = 1, .max = 16}));
    if (!change.uses) fields.fault("uses", "Uses are deliver, list and send.");
  }
  change.enabled = fields.boolean_if("enabled");
  return change;
}

// With the secret: for this once.
Answer with_secret(int status, const people::DeviceWithSecret& made) {
  auto json = device_json(made.device);
  json["secret"] = made.secret.reveal_text();
  return net::HttpResponse::json(status, json).with("Cache-Control", "no-store");
}

std::unexpected<Problem> refuse_device(const Error& error) {
  if (error.reason == "no_such_device") return refuse_not_found();
  return refuse(error);
}

}  // namespace

std::vector<Route> DevicesApi::routes() {
  constexpr auto kPlain = Carries::nothing_secret;
  return {
      {"GET", "/api/v1/devices", Who::administrator, kPlain, 1024, [this](Call call) { return list(std::move(call)); }},
      {"POST", "/api/v1/devices", Who::administrator, Carries::secret, 32 * 1024, [this](Call call) { return add(std::move(call)); }},
      {"PATCH", "/api/v1/devices/{id}", Who::administrator, kPlain, 32 * 1024, [this](Call call) { return change(std::move(call)); }},
      {"POST", "/api/v1/devices/{id}/secret", Who::administrator, Carries::secret, 1024,
       [this](Call call) { return renew_secret(std::move(call)); }},
      {"GET", "/api/v1/devices/{id}/conversations", Who::administrator, kPlain, 1024, [this](Call call) { return conversations(std::move(call)); }},
      {"DELETE", "/api/v1/devices/{id}", Who::administrator, kPlain, 1024, [this](Call call) { return remove(std::move(call)); }},
  };
}

Task<Answer> DevicesApi::list(Call call) {
  Query query(call.request);
  if (auto problem = query.check()) co_return std::unexpected(std::move(*problem));
  const auto devices = co_await parts_.store.devices();
  if (!devices) co_return refuse(devices.error());
  JsonArray items;
  for (const auto& device : *devices) items.emplace_back(device_json(device));
  auto json = whole_list_json(std::move(items));
  json["public_url"] = parts_.public_url;
  JsonArray mail;
  for (const auto& listener : parts_.doors.mail)
    mail.push_back(JsonObject{{"security", listener.security}, {"port", listener.port}, {"sources", texts_json(listener.sources)}});
  json["mail_listeners"] = std::move(mail);
  json["drop_domain"] = parts_.doors.drop_domain;
  co_return net::HttpResponse::json(200, json);
}

Task<Answer> DevicesApi::add(Call call) {
  auto body = read_object(call.request);
  if (!body) co_return std::unexpected(body.error());
  Fields fields(*body);
  people::NewDevice wish;
  wish.secret = read_form(fields).value_or(people::SecretForm::whole);
  auto change = read_change(fields);
  if (!change.name) fields.fault("name", "Give the device a name.");
  if (auto problem = fields.check()) co_return std::unexpected(std::move(*problem));
  wish.name = std::move(*change.name);
  if (change.connectors) wish.connectors = std::move(*change.connectors);
  if (change.sources) wish.sources = std::move(*change.sources);
  if (change.recipient_domains) wish.recipient_domains = std::move(*change.recipient_domains);
  // Who may write to somebody may send.
  if (change.uses) wish.uses = *change.uses;
  else if (!wish.recipient_domains.empty()) wish.uses |= store::kUseSend;
  wish.enabled = change.enabled.value_or(true);
  const auto made = co_await parts_.desk.add(std::move(wish), actor_of(call));
  if (!made) co_return refuse_device(made.error());
  co_return with_secret(201, *made);
}

Task<Answer> DevicesApi::change(Call call) {
  const auto id = DeviceId::parse(call.values[0]);
  if (!id) co_return refuse_not_found();
  auto body = read_object(call.request);
  if (!body) co_return std::unexpected(body.error());
  Fields fields(*body);
  auto change = read_change(fields);
  if (auto problem = fields.check()) co_return std::unexpected(std::move(*problem));
  const auto device = co_await parts_.desk.change(*id, std::move(change), actor_of(call));
  if (!device) co_return refuse_device(device.error());
  co_return net::HttpResponse::json(200, device_json(*device));
}

Task<Answer> DevicesApi::renew_secret(Call call) {
  const auto id = DeviceId::parse(call.values[0]);
  if (!id) co_return refuse_not_found();
  auto form = people::SecretForm::whole;
  if (!call.request.body.empty()) {
    auto body = read_object(call.request);
    if (!body) co_return std::unexpected(body.error());
    Fields fields(*body);
    form = read_form(fields).value_or(form);
    if (auto problem = fields.check()) co_return std::unexpected(std::move(*problem));
  }
  const auto made = co_await parts_.desk.renew_secret(*id, form, actor_of(call));
  if (!made) co_return refuse_device(made.error());
  co_return with_secret(200, *made);
}

Task<Answer> DevicesApi::remove(Call call) {
  const auto id = DeviceId::parse(call.values[0]);
  if (!id) co_return refuse_not_found();
  const auto done = co_await parts_.desk.remove(*id, actor_of(call));
  if (!done) co_return refuse_device(done.error());
  co_return net::HttpResponse::no_content();
}

Task<Answer> DevicesApi::conversations(Call call) {
  const auto id = DeviceId::parse(call.values[0]);
  if (!id) co_return refuse_not_found();
  const auto device = co_await parts_.store.device(*id);
  if (!device) co_return refuse(device.error());
  if (!*device) co_return refuse_not_found();
  JsonArray items;
  for (const auto& one : parts_.conversations.of(*id)) items.emplace_back(conversation_json(one));
  co_return net::HttpResponse::json(200, whole_list_json(std::move(items)));
}

}  // namespace latchkey::console

#include "grants/flow_record.h"

#include "base/json.h"

namespace latchkey::grants {
namespace {

std::string text64(ByteView octets) { return base::to_base64url(octets); }

Bytes octets64(const JsonObject& object, std::string_view key) {
  return base::from_base64url(base::string_or(object, key)).value_or(Bytes{});
}

template <class SomeId>
SomeId id_of(const JsonObject& object, std::string_view key) {
  return SomeId::parse(base::string_or(object, key)).value_or(SomeId{});
}

JsonObject json_of(const store::User& user) {
  return {{"id", user.id.text()}, {"group", user.group.text()}, {"username", user.username}, {"username_key", user.username_key},
          {"name", user.name}, {"email", user.email}, {"auth_epoch", user.auth_epoch}, {"public_key", text64(user.public_key)},
          {"private_key_wrapped", text64(user.private_key_wrapped)}, {"version", user.version}};
}

store::User user_of(const JsonObject& object) {
  store::User user;
  user.id = id_of<UserId>(object, "id");
  user.group = id_of<GroupId>(object, "group");
  user.username = base::string_or(object, "username");
  user.username_key = base::string_or(object, "username_key");
  user.name = base::string_or(object, "name");
  user.email = base::string_or(object, "email");
  user.auth_epoch = base::integer_or(object, "auth_epoch");
  user.public_key = octets64(object, "public_key");
  user.private_key_wrapped = octets64(object, "private_key_wrapped");
  user.version = base::integer_or(object, "version");
  return user;
}

JsonObject json_of(const store::Grant& grant) {
  return {{"id", grant.id.text()}, {"user", grant.user.text()}, {"type", grant.type}, {"app", grant.app},
          {"params", grant.params_json}, {"public_key", text64(grant.public_key)}, {"generation", grant.generation}};
}

store::Grant grant_of(const JsonObject& object) {
  store::Grant grant;
  grant.id = id_of<GrantId>(object, "id");
  grant.user = id_of<UserId>(object, "user");
  grant.type = base::string_or(object, "type");
  grant.app = base::string_or(object, "app");
  grant.params_json = base::string_or(object, "params", "{}");
  grant.public_key = octets64(object, "public_key");
  grant.generation = base::integer_or(object, "generation");
  return grant;
}

JsonObject json_of(const Harvest& harvest) {
  JsonObject object{{"refresh", text64(harvest.refresh_sealed)}, {"access", text64(harvest.access_sealed)},
                    {"issued_at", base::to_unix_ms(harvest.issued_at)}, {"scopes", harvest.scopes},
                    {"missing", harvest.missing_scopes}, {"extras", harvest.extras_json}, {"account_id", harvest.account_id},
                    {"account_name", harvest.account_name}, {"intent", harvest.intent.text()}};
  if (harvest.account_unanswered) object["account_unanswered"] = true;
  if (!harvest.place.empty()) object["place"] = harvest.place;
  if (harvest.access_expires_at) object["expires_at"] = base::to_unix_ms(*harvest.access_expires_at);
  return object;
}

Harvest harvest_of(const JsonObject& object) {
  Harvest harvest;
  harvest.refresh_sealed = octets64(object, "refresh");
  harvest.access_sealed = octets64(object, "access");
  harvest.issued_at = base::from_unix_ms(base::integer_or(object, "issued_at"));
  if (object.contains("expires_at")) harvest.access_expires_at = base::from_unix_ms(base::integer_or(object, "expires_at"));
  harvest.scopes = base::string_or(object, "scopes");
  harvest.missing_scopes = base::string_or(object, "missing");
  harvest.extras_json = base::string_or(object, "extras", "{}");
  harvest.account_id = base::string_or(object, "account_id");
  harvest.account_name = base::string_or(object, "account_name");
  harvest.account_unanswered = base::flag_or(object, "account_unanswered");
  harvest.intent = id_of<IntentId>(object, "intent");
  harvest.place = base::string_or(object, "place");
  return harvest;
}

JsonObject json_of(const DeviceFlow& device) {
  return {{"user_code", device.prompt.user_code}, {"uri", device.prompt.verification_uri},
          {"uri_complete", device.prompt.verification_uri_complete}, {"code", device.code.reveal_text()},
          {"interval_s", device.interval.count()}, {"intent", device.intent.text()}, {"node", device.node.text()}};
}

DeviceFlow device_of(const JsonObject& object) {
  return {.prompt = {.user_code = base::string_or(object, "user_code"), .verification_uri = base::string_or(object, "uri"),
                     .verification_uri_complete = base::string_or(object, "uri_complete")},
          .code = Secret(std::string_view(base::string_or(object, "code"))), .interval = Seconds(base::integer_or(object, "interval_s")),
          .intent = id_of<IntentId>(object, "intent"), .node = id_of<NodeId>(object, "node")};
}

}  // namespace

std::string_view name_of(AuthorizationWay way) {
  switch (way) {
    case AuthorizationWay::browser:
      return "browser";
    case AuthorizationWay::device_code:
      return "device_code";
    case AuthorizationWay::owner_link:
      return "owner_link";
  }
  return "browser";
}

std::string_view name_of(Presentation presentation) { return presentation == Presentation::page ? "page" : "popup"; }

GrantId exchange_id(const AuthorizationId& id) { return *GrantId::from_bytes(id.bytes()); }

bool has_ended(store::AuthorizationState state) {
  using enum store::AuthorizationState;
  return state == failed || state == cancelled || state == expired;
}

vault::SealContext flow_context(const AuthorizationId& id) {
  return {.purpose = vault::Purpose::authorization_record, .table = "authorizations", .row = id.bytes(), .field = "record"};
}

JsonObject ended_result(const FlowRecord& record, std::string_view code, std::string_view text) {
  return {{"way", name_of(record.way)}, {"problem_code", code}, {"problem_text", text}, {"username", record.user.username}, {"type", record.grant.type}};
}

Viewer FlowRecord::viewer(bool same_browser) const {
  const bool of_session = way == AuthorizationWay::browser && !session_hash.empty() && !opened_by_other;
  return same_browser && of_session ? Viewer::console : Viewer::nobody;
}

Secret FlowRecord::to_plain() const {
  JsonObject object{{"v", 1}, {"kind", static_cast<int>(kind)}, {"user", json_of(user)}, {"new_group", new_group},
                    {"new_keys", new_keys}, {"allow_token", allow_token}, {"grant", json_of(grant)},
                    {"wrap", text64(wrap_sealed)}, {"expected_account", expected_account}, {"redirect_uri", redirect_uri},
                    {"issuer", issuer}, {"token_endpoint", token_endpoint}, {"verifier", code_verifier.reveal_text()},
                    {"nonce", nonce.reveal_text()}, {"cookie_hash", text64(cookie_hash)}, {"session_hash", text64(session_hash)},
                    {"actor", actor}, {"source", source}, {"opened_by_other", opened_by_other}, {"in_clear", in_clear}, {"way", static_cast<int>(way)}};
  if (presentation == Presentation::page) object["page"] = true;
  if (revoked_as) object["revoked_as"] = *revoked_as;
  if (!expected_name.empty()) object["expected_name"] = expected_name;
  if (device) object["device"] = json_of(*device);
  if (!link_ticket.empty()) object["link_ticket"] = link_ticket.reveal_text();
  object["answer_until"] = base::to_unix_ms(answer_until);
  if (!learned.empty()) {
    JsonObject values;
    for (const auto& [name, value] : learned) values[name] = value;
    object["learned"] = std::move(values);
  }
  if (!cloud_app.empty()) object["cloud_app"] = cloud_app;
  if (!imported.empty()) object["imported"] = imported.reveal_text();
  if (harvest) object["harvest"] = json_of(*harvest);
  auto text = boost::json::serialize(object);
  Secret plain{std::string_view(text)};
  base::wipe(text.data(), text.size());
  return plain;
}

FlowRecord FlowRecord::copy_of_harvest() const {
  FlowRecord copy;
  copy.grant = grant;
  copy.harvest = harvest;
  copy.imported = imported.clone();
  return copy;
}

Result<FlowRecord> FlowRecord::from_plain(const Secret& plain) {
  const auto parsed = parse_json(plain.reveal_text());
  if (!parsed || !parsed->is_object() || base::integer_or(parsed->get_object(), "v") != 1) {
    return fail(ErrorKind::corrupt, "record_altered", "A pending authorisation cannot be read; begin again.");
  }
  const auto& object = parsed->get_object();
  FlowRecord record;
  record.kind = static_cast<FlowKind>(base::integer_or(object, "kind"));
  if (const auto* user = base::find_object(object, "user")) record.user = user_of(*user);
  if (const auto* grant = base::find_object(object, "grant")) record.grant = grant_of(*grant);
  if (const auto* harvest = base::find_object(object, "harvest")) record.harvest = harvest_of(*harvest);
  if (const auto* learned = base::find_object(object, "learned")) {
    for (const auto& [name, value] : *learned) {
      if (value.is_string()) record.learned[std::string(name)] = std::string(value.get_string());
    }
  }
  record.new_group = base::string_or(object, "new_group");
  record.new_keys = base::flag_or(object, "new_keys");
  record.allow_token = base::flag_or(object, "allow_token");
  record.wrap_sealed = octets64(object, "wrap");
  record.expected_account = base::string_or(object, "expected_account");
  record.expected_name = base::string_or(object, "expected_name");
  if (object.contains("revoked_as")) record.revoked_as = base::integer_or(object, "revoked_as");
  record.redirect_uri = base::string_or(object, "redirect_uri");
  record.issuer = base::string_or(object, "issuer");
  record.token_endpoint = base::string_or(object, "token_endpoint");
  record.code_verifier = Secret(std::string_view(base::string_or(object, "verifier")));
  record.nonce = Secret(std::string_view(base::string_or(object, "nonce")));
  record.imported = Secret(std::string_view(base::string_or(object, "imported")));
  record.cookie_hash = octets64(object, "cookie_hash");
  record.session_hash = octets64(object, "session_hash");
  record.actor = base::string_or(object, "actor");
  record.source = base::string_or(object, "source");
  record.cloud_app = base::string_or(object, "cloud_app");
  record.opened_by_other = base::flag_or(object, "opened_by_other");
  record.in_clear = base::flag_or(object, "in_clear");
  record.way = static_cast<AuthorizationWay>(base::integer_or(object, "way"));
  record.presentation = base::flag_or(object, "page") ? Presentation::page : Presentation::popup;
  if (const auto* device = base::find_object(object, "device")) record.device = device_of(*device);
  record.link_ticket = Secret(std::string_view(base::string_or(object, "link_ticket")));
  record.answer_until = base::from_unix_ms(base::integer_or(object, "answer_until"));
  return record;
}

}  // namespace latchkey::grants

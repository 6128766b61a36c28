#include "relay/reply_rewriting.h"

#include <optional>
#include <string>

#include "base/json.h"
#include "oauth/client.h"
#include "oauth/redaction.h"

namespace latchkey::relay {
namespace {

// Every text that is the token, however deep: none of them is for the office.
void replace_in(Json& value, std::string_view token, std::string_view blob) {
  if (auto* text = value.if_string()) {
    if (std::string_view(*text) != token) return;
    base::wipe(text->data(), text->size());
    *text = blob;
  } else if (auto* object = value.if_object()) {
    for (auto& [name, member] : *object) replace_in(member, token, blob);
  } else if (auto* array = value.if_array()) {
    for (auto& item : *array) replace_in(item, token, blob);
  }
}

Secret secret_of(std::string text) {
  Secret secret{std::string_view(text)};
  base::wipe(text.data(), text.size());
  return secret;
}

std::optional<Secret> in_json(std::string_view body, std::string_view token, std::string_view blob) {
  auto parsed = parse_json(body);
  if (!parsed) return std::nullopt;
  replace_in(*parsed, token, blob);
  return secret_of(boost::json::serialize(*parsed));
}

std::optional<Secret> in_form(std::string_view body, std::string_view token, std::string_view blob) {
  auto parsed = oauth::parse_form(body);
  if (!parsed) return std::nullopt;
  oauth::FormWriter writer;
  bool found = false;
  for (auto& [name, value] : *parsed) {
    const bool is_token = value == token;
    found = found || is_token;
    writer.add(name, is_token ? blob : std::string_view(value));
    base::wipe(value.data(), value.size());
  }
  return found ? std::optional(writer.take()) : std::nullopt;
}

// Whether anything was struck.
bool strike_in(std::string_view text, std::span<const Secret> unsaid, std::string& struck) {
  struck = text;
  oauth::strike_out(struck, unsaid);
  return struck != text;
}

// What the office is to have is not looked into: it would be spoiled by a secret that happens to stand in it.
bool is_for_the_office(std::string_view member) { return member == "access_token" || member == "refresh_token" || member == "id_token"; }

bool strike_in(Json& value, std::span<const Secret> unsaid) {
  bool any = false;
  if (auto* text = value.if_string()) {
    std::string struck;
    any = strike_in(*text, unsaid, struck);
    if (any) {
      base::wipe(text->data(), text->size());
      *text = struck;
    }
    base::wipe(struck.data(), struck.size());
  } else if (auto* object = value.if_object()) {
    for (auto& [name, member] : *object) any = (!is_for_the_office(name) && strike_in(member, unsaid)) || any;
  } else if (auto* array = value.if_array()) {
    for (auto& item : *array) any = strike_in(item, unsaid) || any;
  }
  return any;
}

// As it is where nothing was struck.
cloud::ProviderReply without(std::span<const Secret> unsaid, cloud::ProviderReply reply, const oauth::TokenReply& read) {
  if (auto parsed = parse_json(reply.body.reveal_text())) {
    if (strike_in(*parsed, unsaid)) reply.body = secret_of(boost::json::serialize(*parsed));
    return reply;
  }
  if (read.access_token) return reply;
  std::string struck;
  if (strike_in(reply.body.reveal_text(), unsaid, struck)) reply.body = Secret(std::string_view(struck));
  base::wipe(struck.data(), struck.size());
  return reply;
}

}  // namespace

cloud::ProviderReply with_blob(cloud::ProviderReply reply, oauth::ReplyShape shape, const SealToken& seal, std::span<const Secret> unsaid) {
  const auto body = reply.body.reveal_text();
  const auto completeness = reply.cut ? oauth::Completeness::cut : oauth::Completeness::whole;
  auto parsed = oauth::parse_token_reply(reply.status, reply.content_type, body, shape, completeness);
  auto token = std::move(parsed.refresh_token);
  if (!token) token = oauth::find_refresh_token(body);
  if (!token) return without(unsaid, std::move(reply), parsed);
  const auto blob = seal(*token);
  std::optional<Secret> rewritten;
  if (parsed.form == oauth::ReplyForm::json) rewritten = in_json(body, token->reveal_text(), blob.reveal_text());
  if (parsed.form == oauth::ReplyForm::form) rewritten = in_form(body, token->reveal_text(), blob.reveal_text());
  if (!rewritten) {
    // Broken off or broken: what cannot be had again is all that is worth passing on.
    rewritten = secret_of(boost::json::serialize(JsonObject{{"refresh_token", blob.reveal_text()}}));
    reply.content_type = "application/json";
    reply.body = std::move(*rewritten);
    return reply;
  }
  reply.body = std::move(*rewritten);
  return without(unsaid, std::move(reply), parsed);
}

}  // namespace latchkey::relay

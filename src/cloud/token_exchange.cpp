#include "cloud/token_exchange.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/json.h"
#include "cloud/envelope.h"

namespace latchkey::cloud {
namespace {

constexpr std::size_t kJsonBytesMax = 256 * 1024;
constexpr std::size_t kFormBytesMax = 64 * 1024;
constexpr std::size_t kNameMax = 64;
constexpr std::size_t kValueMax = 2048;
constexpr std::size_t kPairsMax = 32;
constexpr std::size_t kHeadValueMax = 200;

using Pairs = std::vector<std::pair<std::string, std::string>>;

std::unexpected<Error> malformed_request() {
  return fail(ErrorKind::invalid, "token_request_malformed", "The office's request cannot be read.");
}

std::unexpected<Error> malformed_answer() {
  return fail(ErrorKind::invalid, "cloud_answer_malformed",
              "The Cloud Service's answer cannot be read. Is its version not older than this server's?");
}

std::optional<JsonObject> object_of(std::string_view json) {
  auto parsed = parse_json(json, {.size_bytes_max = kJsonBytesMax, .depth_max = 3, .doubles = base::Doubles::refused});
  if (!parsed || !parsed->is_object()) return std::nullopt;
  return std::move(parsed->get_object());
}

JsonObject object_of(const Pairs& pairs) {
  JsonObject object;
  for (const auto& [name, value] : pairs) object[name] = value;
  return object;
}

std::optional<Pairs> pairs_of(const JsonObject& object, std::string_view member) {
  const auto* found = base::find_object(object, member);
  if (found == nullptr || found->size() > kPairsMax) return std::nullopt;
  Pairs pairs;
  for (const auto& [name, value] : *found) {
    const auto* text = value.if_string();
    if (text == nullptr || name.size() > kNameMax || text->size() > kValueMax) return std::nullopt;
    pairs.emplace_back(std::string(name), std::string(text->data(), text->size()));
  }
  return pairs;
}

std::optional<std::string> name_of(const JsonObject& object, std::string_view member) {
  auto name = base::string_or(object, member);
  const bool plain = !name.empty() && name.size() <= kNameMax && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
  return plain ? std::optional(std::move(name)) : std::nullopt;
}

std::optional<std::int64_t> turn_of(const JsonObject& object) {
  const auto* turn = object.if_contains("turn");
  if (turn == nullptr || !turn->is_int64() || turn->get_int64() < 0) return std::nullopt;
  return turn->get_int64();
}

JsonObject target_json(const ServiceTarget& target) {
  return {{"app", target.app},
          {"type", target.type},
          {"params", object_of(target.params)},
          {"learned", object_of(target.learned)}};
}

std::optional<ServiceTarget> target_of(const JsonObject& object) {
  auto app = name_of(object, "app");
  auto type = name_of(object, "type");
  auto params = pairs_of(object, "params");
  auto learned = pairs_of(object, "learned");
  if (!app || !type || !params || !learned) return std::nullopt;
  return ServiceTarget{
      .app = std::move(*app), .type = std::move(*type), .params = std::move(*params), .learned = std::move(*learned)};
}

// Serialised with the form in it; what was copied for that is wiped.
Secret with_form(JsonObject json, const Secret& form) {
  json["form"] = form.reveal_text();
  auto text = boost::json::serialize(json);
  Secret secret{std::string_view(text)};
  base::wipe(text.data(), text.size());
  auto& copied = json["form"].get_string();
  base::wipe(copied.data(), copied.size());
  return secret;
}

std::optional<Secret> form_of(const JsonObject& object) {
  const auto* form = base::find_string(object, "form");
  if (form == nullptr || form->empty() || form->size() > kFormBytesMax) return std::nullopt;
  return Secret(std::string_view(form->data(), form->size()));
}

// An error's code is of visible ASCII (RFC 6749 5.2); of a longer or odder one nothing is passed on.
bool is_error_code(std::string_view code) {
  return code.size() <= kNameMax && std::ranges::all_of(code, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
                  c == '.';
         });
}

// Parts with their lengths before them.
Bytes place_of(std::string_view office, std::string_view intent, std::int64_t turn) {
  return base::to_bytes(fmt::format("{}:{}{}:{}{}", office.size(), office, intent.size(), intent, turn));
}

std::string head_value(std::string_view value) {
  std::string text(value.substr(0, kHeadValueMax));
  std::ranges::replace_if(text, [](char c) { return c == '\n' || c == '\r'; }, ' ');
  return text;
}

}  // namespace

Secret to_json(const TokenRequest& request) {
  auto json = target_json(request.target);
  json["intent"] = request.intent;
  json["turn"] = request.turn;
  json["grant"] = request.grant;
  return with_form(std::move(json), request.form);
}

Result<TokenRequest> parse_token_request(std::string_view json) {
  const auto object = object_of(json);
  if (!object) return malformed_request();
  auto target = target_of(*object);
  auto intent = name_of(*object, "intent");
  auto grant = name_of(*object, "grant");
  const auto turn = turn_of(*object);
  auto form = form_of(*object);
  if (!target || !intent || !grant || !turn || !form) return malformed_request();
  return TokenRequest{.intent = std::move(*intent),
                      .turn = *turn,
                      .grant = std::move(*grant),
                      .target = std::move(*target),
                      .form = std::move(*form)};
}

std::string to_json(const Acknowledgement& acknowledgement) {
  return boost::json::serialize(JsonObject{{"intent", acknowledgement.intent}, {"turn", acknowledgement.turn}, {"had_reply", acknowledgement.had_reply}});
}

Result<Acknowledgement> parse_acknowledgement(std::string_view json) {
  const auto object = object_of(json);
  auto intent = object ? name_of(*object, "intent") : std::nullopt;
  const auto turn = object ? turn_of(*object) : std::nullopt;
  const auto* had_reply = object ? object->if_contains("had_reply") : nullptr;
  if (!intent || !turn || had_reply == nullptr || !had_reply->is_bool()) return malformed_request();
  return Acknowledgement{.intent = std::move(*intent), .turn = *turn, .had_reply = had_reply->get_bool()};
}

std::string to_json(const TokenAnswer& answer) {
  JsonObject json{{"turn", answer.turn}};
  json["reply"] = answer.reply.empty() ? Json(nullptr) : Json(base::to_base64url(answer.reply));
  return boost::json::serialize(json);
}

Result<TokenAnswer> parse_token_answer(std::string_view json) {
  const auto object = object_of(json);
  const auto turn = object ? turn_of(*object) : std::nullopt;
  const auto* reply = object ? object->if_contains("reply") : nullptr;
  if (!turn || reply == nullptr) return malformed_answer();
  if (reply->is_null()) return TokenAnswer{.turn = *turn, .reply = {}};
  auto sealed = reply->is_string() ? base::from_base64url(std::string_view(reply->get_string())) : std::nullopt;
  if (!sealed || sealed->empty()) return malformed_answer();
  return TokenAnswer{.turn = *turn, .reply = std::move(*sealed)};
}

// Status, content type, Retry-After and whether it was cut on a line each, then the body as it is.
Bytes seal_reply(const ProviderReply& reply, std::string_view office, std::string_view intent, std::int64_t turn,
                 const crypto::X25519Public& office_key, Entropy& entropy) {
  const auto head = fmt::format("{}\n{}\n{}\n{}\n", reply.status, head_value(reply.content_type),
                                head_value(reply.retry_after), reply.cut ? "cut" : "whole");
  auto plain = Secret::of_size(head.size() + reply.body.size());
  const auto at = std::ranges::copy(base::as_bytes(head), plain.writable().begin()).out;
  std::ranges::copy(reply.body.reveal(), at);
  return seal_to(office_key, kPurposeReply, place_of(office, intent, turn), plain, entropy);
}

Result<ProviderReply> open_reply(const PartyKeys& office_keys, std::string_view office, std::string_view intent,
                                 std::int64_t turn, ByteView sealed) {
  const auto plain = open_envelope(office_keys, kPurposeReply, place_of(office, intent, turn), sealed);
  if (!plain) return std::unexpected(plain.error());
  auto text = plain->reveal_text();
  std::string_view lines[4];
  for (auto& line : lines) {
    const auto end = text.find('\n');
    if (end == std::string_view::npos) return malformed_answer();
    line = text.substr(0, end);
    text.remove_prefix(end + 1);
  }
  ProviderReply reply{.content_type = std::string(lines[1]),
                      .retry_after = std::string(lines[2]),
                      .cut = lines[3] == "cut",
                      .body = Secret(text)};
  std::from_chars(lines[0].data(), lines[0].data() + lines[0].size(), reply.status);
  return reply;
}

Secret to_json(const RevocationRequest& request) {
  auto json = target_json(request.target);
  json["grant"] = request.grant;
  return with_form(std::move(json), request.form);
}

Result<RevocationRequest> parse_revocation_request(std::string_view json) {
  const auto object = object_of(json);
  if (!object) return malformed_request();
  auto target = target_of(*object);
  auto grant = name_of(*object, "grant");
  auto form = form_of(*object);
  if (!target || !grant || !form) return malformed_request();
  return RevocationRequest{.grant = std::move(*grant), .target = std::move(*target), .form = std::move(*form)};
}

std::string to_json(const RevocationAnswer& answer) {
  return boost::json::serialize(
      JsonObject{{"status", answer.status}, {"error", is_error_code(answer.error) ? answer.error : std::string()}});
}

Result<RevocationAnswer> parse_revocation_answer(std::string_view json) {
  const auto object = object_of(json);
  const auto* status = object ? object->if_contains("status") : nullptr;
  const auto* error = object ? base::find_string(*object, "error") : nullptr;
  const bool good = status != nullptr && status->is_int64() && status->get_int64() >= 100 && status->get_int64() <= 599 &&
                    error != nullptr && is_error_code(std::string_view(*error));
  if (!good) return malformed_answer();
  return RevocationAnswer{.status = static_cast<int>(status->get_int64()), .error = std::string(std::string_view(*error))};
}

std::string to_json(const ServiceTarget& target) { return boost::json::serialize(target_json(target)); }

Result<ServiceTarget> parse_service_target(std::string_view json) {
  const auto object = object_of(json);
  auto target = object ? target_of(*object) : std::nullopt;
  if (!target) return malformed_request();
  return std::move(*target);
}

std::string assertion_answer(const Secret& assertion, std::string_view office, const crypto::X25519Public& office_key,
                             Entropy& entropy) {
  const auto sealed = seal_to(office_key, kPurposeAssertion, base::as_bytes(office), assertion, entropy);
  return boost::json::serialize(JsonObject{{"assertion", base::to_base64url(sealed)}});
}

Result<Secret> parse_assertion_answer(std::string_view json, const PartyKeys& office_keys, std::string_view office) {
  const auto object = object_of(json);
  const auto sealed = object ? base::from_base64url(base::string_or(*object, "assertion")) : std::nullopt;
  if (!sealed || sealed->empty()) return malformed_answer();
  return open_envelope(office_keys, kPurposeAssertion, base::as_bytes(office), *sealed);
}

}  // namespace latchkey::cloud

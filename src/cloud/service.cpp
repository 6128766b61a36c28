#include "cloud/service.h"

#include <algorithm>
#include <optional>

#include "base/json.h"
#include "base/shown_name.h"

namespace latchkey::cloud {
namespace {

constexpr std::size_t kJsonBytesMax = 256 * 1024;
constexpr int kJsonDepthMax = 6;
constexpr std::size_t kOriginMax = 300;
constexpr std::size_t kOriginsMax = 8;
constexpr std::size_t kAppsMax = 64;
constexpr std::size_t kTypesMax = 64;
constexpr std::size_t kParamsMax = 16;
// Characters.
constexpr std::size_t kWordMax = 64;
constexpr std::size_t kClientIdMax = 512;
constexpr std::size_t kAddressMax = 2048;
constexpr std::size_t kValueMax = 2048;

std::optional<JsonObject> object_of(std::string_view json) {
  auto parsed = parse_json(
      json, {.size_bytes_max = kJsonBytesMax, .depth_max = kJsonDepthMax, .doubles = base::Doubles::refused});
  if (!parsed || !parsed->is_object()) return std::nullopt;
  return std::move(parsed->get_object());
}

JsonArray array_of(const std::vector<std::string>& texts) { return JsonArray(texts.begin(), texts.end()); }

// nullopt: absent, not a list, or not of texts alone.
std::optional<std::vector<std::string>> texts_of(const JsonObject& object, std::string_view name) {
  const auto* array = base::find_array(object, name);
  if (array == nullptr) return std::nullopt;
  std::vector<std::string> texts;
  for (const auto& item : *array) {
    const auto* text = item.if_string();
    if (text == nullptr) return std::nullopt;
    texts.emplace_back(text->data(), text->size());
  }
  return texts;
}

bool are_origins(const std::vector<std::string>& texts) {
  return !texts.empty() && texts.size() <= kOriginsMax && std::ranges::all_of(texts, is_origin);
}

JsonObject object_of(const ServiceApp& app) {
  JsonObject params;
  for (const auto& [name, value] : app.params) params[name] = value;
  return {{"id", app.id},
          {"provider", app.provider},
          {"client_id", app.client_id},
          {"redirect_uri", app.redirect_uri},
          {"params", std::move(params)},
          {"types", array_of(app.types)},
          {"mode", name_of(app.mode)}};
}

std::optional<ServiceApp> app_of(const Json& item) {
  const auto* object = item.if_object();
  if (object == nullptr) return std::nullopt;
  auto types = texts_of(*object, "types");
  const auto* params = base::find_object(*object, "params");
  if (!types || params == nullptr) return std::nullopt;
  ServiceApp app{.id = base::string_or(*object, "id"),
                 .provider = base::string_or(*object, "provider"),
                 .client_id = base::string_or(*object, "client_id"),
                 .redirect_uri = base::string_or(*object, "redirect_uri"),
                 .params = {},
                 .types = std::move(*types)};
  // A service of an earlier version knows one mode alone.
  const auto mode = parse_mode(base::string_or(*object, "mode", name_of(Mode::forward)));
  if (!mode) return std::nullopt;
  app.mode = *mode;
  for (const auto& [name, value] : *params) {
    const auto* text = value.if_string();
    if (text == nullptr) return std::nullopt;
    app.params.emplace_back(std::string(name), std::string(text->data(), text->size()));
  }
  const bool whole = !app.id.empty() && !app.provider.empty() && !app.client_id.empty() && !app.redirect_uri.empty();
  return whole ? std::optional(std::move(app)) : std::nullopt;
}

// What ids are made of here: of relay.toml's apps, of providers and types, of their parameters.
bool is_word(std::string_view text) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); };
  return !text.empty() && text.size() <= kWordMax && plain(text.front()) &&
         std::ranges::all_of(text, [&](char c) { return plain(c) || c == '-' || c == '_' || c == '.'; });
}

// Whether people can be shown what it is, to agree to it.
bool is_showable(const ServiceApp& app) {
  return is_word(app.id) && is_word(app.provider) && base::may_be_shown(app.client_id, kClientIdMax) && base::may_be_shown(app.redirect_uri, kAddressMax) &&
         app.types.size() <= kTypesMax && std::ranges::all_of(app.types, is_word) && app.params.size() <= kParamsMax &&
         std::ranges::all_of(app.params, [](const auto& each) {
           return is_word(each.first) && (each.second.empty() || base::may_be_shown(each.second, kValueMax));
         });
}

JsonArray array_of(const std::vector<Succession>& successions) {
  JsonArray items;
  for (const auto& each : successions) {
    items.push_back(
        JsonObject{{"former", each.former.text()}, {"next", each.next.text()}, {"proof", base::to_base64url(each.proof)}});
  }
  return items;
}

// A service that has never rotated its keys need not say so.
std::optional<std::vector<Succession>> successions_of(const JsonObject& object) {
  std::vector<Succession> successions;
  const auto* items = base::find_array(object, "successions");
  if (items == nullptr) return successions;
  if (items->size() > kSuccessionsMax) return std::nullopt;
  for (const auto& item : *items) {
    const auto* each = item.if_object();
    if (each == nullptr) return std::nullopt;
    const auto former = PartyPublic::parse(base::string_or(*each, "former"));
    const auto next = PartyPublic::parse(base::string_or(*each, "next"));
    auto proof = base::from_base64url(base::string_or(*each, "proof"));
    if (!former || !next || !proof) return std::nullopt;
    successions.push_back({.former = *former, .next = *next, .proof = std::move(*proof)});
  }
  return successions;
}

std::unexpected<Error> malformed_answer() {
  return fail(ErrorKind::invalid, "cloud_answer_malformed",
              "The Cloud Service's answer cannot be read. Is its address right, and its version not older than this server's?");
}

std::unexpected<Error> malformed_offer() {
  return fail(ErrorKind::invalid, "enrolment_malformed", "The office's enrolment cannot be read.");
}

}  // namespace

std::string_view name_of(Mode mode) {
  switch (mode) {
    case Mode::forward: return "forward";
    case Mode::assertion: return "assertion";
    case Mode::exchange: return "exchange";
  }
  LATCHKEY_CHECK(false);
}

std::optional<Mode> parse_mode(std::string_view name) {
  for (const auto mode : {Mode::forward, Mode::assertion, Mode::exchange}) {
    if (name_of(mode) == name) return mode;
  }
  return std::nullopt;
}

bool is_origin(std::string_view text) {
  if (text.size() > kOriginMax) return false;
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (!text.starts_with(scheme)) continue;
    const auto host = text.substr(scheme.size());
    return !host.empty() && std::ranges::all_of(host, [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == ':' || c == '[' || c == ']' ||
             c == '_';
    });
  }
  return false;
}

std::string to_json(const ServiceView& view) {
  JsonArray apps;
  for (const auto& app : view.apps) apps.push_back(object_of(app));
  return boost::json::serialize(JsonObject{{"office", view.office},
                                           {"label", view.label},
                                           {"keys", view.keys.text()},
                                           {"successions", array_of(view.successions)},
                                           {"return_origins", array_of(view.return_origins)},
                                           {"apps", std::move(apps)}});
}

Result<ServiceView> parse_service_view(std::string_view json) {
  const auto object = object_of(json);
  if (!object) return malformed_answer();
  const auto keys = PartyPublic::parse(base::string_or(*object, "keys"));
  auto successions = successions_of(*object);
  auto origins = texts_of(*object, "return_origins");
  const auto* apps = base::find_array(*object, "apps");
  if (!keys || !successions || !origins || !are_origins(*origins) || apps == nullptr || apps->size() > kAppsMax) return malformed_answer();
  ServiceView view{.office = base::string_or(*object, "office"),
                   .label = base::string_or(*object, "label"),
                   .keys = *keys,
                   .successions = std::move(*successions),
                   .return_origins = std::move(*origins),
                   .apps = {}};
  if (!base::may_be_shown(view.office) || view.label.empty()) return malformed_answer();
  if (!base::may_be_shown(view.label)) view.label = kLabelNotShown;
  for (const auto& item : *apps) {
    auto app = app_of(item);
    if (!app) return malformed_answer();
    const bool named_twice = std::ranges::find(view.apps, app->id, &ServiceApp::id) != view.apps.end();
    if (is_showable(*app) && !named_twice) view.apps.push_back(std::move(*app));
  }
  return view;
}

Secret to_json(const EnrolmentOffer& offer) {
  return Secret(std::string_view(boost::json::serialize(JsonObject{{"office", offer.office},
                                                                   {"secret", base::to_base64url(offer.secret.reveal())},
                                                                   {"keys", offer.request.keys.text()},
                                                                   {"proof", base::to_base64url(offer.request.proof)},
                                                                   {"return_origins", array_of(offer.return_origins)}})));
}

Result<EnrolmentOffer> parse_enrolment_offer(std::string_view json) {
  const auto object = object_of(json);
  if (!object) return malformed_offer();
  auto secret = base::from_base64url(base::string_or(*object, "secret"));
  const auto keys = PartyPublic::parse(base::string_or(*object, "keys"));
  auto proof = base::from_base64url(base::string_or(*object, "proof"));
  auto origins = texts_of(*object, "return_origins");
  if (!secret || secret->size() != kEnrolmentSecretOctets || !keys || !proof || !origins || !are_origins(*origins))
    return malformed_offer();
  return EnrolmentOffer{.office = base::string_or(*object, "office"),
                        .secret = Secret(std::move(*secret)),
                        .request = {.keys = *keys, .proof = std::move(*proof)},
                        .return_origins = std::move(*origins)};
}

}  // namespace latchkey::cloud

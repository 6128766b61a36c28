#include "grants/cloud_enrolment.h"

#include <algorithm>

#include "base/json.h"
#include "crypto/hash.h"
#include "grants/cloud_enrolment_reader.h"
#include "grants/provider_client.h"

namespace latchkey::grants {
namespace {

constexpr std::string_view kRouteMember = "_cloud";
constexpr std::size_t kIdOctets = 16;  // whoever chooses what is hashed must not find two that end alike
constexpr std::size_t kAppNameMax = 48;

Secret plain_of(const CloudEnrolment& enrolment) {
  const auto keys = enrolment.keys.to_plain();
  JsonObject json{{"v", 1},
                  {"address", enrolment.address},
                  {"enrolled_at", base::to_unix_ms(enrolment.enrolled_at)},
                  {"keys", base::to_base64url(keys.reveal())},
                  {"service", cloud::to_json(enrolment.service)}};
  JsonObject terms;
  for (const auto& [name, agreed] : enrolment.agreed) terms[name] = to_json(agreed);
  json["terms"] = std::move(terms);
  json["agreed"] = JsonObject{};  // an earlier version, which reads this one, uses nothing that brings values
  auto text = boost::json::serialize(json);
  Secret plain{std::string_view(text)};
  base::wipe(text.data(), text.size());
  return plain;
}

bool offers(const cloud::ServiceApp& app, std::string_view type) { return std::ranges::find(app.types, type) != app.types.end(); }

// A record of an earlier version, which asked about values alone or about nothing: what it would have used stays usable.
void agree_as_before(CloudEnrolment& enrolment, const JsonObject* agreed) {
  for (const auto& app : enrolment.service.apps) {
    const auto id = cloud_app_id(enrolment.address, app);
    const auto* values = agreed != nullptr ? base::find_object(*agreed, id) : nullptr;
    const bool used = agreed == nullptr || app.params.empty() ||
                      (values != nullptr && values_of_json(boost::json::serialize(*values)) == catalog::ParameterValues(app.params.begin(), app.params.end()));
    if (used) enrolment.agree_to(app);
  }
}

Result<CloudEnrolment> parse(const Secret& plain) {
  const auto altered = [] {
    return fail(ErrorKind::corrupt, "record_altered", "The enrolment at the Cloud Service cannot be read; leave it and enrol again.");
  };
  const auto parsed = parse_json(plain.reveal_text());
  if (!parsed || !parsed->is_object()) return altered();
  const auto& object = parsed->get_object();
  auto octets = base::from_base64url(base::string_or(object, "keys"));
  auto service = cloud::parse_service_view(base::string_or(object, "service"));
  const auto* at = object.if_contains("enrolled_at");
  if (!octets || !service || at == nullptr || !at->is_int64()) return altered();
  auto keys = cloud::PartyKeys::from_plain(Secret(std::move(*octets)));
  if (!keys) return altered();
  CloudEnrolment enrolment{.address = base::string_or(object, "address"),
                           .enrolled_at = base::from_unix_ms(at->get_int64()),
                           .keys = std::move(*keys),
                           .service = std::move(*service)};
  const auto* terms = base::find_object(object, "terms");
  if (terms == nullptr) {
    agree_as_before(enrolment, base::find_object(object, "agreed"));
    return enrolment;
  }
  for (const auto& [name, json] : *terms) {
    auto agreed = parse_cloud_terms(json);
    if (!agreed) return altered();
    enrolment.agreed[std::string(name)] = std::move(*agreed);
  }
  return enrolment;
}

Result<CloudEnrolment> opened(const Sealing& sealing, Bytes sealed) {
  const auto plain = sealing.open_channel_secret(kCloudEnrolmentMeta, sealed);
  if (!plain) return std::unexpected(plain.error());
  auto enrolment = parse(*plain);
  if (enrolment) enrolment->read_as = std::move(sealed);
  return enrolment;
}

}  // namespace

CloudEnrolment CloudEnrolment::clone() const {
  return {.address = address, .enrolled_at = enrolled_at, .keys = keys.clone(), .service = service, .read_as = read_as, .agreed = agreed};
}

const CloudTerms* CloudEnrolment::agreed_terms(const cloud::ServiceApp& app) const {
  const auto known = agreed.find(app.id);
  return known == agreed.end() ? nullptr : &known->second;
}

std::vector<std::string> CloudEnrolment::usable_types(const cloud::ServiceApp& app) const {
  const auto* known = agreed_terms(app);
  return known == nullptr ? std::vector<std::string>() : types_agreed(*known, terms_of(app));
}

void CloudEnrolment::agree_to(const cloud::ServiceApp& app) { agreed[app.id] = terms_of(app); }

const cloud::ServiceApp* CloudEnrolment::app_for(std::string_view type, std::string_view id) const {
  for (const auto& app : service.apps) {
    if (!id.empty() && cloud_app_id(address, app) != id) continue;
    const auto types = usable_types(app);
    if (std::ranges::find(types, type) != types.end()) return &app;
  }
  return nullptr;
}

const cloud::ServiceApp* CloudEnrolment::app_to_agree_to(std::string_view type, std::string_view id) const {
  if (app_for(type, id) != nullptr) return nullptr;
  for (const auto& app : service.apps) {
    if (offers(app, type) && (id.empty() || cloud_app_id(address, app) == id)) return &app;
  }
  return nullptr;
}

Task<Result<std::optional<CloudEnrolment>>> read_cloud_enrolment(store::Store& store, const Sealing& sealing) {
  auto sealed = co_await store.meta(std::string(kCloudEnrolmentMeta));
  if (!sealed) co_return std::unexpected(sealed.error());
  if (sealed->empty()) co_return std::nullopt;
  co_return opened(sealing, std::move(*sealed));
}

Task<Result<std::shared_ptr<const CloudEnrolment>>> CloudEnrolmentReader::read() {
  auto sealed = co_await store_.meta(std::string(kCloudEnrolmentMeta));
  if (!sealed) co_return std::unexpected(sealed.error());
  if (last_ && last_->read_as == *sealed) co_return last_;
  last_.reset();
  if (sealed->empty()) co_return last_;
  auto enrolment = opened(sealing_, std::move(*sealed));
  if (!enrolment) co_return std::unexpected(enrolment.error());
  co_return last_ = std::make_shared<const CloudEnrolment>(std::move(*enrolment));
}

store::Batch replace_cloud_enrolment(const Sealing& sealing, const CloudEnrolment& enrolment) {
  const std::string key(kCloudEnrolmentMeta);
  return {store::CompareMeta{key, enrolment.read_as}, store::PutMeta{key, sealing.seal_channel_secret(key, plain_of(enrolment))}};
}

store::Mutation forget_cloud_enrolment() { return store::PutMeta{std::string(kCloudEnrolmentMeta), {}}; }

ChannelSecretPlace cloud_enrolment_place() {
  return {.key = std::string(kCloudEnrolmentMeta), .place = std::string(kCloudEnrolmentMeta)};
}

std::optional<CloudRoute> cloud_route_of(const store::App& app) {
  const auto parsed = parse_json(app.params_json);
  const auto* route = parsed && parsed->is_object() ? base::find_object(parsed->get_object(), kRouteMember) : nullptr;
  if (route == nullptr) return std::nullopt;
  // As written by this server; one of an earlier version knows one mode alone.
  const auto mode = cloud::parse_mode(base::string_or(*route, "mode", cloud::name_of(cloud::Mode::forward)));
  if (!mode) return std::nullopt;
  return CloudRoute{.address = base::string_or(*route, "address"),
                    .app = base::string_or(*route, "app"),
                    .redirect_uri = base::string_or(*route, "redirect_uri"),
                    .mode = *mode};
}

std::string params_with_route(const catalog::ParameterValues& values, const CloudRoute& route) {
  JsonObject object;
  for (const auto& [name, value] : values) object[name] = value;
  JsonObject member{{"address", route.address}, {"app", route.app}, {"redirect_uri", route.redirect_uri}};
  if (route.mode != cloud::Mode::forward) member["mode"] = cloud::name_of(route.mode);
  object[kRouteMember] = std::move(member);
  return boost::json::serialize(object);
}

std::string cloud_app_id(std::string_view address, const cloud::ServiceApp& app) {
  // As JSON, so that no text can pass for the end of one member and the beginning of the next.
  const auto said = boost::json::serialize(JsonArray{address, app.id, app.provider, app.client_id, cloud::name_of(app.mode)});
  const auto octets = crypto::sha256(base::as_bytes(said));
  return "cloud-" + app.id.substr(0, kAppNameMax) + "-" + base::to_hex(ByteView(octets).first(kIdOctets));
}

}  // namespace latchkey::grants

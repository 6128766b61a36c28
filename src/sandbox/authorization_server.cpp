#include "sandbox/authorization_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "crypto/hash.h"

namespace latchkey::sandbox {
namespace {

constexpr std::size_t kWaitingMax = 1000;
constexpr std::size_t kCodesMax = 1000;
constexpr std::size_t kFamiliesMax = 1000;
constexpr std::size_t kScopesMax = 20;
constexpr std::size_t kValueBytesMax = 2048;
constexpr std::chrono::minutes kConsentLifetime{15};
constexpr Seconds kCodeLifetime{60};

constexpr std::string_view kScopesOffered[] = {"openid", "profile", "email", "offline_access", "drive", "mail"};

bool is_offered(std::string_view scope) { return std::ranges::find(kScopesOffered, scope) != std::end(kScopesOffered); }

std::string value_of(const net::FormFields& fields, std::string_view name) {
  const std::string* value = net::find_field(fields, name);
  return value == nullptr ? std::string() : *value;
}

bool appears_twice(const net::FormFields& fields) {
  for (auto field = fields.begin(); field != fields.end(); ++field) {
    if (std::any_of(std::next(field), fields.end(), [&](const auto& other) { return other.first == field->first; })) {
      return true;
    }
  }
  return false;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const auto end = text.find(' ');
    const auto word = text.substr(0, end);
    if (!word.empty() && std::ranges::find(words, word) == words.end()) words.emplace_back(word);
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return words;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) {
    if (!text.empty()) text += ' ';
    text += word;
  }
  return text;
}

bool ends_in_one_segment(std::string_view uri, std::string_view prefix) {
  if (!uri.starts_with(prefix)) return false;
  const auto segment = uri.substr(prefix.size());
  return !segment.empty() && segment.size() <= 63 && std::ranges::all_of(segment, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

std::string challenge_of(std::string_view verifier) {
  return base::to_base64url(crypto::sha256(base::as_bytes(verifier)));
}

bool same(std::string_view left, std::string_view right) {
  return base::equal_in_constant_time(base::as_bytes(left), base::as_bytes(right));
}

template <class Map>
void drop_oldest(Map& map, std::size_t most) {
  while (map.size() > most) {
    map.erase(std::ranges::min_element(map, {}, [](const auto& entry) { return entry.second.expires_at; }));
  }
}

std::string json_segment(const JsonObject& object) {
  return base::to_base64url(base::as_bytes(boost::json::serialize(object)));
}

}  // namespace

AuthorizationServer::AuthorizationServer(std::string issuer, PracticeClient client, const WallClock& clock,
                                         Entropy& entropy)
    : issuer_(std::move(issuer)),
      client_(std::move(client)),
      clock_(clock),
      entropy_(entropy),
      mac_key_(entropy.bytes(32)) {}

std::string AuthorizationServer::random_text(std::size_t size_bytes) {
  return base::to_base64url(entropy_.bytes(size_bytes));
}

JsonObject AuthorizationServer::metadata() const {
  JsonArray scopes;
  for (const auto scope : kScopesOffered) scopes.emplace_back(scope);
  const JsonArray authentication{"client_secret_basic", "client_secret_post"};
  return {{"issuer", issuer_},
          {"authorization_endpoint", issuer_ + "/authorize"},
          {"token_endpoint", issuer_ + "/token"},
          {"revocation_endpoint", issuer_ + "/revoke"},
          {"userinfo_endpoint", issuer_ + "/userinfo"},
          {"jwks_uri", issuer_ + "/jwks"},
          {"scopes_supported", scopes},
          {"response_types_supported", JsonArray{"code"}},
          {"response_modes_supported", JsonArray{"query"}},
          {"grant_types_supported", JsonArray{"authorization_code", "refresh_token"}},
          {"code_challenge_methods_supported", JsonArray{"S256"}},
          {"token_endpoint_auth_methods_supported", authentication},
          {"revocation_endpoint_auth_methods_supported", authentication},
          {"subject_types_supported", JsonArray{"public"}},
          {"id_token_signing_alg_values_supported", JsonArray{"HS256"}},
          {"authorization_response_iss_parameter_supported", true}};
}

std::string AuthorizationServer::answer_location(const Waiting& request, net::FormFields parameters) const {
  if (!request.state.empty()) parameters.emplace_back("state", request.state);
  parameters.emplace_back("iss", issuer_);
  return request.consent.redirect_uri + "?" + net::encode_form(parameters);
}

AuthorizeAnswer AuthorizationServer::authorize(const net::FormFields& query) {
  forget_old();
  if (appears_twice(query)) {
    return ShowProblem{"invalid_request", "The request names a parameter twice."};
  }
  for (const auto& [name, value] : query) {
    if (value.size() > kValueBytesMax) return ShowProblem{"invalid_request", "A parameter of the request is too long."};
  }
  if (value_of(query, "client_id") != client_.id) {
    return ShowProblem{"unknown_client",
                       fmt::format("The client \"{}\" is not registered here. The practice service knows one client: "
                                   "\"{}\".",
                                   value_of(query, "client_id"), client_.id)};
  }
  const std::string redirect_uri = value_of(query, "redirect_uri");
  if (!ends_in_one_segment(redirect_uri, client_.redirect_prefix)) {
    return ShowProblem{"redirect_uri_mismatch",
                       fmt::format("The redirect address \"{}\" is not registered. Registered is \"{}sandbox\": does "
                                   "public_url say what the browser's address bar says?",
                                   redirect_uri, client_.redirect_prefix)};
  }
  Waiting request;
  request.consent.client_id = client_.id;
  request.consent.redirect_uri = redirect_uri;
  request.consent.login_hint = value_of(query, "login_hint");
  request.state = value_of(query, "state");
  request.nonce = value_of(query, "nonce");
  request.code_challenge = value_of(query, "code_challenge");
  const auto refused = [&](std::string_view error, std::string_view words) -> AuthorizeAnswer {
    return GoTo{answer_location(request, {{"error", std::string(error)}, {"error_description", std::string(words)}})};
  };
  if (value_of(query, "response_type") != "code") {
    return refused("unsupported_response_type", "response_type must be code");
  }
  if (value_of(query, "code_challenge_method") != "S256" || request.code_challenge.size() != 43) {
    return refused("invalid_request", "PKCE with code_challenge_method S256 is required");
  }
  if (value_of(query, "prompt") == "none") return refused("login_required", "nobody is signed in here");
  request.consent.scopes = words_of(value_of(query, "scope"));
  if (request.consent.scopes.size() > kScopesMax || !std::ranges::all_of(request.consent.scopes, is_offered)) {
    return refused("invalid_scope", "offered are openid profile email offline_access drive mail");
  }
  request.consent.ticket = random_text(24);
  request.expires_at = clock_.now() + kConsentLifetime;
  const ShowConsent shown = request.consent;
  waiting_.emplace(shown.ticket, std::move(request));
  return shown;
}

const ShowConsent* AuthorizationServer::waiting(std::string_view ticket) const {
  const auto found = waiting_.find(ticket);
  return found == waiting_.end() || found->second.expires_at <= clock_.now() ? nullptr : &found->second.consent;
}

AuthorizeAnswer AuthorizationServer::decide(std::string_view ticket, Decision decision, const Person& person) {
  forget_old();
  const auto found = waiting_.find(ticket);
  if (found == waiting_.end()) {
    return ShowProblem{"expired", "This page has been answered already, or is older than 15 minutes. Begin again."};
  }
  Waiting request = std::move(found->second);
  waiting_.erase(found);
  if (decision == Decision::refuse) {
    ++counts_.refusals;
    return GoTo{answer_location(request, {{"error", "access_denied"}, {"error_description", "the person said no"}})};
  }
  ++counts_.consents;
  const std::string code = random_text(24);
  const std::string location = answer_location(request, {{"code", code}});
  codes_.emplace(code, Code{std::move(request), person, clock_.now() + kCodeLifetime, {}});
  return GoTo{location};
}

TokenAnswer AuthorizationServer::refuse(int status, std::string_view error, std::string_view words) {
  ++counts_.refused;
  return {status, {{"error", error}, {"error_description", words}}};
}

std::optional<TokenAnswer> AuthorizationServer::refuse_client(const net::FormFields& form,
                                                              std::string_view authorization,
                                                              const PracticeSettings& settings) {
  std::string id = value_of(form, "client_id");
  std::string secret = value_of(form, "client_secret");
  constexpr std::string_view kBasic = "basic ";
  if (authorization.size() > kBasic.size() &&
      net::equal_ignoring_case(authorization.substr(0, kBasic.size()), kBasic)) {
    if (!secret.empty()) return refuse(400, "invalid_request", "the client authenticated twice");
    const auto octets = base::from_base64(authorization.substr(kBasic.size()));
    const std::string pair(octets ? base::as_text(*octets) : std::string_view());
    const auto colon = pair.find(':');
    // RFC 6749 section 2.3.1: both halves are form-encoded.
    const auto halves = net::decode_form(colon == std::string::npos
                                             ? std::string("i=&s=")
                                             : "i=" + pair.substr(0, colon) + "&s=" + pair.substr(colon + 1));
    id = halves ? value_of(*halves, "i") : std::string();
    secret = halves ? value_of(*halves, "s") : std::string();
  }
  const bool right = same(id, client_.id) && same(secret, client_.secret.reveal_text());
  if (right && settings.app_secret == AppSecretState::valid) return std::nullopt;
  return refuse(401, "invalid_client",
                right ? "the client secret has expired (set so on the practice page)" : "unknown client or wrong secret");
}

TokenAnswer AuthorizationServer::token(const net::FormFields& form, std::string_view authorization,
                                       PracticeSettings& settings) {
  forget_old();
  if (appears_twice(form)) return refuse(400, "invalid_request", "a parameter appears twice");
  if (auto refusal = refuse_client(form, authorization, settings)) return std::move(*refusal);
  const std::string grant_type = value_of(form, "grant_type");
  if (grant_type == "authorization_code") return exchange(form, settings);
  if (grant_type == "refresh_token") return refresh(form, settings);
  return refuse(400, "unsupported_grant_type", "authorization_code and refresh_token are supported");
}

TokenAnswer AuthorizationServer::exchange(const net::FormFields& form, const PracticeSettings& settings) {
  const auto found = codes_.find(value_of(form, "code"));
  if (found == codes_.end()) return refuse(400, "invalid_grant", "the code is unknown or too old");
  Code& code = found->second;
  if (!code.family.empty()) {
    end_family(code.family, "its authorization code was used twice");
    return refuse(400, "invalid_grant", "the code has been used already; its tokens are revoked");
  }
  if (value_of(form, "redirect_uri") != code.request.consent.redirect_uri) {
    return refuse(400, "invalid_grant", "redirect_uri differs from the authorization request's");
  }
  if (!same(challenge_of(value_of(form, "code_verifier")), code.request.code_challenge)) {
    return refuse(400, "invalid_grant", "code_verifier does not fit code_challenge");
  }
  Family family;
  // The number keeps the map in the order of issue, so that the oldest are forgotten first.
  family.id = fmt::format("{:08x}{}", ++families_made_, base::to_hex(entropy_.bytes(8)));
  family.person = code.person;
  family.client_id = client_.id;
  family.scope = joined(code.request.consent.scopes);
  family.issued_at = clock_.now();
  code.family = family.id;
  ++counts_.exchanges;
  Family& kept = families_.emplace(family.id, family).first->second;
  TokenAnswer answer = issue(kept, settings, true, code.request.nonce);
  forget_old();
  return answer;
}

TokenAnswer AuthorizationServer::refresh(const net::FormFields& form, PracticeSettings& settings) {
  const auto opened = open("rt", value_of(form, "refresh_token"));
  const auto found = opened ? families_.find(opened->family) : families_.end();
  if (found == families_.end()) {
    return refuse(400, "invalid_grant", "the refresh token is unknown (the practice service has forgotten it)");
  }
  Family& family = found->second;
  if (!family.ended.empty()) return refuse(400, "invalid_grant", "the grant has ended: " + family.ended);
  if (settings.refresh_refusal != RefreshRefusal::none) {
    if (settings.refresh_refusal == RefreshRefusal::next) settings.refresh_refusal = RefreshRefusal::none;
    return refuse(400, "invalid_grant", "refused as set on the practice page");
  }
  bool rotate = true;
  switch (settings.rotation) {
    case Rotation::none:
      rotate = false;
      break;
    case Rotation::rolling:
      break;
    case Rotation::single_use:
    case Rotation::single_use_family:
      if (opened->number == family.generation) break;
      ++counts_.reuses;
      if (settings.rotation == Rotation::single_use_family) {
        end_family(family.id, "an old refresh token came back (reuse detection)");
      }
      return refuse(400, "invalid_grant", "the refresh token has been used already");
  }
  if (const std::string* scope = net::find_field(form, "scope"); scope != nullptr) {
    const auto held = words_of(family.scope);
    if (!std::ranges::all_of(words_of(*scope), [&](const auto& word) { return std::ranges::find(held, word) != held.end(); })) {
      return refuse(400, "invalid_scope", "a refresh cannot widen the scope");
    }
  }
  if (rotate) ++family.generation;
  family.last_refreshed_at = clock_.now();
  ++counts_.refreshes;
  return issue(family, settings, rotate, {});
}

TokenAnswer AuthorizationServer::issue(Family& family, const PracticeSettings& settings, bool with_refresh_token,
                                       std::string_view nonce) {
  const auto expires_at = clock_.now() + settings.token_lifetime;
  TokenAnswer answer;
  answer.body = {{"access_token", sealed("at", family.id, static_cast<std::uint64_t>(base::to_unix_ms(expires_at)))},
                 {"token_type", "Bearer"},
                 {"expires_in", settings.token_lifetime.count()},
                 {"scope", family.scope}};
  if (with_refresh_token) answer.body["refresh_token"] = sealed("rt", family.id, family.generation);
  const auto scopes = words_of(family.scope);
  if (std::ranges::find(scopes, "openid") != scopes.end()) {
    answer.body["id_token"] = id_token(family, settings.token_lifetime, nonce);
  }
  return answer;
}

std::string AuthorizationServer::id_token(const Family& family, Seconds lifetime, std::string_view nonce) const {
  const auto now = base::to_unix_ms(clock_.now()) / 1000;
  JsonObject claims{{"iss", issuer_},          {"sub", family.person.sub},     {"aud", family.client_id},
                    {"iat", now},              {"exp", now + lifetime.count()}, {"name", family.person.name},
                    {"email", family.person.email}};
  if (!nonce.empty()) claims["nonce"] = nonce;
  const std::string signed_part = json_segment({{"alg", "HS256"}, {"typ", "JWT"}}) + "." + json_segment(claims);
  return signed_part + "." +
         base::to_base64url(crypto::hmac_sha256(client_.secret.reveal(), base::as_bytes(signed_part)));
}

std::string AuthorizationServer::sealed(std::string_view kind, std::string_view family, std::uint64_t number) const {
  // A random part, so that two tokens of the same second differ.
  const std::string head = fmt::format("practice-{}.{}.{}.{}", kind, family, number, base::to_hex(entropy_.bytes(6)));
  const auto mac = crypto::hmac_sha256(mac_key_, base::as_bytes(head));
  return head + "." + base::to_base64url({mac.data(), 18});
}

std::optional<AuthorizationServer::Opened> AuthorizationServer::open(std::string_view kind,
                                                                     std::string_view token) const {
  const auto last = token.rfind('.');
  if (last == std::string_view::npos) return std::nullopt;
  const auto head = token.substr(0, last);
  const auto mac = crypto::hmac_sha256(mac_key_, base::as_bytes(head));
  if (!same(token.substr(last + 1), base::to_base64url({mac.data(), 18}))) return std::nullopt;
  const std::string prefix = fmt::format("practice-{}.", kind);
  if (!head.starts_with(prefix)) return std::nullopt;
  // Made by sealed(): its shape needs no second check.
  const auto rest = head.substr(prefix.size());
  const auto dot = rest.find('.');
  Opened opened{std::string(rest.substr(0, dot)), 0};
  const auto number = rest.substr(dot + 1);
  std::from_chars(number.data(), number.data() + number.size(), opened.number);
  return opened;
}

TokenAnswer AuthorizationServer::revoke(const net::FormFields& form, std::string_view authorization,
                                        const PracticeSettings& settings) {
  if (auto refusal = refuse_client(form, authorization, settings)) return std::move(*refusal);
  const std::string token = value_of(form, "token");
  if (token.empty()) return refuse(400, "invalid_request", "token is missing");
  auto opened = open("rt", token);
  if (!opened) opened = open("at", token);
  if (opened && end_family(opened->family, "revoked by the client")) ++counts_.revocations;
  return {200, {}};  // RFC 7009 section 2.2: an unknown token is answered alike
}

const Family* AuthorizationServer::bearer(std::string_view authorization) const {
  constexpr std::string_view kBearer = "bearer ";
  if (authorization.size() <= kBearer.size() ||
      !net::equal_ignoring_case(authorization.substr(0, kBearer.size()), kBearer)) {
    return nullptr;
  }
  const auto opened = open("at", authorization.substr(kBearer.size()));
  if (!opened || opened->number <= static_cast<std::uint64_t>(base::to_unix_ms(clock_.now()))) return nullptr;
  const auto found = families_.find(opened->family);
  return found == families_.end() || !found->second.ended.empty() ? nullptr : &found->second;
}

std::string AuthorizationServer::to_text() const {
  JsonArray families;
  for (const auto& [id, family] : families_) {
    families.push_back(JsonObject{{"id", id},
                                  {"sub", family.person.sub},
                                  {"name", family.person.name},
                                  {"email", family.person.email},
                                  {"client_id", family.client_id},
                                  {"scope", family.scope},
                                  {"issued_at", base::to_unix_ms(family.issued_at)},
                                  {"last_refreshed_at", family.last_refreshed_at ? base::to_unix_ms(*family.last_refreshed_at) : 0},
                                  {"generation", static_cast<std::int64_t>(family.generation)},
                                  {"ended", family.ended}});
  }
  return boost::json::serialize(JsonObject{{"version", 1},
                                           {"key", base::to_base64url(mac_key_)},
                                           {"families_made", static_cast<std::int64_t>(families_made_)},
                                           {"families", std::move(families)}});
}

bool AuthorizationServer::take_over(std::string_view text) {
  const auto parsed = parse_json(text, {.size_bytes_max = 4 << 20, .depth_max = 8});
  if (!parsed || !parsed->is_object()) return false;
  const auto& object = parsed->get_object();
  const auto number = [](const JsonObject& from, std::string_view name) -> std::int64_t {
    const auto* value = from.if_contains(name);
    return value != nullptr && value->is_int64() ? value->get_int64() : 0;
  };
  auto key = base::from_base64url(base::string_or(object, "key"));
  const JsonArray* list = base::find_array(object, "families");
  if (number(object, "version") != 1 || !key || key->size() != mac_key_.size() || list == nullptr) return false;
  std::map<std::string, Family, std::less<>> families;
  for (const Json& item : *list) {
    if (!item.is_object()) return false;
    const auto& from = item.get_object();
    Family family;
    family.id = base::string_or(from, "id");
    family.person = {base::string_or(from, "sub"), base::string_or(from, "name"), base::string_or(from, "email")};
    family.client_id = base::string_or(from, "client_id");
    family.scope = base::string_or(from, "scope");
    family.issued_at = base::from_unix_ms(number(from, "issued_at"));
    if (const auto at = number(from, "last_refreshed_at"); at != 0) family.last_refreshed_at = base::from_unix_ms(at);
    family.generation = static_cast<std::uint64_t>(number(from, "generation"));
    family.ended = base::string_or(from, "ended");
    if (family.id.empty()) return false;
    auto id = family.id;
    families.emplace(std::move(id), std::move(family));
  }
  mac_key_ = std::move(*key);
  families_ = std::move(families);
  families_made_ = static_cast<std::uint64_t>(number(object, "families_made"));
  return true;
}

std::vector<const Family*> AuthorizationServer::families() const {
  std::vector<const Family*> list;
  for (auto family = families_.rbegin(); family != families_.rend(); ++family) list.push_back(&family->second);
  return list;
}

bool AuthorizationServer::end_family(std::string_view id, std::string_view why) {
  const auto found = families_.find(id);
  if (found == families_.end() || !found->second.ended.empty()) return false;
  found->second.ended = why;
  return true;
}

void AuthorizationServer::forget_old() {
  const auto now = clock_.now();
  std::erase_if(waiting_, [&](const auto& entry) { return entry.second.expires_at <= now; });
  std::erase_if(codes_, [&](const auto& entry) { return entry.second.expires_at <= now; });
  // Beyond the bounds the oldest goes: only a flood gets here.
  drop_oldest(waiting_, kWaitingMax);
  drop_oldest(codes_, kCodesMax);
  while (families_.size() > kFamiliesMax) families_.erase(families_.begin());
}

}  // namespace latchkey::sandbox

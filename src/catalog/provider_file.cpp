#include "catalog/provider_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "catalog/file_check.h"
#include "catalog/file_reader.h"

namespace latchkey::catalog {
namespace {

using oauth::ClientAuthentication;
using oauth::ErrorMeaning;
using oauth::ErrorPlace;
using oauth::RevocationShape;
using oauth::VariableKind;

Parameter read_parameter(ObjectReader& reader) {
  Parameter out;
  out.name = reader.text("name", Need::required, 40);
  out.label = reader.text("label", Need::required, 80);
  out.kind = reader.word<ParameterKind>("kind", Need::required,
                                        {{"text", ParameterKind::text}, {"enum", ParameterKind::choice},
                                         {"url", ParameterKind::url}, {"host", ParameterKind::host}},
                                        ParameterKind::text);
  out.owner = reader.word<ParameterOwner>("owner", Need::required, {{"app", ParameterOwner::app}, {"grant", ParameterOwner::grant}},
                                          ParameterOwner::grant);
  out.required = reader.flag("required", false);
  out.default_value = reader.text("default", Need::optional, 512);
  reader.objects("options", 0, 50, [&](ObjectReader& option) {
    out.options.push_back({option.text("value", Need::required, 100), option.text("label", Need::required, 100)});
  });
  out.hint = reader.text("hint", Need::required, 300);
  out.pattern = reader.text("pattern", Need::optional, 200);
  out.compiled = compile_pattern(out.pattern);
  out.host_suffixes = reader.texts("host_suffixes");
  out.personal_values = reader.texts("personal_values");
  check_parameter(reader, out);
  return out;
}

Learned read_learned(ObjectReader& reader) {
  Learned out;
  out.name = reader.text("name", Need::required, 40);
  out.from = reader.word<LearnedFrom>(
      "from", Need::required,
      {{"callback", LearnedFrom::callback}, {"reply", LearnedFrom::reply}, {"reply_url", LearnedFrom::reply_url}}, LearnedFrom::reply);
  out.kind = reader.word<VariableKind>("kind", Need::required,
                                       {{"text", VariableKind::text}, {"segment", VariableKind::segment},
                                        {"host_label", VariableKind::host_label}, {"host", VariableKind::host},
                                        {"url", VariableKind::url}},
                                       VariableKind::text);
  if ((out.from == LearnedFrom::reply_url) != (out.kind == VariableKind::url)) {
    reader.fault("kind", "does not fit `from`", "Use kind \"url\" together with from \"reply_url\", and only there.");
  }
  return out;
}

AccountLookup read_account_lookup(ObjectReader& reader) {
  AccountLookup out;
  out.source = reader.word<AccountSource>("source", Need::required,
                                          {{"request", AccountSource::request}, {"id_token", AccountSource::id_token},
                                           {"access_token", AccountSource::access_token}, {"reply", AccountSource::reply}},
                                          AccountSource::request);
  out.method = reader.word<std::string>("method", Need::optional, {{"GET", "GET"}, {"POST", "POST"}}, "GET");
  out.url = reader.text("url", Need::optional, 500);
  out.headers = reader.pairs("headers");
  out.body = reader.text("body", Need::optional);
  out.id_paths = reader.texts("id", 4);
  out.name_paths = reader.texts("name", 6);
  out.needs_scope = reader.text("needs_scope", Need::optional, 200);
  if (out.id_paths.empty()) reader.fault("id", "is missing", "Name the member that identifies the account for good, for example [\"id\"].");
  if (out.source != AccountSource::request && !out.url.empty()) {
    reader.fault("url", "is only for source \"request\"", "Leave it out.");
  }
  return out;
}

oauth::ErrorRule read_rule(ObjectReader& reader) {
  oauth::ErrorRule out;
  out.where = reader.word<ErrorPlace>("where", Need::required,
                                      {{"token", ErrorPlace::token}, {"authorize", ErrorPlace::authorize},
                                       {"api", ErrorPlace::api}, {"smtp", ErrorPlace::smtp}},
                                      ErrorPlace::token);
  std::tie(out.status_min, out.status_max) = reader.status("status");
  out.error = reader.text("error", Need::required, 100);
  out.match = reader.text("match", Need::optional, 100);
  out.meaning = reader.word<ErrorMeaning>("meaning", Need::required,
                                          {{"dead_grant", ErrorMeaning::dead_grant},
                                           {"misconfigured_app", ErrorMeaning::misconfigured_app},
                                           {"transient", ErrorMeaning::transient},
                                           {"too_early", ErrorMeaning::too_early},
                                           {"stale_access_token", ErrorMeaning::stale_access_token}},
                                          ErrorMeaning::transient);
  out.note = reader.text("note", Need::optional, 300);
  const bool stale = out.meaning == ErrorMeaning::stale_access_token;
  if (stale && (out.where == ErrorPlace::token || out.where == ErrorPlace::authorize)) {
    reader.fault("meaning", "makes no sense at this place", "stale_access_token is for where \"api\" and \"smtp\".");
  }
  return out;
}

std::vector<oauth::ErrorRule> read_rules(ObjectReader& reader) {
  std::vector<oauth::ErrorRule> out;
  reader.objects("errors", 0, 60, [&](ObjectReader& rule) { out.push_back(read_rule(rule)); });
  return out;
}

std::vector<Scope> read_scopes(ObjectReader& reader, std::string_view name) {
  std::vector<Scope> out;
  reader.objects(name, 0, 40, [&](ObjectReader& scope) {
    out.push_back({scope.text("scope", Need::required, 200), scope.text("why", Need::required, 200)});
  });
  return out;
}

std::optional<seconds> read_seconds(ObjectReader& reader, std::string_view name) {
  const auto value = reader.number(name, 1, 10LL * 366 * 86400);
  if (!value) return std::nullopt;
  return seconds(*value);
}

std::optional<seconds> read_days(ObjectReader& reader, std::string_view name) {
  const auto value = reader.number(name, 1, 3660);
  if (!value) return std::nullopt;
  return seconds(*value * 86400);
}

// What nobody has confirmed: the place in this file, and the words for people.
std::vector<std::string> read_unverified(ObjectReader& reader, const Json& root) {
  std::vector<std::string> out;
  reader.objects("unverified", 0, 40, [&](ObjectReader& fact) {
    const auto pointer = fact.text("field", Need::required, 200);
    out.push_back(fact.text("says", Need::required, 300));
    boost::system::error_code missing;
    if (!pointer.empty() && root.find_pointer(pointer, missing) == nullptr) {
      fact.fault("field", "points at nothing in this file", "Write the JSON pointer of the unverified member, for example /types/0/rotation.");
    }
  });
  return out;
}

void read_provider_parts(ObjectReader& reader, Provider& out) {
  reader.objects("parameters", 0, 10, [&](ObjectReader& one) { out.parameters.push_back(read_parameter(one)); });
  reader.objects("learned", 0, 10, [&](ObjectReader& one) { out.learned.push_back(read_learned(one)); });
  out.host_suffixes = reader.texts("host_suffixes");
  reader.object("endpoints", Need::required, [&](ObjectReader& ends) {
    out.endpoints.issuer = ends.text("issuer", Need::optional, 500);
    out.endpoints.authorization = ends.text("authorization", Need::optional, 500);
    out.endpoints.token = ends.text("token", Need::optional, 500);
    out.endpoints.revocation = ends.text("revocation", Need::optional, 500);
    out.endpoints.device_authorization = ends.text("device_authorization", Need::optional, 500);
    out.endpoints.userinfo = ends.text("userinfo", Need::optional, 500);
  });
  out.discovery = reader.text("discovery", Need::optional, 500);
  out.discovery_fills_endpoints = reader.flag("endpoints_from_discovery", false);
  out.iss_advertised = reader.flag("iss_advertised", false);
  const auto methods = reader.texts("client_authentication", 4);
  for (const auto& method : methods) {
    const auto known = oauth::parse_client_authentication(method);
    if (!known) reader.fault("client_authentication", "names an unknown method", "Use client_secret_basic, client_secret_post, none.");
    if (known) out.authentications.push_back(*known);
  }
  if (out.authentications.empty()) {
    reader.fault("client_authentication", "is missing", "List the methods the token endpoint takes, preferred first.");
  }
  out.pkce = reader.flag("pkce", true);
  reader.object("extra", Need::optional, [&](ObjectReader& extra) {
    out.extra.authorize = extra.pairs("authorize");
    out.extra.token = extra.pairs("token");
    out.extra.refresh = extra.pairs("refresh");
    out.extra.revocation = extra.pairs("revocation");
    out.extra.device = extra.pairs("device");
  });
  out.scope_separator = reader.word<std::string>("scope_separator", Need::optional, {{" ", " "}, {",", ","}}, " ");
}

void read_provider_rules(ObjectReader& reader, Provider& out) {
  reader.object("redirect", Need::required, [&](ObjectReader& redirect) {
    out.redirect.https_required = redirect.flag("https_required", true);
    out.redirect.http_localhost = redirect.maybe_flag("http_localhost");
    out.redirect.note = redirect.text("note", Need::optional, 400);
  });
  out.code_lifetime = read_seconds(reader, "code_lifetime_s");
  reader.object("revocation", Need::optional, [&](ObjectReader& revocation) {
    out.revocation_shape = revocation.word<RevocationShape>(
        "shape", Need::required, {{"form", RevocationShape::form}, {"bearer", RevocationShape::bearer}}, RevocationShape::form);
    out.revocation_token = revocation.word<RevocationToken>(
        "token", Need::required,
        {{"refresh_token", RevocationToken::refresh_token}, {"access_token", RevocationToken::access_token}},
        RevocationToken::refresh_token);
  });
  reader.object("account", Need::required, [&](ObjectReader& account) { out.account = read_account_lookup(account); });
  out.errors = read_rules(reader);
  reader.objects("error_texts", 0, 60, [&](ObjectReader& text) {
    out.error_texts.push_back({text.text("code", Need::required, 100), text.text("sentence", Need::required, 300),
                               text.text("next_step", Need::required, 300), text.text("url", Need::optional, 300)});
  });
  reader.objects("steps", 3, 6, [&](ObjectReader& step) {
    out.steps.push_back({step.text("text", Need::required, 500), step.text("url", Need::optional, 300)});
  });
  reader.objects("quirks", 0, 20, [&](ObjectReader& one) {
    const auto name = one.text("quirk", Need::required, 60);
    const auto value = one.number("value", 1, 1'000'000);
    const auto quirk = parse_quirk(name);
    if (!quirk && !name.empty()) one.fault("quirk", "is not a known quirk", "docs/providers.md lists all of them with their meaning.");
    if (quirk) out.quirks.push_back({*quirk, value.value_or(0)});
  });
  reader.object("rate_cap", Need::optional, [&](ObjectReader& cap) {
    RateCap limit;
    limit.requests = cap.number("requests", 1, 1'000'000).value_or(0);
    limit.per = read_seconds(cap, "per_s").value_or(seconds(60));
    if (limit.requests > 0) out.rate_cap = limit;
  });
}

void read_lifetimes(ObjectReader& reader, Type& out) {
  out.rotation = reader.word<Rotation>("rotation", Need::required,
                                       {{"none", Rotation::none}, {"rolling", Rotation::rolling},
                                        {"single_use", Rotation::single_use}, {"unknown", Rotation::unknown}},
                                       Rotation::unknown);
  out.replay = reader.word<ReplayPolicy>("replay", Need::required,
                                         {{"harmless", ReplayPolicy::harmless}, {"grace", ReplayPolicy::grace},
                                          {"refused", ReplayPolicy::refused}, {"revokes_family", ReplayPolicy::revokes_family},
                                          {"unknown", ReplayPolicy::revokes_family}},  // RULES F1: the worst case
                                         ReplayPolicy::revokes_family);
  const auto grace = read_seconds(reader, "grace_s");
  out.grace = grace.value_or(seconds(0));
  if (grace.has_value() != (out.replay == ReplayPolicy::grace)) {
    reader.fault("grace_s", "and replay \"grace\" belong together", "Give both or neither.");
  }
  out.access_lifetime = read_seconds(reader, "access_lifetime_s");
  out.idle_lifetime = read_days(reader, "idle_lifetime_days");
  out.absolute_lifetime = read_days(reader, "absolute_lifetime_days");
  out.polling_time = read_seconds(reader, "polling_time_s");
}

Type read_type(ObjectReader& reader, const Json& root) {
  Type out;
  out.id = reader.text("id", Need::required, 63);
  out.name = reader.text("name", Need::required, 80);
  constexpr std::string_view kKinds[] = {"storage", "mail", "mail_smtp", "crm", "erp", "legal_dms", "property", "advice", "generic", "practice", "practice_mail"};
  std::vector<std::pair<std::string_view, std::string>> kinds;
  for (const auto kind : kKinds) kinds.emplace_back(kind, std::string(kind));
  out.kind = reader.word<std::string>("kind", Need::required, kinds, "generic");
  reader.objects("parameters", 0, 10, [&](ObjectReader& one) { out.parameters.push_back(read_parameter(one)); });
  reader.object("scopes", Need::required, [&](ObjectReader& scopes) {
    out.request = read_scopes(scopes, "request");
    out.identity = read_scopes(scopes, "identity");
    out.refresh = read_scopes(scopes, "refresh");
    out.optional = read_scopes(scopes, "optional");
  });
  out.resource = reader.text("resource", Need::optional, 200);
  read_lifetimes(reader, out);
  for (const auto& [name, value] : reader.pairs("values")) out.values[name] = value;
  if (reader.has("account")) {
    reader.object("account", Need::optional, [&](ObjectReader& account) { out.account = read_account_lookup(account); });
  }
  out.errors = read_rules(reader);
  out.unverified = read_unverified(reader, root);
  return out;
}

}  // namespace

Result<ProviderFile> read_provider_file(std::string_view name, std::string_view text) {
  FaultSink sink(name);
  auto json = parse_json(text, {.size_bytes_max = kProviderFileBytesMax, .depth_max = 16, .doubles = base::Doubles::refused});
  if (!json && json.error().reason == "given_twice") {
    sink.fault(json.error().field, "is given twice in one object", "Keep the one that is meant.");
    return std::unexpected(*sink.first());
  }
  if (!json) {
    sink.fault("", text.size() > kProviderFileBytesMax ? "is larger than 256 KiB" : "is not JSON",
               json.error().detail.empty() ? "Mend the file." : fmt::format("Mend the file: {}.", json.error().detail));
    return std::unexpected(*sink.first());
  }
  if (!json->is_object()) {
    sink.fault("", "is not a JSON object", "Begin with a copy of a file of docs/providers.md.");
    return std::unexpected(*sink.first());
  }
  ObjectReader reader(sink, json->get_object(), "");
  ProviderFile out;
  if (reader.number("schema", 1, 1).value_or(0) != 1) reader.fault("schema", "is missing", "Write 1.");
  out.provider.file = std::string(name);
  out.provider.id = reader.text("id", Need::required, 63);
  out.provider.name = reader.text("name", Need::required, 80);
  out.provider.seen_on = reader.text("seen_on", Need::required, 10);
  (void)reader.texts("sources");
  read_provider_parts(reader, out.provider);
  read_provider_rules(reader, out.provider);
  out.provider.unverified = read_unverified(reader, *json);
  reader.objects("types", 1, 20, [&](ObjectReader& one) {
    out.types.push_back(read_type(one, *json));
    out.types.back().provider = out.provider.id;
  });
  reader.finish();
  if (!sink.failed()) check_file(sink, out);
  if (sink.failed()) return std::unexpected(*sink.first());
  return out;
}

}  // namespace latchkey::catalog

#include "catalog/catalog.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "catalog/builtin.h"
#include "catalog/provider_file.h"
#include "catalog/provider_files.h"

namespace latchkey::catalog {
namespace {

using oauth::PlainHttp;
using oauth::Variables;

std::unexpected<Error> bad_file(std::string_view name, std::string_view pointer, std::string_view problem, std::string_view remedy) {
  return fail(ErrorKind::misconfigured, "bad_provider_file", fmt::format("{}: {} {}. {}", name, pointer, problem, remedy),
              {.field = std::string(pointer)});
}

Result<std::string> read_whole(const std::filesystem::path& path) {
  std::error_code failed;
  if (!std::filesystem::is_regular_file(path, failed)) return bad_file(path.filename().string(), "/", "is not a regular file", "Remove it.");
  std::ifstream stream(path, std::ios::binary);
  std::string text(kProviderFileBytesMax + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!stream && !stream.eof()) return bad_file(path.filename().string(), "/", "cannot be read", "Check its permissions.");
  text.resize(static_cast<std::size_t>(stream.gcount()));
  return text;
}

std::vector<std::string> missing_in(std::string_view pattern, const Variables& variables) {
  std::vector<std::string> out;
  const auto names = oauth::template_variables(pattern);
  if (!names) return out;
  for (const auto& name : *names) {
    if (!variables.contains(name)) out.push_back(name);
  }
  return out;
}

// Everything that fills templates in, and who learned what.
struct Filled {
  Variables variables;
  std::set<std::string, std::less<>> learned;
};

class Filler {
 public:
  Filler(const Provider& provider, const Filled& filled, PlainHttp plain_http)
      : provider_(provider), filled_(filled), plain_http_(plain_http) {}

  // Empty when a learned value is still missing.
  Result<std::string> address(std::string_view pattern) const {
    if (pattern.empty() || !missing_in(pattern, filled_.variables).empty()) return std::string();
    auto out = oauth::expand_template(pattern, filled_.variables, plain_http_);
    if (!out) return out;
    if (auto allowed = oauth::check_endpoint(*out, plain_http_); !allowed) return std::unexpected(allowed.error());
    const auto host_end = pattern.starts_with('{') ? pattern.find('}') + 1 : pattern.find_first_of("/?", 8);
    const auto in_host = oauth::template_variables(pattern.substr(0, host_end));
    const bool learned = in_host && std::any_of(in_host->begin(), in_host->end(), [&](const std::string& name) { return filled_.learned.contains(name); });
    if (learned) {
      if (auto allowed = oauth::check_learned_url(*out, provider_.host_suffixes); !allowed) return std::unexpected(allowed.error());
    }
    return out;
  }

  // A pair with a missing or empty value is left out.
  Result<oauth::Parameters> pairs(const oauth::Parameters& patterns) const {
    oauth::Parameters out;
    for (const auto& [name, pattern] : patterns) {
      if (!missing_in(pattern, filled_.variables).empty()) continue;
      auto value = oauth::expand_text(pattern, filled_.variables, plain_http_);
      if (!value) return std::unexpected(value.error());
      if (!value->empty()) out.emplace_back(name, std::move(*value));
    }
    return out;
  }

  Result<void> scopes(const std::vector<Scope>& patterns, std::vector<std::string>& out) const {
    for (const auto& scope : patterns) {
      auto text = oauth::expand_text(scope.value, filled_.variables, plain_http_);
      if (!text) return std::unexpected(text.error());
      for (auto& word : oauth::scope_words(*text)) {
        if (std::find(out.begin(), out.end(), word) == out.end()) out.push_back(std::move(word));
      }
    }
    return {};
  }

  // An issuer keeps what is not known: it stands for any one segment.
  Result<std::string> issuer(std::string_view pattern) const {
    if (!missing_in(pattern, filled_.variables).empty()) return std::string(pattern);
    return oauth::expand_template(pattern, filled_.variables, plain_http_);
  }

  Result<std::string> text(std::string_view pattern) const {
    if (!missing_in(pattern, filled_.variables).empty()) return std::string();
    return oauth::expand_text(pattern, filled_.variables, plain_http_);
  }

 private:
  const Provider& provider_;
  const Filled& filled_;
  PlainHttp plain_http_;
};

Result<void> fill_endpoints(const Filler& filler, ResolvedType& out) {
  const auto& from = out.provider->endpoints;
  struct Pair {
    const std::string& pattern;
    std::string& where;
  };
  const Pair pairs[] = {{from.authorization, out.endpoints.authorization}, {from.token, out.endpoints.token},
                        {from.revocation, out.endpoints.revocation}, {from.device_authorization, out.endpoints.device_authorization},
                        {from.userinfo, out.endpoints.userinfo}, {out.provider->discovery, out.discovery}};
  for (const auto& [pattern, where] : pairs) {
    auto address = filler.address(pattern);
    if (!address) return std::unexpected(address.error());
    where = std::move(*address);
  }
  auto issuer = filler.issuer(from.issuer);
  if (!issuer) return std::unexpected(issuer.error());
  out.endpoints.issuer = std::move(*issuer);
  return {};
}

Result<void> fill_extra(const Filler& filler, ResolvedType& out) {
  const auto& from = out.provider->extra;
  struct Pair {
    const oauth::Parameters& patterns;
    oauth::Parameters& where;
  };
  const Pair pairs[] = {{from.authorize, out.extra.authorize}, {from.token, out.extra.token}, {from.refresh, out.extra.refresh},
                        {from.revocation, out.extra.revocation}, {from.device, out.extra.device}};
  for (const auto& [patterns, where] : pairs) {
    auto filled = filler.pairs(patterns);
    if (!filled) return std::unexpected(filled.error());
    where = std::move(*filled);
  }
  return {};
}

Result<void> fill_account(const Filler& filler, ResolvedType& out) {
  out.account = out.type->account.value_or(out.provider->account);
  auto url = filler.address(out.account.url);
  if (!url) return std::unexpected(url.error());
  if (out.account.url.empty()) url = out.endpoints.userinfo;
  auto headers = filler.pairs(out.account.headers);
  if (!headers) return std::unexpected(headers.error());
  out.account.url = std::move(*url);
  out.account.headers = std::move(*headers);
  return {};
}

}  // namespace

Result<std::shared_ptr<const Catalog>> Catalog::load_builtin() {
  std::shared_ptr<const Catalog> catalog = std::make_shared<Catalog>();
  for (const auto& [name, text] : builtin_files()) {
    auto next = catalog->with_file(name, text);
    if (!next) {
      auto error = next.error();
      error.kind = ErrorKind::bug;
      return std::unexpected(error);
    }
    catalog = std::move(*next);
  }
  return catalog;
}

Result<std::shared_ptr<const Catalog>> Catalog::with_file(std::string_view name, std::string_view text) const {
  auto file = read_provider_file(name, text);
  if (!file) return std::unexpected(file.error());
  auto out = std::make_shared<Catalog>(*this);
  auto provider = std::make_shared<const Provider>(std::move(file->provider));
  if (const auto found = find_provider(provider->id); found != nullptr) {
    return bad_file(name, "/id", fmt::format("names {}, which {} already has", provider->id, found->file), "Choose another id.");
  }
  out->providers_.push_back(provider);
  out->providers_by_id_[provider->id] = provider;
  for (std::size_t i = 0; i < file->types.size(); ++i) {
    auto type = std::make_shared<const Type>(std::move(file->types[i]));
    if (const auto found = out->find_type(type->id); found != nullptr) {
      return bad_file(name, fmt::format("/types/{}/id", i), fmt::format("names {}, which exists already", type->id), "Choose another id.");
    }
    out->types_.push_back(type);
    out->types_by_id_[type->id] = type;
  }
  return std::shared_ptr<const Catalog>(std::move(out));
}

Result<std::shared_ptr<const Catalog>> Catalog::load_directory(const std::string& path) const {
  std::shared_ptr<const Catalog> catalog = std::make_shared<Catalog>(*this);
  const auto names = list_provider_files(path);
  if (!names) return bad_file(path, "/", "cannot be listed", "Check its permissions.");
  if (names->size() > 200) return bad_file(path, "/", "holds more than 200 files", "Remove what is not needed.");
  for (const auto& name : *names) {
    auto text = read_whole(std::filesystem::path(path) / name);
    if (!text) return std::unexpected(text.error());
    auto next = catalog->with_file(name, *text);
    if (!next) return next;
    catalog = std::move(*next);
  }
  return catalog;
}

Result<std::shared_ptr<const Catalog>> Catalog::with_sandbox(std::string_view origin) const {
  auto url = oauth::check_endpoint(origin, PlainHttp::loopback_only);
  if (!url) return std::unexpected(url.error());
  std::string text(sandbox_file().text);
  constexpr std::string_view kPlace = "http://127.0.0.1:8481";  // the default written in the file
  for (auto at = text.find(kPlace); at != std::string::npos; at = text.find(kPlace, at + url->origin().size())) {
    text.replace(at, kPlace.size(), url->origin());
  }
  return with_file(sandbox_file().name, text);
}

std::shared_ptr<const Type> Catalog::find_type(std::string_view id) const {
  const auto found = types_by_id_.find(id);
  return found == types_by_id_.end() ? nullptr : found->second;
}

std::shared_ptr<const Provider> Catalog::find_provider(std::string_view id) const {
  const auto found = providers_by_id_.find(id);
  return found == providers_by_id_.end() ? nullptr : found->second;
}

std::vector<Parameter> Catalog::parameters_of(const Type& type, ParameterOwner owner) const {
  std::vector<Parameter> out;
  const auto provider = find_provider(type.provider);
  LATCHKEY_CHECK(provider != nullptr);
  for (const auto& one : provider->parameters) {
    if (one.owner == owner && !type.values.contains(one.name)) out.push_back(one);
  }
  for (const auto& one : type.parameters) {
    if (one.owner == owner) out.push_back(one);
  }
  return out;
}

Result<ParameterValues> Catalog::check_parameters(std::span<const Parameter> parameters, const ParameterValues& values,
                                                  PlainHttp plain_http) const {
  for (const auto& [name, value] : values) {
    const bool known = std::any_of(parameters.begin(), parameters.end(), [&](const Parameter& one) { return one.name == name; });
    if (!known) {
      std::string list;
      for (const auto& one : parameters) list.append(list.empty() ? "" : ", ").append(one.name);
      return fail(ErrorKind::invalid, "unknown_parameter",
                  list.empty() ? fmt::format("There is no parameter {}; none is needed.", name)
                               : fmt::format("There is no parameter {}. Known: {}.", name, list),
                  {.field = name});
    }
  }
  ParameterValues out;
  for (const auto& one : parameters) {
    const auto given = values.find(one.name);
    auto value = given == values.end() ? one.default_value : given->second;
    if (auto fits = check_value(one, value, plain_http); !fits) return std::unexpected(fits.error());
    out[one.name] = std::move(value);
  }
  return out;
}

Result<ResolvedType> Catalog::resolve(std::string_view type_id, const Filling& filling, PlainHttp plain_http) const {
  ResolvedType out;
  out.type = find_type(type_id);
  if (out.type == nullptr) {
    return fail(ErrorKind::not_found, "unknown_type", "There is no such type. `latchkey type list` shows all of them.", {.field = "type"});
  }
  out.provider = find_provider(out.type->provider);
  const auto& provider = *out.provider;

  Filled filled;
  for (const auto owner : {ParameterOwner::app, ParameterOwner::grant}) {
    const auto parameters = parameters_of(*out.type, owner);
    auto values = check_parameters(parameters, owner == ParameterOwner::app ? filling.app : filling.grant, plain_http);
    if (!values) return std::unexpected(values.error());
    for (const auto& one : parameters) filled.variables[one.name] = {variable_kind(one.kind), values->at(one.name)};
  }
  for (const auto& one : provider.parameters) {
    const auto fixed = out.type->values.find(one.name);
    if (fixed != out.type->values.end()) filled.variables[one.name] = {variable_kind(one.kind), fixed->second};
  }
  for (const auto& one : provider.learned) {
    const auto known = filling.learned.find(one.name);
    if (known == filling.learned.end() || known->second.empty()) continue;
    filled.variables[one.name] = {one.kind, known->second};
    filled.learned.insert(one.name);
  }
  if (!filling.client_id.empty()) filled.variables["client_id"] = {oauth::VariableKind::text, filling.client_id};

  const Filler filler(provider, filled, plain_http);
  for (auto done : {fill_endpoints(filler, out), fill_extra(filler, out), fill_account(filler, out),
                    filler.scopes(out.type->request, out.scopes), filler.scopes(out.type->identity, out.scopes),
                    filler.scopes(out.type->refresh, out.scopes),
                    filler.scopes(out.type->identity, out.identity_and_refresh_scopes),
                    filler.scopes(out.type->refresh, out.identity_and_refresh_scopes)}) {
    if (!done) return std::unexpected(done.error());
  }
  auto resource = filler.text(out.type->resource);
  if (!resource) return std::unexpected(resource.error());
  out.resource = std::move(*resource);
  out.errors = out.type->errors;
  out.errors.insert(out.errors.end(), provider.errors.begin(), provider.errors.end());
  if (out.has(Quirk::errors_as_array)) out.reply_shape.errors = oauth::ErrorShape::object_or_array;
  out.access_lifetime_fallback = out.type->access_lifetime.value_or(seconds(3600));
  if (const auto early = find_quirk(provider, Quirk::early_refresh_refused)) out.early_refresh_refused = seconds(early->value);
  return out;
}

Result<std::string> Catalog::token_origin(const Provider& provider, const ParameterValues& app, PlainHttp plain_http) const {
  std::vector<Parameter> parameters;
  for (const auto& one : provider.parameters) {
    if (one.owner == ParameterOwner::app) parameters.push_back(one);
  }
  auto values = check_parameters(parameters, app, plain_http);
  if (!values) return std::unexpected(values.error());
  Variables variables;
  for (const auto& one : parameters) variables[one.name] = {variable_kind(one.kind), values->at(one.name)};
  const auto& pattern = provider.discovery_fills_endpoints ? provider.endpoints.issuer : provider.endpoints.token;
  const auto host_end = pattern.starts_with('{') ? pattern.find('}') + 1 : pattern.find_first_of("/?", 8);
  const auto head = pattern.substr(0, host_end);
  if (!missing_in(head, variables).empty()) {
    std::string words;
    for (const auto& suffix : provider.host_suffixes) words += fmt::format("{}https://*.{}", words.empty() ? "" : " ", suffix);
    return words;
  }
  auto text = oauth::expand_template(head, variables, plain_http);
  if (!text) return text;
  auto url = oauth::check_endpoint(*text, plain_http);
  if (!url) return std::unexpected(url.error());
  return url->origin();
}

namespace {

Result<void> keep_learned(const Provider& provider, const Learned& one, std::string_view value, ParameterValues& out) {
  if (auto fits = oauth::check_variable(one.name, one.kind, value); !fits) return fits;
  const auto below = [&](std::string_view host) {
    return std::any_of(provider.host_suffixes.begin(), provider.host_suffixes.end(),
                       [&](const std::string& suffix) { return oauth::host_has_suffix(host, suffix); });
  };
  if (one.kind == oauth::VariableKind::url) {
    if (auto allowed = oauth::check_learned_url(value, provider.host_suffixes); !allowed) return std::unexpected(allowed.error());
  } else if (one.kind == oauth::VariableKind::host && !below(value)) {
    return fail(ErrorKind::refused, "host_not_allowed",
                "The provider named a server that its provider file does not allow. Nothing was sent there.",
                {.detail = fmt::format("{} is not under an allowed suffix", value), .field = one.name});
  }
  out[one.name] = std::string(value);
  return {};
}

}  // namespace

Result<ParameterValues> Catalog::learn(const Provider& provider, const oauth::Parameters& callback) const {
  ParameterValues out;
  for (const auto& one : provider.learned) {
    const auto* value = one.from == LearnedFrom::callback ? oauth::find_parameter(callback, one.name) : nullptr;
    if (value == nullptr || value->empty()) continue;
    if (auto kept = keep_learned(provider, one, *value, out); !kept) return std::unexpected(kept.error());
  }
  return out;
}

Result<ParameterValues> Catalog::learn(const Provider& provider, const JsonObject& extras) const {
  ParameterValues out;
  for (const auto& one : provider.learned) {
    if (one.from == LearnedFrom::callback) continue;
    const auto value = base::string_or(extras, one.name);
    if (value.empty()) continue;
    if (auto kept = keep_learned(provider, one, value, out); !kept) return std::unexpected(kept.error());
  }
  return out;
}

}  // namespace latchkey::catalog

#include "catalog/file_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <regex>
#include <set>

namespace latchkey::catalog {

struct CompiledPattern {
  std::regex regex;
};

namespace {

using oauth::VariableKind;

bool is_id(std::string_view id) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !id.empty() && id.size() <= 63 && plain(id.front()) &&
         std::all_of(id.begin(), id.end(), [&](char c) { return plain(c) || c == '-'; });
}

bool is_date(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return false;
  int year = 0;
  unsigned month = 0;
  unsigned day = 0;
  std::from_chars(text.data(), text.data() + 4, year);
  std::from_chars(text.data() + 5, text.data() + 7, month);
  std::from_chars(text.data() + 8, text.data() + 10, day);
  return std::chrono::year_month_day(std::chrono::year(year), std::chrono::month(month), std::chrono::day(day)).ok();
}

// What may stand between braces, and where it comes from.
struct Source {
  enum class From { app, grant, learned } from;
  VariableKind kind = VariableKind::text;
  bool always = false;  // has a value whenever the template is filled in
};
using Sources = std::map<std::string, Source, std::less<>>;

Sources sources_of(const Provider& provider, const Type* type) {
  Sources out;
  const auto add = [&](const Parameter& one) {
    out[one.name] = {one.owner == ParameterOwner::app ? Source::From::app : Source::From::grant, variable_kind(one.kind),
                     one.required || !one.default_value.empty()};
  };
  for (const auto& one : provider.parameters) add(one);
  if (type != nullptr) {
    for (const auto& one : type->parameters) add(one);
  }
  for (const auto& one : provider.learned) out[one.name] = {Source::From::learned, one.kind, true};
  return out;
}

std::vector<std::string> variables_of(FaultSink& sink, std::string_view at, std::string_view pattern, const Sources& sources,
                                      const std::set<std::string, std::less<>>& also = {}) {
  auto names = oauth::template_variables(pattern);
  if (!names) {
    sink.fault(at, "is a malformed template", names.error().text);
    return {};
  }
  for (const auto& name : *names) {
    if (!sources.contains(name) && !also.contains(name)) {
      sink.fault(at, fmt::format("uses {{{}}}, which nothing fills in", name), "Declare it under parameters or learned.");
    }
  }
  return *names;
}

enum class Secrecy { gets_secrets, open };

// RULES K6 and A7: who may decide the host of an address.
void check_address(FaultSink& sink, const std::string& at, const std::string& pattern, const Provider& provider,
                   const Sources& sources, Secrecy secrecy) {
  if (pattern.empty()) return;
  const auto all = variables_of(sink, at, pattern, sources);
  if (sink.failed()) return;
  const bool based = pattern.starts_with('{');
  std::size_t host_end = 0;
  if (based) {
    host_end = pattern.find('}') + 1;
    const auto name = pattern.substr(1, host_end - 2);
    if (sources.at(name).kind != VariableKind::url) {
      sink.fault(at, "begins with a value that is not an address", "Begin with https://, or with a parameter of kind \"url\".");
    }
    if (host_end < pattern.size() && pattern[host_end] != '/') {
      sink.fault(at, "goes on in the host after an address", "Put a / after the closing brace.");
    }
  } else {
    const bool practice = pattern.starts_with("http://127.0.0.1:") || pattern.starts_with("http://localhost:");
    if (!pattern.starts_with("https://") && !practice) sink.fault(at, "does not begin with https://", "Use https.");
    host_end = pattern.find_first_of("/?", 8);
  }
  const auto in_host = oauth::template_variables(pattern.substr(0, host_end));
  for (const auto& name : all) {
    const bool decides = std::find(in_host->begin(), in_host->end(), name) != in_host->end();
    const auto& source = sources.at(name);
    if (!source.always) sink.fault(at, fmt::format("uses {{{}}}, which may be empty", name), "Make the parameter required, or give it a default.");
    if (decides && source.kind == VariableKind::text) {
      sink.fault(at, fmt::format("uses the text {{{}}} in its host", name), "Use a parameter of kind \"host\", \"url\" or \"enum\".");
    }
    if (decides && secrecy == Secrecy::gets_secrets && source.from == Source::From::grant) {
      sink.fault(at, fmt::format("lets the grant's parameter {{{}}} decide where the app's secret goes", name),
                 "Make it a parameter of the app (owner \"app\").");
    }
    if (decides && source.from == Source::From::learned && provider.host_suffixes.empty()) {
      sink.fault("/host_suffixes", "is empty although a host is learned from the provider", "List the domains it may lie under.");
    }
  }
}

void check_pairs(FaultSink& sink, const std::string& at, const oauth::Parameters& pairs, const Sources& sources) {
  for (const auto& [name, value] : pairs) variables_of(sink, fmt::format("{}/{}", at, name), value, sources);
}

void check_account(FaultSink& sink, const std::string& at, const AccountLookup& account, const Provider& provider, const Sources& sources) {
  check_address(sink, at + "/url", account.url, provider, sources, Secrecy::open);
  for (const auto& [name, value] : account.headers) {
    variables_of(sink, fmt::format("{}/headers/{}", at, name), value, sources, {"client_id"});
  }
}

void check_quirks(FaultSink& sink, const Provider& provider) {
  const auto learns = [&](LearnedFrom from) {
    return std::any_of(provider.learned.begin(), provider.learned.end(), [&](const Learned& one) { return one.from == from; });
  };
  std::set<Quirk> seen;
  for (std::size_t i = 0; i < provider.quirks.size(); ++i) {
    const auto& use = provider.quirks[i];
    const auto at = fmt::format("/quirks/{}", i);
    if (!seen.insert(use.quirk).second) sink.fault(at, "is given twice", "Remove one.");
    const bool wants_value = use.quirk == Quirk::early_refresh_refused || use.quirk == Quirk::oldest_grant_evicted;
    if (wants_value != (use.value != 0)) {
      sink.fault(at + "/value", wants_value ? "is missing" : "means nothing here", wants_value ? "Give the number." : "Remove it.");
    }
  }
  if (seen.contains(Quirk::host_in_callback) != learns(LearnedFrom::callback)) {
    sink.fault("/quirks", "and /learned disagree", "Name the quirk host_in_callback exactly when something is learned from the callback.");
  }
  if (seen.contains(Quirk::instance_url_in_reply) != learns(LearnedFrom::reply_url)) {
    sink.fault("/quirks", "and /learned disagree", "Name the quirk instance_url_in_reply exactly when an address is learned from the reply.");
  }
  if (learns(LearnedFrom::reply_url) && provider.host_suffixes.empty()) {
    sink.fault("/host_suffixes", "is empty although an address is learned from the reply", "List the domains it may lie under.");
  }
}

void check_type(FaultSink& sink, const std::string& at, const Type& type, const Provider& provider) {
  if (!is_id(type.id)) sink.fault(at + "/id", "is not an id", "Use small letters, digits and hyphens, beginning with a letter or digit.");
  const auto sources = sources_of(provider, &type);
  const auto scopes = [&](std::string_view name, const std::vector<Scope>& list) {
    for (std::size_t i = 0; i < list.size(); ++i) variables_of(sink, fmt::format("{}/scopes/{}/{}/scope", at, name, i), list[i].value, sources);
  };
  scopes("request", type.request);
  scopes("identity", type.identity);
  scopes("refresh", type.refresh);
  scopes("optional", type.optional);
  variables_of(sink, at + "/resource", type.resource, sources);
  for (const auto& [name, value] : type.values) {
    const auto found = std::find_if(provider.parameters.begin(), provider.parameters.end(), [&](const Parameter& one) { return one.name == name; });
    const auto where = fmt::format("{}/values/{}", at, name);
    if (found == provider.parameters.end()) {
      sink.fault(where, "is not a parameter of the provider", "Declare it under /parameters.");
    } else if (auto fits = check_value(*found, value, oauth::PlainHttp::refused); !fits) {
      sink.fault(where, "does not fit its parameter", fits.error().text);
    }
  }
  for (const auto& one : type.parameters) {
    if (one.owner == ParameterOwner::app) sink.fault(at + "/parameters", "holds a parameter of the app", "Declare it under /parameters of the provider.");
  }
  if (type.account) check_account(sink, at + "/account", *type.account, provider, sources);
}

void check_names(FaultSink& sink, const Provider& provider, const std::vector<Type>& types) {
  std::set<std::string> names;
  const auto add = [&](const std::string& at, const std::string& name) {
    if (!names.insert(name).second) sink.fault(at, fmt::format("declares {} a second time", name), "Give it another name.");
  };
  for (const auto& one : provider.parameters) add("/parameters", one.name);
  std::set<std::string> learned;
  for (const auto& one : provider.learned) learned.insert(one.name);  // callback and reply may name the same
  for (const auto& name : learned) add("/learned", name);
  std::set<std::string> ids;
  for (std::size_t i = 0; i < types.size(); ++i) {
    const auto common = names;
    for (const auto& one : types[i].parameters) add(fmt::format("/types/{}/parameters", i), one.name);
    names = common;
    if (!ids.insert(types[i].id).second) sink.fault(fmt::format("/types/{}/id", i), "is used twice", "Choose another id.");
  }
}

}  // namespace

oauth::VariableKind variable_kind(ParameterKind kind) {
  switch (kind) {
    case ParameterKind::text: return VariableKind::text;
    case ParameterKind::choice: return VariableKind::segment;
    case ParameterKind::url: return VariableKind::url;
    case ParameterKind::host: return VariableKind::host;
  }
  LATCHKEY_CHECK(false);
}

Result<void> check_value(const Parameter& parameter, std::string_view value, oauth::PlainHttp plain_http) {
  const auto refuse = [&](std::string reason, std::string sentence) {
    return fail(ErrorKind::invalid, std::move(reason), std::move(sentence), {.field = parameter.name});
  };
  if (value.empty()) {
    if (!parameter.required) return {};
    return refuse("missing_parameter", fmt::format("{} is required. {}", parameter.label, parameter.hint));
  }
  if (auto fits = oauth::check_variable(parameter.label, variable_kind(parameter.kind), value, plain_http); !fits) {
    return refuse("bad_parameter", fits.error().text);
  }
  if (!parameter.options.empty()) {
    const bool listed = std::any_of(parameter.options.begin(), parameter.options.end(), [&](const ParameterOption& one) { return one.value == value; });
    if (!listed) return refuse("bad_parameter", fmt::format("{} is one of the values offered.", parameter.label));
  }
  if (parameter.compiled != nullptr) {
    if (!std::regex_match(value.begin(), value.end(), parameter.compiled->regex)) {
      return refuse("bad_parameter", fmt::format("{} does not look right. {}", parameter.label, parameter.hint));
    }
  }
  if (!parameter.host_suffixes.empty()) {
    std::string host(value);
    if (parameter.kind == ParameterKind::url) host = oauth::parse_url(value)->host;
    const bool listed = std::any_of(parameter.host_suffixes.begin(), parameter.host_suffixes.end(),
                                    [&](const std::string& suffix) { return oauth::host_has_suffix(host, suffix); });
    if (!listed) return refuse("bad_parameter", fmt::format("{} lies under {}.", parameter.label, fmt::join(parameter.host_suffixes, ", ")));
  }
  return {};
}

std::shared_ptr<const CompiledPattern> compile_pattern(const std::string& pattern) {
  if (pattern.empty()) return nullptr;
  try {
    // libstdc++'s breadth-first matcher: no pattern of a file can make it backtrack for hours.
    return std::make_shared<const CompiledPattern>(std::regex(pattern, std::regex::ECMAScript | std::regex_constants::__polynomial));
  } catch (const std::regex_error&) {
    return nullptr;
  }
}

void check_parameter(ObjectReader& reader, const Parameter& parameter) {
  if (reader.sink().failed()) return;
  const auto names = oauth::template_variables("{" + parameter.name + "}");
  if (!names) reader.fault("name", "is not a name", "Use small letters, digits and _.");
  if ((parameter.kind == ParameterKind::choice) == parameter.options.empty()) {
    reader.fault("options", "and kind \"enum\" belong together", "Give both or neither.");
  }
  for (const auto& option : parameter.options) {
    if (!oauth::check_variable("option", VariableKind::segment, option.value)) {
      reader.fault("options", "hold a value with other characters than letters, digits and - . _ ~", "Write a plain value.");
    }
  }
  if (!parameter.pattern.empty() && parameter.compiled == nullptr) {
    reader.fault("pattern", "is not a regular expression", "Mend it, or leave it out.");
    return;
  }
  const bool hosts = parameter.kind == ParameterKind::url || parameter.kind == ParameterKind::host;
  if (!parameter.host_suffixes.empty() && !hosts) reader.fault("host_suffixes", "are for kinds url and host", "Remove them.");
  for (const auto& value : parameter.personal_values) {
    if (auto fits = check_value(parameter, value, oauth::PlainHttp::loopback_only); !fits)
      reader.fault("personal_values", "hold a value that does not fit the parameter", fits.error().text);
  }
  if (parameter.default_value.empty()) return;
  if (auto fits = check_value(parameter, parameter.default_value, oauth::PlainHttp::loopback_only); !fits) {
    reader.fault("default", "does not fit the parameter", fits.error().text);
  }
}

void check_file(FaultSink& sink, const ProviderFile& file) {
  const auto& provider = file.provider;
  if (!is_id(provider.id)) sink.fault("/id", "is not an id", "Use small letters, digits and hyphens, beginning with a letter or digit.");
  if (!is_date(provider.seen_on)) sink.fault("/seen_on", "is not a date", "Write the day you read the provider's documents, YYYY-MM-DD.");
  check_names(sink, provider, file.types);
  if (sink.failed()) return;

  const auto sources = sources_of(provider, nullptr);
  const auto& ends = provider.endpoints;
  if (provider.discovery_fills_endpoints) {
    if (ends.issuer.empty()) sink.fault("/endpoints/issuer", "is missing", "endpoints_from_discovery needs the issuer.");
    check_address(sink, "/endpoints/issuer", ends.issuer, provider, sources, Secrecy::gets_secrets);
  } else {
    if (ends.authorization.empty()) sink.fault("/endpoints/authorization", "is missing", "Write the authorization endpoint.");
    if (ends.token.empty()) sink.fault("/endpoints/token", "is missing", "Write the token endpoint.");
    if (auto names = oauth::template_variables(ends.issuer); !names) sink.fault("/endpoints/issuer", "is a malformed template", names.error().text);
  }
  check_address(sink, "/endpoints/authorization", ends.authorization, provider, sources, Secrecy::gets_secrets);
  check_address(sink, "/endpoints/token", ends.token, provider, sources, Secrecy::gets_secrets);
  check_address(sink, "/endpoints/revocation", ends.revocation, provider, sources, Secrecy::gets_secrets);
  check_address(sink, "/endpoints/device_authorization", ends.device_authorization, provider, sources, Secrecy::gets_secrets);
  check_address(sink, "/endpoints/userinfo", ends.userinfo, provider, sources, Secrecy::open);
  check_address(sink, "/discovery", provider.discovery, provider, sources, Secrecy::gets_secrets);
  if (sink.failed()) return;

  // Extra parameters may use what every type of this provider has.
  auto common = sources;
  for (const auto& type : file.types) {
    for (const auto& [name, source] : sources_of(provider, &type)) common.emplace(name, source);
  }
  check_pairs(sink, "/extra/authorize", provider.extra.authorize, common);
  check_pairs(sink, "/extra/token", provider.extra.token, common);
  check_pairs(sink, "/extra/refresh", provider.extra.refresh, common);
  check_pairs(sink, "/extra/revocation", provider.extra.revocation, common);
  check_pairs(sink, "/extra/device", provider.extra.device, common);
  check_account(sink, "/account", provider.account, provider, common);
  for (const auto& suffix : provider.host_suffixes) {
    if (!oauth::check_variable("suffix", VariableKind::host, suffix)) sink.fault("/host_suffixes", "holds something that is no domain", "Write domains such as example.com.");
  }
  check_quirks(sink, provider);
  for (std::size_t i = 0; i < file.types.size() && !sink.failed(); ++i) {
    check_type(sink, fmt::format("/types/{}", i), file.types[i], provider);
  }
}

}  // namespace latchkey::catalog

// All providers and types this server knows: our own files, built in, and the operator's. Read once, shared read-only.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "catalog/provider.h"
#include "oauth/token_reply.h"

namespace latchkey::catalog {

using ParameterValues = std::map<std::string, std::string>;

// Where a type's values come from. `learned` is what callback and replies have brought so far.
struct Filling {
  ParameterValues app;
  ParameterValues grant;
  ParameterValues learned;
  std::string client_id;  // for the few APIs that want it as a header; empty: such headers are left out
};

// Everything the engine needs of one type, filled in. A value; keeps its provider and type alive.
struct ResolvedType {
  std::shared_ptr<const Provider> provider;
  std::shared_ptr<const Type> type;
  // Empty where the server has none, where metadata must fill it, or where a learned value is still missing.
  oauth::Endpoints endpoints;
  std::string discovery;                // empty: none
  std::vector<std::string> scopes;      // request, identity, refresh: each once, in this order
  std::vector<std::string> identity_and_refresh_scopes;
  ExtraParameters extra;                // filled in, empty values dropped
  AccountLookup account;                // filled in as far as the values are known
  std::vector<oauth::ErrorRule> errors; // the type's, then the provider's
  oauth::ReplyShape reply_shape;
  std::string resource;  // empty while a learned value is missing
  seconds access_lifetime_fallback{3600};
  std::optional<seconds> early_refresh_refused;  // set: a refresh is refused while more than this is left

  [[nodiscard]] bool has(Quirk quirk) const { return find_quirk(*provider, quirk).has_value(); }
};

class Catalog {
 public:
  // The built-in files. A file that fails its check is a bug and is reported as one.
  [[nodiscard]] static Result<std::shared_ptr<const Catalog>> load_builtin();

  // This catalogue plus every *.json of the directory (an absent directory adds nothing), in name order. A file may add
  // providers and types; an id that exists already is an error, as is any unknown key. Errors: misconfigured/
  // `bad_provider_file`: `text` names file, JSON pointer and remedy; `field` is the pointer. Nothing is loaded half.
  [[nodiscard]] Result<std::shared_ptr<const Catalog>> load_directory(const std::string& path) const;

  // This catalogue plus the practice service at that origin (http://127.0.0.1:8481).
  [[nodiscard]] Result<std::shared_ptr<const Catalog>> with_sandbox(std::string_view origin) const;

  // This catalogue plus one file's text (at most 256 KiB); `name` is for errors. The way every file goes in.
  [[nodiscard]] Result<std::shared_ptr<const Catalog>> with_file(std::string_view name, std::string_view text) const;

  // nullptr: unknown.
  [[nodiscard]] std::shared_ptr<const Type> find_type(std::string_view id) const;
  [[nodiscard]] std::shared_ptr<const Provider> find_provider(std::string_view id) const;
  // In the order of the files, as the console shows them.
  [[nodiscard]] const std::vector<std::shared_ptr<const Type>>& types() const { return types_; }
  [[nodiscard]] const std::vector<std::shared_ptr<const Provider>>& providers() const { return providers_; }

  // What the dialog asks for: the provider's parameters of that owner, then the type's, without those the type fixes.
  [[nodiscard]] std::vector<Parameter> parameters_of(const Type& type, ParameterOwner owner) const;

  // Fills in defaults and checks every value. Errors: invalid/`missing_parameter`, `unknown_parameter`, `bad_parameter`
  // with `field` = the parameter; not_found/`unknown_type`; refused/`host_not_allowed` for a learned host.
  [[nodiscard]] Result<ResolvedType> resolve(std::string_view type, const Filling& filling,
                                             oauth::PlainHttp plain_http = oauth::PlainHttp::refused) const;

  // Checks values alone, as a form does before anything is stored.
  [[nodiscard]] Result<ParameterValues> check_parameters(std::span<const Parameter> parameters,
                                                         const ParameterValues& values,
                                                         oauth::PlainHttp plain_http = oauth::PlainHttp::refused) const;

  // The origin the app's secret goes to and nowhere else (RULES K6): of the token endpoint, the issuer where metadata
  // names it, or `*.SUFFIX` words where the host is learned at the callback.
  [[nodiscard]] Result<std::string> token_origin(const Provider& provider, const ParameterValues& app,
                                                 oauth::PlainHttp plain_http = oauth::PlainHttp::refused) const;

  // The learned values of a callback and of a reply's extras, checked against the provider's list. Unknown members are
  // left alone; a missing one is left out. Errors: refused/`host_not_allowed`, invalid/`bad_value`.
  [[nodiscard]] Result<ParameterValues> learn(const Provider& provider, const oauth::Parameters& callback) const;
  [[nodiscard]] Result<ParameterValues> learn(const Provider& provider, const JsonObject& extras) const;

 private:
  std::vector<std::shared_ptr<const Type>> types_;
  std::vector<std::shared_ptr<const Provider>> providers_;
  std::map<std::string, std::shared_ptr<const Type>, std::less<>> types_by_id_;
  std::map<std::string, std::shared_ptr<const Provider>, std::less<>> providers_by_id_;
};

}  // namespace latchkey::catalog

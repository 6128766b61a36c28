#include "grants/cloud_terms.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "grants/provider_client.h"

namespace latchkey::grants {
namespace {

constexpr std::size_t kNewsMax = 4000;  // octets

bool holds(const std::vector<std::string>& texts, const std::string& text) { return std::ranges::find(texts, text) != texts.end(); }

const cloud::ServiceApp* named(const cloud::ServiceView& view, const std::string& id) {
  const auto found = std::ranges::find(view.apps, id, &cloud::ServiceApp::id);
  return found == view.apps.end() ? nullptr : &*found;
}

std::string list_of(const std::vector<std::string>& texts) { return texts.empty() ? "none" : fmt::format("{}", fmt::join(texts, " ")); }

}  // namespace

std::vector<std::string> sorted_types(std::vector<std::string> types) {
  std::ranges::sort(types);
  const auto doubles = std::ranges::unique(types);
  types.erase(doubles.begin(), doubles.end());
  return types;
}

CloudTerms terms_of(const cloud::ServiceApp& app) {
  return {.provider = app.provider,
          .client_id = app.client_id,
          .mode = app.mode,
          .types = sorted_types(app.types),
          .values = {app.params.begin(), app.params.end()}};
}

std::vector<std::string> types_agreed(const CloudTerms& agreed, const CloudTerms& offered) {
  auto but_types = offered;
  but_types.types = agreed.types;
  if (but_types != agreed) return {};
  std::vector<std::string> both;
  std::ranges::set_intersection(agreed.types, offered.types, std::back_inserter(both));
  return both;
}

std::vector<std::string> changes_in(const CloudTerms* agreed, const CloudTerms& offered) {
  if (agreed == nullptr) return {"a registration that nobody here has agreed to"};
  std::vector<std::string> changes;
  const auto compare = [&](std::string_view what, std::string_view now, std::string_view before) {
    if (now != before) changes.push_back(fmt::format("{}: {} instead of {}", what, now, before));
  };
  compare("provider", offered.provider, agreed->provider);
  compare("client", offered.client_id, agreed->client_id);
  compare("mode", cloud::name_of(offered.mode), cloud::name_of(agreed->mode));
  for (const auto& [name, value] : offered.values) {
    const auto before = agreed->values.find(name);
    compare(name, value, before == agreed->values.end() ? "none" : std::string_view(before->second));
  }
  for (const auto& [name, value] : agreed->values) {
    if (!offered.values.contains(name)) compare(name, "none", value);
  }
  for (const auto& type : offered.types) {
    if (!holds(agreed->types, type)) changes.push_back("new type: " + type);
  }
  return changes;
}

std::string words_of(const CloudTerms& terms) {
  auto words = fmt::format("provider: {}, client: {}, mode: {}, types: {}", terms.provider, terms.client_id, cloud::name_of(terms.mode), list_of(terms.types));
  for (const auto& [name, value] : terms.values) words += fmt::format(", {}: {}", name, value);
  return words;
}

std::string news_in(const cloud::ServiceView& before, const cloud::ServiceView& now) {
  std::vector<std::string> news;
  if (before.label != now.label) news.push_back(fmt::format("label: {} instead of {}", now.label, before.label));
  if (before.keys != now.keys) news.push_back("keys: " + now.keys.key_id());
  for (const auto& app : now.apps) {
    const auto terms = terms_of(app);
    const auto* former = named(before, app.id);
    if (former == nullptr) {
      news.push_back(fmt::format("{} is new: {}", app.id, words_of(terms)));
      continue;
    }
    const auto former_terms = terms_of(*former);
    auto changes = changes_in(&former_terms, terms);
    for (const auto& type : former_terms.types) {
      if (!holds(terms.types, type)) changes.push_back("no more: type " + type);
    }
    if (former->redirect_uri != app.redirect_uri) changes.push_back(fmt::format("redirect address: {} instead of {}", app.redirect_uri, former->redirect_uri));
    if (!changes.empty()) news.push_back(fmt::format("{}: {}", app.id, fmt::join(changes, "; ")));
  }
  for (const auto& app : before.apps) {
    if (named(now, app.id) == nullptr) news.push_back(app.id + " is offered no more");
  }
  std::string words;
  for (std::size_t i = 0; i < news.size(); ++i) {
    if (words.size() + news[i].size() > kNewsMax) return words + fmt::format("And {} more.", news.size() - i);
    words += news[i] + ". ";
  }
  while (words.ends_with(' ')) words.pop_back();
  return words;
}

JsonObject to_json(const CloudTerms& terms) {
  JsonObject values;
  for (const auto& [name, value] : terms.values) values[name] = value;
  return {{"provider", terms.provider},
          {"client_id", terms.client_id},
          {"mode", cloud::name_of(terms.mode)},
          {"types", JsonArray(terms.types.begin(), terms.types.end())},
          {"values", std::move(values)}};
}

std::optional<CloudTerms> parse_cloud_terms(const Json& json) {
  const auto* object = json.if_object();
  if (object == nullptr) return std::nullopt;
  const auto mode = cloud::parse_mode(base::string_or(*object, "mode"));
  const auto* types = base::find_array(*object, "types");
  const auto* values = base::find_object(*object, "values");
  if (!mode || types == nullptr || values == nullptr) return std::nullopt;
  CloudTerms terms{.provider = base::string_or(*object, "provider"),
                   .client_id = base::string_or(*object, "client_id"),
                   .mode = *mode,
                   .types = {},
                   .values = values_of_json(boost::json::serialize(*values))};
  for (const auto& type : *types) {
    if (const auto* text = type.if_string()) terms.types.emplace_back(text->data(), text->size());
  }
  terms.types = sorted_types(std::move(terms.types));
  return terms;
}

}  // namespace latchkey::grants

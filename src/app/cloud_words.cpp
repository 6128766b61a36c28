#include "app/cloud_words.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include "app/terminal.h"
#include "app/verbs.h"

namespace latchkey::app {
namespace {

std::vector<std::string> texts_of(const JsonObject& app, std::string_view name) {
  std::vector<std::string> texts;
  const auto* array = base::find_array(app, name);
  for (std::size_t i = 0; array != nullptr && i < array->size(); ++i) {
    if (const auto* text = (*array)[i].if_string()) texts.emplace_back(text->data(), text->size());
  }
  return texts;
}

// "issuer=https://login.example", each: where codes and tokens of this app go.
std::vector<std::string> values_of(const JsonObject& app) {
  std::vector<std::string> values;
  const auto* params = base::find_object(app, "params");
  if (params == nullptr) return values;
  for (const auto& [name, value] : *params) {
    if (const auto* text = value.if_string()) values.push_back(fmt::format("{}={}", std::string_view(name), std::string_view(*text)));
  }
  return values;
}

bool is_true(const JsonObject& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value != nullptr && value->is_bool() && value->get_bool();
}

std::string agreed_of(const JsonObject& app) {
  if (is_true(app, "agreed")) return "yes";
  return texts_of(app, "agreed_types").empty() ? "NO" : "in part";
}

std::string agree_command(const JsonObject& app, const std::string& data) {
  std::string command = "latchkey cloud agree " + shell_quoted(cell(app, "id")) + " --mode " + shell_quoted(cell(app, "mode"));
  for (const auto& type : texts_of(app, "types")) command += " --type " + shell_quoted(type);
  for (const auto& value : values_of(app)) command += " --param " + shell_quoted(value);
  if (data != kDataDefault) command += " --data " + shell_quoted(data);
  return command;
}

std::string waiting_words(const JsonObject& app, const std::string& data) {
  std::string words = fmt::format("\n{} is not used as it is offered before somebody agrees to it:\n", cell(app, "id"));
  for (const auto& change : texts_of(app, "changes")) words += fmt::format("  {}\n", change);
  if (cell(app, "mode") == "exchange") words += "  In exchange mode the service sees these accounts' tokens in passing.\n";
  if (!values_of(app).empty()) words += "  Its values say where codes and tokens go: are they the provider's own?\n";
  if (const auto types = texts_of(app, "agreed_types"); !types.empty()) words += fmt::format("  Used meanwhile for: {}\n", fmt::join(types, " "));
  return words + "  " + agree_command(app, data) + "\n";
}

}  // namespace

std::string cloud_status_words(const JsonObject& status, const std::string& data) {
  if (!is_true(status, "enrolled")) return "This server is enrolled at no Cloud Service. Its operator gives a code; then: latchkey cloud enrol ADDRESS\n";
  std::string words = fmt::format("{}, as {} (office {})\nBrowsers come back to {}\n", cell(status, "address"), cell(status, "label"), cell(status, "office"),
                                  cell(status, "return_origin"));
  if (!is_true(status, "used")) words += "Switched off: latchkey registry set oauth.use_cloud_service true\n";
  std::vector<std::vector<std::string>> rows;
  std::string waiting;
  const auto* apps = base::find_array(status, "apps");
  for (std::size_t i = 0; apps != nullptr && i < apps->size(); ++i) {
    const auto* app = (*apps)[i].if_object();
    if (app == nullptr) continue;
    rows.push_back({cell(*app, "id"), cell(*app, "provider"), cell(*app, "mode"), fmt::format("{}", fmt::join(texts_of(*app, "types"), " ")), agreed_of(*app),
                    fmt::format("{}", fmt::join(values_of(*app), " "))});
    if (!is_true(*app, "agreed")) waiting += waiting_words(*app, data);
  }
  return words + table({"APP", "PROVIDER", "MODE", "TYPES", "AGREED", "VALUES"}, rows) + waiting;
}

}  // namespace latchkey::app

#include "app/cli_mistakes.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

namespace latchkey::app {
namespace {

using Words = std::vector<std::string>;

std::vector<const CLI::App*> verbs_below(const CLI::App& level) {
  return level.get_subcommands([](const CLI::App*) { return true; });
}

bool is_option(std::string_view word) { return word.size() > 1 && word.starts_with('-'); }

bool takes_value(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

std::string help_of(const CLI::App& verb) {
  return fmt::format("`{} --help` shows {}", visible_name(verb), verbs_below(verb).empty() ? "how it is used" : "the verbs");
}

// The verb that the first words name; `at` is then the first word behind it. A sentence where they name none.
std::optional<std::string> descend(const CLI::App*& level, std::size_t& at, const Words& words) {
  for (; !verbs_below(*level).empty(); ++at) {
    const auto verbs = verbs_below(*level);
    if (at == words.size()) {
      std::string names;
      for (const CLI::App* verb : verbs) names += (names.empty() ? "" : ", ") + verb->get_name();
      return fmt::format("no verb was named{}; there are {}; {}", level->get_parent() == nullptr ? "" : " behind " + level->get_name(), names,
                         help_of(*level));
    }
    const auto found = std::ranges::find(verbs, words[at], [](const CLI::App* verb) { return verb->get_name(); });
    if (found != verbs.end()) {
      level = *found;
    } else if (is_option(words[at])) {
      return fmt::format("{}: options stand behind the verb; {}", words[at], help_of(*level));
    } else {
      return fmt::format("{}: there is no such verb; {}", words[at], help_of(*level));
    }
  }
  return std::nullopt;
}

// What the words behind a verb come to.
struct Given {
  std::vector<const CLI::Option*> options;
  Words positionals;
};

std::optional<std::string> sort(const CLI::App& verb, std::size_t at, const Words& words, Given& given) {
  for (; at < words.size(); ++at) {
    if (!is_option(words[at])) {
      given.positionals.push_back(words[at]);
      continue;
    }
    if (words[at] == "--") {
      given.positionals.insert(given.positionals.end(), words.begin() + static_cast<std::ptrdiff_t>(at) + 1, words.end());
      return std::nullopt;
    }
    const auto equals = words[at].find('=');
    const std::string name = words[at].substr(0, equals);
    const CLI::Option* option = verb.get_option_no_throw(name);
    if (option == nullptr) return fmt::format("{}: there is no such option; {}", name, help_of(verb));
    if (option->get_items_expected_max() == 1 && std::ranges::find(given.options, option) != given.options.end()) {
      return fmt::format("{}: it is given twice; {}", name, help_of(verb));
    }
    given.options.push_back(option);
    if (!takes_value(*option) && equals != std::string::npos) return fmt::format("{}: takes no value; {}", name, help_of(verb));
    if (!takes_value(*option) || equals != std::string::npos) continue;
    if (++at == words.size()) return fmt::format("{}: its {} is missing; {}", name, option->get_type_name(), help_of(verb));
  }
  return std::nullopt;
}

std::optional<std::string> count(const CLI::App& verb, const Given& given) {
  std::size_t places = 0;
  std::string missing;
  for (const CLI::Option* option : verb.get_options()) {
    bool there = std::ranges::find(given.options, option) != given.options.end();
    if (option->get_positional()) there = ++places <= given.positionals.size();
    if (option->get_required() && !there) missing += (missing.empty() ? "" : ", ") + option->get_name();
  }
  if (given.positionals.size() > places) {
    return fmt::format("{}: this word is one too many; put a name with spaces in quotes; {}", given.positionals[places], help_of(verb));
  }
  if (missing.empty()) return std::nullopt;
  return fmt::format("{}: must be given; {}", missing, help_of(verb));
}

// Rules about values, which the parser alone knows.
std::string words_for_value(const CLI::App& verb, const CLI::ParseError& error) {
  std::string text = error.what();
  constexpr std::string_view kNoNumber = "Could not convert: ";
  constexpr std::string_view kExcludes = " excludes ";
  const auto equals = text.find(" = ");
  if (text.starts_with(kNoNumber) && equals != std::string::npos) {
    text = fmt::format("{}: {} is no whole number that fits", text.substr(kNoNumber.size(), equals - kNoNumber.size()), text.substr(equals + 3));
  } else if (const auto middle = text.find(kExcludes); middle != std::string::npos) {
    text = fmt::format("{}: not together with {}", text.substr(0, middle), text.substr(middle + kExcludes.size()));
  }
  return fmt::format("{}; {}", text, help_of(verb));
}

}  // namespace

std::string visible_name(const CLI::App& verb) {
  std::string name = verb.get_name();
  for (const CLI::App* parent = verb.get_parent(); parent != nullptr; parent = parent->get_parent()) {
    name = parent->get_name() + " " + name;
  }
  return name;
}

std::string words_for_mistake(const CLI::App& app, int argc, const char* const* argv, const CLI::ParseError& error) {
  const Words words(argv + 1, argv + argc);
  const CLI::App* verb = &app;
  std::size_t at = 0;
  if (auto sentence = descend(verb, at, words)) return *sentence;
  Given given;
  if (auto sentence = sort(*verb, at, words, given)) return *sentence;
  if (auto sentence = count(*verb, given)) return *sentence;
  return words_for_value(*verb, error);
}

std::string words_for_error(const Error& error) {
  const bool more = !error.detail.empty() && error.text.find(error.detail) == std::string::npos;
  return more ? fmt::format("{} ({})", error.text, error.detail) : error.text;
}

}  // namespace latchkey::app

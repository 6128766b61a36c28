#include "store/registry.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "base/json.h"
#include "store/notice_values.h"

namespace latchkey::store {
namespace {

struct Unit {
  std::string_view suffix;
  std::string_view name;
  std::int64_t ms;
};
constexpr Unit kUnits[] = {{"d", "days", 86'400'000}, {"h", "hours", 3'600'000}, {"m", "minutes", 60'000},
                           {"s", "seconds", 1'000},   {"ms", "milliseconds", 1}};

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t') || text.ends_with('\n')) text.remove_suffix(1);
  return text;
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
  std::int64_t value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || stop != text.data() + text.size()) return std::nullopt;
  return value;
}

std::unexpected<Error> refused_value(std::string text) {
  return fail(ErrorKind::invalid, "invalid_setting", std::move(text), {.field = "value"});
}

bool is_type_id(std::string_view text) {
  return !text.empty() && text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_.") == std::string_view::npos;
}

// The next of the words between commas, cut off `text`; empty: none is left.
std::string_view next_word(std::string_view& text) {
  std::string_view word;
  while (word.empty() && !text.empty()) {
    const auto comma = std::min(text.find(','), text.size());
    word = trimmed(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return word;
}

using TypeSpans = std::map<std::string, Milliseconds, std::less<>>;

// `type=span, type=span`; the error is a sentence.
std::expected<TypeSpans, std::string> parse_by_type(std::string_view text) {
  TypeSpans spans;
  while (!(text = trimmed(text)).empty()) {
    const auto comma = std::min(text.find(','), text.size());
    const auto item = trimmed(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
    const auto equals = item.find('=');
    if (equals == std::string_view::npos) return std::unexpected(fmt::format("`{}` is not TYPE=DURATION.", item));
    const auto type = trimmed(item.substr(0, equals));
    const auto span = parse_duration(trimmed(item.substr(equals + 1)), "minutes");
    if (!is_type_id(type)) {
      return std::unexpected(fmt::format("`{}` is not a type's id.", type));
    }
    if (!span || *span < std::chrono::minutes(1) || *span > std::chrono::days(30)) {
      return std::unexpected(fmt::format("`{}` needs a duration between 1m and 30d.", type));
    }
    spans.insert_or_assign(std::string(type), *span);
  }
  return spans;
}

const SettingInfo* find_info(std::string_view key) {
  const auto keys = registry_keys();
  const auto found = std::ranges::find(keys, key, &SettingInfo::key);
  return found == keys.end() ? nullptr : &*found;
}

// What a value is once understood; only the member of its type counts.
struct Value {
  Milliseconds span{0};
  std::int64_t number = 0;  // booleans: 0 or 1
  std::string text;
  TypeSpans by_type;
};

Result<Value> understand_duration(const SettingInfo& info, std::string_view text) {
  const auto span = parse_duration(text, info.unit);
  if (!span) {
    return refused_value(fmt::format("`{}` is not a duration: write a number with ms, s, m, h or d, such as {}{}.", text,
                                     info.default_text, info.unit.empty() ? "" : fmt::format("; a bare number is {}", info.unit)));
  }
  if (*span < *parse_duration(info.minimum) || *span > *parse_duration(info.maximum)) {
    return refused_value(fmt::format("{} is out of range: between {} and {}.", text, info.minimum, info.maximum));
  }
  return Value{.span = *span, .number = 0, .text = duration_text(*span), .by_type = {}};
}

Result<Value> understand_integer(const SettingInfo& info, std::string_view text) {
  const auto number = parse_integer(text);
  if (!number) return refused_value(fmt::format("`{}` is not a whole number.", text));
  if (*number < *parse_integer(info.minimum) || *number > *parse_integer(info.maximum)) {
    return refused_value(fmt::format("{} is out of range: between {} and {}.", text, info.minimum, info.maximum));
  }
  return Value{.span = {}, .number = *number, .text = fmt::format("{}", *number), .by_type = {}};
}

Result<Value> understand_boolean(std::string_view text) {
  for (const std::string_view word : {"true", "yes", "on", "1"}) {
    if (text == word) return Value{.span = {}, .number = 1, .text = "true", .by_type = {}};
  }
  for (const std::string_view word : {"false", "no", "off", "0"}) {
    if (text == word) return Value{.span = {}, .number = 0, .text = "false", .by_type = {}};
  }
  return refused_value(fmt::format("`{}` is neither true nor false.", text));
}

Result<Value> understand_text(const SettingInfo& info, std::string_view text) {
  if (text.size() > 2000) return refused_value("The text is longer than 2000 octets.");
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20) return refused_value("The text holds control characters.");
  }
  if (auto fault = fault_of_notice_value(info.key, text)) return refused_value(*std::move(fault));
  Value value{.span = {}, .number = 0, .text = std::string(text), .by_type = {}};
  if (info.key == "oauth.polling_time_by_type") {
    auto spans = parse_by_type(text);
    if (!spans) return refused_value(spans.error());
    value.by_type = std::move(*spans);
  }
  if (info.key == "authorize.device_code_types") {
    auto rest = text;
    for (auto type = next_word(rest); !type.empty(); type = next_word(rest)) {
      if (!is_type_id(type)) return refused_value(fmt::format("`{}` is not a type's id; they stand between commas.", type));
    }
  }
  return value;
}

Result<Value> understand_choice(const SettingInfo& info, std::string_view text) {
  for (auto rest = info.choices; !rest.empty();) {
    const auto comma = std::min(rest.find(','), rest.size());
    if (rest.substr(0, comma) == text) return Value{.span = {}, .number = 0, .text = std::string(text), .by_type = {}};
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return refused_value(fmt::format("`{}` is none of: {}.", text, info.choices));
}

Result<Value> understand(const SettingInfo& info, std::string_view raw) {
  const auto text = trimmed(raw);
  switch (info.type) {
    case SettingType::duration: return understand_duration(info, text);
    case SettingType::integer: return understand_integer(info, text);
    case SettingType::boolean: return understand_boolean(text);
    case SettingType::text: return understand_text(info, text);
    case SettingType::choice: return understand_choice(info, text);
  }
  return refused_value("Unknown type.");
}

// How a value lies in the store: the text with who and when.
std::string stored_form(const Registry::Entry& entry) {
  return boost::json::serialize(JsonObject{{"value", entry.value},
                                           {"at", base::to_unix_ms(entry.changed_at.value_or(WallTime()))},
                                           {"by", entry.changed_by}});
}

std::optional<Registry::Entry> read_stored_form(const SettingInfo& info, std::string_view text) {
  const auto json = parse_json(text);
  if (!json || !json->is_object()) return std::nullopt;
  const auto& object = json->as_object();
  const auto* value = base::find_string(object, "value");
  const auto* at = object.if_contains("at");
  if (value == nullptr || at == nullptr || !at->is_int64()) return std::nullopt;
  return Registry::Entry{.info = &info,
                         .value = std::string(*value),
                         .changed_at = base::from_unix_ms(at->as_int64()),
                         .changed_by = base::string_or(object, "by")};
}

AuditEntry audit_of(WallTime at, const SettingAuthor& author, std::string action, const std::string& key, std::string detail) {
  AuditEntry entry;
  entry.at = at;
  entry.actor = author.actor;
  entry.source = author.source;
  entry.action = std::move(action);
  entry.subject = key;
  entry.detail = std::move(detail);
  return entry;
}

std::unexpected<Error> no_such_setting(const std::string& key) {
  return fail(ErrorKind::not_found, "no_such_setting",
              fmt::format("There is no setting `{}`. `latchkey registry list` shows all of them.", key), {.field = "key"});
}

}  // namespace

std::optional<Milliseconds> parse_duration(std::string_view text, std::string_view bare_unit) {
  std::int64_t number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0) return std::nullopt;
  const std::string_view suffix(stop, text.data() + text.size());
  for (const auto& unit : kUnits) {
    if (suffix.empty() ? bare_unit != unit.name : suffix != unit.suffix) continue;
    std::int64_t ms = 0;
    if (__builtin_mul_overflow(number, unit.ms, &ms)) return std::nullopt;
    return Milliseconds(ms);
  }
  return std::nullopt;
}

std::string duration_text(Milliseconds span) {
  for (const auto& unit : kUnits) {
    if (span.count() != 0 && span.count() % unit.ms == 0) return fmt::format("{}{}", span.count() / unit.ms, unit.suffix);
  }
  return "0s";
}

struct Registry::Snapshot {
  struct Slot {
    Entry entry;
    Value value;
  };
  std::vector<Slot> slots;  // in the order of registry_keys()
  std::vector<std::string> ignored;

  Snapshot() {
    for (const auto& info : registry_keys()) slots.push_back(default_of(info));
  }
  static Slot default_of(const SettingInfo& info) {
    auto value = understand(info, info.default_text);
    LATCHKEY_CHECK(value.has_value());
    Entry entry{.info = &info, .value = value->text, .changed_at = std::nullopt, .changed_by = {}};
    return {.entry = std::move(entry), .value = std::move(*value)};
  }
  const Slot& of(std::string_view key, SettingType type) const {
    const auto found = std::ranges::find(slots, key, [](const Slot& slot) { return slot.entry.info->key; });
    LATCHKEY_CHECK(found != slots.end());
    LATCHKEY_CHECK(found->entry.info->type == type ||
                   (type == SettingType::text && found->entry.info->type == SettingType::choice));
    return *found;
  }
  Slot& at(const SettingInfo& info) { return slots[static_cast<std::size_t>(&info - registry_keys().data())]; }
};

Registry::Registry(Store& store, const WallClock& clock)
    : store_(store), clock_(clock), numbers_(std::make_unique<std::atomic<std::int64_t>[]>(registry_keys().size())) {
  const std::lock_guard lock(mutex_);
  publish(std::make_shared<const Snapshot>());
}
Registry::~Registry() = default;

std::shared_ptr<const Registry::Snapshot> Registry::snapshot() const {
  const std::lock_guard lock(mutex_);
  return snapshot_;
}

std::uint64_t Registry::changes() const {
  const std::lock_guard lock(mutex_);
  return changes_;
}

void Registry::publish(std::shared_ptr<const Snapshot> fresh) {
  for (std::size_t i = 0; i < fresh->slots.size(); ++i) {
    const auto& slot = fresh->slots[i];
    const bool is_span = slot.entry.info->type == SettingType::duration;
    numbers_[i].store(is_span ? slot.value.span.count() : slot.value.number, std::memory_order_relaxed);
  }
  snapshot_ = std::move(fresh);
}

std::int64_t Registry::number_of(std::string_view key, SettingType type) const {
  const auto keys = registry_keys();
  const auto found = std::ranges::find(keys, key, &SettingInfo::key);
  LATCHKEY_CHECK(found != keys.end() && found->type == type);
  return numbers_[static_cast<std::size_t>(found - keys.begin())].load(std::memory_order_relaxed);
}

Task<Result<void>> Registry::load() {
  const auto before = changes();
  auto settings = co_await store_.settings();
  if (!settings) co_return std::unexpected(settings.error());
  auto fresh = std::make_shared<Snapshot>();
  for (const auto& setting : *settings) {
    const auto* info = find_info(setting.key);
    auto entry = info != nullptr ? read_stored_form(*info, setting.value) : std::nullopt;
    auto value = entry ? understand(*info, entry->value) : Result<Value>(refused_value("Unknown setting."));
    if (!value) {
      fresh->ignored.push_back(setting.key);
      continue;
    }
    fresh->at(*info) = {.entry = std::move(*entry), .value = std::move(*value)};
  }
  const std::lock_guard lock(mutex_);
  if (changes_ == before) publish(std::move(fresh));
  co_return Result<void>();
}

std::vector<std::string> Registry::ignored() const { return snapshot()->ignored; }

Milliseconds Registry::duration_of(std::string_view key) const { return Milliseconds(number_of(key, SettingType::duration)); }
std::int64_t Registry::integer_of(std::string_view key) const { return number_of(key, SettingType::integer); }
bool Registry::boolean_of(std::string_view key) const { return number_of(key, SettingType::boolean) != 0; }
std::string Registry::text_of(std::string_view key) const { return snapshot()->of(key, SettingType::text).value.text; }

Milliseconds Registry::polling_time(std::string_view type) const {
  const auto now = snapshot();
  const auto& by_type = now->of("oauth.polling_time_by_type", SettingType::text).value.by_type;
  const auto found = by_type.find(type);
  return found != by_type.end() ? found->second : now->of("oauth.polling_time", SettingType::duration).value.span;
}

bool Registry::device_code_allowed(std::string_view type) const {
  const auto types = get<std::string>("authorize.device_code_types");
  std::string_view rest = types;
  for (auto word = next_word(rest); !word.empty(); word = next_word(rest)) {
    if (word == type) return true;
  }
  return false;
}

void Registry::replace(std::string_view key, std::optional<Entry> entry) {
  const auto* info = find_info(key);
  auto slot = Snapshot::default_of(*info);
  if (entry) {
    auto value = understand(*info, entry->value);
    LATCHKEY_CHECK(value.has_value());
    slot = {.entry = std::move(*entry), .value = std::move(*value)};
  }
  const std::lock_guard lock(mutex_);
  auto fresh = std::make_shared<Snapshot>(*snapshot_);
  fresh->at(*info) = std::move(slot);
  ++changes_;
  publish(std::move(fresh));
}

Task<Result<Registry::Entry>> Registry::set(std::string key, std::string text, SettingAuthor author) {
  const auto value = check(key, text);
  if (!value) co_return std::unexpected(value.error());
  const auto before = entry(key)->value;
  const auto now = clock_.now();
  Entry made{.info = find_info(key), .value = *value, .changed_at = now, .changed_by = author.actor};
  Batch batch;
  batch.push_back(PutSetting{{.key = key, .value = stored_form(made)}});
  batch.push_back(AppendAudit{audit_of(now, author, "registry.changed", key, fmt::format("from {} to {}", trail_form(key, before), trail_form(key, *value)))});
  if (auto done = co_await store_.commit(std::move(batch)); !done) co_return std::unexpected(done.error());
  replace(key, made);
  co_return made;
}

Task<Result<Registry::Entry>> Registry::reset(std::string key, SettingAuthor author) {
  const auto before = entry(key);
  if (!before) co_return no_such_setting(key);
  Batch batch;
  batch.push_back(DeleteSetting{key});
  batch.push_back(AppendAudit{audit_of(clock_.now(), author, "registry.reset", key,
                                       fmt::format("from {} to the default {}", trail_form(key, before->value), before->info->default_text))});
  if (auto done = co_await store_.commit(std::move(batch)); !done) co_return std::unexpected(done.error());
  replace(key, std::nullopt);
  co_return *entry(key);
}

std::optional<Registry::Entry> Registry::entry(std::string_view key) const {
  for (const auto& slot : snapshot()->slots) {
    if (slot.entry.info->key == key) return slot.entry;
  }
  return std::nullopt;
}

std::vector<Registry::Entry> Registry::entries() const {
  std::vector<Entry> out;
  for (const auto& slot : snapshot()->slots) out.push_back(slot.entry);
  return out;
}

Result<std::string> Registry::check(std::string_view key, std::string_view text) {
  const auto* info = find_info(key);
  if (info == nullptr) return no_such_setting(std::string(key));
  auto value = understand(*info, text);
  if (!value) return std::unexpected(value.error());
  return std::move(value->text);
}

}  // namespace latchkey::store

#include "oauth/token_reply.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/bytes.h"
#include "oauth/uri.h"

namespace latchkey::oauth {
namespace {

constexpr std::size_t kTokenBytesMax = 64 * 1024;
constexpr std::size_t kExtraBytesMax = 4 * 1024;
constexpr std::size_t kExtrasBytesMax = 16 * 1024;
constexpr std::size_t kErrorBytesMax = 200;
constexpr std::size_t kDescriptionBytesMax = 500;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

std::string_view trimmed(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// Controls become spaces; cut at a character's border.
std::string printable(std::string_view text, std::size_t size_bytes_max) {
  std::size_t size = std::min(text.size(), size_bytes_max);
  while (size < text.size() && size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) --size;
  std::string out(text.substr(0, size));
  std::replace_if(out.begin(), out.end(), [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; }, ' ');
  return std::string(trimmed(out));
}

// RFC 6749 appendix A: tokens are visible ASCII. An access token goes into a header, so anything else is refused here.
bool is_token_text(std::string_view text) {
  return !text.empty() && text.size() <= kTokenBytesMax &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

// What serialisers write for nothing, and what logs and gateways put in a token's place when they repeat a request.
bool stands_for_nothing(std::string_view text) {
  constexpr std::size_t kMaskBytesMax = 40;
  if (text.size() > kMaskBytesMax) return false;
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); };
  if (std::ranges::none_of(text, is_letter)) return true;  // ***, --, ...
  std::string word;
  for (const char c : text) {
    if (is_letter(c)) word += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
  if (word.size() > 2 && std::ranges::all_of(word, [](char c) { return c == 'x'; })) return true;
  constexpr std::string_view kWords[] = {"null", "nil", "none", "undefined", "redacted", "masked", "filtered", "hidden", "removed", "omitted"};
  return std::ranges::find(kWords, word) != std::end(kWords);
}

std::optional<std::int64_t> to_seconds(double value) {
  if (std::isnan(value)) return std::nullopt;
  constexpr double kLimit = 9.2e18;
  if (value >= kLimit) return std::numeric_limits<std::int64_t>::max();
  if (value <= -kLimit) return std::numeric_limits<std::int64_t>::min();
  return static_cast<std::int64_t>(value);
}

std::optional<std::int64_t> to_seconds(std::string_view text) {
  text = trimmed(text);
  double value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end.ptr != text.data() + text.size() || text.empty()) return std::nullopt;
  if (end.ec == std::errc::result_out_of_range) return std::numeric_limits<std::int64_t>::max();
  if (end.ec != std::errc() || !std::isfinite(value)) return std::nullopt;
  return to_seconds(value);
}

std::optional<std::int64_t> to_seconds(const Json* value) {
  if (value == nullptr) return std::nullopt;
  if (const auto* number = value->if_int64()) return *number;
  if (value->if_uint64() != nullptr) return std::numeric_limits<std::int64_t>::max();
  if (const auto* number = value->if_double()) return to_seconds(*number);
  if (const auto* text = value->if_string()) return to_seconds(std::string_view(*text));
  return std::nullopt;
}

// Takes a token out of the parsed text and wipes it there.
std::optional<Secret> take_token(JsonObject& object, std::string_view name) {
  auto* value = object.if_contains(name);
  auto* text = value == nullptr ? nullptr : value->if_string();
  if (text == nullptr || text->empty() || stands_for_nothing(*text)) return std::nullopt;
  std::optional<Secret> token;
  if (is_token_text(*text)) token.emplace(std::string_view(*text));
  base::wipe(text->data(), text->size());
  return token;
}

// Whether something stands in a token's place that says there is one, in a shape that is none: a number, an object, other than
// visible ASCII.
bool is_unreadable_token(const JsonObject& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  if (value == nullptr || value->is_null()) return false;
  if (const auto* text = value->if_string()) return !text->empty() && !is_token_text(*text);
  if (const auto* flag = value->if_bool()) return *flag;
  if (const auto* array = value->if_array()) return !array->empty();  // what some libraries write for nothing
  if (const auto* members = value->if_object()) return !members->empty();
  return true;
}

bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

// A member that may hold a credential does not belong among the extras.
bool holds_secret(std::string_view name, const Json& value) {
  std::string key(name);
  std::transform(key.begin(), key.end(), key.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  const bool suspicious = contains(key, "token") || contains(key, "secret") || contains(key, "password") ||
                          contains(key, "assertion") || contains(key, "api_key") || contains(key, "apikey");
  if (suspicious && !value.is_number() && !value.is_bool()) return true;
  if (const auto* object = value.if_object()) {
    return std::any_of(object->begin(), object->end(), [](const auto& member) { return holds_secret(member.key(), member.value()); });
  }
  if (const auto* array = value.if_array()) {
    return std::any_of(array->begin(), array->end(), [&](const Json& item) { return holds_secret("", item); });
  }
  return false;
}

JsonObject extras_of(const JsonObject& object) {
  constexpr std::string_view kStandard[] = {"access_token", "refresh_token", "id_token", "token_type", "expires_in",
                                            "scope", "error", "error_description", "error_uri"};
  JsonObject extras;
  std::size_t total = 0;
  for (const auto& member : object) {
    const std::string_view name = member.key();
    if (std::find(std::begin(kStandard), std::end(kStandard), name) != std::end(kStandard)) continue;
    if (name.size() > 100 || holds_secret(name, member.value())) continue;
    const std::size_t size = name.size() + boost::json::serialize(member.value()).size();
    if (size > kExtraBytesMax || total + size > kExtrasBytesMax) continue;
    total += size;
    extras.emplace(member.key(), member.value());
  }
  return extras;
}

// Where an error's code and words stand: `error`, `error.code`, `errorCode`, `code` ...
void read_error(const JsonObject& object, int status, TokenReply& reply) {
  const bool failed = status >= 400;
  const auto first_text = [](const JsonObject& from, std::initializer_list<std::string_view> names) {
    for (const auto name : names) {
      if (auto text = base::string_or(from, name); !text.empty()) return text;
    }
    return std::string();
  };
  std::string code;
  std::string words = first_text(object, {"error_description", "errorMessage", "message", "error_message", "user_message"});
  if (const auto* error = object.if_contains("error")) {
    if (const auto* text = error->if_string()) {
      code = std::string(std::string_view(*text));
    } else if (const auto* nested = error->if_object()) {
      code = first_text(*nested, {"code", "status", ".tag", "reason", "type"});
      if (code.empty() && !nested->empty()) code = "error";
      if (words.empty()) words = first_text(*nested, {"message", "description"});
    } else if (error->is_bool() && error->get_bool()) {
      code = first_text(object, {"errorCode", "code"});
      if (code.empty()) code = "error";
    }
  }
  if (code.empty() && (failed || !reply.access_token)) code = first_text(object, {"errorCode", "error_code"});
  if (code.empty() && failed) code = first_text(object, {"code"});
  reply.error = printable(code, kErrorBytesMax);
  if (failed || !reply.error.empty()) reply.error_description = printable(words, kDescriptionBytesMax);
}

void read_object(JsonObject& object, TokenReply& reply) {
  reply.access_token = take_token(object, "access_token");
  reply.refresh_token_unreadable = is_unreadable_token(object, "refresh_token");
  reply.refresh_token = take_token(object, "refresh_token");
  if (auto id_token = take_token(object, "id_token")) reply.id_claims = unverified_claims(id_token->reveal_text());
  reply.token_type = printable(base::string_or(object, "token_type"), 40);
  reply.lifetime_s = to_seconds(object.if_contains("expires_in"));
  reply.refresh_lifetime_s = refresh_lifetime_in(object);
  if (const auto* words = base::find_array(object, "scope")) {
    std::string joined;
    for (const auto& word : *words) {
      if (const auto* text = word.if_string()) joined.append(joined.empty() ? "" : " ").append(std::string_view(*text));
    }
    if (!joined.empty()) reply.scope = printable(joined, 8192);
  } else if (auto text = base::string_or(object, "scope"); !text.empty()) {
    reply.scope = printable(text, 8192);
  }
  read_error(object, reply.status, reply);
  reply.extras = extras_of(object);
}

void read_json(std::string_view text, ReplyShape shape, TokenReply& reply) {
  reply.form = ReplyForm::malformed;
  auto json = parse_json(text, {.size_bytes_max = kReplyBytesMax, .depth_max = 32});
  if (!json) return;
  if (auto* object = json->if_object()) {
    reply.form = ReplyForm::json;
    read_object(*object, reply);
    return;
  }
  auto* array = json->if_array();
  if (array == nullptr || shape.errors != ErrorShape::object_or_array) return;
  if (array->empty() || !array->front().is_object()) return;
  reply.form = ReplyForm::json;
  read_error(array->front().get_object(), reply.status, reply);
  if (reply.error.empty()) reply.error = "error";  // an array is never a success
}

// Only a text that names one of the members we look for counts as a form: any prose may hold a `=`.
bool read_form(std::string_view text, TokenReply& reply) {
  auto parameters = parse_form(text, {.size_bytes_max = kReplyBytesMax, .parameters_max = 64});
  if (!parameters) return false;
  const bool known = std::any_of(parameters->begin(), parameters->end(), [](const auto& pair) {
    return pair.first == "access_token" || pair.first == "refresh_token" || pair.first == "error";
  });
  if (!known) return false;
  JsonObject object;
  for (auto& [name, value] : *parameters) {
    object[name] = value;  // the last one wins, as in JSON
    base::wipe(value.data(), value.size());
  }
  reply.form = ReplyForm::form;
  read_object(object, reply);
  return true;
}

bool has_binary(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < ' ' && !is_space(c); });
}

}  // namespace

TokenReply parse_token_reply(int status, std::string_view content_type, std::string_view body, ReplyShape shape,
                             Completeness completeness) {
  TokenReply reply;
  reply.status = status;
  if (body.size() > kReplyBytesMax) {
    reply.form = ReplyForm::malformed;
    return reply;
  }
  auto text = trimmed(body);
  const bool is_json_or_page = !text.empty() && (text.front() == '{' || text.front() == '[' || text.front() == '<');
  if (completeness == Completeness::cut && !is_json_or_page) {
    const auto last = text.rfind('&');
    text = text.substr(0, last == std::string_view::npos ? 0 : last);
  }
  if (text.empty()) {
    reply.form = ReplyForm::empty;
  } else if (text.front() == '{' || text.front() == '[') {
    read_json(text, shape, reply);
  } else if (text.front() == '<') {
    reply.form = ReplyForm::html;
  } else if (has_binary(text)) {
    reply.form = ReplyForm::malformed;
  } else if (!read_form(text, reply)) {
    // `content_type` decides only what the body itself leaves open: promised JSON that is none is broken.
    const bool promised = contains(content_type, "json") || contains(content_type, "x-www-form-urlencoded");
    reply.form = promised && status < 400 ? ReplyForm::malformed : ReplyForm::text;
    if (status >= 400) reply.error_description = printable(text, kDescriptionBytesMax);
  }
  return reply;
}

namespace {

void append_utf8(std::string& out, unsigned code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0U | (code >> 6U));
    out += static_cast<char>(0x80U | (code & 0x3FU));
  } else {
    out += static_cast<char>(0xE0U | (code >> 12U));
    out += static_cast<char>(0x80U | ((code >> 6U) & 0x3FU));
    out += static_cast<char>(0x80U | (code & 0x3FU));
  }
}

// A JSON string's content up to its closing quote; nullopt when the text ends first or an escape is broken.
std::optional<std::string> read_json_string(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size() && out.size() <= kTokenBytesMax; ++i) {
    const char c = text[i];
    if (c == '"') return out;
    if (c != '\\') {
      out += c;
      continue;
    }
    if (++i == text.size()) return std::nullopt;
    constexpr std::string_view kEscapes = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    if (text[i] == 'u') {
      unsigned code = 0;
      if (i + 4 >= text.size()) return std::nullopt;
      const auto end = std::from_chars(&text[i + 1], &text[i + 1] + 4, code, 16);
      if (end.ec != std::errc() || end.ptr != &text[i + 1] + 4) return std::nullopt;
      append_utf8(out, code);
      i += 4;
    } else if (const auto at = kEscapes.find(text[i]); at != std::string_view::npos) {
      out += kMeanings[at];
    } else {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

std::optional<Secret> as_token(std::optional<std::string> text) {
  if (!text) return std::nullopt;
  std::optional<Secret> token;
  if (is_token_text(*text) && !stands_for_nothing(*text)) token.emplace(std::string_view(*text));
  base::wipe(text->data(), text->size());
  return token;
}

}  // namespace

std::optional<Secret> find_refresh_token(std::string_view raw) {
  constexpr std::string_view kMember = "\"refresh_token\"";
  for (auto at = raw.find(kMember); at != std::string_view::npos; at = raw.find(kMember, at + 1)) {
    if (at > 0 && raw[at - 1] == '\\') continue;  // inside another string
    auto rest = raw.substr(at + kMember.size());
    while (!rest.empty() && is_space(rest.front())) rest.remove_prefix(1);
    if (!rest.starts_with(':')) continue;
    rest.remove_prefix(1);
    while (!rest.empty() && is_space(rest.front())) rest.remove_prefix(1);
    if (!rest.starts_with('"')) continue;
    if (auto token = as_token(read_json_string(rest.substr(1)))) return token;
  }
  constexpr std::string_view kPair = "refresh_token=";
  for (auto at = raw.find(kPair); at != std::string_view::npos; at = raw.find(kPair, at + 1)) {
    if (at > 0 && raw[at - 1] != '&') continue;
    const auto rest = raw.substr(at + kPair.size());
    const auto end = rest.find('&');
    if (end == std::string_view::npos) continue;  // may be cut
    if (auto token = as_token(form_decode(rest.substr(0, end)))) return token;
  }
  return std::nullopt;
}

std::optional<std::int64_t> refresh_lifetime_in(const JsonObject& members) {
  for (const std::string_view name : {"refresh_token_expires_in", "refresh_expires_in"}) {
    if (const auto seconds = to_seconds(members.if_contains(name))) return seconds;
  }
  return std::nullopt;
}

std::chrono::seconds sane_lifetime(std::optional<std::int64_t> raw_s, std::chrono::seconds fallback) {
  constexpr auto kLongest = std::chrono::hours(24 * 366);
  if (fallback <= std::chrono::seconds(0)) fallback = std::chrono::hours(1);
  if (!raw_s || *raw_s <= 0) return std::min<std::chrono::seconds>(fallback, kLongest);
  if (*raw_s > std::chrono::seconds(kLongest).count()) return kLongest;
  return std::chrono::seconds(*raw_s);
}

std::optional<JsonObject> unverified_claims(std::string_view jwt) {
  if (jwt.size() > kTokenBytesMax) return std::nullopt;
  const auto first = jwt.find('.');
  if (first == std::string_view::npos) return std::nullopt;
  const auto second = jwt.find('.', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  auto payload = jwt.substr(first + 1, second - first - 1);
  while (payload.ends_with('=')) payload.remove_suffix(1);  // RFC 7515 forbids padding; some servers send it
  const auto bytes = base::from_base64url(payload);
  if (!bytes) return std::nullopt;
  auto json = parse_json(base::as_text(*bytes), {.size_bytes_max = kTokenBytesMax, .depth_max = 16});
  if (!json || !json->is_object()) return std::nullopt;
  return std::move(json->get_object());
}

std::vector<std::string> scope_words(std::string_view scope) {
  std::vector<std::string> words;
  std::string word;
  const auto flush = [&] {
    if (!word.empty() && std::find(words.begin(), words.end(), word) == words.end()) words.push_back(word);
    word.clear();
  };
  for (const char c : scope) {
    if (is_space(c) || c == ',') {
      flush();
    } else {
      word += c;
    }
  }
  flush();
  return words;
}

std::vector<std::string> missing_scopes(const std::vector<std::string>& asked, std::string_view granted) {
  const auto folded = [](std::string_view word) {
    while (word.ends_with('/')) word.remove_suffix(1);
    std::string out(word);
    std::transform(out.begin(), out.end(), out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return out;
  };
  constexpr std::string_view kNotEchoed[] = {"openid", "profile", "email", "address", "phone", "offline_access", "refresh_token", "*"};
  std::vector<std::string> have;
  for (const auto& word : scope_words(granted)) have.push_back(folded(word));
  std::vector<std::string> missing;
  for (const auto& scope : asked) {
    const auto wanted = folded(scope);
    if (std::find(std::begin(kNotEchoed), std::end(kNotEchoed), wanted) != std::end(kNotEchoed)) continue;
    if (wanted.ends_with("/.default")) continue;  // stands for whatever the app is configured with
    const bool found = std::any_of(have.begin(), have.end(), [&](const std::string& word) {
      // A resource's scope may be answered without the resource in front.
      return word == wanted || (word.find("://") == std::string::npos && wanted.ends_with("/" + word));
    });
    if (!found) missing.push_back(scope);
  }
  return missing;
}

}  // namespace latchkey::oauth

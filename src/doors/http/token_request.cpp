#include "doors/http/token_request.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "base/json.h"
#include "net/url.h"

namespace latchkey::doors {
namespace {

constexpr std::int64_t kMinValidMax = 86'400;
constexpr std::size_t kTypeLengthMax = 64;

std::unexpected<Error> malformed(std::string field, std::string text) {
  return fail(ErrorKind::invalid, "invalid_request", std::move(text), {.field = std::move(field)});
}

Result<void> set_type(grants::TokenWish& wish, std::string_view value) {
  if (value.size() > kTypeLengthMax) return malformed("type", "`type` is too long.");
  wish.type = value;
  return {};
}

Result<void> set_min_valid(grants::TokenWish& wish, std::int64_t seconds) {
  if (seconds < 0 || seconds > kMinValidMax)
    return malformed("min_valid", "`min_valid` is a number of seconds from 0 to 86400.");
  wish.min_valid = Seconds(seconds);
  return {};
}

std::unexpected<Error> unknown(std::string_view name) {
  return fail(ErrorKind::invalid, "invalid_request", "There is no such field; `type` and `min_valid` are known.",
              {.field = std::string(name.substr(0, 64))});
}

std::unexpected<Error> given_twice(std::string_view name) {
  return malformed(std::string(name), "`" + std::string(name) + "` is given twice.");
}

Result<grants::TokenWish> from_json(std::string_view body) {
  grants::TokenWish wish;
  const auto parsed = parse_json(body, {.size_bytes_max = 4096, .depth_max = 4, .doubles = base::Doubles::refused});
  if (!parsed && parsed.error().reason == "given_twice") return given_twice(parsed.error().field);
  if (!parsed || !parsed->is_object()) return malformed("", "The body is not a JSON object.");
  for (const auto& [key, value] : parsed->get_object()) {
    Result<void> done;
    if (key == "type") {
      const auto* text = value.if_string();
      if (text == nullptr) return malformed("type", "`type` is a text.");
      done = set_type(wish, {text->data(), text->size()});
    } else if (key == "min_valid") {
      if (!value.is_int64()) return malformed("min_valid", "`min_valid` is a number of seconds from 0 to 86400.");
      done = set_min_valid(wish, value.get_int64());
    } else {
      return unknown({key.data(), key.size()});
    }
    if (!done) return std::unexpected(done.error());
  }
  return wish;
}

Result<grants::TokenWish> from_form(std::string_view body) {
  grants::TokenWish wish;
  const auto fields = net::decode_form(body);
  if (!fields) return malformed("", "The body is not a form (application/x-www-form-urlencoded).");
  bool type_seen = false, min_valid_seen = false;
  for (const auto& [name, value] : *fields) {
    Result<void> done;
    if (name == "type") {
      if (std::exchange(type_seen, true)) return given_twice(name);
      done = set_type(wish, value);
    } else if (name == "min_valid") {
      if (std::exchange(min_valid_seen, true)) return given_twice(name);
      std::int64_t seconds = -1;
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
      if (error != std::errc() || end != value.data() + value.size()) seconds = -1;
      done = set_min_valid(wish, seconds);
    } else {
      return unknown(name);
    }
    if (!done) return std::unexpected(done.error());
  }
  return wish;
}

bool needs_escape(char c) { return c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20; }

// Without an early way out, so that the compiler looks at many octets at once: a token is long, and plain.
bool is_plain(std::string_view text) {
  std::uint8_t special = 0;
  for (const char c : text) {
    const auto octet = static_cast<std::uint8_t>(c);
    special |= static_cast<std::uint8_t>(octet == '"') | static_cast<std::uint8_t>(octet == '\\') |
               static_cast<std::uint8_t>(octet < 0x20);
  }
  return special == 0;
}

void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (!needs_escape(c)) {
      out.push_back(c);
    } else if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned char>(c));
    }
  }
}

void append_json_text(std::string& out, std::string_view text) {
  out.push_back('"');
  if (is_plain(text))
    out.append(text);
  else
    append_escaped(out, text);
  out.push_back('"');
}

}  // namespace

Result<grants::TokenWish> parse_token_request(std::string_view content_type, std::string_view body) {
  if (body.empty()) return grants::TokenWish{};
  if (content_type == "application/json") return from_json(body);
  if (content_type == "application/x-www-form-urlencoded" || content_type.empty()) return from_form(body);
  return fail(ErrorKind::invalid, "unsupported_media_type",
              "Send a form (application/x-www-form-urlencoded) or JSON (application/json).");
}

// Written by hand: this is the one answer that is sent tens of thousands of times a second.
std::string write_handout(const grants::Handout& handout) {
  const auto& text = *handout.text;
  std::string out;
  out.reserve(handout.access_token.size() + text.scope.size() + text.extras_json.size() + 256);
  out += "{\"access_token\":";
  append_json_text(out, handout.access_token.reveal_text());
  out += ",\"token_type\":";
  append_json_text(out, text.token_type);
  out += ",\"expires_in\":";
  out += handout.expires_in ? std::to_string(handout.expires_in->count()) : "null";
  out += ",\"scope\":";
  append_json_text(out, text.scope);
  out += ",\"type\":";
  append_json_text(out, text.type);
  out += ",\"account\":{\"id\":";
  append_json_text(out, text.account_id);
  out += ",\"name\":";
  append_json_text(out, text.account_name);
  out += "},\"extras\":";
  out += text.extras_json.empty() ? "{}" : text.extras_json;
  out += "}\n";
  return out;
}

}  // namespace latchkey::doors

#include "oauth/callback.h"

#include <fmt/format.h>

#include <algorithm>

namespace latchkey::oauth {
namespace {

constexpr std::size_t kQueryBytesMax = 8 * 1024;
constexpr std::size_t kDescriptionBytesMax = 500;

std::unexpected<Error> bad(std::string_view why) {
  return fail(ErrorKind::invalid, "bad_callback",
              "The provider's answer could not be read. Start the authorization again.", {.detail = std::string(why)});
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; });
}

bool is_segment(std::string_view text) {
  return !text.empty() && text.size() <= 128 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
  });
}

}  // namespace

Result<Callback> parse_callback(std::string_view query) {
  if (query.size() > kQueryBytesMax) return bad("longer than 8 KiB");
  auto parameters = parse_form(query, {.size_bytes_max = kQueryBytesMax, .parameters_max = 64});
  if (!parameters) return bad("malformed encoding or too many parameters");
  Callback callback;
  bool code_seen = false;
  bool state_seen = false;
  bool error_seen = false;
  for (auto& [name, value] : *parameters) {
    if (has_control(name)) return bad("a control character");
    // Descriptions are for people only: line breaks in them are made into spaces rather than refused.
    if (name == "error_description") {
      std::replace_if(value.begin(), value.end(), [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; }, ' ');
    } else if (has_control(value)) {
      return bad("a control character");
    }
    const bool repeated = (name == "code" && std::exchange(code_seen, true)) ||
                          (name == "state" && std::exchange(state_seen, true)) ||
                          (name == "error" && std::exchange(error_seen, true)) || (name == "iss" && callback.iss);
    if (repeated) return bad(fmt::format("{} given twice", name));
    if (name == "code") {
      callback.code = Secret(std::string_view(value));
      base::wipe(value.data(), value.size());
    } else if (name == "state") {
      callback.state = Secret(std::string_view(value));
    } else if (name == "iss") {
      callback.iss = std::move(value);
    } else if (name == "error") {
      callback.error = value.substr(0, 200);
    } else if (name == "error_description") {
      callback.error_description = value.substr(0, kDescriptionBytesMax);
    } else if (name == "error_uri") {
      if (value.starts_with("https://") || value.starts_with("http://")) callback.error_uri = value.substr(0, 500);
    } else {
      callback.others.emplace_back(std::move(name), std::move(value));
    }
  }
  if (!callback.code.empty() && !callback.error.empty()) return bad("both code and error");
  if (callback.code.empty() && callback.error.empty()) return bad("neither code nor error");
  return callback;
}

bool issuer_matches(std::string_view pattern, std::string_view issuer) {
  while (true) {
    const auto open = pattern.find('{');
    if (open == std::string_view::npos) return pattern == issuer;
    const auto close = pattern.find('}', open);
    if (close == std::string_view::npos) return false;
    if (!issuer.starts_with(pattern.substr(0, open))) return false;
    issuer.remove_prefix(open);
    pattern.remove_prefix(close + 1);
    const auto end = std::min(issuer.find('/'), issuer.size());
    if (!is_segment(issuer.substr(0, end))) return false;
    issuer.remove_prefix(end);
  }
}

Result<void> check_issuer(const Callback& callback, std::string_view expected_issuer, IssParameter parameter) {
  const auto refuse = [](std::string_view why) {
    return fail(ErrorKind::refused, "issuer_mismatch",
                "The answer did not come from the provider that was asked. Nothing was accepted; start the authorization "
                "again.",
                {.detail = std::string(why)});
  };
  if (!callback.iss) {
    if (parameter == IssParameter::advertised) return refuse("iss is missing although the server advertises it");
    return {};
  }
  if (expected_issuer.empty()) {
    if (parameter == IssParameter::advertised) return refuse("no issuer is known to compare with");
    return {};
  }
  if (!issuer_matches(expected_issuer, *callback.iss)) return refuse("iss names another issuer");
  return {};
}

}  // namespace latchkey::oauth

// Replies of token endpoints: any octets, any status. The first octet chooses status and shape, the rest is the body.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "oauth/device.h"
#include "oauth/outcome.h"
#include "oauth/token_reply.h"

namespace {

using namespace latchkey::oauth;

void check_token(const std::optional<latchkey::Secret>& token) {
  if (!token) return;
  LATCHKEY_CHECK(!token->empty());
  for (const char c : token->reveal_text()) LATCHKEY_CHECK(c >= ' ' && c <= '~');  // it goes into a header
}

void check_words(std::string_view text, std::size_t size_max) {
  LATCHKEY_CHECK(text.size() <= size_max);
  for (const char c : text) LATCHKEY_CHECK(static_cast<unsigned char>(c) >= ' ' && c != 0x7f);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  constexpr int kStatuses[] = {200, 201, 302, 400, 401, 403, 429, 500};
  constexpr std::string_view kContentTypes[] = {"application/json", "text/plain", "application/x-www-form-urlencoded", ""};
  const int status = kStatuses[data[0] & 7U];
  const auto type = kContentTypes[(data[0] >> 3U) & 3U];
  const ReplyShape shape{.errors = (data[0] & 32U) != 0 ? ErrorShape::object_or_array : ErrorShape::object};
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);

  const auto reply = parse_token_reply(status, type, body, shape);
  check_token(reply.access_token);
  check_token(reply.refresh_token);
  check_words(reply.error, 200);
  check_words(reply.error_description, 500);
  LATCHKEY_CHECK(boost::json::serialize(reply.extras).size() <= 64 * 1024);
  const auto lifetime = sane_lifetime(reply.lifetime_s);
  LATCHKEY_CHECK(lifetime >= std::chrono::seconds(1) && lifetime <= std::chrono::hours(24 * 366));

  const auto classified = classify(reply, {}, body.substr(0, 60), latchkey::WallTime{});
  LATCHKEY_CHECK(!classified.why.empty());
  if (classified.outcome == RefreshOutcome::refreshed) LATCHKEY_CHECK(reply.access_token && status < 300);
  if (status >= 500 || status == 429) LATCHKEY_CHECK(classified.outcome == RefreshOutcome::transient);
  if (reply.form == ReplyForm::malformed) LATCHKEY_CHECK(!reply.access_token && !reply.refresh_token);
  // A bare refusal never kills a grant.
  if (reply.error.empty()) LATCHKEY_CHECK(classified.outcome != RefreshOutcome::dead_grant);

  check_token(find_refresh_token(body));
  (void)classify_device_poll(reply);
  (void)parse_device_reply(status, body, PlainHttp::refused);
  (void)unverified_claims(body);
  (void)missing_scopes({"a", "https://b.example/c"}, body.substr(0, 4096));
  return 0;
}

#include "provider.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace latchkey::simulation {

using catalog::ReplayPolicy;
using catalog::Rotation;
using State = RefreshToken::State;

namespace {


}  // namespace

const RefreshToken* Account::find(std::string_view text) const {
  for (auto at = tokens.rbegin(); at != tokens.rend(); ++at) {
    if (at->text == text) return &*at;
  }
  return nullptr;
}
RefreshToken* Account::find(std::string_view text) { return const_cast<RefreshToken*>(std::as_const(*this).find(text)); }

bool Account::is_live(std::string_view text) const {
  const auto* token = find(text);
  return token != nullptr && !family_dead && token->family == family && token->state == State::live;
}

bool Account::any_live() const {
  if (family_dead) return false;
  return std::ranges::any_of(tokens, [&](const RefreshToken& token) { return token.family == family && token.state == State::live; });
}

std::string Provider::access_text(std::size_t account, int number) { return fmt::format("at-{}-{}-access", account, number); }

AccessToken* Provider::access_of(std::string_view text) {
  if (!text.starts_with("at-")) return nullptr;
  const auto* end = text.data() + text.size();
  std::size_t account = 0;
  std::size_t number = 0;
  const auto first = std::from_chars(text.data() + 3, end, account);
  if (first.ec != std::errc() || account >= accounts.size()) return nullptr;
  const auto second = std::from_chars(first.ptr + 1, end, number);
  if (second.ec != std::errc() || number >= accounts[account].access.size()) return nullptr;
  return &accounts[account].access[number];
}

int Provider::add_refresh_token(Account& account, std::size_t which, int parent) {
  account.tokens.push_back({.text = fmt::format("rt-{}-{}-{:08x}", which, account.tokens.size(), chance_.next() & 0xffffffffu),
                            .family = account.family, .parent = parent});
  return static_cast<int>(account.tokens.size()) - 1;
}

int Provider::add_access_token(Account& account) {
  if (account.habits.kills_access && !account.access.empty()) account.access.back().killed = true;
  account.access.push_back({.issued_at = timeline_.now(), .expires_at = timeline_.now() + account.habits.lifetime});
  return static_cast<int>(account.access.size()) - 1;
}

Provider::Consent Provider::consent(std::size_t which) {
  auto& account = accounts[which];
  for (auto& token : account.tokens) token.state = State::dead;
  account.family += 1;
  account.family_dead = false;
  account.given_back = false;
  account.consented_at = timeline_.now();
  account.lied = false;
  const int token = add_refresh_token(account, which, -1);
  const int access = add_access_token(account);
  account.access.back().arrived_at = timeline_.now();
  return {account.tokens[static_cast<std::size_t>(token)].text, access_text(which, access)};
}

Answer Provider::refusal(std::string_view error, int status) {
  return {.status = status, .body = fmt::format(R"({{"error":"{}","error_description":"no"}})", error)};
}

Answer Provider::trouble() {
  switch (chance_.below(8)) {
    case 0: return ++taken["502_page"], Answer{.status = 502, .content_type = "text/html", .body = "<html><body>Bad gateway</body></html>"};
    case 1: return ++taken["503_retry_after"], Answer{.status = 503, .retry_after = std::to_string(chance_.between(1, 90)), .body = R"({"error":"busy"})"};
    case 2: return ++taken["429"], Answer{.status = 429, .retry_after = chance_.happens(0.5) ? std::to_string(chance_.between(1, 120)) : "", .body = R"({"error":"slow_down"})"};
    case 3: return ++taken["400_temporarily_unavailable"], refusal("temporarily_unavailable");
    case 4: return ++taken["401_empty"], Answer{.status = 401, .content_type = "", .body = ""};
    case 5: return ++taken["403_firewall"], Answer{.status = 403, .content_type = "text/html", .body = "<html>blocked</html>"};
    case 6: return ++taken["200_error"], Answer{.status = 200, .body = R"({"error":"temporarily_unavailable"})"};
    default: return ++taken["503_text"], Answer{.status = 503, .content_type = "text/plain", .body = "try later"};
  }
}

// Whether anybody behind it took the request cannot be told from any of these.
Answer Provider::gateway() {
  constexpr int kOthers[] = {408, 501, 598, 599};
  const auto drawn = chance_.below(14);
  return {.status = drawn < 10 ? 520 + static_cast<int>(drawn) : kOthers[drawn - 10], .content_type = "text/html", .body = "<html>origin error</html>", .doubtful = true};
}

std::string Provider::words_of(std::size_t account) { return fmt::format("is invalid see case {}", account); }

Answer Provider::echo(std::size_t which) {
  switch (chance_.below(4)) {
    case 0:
      return ++taken["echo_of_the_form"],
             Answer{.status = 400, .content_type = "text/plain", .body = "bad request: grant_type=refresh_token&refresh_token=********&client_id=x"};
    case 1: return ++taken["echo_redacted"], Answer{.status = 503, .body = R"({"error":"temporarily_unavailable","refresh_token":"[REDACTED]"})"};
    case 2:
      return ++taken["echo_malformed"], Answer{.status = 500, .body = R"({"error":"server_error","request":{"refresh_token":"***","client_id":"x")", .doubtful = true};
    default: break;
  }
  ++taken["echo_of_words"];
  auto& account = accounts[which];
  const auto words = words_of(which);
  if (account.find(words) == nullptr) {
    account.tokens.push_back({.text = words, .family = account.family, .state = State::dead, .known = RefreshToken::Known::unreadable, .pretended = true});
  }
  return {.status = 400, .body = fmt::format(R"({{"refresh_token":"{}"}})", words)};
}

void Provider::kill_family(Account& account, int by) {
  account.family_dead = true;
  account.ended_by = by;
  account.ended_by_repetition = false;
  ++taken["family_revoked"];
}

Answer Provider::answer(const Asked& asked) {
  auto& account = accounts[asked.account];
  if (!secrets.empty() && std::ranges::find(secrets, asked.client_secret) == secrets.end()) return ++taken["invalid_client"], refusal("invalid_client", 401);
  if (chance_.happens(moods.trouble)) return trouble();
  if (chance_.happens(moods.gateways)) return ++taken["gateway_code"], gateway();
  if (chance_.happens(moods.echoes)) return echo(asked.account);
  auto dead = [&] {
    auto answer = refusal("invalid_grant");
    answer.refused = asked.refresh_token;
    return answer;
  };
  auto* token = account.find(asked.refresh_token);
  if (token == nullptr || account.family_dead || token->family != account.family || token->state == State::dead) return dead();
  if (account.habits.early_refused && !account.access.empty() && !account.access.back().killed &&
      account.access.back().expires_at - timeline_.now() > *account.habits.early_refused + Seconds(1)) {
    return ++taken["too_early"], refusal("access_token_not_expired");
  }
  if (!account.lied && chance_.happens(moods.lies)) {
    account.lied = true;
    ++taken["false_refusal"];
    return dead();
  }
  const int index = static_cast<int>(token - account.tokens.data());
  if (token->state == State::live) return grant(asked.account, index);
  // Spent before.
  switch (account.habits.replay) {
    case ReplayPolicy::harmless: return grant(asked.account, index);
    case ReplayPolicy::grace:
      if (timeline_.now() <= token->spent_at + account.habits.grace) {
        ++taken["replay_within_grace"];
        return grant(asked.account, index);
      }
      if (account.habits.family_dies_after_grace) kill_family(account, index);
      return ++taken["replay_after_grace"], dead();
    case ReplayPolicy::refused: return ++taken["replay_refused"], dead();
    case ReplayPolicy::revokes_family: break;
  }
  kill_family(account, index);
  return dead();
}

Answer Provider::revoke(const Asked& asked) {
  auto& account = accounts[asked.account];
  if (!secrets.empty() && std::ranges::find(secrets, asked.client_secret) == secrets.end()) return ++taken["revoking_invalid_client"], refusal("invalid_client", 401);
  const bool breaks_off = revoking_.happens(moods.trouble + moods.gateways + moods.half_done);
  const auto status = revoking_.one_of({429, 500, 502, 503, 504, 520});
  const Answer broken_off{.status = status, .retry_after = status == 429 ? "5" : "", .body = "<html>later</html>"};
  if (breaks_off && revoking_.happens(0.7)) return ++taken["revoking_trouble"], broken_off;
  const auto* token = account.find(asked.refresh_token);
  const bool wide = account.habits.revokes_consent;
  const bool known = token != nullptr && !token->pretended && (wide || account.is_live(token->text));
  if (!known && revoking_.happens(0.5)) return ++taken["revoking_unknown_token"], refusal("invalid_token");
  if (known && account.any_live()) {
    ++taken["revoked"];
    if (!account.is_live(token->text)) ++taken["revoked_by_another_token"];
    end_consent(account);
  }
  if (known && wide && account.shares_with && accounts[*account.shares_with].any_live()) {
    ++taken["revoked_with_a_shared_consent"];
    end_consent(accounts[*account.shares_with]);
  }
  if (breaks_off) return ++taken["revoked_then_5xx"], broken_off;
  return {.status = 200, .content_type = "", .body = ""};
}

void Provider::end_consent(Account& account) {
  account.family_dead = account.given_back = true;
  for (auto& access : account.access) access.killed = true;
}

// The token is honoured; what comes of it is the account's habit.
Answer Provider::grant(std::size_t which, int spent) {
  auto& account = accounts[which];
  const auto& habits = account.habits;
  if (habits.rotation == Rotation::none) return success(which, spent, chance_.happens(0.3) ? spent : -1);
  if (chance_.happens(moods.no_refresh_token) && account.tokens[static_cast<std::size_t>(spent)].state == State::live) {
    ++taken["refresh_token_left_out"];
    return success(which, spent, -1);
  }
  const int before = account.tokens[static_cast<std::size_t>(spent)].answered_with;
  int brought = -1;
  if (before >= 0 && habits.same_within_grace && account.tokens[static_cast<std::size_t>(before)].state == State::live) {
    brought = before;
  } else {
    brought = add_refresh_token(account, which, spent);
    if (before >= 0 && habits.replay_replaces && account.tokens[static_cast<std::size_t>(before)].state == State::live) {
      account.tokens[static_cast<std::size_t>(before)].state = State::dead;
    }
  }
  auto& token = account.tokens[static_cast<std::size_t>(spent)];
  token.answered_with = brought;
  if (habits.rotation == Rotation::single_use) {
    if (token.state == State::live) token.spent_at = timeline_.now();
    token.state = State::spent;
  }
  if (chance_.happens(moods.half_done)) {
    ++taken["committed_then_5xx"];
    add_access_token(account);
    account.tokens[static_cast<std::size_t>(brought)].known = RefreshToken::Known::unreadable;
    return {.status = chance_.one_of({500, 504}), .content_type = "text/html", .body = "<html>oops</html>", .doubtful = true};
  }
  if (chance_.happens(moods.half_gateways)) {
    ++taken["committed_then_52x"];
    add_access_token(account);
    account.tokens[static_cast<std::size_t>(brought)].known = RefreshToken::Known::unreadable;
    return gateway();
  }
  return success(which, spent, brought);
}

Answer Provider::success(std::size_t which, int spent, int brought) {
  auto& account = accounts[which];
  Answer answer{.refresh_token = brought == spent ? -1 : brought, .access_token = add_access_token(account), .success = true};
  const auto access = access_text(which, answer.access_token);
  const auto lifetime = account.habits.lifetime.count();
  const auto* refresh = brought < 0 ? nullptr : &account.tokens[static_cast<std::size_t>(brought)].text;
  if (brought >= 0 && brought != spent && chance_.happens(moods.unreadable)) {
    ++taken["unreadable_success"];
    account.tokens[static_cast<std::size_t>(brought)].known = RefreshToken::Known::unreadable;
    return {.status = 200, .content_type = "application/json", .body = std::string("{\"access_tok\0\0en\": [[[[", 22), .doubtful = true};
  }
  if (refresh != nullptr && chance_.happens(moods.no_access_token)) {
    ++taken["refresh_token_alone"];
    answer.access_token = -1;
    answer.success = false;
    answer.body = fmt::format(R"({{"refresh_token":"{}","token_type":"Bearer"}})", *refresh);
    return answer;
  }
  if (brought >= 0 && brought != spent && chance_.happens(moods.wrongly_typed)) {
    ++taken["wrongly_typed_refresh_token"];
    account.tokens[static_cast<std::size_t>(brought)].known = RefreshToken::Known::unreadable;
    const bool counts_once = account.habits.replay != ReplayPolicy::harmless;
    return {.body = fmt::format(R"({{"token_type":"Bearer","access_token":"{}","expires_in":{},"refresh_token":{}}})", access, lifetime,
                                chance_.one_of({"4711", R"({"value":"hidden"})", R"("\u00e9t\u00e9")", "true"})),
            .access_token = counts_once ? -1 : answer.access_token, .doubtful = counts_once, .success = !counts_once};
  }
  if (brought >= 0 && brought != spent && chance_.happens(moods.error_beside)) {
    ++taken["error_beside_tokens"];
    answer.status = chance_.one_of({200, 200, 400, 500, 502, 503});
    answer.access_token = -1;  // no use is made of it
    answer.success = false;
    const std::string error = answer.status >= 400 && chance_.happens(0.3)
                                  ? ""
                                  : chance_.one_of({R"(,"error":"partial_scope")", R"(,"error":{"code":7})", R"(,"error":true)", R"(,"error":"temporarily_unavailable")"});
    answer.body = fmt::format(R"({{"token_type":"Bearer","access_token":"{}","expires_in":{},"refresh_token":"{}"{}}})", access, lifetime, *refresh, error);
    return answer;
  }
  const bool odd = chance_.happens(moods.odd_shapes);
  std::string expires = fmt::format(R"(,"expires_in":{})", lifetime);
  if (odd && lifetime == 3600) {  // only where an hour is what is assumed of an answer that says nothing
    switch (chance_.below(6)) {
      case 0: expires.clear(); ++taken["no_expires_in"]; break;
      case 1: expires = R"(,"expires_in":"3600")"; ++taken["text_expires_in"]; break;
      case 2: expires = R"(,"expires_in":0)"; ++taken["zero_expires_in"]; break;
      case 3: expires = R"(,"expires_in":-1)"; ++taken["negative_expires_in"]; break;
      case 4: expires = R"(,"expires_in":3600.5)"; ++taken["float_expires_in"]; break;
      default: expires = R"(,"expires_in":null)"; ++taken["null_expires_in"]; break;
    }
  }
  if (odd && chance_.happens(0.3)) {
    ++taken["form_encoded"];
    answer.content_type = "application/x-www-form-urlencoded";
    answer.body = fmt::format("access_token={}&token_type=bearer&expires_in={}", access, lifetime);
    if (refresh != nullptr) answer.body += fmt::format("&refresh_token={}&x=1", *refresh);
    return answer;
  }
  std::string refresh_member;
  if (refresh != nullptr) refresh_member = fmt::format(R"(,"refresh_token":"{}")", *refresh);
  else if (odd) refresh_member = chance_.one_of({R"(,"refresh_token":"")", R"(,"refresh_token":null)", ""});
  if (odd) answer.content_type = chance_.one_of({"text/plain", "application/json; charset=utf-8", "text/html", ""});
  std::string padding;
  if (odd && chance_.happens(0.02)) {
    ++taken["answer_longer_than_its_place"];
    padding = R"(,"id_token":")" + std::string(70'000, 'x') + "\"";
  }
  answer.body = fmt::format(R"({{"token_type":"Bearer","access_token":"{}"{}{}{}}})", access, expires, refresh_member, padding);
  return answer;
}

}  // namespace latchkey::simulation

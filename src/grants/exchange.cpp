#include "grants/exchange.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/bytes.h"
#include "crypto/hash.h"
#include "grants/canary.h"
#include "oauth/redaction.h"
#include "oauth/uri.h"

namespace latchkey::grants {
namespace {

// Room for the packed head and the vault's own octets within a journal slot.
constexpr std::size_t kBodyBytesMax = store::kReplyBytesMax - 1024;
constexpr std::size_t kMarkSize = 16;  // of an account, in hex digits

std::string head_value(const net::HttpHeaders& headers, std::string_view name) {
  const auto value = headers.find(name);
  std::string text(value ? std::string_view(*value) : std::string_view());
  if (text.size() > 200) text.resize(200);
  for (char& c : text) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  return text;
}

// For the log: never anything that was sent or answered, but the status.
std::string word_of(const net::HttpOutcome& outcome) {
  if (const auto* not_sent = std::get_if<net::NothingSent>(&outcome)) return "not_sent:" + not_sent->error.reason;
  if (const auto* ambiguous = std::get_if<net::Ambiguous>(&outcome)) return "ambiguous:" + ambiguous->error.reason;
  return "status:" + std::to_string(std::get<net::Reply>(outcome).status);
}

}  // namespace

std::string mark_of_account(const store::Grant& grant) {
  if (grant.account_id.empty()) return {};
  using namespace std::string_view_literals;
  crypto::Sha256 hash;
  for (const auto part : {"latchkey-reply-account\0"sv, std::string_view(grant.app), "\0"sv, std::string_view(grant.account_id)}) hash.update(base::as_bytes(part));
  return base::to_hex(hash.finish()).substr(0, kMarkSize);
}

bool is_of_another_account(const Replied& replied, const store::Grant& grant) {
  const auto mark = mark_of_account(grant);
  return !replied.account_mark.empty() && !mark.empty() && replied.account_mark != mark;
}

const Secret* token_of(const ExchangeOutcome& outcome, const Secret& spent) {
  const auto* replied = std::get_if<Replied>(&outcome);
  if (replied == nullptr || !replied->reply.refresh_token) return nullptr;
  const bool repeated = replied->classified.outcome != oauth::RefreshOutcome::refreshed && replied->reply.refresh_token->equals(spent);
  return repeated ? nullptr : &*replied->reply.refresh_token;
}

bool brings_token(const ExchangeOutcome& outcome, const Secret& spent) {
  if (token_of(outcome, spent) != nullptr) return true;
  // An access token alone out of an answer that broke off is not used: what was cut off may have been a new refresh token.
  const auto* replied = std::get_if<Replied>(&outcome);
  return replied != nullptr && replied->reply.access_token && replied->classified.outcome == oauth::RefreshOutcome::refreshed;
}

// Status, content type and Retry-After on a line each, then whether it was cut, which attempt it answers, of which turn ("2/17"), and the mark
// of the account whose token was sent (absent: not known), then the body as it came.
Secret Exchange::pack(const Raw& raw) {
  std::string told = raw.cut ? "cut" : "whole";
  if (raw.attempt > 0 || !raw.account_mark.empty()) told += fmt::format(" {}", raw.attempt);
  if (raw.attempt > 0 && raw.turn > 0) told += fmt::format("/{}", raw.turn);
  if (!raw.account_mark.empty()) told += " " + raw.account_mark;
  const auto head = fmt::format("{}\n{}\n{}\n{}\n", raw.status, raw.content_type, raw.retry_after, told);
  Secret packed = Secret::of_size(head.size() + raw.body.size());
  std::ranges::copy(base::as_bytes(head), packed.writable().begin());
  std::ranges::copy(raw.body.reveal(), packed.writable().begin() + static_cast<std::ptrdiff_t>(head.size()));
  return packed;
}

std::optional<Exchange::Raw> Exchange::unpack(const Secret& packed) {
  auto text = packed.reveal_text();
  std::string_view lines[4];
  for (auto& line : lines) {
    const auto end = text.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    line = text.substr(0, end);
    text.remove_prefix(end + 1);
  }
  Raw raw;
  std::from_chars(lines[0].data(), lines[0].data() + lines[0].size(), raw.status);
  raw.content_type = lines[1];
  raw.retry_after = lines[2];
  auto next_word = [rest = lines[3]]() mutable {
    const auto word = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(word.size() + 1, rest.size()));
    return word;
  };
  raw.cut = next_word() == "cut";
  const auto attempt = next_word();
  const auto* end = attempt.data() + attempt.size();
  const auto read = std::from_chars(attempt.data(), end, raw.attempt);
  if (read.ptr != end && *read.ptr == '/') std::from_chars(read.ptr + 1, end, raw.turn);
  raw.account_mark = next_word();
  raw.body = Secret(text);
  return raw;
}

namespace {

// What a token request holds that opens something (RFC 6749, 7523, 7636, 8628, 8693).
bool names_secret(std::string_view name) {
  constexpr std::string_view kNames[] = {"refresh_token", "code", "device_code", "client_secret", "client_assertion", "assertion",
                                         "code_verifier", "password", "token", "subject_token", "actor_token"};
  return std::ranges::find(kNames, name) != std::end(kNames);
}

std::vector<Secret> secrets_of(const oauth::FormPost& post) {
  std::vector<Secret> secrets;
  const auto take = [&secrets](std::string& value) {
    secrets.emplace_back(std::string_view(value));
    base::wipe(value.data(), value.size());
  };
  if (auto form = oauth::parse_form(post.body.reveal_text())) {
    for (auto& [name, value] : *form) {
      if (names_secret(name)) take(value);
    }
  }
  constexpr std::string_view kBasic = "Basic ";
  const auto authorization = post.authorization.reveal_text();
  if (!authorization.starts_with(kBasic)) return secrets;
  if (auto decoded = base::from_base64(authorization.substr(kBasic.size()))) {
    const Secret pair(std::move(*decoded));
    const auto colon = pair.reveal_text().find(':');
    if (colon != std::string_view::npos) {
      if (auto secret = oauth::form_decode(pair.reveal_text().substr(colon + 1))) take(*secret);
    }
  }
  return secrets;
}

}  // namespace

void strike_out(Replied& replied, std::span<const Secret> secrets) {
  for (auto* words : {&replied.reply.error, &replied.reply.error_description, &replied.classified.why}) oauth::strike_out(*words, secrets);
}

Replied Exchange::read(const Raw& raw, WallTime received_at, const std::vector<oauth::ErrorRule>& errors, oauth::ReplyShape shape,
                       catalog::ReplayPolicy replay) const {
  Replied replied;
  replied.cut = raw.cut;
  replied.attempt = raw.attempt;
  replied.turn = raw.turn;
  replied.account_mark = raw.account_mark;
  replied.received_at = received_at;
  replied.reply = oauth::parse_token_reply(raw.status, raw.content_type, raw.body.reveal_text(), shape,
                                           raw.cut ? oauth::Completeness::cut : oauth::Completeness::whole);
  // A reply that broke off or ran over may still hold the one thing that cannot be had again (F5).
  if (!replied.reply.refresh_token && replied.reply.form == oauth::ReplyForm::malformed) {
    replied.reply.refresh_token = oauth::find_refresh_token(raw.body.reveal_text());
  }
  replied.classified = oauth::classify(replied.reply, errors, raw.retry_after, received_at);
  // What was cut off may have been a new refresh token.
  const bool complete = replied.classified.outcome == oauth::RefreshOutcome::refreshed && replied.reply.refresh_token;
  if (raw.cut && !complete) {
    replied.classified.outcome = oauth::RefreshOutcome::ambiguous;
    replied.classified.why = "The connection broke off in the middle of the provider's answer.";
  }
  // No definite refusal, and the token sent counts once only: another one may have taken its place (R10).
  const bool may_be_spent = replay != catalog::ReplayPolicy::harmless && replied.reply.refresh_token_unreadable;
  if (may_be_spent && (replied.classified.outcome == oauth::RefreshOutcome::refreshed || replied.classified.outcome == oauth::RefreshOutcome::transient)) {
    replied.classified.outcome = oauth::RefreshOutcome::ambiguous;
    replied.classified.why = "The provider's answer held a refresh token that cannot be read; the one sent may be spent.";
  }
  return replied;
}

Task<Exchange::Kept> Exchange::keep(IntentId intent, GrantId grant, store::GenerationNumber generation, WallTime received_at, Secret packed) {
  store::JournalEntry entry{.intent = intent, .grant = grant, .generation = generation, .recorded_at = received_at,
                            .reply_sealed = sealing_.seal_reply(intent, grant, generation, packed)};
  const auto recorded = co_await journal_.record(entry);
  // The reply is still in memory and goes on to the store; only a crash in between could lose it now, and that is said.
  if (!recorded) log_.error("reply_not_journaled", recorded.error());
  co_return Kept{.entry = std::move(entry), .durable = recorded.has_value()};
}

Task<ExchangeOutcome> Exchange::run(ExchangeRequest request) {
  net::HttpCall call{.method = "POST", .url = request.post.url};
  const auto secrets = secrets_of(request.post);
  for (const auto& [name, value] : request.post.headers) call.headers.set(name, value);
  if (!request.post.authorization.empty()) call.headers.set("Authorization", request.post.authorization.reveal_text());
  call.body = std::move(request.post.body);
  call.reuse = request.replay == catalog::ReplayPolicy::harmless ? net::Reuse::may_reuse : net::Reuse::fresh_connection;
  call.connect_timeout = request.timeouts.connect;
  call.total_timeout = request.timeouts.total;
  call.response_bytes_max = kBodyBytesMax;
  const auto begun = steady_.now();
  TokenAnswered answered{.outcome = net::NothingSent{}, .turn = request.turn};
  if (request.way) {
    const auto whose = request.whose.none() ? request.grant : request.whose;
    answered = co_await request.way->send({.intent = request.intent, .turn = request.turn, .whose = whose, .call = std::move(call)});
  } else {
    answered.outcome = co_await transport_.send(std::move(call));
  }
  auto& outcome = answered.outcome;
  const auto received_at = clock_.now();
  const auto ended = steady_.now();
  StepTimes::add(times_.exchange, ended - begun);

  Raw raw;
  log_.debug("token_request", {{"grant", request.grant.text()}, {"generation", request.generation}, {"outcome", word_of(outcome)},
                               {"ms", std::chrono::duration_cast<Milliseconds>(ended - begun).count()}});
  if (auto* not_sent = std::get_if<net::NothingSent>(&outcome)) co_return NotSent{std::move(not_sent->error)};
  if (auto* ambiguous = std::get_if<net::Ambiguous>(&outcome)) {
    if (ambiguous->body.empty()) {
      if (request.way) request.way->kept(request.intent, answered.turn);
      co_return NoReply{std::move(ambiguous->error)};
    }
    if (ambiguous->body.size() > kBodyBytesMax) ambiguous->body.resize(kBodyBytesMax);
    raw = {.status = ambiguous->status, .content_type = head_value(ambiguous->headers, "Content-Type"), .retry_after = {},
           .body = Secret(std::move(ambiguous->body)), .cut = true};
  } else {
    auto& reply = std::get<net::Reply>(outcome);
    raw = {.status = reply.status, .content_type = head_value(reply.headers, "Content-Type"),
           .retry_after = head_value(reply.headers, "Retry-After"), .body = Secret(std::move(reply.body)), .cut = reply.truncated};
  }
  raw.attempt = request.attempt;
  raw.turn = request.turn;
  raw.account_mark = std::move(request.account_mark);
  store::JournalEntry entry;
  if (!canary(Canary::parsed_before_stored)) {
    auto kept = co_await keep(request.intent, request.grant, request.generation, received_at, pack(raw));
    if (request.way && kept.durable) request.way->kept(request.intent, answered.turn);
    entry = std::move(kept.entry);
  }
  StepTimes::add(times_.journal, steady_.now() - ended);
  auto replied = read(raw, received_at, request.errors, request.shape, request.replay);
  strike_out(replied, secrets);
  replied.entry = std::move(entry);
  co_return replied;
}

Result<Replied> Exchange::replay(const store::JournalEntry& entry, const std::vector<oauth::ErrorRule>& errors,
                                 oauth::ReplyShape shape, catalog::ReplayPolicy replay) const {
  const auto packed = sealing_.open_reply(entry.intent, entry.grant, entry.generation, entry.reply_sealed);
  if (!packed) return std::unexpected(packed.error());
  const auto raw = unpack(*packed);
  if (!raw) return fail(ErrorKind::corrupt, "journal_entry_unreadable", "A journaled reply cannot be read.");
  auto replied = read(*raw, entry.recorded_at, errors, shape, replay);
  replied.entry = entry;
  return replied;
}

}  // namespace latchkey::grants

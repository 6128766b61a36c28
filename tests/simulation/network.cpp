#include "network.h"

#include <algorithm>
#include <charconv>

namespace latchkey::simulation {

using namespace std::chrono_literals;

struct Network::Call {
  Resume resume;
  std::size_t subject = 0;
  Asked asked;
  bool gives_back = false;
  Provider* provider = nullptr;
  Nanoseconds timeout{0};
  Nanoseconds begun{0};
  enum class Fate { whole, no_connection, request_lost, reply_lost, reply_cut, timed_out } fate = Fate::whole;
  std::optional<Answer> answer;
  std::size_t bytes_max = 0;
  bool over = false;
};

namespace {

std::string parameter_of(std::string_view body, std::string_view name) {
  for (std::size_t at = 0; at < body.size();) {
    const auto end = std::min(body.find('&', at), body.size());
    const auto pair = body.substr(at, end - at);
    if (pair.size() > name.size() && pair.starts_with(name) && pair[name.size()] == '=') return std::string(pair.substr(name.size() + 1));
    at = end + 1;
  }
  return {};
}

net::HttpOutcome ambiguous(std::string reason, int status = 0, Bytes body = {}, const std::string& type = {}) {
  net::Ambiguous outcome{.error = {.kind = ErrorKind::ambiguous, .reason = std::move(reason), .text = "The provider's answer did not arrive."},
                         .status = status, .headers = {}, .body = std::move(body)};
  if (!type.empty()) outcome.headers.set("Content-Type", type);
  return outcome;
}

net::HttpOutcome nothing_sent(std::string reason) {
  return net::NothingSent{{.kind = ErrorKind::unavailable, .reason = std::move(reason), .text = "The provider cannot be reached."}};
}

// Whether these octets hold the token up to its own end.
bool holds_whole(std::string_view octets, const std::string& token, bool complete) {
  const auto at = octets.find(token);
  if (at == std::string_view::npos) return false;
  const auto after = at + token.size();
  if (after < octets.size()) return octets[after] == '"' || octets[after] == '&';
  return complete;
}

}  // namespace

Task<net::HttpOutcome> Network::send(net::HttpCall call) {
  if (process_.dead()) co_return nothing_sent("process_dead");
  auto start = [this, call = std::move(call)](auto resume) mutable { begin(std::move(call), Resume(std::move(resume))); };
  co_return co_await base::suspend_until<net::HttpOutcome>(std::move(start));
}

void Network::begin(net::HttpCall http, Resume resume) {
  auto call = std::make_shared<Call>();
  call->resume = std::move(resume);
  call->timeout = http.total_timeout;
  call->bytes_max = http.response_bytes_max;
  const auto body = http.body ? http.body->reveal_text() : std::string_view();
  call->gives_back = http.url.ends_with("/revoke");
  call->asked.refresh_token = parameter_of(body, call->gives_back ? "token" : "refresh_token");
  call->asked.client_secret = parameter_of(body, "client_secret");
  // rt-ACCOUNT-N-random; which provider, its host says.
  call->provider = &providers_[static_cast<std::size_t>(http.url[9] - '0')];  // https://pN.example
  const auto& text = call->asked.refresh_token;
  if (text.starts_with("is")) {
    std::size_t account = 0;
    const auto digits = text.find_last_not_of("0123456789") + 1;
    std::from_chars(text.data() + digits, text.data() + text.size(), account);
    if (account < call->provider->accounts.size() && call->provider->accounts[account].find(Provider::words_of(account)) != nullptr) {
      call->asked.account = account;
      call->asked.refresh_token = Provider::words_of(account);
      if (!call->gives_back) ++call->provider->taken["words_sent_as_a_token"];
    }
  } else if (text.starts_with("rt-")) {
    std::from_chars(text.data() + 3, text.data() + text.size(), call->asked.account);
  }
  if (call->provider->accounts.size() <= call->asked.account || call->provider->accounts[call->asked.account].find(text) == nullptr) {
    invariants_.fail(0, "unknown token", "a request without a refresh token of the provider's was sent");
    return call->resume(nothing_sent("no_token"));
  }
  call->subject = call->provider->accounts[call->asked.account].subject;
  call->begun = timeline_.now();
  if (call->gives_back) return begin_giving_back(call, http.connect_timeout);

  using Fate = Call::Fate;
  if (weather_.partitioned || chance_.happens(weather_.no_connection)) call->fate = Fate::no_connection;
  else if (chance_.happens(weather_.request_lost)) call->fate = Fate::request_lost;
  else if (chance_.happens(weather_.reply_lost)) call->fate = Fate::reply_lost;
  else if (chance_.happens(weather_.reply_cut)) call->fate = Fate::reply_cut;
  if (call->fate == Fate::no_connection) {
    ++taken["no_connection"];
    timeline_.after(std::min<Nanoseconds>(call->timeout, Nanoseconds(chance_.between(1'000'000, std::chrono::nanoseconds(http.connect_timeout).count()))), &process_,
                    [this, call] { finish(call); });
    return;
  }
  ++posts;
  invariants_.count_for_cap(invariants_.subjects[call->subject]);
  invariants_.sent(process_, call->subject, call->asked.refresh_token, timeline_.now() + call->timeout);
  if (const auto deed = std::exchange(weather_.with_next_request, {})) deed();
  const auto usual = [&] { return Nanoseconds(chance_.between(weather_.usual.count() / 4, weather_.usual.count())); };
  auto there = usual();
  auto back = usual();
  if (chance_.happens(weather_.slow)) {
    ++taken["slow"];
    (chance_.happens(0.5) ? there : back) += Nanoseconds(chance_.between(1'000'000'000, call->timeout.count() * 5 / 4));
  }
  bool late = false;
  if (chance_.happens(weather_.late_request)) {
    late = true;
    there = call->timeout + Nanoseconds(chance_.between(0, 10'000'000'000));
  } else if (there > call->timeout) {
    there = call->timeout - 1ms;
  }
  if (call->fate == Fate::request_lost) {
    ++taken["request_lost"];
  } else {
    // The sender may be gone by then: nothing of it is touched.
    timeline_.after(there, nullptr, [call, invariants = &invariants_] { read(*call, *invariants); });
  }
  const bool quick_end = call->fate == Fate::request_lost || call->fate == Fate::reply_lost;
  auto end = there + back;
  if (quick_end) end = chance_.happens(0.5) ? call->timeout : there + back;  // a reset, or silence
  if (late || end >= call->timeout) {
    end = call->timeout;
    if (call->fate == Fate::whole || call->fate == Fate::reply_cut) {
      call->fate = Fate::timed_out;
      ++taken["past_the_deadline"];
    }
  }
  if (call->fate != Fate::request_lost && weather_.read_twice > 0 && chance_.happens(weather_.read_twice)) {
    const Nanoseconds later(chance_.between(0, 2 * std::max<std::int64_t>((end - there).count(), 1)));
    timeline_.after(there + later, nullptr, [call, invariants = &invariants_, overtakes = chance_.happens(0.5)] { read_again(*call, *invariants, overtakes); });
  }
  timeline_.after(end, &process_, [this, call] { finish(call); });
  if (chance_.happens(weather_.sender_stops)) {
    ++taken["sender_stopped"];
    invariants_.story.tell("{} is stopped in mid-exchange", process_.name());
    process_.stop_until(std::min(timeline_.now() + Nanoseconds(chance_.spread(30'000'000'000, 600'000'000'000)), weather_.all_go_on_at));
  }
}

void Network::begin_giving_back(const std::shared_ptr<Call>& call, Nanoseconds connect_timeout) {
  using Fate = Call::Fate;
  if (weather_.partitioned || revoking_.happens(weather_.no_connection)) {
    call->fate = Fate::no_connection;
    timeline_.after(std::min<Nanoseconds>(call->timeout, Nanoseconds(revoking_.between(1'000'000, connect_timeout.count()))), &process_, [this, call] { finish(call); });
    return;
  }
  invariants_.story.tell_of(call->subject, "{} gives back {}", process_.name(), call->asked.refresh_token);
  if (revoking_.happens(weather_.request_lost)) call->fate = Fate::request_lost;
  else if (revoking_.happens(weather_.reply_lost + weather_.reply_cut)) call->fate = Fate::reply_lost;
  auto there = Nanoseconds(revoking_.between(weather_.usual.count() / 4, weather_.usual.count()));
  auto back = Nanoseconds(revoking_.between(weather_.usual.count() / 4, weather_.usual.count()));
  if (revoking_.happens(weather_.slow)) (revoking_.happens(0.5) ? there : back) += Nanoseconds(revoking_.between(1'000'000'000, call->timeout.count() * 5 / 4));
  if (revoking_.happens(weather_.late_request)) there = call->timeout + Nanoseconds(revoking_.between(0, 10'000'000'000));
  if (call->fate != Fate::request_lost) timeline_.after(there, nullptr, [call, invariants = &invariants_] { read_given_back(*call, *invariants); });
  if (call->fate == Fate::whole && there + back >= call->timeout) call->fate = Fate::timed_out;
  timeline_.after(std::min(there + back, call->timeout), &process_, [this, call] { finish(call); });
}

void Network::read_given_back(Call& call, Invariants& invariants) {
  auto& accounts = call.provider->accounts;
  std::vector<const Account*> alive;
  for (const auto which : {std::optional(call.asked.account), accounts[call.asked.account].shares_with}) {
    if (which && accounts[*which].any_live()) alive.push_back(&accounts[*which]);
  }
  call.answer = call.provider->revoke(call.asked);
  invariants.story.tell_of(call.subject, "the provider gets {} back and answers {}", call.asked.refresh_token, call.answer->status);
  for (const auto* account : alive) {
    if (account->any_live()) continue;
    invariants.story.tell_of(account->subject, "with {} what the provider gave it has ended", call.asked.refresh_token);
    invariants.gave_back(account->subject, call.begun);
  }
}

net::HttpOutcome Network::outcome_of_giving_back(const Call& call) {
  if (call.fate == Call::Fate::no_connection) return nothing_sent("connect_failed");
  if (process_.dead() || call.fate != Call::Fate::whole || !call.answer) return ambiguous("no_reply");
  net::Reply reply;
  reply.status = call.answer->status;
  if (!call.answer->content_type.empty()) reply.headers.set("Content-Type", call.answer->content_type);
  reply.body = base::to_bytes(call.answer->body);
  return reply;
}

void Network::read(Call& call, Invariants& invariants) {
  if (call.over) ++call.provider->taken["request_read_late"];
  call.answer = call.provider->answer(call.asked);
  invariants.story.tell_of(call.subject, "the provider reads {} and answers {}{}", call.asked.refresh_token, call.answer->status,
                           call.answer->refused.empty() ? "" : ": refused");
  if (call.over) invariants.dropped(call.subject, *call.answer);  // the attempt was over, and in doubt, before
}

void Network::read_again(Call& call, Invariants& invariants, bool overtakes) {
  ++call.provider->taken["request_read_twice"];
  auto& account = call.provider->accounts[call.asked.account];
  const bool was_over = account.family_dead;
  auto second = call.provider->answer(call.asked);
  if (account.family_dead && !was_over) account.ended_by_repetition = true;
  invariants.story.tell_of(call.subject, "the provider reads {} once more and answers {}{}", call.asked.refresh_token, second.status,
                           second.refused.empty() ? "" : ": refused");
  if (overtakes && !call.over) {
    ++call.provider->taken["second_answer_arrives"];
    std::swap(*call.answer, second);
  }
  invariants.dropped(call.subject, second, Invariants::Dropped::of_two);
}

void Network::finish(const std::shared_ptr<Call>& call) {
  if (std::exchange(call->over, true)) return;
  auto outcome = call->gives_back ? outcome_of_giving_back(*call) : outcome_of(*call);
  if (!call->gives_back && call->fate != Call::Fate::no_connection) invariants_.over(process_, call->subject, call->asked.refresh_token);
  call->resume(std::move(outcome));
}

net::HttpOutcome Network::outcome_of(Call& call) {
  using Fate = Call::Fate;
  if (process_.dead() && call.fate == Fate::no_connection) return nothing_sent("connect_failed");
  if (process_.dead()) {
    invariants_.lost(process_, call.subject, call.asked.refresh_token, call.begun, call.answer ? &*call.answer : nullptr);
    return ambiguous("process_dead");
  }
  const auto* answer = call.answer ? &*call.answer : nullptr;
  switch (call.fate) {
    case Fate::no_connection: return nothing_sent("connect_failed");
    case Fate::whole: {
      if (answer == nullptr) break;
      net::Reply reply;
      reply.status = answer->status;
      if (!answer->content_type.empty()) reply.headers.set("Content-Type", answer->content_type);
      if (!answer->retry_after.empty()) reply.headers.set("Retry-After", answer->retry_after);
      reply.body = base::to_bytes(answer->body);
      reply.truncated = reply.body.size() > call.bytes_max;
      if (reply.truncated) reply.body.resize(call.bytes_max);
      const auto* brought = answer->refresh_token < 0
                                ? nullptr
                                : &invariants_.account_of(invariants_.subjects[call.subject]).tokens[static_cast<std::size_t>(answer->refresh_token)].text;
      const bool token_whole = brought != nullptr && holds_whole(base::as_text(reply.body), *brought, !reply.truncated);
      invariants_.arrived(process_, call.subject, *answer, token_whole, !reply.truncated);
      using Said = Invariants::Said;
      // Where a replay does no harm, a gateway's error is one like any other.
      const bool harmless = invariants_.account_of(invariants_.subjects[call.subject]).habits.replay == catalog::ReplayPolicy::harmless;
      const bool lost = answer->doubtful && !(harmless && answer->status >= 400);
      const auto said = lost || (reply.truncated && !token_whole) ? Said::nothing : answer->is_definite() ? Said::what_became_of_it : Said::nothing_new;
      invariants_.told(process_, call.subject, call.asked.refresh_token, call.begun, said, true);
      return reply;
    }
    case Fate::reply_cut: {
      if (answer == nullptr) break;
      ++taken["reply_cut"];
      auto octets = base::to_bytes(answer->body);
      octets.resize(std::min<std::size_t>(chance_.below(octets.size() + 1), call.bytes_max));
      const auto* brought = answer->refresh_token < 0
                                ? nullptr
                                : &invariants_.account_of(invariants_.subjects[call.subject]).tokens[static_cast<std::size_t>(answer->refresh_token)].text;
      const bool token_whole = brought != nullptr && holds_whole(base::as_text(octets), *brought, false);
      if (token_whole) ++taken["cut_behind_the_refresh_token"];
      invariants_.told(process_, call.subject, call.asked.refresh_token, call.begun, Invariants::Said::nothing, !octets.empty());
      invariants_.arrived(process_, call.subject, *answer, token_whole, false);
      if (octets.empty() && chance_.happens(0.5)) return ambiguous("cut");
      return ambiguous("cut", answer->status, std::move(octets), answer->content_type);
    }
    case Fate::reply_lost: ++taken["reply_lost"]; break;
    case Fate::request_lost:
    case Fate::timed_out: break;
  }
  invariants_.lost(process_, call.subject, call.asked.refresh_token, call.begun, answer);
  return ambiguous("no_reply");
}

}  // namespace latchkey::simulation

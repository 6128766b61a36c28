#include "grants/notices.h"

#include <fmt/format.h>

#include <algorithm>

#include "grants/alert_folding.h"
#include "grants/alert_kinds.h"
#include "grants/notice_texts.h"
#include "net/url.h"

namespace latchkey::grants {
namespace {

using namespace std::chrono_literals;

constexpr auto kLookEvery = 2s;
constexpr auto kBackOffFirst = 10s;
constexpr auto kBackOffMax = std::chrono::hours(1);
constexpr int kFailuresToAlert = 2;
constexpr Channel kChannels[] = {Channel::mail, Channel::webhook};

std::string secret_key(Channel channel) { return "notice_secret:" + std::string(name_of(channel)); }
// What the secret is sealed for: a relay's password goes to the relay it was set for, and nowhere else (as RULES K6 has it for apps).
std::string secret_place(Channel channel, const std::string& smtp_host) {
  return channel == Channel::mail ? secret_key(channel) + "@" + smtp_host : secret_key(channel);
}
std::string failed_cause(Channel channel) { return "notice_failed:" + std::string(name_of(channel)); }

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : text) {
    if (c != ',' && c != ';' && c != ' ') {
      word += c;
      continue;
    }
    if (!word.empty()) words.push_back(std::exchange(word, {}));
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

constexpr std::size_t kPersonMailsAnHour = 100;

// Nothing that could end a header or name a second recipient.
bool is_one_address(std::string_view text) {
  const auto at = text.find('@');
  return text.size() <= 254 && at != std::string_view::npos && at > 0 && at + 1 < text.size() && text.find('@', at + 1) == std::string_view::npos &&
         std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f || std::string_view("<>()[]\",;:\\").contains(c); });
}

}  // namespace

std::string_view name_of(Channel channel) {
  switch (channel) {
    case Channel::mail: return "mail";
    case Channel::webhook: return "webhook";
  }
  return "mail";
}

std::optional<Channel> parse_channel(std::string_view name) {
  for (const auto channel : kChannels) {
    if (name_of(channel) == name) return channel;
  }
  return std::nullopt;
}

NoticeSettings NoticeSettings::of(const store::Registry& registry) {
  NoticeSettings settings;
  settings.mail_to = words_of(registry.get<std::string>("notices.mail_to"));
  settings.mail_from = registry.get<std::string>("notices.mail_from");
  settings.smtp_host = registry.get<std::string>("notices.smtp_host");
  settings.smtp_port = registry.get<std::uint16_t>("notices.smtp_port");
  const auto security = registry.get<std::string>("notices.smtp_security");
  settings.smtp_security = security == "tls" ? net::MailSecurity::tls : security == "none" ? net::MailSecurity::none : net::MailSecurity::starttls;
  settings.smtp_user = registry.get<std::string>("notices.smtp_user");
  settings.webhook_url = registry.get<std::string>("notices.webhook_url");
  settings.rhythm = {.wait = registry.get<Milliseconds>("notices.wait"), .remind_every = registry.get<Milliseconds>("notices.remind_every")};
  return settings;
}

std::string NoticeSettings::where(Channel channel) const {
  if (channel == Channel::webhook) return webhook_url;
  return fmt::format("{}:{} {} {} {} {}", smtp_host, smtp_port, static_cast<int>(smtp_security), smtp_user, mail_from, fmt::join(mail_to, ","));
}

std::string NoticeSettings::sender() const {
  if (!mail_from.empty()) return mail_from;
  return mail_to.empty() ? std::string() : mail_to.front();
}

bool NoticeSettings::on(Channel channel) const {
  return channel == Channel::mail ? !smtp_host.empty() && !mail_to.empty() : !webhook_url.empty();
}

Notices::Notices(Parts parts) : parts_(std::move(parts)), started_at_(parts_.wall.now()) {
  for (const auto channel : kChannels) state_of(channel).status.channel = channel;
}

Task<void> Notices::keep_telling() {
  for (;;) {
    co_await tell_all();
    co_await parts_.steady.sleep_for(kLookEvery);
  }
}

Task<void> Notices::tell_all() {
  const auto settings = NoticeSettings::of(parts_.registry);
  for (const auto channel : kChannels) {
    if (settings.on(channel)) {
      co_await tell(channel, settings);
    } else {
      state_of(channel).sharing.reading_since.reset();
      begin_anew(state_of(channel), channel);
    }
  }
}

Task<void> Notices::tell(Channel channel, NoticeSettings settings) {
  auto& state = state_of(channel);
  if (co_await was_mended(channel, settings.where(channel))) begin_anew(state, channel);
  if (!state.loaded && !co_await load(channel)) co_return;
  if (parts_.steady.now() >= state.not_before) co_await tell_own(channel, settings);
  if (parts_.node) co_await tell_shared(channel, std::move(settings));
}

Task<bool> Notices::load(Channel channel) {
  auto& state = state_of(channel);
  const auto kept = co_await parts_.store.meta(book_key(channel, parts_.node));
  if (!kept) co_return false;
  auto secret = co_await parts_.store.meta(secret_key(channel));
  if (!secret) co_return false;
  state.secret_sealed = *std::move(secret);
  state.book = NoticeBook::from_json(base::as_text(*kept));
  if (parts_.node && state.book.leave_out(AlertScope::installation) > 0) state.sharing.told_alone = base::as_text(*kept);
  state.loaded = true;
  co_return true;
}

std::vector<Alert> Notices::alerts_for(Channel channel, AlertScope scope) const {
  auto alerts = folded(parts_.alerts.current(), 0, FoldedSince::first);
  std::erase_if(alerts, [&](const Alert& alert) {
    return alert.cause == failed_cause(channel) || (parts_.node && kind_of_alert(alert.cause).scope != scope);
  });
  return alerts;
}

Task<void> Notices::tell_own(Channel channel, NoticeSettings settings) {
  auto& state = state_of(channel);
  for (int count = 0; count < kTellInARow; ++count) {
    const auto notice = state.book.next(alerts_for(channel, AlertScope::server), settings.rhythm, started_at_, parts_.wall.now());
    if (!notice) co_return;
    auto done = co_await deliver(channel, settings, *notice);
    if (!done) {
      note_failure(state, channel, done.error());
      state.sharing.delivered_before_failure.reset();
      co_return;
    }
    note_success(state, channel, *std::move(done));
    state.book.told(*notice, parts_.wall.now());
    if (!state.sharing.told_alone.empty()) continue;  // kept together with what the shared book takes over
    store::Batch batch;
    batch.push_back(store::PutMeta{book_key(channel, parts_.node), base::to_bytes(state.book.to_json())});
    // Not kept: after a restart it may be told once more, which is better than not at all.
    if (const auto kept = co_await parts_.store.commit(std::move(batch), store::Urgency::bookkeeping); !kept) {
      parts_.log.error("notice_book_not_kept", kept.error());
    }
  }
}

// Whether the channel leads elsewhere than at the last look, by this server's doing or another's.
Task<bool> Notices::was_mended(Channel channel, std::string where) {
  auto& state = state_of(channel);
  const bool moved = !state.where.empty() && state.where != where;
  state.where = std::move(where);
  if (moved || parts_.steady.now() >= state.not_before) co_return moved;
  auto secret = co_await parts_.store.meta(secret_key(channel));
  if (!secret || *secret == state.secret_sealed) co_return false;
  state.secret_sealed = *std::move(secret);
  co_return true;
}

void Notices::begin_anew(State& state, Channel channel) {
  state.sharing.delivered_before_failure.reset();
  state.failures = 0;
  state.not_before = SteadyTime{};
  state.status.failing_since.reset();
  state.status.problem.clear();
  parts_.alerts.clear(failed_cause(channel));
}

void Notices::note_success(State& state, Channel channel, std::string problem) {
  state.sharing.delivered_before_failure.reset();
  state.failures = 0;
  state.status.last_told_at = parts_.wall.now();
  state.status.told += 1;
  state.status.problem = std::move(problem);
  if (state.status.problem.empty()) {
    state.status.failing_since.reset();
    parts_.alerts.clear(failed_cause(channel));
    return;
  }
  if (!state.status.failing_since) state.status.failing_since = parts_.wall.now();
  parts_.log.warning("notice_not_for_all", {{"channel", name_of(channel)}, {"why", state.status.problem}});
  parts_.alerts.raise(failed_cause(channel), state.status.problem + " The others hear. Mend notices.mail_to in the registry.");
}

void Notices::note_failure(State& state, Channel channel, const Error& error) {
  state.failures += 1;
  state.status.failed += 1;
  if (!state.status.failing_since) state.status.failing_since = parts_.wall.now();
  state.status.problem = error.text;
  const auto wait = std::min<std::chrono::nanoseconds>(kBackOffMax, kBackOffFirst * (1 << std::min(state.failures - 1, 10)));
  state.not_before = parts_.steady.now() + wait;
  parts_.log.warning("notice_not_delivered", {{"channel", name_of(channel)}, {"why", error.text}, {"detail", error.detail}});
  if (state.failures < kFailuresToAlert) return;
  parts_.alerts.raise(failed_cause(channel), fmt::format("Notices by {} do not arrive: {} They are tried again by themselves; see Health.",
                                                         channel == Channel::mail ? "mail" : "webhook", error.text));
}

Task<Result<std::string>> Notices::deliver(Channel channel, NoticeSettings settings, Notice notice) {
  if (!parts_.machine.empty()) {
    const bool is_own = notice.kind != NoticeKind::test && kind_of_alert(notice.cause).scope == AlertScope::server;
    notice.words += (is_own ? " This is about the server " : " Told by the server ") + parts_.machine + ".";
  }
  notice.since = std::min(notice.since, parts_.stamps.now());  // by a clock that was ahead
  if (channel == Channel::mail) co_return co_await mail(std::move(settings), std::move(notice));
  co_return co_await post(std::move(settings), std::move(notice));
}

Task<Result<Secret>> Notices::secret_of(Channel channel, std::string smtp_host) {
  auto read = co_await parts_.store.meta(secret_key(channel));
  auto& known = state_of(channel).secret_sealed;
  if (!read && !known) co_return std::unexpected(read.error());
  if (read) known = *std::move(read);
  if (known->empty()) co_return Secret();
  auto secret = parts_.sealing.open_channel_secret(secret_place(channel, smtp_host), *known);
  if (!secret && channel == Channel::mail) {
    co_return fail(ErrorKind::misconfigured, "mail_password_elsewhere",
                   "The password was set for another relay and does not go to " + smtp_host + ": set it again with `latchkey notice set-secret mail`.");
  }
  co_return secret;
}

Task<Result<std::string>> Notices::mail(NoticeSettings settings, Notice notice) {
  const auto to = settings.mail_to;
  const auto from = settings.sender();
  const auto text = mail_text(notice, {.from = from, .to = to, .public_url = parts_.public_url,
                                       .message_id = base::to_hex(parts_.entropy.bytes(16)), .now = parts_.stamps.now()});
  co_return co_await hand_to_relay(std::move(settings), to, text);
}

Task<Result<std::string>> Notices::hand_to_relay(NoticeSettings settings, std::vector<std::string> to, std::string message) {
  auto password = co_await secret_of(Channel::mail, settings.smtp_host);
  if (!password) co_return std::unexpected(password.error());
  const auto taken = co_await parts_.mail.send({.host = settings.smtp_host, .port = settings.smtp_port, .security = settings.smtp_security,
                                                .user = settings.smtp_user, .password = std::move(*password), .from = settings.sender(), .to = std::move(to),
                                                .message = std::move(message)});
  if (!taken) co_return std::unexpected(taken.error());
  co_return taken->refused.empty() ? std::string() : settings.smtp_host + " takes no mail for " + taken->refused + ".";
}

Task<Result<void>> Notices::mail_person(PersonMail mail) {
  const auto settings = NoticeSettings::of(parts_.registry);
  if (!is_one_address(mail.to)) co_return fail(ErrorKind::invalid, "bad_address", "This is no mail address.", {.field = "to"});
  if (settings.smtp_host.empty() || settings.sender().empty()) {
    co_return fail(ErrorKind::conflict, "channel_off", "Mail is off: set notices.smtp_host and notices.mail_from in the registry first.");
  }
  const auto now = parts_.steady.now();
  while (!person_mails_.empty() && person_mails_.front() + std::chrono::hours(1) <= now) person_mails_.pop_front();
  if (person_mails_.size() >= kPersonMailsAnHour) {
    co_return fail(ErrorKind::conflict, "too_many_mails", "This server has mailed a hundred people within the hour. Copy the address instead, or wait.");
  }
  person_mails_.push_back(now);
  const auto message = mail_message(mail.subject, mail.text, {.from = settings.sender(), .to = {mail.to}, .public_url = parts_.public_url,
                                                              .message_id = base::to_hex(parts_.entropy.bytes(16)), .now = parts_.stamps.now()},
                                    Importance::normal);
  const auto sent = co_await hand_to_relay(settings, {mail.to}, message);
  if (!sent) co_return std::unexpected(sent.error());
  co_return Result<void>{};
}

Task<Result<std::string>> Notices::post(NoticeSettings settings, Notice notice) {
  const auto secret = co_await secret_of(Channel::webhook, {});
  if (!secret) co_return std::unexpected(secret.error());
  const auto now = parts_.stamps.now();
  const auto body = webhook_body(notice, parts_.public_url, base::to_hex(parts_.entropy.bytes(16)), now);
  const auto timestamp = base::to_unix_ms(now) / 1000;
  net::HttpCall call{.method = "POST", .url = settings.webhook_url};
  call.headers.set("Content-Type", "application/json");
  call.headers.set("Latchkey-Timestamp", std::to_string(timestamp));
  if (!secret->empty()) call.headers.set("Latchkey-Signature", webhook_signature(*secret, timestamp, body));
  call.body = Secret(std::string_view(body));
  call.total_timeout = Seconds(10);
  const auto outcome = co_await parts_.transport.send(std::move(call));
  if (const auto* reply = std::get_if<net::Reply>(&outcome)) {
    if (reply->status >= 200 && reply->status < 300) co_return std::string();
    co_return fail(ErrorKind::unavailable, "webhook_refused", fmt::format("The webhook answered {} instead of 200.", reply->status));
  }
  if (const auto* unsent = std::get_if<net::NothingSent>(&outcome)) co_return std::unexpected(unsent->error);
  co_return std::unexpected(std::get<net::Ambiguous>(outcome).error);
}

Task<Result<void>> Notices::test(Channel channel) {
  const auto settings = NoticeSettings::of(parts_.registry);
  if (!settings.on(channel)) {
    co_return fail(ErrorKind::conflict, "channel_off",
                   channel == Channel::mail ? "Mail is off: set notices.smtp_host and notices.mail_to in the registry first."
                                            : "The webhook is off: set notices.webhook_url in the registry first.");
  }
  auto& state = state_of(channel);
  const Notice notice{.kind = NoticeKind::test, .cause = "test", .words = "If you read this, notices arrive.", .since = parts_.wall.now()};
  const auto done = co_await deliver(channel, settings, notice);
  if (!done) {
    state.status.problem = done.error().text;
    state.status.failed += 1;
    if (!state.status.failing_since) state.status.failing_since = parts_.wall.now();
    co_return std::unexpected(done.error());
  }
  note_success(state, channel, *done);
  state.not_before = SteadyTime{};
  if (!done->empty()) co_return fail(ErrorKind::misconfigured, "mail_not_for_all", *done + " The others got it.");
  co_return Result<void>{};
}

Task<Result<std::vector<ChannelStatus>>> Notices::status() {
  const auto settings = NoticeSettings::of(parts_.registry);
  std::vector<ChannelStatus> all;
  for (const auto channel : kChannels) {
    auto status = state_of(channel).status;
    const auto sealed = co_await parts_.store.meta(secret_key(channel));
    if (!sealed) co_return std::unexpected(sealed.error());
    status.on = settings.on(channel);
    status.secret_set = !sealed->empty();
    if (channel == Channel::mail) {
      status.target = fmt::format("{}", fmt::join(settings.mail_to, ", "));
      if (!settings.smtp_host.empty()) status.target += fmt::format(" through {}:{}", settings.smtp_host, settings.smtp_port);
    } else if (const auto url = net::Url::parse(settings.webhook_url)) {
      status.target = url->origin();  // what follows may be a secret in itself
    }
    all.push_back(std::move(status));
  }
  co_return all;
}

Task<Result<void>> Notices::set_secret(Channel channel, Secret secret, std::string actor, std::string source) {
  const auto place = secret_place(channel, NoticeSettings::of(parts_.registry).smtp_host);
  store::Batch batch;
  batch.push_back(store::PutMeta{secret_key(channel), secret.empty() ? Bytes() : parts_.sealing.seal_channel_secret(place, secret)});
  batch.push_back(store::AppendAudit{{.at = parts_.wall.now(), .actor = std::move(actor), .action = "notices.secret_set",
                                      .subject = channel == Channel::mail ? "mail relay's password" : "webhook's secret", .source = std::move(source),
                                      .detail = secret.empty() ? "Taken away." : ""}});
  co_return co_await parts_.store.commit(std::move(batch));
}

std::vector<ChannelSecretPlace> Notices::secret_places() const {
  const auto host = NoticeSettings::of(parts_.registry).smtp_host;
  std::vector<ChannelSecretPlace> places;
  for (const auto channel : kChannels) places.push_back({.key = secret_key(channel), .place = secret_place(channel, host)});
  return places;
}

}  // namespace latchkey::grants

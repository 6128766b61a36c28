#include "doors/smtp/smtp_conversation.h"

#include <algorithm>

#include "doors/address_text.h"
#include "doors/smtp/attachment_sink.h"
#include "doors/smtp/people_mail_sink.h"
#include "doors/smtp/smtp_errors.h"

namespace latchkey::doors {
namespace {

using namespace wire::smtp;

constexpr Seconds kRateWindow{60};
constexpr Seconds kSilenceNoted{2};
constexpr std::uint32_t kAnyUse = 0;  // which one is needed the recipients say: `deliver` for connectors, `send` for people
// What is read of a message beyond its limit before the connection is closed: 552 reaches whoever sends a little too much.
constexpr std::uint64_t kExcessBytes = 64'000'000;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

std::string lowered(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), lower);
  return out;
}

std::string silence(std::chrono::nanoseconds waited) {
  return std::to_string(std::chrono::duration_cast<Seconds>(waited).count()) + " seconds of silence";
}

people::ConversationLine::Speaker speaker_of(TranscriptLine::Speaker speaker) {
  using enum people::ConversationLine::Speaker;
  switch (speaker) {
    case TranscriptLine::Speaker::client: return device;
    case TranscriptLine::Speaker::server: return server;
    case TranscriptLine::Speaker::note: return note;
  }
  return note;
}

// A document in base64 takes at least 4 octets of a mail for 3 of its own.
std::uint64_t mail_size_of(std::uint64_t document_bytes) { return document_bytes / 3 * 4 + document_bytes / 20 + 100'000; }

}  // namespace

SmtpConversation::SmtpConversation(const SmtpDoor::Parts& parts, QuestionPace& pace, std::shared_ptr<net::StreamConnection> connection)
    : parts_(parts), pace_(pace), connection_(std::move(connection)), session_(session_settings()), began_(parts_.steady.now()), began_at_(parts_.wall.now()) {}

people::Transport SmtpConversation::transport() const {
  if (rule().kind == SmtpListenerKind::trusted) return people::Transport::clear;
  if (connection_->in_tls()) return people::Transport::tls;
  // A proxy that stands on this machine and does not know whom it speaks for may speak for anybody.
  return connection_->peer_known() && connection_->peer().is_loopback() ? people::Transport::loopback : people::Transport::clear;
}

std::string SmtpConversation::source() const { return "smtp " + connection_->peer().text(); }

SessionSettings SmtpConversation::session_settings() const {
  return {.host = parts_.settings.host,
          .starttls = connection_->can_start_tls(),
          .tls = connection_->in_tls(),
          .auth = rule().kind == SmtpListenerKind::trusted || transport() != people::Transport::clear,
          .auth_in_tls = true,
          .size_bytes_max = mail_size_of(parts_.settings.size_bytes_max())};
}

Task<bool> SmtpConversation::flush() {
  auto octets = session_.take_output();
  if (octets.empty()) co_return true;
  const auto written = co_await connection_->write(std::move(octets), parts_.settings.patience.write);
  co_return written.has_value();
}

Task<bool> SmtpConversation::meet() {
  if (rule().kind != SmtpListenerKind::trusted) co_return true;
  if (!connection_->peer_known() || !rule().names(connection_->peer())) {
    parts_.smtp_counters.cut += 1;
    parts_.log.warning("smtp_source_refused", {{"peer", connection_->peer().text()}});
    (void)session_.take_output();
    session_.end({554, "5.7.1", "Nothing is taken from this address here"});
    co_return true;
  }
  auto device = co_await parts_.gate.recognise(connection_->peer().text(), kAnyUse);
  if (device) know(std::move(*device));
  co_return true;
}

// Whoever says EHLO again is told what is worth sending.
void SmtpConversation::know(people::Principal who) {
  who_ = std::move(who);
  session_.ask_size();
}

Task<void> SmtpConversation::run() {
  co_await converse();
  co_await keep_transcript();
}

Task<void> SmtpConversation::converse() {
  (void)co_await meet();
  while (co_await perform_all() && co_await flush() && (session_.is_full() || co_await read_more())) {
  }
}

Task<void> SmtpConversation::keep_transcript() {
  std::optional<DeviceId> device;
  const bool person = who_ && std::holds_alternative<people::Admitted>(*who_);
  if (person) co_return;
  if (who_) device = std::get<people::AdmittedDevice>(*who_).device;
  else if (pace_.may_ask(parts_.steady.now())) device = co_await parts_.gate.supposed(shown_name_, connection_->peer().text());
  if (!device) co_return;
  people::Conversation conversation{.began_at = began_at_, .ended_at = parts_.wall.now(), .door = "smtp", .source = connection_->peer().text(), .lines = {},
                                    .is_supposed = !who_};
  for (auto& line : session_.transcript().lines()) conversation.lines.push_back({speaker_of(line.speaker), std::move(line.text)});
  parts_.conversations.keep(*device, std::move(conversation));
}

Task<bool> SmtpConversation::perform_all() {
  while (auto action = session_.next()) {
    // What has been said so far leaves before what takes its time.
    if (!std::holds_alternative<DataPiece>(*action) && !co_await flush()) co_return false;
    bool goes_on = true;
    if (auto* tls = std::get_if<StartTls>(&*action)) goes_on = co_await perform(*tls);
    else if (auto* sign_in = std::get_if<Authenticate>(&*action)) goes_on = co_await perform(std::move(*sign_in));
    else if (auto* mail = std::get_if<BeginMail>(&*action)) goes_on = co_await perform(std::move(*mail));
    else if (auto* recipient = std::get_if<AddRecipient>(&*action)) goes_on = co_await perform(std::move(*recipient));
    else if (auto* begin = std::get_if<BeginData>(&*action)) goes_on = co_await perform(*begin);
    else if (auto* piece = std::get_if<DataPiece>(&*action)) goes_on = co_await perform(std::move(*piece));
    else if (auto* end = std::get_if<EndData>(&*action)) goes_on = co_await perform(*end);
    else if (auto* forget = std::get_if<ForgetMail>(&*action)) goes_on = co_await perform(*forget);
    else if (auto* ask = std::get_if<AskSize>(&*action)) goes_on = co_await perform(*ask);
    else goes_on = co_await perform(std::get<Close>(*action));
    if (!goes_on) co_return false;
  }
  co_return true;
}

Task<bool> SmtpConversation::read_more() {
  const auto& patience = parts_.settings.patience;
  const bool in_data = session_.in_data();
  auto wait = in_data ? Milliseconds(kRateWindow) : patience.command;
  if (!who_) {
    const auto left = std::chrono::duration_cast<Milliseconds>(patience.sign_in - (parts_.steady.now() - began_));
    if (left <= Milliseconds(0)) co_return co_await cut_slow();
    wait = std::min(left, wait);
  }
  const auto asked = parts_.steady.now();
  auto octets = session_.in_mail() ? co_await connection_->read_on(wait) : co_await connection_->read(wait);
  if (octets && octets->empty()) {
    session_.note("The device closed the connection");
    co_return false;
  }
  if (parts_.steady.now() - asked >= kSilenceNoted) session_.note(silence(parts_.steady.now() - asked));
  bool slow = !octets && octets.error().reason == "timed_out";
  if (octets && in_data) {
    window_waited_ += parts_.steady.now() - asked;
    window_bytes_ += octets->size();
    if (window_waited_ >= kRateWindow) {
      slow = window_bytes_ < patience.bytes_per_second_min * static_cast<std::uint64_t>(kRateWindow.count());
      window_waited_ = {};
      window_bytes_ = 0;
    }
  }
  if (octets && !slow) {
    session_.feed(*octets);
    co_return true;
  }
  if (slow) co_return co_await cut_slow();
  if (octets.error().reason == "stopping") {
    session_.end({421, "4.3.2", "The server stops: try again in a minute"});
  } else {
    session_.note("The line was cut");
    co_return false;
  }
  (void)co_await flush();
  co_return false;
}

Task<bool> SmtpConversation::cut_slow() {
  parts_.smtp_counters.cut += 1;
  session_.end({421, "4.4.2", "Nothing came for too long, or too little"});
  (void)co_await flush();
  co_return false;
}

Task<bool> SmtpConversation::perform(StartTls) {
  if (!(co_await connection_->start_tls(parts_.settings.patience.handshake))) {
    session_.note("TLS could not be agreed on: it knows nothing newer than TLS 1.1, or does not take this certificate");
    co_return false;
  }
  session_.tls_started();
  // Whoever signed in did so in clear: only the address still counts, where it did.
  who_.reset();
  forget_mail();
  (void)co_await meet();
  co_return true;
}

Task<bool> SmtpConversation::perform(Authenticate action) {
  shown_name_ = action.username;
  people::Attempt attempt{.username = std::move(action.username),
                          .pin = std::move(action.secret),
                          .source = net::SourceAddress(connection_->peer()).text(),
                          .address = address_text(connection_->peer(), connection_->peer_known()),
                          .transport = transport(),
                          .uses = kAnyUse,
                          .arrived = parts_.steady.now()};
  auto admitted = co_await parts_.gate.admit(std::move(attempt));
  if (action.in_clear) {
    parts_.smtp_counters.sign_ins_refused += 1;
    session_.answer({538, "5.7.11", "Begin TLS first (STARTTLS): what has just been sent could be read on the way. Change it"});
  } else if (admitted) {
    know(std::move(*admitted));
    session_.answer({235, "2.7.0", "Signed in"});
  } else {
    parts_.smtp_counters.sign_ins_refused += 1;
    session_.answer(sign_in_reply_of(admitted.error()));
  }
  co_return true;
}

Task<bool> SmtpConversation::perform(BeginMail action) {
  forget_mail();
  if (!who_) {
    session_.answer({530, "5.7.0", "Sign in first: AUTH PLAIN or AUTH LOGIN, with user name and PIN, or a device's name and secret"});
    co_return true;
  }
  stated_size_ = action.mail.size_bytes;
  session_.answer({250, "2.1.0", "Go on"});
  co_return true;
}

Task<Result<std::uint64_t>> SmtpConversation::limit_of(std::string connector) {
  auto opened = co_await parts_.reception.look(submitter_again(*who_), connector, store::kUseDeliver);
  if (!opened) co_return std::unexpected(opened.error());
  const auto limit = parts_.settings.size_bytes_max();
  const auto own = static_cast<std::uint64_t>(std::max<std::int64_t>(opened->connector.size_bytes_max, 0));
  opened_[std::move(connector)] = std::make_unique<delivery::OpenedConnector>(std::move(*opened));
  co_return own > 0 ? std::min(limit, own) : limit;
}

Task<bool> SmtpConversation::perform(AddRecipient action) {
  const auto at = action.address.rfind('@');
  const bool is_drop = at != std::string::npos && lowered(action.address.substr(at + 1)) == lowered(parts_.settings.drop_domain);
  if (is_drop ? !people_.empty() : !connectors_.empty()) {
    session_.answer({451, "4.5.3", "Write to people and to connectors in mails of their own"});
    co_return true;
  }
  if (!is_drop) co_return co_await add_person(std::move(action.address));
  co_return co_await add_connector(lowered(action.address.substr(0, at)));
}

Task<bool> SmtpConversation::add_connector(std::string connector) {
  const auto limit = co_await limit_of(connector);
  if (!limit) {
    // What is wrong with whoever it is comes before what is wrong with the connector, and stands on the device's page.
    const auto may = co_await parts_.gate.check_uses(*who_, store::kUseDeliver);
    session_.answer(reply_of(may ? limit.error() : may.error()));
    co_return true;
  }
  if (parts_.post.carries_mail(opened_.at(connector)->connector)) {
    session_.answer({550, "5.1.1", "This connector sends mail: write to the people themselves"});
    co_return true;
  }
  if (stated_size_ && *stated_size_ > mail_size_of(*limit)) {
    session_.answer({552, "5.3.4", "The mail is larger than this connector takes (documents of " + std::to_string(*limit) + " bytes)"});
    co_return true;
  }
  if (std::ranges::find(connectors_, connector) == connectors_.end()) connectors_.push_back(std::move(connector));
  session_.answer({250, "2.1.5", "Go on"});
  co_return true;
}

// Where the mail cannot go is said now, and not after it has been sent: the mailbox, its limit, whom a device may write to.
Task<bool> SmtpConversation::add_person(std::string address) {
  if (const auto may = co_await parts_.gate.check_uses(*who_, store::kUseSend); !may) {
    session_.answer(reply_of(may.error()));
    co_return true;
  }
  const auto sender = delivery::sender_of(submitter_again(*who_));
  const auto route = co_await parts_.post.route(sender);
  if (!route) {
    session_.answer(reply_of(route.error()));
    co_return true;
  }
  if (const auto may = co_await parts_.post.may_write_to(sender, address); !may) {
    session_.answer(reply_of(may.error()));
    co_return true;
  }
  if (stated_size_ && *stated_size_ > route->size_bytes_max) {
    session_.answer({552, "5.3.4", "The mail is larger than its mailbox takes (" + std::to_string(route->size_bytes_max) + " bytes)"});
    co_return true;
  }
  if (std::ranges::find(people_, address) == people_.end()) people_.push_back(std::move(address));
  session_.answer({250, "2.1.5", "Go on"});
  co_return true;
}

Task<bool> SmtpConversation::perform(BeginData) {
  if (people_.empty()) {
    sink_ = std::make_unique<AttachmentSink>(parts_.reception, *who_, connectors_, source(), std::move(opened_));
  } else {
    sink_ = std::make_unique<PeopleMailSink>(
        parts_.post, delivery::MailSubmission{.submitter = submitter_again(*who_), .connector = {}, .recipients = people_, .source = source()});
  }
  failure_.reset();
  came_bytes_ = 0;
  window_bytes_ = 0;
  window_waited_ = {};
  session_.answer({354, "", "Send the mail, then a dot on a line of its own"});
  co_return true;
}

// What has failed is read to its end all the same: only then may it be said.
Task<bool> SmtpConversation::perform(DataPiece action) {
  came_bytes_ += action.octets.size();
  const auto limit = mail_size_of(parts_.settings.size_bytes_max());
  if (came_bytes_ > limit + kExcessBytes) {
    parts_.smtp_counters.cut += 1;
    session_.end({552, "5.3.4", "The mail is larger than this server takes"});
    forget_mail();
    co_return true;
  }
  if (failure_) co_return true;
  if (came_bytes_ > limit) {
    failure_ = Error{.kind = ErrorKind::refused, .reason = "document_too_large", .text = "The mail is larger than this server takes."};
  } else if (auto taken = co_await sink_->append(std::move(action.octets)); !taken) {
    failure_ = std::move(taken.error());
  }
  if (failure_) sink_.reset();
  co_return true;
}

Task<bool> SmtpConversation::perform(EndData) {
  Result<std::string> accepted;
  if (failure_) accepted = std::unexpected(std::move(*failure_));
  else accepted = co_await sink_->accept();
  forget_mail();
  if (accepted) {
    parts_.smtp_counters.mails += 1;
    parts_.counters.accepted += 1;
    session_.answer({250, "2.0.0", *accepted});
    co_return true;
  }
  parts_.smtp_counters.refused += 1;
  parts_.counters.refused += 1;
  const auto reply = reply_of(accepted.error());
  parts_.log.info("smtp_mail_refused", {{"peer", connection_->peer().text()}, {"reason", accepted.error().reason}, {"code", reply.code}});
  if (const auto* device = std::get_if<people::AdmittedDevice>(&*who_)) co_await parts_.gate.note_error(device->device, accepted.error().text);
  session_.answer(reply);
  co_return true;
}

Task<bool> SmtpConversation::perform(ForgetMail) {
  forget_mail();
  co_return true;
}

// The recipient is not known yet: the largest of all that whoever this is may reach. Each mail is held against where it goes.
Task<bool> SmtpConversation::perform(AskSize) {
  forget_mail();
  const auto whole = mail_size_of(parts_.settings.size_bytes_max());
  const auto reach = co_await parts_.post.reach(delivery::sender_of(submitter_again(*who_)));
  std::optional<std::uint64_t> largest;
  if (reach && reach->document_bytes) largest = mail_size_of(*reach->document_bytes);
  if (reach && reach->message_bytes) largest = std::max(largest.value_or(0), *reach->message_bytes);
  // Where nothing can be reached the recipients' refusals say why.
  session_.announce_size(largest.value_or(whole));
  co_return true;
}

Task<bool> SmtpConversation::perform(Close) {
  (void)co_await flush();
  co_return false;
}

void SmtpConversation::forget_mail() {
  sink_.reset();
  failure_.reset();
  connectors_.clear();
  opened_.clear();
  stated_size_.reset();
  people_.clear();
}

}  // namespace latchkey::doors

// Notices: what needs a person, told by mail and by webhook, one a cause (docs/design/foresight.md, docs/operations.md).
//
// Of several servers on one store each tells its own causes, by a book of its own; those of the whole installation are told once, by a
// book that all of them share (shared_notice_book.h).
//
// A channel that fails backs off, raises `notice_failed:CHANNEL`, and tells what stands when it works again: its book knows what has
// been told, so nothing queues up.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/entropy.h"
#include "base/task_group.h"
#include "grants/counters.h"
#include "grants/notice_book.h"
#include "grants/notice_desk.h"
#include "grants/sealing.h"
#include "grants/shared_notice_book.h"
#include "grants/stamps.h"
#include "net/http_client.h"
#include "net/mail_client.h"
#include "store/registry.h"
#include "store/store.h"

namespace latchkey::grants {

// Of what the registry says; secrets are no part of it.
struct NoticeSettings {
  std::vector<std::string> mail_to;
  std::string mail_from;
  std::string smtp_host;
  std::uint16_t smtp_port = 587;
  net::MailSecurity smtp_security = net::MailSecurity::starttls;
  std::string smtp_user;
  std::string webhook_url;
  NoticeRhythm rhythm;

  [[nodiscard]] static NoticeSettings of(const store::Registry& registry);
  [[nodiscard]] bool on(Channel channel) const;
  [[nodiscard]] std::string sender() const;  // empty: none is named
  // All that a channel's success depends on, but its secret.
  [[nodiscard]] std::string where(Channel channel) const;
};

// Lives on the engine's executor.
class Notices final : public NoticeDesk {
 public:
  struct Parts {
    store::Store& store;
    const store::Registry& registry;
    const Sealing& sealing;
    net::HttpTransport& transport;
    net::MailClient& mail;
    Alerts& alerts;
    const WallClock& wall;
    Stamps stamps;
    SteadyClock& steady;
    Entropy& entropy;
    Log& log;
    std::string public_url;
    std::optional<NodeId> node{};  // of several servers that share the store
    std::string machine{};         // its name, for people; empty: there is but one
  };
  explicit Notices(Parts parts);

  // For ever; the caller owns the task.
  [[nodiscard]] Task<void> keep_telling();
  // What there is to tell now. Errors go to the status.
  [[nodiscard]] Task<void> tell_all();

  // Where the channels' secrets lie, for whoever seals them anew.
  [[nodiscard]] std::vector<ChannelSecretPlace> secret_places() const;

  [[nodiscard]] Task<Result<void>> test(Channel channel) override;
  [[nodiscard]] Task<Result<std::vector<ChannelStatus>>> status() override;
  [[nodiscard]] Task<Result<void>> mail_person(PersonMail mail) override;
  [[nodiscard]] Task<Result<void>> set_secret(Channel channel, Secret secret, std::string actor, std::string source) override;

 private:
  static constexpr int kTellInARow = 20;  // the rest at the next look: a relay is not flooded

  // What a server keeps of the book it shares with others.
  struct Sharing {
    SharedNoticeBook::Reader reader;
    std::optional<SteadyTime> reading_since;  // without a break
    SteadyTime read_at{};
    std::vector<Notice> delivered;            // and not noted in the book yet
    std::string told_alone;                   // this server's book, of a version that shared none: it is to be adopted
    std::optional<WallTime> delivered_before_failure;  // as the book had it when a notice of the installation's failed here last
  };
  struct State {
    NoticeBook book;  // of several servers: of this one's own causes
    bool loaded = false;
    Sharing sharing;
    int failures = 0;
    SteadyTime not_before{};
    std::string where;  // as at the last look
    ChannelStatus status;
    std::optional<Bytes> secret_sealed;  // as last read: told is also that the store is away
  };
  [[nodiscard]] State& state_of(Channel channel) { return states_[static_cast<std::size_t>(channel)]; }
  [[nodiscard]] Task<void> tell(Channel channel, NoticeSettings settings);
  [[nodiscard]] Task<bool> load(Channel channel);
  // Alerts that this channel may tell of; with several servers on the store: those of the scope.
  [[nodiscard]] std::vector<Alert> alerts_for(Channel channel, AlertScope scope) const;
  [[nodiscard]] Task<void> tell_own(Channel channel, NoticeSettings settings);
  [[nodiscard]] Task<void> tell_shared(Channel channel, NoticeSettings settings);
  [[nodiscard]] Task<Result<void>> keep_shared(Channel channel, Bytes as_read, std::string book);
  // Each says what went wrong though the notice was taken: whom a mail did not reach; empty: nothing.
  [[nodiscard]] Task<Result<std::string>> deliver(Channel channel, NoticeSettings settings, Notice notice);
  [[nodiscard]] Task<Result<std::string>> post(NoticeSettings settings, Notice notice);
  [[nodiscard]] Task<Result<std::string>> mail(NoticeSettings settings, Notice notice);
  // The relay took it. What it gives: the recipients it refused while it took others, in words; empty: none.
  [[nodiscard]] Task<Result<std::string>> hand_to_relay(NoticeSettings settings, std::vector<std::string> to, std::string message);
  [[nodiscard]] Task<Result<Secret>> secret_of(Channel channel, std::string smtp_host);
  [[nodiscard]] Task<bool> was_mended(Channel channel, std::string where);
  void begin_anew(State& state, Channel channel);
  void note_success(State& state, Channel channel, std::string problem);
  void note_failure(State& state, Channel channel, const Error& error);

  Parts parts_;
  WallTime started_at_;
  std::deque<SteadyTime> person_mails_;  // of the last hour
  std::array<State, 2> states_;
};

// Where a book is kept: a server's own; without a node that of the installation.
[[nodiscard]] std::string book_key(Channel channel, const std::optional<NodeId>& node);

}  // namespace latchkey::grants

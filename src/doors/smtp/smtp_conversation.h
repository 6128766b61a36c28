// One connection at the SMTP door: performs what the protocol's state machine asks for. Private to the door.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "doors/smtp/attachment_sink.h"
#include "doors/smtp/mail_sink.h"
#include "doors/smtp/smtp_door.h"
#include "wire/smtp/session.h"

namespace latchkey::doors {

// A resource, used by the connection's task.
class SmtpConversation {
 public:
  SmtpConversation(const SmtpDoor::Parts& parts, QuestionPace& pace, std::shared_ptr<net::StreamConnection> connection);
  SmtpConversation(const SmtpConversation&) = delete;
  SmtpConversation& operator=(const SmtpConversation&) = delete;

  [[nodiscard]] Task<void> run();

 private:
  // One for each action; false: the conversation is over.
  [[nodiscard]] Task<bool> perform(wire::smtp::StartTls action);
  [[nodiscard]] Task<bool> perform(wire::smtp::Authenticate action);
  [[nodiscard]] Task<bool> perform(wire::smtp::BeginMail action);
  [[nodiscard]] Task<bool> perform(wire::smtp::AddRecipient action);
  [[nodiscard]] Task<bool> perform(wire::smtp::BeginData action);
  [[nodiscard]] Task<bool> perform(wire::smtp::DataPiece action);
  [[nodiscard]] Task<bool> perform(wire::smtp::EndData action);
  [[nodiscard]] Task<bool> perform(wire::smtp::ForgetMail action);
  [[nodiscard]] Task<bool> perform(wire::smtp::AskSize action);
  [[nodiscard]] Task<bool> perform(wire::smtp::Close action);
  [[nodiscard]] Task<bool> perform_all();

  // Until either side has had enough.
  [[nodiscard]] Task<void> converse();
  // For the page of the device that it was with.
  [[nodiscard]] Task<void> keep_transcript();
  // Whether this address may connect here, and the device that it is.
  [[nodiscard]] Task<bool> meet();
  void know(people::Principal who);
  [[nodiscard]] Task<bool> read_more();
  // 421, and the end: false.
  [[nodiscard]] Task<bool> cut_slow();
  [[nodiscard]] Task<bool> flush();
  [[nodiscard]] const SmtpListenerRule& rule() const { return parts_.settings.listeners[connection_->listener()]; }
  [[nodiscard]] people::Transport transport() const;
  [[nodiscard]] std::string source() const;
  [[nodiscard]] wire::smtp::SessionSettings session_settings() const;
  // The limit of the connector, where this principal may use it; it stays open for the mail's first document.
  [[nodiscard]] Task<Result<std::uint64_t>> limit_of(std::string connector);
  // A recipient in the drop domain.
  [[nodiscard]] Task<bool> add_connector(std::string connector);
  // One outside it.
  [[nodiscard]] Task<bool> add_person(std::string address);
  void forget_mail();

  const SmtpDoor::Parts& parts_;
  QuestionPace& pace_;
  std::shared_ptr<net::StreamConnection> connection_;
  wire::smtp::Session session_;
  SteadyTime began_;
  WallTime began_at_;
  std::string shown_name_;  // at the last sign-in
  std::optional<people::Principal> who_;

  // The mail under way.
  std::optional<std::uint64_t> stated_size_;
  std::vector<std::string> connectors_;  // of these or
  std::vector<std::string> people_;      // of those, never of both
  OpenedConnectors opened_;
  std::unique_ptr<MailSink> sink_;
  std::optional<Error> failure_;  // of its data, said at the end
  std::uint64_t came_bytes_ = 0;
  std::uint64_t window_bytes_ = 0;
  std::chrono::nanoseconds window_waited_{};
};

}  // namespace latchkey::doors

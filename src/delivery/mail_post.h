// Where doors hand mail in: whose mailbox it goes through, under whose address, and how much of it (docs/design/mail.md,
// RULES G2). What comes in is repaired on its way into the spool, and is one delivery with its envelope.
//
//   auto route = co_await post.route(sender_of(submitter));                    // SMTP: before MAIL FROM is answered
//   auto mail = co_await post.open({...});                          // before a single octet is taken
//   co_await (*mail)->append(octets);  ...  co_await (*mail)->accept();
//
// Concurrency: thread-safe; an IncomingMail is used by one task.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "connectors/registry.h"
#include "crypto/hash.h"
#include "delivery/mail_caps.h"
#include "delivery/reception.h"
#include "wire/mime/mail_repair.h"

namespace latchkey::delivery {

// What a door knows of a mail before its first octet. The submitter has been admitted.
struct MailSubmission {
  Submitter submitter;
  std::string connector;                      // empty: the one that the submitter's mail goes through
  std::vector<std::string> recipients;        // of the envelope; empty: those in To, Cc and Bcc
  std::string source;                         // "smtp 203.0.113.7"
  std::optional<std::uint64_t> size_bytes{};  // as the sender states it; nullopt: it shows at the end
  std::string idempotency_key{};
};

struct MailRoute {
  std::string connector;
  std::uint64_t size_bytes_max =
      0;  // of a message: this server's, the connector's and the service's limit, whichever is least
};

// The largest that a sender may hand in, as things stand; nullopt: none at all.
struct MailReach {
  std::optional<std::uint64_t> document_bytes;  // to any of the connectors that take documents
  std::optional<std::uint64_t> message_bytes;   // to people, through the sender's mailbox
};

// A mail on its way in. A resource.
class IncomingMail {
 public:
  struct Parts {
    std::unique_ptr<Reception::Incoming> document;
    wire::MailIdentity identity;
    std::vector<std::string> recipients;                        // of the envelope; empty: the header's count
    std::optional<std::vector<std::string>> recipient_domains;  // a device's; nullopt: any
    std::string principal;
    std::uint64_t size_bytes_max = 0;
    bool may_be_repeated = false;  // it came with a key for that
    MailCaps& caps;
  };
  explicit IncomingMail(Parts parts) : parts_(std::move(parts)), repair_(parts_.identity) {}
  IncomingMail(const IncomingMail&) = delete;
  IncomingMail& operator=(const IncomingMail&) = delete;

  // The message as it came, in pieces of any size. Errors: those of Reception::Incoming::append();
  // refused/`mail_header_too_long`.
  [[nodiscard]] Task<Result<void>> append(std::string octets);
  // The whole message is durable: this is the acknowledgement. Errors besides those of Reception::Incoming::accept():
  // invalid/ `no_recipients`, refused/`recipient_not_allowed`, those of MailCaps::take(); then nothing is kept.
  [[nodiscard]] Task<Result<store::Delivery>> accept();

 private:
  Parts parts_;
  wire::MailRepair repair_;
  std::uint64_t came_ = 0;    // octets, before they were repaired
  crypto::Sha256 came_hash_;  // of them, where it may be repeated
  std::uint64_t taken_ = 0;   // and after it
};

class MailPost {
 public:
  struct Parts {
    store::Store& store;
    Reception& reception;
    const connectors::Connectors& connectors;
    const catalog::Catalog& catalog;
    MailCaps& caps;
    const WallClock& wall;
    Entropy& entropy;
    std::string host;                               // in Message-IDs made here
    std::function<std::uint64_t()> size_bytes_max;  // of this server
  };
  explicit MailPost(Parts parts) : parts_(std::move(parts)) {}

  // The connector that a mail of this sender goes through: of a person the one mail connector that uses their own grant,
  // of a device the one that it may use. Errors: not_found/`no_mail_connector`; conflict/`several_mail_connectors`; those of
  // the store.
  [[nodiscard]] Task<Result<MailRoute>> route(MailSender sender);
  // What is worth sending: uses, connectors and accounts are looked at, and whether they open is not tried. Errors: those of the
  // store.
  [[nodiscard]] Task<Result<MailReach>> reach(MailSender sender);
  // Whether mails are handed to this connector. Errors: those of the store.
  [[nodiscard]] Task<Result<bool>> carries_mail(std::string connector);
  [[nodiscard]] bool carries_mail(const store::Connector& connector) const;
  // Whether the sender may write to this address: a device to its recipient domains alone. Errors: refused/
  // `recipient_not_allowed`; invalid/`bad_address`; those of the store.
  [[nodiscard]] Task<Result<void>> may_write_to(MailSender sender, std::string address);

  // For a message made of a form: never twice the same without a key; with one the same form once more is the same message,
  // however the client has cut it up this time.
  [[nodiscard]] std::string boundary_for(std::string_view idempotency_key) const;

  // Errors: those of route(), may_write_to(), MailCaps::check() and Reception::open(); not_found/`no_such_connector` for one
  // that carries no mail; refused/`document_too_large`; misconfigured/`no_sender_address` where neither the account nor the
  // connector names one.
  [[nodiscard]] Task<Result<std::unique_ptr<IncomingMail>>> open(MailSubmission submission);

 private:
  [[nodiscard]] std::uint64_t size_limit(const store::Connector& connector) const;
  [[nodiscard]] Task<Result<std::optional<std::vector<std::string>>>> recipient_domains(MailSender sender);
  [[nodiscard]] Task<Result<std::vector<store::Connector>>> candidates(MailSender sender);
  // All that are for the sender, whether they take documents or mail; and what the sender may do.
  struct Usable {
    std::vector<store::Connector> connectors;
    std::uint32_t uses = 0;
  };
  [[nodiscard]] Task<Result<Usable>> usable(MailSender sender);
  [[nodiscard]] Task<Result<wire::MailIdentity>> identity(GrantId grant, store::Connector connector);

  Parts parts_;
};

}  // namespace latchkey::delivery

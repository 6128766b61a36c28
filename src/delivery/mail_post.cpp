#include "delivery/mail_post.h"

#include <algorithm>

#include "connectors/mail_envelope.h"
#include "delivery/mail_aliases.h"
#include "delivery/routing.h"
#include "wire/mime/mail_address.h"
#include "wire/mime/mail_builder.h"

namespace latchkey::delivery {
namespace {

constexpr std::size_t kMessageIdOctets = 16;
constexpr std::size_t kBoundaryOctets = 16;

std::unexpected<Error> no_such_connector() {
  return fail(ErrorKind::not_found, "no_such_connector", "There is no such connector, or it is not for this user.");
}

std::unexpected<Error> too_large(std::uint64_t size_bytes_max) {
  return fail(ErrorKind::refused, "document_too_large",
              "The mail is larger than its mailbox takes (" + std::to_string(size_bytes_max) + " bytes).");
}

Result<void> check_recipient(const std::string& address, const std::optional<std::vector<std::string>>& domains) {
  if (!wire::is_address(address))
    return fail(ErrorKind::invalid, "bad_address", "A recipient's address cannot be read.", {.field = "to"});
  if (!domains) return {};
  const auto domain = wire::domain_of(address);
  const bool listed = std::ranges::any_of(*domains, [&](const auto& one) { return wire::same_address(one, domain); });
  if (listed) return {};
  return fail(ErrorKind::refused, "recipient_not_allowed",
              "This device may not send mail to " + domain + ". An administrator can add the domain to the device.",
              {.field = "to"});
}

}  // namespace

Task<Result<void>> IncomingMail::append(std::string octets) {
  came_ += octets.size();
  if (came_ > parts_.size_bytes_max) co_return too_large(parts_.size_bytes_max);
  if (parts_.may_be_repeated) came_hash_.update(base::as_bytes(octets));
  const auto repaired = repair_.feed(octets);
  if (!repaired) co_return std::unexpected(repaired.error());
  if (repaired->empty()) co_return Result<void>{};
  taken_ += repaired->size();
  if (taken_ > parts_.size_bytes_max) co_return too_large(parts_.size_bytes_max);
  co_return co_await parts_.document->append(base::to_bytes(*repaired));
}

Task<Result<store::Delivery>> IncomingMail::accept() {
  const auto rest = repair_.finish();
  if (!rest) co_return std::unexpected(rest.error());
  if (!rest->empty()) {
    taken_ += rest->size();
    if (taken_ > parts_.size_bytes_max) co_return too_large(parts_.size_bytes_max);
    if (const auto taken = co_await parts_.document->append(base::to_bytes(*rest)); !taken)
      co_return std::unexpected(taken.error());
  }
  const auto& facts = repair_.facts();
  const auto recipients = parts_.recipients.empty() ? facts.recipients : parts_.recipients;
  if (recipients.empty())
    co_return fail(ErrorKind::invalid, "no_recipients", "The mail names nobody it should go to.", {.field = "to"});
  for (const auto& one : recipients) {
    if (const auto allowed = check_recipient(one, parts_.recipient_domains); !allowed)
      co_return std::unexpected(allowed.error());
  }
  if (const auto safe = co_await parts_.document->complete(); !safe) co_return std::unexpected(safe.error());  // or a full disk would count
  const auto count = recipients.size();
  auto counted = co_await parts_.caps.take(parts_.principal, count);
  if (!counted) co_return std::unexpected(counted.error());
  const auto came = parts_.may_be_repeated ? base::to_hex(came_hash_.finish()) : std::string();
  parts_.document->set_fields(
      connectors::fields_of({.mail_from = facts.from, .recipients = recipients, .came_sha256 = came}));
  auto delivery = co_await parts_.document->accept();
  const bool repeated = delivery && delivery->id != parts_.document->id();
  if (repeated || (!delivery && delivery.error().kind != ErrorKind::ambiguous))
    (void)co_await parts_.caps.give_back(std::move(*counted));
  co_return delivery;
}

bool MailPost::carries_mail(const store::Connector& connector) const {
  const auto type = parts_.catalog.find_type(connector.type);
  const auto* works = type ? parts_.connectors.find(*type) : nullptr;
  return works != nullptr && works->abilities().carries_mail;
}

Task<Result<bool>> MailPost::carries_mail(std::string id) {
  const auto connector = co_await parts_.store.connector(std::move(id));
  if (!connector) co_return std::unexpected(connector.error());
  co_return connector->has_value() && carries_mail(**connector);
}

std::uint64_t MailPost::size_limit(const store::Connector& connector) const {
  auto limit = parts_.size_bytes_max();
  if (connector.size_bytes_max > 0) limit = std::min(limit, static_cast<std::uint64_t>(connector.size_bytes_max));
  const auto type = parts_.catalog.find_type(connector.type);
  const auto* works = type ? parts_.connectors.find(*type) : nullptr;
  const auto own = works == nullptr ? 0 : works->abilities().size_bytes_max;
  return own > 0 ? std::min(limit, own) : limit;
}

Task<Result<MailPost::Usable>> MailPost::usable(MailSender sender) {
  auto all = co_await parts_.store.connectors();
  if (!all) co_return std::unexpected(all.error());
  Usable usable{.connectors = std::move(*all)};
  if (!sender.user.none()) {
    const auto id = sender.user;
    const auto user = co_await parts_.store.user(id);
    if (!user) co_return std::unexpected(user.error());
    const auto held = co_await parts_.store.grants_of_user(id);
    if (!held) co_return std::unexpected(held.error());
    std::erase_if(usable.connectors, [&](const auto& one) {
      if (!*user || !may_use(**user, one)) return true;
      return opens_by_pin(id, one) && std::ranges::find(*held, one.type, &store::Grant::type) == held->end();
    });
    usable.uses = *user ? (*user)->uses : 0;
    co_return usable;
  }
  if (sender.device.none()) co_return Usable{};
  const auto found = co_await parts_.store.device(sender.device);
  if (!found) co_return std::unexpected(found.error());
  std::erase_if(usable.connectors, [&](const auto& one) { return !*found || !may_use(**found, one); });
  usable.uses = *found ? (*found)->uses : 0;
  co_return usable;
}

Task<Result<std::vector<store::Connector>>> MailPost::candidates(MailSender sender) {
  const auto id = sender.user;
  auto found = co_await usable(std::move(sender));
  if (!found) co_return std::unexpected(found.error());
  // A person's mail goes through their own grant.
  std::erase_if(found->connectors, [&](const auto& one) { return !carries_mail(one) || (!id.none() && !opens_by_pin(id, one)); });
  co_return std::move(found->connectors);
}

Task<Result<MailReach>> MailPost::reach(MailSender sender) {
  const auto found = co_await usable(sender);
  if (!found) co_return std::unexpected(found.error());
  MailReach reach;
  if ((found->uses & store::kUseDeliver) != 0) {
    for (const auto& one : found->connectors) {
      if (!carries_mail(one)) reach.document_bytes = std::max(reach.document_bytes.value_or(0), size_limit(one));
    }
  }
  if ((found->uses & store::kUseSend) == 0) co_return reach;
  const auto way = co_await route(std::move(sender));
  if (way) reach.message_bytes = way->size_bytes_max;
  const bool is_known = way || way.error().kind == ErrorKind::not_found || way.error().kind == ErrorKind::conflict;
  if (!is_known) co_return std::unexpected(way.error());
  co_return reach;
}

Task<Result<MailRoute>> MailPost::route(MailSender sender) {
  const auto found = co_await candidates(sender);
  if (!found) co_return std::unexpected(found.error());
  if (found->empty())
    co_return fail(ErrorKind::not_found, "no_mail_connector",
                   "No mailbox is set up for this sender: a connector of a mail type, and an account of that type.");
  if (found->size() > 1) {
    std::string names;
    for (const auto& one : *found) names += (names.empty() ? "" : ", ") + one.id;
    co_return fail(ErrorKind::conflict, "several_mail_connectors",
                   "Mail of this sender could go through several connectors (" + names + "). Leave one.");
  }
  co_return MailRoute{.connector = found->front().id, .size_bytes_max = size_limit(found->front())};
}

Task<Result<std::optional<std::vector<std::string>>>> MailPost::recipient_domains(MailSender sender) {
  if (sender.device.none()) co_return std::optional<std::vector<std::string>>();
  const auto found = co_await parts_.store.device(sender.device);
  if (!found) co_return std::unexpected(found.error());
  co_return *found ? (*found)->recipient_domains : std::vector<std::string>{};
}

Task<Result<void>> MailPost::may_write_to(MailSender sender, std::string address) {
  const auto domains = co_await recipient_domains(sender);
  if (!domains) co_return std::unexpected(domains.error());
  co_return check_recipient(address, *domains);
}

Task<Result<wire::MailIdentity>> MailPost::identity(GrantId id, store::Connector connector) {
  const auto grant = co_await parts_.store.grant(id);
  if (!grant) co_return std::unexpected(grant.error());
  wire::MailIdentity identity{.address = *grant ? (*grant)->grant.account_name : std::string(),
                              .aliases = aliases_of(connector)};
  if (!wire::is_address(identity.address))
    identity.address = identity.aliases.empty() ? std::string() : identity.aliases.front();
  if (identity.address.empty())
    co_return fail(ErrorKind::misconfigured, "no_sender_address",
                   "The service did not say which address the account has. Add it to the connector as an alias.");
  identity.date = wire::mail_date(std::chrono::floor<Seconds>(parts_.wall.now().time_since_epoch()).count());
  identity.message_id = "<" + base::to_hex(parts_.entropy.bytes(kMessageIdOctets)) + "@" + parts_.host + ">";
  co_return identity;
}

std::string MailPost::boundary_for(std::string_view idempotency_key) const {
  if (idempotency_key.empty()) return base::to_hex(parts_.entropy.bytes(kBoundaryOctets));
  const auto digest = crypto::sha256(base::as_bytes("mail boundary " + std::string(idempotency_key)));
  return base::to_hex(ByteView(digest).first(kBoundaryOctets));
}

Task<Result<std::unique_ptr<IncomingMail>>> MailPost::open(MailSubmission submission) {
  const auto sender = sender_of(submission.submitter);
  if (submission.connector.empty()) {
    auto way = co_await route(sender);
    if (!way) co_return std::unexpected(way.error());
    submission.connector = std::move(way->connector);
  }
  const auto connector = co_await parts_.store.connector(submission.connector);
  if (!connector) co_return std::unexpected(connector.error());
  // A person's mail goes through their own grant, whatever it is that they may deliver to besides.
  const bool is_own = *connector && (sender.user.none() || opens_by_pin(sender.user, **connector));
  if (!is_own || !carries_mail(**connector)) co_return no_such_connector();
  const auto limit = size_limit(**connector);
  if (submission.size_bytes && *submission.size_bytes > limit) co_return too_large(limit);
  const auto domains = co_await recipient_domains(sender);
  if (!domains) co_return std::unexpected(domains.error());
  for (const auto& one : submission.recipients) {
    if (const auto allowed = check_recipient(one, *domains); !allowed) co_return std::unexpected(allowed.error());
  }
  auto principal = principal_of(sender);
  if (const auto may = co_await parts_.caps.check(principal, submission.recipients.size()); !may)
    co_return std::unexpected(may.error());
  const bool may_be_repeated = !submission.idempotency_key.empty();
  auto document = co_await parts_.reception.open({.submitter = std::move(submission.submitter),
                                                  .connector = std::move(submission.connector),
                                                  .name = "mail.eml",
                                                  .content_type = "message/rfc822",
                                                  .source = std::move(submission.source),
                                                  .size_bytes = submission.size_bytes,
                                                  .fields_json = "{}",
                                                  .idempotency_key = std::move(submission.idempotency_key),
                                                  .use = store::kUseSend});
  if (!document) co_return std::unexpected(document.error());
  auto who = co_await identity((*document)->grant(), **connector);
  if (!who) co_return std::unexpected(who.error());
  co_return std::make_unique<IncomingMail>(IncomingMail::Parts{.document = std::move(*document),
                                                               .identity = std::move(*who),
                                                               .recipients = std::move(submission.recipients),
                                                               .recipient_domains = *domains,
                                                               .principal = std::move(principal),
                                                               .size_bytes_max = limit,
                                                               .may_be_repeated = may_be_repeated,
                                                               .caps = parts_.caps});
}

}  // namespace latchkey::delivery

#include "delivery/reception.h"

#include <algorithm>
#include <utility>

#include "base/json.h"
#include "connectors/mail_envelope.h"
#include "crypto/x25519.h"
#include "delivery/document_types.h"
#include "delivery/kept_fields.h"
#include "delivery/routing.h"
#include "delivery/temporary_name.h"
#include "delivery/timeline.h"
#include "people/device_address.h"
#include "wire/mime/media_type.h"

namespace latchkey::delivery {
namespace {

std::unexpected<Error> no_such_connector() {
  return fail(ErrorKind::not_found, "no_such_connector", "There is no such connector, or it is not for this user.");
}

std::unexpected<Error> too_large(std::uint64_t size_bytes_max) {
  return fail(ErrorKind::refused, "document_too_large",
              "The document is larger than this connector takes (" + std::to_string(size_bytes_max) + " bytes).");
}

// A grant that is refreshed, or has other documents accepted, at this moment: each time it is read again.
constexpr int kRaces = 50;

bool is_race(const Error& error) { return error.kind == ErrorKind::conflict && error.reason != "exists"; }

// Nothing is wrong with the document: whoever sends it again fares better.
Error too_many_races() {
  return {.kind = ErrorKind::unavailable,
          .reason = "store_unavailable",
          .text = "The account is being used by too many at this moment. Send the document again in a minute.",
          .retry_after = Seconds(60)};
}

std::unexpected<Error> use_not_allowed() {
  return fail(ErrorKind::refused, "use_not_allowed",
              "This is no longer among the uses that an administrator has allowed, so nothing was accepted.");
}

Reception::Author author_of(const Submitter& submitter) {
  if (const auto* caller = std::get_if<grants::Caller>(&submitter))
    return {.user = caller->user, .auth_epoch = caller->auth_epoch, .device = {}};
  if (const auto* device = std::get_if<people::AdmittedDevice>(&submitter))
    return {.user = {}, .auth_epoch = 0, .device = device->device, .secret_set_at = device->secret_set_at};
  return {};
}

// Whose places a document takes.
std::string name_of(const Reception::Author& author) {
  if (!author.user.none()) return author.user.text();
  return author.device.none() ? std::string("folder") : author.device.text();
}

bool updates(const store::Batch& batch, const store::Grant& grant) {
  return std::ranges::any_of(batch, [&](const store::Mutation& each) {
    const auto* update = std::get_if<store::UpdateGrant>(&each);
    return update != nullptr && update->grant.id == grant.id;
  });
}

std::string folder_of_target(const store::Connector& connector) {
  const auto target = parse_json(connector.target_json);
  return target && target->is_object() ? base::string_or(target->get_object(), "folder") : std::string();
}

// Folders and name as they are at this moment: the same at every try. `below`: of the submitter's own, below the
// connector's.
std::string path_of(const store::Connector& connector, const NameFacts& facts, const std::string& below) {
  const auto folder = folder_of_target(connector);
  auto path = folder.empty() ? folder : render_folder(folder, facts) + "/";
  if (!below.empty()) path += below + "/";
  return path + render_name(connector.naming, facts);
}

bool names_ask_for(bool (*asks)(std::string_view), const store::Connector& connector) {
  return asks(connector.naming) || asks(folder_of_target(connector));
}

// Whether every store keeps it octet for octet. What a MAC covers and one store keeps differently is nobody's document any more.
bool is_storable(std::string_view text) { return is_utf8(text) && !text.contains('\0'); }

// "http 203.0.113.7"
std::string_view address_in(std::string_view source) {
  const auto blank = source.find(' ');
  return blank == std::string_view::npos ? std::string_view() : source.substr(blank + 1);
}

}  // namespace

Reception::Incoming::Incoming(Reception& reception, Author author, store::Delivery delivery, OpenedConnector opened,
                              std::unique_ptr<IncomingDocument> document, std::shared_ptr<UploadPlaces::Place> place,
                              std::uint64_t size_bytes_max, std::optional<NameToCome> name_to_come)
    : reception_(reception),
      author_(author),
      delivery_(std::move(delivery)),
      opened_(std::move(opened)),
      document_(std::move(document)),
      place_(std::move(place)),
      size_bytes_max_(size_bytes_max),
      name_to_come_(std::move(name_to_come)) {}

Task<Result<void>> Reception::Incoming::append(Bytes octets) {
  taken_ += octets.size();
  if (taken_ > size_bytes_max_) co_return too_large(size_bytes_max_);
  co_return co_await document_->append(std::move(octets));
}

Task<Result<void>> Reception::Incoming::complete() {
  if (spooled_) co_return Result<void>{};
  const auto spooled = co_await document_->finish();
  if (!spooled) co_return std::unexpected(spooled.error());
  spooled_ = *spooled;
  co_return Result<void>{};
}

void Reception::Incoming::set_fields(std::string fields_json) { replace_fields(delivery_, fields_json); }

std::unique_ptr<OpenedConnector> Reception::Incoming::opened_for_another() const {
  const auto& from = opened_.delegation;
  auto private_key = crypto::make_x25519_private(reception_.parts_.entropy);
  const auto public_key = crypto::x25519_public(private_key);
  return std::make_unique<OpenedConnector>(
      OpenedConnector{.connector = opened_.connector,
                      .submitter = opened_.submitter,
                      .delegation = {.user = from.user,
                                     .auth_epoch = from.auth_epoch,
                                     .standing = from.standing,
                                     .grant = from.grant,
                                     .type = from.type,
                                     .grant_public_key = from.grant_public_key,
                                     .grant_private_key = from.grant_private_key.clone(),
                                     .public_key = Bytes(public_key.begin(), public_key.end()),
                                     .private_key = std::move(private_key)}});
}

Task<Result<void>> Reception::Incoming::number() {
  if (!name_to_come_) co_return Result<void>{};
  const auto taken = co_await reception_.numbers_.take(delivery_.connector);
  if (!taken) co_return std::unexpected(taken.error());
  auto name = *std::exchange(name_to_come_, std::nullopt);
  name.facts.counter = *taken;
  delivery_.name = path_of(opened_.connector, name.facts, name.folder);
  set_counter(delivery_, *taken);
  co_return Result<void>{};
}

Task<Result<void>> Reception::Incoming::finish(Seconds wait, WallTime not_before) {
  if (auto done = co_await complete(); !done) co_return done;
  if (auto done = co_await number(); !done) co_return done;
  document_->keep();
  const auto now = reception_.parts_.wall.now();
  delivery_.size_bytes = static_cast<std::int64_t>(spooled_->size_bytes);
  delivery_.sha256.assign(spooled_->sha256.begin(), spooled_->sha256.end());
  delivery_.created_at = std::max(now, not_before);
  delivery_.due_at = now + wait;
  note(delivery_, now, "accepted",
       wait > Seconds(0)
           ? "Safe on the disk of this server; it waits a while, in case it is renamed, completed or taken back."
           : "Came in whole and is safe on the disk of this server.");
  co_return Result<void>{};
}

Task<Result<void>> Reception::Incoming::seal_into(store::Batch& batch) {
  const auto& parts = reception_.parts_;
  if (!is_storable(delivery_.name) || !is_storable(delivery_.content_type) || !is_storable(delivery_.fields_json))
    co_return fail(ErrorKind::invalid, "bad_text", "What goes with the document is no UTF-8. Mend its name, type and fields on the device.");
  const auto admission = co_await reception_.admit(author_, delivery_.connector);
  if (!admission) co_return std::unexpected(admission.error());
  const auto& delegation = opened_.delegation;
  if (admission->connector.type != delegation.type) co_return no_such_connector();  // another service than the grant's
  // The owner's that came with the connector, where the grant is still theirs; or whoever's it is.
  const bool is_owners = admission->owner && admission->owner->user.id == delegation.user && admission->connector.type == delegation.type;
  auto sealed = is_owners ? parts.delegations.seal_with(delegation, delivery_.id, admission->owner)
                          : co_await parts.delegations.seal(delegation, delivery_.id);
  if (!sealed) co_return std::unexpected(sealed.error());
  delivery_.private_key_sealed = std::move(sealed->private_key_sealed);
  delivery_.document_key_sealed = document_->sealed_key();
  parts.sealing.vouch(delivery_);
  for (auto& mutation : sealed->batch) {
    // The grant's version is counted up once for all documents that go by it.
    if (const auto* update = std::get_if<store::UpdateGrant>(&mutation); update != nullptr && updates(batch, update->grant))
      continue;
    batch.push_back(std::move(mutation));
  }
  batch.emplace_back(store::PutDelivery{delivery_});
  co_return Result<void>{};
}

Task<Result<store::Delivery>> Reception::Incoming::accept(Seconds wait) {
  auto accepted = co_await reception_.accept_together({this}, wait);
  if (!accepted) co_return std::unexpected(accepted.error());
  co_return std::move(accepted->front());
}

Task<Result<std::vector<store::Delivery>>> Reception::accept(std::vector<std::unique_ptr<Incoming>> documents) {
  std::vector<Incoming*> all;
  for (const auto& one : documents) all.push_back(one.get());
  co_return co_await accept_together(std::move(all), Seconds(0));
}

Task<Result<std::vector<store::Delivery>>> Reception::accept_together(std::vector<Incoming*> documents, Seconds wait) {
  WallTime not_before{};
  for (auto* one : documents) {
    if (const auto done = co_await one->finish(wait, not_before); !done)
      co_return co_await give_up(std::move(documents), done.error());
    not_before = one->delivery_.created_at + Milliseconds(1);  // of two of one name the second one is the newer
  }
  auto done = co_await record(documents);
  for (int race = 0; !done && is_race(done.error()) && race < kRaces; ++race) done = co_await record(documents);
  if (!done && done.error().field == "idempotency_key") {
    auto before = co_await earlier(documents);
    const auto why = before ? done.error() : before.error();
    auto refused = co_await give_up(std::move(documents), why);
    co_return before ? std::move(before) : std::move(refused);
  }
  if (!done) co_return co_await give_up(std::move(documents), is_race(done.error()) ? too_many_races() : done.error());
  std::vector<store::Delivery> accepted;
  for (auto* one : documents) {
    one->delivery_.version = 1;
    parts_.accepted(one->delivery_);
    accepted.push_back(one->delivery_);
  }
  co_return accepted;
}

Task<Result<void>> Reception::record(std::vector<Incoming*> documents) {
  auto make = [this, documents = std::move(documents)] { return sealed(documents); };
  co_return co_await commits_.commit(std::move(make));
}

Task<Result<store::Batch>> Reception::sealed(std::vector<Incoming*> documents) {
  store::Batch batch;
  for (auto* one : documents) {
    if (const auto done = co_await one->seal_into(batch); !done) co_return std::unexpected(done.error());
  }
  co_return batch;
}

// Nothing of it is kept. But where nobody knows whether the records are there, the documents stay: the queue or the next
// start settles it.
Task<Result<std::vector<store::Delivery>>> Reception::give_up(std::vector<Incoming*> documents, Error why) {
  for (const auto* one : documents) {
    if (why.kind != ErrorKind::ambiguous) (void)co_await parts_.spool.remove(one->delivery_.id);
  }
  co_return std::unexpected(std::move(why));
}

bool Reception::is_same_document(const store::Delivery& before, const store::Delivery& now) {
  if (handed_in_for(before) != now.connector) return false;
  const auto mail_before = connectors::envelope_in(before.fields_json);
  const auto mail_now = connectors::envelope_in(now.fields_json);
  if (mail_before && mail_now && !mail_now->came_sha256.empty()) return *mail_before == *mail_now;
  return before.size_bytes == now.size_bytes && before.sha256 == now.sha256;
}

Task<Result<std::vector<store::Delivery>>> Reception::earlier(std::vector<Incoming*> documents) {
  std::vector<store::Delivery> found;
  for (const auto* one : documents) {
    const auto& now = one->delivery_;
    auto before = co_await parts_.store.delivery_by_key(now.submitter, now.device, now.idempotency_key);
    if (!before) co_return std::unexpected(before.error());
    if (!*before || !is_same_document(**before, now))
      co_return fail(ErrorKind::conflict, "idempotency_key_reused",
                     "Another document came under this Idempotency-Key before. Give every document a key of its own.");
    found.push_back(std::move(**before));
  }
  co_return found;
}

Task<Result<Reception::Admission>> Reception::admit(Author author, std::string connector_id) {
  auto found = co_await parts_.store.admittance({.connector = std::move(connector_id), .user = author.user, .device = author.device});
  if (!found) co_return std::unexpected(found.error());
  co_return judge(author, std::move(*found));
}

Result<Reception::Admission> Reception::judge(const Author& author, store::Admittance found) const {
  if (!found.connector) return no_such_connector();
  auto& connector = *found.connector;
  if (const auto sound = parts_.sealing.check(connector); !sound) return std::unexpected(sound.error());
  Result<std::string> submitter = std::string("folder");
  if (!author.user.none())
    submitter = admit_user(author, found.user, connector);
  else if (!author.device.none())
    submitter = admit_device(author, found.device, connector);
  else if (!folder_may_use(connector))
    return no_such_connector();
  if (!submitter) return std::unexpected(submitter.error());
  return Admission{.connector = std::move(connector), .submitter = std::move(*submitter), .owner = std::move(found.owner)};
}

Result<std::string> Reception::admit_user(const Author& author, const std::optional<store::User>& user, const store::Connector& connector) const {
  if (!user) return no_such_connector();
  if (const auto sound = parts_.user_seal.check(*user); !sound) return std::unexpected(sound.error());
  if (!may_use(*user, connector)) return no_such_connector();
  if ((user->uses & author.uses) != author.uses) return use_not_allowed();
  if (user->auth_epoch != author.auth_epoch) return fail(ErrorKind::refused, "invalid_credentials", "Username or PIN is wrong.");
  return user->username;
}

Result<std::string> Reception::admit_device(const Author& author, const std::optional<store::Device>& device, const store::Connector& connector) const {
  if (!device) return no_such_connector();
  if (const auto sound = parts_.device_seal.check(*device); !sound) return std::unexpected(sound.error());
  if (!may_use(*device, connector)) return no_such_connector();
  if ((device->uses & author.uses) != author.uses) return use_not_allowed();
  if (author.secret_set_at && device->secret_set_at != *author.secret_set_at)
    return fail(ErrorKind::refused, "invalid_credentials",
                "The device has been given a new secret meanwhile. Enter it there, and send the document again.");
  return device->name;
}

Task<Result<grants::Delegation>> Reception::open_grant(Submitter submitter, store::Connector connector, std::optional<store::Holding> owner) {
  auto* caller = std::get_if<grants::Caller>(&submitter);
  if (caller != nullptr && opens_by_pin(caller->user, connector)) {
    co_return co_await parts_.delegations.delegate(std::move(*caller), connector.type);
  }
  co_return co_await parts_.standing.open_with(std::move(connector), std::move(owner));
}

Task<Result<std::unique_ptr<Reception::Incoming>>> Reception::open(Submission submission) {
  auto author = author_of(submission.submitter);
  author.uses = submission.use;
  submission.content_type = wire::media_type_of(submission.content_type);
  Admission admission;
  if (submission.opened) {
    admission = {.connector = std::move(submission.opened->connector), .submitter = std::move(submission.opened->submitter)};
  } else {
    auto admitted = co_await admit(author, submission.connector);
    if (!admitted) co_return std::unexpected(admitted.error());
    admission = std::move(*admitted);
  }
  const auto& connector = admission.connector;
  if (!submission.name.empty()) {
    if (const auto good = check_name(submission.name); !good) co_return std::unexpected(good.error());
  }
  const auto types = content_types_of(connector);
  const bool awaits = submission.may_be_renamed && is_temporary_name(submission.name) &&
                      fit_of(types, submission.name, submission.content_type) == Fit::untold;
  if (!awaits) {
    if (const auto taken = check_content_type(types, submission.name, submission.content_type); !taken)
      co_return std::unexpected(taken.error());
  }
  auto limit = parts_.size_bytes_max();
  if (connector.size_bytes_max > 0) limit = std::min(limit, static_cast<std::uint64_t>(connector.size_bytes_max));
  if (submission.size_bytes && *submission.size_bytes > limit) co_return too_large(limit);
  auto place = std::move(submission.place);
  if (!place) {
    auto taken = places_.take(name_of(author), parts_.uploads());
    if (!taken) co_return std::unexpected(taken.error());
    place = std::move(*taken);
  }

  const auto now = parts_.wall.now();
  store::Delivery delivery;
  delivery.id = DeliveryId::make(now, parts_.entropy);
  Result<grants::Delegation> delegation;
  if (submission.opened)
    delegation = std::move(submission.opened->delegation);
  else
    delegation = co_await open_grant(std::move(submission.submitter), connector, std::move(admission.owner));
  if (!delegation) co_return std::unexpected(delegation.error());
  delivery.connector = connector.id;
  delivery.submitter = author.user;
  delivery.device = author.device;
  delivery.grant = delegation->grant;
  delivery.node = parts_.node;
  NameFacts facts{.original = submission.name,
                  .content_type = submission.content_type,
                  .user = admission.submitter,
                  .connector = connector.id,
                  .delivery = delivery.id,
                  .now = now,
                  .device = {},
                  .counter = kCounterMax};
  if (names_ask_for(asks_for_device, connector)) {
    auto device = co_await device_name(!author.user.none(), admission.submitter, submission.source);
    if (!device) co_return std::unexpected(device.error());
    facts.device = std::move(*device);
  }
  delivery.name = path_of(connector, facts, submission.folder);
  if (const auto good = check_path(delivery.name); !good) co_return std::unexpected(good.error());
  delivery.content_type = std::move(submission.content_type);
  delivery.public_key = delegation->public_key;
  delivery.source = std::move(submission.source);
  delivery.fields_json = std::move(submission.fields_json);
  set_name_it_came_with(delivery, facts.original);
  if (awaits) set_awaits_type(delivery);
  delivery.idempotency_key = std::move(submission.idempotency_key);
  auto document = co_await parts_.spool.receive(delivery.id, submission.size_bytes.value_or(0));
  if (!document) co_return std::unexpected(document.error());
  std::optional<NameToCome> name_to_come;
  if (names_ask_for(asks_for_counter, connector))
    name_to_come = {.facts = std::move(facts), .folder = std::move(submission.folder)};
  OpenedConnector opened{.connector = std::move(admission.connector),
                         .submitter = std::move(admission.submitter),
                         .delegation = std::move(*delegation)};
  co_return std::make_unique<Incoming>(*this, author, std::move(delivery), std::move(opened), std::move(*document),
                                       std::move(place), limit, std::move(name_to_come));
}

Task<Result<OpenedConnector>> Reception::look(Submitter submitter, std::string connector, std::uint32_t uses) {
  auto author = author_of(submitter);
  author.uses = uses;
  auto admission = co_await admit(author, std::move(connector));
  if (!admission) co_return std::unexpected(admission.error());
  auto delegation = co_await open_grant(std::move(submitter), admission->connector, std::move(admission->owner));
  if (!delegation) co_return std::unexpected(delegation.error());
  co_return OpenedConnector{.connector = std::move(admission->connector),
                            .submitter = std::move(admission->submitter),
                            .delegation = std::move(*delegation)};
}

Task<Result<void>> Reception::check_access(Author author, std::string connector) {
  // Without the owner's grants, which nobody needs who only looks.
  const auto found = co_await parts_.store.connector(std::move(connector));
  if (!found) co_return std::unexpected(found.error());
  store::Admittance who{.connector = std::move(*found), .user = {}, .device = {}, .owner = {}};
  if (who.connector && !author.user.none()) {
    auto user = co_await parts_.store.user(author.user);
    if (!user) co_return std::unexpected(user.error());
    who.user = std::move(*user);
  } else if (who.connector && !author.device.none()) {
    auto device = co_await parts_.store.device(author.device);
    if (!device) co_return std::unexpected(device.error());
    who.device = std::move(*device);
  }
  const auto admission = judge(author, std::move(who));
  if (!admission) co_return std::unexpected(admission.error());
  co_return Result<void>{};
}

Task<Result<std::string>> Reception::device_name(bool is_person, std::string submitter_name, std::string source) {
  const auto address = people::Network::parse(address_in(source));
  if (!is_person || !address) co_return submitter_name;
  auto devices = co_await parts_.store.devices();
  if (!devices) co_return std::unexpected(devices.error());
  std::erase_if(*devices, [&](const store::Device& one) {
    return !people::is_bound_to(one, *address) || !parts_.device_seal.check(one).has_value();
  });
  co_return devices->size() == 1 ? std::move(devices->front().name) : submitter_name;
}

Task<Result<store::Delivery>> Reception::renamed(store::Delivery delivery, NamedBy whose, std::string submitter_name,
                                                 std::string folder, std::string name) {
  const bool unnamed = name.empty() && whose == NamedBy::administrator;  // it came without one
  if (const auto good = check_name(name); !unnamed && !good) co_return std::unexpected(good.error());
  const auto connector = co_await parts_.store.connector(delivery.connector);
  if (!connector) co_return std::unexpected(connector.error());
  if (!*connector) co_return no_such_connector();
  if (const auto sound = parts_.sealing.check(**connector); !sound) co_return std::unexpected(sound.error());
  if (whose == NamedBy::administrator) {
    forget_awaits_type(delivery);
  } else if (const auto types = content_types_of(**connector);
             !is_temporary_name(name) || fit_of(types, name, delivery.content_type) != Fit::untold) {
    if (const auto taken = check_content_type(types, name, delivery.content_type); !taken)
      co_return std::unexpected(taken.error());
    forget_awaits_type(delivery);
  }
  NameFacts facts{.original = std::move(name),
                  .content_type = delivery.content_type,
                  .user = submitter_name,
                  .connector = delivery.connector,
                  .delivery = delivery.id,
                  .now = delivery.created_at,
                  .device = {},
                  .counter = kCounterMax};
  if (names_ask_for(asks_for_device, **connector)) {
    auto device = co_await device_name(!delivery.submitter.none(), std::move(submitter_name), delivery.source);
    if (!device) co_return std::unexpected(device.error());
    facts.device = std::move(*device);
  }
  if (const auto good = check_path(path_of(**connector, facts, folder)); !good) co_return std::unexpected(good.error());
  if (names_ask_for(asks_for_counter, **connector)) {
    auto number = counter_of(delivery);
    if (!number) {
      const auto taken = co_await numbers_.take(delivery.connector);
      if (!taken) co_return std::unexpected(taken.error());
      set_counter(delivery, *taken);
      number = *taken;
    }
    facts.counter = *number;
  }
  delivery.name = path_of(**connector, facts, folder);
  set_name_it_came_with(delivery, facts.original);
  co_return delivery;
}

}  // namespace latchkey::delivery

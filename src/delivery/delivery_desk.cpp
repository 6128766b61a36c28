#include "delivery/delivery_desk.h"

#include <utility>

#include "connectors/mail_envelope.h"
#include "delivery/kept_fields.h"
#include "delivery/other_nodes.h"
#include "delivery/routing.h"
#include "delivery/timeline.h"

namespace latchkey::delivery {

namespace {

std::unexpected<Error> no_such_delivery() {
  return fail(ErrorKind::not_found, "no_such_delivery", "There is no such delivery.");
}

std::unexpected<Error> delivered() { return fail(ErrorKind::conflict, "delivered", "The document has been delivered."); }

std::unexpected<Error> being_sent() {
  return fail(ErrorKind::conflict, "being_sent", "The document is being sent at this moment. Look again in a while.");
}

// Documents of one node that others delete at the same moment, one after the other.
constexpr int kRaces = 20;

std::unexpected<Error> not_for_mail() {
  return fail(ErrorKind::conflict, "not_for_mail",
              "That connector sends mail by another account than this document was written for. Send it again there.");
}

// Between reading and writing the queue, or another person, was faster.
std::unexpected<Error> refusal_of(Error error) {
  if (error.reason == "version") return being_sent();
  if (error.reason == "gone") return no_such_delivery();
  return std::unexpected(std::move(error));
}

}  // namespace

Task<Result<store::Delivery>> DeliveryDeskOfQueue::at_rest(DeliveryId id) {
  auto found = co_await parts_.store.delivery(id);
  if (!found) co_return std::unexpected(found.error());
  if (!*found) co_return no_such_delivery();
  if (parts_.queue.is_sending(id)) co_return being_sent();
  if ((*found)->state == store::DeliveryState::sending) {
    const auto others = co_await other_nodes(parts_.store, parts_.node);
    if (!others) co_return std::unexpected(others.error());
    // Whoever sent it may have been declared lost.
    if ((*found)->node == parts_.node || others->contains((*found)->node)) co_return being_sent();
  }
  co_return std::move(**found);
}

Task<Result<store::Delivery>> DeliveryDeskOfQueue::retry(DeliveryId id, people::Actor actor) {
  auto delivery = co_await at_rest(id);
  if (!delivery) co_return delivery;
  if (delivery->state == store::DeliveryState::delivered) co_return delivered();
  store::Batch batch;
  const auto connector = co_await parts_.store.connector(delivery->connector);
  if (!connector) co_return std::unexpected(connector.error());
  // What was altered, or has no connector, the queue says what becomes of.
  if (*connector && parts_.sealing.check(*delivery)) {
    const auto opens = co_await opens_its_grant(*delivery);
    if (!opens) co_return std::unexpected(opens.error());
    const auto opened_anew = *opens ? Result<bool>(false) : co_await open_account(*delivery, **connector, batch);
    if (!opened_anew) co_return std::unexpected(opened_anew.error());
    if (*opened_anew && carries_mail(**connector)) co_return not_for_mail();
    const bool other_rule = begun_under(*delivery).value_or((*connector)->conflict) != (*connector)->conflict;
    if (*opened_anew || other_rule) {
      begin_anew(*delivery);
      parts_.sealing.vouch(*delivery);
    }
  }
  note(*delivery, parts_.wall.now(), "retried", "By " + actor.name + ".");
  co_return co_await commit_due(std::move(*delivery), std::move(batch), std::move(actor), "delivery.retried");
}

Task<Result<store::Delivery>> DeliveryDeskOfQueue::commit_due(store::Delivery delivery, store::Batch batch,
                                                              people::Actor actor, std::string action) {
  const auto now = parts_.wall.now();
  // The back-off begins anew, and so does the time for which it is tried.
  delivery.state = store::DeliveryState::queued;
  delivery.tries = 0;
  delivery.due_at = now;
  delivery.finished_at = {};
  delivery.why.clear();
  batch.emplace_back(store::PutDelivery{delivery});
  batch.emplace_back(store::AppendAudit{
      people::audit_entry(now, actor, std::move(action), delivery.name, delivery.submitter, "to " + delivery.connector)});
  if (const auto done = co_await parts_.store.commit(std::move(batch)); !done) co_return refusal_of(done.error());
  delivery.version += 1;
  parts_.queue.offer(delivery);
  co_return delivery;
}

Task<Result<std::string>> DeliveryDeskOfQueue::submitter_for(store::Delivery delivery, store::Connector connector) {
  const auto not_for_them = [] {
    return fail(ErrorKind::conflict, "not_for_submitter",
                "That connector is not for whoever submitted the document. Allow their group or device there first.");
  };
  if (!delivery.submitter.none()) {
    const auto user = co_await parts_.store.user(delivery.submitter);
    if (!user) co_return std::unexpected(user.error());
    if (!*user || !may_use(**user, connector)) co_return not_for_them();
    co_return (*user)->username;
  }
  if (delivery.device.none()) {
    if (!folder_may_use(connector)) co_return not_for_them();
    co_return std::string("folder");
  }
  const auto device = co_await parts_.store.device(delivery.device);
  if (!device) co_return std::unexpected(device.error());
  if (!*device || !may_use(**device, connector)) co_return not_for_them();
  co_return (*device)->name;
}

Task<Result<bool>> DeliveryDeskOfQueue::opens_its_grant(store::Delivery delivery) {
  if (delivery.private_key_sealed.empty()) co_return false;
  store::Batch end;
  const auto found = co_await grants::add_end_of_delegation(parts_.store, end, std::move(delivery));
  if (!found) co_return std::unexpected(found.error());
  co_return !end.empty();
}

Task<Result<bool>> DeliveryDeskOfQueue::open_account(store::Delivery& delivery, store::Connector connector,
                                                     store::Batch& batch) {
  const auto view = co_await parts_.store.grant(delivery.grant);
  if (!view) co_return std::unexpected(view.error());
  const auto whose = connector.account == store::AccountKind::fixed ? connector.owner : delivery.submitter;
  const bool same_grant = *view && (*view)->grant.type == connector.type && (*view)->grant.user == whose;
  // Of the same grant another account may have been authorised since: what waited for the first one does not go to it.
  const auto opens = same_grant ? co_await opens_its_grant(delivery) : Result<bool>(false);
  if (!opens) co_return opens;
  if (*opens) co_return false;
  if (connector.account != store::AccountKind::fixed)
    co_return fail(
        ErrorKind::conflict, "pin_needed",
        "Only the PIN of whoever submitted the document opens their account there. Have them send it again, or choose a "
        "connector with an account of its own.");
  const auto opened = co_await parts_.standing.open(connector);
  if (!opened) co_return std::unexpected(opened.error());
  auto sealed = co_await parts_.delegations.seal(*opened, delivery.id);
  if (!sealed) co_return std::unexpected(sealed.error());
  if (const auto ended = co_await grants::add_end_of_delegation(parts_.store, batch, delivery); !ended)
    co_return std::unexpected(ended.error());
  delivery.grant = opened->grant;
  delivery.public_key = opened->public_key;
  delivery.private_key_sealed = std::move(sealed->private_key_sealed);
  for (auto& mutation : sealed->batch) batch.push_back(std::move(mutation));
  co_return true;
}

bool DeliveryDeskOfQueue::carries_mail(const store::Connector& connector) const {
  const auto* works = parts_.destinations.works_for(connector.type);
  return works != nullptr && works->abilities().carries_mail;
}

Task<Result<store::Delivery>> DeliveryDeskOfQueue::reroute(DeliveryId id, std::string connector_id, people::Actor actor) {
  auto delivery = co_await at_rest(id);
  if (!delivery) co_return delivery;
  if (delivery->state == store::DeliveryState::delivered) co_return delivered();
  if (const auto sound = parts_.sealing.check(*delivery); !sound) co_return std::unexpected(sound.error());
  const auto connector = co_await parts_.store.connector(connector_id);
  if (!connector) co_return std::unexpected(connector.error());
  if (!*connector || !(*connector)->enabled)
    co_return fail(ErrorKind::invalid, "invalid_fields", "There is no such connector, or it is switched off.",
                   {.field = "connector"});
  if (const auto sound = parts_.sealing.check(**connector); !sound) co_return std::unexpected(sound.error());
  auto submitter = co_await submitter_for(*delivery, **connector);
  if (!submitter) co_return std::unexpected(submitter.error());
  store::Batch batch;
  const auto opened_anew = co_await open_account(*delivery, **connector, batch);
  if (!opened_anew) co_return std::unexpected(opened_anew.error());
  // What goes out as mail has an envelope, and its account's address in it (RULES G2): it goes by that account or not at
  // all.
  if (carries_mail(**connector) && (!connectors::envelope_in(delivery->fields_json) || *opened_anew))
    co_return not_for_mail();
  set_handed_in_for(*delivery, handed_in_for(*delivery));
  const auto before = std::exchange(delivery->connector, connector_id);
  const auto name = name_it_came_with(*delivery);
  if (before != connector_id) forget_counter(*delivery);
  delivery = co_await parts_.reception.renamed(std::move(*delivery), Reception::NamedBy::administrator,
                                               std::move(*submitter), "", name);
  if (!delivery) co_return delivery;
  begin_anew(*delivery);
  parts_.sealing.vouch(*delivery);
  note(*delivery, parts_.wall.now(), "rerouted", "From " + before + " to " + connector_id + ", by " + actor.name + ".");
  co_return co_await commit_due(std::move(*delivery), std::move(batch), std::move(actor), "delivery.rerouted");
}

Task<Result<DeliveryDesk::Document>> DeliveryDeskOfQueue::document(DeliveryId id, people::Actor actor) {
  auto found = co_await parts_.store.delivery(id);
  if (!found) co_return std::unexpected(found.error());
  if (!*found) co_return no_such_delivery();
  auto& delivery = **found;
  if (const auto sound = parts_.sealing.check(delivery); !sound) co_return std::unexpected(sound.error());
  if (delivery.document_key_sealed.empty())
    co_return fail(ErrorKind::not_found, "document_gone",
                   "The document has been delivered and is no longer on this server.");
  if (delivery.node != parts_.node)
    co_return fail(ErrorKind::not_found, "document_gone",
                   "Another server of this installation has the document. Ask there.");
  auto octets =
      co_await parts_.spool.open_for(actor.user.none() ? actor.name : actor.user.text(), id, delivery.document_key_sealed,
                                     static_cast<std::uint64_t>(delivery.size_bytes));
  if (!octets) co_return std::unexpected(octets.error());
  auto entry = people::audit_entry(parts_.wall.now(), actor, "delivery.downloaded", delivery.name, delivery.submitter,
                                   "to " + delivery.connector);
  if (const auto done = co_await parts_.store.commit({store::AppendAudit{std::move(entry)}}); !done)
    co_return std::unexpected(done.error());
  co_return Document{.delivery = std::move(delivery), .octets = std::move(*octets)};
}

Task<Result<void>> DeliveryDeskOfQueue::remove(DeliveryId id, people::Actor actor) {
  for (int race = 0;; ++race) {
    const auto delivery = co_await at_rest(id);
    if (!delivery) co_return std::unexpected(delivery.error());
    // Written as it was read first: the store refuses where the queue has begun to send it since.
    store::Batch batch{store::PutDelivery{*delivery}, store::DeleteDelivery{id}};
    if (const auto ended = co_await grants::add_end_of_delegation(parts_.store, batch, *delivery); !ended) co_return ended;
    if (delivery->node != parts_.node && !delivery->document_key_sealed.empty()) {
      if (const auto told = co_await add_deleted_elsewhere(parts_.store, batch, *delivery); !told) co_return told;
    }
    batch.push_back(store::AppendAudit{people::audit_entry(parts_.wall.now(), actor, "delivery.deleted", delivery->name,
                                                           delivery->submitter, "to " + delivery->connector)});
    const auto done = co_await parts_.store.commit(std::move(batch));
    if (done) break;
    if (done.error().reason != "meta" || race >= kRaces) co_return refusal_of(done.error());
  }
  parts_.queue.withdraw(id);
  // The record held the key: what cannot be removed now opens for nobody, and is set aside at the next start.
  (void)co_await parts_.spool.remove(id);
  co_return Result<void>{};
}

}  // namespace latchkey::delivery

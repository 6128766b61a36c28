#include "delivery/shelf.h"

#include <algorithm>
#include <set>

#include "base/json.h"
#include "base/run_on.h"
#include "delivery/temporary_name.h"
#include "delivery/timeline.h"
#include "people/audit.h"

namespace latchkey::delivery {
namespace {

constexpr std::size_t kPage = 200;
constexpr int kChangesMax = 20;
constexpr std::string_view kPathField = "path";

std::string path_of(const store::Delivery& delivery) {
  const auto fields = parse_json(delivery.fields_json);
  return fields && fields->is_object() ? base::string_or(fields->get_object(), kPathField) : std::string();
}

void set_path(store::Delivery& delivery, std::string_view path) {
  auto fields = parse_json(delivery.fields_json);
  if (!fields || !fields->is_object()) fields = JsonObject{};
  auto& object = fields->get_object();
  if (path.empty()) {
    object.erase(kPathField);
  } else {
    object[kPathField] = path;
  }
  delivery.fields_json = boost::json::serialize(object);
}

std::string last_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

std::unexpected<Error> already_sent() {
  return fail(ErrorKind::conflict, "already_sent",
              "The document is on its way under the name it had. Rename it at its destination.");
}

std::unexpected<Error> no_such_delivery() {
  return fail(ErrorKind::not_found, "no_such_delivery", "There is no such delivery, or it was submitted by somebody else.");
}

bool is_owners(const store::Delivery& delivery, const Owner& owner) {
  return owner.device.none() ? !owner.user.none() && delivery.submitter == owner.user : delivery.device == owner.device;
}

}  // namespace

Owner owner_of(const people::Principal& principal) {
  if (const auto* device = std::get_if<people::AdmittedDevice>(&principal))
    return {.user = {}, .auth_epoch = 0, .device = device->device, .name = device->name};
  const auto& user = std::get<people::Admitted>(principal);
  return {.user = user.user, .auth_epoch = user.auth_epoch, .device = {}, .name = user.username};
}

std::string path_field(std::string_view path) { return boost::json::serialize(JsonObject{{kPathField, path}}); }

bool is_incomplete(std::string_view path, std::int64_t size_bytes) {
  return size_bytes == 0 || is_temporary_name(path.substr(path.rfind('/') + 1));
}

bool Shelf::waits(const store::Delivery& delivery) const {
  return delivery.state == store::DeliveryState::queued && delivery.tries == 0 && !parts_.queue.is_sending(delivery.id);
}

Task<Result<std::vector<ShelfItem>>> Shelf::of_last_hour(Owner owner, std::string connector) {
  store::DeliveryQuery query;
  if (owner.device.none()) {
    query.submitter = owner.user;
  } else {
    query.device = owner.device;
  }
  query.connector = std::move(connector);
  query.page.limit = kPage;
  const auto since = parts_.wall.now() - kShownFor;
  std::vector<ShelfItem> items;
  for (std::size_t looked_at = 0; looked_at < kShownMax; looked_at += kPage) {
    auto page = co_await parts_.store.deliveries(query);
    if (!page) co_return std::unexpected(page.error());
    bool any = false;
    for (auto& delivery : page->items) {
      if (delivery.created_at < since) continue;  // one that took long to come in stands among older ones
      any = true;
      auto path = path_of(delivery);
      if (!path.empty()) items.push_back({.path = std::move(path), .delivery = std::move(delivery)});
    }
    if (!any || page->next_cursor.empty()) break;
    query.page.cursor = page->next_cursor;
  }
  co_return items;
}

Task<Result<std::vector<ShelfItem>>> Shelf::items(Owner owner, std::string connector, std::string source) {
  auto items = co_await of_last_hour(std::move(owner), std::move(connector));
  if (!items) co_return items;
  std::ranges::stable_partition(*items, [&source](const ShelfItem& item) { return item.delivery.source == source; });
  std::set<std::string> seen;
  std::erase_if(*items, [&seen](const ShelfItem& item) { return !seen.insert(item.path).second; });
  co_return items;
}

Task<Result<std::unique_ptr<OutgoingDocument>>> Shelf::open(store::Delivery delivery) {
  if (const auto sound = parts_.sealing.check(delivery); !sound) co_return std::unexpected(sound.error());
  if (delivery.state == store::DeliveryState::delivered)
    co_return fail(ErrorKind::not_found, "document_gone",
                   "The document has been delivered, and is no longer on this server.");
  auto owner = delivery.device.none() ? delivery.submitter.text() : delivery.device.text();
  co_return co_await parts_.spool.open_for(std::move(owner), delivery.id, delivery.document_key_sealed,
                                           static_cast<std::uint64_t>(delivery.size_bytes));
}

Task<Result<void>> Shelf::remove(Owner owner, std::string connector, std::string path, std::string source) {
  co_return co_await base::run_on(parts_.executor, remove_here(std::move(owner), std::move(connector), std::move(path), std::move(source)));
}

Task<std::int64_t> Shelf::displace(Owner owner, std::string connector, std::string path, store::Delivery by, DeliveryId waited) {
  const auto id = by.id;
  const auto released =
      co_await base::run_on(parts_.executor, displace_here(std::move(owner), std::move(connector), std::move(path), std::move(by), waited));
  if (!released) parts_.log.warning("shelf_not_cleared", {{"delivery", id.text()}, {"reason", released.error().reason}});
  co_return released.value_or(0);
}

Task<Result<store::Delivery>> Shelf::move(Owner owner, DeliveryId id, std::string path, Seconds wait) {
  co_return co_await base::run_on(parts_.executor, move_here(std::move(owner), id, std::move(path), wait));
}

Task<Result<void>> Shelf::postpone(DeliveryId id, std::string path, Seconds wait) {
  co_return co_await base::run_on(parts_.executor, postpone_here(id, std::move(path), wait));
}

Shelf::Fate Shelf::fate_of(const store::Delivery& there, std::string_view path, const store::Delivery& by) const {
  if (!waits(there)) return Fate::hidden;
  const bool is_of_same = there.source == by.source;
  const bool is_repeated = is_of_same && there.size_bytes == by.size_bytes && there.sha256 == by.sha256;
  if (there.size_bytes == 0 || is_repeated) return Fate::cancelled;
  if (!is_incomplete(path, there.size_bytes)) return Fate::hidden;
  return is_of_same ? Fate::released : Fate::left;
}

// An older one of the path would show again where only the newest went.
Task<Result<void>> Shelf::remove_here(Owner owner, std::string connector, std::string path, std::string source) {
  auto items = co_await of_last_hour(owner, std::move(connector));
  if (!items) co_return std::unexpected(items.error());
  std::erase_if(*items, [&path](const ShelfItem& item) { return item.path != path; });
  const auto is_own = [&source](const ShelfItem& item) { return item.delivery.source == source; };
  if (std::ranges::any_of(*items, is_own)) std::erase_if(*items, [&is_own](const ShelfItem& item) { return !is_own(item); });
  const Judge judge = [this](const store::Delivery& there) { return waits(there) ? Fate::cancelled : Fate::hidden; };
  for (const auto& item : *items) {
    if (const auto done = co_await clear_one(owner, item.delivery.id, path, judge); !done) co_return std::unexpected(done.error());
  }
  co_return Result<void>{};
}

Task<Result<std::int64_t>> Shelf::displace_here(Owner owner, std::string connector, std::string path, store::Delivery by, DeliveryId waited) {
  const auto items = co_await of_last_hour(owner, std::move(connector));
  if (!items) co_return std::unexpected(items.error());
  std::set<DeliveryId> ids;
  if (!waited.none()) ids.insert(waited);  // of whatever age by now
  for (const auto& item : *items) {
    if (item.path == path) ids.insert(item.delivery.id);
  }
  ids.erase(by.id);
  const Judge judge = [this, &by, &path](const store::Delivery& there) {
    // Of two that come at once only the later one clears the other away.
    const bool is_later = std::pair(there.created_at, there.id) > std::pair(by.created_at, by.id);
    return is_later ? Fate::left : fate_of(there, path, by);
  };
  std::int64_t released = 0;
  for (const auto& id : ids) {
    const auto done = co_await clear_one(owner, id, path, judge);
    if (!done) co_return std::unexpected(done.error());
    released += *done == Fate::released ? 1 : 0;
  }
  co_return released;
}

// Each time as it is by then: the queue may have begun it, or a MOVE may have given it another path, and that one stays.
Task<Result<Shelf::Fate>> Shelf::clear_one(Owner owner, DeliveryId id, std::string path, Judge judge) {
  for (int tries = 0;; ++tries) {
    auto found = co_await parts_.store.delivery(id);
    if (!found) co_return std::unexpected(found.error());
    if (!*found || path_of(**found) != path) co_return Fate::left;
    Result<void> done;
    const auto fate = judge(**found);
    switch (fate) {
      case Fate::cancelled:
        done = co_await take_off(owner, std::move(**found));
        break;
      case Fate::hidden:
        done = co_await hide(std::move(**found));
        break;
      case Fate::released:
        done = co_await release(std::move(**found));
        break;
      case Fate::left:
        break;
    }
    if (done) co_return fate;
    if (done.error().kind != ErrorKind::conflict || tries >= kChangesMax) co_return std::unexpected(done.error());
  }
}

// Nothing of it is sent. Written as it was read first: the store refuses what has changed since.
Task<Result<void>> Shelf::take_off(Owner owner, store::Delivery delivery) {
  store::Batch batch{store::PutDelivery{delivery}, store::DeleteDelivery{delivery.id}};
  if (const auto ended = co_await grants::add_end_of_delegation(parts_.store, batch, delivery); !ended) co_return ended;
  batch.push_back(store::AppendAudit{
      people::audit_entry(parts_.wall.now(), {.name = owner.name, .source = delivery.source, .user = owner.user},
                          "delivery.cancelled", delivery.name, delivery.submitter, "to " + delivery.connector)});
  if (const auto done = co_await parts_.store.commit(std::move(batch)); !done) co_return done;
  parts_.queue.withdraw(delivery.id);
  // The record held the key: what cannot be removed now opens for nobody, and is set aside at the next start.
  (void)co_await parts_.spool.remove(delivery.id);
  co_return Result<void>{};
}

// The path is one of the fields that are vouched for: without a new MAC nobody could send the document any more.
Task<Result<void>> Shelf::hide(store::Delivery delivery) {
  if (const auto sound = parts_.sealing.check(delivery); !sound) co_return sound;
  set_path(delivery, {});
  parts_.sealing.vouch(delivery);
  co_return co_await parts_.store.commit({store::PutDelivery{std::move(delivery)}});
}

Task<Result<void>> Shelf::release(store::Delivery delivery) {
  if (const auto sound = parts_.sealing.check(delivery); !sound) co_return sound;
  const auto now = parts_.wall.now();
  set_path(delivery, {});
  delivery.due_at = now;
  note(delivery, now, "released", "Another document came under its temporary name before it was given a name of its own.");
  parts_.sealing.vouch(delivery);
  const auto done = co_await parts_.store.commit({store::PutDelivery{delivery}});
  if (done) parts_.queue.offer(delivery);
  co_return done;
}

Task<Result<store::Delivery>> Shelf::move_here(Owner owner, DeliveryId id, std::string path, Seconds wait) {
  auto found = co_await parts_.store.delivery(id);
  if (!found) co_return std::unexpected(found.error());
  if (!*found || !is_owners(**found, owner)) co_return no_such_delivery();
  if (!waits(**found)) co_return already_sent();
  if (const auto sound = parts_.sealing.check(**found); !sound) co_return std::unexpected(sound.error());
  auto renamed = co_await parts_.reception.renamed(std::move(**found), Reception::NamedBy::submitter, owner.name,
                                                     folder_of(path), last_name(path));
  if (!renamed) co_return std::unexpected(renamed.error());
  auto& delivery = *renamed;
  const auto now = parts_.wall.now();
  set_path(delivery, path);
  delivery.due_at = now + wait;
  note(delivery, now, "renamed", "To " + path + ".");
  parts_.sealing.vouch(delivery);
  const auto done = co_await parts_.store.commit({store::PutDelivery{delivery}});
  if (!done && done.error().kind == ErrorKind::conflict) co_return already_sent();
  if (!done) co_return std::unexpected(done.error());
  delivery.version += 1;
  parts_.queue.offer(delivery);
  co_return std::move(delivery);
}

Task<Result<void>> Shelf::postpone_here(DeliveryId id, std::string path, Seconds wait) {
  auto found = co_await parts_.store.delivery(id);
  if (!found) co_return std::unexpected(found.error());
  // One that a MOVE has given its name meanwhile is complete, and waits for nothing.
  if (!*found || path_of(**found) != path || !waits(**found)) co_return Result<void>{};
  (*found)->due_at = parts_.wall.now() + wait;
  const auto done = co_await parts_.store.commit({store::PutDelivery{**found}});
  if (!done && done.error().kind == ErrorKind::conflict) co_return Result<void>{};  // the queue was faster
  if (done) parts_.queue.offer(**found);
  co_return done;
}

}  // namespace latchkey::delivery

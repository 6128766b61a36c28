// What whoever handed documents in may still see and change of them (RULES G4): their own of the last hour, each at the path
// it was put at.
//
// A document that came by a path waits a moment before it is sent (`due_at`), a temporary or empty one for longer; until
// then nothing of it has left, and it can be renamed and taken back. There is no other mark: waiting is being queued, not
// yet due, and never tried.
//
// Concurrency: thread-safe; changes hop to the queue's executor, where it is known what is being sent.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "delivery/queue.h"
#include "delivery/reception.h"

namespace latchkey::delivery {

inline constexpr std::chrono::hours kShownFor{1};
inline constexpr std::size_t kShownMax = 2000;

// Whose documents: one of the two.
struct Owner {
  UserId user;
  std::int64_t auth_epoch = 0;  // of the PIN that was shown
  DeviceId device;
  std::string name;  // as typed: for names of documents, and for the audit trail
  friend bool operator==(const Owner&, const Owner&) = default;
};
[[nodiscard]] Owner owner_of(const people::Principal& principal);

// A document as its owner sees it.
struct ShelfItem {
  std::string path;  // "März/scan.pdf"
  store::Delivery delivery;
};

// {"path": "März/scan.pdf"}: what a delivery keeps of where it was put.
[[nodiscard]] std::string path_field(std::string_view path);

// Not complete by its name or size: waits for another PUT or a MOVE.
[[nodiscard]] bool is_incomplete(std::string_view path, std::int64_t size_bytes);

class Shelf {
 public:
  struct Parts {
    store::Store& store;
    Spool& spool;
    Queue& queue;
    Reception& reception;
    const grants::Sealing& sealing;
    const WallClock& wall;
    Log& log;
    Executor executor;  // the queue's
  };
  explicit Shelf(Parts parts) : parts_(std::move(parts)) {}

  // Of each path one: the newest that came from `source` ("webdav 203.0.113.7"), else the newest; newest first, those of the
  // source before the others. Two machines that share an account and a temporary name each see their own. At most kShownMax
  // deliveries are looked through. Errors: those of the store.
  [[nodiscard]] Task<Result<std::vector<ShelfItem>>> items(Owner owner, std::string connector, std::string source);

  // The document, while it is here. Errors: not_found/`document_gone` once it has been delivered; as Spool::open_for().
  [[nodiscard]] Task<Result<std::unique_ptr<OutgoingDocument>>> open(store::Delivery delivery);

  // Takes what items() shows to `source` off the shelf: what waits there is not sent at all, what is on its way or has arrived is
  // no longer shown. Errors: those of the store.
  [[nodiscard]] Task<Result<void>> remove(Owner owner, std::string connector, std::string path, std::string source);
  // Another document, `by`, has come at that path, and has been accepted. Of what was accepted before it and waits there, that is not
  // sent at all which is empty or which it repeats (the same octets from the same source). One that is incomplete and of the same source
  // goes at once, under the name it has: it was acknowledged, and the MOVE that would have named it is the new one's from now on. One
  // that is incomplete and another source's stays for the MOVE that names it. Whatever else lies there goes its way and is no longer
  // shown. Where the store refuses, all are sent: that is logged, and no error of the one that has come.
  // `waited`: known to have stood there when the other one began to come in; none(). How many go before their time; 0 where the store refused.
  [[nodiscard]] Task<std::int64_t> displace(Owner owner, std::string connector, std::string path, store::Delivery by, DeliveryId waited);
  // Another path, as long as nothing has been sent; due after `wait`. Errors: conflict/`already_sent`;
  // not_found/`no_such_delivery`, `no_such_connector`; invalid/`bad_name`; refused/`content_type_not_allowed`; those of the store.
  [[nodiscard]] Task<Result<store::Delivery>> move(Owner owner, DeliveryId id, std::string path, Seconds wait);
  // What waits at that path, waits from now on for so long: another document is coming in in its place. Errors: those of the
  // store.
  [[nodiscard]] Task<Result<void>> postpone(DeliveryId id, std::string path, Seconds wait);

 private:
  // All that were accepted within the hour and have a path, several of one path too; by when they began to come in, the
  // newest first.
  [[nodiscard]] Task<Result<std::vector<ShelfItem>>> of_last_hour(Owner owner, std::string connector);
  enum class Fate {
    cancelled,  // not sent at all
    hidden,     // goes its way and is no longer shown
    released,   // as hidden, and at once
    left,       // as it is
  };
  using Judge = std::function<Fate(const store::Delivery&)>;
  // Of what stands at a path where another document has come in.
  [[nodiscard]] Fate fate_of(const store::Delivery& there, std::string_view path, const store::Delivery& by) const;
  [[nodiscard]] Task<Result<void>> remove_here(Owner owner, std::string connector, std::string path, std::string source);
  [[nodiscard]] Task<Result<std::int64_t>> displace_here(Owner owner, std::string connector, std::string path, store::Delivery by, DeliveryId waited);
  // What has become of it.
  [[nodiscard]] Task<Result<Fate>> clear_one(Owner owner, DeliveryId id, std::string path, Judge judge);
  // All write the record only as it was read. Errors: conflict (it has changed since); those of the store.
  [[nodiscard]] Task<Result<void>> take_off(Owner owner, store::Delivery delivery);
  [[nodiscard]] Task<Result<void>> hide(store::Delivery delivery);
  [[nodiscard]] Task<Result<void>> release(store::Delivery delivery);
  [[nodiscard]] Task<Result<store::Delivery>> move_here(Owner owner, DeliveryId id, std::string path, Seconds wait);
  [[nodiscard]] Task<Result<void>> postpone_here(DeliveryId id, std::string path, Seconds wait);
  // Nothing of it has been sent, and nobody is about to.
  [[nodiscard]] bool waits(const store::Delivery& delivery) const;

  Parts parts_;
};

}  // namespace latchkey::delivery

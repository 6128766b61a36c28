// Where doors hand documents in. Whatever can be refused is refused by open(), before a single octet is taken, but for lack of room
// for a small document, which shows at its end; what accept() has answered is durable.
//
// Concurrency: thread-safe; an Incoming is used by one task.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "delivery/document_name.h"
#include "delivery/document_numbers.h"
#include "delivery/shared_commit.h"
#include "delivery/spool.h"
#include "delivery/submitter.h"
#include "delivery/upload_places.h"
#include "grants/standing_delegation.h"
#include "people/device_seal.h"
#include "people/user_seal.h"
#include "store/registry.h"
#include "store/store.h"

namespace latchkey::delivery {

// A connector, and its grant opened for one document or one look, by whoever may do so.
struct OpenedConnector {
  store::Connector connector;
  std::string submitter;  // their name
  grants::Delegation delegation;
};

// What a door knows of a document before its first octet. The submitter has been admitted for `use`.
struct Submission {
  Submitter submitter;
  std::string connector;
  std::string name;  // as the device gave it; empty: it gave none
  std::string content_type;                   // as it came; what cannot be read is application/octet-stream; empty: none was told
  std::string source;                         // "http 203.0.113.7"
  std::optional<std::uint64_t> size_bytes{};  // nullopt: it shows at the end
  std::string fields_json = "{}";  // what goes with it: a mail's envelope {"mail_from": "...", "recipients": ["..."]}
  std::string idempotency_key{};   // the submitter's own; unique among what it submitted
  std::string folder{};            // "März/Post", below the connector's own; empty: none
  std::shared_ptr<UploadPlaces::Place> place{};  // of another document of the same request; else one is taken
  std::uint32_t use = store::kUseDeliver;  // asked for again at acceptance; of a mail kUseSend
  bool may_be_renamed = false;  // its name may be a temporary one, which need not tell its type yet
  // What look() has given this submitter moments ago, or another document of the same request has; else it is opened now.
  std::unique_ptr<OpenedConnector> opened{};
};

class Reception {
 public:
  struct Parts {
    store::Store& store;
    Spool& spool;
    grants::Delegations& delegations;
    grants::StandingDelegations& standing;
    const grants::Sealing& sealing;
    const people::UserSeal& user_seal;
    const people::DeviceSeal& device_seal;
    const WallClock& wall;
    Entropy& entropy;
    NodeId node;
    std::function<std::uint64_t()> size_bytes_max;         // of this server
    std::function<void(const store::Delivery&)> accepted;  // tells the queue; from any thread
    std::function<UploadLimits()> uploads = [] { return UploadLimits{}; };
  };
  explicit Reception(Parts parts) : parts_(std::move(parts)), numbers_(parts_.store), commits_(parts_.store) {}

  // Who is behind a submission, as far as it must be looked at again at acceptance. Neither a user nor a device: the folder
  // door.
  struct Author {
    UserId user;
    std::int64_t auth_epoch = 0;
    DeviceId device;
    std::optional<WallTime> secret_set_at{};  // of the device's secret that was shown
    std::uint32_t uses = 0;  // all of which it must have; 0: none is asked for
  };

  // What a name is made of that a number of the connector's is still missing from.
  struct NameToCome {
    NameFacts facts;
    std::string folder;
  };

  class Incoming {
   public:
    Incoming(Reception& reception, Author author, store::Delivery delivery, OpenedConnector opened,
             std::unique_ptr<IncomingDocument> document, std::shared_ptr<UploadPlaces::Place> place,
             std::uint64_t size_bytes_max, std::optional<NameToCome> name_to_come);
    Incoming(const Incoming&) = delete;
    Incoming& operator=(const Incoming&) = delete;

    // Errors: refused/`document_too_large`, unavailable/`spool_full`, `spool_failed`; the document is lost then.
    [[nodiscard]] Task<Result<void>> append(Bytes octets);
    // It has come whole: on the disk, and taking neither memory nor a descriptor while others of its request come in.
    // accept() does it where nobody has. Errors as of append().
    [[nodiscard]] Task<Result<void>> complete();
    // The document is on the disk and its record in the store: this is the acknowledgement. Whether the submitter may
    // deliver is asked again, and keys are sealed only now: hours may have passed since open(). Errors as of append() and
    // open(), refused/`use_not_allowed`, invalid/`bad_text` where what goes with it is no UTF-8, conflict/`idempotency_key_reused` where the submitter has
    // used that key for another document before; then nothing is kept. Of the same document under the same key the first
    // delivery is the answer, and this one is not kept either. The queue sends it no sooner than after `wait`.
    [[nodiscard]] Task<Result<store::Delivery>> accept(Seconds wait = Seconds(0));
    [[nodiscard]] DeliveryId id() const { return delivery_.id; }
    // Whose account it goes to.
    [[nodiscard]] GrantId grant() const { return delivery_.grant; }
    // What goes with the document, where it shows only while it comes in; before accept().
    void set_fields(std::string fields_json);
    // For the next document of the same request: its place, and what was opened for this one, with a key pair of its own. It
    // may be hours since a PIN was shown.
    [[nodiscard]] std::shared_ptr<UploadPlaces::Place> place() const { return place_; }
    [[nodiscard]] std::unique_ptr<OpenedConnector> opened_for_another() const;

   private:
    friend class Reception;
    // The document is whole and synced; the record says so, and is not committed yet: who gives up removes the file.
    // `not_before`: of the one that came before it in the same request.
    [[nodiscard]] Task<Result<void>> finish(Seconds wait, WallTime not_before);
    // Where the name has a number in it: only what has come whole takes one.
    [[nodiscard]] Task<Result<void>> number();
    // Adds to a batch what makes the record durable. Errors as of accept().
    [[nodiscard]] Task<Result<void>> seal_into(store::Batch& batch);

    Reception& reception_;
    Author author_;
    store::Delivery delivery_;
    OpenedConnector opened_;
    std::unique_ptr<IncomingDocument> document_;
    std::optional<Spooled> spooled_;
    std::shared_ptr<UploadPlaces::Place> place_;
    std::uint64_t taken_ = 0;
    std::uint64_t size_bytes_max_;
    std::optional<NameToCome> name_to_come_;
  };

  // Errors: not_found/`no_such_connector` (also for whom it is not meant), `no_such_grant`; invalid/`bad_name`; refused/
  // `document_too_large`, `content_type_not_allowed`, `invalid_credentials`; needs_person/`delegation_ended`; unavailable/`spool_full`,
  // `too_many_uploads`, `too_many_uploads_of_one`; corrupt/`record_altered`; those of the store.
  [[nodiscard]] Task<Result<std::unique_ptr<Incoming>>> open(Submission submission);
  // All of them, or none: one commit. In their order. Errors as of Incoming::accept().
  [[nodiscard]] Task<Result<std::vector<store::Delivery>>> accept(std::vector<std::unique_ptr<Incoming>> documents);
  // How many are coming in.
  [[nodiscard]] std::size_t uploads() const { return places_.taken(); }

  // Errors: not_found/`no_such_connector`, `no_such_grant`; refused/`invalid_credentials`; needs_person/`delegation_ended`;
  // corrupt/`record_altered`; refused/`use_not_allowed` where one of `uses` is not among the submitter's; those of the store.
  [[nodiscard]] Task<Result<OpenedConnector>> look(Submitter submitter, std::string connector, std::uint32_t uses = 0);

  // Whether the connector is for them: for doors that show it before anything is handed in. Errors:
  // not_found/`no_such_connector`; refused/`invalid_credentials`; corrupt/`record_altered`; those of the store.
  [[nodiscard]] Task<Result<void>> check_access(Author author, std::string connector);

  // The delivery under the name it would have at its destination had it come with this name, in this folder. A number that it
  // has from its connector stays. Not vouched for yet. Whether the connector takes its type is asked where the submitter says
  // what it is called; what an administrator sends elsewhere goes. Errors: not_found/`no_such_connector`; invalid/`bad_name`;
  // refused/`content_type_not_allowed`; corrupt/`record_altered`; those of the store.
  enum class NamedBy { submitter, administrator };
  [[nodiscard]] Task<Result<store::Delivery>> renamed(store::Delivery delivery, NamedBy whose, std::string submitter_name,
                                                      std::string folder, std::string name);

 private:
  // The connector and the submitter's name, where one may use the other.
  struct Admission {
    store::Connector connector;
    std::string submitter;
    std::optional<store::Holding> owner{};  // of what a standing delegation opens
  };
  [[nodiscard]] Task<Result<Admission>> admit(Author author, std::string connector);
  [[nodiscard]] Result<Admission> judge(const Author& author, store::Admittance found) const;
  [[nodiscard]] Result<std::string> admit_user(const Author& author, const std::optional<store::User>& user, const store::Connector& connector) const;
  [[nodiscard]] Result<std::string> admit_device(const Author& author, const std::optional<store::Device>& device, const store::Connector& connector) const;
  // By the PIN that was shown, or by the connector's standing delegation.
  [[nodiscard]] Task<Result<grants::Delegation>> open_grant(Submitter submitter, store::Connector connector, std::optional<store::Holding> owner);
  // For {device}: the submitting device, or the one that has the address alone where a person stood, or the person.
  [[nodiscard]] Task<Result<std::string>> device_name(bool is_person, std::string submitter_name, std::string source);
  [[nodiscard]] Task<Result<std::vector<store::Delivery>>> accept_together(std::vector<Incoming*> documents, Seconds wait);
  [[nodiscard]] Task<Result<void>> record(std::vector<Incoming*> documents);
  // What makes the records of one request durable. Errors as of accept().
  [[nodiscard]] Task<Result<store::Batch>> sealed(std::vector<Incoming*> documents);
  [[nodiscard]] Task<Result<std::vector<store::Delivery>>> give_up(std::vector<Incoming*> documents, Error why);
  // As it was sent: a mail's Message-ID and Date may be made anew here.
  [[nodiscard]] static bool is_same_document(const store::Delivery& before, const store::Delivery& now);
  // What the same key has brought before, where it was the same documents. Errors: conflict/`idempotency_key_reused`.
  [[nodiscard]] Task<Result<std::vector<store::Delivery>>> earlier(std::vector<Incoming*> documents);

  Parts parts_;
  UploadPlaces places_;
  DocumentNumbers numbers_;
  SharedCommit commits_;
};

}  // namespace latchkey::delivery

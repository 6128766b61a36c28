// What every connector promises: two verbs, `list` for panels and `store` for documents (docs/design/delivery.md).
//
// A connector knows one family of services and nothing of grants, queues or spools: a token comes from a TokenSource, the
// document is read where it is wanted, and where the work stopped is noted with the Progress. Errors say what to do next, by
// their kind:
//   unavailable              nothing is lost: the same order again, not before `retry_after`
//   ambiguous                it may have arrived, and the service cannot say
//   needs_person             the account's owner or an administrator must act; afterwards the same order may succeed
//   misconfigured            the connector's settings do not fit the service
//   invalid, refused, conflict, not_found, corrupt     this order will never succeed as it is
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"
#include "base/task.h"

namespace latchkey::connectors {

// Access tokens of the grant a document goes by. All methods are awaited by one task at a time.
class TokenSource {
 public:
  virtual ~TokenSource() = default;
  // One that has a while to live. Errors: needs_person/`authorization_needed`, unavailable/`provider_unreachable`,
  // misconfigured/`app_misconfigured`.
  [[nodiscard]] virtual Task<Result<Secret>> token() = 0;
  // The service has refused the last one: another, or why there is none. Errors as of token().
  [[nodiscard]] virtual Task<Result<Secret>> another_token() = 0;
};

// A document to be stored, readable anywhere.
class Document {
 public:
  virtual ~Document() = default;
  [[nodiscard]] virtual std::uint64_t size_bytes() const = 0;
  [[nodiscard]] virtual const Bytes& sha256() const = 0;  // 32 octets
  // `size_bytes` from `offset` on, fewer only at the end. Errors: corrupt/`document_damaged`, unavailable/`spool_failed`.
  [[nodiscard]] virtual Task<Result<Secret>> read(std::uint64_t offset, std::size_t size_bytes) = 0;
};

// Where the work stands. What is noted survives the process, so that the next try goes on from there.
class Progress {
 public:
  virtual ~Progress() = default;
  // `resume_point` is the connector's own words (at most 8 KiB, no secret); `sent_bytes` is for people. Errors: those of the
  // store.
  [[nodiscard]] virtual Task<Result<void>> note(std::string resume_point, std::uint64_t sent_bytes) = 0;
};

// Where a file of that name is there already.
enum class OnConflict : std::uint8_t { rename, replace, new_version, refuse };

// `document`, `tokens` and `progress` outlive the awaited call.
struct StoreOrder {
  std::string base_url;      // of the service's API, without a slash at the end
  std::string path;          // "Scans/2026-11-27.pdf": folder and name, no empty, "." or ".." segments
  std::string content_type;  // may be empty
  std::string fields_json = "{}";  // as the door gave them: a mail's envelope; what else a type asks for
  // Letters, digits, hyphens; the same at every try of one delivery to one place, and of no other: sent elsewhere, or tried
  // again by hand after it was refused or under another rule, it has another key.
  std::string key;
  OnConflict on_conflict = OnConflict::rename;
  std::string resume_point;  // as noted last; empty: from the start
  Document* document = nullptr;
  TokenSource* tokens = nullptr;
  Progress* progress = nullptr;
};

// How far the service's own word agrees with what was sent.
enum class Proof : std::uint8_t { none, size, hash };
[[nodiscard]] std::string_view name_of(Proof proof);

struct Receipt {
  std::string id;    // the service's
  std::string link;  // for people; may be empty
  std::string path;  // where it lies, which a conflict may have changed
  std::uint64_t size_bytes = 0;
  std::string hash;  // as the service states it: "sha256:..."; empty: it states none
  Proof proof = Proof::none;
  friend bool operator==(const Receipt&, const Receipt&) = default;
};

struct ListQuestion {
  std::string base_url;
  std::string kind;    // "file", "folder", ... as the connector has it
  std::string filter;  // in the name, without case; empty: all
  std::size_t limit = 200;
  TokenSource* tokens = nullptr;
};
struct ListItem {
  std::string id;
  std::string name;
  std::string kind;
  std::uint64_t size_bytes = 0;
  friend bool operator==(const ListItem&, const ListItem&) = default;
};

struct Abilities {
  bool idempotent = false;  // the same key twice makes one document
  bool resumable = false;
  std::uint64_t size_bytes_max = 0;  // 0: no limit known
  std::string listed_kind = "file";  // what list() gives of every account, for a trial
  bool carries_mail = false;  // the document is a message (RFC 5322), its envelope in fields_json (mail_envelope.h)
};

// A resource; thread-safe, shared by all deliveries to its family.
class Connector {
 public:
  virtual ~Connector() = default;
  [[nodiscard]] virtual Abilities abilities() const = 0;
  // Ends with a receipt once the service has said that it has the whole document. Errors: by kind, see above;
  // corrupt/`hash_mismatch` when the service's own hash is another.
  [[nodiscard]] virtual Task<Result<Receipt>> store(StoreOrder order) = 0;
  // Errors by kind; invalid/`unknown_kind`.
  [[nodiscard]] virtual Task<Result<std::vector<ListItem>>> list(ListQuestion question) = 0;
};

}  // namespace latchkey::connectors

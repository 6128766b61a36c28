// The practice mailbox: messages handed over whole, as Microsoft Graph's sendMail takes them, but with a key.
//
//   POST /mail/messages           a message (RFC 5322); Idempotency-Key, Envelope-From and Envelope-To (addresses, commas)
//   as headers.
//                                 202; the same key with the same octets again: 200 and the message that is there; with
//                                 others: 409
//   GET  /mail/messages           {"items": [...]}, newest first
//   GET  /mail/messages/{id}      the message as it came
//
// Not thread-safe: its owner holds a lock.
#pragma once

#include <string>

#include "net/http_types.h"
#include "sandbox/practice_storage.h"

namespace latchkey::sandbox {

class PracticeMailbox {
 public:
  static constexpr std::string_view kPath = "/mail/messages";

  // `storage` outlives it.
  explicit PracticeMailbox(PracticeStorage& storage) : storage_(storage) {}

  // The account `sub` has been admitted.
  [[nodiscard]] net::HttpResponse answer(const net::HttpRequest& request, const std::string& sub, const std::string& issuer,
                                         WallTime now);

 private:
  [[nodiscard]] net::HttpResponse take(const net::HttpRequest& request, const std::string& sub, const std::string& issuer,
                                       WallTime now);

  PracticeStorage& storage_;
};

}  // namespace latchkey::sandbox

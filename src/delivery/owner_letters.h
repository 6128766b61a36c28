// Letters to the owners of accounts: a document for theirs needs a person. By mail, where the user has an address and the
// server a relay (RULES G2: never to whoever the document names as its sender).
//
// Invariant: an owner gets one letter an hour at most; what comes in between is counted, and said in the next. A letter that
// cannot be sent is not tried again: the administrators' alert stands. Concurrency: the queue's executor.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "base/task.h"
#include "store/store.h"

namespace latchkey::delivery {

struct OwnerLetter {
  std::string to;  // one address
  std::string subject;
  std::string text;  // UTF-8, lines ending in LF
};

class OwnerLetters {
 public:
  struct Parts {
    store::Store& store;
    SteadyClock& steady;
    Log& log;
    std::string public_url;  // without a trailing slash
    std::function<bool()> wanted;
    std::function<Task<Result<void>>(OwnerLetter letter)> send;
  };
  explicit OwnerLetters(Parts parts) : parts_(std::move(parts)) {}

  // Of a document that has just been parked, has failed, or may have arrived.
  [[nodiscard]] Task<void> tell(store::Delivery delivery);

 private:
  struct Last {
    SteadyTime at{};
    std::int64_t unsaid = 0;  // documents since
  };
  // Documents since the last letter that none has told of; nullopt: it is too early for another.
  [[nodiscard]] std::optional<std::int64_t> turn_of(UserId owner);

  Parts parts_;
  std::map<UserId, Last> written_;
};

}  // namespace latchkey::delivery

// What may happen: Result<T>, and errors that say what the caller should do next.
#pragma once

#include <chrono>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace latchkey::base {

// What the caller should do next. A new kind exists only if some caller reacts differently to it.
enum class ErrorKind {
  invalid,      // the request is malformed: mend `field` and send it again
  refused,      // who asks may not: other credentials or rights are needed
  not_found,    // no such thing (or none this caller may know of)
  conflict,     // the thing has changed or is taken: read again, choose otherwise
  unavailable,  // nothing happened: try again, not before `retry_after`
  ambiguous,    // it may or may not have happened; only the operation's own rule may try again
  misconfigured,// an operator must change a setting; trying again or asking the user does not help
  needs_person, // the account's owner must act (authorise again)
  corrupt,      // stored data or ciphertext fails its check: stop, touch nothing
  bug,          // a broken invariant: report it
};

// A value. `reason` is a short machine word (`type_required`, `username_taken`); `text` is for the person at the
// device or console: what happened, what to do; it never holds a secret. `detail` goes to the log only.
struct Error {
  ErrorKind kind = ErrorKind::bug;
  std::string reason;
  std::string text;
  std::string detail;
  std::string field;
  std::optional<std::chrono::seconds> retry_after;

  friend bool operator==(const Error&, const Error&) = default;
};

template <class T>
using Result = std::expected<T, Error>;

[[nodiscard]] std::string_view name_of(ErrorKind kind);

// `return fail(ErrorKind::invalid, "pin_too_short", "The PIN needs 6 characters or more.", {.field = "pin"});`
struct ErrorExtras {
  std::string detail{};
  std::string field{};
  std::optional<std::chrono::seconds> retry_after{};
};
[[nodiscard]] std::unexpected<Error> fail(ErrorKind kind, std::string reason, std::string text, ErrorExtras extras = {});

// A broken invariant: writes the sentence to stderr and aborts. Always on.
[[noreturn]] void broken_invariant(const char* expression, const char* file, int line);

}  // namespace latchkey::base

// An always-on assertion for what must not happen.
#define LATCHKEY_CHECK(expression) \
  ((expression) ? void(0) : ::latchkey::base::broken_invariant(#expression, __FILE__, __LINE__))

namespace latchkey {
using base::Error;
using base::ErrorKind;
using base::Result;
using base::fail;
}  // namespace latchkey

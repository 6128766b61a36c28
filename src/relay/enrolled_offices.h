// The book of enrolments as flows ask it: in memory, read again every few seconds, so that a flow waits for no file and a
// revocation by another process takes hold soon.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "relay/enrolments.h"
#include "store/enrolment_book.h"

namespace latchkey::relay {

// How old what is known may be: whoever cannot read the book knows of no revocation, and must not go on as if there were
// none.
inline constexpr Seconds kBookAgeMax{60};

// Thread-safe. read_again() and enrol() block on the file.
class EnrolledOffices final : public Enrolments {
 public:
  // `all_types`: of the service, for enrolments that allow all.
  EnrolledOffices(store::EnrolmentBook& book, std::vector<std::string> all_types, const SteadyClock& steady)
      : book_(book), all_types_(std::move(all_types)), steady_(steady) {}

  // Errors: those of the book; what was known before stays.
  [[nodiscard]] Result<void> read_again();
  [[nodiscard]] std::optional<Enrolment> find(std::string_view office) const override;
  // How long ago the book was read; before the first time: longer than kBookAgeMax.
  [[nodiscard]] Seconds age() const;
  // Of an office that find() knows.
  [[nodiscard]] std::int64_t flows_per_minute(std::string_view office) const;
  [[nodiscard]] std::size_t count() const;
  // Errors: those of EnrolmentBook::redeem().
  [[nodiscard]] Result<Enrolment> enrol(const store::OfficeId& id, ByteView code_digest, const cloud::PartyPublic& keys,
                                        const std::vector<std::string>& return_origins, WallTime now);

 private:
  struct Known {
    Enrolment enrolment;
    std::int64_t flows_per_minute = 0;
  };
  using All = std::map<std::string, Known, std::less<>>;
  [[nodiscard]] std::optional<Known> known_of(const store::EnrolledOffice& office) const;
  [[nodiscard]] std::shared_ptr<const All> all() const;

  store::EnrolmentBook& book_;
  const std::vector<std::string> all_types_;
  const SteadyClock& steady_;
  std::mutex book_mutex_;  // the book is one thread's at a time
  mutable std::mutex mutex_;
  std::shared_ptr<const All> all_ = std::make_shared<const All>();
  std::optional<SteadyTime> read_at_;
};

}  // namespace latchkey::relay

#include "relay/enrolled_offices.h"

namespace latchkey::relay {

std::optional<EnrolledOffices::Known> EnrolledOffices::known_of(const store::EnrolledOffice& office) const {
  if (office.revoked_at || !office.enrolled_at) return std::nullopt;
  const auto keys = cloud::PartyPublic::parse(office.keys);
  if (!keys) return std::nullopt;
  return Known{.enrolment = {.office = office.id.text(),
                             .name = office.label,
                             .keys = *keys,
                             .types = office.types.empty() ? all_types_ : office.types,
                             .return_origins = office.return_origins,
                             .verified_name = office.verified_name},
               .flows_per_minute = office.flows_per_minute};
}

Result<void> EnrolledOffices::read_again() {
  const std::lock_guard book_lock(book_mutex_);
  const auto asked_at = steady_.now();
  const auto offices = book_.all();
  if (!offices) return std::unexpected(offices.error());
  auto fresh = std::make_shared<All>();
  for (const auto& office : *offices) {
    if (auto known = known_of(office)) fresh->emplace(office.id.text(), std::move(*known));
  }
  const std::lock_guard lock(mutex_);
  all_ = std::move(fresh);
  read_at_ = asked_at;
  return {};
}

Seconds EnrolledOffices::age() const {
  const std::lock_guard lock(mutex_);
  return read_at_ ? std::chrono::floor<Seconds>(steady_.now() - *read_at_) : kBookAgeMax + Seconds(1);
}

std::shared_ptr<const EnrolledOffices::All> EnrolledOffices::all() const {
  const std::lock_guard lock(mutex_);
  return all_;
}

std::optional<Enrolment> EnrolledOffices::find(std::string_view office) const {
  const auto known = all();
  const auto found = known->find(office);
  return found == known->end() ? std::nullopt : std::optional(found->second.enrolment);
}

std::int64_t EnrolledOffices::flows_per_minute(std::string_view office) const {
  const auto known = all();
  const auto found = known->find(office);
  return found == known->end() ? 0 : found->second.flows_per_minute;
}

std::size_t EnrolledOffices::count() const { return all()->size(); }

Result<Enrolment> EnrolledOffices::enrol(const store::OfficeId& id, ByteView code_digest, const cloud::PartyPublic& keys,
                                         const std::vector<std::string>& return_origins, WallTime now) {
  const std::lock_guard book_lock(book_mutex_);
  const auto office = book_.redeem(id, code_digest, keys.text(), return_origins, now);
  if (!office) return std::unexpected(office.error());
  auto known = known_of(*office);
  if (!known) return fail(ErrorKind::bug, "enrolment_unusable", "The enrolment that was just made cannot be used.");
  auto enrolment = known->enrolment;
  const std::lock_guard lock(mutex_);
  auto fresh = std::make_shared<All>(*all_);
  fresh->insert_or_assign(office->id.text(), std::move(*known));
  all_ = std::move(fresh);
  return enrolment;
}

}  // namespace latchkey::relay

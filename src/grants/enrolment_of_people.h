// Enrolment by the rules of the room people.
#pragma once

#include "grants/enrolment.h"
#include "people/pin_gate.h"
#include "people/pin_hasher.h"
#include "people/user_cards.h"
#include "people/user_seal.h"
#include "store/registry.h"
#include "vault/hot_cache.h"

namespace latchkey::grants {

class EnrolmentOfPeople final : public Enrolment {
 public:
  EnrolmentOfPeople(const vault::Vault& vault, const people::UserSeal& seal, people::UserCards& cards, people::PinHasher& hasher,
                    people::PinGate& gate, vault::HotCache& hot, const store::Registry& registry, const SteadyClock& steady)
      : vault_(vault), seal_(seal), cards_(cards), hasher_(hasher), gate_(gate), hot_(hot), registry_(registry), steady_(steady) {}

  [[nodiscard]] Result<CleanName> username(std::string_view typed) const override;
  [[nodiscard]] Result<CleanName> group_name(std::string_view typed) const override;
  [[nodiscard]] Result<Secret> new_pin(const Secret& typed, std::string_view username) const override;
  [[nodiscard]] Task<Result<store::User>> with_new_keys(store::User user, Secret pin) override;
  [[nodiscard]] Task<Result<void>> check_pin(store::User user, Secret pin, std::string source) override;
  void vouch(store::User& user) const override { seal_.vouch(user); }
  [[nodiscard]] Result<void> check(const store::User& user) const override { return seal_.check(user); }
  void changed(const store::User& user) override;

 private:
  const vault::Vault& vault_;
  const people::UserSeal& seal_;
  people::UserCards& cards_;
  people::PinHasher& hasher_;
  people::PinGate& gate_;
  vault::HotCache& hot_;
  const store::Registry& registry_;
  const SteadyClock& steady_;
};

}  // namespace latchkey::grants

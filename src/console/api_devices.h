// /devices: machines with a secret of their own. A secret is in the answer that makes it, and in no other.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "console/router.h"
#include "people/device_conversations.h"
#include "people/device_desk.h"

namespace latchkey::console {

// Where devices hand mail in, for their cards. A value.
struct MailDoorFacts {
  std::string host;
  std::string drop_domain;
  std::optional<std::uint16_t> submission;   // ports; nullopt: not open
  std::optional<std::uint16_t> submissions;  // TLS at once
  std::optional<std::uint16_t> plain;        // in clear, for devices with addresses named
  std::optional<std::uint16_t> legacy;       // TLS 1.0 on, for the same
  bool starttls = false;                     // `submission` offers it
};

class DevicesApi final : public ApiSection {
 public:
  struct Parts {
    people::DeviceDesk& desk;
    const people::DeviceConversations& conversations;
    store::Store& store;
    std::string public_url;
    std::optional<MailDoorFacts> mail;  // nullopt: there is no such door
  };
  explicit DevicesApi(Parts parts) : parts_(std::move(parts)) {}
  [[nodiscard]] std::vector<Route> routes() override;

 private:
  [[nodiscard]] Task<Answer> list(Call call);
  [[nodiscard]] Task<Answer> add(Call call);
  [[nodiscard]] Task<Answer> change(Call call);
  [[nodiscard]] Task<Answer> renew_secret(Call call);
  [[nodiscard]] Task<Answer> remove(Call call);
  [[nodiscard]] Task<Answer> conversations(Call call);

  Parts parts_;
};

}  // namespace latchkey::console

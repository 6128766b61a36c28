// /authorizations/{id}/mail: the link for an account's owner, sent to a mail address by the relay that notices use.
#pragma once

#include <memory>
#include <string>

#include "catalog/catalog.h"
#include "console/router.h"
#include "grants/authorize.h"
#include "grants/counters.h"
#include "grants/notice_desk.h"
#include "store/store.h"

namespace latchkey::console {

class OwnerMailApi final : public ApiSection {
 public:
  struct Parts {
    grants::Authorizer& authorizer;
    grants::NoticeDesk& notices;
    grants::Counters& counters;
    store::Store& store;
    std::shared_ptr<const catalog::Catalog> catalog;
    std::string public_url;
    const WallClock& wall;
    Executor engine;
  };
  explicit OwnerMailApi(Parts parts) : parts_(std::move(parts)) {}
  [[nodiscard]] std::vector<Route> routes() override;

 private:
  [[nodiscard]] Task<Answer> send(Call call);

  Parts parts_;
};

// What the mail says: who asks, what for, what happens, and that nobody asks for a password or a PIN.
struct OwnerInvitation {
  std::string asked_by;
  std::string server;
  std::string type_name;
  std::string username;
  std::string link;
  WallTime good_until{};
};
[[nodiscard]] grants::PersonMail mail_to_owner(const OwnerInvitation& invitation, std::string to);

}  // namespace latchkey::console

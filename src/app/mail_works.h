// The parts that take mail in, assembled. One of the blocks of the wiring, beside DeliveryWorks.
#pragma once

#include <memory>
#include <string>

#include "app/delivery_works.h"
#include "delivery/mail_post.h"
#include "doors/http/mail_intake.h"

namespace latchkey::app {

// What it stands on; all of it outlives the works.
struct MailGround {
  store::Store& store;
  const store::Registry& registry;
  DeliveryWorks& deliveries;
  std::shared_ptr<const catalog::Catalog> catalog;
  const WallClock& wall;
  Entropy& entropy;
  std::string public_url;  // its host stands in Message-IDs made here
};

// A resource; built before the loop runs.
class MailWorks {
 public:
  explicit MailWorks(MailGround ground);
  MailWorks(const MailWorks&) = delete;
  MailWorks& operator=(const MailWorks&) = delete;

  // Of all doors.
  [[nodiscard]] delivery::MailPost& post() { return post_; }
  [[nodiscard]] doors::MailIntake& intake() { return intake_; }

 private:
  MailGround ground_;
  delivery::MailCaps caps_;
  delivery::MailPost post_;
  doors::MailIntake intake_;
};

}  // namespace latchkey::app

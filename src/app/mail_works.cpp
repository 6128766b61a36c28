#include "app/mail_works.h"

#include "net/url.h"

namespace latchkey::app {
namespace {

std::string host_of(const std::string& url) {
  const auto parsed = net::Url::parse(url);
  return parsed ? parsed->host() : std::string("latchkey.invalid");
}

}  // namespace

MailWorks::MailWorks(MailGround ground)
    : ground_(std::move(ground)),
      caps_({.store = ground_.store,
             .wall = ground_.wall,
             .limits =
                 [registry = &ground_.registry] {
                   return delivery::MailLimits{
                       .recipients_per_day = registry->get<std::int64_t>("mail.recipients_per_day"),
                       .messages_per_minute = registry->get<std::int64_t>("mail.messages_per_minute")};
                 }}),
      post_({.store = ground_.store,
             .reception = ground_.deliveries.reception(),
             .connectors = ground_.deliveries.connectors(),
             .catalog = *ground_.catalog,
             .caps = caps_,
             .wall = ground_.wall,
             .entropy = ground_.entropy,
             .host = host_of(ground_.public_url),
             .size_bytes_max =
                 [registry = &ground_.registry] {
                   return registry->get<std::uint64_t>("delivery.document_mb_max") * 1'000'000;
                 }}),
      intake_(post_) {}

}  // namespace latchkey::app

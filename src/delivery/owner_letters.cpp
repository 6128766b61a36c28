#include "delivery/owner_letters.h"

#include <fmt/format.h>

#include <utility>

namespace latchkey::delivery {
namespace {

constexpr std::chrono::hours kOnceEvery{1};
constexpr std::size_t kOwnersMax = 10'000;

std::string what_to_do(const store::Delivery& delivery, store::GrantState grant, const std::string& public_url) {
  if (grant == store::GrantState::needs_authorization) {
    return fmt::format(
        "Authorise the account again, with your username and PIN, here:\n\n{}/my\n\nThen the document goes by itself.",
        public_url);
  }
  if (delivery.state == store::DeliveryState::maybe_sent)
    return "Look at the destination whether it is there. An administrator can send it again.";
  if (delivery.state == store::DeliveryState::failed) return "An administrator can send it again, or elsewhere.";
  return "It goes by itself once that is mended.";
}

OwnerLetter letter_of(const store::Delivery& delivery, const store::User& user, store::GrantState grant, std::int64_t unsaid,
                      const std::string& public_url) {
  auto text = fmt::format(
      "A document for your account has not arrived. It is safe on the Latchkey server\n{}\n\n"
      "  Document:   {}\n  Connector:  {}\n  Username:   {}\n  Why:        {}\n\n{}\n",
      public_url, delivery.name, delivery.connector, user.username, delivery.why, what_to_do(delivery, grant, public_url));
  if (unsaid > 0)
    text += fmt::format("\nSince the last mail {} wait as well.\n",
                        unsaid == 1 ? "one more document" : fmt::format("{} more documents", unsaid));
  text += "\nYou get such a mail once an hour at most.\n";
  return {.to = user.email, .subject = "A document for your account needs somebody", .text = std::move(text)};
}

}  // namespace

std::optional<std::int64_t> OwnerLetters::turn_of(UserId owner) {
  const auto now = parts_.steady.now();
  if (const auto last = written_.find(owner); last != written_.end() && now < last->second.at + kOnceEvery) {
    last->second.unsaid += 1;
    return std::nullopt;
  }
  if (written_.size() >= kOwnersMax)
    std::erase_if(written_, [now](const auto& each) { return now >= each.second.at + kOnceEvery; });
  if (written_.size() >= kOwnersMax) return std::nullopt;
  return std::exchange(written_[owner], Last{.at = now}).unsaid;
}

Task<void> OwnerLetters::tell(store::Delivery delivery) {
  if (!parts_.wanted()) co_return;
  const auto grant = co_await parts_.store.grant(delivery.grant);
  if (!grant || !*grant) co_return;
  const auto user = co_await parts_.store.user((*grant)->grant.user);
  if (!user || !*user || !(*user)->enabled || (*user)->email.empty()) co_return;
  const auto unsaid = turn_of((*user)->id);
  if (!unsaid) co_return;
  const auto sent = co_await parts_.send(letter_of(delivery, **user, (*grant)->grant.state, *unsaid, parts_.public_url));
  if (!sent && sent.error().reason != "channel_off")
    parts_.log.warning("owner_not_told", {{"delivery", delivery.id.text()}, {"reason", sent.error().reason}});
}

}  // namespace latchkey::delivery

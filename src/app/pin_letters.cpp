#include "app/pin_letters.h"

#include <fmt/format.h>

#include <boost/asio/post.hpp>
#include <utility>

namespace latchkey::app {
namespace {

Task<void> send(grants::NoticeDesk* notices, grants::PersonMail mail, std::string username, Log* log) {
  const auto sent = co_await notices->mail_person(std::move(mail));
  if (!sent && sent.error().reason != "channel_off") log->warning("owner_not_told", {{"user", username}, {"reason", sent.error().reason}});
}

}  // namespace

void PinLetters::tell(const store::User& user, const std::string& by) {
  if (user.email.empty()) return;
  grants::PersonMail mail{.to = user.email, .subject = "Your PIN has been set anew",
                          .text = fmt::format("{} has set a new PIN for your username {} on the Latchkey server\n{}\n\nThe old PIN opens nothing any more; whoever knows the new "
                                              "one can fetch and use what you hold there.\nIf you did not ask for it, speak with an administrator.\n",
                                              by, user.username, parts_.public_url)};
  boost::asio::post(parts_.executor, [tasks = &parts_.tasks, notices = &parts_.notices, log = &parts_.log, mail = std::move(mail), username = user.username]() mutable {
    static_cast<void>(tasks->spawn("pin letter", send(notices, std::move(mail), std::move(username), log)));
  });
}

}  // namespace latchkey::app

#include "doors/smtp/people_mail_sink.h"

namespace latchkey::doors {

Task<Result<void>> PeopleMailSink::open() {
  if (mail_) co_return Result<void>{};
  auto mail = co_await post_.open(std::move(submission_));
  if (!mail) co_return std::unexpected(mail.error());
  mail_ = std::move(*mail);
  co_return Result<void>{};
}

Task<Result<void>> PeopleMailSink::append(std::string octets) {
  if (const auto opened = co_await open(); !opened) co_return opened;
  co_return co_await mail_->append(std::move(octets));
}

Task<Result<std::string>> PeopleMailSink::accept() {
  if (const auto opened = co_await open(); !opened) co_return std::unexpected(opened.error());
  const auto accepted = co_await mail_->accept();
  if (!accepted) co_return std::unexpected(accepted.error());
  co_return "Accepted as " + accepted->id.text();
}

}  // namespace latchkey::doors

// The folder door's second half: what was taken out of a folder is handed in.
#include <utility>

#include "doors/folder/file_name.h"
#include "doors/folder/folder_door.h"
#include "doors/folder/hand_in_errors.h"

namespace latchkey::doors {
namespace {

constexpr std::size_t kPieceBytes = 256 * 1024;

}  // namespace

bool speaks_of_document(const Error& error) {
  switch (error.kind) {
    case ErrorKind::invalid:
      return true;
    case ErrorKind::refused:
      return error.reason == "document_too_large" || error.reason == "not_a_document" || error.reason == "content_type_not_allowed";
    case ErrorKind::conflict:
      return error.reason == "idempotency_key_reused";
    case ErrorKind::not_found:
    case ErrorKind::unavailable:
    case ErrorKind::ambiguous:
    case ErrorKind::misconfigured:
    case ErrorKind::needs_person:
    case ErrorKind::corrupt:
    case ErrorKind::bug:
      return false;
  }
  return false;
}

bool another_time(const Error& error) { return error.reason == "being_written" || error.reason == "gone"; }

Task<void> FolderDoor::hand_in_all(std::string connector, Box box) {
  bool any_done = false;
  try {
    any_done = co_await hand_in_ready(connector, box);
  } catch (...) {
    desks_[connector].in_hand.clear();
    desks_[connector].hands_in = false;
    throw;
  }
  desks_[connector].hands_in = false;
  if (!any_done) co_return;
  // Whoever looks next may say that nothing waits any more.
  nudged_ = true;
  wake_.notify_all();
}

// Whether any of it has gone.
Task<bool> FolderDoor::hand_in_ready(std::string connector, Box box) {
  bool any_done = false;
  while (!stopping_ && !desks_[connector].ready.empty()) {
    auto ready = std::move(desks_[connector].ready.front());
    desks_[connector].ready.pop_front();
    desks_[connector].in_hand = ready.file.token;
    const auto token = ready.file.token;
    const auto step = co_await go_on_with(connector, box, std::move(ready));
    auto& desk = desks_[connector];
    desk.in_hand.clear();
    switch (step) {
      case Step::done:
        any_done = true;
        desk.rest_until.reset();
        desk.paused_left.lift(token);
        break;
      case Step::not_yet:
      case Step::waits:
        break;
      case Step::rests:
        desk.ready.clear();
        break;
    }
  }
  co_return any_done;
}

Task<FolderDoor::Step> FolderDoor::go_on_with(std::string connector, Box box, Ready ready) {
  const auto patience = parts_.patience();
  const auto left = ready.file;
  auto taken = co_await files_->run([box, left] { return box->take_up(left.token); });
  if (!taken) {
    if (another_time(taken.error())) co_return Step::not_yet;
    set_aside(connector, desks_[connector].paused_left, left.token, taken.error());
    co_return Step::waits;
  }
  const std::shared_ptr<TakenFile> file = std::move(*taken);
  const auto unchanged = file->stamp() == left.stamp ? ready.unchanged : Milliseconds(0);
  const auto done = co_await files_->run([box, file, unchanged, patience] { return box->check_done(*file, unchanged, patience); });
  if (done) co_return co_await hand_in(std::move(connector), std::move(box), file);
  if (another_time(done.error())) co_return Step::not_yet;
  co_return co_await refuse(std::move(connector), std::move(box), file, done.error().text);
}

Task<FolderDoor::Step> FolderDoor::hand_in(std::string connector, Box box, std::shared_ptr<TakenFile> file) {
  if (!done_.contains(file->token())) {
    parts_.folder_counters.waiting += 1;
    const auto accepted = co_await accept(connector, file);
    parts_.folder_counters.waiting -= 1;
    if (!accepted && accepted.error().reason == "being_written") co_return Step::not_yet;
    if (!accepted && speaks_of_document(accepted.error()))
      co_return co_await refuse(std::move(connector), std::move(box), std::move(file), accepted.error().text);
    if (!accepted) {
      rest(connector, accepted.error());
      co_return Step::rests;
    }
  }
  const auto removed = co_await files_->run([box, file] { return box->remove(*file); });
  if (!removed) {
    done_.insert(file->token());
    rest(connector, removed.error());
    co_return Step::rests;
  }
  done_.erase(file->token());
  co_return Step::done;
}

Task<FolderDoor::Step> FolderDoor::refuse(std::string connector, Box box, std::shared_ptr<TakenFile> file, std::string words) {
  const auto moved = co_await files_->run([box, file, words] { return box->refuse(*file, words); });
  if (!moved) {
    set_aside(connector, desks_[connector].paused_left, file->token(), moved.error());
    co_return Step::waits;
  }
  tell_refusal(connector, name_in_utf8(file->name()), words);
  co_return Step::done;
}

Task<Result<void>> FolderDoor::accept(std::string connector, std::shared_ptr<TakenFile> file) {
  auto key = "folder " + file->token();
  const auto known = co_await parts_.store.delivery_by_key(UserId(), DeviceId(), key);
  if (!known) co_return std::unexpected(known.error());
  if (*known) co_return Result<void>{};  // accepted before the process ended
  const auto is_mail = co_await parts_.mail.carries_mail(connector);
  if (!is_mail) co_return std::unexpected(is_mail.error());
  if (*is_mail)
    co_return fail(ErrorKind::refused, "not_a_document",
                   "This folder's connector sends mail, and a file names no recipients: hand messages in by SMTP or HTTP.");
  auto incoming = co_await parts_.reception.open({.submitter = delivery::DropFolder{},
                                                  .connector = std::move(connector),
                                                  .name = name_in_utf8(file->name()),
                                                  .content_type = {},
                                                  .source = "folder",
                                                  .size_bytes = file->size_bytes(),
                                                  .idempotency_key = std::move(key)});
  if (!incoming) co_return std::unexpected(incoming.error());
  for (;;) {
    auto piece = co_await files_->run([file] { return file->read(kPieceBytes); });
    if (!piece) co_return std::unexpected(piece.error());
    if (piece->empty()) break;
    if (const auto taken = co_await (*incoming)->append(std::move(*piece)); !taken) co_return std::unexpected(taken.error());
  }
  const auto delivery = co_await (*incoming)->accept();
  if (!delivery) co_return std::unexpected(delivery.error());
  parts_.folder_counters.accepted += 1;
  parts_.counters.accepted += 1;
  parts_.counters.accepted_bytes += delivery->size_bytes;
  co_return Result<void>{};
}

}  // namespace latchkey::doors

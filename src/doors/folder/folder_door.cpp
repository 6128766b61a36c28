#include "doors/folder/folder_door.h"

#include <fmt/format.h>
#include <boost/asio/post.hpp>

#include "delivery/routing.h"
#include "doors/folder/file_name.h"

namespace latchkey::doors {
namespace {

constexpr Milliseconds kLookEvery{5'000};
constexpr Milliseconds kLookSoon{500};
constexpr Seconds kRest{30};
constexpr std::size_t kThreads = 2;
constexpr std::size_t kPieceBytes = 256 * 1024;
constexpr std::size_t kTokenBytes = 16;
constexpr Milliseconds kRefusalStands{24LL * 60 * 60 * 1000};
constexpr const char* kUnusable = "drop_folder_unusable:";
constexpr const char* kWaits = "drop_folder_waits:";

// Whether the document itself is what stands in the way; else it waits until something else is mended.
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

}  // namespace

FolderDoor::FolderDoor(Parts parts)
    : parts_(std::move(parts)),
      files_(parts_.hire("folder", kThreads)),
      tasks_(parts_.executor, parts_.log),
      wake_(parts_.executor) {}

FolderDoor::~FolderDoor() = default;

void FolderDoor::start() {
  auto watch = Watch::begin([this] { nudge(); });
  if (watch)
    watch_ = std::move(*watch);
  else
    parts_.log.warning("drop_folders_not_watched", {{"why", watch.error().text}});
  parts_.log.info("drop_folders", {{"root", parts_.root->path()}});
  tasks_.spawn("folder door", run());
}

Task<void> FolderDoor::stop() {
  stopping_ = true;
  watch_.reset();
  wake_.notify_all();
  co_await tasks_.cancel_and_wait();
}

void FolderDoor::nudge() {
  boost::asio::post(parts_.executor, [this] {
    nudged_ = true;
    wake_.notify_all();
  });
}

bool FolderDoor::has_folder(const std::string& connector) const {
  const std::scoped_lock lock(folders_mutex_);
  return folders_.contains(connector);
}

void FolderDoor::note_folder(const std::string& connector, bool there) {
  const std::scoped_lock lock(folders_mutex_);
  if (there)
    folders_.insert(connector);
  else
    folders_.erase(connector);
}

Task<void> FolderDoor::run() {
  while (!stopping_) {
    nudged_ = false;
    co_await look();
    if (!stopping_ && !nudged_) co_await wake_.wait_for(parts_.steady, unsettled_ ? kLookSoon : kLookEvery);
  }
}

Task<void> FolderDoor::look() {
  const auto connectors = co_await parts_.store.connectors();
  if (!connectors) {
    parts_.log.warning("connectors_not_read", {{"reason", connectors.error().reason}});
    co_return;
  }
  unsettled_ = false;
  for (const auto& connector : *connectors) {
    if (!delivery::folder_may_use(connector)) note_folder(connector.id, false);
    if (!delivery::folder_may_use(connector) || !busy_.insert(connector.id).second) continue;
    if (!tasks_.spawn("drop folder", pass(connector.id))) busy_.erase(connector.id);
  }
}

Task<void> FolderDoor::pass(std::string connector) {
  try {
    auto opened = co_await files_->run([root = parts_.root.get(), connector] { return root->box(connector); });
    note_folder(connector, opened.has_value());
    if (opened) {
      parts_.alerts.clear(kUnusable + connector);
      co_await pass_through(connector, *opened);
    } else if (opened.error().kind == ErrorKind::misconfigured) {
      parts_.alerts.raise(kUnusable + connector, opened.error().text);
    } else {
      parts_.alerts.clear(kUnusable + connector);  // it has no folder
    }
  } catch (...) {
    busy_.erase(connector);
    throw;
  }
  busy_.erase(connector);
}

Task<void> FolderDoor::pass_through(std::string connector, Box box) {
  if (watch_) {
    if (const auto watched = watch_->add(box->directory()); !watched)
      parts_.log.warning("drop_folder_not_watched", {{"why", watched.error().text}});
  }
  if (const auto rest = rest_until_.find(connector); rest != rest_until_.end() && parts_.steady.now() < rest->second)
    co_return;
  auto left = co_await files_->run([box] { return box->taken(); });
  if (!left) {
    not_now(connector, left.error());
    co_return;
  }
  bool told = false;
  std::set<std::string> tokens;
  for (const auto& file : *left) tokens.insert(file.token);
  settling_left_[connector].keep_only(tokens);
  for (const auto& file : *left) {
    const auto step = stopping_ ? Step::stop : co_await go_on_with(connector, box, file);
    if (step == Step::stop) co_return;
    told = told || step == Step::next_but_told;
  }
  auto entries = co_await files_->run([box] { return box->entries(); });
  if (!entries) {
    not_now(connector, entries.error());
    co_return;
  }
  std::set<std::string> names;
  for (const auto& entry : *entries) names.insert(entry.name);
  settling_[connector].keep_only(names);
  for (const auto& entry : *entries) {
    const auto step = stopping_ ? Step::stop : co_await take(connector, box, entry);
    if (step == Step::stop) co_return;
    told = told || step == Step::next_but_told;
  }
  if (told) co_return;
  rest_until_.erase(connector);
  parts_.alerts.clear(kWaits + connector);
}

Task<FolderDoor::Step> FolderDoor::go_on_with(std::string connector, Box box, LeftFile left) {
  const auto patience = parts_.patience();
  const auto unchanged = settling_left_[connector].unchanged_for(left.token, left.stamp, parts_.steady.now());
  if (unchanged < patience.settled) {
    unsettled_ = true;
    co_return Step::next;
  }
  auto taken = co_await files_->run([box, left] { return box->take_up(left.token); });
  if (!taken) {
    if (!another_time(taken.error())) parts_.log.error("drop_file_not_taken_up", taken.error());
    co_return Step::next;
  }
  const std::shared_ptr<TakenFile> file = std::move(*taken);
  const auto done = co_await files_->run([box, file, left, unchanged, patience] {
    return box->check_done(*file, file->stamp() == left.stamp ? unchanged : Milliseconds(0), patience);
  });
  if (done) co_return co_await hand_in(std::move(connector), std::move(box), file);
  if (another_time(done.error())) co_return Step::next;
  co_return co_await refuse(std::move(connector), std::move(box), file, done.error().text);
}

Task<FolderDoor::Step> FolderDoor::refuse(std::string connector, Box box, std::shared_ptr<TakenFile> file,
                                          std::string words) {
  auto moved = co_await files_->run([box, file, words] { return box->refuse(*file, words); });
  co_return tell_refusal(connector, moved, name_in_utf8(file->name()), words);
}

Task<FolderDoor::Step> FolderDoor::take(std::string connector, Box box, DropEntry entry) {
  const auto patience = parts_.patience();
  const auto unchanged = settling_[connector].unchanged_for(entry.name, entry.stamp, parts_.steady.now());
  if (unchanged < patience.settled) {
    unsettled_ = true;
    co_return Step::next;
  }
  auto token = base::to_hex(parts_.entropy.bytes(kTokenBytes));
  auto taken = co_await files_->run(
      [box, entry, unchanged, patience, token] { return box->take(entry, unchanged, patience, token); });
  if (taken) co_return co_await hand_in(std::move(connector), std::move(box), std::move(*taken));
  if (another_time(taken.error())) co_return Step::next;
  if (!speaks_of_document(taken.error())) {
    not_now(connector, taken.error());
    co_return Step::next_but_told;
  }
  auto words = taken.error().text;
  auto moved = co_await files_->run([box, entry, words] { return box->refuse(entry, words); });
  co_return tell_refusal(connector, moved, name_in_utf8(entry.name), words);
}

Task<FolderDoor::Step> FolderDoor::hand_in(std::string connector, Box box, std::shared_ptr<TakenFile> file) {
  if (!done_.contains(file->token())) {
    parts_.folder_counters.waiting += 1;
    const auto accepted = co_await accept(connector, file);
    parts_.folder_counters.waiting -= 1;
    if (!accepted && accepted.error().reason == "being_written") co_return Step::next;
    if (!accepted && speaks_of_document(accepted.error()))
      co_return co_await refuse(std::move(connector), std::move(box), std::move(file), accepted.error().text);
    if (!accepted) {
      not_now(connector, accepted.error());
      co_return Step::stop;
    }
  }
  auto removed = co_await files_->run([box, file] { return box->remove(*file); });
  if (!removed) {
    done_.insert(file->token());
    not_now(connector, removed.error());
    co_return Step::stop;
  }
  done_.erase(file->token());
  co_return Step::next;
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

FolderDoor::Step FolderDoor::tell_refusal(const std::string& connector, const Result<void>& moved, const std::string& name,
                                          const std::string& words) {
  if (!moved) {
    not_now(connector, moved.error());
    return Step::next_but_told;
  }
  parts_.folder_counters.refused += 1;
  parts_.counters.refused += 1;
  parts_.log.warning("drop_file_refused", {{"connector", connector}, {"name", name}, {"why", words}});
  parts_.alerts.tell(
      "drop_folder_refused:" + connector,
      fmt::format("The drop folder of {} has refused {}: {} It lies in .refused there.", connector, name, words),
      kRefusalStands);
  return Step::next;
}

void FolderDoor::not_now(const std::string& connector, const Error& error) {
  // What names one file's rights or a full server alike: looking more often mends neither.
  rest_until_[connector] = parts_.steady.now() + kRest;
  parts_.alerts.raise(kWaits + connector, fmt::format("Documents wait in the drop folder of {}: {}", connector, error.text));
}

}  // namespace latchkey::doors

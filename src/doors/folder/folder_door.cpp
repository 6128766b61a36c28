#include "doors/folder/folder_door.h"

#include <fmt/format.h>
#include <algorithm>
#include <iterator>
#include <boost/asio/post.hpp>
#include <utility>

#include "delivery/routing.h"
#include "doors/folder/file_name.h"
#include "doors/folder/hand_in_errors.h"

namespace latchkey::doors {
namespace {

constexpr Milliseconds kLookEvery{5'000};
constexpr Milliseconds kLookSoon{500};
constexpr Seconds kRest{30};  // what names one file's rights or a full server alike: looking more often mends neither
constexpr std::size_t kThreads = 2;
constexpr std::size_t kTokenBytes = 16;
constexpr Milliseconds kRefusalStands{24LL * 60 * 60 * 1000};
constexpr const char* kUnusable = "drop_folder_unusable:";
constexpr const char* kWaits = "drop_folder_waits:";

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
    co_await wait_for_next_look(parts_.steady.now());
  }
}

// What was looked at says only now, one folder after the other, whether something there settles soon.
Task<void> FolderDoor::wait_for_next_look(SteadyTime since) {
  while (!stopping_ && !nudged_) {
    const auto until = since + (unsettled_ ? kLookSoon : kLookEvery);
    const auto now = parts_.steady.now();
    if (now >= until) co_return;
    co_await wake_.wait_for(parts_.steady, until - now);
  }
}

void FolderDoor::note_unsettled() {
  unsettled_ = true;
  wake_.notify_all();
}

Task<void> FolderDoor::look() {
  const auto connectors = co_await parts_.store.connectors();
  if (!connectors) {
    parts_.log.warning("connectors_not_read", {{"reason", connectors.error().reason}});
    co_return;
  }
  const auto lying = co_await files_->run([root = parts_.root.get()] { return root->lying(); });
  if (!lying) parts_.log.warning("drop_folders_not_read", {{"why", lying.error().text}});
  unsettled_ = false;
  std::set<std::string> known;
  for (const auto& connector : *connectors) {
    known.insert(connector.id);
    const auto use = delivery::folder_may_use(connector) ? Use::open : Use::closed;
    auto& desk = desks_[connector.id];
    if (std::exchange(desk.is_looked_through, true)) continue;
    if (!tasks_.spawn("drop folder", pass(connector.id, use, lying ? std::optional(lying->contains(connector.id)) : std::nullopt))) desk.is_looked_through = false;
  }
  std::erase_if(desks_, [&](const auto& each) { return !known.contains(each.first) && !each.second.is_looked_through && !each.second.hands_in; });
  if (lying) tell_forgotten(*lying, known);
}

void FolderDoor::tell_forgotten(const std::set<std::string>& lying, const std::set<std::string>& known) {
  std::set<std::string> forgotten;
  std::ranges::set_difference(lying, known, std::inserter(forgotten, forgotten.end()));
  for (const auto& name : forgotten) {
    tell_wait(name, fmt::format("There is no connector of that name. Make it, or take the files out of {0}/{1} and {0}/.taken/{1}.", parts_.root->path(), name));
  }
  for (const auto& name : forgotten_) {
    if (!forgotten.contains(name) && !known.contains(name)) parts_.alerts.clear(kWaits + name);
  }
  forgotten_ = std::move(forgotten);
}

Task<void> FolderDoor::pass(std::string connector, Use use, std::optional<bool> anything_lies) {
  try {
    auto opened = co_await files_->run([root = parts_.root.get(), connector] { return root->box(connector); });
    note_folder(connector, opened.has_value() && use == Use::open);
    if (opened) {
      parts_.alerts.clear(kUnusable + connector);
      co_await pass_through(connector, *opened, use);
    } else if (opened.error().kind == ErrorKind::misconfigured) {
      parts_.alerts.raise(kUnusable + connector, opened.error().text);
    } else {
      parts_.alerts.clear(kUnusable + connector);  // it has no folder
      if (anything_lies.value_or(false)) {
        tell_wait(connector, fmt::format("Its directory is gone. Make {0}/{1} again, or take the files out of {0}/.taken/{1}.", parts_.root->path(), connector));
      } else if (anything_lies) {
        parts_.alerts.clear(kWaits + connector);
      }
    }
  } catch (...) {
    desks_[connector].is_looked_through = false;
    throw;
  }
  desks_[connector].is_looked_through = false;
}

// What can be told to be whole goes out of its sender's reach at every look, also while nothing can be accepted: that costs no room.
Task<void> FolderDoor::pass_through(std::string connector, Box box, Use use) {
  if (watch_) {
    if (const auto watched = watch_->add(box->directory()); !watched)
      parts_.log.warning("drop_folder_not_watched", {{"why", watched.error().text}});
  }
  auto left = co_await files_->run([box, aside = desks_[connector].paused_left.names()] { return box->taken(aside); });
  if (!left) {
    rest(connector, left.error());
    co_return;
  }
  std::set<std::string> tokens;
  for (const auto& file : *left) tokens.insert(file.token);
  desks_[connector].left.keep_only(tokens);
  desks_[connector].paused_left.keep_only(tokens);
  auto taken = co_await take_all(connector, box);
  if (!taken) {
    rest(connector, taken.error());
    co_return;
  }
  left->insert(left->end(), taken->begin(), taken->end());
  if (use == Use::closed) {
    leave_waiting(connector, !left->empty());
    co_return;
  }
  make_ready(connector, *left);
  auto& desk = desks_[connector];
  if (!desk.ready.empty() && !stopping_ && !std::exchange(desk.hands_in, true) && !tasks_.spawn("drop folder's documents", hand_in_all(connector, box)))
    desk.hands_in = false;
  settle_alert(connector, !left->empty());
}

Task<Result<std::vector<LeftFile>>> FolderDoor::take_all(std::string connector, Box box) {
  auto aside = desks_[connector].paused_names.names();
  aside.merge(std::exchange(desks_[connector].unfinished, {}));
  auto entries = co_await files_->run([box, aside = std::move(aside)] { return box->entries(aside); });
  if (!entries) co_return std::unexpected(entries.error());
  std::set<std::string> names;
  for (const auto& entry : *entries) names.insert(entry.name);
  desks_[connector].names.keep_only(names);
  desks_[connector].paused_names.keep_only(names);
  std::vector<LeftFile> taken;
  for (const auto& entry : *entries) {
    if (stopping_) break;
    if (auto file = co_await take(connector, box, entry)) taken.push_back(std::move(*file));
  }
  co_return taken;
}

Task<std::optional<LeftFile>> FolderDoor::take(std::string connector, Box box, DropEntry entry) {
  const auto now = parts_.steady.now();
  const auto patience = parts_.patience();
  const auto unchanged = desks_[connector].names.unchanged_for(entry.name, entry.stamp, now);
  if (unchanged < patience.settled) {
    note_unsettled();
    co_return std::nullopt;
  }
  if (desks_[connector].paused_names.holds(entry.name, now)) co_return std::nullopt;
  auto token = base::to_hex(parts_.entropy.bytes(kTokenBytes));
  auto taken = co_await files_->run([box, entry, unchanged, patience, token] { return box->take(entry, unchanged, patience, token); });
  if (taken) {
    desks_[connector].paused_names.lift(entry.name);
    desks_[connector].left.carry_over(token, (*taken)->stamp(), unchanged, now);
    co_return LeftFile{.token = std::move(token), .stamp = (*taken)->stamp()};
  }
  if (another_time(taken.error())) {
    if (auto& unfinished = desks_[connector].unfinished; unfinished.size() < Pauses::kMax) unfinished.insert(entry.name);
    co_return std::nullopt;
  }
  if (!speaks_of_document(taken.error())) {
    set_aside(connector, desks_[connector].paused_names, entry.name, taken.error());
    co_return std::nullopt;
  }
  auto words = taken.error().text;
  const auto moved = co_await files_->run([box, entry, words] { return box->refuse(entry, words); });
  if (moved) tell_refusal(connector, name_in_utf8(entry.name), words);
  else set_aside(connector, desks_[connector].paused_names, entry.name, moved.error());
  co_return std::nullopt;
}

void FolderDoor::make_ready(const std::string& connector, const std::vector<LeftFile>& left) {
  const auto now = parts_.steady.now();
  const auto settled = parts_.patience().settled;
  auto& desk = desks_[connector];
  if (desk.rest_until && now < *desk.rest_until) return;
  std::set<std::string> known{desk.in_hand};
  for (const auto& one : desk.ready) known.insert(one.file.token);
  for (const auto& file : left) {
    const auto unchanged = desk.left.unchanged_for(file.token, file.stamp, now);
    if (known.contains(file.token) || desk.paused_left.holds(file.token, now)) continue;
    if (unchanged < settled) note_unsettled();
    else desk.ready.push_back({.file = file, .unchanged = unchanged});
  }
}

void FolderDoor::leave_waiting(const std::string& connector, bool anything_left) {
  auto& desk = desks_[connector];
  desk.ready.clear();
  if (anything_left) {
    tell_wait(connector, "No drop folder may use this connector now: it must be switched on, be one of a fixed account, and hold its owner's PIN.");
  } else if (desk.paused_names.is_empty()) {
    parts_.alerts.clear(kWaits + connector);
  }
}

void FolderDoor::settle_alert(const std::string& connector, bool anything_left) {
  auto& desk = desks_[connector];
  const bool at_work = desk.hands_in || !desk.ready.empty();
  if (desk.rest_until && *desk.rest_until <= parts_.steady.now() && !anything_left && !at_work) desk.rest_until.reset();
  if (!desk.rest_until && desk.paused_names.is_empty() && desk.paused_left.is_empty() && !at_work) parts_.alerts.clear(kWaits + connector);
}

void FolderDoor::tell_refusal(const std::string& connector, const std::string& name, const std::string& words) {
  parts_.folder_counters.refused += 1;
  parts_.counters.refused += 1;
  parts_.log.warning("drop_file_refused", {{"connector", connector}, {"name", name}, {"why", words}});
  parts_.alerts.tell("drop_folder_refused:" + connector,
                     fmt::format("The drop folder of {} has refused {}: {} It lies in .refused there.", connector, name, words), kRefusalStands);
}

void FolderDoor::rest(const std::string& connector, const Error& error) {
  desks_[connector].rest_until = parts_.steady.now() + kRest;
  tell_wait(connector, error.text);
}

void FolderDoor::set_aside(const std::string& connector, Pauses& among, const std::string& which, const Error& error) {
  among.put(which, parts_.steady.now() + kRest);
  tell_wait(connector, error.text);
}

void FolderDoor::tell_wait(const std::string& connector, const std::string& words) {
  parts_.alerts.raise(kWaits + connector, fmt::format("Documents wait in the drop folder of {}: {}", connector, words));
}

}  // namespace latchkey::doors

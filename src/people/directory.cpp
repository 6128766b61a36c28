#include "people/directory.h"

#include <fmt/core.h>

#include <algorithm>

namespace latchkey::people {
namespace {

constexpr int kTries = 3;
constexpr int kDeleteTries = 20;  // each refresh of a grant is a change that outdates it
constexpr std::size_t kNameBytesMax = 800;  // 200 characters
constexpr std::size_t kEmailBytesMax = 254;
constexpr std::uint32_t kAllUses = store::kUseDeliver | store::kUseList | store::kUseSend | store::kUseToken;

std::unexpected<Error> no_such_user() { return fail(ErrorKind::not_found, "no_such_user", "There is no such user."); }
std::unexpected<Error> no_such_group() {
  return fail(ErrorKind::not_found, "no_such_group", "There is no such group.", {.field = "group"});
}
std::unexpected<Error> busy() {
  return fail(ErrorKind::unavailable, "busy", "The server is busy checking PINs. Try again in a moment.",
              {.retry_after = Seconds(2)});
}

// The store's words for a taken name, in ours.
std::unexpected<Error> translated(Error error, std::string_view name) {
  if (error.kind == ErrorKind::conflict && error.reason == "exists" && error.field == "username") {
    return fail(ErrorKind::conflict, "username_taken", fmt::format("The username {} is taken.", name), {.field = "username"});
  }
  if (error.kind == ErrorKind::conflict && error.reason == "exists") {
    return fail(ErrorKind::conflict, "group_name_taken", fmt::format("There is a group {} already.", name), {.field = "name"});
  }
  return std::unexpected(std::move(error));
}

bool is_last_administrator(const Error& error) { return error.kind == ErrorKind::conflict && error.reason == "last_administrator"; }
std::unexpected<Error> last_administrator(const store::User& user) {
  return fail(ErrorKind::conflict, "last_administrator",
              fmt::format("{} is the last administrator who can sign in. Make another one first.", user.username));
}

bool is_outdated(const Error& error) { return error.kind == ErrorKind::conflict && error.reason == "version"; }

// One line of text for people: no control characters, bounded.
Result<std::string> clean_line(std::string text, std::size_t bytes_max, std::string field) {
  const bool foul = std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  if (text.size() > bytes_max || foul) {
    return fail(ErrorKind::invalid, field + "_malformed", fmt::format("This is too long or holds control characters."),
                {.field = field});
  }
  return text;
}

Result<std::string> clean_email(std::string text) {
  auto line = clean_line(std::move(text), kEmailBytesMax, "email");
  if (!line || line->empty()) return line;
  const auto at = line->find('@');
  if (at == 0 || at == std::string::npos || at + 1 == line->size() || line->find_first_of(" ,;<>") != std::string::npos) {
    return fail(ErrorKind::invalid, "email_malformed", "This is no e-mail address.", {.field = "email"});
  }
  return line;
}

bool counts_as_administrator(const store::User& user) {
  return user.role == store::Role::administrator && user.enabled && !user.password_sealed.empty();
}

std::string words_of(const UserChange& change) {
  std::string words;
  const auto add = [&](bool present, std::string word) {
    if (present) words += (words.empty() ? "" : ", ") + word;
  };
  add(change.username.has_value(), "username" + (change.username ? " " + *change.username : ""));
  add(change.name.has_value(), "name");
  add(change.email.has_value(), "e-mail");
  add(change.group.has_value(), "group");
  add(change.enabled.has_value(), change.enabled.value_or(false) ? "enabled" : "disabled");
  add(change.uses.has_value(), "uses");
  add(change.sources.has_value(), "allowed sources");
  add(change.role.has_value(), change.role.value_or(store::Role::regular) == store::Role::administrator ? "administrator" : "regular user");
  return words;
}

Result<std::string> apply(const UserChange& change, store::User& user) {
  if (change.username) {
    auto name = clean_username(*change.username);
    // Who has such a name already keeps it.
    if (name && name->key != user.username_key) name = new_username(*change.username);
    if (!name) return std::unexpected(name.error());
    user.username = std::move(name->text);
    user.username_key = std::move(name->key);
  }
  if (change.name) {
    auto line = clean_line(*change.name, kNameBytesMax, "name");
    if (!line) return line;
    user.name = std::move(*line);
  }
  if (change.email) {
    auto line = clean_email(*change.email);
    if (!line) return line;
    user.email = std::move(*line);
  }
  if (change.sources) {
    if (auto rules = SourceRules::parse(*change.sources); !rules) return std::unexpected(rules.error());
    user.allowed_sources = *change.sources;
  }
  if (change.uses && (*change.uses & ~kAllUses) != 0) {
    return fail(ErrorKind::invalid, "uses_malformed", "There is no such use.", {.field = "uses"});
  }
  user.uses = change.uses.value_or(user.uses);
  user.group = change.group.value_or(user.group);
  user.role = change.role.value_or(user.role);
  if (change.enabled && *change.enabled != user.enabled) {
    user.enabled = *change.enabled;
    ++user.auth_epoch;
  }
  return words_of(change);
}

}  // namespace

Directory::Directory(Parts parts) : parts_(parts) {}

void Directory::changed(const store::User& user) {
  parts_.cards.forget(user.username_key);
  parts_.hot.forget(user.id);
}

Task<Result<store::User>> Directory::read(UserId id) const {
  auto user = co_await parts_.store.user(id);
  if (!user) co_return std::unexpected(user.error());
  if (!*user) co_return no_such_user();
  if (auto sound = parts_.seal.check(**user); !sound) co_return std::unexpected(sound.error());
  co_return std::move(**user);
}

Task<Result<void>> Directory::require_group(GroupId id) const {
  const auto group = co_await parts_.store.group(id);
  if (!group) co_return std::unexpected(group.error());
  if (!*group) co_return no_such_group();
  co_return Result<void>();
}

Task<Result<store::User>> Directory::edit(UserId id, Edit edit, Plan plan, Actor actor) {
  for (int tries = 1;; ++tries) {
    auto user = co_await read(id);
    if (!user) co_return user;
    const auto before = *user;
    if (plan.of && before.version != *plan.of) co_return fail(ErrorKind::conflict, "version", "The user was changed meanwhile; try again.");
    const auto detail = edit(*user);
    if (!detail) co_return std::unexpected(detail.error());
    if (plan.epoch == Epoch::moves) ++user->auth_epoch;
    parts_.seal.vouch(*user);
    store::Batch batch = plan.also;
    batch.push_back(store::UpdateUser{*user});
    if (counts_as_administrator(before) && !counts_as_administrator(*user)) batch.push_back(store::KeepAnAdministrator{});
    if (user->auth_epoch != before.auth_epoch) batch.push_back(store::DeleteSessionsOfUser{id});
    batch.push_back(store::AppendAudit{
        audit_entry(parts_.wall.now(), actor, plan.action, before.username, id, *detail)});
    auto done = co_await parts_.store.commit(std::move(batch));
    changed(before);
    changed(*user);
    if (!done && is_outdated(done.error()) && tries < kTries && !plan.of) continue;
    if (!done && is_last_administrator(done.error())) co_return last_administrator(before);
    if (!done) co_return translated(std::move(done.error()), user->username);
    ++user->version;
    co_return user;
  }
}

// ---- groups ----------------------------------------------------------------------------------------------------------

Task<Result<store::Group>> Directory::add_group(std::string name, Actor actor) {
  auto clean = clean_group_name(name);
  if (!clean) co_return std::unexpected(clean.error());
  store::Group group;
  group.created_at = parts_.wall.now();
  group.id = GroupId::make(group.created_at, parts_.entropy);
  group.name = clean->text;
  group.name_key = clean->key;
  store::Batch batch;
  batch.push_back(store::InsertGroup{group});
  batch.push_back(store::AppendAudit{audit_entry(group.created_at, actor, "group.created", group.name, UserId())});
  if (auto done = co_await parts_.store.commit(std::move(batch)); !done) co_return translated(std::move(done.error()), group.name);
  co_return group;
}

Task<Result<store::Group>> Directory::rename_group(GroupId id, std::string name, Actor actor) {
  const auto clean = clean_group_name(name);
  if (!clean) co_return std::unexpected(clean.error());
  for (int tries = 1;; ++tries) {
    auto group = co_await parts_.store.group(id);
    if (!group) co_return std::unexpected(group.error());
    if (!*group) co_return no_such_group();
    const auto before = (*group)->name;
    (*group)->name = clean->text;
    (*group)->name_key = clean->key;
    store::Batch batch;
    batch.push_back(store::UpdateGroup{**group});
    batch.push_back(store::AppendAudit{
        audit_entry(parts_.wall.now(), actor, "group.renamed", before, UserId(), "now " + clean->text)});
    auto done = co_await parts_.store.commit(std::move(batch));
    if (!done && is_outdated(done.error()) && tries < kTries) continue;
    if (!done) co_return translated(std::move(done.error()), clean->text);
    ++(*group)->version;
    co_return std::move(**group);
  }
}

Task<Result<std::int64_t>> Directory::empty_group(GroupId id, OnMembers members, Actor actor) {
  std::int64_t count = 0;
  for (;;) {
    store::UserQuery query;
    query.group = id;
    query.page.limit = 200;
    const auto page = co_await parts_.store.users(std::move(query));
    if (!page) co_return std::unexpected(page.error());
    if (page->items.empty()) co_return count;
    for (const auto& row : page->items) {
      Result<void> done;
      if (members.what == OnMembers::What::move) {
        auto moved = co_await change_user(row.user.id, {.group = members.to}, actor);
        if (!moved) done = std::unexpected(moved.error());
      } else {
        done = co_await delete_user(row.user.id, actor);
      }
      if (!done && done.error().reason != "no_such_user") co_return std::unexpected(done.error());
      ++count;
    }
  }
}

Task<Result<std::int64_t>> Directory::delete_group(GroupId id, OnMembers members, Actor actor) {
  const auto group = co_await parts_.store.group(id);
  if (!group) co_return std::unexpected(group.error());
  if (!*group) co_return no_such_group();
  if (members.what == OnMembers::What::move) {
    if (members.to == id) co_return no_such_group();
    if (auto there = co_await require_group(members.to); !there) co_return std::unexpected(there.error());
  }
  std::int64_t count = 0;
  for (int tries = 1;; ++tries) {
    if (members.what != OnMembers::What::refuse) {
      const auto gone = co_await empty_group(id, members, actor);
      if (!gone) co_return gone;
      count += *gone;
    }
    store::Batch batch;
    batch.push_back(store::DeleteGroup{id});
    batch.push_back(store::AppendAudit{audit_entry(parts_.wall.now(), actor, "group.deleted", (*group)->name, UserId(),
                                                   fmt::format("{} users {}", count,
                                                               members.what == OnMembers::What::move ? "moved" : "deleted"))});
    auto done = co_await parts_.store.commit(std::move(batch));
    if (done) co_return count;
    if (done.error().reason != "group_not_empty") co_return std::unexpected(done.error());
    if (members.what != OnMembers::What::refuse && tries < kTries) continue;
    co_return fail(ErrorKind::conflict, "group_not_empty",
                   fmt::format("The group {} has users. Say where they go, or that they are deleted with it.", (*group)->name));
  }
}

// ---- users -----------------------------------------------------------------------------------------------------------

Task<Result<Bytes>> Directory::password_verifier(UserId id, Secret prepared) const {
  const auto verifier = std::make_shared<Bytes>();
  const auto shared = std::make_shared<const Secret>(std::move(prepared));
  const auto* vault = &parts_.vault;
  const auto cost = parts_.cost;
  if (!co_await parts_.hasher.run([=] { *verifier = vault->make_password_verifier(id, *shared, cost); })) co_return busy();
  co_return std::move(*verifier);
}

Task<Result<store::User>> Directory::add_user(NewUser fresh, Actor actor) {
  store::User user;
  user.created_at = parts_.wall.now();
  user.id = UserId::make(user.created_at, parts_.entropy);
  const auto made = apply({.username = fresh.username, .name = fresh.name, .email = fresh.email, .group = fresh.group,
                           .role = fresh.role}, user);
  if (!made) co_return std::unexpected(made.error());
  if (auto there = co_await require_group(user.group); !there) co_return std::unexpected(there.error());
  if (fresh.password) {
    const auto least = parts_.registry.get<std::size_t>("auth.password_min_length");
    auto prepared = prepare_new_password(*fresh.password, user.username, least);
    if (!prepared) co_return std::unexpected(prepared.error());
    auto verifier = co_await password_verifier(user.id, std::move(*prepared));
    if (!verifier) co_return std::unexpected(verifier.error());
    user.password_sealed = std::move(*verifier);
  }
  parts_.seal.vouch(user);
  store::Batch batch;
  batch.push_back(store::InsertUser{user});
  batch.push_back(store::AppendAudit{audit_entry(
      user.created_at, actor, "user.created", user.username, user.id,
      user.role == store::Role::administrator ? "administrator" : "")});
  auto done = co_await parts_.store.commit(std::move(batch));
  parts_.cards.forget(user.username_key);
  if (!done) co_return translated(std::move(done.error()), user.username);
  co_return user;
}

Task<Result<store::User>> Directory::change_user(UserId id, UserChange change, Actor actor) {
  if (change.group) {
    if (auto there = co_await require_group(*change.group); !there) co_return std::unexpected(there.error());
  }
  const auto shared = std::make_shared<const UserChange>(std::move(change));
  Edit how = [shared](store::User& user) { return apply(*shared, user); };
  Plan plan{.action = "user.changed", .epoch = Epoch::stays, .also = {}};
  if (shared->enabled && switch_listener_ != nullptr) {
    co_return co_await switch_user(id, *shared->enabled, std::move(how), std::move(plan), std::move(actor));
  }
  co_return co_await edit(id, std::move(how), std::move(plan), std::move(actor));
}

Task<Result<store::User>> Directory::switch_user(UserId id, bool on, Edit how, Plan plan, Actor actor) {
  for (int tries = 1;; ++tries) {
    const auto before = co_await read(id);
    if (!before) co_return before;
    plan.also.clear();
    if (before->enabled != on) {
      auto also = on ? co_await switch_listener_->switched_on(id) : co_await switch_listener_->switched_off(id);
      if (!also) co_return std::unexpected(also.error());
      plan.also = std::move(*also);
    }
    plan.of = before->version;
    auto changed = co_await edit(id, how, plan, actor);
    if (!changed && is_outdated(changed.error()) && tries < kTries) continue;
    // Where the answer was lost it may be so.
    if (!on && (changed || changed.error().kind == ErrorKind::ambiguous)) switch_listener_->switched_off_done(id, std::move(actor));
    co_return changed;
  }
}

Task<Result<void>> Directory::delete_user(UserId id, Actor actor) {
  for (int tries = 1;; ++tries) {
    // No MAC check: a record that was altered must be deletable.
    const auto user = co_await parts_.store.user(id);
    if (!user) co_return std::unexpected(user.error());
    if (!*user) co_return no_such_user();
    LeavingListener::Departure departure;
    if (leaving_ != nullptr) {
      auto prepared = co_await leaving_->leaving(**user, actor);
      if (!prepared && is_outdated(prepared.error()) && tries < kDeleteTries) continue;
      if (!prepared) co_return std::unexpected(prepared.error());
      departure = std::move(*prepared);
    }
    auto batch = std::move(departure.first);
    batch.push_back(store::DeleteUser{id});
    if (counts_as_administrator(**user)) batch.push_back(store::KeepAnAdministrator{});
    batch.push_back(store::AppendAudit{audit_entry(parts_.wall.now(), actor, "user.deleted", (*user)->username, id)});
    auto done = co_await parts_.store.commit(std::move(batch));
    changed(**user);
    // A grant was given, refreshed or taken meanwhile: look again at what there is to give back.
    if (!done && (is_outdated(done.error()) || done.error().kind == ErrorKind::not_found) && tries < kDeleteTries) continue;
    if (!done && done.error().kind == ErrorKind::not_found) co_return no_such_user();
    if (!done && is_last_administrator(done.error())) co_return last_administrator(**user);
    if (!done) co_return done;
    if (departure.gone) departure.gone();
    if (watcher_ != nullptr) {
      watcher_->counters_forgotten(id);
      watcher_->pin_replaced((*user)->username);
    }
    co_return done;
  }
}

Task<Result<store::User>> Directory::set_password(UserId id, std::optional<Secret> password, Actor actor) {
  const auto user = co_await read(id);
  if (!user) co_return user;
  Bytes verifier;
  if (password) {
    const auto least = parts_.registry.get<std::size_t>("auth.password_min_length");
    auto prepared = prepare_new_password(*password, user->username, least);
    if (!prepared) co_return std::unexpected(prepared.error());
    auto made = co_await password_verifier(id, std::move(*prepared));
    if (!made) co_return std::unexpected(made.error());
    verifier = std::move(*made);
  }
  Edit how = [verifier](store::User& record) -> Result<std::string> {
    record.password_sealed = verifier;
    return std::string();
  };
  Plan plan{.action = password ? "user.password_set" : "user.password_removed", .epoch = Epoch::moves, .also = {}};
  plan.also.push_back(store::ForgetPinFailures{id});
  auto done = co_await edit(id, std::move(how), std::move(plan), std::move(actor));
  if (done && watcher_ != nullptr) watcher_->counters_forgotten(id);
  co_return done;
}

Task<Result<void>> Directory::reset_throttle(UserId id, Actor actor) {
  const auto user = co_await parts_.store.user(id);
  if (!user) co_return std::unexpected(user.error());
  if (!*user) co_return no_such_user();
  store::Batch batch;
  batch.push_back(store::ForgetPinFailures{id});
  batch.push_back(store::AppendAudit{audit_entry(parts_.wall.now(), actor, "user.throttle_reset", (*user)->username, id)});
  auto done = co_await parts_.store.commit(std::move(batch));
  parts_.cards.forget((*user)->username_key);
  if (done && watcher_ != nullptr) watcher_->counters_forgotten(id);
  co_return done;
}

// ---- PINs ------------------------------------------------------------------------------------------------------------

Result<Secret> Directory::new_pin(const Secret& typed, std::string_view username) const {
  return prepare_new_pin(typed, username, parts_.registry.get<std::size_t>("auth.pin_min_length"));
}

Task<Result<store::User>> Directory::with_new_keys(store::User user, Secret pin) const {
  auto pair = std::make_shared<const vault::KeyPair>(parts_.vault.make_key_pair());
  const auto shared = std::make_shared<const Secret>(std::move(pin));
  const auto wrapped = std::make_shared<Bytes>();
  const auto* vault = &parts_.vault;
  const auto cost = parts_.cost;
  const auto id = user.id;
  if (!co_await parts_.hasher.run([=] { *wrapped = vault->wrap_user_key(id, pair->public_key, pair->private_key, *shared, cost); })) {
    co_return busy();
  }
  user.public_key.assign(pair->public_key.begin(), pair->public_key.end());
  user.private_key_wrapped = std::move(*wrapped);
  user.pin_set_at = parts_.wall.now();
  co_return user;
}

Task<Result<store::User>> Directory::change_pin(UserId id, Secret current, Secret fresh, Transport transport, Actor actor,
                                                SteadyTime arrived) {
  auto user = co_await read(id);
  if (!user) co_return user;
  auto prepared = new_pin(fresh, user->username);
  if (!prepared) co_return std::unexpected(prepared.error());
  auto admitted = co_await parts_.gate.admit({.username = user->username, .pin = std::move(current),
                                              .source = counted_source(actor.source), .transport = transport,
                                              .sources = Sources::any, .uses = 0, .arrived = arrived});
  if (!admitted && admitted.error().reason == "invalid_credentials") {
    co_return fail(ErrorKind::refused, "invalid_pin", "The current PIN is wrong.", {.field = "current_pin"});
  }
  if (!admitted) co_return std::unexpected(admitted.error());
  auto found = parts_.hot.find(id, admitted->auth_epoch, admitted->pin);
  const auto public_key = public_key_of(*user);
  if (!found || !public_key) co_return busy();  // evicted within the moment
  const auto key = std::make_shared<const Secret>(std::move(*found));
  const auto pin = std::make_shared<const Secret>(std::move(*prepared));
  const auto wrapped = std::make_shared<Bytes>();
  const auto* vault = &parts_.vault;
  const auto cost = parts_.cost;
  if (!co_await parts_.hasher.run([=] { *wrapped = vault->wrap_user_key(id, *public_key, *key, *pin, cost); })) co_return busy();
  const auto old_key = user->public_key;
  const auto now = parts_.wall.now();
  Edit how = [=](store::User& record) -> Result<std::string> {
    if (record.public_key != old_key) {
      return fail(ErrorKind::conflict, "version", "The PIN has just been reset. Nothing was changed.");
    }
    record.private_key_wrapped = *wrapped;
    record.pin_set_at = now;
    return std::string();
  };
  Plan plan{.action = "user.pin_changed", .epoch = Epoch::moves, .also = {}};
  plan.also.push_back(store::ForgetPinFailures{id});
  auto done = co_await edit(id, std::move(how), std::move(plan), std::move(actor));
  if (done && watcher_ != nullptr) {
    watcher_->counters_forgotten(id);
    watcher_->pin_replaced(done->username);
  }
  co_return done;
}

Task<Result<store::User>> Directory::reset_pin(UserId id, Secret fresh, Confirmation confirmation, Actor actor) {
  if (!confirmation.given()) {
    co_return fail(ErrorKind::refused, "wrong_password", "Resetting a PIN needs your own password again.",
                   {.field = "admin_password"});
  }
  auto before = co_await read(id);
  if (!before) co_return before;
  auto prepared = new_pin(fresh, before->username);
  if (!prepared) co_return std::unexpected(prepared.error());
  auto after = co_await with_new_keys(*before, std::move(*prepared));
  if (!after) co_return after;
  const bool first = before->public_key.empty();
  Plan plan{.action = first ? "user.pin_set" : "user.pin_reset",
            // Nothing of a user without a PIN can be remembered anywhere, so a first one ends nothing.
            .epoch = first ? Epoch::stays : Epoch::moves, .also = {}};
  plan.also.push_back(store::ForgetPinFailures{id});
  if (listener_ != nullptr && !first) {
    auto rekeyed = co_await listener_->pin_reset(*before, *after);
    if (!rekeyed) co_return std::unexpected(rekeyed.error());
    for (auto& mutation : *rekeyed) plan.also.push_back(std::move(mutation));
  }
  const auto keys = std::make_shared<const store::User>(std::move(*after));
  const auto old_key = before->public_key;
  Edit how = [keys, old_key](store::User& record) -> Result<std::string> {
    if (record.public_key != old_key) {
      return fail(ErrorKind::conflict, "version", "The PIN has just been set by somebody else. Nothing was changed.");
    }
    record.public_key = keys->public_key;
    record.private_key_wrapped = keys->private_key_wrapped;
    record.pin_set_at = keys->pin_set_at;
    return std::string();
  };
  const auto by = actor.name;
  auto done = co_await edit(id, std::move(how), std::move(plan), std::move(actor));
  if (done && listener_ != nullptr && !first) listener_->pin_reset_done(*done);
  if (done && watcher_ != nullptr) {
    watcher_->counters_forgotten(id);
    watcher_->pin_replaced(done->username);
    if (!first) watcher_->pin_reset(*done, by);
  }
  co_return done;
}

}  // namespace latchkey::people

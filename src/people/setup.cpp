#include "people/setup.h"

namespace latchkey::people {
namespace {

std::unexpected<Error> setup_done() {
  return fail(ErrorKind::conflict, "setup_done", "The set-up has been done already. Sign in instead.");
}
std::unexpected<Error> code_invalid() {
  return fail(ErrorKind::refused, "setup_code_invalid",
              "This set-up address is wrong or has ended (it lives 15 minutes, once). Restart the server: it prints a new one.",
              {.field = "code"});
}

}  // namespace

Setup::Setup(Parts parts) : parts_(parts) {}

Task<Result<bool>> Setup::needed() {
  const auto count = co_await parts_.store.count_administrators();
  if (!count) co_return std::unexpected(count.error());
  co_return *count == 0;
}

Task<Result<std::optional<std::string>>> Setup::issue_code() {
  const auto wanted = co_await needed();
  if (!wanted) co_return std::unexpected(wanted.error());
  if (!*wanted) co_return std::nullopt;
  auto code = base::to_base64url(parts_.entropy.bytes(24));
  const std::lock_guard lock(mutex_);
  code_hash_ = parts_.vault.keyed_hash("setup code", base::as_bytes(code));
  ends_ = parts_.steady.now() + kLifetime;
  co_return code;
}

std::optional<WallTime> Setup::code_expires_at() const {
  const std::lock_guard lock(mutex_);
  const auto left = ends_ - parts_.steady.now();
  if (code_hash_.empty() || left <= std::chrono::nanoseconds(0)) return std::nullopt;
  return parts_.wall.now() + std::chrono::floor<Milliseconds>(left);
}

bool Setup::code_fits(std::string_view code) const {
  return !code_hash_.empty() && parts_.steady.now() < ends_ &&
         base::equal_in_constant_time(code_hash_, parts_.vault.keyed_hash("setup code", base::as_bytes(code)));
}

void Setup::restore_code(Bytes hash, SteadyTime ends) {
  const std::lock_guard lock(mutex_);
  if (!code_hash_.empty()) return;  // a newer one has been issued meanwhile
  code_hash_ = std::move(hash);
  ends_ = ends;
}

Task<Result<GroupId>> Setup::group_named(std::string name, Actor actor) {
  const auto clean = clean_group_name(name);
  if (!clean) co_return std::unexpected(clean.error());
  const auto there = co_await parts_.store.group_by_name_key(clean->key);
  if (!there) co_return std::unexpected(there.error());
  if (*there) co_return (*there)->id;
  const auto made = co_await parts_.directory.add_group(clean->text, actor);
  if (!made) co_return std::unexpected(made.error());
  co_return made->id;
}

Task<Result<store::User>> Setup::finish(Request request) {
  const auto wanted = co_await needed();
  if (!wanted) co_return std::unexpected(wanted.error());
  if (!*wanted) co_return setup_done();
  Bytes hash;
  SteadyTime ends{};
  {
    // Taken out while it is being used, so that two requests at once cannot both have it.
    const std::lock_guard lock(mutex_);
    if (!code_fits(request.code)) co_return code_invalid();
    hash = std::exchange(code_hash_, {});
    ends = ends_;
  }
  const Actor actor{.name = "setup", .source = request.source};
  const auto group = co_await group_named(request.group.empty() ? "Administrators" : request.group, actor);
  if (!group) {
    restore_code(std::move(hash), ends);
    co_return std::unexpected(group.error());
  }
  auto user = co_await parts_.directory.add_user({.username = std::move(request.username),
                                                  .group = *group,
                                                  .name = std::move(request.name),
                                                  .email = {},
                                                  .role = store::Role::administrator,
                                                  .password = std::move(request.password)},
                                                 actor);
  if (!user) restore_code(std::move(hash), ends);
  co_return user;
}

}  // namespace latchkey::people

#include "grants/restored_grants.h"

#include "base/json.h"

namespace latchkey::grants {
namespace {

constexpr std::chrono::seconds kFirstLook{10};
constexpr std::chrono::seconds kAgainAfter{30};
constexpr std::size_t kPage = 100;

bool may_have_been_spent(ByteView note) {
  const auto parsed = parse_json(base::as_text(note));
  if (!parsed || !parsed->is_object()) return false;
  const auto* quiet = parsed->get_object().if_contains("nothing_ran_since");
  return quiet == nullptr || !quiet->is_bool() || !quiet->get_bool();
}

}  // namespace

Task<void> RestoredGrants::ask(SteadyClock& steady) {
  co_await steady.sleep_for(kFirstLook);
  for (;;) {
    const auto done = co_await pass();
    if (done && *done) co_return;
    if (!done) log_.error("restored_grants_unread", done.error());
    co_await steady.sleep_for(kAgainAfter);
  }
}

Task<Result<bool>> RestoredGrants::pass() {
  const auto note = co_await store_.meta(std::string(kRestoredMeta));
  if (!note) co_return std::unexpected(note.error());
  if (note->empty() || !may_have_been_spent(*note)) co_return true;
  const auto asked = co_await store_.meta(std::string(kRestoredAskedMeta));
  if (!asked) co_return std::unexpected(asked.error());
  if (*asked == *note) co_return true;
  const auto open = co_await open_restore(store_);
  if (!open) co_return std::unexpected(open.error());
  if (*open) co_return false;
  asked_ = 0;
  if (const auto all = co_await ask_for_all(); !all) co_return std::unexpected(all.error());
  log_.info("restored_grants_asked_for", {{"grants", asked_}});
  if (auto done = co_await store_.commit({store::PutMeta{std::string(kRestoredAskedMeta), *note}}); !done) co_return std::unexpected(done.error());
  co_return true;
}

Task<Result<void>> RestoredGrants::ask_for_all() {
  for (GrantId after{};;) {
    const auto grants = co_await store_.grants_after(after, kPage);
    if (!grants) co_return std::unexpected(grants.error());
    for (const auto& grant : *grants) {
      if (auto done = co_await ask_for(grant); !done) co_return done;
    }
    if (grants->size() < kPage) co_return Result<void>{};
    after = grants->back().id;
  }
}

Task<Result<void>> RestoredGrants::ask_for(store::Grant grant) {
  if (!is_kept_fresh(grant.state)) co_return Result<void>{};
  const auto type = catalog_->find_type(grant.type);
  if (!type || type->replay == catalog::ReplayPolicy::harmless) co_return Result<void>{};
  const auto view = co_await store_.grant(grant.id);
  if (!view) co_return std::unexpected(view.error());
  if (!*view || !(*view)->intent || (*view)->intent->state != store::IntentState::restored) co_return Result<void>{};
  // Merges what survived first; nothing is sent for a marked generation.
  const auto refreshed = co_await keeper_.refresh_now(grant.id);
  if (!refreshed && refreshed.error().kind == ErrorKind::needs_person) asked_ += 1;
  co_return Result<void>{};
}

}  // namespace latchkey::grants

#include "grants/fail_over.h"

#include "base/bytes.h"

namespace latchkey::grants {
namespace {

constexpr std::string_view kLineageMeta = "lineage";
constexpr Seconds kWaitingLookEvery{2};  // while others are waited for
constexpr Seconds kTryEvery{1};          // a look that has failed
constexpr Seconds kStuckFor{30};         // until that is told

std::string lineage_meta(NodeId node) { return "lineage:" + node.text(); }

// Of what a node has told: the name without its nonce.
std::string_view name_in(const Bytes& told) {
  const auto text = base::as_text(told);
  return text.substr(0, text.find(' '));
}

}  // namespace

Task<void> FailOverWatch::keep_telling() {
  for (;;) {
    const bool has_lost_one = !may_send() && !stuck_since_;
    if (has_lost_one || parts_.steady.now() >= look_again_at_) {
      const auto looked = co_await look();
      if (looked) {
        stuck_since_.reset();
        look_again_at_ = parts_.steady.now() + (agreed_ ? kLookEvery : kWaitingLookEvery);
      } else {
        look_again_at_ = parts_.steady.now() + kTryEvery;
        if (!stuck_since_) stuck_since_ = parts_.steady.now();
        const bool is_stuck = !may_send() && parts_.steady.now() > *stuck_since_ + kStuckFor;
        if (is_stuck) {
          parts_.alerts.raise("fail_over_waits", "This server has reached another database server, or the same one again, and could not bring back yet what its "
                                                 "journal knows: " + sentence(looked.error().text) + " Until then it refreshes nothing; tokens still good are served.");
        }
        parts_.log.debug("lineage_not_looked_at", {{"reason", looked.error().reason}, {"detail", looked.error().detail}});
      }
    }
    co_await parts_.steady.sleep_for(kGlanceEvery);
  }
}

Task<Result<void>> FailOverWatch::look() {
  const auto seen = parts_.lineage.sight();
  if (seen.name.empty()) {  // an engine that has no such thing
    parts_.keeper.follow_fail_over({});
    parts_.alerts.clear("fail_over_waits");
    agreed_ = true;
    looked_at_ = seen;
    co_return Result<void>{};
  }
  auto agreed = co_await parts_.store.meta(std::string(kLineageMeta));
  if (!agreed) co_return std::unexpected(agreed.error());
  auto own = co_await parts_.store.meta(lineage_meta(parts_.node));
  if (!own) co_return std::unexpected(own.error());
  // An earlier process has told this very database; what it left in the journal since is merged at the start like after any crash.
  const bool told_before = told_.empty() && name_in(*own) == seen.name && base::as_text(*agreed) == seen.name;
  if (told_before) told_ = *own;
  if (told_ != *own || name_in(told_) != seen.name) {
    if (auto told = co_await tell(seen.name, own->empty()); !told) co_return told;
  }
  agreed_ = base::as_text(*agreed) == seen.name;
  AwaitedJournals awaited{.open = !agreed_, .names = {}, .leases_end = parts_.keeper.brought_back_at() + parts_.lease()};
  if (awaited.open) {
    auto names = co_await names_behind(seen.name);
    if (!names) co_return std::unexpected(names.error());
    awaited.names = *std::move(names);
    const bool is_first_of_all = agreed->empty();
    if (awaited.names.empty() && (is_first_of_all || parts_.steady.now() >= awaited.leases_end)) {
      if (auto over = co_await parts_.store.commit({store::PutMeta{std::string(kLineageMeta), base::to_bytes(seen.name)}}); !over) co_return over;
      parts_.log.info("database_told_by_all", {{"lineage", seen.name}});
      agreed_ = true;
      awaited.open = false;
    }
  }
  say(awaited.names);
  parts_.keeper.follow_fail_over(std::move(awaited));
  looked_at_ = seen;
  co_return Result<void>{};
}

Task<Result<void>> FailOverWatch::tell(std::string name, bool is_first) {
  if (!is_first) {
    parts_.log.warning("database_taken_over", {{"lineage", name}});
    taken_over_at_ = parts_.steady.now();
  }
  if (auto kept = parts_.remember(name); !kept) co_return kept;
  if (auto brought = co_await parts_.keeper.bring_back_answers(); !brought) co_return brought;
  auto told = mark_of(name);
  if (auto done = co_await parts_.store.commit({store::PutMeta{lineage_meta(parts_.node), told}}); !done) co_return done;
  told_ = std::move(told);
  co_return Result<void>{};
}

// Whoever stopped in order had everything committed, and that it stopped was the last of it.
Task<Result<std::string>> FailOverWatch::names_behind(std::string name) {
  const auto nodes = co_await parts_.store.nodes();
  if (!nodes) co_return std::unexpected(nodes.error());
  std::string names;
  for (const auto& node : *nodes) {
    if (node.id == parts_.node || node.run.empty()) continue;
    const auto told = co_await parts_.store.meta(lineage_meta(node.id));
    if (!told) co_return std::unexpected(told.error());
    if (name_in(*told) != name) names += (names.empty() ? "" : ", ") + node.name + " (" + node.id.text() + ")";
  }
  co_return names;
}

void FailOverWatch::say(const std::string& names) {
  if (names.empty()) {
    parts_.alerts.clear("fail_over_waits");
    return;
  }
  parts_.alerts.raise("fail_over_waits",
                      "Another database server has taken over, which may lack what was written last, and servers have not said yet what their "
                      "journals kept: " + names + ". Accounts whose provider takes a refresh token once only wait for them until shortly before their "
                      "tokens end; tokens still good are served. Start them; one that is gone for good: `latchkey node forget NODE`.");
}

Task<std::optional<store::Batch>> FailOverWatch::conditions_of_stopping() {
  if (parts_.lineage.sight().name.empty()) co_return store::Batch{};
  if (told_.empty() || !may_send() || co_await parts_.keeper.holds_answers()) co_return std::nullopt;
  // A standby may know what was told long ago, and not what was committed last. Whoever knows this mark, which comes after everything else,
  // knows all of it.
  auto last = mark_of(looked_at_.name);
  const auto marked = co_await parts_.store.commit(
      {store::CompareMeta{lineage_meta(parts_.node), told_}, store::PutMeta{lineage_meta(parts_.node), last}});
  if (!marked || !may_send()) co_return std::nullopt;
  told_ = std::move(last);
  co_return store::Batch{store::CompareMeta{lineage_meta(parts_.node), told_}};
}

Bytes FailOverWatch::mark_of(const std::string& name) const { return base::to_bytes(name + " " + base::to_hex(parts_.entropy.bytes(8))); }

}  // namespace latchkey::grants

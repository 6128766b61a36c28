#include "app/restored_records.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <tuple>

#include "base/json.h"
#include "grants/key_rotation.h"
#include "grants/lifecycle.h"
#include "grants/restored_authorizations.h"
#include "grants/restore_watch.h"
#include "store/journal_reading.h"

namespace latchkey::app {
namespace {

constexpr std::size_t kPage = 100;

enum class Progress { unfinished, finished };

store::Mutation note_of(const RestoreFacts& facts, Progress progress) {
  JsonObject note{{"backup_at", base::to_unix_ms(facts.backup_at)}, {"restored_at", base::to_unix_ms(facts.now)},
                  {"nothing_ran_since", facts.nothing_ran_since}};
  if (!facts.id.empty()) note["id"] = facts.id;
  if (progress == Progress::unfinished) note["unfinished"] = true;
  return store::PutMeta{std::string(grants::kRestoredMeta), base::to_bytes(boost::json::serialize(note))};
}

}  // namespace

Task<Result<void>> RestoredRecords::check_key() {
  const auto known = co_await store_.meta(std::string(grants::kMasterKeyMeta));
  if (!known) co_return std::unexpected(known.error());
  if (!known->empty() && *known != vault_.master_key_id()) {
    co_return fail(ErrorKind::corrupt, "backup_damaged", "The master key in the backup is not that of the database in it. Use another backup.");
  }
  co_return Result<void>{};
}

Task<Result<void>> RestoredRecords::begin(RestoreFacts facts) {
  if (auto right = co_await check_key(); !right) co_return right;
  store::Batch batch{note_of(facts, Progress::unfinished)};
  co_return co_await store_.commit(std::move(batch));
}

Task<Result<void>> RestoredRecords::mark(RestoreFacts facts, SpoolAtHand spool) {
  if (auto right = co_await check_key(); !right) co_return right;
  if (!facts.nothing_ran_since) {
    if (auto marked = co_await mark_grants(facts); !marked) co_return marked;
    const auto ended = co_await grants::end_restored_authorizations(store_, vault_, facts.backup_at, facts.now);
    if (!ended) co_return std::unexpected(ended.error());
    authorizations_ended_ = *ended;
  }
  delivery::RestoredFacts of_deliveries{.backup_at = facts.backup_at, .now = facts.now, .nothing_ran_since = facts.nothing_ran_since,
                                        .node = spool.node, .has_document = std::move(spool.has_document)};
  const auto deliveries = co_await delivery::mark_restored_deliveries(store_, std::move(of_deliveries));
  if (!deliveries) co_return std::unexpected(deliveries.error());
  deliveries_ = *deliveries;
  store::Batch batch{
      note_of(facts, Progress::finished),
      store::AppendAudit{{.at = facts.now, .actor = "cli", .action = "store.restored", .subject = "store",
                          .detail = "From a backup of " + base::to_rfc3339(facts.backup_at) +
                                    (facts.nothing_ran_since ? "; nothing is said to have run since." : ".")}}};
  co_return co_await store_.commit(std::move(batch));
}

Task<Result<void>> RestoredRecords::mark_grants(RestoreFacts facts) {
  for (GrantId after{};;) {
    const auto grants = co_await store_.grants_after(after, kPage);
    if (!grants) co_return std::unexpected(grants.error());
    store::Batch batch;
    for (const auto& grant : *grants) {
      const auto view = co_await store_.grant(grant.id);
      if (!view) co_return std::unexpected(view.error());
      if (!*view) continue;
      auto marks = grants::mark_restored(**view, IntentId::make(facts.now, entropy_), facts.backup_at, facts.now);
      marked_ += marks.empty() ? 0 : 1;
      for (auto& mark : marks) batch.push_back(std::move(mark));
    }
    if (!batch.empty()) {
      if (auto done = co_await store_.commit(std::move(batch)); !done) co_return done;
    }
    if (grants->size() < kPage) co_return Result<void>{};
    after = grants->back().id;
  }
}

namespace {

Task<Result<void>> record_again(store::ReplyJournal& journal, std::vector<store::JournalEntry> entries) {
  std::ranges::stable_sort(entries, {}, &store::JournalEntry::recorded_at);
  std::set<std::pair<IntentId, WallTime>> kept;
  for (auto& entry : entries) {
    if (!kept.emplace(entry.intent, entry.recorded_at).second) continue;  // in the backup and in the journal that survived
    if (auto reserved = co_await journal.reserve(entry.intent); !reserved) co_return reserved;
    if (auto recorded = co_await journal.record(std::move(entry)); !recorded) co_return recorded;
  }
  co_return Result<void>{};
}

}  // namespace

Task<Result<void>> RestoredRecords::keep_replies(std::vector<store::JournalEntry> entries) {
  co_return co_await record_again(journal_, std::move(entries));
}

Task<Result<bool>> take_up(store::ReplyJournal& journal, std::vector<store::JournalEntry> survived) {
  const auto held = co_await journal.unconfirmed();
  if (!held) co_return std::unexpected(held.error());
  // Sealed anew it is another one, which takes the place of the one that no key here opens.
  std::set<std::tuple<IntentId, WallTime, Bytes>> known;
  for (const auto& entry : *held) known.emplace(entry.intent, entry.recorded_at, entry.reply_sealed);
  std::erase_if(survived, [&](const store::JournalEntry& entry) { return known.contains({entry.intent, entry.recorded_at, entry.reply_sealed}); });
  if (survived.empty()) co_return false;
  if (auto recorded = co_await record_again(journal, std::move(survived)); !recorded) co_return std::unexpected(recorded.error());
  co_return true;
}

std::vector<Secret> keys_beside(const std::string& data, const std::string& key_path, Entropy& entropy) {
  namespace fs = std::filesystem;
  std::vector<Secret> keys;
  const auto take = [&](const std::string& path) {
    if (auto key = vault::load_master_key(path, vault::OnMissingKey::refuse, entropy)) keys.push_back(std::move(*key));
  };
  const auto take_beside = [&](const fs::path& key) {
    std::error_code ignored;
    for (fs::directory_iterator at(key.has_parent_path() ? key.parent_path() : fs::path("."), ignored), end; at != end; at.increment(ignored)) {
      if (at->path().filename().string().starts_with(key.filename().string())) take(at->path().string());
    }
  };
  const fs::path spare = fs::path(data) / "master.key";  // a rotation's, where it could not write beside the key
  take_beside(key_path);
  if (spare != fs::path(key_path)) take_beside(spare);
  return keys;
}

void SurvivingReplies::add(SurvivingReplies other) {
  entries.insert(entries.end(), std::make_move_iterator(other.entries.begin()), std::make_move_iterator(other.entries.end()));
  unreadable.insert(unreadable.end(), other.unreadable.begin(), other.unreadable.end());
  for (const auto& [grant, at] : other.doubtful) doubt(grant, at);
}

void SurvivingReplies::doubt(GrantId grant, WallTime at) {
  auto& newest = doubtful[grant];
  newest = std::max(newest, at);
}

std::size_t SurvivingReplies::leave_out_doubtful(WallTime since) {
  for (const auto& entry : entries) {
    if (!unreadable.empty()) doubt(entry.grant, entry.recorded_at);
  }
  std::erase_if(entries, [this](const store::JournalEntry& entry) { return doubtful.contains(entry.grant); });
  return static_cast<std::size_t>(std::ranges::count_if(doubtful, [since](const auto& each) { return each.second >= since; }));
}

std::vector<store::JournalEntry> replies_to_keep(std::vector<store::JournalEntry> of_backup, SurvivingReplies survived, bool nothing_ran_since) {
  if (!nothing_ran_since) {
    std::set<GrantId> goes_on;
    for (const auto& entry : survived.entries) goes_on.insert(entry.grant);
    std::erase_if(of_backup, [&](const store::JournalEntry& entry) { return !goes_on.contains(entry.grant); });
  }
  std::ranges::move(survived.entries, std::back_inserter(of_backup));
  return of_backup;
}

namespace {

// The newest of a grant's answers: attempts with the other secret leave several of one generation.
struct Answer {
  store::GenerationNumber generation = 0;
  store::JournalPlace place{};
  WallTime at{};
  [[nodiscard]] bool older_than(const Answer& other) const { return std::tie(generation, place) < std::tie(other.generation, other.place); }
};
using Newest = std::map<GrantId, Answer>;

void look_at(Newest& newest, const store::FoundRecord& record) {
  auto& known = newest[record.entry.grant];
  const Answer found{record.entry.generation, record.place, record.entry.recorded_at};
  if (known.older_than(found)) known = found;
}

// Where an answer is newer than what can be used of the grant, or may be.
void note_doubts(SurvivingReplies& survived, const Newest& usable, const Newest& unusable, const store::JournalLoss& loss) {
  for (const auto& [grant, answer] : unusable) {
    const auto found = usable.find(grant);
    if (found == usable.end() || found->second.older_than(answer)) survived.doubt(grant, answer.at);
  }
  for (const auto& [grant, answer] : usable) {
    if (loss.gap && answer.place < *loss.gap) survived.doubt(grant, answer.at);
  }
}

}  // namespace

Result<SurvivingReplies> surviving_replies(const std::string& directory, store::Files& files, const vault::Vault& vault, std::vector<Secret> keys,
                                           Entropy& entropy, std::size_t segment_bytes) {
  Newest newest;
  const auto look = [&](const store::FoundRecord& record) -> Result<void> {
    look_at(newest, record);
    return {};
  };
  if (auto done = store::each_journal_record(directory, files, look, segment_bytes); !done) return std::unexpected(done.error());

  // The vault as it is, then with each of the keys found there as the former one.
  const grants::Sealing sealing(vault);
  std::vector<std::unique_ptr<vault::Vault>> openers;
  for (auto& key : keys) openers.push_back(std::make_unique<vault::Vault>(std::move(key), entropy));
  SurvivingReplies survived;
  Newest usable;
  Newest unusable;
  const auto take = [&](const store::FoundRecord& record) -> Result<void> {
    auto entry = record.entry;
    // A confirmed code exchange made a grant that the backup knows, or that is lost with the store.
    if (entry.generation == 0 && record.confirmed_at) return {};
    // The newest reply may be a refusal, which brought nothing: the one before it did.
    if (record.confirmed_at && entry.generation + 1 < newest[entry.grant].generation) return {};
    auto raw = sealing.open_reply(entry.intent, entry.grant, entry.generation, entry.reply_sealed);
    const bool as_it_is = raw.has_value();
    for (auto opener = openers.begin(); !raw && opener != openers.end(); ++opener) {
      raw = grants::Sealing(**opener).open_reply(entry.intent, entry.grant, entry.generation, entry.reply_sealed);
    }
    look_at(raw ? usable : unusable, record);
    if (!raw) return {};
    if (!as_it_is) entry.reply_sealed = sealing.seal_reply(entry.intent, entry.grant, entry.generation, *raw);
    survived.entries.push_back(std::move(entry));
    return {};
  };
  auto loss = store::each_journal_record(directory, files, take, segment_bytes);
  if (!loss) return std::unexpected(loss.error());
  for (const auto& record : loss->torn) look_at(unusable, record);
  note_doubts(survived, usable, unusable, *loss);
  survived.unreadable = std::move(loss->unreadable);
  return survived;
}

}  // namespace latchkey::app

// What a restore does to the records that came back: replies that survived are kept for the next start to merge, and what may
// have been spent since the backup is marked (RULES F10).
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/entropy.h"
#include "delivery/restored_deliveries.h"
#include "grants/sealing.h"
#include "store/files.h"
#include "store/reply_journal.h"
#include "store/reply_record.h"
#include "store/store.h"
#include "vault/vault.h"

namespace latchkey::app {

struct RestoreFacts {
  WallTime backup_at;
  WallTime now;
  bool nothing_ran_since = false;
  std::string id{};  // other nodes' journals may hold what is newer, and are waited for (grants/restore_watch.h); empty: there are none
};

// The documents that came back, or stayed.
struct SpoolAtHand {
  std::optional<NodeId> node{};  // whose they are; nullopt: there is no other
  std::function<bool(DeliveryId)> has_document;
};

// Works on a store and a journal that nobody else has open.
class RestoredRecords {
 public:
  RestoredRecords(store::Store& store, store::ReplyJournal& journal, const vault::Vault& vault, Entropy& entropy)
      : store_(store), journal_(journal), vault_(vault), entropy_(entropy) {}

  // Checks that the vault's key is the store's, and notes that a restore is unfinished: until mark() has ended no server starts
  // (grants/restore_watch.h). Of a store that lies in its place already.
  [[nodiscard]] Task<Result<void>> begin(RestoreFacts facts);
  // Checks the same; marks every grant that may have been refreshed since, and every delivery that may have been sent; ends every
  // authorization that may have been answered; notes the restore in the store and in its audit trail.
  [[nodiscard]] Task<Result<void>> mark(RestoreFacts facts, SpoolAtHand spool);
  // Records them, unconfirmed, so that the next start merges them like after a crash.
  [[nodiscard]] Task<Result<void>> keep_replies(std::vector<store::JournalEntry> entries);
  [[nodiscard]] std::int64_t marked() const { return marked_; }
  [[nodiscard]] std::int64_t authorizations_ended() const { return authorizations_ended_; }
  [[nodiscard]] const delivery::RestoredDeliveries& deliveries() const { return deliveries_; }

 private:
  [[nodiscard]] Task<Result<void>> check_key();
  [[nodiscard]] Task<Result<void>> mark_grants(RestoreFacts facts);

  store::Store& store_;
  store::ReplyJournal& journal_;
  const vault::Vault& vault_;
  Entropy& entropy_;
  std::int64_t marked_ = 0;
  std::int64_t authorizations_ended_ = 0;
  delivery::RestoredDeliveries deliveries_;
};

// What a journal brings to a store that is older than it, and what it may have lost.
struct SurvivingReplies {
  std::vector<store::JournalEntry> entries;
  std::vector<std::string> unreadable;  // files of which nobody knows what was in them
  // Grants of which the newest answer is lost, or opens under no key, so that those before it may be spent; when the newest came that is
  // known of.
  std::map<GrantId, WallTime> doubtful;

  void add(SurvivingReplies other);
  void doubt(GrantId grant, WallTime newest_at);
  // Leaves out what may be spent, all of it where a file cannot be read: the store's own generation then stands, marked `restored`.
  // Of how many grants an answer is lost, or left out, that came after `since`.
  [[nodiscard]] std::size_t leave_out_doubtful(WallTime since);
};

// Which replies a restore keeps: those that survived, and of those that the backup has brought itself the ones from where they go on.
// A reply of the backup's is no newer than its moment, so what it brought may have been spent since, unless nothing ran.
[[nodiscard]] std::vector<store::JournalEntry> replies_to_keep(std::vector<store::JournalEntry> of_backup, SurvivingReplies survived,
                                                               bool nothing_ran_since);

// The replies of the journal in `directory` from which the newest generation of each grant can be had, confirmed or not, sealed
// for `vault`, from whichever of `keys` they are under. What opens under none is left out. No directory: none.
[[nodiscard]] Result<SurvivingReplies> surviving_replies(const std::string& directory, store::Files& files, const vault::Vault& vault,
                                                         std::vector<Secret> keys, Entropy& entropy,
                                                         std::size_t segment_bytes = store::kSegmentBytes);

// The master keys that lie in the places of one: under some of them older entries of a journal may be sealed.
[[nodiscard]] std::vector<Secret> keys_beside(const std::string& data, const std::string& key_path, Entropy& entropy);

// At a start: what of `survived` the journal does not hold unconfirmed already is recorded again, to be merged. For a node that comes
// back after the store was restored, on which no verb was run. True: something was; the journal finds it when opened anew.
[[nodiscard]] Task<Result<bool>> take_up(store::ReplyJournal& journal, std::vector<store::JournalEntry> survived);

}  // namespace latchkey::app

// Reading a node's reply journal from outside: beside the server that writes it, or after that server is gone.
#pragma once

#include <compare>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "store/files.h"
#include "store/reply_record.h"

namespace latchkey::store {

// Where a record lies; a greater one came later.
struct JournalPlace {
  std::uint64_t sequence = 0;
  std::size_t offset = 0;
  friend auto operator<=>(const JournalPlace&, const JournalPlace&) = default;
};

struct FoundRecord : DecodedRecord {
  JournalPlace place;
};

// What a journal that is not whole may have lost.
struct JournalLoss {
  // Files (or the directory) that cannot be read, bear no head, or are cut: nobody knows what was in them.
  std::vector<std::string> unreadable;
  // Records of which the head is left alone: what it says, unchecked, with an empty reply. The tail that a crash leaves is among them:
  // nobody was told that it had been kept, but the provider had answered.
  std::vector<FoundRecord> torn;
  // The newest place from which records have gone although there are whole ones after it. A crash leaves none but where the power
  // went in the middle of several that were kept together.
  std::optional<JournalPlace> gap;
};

// Every whole record of the journal in `directory`, confirmed or not, segment by segment; what cannot be read is told in the answer.
// Changes nothing; a record that is being written may be missed. No directory: nothing. Errors: what `each` returns.
[[nodiscard]] Result<JournalLoss> each_journal_record(const std::string& directory, Files& files,
                                                      const std::function<Result<void>(const FoundRecord&)>& each,
                                                      std::size_t segment_bytes = kSegmentBytes);

// A record alone, as it travels outside a journal (in a backup): encode_record of this sequence.
inline constexpr std::uint64_t kTravellingSequence = 1;

}  // namespace latchkey::store

// Reading a node's reply journal from outside: beside the server that writes it, or after that server is gone.
#pragma once

#include <functional>
#include <string>

#include "store/files.h"
#include "store/reply_record.h"

namespace latchkey::store {

// Every whole record of the journal in `directory`, confirmed or not, segment by segment; torn ones are passed over. Changes nothing; a
// record that is being written may be missed. No directory: nothing. Errors: those of Files, or what `each` returns.
[[nodiscard]] Result<void> each_journal_record(const std::string& directory, Files& files,
                                               const std::function<Result<void>(const DecodedRecord&)>& each);

// A record alone, as it travels outside a journal (in a backup): encode_record of this sequence.
inline constexpr std::uint64_t kTravellingSequence = 1;

}  // namespace latchkey::store

// What a restore does to authorizations that were not over in the backup (RULES F10): each may have been answered since.
//
// A consent that waited for a person bears the tokens it brought. Accepted since, they were spent long ago: accepting it once more would
// put a spent token in the place of the live one, and giving them back would end the live grant at the provider. So each ends, with words,
// and without its tokens: they are neither kept nor given back, nor is an answer to it that a journal brings later.
#pragma once

#include "store/store.h"
#include "vault/vault.h"

namespace latchkey::grants {

// Of a store that nobody else works on. Run again, it ends what is not over by then. How many were ended. Errors: those of the store.
[[nodiscard]] Task<Result<std::int64_t>> end_restored_authorizations(store::Store& store, const vault::Vault& vault, WallTime backup_at, WallTime now);

}  // namespace latchkey::grants

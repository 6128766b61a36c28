// What a start finds of the keys, and what it makes of it.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "base/json.h"
#include "grants/key_rotation.h"

namespace latchkey::grants {
namespace {

std::unexpected<Error> refuse(std::string reason, std::string text) {
  return fail(ErrorKind::misconfigured, std::move(reason), std::move(text), {.field = "master_key_file"});
}

Bytes octets_of(const JsonObject& object, std::string_view key) {
  return base::from_hex(base::string_or(object, key)).value_or(Bytes());
}

std::optional<JsonObject> object_of(ByteView octets) {
  if (octets.empty()) return std::nullopt;
  auto parsed = parse_json(base::as_text(octets));
  if (!parsed || !parsed->is_object()) return std::nullopt;
  return std::move(parsed->get_object());
}

}  // namespace

std::string_view name_of(RotationState::Stage stage) {
  using enum RotationState::Stage;
  switch (stage) {
    case users: return "users";
    case grants: return "grants";
    case apps: return "apps";
    case authorizations: return "authorizations";
    case journal: return "journal";
    case revocations: return "revocations";
    case notices: return "notices";
    case connectors: return "connectors";
    case deliveries: return "deliveries";
    case devices: return "devices";
  }
  return "users";
}

Bytes RotationState::to_octets() const {
  return base::to_bytes(boost::json::serialize(
      JsonObject{{"from", base::to_hex(from)}, {"to", base::to_hex(to)}, {"owner", owner.text()}, {"started_at", base::to_unix_ms(started_at)},
                 {"stage", static_cast<int>(stage)}, {"cursor", base::to_hex(cursor)}, {"passes", passes}, {"done", done},
                 {"total", total}, {"unreadable", unreadable}, {"changed", changed}}));
}

std::optional<RotationState> RotationState::from_octets(ByteView octets) {
  const auto object = object_of(octets);
  if (!object) return std::nullopt;
  RotationState state;
  state.from = octets_of(*object, "from");
  state.to = octets_of(*object, "to");
  state.owner = NodeId::parse(base::string_or(*object, "owner")).value_or(NodeId{});
  state.started_at = base::from_unix_ms(base::integer_or(*object, "started_at"));
  state.stage = static_cast<Stage>(base::integer_or(*object, "stage"));
  state.cursor = octets_of(*object, "cursor");
  state.passes = base::integer_or(*object, "passes");
  state.done = base::integer_or(*object, "done");
  state.total = base::integer_or(*object, "total");
  state.unreadable = base::integer_or(*object, "unreadable");
  state.changed = base::integer_or(*object, "changed");
  return state;
}

Bytes RetiredKey::to_octets() const {
  return base::to_bytes(boost::json::serialize(
      JsonObject{{"id", base::to_hex(id)}, {"retired_at", base::to_unix_ms(retired_at)}, {"path", path}}));
}

std::optional<RetiredKey> RetiredKey::from_octets(ByteView octets) {
  const auto object = object_of(octets);
  if (!object) return std::nullopt;
  return RetiredKey{.id = octets_of(*object, "id"), .retired_at = base::from_unix_ms(base::integer_or(*object, "retired_at")),
                    .path = base::string_or(*object, "path")};
}

Task<Result<void>> settle_master_key(store::Store& store, vault::Vault& vault, vault::KeyFiles files, Entropy& entropy) {
  files.remove_drafts();
  const auto known = co_await store.meta(std::string(kMasterKeyMeta));
  if (!known) co_return std::unexpected(known.error());
  if (known->empty()) {
    co_return co_await store.commit({store::CompareMeta{std::string(kMasterKeyMeta), {}},
                                     store::PutMeta{std::string(kMasterKeyMeta), vault.master_key_id()}});
  }
  const auto kept = co_await store.meta(std::string(kRotationMeta));
  if (!kept) co_return std::unexpected(kept.error());
  const auto rotation = RotationState::from_octets(*kept);
  const auto retired_octets = co_await store.meta(std::string(kRetiredMeta));
  if (!retired_octets) co_return std::unexpected(retired_octets.error());
  const auto lookup = co_await store.meta(std::string(kLookupKeyMeta));
  if (!lookup) co_return std::unexpected(lookup.error());

  const auto in_place = vault.master_key_id();
  if (in_place == *known) {
    if (rotation) {
      const auto former = files.find(rotation->from, entropy);
      if (!former) {
        co_return refuse("master_key_half_rotated",
                         fmt::format("The rotation of the master key is not over, and the old key is missing: {} is needed until it is. "
                                     "Put that file back (mode 0600) and start again; nothing was changed.",
                                     files.retired_path(rotation->from)));
      }
      vault.hold_former(former->key);
    }
  } else {
    const auto found = files.find(*known, entropy);
    if (!found || files.aside(*known, entropy) == found->path) {
      const auto retired = RetiredKey::from_octets(*retired_octets);
      if (found) {
        co_return refuse("master_key_wrong",
                         fmt::format("The master key in {} is not the one this data was sealed with; that one lies in {}. Put it in place "
                                     "of the other; nothing was changed.",
                                     files.path(), found->path));
      }
      if (retired && retired->id == in_place) {
        co_return refuse("master_key_retired",
                         fmt::format("The master key in {} was replaced on {}. Put the key that came after it there: copy it from the server that "
                                     "rotated it, or from its backup; nothing was changed.",
                                     files.path(), base::to_rfc3339(retired->retired_at)));
      }
      if (rotation && rotation->from == in_place) {
        co_return refuse("master_key_retired",
                         fmt::format("The master key in {} is being replaced since {}, and the new one is not here. Copy it from the server that "
                                     "rotates it (`latchkey keys status` says there where it lies), or from its backup; nothing was changed.",
                                     files.path(), base::to_rfc3339(rotation->started_at)));
      }
      co_return refuse("master_key_wrong",
                       fmt::format("The master key in {} is not the one this data was sealed with. Put the right key file there (from its "
                                   "backup, or from another server of this database), or name it with master_key_file; nothing was changed.",
                                   files.path()));
    }
    // The store has the next key already, its file has not got its name yet.
    if (rotation && rotation->from != in_place) {
      co_return refuse("master_key_half_rotated",
                       fmt::format("The rotation of the master key is not over, and {} holds neither of its keys. Put the old key back "
                                   "(from its backup); nothing was changed.",
                                   files.path()));
    }
    vault.begin_rotation(found->key);
    if (!rotation) vault.end_rotation();
  }
  if (lookup->empty()) co_return Result<void>{};
  co_return vault.import_lookup_key(*lookup);
}

Task<Result<Bytes>> hold_key_of_journal(store::Store& store, store::ReplyJournal& journal, vault::Vault& vault, vault::KeyFiles files, Entropy& entropy) {
  if (vault.rotating()) co_return Bytes();
  const auto octets = co_await store.meta(std::string(kRetiredMeta));
  if (!octets) co_return std::unexpected(octets.error());
  const auto retired = RetiredKey::from_octets(*octets);
  if (!retired || retired->id == vault.master_key_id()) co_return Bytes();
  const auto pending = co_await journal.pending();
  if (!pending) co_return std::unexpected(pending.error());
  std::map<IntentId, const store::JournalEntry*> newest;
  for (const auto& entry : *pending) newest.insert_or_assign(entry.intent, &entry);
  std::erase_if(newest, [&](const auto& each) { return each.second->reply_sealed.empty() || vault.is_current(each.second->reply_sealed); });
  if (newest.empty()) co_return Bytes();
  // An older one than the last retired, where it was away for several rotations. Of several the one that the most is under.
  const vault::KeyFiles::Found* held = nullptr;
  std::ptrdiff_t most = 0;
  const auto keys = files.all(entropy);
  for (const auto& key : keys) {
    const vault::Vault of_key(key.key.clone(), entropy);
    const auto under = std::ranges::count_if(newest, [&](const auto& each) { return of_key.is_current(each.second->reply_sealed); });
    if (under > most) std::tie(held, most) = std::pair(&key, under);
  }
  if (held == nullptr) co_return Bytes();
  vault.hold_former(held->key);
  co_return vault::Vault::id_of(held->key);
}

}  // namespace latchkey::grants

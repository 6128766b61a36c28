#include "relay/relay_keys.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>  // renameat2
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "base/bytes.h"
#include "store/files.h"

namespace latchkey::relay {
namespace {

constexpr std::size_t kPartyOctets = 64;
constexpr std::size_t kInstanceOctets = 32;
constexpr std::size_t kPresentOctets = kPartyOctets + kInstanceOctets;
constexpr std::size_t kHalf = 32;
constexpr std::size_t kTimeOctets = 8;
constexpr std::size_t kProofOctets = 64;
constexpr std::size_t kFormerOctets = 2 * kHalf + kTimeOctets + kProofOctets;
constexpr std::size_t kBesideOctets = 12;  // of a name nobody else has
constexpr std::size_t kFileOctetsMax = kPresentOctets + cloud::kSuccessionsMax * kFormerOctets;

FormerRelayKeys parse_former(ByteView octets) {
  FormerRelayKeys former{.sealing_private = Secret(octets.subspan(kHalf, kHalf)), .retired_at = {}, .succession = {}};
  std::ranges::copy(octets.first(kHalf), former.succession.former.signing.begin());
  former.succession.former.sealing = crypto::x25519_public(former.sealing_private);
  std::int64_t ms = 0;
  for (const auto octet : octets.subspan(2 * kHalf, kTimeOctets)) ms = (ms << 8) | octet;
  former.retired_at = base::from_unix_ms(ms);
  const auto proof = octets.last(kProofOctets);
  former.succession.proof.assign(proof.begin(), proof.end());
  return former;
}

Result<RelayKeys> parse(Secret plain, const std::string& path) {
  const auto malformed = [&] {
    return fail(
        ErrorKind::corrupt, "relay_keys_malformed",
        fmt::format("{} does not hold the Cloud Service's keys. Put back the copy you have of it: with other keys every "
                    "office would have to be enrolled anew.",
                    path),
        {.field = "data"});
  };
  if (plain.size() < kPresentOctets || plain.size() > kFileOctetsMax || (plain.size() - kPresentOctets) % kFormerOctets != 0)
    return malformed();
  auto party = cloud::PartyKeys::from_plain(Secret(plain.reveal().first(kPartyOctets)));
  if (!party) return malformed();
  RelayKeys keys{
      .party = std::move(*party), .instance = Secret(plain.reveal().subspan(kPartyOctets, kInstanceOctets)), .former = {}};
  for (auto rest = plain.reveal().subspan(kPresentOctets); !rest.empty(); rest = rest.subspan(kFormerOctets))
    keys.former.push_back(parse_former(rest.first(kFormerOctets)));
  // Each was followed by the next one, the last by those of now.
  for (std::size_t n = 0; n < keys.former.size(); ++n) {
    keys.former[n].succession.next =
        n + 1 < keys.former.size() ? keys.former[n + 1].succession.former : keys.party.public_half();
  }
  if (!keys.former.empty() &&
      !cloud::leads_to(keys.successions(), keys.former.front().succession.former, keys.party.public_half()))
    return malformed();
  return keys;
}

Secret plain_of(const RelayKeys& keys) {
  auto plain = Secret::of_size(kPresentOctets + keys.former.size() * kFormerOctets);
  const auto party = keys.party.to_plain();
  auto at = std::ranges::copy(party.reveal(), plain.writable().begin()).out;
  at = std::ranges::copy(keys.instance.reveal(), at).out;
  for (const auto& former : keys.former) {
    at = std::ranges::copy(former.succession.former.signing, at).out;
    at = std::ranges::copy(former.sealing_private.reveal(), at).out;
    const auto ms = static_cast<std::uint64_t>(base::to_unix_ms(former.retired_at));
    for (int shift = 56; shift >= 0; shift -= 8) *at++ = static_cast<std::uint8_t>(ms >> shift);
    at = std::ranges::copy(former.succession.proof, at).out;
  }
  return plain;
}

// What may lie at the path already.
enum class Place { taken_once, replaced };

// Atomic: `to` has one of the two, whole. Errors: conflict/`keys_there` when the place is taken once and somebody has it.
Result<void> put_in_place(store::Files& files, const std::string& from, const std::string& to, Place place) {
  if (place == Place::replaced) return files.rename(from, to);
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return {};
  auto code = errno;
  if (code == EINVAL || code == ENOSYS) {  // not on this file system; a link takes no other's place either
    code = ::link(from.c_str(), to.c_str()) == 0 ? 0 : errno;
    if (code == 0) return files.unlink(from);
  }
  if (code == EEXIST) return fail(ErrorKind::conflict, "keys_there", "Another start has made the keys.");
  return std::unexpected(store::disk_error("renameat2", code, to));
}

Result<void> write_whole(store::Files& files, const std::string& path, const Secret& plain) {
  auto file = files.open(path, store::OpenFile::create);
  if (!file) return std::unexpected(file.error());
  if (auto written = (*file)->pwrite(plain.reveal(), 0); !written) return written;
  return (*file)->fdatasync();
}

// Whole or not at all: a half-written file would look like damage for ever after. The name it is written under is nobody
// else's, so that of two who write at once neither puts the other's half in place.
Result<void> write(store::Files& files, const std::string& path, const Secret& plain, Place place, Entropy& entropy) {
  const auto beside = path + "." + base::to_base64url(entropy.bytes(kBesideOctets)) + ".new";
  auto done = write_whole(files, beside, plain);
  if (done) done = put_in_place(files, beside, path, place);
  if (!done) {
    static_cast<void>(files.unlink(beside));
    if (done.error().kind != ErrorKind::conflict) return done;
  }
  // Also when the keys are the other's: they may be used from now on, and must not go with the power.
  if (auto synced = files.sync_directory(path.substr(0, path.rfind('/'))); !synced) return synced;
  return done;
}

Result<void> write_to(store::Files& files, const std::string& path, const RelayKeys& keys, Place place, Entropy& entropy) {
  auto written = write(files, path, plain_of(keys), place, entropy);
  if (written || written.error().kind == ErrorKind::conflict) return written;
  return fail(ErrorKind::misconfigured, "relay_keys_not_written",
              fmt::format("{} cannot be written ({}). Make the data directory, and give it to the service's user.", path,
                          written.error().detail),
              {.detail = written.error().detail, .field = "data"});
}

// nullopt: there are none.
Result<std::optional<RelayKeys>> load(store::Files& files, const std::string& path) {
  auto file = files.open(path, store::OpenFile::read_only);
  if (file) {
    auto octets = (*file)->pread(kFileOctetsMax + 1, 0);
    if (octets) return parse(Secret(std::move(*octets)), path);
    return fail(ErrorKind::misconfigured, "relay_keys_unreadable", fmt::format("{} cannot be read.", path),
                {.detail = octets.error().detail, .field = "data"});
  }
  if (file.error().kind == ErrorKind::not_found) return std::nullopt;
  return fail(ErrorKind::misconfigured, "relay_keys_unreadable",
              fmt::format("{} cannot be read ({}). Run this as the service's own user.", path, file.error().detail),
              {.detail = file.error().detail, .field = "data"});
}

}  // namespace

std::vector<cloud::Succession> RelayKeys::successions() const {
  std::vector<cloud::Succession> all;
  for (const auto& each : former) all.push_back(each.succession);
  return all;
}

Result<RelayKeys> load_or_make_relay_keys(const std::string& path, Entropy& entropy) {
  store::SystemFiles files;
  auto there = load(files, path);
  if (!there) return std::unexpected(there.error());
  if (*there) return std::move(**there);
  RelayKeys made{.party = cloud::PartyKeys::make(entropy), .instance = Secret(entropy.bytes(kInstanceOctets)), .former = {}};
  const auto written = write_to(files, path, made, Place::taken_once, entropy);
  if (written) return made;
  if (written.error().kind != ErrorKind::conflict) return std::unexpected(written.error());
  // Another start was first: its keys are the service's.
  there = load(files, path);
  if (!there) return std::unexpected(there.error());
  if (*there) return std::move(**there);
  return fail(ErrorKind::misconfigured, "relay_keys_unreadable",
              fmt::format("{} has come and gone while this started.", path), {.field = "data"});
}

Result<RelayKeys> rotate_relay_keys(const std::string& path, Entropy& entropy, WallTime now) {
  auto keys = load_or_make_relay_keys(path, entropy);
  if (!keys) return keys;
  if (keys->former.size() >= cloud::kSuccessionsMax) {
    return fail(ErrorKind::conflict, "too_many_rotations",
                fmt::format("The keys have been rotated {} times already, which is as often as offices follow.",
                            cloud::kSuccessionsMax));
  }
  auto next = cloud::PartyKeys::make(entropy);
  keys->former.push_back({.sealing_private = keys->party.sealing_private.clone(),
                          .retired_at = now,
                          .succession = cloud::make_succession(keys->party, next.public_half())});
  keys->party = std::move(next);
  store::SystemFiles files;
  if (const auto written = write_to(files, path, *keys, Place::replaced, entropy); !written)
    return std::unexpected(written.error());
  return keys;
}

}  // namespace latchkey::relay

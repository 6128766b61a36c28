#include "relay/relay_keys.h"

#include <fmt/format.h>

#include <algorithm>

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

// Whole or not at all: a half-written file would look like damage for ever after.
Result<void> write(store::Files& files, const std::string& path, const Secret& plain) {
  const auto beside = path + ".new";
  static_cast<void>(files.unlink(beside));  // of one that was interrupted
  auto file = files.open(beside, store::OpenFile::create);
  if (!file) return std::unexpected(file.error());
  if (auto written = (*file)->pwrite(plain.reveal(), 0); !written) return written;
  if (auto synced = (*file)->fdatasync(); !synced) return synced;
  if (auto renamed = files.rename(beside, path); !renamed) return renamed;
  return files.sync_directory(path.substr(0, path.rfind('/')));
}

Result<void> write_to(store::Files& files, const std::string& path, const RelayKeys& keys) {
  const auto written = write(files, path, plain_of(keys));
  if (written) return {};
  return fail(ErrorKind::misconfigured, "relay_keys_not_written",
              fmt::format("{} cannot be written ({}). Make the data directory, and give it to the service's user.", path,
                          written.error().detail),
              {.detail = written.error().detail, .field = "data"});
}

}  // namespace

std::vector<cloud::Succession> RelayKeys::successions() const {
  std::vector<cloud::Succession> all;
  for (const auto& each : former) all.push_back(each.succession);
  return all;
}

Result<RelayKeys> load_or_make_relay_keys(const std::string& path, Entropy& entropy) {
  store::SystemFiles files;
  auto file = files.open(path, store::OpenFile::read_only);
  if (file) {
    auto octets = (*file)->pread(kFileOctetsMax + 1, 0);
    if (octets) return parse(Secret(std::move(*octets)), path);
    return fail(ErrorKind::misconfigured, "relay_keys_unreadable", fmt::format("{} cannot be read.", path),
                {.detail = octets.error().detail, .field = "data"});
  }
  if (file.error().kind != ErrorKind::not_found) {
    return fail(ErrorKind::misconfigured, "relay_keys_unreadable",
                fmt::format("{} cannot be read ({}). Run this as the service's own user.", path, file.error().detail),
                {.detail = file.error().detail, .field = "data"});
  }
  RelayKeys made{.party = cloud::PartyKeys::make(entropy), .instance = Secret(entropy.bytes(kInstanceOctets)), .former = {}};
  if (const auto written = write_to(files, path, made); !written) return std::unexpected(written.error());
  return made;
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
  if (const auto written = write_to(files, path, *keys); !written) return std::unexpected(written.error());
  return keys;
}

}  // namespace latchkey::relay

#include "relay/relay_keys.h"

#include <fmt/format.h>

#include "store/files.h"

namespace latchkey::relay {
namespace {

constexpr std::size_t kPartyOctets = 64;
constexpr std::size_t kInstanceOctets = 32;

Result<RelayKeys> parse(Secret plain, const std::string& path) {
  const auto malformed = [&] {
    return fail(ErrorKind::corrupt, "relay_keys_malformed",
                fmt::format("{} does not hold the Cloud Service's keys. Put back the copy you have of it: with other keys every "
                            "office would have to be enrolled anew.",
                            path),
                {.field = "data"});
  };
  if (plain.size() != kPartyOctets + kInstanceOctets) return malformed();
  auto party = cloud::PartyKeys::from_plain(Secret(plain.reveal().first(kPartyOctets)));
  if (!party) return malformed();
  return RelayKeys{.party = std::move(*party), .instance = Secret(plain.reveal().last(kInstanceOctets))};
}

// Whole or not at all: a half-written file would look like damage for ever after.
Result<void> write(store::Files& files, const std::string& path, const Secret& plain) {
  const auto beside = path + ".new";
  static_cast<void>(files.unlink(beside));  // of a start that was interrupted
  auto file = files.open(beside, store::OpenFile::create);
  if (!file) return std::unexpected(file.error());
  if (auto written = (*file)->pwrite(plain.reveal(), 0); !written) return written;
  if (auto synced = (*file)->fdatasync(); !synced) return synced;
  if (auto renamed = files.rename(beside, path); !renamed) return renamed;
  return files.sync_directory(path.substr(0, path.rfind('/')));
}

}  // namespace

Result<RelayKeys> load_or_make_relay_keys(const std::string& path, Entropy& entropy) {
  store::SystemFiles files;
  auto file = files.open(path, store::OpenFile::read_only);
  if (file) {
    auto octets = (*file)->pread(kPartyOctets + kInstanceOctets + 1, 0);
    if (octets) return parse(Secret(std::move(*octets)), path);
    return fail(ErrorKind::misconfigured, "relay_keys_unreadable", fmt::format("{} cannot be read.", path),
                {.detail = octets.error().detail, .field = "data"});
  }
  if (file.error().kind != ErrorKind::not_found) {
    return fail(ErrorKind::misconfigured, "relay_keys_unreadable",
                fmt::format("{} cannot be read ({}). Run this as the service's own user.", path, file.error().detail),
                {.detail = file.error().detail, .field = "data"});
  }
  RelayKeys made{.party = cloud::PartyKeys::make(entropy), .instance = Secret(entropy.bytes(kInstanceOctets))};
  const auto party = made.party.to_plain();
  auto plain = Secret::of_size(kPartyOctets + kInstanceOctets);
  std::copy(party.reveal().begin(), party.reveal().end(), plain.writable().begin());
  std::copy(made.instance.reveal().begin(), made.instance.reveal().end(), plain.writable().begin() + kPartyOctets);
  if (const auto written = write(files, path, plain); !written) {
    return fail(ErrorKind::misconfigured, "relay_keys_not_written",
                fmt::format("{} cannot be written ({}). Make the data directory, and give it to the service's user.", path,
                            written.error().detail),
                {.detail = written.error().detail, .field = "data"});
  }
  return made;
}

}  // namespace latchkey::relay

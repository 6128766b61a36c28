#include "cloud/signed_request.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <initializer_list>
#include <map>
#include <optional>

#include <fmt/format.h>

#include "crypto/hash.h"

namespace latchkey::cloud {
namespace {

constexpr std::string_view kScheme = "Latchkey ";
constexpr std::string_view kDomain = "latchkey cloud request 1";
constexpr std::size_t kHeaderMax = 1024;
constexpr std::size_t kNameMax = 64;

void append_field(Bytes& to, ByteView field) {
  const auto size = static_cast<std::uint32_t>(field.size());
  for (const int shift : {24, 16, 8, 0}) to.push_back(static_cast<std::uint8_t>(size >> shift));
  to.insert(to.end(), field.begin(), field.end());
}

// Each field with its length before it, so that no two requests have the same octets.
Bytes signed_octets(const Asked& asked, const RequestSignature& signature) {
  Bytes octets;
  const auto digest = crypto::sha256(base::as_bytes(asked.body));
  append_field(octets, base::as_bytes(kDomain));
  append_field(octets, base::as_bytes(signature.office));
  append_field(octets, base::as_bytes(signature.key_id));
  append_field(octets, base::as_bytes(asked.method));
  append_field(octets, base::as_bytes(asked.target));
  append_field(octets, digest);
  append_field(octets, base::as_bytes(std::to_string(signature.time_s)));
  append_field(octets, signature.nonce);
  return octets;
}

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kNameMax && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
  });
}

std::optional<std::int64_t> parse_seconds(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  // One form for each number: what was signed is written anew from the value.
  if (error != std::errc() || end != text.data() + text.size() || value < 0 || std::to_string(value) != text)
    return std::nullopt;
  return value;
}

std::unexpected<Error> malformed() {
  return fail(ErrorKind::invalid, "signature_malformed", "The request's signature is not in the form it must have.");
}

// `a=b, c=d` with every name once.
std::optional<std::map<std::string, std::string, std::less<>>> fields_of(std::string_view rest) {
  std::map<std::string, std::string, std::less<>> fields;
  while (!rest.empty()) {
    const auto comma = rest.find(',');
    auto field = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    if (comma != std::string_view::npos && rest.empty()) return std::nullopt;
    while (field.starts_with(' ')) field.remove_prefix(1);
    const auto equals = field.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    if (!fields.emplace(field.substr(0, equals), field.substr(equals + 1)).second) return std::nullopt;
  }
  return fields;
}

}  // namespace

std::string RequestSignature::header() const {
  return fmt::format("{}office={}, key={}, time={}, nonce={}, signature={}", kScheme, office, key_id, time_s,
                     base::to_base64url(nonce), base::to_base64url(signature));
}

Result<RequestSignature> RequestSignature::parse(std::string_view header) {
  if (!header.starts_with(kScheme) || header.size() > kHeaderMax) return malformed();
  const auto fields = fields_of(header.substr(kScheme.size()));
  if (!fields || fields->size() != 5) return malformed();
  for (const auto* name : {"office", "key", "time", "nonce", "signature"}) {
    if (!fields->contains(name)) return malformed();
  }
  const auto time = parse_seconds(fields->at("time"));
  auto nonce = base::from_base64url(fields->at("nonce"));
  auto signature = base::from_base64url(fields->at("signature"));
  if (!time || !nonce || nonce->size() != kNonceOctets || !signature ||
      signature->size() != sizeof(crypto::Ed25519Signature))
    return malformed();
  if (!is_name(fields->at("office")) || !is_name(fields->at("key"))) return malformed();
  return RequestSignature{.office = fields->at("office"),
                          .key_id = fields->at("key"),
                          .time_s = *time,
                          .nonce = std::move(*nonce),
                          .signature = std::move(*signature)};
}

RequestSignature sign_request(const Asked& asked, std::string office, std::string key_id, const Secret& signing_seed,
                              WallTime now, Entropy& entropy) {
  LATCHKEY_CHECK(is_name(office) && is_name(key_id));
  RequestSignature signature{.office = std::move(office),
                             .key_id = std::move(key_id),
                             .time_s = std::chrono::floor<Seconds>(now).time_since_epoch().count(),
                             .nonce = entropy.bytes(kNonceOctets),
                             .signature = {}};
  const auto made = crypto::ed25519_sign(signing_seed, signed_octets(asked, signature));
  signature.signature.assign(made.begin(), made.end());
  return signature;
}

Result<void> check_signature(const Asked& asked, const RequestSignature& given, const crypto::Ed25519Public& key,
                             WallTime now) {
  if (!crypto::ed25519_verify(key, signed_octets(asked, given), given.signature)) {
    return fail(ErrorKind::refused, "signature_wrong",
                "The request is not signed by the key this office was enrolled with.");
  }
  // Only of a request that is the office's own: strangers learn nothing of the clock. Compared without subtracting, since
  // the number is the office's.
  const auto now_s = std::chrono::floor<Seconds>(now).time_since_epoch().count();
  if (given.time_s < now_s - kRequestSkewMax.count() || given.time_s > now_s + kRequestSkewMax.count()) {
    const bool behind = given.time_s < now_s;
    return fail(ErrorKind::refused, "clock_differs",
                fmt::format("The clocks of the office and the Cloud Service differ by more than {} seconds: the office's is "
                            "{}. Set the clock that is wrong.",
                            kRequestSkewMax.count(), behind ? "behind" : "ahead"));
  }
  return {};
}

}  // namespace latchkey::cloud

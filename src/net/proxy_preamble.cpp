#include "net/proxy_preamble.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace latchkey::net {
namespace {

using Outcome = std::variant<ProxyPreamble, PreambleIncomplete, PreambleMalformed>;

constexpr std::string_view kSignature2("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::string_view kSignature1 = "PROXY ";
constexpr std::size_t kLine1BytesMax = 107;
constexpr std::size_t kHead2Bytes = 16;
constexpr std::uint8_t kTypeSsl = 0x20;
constexpr std::uint8_t kClientSsl = 0x01;

std::uint8_t octet(std::string_view text, std::size_t at) { return static_cast<std::uint8_t>(text[at]); }
std::size_t pair(std::string_view text, std::size_t at) { return static_cast<std::size_t>(octet(text, at)) << 8 | octet(text, at + 1); }

// Both are prefixes of one another as far as they go.
bool begins_like(std::string_view received, std::string_view signature) {
  const auto common = std::min(received.size(), signature.size());
  return received.substr(0, common) == signature.substr(0, common);
}

bool is_port(std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value <= 65'535 && (text.size() == 1 || text.front() != '0');
}

// "PROXY TCP4 192.0.2.7 198.51.100.1 51234 443\r\n", "PROXY UNKNOWN ...\r\n".
Outcome parse_line(std::string_view received) {
  const auto end = received.substr(0, kLine1BytesMax).find("\r\n");
  if (end == std::string_view::npos) {
    if (received.size() >= kLine1BytesMax) return PreambleMalformed();
    return PreambleIncomplete();
  }
  auto line = received.substr(kSignature1.size(), end - kSignature1.size());
  std::array<std::string_view, 5> words;
  std::size_t count = 0;
  for (bool more = true; more; ++count) {
    const auto space = line.find(' ');
    more = space != std::string_view::npos;
    if (count < words.size()) words[count] = line.substr(0, space);
    if (more) line.remove_prefix(space + 1);
  }
  ProxyPreamble preamble{.size_bytes = end + 2};
  if (words[0] == "UNKNOWN") return preamble;
  if (count != words.size() || (words[0] != "TCP4" && words[0] != "TCP6")) return PreambleMalformed();
  const auto client = IpAddress::parse(words[1]);
  const auto server = IpAddress::parse(words[2]);
  if (!client || !server || !is_port(words[3]) || !is_port(words[4])) return PreambleMalformed();
  const bool written_as_v4 = words[1].find(':') == std::string_view::npos;
  if (written_as_v4 != (words[0] == "TCP4")) return PreambleMalformed();
  preamble.client = client;
  return preamble;
}

// Whether the TLVs behind the addresses say that the client used TLS; nullopt: they do not fit their room.
std::optional<bool> says_tls(std::string_view vectors) {
  bool tls = false;
  while (!vectors.empty()) {
    if (vectors.size() < 3) return std::nullopt;
    const auto length = pair(vectors, 1);
    if (vectors.size() < 3 + length) return std::nullopt;
    if (octet(vectors, 0) == kTypeSsl && length >= 1) tls = (octet(vectors, 3) & kClientSsl) != 0;
    vectors.remove_prefix(3 + length);
  }
  return tls;
}

Outcome parse_binary(std::string_view received) {
  if (received.size() < kHead2Bytes) return PreambleIncomplete();
  const auto version = octet(received, 12) >> 4;
  const auto command = octet(received, 12) & 0x0f;
  const auto family = octet(received, 13) >> 4;
  const auto length = pair(received, 14);
  if (version != 2 || command > 1 || kHead2Bytes + length > kProxyPreambleBytesMax) return PreambleMalformed();
  if (received.size() < kHead2Bytes + length) return PreambleIncomplete();
  ProxyPreamble preamble{.size_bytes = kHead2Bytes + length};
  const auto body = received.substr(kHead2Bytes, length);
  std::size_t addresses = 0;
  if (command == 0) return preamble;
  if (family == 1) {
    addresses = 12;
    if (body.size() < addresses) return PreambleMalformed();
    preamble.client = IpAddress::v4(static_cast<std::uint32_t>(pair(body, 0) << 16 | pair(body, 2)));
  } else if (family == 2) {
    addresses = 36;
    if (body.size() < addresses) return PreambleMalformed();
    std::array<std::uint8_t, 16> octets{};
    for (std::size_t at = 0; at < octets.size(); ++at) octets[at] = octet(body, at);
    preamble.client = IpAddress::v6(octets);
  } else {
    return preamble;  // a UNIX socket, or nothing that is known here
  }
  const auto tls = says_tls(body.substr(addresses));
  if (!tls) return PreambleMalformed();
  preamble.tls = *tls;
  return preamble;
}

}  // namespace

Outcome parse_proxy_preamble(std::string_view received) {
  if (begins_like(received, kSignature2)) {
    if (received.size() < kSignature2.size()) return PreambleIncomplete();
    return parse_binary(received);
  }
  if (begins_like(received, kSignature1)) {
    if (received.size() < kSignature1.size()) return PreambleIncomplete();
    return parse_line(received);
  }
  return PreambleMalformed();
}

}  // namespace latchkey::net

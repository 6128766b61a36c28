#include "wire/mime/encoded_text.h"

#include <iconv.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>

#include "wire/mime/header_fields.h"
#include "wire/mime/transfer_decoder.h"

namespace latchkey::wire {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
// RFC 2047 section 2: a word has at most 75 characters; 45 octets are 60 of base64, and "=?UTF-8?B??=" the rest.
constexpr std::size_t kWordOctets = 45;
constexpr std::size_t kCharsetBytesMax = 40;
// Of a word that is read: senders exceed the 75, and nobody's header is searched to its end from each of its places.
constexpr std::size_t kReadWordBytesMax = 1024;

// windows-1252, 0x80 to 0x9F; what is not assigned keeps its ISO 8859-1 meaning (https://encoding.spec.whatwg.org, seen
// 2026-11-28).
constexpr std::array<std::uint16_t, 32> kWindows1252{0x20AC, 0x0081, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021,
                                                     0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x008D, 0x017D, 0x008F,
                                                     0x0090, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
                                                     0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x009D, 0x017E, 0x0178};

void append_code_point(std::uint32_t point, std::string& out) {
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += static_cast<char>(0xC0 | (point >> 6));
    out += static_cast<char>(0x80 | (point & 0x3F));
  } else {
    out += static_cast<char>(0xE0 | (point >> 12));
    out += static_cast<char>(0x80 | ((point >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (point & 0x3F));
  }
}

std::string from_windows_1252(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 4);
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    append_code_point(octet >= 0x80 && octet < 0xA0 ? kWindows1252[octet - 0x80] : octet, out);
  }
  return out;
}

// How many octets of a well-formed UTF-8 sequence begin here; 0: none (RFC 3629: no overlong forms, no surrogates).
std::size_t sequence_length(std::string_view text) {
  const auto at = [&](std::size_t index) { return static_cast<unsigned char>(text[index]); };
  const auto first = at(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xC2 && first < 0xE0   ? 2
                             : (first & 0xF0) == 0xE0        ? 3
                             : first >= 0xF0 && first < 0xF5 ? 4
                                                             : 0;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t index = 1; index < length; ++index) {
    if ((at(index) & 0xC0) != 0x80) return 0;
  }
  if (first == 0xE0 && at(1) < 0xA0) return 0;
  if (first == 0xED && at(1) >= 0xA0) return 0;
  if (first == 0xF0 && at(1) < 0x90) return 0;
  if (first == 0xF4 && at(1) >= 0x90) return 0;
  return length;
}

std::string repaired_utf8(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto length = sequence_length(text);
    if (length == 0) {
      out += kReplacement;
      text.remove_prefix(1);
    } else {
      out += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
  return out;
}

// Converts through the C library; an iconv descriptor closes with it.
class Iconv {
 public:
  explicit Iconv(const std::string& charset) : descriptor_(iconv_open("UTF-8", charset.c_str())) {}
  Iconv(const Iconv&) = delete;
  Iconv& operator=(const Iconv&) = delete;
  ~Iconv() {
    if (is_open()) iconv_close(descriptor_);
  }
  [[nodiscard]] bool is_open() const {
    return descriptor_ != reinterpret_cast<iconv_t>(-1);  // NOLINT: iconv_open()'s own mark of failure
  }
  [[nodiscard]] std::string convert(std::string_view text) {
    (void)iconv(descriptor_, nullptr, nullptr, nullptr, nullptr);  // whatever state the last text has left it in
    std::string from(text);
    std::string out;
    char* in = from.data();
    std::size_t in_left = from.size();
    std::array<char, 512> room{};
    while (in_left > 0) {
      char* to = room.data();
      std::size_t to_left = room.size();
      const bool stuck = iconv(descriptor_, &in, &in_left, &to, &to_left) == static_cast<std::size_t>(-1);
      out.append(room.data(), room.size() - to_left);
      if (stuck && to_left == room.size() && in_left > 0) {
        out += kReplacement;
        ++in;
        --in_left;
      }
    }
    return out;
  }

 private:
  iconv_t descriptor_;
};

std::string small(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

// Nothing but a name reaches iconv_open(), which reads conversion options behind a slash.
bool is_charset_name(std::string_view name) {
  return !name.empty() && name.size() <= kCharsetBytesMax && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == ':';
  });
}

struct EncodedWord {
  std::string charset;
  std::string octets;
  std::size_t length = 0;  // of the word as it stands
};

std::optional<std::string> decode_q(std::string_view text) {
  std::string as_printable;
  for (const char c : text) as_printable += c == '_' ? "=20" : std::string(1, c);
  Bytes octets;
  TransferDecoder decoder(TransferEncoding::quoted_printable);
  decoder.feed(as_printable, octets);
  if (!decoder.finish(octets)) return std::nullopt;
  return std::string(base::as_text(octets));
}

std::optional<std::string> decode_b(std::string_view text) {
  Bytes octets;
  TransferDecoder decoder(TransferEncoding::base64);
  decoder.feed(text, octets);
  if (!decoder.finish(octets)) return std::nullopt;
  return std::string(base::as_text(octets));
}

// "=?charset?B?text?=" at the beginning of `text`.
std::optional<EncodedWord> word_at(std::string_view text) {
  if (!text.starts_with("=?")) return std::nullopt;
  text = text.substr(0, kReadWordBytesMax);
  const auto charset_end = text.find('?', 2);
  if (charset_end == std::string_view::npos || charset_end + 2 >= text.size() || text[charset_end + 2] != '?')
    return std::nullopt;
  const auto body_begin = charset_end + 3;
  const auto body_end = text.find("?=", body_begin);
  if (body_end == std::string_view::npos) return std::nullopt;
  const auto body = text.substr(body_begin, body_end - body_begin);
  auto charset = small(text.substr(2, charset_end - 2));
  charset = charset.substr(0, charset.find('*'));  // RFC 2231 section 5: a language behind it
  const char coding = text[charset_end + 1];
  auto octets = coding == 'B' || coding == 'b'   ? decode_b(body)
                : coding == 'Q' || coding == 'q' ? decode_q(body)
                                                 : std::nullopt;
  if (!octets) return std::nullopt;
  return EncodedWord{.charset = std::move(charset), .octets = std::move(*octets), .length = body_end + 2};
}

}  // namespace

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const auto length = sequence_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string guess_utf8(std::string_view octets) { return is_utf8(octets) ? std::string(octets) : from_windows_1252(octets); }

class Charsets::Works {
 public:
  // nullptr: nobody knows it here, or it is one too many.
  [[nodiscard]] Iconv* find(const std::string& name) {
    auto found = known_.find(name);
    if (found == known_.end()) {
      if (known_.size() >= kMost) return nullptr;
      found = known_.emplace(name, std::make_unique<Iconv>(name)).first;
    }
    return found->second->is_open() ? found->second.get() : nullptr;
  }
  [[nodiscard]] std::size_t size() const { return known_.size(); }

 private:
  std::map<std::string, std::unique_ptr<Iconv>> known_;
};

Charsets::Charsets() : works_(std::make_unique<Works>()) {}
Charsets::~Charsets() = default;

std::size_t Charsets::looked_for() const { return works_->size(); }

std::string to_utf8(std::string_view text, std::string_view charset) { return Charsets().to_utf8(text, charset); }

std::string Charsets::to_utf8(std::string_view text, std::string_view charset) {
  const auto name = small(charset);
  if (name == "utf-8" || name == "utf8") return repaired_utf8(text);
  // Senders who say ISO 8859-1 or ASCII and use more mean windows-1252.
  if (name == "windows-1252" || name == "iso-8859-1" || name == "latin1" || name == "cp1252") return from_windows_1252(text);
  if (name == "us-ascii" || !is_charset_name(name)) return guess_utf8(text);
  auto* iconv = works_->find(name);
  if (iconv == nullptr) return guess_utf8(text);
  auto converted = iconv->convert(text);
  return is_utf8(converted) ? std::move(converted) : repaired_utf8(converted);
}

std::string decode_words(std::string_view text) {
  Charsets charsets;
  return decode_words(text, charsets);
}

std::string decode_words(std::string_view text, Charsets& charsets) {
  std::string out;
  std::string plain;   // not told yet: blanks between two words are dropped (RFC 2047 section 6.2)
  std::string octets;  // of words side by side in one charset: a character may be cut between them
  std::string charset;
  const auto tell_words = [&] {
    if (!octets.empty()) out += charsets.to_utf8(octets, charset);
    octets.clear();
  };
  bool after_word = false;
  while (!text.empty()) {
    const auto word = word_at(text);
    if (!word) {
      const auto next = text.find("=?", 1);
      const auto length = std::min(next, text.size());
      plain += text.substr(0, length);
      text.remove_prefix(length);
      continue;
    }
    const bool joined = after_word && plain.find_first_not_of(" \t") == std::string::npos;
    if (!joined || word->charset != charset) tell_words();
    if (!joined) out += guess_utf8(plain);
    plain.clear();
    charset = word->charset;
    octets += word->octets;
    after_word = true;
    text.remove_prefix(word->length);
  }
  tell_words();
  return out + guess_utf8(plain);
}

std::string encode_words(std::string_view utf8) {
  std::string clean(utf8);
  std::ranges::replace_if(clean, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  const bool is_plain = std::ranges::all_of(clean, [](char c) { return static_cast<unsigned char>(c) < 0x80; }) &&
                        clean.find("=?") == std::string::npos;
  if (is_plain) return clean;
  std::string out;
  std::string_view rest = clean;
  while (!rest.empty()) {
    std::size_t length = 0;
    while (length < rest.size()) {
      const auto step = std::max<std::size_t>(sequence_length(rest.substr(length)), 1);
      if (length + step > kWordOctets) break;
      length += step;
    }
    if (!out.empty()) out += ' ';
    out += "=?UTF-8?B?" + base::to_base64(base::as_bytes(rest.substr(0, length))) + "?=";
    rest.remove_prefix(length);
  }
  return out;
}

std::string quoted_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

}  // namespace latchkey::wire

#include "people/device_secret.h"

namespace latchkey::people {
namespace {

constexpr std::string_view kAlphabet = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr std::size_t kTypedBytesMax = 128;

// As it is in the alphabet; 0 for what is not.
char read_character(char c) {
  if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  if (c == 'o') return '0';
  if (c == 'i' || c == 'l') return '1';
  return kAlphabet.find(c) == std::string_view::npos ? '\0' : c;
}

}  // namespace

std::string_view name_of(SecretForm form) {
  switch (form) {
    case SecretForm::whole: return "whole";
    case SecretForm::compact: return "compact";
  }
  return "";
}

std::optional<SecretForm> parse_secret_form(std::string_view name) {
  for (const auto form : {SecretForm::whole, SecretForm::compact}) {
    if (name == name_of(form)) return form;
  }
  return std::nullopt;
}

// Five bits a character: 260 carry the 256, and 160 are 160.
std::size_t characters_of(SecretForm form) { return form == SecretForm::whole ? 52 : 32; }

Secret make_device_secret(SecretForm form, Entropy& entropy) {
  auto secret = Secret::of_size(characters_of(form));
  entropy.fill(secret.writable());
  for (auto& octet : secret.writable()) octet = static_cast<std::uint8_t>(kAlphabet[octet % kAlphabet.size()]);
  return secret;
}

std::optional<Secret> read_device_secret(const Secret& typed) {
  if (typed.size() > kTypedBytesMax) return std::nullopt;
  auto read = Secret::of_size(characters_of(SecretForm::whole));
  std::size_t size = 0;
  for (const char c : typed.reveal_text()) {
    if (c == ' ' || c == '-') continue;
    const char known = read_character(c);
    if (known == '\0' || size == read.size()) return std::nullopt;
    read.writable()[size++] = static_cast<std::uint8_t>(known);
  }
  if (size == read.size()) return read;
  if (size == characters_of(SecretForm::compact)) return Secret(read.reveal().first(size));
  return std::nullopt;
}

}  // namespace latchkey::people
